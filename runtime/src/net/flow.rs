//! How the bytes of a connection move: for those who bound how long they may not.
//!
//! Owns: counts and times. Must not know: what is done about a bound that is reached.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::failure::ConnectionError;
use crate::io::now;

/// One connection's.
pub(crate) struct Flow {
    received: Cell<u64>,
    sent: Cell<u64>,
    /// When a byte moved last.
    moved: Cell<Instant>,
    reading_since: Cell<Option<Instant>>,
    /// Since then nothing of a send that waits was taken.
    writing_since: Cell<Option<Instant>>,
}

impl Flow {
    pub(crate) fn new() -> Flow {
        Flow {
            received: Cell::new(0),
            sent: Cell::new(0),
            moved: Cell::new(now()),
            reading_since: Cell::new(None),
            writing_since: Cell::new(None),
        }
    }

    /// The connection is open from now on.
    pub(crate) fn begin(&self) {
        self.moved.set(now());
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Bytes sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
        self.moved.set(now());
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
        self.moved.set(now());
        if self.is_writing() {
            self.set_writing(true);
        }
    }

    /// Whether a read waits from now on.
    pub(crate) fn set_reading(&self, waits: bool) {
        self.reading_since.set(waits.then(now));
    }

    /// Whether a send waits from now on.
    pub(crate) fn set_writing(&self, waits: bool) {
        self.writing_since.set(waits.then(now));
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing_since.get().is_some()
    }

    /// When the peer will have been waited for too long: in milliseconds, to move a byte either way,
    /// and to take some of what is sent. Or the failure, if it has been.
    pub(crate) fn overdue(&self, idle_ms: u64, stall_ms: u64) -> Result<Instant, ConnectionError> {
        let (idle, stall) = (Duration::from_millis(idle_ms), Duration::from_millis(stall_ms));
        let time = now();
        let mut next = time + idle.min(stall);
        let waits = [self.reading_since.get(), self.writing_since.get()];
        if let Some(since) = waits.into_iter().flatten().min() {
            let due = since.max(self.moved.get()) + idle;
            if time >= due {
                return Err(ConnectionError::new(
                    "ETIMEDOUT",
                    format!("nothing moved for {idle_ms} ms (--idle-timeout)"),
                ));
            }
            next = next.min(due);
        }
        if let Some(since) = self.writing_since.get() {
            if time >= since + stall {
                let words = format!("the client took nothing for {stall_ms} ms (--write-timeout)");
                return Err(ConnectionError::new("ETIMEDOUT", words));
            }
            next = next.min(since + stall);
        }
        Ok(next)
    }
}
