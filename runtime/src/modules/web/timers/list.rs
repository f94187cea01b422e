//! The live timers of one engine, by id and by time.
//!
//! Owns: ids, order (by time, then by when each was set); those that come again and again in a heap of
//! their own, so that they can be told to wait. Must not know: clocks, JavaScript calls.
//! A timer that is cleared leaves its heap in bulk, before such entries are the most of it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::js::alive::{Alive, Hold};
use crate::js::held::Held;

/// How many timers deep one may be set before it counts as one that comes again and again (HTML, section 8.6).
pub(super) const NESTED_FROM: u32 = 5;

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

impl Timer {
    /// Whether it is one that comes again and again: an interval, a chain.
    pub fn is_nested(&self) -> bool {
        self.nesting > NESTED_FROM
    }
}

struct Entry {
    timer: Timer,
    sequence: u64,
    /// A script does not end before its timers; those of `AbortSignal.timeout` do not keep it.
    _pending: Option<Hold>,
}

/// An entry of the heap: when, in which order, which.
type Due = Reverse<(Instant, u64, u64)>;

/// One order of timers.
#[derive(Default)]
struct TimerQueue {
    heap: RefCell<BinaryHeap<Due>>,
    /// Entries of timers that are gone.
    stale: Cell<usize>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Timers {
    entries: RefCell<HashMap<u64, Entry>>,
    /// Those set by the app's other work.
    single: TimerQueue,
    /// Those that come again and again.
    nested: TimerQueue,
    /// While set, those wait.
    pub resting: Cell<bool>,
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

    fn line(&self, timer: &Timer) -> &TimerQueue {
        if timer.is_nested() { &self.nested } else { &self.single }
    }

    fn put(&self, id: u64, timer: Timer, at: Instant, pending: Option<Hold>) {
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        self.line(&timer).heap.borrow_mut().push(Reverse((at, sequence, id)));
        self.entries.borrow_mut().insert(id, Entry { timer, sequence, _pending: pending });
        // An earlier time than the driver waits for.
        let first = |line: &TimerQueue| line.heap.borrow().peek().map(|Reverse(due)| *due);
        let nested = if self.resting.get() { None } else { first(&self.nested) };
        let earliest = first(&self.single).into_iter().chain(nested).min();
        if earliest.is_some_and(|(_, first, _)| first == sequence)
            && let Some(driver) = self.waiting.borrow_mut().take()
        {
            driver.wake();
        }
    }

    /// Takes timer `id` away. Drop what comes back outside of any borrow.
    pub fn remove(&self, id: u64) -> Option<Timer> {
        let entry = self.entries.borrow_mut().remove(&id)?;
        let line = self.line(&entry.timer);
        line.stale.set(line.stale.get() + 1);
        let mut heap = line.heap.borrow_mut();
        if line.stale.get() > 64 && line.stale.get() * 2 > heap.len() {
            let entries = self.entries.borrow();
            heap.retain(|Reverse((_, sequence, id))| {
                entries.get(id).is_some_and(|entry| entry.sequence == *sequence)
            });
            line.stale.set(0);
        }
        Some(entry.timer)
    }

    fn first_of(&self, line: &TimerQueue) -> Option<(Instant, u64)> {
        let entries = self.entries.borrow();
        let mut heap = line.heap.borrow_mut();
        loop {
            let Reverse((at, sequence, id)) = *heap.peek()?;
            if entries.get(&id).is_some_and(|entry| entry.sequence == sequence) {
                return Some((at, sequence));
            }
            heap.pop();
            line.stale.set(line.stale.get().saturating_sub(1));
        }
    }

    /// The line whose turn is next, and when; while those of the second one rest, the first.
    fn first(&self) -> Option<(&TimerQueue, Instant)> {
        let single = self.first_of(&self.single);
        let nested = if self.resting.get() { None } else { self.first_of(&self.nested) };
        match (single, nested) {
            (Some(one), other) if other.is_none_or(|other| one < other) => Some((&self.single, one.0)),
            (_, other) => other.map(|(at, _)| (&self.nested, at)),
        }
    }

    /// When the next one is due, of those that do not rest.
    pub fn next(&self) -> Option<Instant> {
        self.first().map(|(_, at)| at)
    }

    /// Whether the next one comes again and again and is due by `now`.
    pub fn is_nested_due(&self, now: Instant) -> bool {
        self.first().is_some_and(|(line, at)| std::ptr::eq(line, &self.nested) && at <= now)
    }

    /// The first timer that is due by `now`: a timeout is taken away, an interval stays.
    pub fn take_due(&self, now: Instant) -> Option<(u64, Timer)> {
        let (line, at) = self.first()?;
        if at > now {
            return None;
        }
        let Reverse((_, _, id)) = line.heap.borrow_mut().pop()?;
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
