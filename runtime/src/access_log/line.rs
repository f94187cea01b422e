//! One line of the access log.
//!
//! Owns: how values are written, that no value of a client's ends a line. Must not know: where lines go.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;

use super::escape;
use super::format::{Format, FormatPart, Variable};
use super::record::{Record, RequestLine};
use crate::address::Address;

/// Bytes that are shown of what came in place of a request.
const BROKEN_BYTES_MAX: usize = 256;

/// What was written last, in words: the second, which is made once, and the client.
#[derive(Default)]
pub(super) struct Stamp {
    second: u64,
    /// `29/Nov/2026:13:28:00 +0000`
    local: String,
    /// `2026-11-29T13:28:00`, without a zone.
    iso: String,
    /// The client that was written last, in words: who has sent one request sends many.
    peer: Option<(IpAddr, String)>,
}

/// Who is at the other end of a Unix socket, as nginx has it.
const UNIX: &str = "unix:";

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Stamp {
    /// Has the words of `time`, which is UTC as all times here; the milliseconds beside them.
    fn set(&mut self, time: SystemTime) -> u32 {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.second != since.as_secs() || self.iso.is_empty() {
            self.second = since.as_secs();
            // `Sun, 29 Nov 2026 13:28:00 GMT`
            let date = httpdate::fmt_http_date(time);
            let (day, month, year, clock) = (&date[5..7], &date[8..11], &date[12..16], &date[17..25]);
            let number = MONTHS.iter().position(|known| *known == month).unwrap_or(0) + 1;
            self.local = format!("{day}/{month}/{year}:{clock} +0000");
            self.iso = format!("{year}-{number:02}-{day}T{clock}");
        }
        since.subsec_millis()
    }

    fn peer(&mut self, address: &Address) -> &str {
        let Some(addr) = address.ip() else { return UNIX };
        let addr = addr.ip();
        if self.peer.as_ref().is_none_or(|(known, _)| *known != addr) {
            self.peer = Some((addr, addr.to_string()));
        }
        self.peer.as_ref().map_or("", |(_, text)| text)
    }
}

/// Appends a number.
fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends thousandths as a number with three digits behind the point.
fn thousandths(out: &mut Vec<u8>, number: u64) {
    decimal(out, number / 1_000);
    let rest = number % 1_000;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10 % 10), digit(rest % 10)]);
}

fn digit(value: u64) -> u8 {
    b'0' + value as u8
}

impl Format {
    /// Appends the line of `record`.
    pub(super) fn write(&self, out: &mut Vec<u8>, record: &Record<'_>, stamp: &mut Stamp) {
        match self {
            Format::Short { colour } => short(out, record, *colour),
            Format::Json => json(out, record, stamp),
            Format::Text(text) => {
                for part in &text.0 {
                    match part {
                        FormatPart::Text(text) => out.extend_from_slice(text.as_bytes()),
                        FormatPart::Value(variable) => value(out, record, variable, stamp),
                    }
                }
            }
        }
        out.push(b'\n');
    }
}

/// `GET /path 200 1.2ms`, and why, where it failed.
fn short(out: &mut Vec<u8>, record: &Record<'_>, colour: bool) {
    // Writing to a Vec cannot fail, here and below.
    match record.request {
        RequestLine::Parsed { method, target, .. } => {
            escape::shown(out, method);
            out.push(b' ');
            escape::shown(out, target);
        }
        RequestLine::Broken(bytes) => {
            out.push(b'"');
            escape::shown(out, first_line(bytes));
            out.push(b'"');
        }
    }
    let (hue, dim, plain) = match (colour, record.status) {
        (false, _) => ("", "", ""),
        (true, 500..) => ("\x1b[31m", "\x1b[2m", "\x1b[0m"),
        (true, 400..) => ("\x1b[33m", "\x1b[2m", "\x1b[0m"),
        (true, 300..) => ("\x1b[36m", "\x1b[2m", "\x1b[0m"),
        (true, _) => ("\x1b[32m", "\x1b[2m", "\x1b[0m"),
    };
    let _ = write!(out, " {hue}{}{plain} {dim}{}{plain}", record.status, ShownTime(record.duration));
    if let Some(cause) = record.cause {
        out.push(b' ');
        out.extend_from_slice(hue.as_bytes());
        escape::shown(out, first_line(cause.as_bytes()));
        out.extend_from_slice(plain.as_bytes());
    }
}

/// A time as people read it.
struct ShownTime(Duration);

impl std::fmt::Display for ShownTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_secs_f64() * 1e3 {
            ms if ms < 0.1 => write!(f, "{ms:.2}ms"),
            ms if ms < 100.0 => write!(f, "{ms:.1}ms"),
            ms if ms < 10_000.0 => write!(f, "{ms:.0}ms"),
            ms => write!(f, "{:.1}s", ms / 1e3),
        }
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    &line[..line.len().min(BROKEN_BYTES_MAX)]
}

fn json(out: &mut Vec<u8>, record: &Record<'_>, stamp: &mut Stamp) {
    let ms = stamp.set(record.time);
    let _ = write!(out, "{{\"time\":\"{}.{ms:03}Z\",\"worker\":{}", stamp.iso, record.worker);
    let text = |out: &mut Vec<u8>, name: &str, value: &[u8]| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        escape::json(out, value);
        out.push(b'"');
    };
    text(out, "remote", stamp.peer(record.peer).as_bytes());
    match record.request {
        RequestLine::Parsed { method, target, version } => {
            text(out, "method", method);
            text(out, "target", target);
            text(out, "protocol", protocol(version).as_bytes());
            text(out, "scheme", record.scheme.as_bytes());
            text(out, "host", record.host.as_bytes());
        }
        RequestLine::Broken(bytes) => text(out, "broken", first_line(bytes)),
    }
    for (name, number) in [
        (&b",\"status\":"[..], record.status.into()),
        (b",\"body_bytes\":", record.body_bytes),
        (b",\"sent_bytes\":", record.sent_bytes),
        (b",\"received_bytes\":", record.received_bytes),
    ] {
        out.extend_from_slice(name);
        decimal(out, number);
    }
    out.extend_from_slice(b",\"duration_ms\":");
    thousandths(out, record.duration.as_micros() as u64);
    if let Some(time) = record.javascript {
        out.extend_from_slice(b",\"javascript_ms\":");
        thousandths(out, time.as_micros() as u64);
    }
    if let Some(id) = record.request_id {
        text(out, "request_id", id.as_bytes());
    }
    for (name, field) in [("referer", &b"referer"[..]), ("user_agent", b"user-agent")] {
        record.field(field, &mut |value| text(out, name, value));
    }
    if let Some(cause) = record.cause {
        text(out, "cause", cause.as_bytes());
    }
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, record: &Record<'_>, variable: &Variable, stamp: &mut Stamp) {
    let before = out.len();
    match variable {
        Variable::RemoteAddr => out.extend_from_slice(stamp.peer(record.peer).as_bytes()),
        Variable::TimeLocal => {
            stamp.set(record.time);
            out.extend_from_slice(stamp.local.as_bytes());
        }
        Variable::TimeIso8601 => {
            stamp.set(record.time);
            let _ = write!(out, "{}+00:00", stamp.iso);
        }
        Variable::Msec => {
            let ms = stamp.set(record.time);
            let _ = write!(out, "{}.{ms:03}", stamp.second);
        }
        Variable::Status | Variable::BodyBytesSent | Variable::BytesSent | Variable::RequestLength => {
            decimal(out, number(record, variable));
        }
        Variable::RequestTime => {
            thousandths(out, record.duration.as_millis() as u64);
        }
        Variable::JavascriptTime => {
            if let Some(time) = record.javascript {
                let _ = write!(out, "{:.6}", time.as_secs_f64());
            }
        }
        Variable::Worker => {
            let _ = write!(out, "{}", record.worker);
        }
        Variable::Pid => {
            let _ = write!(out, "{}", std::process::id());
        }
        Variable::Field(name) => record.field(name, &mut |value| escape::quoted(out, value)),
        Variable::RemoteUser => record.field(b"authorization", &mut |value| {
            if let Some(user) = user(value) {
                escape::quoted(out, &user);
            }
        }),
        _ => text(out, record, variable),
    }
    if out.len() == before {
        out.push(b'-');
    }
}

fn number(record: &Record<'_>, variable: &Variable) -> u64 {
    match variable {
        Variable::Status => record.status.into(),
        Variable::BodyBytesSent => record.body_bytes,
        Variable::BytesSent => record.sent_bytes,
        _ => record.received_bytes,
    }
}

fn text(out: &mut Vec<u8>, record: &Record<'_>, variable: &Variable) {
    let RequestLine::Parsed { method, target, version } = record.request else {
        if let (Variable::Request, RequestLine::Broken(bytes)) = (variable, record.request) {
            escape::quoted(out, first_line(bytes));
        }
        return connection_text(out, record, variable);
    };
    let mut halves = target.splitn(2, |byte| *byte == b'?');
    let (path, query) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    match variable {
        Variable::Request => {
            escape::quoted(out, method);
            out.push(b' ');
            escape::quoted(out, target);
            out.push(b' ');
            out.extend_from_slice(protocol(version).as_bytes());
        }
        Variable::RequestMethod => escape::quoted(out, method),
        Variable::RequestUri => escape::quoted(out, target),
        Variable::Uri => escape::quoted(out, path),
        Variable::Args => escape::quoted(out, query),
        Variable::ServerProtocol => {
            out.extend_from_slice(protocol(version).as_bytes());
        }
        Variable::Scheme => out.extend_from_slice(record.scheme.as_bytes()),
        Variable::Host => escape::quoted(out, record.host.as_bytes()),
        _ => connection_text(out, record, variable),
    }
}

fn connection_text(out: &mut Vec<u8>, record: &Record<'_>, variable: &Variable) {
    let port = |out: &mut Vec<u8>, address: &Address| {
        if let Some(addr) = address.ip() {
            let _ = write!(out, "{}", addr.port());
        }
    };
    match variable {
        Variable::RemotePort => port(out, record.peer),
        Variable::ServerAddr => escape::quoted(out, ip(record.local).as_bytes()),
        Variable::ServerPort => port(out, record.local),
        Variable::RequestId => escape::quoted(out, record.request_id.unwrap_or_default().as_bytes()),
        Variable::Cause => escape::quoted(out, record.cause.unwrap_or_default().as_bytes()),
        _ => {}
    }
}

/// `HTTP/1.1`, `HTTP/2.0`: as nginx has it.
fn protocol(version: &str) -> &'static str {
    match version {
        "1.0" => "HTTP/1.0",
        "2" => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// The address without its port.
fn ip(address: &Address) -> String {
    address.ip().map_or_else(|| UNIX.to_owned(), |addr| addr.ip().to_string())
}

/// The user of Basic authentication (RFC 7617), whoever that may be.
fn user(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, value) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || value.len() > 1024 {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(value.trim_ascii()).ok()?;
    let user = decoded.split(|byte| *byte == b':').next()?;
    (!user.is_empty()).then(|| user.to_vec())
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
