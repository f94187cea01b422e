//! The flags of reloading.
//!
//! Owns: their names, help and defaults. Must not know: the other flags, who reloads.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use runtime::config::{Limits, ReloadOptions};

use super::values::count;

/// When app and settings are read again, and what becomes of what was there. SIGHUP always has them read.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Reload")]
pub struct ReloadFlags {
    /// Reload the app whenever a file changes that it is made of; --dev has this, unless --watch=false
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        hide_possible_values = true
    )]
    pub watch: Option<bool>,

    /// After a reload, WebSockets go on with the app that they began with, or are closed with 1012
    #[arg(long, value_name = "HOW", default_value = "keep")]
    pub reload_websockets: ReloadWebSockets,

    /// Contexts of a worker that stay after reloads, for what has begun in them; beyond: WebSockets and raw
    /// connections of the oldest are closed
    #[arg(long, value_name = "N", default_value_t = Limits::default().reload_contexts_max, value_parser = count)]
    pub reload_contexts_max: usize,
}

/// Values of `--reload-websockets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReloadWebSockets {
    Keep,
    Close,
}

impl ReloadFlags {
    /// What the flags say of a server, in development or not, whose settings are of `files`.
    pub fn options(&self, dev: bool, files: Vec<PathBuf>) -> ReloadOptions {
        let absolute = |file: PathBuf| std::path::absolute(&file).unwrap_or(file);
        ReloadOptions {
            watch: self.watch.unwrap_or(dev),
            closes_websockets: self.reload_websockets == ReloadWebSockets::Close,
            files: files.into_iter().filter(|file| file != Path::new("")).map(absolute).collect(),
        }
    }
}
