//! Promises made in Rust, and what a promise is now.
//!
//! Owns: what settles a promise within a turn. Must not know: what is waited for, who hears how one ends
//! (`observe.rs`). It uses the engine's own `then`, so an app that patches `Promise.prototype` neither breaks
//! nor sees it.

use rquickjs::{Ctx, Result, Value, qjs};

use super::reuse::Settler;
use super::{exception, held};

/// What a promise is now.
pub enum State<'js> {
    /// Not settled.
    Pending,
    /// Fulfilled with this value.
    Fulfilled(Value<'js>),
    /// Rejected for this reason.
    Rejected(Value<'js>),
}

/// The state of `value`, if it is a promise.
pub fn state<'js>(value: &Value<'js>) -> Option<State<'js>> {
    if !value.is_object() {
        return None;
    }
    let ctx = value.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: reads a live promise; the result is a new reference.
    unsafe {
        if !qjs::JS_IsPromise(value.as_raw()) {
            return None;
        }
        let result = || Value::from_raw(ctx.clone(), qjs::JS_PromiseResult(raw, value.as_raw()));
        Some(match qjs::JS_PromiseState(raw, value.as_raw()) {
            qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED => State::Fulfilled(result()),
            qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED => State::Rejected(result()),
            _ => State::Pending,
        })
    }
}

/// Marks a rejected promise as handled: its reason is dealt with in Rust.
pub fn mark_handled(promise: &Value<'_>) {
    // SAFETY: a no-op on anything but a promise of this context.
    unsafe { qjs::JS_PromiseMarkAsHandled(promise.ctx().as_raw().as_ptr(), promise.as_raw()) }
}

/// A promise settled from the start.
///
/// # Errors
/// Out of memory.
pub fn settled<'js>(
    ctx: &Ctx<'js>,
    result: std::result::Result<Value<'js>, Value<'js>>,
) -> Result<Value<'js>> {
    let (rejected, value) = match result {
        Ok(value) if is_plain(&value) => {
            return super::state::State::of(ctx).resting.fulfilled(ctx, &value);
        }
        Ok(value) => (false, value),
        Err(reason) => (true, reason),
    };
    // SAFETY: the engine takes its own reference of the value.
    unsafe {
        super::value::fresh(ctx, qjs::JS_NewSettledPromise(ctx.as_raw().as_ptr(), rejected, value.as_raw()))
    }
}

/// Turns an error into a rejected promise, as operations do whose type is a promise.
///
/// # Errors
/// Out of memory, and what no script may catch.
pub fn reject_on_error<'js>(ctx: &Ctx<'js>, result: Result<Value<'js>>) -> Result<Value<'js>> {
    let error = match result {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    exception::raise(ctx, &error);
    let reason = ctx.catch();
    if reason.is_uncatchable_error() {
        return Err(ctx.throw(reason));
    }
    settled(ctx, Err(reason))
}

/// `value` as a promise: itself if it is one, else one resolved with it, so that thenables are
/// waited for (ECMA-262 section 27.2.4.7.1, PromiseResolve).
///
/// # Errors
/// Out of memory.
pub fn resolved<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    if state(&value).is_some() {
        return Ok(value);
    }
    let (promise, capability) = pending(ctx)?;
    capability.settle(ctx, Ok(value));
    Ok(promise)
}

/// What `promise.then(fulfilled, rejected)` gives; a reaction that is no function passes the
/// result on.
///
/// # Errors
/// Out of memory.
pub fn then<'js>(
    ctx: &Ctx<'js>,
    promise: &Value<'js>,
    fulfilled: &Value<'js>,
    rejected: &Value<'js>,
) -> Result<Value<'js>> {
    // SAFETY: all three values are alive.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let derived = qjs::JS_PromiseThen(raw, promise.as_raw(), fulfilled.as_raw(), rejected.as_raw());
        super::value::fresh(ctx, derived)
    }
}

/// A pending promise and the two functions that settle it.
///
/// # Errors
/// Out of memory.
pub fn parts<'js>(ctx: &Ctx<'js>) -> Result<(Value<'js>, Value<'js>, Value<'js>)> {
    let (promise, Capability(settler)) = pending(ctx)?;
    Ok((promise, settler.resolve.get(ctx), settler.reject.get(ctx)))
}

/// What settles a promise made here.
pub struct Capability(Settler);

/// Whether a value has no references to be counted.
fn is_plain(value: &Value<'_>) -> bool {
    value.is_int() || value.is_undefined()
}

/// A pending promise and what settles it.
///
/// # Errors
/// Out of memory.
pub fn pending<'js>(ctx: &Ctx<'js>) -> Result<(Value<'js>, Capability)> {
    let settler = super::state::State::of(ctx).resting.take(ctx)?;
    Ok((settler.promise(ctx), Capability(settler)))
}

impl Capability {
    /// The promise.
    pub fn promise<'js>(&self, ctx: &Ctx<'js>) -> Value<'js> {
        self.0.promise(ctx)
    }

    /// Reports what it holds to the cycle collector.
    pub fn trace(&self, tracer: &super::held::Tracer) {
        self.0.trace(tracer);
    }

    /// Settles the promise: with the value, or with what was thrown.
    pub fn settle<'js>(self, ctx: &Ctx<'js>, result: Result<Value<'js>>) {
        let (function, value, fulfils) = match result {
            Ok(value) => (&self.0.resolve, value, true),
            Err(error) => {
                exception::raise(ctx, &error);
                (&self.0.reject, ctx.catch(), false)
            }
        };
        let plain = is_plain(&value);
        match held::call(ctx, function, None, &[value]) {
            Ok(_) if fulfils && plain => super::state::State::of(ctx).resting.keep(self.0),
            Ok(_) => {}
            Err(_) => drop(ctx.catch()),
        }
    }
}
