//! Stacks as an app reads them: with the places of the sources. What an object has as a `stack` of its
//! own has them already, whoever wrote it; the engine keeps an error's frames, which become a text on reading.
//!
//! Owns: `Error.prototype.stack` and `toString`, `Error.captureStackTrace` and `prepareStackTrace` in the engine's
//! place, what the engine calls with the frames of a new error. Must not know: where the places come from.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::fmt::Write;

use rquickjs::object::Property;
use rquickjs::{Array, Ctx, Object, Result, Value, qjs};

use super::callable::{self, Invocation};
use super::class::{self, Class, Member, Scope, Static};
use super::class_id;
use super::engine::State;
use super::function::{self, Functions};
use super::held::{Held, Slot, Tracer};
use super::{promise, reflect, value, words};

/// The engine's own functions, and ours that is called by the same name.
#[derive(Default)]
struct ErrorFunctions {
    getter: Slot,
    setter: Slot,
    to_string: Slot,
    capture: Slot,
    ours: Slot,
    /// Has the engine call a function with the frames of each new error.
    set_prepare: Slot,
    /// Ours, which it calls unless an app has one.
    prepare: Slot,
    /// The app's `Error.prepareStackTrace`.
    app_prepare: Slot,
    /// `TypeError.prototype`: the errors whose words are looked at have it.
    type_error: Slot,
    /// The methods of a CallSite, in the order of `SITE`.
    site: RefCell<Vec<Held>>,
    /// Whether a stack is made of text now, for an object that scripts watch.
    as_text: Cell<bool>,
}

/// What a frame is asked.
const SITE: [&str; 6] =
    ["getFunction", "getFunctionName", "isNative", "getFileName", "getLineNumber", "getColumnNumber"];

/// What the engine keeps inside of an error: its frames, until somebody reads their text. To write it for errors of
/// which nobody does would take longer than all else of them.
pub struct Trace {
    sites: Slot,
    text: RefCell<Option<String>>,
}

impl class_id::Of for class_id::Trace {
    type Class = Trace;
}

impl Class for Trace {
    type Id = class_id::Trace;
    const NAME: &'static CStr = c"Trace";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        self.sites.trace(tracer);
    }
}

impl Trace {
    fn text(&self, ctx: &Ctx<'_>) -> Result<String> {
        if let Some(text) = &*self.text.borrow() {
            return Ok(text.clone());
        }
        let text = written(&self.sites.get(ctx).unwrap_or_else(|| Value::new_null(ctx.clone())))?;
        *self.text.borrow_mut() = Some(text.clone());
        // They hold functions, and what those close over.
        self.sites.set(None);
        Ok(text)
    }
}

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
    let made = promise::call(ctx, &Held::new(construct), None, &arguments)?;
    let Some(getter) = kept.getter.get(ctx) else { return Ok(()) };
    let stack = promise::call(ctx, &Held::new(getter), Some(&Held::new(made)), &[])?;
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
        promise::call(ctx, &Held::new(setter), Some(&error), &[function])?;
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
        let ctx = class::context(call.ctx);
        let own = |raw| Value::from_raw(ctx.clone(), qjs::JS_DupValue(call.ctx, raw));
        let (error, sites) = (own(*error), own(*sites));
        (ctx, error, sites)
    };
    class::enter(&ctx, || {
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

/// What `SITE[index]` of a frame gives.
fn ask<'js>(site: &Value<'js>, index: usize) -> Result<Value<'js>> {
    let ctx = site.ctx();
    let kept = State::of(ctx).extension::<ErrorFunctions>();
    match kept.site.borrow().get(index) {
        Some(method) => promise::call(ctx, method, Some(&Held::new(site.clone())), &[]),
        None => Ok(Value::new_null(ctx.clone())),
    }
}

/// Frames as the engine writes them.
fn written(sites: &Value<'_>) -> Result<String> {
    let mut text = String::new();
    if let Some(sites) = sites.as_array() {
        for index in 0..sites.len() {
            write_site(&sites.get::<Value>(index)?, &mut text)?;
        }
    }
    Ok(text)
}

fn write_site(site: &Value<'_>, text: &mut String) -> Result<()> {
    let ctx = site.ctx();
    let kept = State::of(ctx).extension::<ErrorFunctions>();
    let ask = |index: usize| match kept.site.borrow().get(index) {
        Some(method) => promise::call(ctx, method, Some(&Held::new(site.clone())), &[]),
        None => Ok(Value::new_null(ctx.clone())),
    };
    let [function, name, native, file, line, column] = [ask(0)?, ask(1)?, ask(2)?, ask(3)?, ask(4)?, ask(5)?];
    let or = |value: &Value<'_>, other: &str| match value.is_string() {
        true => value::to_string(value),
        false => Ok(other.to_owned()),
    };
    let mut place = or(&file, "<null>")?;
    if let (Some(line), Some(column)) = (line.as_int(), column.as_int()) {
        let _ = write!(place, ":{line}:{column}");
    }
    let _ = match (function.is_null(), native.as_bool()) {
        // Where a text cannot be parsed.
        (true, _) => writeln!(text, "    at {place}"),
        (_, Some(true)) => writeln!(text, "    at {} (native)", or(&name, "<anonymous>")?),
        _ => writeln!(text, "    at {} ({place})", or(&name, "<anonymous>")?),
    };
    Ok(())
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
    match unmapped(&stack)? {
        Some(text) => value::string(stack.ctx(), &map_stack(stack.ctx(), text)),
        None => Ok(stack),
    }
}

/// The text of a stack, of what the engine keeps or a string, with the places of what runs.
///
/// # Errors
/// Out of memory.
pub fn unmapped(stack: &Value<'_>) -> Result<Option<String>> {
    match class::get::<Trace>(stack) {
        Some(trace) => trace.text(stack.ctx()).map(Some),
        None if stack.is_string() => value::to_string(stack).map(Some),
        None => Ok(None),
    }
}

/// The stack that the engine keeps inside of an error, with the places of what runs.
pub(super) fn raw(error: &Object<'_>) -> Option<String> {
    let ctx = error.ctx();
    let kept = State::of(ctx).extension::<ErrorFunctions>().getter.get(ctx);
    let stack = match kept {
        Some(getter) => {
            promise::call(ctx, &Held::new(getter), Some(&Held::new(error.as_value().clone())), &[])
        }
        None => error.get("stack"),
    };
    match stack.and_then(|stack| unmapped(&stack)) {
        Ok(text) => text,
        Err(_) => {
            drop(ctx.catch());
            None
        }
    }
}

/// Whether the engine keeps nothing inside of `error` yet: it is being made.
pub(super) fn is_new(error: &Object<'_>) -> bool {
    let ctx = error.ctx();
    let Some(getter) = State::of(ctx).extension::<ErrorFunctions>().getter.get(ctx) else { return false };
    let stack = promise::call(ctx, &Held::new(getter), Some(&Held::new(error.as_value().clone())), &[]);
    stack.is_ok_and(|stack| stack.is_undefined())
}

/// Whether `object` has a `stack` of its own as the engine has written it: DOMExceptions do.
pub fn is_raw(object: &Object<'_>) -> bool {
    reflect::class_name(object.as_value()) == "DOMException"
}

/// `Error.prototype.toString`, of an error whose message names what failed.
fn to_string<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let this = scope.this();
    this.as_object().into_iter().for_each(words::improve);
    match State::of(scope.ctx).extension::<ErrorFunctions>().to_string.get(scope.ctx) {
        Some(engine) => promise::call(scope.ctx, &Held::new(engine), Some(&Held::new(this)), &[]),
        None => Ok(scope.undefined()),
    }
}

fn get<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.this().as_object().into_iter().for_each(words::improve);
    let Some(getter) = State::of(ctx).extension::<ErrorFunctions>().getter.get(ctx) else {
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
            if let Some(setter) = State::of(ctx).extension::<ErrorFunctions>().setter.get(ctx) {
                promise::call(ctx, &Held::new(setter), Some(&Held::new(this)), &[given])?;
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
    let done =
        promise::call(ctx, &Held::new(capture), Some(&Held::new(scope.this())), &[scope.arg(0), above]);
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
