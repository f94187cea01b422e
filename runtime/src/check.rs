//! An app loaded as a worker loads it, on no port: what `jsserve check` reports.
//!
//! Owns: the thread that loads it, what is told of it. Must not know: listeners, protocols.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::methods::Methods;
use crate::app::{App, Blueprint, Engines};
use crate::config::{Config, NATIVE_STACK_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{self, IoOptions};
use crate::js::code::without_mark;
use crate::js::goal;
use crate::server::check_schedule;
use crate::source::{Sources, prepare};

/// What there is to say of an app that loads.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    /// What its default export can do.
    pub methods: Methods,
    /// Its files, those of packages included.
    pub modules: usize,
    /// How long it took to read, compile and evaluate them.
    pub took: Duration,
}

/// Loads the app once and lets it go again. Its modules run; no handler does.
///
/// # Errors
/// Whatever would keep a worker from serving it.
pub fn check(config: Config) -> Result<Checked> {
    let start = Instant::now();
    let (backend, _) = io::choose(config.io, config.limits.ring_entries)?;
    let options = IoOptions {
        ring_entries: config.limits.ring_entries,
        recv_buffer_bytes: config.limits.recv_buffer_bytes,
        ..IoOptions::default()
    };
    let stack_bytes = NATIVE_STACK_BYTES + config.limits.stack_bytes_max;
    let load = move || {
        let (path, is_site) = (config.app.clone(), config.site.is_some());
        let config = Arc::new(config);
        let blueprint = Arc::new(Blueprint::compile(config.clone())?);
        if !is_site && !is_app(blueprint.cluster().sources(), &path) {
            let text = format!("{}: it has no default export, so there is nothing to serve", path.display());
            return Err(Error::new(ErrorKind::App, text).remedy("A script runs once: jsserve SCRIPT"));
        }
        io::run(backend, &options, move || async move {
            let app = App::load(blueprint.clone(), 0, Engines::default()).await?;
            let methods = app.current().methods();
            check_schedule(&config, methods)?;
            Ok(Checked { methods, modules: blueprint.modules(), took: start.elapsed() })
        })?
    };
    let thread = std::thread::Builder::new().name("check".into()).stack_size(stack_bytes).spawn(load);
    let thread = thread.map_err(|e| Error::system("cannot start a thread", e))?;
    thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a panic, reported above")))
}

/// Whether the file, which compiles, exports a default: a script is not run to find out.
fn is_app(sources: &Sources, path: &Path) -> bool {
    let name = std::fs::canonicalize(path).unwrap_or_default();
    let source = without_mark(std::fs::read(path).unwrap_or_default());
    prepare::prepare(sources, &name.to_string_lossy(), source)
        .is_ok_and(|source| goal::is_app(sources, &source))
}
