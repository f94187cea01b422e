//! HTTP for listeners: what turns the bytes of a connection into requests for the app, and back.
//!
//! Owns: the HTTP/1.1 codec ([`h1`]). Must not know: JavaScript, the ring.

pub mod h1;
