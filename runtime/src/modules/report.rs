//! `reportError`, and reporting what callbacks throw (HTML, section 8.1.4.6).
//!
//! Owns: the way from an exception to the engine's report. Must not know: where reports go.

use std::ffi::CStr;

use rquickjs::{Ctx, Result};

use crate::js::class::Static;
use crate::js::engine::State;
use crate::js::exception::Thrown;
use crate::js::function::{self, Functions};

/// Reports an exception that no caller takes; `place` says where it was thrown.
pub fn exception(ctx: &Ctx<'_>, thrown: &Thrown, place: &str) {
    let state = State::of(ctx);
    state.note(thrown);
    (state.report)(thrown, place);
}

struct Globals;

impl Functions for Globals {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"reportError", 1, |scope| {
        scope.require(1, "reportError")?;
        exception(scope.ctx, &Thrown::from_value(&scope.arg(0)), "reportError");
        Ok(scope.undefined())
    })];
}

/// Installs `reportError`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    function::install::<Globals>(ctx, &ctx.globals())
}
