//! Stacks of JavaScript, sampled while somebody asks for them.
//!
//! Owns: the switch, the sums of time by stack, the bound on how many. Must not know: how a stack is read.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stacks that are told apart; what goes beyond is one.
const STACKS_MAX: usize = 10_000;
/// What that one is called.
const OTHERS: &str = "(others)";

/// The samples of one worker.
#[derive(Debug, Default)]
pub struct Profile {
    is_on: AtomicBool,
    micros: Mutex<HashMap<String, u64>>,
}

impl Profile {
    /// Whether samples are wanted: one load.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins anew.
    pub fn start(&self) {
        if let Ok(mut micros) = self.micros.lock() {
            micros.clear();
        }
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Ends, and gives what was sampled: folded stacks, the outermost function first, with microseconds.
    pub fn take(&self) -> HashMap<String, u64> {
        self.is_on.store(false, Ordering::Relaxed);
        self.micros.lock().map(|mut micros| std::mem::take(&mut *micros)).unwrap_or_default()
    }

    /// Adds the time that ends with `stack`.
    pub fn add(&self, stack: String, micros: u64) {
        let Ok(mut sums) = self.micros.lock() else { return };
        let is_new = sums.len() >= STACKS_MAX && !sums.contains_key(&stack);
        *sums.entry(if is_new { OTHERS.to_owned() } else { stack }).or_default() += micros;
    }
}
