//! Time of a worker: the cached clock and one-shot timers.
//!
//! Owns: the heap of sleeping futures of this thread. Exact to about a millisecond, one heap
//! entry per sleep; for the deadlines of connections, which are set on every request and almost
//! never reached, see `deadline`. Must not know: who waits for the next timer, or how.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

thread_local! {
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    static TIMERS: RefCell<Timers> = const { RefCell::new(Timers::new()) };
}

/// The time at the start of this turn of the worker's loop: no system call, and up to a turn late.
pub fn now() -> Instant {
    NOW.with(Cell::get).unwrap_or_else(Instant::now)
}

/// A turn of tasks that is long enough for the sockets to be looked at first.
pub(super) const LONG_TURN: Duration = Duration::from_millis(10);

/// Whether this turn of the worker's loop is a long one by now: reads the clock.
pub(super) fn turn_is_long() -> bool {
    NOW.with(Cell::get).is_some_and(|start| start.elapsed() > LONG_TURN)
}

/// Reads the clock for a new turn.
pub(super) fn refresh_now() -> Instant {
    let now = Instant::now();
    NOW.with(|cell| cell.set(Some(now)));
    now
}

/// Forgets the clock and all timers of this thread.
pub(super) fn reset() {
    NOW.with(|cell| cell.set(None));
    let old = TIMERS.with(|timers| std::mem::replace(&mut *timers.borrow_mut(), Timers::new()));
    drop(old);
}

struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    slots: Slab<TimerSlot>,
    sequence: u64,
    /// Heap entries whose future is gone.
    stale: usize,
}

struct TimerSlot {
    sequence: u64,
    fired: bool,
    waker: Option<Waker>,
}

impl Timers {
    const fn new() -> Self {
        Timers { heap: BinaryHeap::new(), slots: Slab::new(), sequence: 0, stale: 0 }
    }

    fn insert(&mut self, at: Instant, waker: Waker) -> usize {
        self.sequence += 1;
        let sequence = self.sequence;
        let key = self.slots.insert(TimerSlot { sequence, fired: false, waker: Some(waker) });
        self.heap.push(Reverse((at, sequence, key)));
        key
    }

    fn remove(&mut self, key: usize) -> Option<TimerSlot> {
        let slot = self.slots.try_remove(key)?;
        if !slot.fired {
            self.stale += 1;
        }
        // Sleeps that were dropped early leave the heap in bulk, before they are the most of it.
        if self.stale > 64 && self.stale * 2 > self.heap.len() {
            let slots = &self.slots;
            self.heap.retain(|Reverse((_, sequence, key))| {
                slots.get(*key).is_some_and(|slot| slot.sequence == *sequence)
            });
            self.stale = 0;
        }
        Some(slot)
    }

    /// Pops the first timer that is due; its waker, if its future still waits.
    fn pop_due(&mut self, now: Instant) -> Option<Option<Waker>> {
        let Reverse((at, sequence, key)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        match self.slots.get_mut(key).filter(|slot| slot.sequence == sequence) {
            Some(slot) => {
                slot.fired = true;
                Some(slot.waker.take())
            }
            None => {
                self.stale = self.stale.saturating_sub(1);
                Some(None)
            }
        }
    }
}

/// When the next timer is due.
pub(super) fn next() -> Option<Instant> {
    TIMERS.with(|timers| timers.borrow().heap.peek().map(|Reverse((at, ..))| *at))
}

/// Wakes every future whose time has come.
pub(super) fn fire(now: Instant) {
    while let Some(waker) = TIMERS.with(|timers| timers.borrow_mut().pop_due(now)) {
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A future that is ready at its time; dropping it frees its timer.
pub struct Sleep {
    at: Instant,
    key: Option<usize>,
}

/// Waits for `duration`, to about a millisecond.
pub fn sleep(duration: Duration) -> Sleep {
    // The clock itself, not the cached one: a turn that computed for long must not shorten a sleep.
    let start = Instant::now();
    let far = Duration::from_secs(30 * 365 * 24 * 3600);
    sleep_until(start.checked_add(duration).unwrap_or(start + far))
}

/// Waits until `at`, to about a millisecond.
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep { at, key: None }
}

impl Sleep {
    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.at <= now() {
            return Poll::Ready(());
        }
        let at = self.at;
        let this = &mut *self;
        TIMERS.with(|timers| {
            let mut timers = timers.borrow_mut();
            match this.key.and_then(|key| timers.slots.get_mut(key)) {
                Some(slot) if slot.fired => Poll::Ready(()),
                Some(slot) => {
                    slot.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                None => {
                    this.key = Some(timers.insert(at, cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let slot = TIMERS.try_with(|timers| timers.borrow_mut().remove(key));
            drop(slot);
        }
    }
}
