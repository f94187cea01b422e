//! Compiling in an engine of its own, which knows no name but those of the source.
//!
//! Owns: that engine, from which only bytecode comes out; keys that no name is taken for. Must not know: what is
//! compiled, and for whom. The parser looks for an identifier's UTF-8 among the keys that the engine knows in
//! Latin-1 (quickjs.c, JS_NewAtomLen): in an app's engine a key of a client's JSON could become a name in code.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Atom, Context, Ctx, Module, Result, Runtime, context::intrinsic, qjs};

use super::state::State;
use super::{script, value};
use crate::source::identifiers;

/// What the engine needs to compile and not to run.
pub(super) type ParserIntrinsics = (intrinsic::Eval, intrinsic::RegExpCompiler);

/// Stack of the parser: it stands on that of whoever imports.
const STACK_BYTES: usize = 128 << 10;

/// The names of a source, a module or else a classic script, that may be taken for other keys; none of most.
pub(super) struct SourceNames(BTreeSet<String>);

impl SourceNames {
    /// Those of `source`.
    pub(super) fn of(source: &[u8], is_module: bool) -> SourceNames {
        let text = (!source.is_ascii()).then(|| std::str::from_utf8(source).ok()).flatten();
        SourceNames(text.map_or_else(BTreeSet::new, |text| identifiers::beyond_ascii(text, is_module)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has the engine know in UTF-16, for as long as the result lives, each key whose Latin-1 is the UTF-8 of a name
    /// (`Ãµ` for `õ`): the parser, which compares with keys in Latin-1 alone, takes no name for one. Where an engine
    /// knows the key already that is no help.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn hide_keys<'js>(&self, ctx: &Ctx<'js>) -> Result<Vec<Atom<'js>>> {
        let hide = |name: &String| {
            let units: Vec<u16> = name.bytes().map(u16::from).collect();
            // SAFETY: the engine copies so many units of a text that lives.
            let key = unsafe {
                let raw = qjs::JS_NewStringUTF16(ctx.as_raw().as_ptr(), units.as_ptr(), units.len() as _);
                value::fresh(ctx, raw)?
            };
            Atom::from_value(ctx.clone(), &key)
        };
        self.0.iter().map(hide).collect()
    }
}

/// The bytecode of the module `name`; none for what does not compile here, of which the app's engine says why,
/// and for one that imports with attributes: bytecode has none.
pub(super) fn module(ctx: &Ctx<'_>, name: &str, source: &[u8], names: &SourceNames) -> Option<Vec<u8>> {
    let with_attributes = Rc::new(Cell::new(false));
    let bytecode = with_parser(ctx, names, with_attributes.clone(), |ctx| {
        Module::declare(ctx.clone(), name, source)?.write(WriteOptions::default())
    });
    bytecode.filter(|_| !with_attributes.get())
}

/// The bytecode of a classic script, as [`module`].
pub(super) fn script(
    ctx: &Ctx<'_>,
    source: &str,
    name: &std::ffi::CStr,
    names: &SourceNames,
) -> Option<Box<[u8]>> {
    with_parser(ctx, names, Rc::default(), |ctx| script::compile(ctx, source, name))
}

fn with_parser<T>(
    ctx: &Ctx<'_>,
    names: &SourceNames,
    with_attributes: Rc<Cell<bool>>,
    f: impl FnOnce(&Ctx<'_>) -> Result<T>,
) -> Option<T> {
    let runtime = Runtime::new().ok()?;
    runtime.set_memory_limit(State::of(ctx).heap_bytes_max());
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_loader(PlainNames { with_attributes }, Nothing);
    let context = Context::custom::<ParserIntrinsics>(&runtime).ok()?;
    context.with(|ctx| {
        let _hidden = names.hide_keys(&ctx).ok()?;
        f(&ctx).ok()
    })
}

/// SourceNames stay as they are.
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
