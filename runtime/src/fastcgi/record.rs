//! Records: a head of eight bytes, content, padding (section 3.3).
//!
//! Owns: their form, how long streams are cut. Must not know: which record may follow which.

use super::FastCgiError;

/// Bytes of the head of a record.
pub(super) const HEAD_BYTES: usize = 8;
/// The most that one record holds.
pub const CONTENT_BYTES_MAX: usize = 0xffff;
/// The largest multiple of eight of that: no padding is needed.
const STREAM_BYTES_MAX: usize = 0xfff8;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// FCGI_BEGIN_REQUEST
    BeginRequest = 1,
    /// FCGI_ABORT_REQUEST
    AbortRequest = 2,
    /// FCGI_END_REQUEST
    EndRequest = 3,
    /// FCGI_PARAMS
    Params = 4,
    /// FCGI_STDIN
    Stdin = 5,
    /// FCGI_STDOUT
    Stdout = 6,
    /// FCGI_STDERR
    Stderr = 7,
    /// FCGI_DATA
    Data = 8,
    /// FCGI_GET_VALUES
    GetValues = 9,
    /// FCGI_GET_VALUES_RESULT
    GetValuesResult = 10,
    /// FCGI_UNKNOWN_TYPE
    UnknownType = 11,
}

impl RecordKind {
    fn of(number: u8) -> Option<RecordKind> {
        use RecordKind::*;
        let all = [
            BeginRequest,
            AbortRequest,
            EndRequest,
            Params,
            Stdin,
            Stdout,
            Stderr,
            Data,
            GetValues,
            GetValuesResult,
            UnknownType,
        ];
        all.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecordHead {
    /// The number of its kind.
    pub(super) number: u8,
    /// Its request; 0 for what concerns the connection.
    pub(super) id: u16,
}

impl RecordHead {
    pub(super) fn kind(self) -> Option<RecordKind> {
        RecordKind::of(self.number)
    }
}

/// A part of a record, as it comes.
pub(super) enum RecordPart<'a> {
    /// The head of the next one; its content has so many bytes.
    Head(RecordHead, usize),
    /// Bytes of its content.
    Content(RecordHead, &'a [u8]),
    /// All of its content has come.
    End(RecordHead),
}

/// Takes records apart.
#[derive(Debug, Default)]
pub(super) struct RecordReader {
    begun: [u8; HEAD_BYTES],
    have: usize,
    head: RecordHead,
    left: usize,
    padding: usize,
    is_open: bool,
}

impl RecordReader {
    /// The next part, and how many bytes of `input` it has used; none where there is too little.
    pub(super) fn next<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<(usize, Option<RecordPart<'a>>), FastCgiError> {
        let mut used = 0;
        if self.is_open {
            if self.left > 0 {
                let take = self.left.min(input.len());
                self.left -= take;
                let part = (take > 0).then(|| RecordPart::Content(self.head, &input[..take]));
                return Ok((take, part));
            }
            self.is_open = false;
            return Ok((0, Some(RecordPart::End(self.head))));
        }
        let skipped = self.padding.min(input.len());
        self.padding -= skipped;
        used += skipped;
        let input = &input[skipped..];
        if self.padding > 0 {
            return Ok((used, None));
        }
        let take = (HEAD_BYTES - self.have).min(input.len());
        self.begun[self.have..self.have + take].copy_from_slice(&input[..take]);
        self.have += take;
        used += take;
        // Told at its first byte: what speaks something else may never send eight.
        if self.have > 0 && self.begun[0] != 1 {
            return Err(FastCgiError::Version(self.begun[0]));
        }
        if self.have < HEAD_BYTES {
            return Ok((used, None));
        }
        self.have = 0;
        let [_, number, id1, id0, length1, length0, padding, _] = self.begun;
        self.head = RecordHead { number, id: u16::from_be_bytes([id1, id0]) };
        self.left = usize::from(u16::from_be_bytes([length1, length0]));
        self.padding = usize::from(padding);
        self.is_open = true;
        Ok((used, Some(RecordPart::Head(self.head, self.left))))
    }

    /// Whether the next byte begins a record.
    pub(super) fn is_between(&self) -> bool {
        !self.is_open && self.have == 0
    }
}

/// Appends a record, padded to a multiple of eight. `content` has [`CONTENT_BYTES_MAX`] bytes at most; what is beyond is
/// left out.
pub fn write_record(out: &mut Vec<u8>, kind: RecordKind, id: u16, content: &[u8]) {
    let content = &content[..content.len().min(CONTENT_BYTES_MAX)];
    let padding = content.len().wrapping_neg() % 8;
    let ([id1, id0], [length1, length0]) = (id.to_be_bytes(), (content.len() as u16).to_be_bytes());
    out.extend_from_slice(&[1, kind as u8, id1, id0, length1, length0, padding as u8, 0]);
    out.extend_from_slice(content);
    out.extend_from_slice(&[0; 8][..padding]);
}

/// Appends bytes of a stream, in as many records as they need; none where there are none, for that would end it.
pub fn write_stream(out: &mut Vec<u8>, kind: RecordKind, id: u16, bytes: &[u8]) {
    bytes.chunks(STREAM_BYTES_MAX).for_each(|piece| write_record(out, kind, id, piece));
}
