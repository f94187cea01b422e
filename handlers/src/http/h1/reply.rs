//! A reply as HTTP/1.1 writes it.
//!
//! Owns: the choice of framing. Must not know: when it is sent.

use runtime::app::fetch::{Fields, Reply};

use super::clock;
use super::codec::{BodyMode, BodySize, Encoded, ResponseContext, ResponseHead, encode_head, encode_switch};

/// Appends a reply to `out`, without a body that comes in pieces; how the body goes on the wire, and
/// whether the connection persists after it.
pub fn write(out: &mut Vec<u8>, reply: &Reply<'_>, context: ResponseContext) -> Encoded {
    let size = match reply.body {
        Some(body) => BodySize::Known(body.len() as u64),
        None if reply.streamed => reply.length.map_or(BodySize::Unknown, BodySize::Known),
        None => BodySize::Null,
    };
    let reason = reply.reason.unwrap_or_default();
    // Characters of a reason phrase are bytes (Web IDL's ByteString).
    let latin1: Vec<u8>;
    let reason = match reason.is_ascii() {
        true => reason.as_bytes(),
        false => {
            latin1 = reason.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
            &latin1
        }
    };
    let status = reply.status;
    let encoded: Encoded = clock::with_date(|date| match reply.headers {
        Fields::ContentType(kind) => {
            let fields = kind.map(|kind| (&b"Content-Type"[..], kind.as_bytes()));
            encode_head(out, ResponseHead { status, reason, fields }, size, context, date)
        }
        Fields::List(list) => {
            let head = ResponseHead { status, reason, fields: list.iter() };
            encode_head(out, head, size, context, date)
        }
    });
    if encoded.body != BodyMode::Omit {
        out.extend_from_slice(reply.body.unwrap_or_default());
    }
    encoded
}

/// Appends the head of a reply after which the connection is a WebSocket.
pub fn switch(out: &mut Vec<u8>, reply: &Reply<'_>) {
    let Fields::List(list) = reply.headers else { return };
    clock::with_date(|date| encode_switch(out, b"websocket", list.iter(), date));
}
