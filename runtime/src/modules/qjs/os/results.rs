//! What came of a socket call, for its script.
//!
//! Owns: errors as exceptions, numbers of bytes, what was received into the script's buffer. Must not know:
//! which call it was.

use std::io;

use rquickjs::{Ctx, Result, Value};

use super::errno;
use crate::js::{buffer_source, exception};

/// The result of `call`, its error as an exception.
///
/// # Errors
/// That exception.
pub(super) fn check<T>(ctx: &Ctx<'_>, call: &str, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| errno::throw(ctx, call, &error))
}

/// A number of bytes.
pub(super) fn count<'js>(ctx: &Ctx<'js>, bytes: usize) -> Value<'js> {
    match i32::try_from(bytes) {
        Ok(bytes) => Value::new_int(ctx.clone(), bytes),
        Err(_) => Value::new_number(ctx.clone(), bytes as f64),
    }
}

/// Copies what was received to the script's buffer: as much as fits, should it have shrunk; the
/// number of bytes copied. Nothing fits a buffer that was detached: that is a TypeError, for 0
/// would mean the end of the stream.
///
/// # Errors
/// That TypeError.
pub(super) fn fill(ctx: &Ctx<'_>, buffer: Option<Value<'_>>, received: &[u8]) -> Result<usize> {
    let Some(buffer) = buffer else { return Ok(0) };
    let fits = buffer_source::bytes(&buffer)?.map_or(0, |bytes| bytes.write(received));
    if fits == 0 && !received.is_empty() {
        return Err(exception::type_error(ctx, "the buffer was detached while the operation was pending"));
    }
    Ok(fits)
}
