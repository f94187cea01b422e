//! A call from JavaScript into Rust: receiver and arguments, and the border that no panic crosses.
//!
//! Owns: the view of one call, how it ends for the engine. Must not know: what is called, how it got its name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use rquickjs::{Ctx, Result, Value, qjs};

use super::exception;

/// A static method.
pub type Static = for<'a, 'js> fn(&Scope<'a, 'js>) -> Result<Value<'js>>;

/// One call from JavaScript.
pub struct Scope<'a, 'js> {
    /// The context called from.
    pub ctx: &'a Ctx<'js>,
    this: qjs::JSValue,
    args: &'a [qjs::JSValue],
}

impl<'js> Scope<'_, 'js> {
    /// Argument `i`, `undefined` where it is missing.
    pub fn arg(&self, i: usize) -> Value<'js> {
        match self.args.get(i) {
            Some(raw) => dup(self.ctx, *raw),
            None => Value::new_undefined(self.ctx.clone()),
        }
    }

    /// Whether argument `i` is there and not `undefined`.
    pub fn has(&self, i: usize) -> bool {
        // SAFETY: reads the tag of a live value.
        self.args.get(i).is_some_and(|raw| unsafe { !qjs::JS_IsUndefined(*raw) })
    }

    /// Argument `i` where it is a number that the engine keeps in 32 bits; read in place.
    pub fn int(&self, i: usize) -> Option<i32> {
        // SAFETY: reads the tag of a live value, and what it says is there.
        self.args.get(i).and_then(|raw| unsafe { qjs::JS_IsInt(*raw).then(|| qjs::JS_VALUE_GET_INT(*raw)) })
    }

    /// Argument `i` where it is a boolean; read in place.
    pub fn bool(&self, i: usize) -> Option<bool> {
        // SAFETY: as in `int`.
        self.args.get(i).and_then(|raw| unsafe { qjs::JS_IsBool(*raw).then(|| qjs::JS_VALUE_GET_BOOL(*raw)) })
    }

    /// Whether argument `i` is missing, `undefined` or `null`.
    pub fn is_nullish(&self, i: usize) -> bool {
        // SAFETY: reads the tag of a live value.
        self.args.get(i).is_none_or(|raw| unsafe { qjs::JS_IsUndefined(*raw) || qjs::JS_IsNull(*raw) })
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// The receiver.
    pub fn this(&self) -> Value<'js> {
        dup(self.ctx, self.this)
    }

    /// `undefined`.
    pub fn undefined(&self) -> Value<'js> {
        Value::new_undefined(self.ctx.clone())
    }

    /// Throws TypeError unless `n` arguments are there, in Web IDL's words.
    ///
    /// # Errors
    /// That TypeError.
    pub fn require(&self, n: usize, what: &str) -> Result<()> {
        if self.args.len() >= n {
            return Ok(());
        }
        let s = if n == 1 { "" } else { "s" };
        let text = format!("{what}: {n} argument{s} required, but only {} present", self.args.len());
        Err(exception::type_error(self.ctx, &text))
    }
}

fn dup<'js>(ctx: &Ctx<'js>, raw: qjs::JSValue) -> Value<'js> {
    // SAFETY: `raw` is alive for the call that handed it in; the new reference is the Value's.
    unsafe { Value::from_raw(ctx.clone(), qjs::JS_DupValue(ctx.as_raw().as_ptr(), raw)) }
}

/// Runs `f` at the border to C: no panic crosses it, an error is thrown.
pub(crate) fn enter<'js>(ctx: &Ctx<'js>, f: impl FnOnce() -> Result<Value<'js>>) -> qjs::JSValue {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => leak(value),
        Ok(Err(error)) => {
            exception::raise(ctx, &error);
            qjs::JS_EXCEPTION
        }
        Err(_) => {
            exception::raise(ctx, &exception::internal_error(ctx, "native code panicked"));
            qjs::JS_EXCEPTION
        }
    }
}

/// Gives a value's reference to the engine.
pub(crate) fn leak(value: Value<'_>) -> qjs::JSValue {
    // SAFETY: the reference counted here is the one that the engine takes over; the Value's own
    // goes when it drops.
    unsafe { qjs::JS_DupValue(value.ctx().as_raw().as_ptr(), value.as_raw()) }
}

/// A context for the length of a call from C.
///
/// # Safety
/// `ctx` is the live context that the engine called us with.
pub(crate) unsafe fn context<'js>(ctx: *mut qjs::JSContext) -> Ctx<'js> {
    // SAFETY: by the caller.
    unsafe { Ctx::from_raw(NonNull::new_unchecked(ctx)) }
}

/// The arguments of a call from C.
///
/// # Safety
/// `argv` points at `argc` live values, which outlive the call.
pub(crate) unsafe fn arguments<'a>(argc: i32, argv: *mut qjs::JSValue) -> &'a [qjs::JSValue] {
    let count = usize::try_from(argc).unwrap_or(0);
    if count == 0 {
        return &[];
    }
    // SAFETY: by the caller.
    unsafe { std::slice::from_raw_parts(argv, count) }
}

pub(crate) fn scope<'a, 'js>(
    ctx: &'a Ctx<'js>,
    this: qjs::JSValue,
    args: &'a [qjs::JSValue],
) -> Scope<'a, 'js> {
    Scope { ctx, this, args }
}
