//! The clock that scripts read (High Resolution Time, W3C): monotonic, in milliseconds.
//!
//! Owns: the time origin of each engine. Must not know: who reads it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rquickjs::Ctx;

use crate::js::engine::State;

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

/// Starts the engine's clock, unless it runs already.
pub(super) fn start(ctx: &Ctx<'_>) {
    let _ = State::of(ctx).extension::<Origin>();
}

/// When the engine began, in milliseconds since 1970.
pub(super) fn origin(ctx: &Ctx<'_>) -> f64 {
    State::of(ctx).extension::<Origin>().wall_ms
}

/// Milliseconds since the engine began.
pub(super) fn now(ctx: &Ctx<'_>) -> f64 {
    let origin = State::of(ctx).extension::<Origin>();
    micros(origin.monotonic.elapsed().as_secs_f64() * 1000.0)
}
