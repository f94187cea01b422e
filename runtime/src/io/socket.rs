//! An arbitrary socket with one-shot operations, for the `os` API of JavaScript.
//!
//! Owns: a descriptor, the readiness of its two directions, and the order of who waits. Every
//! operation is a system call that does not block, tried in call order when a poll in the ring, or
//! epoll, says so: nothing is received that nobody asked for. Closing settles everything.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::budget;
use super::direction::Direction;
use super::readiness::{ReadinessSource, Registration};
use super::ring::Ring;
use super::tcp_info::TcpInfo;
use super::worker;

/// A socket (or another pollable descriptor) of this worker; clones share it. It closes with
/// [`close`](Self::close), or when the last clone and the last pending operation are gone.
#[derive(Clone)]
pub struct Socket {
    inner: Rc<SocketState>,
}

pub(super) const READ: usize = 0;
pub(super) const WRITE: usize = 1;

struct SocketState {
    fd: RefCell<Option<OwnedFd>>,
    source: ReadinessSource,
    directions: [Rc<Direction>; 2],
    /// The operations pending in each direction; the first one tries.
    queues: [RefCell<VecDeque<u64>>; 2],
    tickets: Cell<u64>,
    /// A receive that leaves room in its buffer has taken all there was.
    short_is_all: Cell<bool>,
    /// An operation has failed because the connection did.
    broken: Cell<bool>,
}

fn closed() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

impl Socket {
    /// Takes a descriptor; blocking or not, operations never block the worker.
    ///
    /// # Panics
    /// Outside of [`super::run`].
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        let ring = worker::ring();
        let directions = [libc::POLLIN, libc::POLLOUT].map(|events| Direction::new(events, ring.is_some()));
        let source = match ring {
            Some(ring) => ReadinessSource::Ring(ring),
            None => ReadinessSource::Epoll(Registration::new(&directions)),
        };
        Socket {
            inner: Rc::new(SocketState {
                fd: RefCell::new(Some(fd.into())),
                source,
                directions,
                queues: Default::default(),
                tickets: Cell::new(0),
                short_is_all: Cell::new(false),
                broken: Cell::new(false),
            }),
        }
    }

    /// The descriptor's number, until it is closed.
    pub fn raw_fd(&self) -> Option<i32> {
        self.inner.fd.borrow().as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Calls `f` with the descriptor, for synchronous calls on it. EBADF once closed.
    pub fn with_fd<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        match &*self.inner.fd.borrow() {
            Some(fd) => f(fd.as_fd()),
            None => Err(closed()),
        }
    }

    /// Closes the descriptor now. Every pending operation ends with EBADF.
    pub fn close(&self) -> io::Result<()> {
        if self.inner.close() { Ok(()) } else { Err(closed()) }
    }

    /// Takes the descriptor out; pending operations end with EBADF.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        self.inner.take_fd().ok_or_else(closed)
    }

    /// Waits until a read would not block (poll(2), POLLIN). Level-triggered; takes no turn.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> + use<> {
        self.level(READ, libc::POLLIN)
    }

    /// Waits until a write would not block (poll(2), POLLOUT). Level-triggered; takes no turn.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> + use<> {
        self.level(WRITE, libc::POLLOUT)
    }

    fn level(&self, direction: usize, events: i16) -> impl Future<Output = io::Result<()>> + use<> {
        let inner = self.inner.clone();
        poll_fn(move |cx| {
            for _ in 0..TRIES_MAX {
                let Some(fd) = inner.raw() else { return Poll::Ready(Err(closed())) };
                if poll_now(fd, events) {
                    ready!(budget::poll_left(cx));
                    budget::spend(0);
                    return Poll::Ready(Ok(()));
                }
                inner.directions[direction].clear();
                ready!(inner.source.poll_ready(&inner.directions[direction], fd, cx));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Whether an operation has failed because the peer, or the network, ended the connection: with a
    /// reset, or a time-out.
    pub fn is_broken(&self) -> bool {
        self.inner.broken.get()
    }

    /// Notes what `error`, of an operation, says of the connection.
    pub(super) fn note(&self, error: &io::Error) {
        if let Some(fd) = &*self.inner.fd.borrow() {
            self.inner.note(error, fd.as_fd());
        }
    }

    /// Says that a receive which leaves room in its buffer has taken all there was: true of TCP, not
    /// of datagrams or AF_UNIX, where a message's border ends it. It spares the receive that fails.
    pub fn set_short_is_all(&self) {
        self.inner.short_is_all.set(true);
    }

    /// Whether nobody waits in `direction`, and a try is worth it.
    pub(super) fn is_free(&self, direction: usize) -> bool {
        self.inner.queues[direction].borrow().is_empty() && self.inner.directions[direction].is_ready()
    }

    /// A try in `direction` found nothing to do.
    pub(super) fn clear(&self, direction: usize) {
        self.inner.directions[direction].clear();
    }

    /// A receive left room in its buffer.
    pub(super) fn received_short(&self) {
        if self.inner.short_is_all.get()
            && let Some(fd) = &*self.inner.fd.borrow()
        {
            self.inner.source.drained(&self.inner.directions[READ], fd.as_fd());
        }
    }

    /// Takes a place in the order of `direction`'s operations.
    pub(super) fn queue(&self, direction: usize) -> Waiter {
        Waiter::new(self.inner.clone(), direction)
    }
}

/// A descriptor that the process was started with (standard input, ...), as one of its own: whoever
/// takes it must not close it while others of the process use its number.
///
/// # Errors
/// EBADF when `fd` is not open.
pub fn inherited(fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) checks the number; the descriptor is owned from here on.
    unsafe {
        match libc::fcntl(fd, libc::F_GETFD) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// poll(2) without waiting. Without `events`: whether there is an error or a hang-up.
pub(super) fn poll_now(fd: i32, events: i16) -> bool {
    let mut poll = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one element, alive across the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
}

/// Whether nothing more will come to be read (POLLRDHUP).
pub(super) fn shut_for_reading(fd: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one element, alive across the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 && poll.revents & libc::POLLRDHUP != 0 }
}

impl SocketState {
    fn note(&self, error: &io::Error, fd: BorrowedFd<'_>) {
        let broken = match error.raw_os_error() {
            Some(libc::ECONNRESET | libc::ETIMEDOUT) => true,
            // After our own end, too: only a closed connection was ended by the peer.
            Some(libc::EPIPE) => TcpInfo::of(fd).is_some_and(|info| info.is_closed()),
            _ => return,
        };
        self.broken.set(self.broken.get() || broken);
    }

    fn raw(&self) -> Option<i32> {
        self.fd.borrow().as_ref().map(AsRawFd::as_raw_fd)
    }

    fn take_fd(&self) -> Option<OwnedFd> {
        let fd = self.fd.borrow_mut().take()?;
        match &self.source {
            ReadinessSource::Ring(ring) => self.cancel_all(ring),
            // Deregisters the number while it is still ours.
            ReadinessSource::Epoll(registration) => registration.end(),
        }
        self.directions.iter().for_each(|direction| direction.wake_all());
        Some(fd)
    }

    fn cancel_all(&self, ring: &Ring) {
        let mut polls = self.directions.iter().filter_map(|direction| direction.armed()).peekable();
        if polls.peek().is_some() {
            ring.cancel_polls(polls);
            ring.submit();
        }
    }

    fn close(&self) -> bool {
        self.take_fd().is_some()
    }
}

impl Drop for SocketState {
    fn drop(&mut self) {
        self.close();
    }
}

/// A descriptor may be ready, as poll(2) has it, and not be, as the call has it, for as long as it
/// lives (an error queue that nobody reads): then the others have their turns in between. The
/// sources of readiness, too, may say what poll(2) does not.
const TRIES_MAX: u32 = 3;

/// An operation's place in the queue of its direction.
pub(super) struct Waiter {
    inner: Rc<SocketState>,
    direction: usize,
    ticket: u64,
}

impl Waiter {
    fn new(inner: Rc<SocketState>, direction: usize) -> Self {
        let ticket = inner.tickets.get();
        inner.tickets.set(ticket + 1);
        inner.queues[direction].borrow_mut().push_back(ticket);
        Waiter { inner, direction, ticket }
    }

    /// Runs `attempt` when it is first and may be ready, and again after each WouldBlock. What it
    /// gains is handed over in the same poll: nothing is lost when the future is dropped.
    pub(super) async fn run<T>(
        self,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        poll_fn(|cx| self.poll(cx, &mut attempt)).await
    }

    /// Ready when the operation is the first of its direction, with the descriptor.
    fn poll_first(&self, cx: &Context<'_>) -> Poll<io::Result<i32>> {
        let Some(fd) = self.inner.raw() else { return Poll::Ready(Err(closed())) };
        if self.inner.queues[self.direction].borrow().front() != Some(&self.ticket) {
            self.inner.directions[self.direction].wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(fd))
    }

    /// Ready when a try is worth it: it is the first of its direction, which may be ready, or the socket is
    /// closed. Else `cx` is woken then.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let Ok(fd) = ready!(self.poll_first(cx)) else { return Poll::Ready(()) };
        ready!(budget::poll_left(cx));
        self.inner.source.poll_ready(&self.inner.directions[self.direction], fd, cx)
    }

    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        attempt: &mut impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let direction = &self.inner.directions[self.direction];
        ready!(self.poll_first(cx))?;
        ready!(budget::poll_left(cx));
        let mut tries = 0;
        loop {
            let fd = self.inner.fd.borrow();
            let Some(fd) = fd.as_ref() else { return Poll::Ready(Err(closed())) };
            ready!(self.inner.source.poll_ready(direction, fd.as_raw_fd(), cx));
            match attempt(fd.as_fd()) {
                // It may have stopped for that, with the descriptor still ready.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !budget::is_left() => {
                    return budget::poll_left(cx).map(|()| Err(error));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    direction.clear();
                    tries += 1;
                    if tries == TRIES_MAX {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    budget::spend(0);
                    if let Err(error) = &result {
                        self.inner.note(error, fd.as_fd());
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut queue = self.inner.queues[self.direction].borrow_mut();
        match queue.front() == Some(&self.ticket) {
            true => drop(queue.pop_front()),
            false => queue.retain(|ticket| *ticket != self.ticket),
        }
        if !queue.is_empty() {
            self.inner.directions[self.direction].wake_all();
        }
    }
}
