//! Readiness of one direction of a descriptor, shared by all that wait for it.
//!
//! Owns: the cached "may be ready" and the fan-out of one wake to many waiters. Filled by a poll
//! in the ring (for reading one that stays, and tells of edges), or by tokio's AsyncFd. Must not
//! know: the operations that wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::Interest;
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
    /// Ring: the end of the stream, an error or urgent data was seen. They tell of no further edge.
    unusual: Cell<bool>,
    /// Ring: events since the one that made it ready.
    unheard: Cell<u8>,
    fan: Arc<FanOut>,
    waker: Waker,
    events: i16,
}

/// Events that a poll tells of in vain before it is ended.
const UNHEARD_MAX: u8 = 4;
/// What makes a short read no proof that nothing is left: the end may have come with the bytes, and
/// tcp(7) stops a read before urgent data.
const UNUSUAL: i32 = (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR | libc::POLLPRI) as i32;

#[derive(Default)]
struct FanOut {
    waiters: Mutex<VecDeque<Waker>>,
}

impl Wake for FanOut {
    fn wake(self: Arc<Self>) {
        // One by one, so that the list keeps its memory; who waits anew behind them waits on.
        let count = self.lock().len();
        for _ in 0..count {
            let waiter = self.lock().pop_front();
            waiter.into_iter().for_each(Waker::wake);
        }
    }
}

impl FanOut {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where readiness comes from.
pub(super) enum Source {
    Ring(Rc<Ring>),
    Epoll(Registration),
}

/// A descriptor's place in tokio's epoll, taken when something first waits.
pub(super) struct Registration {
    async_fd: RefCell<Option<AsyncFd<i32>>>,
    /// Those of both directions, which ask anew when it is taken again.
    wakers: [Waker; 2],
}

impl Registration {
    pub(super) fn new(directions: &[Rc<Direction>; 2]) -> Self {
        Registration { async_fd: RefCell::new(None), wakers: [0, 1].map(|i| directions[i].waker.clone()) }
    }

    /// Gives the place up, for as long as the number is still the descriptor's.
    pub(super) fn end(&self) {
        self.async_fd.borrow_mut().take();
    }
}

impl Direction {
    /// For `events` of poll(2): POLLIN or POLLOUT.
    pub(super) fn new(events: i16) -> Rc<Self> {
        let fan = Arc::new(FanOut::default());
        let waker = Waker::from(fan.clone());
        let (ready, stale, armed) = (Cell::new(true), Cell::new(false), Cell::new(None));
        Rc::new(Direction {
            ready,
            stale,
            armed,
            unusual: Cell::default(),
            unheard: Cell::default(),
            fan,
            waker,
            events,
        })
    }

    /// The events to poll for in the ring, and whether the poll is to stay after the first.
    pub(super) fn interest(&self) -> (u32, bool) {
        match self.events {
            libc::POLLIN => ((libc::POLLIN | libc::POLLRDHUP | libc::POLLPRI) as u32, true),
            events => (events as u32, false),
        }
    }

    /// The ring's poll tells of `events` (or a negative errno), and goes on if `more`. Returns whom
    /// to wake, and whether the poll had better end: nobody asks for what it tells of.
    pub(super) fn complete(&self, events: i32, more: bool) -> (Waker, bool) {
        if !more {
            self.armed.set(None);
        }
        if events & UNUSUAL != 0 && events != -libc::ECANCELED {
            self.unusual.set(true);
        }
        let unheard = if self.ready.replace(true) { self.unheard.get().saturating_add(1) } else { 0 };
        self.unheard.set(unheard);
        (self.waker.clone(), more && unheard >= UNHEARD_MAX)
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

    /// A stream gave less than was asked for: nothing is left, and what comes next is an edge.
    pub(super) fn drained(&self, source: &Source) {
        match source {
            Source::Ring(_) if self.unusual.get() => {}
            Source::Ring(_) => self.ready.set(false),
            Source::Epoll(registration) => {
                if let Some(async_fd) = registration.async_fd.borrow().as_ref() {
                    let mut cx = Context::from_waker(Waker::noop());
                    if pin!(async_fd.ready(Interest::PRIORITY)).poll(&mut cx).is_ready() {
                        return;
                    }
                    // At once: tokio may hear of the next edge before the next wait. The end of the
                    // stream stays set there.
                    if let Poll::Ready(Some(mut guard)) = self.poll_async_fd(async_fd, &mut cx) {
                        guard.clear_ready();
                    }
                }
                self.ready.set(false);
            }
        }
    }

    /// Whether a try is worth it, without waiting.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.get()
    }

    /// Wakes everyone who waits here.
    pub(super) fn wake_all(&self) {
        self.waker.wake_by_ref();
    }

    /// Adds a waiter for the next wake.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waiters = self.fan.lock();
        if !waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiters.push_back(cx.waker().clone());
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
                    self.armed.set(Some(ring.poll(fd, self)));
                }
                Poll::Pending
            }
            Source::Epoll(registration) => self.poll_epoll(registration, fd),
        }
    }

    fn poll_epoll(&self, registration: &Registration, fd: i32) -> Poll<()> {
        let mut async_fd = registration.async_fd.borrow_mut();
        let mut cx = Context::from_waker(&self.waker);
        let mut cleared = false;
        loop {
            if async_fd.is_none() {
                let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
                // EPERM: a descriptor that epoll cannot watch is always ready.
                // SAFETY: the socket drops the AsyncFd before it closes or gives away the descriptor.
                *async_fd = unsafe { AsyncFd::register_with_interest(fd, interest) }.ok();
            }
            let Some(known) = async_fd.as_ref() else { return self.found_ready() };
            match self.poll_async_fd(known, &mut cx) {
                Poll::Ready(Some(mut guard)) if self.stale.replace(false) => {
                    guard.clear_ready();
                    cleared = true;
                }
                // tokio never forgets an end of the stream. One that a try does not meet has passed: a
                // socket that is neither connected nor listens has it (POLLHUP), and loses it then.
                Poll::Ready(Some(_)) if std::mem::take(&mut cleared) => {
                    async_fd.take();
                    let others = registration.wakers.iter().filter(|waker| !waker.will_wake(&self.waker));
                    others.for_each(Waker::wake_by_ref);
                }
                Poll::Ready(_) => return self.found_ready(),
                Poll::Pending => {
                    self.stale.set(false);
                    return Poll::Pending;
                }
            }
        }
    }

    fn found_ready(&self) -> Poll<()> {
        self.ready.set(true);
        Poll::Ready(())
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
