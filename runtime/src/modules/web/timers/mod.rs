//! `setTimeout`, `setInterval` and their clearing (HTML, section 8.6).
//!
//! Owns: the four globals and their conversions. The live timers are in `list`, what waits for
//! them in `driver`. Must not know: what callbacks do. A string handler is not compiled: it is a
//! TypeError.

use std::ffi::CStr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use rquickjs::{Coerced, Ctx, FromJs, Result, Value};

use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::exception;
use crate::js::function::{self, Functions};
use crate::js::held::{Held, Tracer};

mod driver;
mod list;

use list::{Timer, Timers};

/// Timers that may be live in one engine; beyond: RangeError.
pub const TIMERS_MAX: usize = 100_000;
/// Shortest time of a timer set by a timer set by a timer, more than five deep. In an app, those have no more
/// than half of a worker's time.
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

/// A timer that ends with the object which stands for it.
pub struct Owned {
    timers: Weak<Timers>,
    id: u64,
    /// The timer's own, so that the collector of cycles sees it.
    callback: Rc<Held>,
}

impl class_id::Of for class_id::TimerHold {
    type Class = Owned;
}

impl Class for Owned {
    type Id = class_id::TimerHold;
    const NAME: &'static CStr = c"Timer";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        tracer.mark(&self.callback);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        drop(self.timers.upgrade().and_then(|timers| timers.remove(self.id)));
    }
}

/// Registers what [`owned`] gives.
///
/// # Errors
/// Out of memory.
pub fn register_owned(ctx: &Ctx<'_>) -> Result<()> {
    class::register_unlisted::<Owned>(ctx).map(drop)
}

/// Calls `function` once after `ms` milliseconds, unless the object that this gives is collected before: a
/// script keeps it and never sees it. It does not keep a script alive.
///
/// # Errors
/// RangeError where too many timers are live.
pub fn owned<'js>(ctx: &Ctx<'js>, ms: f64, function: Value<'js>) -> Result<Value<'js>> {
    // Ages are as good as never, and an Instant cannot say never.
    let delay = Duration::from_millis(ms.clamp(0.0, 4e12) as u64);
    let callback = Rc::new(Held::new(function));
    let id = start(ctx, delay, None, callback.clone(), Vec::new(), true)?;
    let timers = Rc::downgrade(&State::of(ctx).extension::<Timers>());
    class::instance(ctx, Owned { timers, id, callback })
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
    let id = start(ctx, delay, repeat.then_some(delay), Held::new(callback).into(), arguments, false)?;
    Ok(Value::new_number(ctx.clone(), id as f64))
}

fn start(
    ctx: &Ctx<'_>,
    delay: Duration,
    period: Option<Duration>,
    callback: Rc<Held>,
    arguments: Vec<Held>,
    internal: bool,
) -> Result<u64> {
    let state = State::of(ctx);
    let timers = state.extension::<Timers>();
    if timers.len() >= TIMERS_MAX
        && let Some(engine) = state.engine().upgrade()
    {
        // Some may belong to what is garbage.
        engine.collect_within();
    }
    if timers.len() >= TIMERS_MAX {
        return Err(exception::range_error(ctx, "more than 100,000 timers are live"));
    }
    let nesting = timers.nesting();
    let timer = Timer { callback, arguments: arguments.into(), period, nesting: nesting + 1 };
    let id = timers.add(timer, Instant::now() + clamped(delay, nesting), internal, state.alive());
    driver::see_to(state, &timers);
    Ok(id)
}

/// Step 5 of the timer initialisation steps.
fn clamped(delay: Duration, nesting: u32) -> Duration {
    if nesting > list::NESTED_FROM { delay.max(NESTED_MIN) } else { delay }
}

fn clear<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let id = Coerced::<i32>::from_js(scope.ctx, scope.arg(0))?.0;
    if let Ok(id) = u64::try_from(id) {
        drop(State::of(scope.ctx).extension::<Timers>().remove(id));
    }
    Ok(scope.undefined())
}
