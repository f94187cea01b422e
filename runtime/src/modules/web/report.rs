//! `reportError`, and reporting what callbacks throw (HTML, section 8.1.4.6).
//!
//! Owns: the way from an exception to the engine's report, and who is asked before. Must not know: where
//! reports go, how events are dispatched.

use std::cell::Cell;
use std::ffi::CStr;

use rquickjs::{Ctx, Result, Value};

use crate::js::class::Static;
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::thrown::Thrown;

/// Deals with an exception that nobody caught; whether it did.
type Take = for<'js> fn(&Ctx<'js>, &Value<'js>) -> bool;

/// What hears of an exception before it is reported.
#[derive(Default)]
struct Hook(Cell<Option<Take>>);

/// From now on `take` is asked before an exception is reported.
pub(super) fn set_hook(state: &State, take: Take) {
    state.extension::<Hook>().0.set(Some(take));
}

/// Reports an exception that no caller takes; `place` says where it was thrown.
pub fn exception(ctx: &Ctx<'_>, thrown: &Thrown, place: &str) {
    let state = State::of(ctx);
    state.note(thrown);
    (state.report)(thrown, place);
}

/// Reports what was thrown, unless the app's `error` listeners deal with it.
pub fn value<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>, place: &str) {
    let take = State::of(ctx).extension::<Hook>().0.get();
    if !take.is_some_and(|take| take(ctx, thrown)) {
        exception(ctx, &Thrown::from_value(thrown), place);
    }
}

struct ReportGlobals;

impl Functions for ReportGlobals {
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
    function::install::<ReportGlobals>(ctx, &ctx.globals())
}
