//! What a server that a request was sent on to says, and why it says nothing.
//!
//! Owns: the words for both, whatever the server speaks. Must not know: what it speaks, who asked.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::header_list::HeaderList;
use crate::net::Transport;

/// The body of an answer, as it comes.
pub trait UpstreamBody {
    /// The next bytes, never empty; `None` at the end. After an error there is nothing more.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>>;
}

/// An answer, as soon as its head is here.
pub struct UpstreamAnswer {
    /// The status.
    pub status: u16,
    /// The reason phrase, where it is not the usual one.
    pub reason: Option<String>,
    /// All fields, those of the connection among them.
    pub fields: HeaderList,
    /// The body.
    pub body: Box<dyn UpstreamBody>,
}

/// A connection that speaks another protocol from now on.
pub struct UpstreamTunnel {
    /// The fields of the answer 101.
    pub fields: HeaderList,
    /// What carries the bytes.
    pub transport: Transport,
    /// Bytes that came behind the answer's head.
    pub early: Vec<u8>,
}

/// What came of a request.
pub enum SentOn {
    /// An answer.
    Answer(UpstreamAnswer),
    /// Another protocol, which the request has asked for.
    Tunnel(UpstreamTunnel),
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamFault {
    /// There is no connection to it: nothing of the request was sent.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// The connection ended before the answer, or what came is none.
    NoAnswer,
    /// The request cannot be sent as it is.
    Request,
    /// The request's body failed.
    RequestBody,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct UpstreamError {
    /// What went wrong.
    pub fault: UpstreamFault,
    /// The same in words, for the log.
    pub text: String,
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
