//! Word of a connection's end while nobody reads it: the peer's FIN, or that it broke.
//!
//! Owns: one epoll set of a worker beside its backend, which hears of hang-ups and never of bytes: what
//! has arrived stays where it is, and wakes nobody. Must not know: who owns the sockets, what becomes
//! of them.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use slab::Slab;

use super::executor::spawn;
use super::socket::Socket;

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The peer has sent its FIN (POLLRDHUP): what came before can still be read.
    Finished,
    /// It was reset, or timed out (POLLERR).
    Broken,
}

thread_local! {
    static HUB: RefCell<Weak<Hub>> = const { RefCell::new(Weak::new()) };
}

/// Events of one epoll_wait(2).
const EVENTS_MAX: usize = 64;

struct Hub {
    /// The epoll descriptor, itself waited for like any other.
    epoll: Socket,
    watches: RefCell<Slab<Watched>>,
}

#[derive(Default)]
struct Watched {
    /// The FIN was heard of.
    finished: bool,
    end: Option<ConnectionEnd>,
    waker: Option<Waker>,
}

impl Hub {
    /// This worker's, made with its first watch; it goes with the worker.
    fn of_worker() -> io::Result<Rc<Hub>> {
        if let Some(hub) = HUB.with(|hub| hub.borrow().upgrade()) {
            return Ok(hub);
        }
        let epoll = Socket::new(epoll::create(CreateFlags::CLOEXEC)?);
        let hub = Rc::new(Hub { epoll, watches: RefCell::default() });
        HUB.with(|slot| *slot.borrow_mut() = Rc::downgrade(&hub));
        let listening = hub.clone();
        drop(spawn(
            async move { while listening.epoll.readable().await.is_ok() && listening.hear().is_ok() {} },
        ));
        Ok(hub)
    }

    /// Takes what has happened and wakes who waits for it.
    fn hear(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.epoll.with_fd(|fd| {
            Ok(epoll::wait(fd, rustix::buffer::spare_capacity(&mut events), Some(&at_once))?)
        })?;
        for event in events {
            let (flags, data) = (event.flags, event.data);
            let end =
                if flags.contains(EventFlags::ERR) { ConnectionEnd::Broken } else { ConnectionEnd::Finished };
            let waker = self.watches.borrow_mut().get_mut(data.u64() as usize).and_then(|watched| {
                // POLLHUP alone says that our direction has ended, too: that is no news.
                if end == ConnectionEnd::Finished && std::mem::replace(&mut watched.finished, true) {
                    return None;
                }
                watched.end = Some(end);
                watched.waker.take()
            });
            waker.into_iter().for_each(Waker::wake);
        }
        Ok(())
    }
}

/// The watch over one socket; stop it before the socket is closed.
pub struct EndWatch {
    hub: Rc<Hub>,
    key: usize,
    fd: RawFd,
    heard: Cell<Option<ConnectionEnd>>,
    stopped: Cell<bool>,
}

impl EndWatch {
    /// Watches a connected stream socket.
    ///
    /// # Errors
    /// Those of epoll_create1(2) and epoll_ctl(2).
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let hub = Hub::of_worker()?;
        let key = hub.watches.borrow_mut().insert(Watched::default());
        let watch =
            EndWatch { hub, key, fd: fd.as_raw_fd(), heard: Cell::new(None), stopped: Cell::new(false) };
        let flags = EventFlags::RDHUP | EventFlags::ONESHOT;
        watch.hub.epoll.with_fd(|set| Ok(epoll::add(set, fd, EventData::new_u64(key as u64), flags)?))?;
        Ok(watch)
    }

    /// Hears of nothing more.
    pub fn stop(&self) {
        if !self.stopped.replace(true) {
            // It fails where the descriptor never came into the set.
            let _ = self.hub.epoll.with_fd(|set| Ok(epoll::delete(set, self.fd())?));
        }
    }

    /// The next end that is heard of: that the peer has finished at most once, then that it broke.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        let mut watches = self.hub.watches.borrow_mut();
        let watched = &mut watches[self.key];
        match watched.end.take() {
            Some(end) => {
                self.heard.set(Some(end));
                if end == ConnectionEnd::Finished && !self.stopped.get() {
                    self.listen_on();
                }
                Poll::Ready(end)
            }
            None if self.heard.get() == Some(ConnectionEnd::Broken) => Poll::Ready(ConnectionEnd::Broken),
            None => {
                watched.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// After the FIN: errors, which epoll(7) always tells.
    fn listen_on(&self) {
        let data = EventData::new_u64(self.key as u64);
        // It fails for a socket that is closed already: then nothing more is heard.
        let _ = self.hub.epoll.with_fd(|set| Ok(epoll::modify(set, self.fd(), data, EventFlags::ONESHOT)?));
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the owner of the socket stops this watch before it closes the descriptor; epoll_ctl(2)
        // on a number that is closed all the same is an error, nothing worse.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for EndWatch {
    fn drop(&mut self) {
        self.stop();
        self.hub.watches.borrow_mut().try_remove(self.key);
    }
}
