//! User Timing and the Performance Timeline: classes written in JavaScript, loaded when an app first marks
//! something or names one of them.
//!
//! Owns: the bounds of what they keep, the functions they call. Must not know: the clock, how tasks are run.

use std::ffi::CStr;

use rquickjs::{Ctx, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::held::{self, Held};
use crate::js::natives::{Make, Natives};
use crate::js::{clone, exception, internal, reflect, value};
use crate::modules::web::{embed, iterate, report};

/// Marks, and measures, that an engine keeps: an app that marks for ever does not grow. The oldest go.
pub const ENTRIES_MAX: u32 = 10_000;
/// Observers of an engine.
pub const OBSERVERS_MAX: u32 = 1_000;

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    let entries = &["PerformanceEntry", "PerformanceMark", "PerformanceMeasure"];
    embed::lazy_exports(ctx, "jsserve:internal/performance/entry", entries)?;
    let observers = &["PerformanceObserver", "PerformanceObserverEntryList"];
    embed::lazy_exports(ctx, "jsserve:internal/performance/observer", observers)
}

/// Calls the function `name` of `timeline.js` with the scope's arguments, of which `required` must be there.
///
/// # Errors
/// What it throws.
pub(super) fn call<'js>(scope: &Scope<'_, 'js>, name: &str, required: usize) -> Result<Value<'js>> {
    scope.require(required, &format!("Performance.{name}"))?;
    let arguments: Vec<Value> = (0..scope.len()).map(|i| scope.arg(i)).collect();
    internal::call(scope.ctx, "jsserve:internal/performance/timeline", name, &arguments)
}

/// `jsserve:internal/performance/natives`.
pub struct TimelineFunctions;

impl Functions for TimelineFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"now", 0, |scope| Ok(Value::new_number(scope.ctx.clone(), super::now(scope.ctx)))),
        (c"cloneDetail", 1, |scope| Ok(clone::clone_and_transfer(scope.ctx, &scope.arg(0), &[])?.0)),
        (c"invokeObserver", 4, invoke),
    ];
}

impl Natives for TimelineFunctions {
    const VALUES: &'static [(&'static CStr, Make)] = &[
        (c"entriesMax", |ctx| Ok(Value::new_number(ctx.clone(), ENTRIES_MAX.into()))),
        (c"observersMax", |ctx| Ok(Value::new_number(ctx.clone(), OBSERVERS_MAX.into()))),
        (c"supportedEntryTypes", |ctx| {
            let types = ["mark", "measure"].into_iter().map(|name| value::string(ctx, name));
            let types = iterate::array(ctx, types)?;
            reflect::freeze(&types)?;
            Ok(types)
        }),
    ];
}

/// Calls callback 0 on observer 1 with its entries (2), itself and the options (3); what it throws is
/// reported.
fn invoke<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (callback, observer) = (Held::new(scope.arg(0)), Held::new(scope.arg(1)));
    let arguments = [scope.arg(2), scope.arg(1), scope.arg(3)];
    let Err(error) = held::call(ctx, &callback, Some(&observer), &arguments) else {
        return Ok(scope.undefined());
    };
    exception::raise(ctx, &error);
    let thrown = ctx.catch();
    if thrown.is_uncatchable_error() {
        return Err(ctx.throw(thrown));
    }
    report::value(ctx, &thrown, "in a PerformanceObserver");
    Ok(scope.undefined())
}
