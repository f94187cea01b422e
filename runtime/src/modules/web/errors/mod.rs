//! Errors of the platform: `QuotaExceededError` (Web IDL, section 2.8.2; written in JavaScript, loaded when
//! first named), and `Error.isError`, for which a DOMException is one.
//!
//! Owns: both. Must not know: who throws.

use std::ffi::CStr;

use rquickjs::function::Constructor;
use rquickjs::{Ctx, Error, Object, Result, Value};

use crate::js::class::Static;
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::Slot;
use crate::js::natives::{Make, Natives};
use crate::js::{internal, reflect};

use super::embed;

const MODULE: &str = "jsserve:internal/errors/quota_exceeded_error";
const NAME: &str = "QuotaExceededError";

/// `DOMException` as it was before any script ran.
#[derive(Default)]
struct Parent(Slot);

/// Puts the lazy global and the function in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let globals = ctx.globals();
    State::of(ctx).extension::<Parent>().0.set(Some(globals.get("DOMException")?));
    embed::lazy_exports(ctx, MODULE, &[NAME])?;
    // The engine's own knows one class of objects.
    let error: Object = globals.get("Error")?;
    function::define(ctx, &error, c"isError", function::make::<Statics>(ctx, 0)?, false)
}

/// Throws a QuotaExceededError: `requested` of something of which there is `quota`.
pub fn quota_exceeded(ctx: &Ctx<'_>, message: &str, quota: usize, requested: usize) -> Error {
    let made = || {
        let options = Object::new(ctx.clone())?;
        options.set_prototype(None)?;
        options.set("quota", quota as f64)?;
        options.set("requested", requested as f64)?;
        internal::exports(ctx, MODULE)?.get::<_, Constructor>(NAME)?.construct::<_, Value>((message, options))
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

/// `jsserve:internal/errors/natives`.
pub struct ErrorFunctions;

impl Functions for ErrorFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[];
}

impl Natives for ErrorFunctions {
    const VALUES: &'static [(&'static CStr, Make)] = &[(c"DOMException", |ctx| {
        let parent = State::of(ctx).extension::<Parent>().0.get(ctx);
        Ok(parent.unwrap_or_else(|| Value::new_undefined(ctx.clone())))
    })];
}
