//! The engine's module hooks: names to modules.
//!
//! Owns: import attributes, what was loaded in vain. Must not know: which built-in modules there are.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};

use super::builtins::Table;
use super::code::Code;
use super::state::State;
use super::{compile, exception, internal};
use crate::source::importing;
use crate::source::names::{self, Kind};

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
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if let Some(builtin) = self.table.find_for(base, name) {
            // One module, whatever the name.
            return Ok(internal::current(ctx, builtin));
        }
        let kind = attributes.map(|given| kind(ctx, &given, name)).transpose()?.flatten();
        let found = self.code.resolve(base, name).map_err(|message| not_found(ctx, &message, base, name))?;
        let named = names::typed(found.clone(), kind);
        if named != found {
            self.code.known().note_attributes(base);
        }
        Ok(current(ctx, named))
    }
}

/// What import attributes say that the module `name` is.
fn kind<'js>(ctx: &Ctx<'js>, attributes: &ImportAttributes<'js>, name: &str) -> Result<Option<Kind>> {
    let refuse = |what: &str| {
        let text = format!("Import attribute {what} is not supported (importing '{name}')");
        exception::type_error(ctx, &text)
    };
    for key in attributes.keys() {
        let key = key?;
        if key != "type" {
            return Err(refuse(&format!("\"{key}\"")));
        }
    }
    match attributes.get_type()?.as_deref() {
        None => Ok(None),
        Some("json") => Ok(Some(Kind::Json)),
        Some("text") => Ok(Some(Kind::Text)),
        Some("bytes") => Ok(Some(Kind::Bytes)),
        Some(other) => Err(refuse(&format!("type \"{other}\""))),
    }
}

/// The error for an import of `base` that names nothing; it has the place of the import, where that is found.
pub(super) fn not_found(ctx: &Ctx<'_>, message: &str, base: &str, specifier: &str) -> Error {
    let file = names::path(base);
    let text = match file.starts_with('/') {
        true => std::fs::read_to_string(&*file).unwrap_or_default(),
        false => String::new(),
    };
    let (line, column) = importing::place(&text, specifier).unwrap_or_default();
    exception::placed_type_error(ctx, message, (base, line, column))
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
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        match self.table.loaded_as(name) {
            Some(builtin) => internal::load(ctx, builtin, name),
            // What attributes say is in the name.
            None => load(ctx, &self.code, name),
        }
    }
}

/// What came of loading an engine's modules.
#[derive(Default)]
struct Loads {
    /// How many are being loaded, each for the one before.
    depth: Cell<usize>,
    /// Those that are loaded since the outermost of them began.
    loaded: RefCell<Vec<String>>,
    /// How often each was loaded for one that failed then.
    in_vain: RefCell<HashMap<String, usize>>,
}

/// Loads a module. Where that fails, what was loaded for it is never used again: the engine frees the
/// module that failed, and others may point at it where they import each other in a circle.
fn load<'js>(ctx: &Ctx<'js>, code: &Arc<Code>, name: &str) -> Result<Module<'js, Declared>> {
    let loads = State::of(ctx).extension::<Loads>();
    if names::kind(name) != Kind::Script {
        // It imports nothing.
        return compile::module(code, ctx, name);
    }
    let start = loads.loaded.borrow().len();
    loads.depth.set(loads.depth.get() + 1);
    let result = compile::module(code, ctx, name);
    loads.depth.set(loads.depth.get() - 1);
    let mut loaded = loads.loaded.borrow_mut();
    match result.is_ok() {
        true => loaded.push(name.to_owned()),
        false => {
            let mut in_vain = loads.in_vain.borrow_mut();
            for name in loaded.drain(start..) {
                *in_vain.entry(names::first_attempt(&name).to_owned()).or_default() += 1;
            }
        }
    }
    if loads.depth.get() == 0 {
        loaded.clear();
    }
    result
}

/// The name of the module `name` in this engine.
fn current(ctx: &Ctx<'_>, name: String) -> String {
    let loads = State::of(ctx).extension::<Loads>();
    let attempts = loads.in_vain.borrow().get(&name).copied();
    match attempts {
        Some(attempts) => names::attempt(&name, attempts),
        None => name,
    }
}
