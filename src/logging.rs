//! Log lines: where they go and how they look.
//!
//! Owns: the one subscriber of the process, to standard error. Must not know: who logs what.

use runtime::config::LogFormat;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends the log of the whole process to standard error; only errors where it is to be `quiet`.
pub fn start(quiet: bool, log: LogFormat) {
    let level = if quiet { LevelFilter::ERROR } else { LevelFilter::DEBUG };
    // What libraries say of their own work is for nobody's eyes: only their warnings.
    let ours = ["jsserve", "runtime", "handlers"].map(|name| (name, level));
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    match log {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}
