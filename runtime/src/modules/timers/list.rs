//! The live timers of one engine, by id and by time.
//!
//! Owns: ids, order (by time, then by when each was set). Must not know: clocks, JavaScript calls.
//! A timer that is cleared leaves the heap in bulk, before such entries are the most of it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::js::alive::{Alive, Hold};
use crate::js::held::Held;

/// Ids below are the app's, from here on they are internal: no script can clear those.
const INTERNAL: u64 = 1 << 32;

/// One live timer.
#[derive(Clone)]
pub(super) struct Timer {
    pub callback: Rc<Held>,
    pub arguments: Rc<[Held]>,
    /// Of an interval.
    pub period: Option<Duration>,
    /// How many timers deep it was set, itself included.
    pub nesting: u32,
}

struct Entry {
    timer: Timer,
    sequence: u64,
    /// A script does not end before its timers; those of `AbortSignal.timeout` do not keep it.
    _pending: Option<Hold>,
}

/// An entry of the heap: when, in which order, which.
type Due = Reverse<(Instant, u64, u64)>;

/// All of them.
#[derive(Default)]
pub(super) struct Timers {
    entries: RefCell<HashMap<u64, Entry>>,
    heap: RefCell<BinaryHeap<Due>>,
    stale: Cell<usize>,
    last_id: Cell<u64>,
    last_internal: Cell<u64>,
    sequence: Cell<u64>,
    /// Nesting level of the timer whose turn it is; 0 outside of one.
    pub running: Cell<u32>,
    /// The driver, while it waits.
    pub waiting: RefCell<Option<Waker>>,
    /// Whether the driver's task is there.
    pub driven: Cell<bool>,
}

impl Timers {
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub fn nesting(&self) -> u32 {
        self.running.get()
    }

    /// A new timer, due at `at`; its id.
    pub fn add(&self, timer: Timer, at: Instant, internal: bool, alive: &Rc<Alive>) -> u64 {
        let id = match internal {
            true => {
                self.last_internal.set(self.last_internal.get() + 1);
                INTERNAL + self.last_internal.get()
            }
            false => self.free_id(),
        };
        self.put(id, timer, at, (!internal).then(|| alive.hold()));
        id
    }

    /// Ids are positive and of 31 bits, what `clearTimeout` can convert; one in use is not given
    /// again.
    fn free_id(&self) -> u64 {
        let entries = self.entries.borrow();
        let mut id = self.last_id.get();
        loop {
            id = if id >= i32::MAX as u64 { 1 } else { id + 1 };
            if !entries.contains_key(&id) {
                self.last_id.set(id);
                return id;
            }
        }
    }

    fn put(&self, id: u64, timer: Timer, at: Instant, pending: Option<Hold>) {
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        self.entries.borrow_mut().insert(id, Entry { timer, sequence, _pending: pending });
        self.heap.borrow_mut().push(Reverse((at, sequence, id)));
        // An earlier time than the driver waits for.
        let first = self.heap.borrow().peek().is_some_and(|Reverse((_, first, _))| *first == sequence);
        if first && let Some(driver) = self.waiting.borrow_mut().take() {
            driver.wake();
        }
    }

    /// Takes timer `id` away. Drop what comes back outside of any borrow.
    pub fn remove(&self, id: u64) -> Option<Timer> {
        let entry = self.entries.borrow_mut().remove(&id)?;
        self.stale.set(self.stale.get() + 1);
        let mut heap = self.heap.borrow_mut();
        if self.stale.get() > 64 && self.stale.get() * 2 > heap.len() {
            let entries = self.entries.borrow();
            heap.retain(|Reverse((_, sequence, id))| {
                entries.get(id).is_some_and(|entry| entry.sequence == *sequence)
            });
            self.stale.set(0);
        }
        Some(entry.timer)
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        let entries = self.entries.borrow();
        let mut heap = self.heap.borrow_mut();
        loop {
            let Reverse((at, sequence, id)) = *heap.peek()?;
            if entries.get(&id).is_some_and(|entry| entry.sequence == sequence) {
                return Some(at);
            }
            heap.pop();
            self.stale.set(self.stale.get().saturating_sub(1));
        }
    }

    /// The first timer that is due by `now`: a timeout is taken away, an interval stays.
    pub fn take_due(&self, now: Instant) -> Option<(u64, Timer)> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, _, id)) = self.heap.borrow_mut().pop()?;
        let mut entries = self.entries.borrow_mut();
        let timer = entries.get(&id)?.timer.clone();
        if timer.period.is_none() {
            entries.remove(&id);
        }
        Some((id, timer))
    }

    /// Sets interval `id` again, unless its callback cleared it.
    pub fn again(&self, id: u64, at: Instant) {
        let Some(Entry { mut timer, _pending: pending, .. }) = self.entries.borrow_mut().remove(&id) else {
            return;
        };
        timer.nesting = timer.nesting.saturating_add(1);
        self.put(id, timer, at, pending);
    }
}
