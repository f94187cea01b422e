//! Properties of `globalThis`: classes written in JavaScript, loaded when an app first touches one of
//! them, and attributes as Web IDL has them.
//!
//! Owns: the accessors that stand there until then, what setters of attributes do. Must not know: any
//! global.

use std::ffi::CStr;

use rquickjs::object::{Accessor, Property};
use rquickjs::{Ctx, Result, Value};

use crate::js::class::Scope;
use crate::js::function::{self, Functions};
use crate::js::{exception, internal, reflect};

type Load = for<'a> fn(&Ctx<'a>, &str) -> Result<Value<'a>>;

/// Where a global comes from.
#[derive(Clone, Copy)]
enum Origin {
    Function(Load),
    /// An export of this name of an internal module.
    Module(&'static str),
}

impl Origin {
    fn get<'js>(self, ctx: &Ctx<'js>, name: &str) -> Result<Value<'js>> {
        match self {
            Origin::Function(load) => load(ctx, name),
            Origin::Module(module) => internal::exports(ctx, module)?.get(name),
        }
    }
}

/// Puts each of `names` on `globalThis` as an accessor that replaces itself by what `load` makes.
/// Assigning to one of them replaces it, too.
///
/// # Errors
/// Out of memory.
pub fn lazy_globals(ctx: &Ctx<'_>, names: &'static [&'static str], load: Load) -> Result<()> {
    lazy(ctx, names, Origin::Function(load), false)
}

/// As [`lazy_globals`]: each is the export of its name of the internal module `module`.
///
/// # Errors
/// Out of memory.
pub fn lazy_exports(ctx: &Ctx<'_>, module: &'static str, names: &'static [&'static str]) -> Result<()> {
    lazy(ctx, names, Origin::Module(module), false)
}

/// As [`lazy_exports`], for operations: those are enumerable (Web IDL, section 3.7.7).
///
/// # Errors
/// Out of memory.
pub fn lazy_operations(ctx: &Ctx<'_>, module: &'static str, names: &'static [&'static str]) -> Result<()> {
    lazy(ctx, names, Origin::Module(module), true)
}

fn lazy<'js>(ctx: &Ctx<'js>, names: &'static [&'static str], origin: Origin, enumerable: bool) -> Result<()> {
    for name in names.iter().copied() {
        let accessor = Accessor::new(
            move |ctx: Ctx<'js>| {
                let value = origin.get(&ctx, name)?;
                replace(&ctx, name, value.clone(), enumerable)?;
                Ok::<_, rquickjs::Error>(value)
            },
            move |ctx: Ctx<'js>, value: Value<'js>| replace(&ctx, name, value, enumerable),
        );
        let accessor = accessor.configurable();
        match enumerable {
            true => ctx.globals().prop(name, accessor.enumerable())?,
            false => ctx.globals().prop(name, accessor)?,
        }
    }
    Ok(())
}

fn replace<'js>(ctx: &Ctx<'js>, name: &str, value: Value<'js>, enumerable: bool) -> Result<()> {
    let property = Property::from(value).writable().configurable();
    match enumerable {
        true => ctx.globals().prop(name, property.enumerable()),
        false => ctx.globals().prop(name, property),
    }
}

/// Puts the attribute `name` on `globalThis` (Web IDL, section 3.7.6): its getter is function `get` of
/// `F`, its setter function `set`; without one it is read-only.
///
/// # Errors
/// Out of memory.
pub fn attribute<F: Functions>(ctx: &Ctx<'_>, name: &CStr, get: usize, set: Option<usize>) -> Result<()> {
    let set = set.map(|index| function::make::<F>(ctx, index)).transpose()?;
    function::attribute(ctx, &ctx.globals(), name, function::make::<F>(ctx, get)?, set, true)
}

/// Refuses a receiver that is not the global object; `undefined` and `null` stand for that.
///
/// # Errors
/// TypeError.
pub fn of_global(scope: &Scope<'_, '_>) -> Result<()> {
    let this = scope.this();
    let global = || reflect::identity(&this) == reflect::identity(scope.ctx.globals().as_value());
    if this.is_undefined() || this.is_null() || this.is_object() && global() {
        return Ok(());
    }
    Err(exception::type_error(scope.ctx, "Illegal invocation"))
}

/// The setter of the attribute `name` with `[Replaceable]` (Web IDL, extended attributes): a plain property
/// takes its place.
///
/// # Errors
/// TypeError for another receiver.
pub fn replaceable<'js>(scope: &Scope<'_, 'js>, name: &CStr) -> Result<Value<'js>> {
    of_global(scope)?;
    function::define(scope.ctx, &scope.ctx.globals(), name, scope.arg(0), true)?;
    Ok(scope.undefined())
}
