//! What the load prints: how many messages, how long, and the latencies at the median and at 99 %.
//!
//! Owns: the count of latencies by the microsecond. Must not know: what was sent.

use std::time::Duration;

/// Latencies are counted by the microsecond up to here.
const LATENCY_US_MAX: usize = 1_000_000;

/// How often each latency came.
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// None yet.
    pub fn new() -> Latencies {
        Latencies(vec![0; LATENCY_US_MAX + 1])
    }

    /// One more.
    pub fn add(&mut self, latency: Duration) {
        self.0[(latency.as_micros() as usize).min(LATENCY_US_MAX)] += 1;
    }

    /// The line that `bench/pair.py` reads.
    pub fn line(&self, elapsed: Duration) -> String {
        let messages: u64 = self.0.iter().sum();
        let at = |part: f64| {
            let mut left = (messages as f64 * part) as u64;
            self.0.iter().position(|count| {
                let here = left < *count;
                left = left.saturating_sub(*count);
                here
            })
        };
        let (p50, p99) = (at(0.50).unwrap_or(0), at(0.99).unwrap_or(0));
        let seconds = elapsed.as_secs_f64();
        format!("messages {messages} seconds {seconds:.4} p50_us {p50} p99_us {p99}")
    }
}
