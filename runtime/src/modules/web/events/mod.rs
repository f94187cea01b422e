//! The events of `globalThis` (`error`, `unhandledrejection`, `rejectionhandled`): written in JavaScript
//! (`global_events.js`), loaded when an app first names one.
//!
//! Owns: asking them before something is reported. Must not know: where reports go.

use std::ffi::CStr;

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::exception;
use crate::js::function::Functions;
use crate::js::internal;
use crate::js::natives::{Make, Natives};
use crate::js::pump::Hearing;
use crate::js::thrown::Thrown;
use crate::js::value;

use super::{embed, report};

const GLOBAL_EVENTS: &str = "jsserve:internal/events/global_events";

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<()> {
    embed::lazy_exports(ctx, GLOBAL_EVENTS, &["ErrorEvent", "PromiseRejectionEvent"])?;
    let operations = &["addEventListener", "removeEventListener", "dispatchEvent"];
    embed::lazy_operations(ctx, GLOBAL_EVENTS, operations)?;
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
    match internal::is_loaded(ctx, GLOBAL_EVENTS) {
        true => call(ctx, "handlerOf", &[value::string(ctx, event)?]),
        false => Ok(Value::new_null(ctx.clone())),
    }
}

fn set_handler<'js>(scope: &Scope<'_, 'js>, event: &str) -> Result<Value<'js>> {
    embed::of_global(scope)?;
    call(scope.ctx, "setHandlerOf", &[value::string(scope.ctx, event)?, scope.arg(0)])
}

fn call<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) -> Result<Value<'js>> {
    internal::call(ctx, GLOBAL_EVENTS, name, args)
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
    if !internal::is_loaded(ctx, GLOBAL_EVENTS) || thrown.is_uncatchable_error() {
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

/// `jsserve:internal/events/natives`.
pub struct EventFunctions;

impl Functions for EventFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        // From now on rejections are heard, and what nobody catches.
        (c"hear", 0, |scope| {
            let state = State::of(scope.ctx);
            state.extension::<Hearing>().set(unhandled, handled_late);
            report::set_hook(state, take_exception);
            Ok(scope.undefined())
        }),
    ];
}

impl Natives for EventFunctions {
    const VALUES: &'static [(&'static CStr, Make)] = &[(c"global", |ctx| Ok(ctx.globals().into_value()))];
}
