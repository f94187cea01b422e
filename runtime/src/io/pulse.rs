//! The pulse of a worker: what another thread sees of its loop.
//!
//! Owns: the count of polls, which stands still while one poll goes on, and the thread's number. Written
//! without a lock, by its worker only. Must not know: who looks, or what follows.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::Pid;

/// A worker's pulse; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    /// Odd while the worker is awake.
    count: AtomicU64,
    /// Its thread's number (gettid(2)); 0 before it runs.
    thread: AtomicI32,
}

thread_local! {
    static PULSE: RefCell<Option<Pulse>> = const { RefCell::new(None) };
}

/// Nice value (nice(1)) of a thread that nobody waits for any more.
const LEAST_PRIORITY: i32 = 19;

impl Pulse {
    /// From now on it is the pulse of this thread's worker.
    pub fn attach(&self) {
        self.0.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        PULSE.with(|slot| *slot.borrow_mut() = Some(self.clone()));
        set_awake(true);
    }

    /// A number that changes with each poll of a task; `None` while the worker sleeps.
    pub fn beat(&self) -> Option<u64> {
        let count = self.0.count.load(Ordering::Relaxed);
        (count % 2 == 1).then_some(count)
    }

    /// How long its thread has waited for a core since it began: time in which nothing of it could go on.
    /// Nothing, where the kernel does not say (/proc/self/task/TID/schedstat).
    pub fn starved(&self) -> Duration {
        let thread = self.0.thread.load(Ordering::Relaxed);
        let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
        let ns = text.split(' ').nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0);
        Duration::from_nanos(ns)
    }

    /// Leaves the worker's thread the time that no other thread wants. It cannot be taken back.
    pub fn lower_priority(&self) {
        let thread = Pid::from_raw(self.0.thread.load(Ordering::Relaxed));
        if thread.is_some() {
            // setpriority(2): of one thread, on Linux. A thread that has ended needs none.
            let _ = rustix::process::setpriority_process(thread, LEAST_PRIORITY);
        }
    }

    fn add(&self, beats: u64) {
        // Nobody else writes.
        self.0.count.store(self.0.count.load(Ordering::Relaxed) + beats, Ordering::Relaxed);
    }
}

/// A poll of a task is over.
pub(super) fn count_poll() {
    PULSE.with(|slot| {
        if let Some(pulse) = &*slot.borrow() {
            pulse.add(2);
        }
    });
}

/// Says whether the worker is awake.
pub(super) fn set_awake(awake: bool) {
    PULSE.with(|slot| {
        if let Some(pulse) = &*slot.borrow()
            && pulse.beat().is_some() != awake
        {
            pulse.add(1);
        }
    });
}

/// The worker of this thread has ended.
pub(super) fn detach() {
    set_awake(false);
    drop(PULSE.with(|slot| slot.borrow_mut().take()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pulse_stands_still_while_a_poll_goes_on_and_while_the_worker_sleeps() {
        let pulse = Pulse::default();
        count_poll();
        assert_eq!(pulse.beat(), None, "nobody's yet");
        pulse.attach();
        let first = pulse.beat();
        assert!(first.is_some());
        set_awake(true);
        assert_eq!(pulse.beat(), first);
        count_poll();
        assert!(pulse.beat() > first);
        set_awake(false);
        assert_eq!(pulse.beat(), None);
        set_awake(true);
        detach();
        assert_eq!(pulse.beat(), None);
    }
}
