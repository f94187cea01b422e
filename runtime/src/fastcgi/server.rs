//! The application's side: what a web server asks.
//!
//! Owns: which record may come when, the answers to those that concern the connection, that there is one request at a
//! time. Must not know: what the parameters mean, how an answer is made.

use super::record::{RecordHead, RecordPart, RecordReader};
use super::{FastCgiError, Pairs, RecordKind, write_pair, write_record};

/// FCGI_RESPONDER (section 6.2): the one role there is here.
const RESPONDER: u16 = 1;
/// FCGI_KEEP_CONN (section 5.1).
const KEEP_CONN: u8 = 1;
/// The content of records that have a form of their own: more of it is skipped.
const SMALL_BYTES_MAX: usize = 1 << 10;
/// What is said of us (section 4.1), for FCGI_GET_VALUES. One request at a time on a connection.
const VALUES: [(&[u8], &[u8]); 3] =
    [(b"FCGI_MAX_CONNS", b"65536"), (b"FCGI_MAX_REQS", b"65536"), (b"FCGI_MPXS_CONNS", b"0")];

/// How a request ended (section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndStatus {
    /// FCGI_REQUEST_COMPLETE
    Complete = 0,
    /// FCGI_CANT_MPX_CONN: another one is in the middle on this connection.
    CantMultiplex = 1,
    /// FCGI_OVERLOADED
    Overloaded = 2,
    /// FCGI_UNKNOWN_ROLE
    UnknownRole = 3,
}

/// Appends the end of the request `id`.
pub fn write_end(out: &mut Vec<u8>, id: u16, status: EndStatus) {
    write_record(out, RecordKind::EndRequest, id, &[0, 0, 0, 0, status as u8, 0, 0, 0]);
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestEvent<'a> {
    /// All parameters of a request: [`RequestReader::params`].
    Params,
    /// Bytes of its standard input.
    Stdin(&'a [u8]),
    /// The end of its standard input.
    StdinEnd,
    /// The web server wants no answer.
    Aborted,
}

/// How far one call got.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestStep<'a> {
    /// Bytes of the input that are used.
    pub consumed: usize,
    /// What they said, if anything; without it all of the input is used.
    pub event: Option<RequestEvent<'a>>,
}

/// The request that is in the middle.
#[derive(Debug)]
struct Active {
    id: u16,
    keeps: bool,
    has_params: bool,
    has_stdin: bool,
}

/// Reads requests, one after the other.
#[derive(Debug)]
pub struct RequestReader {
    records: RecordReader,
    active: Option<Active>,
    params: Vec<u8>,
    params_bytes_max: usize,
    small: Vec<u8>,
    is_empty: bool,
}

impl RequestReader {
    /// For a connection whose requests have parameters of `params_bytes_max` bytes at most.
    pub fn new(params_bytes_max: usize) -> RequestReader {
        RequestReader {
            records: RecordReader::default(),
            active: None,
            params: Vec::new(),
            params_bytes_max,
            small: Vec::new(),
            is_empty: false,
        }
    }

    /// The number of the request in the middle.
    pub fn id(&self) -> u16 {
        self.active.as_ref().map_or(0, |active| active.id)
    }

    /// Whether the connection is to stay when it has ended.
    pub fn keeps_connection(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.keeps)
    }

    /// Its parameters, once all have come.
    pub fn params(&self) -> &[u8] {
        &self.params
    }

    /// Whether nothing is in the middle.
    pub fn is_idle(&self) -> bool {
        self.active.is_none() && self.records.is_between()
    }

    /// The request has been answered; what still comes of it is dropped.
    pub fn finish(&mut self) {
        self.active = None;
        self.params.clear();
    }

    /// Takes the next bytes; what has to be answered at once is appended to `out`.
    ///
    /// # Errors
    /// What has come is no FastCGI, or too large.
    pub fn next<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<RequestStep<'a>, FastCgiError> {
        let mut consumed = 0;
        loop {
            let (used, part) = self.records.next(&input[consumed..])?;
            consumed += used;
            let event = match part {
                None if consumed == input.len() => return Ok(RequestStep { consumed, event: None }),
                None => None,
                Some(RecordPart::Head(head, length)) => {
                    self.is_empty = length == 0;
                    self.small.clear();
                    self.check(head)?;
                    None
                }
                Some(RecordPart::Content(head, bytes)) => self.content(head, bytes)?,
                Some(RecordPart::End(head)) => self.end(head, out)?,
            };
            if event.is_some() {
                return Ok(RequestStep { consumed, event });
            }
        }
    }

    fn is_active(&self, id: u16) -> bool {
        self.active.as_ref().is_some_and(|active| active.id == id)
    }

    /// Whether the record may stand here.
    fn check(&self, head: RecordHead) -> Result<(), FastCgiError> {
        match (head.kind(), &self.active) {
            (Some(RecordKind::BeginRequest), _) if head.id == 0 => {
                Err(FastCgiError::Broken("a request with the number 0"))
            }
            (Some(RecordKind::BeginRequest), Some(active)) if active.id == head.id => {
                Err(FastCgiError::Broken("a request that has begun begins again"))
            }
            (Some(RecordKind::Params), Some(active)) if active.id == head.id && active.has_params => {
                Err(FastCgiError::Broken("parameters behind their end"))
            }
            (Some(RecordKind::Stdin), Some(active)) if active.id == head.id => {
                match (active.has_params, active.has_stdin) {
                    (false, _) => {
                        Err(FastCgiError::Broken("standard input before the end of the parameters"))
                    }
                    (true, true) => Err(FastCgiError::Broken("standard input behind its end")),
                    (true, false) => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn content<'a>(
        &mut self,
        head: RecordHead,
        bytes: &'a [u8],
    ) -> Result<Option<RequestEvent<'a>>, FastCgiError> {
        match head.kind() {
            Some(RecordKind::Params) if self.is_active(head.id) => {
                if self.params.len() + bytes.len() > self.params_bytes_max {
                    return Err(FastCgiError::TooLarge);
                }
                self.params.extend_from_slice(bytes);
            }
            Some(RecordKind::Stdin) if self.is_active(head.id) => {
                return Ok(Some(RequestEvent::Stdin(bytes)));
            }
            Some(RecordKind::BeginRequest | RecordKind::GetValues) => {
                let room = SMALL_BYTES_MAX - self.small.len().min(SMALL_BYTES_MAX);
                self.small.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            _ => {}
        }
        Ok(None)
    }

    fn end(
        &mut self,
        head: RecordHead,
        out: &mut Vec<u8>,
    ) -> Result<Option<RequestEvent<'static>>, FastCgiError> {
        let is_active = self.is_active(head.id);
        match head.kind() {
            Some(RecordKind::BeginRequest) => self.begin(head.id, out)?,
            Some(RecordKind::AbortRequest) if is_active => return Ok(Some(RequestEvent::Aborted)),
            Some(RecordKind::Params) if is_active && self.is_empty => {
                if let Some(active) = &mut self.active {
                    active.has_params = true;
                }
                return Ok(Some(RequestEvent::Params));
            }
            Some(RecordKind::Stdin) if is_active && self.is_empty => {
                if let Some(active) = &mut self.active {
                    active.has_stdin = true;
                }
                return Ok(Some(RequestEvent::StdinEnd));
            }
            Some(RecordKind::GetValues) if head.id == 0 => self.answer_values(out),
            None if head.id == 0 => {
                let content = [head.number, 0, 0, 0, 0, 0, 0, 0];
                write_record(out, RecordKind::UnknownType, 0, &content);
            }
            // Of a request that is none, or not for this role: section 3.3 has it ignored.
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, id: u16, out: &mut Vec<u8>) -> Result<(), FastCgiError> {
        let [role1, role0, flags, ..] = *self.small else {
            return Err(FastCgiError::Broken("a request begins without a role"));
        };
        if self.active.is_some() {
            write_end(out, id, EndStatus::CantMultiplex);
        } else if u16::from_be_bytes([role1, role0]) == RESPONDER {
            self.params.clear();
            let keeps = flags & KEEP_CONN != 0;
            self.active = Some(Active { id, keeps, has_params: false, has_stdin: false });
        } else {
            write_end(out, id, EndStatus::UnknownRole);
        }
        Ok(())
    }

    fn answer_values(&self, out: &mut Vec<u8>) {
        let mut content = Vec::new();
        for (name, _) in Pairs::of(&self.small).map_while(Result::ok) {
            if let Some((name, value)) = VALUES.iter().find(|(known, _)| *known == name) {
                write_pair(&mut content, name, value);
            }
        }
        write_record(out, RecordKind::GetValuesResult, 0, &content);
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
