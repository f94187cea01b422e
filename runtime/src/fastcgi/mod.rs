//! FastCGI 1.0 without I/O, both sides: records in, events out, and back.
//!
//! Owns: records, name-value pairs, the order of records. Must not know: sockets, HTTP, what the parameters mean.
//! Source: FastCGI Specification, M. R. Brown, 1996; sections are of that.

mod client;
mod pairs;
mod record;
mod server;

pub use client::{AnswerEvent, AnswerReader, begin_request, write_stdin};
pub use pairs::{Pairs, write_pair};
pub use record::{CONTENT_BYTES_MAX, RecordKind, write_record, write_stream};
pub use server::{EndStatus, RequestEvent, RequestReader, RequestStep, write_end};

/// What is wrong with what the other side has sent: the connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastCgiError {
    /// Its records are of another version than 1.
    Version(u8),
    /// What it is.
    Broken(&'static str),
    /// The parameters of a request are larger than they may be.
    TooLarge,
}

impl std::fmt::Display for FastCgiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FastCgiError::Version(version) => {
                write!(f, "a record of version {version} where FastCGI has 1")
            }
            FastCgiError::Broken(what) => f.write_str(what),
            FastCgiError::TooLarge => f.write_str("the parameters are too large"),
        }
    }
}

impl std::error::Error for FastCgiError {}
