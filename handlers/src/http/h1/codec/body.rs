//! The body of a request: which of the received bytes are its content, and where it ends.
//!
//! Owns: the length decoder, and the body limit for both framings. Must not know: who reads the
//! content, or whether it is dropped unread.

use super::chunked::{ChunkedDecoder, Decoded};
use super::head::BodyFraming;
use super::{HeadLimits, Limit, Rejection};

/// The decoder of one request's body.
#[derive(Debug)]
pub struct BodyDecoder {
    bytes_max: u64,
    content: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    /// A decoder for a body of at most `bytes_max` bytes of content. `limits` bound its trailers.
    ///
    /// # Errors
    /// 413 when the declared length is larger: known before 100 Continue is sent and a byte is read.
    pub fn new(framing: BodyFraming, bytes_max: u64, limits: &HeadLimits) -> Result<Self, Rejection> {
        let state = match framing {
            BodyFraming::None => State::Length(0),
            BodyFraming::Length(len) if len > bytes_max => return Err(TOO_LARGE),
            BodyFraming::Length(len) => State::Length(len),
            BodyFraming::Chunked => State::Chunked(ChunkedDecoder::new(limits)),
        };
        Ok(BodyDecoder { bytes_max, content: 0, state })
    }

    /// Raises or lowers the limit for what is still to come, in bytes of the whole content.
    pub fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Bytes of content still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Chunked(_) => None,
        }
    }

    /// Bytes of content so far.
    pub fn content_bytes(&self) -> u64 {
        self.content
    }

    /// Finds the next piece of content. Call it again with what follows `consumed` until `end`, or until
    /// the input is used up; a step that is not the end consumes at least one byte of an input that has one.
    ///
    /// # Errors
    /// 413 when the content grows beyond the limit, 400 and 431 for broken chunked framing. The connection
    /// closes.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
        let step = match &mut self.state {
            State::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= take as u64;
                Decoded { data: &input[..take], consumed: take, end: *left == 0 }
            }
            State::Chunked(chunked) => {
                let step = chunked.decode(input)?;
                // The chunk's announced size counts, not what has arrived of it.
                let announced = self.content.saturating_add(step.data.len() as u64 + chunked.chunk_left());
                if announced > self.bytes_max {
                    return Err(TOO_LARGE);
                }
                step
            }
        };
        self.content += step.data.len() as u64;
        Ok(step)
    }
}

const TOO_LARGE: Rejection = Rejection::limit(413, "body: too large", Limit::BodyBytes);
