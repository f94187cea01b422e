//! Coarse deadlines: cheap to set on every request, seldom reached.
//!
//! Owns: the list of this thread's deadlines and the time of its next sweep. Setting one is two
//! stores; a sweep, at most every 50 ms and none while no deadline is near, wakes what has run
//! out. Must not know: what a deadline ends, or how the worker waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use super::memory;

/// The least time between two sweeps, in milliseconds: how late a deadline can be.
const SWEEP_MS: u64 = 50;
const NEVER: u64 = u64::MAX;

thread_local! {
    static SWEEPER: Rc<Sweeper> = Rc::new(Sweeper {
        epoch: Instant::now(),
        now_ms: Cell::new(0),
        next_ms: Cell::new(NEVER),
        slots: RefCell::new(Slab::new()),
    });
}

struct Sweeper {
    epoch: Instant,
    /// The start of this turn, so that setting a deadline is an addition.
    now_ms: Cell<u64>,
    /// No deadline ends before this time.
    next_ms: Cell<u64>,
    slots: RefCell<Slab<Rc<DeadlineSlot>>>,
}

struct DeadlineSlot {
    /// Milliseconds since the epoch; NEVER: not set.
    at_ms: Cell<u64>,
    expired: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// When the next sweep is due.
pub(super) fn next() -> Option<Instant> {
    SWEEPER.with(|sweeper| {
        let next = sweeper.next_ms.get();
        (next != NEVER).then(|| sweeper.epoch + Duration::from_millis(next))
    })
}

/// Begins a turn; sweeps when it is time to.
pub(super) fn fire(now: Instant) {
    SWEEPER.with(|sweeper| {
        let now_ms = now.saturating_duration_since(sweeper.epoch).as_millis() as u64;
        sweeper.now_ms.set(now_ms);
        if now_ms >= sweeper.next_ms.get() {
            sweep(sweeper, now_ms);
        }
    });
}

fn sweep(sweeper: &Sweeper, now_ms: u64) {
    let mut first = NEVER;
    let mut woken = Vec::new();
    for (_, slot) in sweeper.slots.borrow().iter() {
        let at = slot.at_ms.get();
        if at <= now_ms {
            slot.at_ms.set(NEVER);
            slot.expired.set(true);
            woken.extend(slot.waker.take());
        } else {
            first = first.min(at);
        }
    }
    sweeper.next_ms.set(if first == NEVER { NEVER } else { first.max(now_ms + SWEEP_MS) });
    woken.into_iter().for_each(Waker::wake);
}

/// A point in time that a task must not work beyond, reset as often as the task likes.
/// It ends up to 50 ms late and never early (by more than a turn of the loop). Set by [`set`](Self::set)
/// in milliseconds from now; the task that polls [`poll_expired`](Self::poll_expired) is woken.
pub struct Deadline {
    slot: Rc<DeadlineSlot>,
    sweeper: Rc<Sweeper>,
    key: usize,
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

impl Deadline {
    /// A deadline that is not set.
    pub fn new() -> Self {
        let sweeper = SWEEPER.with(Rc::clone);
        let slot = Rc::new(DeadlineSlot {
            at_ms: Cell::new(NEVER),
            expired: Cell::new(false),
            waker: Cell::new(None),
        });
        let key = sweeper.slots.borrow_mut().insert(slot.clone());
        Deadline { slot, sweeper, key }
    }

    /// Ends `ms` milliseconds from the start of this turn; replaces what was set before.
    pub fn set(&self, ms: u64) {
        let at = (self.sweeper.now_ms.get() + 1).saturating_add(ms).min(NEVER - 1);
        self.slot.at_ms.set(at);
        self.slot.expired.set(false);
        if at < self.sweeper.next_ms.get() {
            self.sweeper.next_ms.set(at);
        }
    }

    /// No longer set, nor expired.
    pub fn clear(&self) {
        self.slot.at_ms.set(NEVER);
        self.slot.expired.set(false);
    }

    /// Whether it is set and has not run out.
    pub fn is_set(&self) -> bool {
        self.slot.at_ms.get() != NEVER
    }

    /// Whether it ran out since it was last set.
    pub fn expired(&self) -> bool {
        self.slot.expired.get()
    }

    /// Ready once it has run out; until then the task is woken when it does. One poll is enough for
    /// as long as the task's waker stays the same, however often the deadline is set anew.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.slot.expired.get() {
            return Poll::Ready(());
        }
        let waker = match self.slot.waker.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        self.slot.waker.set(Some(waker));
        Poll::Pending
    }

    /// Waits until it runs out.
    pub async fn expire(&self) {
        std::future::poll_fn(|cx| self.poll_expired(cx)).await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.sweeper.slots.borrow_mut();
        slots.try_remove(self.key);
        memory::shrink(&mut slots);
    }
}
