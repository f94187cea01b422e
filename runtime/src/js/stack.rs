//! Stacks as an app reads them: with the places of the sources. What an object has as a `stack` of its
//! own has them already, whoever wrote it; the engine keeps an error's frames, which become a text on reading.
//!
//! Owns: `Error.prototype.stack` and `toString`, `Error.captureStackTrace` and `prepareStackTrace` in the engine's
//! place, what the engine calls with the frames of a new error. Must not know: where the places come from.

use std::cell::RefCell;
use std::ffi::CStr;

use rquickjs::object::Property;
use rquickjs::{Array, Ctx, Object, Result, Value, qjs};

use super::callable::{self, Invocation};
use super::frames::{ErrorFunctions, SITE, Trace, ask, map_stack, mapped, written};
use super::function::{self, Functions};
use super::held::{self, Held, Slot};
use super::native_call::{self, Scope, Static};
use super::state::State;
use super::{class, reflect, value, words};

struct Ours;

impl Functions for Ours {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get stack", 0, get),
        (c"captureStackTrace", 2, capture),
        (c"set stack", 1, set),
        (c"toString", 0, to_string),
        (c"get prepareStackTrace", 0, get_prepare),
        (c"set prepareStackTrace", 1, set_prepare),
    ];
}

/// Puts both in place. Comes after all that keep the engine's own.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let kept = State::of(ctx).extension::<ErrorFunctions>();
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
    function::define(ctx, &error, c"captureStackTrace", ours, false)?;
    let found = reflect::own(&error, &value::string(ctx, "prepareStackTrace")?)?;
    if let Some(reflect::Slot::Accessor(_, setter)) = found.map(|property| property.slot) {
        class::register::<Trace>(ctx)?;
        kept.set_prepare.set(Some(setter));
        kept.type_error.set(Some(ctx.globals().get::<_, Object>("TypeError")?.get("prototype")?));
        kept.prepare.set(Some(callable::make(ctx, prepare, 0, None)?));
        have_prepared(ctx, &kept, None)?;
        take_sites(ctx, &kept, &error)?;
        let (read, write) = (function::make::<Ours>(ctx, 4)?, function::make::<Ours>(ctx, 5)?);
        function::attribute(ctx, &error, c"prepareStackTrace", read, Some(write), false)?;
    }
    Ok(())
}

/// Takes the methods of a frame before an app can: of the frame of a native function that makes an error.
fn take_sites<'js>(ctx: &Ctx<'js>, kept: &ErrorFunctions, error: &Object<'js>) -> Result<()> {
    let construct: Value = ctx.globals().get::<_, Object>("Reflect")?.get("construct")?;
    let arguments = [error.as_value().clone(), Array::new(ctx.clone())?.into_value()];
    let made = held::call(ctx, &Held::new(construct), None, &arguments)?;
    let Some(getter) = kept.getter.get(ctx) else { return Ok(()) };
    let stack = held::call(ctx, &Held::new(getter), Some(&Held::new(made)), &[])?;
    let sites = class::get::<Trace>(&stack).and_then(|trace| trace.sites.get(ctx));
    let Some(sites) = sites.and_then(Value::into_array) else { return Ok(()) };
    let site: Object = sites.get(0)?;
    for name in SITE {
        kept.site.borrow_mut().push(Held::new(site.get(name)?));
    }
    Ok(())
}

/// Has the engine call `app`'s function with the frames of new errors, or ours.
fn have_prepared<'js>(ctx: &Ctx<'js>, kept: &ErrorFunctions, app: Option<Value<'js>>) -> Result<()> {
    let function = app.or_else(|| kept.prepare.get(ctx));
    if let (Some(setter), Some(function)) = (kept.set_prepare.get(ctx), function) {
        let error = Held::new(Value::new_bool(ctx.clone(), true));
        held::call(ctx, &Held::new(setter), Some(&error), &[function])?;
    }
    Ok(())
}

fn get_prepare<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let kept = State::of(scope.ctx).extension::<ErrorFunctions>();
    Ok(kept.app_prepare.get(scope.ctx).unwrap_or_else(|| scope.undefined()))
}

fn set_prepare<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let kept = State::of(scope.ctx).extension::<ErrorFunctions>();
    let given = scope.arg(0);
    have_prepared(scope.ctx, &kept, given.is_function().then(|| given.clone()))?;
    kept.app_prepare.set(Some(given));
    Ok(scope.undefined())
}

/// What the engine calls with a new error and its frames, and keeps the result of.
fn prepare(call: &Invocation<'_>) -> qjs::JSValue {
    let [error, sites] = call.arguments else { return qjs::JS_NULL };
    // SAFETY: the engine calls with a live context; both arguments are alive for the call.
    let (ctx, error, sites) = unsafe {
        let ctx = native_call::context(call.ctx);
        let own = |raw| Value::from_raw(ctx.clone(), qjs::JS_DupValue(call.ctx, raw));
        let (error, sites) = (own(*error), own(*sites));
        (ctx, error, sites)
    };
    native_call::enter(&ctx, || {
        let kept = State::of(&ctx).extension::<ErrorFunctions>();
        let none = || Value::new_null(ctx.clone());
        // Null is kept and not asked for again: nothing is, of what is no error.
        if !error.is_object() || !sites.is_array() {
            return Ok(none());
        }
        if error.is_error() && !kept.as_text.get() {
            let is_type_error = |error: &&Object<'_>| {
                let prototype = error.get_prototype().map(|found| reflect::identity(found.as_value()));
                prototype.is_some()
                    && prototype == kept.type_error.get(&ctx).map(|known| reflect::identity(&known))
            };
            if let Some(error) = error.as_object().filter(is_type_error) {
                words::improve_new(error, || innermost(&sites));
            }
            let trace = Trace { sites: Slot::default(), text: RefCell::default() };
            trace.sites.set(Some(sites));
            return class::instance(&ctx, trace);
        }
        match kept.as_text.get() || reflect::class_name(&error) == "DOMException" {
            true => value::string(&ctx, &written(&sites)?),
            false => Ok(none()),
        }
    })
}

/// The place of the innermost of some frames, `at file:line:column`, if it has one.
fn innermost(sites: &Value<'_>) -> Option<String> {
    let site = sites.as_array()?.get::<Value>(0).ok()?;
    let file = ask(&site, 3).ok().filter(Value::is_string)?;
    let (line, column) = (ask(&site, 4).ok()?.as_int()?, ask(&site, 5).ok()?.as_int()?);
    value::with_str(&file, |file| format!("at {file}:{line}:{column}")).ok()
}

/// `Error.prototype.toString`, of an error whose message names what failed.
fn to_string<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let this = scope.this();
    this.as_object().into_iter().for_each(words::improve);
    match State::of(scope.ctx).extension::<ErrorFunctions>().to_string.get(scope.ctx) {
        Some(engine) => held::call(scope.ctx, &Held::new(engine), Some(&Held::new(this)), &[]),
        None => Ok(scope.undefined()),
    }
}

fn get<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.this().as_object().into_iter().for_each(words::improve);
    let Some(getter) = State::of(ctx).extension::<ErrorFunctions>().getter.get(ctx) else {
        return Ok(scope.undefined());
    };
    mapped(held::call(ctx, &Held::new(getter), Some(&Held::new(scope.this())), &[])?)
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
            if let Some(setter) = State::of(ctx).extension::<ErrorFunctions>().setter.get(ctx) {
                held::call(ctx, &Held::new(setter), Some(&Held::new(this)), &[given])?;
            }
        }
    }
    Ok(scope.undefined())
}

/// `Error.captureStackTrace(object, above)`: the frames above that function's, or above this one's.
fn capture<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let kept = State::of(ctx).extension::<ErrorFunctions>();
    let (Some(capture), Some(ours)) = (kept.capture.get(ctx), kept.ours.get(ctx)) else {
        return Ok(scope.undefined());
    };
    let given = scope.arg(1);
    let above = if given.is_function() { given } else { ours };
    let before = kept.as_text.replace(true);
    let done = held::call(ctx, &Held::new(capture), Some(&Held::new(scope.this())), &[scope.arg(0), above]);
    kept.as_text.set(before);
    done?;
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
