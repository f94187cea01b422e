//! Error numbers as JavaScript sees them: the `Error` that an operation rejects with.
//!
//! Owns: the form of the error. Must not know: who fails.

use std::ffi::CStr;
use std::io;

use rquickjs::{Ctx, Error, Exception, Result, Value};

use crate::io::errno::{name, number, text};
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::Slot;
use crate::js::{exception, value};

/// The `valueOf` that all errors of an engine share.
#[derive(Default)]
struct ValueOf(Slot);

struct Natives;

impl Functions for Natives {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"valueOf", 0, value_of)];
}

fn value_of<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let this = scope.this();
    let Some(error) = this.as_object() else {
        return Err(exception::type_error(scope.ctx, "valueOf was called on what is no error"));
    };
    let errno = value::to_number(&error.get::<_, Value>("errno")?)?;
    Ok(Value::new_number(scope.ctx.clone(), -errno))
}

/// Throws the `Error` of a failed `call`: "recv: Connection reset by peer (ECONNRESET)", with
/// `errno` (positive), `code`, and a `valueOf` of `-errno`.
pub fn throw(ctx: &Ctx<'_>, call: &str, error: &io::Error) -> Error {
    make(ctx, call, number(error)).map_or_else(|error| error, |error| ctx.throw(error))
}

/// Throws an `Error` of that form with another `message`, number (positive) and `code`.
pub fn throw_named(ctx: &Ctx<'_>, message: &str, errno: i32, code: &str) -> Error {
    make_named(ctx, message, errno, code).map_or_else(|error| error, |error| ctx.throw(error))
}

fn make<'js>(ctx: &Ctx<'js>, call: &str, errno: i32) -> Result<Value<'js>> {
    let code = name(errno).map_or_else(|| format!("E{errno}"), str::to_owned);
    make_named(ctx, &format!("{call}: {} ({code})", text(errno)), errno, &code)
}

fn make_named<'js>(ctx: &Ctx<'js>, message: &str, errno: i32, code: &str) -> Result<Value<'js>> {
    let message = value::string(ctx, message)?;
    let error = Exception::from_message(ctx.clone(), "")?.into_object();
    // As `new Error(message)` has it: not enumerable.
    error.remove("message")?;
    let shared = State::of(ctx).extension::<ValueOf>();
    let value_of = shared.0.get_or(ctx, || function::make::<Natives>(ctx, 0))?;
    function::define(ctx, &error, c"message", message, false)?;
    function::define(ctx, &error, c"errno", Value::new_int(ctx.clone(), errno), true)?;
    function::define(ctx, &error, c"code", value::string(ctx, code)?, true)?;
    function::define(ctx, &error, c"valueOf", value_of, false)?;
    Ok(error.into_value())
}
