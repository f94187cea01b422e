//! An engine whose turns are measured: how long each takes, what the heap has, which functions run.
//!
//! Owns: the clock of a turn, when the heap is looked at, when a sample of the stack is due. Must not know: how a stack is
//! read (`sample.rs`), who reads the counts. An engine that nobody observes reads no clock.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::WorkerMetrics;

/// Between two looks at the heap.
const LOOK: Duration = Duration::from_millis(500);
/// Time of JavaScript between two samples of a stack: each costs some microseconds.
const SAMPLE_NS: u64 = 500_000;

/// What is measured of one engine.
pub struct Observed {
    metrics: Arc<WorkerMetrics>,
    begun: Cell<Option<Instant>>,
    last: Cell<Duration>,
    looked: Cell<Option<Instant>>,
    /// Time of all turns that are over.
    total_ns: Cell<u64>,
    /// Time of all turns at the last sample, while samples are taken.
    sampled_ns: Cell<Option<u64>>,
}

impl Observed {
    /// Counts to `metrics`.
    pub(super) fn new(metrics: Arc<WorkerMetrics>) -> Observed {
        Observed {
            metrics,
            begun: Cell::new(None),
            last: Cell::default(),
            looked: Cell::new(None),
            total_ns: Cell::new(0),
            sampled_ns: Cell::new(None),
        }
    }

    /// The time of the last turn.
    pub(super) fn last_turn(&self) -> Duration {
        self.last.get()
    }

    pub(super) fn begin(&self) {
        self.begun.set(Some(Instant::now()));
    }

    /// The turn is over: all that it took is counted.
    pub(super) fn end(&self, heap_bytes: impl FnOnce() -> usize) {
        let Some(begun) = self.begun.take() else { return };
        let now = Instant::now();
        let took = now - begun;
        self.metrics.turn_time.record(took);
        self.last.set(took);
        self.total_ns.set(self.total_ns.get() + took.as_nanos() as u64);
        if self.looked.get().is_none_or(|looked| now - looked >= LOOK) {
            self.looked.set(Some(now));
            self.metrics.heap_bytes.set(heap_bytes() as u64);
        }
    }

    /// Whether a sample of the stack is due; asked by the interrupt handler.
    pub(super) fn wants_sample(&self) -> bool {
        if !self.metrics.profile.is_on() {
            self.sampled_ns.set(None);
            return false;
        }
        let now = self.now_ns();
        match self.sampled_ns.get() {
            None => {
                self.sampled_ns.set(Some(now));
                false
            }
            Some(sampled) => now - sampled >= SAMPLE_NS,
        }
    }

    /// Time of all turns, that which runs included.
    fn now_ns(&self) -> u64 {
        self.total_ns.get() + self.begun.get().map_or(0, |begun| begun.elapsed().as_nanos() as u64)
    }

    /// A sample is taken: its time is that since the one before.
    pub(super) fn sampled(&self, stack: String) {
        let now = self.now_ns();
        if let Some(sampled) = self.sampled_ns.replace(Some(now))
            && !stack.is_empty()
        {
            self.metrics.profile.add(stack, (now - sampled) / 1_000);
        }
    }
}
