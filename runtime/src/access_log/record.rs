//! What there is to say of one request.
//!
//! Owns: [`Record`]. Must not know: how a line looks.

use std::time::{Duration, SystemTime};

use crate::address::Address;

/// Calls the function with each field of the request, name and value.
pub type Fields<'a> = &'a dyn Fn(&mut dyn FnMut(&[u8], &[u8]));

/// What was asked for.
#[derive(Clone, Copy)]
pub enum RequestLine<'a> {
    /// A request.
    Parsed {
        /// The method.
        method: &'a [u8],
        /// The target as it was sent.
        target: &'a [u8],
        /// The version of HTTP: `1.1`.
        version: &'a str,
    },
    /// What came in place of one.
    Broken(&'a [u8]),
}

/// One request and its answer.
pub struct Record<'a> {
    /// When the answer ended.
    pub time: SystemTime,
    /// The worker.
    pub worker: usize,
    /// The client, as trusted proxies say it.
    pub peer: &'a Address,
    /// Our end.
    pub local: &'a Address,
    /// What was asked for.
    pub request: RequestLine<'a>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host that was asked for, with its port.
    pub host: &'a str,
    /// The status of the answer; 499 where the client was gone before there was one.
    pub status: u16,
    /// Bytes of the answer's body as it was sent, and of all of the answer.
    pub body_bytes: u64,
    /// Bytes of the answer, its head included.
    pub sent_bytes: u64,
    /// Bytes of the request.
    pub received_bytes: u64,
    /// From the request's head to the end of its answer.
    pub duration: Duration,
    /// The turn of JavaScript that the app was called in; `None`: it was not.
    pub javascript: Option<Duration>,
    /// The request's identifier, where it has one.
    pub request_id: Option<&'a str>,
    /// Why it was refused, or failed.
    pub cause: Option<&'a str>,
    /// The request's fields.
    pub fields: Fields<'a>,
}

impl Record<'_> {
    /// The first value of the field `name`.
    pub(super) fn field(&self, name: &[u8], f: &mut dyn FnMut(&[u8])) {
        let mut is_found = false;
        (self.fields)(&mut |known, value| {
            if !is_found && known.eq_ignore_ascii_case(name) {
                is_found = true;
                f(value);
            }
        });
    }
}
