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
    /// The flag that it is about, without dashes; the message goes on behind its name.
    flag: Option<String>,
    message: String,
    remedy: Option<String>,
    source: Option<std::io::Error>,
}

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that reads `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, flag: None, message: message.into(), remedy: None, source: None }
    }

    /// A failed system call: what was tried, and what the kernel said.
    pub fn system(what: impl Into<String>, source: std::io::Error) -> Self {
        let message = what.into();
        Error { kind: ErrorKind::System, flag: None, message, remedy: None, source: Some(source) }
    }

    /// A value that a flag does not take: the flag's name without dashes, and what is wrong, which goes on behind
    /// the name (`8080x: not a port`).
    pub fn of_flag(flag: impl Into<String>, message: impl Into<String>) -> Self {
        Error { flag: Some(flag.into()), ..Error::new(ErrorKind::Usage, message) }
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

    /// The flag that it is about, without dashes.
    pub fn flag(&self) -> Option<&str> {
        self.flag.as_deref()
    }

    /// What failed, without the flag and the remedy.
    pub fn message(&self) -> String {
        match &self.source {
            Some(source) => format!("{}: {source}", self.message),
            None => self.message.clone(),
        }
    }

    /// What the reader can do about it.
    pub fn way_out(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The system's error, when there is one.
    pub fn io(&self) -> Option<&std::io::Error> {
        self.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flag) = &self.flag {
            write!(f, "--{flag} ")?;
        }
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
