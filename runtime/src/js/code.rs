//! The code of an app: each module read and compiled once, its bytecode shared by all workers.
//!
//! Owns: what an engine's modules come from. What was compiled (`compiled.rs`) may be another's before. Must not know:
//! how a module is compiled (`compile.rs`), workers, TypeScript.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rquickjs::{Ctx, Error, Result};

use super::builtins::Table;
use super::cluster::Cluster;
use super::compiled::Compiled;
use super::exception;
use crate::source::Sources;
use crate::source::cache::CacheKey;
use crate::source::positions::{FilePositions, Positions};
use crate::source::resolve::{self, By};

/// The app's modules in bytecode, by name.
#[derive(Default)]
pub struct Code {
    main: OnceLock<String>,
    cluster: Arc<Cluster>,
    compiled: OnceLock<Arc<Compiled>>,
    table: OnceLock<&'static Table>,
}

impl Code {
    /// An empty cache for an app of its own whose main module is the file `main` (an absolute path, or a name in
    /// angle brackets for what is no file).
    pub fn new(main: String) -> Self {
        Code::within(Arc::default(), main)
    }

    /// An empty cache for the app that `cluster` is of.
    pub fn within(cluster: Arc<Cluster>, main: String) -> Self {
        Code { main: main.into(), cluster, ..Code::default() }
    }

    /// For an engine that is made before it is known what it runs: [`Code::begin`] says it.
    pub fn unknown(cluster: Arc<Cluster>) -> Self {
        Code { cluster, ..Code::default() }
    }

    /// The main module is the file `main`, and `compiled` what is compiled of it, and of what it imports. Nothing has been
    /// loaded before.
    pub fn begin(&self, main: String, compiled: Arc<Compiled>) {
        // Set once, by who has made it.
        let _ = self.main.set(main);
        let _ = self.compiled.set(compiled);
    }

    /// What all code of the app shares.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    pub(super) fn sources(&self) -> &Sources {
        self.cluster.sources()
    }

    /// What was compiled.
    pub(super) fn known(&self) -> &Compiled {
        self.compiled.get_or_init(Arc::default)
    }

    /// Notes that the engine runs `text` for the file `name`, or for what is called so.
    pub(super) fn note_text(&self, name: &str, text: &[u8]) {
        self.known().texts.remember(name, text);
    }

    /// The text that runs for `name`; none where the file is another by now.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.known().texts.text(self.sources(), name)
    }

    /// Notes the places of what runs for the file `name`.
    pub(crate) fn note_positions(&self, name: &str, positions: &Positions) {
        self.known().positions.remember(name, positions.clone());
    }

    /// The places in files of what was compiled here.
    pub(super) fn positions(&self) -> &FilePositions {
        &self.known().positions
    }

    /// The main module's absolute path.
    pub fn main(&self) -> &str {
        self.main.get().map_or("", String::as_str)
    }

    /// Tells which modules are built in.
    pub(super) fn set_table(&self, table: &'static Table) {
        let _ = self.table.set(table);
    }

    /// The modules that are built in.
    pub(super) fn table(&self) -> Option<&'static Table> {
        self.table.get().copied()
    }

    /// How many modules are known.
    pub fn len(&self) -> usize {
        self.known().len()
    }

    /// The files that it was made of so far, those that were only resolved among them.
    pub fn files(&self) -> HashSet<PathBuf> {
        self.known().files(self.main())
    }

    /// Whether nothing is compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the module that `specifier` names in the module `base`.
    ///
    /// # Errors
    /// One sentence that names what was imported, and by whom.
    pub(super) fn resolve(&self, base: &str, specifier: &str) -> std::result::Result<String, String> {
        if let Some(path) = self.known().resolved(base, specifier) {
            return Ok(path);
        }
        let path = resolve::resolve(self.sources(), base, specifier, By::Import)?;
        self.known().note_resolved(base, specifier, &path);
        Ok(path)
    }

    /// The bytes of the file at `path`, which is no code; whether it may be read is asked before, by `compile`.
    ///
    /// # Errors
    /// TypeError for a file that cannot be read.
    pub(super) fn file(&self, ctx: &Ctx<'_>, path: &str) -> Result<Arc<[u8]>> {
        if let Some(known) = self.known().data(path) {
            return Ok(known);
        }
        self.known().note_file(path);
        let bytes: Arc<[u8]> = std::fs::read(path).map_err(|error| unreadable(ctx, path, &error))?.into();
        self.known().keep_data(path, bytes.clone());
        Ok(bytes)
    }

    /// The source of the module in the file `path`, as [`Code::file`].
    ///
    /// # Errors
    /// TypeError for a file that cannot be read.
    pub(super) fn read(&self, ctx: &Ctx<'_>, path: &str) -> Result<Vec<u8>> {
        self.known().note_file(path);
        let source = std::fs::read(path).map_err(|error| unreadable(ctx, path, &error))?;
        Ok(without_mark(source))
    }
}

/// A shorter source is not worth a file (300 modules of 1.1 KB: loaded in 28 ms from the cache, in 59 without).
const CACHED_BYTES_MIN: usize = 1 << 10;

/// What the bytecode of the `source` of the file `name` as a `kind` is kept as; none where it is not kept.
pub(super) fn key(kind: &str, name: &str, source: &[u8]) -> Option<CacheKey> {
    (source.len() >= CACHED_BYTES_MIN).then(|| CacheKey::of(&[kind.as_bytes(), name.as_bytes(), source]))
}

/// `source` without the byte order mark that some editors put first.
pub fn without_mark(source: Vec<u8>) -> Vec<u8> {
    source.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(source)
}

/// An error for a module that cannot be read.
fn unreadable(ctx: &Ctx<'_>, name: &str, error: &std::io::Error) -> Error {
    exception::type_error(ctx, &format!("Cannot read module '{name}': {error}"))
}
