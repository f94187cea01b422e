//! `setTimeout`, `setInterval` and their clearing (HTML, section 8.6).
//!
//! Owns: the four globals and their conversions. The live timers are in `list`, what waits for
//! them in `driver`. Must not know: what callbacks do. A string handler is not compiled: it is a
//! TypeError.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use rquickjs::{Coerced, Ctx, FromJs, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::exception;
use crate::js::function::{self, Functions};
use crate::js::held::Held;

mod driver;
mod list;

use list::{Timer, Timers};

/// Timers that may be live in one engine; beyond: RangeError.
pub const TIMERS_MAX: usize = 100_000;
/// Shortest time of a timer set by a timer set by a timer, more than five deep.
const NESTED_MIN: Duration = Duration::from_millis(4);

/// The four functions; `os` exports them too.
pub struct Globals;

impl Functions for Globals {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"setTimeout", 1, |scope| set(scope, "setTimeout", false)),
        (c"setInterval", 1, |scope| set(scope, "setInterval", true)),
        (c"clearTimeout", 0, clear),
        (c"clearInterval", 0, clear),
    ];
}

/// Installs the four functions.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let globals = ctx.globals();
    // The engine's own, but enumerable as Web IDL has it.
    let microtask: Value = globals.get("queueMicrotask")?;
    function::define(ctx, &globals, c"queueMicrotask", microtask, true)?;
    function::install::<Globals>(ctx, &globals)
}

/// Calls `function` once after `ms` milliseconds; nothing clears it.
///
/// # Errors
/// RangeError where too many timers are live.
pub fn after<'js>(ctx: &Ctx<'js>, ms: f64, function: Value<'js>) -> Result<()> {
    // Ages are as good as never, and an Instant cannot say never.
    let delay = Duration::from_millis(ms.clamp(0.0, 4e12) as u64);
    start(ctx, delay, None, Held::new(function), Vec::new(), true).map(drop)
}

fn set<'js>(scope: &Scope<'_, 'js>, what: &str, repeat: bool) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.require(1, what)?;
    let callback = scope.arg(0);
    if !callback.is_function() {
        let text = format!("{what}: the handler is not a function (strings are not compiled)");
        return Err(exception::type_error(ctx, &text));
    }
    let ms = Coerced::<i32>::from_js(ctx, scope.arg(1))?.0;
    let arguments = (2..scope.len()).map(|i| Held::new(scope.arg(i))).collect();
    let delay = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let id = start(ctx, delay, repeat.then_some(delay), Held::new(callback), arguments, false)?;
    Ok(Value::new_number(ctx.clone(), id as f64))
}

fn start(
    ctx: &Ctx<'_>,
    delay: Duration,
    period: Option<Duration>,
    callback: Held,
    arguments: Vec<Held>,
    internal: bool,
) -> Result<u64> {
    let state = State::of(ctx);
    let timers = state.extension::<Timers>();
    if timers.len() >= TIMERS_MAX {
        return Err(exception::range_error(ctx, "more than 100,000 timers are live"));
    }
    let nesting = timers.nesting();
    let timer =
        Timer { callback: callback.into(), arguments: arguments.into(), period, nesting: nesting + 1 };
    let id = timers.add(timer, Instant::now() + clamped(delay, nesting), internal, state.alive());
    driver::see_to(state, &timers);
    Ok(id)
}

/// Step 5 of the timer initialisation steps.
fn clamped(delay: Duration, nesting: u32) -> Duration {
    if nesting > 5 { delay.max(NESTED_MIN) } else { delay }
}

fn clear<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let id = Coerced::<i32>::from_js(scope.ctx, scope.arg(0))?.0;
    if let Ok(id) = u64::try_from(id) {
        drop(State::of(scope.ctx).extension::<Timers>().remove(id));
    }
    Ok(scope.undefined())
}
