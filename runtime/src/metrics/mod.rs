//! What is counted while a server runs: by each worker for itself, and read by another thread meanwhile.
//!
//! Owns: [`WorkerMetrics`], which one thread writes without a lock or a wait, and its text for Prometheus. Must not know: who
//! counts what, who reads it, HTTP.

mod counter;
mod failures;
mod histogram;
mod process;
mod profile;
mod routes;
mod text;

pub use self::counter::{Counter, Gauge};
pub use self::failures::{FailedRequest, Failures};
pub use self::histogram::{BUCKETS, Histogram, quantile_micros};
pub use self::process::ProcessUse;
pub use self::profile::Profile;
pub use self::routes::{RouteCount, RouteTable, Routes};
pub use self::text::{Exposition, MetricsView, WorkerView};

/// The least and the most that a status code can be, and the number of those in between.
const STATUS_MIN: u16 = 100;
const STATUSES: usize = 500;

/// What one worker counts. Only its thread writes; a cache line is nobody else's.
#[repr(align(128))]
pub struct WorkerMetrics {
    statuses: Box<[Counter]>,
    /// Requests whose heads have come.
    pub begun: Counter,
    /// Exchanges that have ended, those without an answer included.
    pub ended: Counter,
    /// Those whose client was gone before there was an answer.
    pub unanswered: Counter,
    /// From a request's head to the last of its answer that was written.
    pub request_time: Histogram,
    /// Turns of JavaScript.
    pub turn_time: Histogram,
    /// Bytes of requests, and of answers.
    pub received_bytes: Counter,
    /// Bytes of answers.
    pub sent_bytes: Counter,
    /// Connections accepted.
    pub accepted: Counter,
    /// TLS handshakes that came to a connection.
    pub handshakes: Counter,
    /// WebSockets that were opened.
    pub sockets_opened: Counter,
    /// WebSockets that have ended.
    pub sockets_ended: Counter,
    /// Messages that came on WebSockets.
    pub messages: Counter,
    /// CGI scripts that were told to start.
    pub scripts_started: Counter,
    /// CGI scripts that answer no more.
    pub scripts_ended: Counter,
    /// Bytes of the JavaScript heap when it was last looked at.
    pub heap_bytes: Gauge,
    /// Receive buffers of the ring, and those that are free.
    pub buffers: Gauge,
    /// Of these, those that the kernel may fill.
    pub buffers_free: Gauge,
    /// Requests by route.
    pub routes: Routes,
    /// The last requests that failed.
    pub failures: Failures,
    /// Where JavaScript spends its time, while somebody asks for it.
    pub profile: Profile,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        WorkerMetrics {
            statuses: (0..STATUSES).map(|_| Counter::default()).collect(),
            begun: Counter::default(),
            ended: Counter::default(),
            unanswered: Counter::default(),
            request_time: Histogram::default(),
            turn_time: Histogram::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            accepted: Counter::default(),
            handshakes: Counter::default(),
            sockets_opened: Counter::default(),
            sockets_ended: Counter::default(),
            messages: Counter::default(),
            scripts_started: Counter::default(),
            scripts_ended: Counter::default(),
            heap_bytes: Gauge::default(),
            buffers: Gauge::default(),
            buffers_free: Gauge::default(),
            routes: Routes::default(),
            failures: Failures::default(),
            profile: Profile::default(),
        }
    }
}

impl WorkerMetrics {
    /// Counts an answer with `status`.
    pub fn answered(&self, status: u16) {
        let index = usize::from(status.saturating_sub(STATUS_MIN)).min(STATUSES - 1);
        self.statuses[index].add(1);
    }

    /// How many answers had each status, those with none left out.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts =
            self.statuses.iter().enumerate().map(|(at, count)| (STATUS_MIN + at as u16, count.get()));
        counts.filter(|(_, count)| *count > 0)
    }

    /// Adds what `other` has counted, which counts no more: it is another's who had the same number.
    pub fn absorb(&self, other: &WorkerMetrics) {
        for (own, others) in self.statuses.iter().zip(&other.statuses) {
            own.add(others.get());
        }
        for (own, others) in self.counters().into_iter().zip(other.counters()) {
            own.add(others.get());
        }
        self.request_time.absorb(&other.request_time);
        self.turn_time.absorb(&other.turn_time);
    }

    fn counters(&self) -> [&Counter; 12] {
        [
            &self.begun,
            &self.ended,
            &self.unanswered,
            &self.received_bytes,
            &self.sent_bytes,
            &self.accepted,
            &self.handshakes,
            &self.sockets_opened,
            &self.sockets_ended,
            &self.messages,
            &self.scripts_started,
            &self.scripts_ended,
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_worker_counted_is_not_lost_with_it() {
        let (past, gone) = (WorkerMetrics::default(), WorkerMetrics::default());
        gone.answered(200);
        gone.answered(404);
        gone.answered(7);
        gone.begun.add(3);
        gone.request_time.record(Duration::from_millis(2));
        past.answered(200);
        past.absorb(&gone);
        assert_eq!(past.statuses().collect::<Vec<_>>(), [(100, 1), (200, 2), (404, 1)]);
        assert_eq!((past.begun.get(), past.request_time.count()), (3, 1));
    }
}
