//! The web server's side: what an application answers.
//!
//! Owns: a request as records, the answer to it taken out of them. Must not know: what is asked.

use super::record::{RecordPart, RecordReader};
use super::{FastCgiError, RecordKind, write_pair, write_record, write_stream};

/// Appends the beginning of the request `id` for a responder, and its parameters. The connection stays behind it where
/// `keeps`.
pub fn begin_request<'a>(
    out: &mut Vec<u8>,
    id: u16,
    keeps: bool,
    params: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) {
    write_record(out, RecordKind::BeginRequest, id, &[0, 1, u8::from(keeps), 0, 0, 0, 0, 0]);
    let mut pairs = Vec::with_capacity(1 << 10);
    params.into_iter().for_each(|(name, value)| write_pair(&mut pairs, name, value));
    write_stream(out, RecordKind::Params, id, &pairs);
    write_record(out, RecordKind::Params, id, &[]);
}

/// Appends bytes of its standard input; none are its end.
pub fn write_stdin(out: &mut Vec<u8>, id: u16, bytes: &[u8]) {
    match bytes {
        [] => write_record(out, RecordKind::Stdin, id, &[]),
        bytes => write_stream(out, RecordKind::Stdin, id, bytes),
    }
}

/// What an application has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerEvent<'a> {
    /// Bytes of its response.
    Stdout(&'a [u8]),
    /// Bytes for the log.
    Stderr(&'a [u8]),
    /// The end: its exit status, and the protocol's, 0 for a request that was served.
    End(u32, u8),
}

/// Reads the answer to one request after the other.
#[derive(Debug, Default)]
pub struct AnswerReader {
    records: RecordReader,
    end: Vec<u8>,
}

impl AnswerReader {
    /// Whether the next byte begins a record.
    pub fn is_between(&self) -> bool {
        self.records.is_between()
    }

    /// Takes the next bytes of the answer to the request `id`: how many are used, and what they said; without that all are
    /// used.
    ///
    /// # Errors
    /// What has come is no FastCGI.
    pub fn next<'a>(
        &mut self,
        id: u16,
        input: &'a [u8],
    ) -> Result<(usize, Option<AnswerEvent<'a>>), FastCgiError> {
        let mut consumed = 0;
        loop {
            let (used, part) = self.records.next(&input[consumed..])?;
            consumed += used;
            match part {
                None if consumed == input.len() => return Ok((consumed, None)),
                None => {}
                Some(RecordPart::Head(..)) => self.end.clear(),
                Some(RecordPart::Content(head, bytes)) if head.id == id => match head.kind() {
                    Some(RecordKind::Stdout) => return Ok((consumed, Some(AnswerEvent::Stdout(bytes)))),
                    Some(RecordKind::Stderr) => return Ok((consumed, Some(AnswerEvent::Stderr(bytes)))),
                    Some(RecordKind::EndRequest) if self.end.len() < 8 => self.end.extend_from_slice(bytes),
                    _ => {}
                },
                Some(RecordPart::End(head))
                    if head.id == id && head.kind() == Some(RecordKind::EndRequest) =>
                {
                    let [a, b, c, d, status, ..] = *self.end else {
                        return Err(FastCgiError::Broken("the end of a request without its status"));
                    };
                    let code = u32::from_be_bytes([a, b, c, d]);
                    return Ok((consumed, Some(AnswerEvent::End(code, status))));
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastcgi::{EndStatus, RequestEvent, RequestReader, write_end};

    #[test]
    fn what_one_side_writes_the_other_reads_however_it_is_cut() {
        let long = vec![b'x'; 200_000];
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        begin_request(&mut asked, 7, true, [(&b"A"[..], &b"b"[..]), (b"LONG", &long[..70_000])]);
        write_stdin(&mut asked, 7, &long);
        write_stdin(&mut asked, 7, &[]);
        write_stream(&mut answered, RecordKind::Stdout, 7, &long);
        write_record(&mut answered, RecordKind::Stderr, 7, b"oh");
        write_end(&mut answered, 7, EndStatus::Complete);
        for cut in [1, 7, 8, 9, 1000, usize::MAX] {
            let (mut reader, mut out) = (RequestReader::new(1 << 20), Vec::new());
            let (mut stdin, mut ended) = (Vec::new(), false);
            for mut piece in asked.chunks(cut.min(asked.len())) {
                loop {
                    let step = reader.next(piece, &mut out).expect("FastCGI");
                    match step.event {
                        None => break,
                        Some(RequestEvent::Stdin(bytes)) => stdin.extend_from_slice(bytes),
                        Some(RequestEvent::StdinEnd) => ended = true,
                        Some(_) => {}
                    }
                    piece = &piece[step.consumed..];
                }
            }
            assert!(ended && stdin == long && out.is_empty() && reader.keeps_connection());
            assert_eq!(reader.params().len(), 4 + 9 + 70_000);
            let (mut reader, mut stdout, mut end) = (AnswerReader::default(), Vec::new(), None);
            for mut piece in answered.chunks(cut.min(answered.len())) {
                while let (used, Some(event)) = reader.next(7, piece).expect("FastCGI") {
                    piece = &piece[used..];
                    match event {
                        AnswerEvent::Stdout(bytes) => stdout.extend_from_slice(bytes),
                        AnswerEvent::Stderr(bytes) => {
                            assert!(b"oh".windows(bytes.len()).any(|it| it == bytes))
                        }
                        AnswerEvent::End(code, status) => end = Some((code, status)),
                    }
                }
            }
            assert!(stdout == long && end == Some((0, 0)));
        }
    }
}
