//! Conversions of arguments and results as QuickJS's own modules do them.
//!
//! Owns: ToInt32, ToIndex, 64-bit integers, text from bytes that may be no UTF-8. Must not know: who
//! asks. Each may run JavaScript (`valueOf`, `toString`): take pointers into buffers only afterwards.

use rquickjs::{Ctx, Error, Result, Value, qjs};

fn converted<T>(done: i32, result: T) -> Result<T> {
    if done < 0 { Err(Error::Exception) } else { Ok(result) }
}

/// ToInt32 (ECMA-262 section 7.1.6).
///
/// # Errors
/// What the value's `valueOf` throws; TypeError for BigInts and symbols.
pub fn to_int32(value: &Value<'_>) -> Result<i32> {
    let mut result = 0;
    // SAFETY: a live value; the result goes to a local.
    let done = unsafe { qjs::JS_ToInt32(value.ctx().as_raw().as_ptr(), &mut result, value.as_raw()) };
    converted(done, result)
}

/// A 64-bit integer of a number or a BigInt: truncated, and modulo 2^64.
///
/// # Errors
/// As [`to_int32`], but for BigInts.
pub fn to_int64(value: &Value<'_>) -> Result<i64> {
    let mut result = 0;
    // SAFETY: as above.
    let done = unsafe { qjs::JS_ToInt64Ext(value.ctx().as_raw().as_ptr(), &mut result, value.as_raw()) };
    converted(done, result)
}

/// ToIndex (ECMA-262 section 7.1.22): an integer from 0 to 2^53 - 1; `undefined` is 0.
///
/// # Errors
/// RangeError beyond; else as [`to_int32`].
pub fn to_index(value: &Value<'_>) -> Result<u64> {
    let mut result = 0;
    // SAFETY: as above.
    let done = unsafe { qjs::JS_ToIndex(value.ctx().as_raw().as_ptr(), &mut result, value.as_raw()) };
    converted(done, result)
}

/// ToBoolean (ECMA-262 section 7.1.2).
pub fn to_bool(value: &Value<'_>) -> bool {
    // SAFETY: a live value.
    unsafe { qjs::JS_ToBool(value.ctx().as_raw().as_ptr(), value.as_raw()) > 0 }
}

/// A BigInt.
///
/// # Errors
/// Out of memory.
pub fn big_int<'js>(ctx: &Ctx<'js>, number: i64) -> Result<Value<'js>> {
    // SAFETY: a live context; the new reference is the Value's.
    unsafe { super::value::fresh(ctx, qjs::JS_NewBigInt64(ctx.as_raw().as_ptr(), number)) }
}

/// A number: an integer of the engine where that says the same.
pub fn number<'js>(ctx: &Ctx<'js>, number: f64) -> Value<'js> {
    let integer = number as i32;
    match f64::from(integer).to_bits() == number.to_bits() {
        true => Value::new_int(ctx.clone(), integer),
        false => Value::new_float(ctx.clone(), number),
    }
}

/// A string of bytes that should be UTF-8: what is none becomes U+FFFD, but for surrogates encoded in
/// three bytes each, which stay what they are.
///
/// # Errors
/// Out of memory.
pub fn text<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    let (ptr, len) = (bytes.as_ptr().cast(), bytes.len() as _);
    // SAFETY: the engine reads `len` bytes, decodes what is valid and replaces the rest.
    unsafe { super::value::fresh(ctx, qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), ptr, len)) }
}
