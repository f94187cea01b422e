//! The code of an app: each module read and compiled once, its bytecode shared by all workers.
//!
//! Owns: the bytecode, the texts and places that belong to it, what specifiers stand for. Must not know: how a
//! module is compiled (`compile.rs`), workers, TypeScript.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};

use rquickjs::{Ctx, Error, Result};

use super::builtins::Table;
use super::cluster::Cluster;
use super::exception;
use crate::source::cache::CacheKey;
use crate::source::names;
use crate::source::positions::{FilePositions, Positions};
use crate::source::resolve::{self, By};
use crate::source::running::RunningTexts;
use crate::source::{Sources, importing};

/// Specifiers of one file that are remembered: there is no end to those of `import()`.
const RESOLVED_MAX: usize = 10_000;

/// Modules of one app that are remembered: there is no end to those of `import()` with queries.
pub(super) const MODULES_MAX: usize = 10_000;

/// The app's modules in bytecode, by name.
#[derive(Default)]
pub struct Code {
    main: String,
    cluster: Arc<Cluster>,
    /// The texts that were compiled.
    texts: RunningTexts,
    /// Where those have their places in the files.
    positions: FilePositions,
    modules: RwLock<HashMap<String, CompiledModule>>,
    /// The files of modules that are no code, by path.
    data: RwLock<HashMap<String, Arc<[u8]>>>,
    /// The bodies of CommonJS modules, each a script whose value is a function, by path.
    functions: RwLock<HashMap<String, Arc<[u8]>>>,
    /// What specifiers stand for, by the module that imports them: all workers agree.
    resolved: RwLock<HashMap<String, HashMap<String, String>>>,
    /// Modules with imports whose attributes say what a file is: bytecode loses attributes.
    with_attributes: RwLock<HashSet<String>>,
    table: OnceLock<&'static Table>,
}

/// A module that was compiled before.
#[derive(Clone)]
pub(super) enum CompiledModule {
    /// Its bytecode.
    Module(Arc<[u8]>),
    /// That of the face that a CommonJS module has for `import`.
    Face(Arc<[u8]>),
    /// Its source, which each engine compiles for itself.
    Source(Arc<[u8]>),
}

impl Code {
    /// An empty cache for an app of its own whose main module is the file `main` (an absolute path, or a name in
    /// angle brackets for what is no file).
    pub fn new(main: String) -> Self {
        Code::within(Arc::default(), main)
    }

    /// An empty cache for the app that `cluster` is of.
    pub fn within(cluster: Arc<Cluster>, main: String) -> Self {
        Code { main, cluster, ..Code::default() }
    }

    /// What all code of the app shares.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    pub(super) fn sources(&self) -> &Sources {
        self.cluster.sources()
    }

    /// Notes that the engine runs `text` for the file `name`, or for what is called so.
    pub(super) fn note_text(&self, name: &str, text: &[u8]) {
        self.texts.remember(name, text);
    }

    /// The text that runs for `name`; none where the file is another by now.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.texts.text(self.sources(), name)
    }

    /// Notes the places of what runs for the file `name`.
    pub(crate) fn note_positions(&self, name: &str, positions: &Positions) {
        self.positions.remember(name, positions.clone());
    }

    /// The places in files of what was compiled here.
    pub(super) fn positions(&self) -> &FilePositions {
        &self.positions
    }

    /// The main module's absolute path.
    pub fn main(&self) -> &str {
        &self.main
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
        let modules = self.modules.read().map_or(0, |all| all.len());
        modules + self.data.read().map_or(0, |all| all.len())
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
        let known = self.resolved.read().ok();
        if let Some(path) = known.as_ref().and_then(|all| all.get(base)?.get(specifier)) {
            return Ok(path.clone());
        }
        drop(known);
        let path = resolve::resolve(self.sources(), base, specifier, By::Import)?;
        if let Ok(mut all) = self.resolved.write() {
            let of_base = all.entry(base.to_owned()).or_default();
            if of_base.len() < RESOLVED_MAX {
                of_base.insert(specifier.to_owned(), path.clone());
            }
        }
        Ok(path)
    }

    /// Notes that the module `base` imports with attributes that its bytecode would lose.
    pub(super) fn note_attributes(&self, base: &str) {
        if let Ok(mut all) = self.with_attributes.write()
            && all.len() < MODULES_MAX
        {
            all.insert(base.to_owned());
        }
    }

    /// Whether [`Code::note_attributes`] was called for `name`.
    pub(super) fn has_attributes(&self, name: &str) -> bool {
        self.with_attributes.read().is_ok_and(|all| all.contains(name))
    }

    /// Where a module that was resolved here imports the module `target`, or `name` from it.
    pub(super) fn importer(&self, target: &str, name: &str) -> Option<String> {
        let all = self.resolved.read().ok()?;
        all.iter().find_map(|(base, specifiers)| {
            let (specifier, _) = specifiers.iter().find(|(_, path)| *path == target)?;
            let text = std::fs::read_to_string(&*names::path(base)).ok()?;
            let (line, column) = importing::place_of_name(&text, specifier, name)?;
            Some(format!("    at {base}:{line}:{column}"))
        })
    }

    /// The module `name`, if it was compiled before.
    pub(super) fn compiled(&self, name: &str) -> Option<CompiledModule> {
        self.modules.read().ok().and_then(|all| all.get(name).cloned())
    }

    /// Keeps the module `name` for who loads it next, while there are not too many.
    pub(super) fn keep(&self, name: &str, compiled: CompiledModule) {
        if let Ok(mut all) = self.modules.write()
            && all.len() < MODULES_MAX
        {
            all.insert(name.to_owned(), compiled);
        }
    }

    /// The bytes of the file at `path`, which is no code.
    ///
    /// # Errors
    /// TypeError for a file that cannot be read.
    pub(super) fn file(&self, ctx: &Ctx<'_>, path: &str) -> Result<Arc<[u8]>> {
        if let Some(known) = self.data.read().ok().and_then(|all| all.get(path).cloned()) {
            return Ok(known);
        }
        let bytes: Arc<[u8]> = std::fs::read(path).map_err(|error| unreadable(ctx, path, &error))?.into();
        if let Ok(mut all) = self.data.write() {
            all.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }

    /// The body of the CommonJS module `name`, if it was compiled before.
    pub(super) fn function(&self, name: &str) -> Option<Arc<[u8]>> {
        self.functions.read().ok().and_then(|all| all.get(name).cloned())
    }

    /// Keeps the body of the CommonJS module `name`.
    pub(super) fn keep_function(&self, name: &str, bytecode: Arc<[u8]>) {
        if let Ok(mut all) = self.functions.write() {
            all.insert(name.to_owned(), bytecode);
        }
    }
}

/// A shorter source is not worth a file (300 modules of 1.1 KB: loaded in 28 ms from the cache, in 59 without).
const CACHED_BYTES_MIN: usize = 1 << 10;

/// What the bytecode of the `source` of the file `name` as a `kind` is kept as; none where it is not kept.
pub(super) fn key(kind: &str, name: &str, source: &[u8]) -> Option<CacheKey> {
    (source.len() >= CACHED_BYTES_MIN).then(|| CacheKey::of(&[kind.as_bytes(), name.as_bytes(), source]))
}

/// A module's file.
pub(super) fn read(ctx: &Ctx<'_>, name: &str) -> Result<Vec<u8>> {
    let source = std::fs::read(name).map_err(|error| unreadable(ctx, name, &error))?;
    Ok(without_mark(source))
}

/// `source` without the byte order mark that some editors put first.
pub fn without_mark(source: Vec<u8>) -> Vec<u8> {
    source.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(source)
}

/// An error for a module that cannot be read.
fn unreadable(ctx: &Ctx<'_>, name: &str, error: &std::io::Error) -> Error {
    exception::type_error(ctx, &format!("Cannot read module '{name}': {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_resolved_is_remembered_up_to_a_bound() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let (code, base) = (Code::default(), file.replace("Cargo.toml", "main.js"));
        for number in 0..RESOLVED_MAX + 5 {
            let specifier = format!("./{number}/../Cargo.toml");
            assert_eq!(code.resolve(&base, &specifier).as_deref(), Ok(file));
            assert_eq!(code.resolve(&base, &specifier).as_deref(), Ok(file), "a second time");
        }
        assert_eq!(code.resolved.read().expect("no panic")[&base].len(), RESOLVED_MAX);
        assert!(code.resolve(&base, "./nowhere.js").is_err());
        assert!(!code.resolved.read().expect("no panic")[&base].contains_key("./nowhere.js"));
    }
}
