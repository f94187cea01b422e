//! Methods of arrays on arrays and array-likes with absurd lengths, which the engine walks through for ever. It gets an
//! object in their place, whose traps do what it asks of them, and look at the clock.
//!
//! Owns: which lengths are absurd, the traps. Must not know: what the methods do; that is the engine's own code.

use std::cell::Cell;
use std::ffi::CStr;

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Ctx, Object, Result, Value, qjs};

use super::super::callable::Invocation;
use super::super::class::{self, Class, Member};
use super::super::class_id;
use super::super::held::{Held, Tracer};
use super::super::native_call::{Scope, leak};
use super::super::state::State;
use super::super::value::fresh;
use super::super::{reflect, value};
use super::{Decision, Peek, argument, carefully, is_object, length, peek, well_known};

/// The methods that ask for no interrupt while they walk.
pub(super) const NAMES: [&CStr; 12] = [
    c"concat",
    c"copyWithin",
    c"fill",
    c"flat",
    c"join",
    c"reverse",
    c"shift",
    c"slice",
    c"sort",
    c"splice",
    c"toLocaleString",
    c"unshift",
];
const CONCAT: usize = 0;

/// Elements that the engine walks through in a tenth of a second.
const FEW: usize = 1 << 20;
/// Places of a longer array that are looked at: one with all of them is dense, and bounded by the heap.
const PROBES: usize = 16;
/// Operations between two looks at the clock.
const STEPS: u32 = 64;

pub(super) fn run(call: &Invocation<'_>) -> qjs::JSValue {
    let is_few = |raw| is_few_at_once(call.ctx, raw);
    let others = if call.which() == CONCAT { call.arguments } else { &[] };
    match is_few(call.this) && others.iter().all(|raw| is_few(*raw)) {
        true => call.forward(),
        false => carefully(call, |ctx| watched(ctx, call)),
    }
}

/// Whether the commonest looks say that `raw` is not absurd.
fn is_few_at_once(ctx: *mut qjs::JSContext, raw: qjs::JSValue) -> bool {
    // SAFETY: asks a live value for its kind; an all-zero descriptor is one that the engine fills with references of its
    // own, which are given back. No script runs: a property is read of what is no proxy, a number is converted.
    unsafe {
        if !is_object(raw) || qjs::JS_GetTypedArrayType(raw) >= 0 {
            return true;
        }
        if qjs::JS_IsArray(raw) {
            return length(ctx, raw) <= FEW;
        }
        if qjs::JS_IsProxy(raw) {
            return false;
        }
        let mut found: qjs::JSPropertyDescriptor = std::mem::zeroed();
        match qjs::JS_GetOwnProperty(ctx, &mut found, raw, PredefinedAtom::Length as qjs::JSAtom) {
            0 => return false,
            1 => {}
            _ => {
                qjs::JS_FreeValue(ctx, qjs::JS_GetException(ctx));
                return false;
            }
        }
        let mut length = f64::INFINITY;
        if qjs::JS_IsNumber(found.value) {
            qjs::JS_ToFloat64(ctx, &mut length, found.value);
        }
        for owned in [found.value, found.getter, found.setter] {
            qjs::JS_FreeValue(ctx, owned);
        }
        length <= FEW as f64
    }
}

fn watched<'js>(ctx: &Ctx<'js>, call: &Invocation<'_>) -> Result<Decision<'js>> {
    let this = argument(ctx, call, None);
    let is_absurd = |value: &Value<'js>| match value.as_object() {
        Some(object) => is_absurd(object),
        None => Ok(false),
    };
    let stands_in = match is_absurd(&this)? && (call.which() != CONCAT || is_spread(&this)) {
        true => stand_in(ctx, &this)?,
        false => this.clone(),
    };
    let mut arguments = Vec::new();
    for index in 0..call.arguments.len() {
        let given = argument(ctx, call, Some(index));
        let absurd = call.which() == CONCAT && is_absurd(&given)? && is_spread(&given);
        arguments.push(if absurd { stand_in(ctx, &given)? } else { given });
    }
    let raw: Vec<_> = arguments.iter().map(|argument| argument.as_raw()).collect();
    // SAFETY: the result of a call is a new reference.
    let result = unsafe { fresh(ctx, call.forward_with(stands_in.as_raw(), &raw))? };
    let is_itself = result.is_object() && reflect::identity(&result) == reflect::identity(&stands_in);
    Ok(Decision::Value(if is_itself { this } else { result }))
}

/// Whether `concat` spreads it, as far as can be told without a script.
fn is_spread(value: &Value<'_>) -> bool {
    let Some(object) = value.as_object() else { return false };
    match well_known(object, PredefinedAtom::SymbolIsConcatSpreadable) {
        Peek::Nothing => is_array(value),
        Peek::Value(said) if said.is_undefined() => is_array(value),
        Peek::Value(said) => said.as_bool() == Some(true),
        Peek::Unknown => false,
    }
}

fn is_array(value: &Value<'_>) -> bool {
    let mut value = value.clone();
    while let Some(target) = reflect::proxy_target(&value) {
        value = target;
    }
    // SAFETY: asks a live value for its kind.
    unsafe { qjs::JS_IsArray(value.as_raw()) }
}

/// Whether walking through it may take too long, by what can be told without a script. A proxy whose traps are
/// scripts is interrupted in them; one without is what it stands for.
fn is_absurd(object: &Object<'_>) -> Result<bool> {
    let ctx = object.ctx();
    let mut at = object.clone();
    while let Some(target) = reflect::proxy_target(at.as_value()) {
        let Some(target) = target.into_object() else { return Ok(false) };
        at = target;
    }
    // SAFETY: asks live values for their kinds.
    let (list, bytes) = unsafe {
        let raw = at.as_value().as_raw();
        (qjs::JS_IsArray(raw), qjs::JS_GetTypedArrayType(raw) >= 0)
    };
    if list {
        let length = length(ctx.as_raw().as_ptr(), at.as_value().as_raw());
        return Ok(length > FEW && !is_dense(&at, length)?);
    }
    // A typed array is as long as its memory.
    if bytes {
        return Ok(false);
    }
    Ok(match peek(&at, &value::string(ctx, "length")?) {
        Peek::Nothing => false,
        Peek::Value(length) => match length.as_number() {
            Some(length) => length > FEW as f64,
            None => length.is_object() || length.is_string(),
        },
        Peek::Unknown => true,
    })
}

fn is_dense(list: &Object<'_>, length: usize) -> Result<bool> {
    for probe in 1..=PROBES {
        let index = Value::new_number(list.ctx().clone(), (length / PROBES * probe).min(length - 1) as f64);
        if reflect::own(list, &index)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Does what is asked of its target.
pub struct PolledTarget {
    target: Held,
    steps: Cell<u32>,
}

impl class_id::Of for class_id::PolledTarget {
    type Class = PolledTarget;
}

impl Class for PolledTarget {
    type Id = class_id::PolledTarget;
    const NAME: &'static CStr = c"PolledTarget";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"has", 2, |it, scope| it.with(scope, has)),
        Member::Method(c"get", 3, |it, scope| it.with(scope, get)),
        Member::Method(c"set", 4, |it, scope| it.with(scope, set)),
        Member::Method(c"deleteProperty", 2, |it, scope| it.with(scope, delete)),
    ];

    fn trace(&self, tracer: &Tracer) {
        tracer.mark(&self.target);
    }
}

type InternalMethod =
    for<'js> unsafe fn(&Ctx<'js>, qjs::JSValue, qjs::JSAtom, &Scope<'_, 'js>) -> qjs::JSValue;

impl PolledTarget {
    fn with<'js>(&self, scope: &Scope<'_, 'js>, act: InternalMethod) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        self.steps.set(self.steps.get().wrapping_add(1));
        if self.steps.get().is_multiple_of(STEPS) {
            State::of(ctx).go_on(ctx)?;
        }
        let raw = ctx.as_raw().as_ptr();
        // SAFETY: target and key are alive for the call; the key's atom is freed once; the result is a new reference.
        unsafe {
            let key = qjs::JS_ValueToAtom(raw, scope.arg(1).as_raw());
            let done = act(ctx, self.target.raw(), key, scope);
            qjs::JS_FreeAtom(raw, key);
            fresh(ctx, done)
        }
    }
}

/// What the engine's answer of one of its functions that say yes, no or failed is as a value.
fn answer<'js>(ctx: &Ctx<'js>, done: i32) -> qjs::JSValue {
    match done {
        failed if failed < 0 => qjs::JS_EXCEPTION,
        done => Value::new_bool(ctx.clone(), done != 0).as_raw(),
    }
}

/// # Safety
/// As for [`InternalMethod`]s: a live target, an atom.
unsafe fn has<'js>(
    ctx: &Ctx<'js>,
    target: qjs::JSValue,
    key: qjs::JSAtom,
    _: &Scope<'_, 'js>,
) -> qjs::JSValue {
    // SAFETY: by the caller.
    answer(ctx, unsafe { qjs::JS_HasProperty(ctx.as_raw().as_ptr(), target, key) })
}

/// # Safety
/// As [`has`].
unsafe fn get<'js>(
    ctx: &Ctx<'js>,
    target: qjs::JSValue,
    key: qjs::JSAtom,
    _: &Scope<'_, 'js>,
) -> qjs::JSValue {
    // SAFETY: by the caller.
    unsafe { qjs::JS_GetProperty(ctx.as_raw().as_ptr(), target, key) }
}

/// # Safety
/// As [`has`].
unsafe fn set<'js>(
    ctx: &Ctx<'js>,
    target: qjs::JSValue,
    key: qjs::JSAtom,
    scope: &Scope<'_, 'js>,
) -> qjs::JSValue {
    let given = leak(scope.arg(2));
    // SAFETY: by the caller; the call takes the reference of the value over.
    answer(ctx, unsafe { qjs::JS_SetProperty(ctx.as_raw().as_ptr(), target, key, given) })
}

/// # Safety
/// As [`has`].
unsafe fn delete<'js>(
    ctx: &Ctx<'js>,
    target: qjs::JSValue,
    key: qjs::JSAtom,
    _: &Scope<'_, 'js>,
) -> qjs::JSValue {
    let flags = qjs::JS_PROP_THROW as i32;
    // SAFETY: by the caller.
    answer(ctx, unsafe { qjs::JS_DeleteProperty(ctx.as_raw().as_ptr(), target, key, flags) })
}

/// Whether the class of the traps is there: few engines ever need it.
#[derive(Default)]
struct Registered(Cell<bool>);

/// What is given to the engine in the place of `value`: a proxy of an empty array, or object, that asks `value`.
fn stand_in<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Value<'js>> {
    if !State::of(ctx).extension::<Registered>().0.replace(true) {
        class::register::<PolledTarget>(ctx)?;
    }
    let handler =
        class::instance(ctx, PolledTarget { target: Held::new(value.clone()), steps: Cell::new(0) })?;
    // SAFETY: plain calls on a live context; the proxy takes references of its own.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let empty = match is_array(value) {
            true => fresh(ctx, qjs::JS_NewArray(raw))?,
            false => fresh(ctx, qjs::JS_NewObject(raw))?,
        };
        fresh(ctx, qjs::JS_NewProxy(raw, empty.as_raw(), handler.as_raw()))
    }
}
