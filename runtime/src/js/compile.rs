//! Compiled code: each module of the app read and compiled once, its bytecode shared by all
//! workers.
//!
//! Owns: the bytecode cache. Must not know: workers. Bytecode is only ever what this process
//! compiled itself.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Ctx, Error, Module, Result};

use super::{loader, value};

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
    modules: [RwLock<HashMap<String, Arc<[u8]>>>; 3],
}

impl Code {
    /// An empty cache for the app whose main module is the file `main` (an absolute path, or a name in
    /// angle brackets for what is no file).
    pub fn new(main: String) -> Self {
        Code { main, modules: Default::default() }
    }

    /// The main module's absolute path.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// How many modules are compiled.
    pub fn len(&self) -> usize {
        self.modules.iter().map(|all| all.read().map_or(0, |all| all.len())).sum()
    }

    /// Whether nothing is compiled yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file module `name`: from its bytecode, else read and compiled now.
    ///
    /// # Errors
    /// SyntaxError, or TypeError for a file that cannot be read.
    pub fn module<'js>(&self, ctx: &Ctx<'js>, name: &str, kind: Kind) -> Result<Module<'js, Declared>> {
        let known = self.modules[kind as usize].read().ok().and_then(|all| all.get(name).cloned());
        let module = match known {
            // SAFETY: the bytes come from `JS_WriteObject` of this very build, below.
            Some(bytecode) => unsafe { Module::load(ctx.clone(), &bytecode)? },
            None => self.compile(ctx, name, kind)?,
        };
        match kind {
            // The engine finds `import.meta` by the file's name alone: where a file was imported as
            // text first, a JSON module of it sees that one's.
            Kind::Json | Kind::Text => loader::set_json_meta(&module)?,
            Kind::Script => loader::set_meta(&module, name, name == self.main)?,
        }
        Ok(module)
    }

    fn compile<'js>(&self, ctx: &Ctx<'js>, name: &str, kind: Kind) -> Result<Module<'js, Declared>> {
        let source = std::fs::read(name).map_err(|error| loader::unreadable(ctx, name, &error))?;
        let source = without_mark(source);
        let source = match kind {
            Kind::Script => source,
            Kind::Json => json_module(ctx, name, source)?,
            Kind::Text => text_module(ctx, name, source)?,
        };
        let module = Module::declare(ctx.clone(), name, source)?;
        let bytecode = module.write(WriteOptions::default())?;
        if let Ok(mut all) = self.modules[kind as usize].write() {
            all.insert(name.to_owned(), bytecode.into());
        }
        Ok(module)
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
