//! One direction of a descriptor: whether a try may succeed, and who waits for it.
//!
//! Owns: the cached "may be ready" and the fan-out of one wake to many waiters: by a waker for tokio, which may
//! be anywhere; without a lock for the ring, which is on this thread. Must not know: the operations that wait.

use std::cell::{Cell, RefCell};
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
    /// Ring: the end of the stream or an error was seen. They tell of no further edge.
    unusual: Cell<bool>,
    /// Ring: the last event may have been of urgent data.
    urgent: Cell<bool>,
    /// Ring: events since the one that made it ready.
    unheard: Cell<u8>,
    waiters: Waiters,
    events: i16,
}

/// Who waits.
enum Waiters {
    /// Ring: woken from this thread.
    Here(RefCell<VecDeque<Waker>>),
    /// Epoll: woken by way of a waker that tokio has.
    Anywhere(Arc<FanOut>, Waker),
}

/// Events that a poll tells of in vain before it is ended.
const UNHEARD_MAX: u8 = 4;
/// What makes a short read no proof that nothing is left: the end may have come with the bytes.
const UNUSUAL: i32 = (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) as i32;

#[derive(Default)]
struct FanOut {
    waiters: Mutex<VecDeque<Waker>>,
}

impl Wake for FanOut {
    fn wake(self: Arc<Self>) {
        let count = self.lock().len();
        wake_each(count, || self.lock().pop_front());
    }
}

/// One by one, so that the list keeps its memory; who waits anew behind them waits on.
fn wake_each(count: usize, mut next: impl FnMut() -> Option<Waker>) {
    for _ in 0..count {
        let waiter = next();
        waiter.into_iter().for_each(Waker::wake);
    }
}

fn add(waiters: &mut VecDeque<Waker>, cx: &Context<'_>) {
    if !waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
        waiters.push_back(cx.waker().clone());
    }
}

impl FanOut {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Direction {
    /// For `events` of poll(2): POLLIN or POLLOUT; of the ring, or of epoll.
    pub(super) fn new(events: i16, on_ring: bool) -> Rc<Self> {
        let waiters = match on_ring {
            true => Waiters::Here(RefCell::default()),
            false => {
                let fan = Arc::new(FanOut::default());
                Waiters::Anywhere(fan.clone(), Waker::from(fan))
            }
        };
        let (ready, stale, armed) = (Cell::new(true), Cell::new(false), Cell::new(None));
        Rc::new(Direction {
            ready,
            stale,
            armed,
            unusual: Cell::default(),
            urgent: Cell::default(),
            unheard: Cell::default(),
            waiters,
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

    /// The ring's poll tells of `events` (or a negative errno), and goes on if `more`. Whether the poll
    /// had better end: nobody asks for what it tells of. Who waits is to be woken.
    pub(super) fn complete(&self, events: i32, more: bool) -> bool {
        if !more {
            self.armed.set(None);
        }
        if events & UNUSUAL != 0 && events != -libc::ECANCELED {
            self.unusual.set(true);
        }
        self.urgent.set(events & libc::POLLPRI as i32 != 0);
        let unheard = if self.ready.replace(true) { self.unheard.get().saturating_add(1) } else { 0 };
        self.unheard.set(unheard);
        more && unheard >= UNHEARD_MAX
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
        match &self.waiters {
            Waiters::Here(waiters) => {
                let count = waiters.borrow().len();
                wake_each(count, || waiters.borrow_mut().pop_front());
            }
            Waiters::Anywhere(_, waker) => waker.wake_by_ref(),
        }
    }

    /// Adds a waiter for the next wake.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        match &self.waiters {
            Waiters::Here(waiters) => add(&mut waiters.borrow_mut(), cx),
            Waiters::Anywhere(fan, _) => add(&mut fan.lock(), cx),
        }
    }

    /// Epoll: what wakes everyone who waits here.
    pub(super) fn waker(&self) -> &Waker {
        match &self.waiters {
            Waiters::Here(_) => Waker::noop(),
            Waiters::Anywhere(_, waker) => waker,
        }
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

    /// Ring: whether there may be urgent data, before which tcp(7) ends a read. The kernel says so of each wake-up by
    /// bytes, without a look.
    pub(super) fn may_be_urgent(&self) -> bool {
        self.urgent.get()
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
