//! Compiled code: each module of the app read and compiled once, its bytecode shared by all
//! workers, and by later starts through the cache on disk.
//!
//! Owns: the bytecode, the texts and places that belong to it. Must not know: workers, TypeScript. Bytecode is
//! only ever what this very program compiled itself: the cache gives nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};

use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Ctx, Error, Module, Result};

use super::builtins::Table;
use super::cluster::Cluster;
use super::{commonjs, data_module, exception, isolated, loader};
use crate::source::cache::CacheKey;
use crate::source::names::{self, Kind};
use crate::source::positions::{FilePositions, Positions};
use crate::source::prepare::{self, ModuleFormat, Prepared};
use crate::source::resolve::{self, By};
use crate::source::running::RunningTexts;
use crate::source::{Sources, importing};

/// What bundlers put in the place of a module that a package does without: an empty object.
const NOTHING: &str = "const nothing = {}; export { nothing as default, nothing as 'module.exports' };";

/// Specifiers of one file that are remembered: there is no end to those of `import()`.
const RESOLVED_MAX: usize = 10_000;

/// Modules of one app that are remembered: there is no end to those of `import()` with queries.
const MODULES_MAX: usize = 10_000;

/// The app's modules in bytecode, by name.
#[derive(Default)]
pub struct Code {
    main: String,
    cluster: Arc<Cluster>,
    /// The texts that were compiled.
    texts: RunningTexts,
    /// Where those have their places in the files.
    positions: FilePositions,
    modules: RwLock<HashMap<String, Compiled>>,
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
enum Compiled {
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

    fn sources(&self) -> &Sources {
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

    fn has_attributes(&self, name: &str) -> bool {
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

    /// The module `name`, which is a file: from what was compiled before, else read and compiled now.
    ///
    /// # Errors
    /// SyntaxError, or TypeError for a file that cannot be read.
    pub fn module<'js>(self: &Arc<Self>, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        match names::kind(name) {
            Kind::Script => self.script(ctx, name),
            kind => data_module::module(ctx, name, kind, || self.file(ctx, &names::path(name))),
        }
    }

    /// The module `name` as JavaScript, whatever its file is called.
    ///
    /// # Errors
    /// As [`Code::module`].
    pub fn script<'js>(self: &Arc<Self>, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        let known = self.modules.read().ok().and_then(|all| all.get(name).cloned());
        let (module, commonjs) = match known {
            // SAFETY: the bytes come from `JS_WriteObject` of this very build, below.
            Some(Compiled::Module(bytecode)) => unsafe { (Module::load(ctx.clone(), &bytecode)?, false) },
            // SAFETY: as above.
            Some(Compiled::Face(bytecode)) => unsafe { (Module::load(ctx.clone(), &bytecode)?, true) },
            Some(Compiled::Source(source)) => (Module::declare(ctx.clone(), name, &*source)?, false),
            None => self.compile(ctx, name)?,
        };
        match commonjs {
            true => commonjs::set_meta(&module)?,
            false => loader::set_meta(&module, name, self)?,
        }
        Ok(module)
    }

    /// The bytes of the file at `path`, which is no code.
    fn file(&self, ctx: &Ctx<'_>, path: &str) -> Result<Arc<[u8]>> {
        if let Some(known) = self.data.read().ok().and_then(|all| all.get(path).cloned()) {
            return Ok(known);
        }
        let bytes: Arc<[u8]> =
            std::fs::read(path).map_err(|error| loader::unreadable(ctx, path, &error))?.into();
        if let Ok(mut all) = self.data.write() {
            all.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }

    fn compile<'js>(&self, ctx: &Ctx<'js>, name: &str) -> Result<(Module<'js, Declared>, bool)> {
        let source = match name {
            resolve::NOTHING => NOTHING.into(),
            _ => read(ctx, &names::path(name))?,
        };
        let prepared = self.prepared(ctx, name, source)?;
        let (source, commonjs) = match &prepared.format {
            ModuleFormat::Module => (prepared.text, false),
            ModuleFormat::CommonJs(exports) => {
                (commonjs::face(ctx, self.sources(), &names::path(name), exports)?, true)
            }
        };
        if !commonjs {
            self.note_text(name, &source);
        }
        let (module, compiled) = self.declare(ctx, name, source, commonjs)?;
        if let Ok(mut all) = self.modules.write()
            && all.len() < MODULES_MAX
        {
            all.insert(name.to_owned(), compiled);
        }
        Ok((module, commonjs))
    }

    /// The module `name` of `source`, and what is kept of it.
    fn declare<'js>(
        &self,
        ctx: &Ctx<'js>,
        name: &str,
        source: Vec<u8>,
        commonjs: bool,
    ) -> Result<(Module<'js, Declared>, Compiled)> {
        let keep = if commonjs { Compiled::Face } else { Compiled::Module };
        let key = key("module", name, &source);
        if let Some(bytecode) = key.as_ref().and_then(|key| self.sources().cache().load(key)) {
            // SAFETY: the cache gives only what this very program stored for a module of this source: bytes
            // of `JS_WriteObject`, below.
            match unsafe { Module::load(ctx.clone(), &bytecode) } {
                Ok(module) => return Ok((module, keep(bytecode.into()))),
                // No memory, or a module that it imports: compiling tells it.
                Err(_) => drop(ctx.catch()),
            }
        }
        let apart =
            isolated::is_needed(&source, true).then(|| isolated::module(ctx, name, &source)).flatten();
        let (module, bytecode) = match apart {
            // SAFETY: bytes of `JS_WriteObject` of this very program.
            Some(bytecode) => (unsafe { Module::load(ctx.clone(), &bytecode)? }, bytecode),
            None => {
                let module = Module::declare(ctx.clone(), name, &*source)?;
                if self.has_attributes(name) {
                    return Ok((module, Compiled::Source(source.into())));
                }
                let bytecode = module.write(WriteOptions::default())?;
                (module, bytecode)
            }
        };
        if let Some(key) = key {
            self.sources().cache().store(&key, &bytecode);
        }
        Ok((module, keep(bytecode.into())))
    }

    /// The source of the file `name` as plain JavaScript.
    ///
    /// # Errors
    /// SyntaxError with its place.
    fn prepared(&self, ctx: &Ctx<'_>, name: &str, source: Vec<u8>) -> Result<Prepared> {
        let prepared = prepare::prepare(self.sources(), name, source).map_err(|refusal| {
            exception::syntax_error(ctx, &refusal.message, (name, refusal.line, refusal.column))
        })?;
        if let Some(positions) = &prepared.positions {
            self.note_positions(name, positions);
        }
        Ok(prepared)
    }

    /// The body of the CommonJS module `name` in bytecode; none for an ECMAScript module.
    ///
    /// # Errors
    /// SyntaxError, or TypeError for a file that cannot be read.
    pub(super) fn function(&self, ctx: &Ctx<'_>, name: &str) -> Result<Option<Arc<[u8]>>> {
        let known = self.functions.read().ok().and_then(|all| all.get(name).cloned());
        if known.is_some() {
            return Ok(known);
        }
        let prepared = self.prepared(ctx, name, read(ctx, name)?)?;
        if prepared.format == ModuleFormat::Module {
            return Ok(None);
        }
        let bytecode: Arc<[u8]> = commonjs::compile(ctx, self, name, &prepared)?.into();
        if let Ok(mut all) = self.functions.write() {
            all.insert(name.to_owned(), bytecode.clone());
        }
        Ok(Some(bytecode))
    }

    /// The main module from `source`, linked to all that it imports, without running it. It stands
    /// under its own name, so that an import of it finds it.
    ///
    /// # Errors
    /// What any of the modules throws while it is read, compiled or linked.
    pub fn main_module<'js>(
        self: &Arc<Self>,
        ctx: &Ctx<'js>,
        source: &[u8],
    ) -> Result<Module<'js, Declared>> {
        self.note_text(&self.main, source);
        let module = Module::declare(ctx.clone(), self.main.as_str(), source)?;
        loader::set_meta(&module, &self.main, self)?;
        Ok(module)
    }

    /// Loads the main module with all that it imports, without running it: a module whose only
    /// export, `app`, is the main module's namespace.
    ///
    /// # Errors
    /// What any of the modules throws while it is read, compiled or linked.
    pub fn load_main<'js>(&self, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
        let main = names::specifier(&self.main);
        let main = ctx.json_stringify(&*main)?.ok_or(Error::Unknown)?.to_string()?;
        Module::declare(ctx.clone(), "jsserve:main", format!("export * as app from {main};"))
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
    let source = std::fs::read(name).map_err(|error| loader::unreadable(ctx, name, &error))?;
    Ok(without_mark(source))
}

/// `source` without the byte order mark that some editors put first.
pub fn without_mark(source: Vec<u8>) -> Vec<u8> {
    source.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(source)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::builtins::Table;
    use super::super::engine::{Engine, EngineLimits, Pulse};
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

    #[test]
    fn modules_are_remembered_up_to_a_bound_and_beyond_it_compiled_each_time() {
        let file = std::env::temp_dir().join(format!("jsserve-modules-{}.mjs", std::process::id()));
        std::fs::write(&file, "export const n = 1;").expect("a module");
        let code = Arc::new(Code::new("/main.js".into()));
        let other = |number| (format!("/{number}.js"), Compiled::Source(Arc::from([])));
        code.modules.write().expect("no panic").extend((0..MODULES_MAX).map(other));
        let limits = EngineLimits {
            heap_bytes_max: 64 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(60),
        };
        let engine = Engine::new(&limits, &Table::EMPTY, code.clone(), Pulse::default(), Box::new(|_, _| {}));
        let engine = engine.expect("an engine");
        let name = file.to_str().expect("a path");
        for _ in 0..2 {
            assert!(engine.turn(|ctx| code.module(ctx, name).and_then(|module| module.eval()).is_ok()));
        }
        assert_eq!(code.len(), MODULES_MAX);
        assert!(!code.modules.read().expect("no panic").contains_key(name));
        std::fs::remove_file(file).expect("remove");
    }
}
