//! How a server ends, and the process limits it starts with.
//!
//! Owns: signals, the descriptor limit. Must not know: workers.

use std::fmt;
use std::io::Write as _;

use crossbeam_channel::{Receiver, unbounded};
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Result};
use crate::io::process;

/// A request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 == SIGINT { "SIGINT" } else { "SIGTERM" })
    }
}

/// SIGTERM and SIGINT as messages, from now on.
///
/// # Errors
/// The handlers cannot be installed.
pub fn signals() -> Result<Receiver<Signal>> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|e| Error::system("signal handlers", e))?;
    let (sender, receiver) = unbounded();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if sender.send(Signal(signal)).is_err() {
                    return;
                }
            }
        })
        .map_err(|e| Error::system("cannot start a thread", e))?;
    Ok(receiver)
}

/// Ends the process now, with the exit code that shells give to death by `signal`.
pub fn at_once(signal: Signal) -> ! {
    tracing::error!("second {signal}: ending at once");
    std::process::exit(128 + signal.0)
}

/// Ends the process with `code`, once all that was printed is out. Threads that are stuck cannot hold it up.
pub fn end(code: u8) -> ! {
    // Who closed a stream does not want the rest.
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
    process::end(code.into())
}

/// Raises the soft limit of open files to the hard one; how many connections that carries over
/// all workers: 64 descriptors are for the rest of the server, and 65,536 is the most.
pub fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let files = limit.current.map_or(usize::MAX, |files| files as usize);
    files.saturating_sub(64).clamp(1, 65_536)
}
