//! A worker's engines as the server sees them, from a thread of its own.
//!
//! Owns: how they are reached while they run, that their turns are counted where somebody wants to know. Must not know: the app
//! in them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak as SyncWeak};

use crate::js::engine::Engine;
use crate::js::reach::Reach;
use crate::metrics::WorkerMetrics;

/// What the server sees of a worker's engines, and does to them, from a thread of its own.
#[derive(Clone, Default)]
pub struct Engines {
    /// Weakly: an engine goes with its worker's last request.
    all: Arc<Mutex<Vec<SyncWeak<Reach>>>>,
    pub(super) freed: Arc<AtomicBool>,
    /// Tells the worker from the one whose place it takes.
    pub(super) generation: u64,
    /// What is counted of their turns, where somebody wants to know.
    metrics: Option<Arc<WorkerMetrics>>,
}

impl Engines {
    /// Those of the worker of this generation.
    pub fn of(generation: u64) -> Engines {
        Engines { generation, ..Engines::default() }
    }

    /// The same, with their turns counted in `metrics`.
    pub fn observed(self, metrics: Option<Arc<WorkerMetrics>>) -> Engines {
        Engines { metrics, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SyncWeak<Reach>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    pub(super) fn add(&self, engine: &Engine) {
        let (mut all, new) = (self.lock(), Arc::downgrade(&engine.state().reach));
        all.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&new));
        all.push(new);
        if let Some(metrics) = &self.metrics {
            engine.state().observe(metrics.clone());
        }
    }

    /// Ends the turn that runs, if it allocates: see [`Reach::take_memory`].
    pub fn take_memory(&self) {
        self.lock().iter().filter_map(SyncWeak::upgrade).for_each(|engine| engine.take_memory());
    }

    /// Whether one that was replaced has gone since the last call.
    pub fn take_freed(&self) -> bool {
        self.freed.swap(false, Ordering::Relaxed)
    }
}
