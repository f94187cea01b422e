//! Errors of the platform: `QuotaExceededError` (Web IDL, section 2.8.2; written in JavaScript, loaded when
//! first named), and `Error.isError`, for which a DOMException is one.
//!
//! Owns: both. Must not know: who throws.

use std::ffi::CStr;

use rquickjs::function::Constructor;
use rquickjs::{Ctx, Error, FromJs, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::{Held, Slot};
use crate::js::script::Script;
use crate::js::{exception, promise, reflect, value};

use super::{console, embed};

static SCRIPT: Script = Script::new(c"jsserve:quota", include_str!("quota.js"));

/// The class once it is loaded, and its parent as it was before any script ran.
#[derive(Default)]
struct ErrorClasses {
    class: Slot,
    parent: Slot,
}

/// Puts the lazy global and the function in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let globals = ctx.globals();
    State::of(ctx).extension::<ErrorClasses>().parent.set(Some(globals.get("DOMException")?));
    embed::lazy_globals(ctx, &["QuotaExceededError"], |ctx, _| class(ctx))?;
    // The engine's own knows one class of objects.
    let error: Object = globals.get("Error")?;
    function::define(ctx, &error, c"isError", function::make::<Statics>(ctx, 0)?, false)
}

fn class<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    let loaded = State::of(ctx).extension::<ErrorClasses>();
    loaded.class.get_or(ctx, || {
        let main = Held::new(SCRIPT.run(ctx)?);
        let host = Object::new(ctx.clone())?;
        function::install::<ErrorFunctions>(ctx, &host)?;
        let parent = loaded.parent.get(ctx).unwrap_or_else(|| Value::new_undefined(ctx.clone()));
        let class = promise::call(ctx, &main, None, &[host.into_value(), parent])?;
        let object = Object::from_js(ctx, class.clone())?;
        reflect::as_interface(ctx, &object, "QuotaExceededError")?;
        console::keep(
            ctx,
            &object,
            "QuotaExceededError",
            &[("QuotaExceededError", &["quota", "requested"])],
        )?;
        Ok(class)
    })
}

/// Throws a QuotaExceededError: `requested` of something of which there is `quota`.
pub fn quota_exceeded(ctx: &Ctx<'_>, message: &str, quota: usize, requested: usize) -> Error {
    let made = || {
        let options = Object::new(ctx.clone())?;
        options.set_prototype(None)?;
        options.set("quota", quota as f64)?;
        options.set("requested", requested as f64)?;
        Constructor::from_js(ctx, class(ctx)?)?.construct::<_, Value>((message, options))
    };
    match made() {
        Ok(error) => ctx.throw(error),
        Err(error) => error,
    }
}

/// Functions of `Error`.
struct Statics;

impl Functions for Statics {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"isError", 1, |scope| {
        let value = scope.arg(0);
        let is = value.is_error() || value.is_object() && reflect::class_name(&value) == "DOMException";
        Ok(Value::new_bool(scope.ctx.clone(), is))
    })];
}

/// What `quota.js` calls.
struct ErrorFunctions;

impl Functions for ErrorFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"typeError", 1, |scope| thrown(scope, exception::type_error)),
        (c"rangeError", 1, |scope| thrown(scope, exception::range_error)),
    ];
}

fn thrown<'js>(scope: &Scope<'_, 'js>, throw: fn(&Ctx<'_>, &str) -> Error) -> Result<Value<'js>> {
    Err(throw(scope.ctx, &value::to_string(&scope.arg(0))?))
}
