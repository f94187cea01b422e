//! The one error type of the crate: who failed, what, and the way out.
//!
//! Owns: [`Error`] and its kinds. Must not know: how it is printed, or exit codes.

use std::fmt;

/// Who failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller asked for something impossible (flags, addresses).
    Usage,
    /// The app: missing file, syntax error, exception while loading, no handler.
    App,
    /// The machine: a system call refused.
    System,
    /// This program.
    Internal,
}

/// A failure with the line that mends it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    remedy: Option<String>,
    source: Option<std::io::Error>,
}

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that reads `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), remedy: None, source: None }
    }

    /// A failed system call: what was tried, and what the kernel said.
    pub fn system(what: impl Into<String>, source: std::io::Error) -> Self {
        Error { kind: ErrorKind::System, message: what.into(), remedy: None, source: Some(source) }
    }

    /// Adds what the reader can do about it, as a full sentence or a command.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Who failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The system's error, when there is one.
    pub fn io(&self) -> Option<&std::io::Error> {
        self.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}
