//! How FastCGI and SCGI carry variables, a body and an answer.
//!
//! Owns: SCGI's netstring, and what of FastCGI's events is a request's. Must not know: connections, what the variables
//! say. Sources: the FastCGI specification 1.0; "SCGI: A Simple Common Gateway Interface alternative", N. Schemenauer.

use std::fmt;

use runtime::fastcgi::{
    EndStatus, FastCgiError, Pairs, RecordKind, RequestEvent, RequestReader, write_end, write_stream,
};

/// Why a connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarrierError {
    /// The variables are larger than they may be.
    TooLarge,
    /// What has come is not of the protocol.
    Broken(&'static str),
    /// Nor is this.
    FastCgi(FastCgiError),
}

impl fmt::Display for CarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CarrierError::TooLarge => f.write_str("the variables are too large"),
            CarrierError::Broken(what) => f.write_str(what),
            CarrierError::FastCgi(error) => error.fmt(f),
        }
    }
}

impl From<FastCgiError> for CarrierError {
    fn from(error: FastCgiError) -> Self {
        match error {
            FastCgiError::TooLarge => CarrierError::TooLarge,
            error => CarrierError::FastCgi(error),
        }
    }
}

/// A name and its value.
pub type Variable = (Vec<u8>, Vec<u8>);

/// What has come behind the variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of the input that are used.
    pub used: usize,
    /// The body is at its end.
    pub end: bool,
    /// The web server wants no answer.
    pub is_aborted: bool,
}

/// The protocol of a connection, between whose bytes and a request it stands.
pub trait Carrier {
    /// What it is called in the log.
    const NAME: &'static str;
    /// Whether an answer goes out as it is.
    const IS_PLAIN: bool;

    /// Takes bytes up to the end of the variables: how many, and whether that is reached. What has to be answered at once is
    /// appended to `out`.
    ///
    /// # Errors
    /// They are not of the protocol, or too many.
    fn take_head(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(usize, bool), CarrierError>;

    /// Takes bytes behind the variables, up to the end of the body; gives `sink` those of the body.
    ///
    /// # Errors
    /// They are not of the protocol.
    fn take(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Taken, CarrierError>;

    /// The variables, once all have come.
    fn variables(&self) -> Vec<Result<Variable, ()>>;

    /// Appends bytes of the answer.
    fn write(&self, out: &mut Vec<u8>, bytes: &[u8]);

    /// Appends the end of the answer.
    fn write_end(&self, out: &mut Vec<u8>);

    /// Whether another request may follow this one.
    fn keeps_connection(&self) -> bool;

    /// Whether nothing of a request has come.
    fn is_idle(&self) -> bool;

    /// The request has been answered.
    fn finish(&mut self);
}

/// FastCGI.
pub struct FastCgiCarrier {
    reader: RequestReader,
}

impl FastCgiCarrier {
    /// With parameters of `bytes_max` bytes at most.
    pub fn new(bytes_max: usize) -> FastCgiCarrier {
        FastCgiCarrier { reader: RequestReader::new(bytes_max) }
    }
}

impl Carrier for FastCgiCarrier {
    const NAME: &'static str = "FastCGI";
    const IS_PLAIN: bool = false;

    fn take_head(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(usize, bool), CarrierError> {
        let mut used = 0;
        loop {
            let step = self.reader.next(&input[used..], out)?;
            used += step.consumed;
            match step.event {
                None => return Ok((used, false)),
                Some(RequestEvent::Params) => return Ok((used, true)),
                Some(RequestEvent::Aborted) => {
                    write_end(out, self.reader.id(), EndStatus::Complete);
                    self.reader.finish();
                }
                Some(RequestEvent::Stdin(_) | RequestEvent::StdinEnd) => {}
            }
        }
    }

    fn take(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Taken, CarrierError> {
        let mut taken = Taken::default();
        loop {
            let step = self.reader.next(&input[taken.used..], out)?;
            taken.used += step.consumed;
            match step.event {
                None => return Ok(taken),
                Some(RequestEvent::Stdin(bytes)) => sink(bytes),
                Some(RequestEvent::StdinEnd) => return Ok(Taken { end: true, ..taken }),
                Some(RequestEvent::Aborted) => return Ok(Taken { is_aborted: true, ..taken }),
                Some(RequestEvent::Params) => {}
            }
        }
    }

    fn variables(&self) -> Vec<Result<Variable, ()>> {
        Pairs::of(self.reader.params())
            .map(|pair| pair.map(|(name, value)| (name.to_vec(), value.to_vec())))
            .collect()
    }

    fn write(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        write_stream(out, RecordKind::Stdout, self.reader.id(), bytes);
    }

    fn write_end(&self, out: &mut Vec<u8>) {
        if self.reader.id() != 0 {
            write_end(out, self.reader.id(), EndStatus::Complete);
        }
    }

    fn keeps_connection(&self) -> bool {
        self.reader.keeps_connection()
    }

    fn is_idle(&self) -> bool {
        self.reader.is_idle()
    }

    fn finish(&mut self) {
        self.reader.finish();
    }
}

/// Digits of the length of a netstring: a longer one is too large, whatever it says.
const DIGITS_MAX: usize = 9;

/// SCGI.
pub struct ScgiCarrier {
    variables: Vec<u8>,
    bytes_max: usize,
    is_complete: bool,
    has_begun: bool,
    /// Bytes of the body that are still to come.
    left: u64,
}

impl ScgiCarrier {
    /// With variables of `bytes_max` bytes at most.
    pub fn new(bytes_max: usize) -> ScgiCarrier {
        ScgiCarrier { variables: Vec::new(), bytes_max, is_complete: false, has_begun: false, left: 0 }
    }

    /// The netstring at the beginning of `input`: its length, and where its bytes begin; none where it has no colon yet.
    fn netstring(&self, input: &[u8]) -> Result<Option<(usize, usize)>, CarrierError> {
        let digits = input.iter().take_while(|b| b.is_ascii_digit()).count();
        match input.get(digits) {
            Some(b':') if digits > 0 => {}
            Some(_) => return Err(CarrierError::Broken("the variables are no netstring")),
            None if digits > DIGITS_MAX => return Err(CarrierError::TooLarge),
            None => return Ok(None),
        }
        if digits > 1 && input[0] == b'0' {
            return Err(CarrierError::Broken("the length of a netstring begins with 0"));
        }
        let text = std::str::from_utf8(&input[..digits]).unwrap_or_default();
        let length = text.parse().ok().filter(|length| *length <= self.bytes_max);
        Ok(Some((length.ok_or(CarrierError::TooLarge)?, digits + 1)))
    }
}

impl Carrier for ScgiCarrier {
    const NAME: &'static str = "SCGI";
    const IS_PLAIN: bool = true;

    fn take_head(&mut self, input: &[u8], _out: &mut Vec<u8>) -> Result<(usize, bool), CarrierError> {
        self.has_begun |= !input.is_empty();
        let Some((length, start)) = self.netstring(input)? else { return Ok((0, false)) };
        let end = start + length;
        match input.get(end) {
            None => return Ok((0, false)),
            Some(b',') => {}
            Some(_) => return Err(CarrierError::Broken("a netstring does not end with a comma")),
        }
        self.variables = input[start..end].to_vec();
        let all = self.variables();
        // "SCGI" says the version; CONTENT_LENGTH is first, and always there.
        let is_scgi = all.iter().flatten().any(|(name, value)| name == b"SCGI" && value == b"1");
        let first = all.first().and_then(|first| first.as_ref().ok());
        let length = first.filter(|(name, _)| name == b"CONTENT_LENGTH");
        let length = length.and_then(|(_, value)| super::super::h1::parse_content_length(value));
        let (Some(length), true) = (length, is_scgi) else {
            let text = "the variables do not begin with a CONTENT_LENGTH, or SCGI is not 1 among them";
            return Err(CarrierError::Broken(text));
        };
        (self.left, self.is_complete) = (length, true);
        Ok((end + 1, true))
    }

    fn take(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Taken, CarrierError> {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        self.left -= take as u64;
        if take > 0 {
            sink(&input[..take]);
        }
        // There is one request on a connection: what follows its body is nothing.
        let used = if self.left == 0 { input.len() } else { take };
        Ok(Taken { used, end: self.left == 0, is_aborted: false })
    }

    fn variables(&self) -> Vec<Result<Variable, ()>> {
        let mut all = Vec::new();
        let mut rest = &self.variables[..];
        while !rest.is_empty() {
            let mut next = || {
                let at = memchr::memchr(0, rest)?;
                let text = rest[..at].to_vec();
                rest = &rest[at + 1..];
                Some(text)
            };
            match (next(), next()) {
                (Some(name), Some(value)) if !name.is_empty() => all.push(Ok((name, value))),
                _ => {
                    all.push(Err(()));
                    return all;
                }
            }
        }
        all
    }

    fn write(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        out.extend_from_slice(bytes);
    }

    fn write_end(&self, _out: &mut Vec<u8>) {}

    fn keeps_connection(&self) -> bool {
        false
    }

    fn is_idle(&self) -> bool {
        !self.has_begun
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netstring_of_variables_begins_an_scgi_request() {
        let good = b"24:CONTENT_LENGTH\x002\0SCGI\x001\0,hi";
        let (mut carrier, mut out) = (ScgiCarrier::new(100), Vec::new());
        for end in 0..good.len() - 3 {
            assert_eq!(carrier.take_head(&good[..end], &mut out), Ok((0, false)), "{end} bytes");
        }
        assert_eq!(carrier.take_head(good, &mut out), Ok((28, true)));
        let mut body = Vec::new();
        let taken = carrier.take(&good[28..], &mut out, &mut |bytes| body.extend_from_slice(bytes));
        assert_eq!((taken, &body[..]), (Ok(Taken { used: 2, end: true, is_aborted: false }), &b"hi"[..]));
        for (bytes, error) in [
            (&b"GET / HTTP/1.1\r\n"[..], "the variables are no netstring"),
            (b":", "the variables are no netstring"),
            (b"024:CONTENT", "the length of a netstring begins with 0"),
            (b"24:CONTENT_LENGTH\x002\0SCGI\x001\0;", "a netstring does not end with a comma"),
            (b"999999999999", "the variables are too large"),
            (b"101:", "the variables are too large"),
            (b"24:SCGI\x001\0CONTENT_LENGTH\x002\0,", "the variables do not begin with a CONTENT_LENGTH"),
            (b"25:CONTENT_LENGTH\x00-2\0SCGI\x001\0,", "the variables do not begin with a CONTENT_LENGTH"),
            (b"24:CONTENT_LENGTH\x002\0SCGI\x002\0,", "the variables do not begin with a CONTENT_LENGTH"),
            (b"22:CONTENT_LENGTH\x002\0SCGI\0,", "the variables do not begin with a CONTENT_LENGTH"),
        ] {
            let found = ScgiCarrier::new(100).take_head(bytes, &mut out).expect_err("no SCGI").to_string();
            assert!(found.starts_with(error), "{bytes:?}: {found}");
        }
    }
}
