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
mod target;

pub use body::BodyDecoder;
pub use chunked::CHUNK_EXT_BYTES_MAX;
pub use chunked::Decoded;
pub use date::DateCache;
pub use encode::{
    BodyMode, BodySize, CHUNK_END, CONTINUE, Encoded, ResponseContext, ResponseHead, encode_chunk_start,
    encode_error, encode_head, encode_informational, encode_last_chunk, encode_switch,
};
pub(in crate::http) use encode::{Framing, OwnField, frame, own_field};
pub(in crate::http) use fields::parse_content_length;
pub use head::{BodyFraming, RequestHead, TargetForm, Version};
pub use host::is_authority;
pub use parse::{EMPTY_LINES_MAX, HeadLimits, HeadParser, HeadProgress, METHOD_BYTES_MAX};

use super::super::limit::Limit;
use super::super::rejection::Rejection;
use super::super::status::reason_phrase;
