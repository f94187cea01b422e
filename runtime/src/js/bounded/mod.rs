//! Built-ins of the engine that take seconds or for ever, and ask for no interrupt meanwhile: what stands in front of
//! them. A call that cannot take long goes to the engine's own function.
//!
//! Owns: which they are, what they share. Must not know: who calls them.

mod arrays;
mod normalize;
mod replace;
mod search;
mod text;

use std::ffi::CStr;

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Ctx, Error, Object, Result, Value, qjs};

use super::callable::{self, Invocation, Run};
use super::held::Held;
use super::native_call;
use super::reflect;
use super::state::State;
use super::value::fresh;

/// The engine's own functions that those in their place are made of.
#[derive(Default)]
struct Originals(std::cell::RefCell<Vec<Option<Held>>>);

/// Their numbers in [`Originals`].
#[derive(Clone, Copy)]
enum Original {
    IndexOf,
    LastIndexOf,
    Slice,
    Concat,
}

/// What is replaced on `String.prototype`, by what, and which of those it is.
const OF_STRINGS: [(&CStr, Run, usize); 8] = [
    (c"indexOf", search::run, search::INDEX_OF),
    (c"lastIndexOf", search::run, search::LAST_INDEX_OF),
    (c"includes", search::run, search::INCLUDES),
    (c"split", replace::run, replace::SPLIT),
    (c"replace", replace::run, replace::REPLACE),
    (c"replaceAll", replace::run, replace::REPLACE_ALL),
    (c"normalize", normalize::run, normalize::NORMALIZE),
    (c"localeCompare", normalize::run, normalize::LOCALE_COMPARE),
];

/// Puts all in place. Comes before scripts run.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let prototype = |name: &str| ctx.globals().get::<_, Object>(name)?.get::<_, Object>("prototype");
    let (strings, lists) = (prototype("String")?, prototype("Array")?);
    let originals = State::of(ctx).extension::<Originals>();
    for name in ["indexOf", "lastIndexOf", "slice", "concat"] {
        originals.0.borrow_mut().push(Some(Held::new(strings.get(name)?)));
    }
    for (name, run, which) in OF_STRINGS {
        callable::replace(ctx, &strings, name, run, which)?;
    }
    for (which, name) in arrays::NAMES.iter().enumerate() {
        callable::replace(ctx, &lists, name, arrays::run, which)?;
    }
    Ok(())
}

/// Calls one of the engine's own functions.
fn call<'js>(
    ctx: &Ctx<'js>,
    which: Original,
    this: &Value<'js>,
    arguments: &[qjs::JSValue],
) -> Result<Value<'js>> {
    let originals = State::of(ctx).extension::<Originals>();
    let function = match originals.0.borrow().get(which as usize) {
        Some(Some(held)) => held.get(ctx),
        _ => return Err(Error::Unknown),
    };
    let count = i32::try_from(arguments.len()).map_err(|_| Error::Allocation)?;
    // SAFETY: function, receiver and arguments are alive for the call.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let arguments = arguments.as_ptr().cast_mut();
        fresh(ctx, qjs::JS_Call(raw, function.as_raw(), this.as_raw(), count, arguments))
    }
}

/// Leaves C for `f`: no panic comes back from it, an error is thrown.
fn carefully(
    call: &Invocation<'_>,
    f: impl for<'js> FnOnce(&Ctx<'js>) -> Result<Decision<'js>>,
) -> qjs::JSValue {
    // SAFETY: the context that the engine calls with.
    let ctx = unsafe { native_call::context(call.ctx) };
    native_call::enter(&ctx, || match f(&ctx)? {
        Decision::Value(value) => Ok(value),
        Decision::Forward => {
            // SAFETY: the result of a call is a new reference.
            unsafe { fresh(&ctx, call.forward()) }
        }
        Decision::ForwardWith(this, arguments) => {
            let raw: Vec<_> = arguments.iter().map(|argument| argument.as_raw()).collect();
            // SAFETY: as above.
            unsafe { fresh(&ctx, call.forward_with(this.as_raw(), &raw)) }
        }
    })
}

/// What a look at a call comes to.
enum Decision<'js> {
    /// Its result.
    Value(Value<'js>),
    /// The engine's own function does it.
    Forward,
    /// It does it with this receiver and these arguments.
    ForwardWith(Value<'js>, Vec<Value<'js>>),
}

/// Argument `index` of `call`, or its receiver.
fn argument<'js>(ctx: &Ctx<'js>, call: &Invocation<'_>, index: Option<usize>) -> Value<'js> {
    let raw = index.map_or(Some(call.this), |index| call.arguments.get(index).copied());
    let Some(raw) = raw else { return Value::new_undefined(ctx.clone()) };
    // SAFETY: alive for the call; the new reference is the Value's.
    unsafe { Value::from_raw(ctx.clone(), qjs::JS_DupValue(ctx.as_raw().as_ptr(), raw)) }
}

/// Whether a value is a string, be it one that the engine has yet to join.
fn is_string(raw: qjs::JSValue) -> bool {
    // SAFETY: reads the tag of a live value.
    let tag = unsafe { qjs::JS_VALUE_GET_TAG(raw) };
    tag == qjs::JS_TAG_STRING || tag == qjs::JS_TAG_STRING_ROPE
}

/// Whether a value is an object.
fn is_object(raw: qjs::JSValue) -> bool {
    // SAFETY: reads the tag of a live value.
    unsafe { qjs::JS_VALUE_GET_TAG(raw) == qjs::JS_TAG_OBJECT }
}

/// The length of a string, or of an array that is no proxy, whose lengths run no script.
fn length(ctx: *mut qjs::JSContext, raw: qjs::JSValue) -> usize {
    let mut length = 0;
    // SAFETY: a live context and value; the result goes to a local.
    match unsafe { qjs::JS_GetLength(ctx, raw, &mut length) } {
        0 => usize::try_from(length).unwrap_or(0),
        _ => 0,
    }
}

/// `value` as a string (ToString).
fn to_string<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Value<'js>> {
    // SAFETY: a live value; the result is a new reference.
    unsafe { fresh(ctx, qjs::JS_ToString(ctx.as_raw().as_ptr(), value.as_raw())) }
}

/// What an object has under a symbol, if looking for it runs no script.
fn well_known<'js>(object: &Object<'js>, symbol: PredefinedAtom) -> Peek<'js> {
    let ctx = object.ctx();
    // SAFETY: an atom of the engine's own, which is never freed; the result is a new reference.
    let key = unsafe { fresh(ctx, qjs::JS_AtomToValue(ctx.as_raw().as_ptr(), symbol as qjs::JSAtom)) };
    match key {
        Ok(key) => peek(object, &key),
        Err(_) => {
            drop(ctx.catch());
            Peek::Unknown
        }
    }
}

/// What stands under a key.
enum Peek<'js> {
    Nothing,
    Value(Value<'js>),
    /// Only a script can tell.
    Unknown,
}

fn peek<'js>(object: &Object<'js>, key: &Value<'js>) -> Peek<'js> {
    let mut at = object.clone();
    for _ in 0..100 {
        if reflect::proxy_target(at.as_value()).is_some() {
            return Peek::Unknown;
        }
        match reflect::own(&at, key) {
            Ok(Some(property)) => match property.slot {
                reflect::Slot::Data(value) => return Peek::Value(value),
                reflect::Slot::Accessor(..) => return Peek::Unknown,
            },
            Ok(None) => match at.get_prototype() {
                Some(parent) => at = parent,
                None => return Peek::Nothing,
            },
            Err(_) => {
                drop(object.ctx().catch());
                return Peek::Unknown;
            }
        }
    }
    Peek::Unknown
}

#[cfg(test)]
mod tests;
