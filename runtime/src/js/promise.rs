//! Promises between JavaScript and Rust: made here and settled later, or made there and observed.
//!
//! Owns: promise capabilities in flight, observers. Must not know: what is waited for. It uses the
//! engine's own `then`, so an app that patches `Promise.prototype` neither breaks nor sees it.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use rquickjs::{Ctx, Error, Result, Value, qjs};

use slab::Slab;

use super::alive::Hold;
use super::engine::{self, Engine};
use super::exception::{self, Thrown};
use super::held::Held;
use super::reuse::Settler;

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
            let (promise, capability) = pending(ctx)?;
            capability.settle(ctx, Ok(value));
            return Ok(promise);
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
    let settler = engine::State::of(ctx).resting.take(ctx)?;
    Ok((settler.promise(ctx), Capability(settler)))
}

impl Capability {
    /// Settles the promise: with the value, or with what was thrown.
    pub fn settle<'js>(self, ctx: &Ctx<'js>, result: Result<Value<'js>>) {
        let (function, value, plain) = match result {
            Ok(value) => {
                let plain = is_plain(&value);
                (&self.0.resolve, value, plain)
            }
            Err(error) => {
                exception::raise(ctx, &error);
                (&self.0.reject, ctx.catch(), false)
            }
        };
        match call(ctx, function, None, &[value]) {
            Ok(_) if plain => engine::State::of(ctx).resting.keep(self.0),
            Ok(_) => {}
            Err(_) => drop(ctx.catch()),
        }
    }
}

/// Capabilities of operations in flight, kept in the engine so that none outlives it.
#[derive(Default)]
struct InFlight(RefCell<Slab<Capability>>);

/// The Rust side of a promise that an operation settles later, from outside of JavaScript. A script
/// does not end while there is one.
pub struct Deferred {
    engine: Weak<Engine>,
    key: usize,
    pending: Option<Hold>,
}

/// A pending promise and its Rust side.
///
/// # Errors
/// Out of memory.
pub fn deferred<'js>(ctx: &Ctx<'js>) -> Result<(Value<'js>, Deferred)> {
    let (promise, capability) = pending(ctx)?;
    let state = engine::State::of(ctx);
    let key = state.extension::<InFlight>().0.borrow_mut().insert(capability);
    Ok((promise, Deferred { engine: state.engine(), key, pending: Some(state.alive().hold()) }))
}

impl Deferred {
    /// The same, but scripts end without waiting for it.
    pub fn unheld(mut self) -> Deferred {
        self.pending = None;
        self
    }

    /// Settles the promise in a turn of its own; nothing happens if the engine is gone.
    pub fn settle(self, make: impl for<'js> FnOnce(&Ctx<'js>) -> Result<Value<'js>>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.turn(|ctx| self.settle_within(ctx, make(ctx)));
        }
    }

    /// Settles the promise inside the current turn.
    pub fn settle_within<'js>(&self, ctx: &Ctx<'js>, result: Result<Value<'js>>) {
        let capability = engine::State::of(ctx).extension::<InFlight>().0.borrow_mut().try_remove(self.key);
        if let Some(capability) = capability {
            capability.settle(ctx, result);
        }
    }
}

/// Arguments of a call that cost no allocation.
const ARGS_FEW: usize = 4;

/// Calls a held function.
///
/// # Errors
/// What it throws.
pub fn call<'js>(
    ctx: &Ctx<'js>,
    function: &Held,
    this: Option<&Held>,
    args: &[Value<'js>],
) -> Result<Value<'js>> {
    let mut few = [qjs::JS_UNDEFINED; ARGS_FEW];
    let mut many: Vec<qjs::JSValue>;
    let raw = match few.get_mut(..args.len()) {
        Some(few) => {
            for (slot, arg) in few.iter_mut().zip(args) {
                *slot = arg.as_raw();
            }
            few
        }
        None => {
            many = args.iter().map(Value::as_raw).collect();
            &mut many[..]
        }
    };
    let this = this.map_or(qjs::JS_UNDEFINED, Held::raw);
    // SAFETY: function, receiver and arguments are alive; the engine takes its own references.
    unsafe {
        let count = raw.len() as i32;
        let result = qjs::JS_Call(ctx.as_raw().as_ptr(), function.raw(), this, count, raw.as_mut_ptr());
        super::value::fresh(ctx, result)
    }
}

/// Hears how a promise ends; exactly one of its methods is called, once.
pub trait Observer {
    /// It settled. Runs as a job, inside a turn.
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>);
    /// It can never settle any more: nothing refers to it. Must not call JavaScript.
    fn abandoned(&self);
}

/// Where a task waits for how a promise ends: an [`Observer`] sets it, the task polls it.
pub struct Outcome<T> {
    result: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

/// For who waits for the end, not for a value: a promise that can never settle has ended, too.
impl Observer for Rc<Outcome<std::result::Result<(), Thrown>>> {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        self.set(result.map(drop).map_err(|reason| {
            let thrown = Thrown::from_value(&reason);
            engine::State::of(ctx).note(&thrown);
            thrown
        }));
    }

    fn abandoned(&self) {
        self.set(Ok(()));
    }
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Outcome { result: RefCell::new(None), waker: RefCell::new(None) }
    }
}

impl<T> Outcome<T> {
    /// Sets the result and wakes who waits for it.
    pub fn set(&self, result: T) {
        *self.result.borrow_mut() = Some(result);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The result, once it is there; it is taken out.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(result) = self.result.borrow_mut().take() {
            return Poll::Ready(result);
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

struct Watch {
    observer: Box<dyn Observer>,
    done: Cell<bool>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done.get() {
            self.observer.abandoned();
        }
    }
}

/// Has `observer` told how `promise` ends. Drop your own references to the promise afterwards, or
/// it can never be found abandoned.
///
/// # Errors
/// Out of memory.
pub fn observe<'js>(ctx: &Ctx<'js>, promise: &Value<'js>, observer: Box<dyn Observer>) -> Result<()> {
    let watch = Rc::new(Watch { observer, done: Cell::new(false) });
    let on = |rejected: i32| {
        let opaque = Rc::into_raw(watch.clone()).cast_mut().cast::<c_void>();
        // SAFETY: the closure owns one count of the Rc, given back by `release`.
        unsafe {
            let raw = ctx.as_raw().as_ptr();
            let f = qjs::JS_NewCClosure(raw, Some(heard), c"".as_ptr(), Some(release), 1, rejected, opaque);
            if qjs::JS_IsException(f) {
                drop(Rc::from_raw(opaque.cast_const().cast::<Watch>()));
            }
            super::value::fresh(ctx, f)
        }
    };
    let (fulfilled, rejected) = (on(0)?, on(1)?);
    // SAFETY: all three values are alive.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let derived = qjs::JS_PromiseThen(raw, promise.as_raw(), fulfilled.as_raw(), rejected.as_raw());
        super::value::fresh(ctx, derived).map(drop)
    }
}

unsafe extern "C" fn heard(
    ctx: *mut qjs::JSContext,
    _this: qjs::JSValue,
    argc: i32,
    argv: *mut qjs::JSValue,
    rejected: i32,
    opaque: *mut c_void,
) -> qjs::JSValue {
    // SAFETY: `opaque` is the Rc<Watch> count that this closure owns; the engine calls with a live
    // context and argc values.
    unsafe {
        let cx = super::class::context(ctx);
        let scope = super::class::scope(&cx, qjs::JS_UNDEFINED, super::class::arguments(argc, argv));
        let watch = &*opaque.cast::<Watch>();
        super::class::enter(&cx, || {
            if !watch.done.replace(true) {
                let value = scope.arg(0);
                watch.observer.settled(&cx, if rejected == 1 { Err(value) } else { Ok(value) });
            }
            Ok::<_, Error>(scope.undefined())
        })
    }
}

unsafe extern "C" fn release(opaque: *mut c_void) {
    // SAFETY: the count given to this closure in `observe`.
    drop(unsafe { Rc::from_raw(opaque.cast_const().cast::<Watch>()) });
}
