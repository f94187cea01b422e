//! A strict HTTP/1.1 server codec without I/O: request heads and bodies in, response bytes out.
//!
//! Owns: the rules of RFC 9112 that a server must hold against a hostile client. Where the RFC lets
//! a recipient be lenient and leniency has been used for request smuggling, this codec refuses.
//! Must not know: sockets, time-outs, JavaScript.

mod body;
mod chunked;
mod date;
mod encode;
mod fields;
mod grammar;
mod head;
mod host;
mod parse;
mod status;
mod target;

pub use body::BodyDecoder;
pub use chunked::CHUNK_EXT_BYTES_MAX;
pub use chunked::Decoded;
pub use date::DateCache;
pub use encode::{
    BodyMode, BodySize, CHUNK_END, CONTINUE, Encoded, Exchange, LAST_CHUNK, ResponseHead, encode_chunk_start,
    encode_error, encode_head,
};
pub use head::{BodyFraming, RequestHead, TargetForm, Version};
pub use parse::{EMPTY_LINES_MAX, HeadLimits, HeadParser, METHOD_BYTES_MAX, Progress};
pub use status::reason_phrase;

use super::limit::Limit;

/// A message that is refused: the connection answers with [`encode_error`] and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Status code of the answer, 4xx or 5xx.
    pub status: u16,
    /// What was wrong, for the log; never sent to the client.
    pub why: &'static str,
    /// The limit that it goes beyond, if it is right otherwise.
    pub limit: Option<Limit>,
}

impl Rejection {
    /// A refusal with `status` because of `why`.
    pub(crate) const fn new(status: u16, why: &'static str) -> Self {
        Rejection { status, why, limit: None }
    }

    /// A message that goes beyond `limit`.
    pub(crate) const fn limit(status: u16, why: &'static str, limit: Limit) -> Self {
        Rejection { status, why, limit: Some(limit) }
    }

    /// A malformed message.
    pub(crate) const fn bad(why: &'static str) -> Self {
        Rejection::new(400, why)
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, reason_phrase(self.status), self.why)
    }
}

impl std::error::Error for Rejection {}
