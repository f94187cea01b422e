//! The events of `globalThis` (`error`, `unhandledrejection`, `rejectionhandled`): written in
//! JavaScript (`events.js`), loaded when an app first names one.
//!
//! Owns: loading them, asking them before something is reported. Must not know: where reports go.

use std::ffi::CStr;

use rquickjs::{Ctx, FromJs, Object, Result, Symbol, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::exception::{self, Thrown};
use crate::js::function::{self, Functions};
use crate::js::held::{Held, Slot};
use crate::js::pump::Hearing;
use crate::js::script::Script;
use crate::js::{promise, reflect, value};

use super::{abort, console, embed, report};

static SCRIPT: Script = Script::new(c"jsserve:global-events", include_str!("events.js"));

const CLASSES: &[&str] = &["ErrorEvent", "PromiseRejectionEvent"];

/// What people see of the classes.
const DISPLAYED: console::Displayed = &[
    ("ErrorEvent", &["message", "filename", "lineno", "colno", "error"]),
    ("PromiseRejectionEvent", &["promise", "reason"]),
];
const FUNCTIONS: &[&str] = &["addEventListener", "removeEventListener", "dispatchEvent"];

/// The script's exports, once it is loaded.
#[derive(Default)]
struct Loaded(Slot);

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<()> {
    embed::lazy_globals(ctx, CLASSES, |ctx, name| exports(ctx)?.get(name))?;
    embed::lazy_operations(ctx, FUNCTIONS, |ctx, name| exports(ctx)?.get(name))?;
    for (index, name) in [c"onerror", c"onunhandledrejection", c"onrejectionhandled"].iter().enumerate() {
        embed::attribute::<Handlers>(ctx, name, index * 2, Some(index * 2 + 1))?;
    }
    Ok(())
}

/// The event handler attributes of the global scope.
struct Handlers;

impl Functions for Handlers {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get onerror", 0, |scope| handler(scope, "error")),
        (c"set onerror", 1, |scope| set_handler(scope, "error")),
        (c"get onunhandledrejection", 0, |scope| handler(scope, "unhandledrejection")),
        (c"set onunhandledrejection", 1, |scope| set_handler(scope, "unhandledrejection")),
        (c"get onrejectionhandled", 0, |scope| handler(scope, "rejectionhandled")),
        (c"set onrejectionhandled", 1, |scope| set_handler(scope, "rejectionhandled")),
    ];
}

/// What an attribute like `onerror` holds.
fn handler<'js>(scope: &Scope<'_, 'js>, event: &str) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    embed::of_global(scope)?;
    match State::of(ctx).extension::<Loaded>().0.is_some() {
        true => call(ctx, "handlerOf", &[value::string(ctx, event)?]),
        false => Ok(Value::new_null(ctx.clone())),
    }
}

fn set_handler<'js>(scope: &Scope<'_, 'js>, event: &str) -> Result<Value<'js>> {
    embed::of_global(scope)?;
    call(scope.ctx, "setHandlerOf", &[value::string(scope.ctx, event)?, scope.arg(0)])
}

/// The script's exports, loaded the first time; from then on rejections are heard.
fn exports<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let state = State::of(ctx);
    let made = state.extension::<Loaded>().0.get_or(ctx, || {
        let main = Held::new(SCRIPT.run(ctx)?);
        let host = Object::new(ctx.clone())?;
        function::install::<Host>(ctx, &host)?;
        host.set("global", ctx.globals())?;
        host.set("iterator", Symbol::iterator(ctx.clone()))?;
        let dom = abort::exports(ctx)?.into_value();
        let made = promise::call(ctx, &main, None, &[host.into_value(), dom])?;
        let exports = Object::from_js(ctx, made.clone())?;
        for name in CLASSES {
            let class = exports.get(*name)?;
            reflect::as_interface(ctx, &class, name)?;
            console::keep(ctx, &class, name, DISPLAYED)?;
        }
        Ok(made)
    })?;
    state.extension::<Hearing>().set(unhandled, handled_late);
    report::set_hook(state, take_exception);
    Object::from_js(ctx, made)
}

fn call<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) -> Result<Value<'js>> {
    let function = Held::new(exports(ctx)?.get(name)?);
    promise::call(ctx, &function, None, args)
}

/// Asks an event's listeners; whether one of them has prevented the report.
fn ask<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) -> bool {
    match call(ctx, name, args) {
        Ok(answer) => answer.as_bool() == Some(true),
        Err(_) => {
            drop(ctx.catch());
            false
        }
    }
}

fn unhandled<'js>(ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>) -> bool {
    ask(ctx, "unhandled", &[promise, reason])
}

fn handled_late<'js>(ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>) {
    ask(ctx, "handledLate", &[promise, reason]);
}

/// Whether the app's `error` listeners deal with an exception that nobody caught.
pub fn take_exception<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>) -> bool {
    if !State::of(ctx).extension::<Loaded>().0.is_some() || thrown.is_uncatchable_error() {
        return false;
    }
    let described = Thrown::from_value(thrown);
    // What is no error has no stack: the place is that of the call which reports it.
    let here = || {
        let _ = exception::type_error(ctx, "");
        Thrown::from_value(&ctx.catch()).location()
    };
    let (file, line, column) = described.location().or_else(here).unwrap_or_default();
    let place = || {
        let place = Object::new(ctx.clone())?;
        place.set_prototype(None)?;
        place.set("filename", file)?;
        place.set("lineno", line)?;
        place.set("colno", column)?;
        Ok::<_, rquickjs::Error>([value::string(ctx, &described.text)?, thrown.clone(), place.into_value()])
    };
    place().is_ok_and(|args| ask(ctx, "failed", &args))
}

/// What `events.js` calls.
struct Host;

impl Functions for Host {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"typeError", 1, |scope| Err(exception::type_error(scope.ctx, &value::to_string(&scope.arg(0))?))),
        (c"call", 7, run),
    ];
}

/// Calls function 0 on receiver 1 with the arguments that follow.
fn run<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let arguments: Vec<Value> = (2..scope.len()).map(|i| scope.arg(i)).collect();
    promise::call(scope.ctx, &Held::new(scope.arg(0)), Some(&Held::new(scope.arg(1))), &arguments)
}
