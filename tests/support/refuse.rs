//! `jsserve` where the kernel refuses some system calls, by `refuse.py`.
//!
//! Owns: whether that can be had here. Must not know: which calls, what comes of it.

use std::process::Command;

use super::skip;

const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/refuse.py");

/// The calls of io_uring.
pub const URING: &str = "425-427";
/// openat2(2), since Linux 5.6.
pub const OPENAT2: &str = "437";
/// cachestat(2), since Linux 6.5.
pub const CACHESTAT: &str = "451";

/// `jsserve` behind a filter that answers `errno` to `calls`.
pub fn refusing(errno: &str, calls: &str) -> Command {
    let mut command = Command::new("python3");
    command.args([LAUNCHER, errno, calls, env!("CARGO_BIN_EXE_jsserve")]);
    command
}

/// Whether a filter can be set here at all; where not, prints that `test` is skipped, and why.
pub fn can_refuse(test: &str) -> bool {
    match Command::new("python3").args([LAUNCHER, "EPERM", URING, "true"]).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            skip(test, &String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            skip(test, &format!("python3: {error}"));
            false
        }
    }
}
