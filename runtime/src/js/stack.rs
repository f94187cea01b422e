//! Stacks as an app reads them: with the places of the sources. What an object has as a `stack` of its
//! own has them already, whoever wrote it; what the engine keeps inside of an error gets them on reading.
//!
//! Owns: `Error.prototype.stack` and `toString`, `Error.captureStackTrace` in the engine's place. Must
//! not know: where the places come from.

use std::ffi::CStr;

use rquickjs::object::Property;
use rquickjs::{Ctx, Object, Result, Value};

use super::class::{Scope, Static};
use super::engine::State;
use super::function::{self, Functions};
use super::held::{Held, Slot};
use super::{promise, reflect, value, words};

/// The engine's own functions, and ours that is called by the same name.
#[derive(Default)]
struct Kept {
    getter: Slot,
    setter: Slot,
    to_string: Slot,
    capture: Slot,
    ours: Slot,
}

struct Ours;

impl Functions for Ours {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get stack", 0, get),
        (c"captureStackTrace", 2, capture),
        (c"set stack", 1, set),
        (c"toString", 0, to_string),
    ];
}

/// Puts both in place. Comes after all that keep the engine's own.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let kept = State::of(ctx).extension::<Kept>();
    let error: Object = ctx.globals().get("Error")?;
    let prototype: Object = error.get("prototype")?;
    let found = reflect::own(&prototype, &value::string(ctx, "stack")?)?;
    if let Some(reflect::Slot::Accessor(getter, setter)) = found.map(|property| property.slot) {
        kept.getter.set(Some(getter));
        kept.setter.set(Some(setter));
        let (read, write) = (function::make::<Ours>(ctx, 0)?, function::make::<Ours>(ctx, 2)?);
        function::attribute(ctx, &prototype, c"stack", read, Some(write), false)?;
    }
    kept.to_string.set(Some(prototype.get("toString")?));
    function::define(ctx, &prototype, c"toString", function::make::<Ours>(ctx, 3)?, false)?;
    kept.capture.set(Some(error.get("captureStackTrace")?));
    let ours = function::make::<Ours>(ctx, 1)?;
    kept.ours.set(Some(ours.clone()));
    function::define(ctx, &error, c"captureStackTrace", ours, false)
}

/// A stack, one frame a line, with the places of the sources.
pub fn map_stack(ctx: &Ctx<'_>, stack: String) -> String {
    match State::find(ctx) {
        Some(state) => state.code().positions().map_stack(stack),
        None => stack,
    }
}

/// A stack as the engine writes it, with the places of the sources; what is no string stays.
///
/// # Errors
/// Out of memory.
pub fn mapped(stack: Value<'_>) -> Result<Value<'_>> {
    match stack.is_string() {
        true => value::string(stack.ctx(), &map_stack(stack.ctx(), value::to_string(&stack)?)),
        false => Ok(stack),
    }
}

/// The stack that the engine keeps inside of an error, with the places of what runs.
pub(super) fn raw(error: &Object<'_>) -> Option<String> {
    let ctx = error.ctx();
    let kept = State::of(ctx).extension::<Kept>().getter.get(ctx);
    let stack = match kept {
        Some(getter) => {
            promise::call(ctx, &Held::new(getter), Some(&Held::new(error.as_value().clone())), &[])
        }
        None => error.get("stack"),
    };
    match stack {
        Ok(stack) if stack.is_string() => value::to_string(&stack).ok(),
        Ok(_) => None,
        Err(_) => {
            drop(ctx.catch());
            None
        }
    }
}

/// Whether `object` has a `stack` of its own as the engine has written it: DOMExceptions do.
pub fn is_raw(object: &Object<'_>) -> bool {
    reflect::class_name(object.as_value()) == "DOMException"
}

/// `Error.prototype.toString`, of an error whose message names what failed.
fn to_string<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let this = scope.this();
    this.as_object().into_iter().for_each(words::improve);
    match State::of(scope.ctx).extension::<Kept>().to_string.get(scope.ctx) {
        Some(engine) => promise::call(scope.ctx, &Held::new(engine), Some(&Held::new(this)), &[]),
        None => Ok(scope.undefined()),
    }
}

fn get<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.this().as_object().into_iter().for_each(words::improve);
    let Some(getter) = State::of(ctx).extension::<Kept>().getter.get(ctx) else {
        return Ok(scope.undefined());
    };
    mapped(promise::call(ctx, &Held::new(getter), Some(&Held::new(scope.this())), &[])?)
}

/// `error.stack = value`. The engine, as the proposal has it, takes nothing but strings; programs hide a
/// stack by assigning `undefined`.
fn set<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (this, given) = (scope.this(), scope.arg(0));
    let home = |object: &Object<'js>| match reflect::own(object, &value::string(ctx, "stack")?)? {
        Some(found) => Ok(matches!(found.slot, reflect::Slot::Accessor(..))),
        None => Ok::<_, rquickjs::Error>(false),
    };
    match this.as_object().filter(|_| !given.is_string() && reflect::proxy_target(&this).is_none()) {
        Some(object) if !home(object)? => {
            object.prop("stack", Property::from(given).writable().configurable().enumerable())?;
        }
        _ => {
            if let Some(setter) = State::of(ctx).extension::<Kept>().setter.get(ctx) {
                promise::call(ctx, &Held::new(setter), Some(&Held::new(this)), &[given])?;
            }
        }
    }
    Ok(scope.undefined())
}

/// `Error.captureStackTrace(object, above)`: the frames above that function's, or above this one's.
fn capture<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let kept = State::of(ctx).extension::<Kept>();
    let (Some(capture), Some(ours)) = (kept.capture.get(ctx), kept.ours.get(ctx)) else {
        return Ok(scope.undefined());
    };
    let given = scope.arg(1);
    let above = if given.is_function() { given } else { ours };
    promise::call(ctx, &Held::new(capture), Some(&Held::new(scope.this())), &[scope.arg(0), above])?;
    let target = scope.arg(0);
    let Some(object) = target.as_object().filter(|_| reflect::proxy_target(&target).is_none()) else {
        return Ok(scope.undefined());
    };
    let found = reflect::own(object, &value::string(ctx, "stack")?)?;
    let Some(reflect::Slot::Data(stack)) = found.map(|property| property.slot) else {
        return Ok(scope.undefined());
    };
    // What Error.prepareStackTrace makes is the app's.
    if stack.is_string() {
        let raw = value::to_string(&stack)?;
        // A function that no frame is of leaves the frame of this one.
        let frames = raw.strip_prefix("    at captureStackTrace (native)\n").unwrap_or(&raw);
        let stack = map_stack(ctx, frames.to_owned());
        if stack != raw
            && function::define(ctx, object, c"stack", value::string(ctx, &stack)?, false).is_err()
        {
            // The object is frozen: the engine has written nothing, either.
            drop(ctx.catch());
        }
    }
    Ok(scope.undefined())
}
