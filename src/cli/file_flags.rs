//! The flags of static files, as typed.
//!
//! Owns: their names, help and defaults, as `flags` does for the others. Must not know: what a value leads to (that is
//! `files`).

use std::ffi::OsString;

use clap::ValueEnum;
use runtime::config::Limits;

use super::values::{Size, count};

/// Files that are served without JavaScript.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Static files")]
pub struct FileFlags {
    /// Serve the files of this folder, all or below /PREFIX; may be repeated. Without an app it is all that is served
    #[arg(long = "static", id = "static", value_name = "DIR[:/PREFIX]")]
    pub folders: Vec<OsString>,

    /// Who is asked first: files (before), what is none goes to the app; or the app (after), and files where it says 404
    #[arg(long, value_name = "ORDER", default_value = "before")]
    pub static_order: FileOrder,

    /// File of the folder for pages that neither it nor the app has: index.html of an app with paths of its own
    #[arg(long, value_name = "NAME")]
    pub static_fallback: Option<String>,

    /// Show what is in a folder that has no index.html
    #[arg(long)]
    pub static_listing: bool,

    /// Serve files whose names begin with a dot
    #[arg(long)]
    pub static_dotfiles: bool,

    /// Seconds for which clients use a file without asking; pages are asked for each time, names with a hash never again
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub static_max_age: u32,

    /// Files of a site (jsserve FOLDER) that may be routes; beyond: jsserve does not start
    #[arg(long, value_name = "N", default_value_t = Limits::default().site_routes_max, value_parser = count)]
    pub site_routes_max: usize,

    /// Rules of a site's _redirects, and of its _headers; beyond: jsserve does not start
    #[arg(long, value_name = "N", default_value_t = Limits::default().site_rules_max, value_parser = count)]
    pub site_rules_max: usize,

    /// Files that a worker keeps open or in memory; beyond: the least recently used goes
    #[arg(long, value_name = "N", default_value_t = Limits::default().static_files_max, value_parser = count)]
    pub static_files_max: usize,

    /// Files of up to 64K that a worker keeps in memory, together; beyond: the least recently used goes
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().static_bytes_max))]
    pub static_cache_max: Size,
}

/// Values of `--static-order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileOrder {
    Before,
    After,
}
