//! `Event`, `EventTarget`, `AbortSignal`, `AbortController` and their kin: classes written in JavaScript, loaded
//! when an app first names one.
//!
//! Owns: the functions they call, the native side of a signal. Must not know: requests. What they call survives
//! an app that patches prototypes.

use std::cell::Cell;
use std::ffi::CStr;

use rquickjs::function::Constructor;
use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::{self, Held, Slot};
use crate::js::internal;
use crate::js::natives::{Make, Natives};
use crate::js::{exception, reflect, value};

use super::{clock, embed, report, timers};

const EVENT: &str = "jsserve:internal/abort/event";
/// The module of `EventTarget`.
pub(super) const EVENT_TARGET: &str = "jsserve:internal/abort/event_target";
const ABORT_SIGNAL: &str = "jsserve:internal/abort/abort_signal";

/// `WeakRef` and its `deref`, as they were before any script ran.
#[derive(Default)]
struct WeakReferences {
    class: Slot,
    deref: Slot,
}

type Extend = for<'js> fn(&Ctx<'js>, &Object<'js>) -> Result<()>;

/// A native object that is an event target, too: what makes its class extend `EventTarget`.
#[derive(Default)]
struct Adopted {
    object: Slot,
    extend: Cell<Option<Extend>>,
}

/// Has `object` take part in events once there are some: `extend` is then called with `EventTarget`.
pub(super) fn adopt<'js>(ctx: &Ctx<'js>, object: Value<'js>, extend: Extend) {
    let adopted = State::of(ctx).extension::<Adopted>();
    adopted.object.set(Some(object));
    adopted.extend.set(Some(extend));
}

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let kept = State::of(ctx).extension::<WeakReferences>();
    let weak: Object = ctx.globals().get("WeakRef")?;
    kept.deref.set(Some(weak.get::<_, Object>("prototype")?.get("deref")?));
    kept.class.set(Some(weak.into_value()));
    embed::lazy_exports(ctx, EVENT, &["Event", "CustomEvent"])?;
    embed::lazy_exports(ctx, EVENT_TARGET, &["EventTarget"])?;
    embed::lazy_exports(ctx, ABORT_SIGNAL, &["AbortSignal", "AbortController"])
}

fn call<'js>(ctx: &Ctx<'js>, name: &str, args: &[Value<'js>]) -> Result<Value<'js>> {
    internal::call(ctx, ABORT_SIGNAL, name, args)
}

/// A new signal that only [`abort`] aborts.
///
/// # Errors
/// Out of memory.
pub fn signal<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    call(ctx, "create", &[])
}

/// A new signal that aborts when `source` does, for its reason (DOM, section 3.2.1).
///
/// # Errors
/// Out of memory.
pub fn dependent<'js>(source: &Value<'js>) -> Result<Value<'js>> {
    call(source.ctx(), "dependent", std::slice::from_ref(source))
}

/// Aborts `signal` for `reason`; without one, for an `AbortError`.
///
/// # Errors
/// Out of memory; what listeners throw is reported, not returned.
pub fn abort<'js>(ctx: &Ctx<'js>, signal: &Value<'js>, reason: Option<Value<'js>>) -> Result<()> {
    let reason = reason.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
    call(ctx, "abort", &[signal.clone(), reason]).map(drop)
}

/// Aborts `signal` for exactly this reason, `undefined` included.
///
/// # Errors
/// Out of memory; what listeners throw is reported, not returned.
pub fn abort_for<'js>(signal: &Value<'js>, reason: Value<'js>) -> Result<()> {
    call(signal.ctx(), "abort", &[signal.clone(), reason]).map(drop)
}

/// Whether `value` is an `AbortSignal`.
///
/// # Errors
/// Out of memory.
pub fn is_signal<'js>(value: &Value<'js>) -> Result<bool> {
    if !value.is_object() || !internal::is_loaded(value.ctx(), ABORT_SIGNAL) {
        return Ok(false);
    }
    Ok(call(value.ctx(), "isSignal", std::slice::from_ref(value))?.as_bool().unwrap_or(false))
}

/// The reason why `signal` is aborted; none while it is not.
///
/// # Errors
/// Out of memory.
pub fn reason<'js>(signal: &Value<'js>) -> Result<Option<Value<'js>>> {
    let ctx = signal.ctx();
    let aborted = call(ctx, "isAborted", std::slice::from_ref(signal))?.as_bool().unwrap_or(false);
    match aborted {
        true => call(ctx, "reason", std::slice::from_ref(signal)).map(Some),
        false => Ok(None),
    }
}

/// Has `algorithm` called with the reason when `signal` aborts, before its `abort` event.
///
/// # Errors
/// Out of memory.
pub fn follow<'js>(signal: &Value<'js>, algorithm: Value<'js>) -> Result<()> {
    call(signal.ctx(), "follow", &[signal.clone(), algorithm]).map(drop)
}

/// Takes back what [`follow`] did.
///
/// # Errors
/// Out of memory.
pub fn forget<'js>(signal: &Value<'js>, algorithm: Value<'js>) -> Result<()> {
    call(signal.ctx(), "forget", &[signal.clone(), algorithm]).map(drop)
}

/// A WeakRef of `value`, whatever an app made of that global.
///
/// # Errors
/// Out of memory.
pub fn weak<'js>(value: &Value<'js>) -> Result<Value<'js>> {
    let ctx = value.ctx();
    let class = State::of(ctx).extension::<WeakReferences>().class.get(ctx);
    let class = class.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
    Constructor::from_js(ctx, class)?.construct((value.clone(),))
}

/// What a WeakRef refers to, as long as that lives.
///
/// # Errors
/// TypeError for anything else.
pub fn deref<'js>(weak: &Value<'js>) -> Result<Option<Value<'js>>> {
    let ctx = weak.ctx();
    let deref = State::of(ctx).extension::<WeakReferences>().deref.get(ctx);
    let deref = Held::new(deref.unwrap_or_else(|| Value::new_undefined(ctx.clone())));
    let value = held::call(ctx, &deref, Some(&Held::new(weak.clone())), &[])?;
    Ok((!value.is_undefined()).then_some(value))
}

/// `jsserve:internal/abort/natives`.
pub struct AbortFunctions;

impl Functions for AbortFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"now", 0, |scope| Ok(Value::new_number(scope.ctx.clone(), clock::now(scope.ctx)))),
        (c"weak", 1, |scope| weak(&scope.arg(0))),
        (c"deref", 1, |scope| Ok(deref(&scope.arg(0))?.unwrap_or_else(|| scope.undefined()))),
        (c"expire", 2, |scope| {
            timers::owned(scope.ctx, scope.arg(0).as_number().unwrap_or(0.0), scope.arg(1))
        }),
        (c"getter", 1, |scope| {
            let holder = scope.arg(0);
            let name = value::string(scope.ctx, "isTrusted")?;
            match holder.as_object().map(|holder| reflect::own(holder, &name)).transpose()?.flatten() {
                Some(reflect::Property { slot: reflect::Slot::Accessor(getter, _), .. }) => Ok(getter),
                _ => Ok(scope.undefined()),
            }
        }),
        (c"unforgeable", 2, |scope| {
            if let Some(event) = scope.arg(0).as_object() {
                function::unforgeable(scope.ctx, event, c"isTrusted", scope.arg(1))?;
            }
            Ok(scope.undefined())
        }),
        (c"invokeCallback", 4, invoke),
        (c"extendAdopted", 1, |scope| {
            let adopted = State::of(scope.ctx).extension::<Adopted>();
            if let (Some(extend), Some(target)) = (adopted.extend.get(), scope.arg(0).as_object()) {
                extend(scope.ctx, target)?;
            }
            Ok(scope.undefined())
        }),
    ];
}

impl Natives for AbortFunctions {
    const VALUES: &'static [(&'static CStr, Make)] = &[(c"performance", |ctx| {
        let adopted = State::of(ctx).extension::<Adopted>().object.get(ctx);
        Ok(adopted.unwrap_or_else(|| Value::new_undefined(ctx.clone())))
    })];

    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        timers::register_owned(ctx)
    }
}

/// Calls a listener (argument 0) with `this` (1) and the event (2); an object's `handleEvent`
/// unless it is a handler attribute (3). What it throws is reported (DOM, section 2.9).
fn invoke<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let callback = scope.arg(0);
    let run = || {
        let (function, this) = match callback.is_function() {
            true => (callback.clone(), scope.arg(1)),
            false if scope.arg(3).as_bool() == Some(true) => return Ok(scope.undefined()),
            false => match callback.as_object() {
                Some(object) => (object.get("handleEvent")?, callback.clone()),
                None => return Ok(scope.undefined()),
            },
        };
        if !function.is_function() {
            return Err(exception::type_error(ctx, "handleEvent is not a function"));
        }
        held::call(ctx, &Held::new(function), Some(&Held::new(this)), &[scope.arg(2)])
    };
    let error = match run() {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    exception::raise(ctx, &error);
    let thrown = ctx.catch();
    if thrown.is_uncatchable_error() {
        return Err(ctx.throw(thrown));
    }
    report::value(ctx, &thrown, "in an event listener");
    Ok(scope.undefined())
}
