//! A reply as HTTP/2 writes it.
//!
//! Owns: its fields (RFC 9113 section 8.2): none of a connection's, a length where there is one. Must not know: when it is
//! sent.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use runtime::app::fetch::{Fields, HeaderList, Reply};

use super::super::h1::{
    BodyMode, BodySize, Framing, OwnField, ResponseContext, Version, frame, own_field, parse_content_length,
    with_date,
};

/// A reply's head, and what follows it.
pub struct AnswerHead {
    /// The head.
    pub response: Response<()>,
    /// No body goes out, whatever the handler gave.
    pub is_omitted: bool,
    /// The Content-Length that a body in pieces must keep to.
    pub length: Option<u64>,
}

/// The head of a reply to a request that `is_head` or is not.
pub fn head(reply: &Reply<'_>, is_head: bool) -> AnswerHead {
    let size = match reply.body {
        Some(body) => BodySize::Known(body.len() as u64),
        None if reply.streamed => reply.length.map_or(BodySize::Unknown, BodySize::Known),
        None => BodySize::Null,
    };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    with_date(|date| put(fields, header::DATE, &date.line()[b"Date: ".len()..date.line().len() - 2]));
    let mut declared = None;
    match reply.headers {
        Fields::ContentType(kind) => {
            if let Some(kind) = kind {
                fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
        }
        Fields::List(list) => {
            for (name, value) in list.iter() {
                add(fields, name, value, size == BodySize::Unknown, &mut declared);
            }
        }
    }
    let context =
        ResponseContext { version: Version::Http11, is_head, keep_alive: true, takes_trailers: true };
    let Framing { body, length, .. } = frame(reply.status, size, context, declared);
    let is_omitted = body == BodyMode::Omit;
    if let Some(length) = length {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let length =
        if size == BodySize::Unknown || reply.streamed { length.filter(|_| !is_omitted) } else { None };
    AnswerHead { response, is_omitted, length }
}

/// Adds a field of the handler's, unless it is the server's own.
fn add(fields: &mut HeaderMap, name: &[u8], value: &[u8], is_streamed: bool, declared: &mut Option<u64>) {
    match own_field(name) {
        OwnField::No => {}
        OwnField::ContentLength => {
            *declared = declared.or_else(|| parse_content_length(value));
            return;
        }
        OwnField::Trailer if is_streamed => {}
        OwnField::Connection | OwnField::Trailer | OwnField::Dropped => return,
        OwnField::Date => {
            let parsed =
                std::str::from_utf8(value).ok().and_then(|text| httpdate::parse_http_date(text).ok());
            if let Some(time) = parsed {
                put(fields, header::DATE, httpdate::fmt_http_date(time).as_bytes());
            }
            return;
        }
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        fields.insert(name, value);
    }
}

/// Fields as they are: of an informational response, or behind a body.
pub fn fields(list: &HeaderList) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in list.iter() {
        if let (OwnField::No, Ok(name), Ok(value)) =
            (own_field(name), HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            fields.append(name, value);
        }
    }
    fields
}
