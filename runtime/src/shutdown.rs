//! How a server ends, and the process limits it starts with.
//!
//! Owns: signals, the descriptor limit. Must not know: workers.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};

use crossbeam_channel::{Receiver, unbounded};
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::error::{Error, Result};
use crate::io::process;

/// What the process is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// To end.
    End(EndSignal),
    /// SIGHUP: to read app and settings again.
    Reload,
    /// SIGUSR2: to hand over to a new process.
    HandOver,
}

/// A request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndSignal(i32);

impl fmt::Display for EndSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            SIGINT => "SIGINT",
            SIGHUP => "SIGHUP, and the terminal is gone",
            _ => "SIGTERM",
        })
    }
}

/// SIGTERM, SIGINT, SIGHUP and SIGUSR2 as messages, from now on.
///
/// # Errors
/// The handlers cannot be installed.
pub fn signals() -> Result<Receiver<Signal>> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR2]).map_err(|e| Error::system("signal handlers", e))?;
    let (sender, receiver) = unbounded();
    let had_terminal = has_terminal();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                let message = match signal {
                    // The hang-up of a terminal ends what was started there, as it always has.
                    SIGHUP if !had_terminal || has_terminal() => Signal::Reload,
                    SIGUSR2 => Signal::HandOver,
                    signal => Signal::End(EndSignal(signal)),
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        })
        .map_err(|e| Error::system("cannot start a thread", e))?;
    Ok(receiver)
}

/// Whether one of the standard streams is a terminal that is still there.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// The soft limit of open files; `None`: there is none.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Ends the process now, with the exit code that shells give to death by `signal`.
pub fn at_once(signal: EndSignal) -> ! {
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
