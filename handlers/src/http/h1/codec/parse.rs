//! From received bytes to a [`RequestHead`].
//!
//! Owns: the incremental parse (linear however the head is cut), the strictness that `httparse`
//! lacks, and the limits of a head. Must not know: bodies, what any field means.

use super::fields::FramingFields;
use super::grammar::trim_ows;
use super::head::{HeadParts, RequestHead, Span, Version};
use super::target::parse_target;
use super::{Limit, Rejection};
use httparse::{Error, Header, Request, Status};
use std::mem::MaybeUninit;

/// Longest method in bytes; beyond: 501 (RFC 9112 section 3). The longest registered one has 17.
pub const METHOD_BYTES_MAX: usize = 64;

/// Empty lines that may come before a request line (RFC 9112 section 2.2 asks for one); beyond: 400.
pub const EMPTY_LINES_MAX: u32 = 4;

const TARGET_TOO_LONG: Rejection = Rejection::limit(414, "target: too long", Limit::TargetBytes);
const HEAD_TOO_LONG: Rejection = Rejection::limit(431, "head: too long", Limit::HeaderBytes);
const TOO_MANY_FIELDS: Rejection = Rejection::limit(431, "head: too many fields", Limit::HeaderFields);

/// Field lines that are tokenized without an allocation.
const FIELDS_ON_STACK: usize = 128;

/// Bounds of a request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    bytes_max: usize,
    fields_max: usize,
    target_bytes_max: usize,
}

impl HeadLimits {
    /// `bytes_max` bounds the head with its request line and final empty line (431) and is itself held
    /// below 16 MiB, `fields_max` its field lines (431), `target_bytes_max` the request target (414).
    pub fn new(bytes_max: usize, fields_max: usize, target_bytes_max: usize) -> Self {
        HeadLimits { bytes_max: bytes_max.min((1 << 24) - 1), fields_max, target_bytes_max }
    }

    /// Largest head in bytes; trailers of a chunked body are held to the same.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Most field lines; trailers of a chunked body are held to the same.
    pub fn fields_max(&self) -> usize {
        self.fields_max
    }
}

impl From<&runtime::config::Limits> for HeadLimits {
    fn from(limits: &runtime::config::Limits) -> Self {
        HeadLimits::new(limits.header_bytes_max, limits.header_fields_max, limits.target_bytes_max)
    }
}

/// What became of the input of [`HeadParser::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadProgress {
    /// The head is complete; what follows `consumed` bytes of the input is its body or the next request.
    Complete {
        /// Bytes of this call's input that belong to the head.
        consumed: usize,
    },
    /// All input was taken over; more is needed.
    NeedMore,
}

/// The parser of one connection.
#[derive(Debug)]
pub struct HeadParser {
    limits: HeadLimits,
    /// Bytes of the head searched for its end.
    searched: usize,
    /// Length at which an incomplete head is tokenized again, to refuse garbage before its end comes.
    check_at: usize,
    empty_lines: u32,
    /// The input ended between CR and LF of an empty line.
    cr_pending: bool,
}

impl HeadParser {
    /// A parser at the start of a connection.
    pub fn new(limits: HeadLimits) -> Self {
        HeadParser { limits, searched: 0, check_at: 0, empty_lines: 0, cr_pending: false }
    }

    /// Takes the next received bytes. `head` is empty at the first call of a message and stays the same
    /// until [`HeadProgress::Complete`]; a head that lies whole in `input` is copied once and never searched.
    ///
    /// # Errors
    /// The head breaks a rule or a limit. The connection answers and closes: parser and head have no
    /// use after it.
    pub fn parse(&mut self, input: &[u8], head: &mut RequestHead) -> Result<HeadProgress, Rejection> {
        if !head.bytes.is_empty() {
            return self.parse_rest(input, head);
        }
        let start = self.skip_empty_lines(input)?;
        let rest = &input[start..];
        if rest.is_empty() {
            return Ok(HeadProgress::NeedMore);
        }
        let window = &rest[..rest.len().min(self.limits.bytes_max)];
        if let Some(len) = tokenize(window, &mut head.parts, &self.limits)? {
            head.bytes.extend_from_slice(&window[..len]);
            self.empty_lines = 0;
            return Ok(HeadProgress::Complete { consumed: start + len });
        }
        check_incomplete(window, &self.limits)?;
        head.bytes.extend_from_slice(window);
        self.searched = window.len();
        self.check_at = (window.len() * 2).max(64);
        Ok(HeadProgress::NeedMore)
    }

    /// The head began in an earlier call.
    fn parse_rest(&mut self, input: &[u8], head: &mut RequestHead) -> Result<HeadProgress, Rejection> {
        let before = head.bytes.len();
        let room = self.limits.bytes_max - before;
        head.bytes.extend_from_slice(&input[..input.len().min(room)]);
        let bytes = &head.bytes[..];
        let end = find_head_end(bytes, self.searched.saturating_sub(2));
        self.searched = bytes.len();
        if end.is_none() && bytes.len() < self.check_at && bytes.len() < self.limits.bytes_max {
            return Ok(HeadProgress::NeedMore);
        }
        match tokenize(&bytes[..end.unwrap_or(bytes.len())], &mut head.parts, &self.limits)? {
            Some(len) => {
                head.bytes.truncate(len);
                self.empty_lines = 0;
                Ok(HeadProgress::Complete { consumed: len.saturating_sub(before) })
            }
            None => {
                check_incomplete(bytes, &self.limits)?;
                self.check_at = bytes.len() * 2;
                Ok(HeadProgress::NeedMore)
            }
        }
    }

    /// Bytes of CRLF lines at the start of `input`.
    fn skip_empty_lines(&mut self, input: &[u8]) -> Result<usize, Rejection> {
        let mut at = 0;
        while let Some(&b) = input.get(at) {
            match (self.cr_pending, b) {
                (false, b'\r') => self.cr_pending = true,
                (true, b'\n') => {
                    self.cr_pending = false;
                    self.empty_lines += 1;
                    if self.empty_lines > EMPTY_LINES_MAX {
                        return Err(Rejection::bad("empty lines before the request line"));
                    }
                }
                (true, _) | (false, b'\n') => return Err(Rejection::bad("line: bare CR or LF")),
                (false, _) => break,
            }
            at += 1;
        }
        Ok(at)
    }
}

/// Where the first empty line from `from` on ends; with bare LF too, so that such a head is refused
/// rather than waited for.
fn find_head_end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at + 1).find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Refuses what no further bytes can mend.
fn check_incomplete(bytes: &[u8], limits: &HeadLimits) -> Result<(), Rejection> {
    match memchr::memchr(b' ', &bytes[..bytes.len().min(METHOD_BYTES_MAX + 1)]) {
        None if bytes.len() > METHOD_BYTES_MAX => return Err(Rejection::new(501, "method: too long")),
        None => {}
        Some(space) => {
            let target = &bytes[space + 1..];
            if target.len() > limits.target_bytes_max
                && memchr::memchr(b' ', &target[..limits.target_bytes_max + 1]).is_none()
            {
                return Err(TARGET_TOO_LONG);
            }
        }
    }
    if bytes.len() >= limits.bytes_max {
        return Err(HEAD_TOO_LONG);
    }
    Ok(())
}

/// Parses a head that begins at `bytes[0]`; its length when it is complete. On success all of `parts`
/// is set.
fn tokenize(bytes: &[u8], parts: &mut HeadParts, limits: &HeadLimits) -> Result<Option<usize>, Rejection> {
    if limits.fields_max <= FIELDS_ON_STACK {
        let mut lines = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
        tokenize_with(bytes, parts, limits, &mut lines[..limits.fields_max])
    } else {
        tokenize_with(bytes, parts, limits, &mut vec![MaybeUninit::uninit(); limits.fields_max])
    }
}

fn tokenize_with<'b>(
    bytes: &'b [u8],
    parts: &mut HeadParts,
    limits: &HeadLimits,
    lines: &mut [MaybeUninit<Header<'b>>],
) -> Result<Option<usize>, Rejection> {
    let mut request = Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, lines) {
        Ok(Status::Complete(len)) => fill(parts, &request, &bytes[..len], limits).map(|()| Some(len)),
        Ok(Status::Partial) => Ok(None),
        Err(Error::Version) => other_version(bytes, parts, limits),
        Err(Error::TooManyHeaders) => Err(TOO_MANY_FIELDS),
        Err(Error::HeaderName) => Err(Rejection::bad("field: invalid name or folded line")),
        Err(Error::HeaderValue) => Err(Rejection::bad("field: invalid value")),
        Err(Error::NewLine) => Err(Rejection::bad("line: invalid end")),
        Err(_) => Err(Rejection::bad("request line: invalid")),
    }
}

/// A request line with neither HTTP/1.0 nor HTTP/1.1: 505 for another major version, as 1.1 for
/// another minor one (RFC 9110 section 2.5), 400 for what is no version.
#[cold]
fn other_version(
    bytes: &[u8],
    parts: &mut HeadParts,
    limits: &HeadLimits,
) -> Result<Option<usize>, Rejection> {
    let Some(line_end) = memchr::memchr(b'\n', bytes) else {
        return Ok(None);
    };
    let line = bytes[..line_end].strip_suffix(b"\r").unwrap_or_default();
    let at = memchr::memrchr(b' ', line).map_or(0, |space| space + 1);
    match &line[at..] {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            if *major != b'1' {
                return Err(Rejection::new(505, "version: not 1.x"));
            }
            if matches!(minor, b'0' | b'1') {
                // The version is right, so something else on the line is not: a space in the target.
                return Err(Rejection::bad("request line: invalid"));
            }
        }
        _ => return Err(Rejection::bad("version: invalid")),
    }
    let mut as_11 = bytes.to_vec();
    as_11[at + 7] = b'1';
    tokenize(&as_11, parts, limits)
}

/// The checks on a complete, tokenized head, and the offsets of its parts.
fn fill(
    parts: &mut HeadParts,
    request: &Request<'_, '_>,
    head: &[u8],
    limits: &HeadLimits,
) -> Result<(), Rejection> {
    let span = |part: &[u8]| Span::new(part.as_ptr() as usize - head.as_ptr() as usize, part.len());
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Rejection::bad("request line: invalid"));
    };
    if method.len() > METHOD_BYTES_MAX {
        return Err(Rejection::new(501, "method: too long"));
    }
    if target.len() > limits.target_bytes_max {
        return Err(TARGET_TOO_LONG);
    }
    // httparse lets a bare LF end a line (RFC 9112 section 2.2 permits it, and smugglers use it).
    // Each line ends before the name of the next; the last one before the empty line.
    if !head.ends_with(b"\r\n\r\n") {
        return Err(Rejection::bad("line: bare LF"));
    }
    let parsed = parse_target(method.as_bytes(), target.as_bytes())?;
    let target_span = span(target.as_bytes());
    let target_at = target.as_ptr() as usize - head.as_ptr() as usize;
    parts.method = span(method.as_bytes());
    parts.target = target_span;
    parts.form = parsed.form;
    parts.authority = parsed.authority.offset(target_at);
    parts.path = parsed.path.offset(target_at);
    parts.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    parts.fields.clear();
    parts.fields.reserve(request.headers.len());
    let mut framing = FramingFields::default();
    for line in request.headers.iter() {
        let name_at = line.name.as_ptr() as usize - head.as_ptr() as usize;
        if head[name_at - 2] != b'\r' {
            return Err(Rejection::bad("line: bare LF"));
        }
        debug_assert_eq!(line.value, trim_ows(line.value));
        let value = span(line.value);
        framing.field(line.name.as_bytes(), line.value, value)?;
        parts.fields.push((Span::new(name_at, line.name.len()), value));
    }
    framing.finish(parts)
}
