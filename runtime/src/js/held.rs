//! A JavaScript value owned by Rust.
//!
//! Owns: one reference each, the call of a function that is held. Must not know: what the value is for. A `Held` inside a native class
//! is reported to the cycle collector by the class's `trace`; one outside of JavaScript objects
//! lives in the engine and is dropped before it.

use std::cell::RefCell;
use std::ptr::NonNull;

use rquickjs::{Ctx, Result, Value, qjs};

use super::value::fresh;

/// One counted reference to a JavaScript value. Must be dropped before its engine.
pub struct Held {
    value: qjs::JSValue,
    rt: NonNull<qjs::JSRuntime>,
}

impl Held {
    /// Takes over `value`'s reference.
    pub fn new(value: Value<'_>) -> Held {
        // SAFETY: the value's context is alive, so is its runtime; the duplicate made here is the
        // reference that `drop` gives back.
        unsafe {
            let ctx = value.ctx().as_raw().as_ptr();
            let raw = qjs::JS_DupValue(ctx, value.as_raw());
            Held { value: raw, rt: NonNull::new_unchecked(qjs::JS_GetRuntime(ctx)) }
        }
    }

    /// The value, in a context of the runtime that it came from.
    pub fn get<'js>(&self, ctx: &Ctx<'js>) -> Value<'js> {
        // SAFETY: `value` is alive (we own a reference); the new reference belongs to the `Value`.
        unsafe {
            debug_assert_eq!(qjs::JS_GetRuntime(ctx.as_raw().as_ptr()), self.rt.as_ptr());
            let raw = qjs::JS_DupValue(ctx.as_raw().as_ptr(), self.value);
            Value::from_raw(ctx.clone(), raw)
        }
    }

    /// The raw value, borrowed.
    pub(crate) fn raw(&self) -> qjs::JSValue {
        self.value
    }

    /// Whether it is this very object (or an equal primitive tag and payload).
    pub fn is(&self, other: &Value<'_>) -> bool {
        // SAFETY: reads the tag and the pointer of live values.
        unsafe {
            let other = other.as_raw();
            qjs::JS_VALUE_GET_TAG(self.value) == qjs::JS_VALUE_GET_TAG(other)
                && qjs::JS_VALUE_GET_PTR(self.value) == qjs::JS_VALUE_GET_PTR(other)
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: our own reference; the runtime outlives every Held (see the type's contract).
        unsafe { qjs::JS_FreeValueRT(self.rt.as_ptr(), self.value) }
    }
}

/// A slot for a value that a native object keeps, empty until first needed.
#[derive(Default)]
pub struct Slot(RefCell<Option<Held>>);

impl Slot {
    /// The value held, made by `make` the first time.
    ///
    /// # Errors
    /// What `make` throws.
    pub fn get_or<'js>(
        &self,
        ctx: &Ctx<'js>,
        make: impl FnOnce() -> Result<Value<'js>>,
    ) -> Result<Value<'js>> {
        if let Some(held) = &*self.0.borrow() {
            return Ok(held.get(ctx));
        }
        let value = make()?;
        *self.0.borrow_mut() = Some(Held::new(value.clone()));
        Ok(value)
    }

    /// The value held, if any.
    pub fn get<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        self.0.borrow().as_ref().map(|held| held.get(ctx))
    }

    /// Replaces what is held.
    pub fn set(&self, value: Option<Value<'_>>) {
        let old = self.0.replace(value.map(Held::new));
        drop(old);
    }

    /// Whether something is held.
    pub fn is_some(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Reports what is held to the cycle collector.
    pub fn trace(&self, tracer: &Tracer) {
        if let Some(held) = &*self.0.borrow() {
            tracer.mark(held);
        }
    }
}

/// The cycle collector's visit of one native object.
pub struct Tracer {
    pub(crate) rt: *mut qjs::JSRuntime,
    pub(crate) mark: qjs::JS_MarkFunc,
}

impl Tracer {
    /// Reports that the object being visited owns `held`.
    pub fn mark(&self, held: &Held) {
        // SAFETY: called only from a class's gc_mark, with the arguments the engine gave it.
        unsafe { qjs::JS_MarkValue(self.rt, held.raw(), self.mark) }
    }
}

/// Arguments of a call that cost no allocation.
const ARGS_FEW: usize = 5;

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
        fresh(ctx, result)
    }
}
