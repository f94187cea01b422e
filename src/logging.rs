//! Log lines: where they go and how they look.
//!
//! Owns: the one subscriber of the process, to standard error. Must not know: who logs what.

use runtime::config::{Config, LogFormat};
use tracing::level_filters::LevelFilter;

/// Sends the log of the whole process to standard error, as `config` asks.
pub fn start(config: &Config) {
    let level = if config.quiet { LevelFilter::ERROR } else { LevelFilter::DEBUG };
    let builder =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    match config.log {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
