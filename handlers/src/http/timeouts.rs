//! The deadlines of one exchange.
//!
//! Owns: that each is made when it is first needed, and kept for the next exchange: who is answered at once
//! pays for none. Must not know: what a deadline ends.

use std::cell::OnceCell;
use std::task::{Context, Poll};

use runtime::io::Deadline;

/// The deadlines of one exchange; none is set before it begins, and none after it.
#[derive(Default)]
pub struct Timeouts {
    /// Of the answer's head (`--request-timeout`), then of the next piece that a stream sends (`--idle-timeout`).
    pub request: Timeout,
    /// Of the next piece of the request's body (`--body-timeout`).
    pub body: Timeout,
    /// Of the client that takes nothing of an answer in pieces (`--write-timeout`).
    pub write: Timeout,
}

impl Timeouts {
    /// The exchange has ended.
    pub fn clear(&self) {
        [&self.request, &self.body, &self.write].into_iter().for_each(Timeout::clear);
    }
}

/// A deadline that is made when it is first set.
#[derive(Default)]
pub struct Timeout(OnceCell<Deadline>);

impl Timeout {
    /// Ends `ms` milliseconds from now; replaces what was set before.
    pub fn set(&self, ms: u64) {
        self.deadline().set(ms);
    }

    /// No longer set.
    pub fn clear(&self) {
        if let Some(deadline) = self.0.get() {
            deadline.clear();
        }
    }

    /// Ready once it has passed; never where it was not set.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get().map_or(Poll::Pending, |deadline| deadline.poll_expired(cx))
    }

    /// The deadline itself.
    pub fn deadline(&self) -> &Deadline {
        self.0.get_or_init(Deadline::new)
    }
}
