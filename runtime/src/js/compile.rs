//! Compiled code: each module of the app read and compiled once, its bytecode shared by all
//! workers, and by later starts through the cache on disk.
//!
//! Owns: the bytecode. Must not know: workers, TypeScript. Bytecode is only ever what this very
//! program compiled itself: the cache gives nothing else.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Ctx, Error, Module, Result};

use super::{commonjs, exception, loader, value};
use crate::source::cache::{self, Key};
use crate::source::prepare::{self, Format, Prepared};
use crate::source::resolve::{self, By};

/// What bundlers put in the place of a module that a package does without: an empty object.
const NOTHING: &str = "const nothing = {}; export { nothing as default, nothing as 'module.exports' };";

/// Specifiers of one file that are remembered: there is no end to those of `import()`.
const RESOLVED_MAX: usize = 10_000;

/// What a file is as a module (the import attribute `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JavaScript.
    Script,
    /// JSON: its default export is the parsed value.
    Json,
    /// Any text: its default export is a string.
    Text,
}

/// The app's modules in bytecode, by absolute path, for each [`Kind`].
#[derive(Default)]
pub struct Code {
    main: String,
    modules: [RwLock<HashMap<String, Compiled>>; 3],
    /// The bodies of CommonJS modules, each a script whose value is a function.
    functions: RwLock<HashMap<String, Arc<[u8]>>>,
    /// What specifiers stand for, by the file that imports them: all workers agree.
    resolved: RwLock<HashMap<String, HashMap<String, String>>>,
    table: OnceLock<&'static loader::Table>,
}

/// A module in bytecode.
#[derive(Clone)]
struct Compiled {
    bytecode: Arc<[u8]>,
    /// It is the face that a CommonJS module has for `import`.
    commonjs: bool,
}

impl Code {
    /// An empty cache for the app whose main module is the file `main` (an absolute path, or a name in
    /// angle brackets for what is no file).
    pub fn new(main: String) -> Self {
        Code { main, ..Code::default() }
    }

    /// The main module's absolute path.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// Tells which modules are built in.
    pub(super) fn set_table(&self, table: &'static loader::Table) {
        let _ = self.table.set(table);
    }

    /// The modules that are built in.
    pub(super) fn table(&self) -> Option<&'static loader::Table> {
        self.table.get().copied()
    }

    /// How many modules are compiled.
    pub fn len(&self) -> usize {
        self.modules.iter().map(|all| all.read().map_or(0, |all| all.len())).sum()
    }

    /// Whether nothing is compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The absolute path of the file that `specifier` names in the file `base`.
    ///
    /// # Errors
    /// One sentence that names what was imported, and by whom.
    pub(super) fn resolve(&self, base: &str, specifier: &str) -> std::result::Result<String, String> {
        let known = self.resolved.read().ok();
        if let Some(path) = known.as_ref().and_then(|all| all.get(base)?.get(specifier)) {
            return Ok(path.clone());
        }
        drop(known);
        let path = resolve::resolve(base, specifier, By::Import)?;
        if let Ok(mut all) = self.resolved.write() {
            let of_base = all.entry(base.to_owned()).or_default();
            if of_base.len() < RESOLVED_MAX {
                of_base.insert(specifier.to_owned(), path.clone());
            }
        }
        Ok(path)
    }

    /// The file module `name`: from its bytecode, else read and compiled now.
    ///
    /// # Errors
    /// SyntaxError, or TypeError for a file that cannot be read.
    pub fn module<'js>(
        self: &Arc<Self>,
        ctx: &Ctx<'js>,
        name: &str,
        kind: Kind,
    ) -> Result<Module<'js, Declared>> {
        let known = self.modules[kind as usize].read().ok().and_then(|all| all.get(name).cloned());
        let (module, commonjs) = match known {
            Some(Compiled { bytecode, commonjs }) => {
                // SAFETY: the bytes come from `JS_WriteObject` of this very build, below.
                let module = unsafe { Module::load(ctx.clone(), &bytecode)? };
                (module, commonjs)
            }
            None => self.compile(ctx, name, kind)?,
        };
        match kind {
            // The engine finds `import.meta` by the file's name alone: where a file was imported as
            // text first, a JSON module of it sees that one's.
            Kind::Json | Kind::Text => loader::set_json_meta(&module)?,
            Kind::Script if commonjs => commonjs::set_meta(&module, self)?,
            Kind::Script => loader::set_meta(&module, name, name == self.main)?,
        }
        Ok(module)
    }

    fn compile<'js>(&self, ctx: &Ctx<'js>, name: &str, kind: Kind) -> Result<(Module<'js, Declared>, bool)> {
        let source = match name {
            resolve::NOTHING => NOTHING.into(),
            _ => read(ctx, name)?,
        };
        let mut commonjs = false;
        let source = match kind {
            Kind::Script => {
                let prepared = prepared(ctx, name, source)?;
                match &prepared.format {
                    Format::Module => prepared.text,
                    Format::CommonJs(exports) => {
                        commonjs = true;
                        commonjs::face(ctx, name, exports)?
                    }
                }
            }
            Kind::Json => json_module(ctx, name, source)?,
            Kind::Text => text_module(ctx, name, source)?,
        };
        let (module, bytecode) = declare(ctx, name, source)?;
        if let Ok(mut all) = self.modules[kind as usize].write() {
            all.insert(name.to_owned(), Compiled { bytecode, commonjs });
        }
        Ok((module, commonjs))
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
        let prepared = prepared(ctx, name, read(ctx, name)?)?;
        if prepared.format == Format::Module {
            return Ok(None);
        }
        let bytecode: Arc<[u8]> = commonjs::compile(ctx, name, &prepared)?.into();
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
    pub fn main_module<'js>(&self, ctx: &Ctx<'js>, source: &[u8]) -> Result<Module<'js, Declared>> {
        let module = Module::declare(ctx.clone(), self.main.as_str(), source)?;
        loader::set_meta(&module, &self.main, true)?;
        Ok(module)
    }

    /// Loads the main module with all that it imports, without running it: a module whose only
    /// export, `app`, is the main module's namespace.
    ///
    /// # Errors
    /// What any of the modules throws while it is read, compiled or linked.
    pub fn load_main<'js>(&self, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
        let main = ctx.json_stringify(self.main.as_str())?.ok_or(Error::Unknown)?.to_string()?;
        Module::declare(ctx.clone(), "jsserve:main", format!("export * as app from {main};"))
    }
}

/// A shorter source is not worth a file (300 modules of 1.1 KB: loaded in 28 ms from the cache, in 59 without).
const CACHED_BYTES_MIN: usize = 1 << 10;

/// What the bytecode of the `source` of the file `name` as a `kind` is kept as; none where it is not kept.
pub(super) fn key(kind: &str, name: &str, source: &[u8]) -> Option<Key> {
    (source.len() >= CACHED_BYTES_MIN).then(|| Key::of(&[kind.as_bytes(), name.as_bytes(), source]))
}

/// The module `name` of `source`, and its bytecode.
fn declare<'js>(ctx: &Ctx<'js>, name: &str, source: Vec<u8>) -> Result<(Module<'js, Declared>, Arc<[u8]>)> {
    let key = key("module", name, &source);
    if let Some(bytecode) = key.as_ref().and_then(cache::load) {
        // SAFETY: the cache gives only what this very program stored for a module of this source: bytes
        // of `JS_WriteObject`, below.
        match unsafe { Module::load(ctx.clone(), &bytecode) } {
            Ok(module) => return Ok((module, bytecode.into())),
            // No memory: compiling tells it.
            Err(_) => drop(ctx.catch()),
        }
    }
    let module = Module::declare(ctx.clone(), name, source)?;
    let bytecode = module.write(WriteOptions::default())?;
    if let Some(key) = key {
        cache::store(&key, &bytecode);
    }
    Ok((module, bytecode.into()))
}

/// A module's file.
pub(super) fn read(ctx: &Ctx<'_>, name: &str) -> Result<Vec<u8>> {
    let source = std::fs::read(name).map_err(|error| loader::unreadable(ctx, name, &error))?;
    Ok(without_mark(source))
}

/// The source of the file `name` as plain JavaScript.
///
/// # Errors
/// SyntaxError with its place.
fn prepared(ctx: &Ctx<'_>, name: &str, source: Vec<u8>) -> Result<Prepared> {
    prepare::prepare(name, source).map_err(|refusal| {
        exception::syntax_error(ctx, &refusal.message, (name, refusal.line, refusal.column))
    })
}

/// `source` without the byte order mark that some editors put first.
pub fn without_mark(source: Vec<u8>) -> Vec<u8> {
    source.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(source)
}

/// A text module: its one export is the file's text (the import text proposal).
fn text_module(ctx: &Ctx<'_>, name: &str, source: Vec<u8>) -> Result<Vec<u8>> {
    let text = String::from_utf8(source)
        .map_err(|_| super::exception::type_error(ctx, &format!("text module '{name}' is not UTF-8")))?;
    let literal = ctx.json_stringify(value::string(ctx, &text)?)?.ok_or(Error::Unknown)?.to_string()?;
    Ok(format!("export default {literal};").into_bytes())
}

/// A JSON module: its one export is the parsed value (the JSON modules proposal, ECMA-262 16.2.1.8).
fn json_module(ctx: &Ctx<'_>, name: &str, source: Vec<u8>) -> Result<Vec<u8>> {
    let text = String::from_utf8(source)
        .map_err(|_| super::exception::type_error(ctx, &format!("JSON module '{name}' is not UTF-8")))?;
    value::parse_json(ctx, &text, name)?;
    let literal = ctx.json_stringify(value::string(ctx, &text)?)?.ok_or(Error::Unknown)?.to_string()?;
    Ok(format!("export default import.meta.parse({literal});").into_bytes())
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
