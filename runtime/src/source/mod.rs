//! Sources of modules before the engine sees them: which file a specifier names, and its text as
//! plain JavaScript.
//!
//! Owns: resolution, TypeScript and JSX, what CommonJS exports, the cache of all that on disk, places
//! in the source for places in what runs. Must not know: the JavaScript engine, whose bytecode is kept in
//! the cache, too.

pub(crate) mod cache;
pub mod commonjs;
mod decorators;
mod edits;
mod entry;
pub mod identifiers;
mod import_equals;
pub mod import_map;
pub mod importing;
mod marks;
pub mod names;
mod namespaces;
mod packages;
pub mod positions;
pub mod prepare;
mod reexports;
pub mod resolve;
pub mod running;
mod shown;
pub mod subject;
mod transform;

use std::sync::{PoisonError, RwLock};

use import_map::ImportMap;

/// What holds for all sources of this process.
#[derive(Debug, Default)]
pub struct Settings {
    /// Transformed sources and bytecode are neither read from the cache folder nor written there.
    pub no_cache: bool,
    /// What is looked up before anything else.
    pub import_map: Option<ImportMap>,
}

static NONE: Settings = Settings { no_cache: false, import_map: None };
static SETTINGS: RwLock<&'static Settings> = RwLock::new(&NONE);

/// Sets what holds for this process from now on. They are kept until its end: to be called while the
/// command line is read, not later.
pub fn set(settings: Settings) {
    *SETTINGS.write().unwrap_or_else(PoisonError::into_inner) = Box::leak(Box::new(settings));
}

/// What holds for this process.
fn settings() -> &'static Settings {
    *SETTINGS.read().unwrap_or_else(PoisonError::into_inner)
}
