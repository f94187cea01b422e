//! A request that is refused before the app answers it.
//!
//! Owns: the status of the answer, the reason, the limit that was reached. Must not know: how it is answered.

use super::limit::Limit;
use super::status::reason_phrase;

/// A request that is refused: the client gets the status, and HTTP/1.1 closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Status code of the answer, 4xx or 5xx.
    pub status: u16,
    /// What was wrong, for the log; never sent to the client.
    pub why: &'static str,
    /// The limit that it goes beyond, if it is right otherwise.
    pub limit: Option<Limit>,
}

impl Rejection {
    /// A refusal with `status` because of `why`.
    pub(crate) const fn new(status: u16, why: &'static str) -> Self {
        Rejection { status, why, limit: None }
    }

    /// A message that goes beyond `limit`.
    pub(crate) const fn limit(status: u16, why: &'static str, limit: Limit) -> Self {
        Rejection { status, why, limit: Some(limit) }
    }

    /// A malformed message.
    pub(crate) const fn bad(why: &'static str) -> Self {
        Rejection::new(400, why)
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, reason_phrase(self.status), self.why)
    }
}

impl std::error::Error for Rejection {}
