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
    // The resolver of packages tells each of its steps.
    let targets = Targets::new().with_default(level).with_target("oxc_resolver", LevelFilter::OFF);
    let builder =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    match log {
        LogFormat::Text => builder.finish().with(targets).init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(targets).init(),
    }
}
