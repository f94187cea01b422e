//! Why an exchange failed: one kind, one sentence, the cause below it.
//!
//! Owns: [`Error`] and the reading of what hyper, rustls and the system report. Must not know: what
//! JavaScript makes of it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

pub use crate::causes::BoxError;
use crate::causes::chain;
pub(super) use crate::causes::find;
use crate::net::{DialError, Step};
use crate::tls;

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be sent as it is: its scheme, host, or a header.
    Request,
    /// The source of the request's body failed, or its length is not the announced one.
    RequestBody,
    /// The host's name has no address.
    Resolve,
    /// No address of the host takes the connection: refused, unreachable.
    Connect,
    /// TLS: the certificate, or the handshake.
    Tls,
    /// The proxy does not let the request through.
    Proxy,
    /// Nothing happened for too long.
    Timeout,
    /// What the server sent is no HTTP, or breaks a limit.
    Protocol,
    /// The connection ended before the response did.
    Closed,
    /// A redirect that is not allowed, or leads nowhere.
    Redirect,
    /// More redirects than allowed.
    TooManyRedirects,
    /// The body is not what its Content-Encoding says.
    Decode,
    /// A body that was to be collected is larger than allowed.
    TooLarge,
    /// The machine: no thread, no descriptor.
    System,
}

/// A failed exchange. It reads as a sentence without the cause, which is its `source`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    code: Option<&'static str>,
    source: Option<BoxError>,
}

/// Shorthand for this room's results.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), code: None, source: None }
    }

    pub(super) fn because(kind: ErrorKind, message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Error { kind, message: message.into(), code: None, source: Some(source.into()) }
    }

    /// What TLS with `host` has refused.
    pub(super) fn of_tls(error: &rustls::Error, host: &str) -> Self {
        let message = format!("TLS with {host}: {}", tls::words(error));
        Error { kind: ErrorKind::Tls, message, code: tls::code(error), source: None }
    }

    /// TLS cannot be set up.
    pub(super) fn of_set_up(error: tls::Error) -> Self {
        Error { kind: ErrorKind::Tls, message: error.to_string(), code: None, source: error.into_source() }
    }

    /// Why there is no connection.
    pub(super) fn of_dial(error: DialError) -> Self {
        let kind = match error.step {
            Step::Resolve => ErrorKind::Resolve,
            Step::Connect => ErrorKind::Connect,
        };
        Error { kind, message: error.message, code: None, source: Some(error.source) }
    }

    /// What failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What OpenSSL, and so Node, calls the fault of a certificate, where it was one.
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// errno(3) of the system call at the bottom of it, if it was one.
    pub fn errno(&self) -> Option<i32> {
        self.find::<io::Error>().and_then(io::Error::raw_os_error)
    }

    /// The sentence with all causes, each after a colon.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// The first error of type `E` among the causes.
    fn find<E: StdError + 'static>(&self) -> Option<&E> {
        find(self.source()?)
    }

    /// What hyper reports while it speaks with `host`.
    pub(super) fn of_hyper(error: hyper::Error, host: &str) -> Self {
        if error.is_user()
            && let Some(own) = find::<BodyFailed>(&error)
        {
            return Error::new(ErrorKind::RequestBody, own.0.clone());
        }
        if let Some(inner) = find::<rustls::Error>(&error) {
            return Error::of_tls(inner, host);
        }
        let protocol = |words: &str| (ErrorKind::Protocol, format!("{host} {words}"));
        // What hyper finds in the chunks of a body.
        let malformed =
            || find::<io::Error>(&error).is_some_and(|it| it.kind() == io::ErrorKind::InvalidInput);
        let (kind, message) = if error.is_parse() || malformed() {
            protocol("sent a response that cannot be read")
        } else if error.is_body_write_aborted() {
            (ErrorKind::RequestBody, "the request's body ended before its announced length".into())
        } else if error.is_user() {
            (ErrorKind::Request, format!("the request to {host} cannot be sent"))
        } else if is_h2(&error) {
            protocol("ended the HTTP/2 stream")
        } else {
            (ErrorKind::Closed, format!("the connection to {host} closed before the response was complete"))
        };
        Error::because(kind, message, error)
    }
}

/// Whether HTTP/2 itself, and not the connection below it, is at fault.
fn is_h2(error: &hyper::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|error| !error.is_io())
}

/// What a request body's source says when it fails, on its way through hyper.
#[derive(Debug)]
pub(super) struct BodyFailed(pub(super) String);

impl fmt::Display for BodyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for BodyFailed {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
