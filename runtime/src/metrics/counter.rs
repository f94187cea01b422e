//! A number that one thread writes and others read.
//!
//! Owns: that a write is a load and a store, which no other core is asked about. Must not know: what is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Grows. One thread adds; a reader may be an addition late.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`. Not by two threads at a time: additions would be lost.
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number as it was when it was last looked at.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is `value` now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it was.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
