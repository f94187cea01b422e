//! The `jsserve` binary: flags, then configuration, then the server, then an exit code.
#![forbid(unsafe_code)]

fn main() {}
