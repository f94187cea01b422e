//! Arguments of the socket calls: integers, buffers, lengths.
//!
//! Owns: which wrong argument is which error. Must not know: what the calls do.

use rquickjs::{Ctx, Result, Value};

use crate::js::buffer_source::{self, Bytes};
use crate::js::{exception, value};

/// `None` for undefined and null.
pub fn optional(value: Value<'_>) -> Option<Value<'_>> {
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A 32-bit integer.
///
/// # Errors
/// TypeError for what is no number, RangeError for a number that is no 32-bit integer.
pub fn integer(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<i32> {
    if let Some(number) = value.as_int() {
        return Ok(number);
    }
    let Some(number) = value.as_number() else {
        return Err(exception::type_error(ctx, &format!("{what} must be a number")));
    };
    if number.fract() != 0.0 || number < f64::from(i32::MIN) || number > f64::from(i32::MAX) {
        return Err(exception::range_error(ctx, &format!("{what} must be a 32-bit integer")));
    }
    Ok(number as i32)
}

/// `length` for a buffer of `size` bytes; all of it when not given.
///
/// # Errors
/// TypeError for what is no number, RangeError for what is no integer from 0 to `size`.
pub fn length(ctx: &Ctx<'_>, given: Value<'_>, size: usize) -> Result<usize> {
    let Some(given) = optional(given) else { return Ok(size) };
    let Some(number) = given.as_number() else {
        return Err(exception::type_error(ctx, "length must be a number"));
    };
    if number.fract() != 0.0 || !(0.0..=size as f64).contains(&number) {
        let text = format!("length {number} is not an integer from 0 to the {size} bytes of the buffer");
        return Err(exception::range_error(ctx, &text));
    }
    Ok(number as usize)
}

/// Whether `value` is an ArrayBuffer or a view of one.
///
/// # Errors
/// Out of memory.
pub fn is_buffer(value: &Value<'_>) -> Result<bool> {
    Ok(buffer_source::bytes(value)?.is_some())
}

/// The bytes of a buffer to receive into.
///
/// # Errors
/// TypeError for what is none, or is detached.
pub fn room<'a>(ctx: &Ctx<'_>, value: &'a Value<'_>) -> Result<Bytes<'a>> {
    match buffer_source::bytes(value)? {
        Some(bytes) if bytes.is_immutable() => Err(exception::type_error(ctx, "the buffer is immutable")),
        Some(bytes) if !bytes.is_empty() => Ok(bytes),
        Some(bytes) => attached(ctx, value).map(|()| bytes),
        None => Err(exception::type_error(ctx, "buffer must be an ArrayBuffer, a typed array or a DataView")),
    }
}

/// The size in bytes of a buffer to receive into.
///
/// # Errors
/// As [`room`].
pub fn buffer_size(ctx: &Ctx<'_>, value: &Value<'_>) -> Result<usize> {
    room(ctx, value).map(|bytes| bytes.len())
}

/// A copy of the first `length` bytes of `value`: a buffer, or a string as UTF-8.
///
/// # Errors
/// As [`buffer_size`] and [`length`](fn@length).
pub fn data<'js>(ctx: &Ctx<'js>, value: &Value<'js>, given: Value<'js>) -> Result<Vec<u8>> {
    with_data(ctx, value, |size| length(ctx, given, size), <[u8]>::to_vec)
}

/// Lends the first bytes of `value`, as [`data`] copies them, to `f`, which runs no JavaScript: as many as
/// `length` says of how many there are.
///
/// # Errors
/// As [`data`].
pub fn with_data<'js, R>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    length: impl FnOnce(usize) -> Result<usize>,
    f: impl FnOnce(&[u8]) -> R,
) -> Result<R> {
    if value.is_string() {
        return value::with_str(value, |text| {
            let length = length(text.len())?;
            Ok(f(&text.as_bytes()[..length]))
        })?;
    }
    let Some(bytes) = buffer_source::bytes(value)? else {
        let text = "data must be an ArrayBuffer, a typed array, a DataView or a string";
        return Err(exception::type_error(ctx, text));
    };
    if bytes.is_empty() {
        attached(ctx, value)?;
    }
    let length = length(bytes.len())?;
    Ok(bytes.with(|all| f(all.get(..length).unwrap_or_default())))
}

/// Asked of empty buffers only.
fn attached(ctx: &Ctx<'_>, value: &Value<'_>) -> Result<()> {
    let Some(object) = value.as_object() else { return Ok(()) };
    let detached = match object.get::<_, Value>("buffer")?.as_object() {
        Some(buffer) => buffer.get::<_, Value>("detached")?,
        None => object.get("detached")?,
    };
    match detached.as_bool() {
        Some(true) => Err(exception::type_error(ctx, "the buffer is detached")),
        _ => Ok(()),
    }
}
