//! What was compiled of an app's files: bytecode, and what belongs to it.
//!
//! Owns: these by name, within bounds; whether the files are still what they were. Must not know: how a module is
//! compiled (`compile.rs`), engines. Those of several apps that are one program, as a CGI script is, may share it.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::source::importing;
use crate::source::names;
use crate::source::positions::FilePositions;
use crate::source::running::RunningTexts;

/// Specifiers of one file that are remembered: there is no end to those of `import()`.
const RESOLVED_MAX: usize = 10_000;

/// Modules of one app that are remembered: there is no end to those of `import()` with queries.
pub(super) const MODULES_MAX: usize = 10_000;

/// A file that was written to within this time may be written to again without a later time of change.
const SETTLED: Duration = Duration::from_millis(20);

/// What tells one state of a file from another: its time of change, length and number; none of a file that nobody can
/// tell it of.
type Stamp = Option<(i64, i64, u64, u64)>;

/// What was compiled.
#[derive(Default)]
pub struct Compiled {
    /// The texts that were compiled.
    pub(super) texts: RunningTexts,
    /// Where those have their places in the files.
    pub(super) positions: FilePositions,
    modules: RwLock<HashMap<String, CompiledModule>>,
    /// The files of modules that are no code, by path.
    data: RwLock<HashMap<String, Arc<[u8]>>>,
    /// The bodies of CommonJS modules, each a script whose value is a function, by path.
    functions: RwLock<HashMap<String, Arc<[u8]>>>,
    /// What specifiers stand for, by the module that imports them: all workers agree.
    resolved: RwLock<HashMap<String, HashMap<String, String>>>,
    /// Modules with imports whose attributes say what a file is: bytecode loses attributes.
    with_attributes: RwLock<HashSet<String>>,
    /// What the files were when they were read, where somebody asks.
    stamps: Option<Mutex<HashMap<String, Stamp>>>,
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

impl Compiled {
    /// Nothing yet; of what is read it will be known whether it has changed.
    pub fn stamped() -> Compiled {
        Compiled { stamps: Some(Mutex::default()), ..Compiled::default() }
    }

    /// The files that it was made of so far, `main` and those that were only resolved among them.
    pub(super) fn files(&self, main: &str) -> HashSet<PathBuf> {
        let mut names = vec![main.to_owned()];
        if let Ok(all) = self.modules.read() {
            names.extend(all.keys().cloned());
        }
        for all in [&self.data, &self.functions] {
            if let Ok(all) = all.read() {
                names.extend(all.keys().cloned());
            }
        }
        if let Ok(all) = self.resolved.read() {
            names.extend(all.keys().cloned());
            names.extend(all.values().flat_map(|known| known.values().cloned()));
        }
        let files = names.iter().map(|name| Path::new(&*names::path(name)).to_owned());
        files.filter(|path| path.is_absolute()).collect()
    }

    /// Whether all files are what they were when they were read, as far as that is known.
    pub fn is_current(&self) -> bool {
        let Some(stamps) = &self.stamps else { return true };
        let stamps = stamps.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.iter().all(|(path, stamp)| stamp.is_some() && *stamp == stamp_of(path, None))
    }

    /// Notes that the file at `path` is about to be read.
    pub(super) fn note_file(&self, path: &str) {
        if let Some(stamps) = &self.stamps {
            let stamp = stamp_of(path, Some(SystemTime::now()));
            stamps.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), stamp);
        }
    }

    /// How many modules are known.
    pub(super) fn len(&self) -> usize {
        let modules = self.modules.read().map_or(0, |all| all.len());
        modules + self.data.read().map_or(0, |all| all.len())
    }

    /// What was resolved for `specifier` in the module `base`.
    pub(super) fn resolved(&self, base: &str, specifier: &str) -> Option<String> {
        self.resolved.read().ok()?.get(base)?.get(specifier).cloned()
    }

    /// Remembers that, within bounds.
    pub(super) fn note_resolved(&self, base: &str, specifier: &str, path: &str) {
        if let Ok(mut all) = self.resolved.write() {
            let of_base = all.entry(base.to_owned()).or_default();
            if of_base.len() < RESOLVED_MAX {
                of_base.insert(specifier.to_owned(), path.to_owned());
            }
        }
    }

    /// Notes that the module `base` imports with attributes that its bytecode would lose.
    pub(super) fn note_attributes(&self, base: &str) {
        if let Ok(mut all) = self.with_attributes.write()
            && all.len() < MODULES_MAX
        {
            all.insert(base.to_owned());
        }
    }

    /// Whether [`Compiled::note_attributes`] was called for `name`.
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
    pub(super) fn module(&self, name: &str) -> Option<CompiledModule> {
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

    /// The bytes of the file at `path`, if it was read before.
    pub(super) fn data(&self, path: &str) -> Option<Arc<[u8]>> {
        self.data.read().ok().and_then(|all| all.get(path).cloned())
    }

    /// Keeps them.
    pub(super) fn keep_data(&self, path: &str, bytes: Arc<[u8]>) {
        if let Ok(mut all) = self.data.write() {
            all.insert(path.to_owned(), bytes);
        }
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

/// The stamp of the file at `path`; none of one that nobody can look at, or that has changed just before `now`.
fn stamp_of(path: &str, now: Option<SystemTime>) -> Stamp {
    let about = std::fs::metadata(Path::new(path)).ok()?;
    let is_young = now.is_some_and(|now| {
        let age = about.modified().ok().and_then(|changed| now.duration_since(changed).ok());
        age.is_none_or(|age| age < SETTLED)
    });
    (!is_young).then(|| (about.ctime(), about.ctime_nsec(), about.size(), about.ino()))
}

#[cfg(test)]
mod tests {
    use super::super::code::Code;
    use super::*;

    #[test]
    fn files_that_have_changed_since_they_were_read_are_told() {
        let file = std::env::temp_dir().join(format!("jsserve-compiled-{}.js", std::process::id()));
        let path = file.to_str().expect("a name in UTF-8");
        std::fs::write(&file, "1").expect("a file");
        let young = Compiled::stamped();
        young.note_file(path);
        assert!(!young.is_current(), "it may be written to again within the same tick of the clock");
        std::thread::sleep(SETTLED * 2);
        let compiled = Compiled::stamped();
        compiled.note_file(path);
        assert!(compiled.is_current());
        std::fs::write(&file, "2").expect("the same length");
        assert!(!compiled.is_current());
        std::fs::remove_file(&file).expect("it is there");
        assert!(!compiled.is_current());
    }

    #[test]
    fn what_is_resolved_is_remembered_up_to_a_bound() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let (code, base) = (Code::default(), file.replace("Cargo.toml", "main.js"));
        for number in 0..RESOLVED_MAX + 5 {
            let specifier = format!("./{number}/../Cargo.toml");
            assert_eq!(code.resolve(&base, &specifier).as_deref(), Ok(file));
            assert_eq!(code.resolve(&base, &specifier).as_deref(), Ok(file), "a second time");
        }
        assert_eq!(code.known().resolved.read().expect("no panic")[&base].len(), RESOLVED_MAX);
        assert!(code.resolve(&base, "./nowhere.js").is_err());
        assert!(!code.known().resolved.read().expect("no panic")[&base].contains_key("./nowhere.js"));
    }
}
