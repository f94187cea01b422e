//! `os`: sockets for scripts, and what a raw connection's handler is called with.
//!
//! Owns: the calls of API.md's socket part. Must not know: HTTP, workers.

pub mod handler;
