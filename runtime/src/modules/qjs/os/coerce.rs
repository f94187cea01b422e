//! Arguments and results of the calls that come from QuickJS, as its programs pass and expect them.
//!
//! Owns: which value is a number or a path there, the forms of results. Numbers may be strings and
//! booleans, fractions are cut off; but for Dates no conversion runs script. Must not know: the calls.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rquickjs::{BigInt, Ctx, Result, Value};

use crate::io::errno;
use crate::js::{exception, permit, value};
use crate::modules::web::iterate;
use crate::permissions::Access;

/// The path at which what is done to `path` is to be done, as [`permit::path`] has it.
///
/// # Errors
/// It was not granted.
pub fn permitted<'p>(
    ctx: &Ctx<'_>,
    path: &'p CStr,
    access: &[Access],
    follows: bool,
) -> Result<Cow<'p, CStr>> {
    let asked = Path::new(OsStr::from_bytes(path.to_bytes()));
    match permit::path(ctx, asked, access, follows)? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(path)),
        Cow::Owned(real) => Ok(Cow::Owned(CString::new(real.into_os_string().into_vec())?)),
    }
}

/// The number that `value` stands for; NaN for a string that is none.
fn scalar(value: &Value<'_>) -> Result<Option<f64>> {
    Ok(match (value.as_number(), value.as_bool()) {
        (Some(number), _) => Some(number),
        (None, Some(on)) => Some(f64::from(u8::from(on))),
        _ if value.is_string() => Some(value::to_number(value)?),
        _ => None,
    })
}

/// A whole number from `low` to `high`.
fn whole(ctx: &Ctx<'_>, value: &Value<'_>, what: &str, low: f64, high: f64) -> Result<f64> {
    let number = scalar(value)?.map(f64::trunc);
    match number {
        Some(number) if (low..=high).contains(&number) => Ok(number),
        Some(number) if !number.is_nan() || value.is_number() => {
            Err(exception::range_error(ctx, &format!("{what} must be from {low} to {high}")))
        }
        _ => Err(exception::type_error(ctx, &format!("{what} must be a number"))),
    }
}

/// A 32-bit integer.
///
/// # Errors
/// TypeError for what is no number, RangeError for a number that does not fit.
pub fn int32(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<i32> {
    whole(ctx, value, what, f64::from(i32::MIN), f64::from(i32::MAX)).map(|number| number as i32)
}

/// As [`int32`], with a value for `undefined`.
///
/// # Errors
/// As [`int32`].
pub fn int32_or(ctx: &Ctx<'_>, value: &Value<'_>, what: &str, default: i32) -> Result<i32> {
    if value.is_undefined() { Ok(default) } else { int32(ctx, value, what) }
}

/// An unsigned 32-bit integer: an id of a user or a group.
///
/// # Errors
/// As [`int32`].
pub fn uint32(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<u32> {
    whole(ctx, value, what, 0.0, f64::from(u32::MAX)).map(|number| number as u32)
}

/// An offset or a length of a buffer, in bytes.
///
/// # Errors
/// TypeError for what is no number, RangeError for a number below 0 or beyond 2^53 - 1.
pub fn index(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<usize> {
    whole(ctx, value, what, 0.0, 9_007_199_254_740_991.0).map(|number| number as usize)
}

/// A time or a delay in milliseconds, cut to 64 bits; a Date too. NaN is 0.
///
/// # Errors
/// TypeError for what is none of these.
pub fn milliseconds(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<i64> {
    let number = match value.is_object() {
        true => Some(value::to_number(value)?).filter(|number| !number.is_nan()),
        false => scalar(value)?,
    };
    match number {
        Some(number) => Ok(number as i64),
        None => Err(exception::type_error(ctx, &format!("{what} must be a number of milliseconds"))),
    }
}

/// An offset in a file; whether it came as a BigInt.
///
/// # Errors
/// TypeError for what is neither a number nor a BigInt, RangeError for one beyond 64 bits.
pub fn offset(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<(i64, bool)> {
    if value.is_big_int() {
        // The engine would cut it to its lowest 64 bits.
        let text = value::to_string(value)?;
        let beyond = |_| exception::range_error(ctx, &format!("{what} must fit in 64 bits"));
        return Ok((text.parse().map_err(beyond)?, true));
    }
    Ok((whole(ctx, value, what, i64::MIN as f64, i64::MAX as f64)? as i64, false))
}

/// A string for the system: a path, an argument of a program. Numbers and booleans are written out.
///
/// # Errors
/// TypeError for what is none of these, and for a NUL in it.
pub fn text(ctx: &Ctx<'_>, value: &Value<'_>, what: &str) -> Result<CString> {
    if !value.is_string() && !value.is_number() && !value.is_bool() {
        return Err(exception::type_error(ctx, &format!("{what} must be a string")));
    }
    let nul = |_| exception::type_error(ctx, &format!("{what} must not contain NUL"));
    CString::new(value::to_string(value)?).map_err(nul)
}

/// 0, or `-errno`.
///
/// # Errors
/// None.
pub fn status<'js>(ctx: &Ctx<'js>, result: io::Result<()>) -> Result<Value<'js>> {
    number(ctx, result.map(|()| 0))
}

/// The number, or `-errno`.
///
/// # Errors
/// None.
pub fn number<'js>(ctx: &Ctx<'js>, result: io::Result<i64>) -> Result<Value<'js>> {
    let number = result.unwrap_or_else(|error| -i64::from(errno::number(&error)));
    Ok(match i32::try_from(number) {
        Ok(number) => Value::new_int(ctx.clone(), number),
        Err(_) => Value::new_float(ctx.clone(), number as f64),
    })
}

/// As [`number`], as a BigInt.
///
/// # Errors
/// Out of memory.
pub fn big<'js>(ctx: &Ctx<'js>, result: io::Result<i64>) -> Result<Value<'js>> {
    let number = result.unwrap_or_else(|error| -i64::from(errno::number(&error)));
    Ok(BigInt::from_i64(ctx.clone(), number)?.into_value())
}

/// `[first, second]`.
///
/// # Errors
/// Out of memory.
pub fn pair<'js>(ctx: &Ctx<'js>, first: Value<'js>, second: i32) -> Result<Value<'js>> {
    let second = Value::new_int(ctx.clone(), second);
    iterate::array(ctx, [Ok(first), Ok(second)].into_iter())
}

/// `[text, 0]`, or `["", errno]`. Bytes that are no UTF-8 become U+FFFD.
///
/// # Errors
/// Out of memory.
pub fn text_pair<'js>(ctx: &Ctx<'js>, result: io::Result<Vec<u8>>) -> Result<Value<'js>> {
    let (bytes, errno) = match result {
        Ok(bytes) => (bytes, 0),
        Err(error) => (Vec::new(), errno::number(&error)),
    };
    pair(ctx, value::string(ctx, &String::from_utf8_lossy(&bytes))?, errno)
}
