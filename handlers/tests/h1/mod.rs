//! The HTTP/1.1 codec against literal bytes: one test a rule, named after the RFC's section.
//!
//! Owns: the helpers that the files of this folder share. Must not know: sockets.

mod body;
mod encode;
mod framing;
mod fuzz;
mod limits;
mod request_line;
mod syntax;

use handlers::http::h1::{BodyDecoder, HeadLimits, HeadParser, HeadProgress, Rejection, RequestHead};

/// The limits of LIMITS.md.
pub fn limits() -> HeadLimits {
    HeadLimits::from(&runtime::config::Limits::default())
}

/// Parses `bytes` as one head that must be complete; the head and its length.
pub fn parse(bytes: &[u8]) -> Result<(RequestHead, usize), Rejection> {
    let mut head = RequestHead::default();
    match HeadParser::new(limits()).parse(bytes, &mut head)? {
        HeadProgress::Complete { consumed } => Ok((head, consumed)),
        HeadProgress::NeedMore => panic!("incomplete: {:?}", String::from_utf8_lossy(bytes)),
    }
}

/// The head of `bytes`, which must be valid.
pub fn accept(bytes: &str) -> RequestHead {
    match parse(bytes.as_bytes()) {
        Ok((head, _)) => head,
        Err(rejection) => panic!("{rejection} for {bytes:?}"),
    }
}

/// The status with which a complete head is refused; 0 when it is accepted.
pub fn refusal(bytes: &[u8]) -> u16 {
    parse(bytes).map_or_else(|rejection| rejection.status, |_| 0)
}

/// Asserts the status for an HTTP/1.1 request with a Host and these further lines.
pub fn refuses_fields(status: u16, lines: &[&str]) {
    for line in lines {
        let bytes = format!("POST / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
        assert_eq!(refusal(bytes.as_bytes()), status, "{line:?}");
    }
}

/// Parses an HTTP/1.1 POST with these further lines, each with its CRLF.
pub fn post(lines: &str) -> RequestHead {
    accept(&format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
}

/// Feeds `input` whole; the content and how many bytes the body took, `None` when it is not at its end.
pub fn decode_all(decoder: &mut BodyDecoder, input: &[u8]) -> Result<(Vec<u8>, Option<usize>), Rejection> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let step = decoder.decode(&input[at..])?;
        content.extend_from_slice(step.data);
        at += step.consumed;
        if step.end {
            return Ok((content, Some(at)));
        }
        if at == input.len() {
            return Ok((content, None));
        }
        assert!(step.consumed > 0, "a step without progress");
    }
}
