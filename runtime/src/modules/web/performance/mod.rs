//! `performance` (High Resolution Time, W3C): a monotonic clock in milliseconds.
//!
//! Owns: the object and its class, its place among the event targets, which it takes when their script
//! is loaded. Must not know: timers, how events are dispatched.

use std::ffi::CStr;

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::Slot;
use crate::js::{internal, reflect};

use super::clock::{self, now};
use super::{abort, embed};

pub mod timeline;

/// The `performance` object: it has no state.
pub struct Performance;

impl class_id::Of for class_id::Performance {
    type Class = Performance;
}

impl Class for Performance {
    type Id = class_id::Performance;
    const NAME: &'static CStr = c"Performance";
    const GLOBAL: bool = false;
    const DISPLAY: Option<Display> = Some(Display::Attributes(&["timeOrigin"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"now", 0, |_, scope| Ok(Value::new_number(scope.ctx.clone(), now(scope.ctx)))),
        Member::Get(c"timeOrigin", |_, scope| Ok(time_origin(scope))),
        Member::Method(c"clearMarks", 0, |_, scope| timeline::call(scope, "clearMarks", 0)),
        Member::Method(c"clearMeasures", 0, |_, scope| timeline::call(scope, "clearMeasures", 0)),
        Member::Method(c"getEntries", 0, |_, scope| timeline::call(scope, "getEntries", 0)),
        Member::Method(c"getEntriesByName", 1, |_, scope| timeline::call(scope, "getEntriesByName", 1)),
        Member::Method(c"getEntriesByType", 1, |_, scope| timeline::call(scope, "getEntriesByType", 1)),
        Member::Method(c"mark", 1, |_, scope| timeline::call(scope, "mark", 1)),
        Member::Method(c"measure", 1, |_, scope| timeline::call(scope, "measure", 1)),
        Member::Method(c"toJSON", 0, |_, scope| {
            let object = Object::new(scope.ctx.clone())?;
            function::define(scope.ctx, &object, c"timeOrigin", time_origin(scope), true)?;
            Ok(object.into_value())
        }),
    ];

    fn parent<'js>(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let kept = State::of(ctx).extension::<PerformanceObjects>();
        Ok(kept.stand_in.get(ctx).and_then(Value::into_object))
    }
}

/// The object, its class, and what stands for `EventTarget.prototype` until there is one.
#[derive(Default)]
struct PerformanceObjects {
    object: Slot,
    class: Slot,
    stand_in: Slot,
}

/// The members of `EventTarget.prototype` before its script is loaded: whoever reads or writes one
/// has it loaded.
struct StandIn;

impl Functions for StandIn {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get addEventListener", 0, |scope| inherited(scope, "addEventListener")),
        (c"get removeEventListener", 0, |scope| inherited(scope, "removeEventListener")),
        (c"get dispatchEvent", 0, |scope| inherited(scope, "dispatchEvent")),
        (c"set addEventListener", 1, |scope| written(scope, "addEventListener")),
        (c"set removeEventListener", 1, |scope| written(scope, "removeEventListener")),
        (c"set dispatchEvent", 1, |scope| written(scope, "dispatchEvent")),
    ];
}

fn inherited<'js>(scope: &Scope<'_, 'js>, name: &str) -> Result<Value<'js>> {
    let class: Object = internal::exports(scope.ctx, abort::EVENT_TARGET)?.get("EventTarget")?;
    class.get::<_, Object>("prototype")?.get(name)
}

fn written<'js>(scope: &Scope<'_, 'js>, name: &str) -> Result<Value<'js>> {
    internal::exports(scope.ctx, abort::EVENT_TARGET)?;
    if let Some(this) = scope.this().as_object() {
        this.set(name, scope.arg(0))?;
    }
    Ok(scope.undefined())
}

/// Makes `Performance` a class that extends `target`, the class `EventTarget`, now that it is there.
fn extend<'js>(ctx: &Ctx<'js>, target: &Object<'js>) -> Result<()> {
    let kept = State::of(ctx).extension::<PerformanceObjects>();
    let (Some(class), Some(stand_in)) = (kept.class.get(ctx), kept.stand_in.get(ctx)) else { return Ok(()) };
    kept.stand_in.set(None);
    let Some(class) = class.as_object() else { return Ok(()) };
    class.set_prototype(Some(target))?;
    // Where an app has given it another prototype, that stays.
    let prototype: Object = class.get("prototype")?;
    let parent = prototype.get_prototype();
    if parent.is_some_and(|is| reflect::identity(is.as_value()) == reflect::identity(&stand_in)) {
        prototype.set_prototype(Some(&target.get("prototype")?))?;
    }
    Ok(())
}

/// The `performance` object.
fn object<'js>(ctx: &Ctx<'js>) -> Value<'js> {
    let kept = State::of(ctx).extension::<PerformanceObjects>();
    kept.object.get(ctx).unwrap_or_else(|| Value::new_undefined(ctx.clone()))
}

fn time_origin<'js>(scope: &Scope<'_, 'js>) -> Value<'js> {
    Value::new_number(scope.ctx.clone(), clock::origin(scope.ctx))
}

/// Starts the clock and replaces the engine's own `performance`, whose origin is no wall time.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    clock::start(ctx);
    let kept = State::of(ctx).extension::<PerformanceObjects>();
    let stand_in = Object::new(ctx.clone())?;
    for (index, name) in [c"addEventListener", c"removeEventListener", c"dispatchEvent"].iter().enumerate() {
        let get = function::make::<StandIn>(ctx, index)?;
        let set = function::make::<StandIn>(ctx, index + 3)?;
        function::attribute(ctx, &stand_in, name, get, Some(set), true)?;
    }
    kept.stand_in.set(Some(stand_in.into_value()));
    kept.class.set(Some(class::register_unlisted::<Performance>(ctx)?));
    let object = class::instance(ctx, Performance)?;
    kept.object.set(Some(object.clone()));
    abort::adopt(ctx, object, extend);
    embed::lazy_globals(ctx, &["Performance"], |ctx, _| {
        internal::exports(ctx, abort::EVENT_TARGET)?;
        let class = State::of(ctx).extension::<PerformanceObjects>().class.get(ctx);
        Ok(class.unwrap_or_else(|| Value::new_undefined(ctx.clone())))
    })?;
    timeline::install(ctx)?;
    embed::attribute::<PerformanceGlobal>(ctx, c"performance", 0, Some(1))
}

/// `[Replaceable] readonly attribute Performance performance` of WindowOrWorkerGlobalScope.
struct PerformanceGlobal;

impl Functions for PerformanceGlobal {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"get performance", 0, |scope| embed::of_global(scope).map(|()| object(scope.ctx))),
        (c"set performance", 1, |scope| embed::replaceable(scope, c"performance")),
    ];
}
