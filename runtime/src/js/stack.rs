//! `Error.prototype.stack` as an app reads it: with the places of the sources.
//!
//! Owns: the getter in the engine's place, which rewrites what the engine's says. What the server itself
//! shows is rewritten where it is shown. Must not know: where the places come from.

use std::ffi::CStr;

use rquickjs::{Ctx, Object, Result, Value};

use super::class::{Scope, Static};
use super::engine::State;
use super::function::{self, Functions};
use super::held::{Held, Slot};
use super::{promise, reflect, value};
use crate::source::positions::map_stack;

/// The engine's own getter.
#[derive(Default)]
struct Engines(Slot);

struct Getter;

impl Functions for Getter {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"get stack", 0, get)];
}

/// Puts the getter in place. Comes after all that keep the engine's own.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let prototype: Object<'_> = ctx.globals().get::<_, Object<'_>>("Error")?.get("prototype")?;
    let found = reflect::own(&prototype, &value::string(ctx, "stack")?)?;
    let Some(reflect::Slot::Accessor(getter, setter)) = found.map(|property| property.slot) else {
        return Ok(());
    };
    State::of(ctx).extension::<Engines>().0.set(Some(getter));
    let ours = function::make::<Getter>(ctx, 0)?;
    function::attribute(ctx, &prototype, c"stack", ours, Some(setter), false)
}

fn get<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let Some(getter) = State::of(ctx).extension::<Engines>().0.get(ctx) else {
        return Ok(scope.undefined());
    };
    let stack = promise::call(ctx, &Held::new(getter), Some(&Held::new(scope.this())), &[])?;
    match stack.is_string() {
        true => value::string(ctx, &map_stack(value::to_string(&stack)?)),
        false => Ok(stack),
    }
}
