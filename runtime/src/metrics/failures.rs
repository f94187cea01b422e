//! The last requests that failed, with their stacks.
//!
//! Owns: how many are kept, and how much of each. Must not know: why they failed.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

/// Failures that a worker keeps.
const KEPT_MAX: usize = 16;
/// Bytes of each of its texts.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// A request that failed.
#[derive(Clone, Debug)]
pub struct FailedRequest {
    /// When.
    pub time: SystemTime,
    /// Method and target.
    pub request: String,
    /// The status of its answer.
    pub status: u16,
    /// What happened, in one line.
    pub text: String,
    /// Where, if that is known.
    pub stack: String,
}

/// The last ones of a worker.
#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<FailedRequest>>);

impl Failures {
    /// Keeps one more. Where somebody reads them at this moment it is not kept: a worker does not wait.
    pub fn keep(&self, mut failed: FailedRequest) {
        for text in [&mut failed.request, &mut failed.text, &mut failed.stack] {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        }
        if let Ok(mut kept) = self.0.try_lock() {
            if kept.len() >= KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(failed);
        }
    }

    /// All that are kept, the oldest first.
    pub fn all(&self) -> Vec<FailedRequest> {
        self.0.lock().map(|kept| kept.iter().cloned().collect()).unwrap_or_default()
    }
}
