//! HTTP/1.1: its codec, which does no I/O, and the session, which has a connection.
//!
//! Owns: the bytes of requests and answers, one after the other on one connection. Must not know: the app,
//! the time that a request may take (`exchange` does).

mod buffered;
mod clock;
mod codec;
mod message;
mod reply;
mod session;

pub(in crate::http) use self::buffered::BufferedConnection;
pub(in crate::http) use self::clock::with_date;
pub use self::codec::*;
pub(in crate::http) use self::codec::{Framing, OwnField, frame, own_field, parse_content_length};
pub use self::session::{Switch, serve};
pub use super::rejection::Rejection;
