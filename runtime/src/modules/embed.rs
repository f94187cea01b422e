//! Globals written in JavaScript: loaded when an app first touches one of them.
//!
//! Owns: the accessors that stand on `globalThis` until then. Must not know: any global.

use rquickjs::object::{Accessor, Property};
use rquickjs::{Ctx, Result, Value};

/// Puts each of `names` on `globalThis` as an accessor that replaces itself by what `load` makes.
/// Assigning to one of them replaces it, too.
///
/// # Errors
/// Out of memory.
pub fn lazy_globals<'js>(
    ctx: &Ctx<'js>,
    names: &'static [&'static str],
    load: for<'a> fn(&Ctx<'a>, &str) -> Result<Value<'a>>,
) -> Result<()> {
    for name in names.iter().copied() {
        let accessor = Accessor::new(
            move |ctx: Ctx<'js>| value_of(load, ctx, name),
            move |ctx: Ctx<'js>, value: Value<'js>| replace(ctx, name, value),
        );
        ctx.globals().prop(name, accessor.configurable())?;
    }
    Ok(())
}

fn value_of<'js>(
    load: for<'a> fn(&Ctx<'a>, &str) -> Result<Value<'a>>,
    ctx: Ctx<'js>,
    name: &str,
) -> Result<Value<'js>> {
    let value = load(&ctx, name)?;
    replace(ctx, name, value.clone())?;
    Ok(value)
}

fn replace<'js>(ctx: Ctx<'js>, name: &str, value: Value<'js>) -> Result<()> {
    ctx.globals().prop(name, Property::from(value).writable().configurable())
}
