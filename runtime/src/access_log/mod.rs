//! The access log: a line for each request, written by a thread of its own.
//!
//! Owns: what a worker does for a line (its bytes into a buffer that the writer empties), what becomes of a full buffer. Must
//! not know: HTTP, who answers, where lines go (`sink.rs`).

mod escape;
mod format;
mod line;
mod record;
mod sink;
mod writer;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

pub use self::format::{Format, Unknown};
pub use self::record::{Fields, Record, RequestLine};
pub use self::writer::AccessLog;

use self::line::Stamp;

/// Bytes in a buffer at which the writer is woken: else it comes by itself.
const WAKE_BYTES: usize = 64 << 10;

/// Lines of one worker that wait for the writer.
#[derive(Debug, Default)]
struct Buffer {
    lines: Mutex<Vec<u8>>,
    /// Lines that found no room.
    lost: AtomicU64,
}

/// A worker's end of the access log.
pub struct WorkerLog {
    log: Arc<AccessLog>,
    buffer: Arc<Buffer>,
    /// Lines that are not in the buffer yet: the writer had it at that moment.
    waiting: RefCell<Vec<u8>>,
    stamp: RefCell<Stamp>,
}

impl WorkerLog {
    fn new(log: Arc<AccessLog>, buffer: Arc<Buffer>) -> WorkerLog {
        WorkerLog { log, buffer, waiting: RefCell::default(), stamp: RefCell::default() }
    }

    /// Writes the line of `record`. It never waits: where the writer has the buffer at this moment, which it swaps for an empty
    /// one, the line goes with the next.
    pub fn write(&self, record: &Record<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        self.log.format().write(&mut waiting, record, &mut self.stamp.borrow_mut());
        match self.buffer.lines.try_lock() {
            Ok(mut lines) => self.hand_over(&mut lines, &mut waiting),
            Err(TryLockError::WouldBlock) => self.bound(&mut waiting),
            Err(TryLockError::Poisoned(poisoned)) => self.hand_over(&mut poisoned.into_inner(), &mut waiting),
        }
    }

    fn hand_over(&self, lines: &mut Vec<u8>, waiting: &mut Vec<u8>) {
        let before = lines.len();
        if before + waiting.len() > self.log.buffer_bytes_max() {
            return self.lose(waiting);
        }
        lines.extend_from_slice(waiting);
        waiting.clear();
        if before < WAKE_BYTES && lines.len() >= WAKE_BYTES {
            self.log.wake();
        }
    }

    fn bound(&self, waiting: &mut Vec<u8>) {
        if waiting.len() > self.log.buffer_bytes_max() {
            self.lose(waiting);
        }
    }

    /// Nobody waits for a disk: lines that find no room are lost, and counted.
    #[cold]
    fn lose(&self, waiting: &mut Vec<u8>) {
        let count = waiting.iter().filter(|byte| **byte == b'\n').count();
        self.buffer.lost.fetch_add(count as u64, Ordering::Relaxed);
        waiting.clear();
        self.log.wake();
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        let waiting = self.waiting.get_mut();
        if !waiting.is_empty() {
            let mut lines = self.buffer.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            lines.append(waiting);
        }
    }
}
