//! Decompression of messages (RFC 7692 section 7.2.2).
//!
//! Owns: the state of the decompressor, from one message to the next where the context is taken over; the bound on what
//! a message may become. Must not know: frames.

use flate2::{Decompress, FlushDecompress, Status};

/// What the sender has taken from the end of each message.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// How much is made room for at a time.
const STEP_BYTES: usize = 8 << 10;

/// Why a message cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no DEFLATE.
    Broken,
    /// It becomes larger than it may.
    TooLarge,
}

/// Decompresses messages; has memory once the first is compressed. Without a context to take over it has none between
/// messages.
#[derive(Debug)]
pub struct Inflater {
    state: Option<Box<Decompress>>,
    takes_over: bool,
}

impl Inflater {
    /// Whether the peer refers to earlier messages.
    pub fn new(takes_over: bool) -> Inflater {
        Inflater { state: None, takes_over }
    }

    /// Adds to `out`, up to `max` bytes in all, what `bytes` of a message become.
    ///
    /// # Errors
    /// They become none, or too much.
    pub fn add(&mut self, bytes: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), Unfit> {
        // With the largest window all smaller ones can be read.
        let state = self.state.get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut rest = bytes;
        loop {
            if out.len() == out.capacity() {
                // One byte more than may be: so that it is seen.
                out.reserve(STEP_BYTES.min(max + 1 - out.len().min(max)));
            }
            let before = (state.total_in(), out.len());
            let status = state.decompress_vec(rest, out, FlushDecompress::Sync).map_err(|_| Unfit::Broken)?;
            rest = &rest[(state.total_in() - before.0) as usize..];
            if out.len() > max {
                return Err(Unfit::TooLarge);
            }
            match status {
                // A final block (section 7.2.3.4): what follows begins anew.
                Status::StreamEnd => {
                    state.reset(false);
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
                // All that comes of the bytes has come where there is room left.
                _ if rest.is_empty() && out.len() < out.capacity() => return Ok(()),
                Status::BufError if out.len() < out.capacity() && out.len() == before.1 => {
                    return if rest.is_empty() { Ok(()) } else { Err(Unfit::Broken) };
                }
                _ => {}
            }
        }
    }

    /// The message is at its end.
    ///
    /// # Errors
    /// As of [`add`](Self::add).
    pub fn finish(&mut self, out: &mut Vec<u8>, max: usize) -> Result<(), Unfit> {
        self.add(&TAIL, out, max)?;
        if !self.takes_over
            && let Some(state) = &mut self.state
        {
            state.reset(false);
        }
        Ok(())
    }

    /// Lets memory go that is of use to no later message.
    pub fn rest(&mut self) {
        if !self.takes_over {
            self.state = None;
        }
    }
}
