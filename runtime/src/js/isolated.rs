//! Compiling in an engine of its own, which knows no name but those of the source.
//!
//! Owns: that engine, from which only bytecode comes out. Must not know: what is compiled, and for whom.
//! The parser looks for an identifier's UTF-8 among the keys that the engine knows by their Latin-1
//! (quickjs.c, JS_NewAtomLen): in an app's engine a key of a client's JSON could become a name in code.

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Context, Ctx, Module, Result, Runtime, context::intrinsic};

use super::script;
use super::state::State;
use crate::source::identifiers;

/// What the engine needs to compile and not to run.
pub(super) type ParserIntrinsics = (intrinsic::Eval, intrinsic::RegExpCompiler);

/// Stack of the parser: it stands on that of whoever imports.
const STACK_BYTES: usize = 128 << 10;

/// Whether the names of `source`, a module or else a classic script, may be taken for others.
pub(super) fn is_needed(source: &[u8], is_module: bool) -> bool {
    !source.is_ascii()
        && std::str::from_utf8(source).is_ok_and(|source| identifiers::beyond_ascii(source, is_module))
}

/// The bytecode of the module `name`; none for what does not compile here, of which the app's engine says why,
/// and for one that imports with attributes: bytecode has none.
pub(super) fn module(ctx: &Ctx<'_>, name: &str, source: &[u8]) -> Option<Vec<u8>> {
    let with_attributes = Rc::new(Cell::new(false));
    let bytecode = with_parser(ctx, with_attributes.clone(), |ctx| {
        Module::declare(ctx.clone(), name, source)?.write(WriteOptions::default())
    });
    bytecode.filter(|_| !with_attributes.get())
}

/// The bytecode of a classic script, as [`module`].
pub(super) fn script(ctx: &Ctx<'_>, source: &str, name: &std::ffi::CStr) -> Option<Box<[u8]>> {
    with_parser(ctx, Rc::default(), |ctx| script::compile(ctx, source, name))
}

fn with_parser<T>(
    ctx: &Ctx<'_>,
    with_attributes: Rc<Cell<bool>>,
    f: impl FnOnce(&Ctx<'_>) -> Result<T>,
) -> Option<T> {
    let runtime = Runtime::new().ok()?;
    runtime.set_memory_limit(State::of(ctx).heap_bytes_max());
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_loader(PlainNames { with_attributes }, Nothing);
    let context = Context::custom::<ParserIntrinsics>(&runtime).ok()?;
    context.with(|ctx| f(&ctx)).ok()
}

/// Names stay as they are.
struct PlainNames {
    with_attributes: Rc<Cell<bool>>,
}

impl Resolver for PlainNames {
    fn resolve<'js>(
        &mut self,
        _ctx: &Ctx<'js>,
        _base: &str,
        name: &str,
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        self.with_attributes.set(self.with_attributes.get() || attributes.is_some());
        Ok(name.to_owned())
    }
}

/// Imports are not looked at: each is an empty module.
struct Nothing;

impl Loader for Nothing {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        Module::declare(ctx.clone(), name, "")
    }
}
