//! Readiness of one direction of a descriptor, shared by all that wait for it.
//!
//! Owns: the cached "may be ready" and the fan-out of one wake to many waiters. Filled by a
//! one-shot poll in the ring, or by tokio's AsyncFd. Must not know: the operations that wait.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::ring::Ring;

/// One direction of one descriptor.
pub(super) struct Direction {
    /// A try may succeed. True until a try says otherwise.
    ready: Cell<bool>,
    /// Epoll: what tokio has cached is from before the last failed try.
    stale: Cell<bool>,
    /// Ring: the slot of the poll in flight.
    armed: Cell<Option<usize>>,
    fan: Arc<FanOut>,
    waker: Waker,
    events: i16,
}

#[derive(Default)]
struct FanOut {
    waiters: Mutex<Vec<Waker>>,
}

impl Wake for FanOut {
    fn wake(self: Arc<Self>) {
        let waiters = std::mem::take(&mut *self.waiters.lock().unwrap_or_else(PoisonError::into_inner));
        waiters.into_iter().for_each(Waker::wake);
    }
}

/// Where readiness comes from.
pub(super) enum Source {
    Ring(Rc<Ring>),
    /// Registered with tokio when something first waits.
    Epoll(RefCell<Option<AsyncFd<i32>>>),
}

impl Direction {
    /// For `events` of poll(2): POLLIN or POLLOUT.
    pub(super) fn new(events: i16) -> Rc<Self> {
        let fan = Arc::new(FanOut::default());
        let waker = Waker::from(fan.clone());
        let (ready, stale, armed) = (Cell::new(true), Cell::new(false), Cell::new(None));
        Rc::new(Direction { ready, stale, armed, fan, waker, events })
    }

    /// The ring's poll has completed; returns whom to wake.
    pub(super) fn complete(&self) -> Waker {
        self.armed.set(None);
        self.ready.set(true);
        self.waker.clone()
    }

    /// The slot of the poll in flight in the ring.
    pub(super) fn armed(&self) -> Option<usize> {
        self.armed.get()
    }

    /// A try found the descriptor not ready.
    pub(super) fn clear(&self) {
        self.ready.set(false);
        self.stale.set(true);
    }

    /// Wakes everyone who waits here.
    pub(super) fn wake_all(&self) {
        self.waker.wake_by_ref();
    }

    /// Adds a waiter for the next wake.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waiters = self.fan.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
    }

    /// Ready when a try is worth it.
    pub(super) fn poll_ready(self: &Rc<Self>, source: &Source, fd: i32, cx: &Context<'_>) -> Poll<()> {
        if self.ready.get() {
            return Poll::Ready(());
        }
        self.wait(cx);
        match source {
            Source::Ring(ring) => {
                if self.armed.get().is_none() {
                    self.armed.set(Some(ring.poll_once(fd, self.events, self)));
                }
                Poll::Pending
            }
            Source::Epoll(async_fd) => self.poll_epoll(async_fd, fd),
        }
    }

    fn poll_epoll(&self, async_fd: &RefCell<Option<AsyncFd<i32>>>, fd: i32) -> Poll<()> {
        let mut async_fd = async_fd.borrow_mut();
        if async_fd.is_none() {
            // EPERM: a descriptor that epoll cannot watch is always ready.
            // SAFETY: the socket drops the AsyncFd before it closes or gives away the descriptor.
            *async_fd = unsafe { AsyncFd::register(fd) }.ok();
        }
        let Some(async_fd) = async_fd.as_ref() else { return Poll::Ready(()) };
        let mut cx = Context::from_waker(&self.waker);
        loop {
            match self.poll_async_fd(async_fd, &mut cx) {
                Poll::Ready(Some(mut guard)) if self.stale.replace(false) => guard.clear_ready(),
                Poll::Ready(_) => {
                    self.ready.set(true);
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    self.stale.set(false);
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_async_fd<'a>(
        &self,
        async_fd: &'a AsyncFd<i32>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<AsyncFdReadyGuard<'a, i32>>> {
        let poll = if self.events == libc::POLLIN {
            async_fd.poll_read_ready(cx)
        } else {
            async_fd.poll_write_ready(cx)
        };
        poll.map(Result::ok)
    }
}
