//! Why a connection failed: a code and a sentence.
//!
//! Owns: the words. Must not know: who fails.

use std::io;

use super::dial::{DialError, Step};
use crate::causes::{chain, find};
use crate::io::{dns, errno};
use crate::tls;

/// A failure, to become an error of whichever turn hears of it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionError {
    /// Name of the errno(3), or as Node's documentation calls the others.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Of an accepted connection: its client's doing, or its time's, and no fault of the app's.
    pub(crate) of_client: bool,
}

impl ConnectionError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> ConnectionError {
        ConnectionError { code, message: message.into(), of_client: false }
    }

    /// Of an operation on an open connection.
    pub(crate) fn of(what: &str, error: &io::Error) -> ConnectionError {
        if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return ConnectionError::new("EPROTO", format!("{what}: {}", tls::words(inner)));
        }
        match error.raw_os_error() {
            Some(number) => {
                let code = errno::name(number).unwrap_or("EIO");
                ConnectionError::new(code, format!("{what}: {} ({code})", errno::text(number)))
            }
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                ConnectionError::new("ECONNRESET", format!("{what}: {error}"))
            }
            None => ConnectionError::new("EIO", format!("{what}: {error}")),
        }
    }

    /// Of an attempt to connect.
    pub(crate) fn of_dial(error: &DialError) -> ConnectionError {
        let errno = find::<io::Error>(&*error.source).and_then(io::Error::raw_os_error);
        let code = match (find::<dns::LookupError>(&*error.source), errno.and_then(errno::name)) {
            (Some(dns::LookupError::NotFound | dns::LookupError::NoData), _) => "ENOTFOUND",
            (Some(_), _) => "EAI_AGAIN",
            (None, Some(name)) => name,
            (None, None) if error.step == Step::Resolve => "ENOTFOUND",
            (None, None) => "EIO",
        };
        ConnectionError::new(code, chain(error).split(" (os error").next().unwrap_or_default())
    }
}
