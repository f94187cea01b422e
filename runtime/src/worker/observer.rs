//! What a worker counts and logs of what it serves, where somebody wants to know.
//!
//! Owns: its counts, its end of the access log, when the ring is looked at. Must not know: HTTP, who reads the counts.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::access_log::WorkerLog;
use crate::io;
use crate::metrics::{RouteTable, WorkerMetrics};

/// Between two looks at the ring.
const LOOK: Duration = Duration::from_millis(500);

/// What a worker is given before it starts.
pub struct ObserverSeed {
    /// Its counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Its end of the access log, where there is one.
    pub log: Option<WorkerLog>,
}

/// What a worker counts and logs.
pub struct Observer {
    /// Its counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Its end of the access log, where there is one.
    pub log: Option<WorkerLog>,
    routes: RefCell<RouteTable>,
    looked: Cell<Option<Instant>>,
}

impl Observer {
    /// On the worker's thread.
    pub fn new(seed: ObserverSeed) -> Observer {
        let ObserverSeed { metrics, log } = seed;
        Observer { metrics, log, routes: RefCell::default(), looked: Cell::new(None) }
    }

    /// A request begins: when that was.
    pub fn begin(&self) -> Instant {
        self.metrics.begun.add(1);
        Instant::now()
    }

    /// A request has ended, after `time`, with this status; 0: without an answer.
    pub fn end(&self, request: (&[u8], &[u8]), status: u16, time: Duration, now: Instant) {
        let metrics = &self.metrics;
        metrics.ended.add(1);
        match status {
            0 => metrics.unanswered.add(1),
            status => metrics.answered(status),
        }
        metrics.request_time.record(time);
        if !request.0.is_empty() {
            self.routes.borrow_mut().count(&metrics.routes, request, status, time);
        }
        if self.looked.get().is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK) {
            self.looked.set(Some(now));
            let (free, all) = io::receive_buffers();
            metrics.buffers.set(all as u64);
            metrics.buffers_free.set(free as u64);
        }
    }
}
