//! A body in pieces on its way through a coding.
//!
//! Owns: what is not coded yet, what the coder holds back, its share of the memory that a worker has for coders. Must
//! not know: where pieces come from and go to, who decides when to flush.

use std::rc::Rc;

use bytes::Bytes;
use runtime::config::CodingLevel;
use runtime::io::budget;
use runtime::worker::Worker;

use super::coder::{Coder, CodingFailed};

/// What is coded before other tasks of the worker may have their turn: a millisecond or two for the slowest
/// coding at its default level.
const SLICE_BYTES: usize = 32 << 10;
/// What a byte costs of a task's budget, compared with one that is only moved.
const COST: usize = 8;

/// Codes a body in pieces.
pub struct Encoder {
    coder: Coder,
    /// The rest of the last piece.
    input: Bytes,
    /// The coder may hold back some of what it was given.
    holds_back: bool,
    _share: Share,
}

/// A part of the memory that a worker's coders may have together, given back when it is dropped.
struct Share {
    worker: Rc<Worker>,
    bytes: usize,
}

impl Share {
    /// `None` where there is not as much left.
    fn take(worker: &Rc<Worker>, bytes: usize) -> Option<Share> {
        let taken = worker.coders_bytes.get() + bytes;
        if taken > worker.config.limits.compress_memory_bytes_max {
            return None;
        }
        worker.coders_bytes.set(taken);
        Some(Share { worker: worker.clone(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.worker.coders_bytes.set(self.worker.coders_bytes.get() - self.bytes);
    }
}

impl Encoder {
    /// For a body of `length` bytes, where that is known; `None` where the coders of the worker have all the memory
    /// that they may.
    pub fn new(worker: &Rc<Worker>, level: CodingLevel, length: Option<usize>) -> Option<Encoder> {
        let share = Share::take(worker, Coder::bytes(level))?;
        let coder = Coder::new(level, length).ok()?;
        Some(Encoder { coder, input: Bytes::new(), holds_back: false, _share: share })
    }

    /// Whether there is something to code.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether there may be something to flush.
    pub fn holds_back(&self) -> bool {
        self.holds_back
    }

    /// Gives it the next piece. Not while it has another.
    pub fn add(&mut self, piece: Bytes) {
        self.input = piece;
    }

    /// Codes a slice of its input, and appends what comes out to `out`.
    ///
    /// # Errors
    /// The body cannot go on.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<(), CodingFailed> {
        let slice = self.input.split_to(self.input.len().min(SLICE_BYTES));
        budget::spend(slice.len() * COST);
        self.holds_back = true;
        self.coder.run(&slice, false, out)
    }

    /// Appends what it has held back to `out`: the client can decode all that came so far.
    ///
    /// # Errors
    /// As above.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), CodingFailed> {
        self.holds_back = false;
        self.coder.run(&[], true, out)
    }

    /// Appends the end to `out`; the memory of the coder is free again.
    ///
    /// # Errors
    /// As above.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), CodingFailed> {
        self.coder.finish(out)
    }
}
