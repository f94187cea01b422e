//! The engine's module hooks: names to modules.
//!
//! Owns: the form of the table of built-in modules, loading from bytecode, JSON modules,
//! `import.meta`. Must not know: which built-in modules there are.

use std::ffi::CStr;
use std::sync::Arc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};

use super::class::Static;
use super::compile::{Code, Kind};
use super::function::{self, Functions};
use super::{exception, value};
use crate::source::resolve;

/// Makes a native module under the name it was imported by.
pub type Declare = for<'js> fn(&Ctx<'js>, &str) -> Result<Module<'js, Declared>>;
/// Puts something on `globalThis`.
pub type Install = for<'js> fn(&Ctx<'js>) -> Result<()>;

/// What every engine has, handed in from above.
pub struct Table {
    /// Built-in modules, matched exactly: their names, and what makes one.
    pub modules: &'static [(&'static [&'static str], Declare)],
    /// Globals, installed in this order.
    pub globals: &'static [Install],
    /// Gives the engine of a thread that a script starts what the script's own has beyond these.
    pub thread_of_script: Install,
}

impl Table {
    /// No module and no global.
    pub const EMPTY: Table = Table { modules: &[], globals: &[], thread_of_script: |_| Ok(()) };

    /// A built-in module by any of its names: the first of them, and what makes it.
    pub(super) fn find(&self, name: &str) -> Option<(&'static str, Declare)> {
        let (names, declare) = self.modules.iter().find(|(names, _)| names.contains(&name))?;
        Some((names.first()?, *declare))
    }
}

/// Resolves specifiers.
pub struct AppResolver {
    table: &'static Table,
    code: Arc<Code>,
}

impl AppResolver {
    /// A resolver that knows the built-in modules of `table`, and what was resolved for `code` before.
    pub fn new(table: &'static Table, code: Arc<Code>) -> Self {
        AppResolver { table, code }
    }
}

impl Resolver for AppResolver {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if let Some((first, _)) = self.table.find(name) {
            // One module, whatever the name.
            return Ok(first.to_owned());
        }
        self.code.resolve(base, name).map_err(|message| exception::type_error(ctx, &message))
    }
}

/// Loads modules: built-in ones from the table, files from shared bytecode.
pub struct AppLoader {
    table: &'static Table,
    code: Arc<Code>,
}

impl AppLoader {
    /// A loader over `code`, which also takes what is compiled on the way.
    pub fn new(table: &'static Table, code: Arc<Code>) -> Self {
        code.set_table(table);
        AppLoader { table, code }
    }
}

impl Loader for AppLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if let Some((_, declare)) = self.table.find(name) {
            return declare(ctx, name);
        }
        let kind = match attributes.map(|a| a.get_type()).transpose()?.flatten().as_deref() {
            None if name.ends_with(".json") => Kind::Json,
            None => Kind::Script,
            Some("json") => Kind::Json,
            Some("text") => Kind::Text,
            Some(other) => {
                let text = format!("Import attribute type \"{other}\" is not supported (importing {name})");
                return Err(exception::type_error(ctx, &text));
            }
        };
        self.code.module(ctx, name, kind)
    }
}

struct Json;

impl Functions for Json {
    const LIST: &'static [(&'static CStr, u8, Static)] =
        &[(c"parse", 1, |scope| value::parse_json(scope.ctx, &value::to_string(&scope.arg(0))?, "<json>"))];
}

/// Gives a JSON module the engine's own parser: the app may have changed `JSON.parse` by now.
pub(crate) fn set_json_meta(module: &Module<'_, Declared>) -> Result<()> {
    let meta = module.meta()?;
    function::install::<Json>(meta.ctx(), &meta)
}

/// Fills in `import.meta` of a file module.
pub(crate) fn set_meta(module: &Module<'_, Declared>, name: &str, main: bool) -> Result<()> {
    let meta = module.meta()?;
    // What is no file counts as one of the current folder.
    let place = resolve::folder(name).join(name);
    let name = if name.starts_with('<') { &*place.to_string_lossy() } else { name };
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let url = url::Url::from_file_path(name).map_or_else(|()| format!("file://{name}"), String::from);
    meta.set("url", url)?;
    meta.set("filename", name)?;
    meta.set("dirname", if folder.is_empty() { "/" } else { folder })?;
    meta.set("main", main)
}

/// An error for a module that cannot be read.
pub(crate) fn unreadable(ctx: &Ctx<'_>, name: &str, error: &std::io::Error) -> Error {
    exception::type_error(ctx, &format!("Cannot read module '{name}': {error}"))
}
