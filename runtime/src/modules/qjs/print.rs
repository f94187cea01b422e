//! `print` and `gc`, which scripts have beyond the globals of an app, and where a script's console
//! goes.
//!
//! Owns: the two globals, what a script's further threads begin with. Must not know: formats, how the
//! standard streams are written.

use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result};

use super::std::standard::{self, Number};
use crate::js::class::Static;
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::value;
use crate::modules::web::console::{Level, Output};
use crate::modules::web::host;

struct PrintGlobals;

impl Functions for PrintGlobals {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"print", 1, |scope| {
            let mut line = String::new();
            for index in 0..scope.len() {
                line.push_str(if index > 0 { " " } else { "" });
                let argument = scope.arg(index);
                // As in quickjs-ng, printing does not throw: module namespaces have no string.
                if value::with_str(&argument, |text| line.push_str(text)).is_err() {
                    let thrown = scope.ctx.catch();
                    if thrown.is_uncatchable_error() {
                        return Err(scope.ctx.throw(thrown));
                    }
                    line.push_str(if argument.is_object() { "[object Object]" } else { "<exception>" });
                }
            }
            line.push('\n');
            standard::print(State::of(scope.ctx), Number::Out, line.as_bytes());
            Ok(scope.undefined())
        }),
        (c"gc", 0, |scope| {
            scope.ctx.run_gc();
            Ok(scope.undefined())
        }),
    ];
}

/// Gives a script's Worker what its script has: the standard streams, both globals.
///
/// # Errors
/// Out of memory.
pub fn thread_of_script(ctx: &Ctx<'_>) -> Result<()> {
    let state = State::of(ctx);
    for fd in 0..=2 {
        standard::inherit(state, fd);
    }
    let files = state.engine();
    host::at_exit(state, move || {
        if let Some(engine) = files.upgrade() {
            standard::flush_all(engine.state());
        }
    });
    install(ctx)
}

/// Installs both, and sends the console to the standard streams, in order with `std.out`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let state = State::of(ctx);
    let engine = state.engine();
    state.extension::<Output>().redirect(Rc::new(move |level, text| {
        let Some(engine) = engine.upgrade() else { return };
        let number = match level {
            Level::Debug | Level::Info => Number::Out,
            Level::Warn | Level::Error => Number::Err,
        };
        standard::print(engine.state(), number, text.as_bytes());
    }));
    function::install::<PrintGlobals>(ctx, &ctx.globals())
}
