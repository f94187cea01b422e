//! How promises end, told to Rust.
//!
//! Owns: observers, where a task waits for an end. Must not know: what is waited for. It uses the engine's
//! own `then`, so an app that patches `Promise.prototype` neither breaks nor sees it.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::native_call;
use super::state::State;
use super::thrown::Thrown;
use super::value::fresh;

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
            State::of(ctx).note(&thrown);
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

    /// Whether there is a result that nobody has taken out.
    pub fn is_set(&self) -> bool {
        self.result.borrow().is_some()
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
            fresh(ctx, f)
        }
    };
    let (fulfilled, rejected) = (on(0)?, on(1)?);
    // SAFETY: all three values are alive.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let derived = qjs::JS_PromiseThen(raw, promise.as_raw(), fulfilled.as_raw(), rejected.as_raw());
        fresh(ctx, derived).map(drop)
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
        let cx = native_call::context(ctx);
        let scope = native_call::scope(&cx, qjs::JS_UNDEFINED, native_call::arguments(argc, argv));
        let watch = &*opaque.cast::<Watch>();
        native_call::enter(&cx, || {
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
