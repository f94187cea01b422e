//! From a configuration to a served app: start, say so in one line, run until the drain is over.
//!
//! Owns: the start line and the exit code of a run. Must not know: listeners, workers, signals.

use std::ffi::OsString;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use runtime::check;
use runtime::config::Config;
use runtime::error::Result;
use runtime::server::{ExitStatus, Server};
use runtime::shutdown;

use crate::logging;
use crate::reload::CommandLine;

/// Serves what `words`, the command line, have come to until a signal ends it: the process ends with 0 after a clean drain, with 1 when requests had to be
/// cut.
///
/// # Errors
/// Whatever keeps the server from starting: the app, an address, the machine.
pub fn serve(config: Config, words: Vec<OsString>) -> Result<ExitCode> {
    let (app, workers, quiet, crons) = (name(&config), config.workers, config.quiet, config.crons.len());
    let file = config.file.clone();
    let warnings = config.site.as_ref().map(|site| site.warnings.clone()).unwrap_or_default();
    let heap = config.heap_from_cgroup.then_some(config.limits.heap_bytes_max);
    handlers::http::shortages(&config).iter().for_each(|sentence| tracing::warn!("{sentence}"));
    let protocols = handlers::protocols(config.http2);
    let mut server = Server::start(config, protocols)?;
    server.reload_from(Arc::new(CommandLine { words, quiet, name: app.clone() }));
    let admin = server.admin_url();
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if !quiet && logging::is_json() {
        let addresses: Vec<String> = server.addresses();
        let (io, version) = (server.backend_line(), env!("CARGO_PKG_VERSION"));
        let config = file.as_ref().map(|file| file.display().to_string());
        logging::print(|| {
            tracing::info!(
                version,
                app,
                addresses = addresses.join(" "),
                workers,
                io,
                config,
                heap,
                admin,
                crons = (crons > 0).then_some(crons),
                "serving"
            );
        });
    } else if !quiet {
        let mut line = start_line(&app, server.addresses(), workers, server.backend_line(), file.as_deref());
        if crons > 0 {
            let _ = write!(line, " crons={crons}");
        }
        if let Some(bytes) = heap {
            let _ = write!(line, " heap={}M (of the cgroup's memory)", bytes >> 20);
        }
        if let Some(admin) = admin {
            let _ = write!(line, " admin={admin}");
        }
        line.push('\n');
        // Who closed standard output does not want the line; the server serves all the same.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
    shutdown::end(match server.run()? {
        ExitStatus::Clean => 0,
        ExitStatus::Cut => 1,
    })
}

/// What is served: the app; without one, the folders, and the paths that other servers answer.
fn name(config: &Config) -> String {
    if !config.app.as_os_str().is_empty() {
        return config.app.display().to_string();
    }
    let files = config.files.folders.iter().map(|folder| &folder.folder);
    let folders = files.chain(config.cgi.folders.iter().map(|folder| &folder.folder));
    let rules = config.proxies.iter().map(|rule| format!("{}/", rule.path));
    let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).chain(rules).collect();
    folders.join(" ")
}

/// Loads the app without serving it, and says what there is in one line.
///
/// # Errors
/// Whatever would keep it from being served: the app, the machine.
pub fn check(config: Config) -> Result<ExitCode> {
    let (app, quiet) = (config.app.display().to_string(), config.quiet);
    let file = config.file.as_ref().map_or(String::new(), |file| format!(", config={}", file.display()));
    let checked = check::check(config)?;
    if !quiet {
        let handlers = checked.methods.names();
        let (modules, ms) = (checked.modules, checked.took.as_millis());
        if logging::is_json() {
            let (handlers, ms) = (handlers.join(" "), ms as u64);
            logging::print(|| tracing::info!(app, handlers, modules, ms, "loaded"));
            return Ok(ExitCode::SUCCESS);
        }
        let line = format!("{app}: {}{file}, modules={modules}, loaded in {ms} ms\n", handlers.join(" and "));
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

/// `jsserve 0.1.0 app.js http://127.0.0.1:8080 workers=2 io=uring`
fn start_line<A: Display>(
    app: &str,
    addresses: impl IntoIterator<Item = A>,
    workers: usize,
    backend: impl Display,
    file: Option<&Path>,
) -> String {
    let mut line = format!("jsserve {} {app}", env!("CARGO_PKG_VERSION"));
    let mut is_none = true;
    for address in addresses {
        let _ = write!(line, " {address}"); // writing to a String cannot fail
        is_none = false;
    }
    if is_none {
        line.push_str(" listens nowhere");
    }
    let _ = write!(line, " workers={workers} io={backend}");
    if let Some(file) = file {
        let _ = write!(line, " config={}", file.display());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_line_names_everything_once() {
        let addresses = ["http://127.0.0.1:8080", "tcp://[::1]:9000"];
        let line = start_line("app.js", addresses, 2, "epoll (io_uring refused: EPERM)", None);
        let expected = format!(
            "jsserve {} app.js http://127.0.0.1:8080 tcp://[::1]:9000 workers=2 io=epoll (io_uring refused: EPERM)",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(line, expected);
        let line = start_line("app.js", [""; 0], 1, "uring", None);
        assert!(line.ends_with(" app.js listens nowhere workers=1 io=uring"), "{line}");
        let line = start_line("app.js", ["tcp://[::1]:1"], 1, "uring", Some("a/jsserve.toml".as_ref()));
        assert!(line.ends_with(" workers=1 io=uring config=a/jsserve.toml"), "{line}");
    }
}
