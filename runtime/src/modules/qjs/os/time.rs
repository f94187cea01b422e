//! `os` on time: now, cputime, sleep, sleepAsync. The timers of the module are the global ones.
//!
//! Owns: the calls. Must not know: who else waits.

use std::ffi::CStr;
use std::time::Duration;

use rquickjs::{Ctx, Result, Value};
use rustix::time::ClockId;

use super::coerce;
use crate::io::process::user_cpu;
use crate::io::{sleep, spawn};
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::{deferred, exception};
use crate::modules::web::host::{self, Host, Role};

/// A delay that is as good as for ever: more than a hundred years.
const DELAY_MS_MAX: u64 = 4_000_000_000_000;

/// The calls.
pub struct TimeCalls;

impl Functions for TimeCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"now", 0, now),
        (c"cputime", 0, cputime),
        (c"sleep", 1, sleep_here),
        (c"sleepAsync", 1, sleep_async),
    ];
}

/// `now()`: milliseconds, with fractions, of a clock that nobody sets.
fn now<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let ms = now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6;
    Ok(Value::new_float(scope.ctx.clone(), ms))
}

/// `cputime()`: the microseconds of CPU time that the process has spent outside of the kernel.
fn cputime<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    coerce::number(scope.ctx, Ok(user_cpu().as_micros() as i64))
}

fn delay(ctx: &Ctx<'_>, given: &Value<'_>) -> Result<Duration> {
    let ms = coerce::milliseconds(ctx, given, "delay")?;
    Ok(Duration::from_millis(u64::try_from(ms).unwrap_or(0).min(DELAY_MS_MAX)))
}

/// `sleep(delay)`: blocks the thread; 0, or `-EINTR` after a signal.
fn sleep_here<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let delay = delay(ctx, &scope.arg(0))?;
    if Host::role(ctx) == Role::App {
        return Err(exception::type_error(
            ctx,
            "sleep: it would block the worker; await os.sleepAsync(delay)",
        ));
    }
    let slept = host::sleep(ctx, delay)?;
    coerce::status(ctx, slept)
}

/// `sleepAsync(delay)`: a promise of undefined.
fn sleep_async<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let delay = delay(scope.ctx, &scope.arg(0))?;
    let (promise, deferred) = deferred::deferred(scope.ctx)?;
    drop(spawn(async move {
        sleep(delay).await;
        deferred.settle(|ctx| Ok(Value::new_undefined(ctx.clone())));
    }));
    Ok(promise)
}
