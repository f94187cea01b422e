//! The command line, read again while its app is served, and what is said of that.
//!
//! Owns: the lines of a reload, on standard output and in the log. Must not know: how workers change.

use std::ffi::OsString;
use std::io::{IsTerminal, Write as _};

use runtime::config::Config;
use runtime::error::{Error, Result};
use runtime::server::{ReloadNews, ReloadSource};
use runtime::worker::Protocols;

use crate::{cli, logging};

/// The command line that a server was started by.
pub struct CommandLine {
    /// Its words, the program's name first.
    pub words: Vec<OsString>,
    /// Nothing is said but errors.
    pub quiet: bool,
    /// What is served.
    pub name: String,
}

impl ReloadSource for CommandLine {
    fn read(&self) -> Result<(Config, Protocols)> {
        let config = cli::read_again(&self.words)?;
        let protocols = handlers::protocols(config.http2);
        Ok((config, protocols))
    }

    fn tell(&self, news: &ReloadNews<'_>) {
        match news {
            ReloadNews::Reloaded { took, fixed, .. } => {
                let ms = took.as_millis() as u64;
                if !self.quiet && logging::is_json() {
                    logging::print(|| tracing::info!(app = self.name, ms, "reloaded"));
                } else if !self.quiet {
                    let line = format!("reloaded {} in {ms} ms\n", self.name);
                    // Who closed standard output does not want the line.
                    let _ = std::io::stdout().write_all(line.as_bytes());
                }
                if !fixed.is_empty() {
                    let (flags, needs) = (fixed.join(", "), if fixed.len() == 1 { "needs" } else { "need" });
                    tracing::warn!("reload: {flags} {needs} a restart, and stay as they were");
                }
            }
            ReloadNews::Failed(error) => self.failed(error),
        }
    }
}

impl CommandLine {
    fn failed(&self, error: &Error) {
        const STAYS: &str = "What was there before goes on.";
        if !logging::is_json() && std::io::stderr().is_terminal() {
            let text = format!("\x1b[1;31mreload failed:\x1b[0m {error}\n  \x1b[2m{STAYS}\x1b[0m\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            return;
        }
        tracing::error!("reload failed: {error}\n  {STAYS}");
    }
}
