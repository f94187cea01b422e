//! HTTP/2 (RFC 9113): a session over one connection, and a wire for each of its streams.
//!
//! Owns: how a connection begins and ends, what its client may do to it, requests and answers as frames. The crate
//! `h2` has the frames, HPACK and the windows. Must not know: the app, the time that a request may take (`exchange` does).

mod begin;
mod frames;
mod head;
mod link;
mod message;
mod origin;
mod reply;
mod session;
mod socket;
mod tunnel;
mod turn;

pub use self::begin::Upgraded;
pub use self::session::serve;
