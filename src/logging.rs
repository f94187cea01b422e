//! Log lines: where they go and how they look.
//!
//! Owns: the one subscriber of the process, to standard error; the form of the start line where lines are
//! JSON. Must not know: who logs what.

use std::sync::atomic::{AtomicBool, Ordering};

use runtime::config::LogFormat;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

static JSON: AtomicBool = AtomicBool::new(false);

/// Whether lines are JSON.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints what `line` logs on standard output, in the form of the log's JSON lines.
pub fn print(line: impl FnOnce()) {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stdout).with_target(false);
    let once = tracing_subscriber::registry().with(lines.json().flatten_event(true));
    tracing::subscriber::with_default(once, line);
}

/// Sends the log of the whole process to standard error; only errors where it is to be `quiet`.
pub fn start(quiet: bool, log: LogFormat) {
    JSON.store(log == LogFormat::Json, Ordering::Relaxed);
    let level = if quiet { LevelFilter::ERROR } else { LevelFilter::DEBUG };
    // What libraries say of their own work is for nobody's eyes: only their warnings.
    let ours = ["jsserve", "runtime", "handlers"].map(|name| (name, level));
    // Of what clients do, it warns as often as they do it; we say that ourselves, at a bounded pace.
    let h2 = ("h2", LevelFilter::ERROR);
    let targets =
        Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours).with_targets([h2]);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    // One that was started before, for a mistake on the command line, stays.
    let _ = match log {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}
