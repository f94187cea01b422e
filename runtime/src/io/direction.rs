//! One direction of a descriptor: whether a try may succeed, and who waits for it.
//!
//! Owns: the cached "may be ready" and the fan-out of one wake to many waiters. Must not know: where
//! readiness comes from, the operations that wait.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

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

    /// What wakes everyone who waits here.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether it is the direction of reads.
    pub(super) fn is_for_reads(&self) -> bool {
        self.events == libc::POLLIN
    }

    /// Says whether a try may succeed.
    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.set(ready);
    }

    /// Ring: whether an edge may not follow what was seen.
    pub(super) fn is_unusual(&self) -> bool {
        self.unusual.get()
    }

    /// Ring: the poll in `slot` is in flight for it.
    pub(super) fn arm(&self, slot: usize) {
        self.armed.set(Some(slot));
    }

    /// Epoll: whether what tokio has cached is from before the last failed try. It is not from now on.
    pub(super) fn take_stale(&self) -> bool {
        self.stale.replace(false)
    }
}
