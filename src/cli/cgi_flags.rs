//! The flags of CGI scripts, as typed, and what they come to.
//!
//! Owns: their names, help and defaults, which limit each sets. Must not know: what a folder is (that is `files`), how
//! scripts are run.

use std::ffi::OsString;

use runtime::config::{CgiFolder, CgiOptions, Limits, StaticFiles};
use runtime::error::{Error, Result};

use super::environment::Variables;
use super::files;
use super::values::{Size, Span, count};

/// Programs that answer requests.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "CGI")]
pub struct CgiFlags {
    /// Answer requests by the programs of this folder (CGI/1.1), all or below /PREFIX; may be repeated. What is none goes
    /// to files and app
    #[arg(long = "cgi", id = "cgi", value_name = "DIR[:/PREFIX]")]
    pub folders: Vec<OsString>,

    /// Show scripts this variable of the environment, or this value of it, beside PATH and those of the request; may be
    /// repeated
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub cgi_env: Vec<OsString>,

    /// Show scripts the client's Authorization, as HTTP_AUTHORIZATION
    #[arg(long)]
    pub cgi_authorization: bool,

    /// Scripts that run at a time, over all workers; beyond: requests wait [default: 64 for each core]
    #[arg(long, value_name = "N", value_parser = count)]
    pub cgi_scripts_max: Option<usize>,

    /// Requests that wait for a script to end; beyond: 503
    #[arg(long, value_name = "N", default_value_t = Limits::default().cgi_queue_max)]
    pub cgi_queue_max: usize,

    /// From a request, or the last of its body, to the header of a script's response; beyond: 504, or 503 if it still waits
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().cgi_head_ms_max))]
    pub cgi_head_timeout: Span,

    /// A script from start to end; beyond: it is ended, 504 or the response is cut
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().cgi_run_ms_max))]
    pub cgi_timeout: Span,

    /// Response of a script that sends nothing; beyond: it is ended, the response is cut
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().cgi_stall_ms_max))]
    pub cgi_stall_timeout: Span,

    /// From SIGTERM, of a script that is to end, to SIGKILL
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().cgi_kill_ms))]
    pub cgi_kill_timeout: Span,

    /// Header of a script's response; beyond: 502
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().cgi_header_bytes_max))]
    pub cgi_header_max: Size,
}

impl CgiFlags {
    /// What they come to, beside the files that are served.
    ///
    /// # Errors
    /// `Usage`: a folder that is not there, a prefix that can be none, a variable that is none.
    pub fn options(&self, files: &StaticFiles) -> Result<CgiOptions> {
        let mut folders = Vec::new();
        for given in &self.folders {
            let (folder, prefix) = files::folder("cgi", given)?;
            // Scripts start in their own folder, from which a path must lead to them, too.
            let folder = std::path::absolute(&folder)
                .map_err(|error| Error::of_flag("cgi", format!("{}: {error}", folder.display())))?;
            folders.push(CgiFolder { folder, prefix });
        }
        let mut variables = Variables::default();
        for word in &self.cgi_env {
            variables.add_word_of("cgi-env", word)?;
        }
        let root = files.folders.iter().find(|folder| folder.prefix.is_empty());
        Ok(CgiOptions {
            folders,
            document_root: root.and_then(|root| std::path::absolute(&root.folder).ok()),
            environment: variables.into_pairs(),
            authorization: self.cgi_authorization,
        })
    }

    /// `limits` with what the flags say.
    pub fn limit(&self, limits: Limits) -> Limits {
        Limits {
            cgi_scripts_max: self.cgi_scripts_max,
            cgi_queue_max: self.cgi_queue_max,
            cgi_head_ms_max: self.cgi_head_timeout.0,
            cgi_run_ms_max: self.cgi_timeout.0,
            cgi_stall_ms_max: self.cgi_stall_timeout.0,
            cgi_kill_ms: self.cgi_kill_timeout.0,
            cgi_header_bytes_max: self.cgi_header_max.0,
            ..limits
        }
    }
}
