//! Response heads and chunk framing, written into a buffer that the connection uses again and again.
//!
//! Owns: what frames a response and decides persistence - the fields of ours always win over the
//! handler's. Must not know: where the body comes from, or when bytes are sent.

use super::date::DateCache;
use super::fields::parse_content_length;
use super::grammar::{is_token, is_value_byte, list_members};
use super::head::{RequestHead, Version};
use super::reason_phrase;

/// Asks the client for its body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Ends the content of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// What of the request, and of the connection's own state, shapes the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseContext {
    /// The request's version.
    pub version: Version,
    /// The request's method is HEAD.
    pub is_head: bool,
    /// Both the client and the server (draining, request limit) let the connection persist.
    pub keep_alive: bool,
    /// The client takes trailers: Trailer may announce them (RFC 9110 section 6.6.2).
    pub takes_trailers: bool,
}

impl ResponseContext {
    /// For an answer to bytes that are no request, and that ends the connection.
    pub const CLOSE: ResponseContext = ResponseContext {
        version: Version::Http11,
        is_head: false,
        keep_alive: false,
        takes_trailers: false,
    };

    /// For the answer to `head`; `may_persist` is the server's side of keep-alive.
    pub fn of(head: &RequestHead, may_persist: bool) -> Self {
        ResponseContext {
            version: head.version(),
            is_head: head.is_head(),
            keep_alive: head.keep_alive() && may_persist,
            takes_trailers: head.takes_trailers(),
        }
    }
}

/// What is known of a response's body before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySize {
    /// There is none: `new Response(null)`.
    Null,
    /// All of it is here, in bytes.
    Known(u64),
    /// It comes in pieces.
    Unknown,
}

/// How the body goes on the wire after the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyMode {
    /// Not at all, whatever the handler gave.
    Omit,
    /// As it is; with [`BodySize::Unknown`] the end of the connection ends it, or its length.
    Plain,
    /// In chunks.
    Chunked,
}

/// The outcome of [`encode_head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// How the body goes on the wire.
    pub body: BodyMode,
    /// The Content-Length that a body which comes in pieces must keep to.
    pub length: Option<u64>,
    /// Whether the connection persists after this response.
    pub keep_alive: bool,
}

/// A handler's response, without its body. Names are tokens and values have no control bytes but HTAB:
/// whoever lets a handler set them has checked it.
pub struct ResponseHead<'a, F> {
    /// Status code, 200 to 999.
    pub status: u16,
    /// Reason phrase; when empty, the standard one.
    pub reason: &'a [u8],
    /// Names and values.
    pub fields: F,
}

/// Appends a response head to `out`.
///
/// Dropped from the handler's fields: those of the connection (RFC 9110 section 7.6.1; a `close` in
/// Connection is kept as a wish), Transfer-Encoding and Upgrade; Trailer unless the body comes in pieces to a client
/// that takes trailers; Content-Length unless the body comes in pieces, or the response to HEAD or a 304 has no body
/// that would give it; a Date that is none.
pub fn encode_head<'a, F>(
    out: &mut Vec<u8>,
    response: ResponseHead<'a, F>,
    body: BodySize,
    context: ResponseContext,
    date: &DateCache,
) -> Encoded
where
    F: IntoIterator<Item = (&'a [u8], &'a [u8])>,
{
    let ResponseHead { status, reason, fields } = response;
    let mut declared = None;
    let mut keep_alive = context.keep_alive;
    status_line_and_date(out, status, reason, date);
    // A Date of the handler's is rare; it is written over ours, which has the same length.
    let after_date = out.len();
    for (name, value) in fields {
        debug_assert!(is_token(name) && value.iter().all(|&b| is_value_byte(b)), "unchecked field");
        match own_field(name) {
            OwnField::No => {}
            OwnField::Connection => {
                keep_alive &= !list_members(value).any(|member| member.eq_ignore_ascii_case(b"close"));
                continue;
            }
            OwnField::ContentLength => {
                declared = declared.or_else(|| parse_content_length(value));
                continue;
            }
            OwnField::Trailer if context.takes_trailers && body == BodySize::Unknown => {}
            OwnField::Dropped | OwnField::Trailer => continue,
            OwnField::Date => {
                replace_date(&mut out[..after_date], value);
                continue;
            }
        }
        line(out, name, value);
    }
    if status == 426 {
        // RFC 9110 section 15.5.22: it says which protocol there is.
        out.extend_from_slice(b"Upgrade: websocket\r\nConnection: upgrade\r\n");
    }
    let framing = frame(status, body, context, declared);
    match framing.length {
        Some(length) => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        None if framing.body == BodyMode::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        None => {}
    }
    keep_alive &= !framing.until_close;
    out.extend_from_slice(connection_and_end(context.version, keep_alive));
    let length = if body == BodySize::Unknown { framing.length } else { None };
    Encoded { body: framing.body, length, keep_alive }
}

/// Appends the head of an answer after which the connection speaks `protocol` (RFC 9110 section 15.2.2). Fields of the
/// connection are ours.
pub fn encode_switch<'a>(
    out: &mut Vec<u8>,
    protocol: &[u8],
    fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    date: &DateCache,
) {
    status_line_and_date(out, 101, b"", date);
    let after_date = out.len();
    for (name, value) in fields {
        match own_field(name) {
            OwnField::No => line(out, name, value),
            OwnField::Date => replace_date(&mut out[..after_date], value),
            OwnField::Connection | OwnField::ContentLength | OwnField::Trailer | OwnField::Dropped => {}
        }
    }
    line(out, b"Upgrade", protocol);
    out.extend_from_slice(b"Connection: Upgrade\r\n\r\n");
}

/// What the server does with a field of a handler's, in every version of HTTP.
pub(in crate::http) enum OwnField {
    /// It goes out as it is.
    No,
    /// A wish for the connection.
    Connection,
    /// The length, which has to fit the body.
    ContentLength,
    /// The date, where it is one.
    Date,
    /// What is behind the body.
    Trailer,
    /// It is the connection's (RFC 9110 section 7.6.1), and does not go out.
    Dropped,
}

/// Whether the server itself writes the field.
#[inline]
pub(in crate::http) fn own_field(name: &[u8]) -> OwnField {
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"date") => OwnField::Date,
        10 if name.eq_ignore_ascii_case(b"connection") => OwnField::Connection,
        14 if name.eq_ignore_ascii_case(b"content-length") => OwnField::ContentLength,
        7 if name.eq_ignore_ascii_case(b"trailer") => OwnField::Trailer,
        7 if name.eq_ignore_ascii_case(b"upgrade") => OwnField::Dropped,
        10 if name.eq_ignore_ascii_case(b"keep-alive") => OwnField::Dropped,
        16 if name.eq_ignore_ascii_case(b"proxy-connection") => OwnField::Dropped,
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => OwnField::Dropped,
        _ => OwnField::No,
    }
}

fn status_line_and_date(out: &mut Vec<u8>, status: u16, reason: &[u8], date: &DateCache) {
    // A proxied one may be any of three digits.
    debug_assert!((101..=999).contains(&status) && reason.iter().all(|&b| is_value_byte(b)));
    if status == 200 && reason.is_empty() {
        out.extend_from_slice(date.ok_and_line());
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(if reason.is_empty() { reason_phrase(status).as_bytes() } else { reason });
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(date.line());
}

/// Writes a handler's Date over the one at the end of `head`, in the only form a server may generate
/// (RFC 9110 section 5.6.7), if it is a date.
#[cold]
fn replace_date(head: &mut [u8], value: &[u8]) {
    let parsed = std::str::from_utf8(value).ok().and_then(|text| httpdate::parse_http_date(text).ok());
    if let Some(time) = parsed {
        let text = httpdate::fmt_http_date(time);
        let at = head.len() - 2 - text.len();
        head[at..][..text.len()].copy_from_slice(text.as_bytes());
    }
}

/// How an answer's body is framed.
pub(in crate::http) struct Framing {
    /// How it goes out.
    pub body: BodyMode,
    /// Its Content-Length.
    pub length: Option<u64>,
    /// The end of the connection is its end.
    pub until_close: bool,
}

/// RFC 9112 section 6.3, seen from the sender, and RFC 9110 section 8.6.
pub(in crate::http) fn frame(
    status: u16,
    body: BodySize,
    context: ResponseContext,
    declared: Option<u64>,
) -> Framing {
    let headless = |length| Framing { body: BodyMode::Omit, length, until_close: false };
    if status == 204 {
        return headless(None);
    }
    if status == 205 {
        return headless(Some(0));
    }
    if context.is_head || status == 304 {
        // The length that GET would have had. An empty body says nothing about it.
        return headless(match body {
            BodySize::Known(length) if status != 304 || length > 0 => Some(length),
            _ => declared,
        });
    }
    match (body, context.version) {
        (BodySize::Null, _) => headless(Some(0)),
        (BodySize::Known(length), _) => {
            Framing { body: BodyMode::Plain, length: Some(length), until_close: false }
        }
        (BodySize::Unknown, _) if declared.is_some() => {
            Framing { body: BodyMode::Plain, length: declared, until_close: false }
        }
        (BodySize::Unknown, Version::Http11) => {
            Framing { body: BodyMode::Chunked, length: None, until_close: false }
        }
        (BodySize::Unknown, Version::Http10) => {
            Framing { body: BodyMode::Plain, length: None, until_close: true }
        }
    }
}

/// The end of a head. `close` is said to HTTP/1.0 too: our status line says 1.1, where persistence is
/// the default (RFC 9112 section 9.3).
fn connection_and_end(version: Version, keep_alive: bool) -> &'static [u8] {
    match (keep_alive, version) {
        (false, _) => b"Connection: close\r\n\r\n",
        (true, Version::Http10) => b"Connection: keep-alive\r\n\r\n",
        (true, Version::Http11) => b"\r\n",
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the size line of a chunk of `len` bytes, which is not 0: an empty chunk would end the body.
/// Its content and [`CHUNK_END`] follow.
pub fn encode_chunk_start(out: &mut Vec<u8>, len: usize) {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut left = len;
    while left > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a chunked body, with its trailers (RFC 9112 section 7.1.2).
pub fn encode_last_chunk<'a>(out: &mut Vec<u8>, trailers: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    out.extend_from_slice(b"0\r\n");
    trailers.for_each(|(name, value)| line(out, name, value));
    out.extend_from_slice(b"\r\n");
}

/// Appends an informational response (RFC 9110 section 15.2): for clients of HTTP/1.1, before the head of the
/// answer. Its fields are checked as a response's are, and none of them frames a message.
pub fn encode_informational<'a>(
    out: &mut Vec<u8>,
    status: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    debug_assert!(
        (100..=199).contains(&status) && status != 101,
        "not informational, or a switch of protocols"
    );
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    fields.for_each(|(name, value)| line(out, name, value));
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole response of ours that says only its status, such as `400 Bad Request`; whether the
/// connection persists after it. After a [`super::Rejection`] use [`ResponseContext::CLOSE`].
pub fn encode_error(out: &mut Vec<u8>, status: u16, context: ResponseContext, date: &DateCache) -> bool {
    let reason = reason_phrase(status).as_bytes();
    let fields = [(&b"Content-Type"[..], &b"text/plain;charset=UTF-8"[..])];
    let response = ResponseHead { status, reason: b"", fields };
    // "400 Bad Request\n"
    let length = 3 + 1 + reason.len() + 1;
    let encoded = encode_head(out, response, BodySize::Known(length as u64), context, date);
    if encoded.body != BodyMode::Omit {
        out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason);
        out.push(b'\n');
    }
    encoded.keep_alive
}
