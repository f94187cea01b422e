//! What is noted of an exchange while it runs, for the access log and the counts.
//!
//! Owns: the notes, which cost a few stores. Must not know: who reads them.

use std::rc::Rc;
use std::time::Duration;

/// What is noted of an exchange.
#[derive(Debug, Default)]
pub struct Tally {
    /// The status of the answer; 0: there is none yet.
    pub status: u16,
    /// Bytes of the answer's head.
    pub head_bytes: u64,
    /// Bytes of the request's body that came.
    pub received_bytes: u64,
    /// The turn that the app was called in, where that is measured.
    pub javascript: Option<Duration>,
    /// Why the request was refused, or failed.
    pub cause: Option<Box<str>>,
    /// The request's identifier.
    pub request_id: Option<Rc<str>>,
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Of the request.
    pub received: u64,
    /// Of the answer.
    pub sent: u64,
    /// Of the answer's body, its framing included.
    pub body: u64,
}

impl Transferred {
    /// Where heads are not counted.
    pub fn of_bodies(received: u64, sent: u64) -> Transferred {
        Transferred { received, sent, body: sent }
    }
}
