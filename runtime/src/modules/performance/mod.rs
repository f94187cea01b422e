//! `performance` (High Resolution Time, W3C): a monotonic clock in milliseconds.
//!
//! Owns: the time origin of each engine. Must not know: timers.

use std::ffi::CStr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::engine::State;
use crate::js::function;

/// When the engine began, on both clocks.
struct Origin {
    monotonic: Instant,
    /// Milliseconds since 1970.
    wall_ms: f64,
}

impl Default for Origin {
    fn default() -> Origin {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Origin { monotonic: Instant::now(), wall_ms: micros(wall.as_secs_f64() * 1000.0) }
    }
}

/// Cut to whole microseconds, the resolution that the specification allows everybody.
fn micros(ms: f64) -> f64 {
    (ms * 1000.0).floor() / 1000.0
}

/// Milliseconds since the engine began.
pub fn now(ctx: &Ctx<'_>) -> f64 {
    let origin = State::of(ctx).extension::<Origin>();
    micros(origin.monotonic.elapsed().as_secs_f64() * 1000.0)
}

/// The `performance` object: it has no state.
pub struct Performance;

impl Class for Performance {
    const ID: u32 = 130;
    const NAME: &'static CStr = c"Performance";
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"now", 0, |_, scope| Ok(Value::new_number(scope.ctx.clone(), now(scope.ctx)))),
        Member::Get(c"timeOrigin", |_, scope| Ok(time_origin(scope))),
        Member::Method(c"toJSON", 0, |_, scope| {
            let object = Object::new(scope.ctx.clone())?;
            function::define(scope.ctx, &object, c"timeOrigin", time_origin(scope), true)?;
            Ok(object.into_value())
        }),
    ];
}

fn time_origin<'js>(scope: &Scope<'_, 'js>) -> Value<'js> {
    Value::new_number(scope.ctx.clone(), State::of(scope.ctx).extension::<Origin>().wall_ms)
}

/// Starts the clock and replaces the engine's own `performance`, whose origin is no wall time.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let _ = State::of(ctx).extension::<Origin>();
    class::register::<Performance>(ctx)?;
    let object = class::instance(ctx, Performance)?;
    function::define(ctx, &ctx.globals(), c"performance", object, true)
}
