//! User Timing and the Performance Timeline: classes written in JavaScript (`timeline.js`), loaded when
//! an app first marks something or names one of them.
//!
//! Owns: loading them, the bounds of what they keep, the functions they call. Must not know: the clock,
//! how tasks are run.

use std::ffi::CStr;

use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::{Held, Slot};
use crate::js::script::Script;
use crate::js::{clone, exception, promise, reflect, value};
use crate::modules::web::{console, embed, iterate, messaging, report};

static SCRIPT: Script = Script::new(c"jsserve:performance-timeline", include_str!("timeline.js"));

/// What console shows of its classes.
const DISPLAYED: console::Displayed = &[
    ("PerformanceEntry", &["name", "entryType", "startTime", "duration"]),
    ("PerformanceMark", &["detail"]),
    ("PerformanceMeasure", &["detail"]),
];

const NAMES: &[&str] = &[
    "PerformanceEntry",
    "PerformanceMark",
    "PerformanceMeasure",
    "PerformanceObserver",
    "PerformanceObserverEntryList",
];

/// Marks, and measures, that an engine keeps: an app that marks for ever does not grow. The oldest go.
pub const ENTRIES_MAX: u32 = 10_000;
/// Observers of an engine.
pub const OBSERVERS_MAX: u32 = 1_000;

/// The loaded classes, one set per engine.
#[derive(Default)]
struct TimelineClasses(Slot);

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_globals(ctx, NAMES, |ctx, name| exports(ctx)?.get(name))
}

/// The script's exports, loaded the first time.
fn exports<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let made = State::of(ctx).extension::<TimelineClasses>().0.get_or(ctx, || {
        let host = Object::new(ctx.clone())?;
        function::install::<TimelineFunctions>(ctx, &host)?;
        host.set("entriesMax", ENTRIES_MAX)?;
        host.set("observersMax", OBSERVERS_MAX)?;
        let types = ["mark", "measure"].into_iter().map(|name| value::string(ctx, name));
        let types = iterate::array(ctx, types)?;
        reflect::freeze(&types)?;
        host.set("supported", types)?;
        let main = Held::new(SCRIPT.run(ctx)?);
        let exports = Object::from_js(ctx, promise::call(ctx, &main, None, &[host.into_value()])?)?;
        for name in NAMES {
            let class = exports.get(*name)?;
            reflect::as_interface(ctx, &class, name)?;
            console::keep(ctx, &class, name, DISPLAYED)?;
        }
        Ok(exports.into_value())
    })?;
    Object::from_js(ctx, made)
}

/// Calls the function `name` of the script with the scope's arguments, of which `required` must be there.
///
/// # Errors
/// What it throws.
pub(super) fn call<'js>(scope: &Scope<'_, 'js>, name: &str, required: usize) -> Result<Value<'js>> {
    scope.require(required, &format!("Performance.{name}"))?;
    let function = Held::new(exports(scope.ctx)?.get(name)?);
    let arguments: Vec<Value> = (0..scope.len()).map(|i| scope.arg(i)).collect();
    promise::call(scope.ctx, &function, None, &arguments)
}

/// What `timeline.js` calls.
struct TimelineFunctions;

/// Throws the DOMException `name` with message 0.
fn thrown<'js>(scope: &Scope<'_, 'js>, name: &str) -> Result<Value<'js>> {
    Err(exception::dom_exception(scope.ctx, name, &value::to_string(&scope.arg(0))?))
}

impl Functions for TimelineFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"now", 0, |scope| Ok(Value::new_number(scope.ctx.clone(), super::now(scope.ctx)))),
        (c"typeError", 1, |scope| Err(exception::type_error(scope.ctx, &value::to_string(&scope.arg(0))?))),
        (c"syntaxError", 1, |scope| thrown(scope, "SyntaxError")),
        (c"invalidModification", 1, |scope| thrown(scope, "InvalidModificationError")),
        (c"quotaExceeded", 1, |scope| thrown(scope, "QuotaExceededError")),
        (c"clone", 1, |scope| Ok(clone::clone_and_transfer(scope.ctx, &scope.arg(0), &[])?.0)),
        (c"isIterable", 1, |scope| {
            let list = scope.arg(0);
            let method = list.as_object().map(iterate::method).transpose()?.flatten();
            Ok(Value::new_bool(scope.ctx.clone(), method.is_some()))
        }),
        (c"array", 1, |scope| {
            let list = Object::from_js(scope.ctx, scope.arg(0))?;
            iterate::array(scope.ctx, (0..list.get::<_, u32>("n")?).map(|index| list.get(index)))
        }),
        (c"task", 1, |scope| {
            messaging::task(scope.ctx, scope.arg(0));
            Ok(scope.undefined())
        }),
        (c"invoke", 4, invoke),
    ];
}

/// Calls callback 0 on observer 1 with its entries (2), itself and the options (3); what it throws is
/// reported.
fn invoke<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let (callback, observer) = (Held::new(scope.arg(0)), Held::new(scope.arg(1)));
    let arguments = [scope.arg(2), scope.arg(1), scope.arg(3)];
    let Err(error) = promise::call(ctx, &callback, Some(&observer), &arguments) else {
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
