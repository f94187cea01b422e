//! A reply as CGI has it (RFC 3875 section 6): `Status`, fields, an empty line.
//!
//! Owns: its fields: none of a connection's, a length where there is one. Must not know: what carries it.

use runtime::app::fetch::{Fields, Reply};

use super::super::failure::STATUS_TYPE;
use super::super::h1::{
    BodyMode, BodySize, Framing, OwnField, ResponseContext, Version, frame, own_field, parse_content_length,
};
use super::super::status::reason_phrase;
use super::super::wire::AnswerBody;

/// Appends the head of a reply to a request that `is_head` or is not; what follows it.
pub fn head(out: &mut Vec<u8>, reply: &Reply<'_>, is_head: bool) -> AnswerBody {
    let size = match reply.body {
        Some(body) => BodySize::Known(body.len() as u64),
        None if reply.streamed => reply.length.map_or(BodySize::Unknown, BodySize::Known),
        None => BodySize::Null,
    };
    let reason = reply.reason.filter(|reason| reason.is_ascii() && !reason.is_empty());
    status_line(out, reply.status, reason.unwrap_or_else(|| reason_phrase(reply.status)));
    let mut declared = None;
    match reply.headers {
        Fields::ContentType(kind) => {
            if let Some(kind) = kind {
                line(out, b"Content-Type", kind.as_bytes());
            }
        }
        Fields::List(list) => list.iter().for_each(|(name, value)| match own_field(name) {
            OwnField::No | OwnField::Date => line(out, name, value),
            OwnField::ContentLength => declared = declared.or_else(|| parse_content_length(value)),
            OwnField::Connection | OwnField::Trailer | OwnField::Dropped => {}
        }),
    }
    let context =
        ResponseContext { version: Version::Http11, is_head, keep_alive: true, takes_trailers: false };
    let Framing { body, length, .. } = frame(reply.status, size, context, declared);
    if let Some(length) = length {
        line(out, b"Content-Length", length.to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    let is_omitted = body == BodyMode::Omit;
    let length = length.filter(|_| !is_omitted && (size == BodySize::Unknown || reply.streamed));
    AnswerBody { is_omitted, length, is_upgraded: false }
}

/// Appends a reply that says its status, and nothing else.
pub fn status(out: &mut Vec<u8>, status: u16) {
    let text = format!("{status} {}\n", reason_phrase(status));
    status_line(out, status, reason_phrase(status));
    line(out, b"Content-Type", STATUS_TYPE.as_bytes());
    line(out, b"Content-Length", text.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(text.as_bytes());
}

fn status_line(out: &mut Vec<u8>, status: u16, reason: &str) {
    line(out, b"Status", format!("{status} {reason}").trim_end().as_bytes());
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
