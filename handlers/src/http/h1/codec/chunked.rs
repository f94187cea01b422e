//! The decoder of the chunked transfer coding (RFC 9112 section 7.1).
//!
//! Owns: its whole grammar, extensions and trailers included, a byte at a time, so that any cut of the
//! input gives the same result; and the bounds on what is not content. Must not know: the body limit.

use super::grammar::{is_tchar, is_value_byte};
use super::{HeadLimits, Limit, Rejection};

/// One step of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Content, a part of the input; can be empty.
    pub data: &'a [u8],
    /// Bytes of the input that the step used, `data` included.
    pub consumed: usize,
    /// The body is complete; what follows `consumed` is the next request.
    pub end: bool,
}

/// Bytes of chunk extensions in one body, all chunks together; beyond: 400. They cost the client one
/// byte and us one byte's work each, and mean nothing to anyone.
pub const CHUNK_EXT_BYTES_MAX: u32 = 4096;

const TRAILERS_TOO_LONG: Rejection = Rejection::limit(431, "trailers: too long", Limit::HeaderBytes);
const TRAILERS_TOO_MANY: Rejection = Rejection::limit(431, "trailers: too many", Limit::HeaderFields);

/// Hexadecimal digits of a size, leading zeros included: what 64 bits hold.
const SIZE_DIGITS_MAX: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size; the count of its digits so far.
    Size(u32),
    /// Whitespace before the `;` of an extension.
    BeforeExt,
    /// After `;`: whitespace, then the name.
    ExtStart,
    ExtName,
    /// Whitespace after a name: `=` or `;` must come.
    AfterExtName,
    /// After `=`: whitespace, then a token or a quoted string.
    ExtValueStart,
    ExtToken,
    ExtQuoted,
    ExtEscape,
    /// After a closing quote.
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// Decodes one chunked body.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// Of the size while it is read, then bytes of content left in the chunk.
    size: u64,
    ext_bytes: u32,
    trailer_bytes_left: usize,
    trailer_fields_left: usize,
}

impl ChunkedDecoder {
    pub(crate) fn new(limits: &HeadLimits) -> Self {
        ChunkedDecoder {
            state: State::Size(0),
            size: 0,
            ext_bytes: 0,
            trailer_bytes_left: limits.bytes_max(),
            trailer_fields_left: limits.fields_max(),
        }
    }

    /// Bytes of the current chunk's content that were announced and have not come out.
    pub(crate) fn chunk_left(&self) -> u64 {
        if self.state == State::Data { self.size } else { 0 }
    }

    /// See [`super::BodyDecoder::decode`].
    pub(crate) fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
        let mut at = 0;
        while self.state != State::Done {
            if self.state == State::Data {
                // An announced chunk is reported before its content, for the body limit's sake.
                let rest = &input[at..];
                let take = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                self.size -= take as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Decoded { data: &rest[..take], consumed: at + take, end: false });
            }
            let Some(&b) = input.get(at) else { break };
            self.state = self.next(b)?;
            at += 1;
        }
        Ok(Decoded { data: &[], consumed: at, end: self.state == State::Done })
    }

    /// The state after `b`.
    fn next(&mut self, b: u8) -> Result<State, Rejection> {
        match self.state {
            State::Size(digits) => self.size_byte(digits, b),
            State::SizeLf => {
                expect(b, b'\n')?;
                Ok(if self.size == 0 { State::TrailerStart } else { State::Data })
            }
            State::DataCr => expect(b, b'\r').map(|()| State::DataLf),
            State::DataLf => {
                expect(b, b'\n')?;
                self.size = 0;
                Ok(State::Size(0))
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf => {
                self.trailer_byte(b)
            }
            State::EndLf => expect(b, b'\n').map(|()| State::Done),
            // `decode` keeps these two from here.
            state @ (State::Data | State::Done) => Ok(state),
            _ => self.ext_byte(b),
        }
    }

    fn size_byte(&mut self, digits: u32, b: u8) -> Result<State, Rejection> {
        let Some(digit) = (b as char).to_digit(16) else {
            return match b {
                _ if digits == 0 => Err(Rejection::bad("chunk: no size")),
                b'\r' => Ok(State::SizeLf),
                b';' | b' ' | b'\t' => {
                    self.state = State::BeforeExt;
                    self.ext_byte(b)
                }
                _ => Err(Rejection::bad("chunk: invalid size")),
            };
        };
        if digits == SIZE_DIGITS_MAX {
            return Err(Rejection::bad("chunk: size too long"));
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size(digits + 1))
    }

    /// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` of RFC 9112 section 7.1.1.
    /// Whitespace that no `;` or `=` follows is not in that grammar.
    fn ext_byte(&mut self, b: u8) -> Result<State, Rejection> {
        use State::*;
        self.ext_bytes += 1;
        if self.ext_bytes > CHUNK_EXT_BYTES_MAX {
            return Err(Rejection::bad("chunk: extensions too long"));
        }
        let ws = b == b' ' || b == b'\t';
        let state = match self.state {
            BeforeExt if ws => BeforeExt,
            BeforeExt if b == b';' => ExtStart,
            ExtStart if ws => ExtStart,
            ExtStart | ExtName if is_tchar(b) => ExtName,
            ExtName | AfterExtName if ws => AfterExtName,
            ExtName | AfterExtName if b == b'=' => ExtValueStart,
            ExtName | AfterExtName | ExtToken | AfterQuoted if b == b';' => ExtStart,
            ExtName | ExtToken | AfterQuoted if b == b'\r' => SizeLf,
            ExtValueStart if ws => ExtValueStart,
            ExtValueStart if b == b'"' => ExtQuoted,
            ExtValueStart | ExtToken if is_tchar(b) => ExtToken,
            ExtToken | AfterQuoted if ws => BeforeExt,
            ExtQuoted if b == b'"' => AfterQuoted,
            ExtQuoted if b == b'\\' => ExtEscape,
            ExtQuoted | ExtEscape if is_value_byte(b) => ExtQuoted,
            _ => return Err(Rejection::bad("chunk: invalid extension")),
        };
        Ok(state)
    }

    /// Trailer fields are checked as fields and dropped: nothing here merges them into the head, which
    /// RFC 9110 section 6.5.1 forbids without knowing the field.
    fn trailer_byte(&mut self, b: u8) -> Result<State, Rejection> {
        self.trailer_bytes_left = self.trailer_bytes_left.checked_sub(1).ok_or(TRAILERS_TOO_LONG)?;
        match (self.state, b) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart, _) if is_tchar(b) => {
                self.trailer_fields_left =
                    self.trailer_fields_left.checked_sub(1).ok_or(TRAILERS_TOO_MANY)?;
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, _) if is_tchar(b) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_value_byte(b) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            _ => Err(Rejection::bad("trailers: invalid field")),
        }
    }
}

fn expect(b: u8, wanted: u8) -> Result<(), Rejection> {
    if b == wanted { Ok(()) } else { Err(Rejection::bad("chunk: invalid end of line")) }
}
