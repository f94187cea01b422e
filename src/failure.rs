//! How the process ends: messages on standard error and exit codes.
//!
//! Owns: the form of a failure (`jsserve: message`, then its remedy) and the panic hook. Must not
//! know: what failed.

use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use runtime::error::{Error, ErrorKind};

use crate::logging;

/// Prints `error` with its remedy and gives the exit code: 2 for usage, 1 for the rest.
pub fn report(error: &Error) -> ExitCode {
    match logging::is_json() {
        true => {
            let flag = error.flag().map(|flag| format!("--{flag} ")).unwrap_or_default();
            tracing::error!(remedy = error.way_out(), "{flag}{}", error.message());
        }
        false => complain(&error.to_string()),
    }
    match error.kind() {
        ErrorKind::Usage => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

/// Replaces the text of panics: who runs a server wants to know what to do, not Rust's words.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| complain(&describe(panic))));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let what = panic.payload_as_str().unwrap_or("no message");
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed").to_string();
    format!(
        "internal error at {place} (thread {thread}): {what}\n  This is a bug in jsserve {}: please report it with this line, the command and the app.",
        env!("CARGO_PKG_VERSION")
    )
}

/// Prints one message under this program's name. One write, so that lines of several threads do not mix; a closed standard error is no reason to fail.
pub fn complain(text: &str) {
    if logging::is_json() {
        return tracing::error!("{text}");
    }
    let line = format!("jsserve: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
