//! `reportError`, and reporting what callbacks throw (HTML, section 8.1.4.6).
//!
//! Owns: the way from an exception to the engine's report. Must not know: where reports go.

use std::cell::Cell;
use std::ffi::CStr;

use rquickjs::{Ctx, Result, Value};

use super::messaging;
use crate::js::class::Static;
use crate::js::engine::State;
use crate::js::exception::Thrown;
use crate::js::function::{self, Functions};
use crate::js::pump::Dealer;

/// Reports an exception that no caller takes; `place` says where it was thrown.
pub fn exception(ctx: &Ctx<'_>, thrown: &Thrown, place: &str) {
    let state = State::of(ctx);
    state.note(thrown);
    (state.report)(thrown, place);
}

/// Whether an `error` event is being dispatched: what its listeners throw is only logged.
#[derive(Default)]
struct Reporting(Cell<bool>);

/// Reports a value that was thrown: to the `error` listeners of `globalThis`, and unless one cancels
/// the event, to the engine's report.
pub fn value<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>, place: &str) {
    let described = Thrown::from_value(thrown);
    let reporting = State::of(ctx).extension::<Reporting>();
    if !thrown.is_uncatchable_error() && !reporting.0.replace(true) {
        let dealt = messaging::fire_error(ctx, &described, thrown);
        reporting.0.set(false);
        if dealt {
            return State::of(ctx).note(&described);
        }
    }
    exception(ctx, &described, place);
}

/// As [`value`], of the context's pending exception.
pub fn pending(ctx: &Ctx<'_>, place: &str) {
    value(ctx, &ctx.catch(), place);
}

struct Globals;

impl Functions for Globals {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"reportError", 1, |scope| {
        scope.require(1, "reportError")?;
        value(scope.ctx, &scope.arg(0), "reportError");
        Ok(scope.undefined())
    })];
}

/// Installs `reportError`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    State::of(ctx).extension::<Dealer>().set(messaging::fire_rejection);
    function::install::<Globals>(ctx, &ctx.globals())
}
