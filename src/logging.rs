//! Log lines: where they go and how they look.
//!
//! Owns: the one subscriber of the process, to standard error. Must not know: who logs what.

use runtime::config::LogFormat;
use tracing::level_filters::LevelFilter;

/// Sends the log of the whole process to standard error; only errors where it is to be `quiet`.
pub fn start(quiet: bool, log: LogFormat) {
    let level = if quiet { LevelFilter::ERROR } else { LevelFilter::DEBUG };
    let builder =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    match log {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
