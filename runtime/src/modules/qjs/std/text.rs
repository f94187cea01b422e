//! `std.encode` and `std.decode`: buffers to text and back, as the branch of the socket proposal has
//! them, whose example programs use both.
//!
//! Owns: the two functions. Must not know: files, sockets.

use rquickjs::{Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::{buffer_source, exception, value};

/// The calls.
pub(super) struct TextCalls;

impl Functions for TextCalls {
    const LIST: &'static [(&'static std::ffi::CStr, u8, Static)] =
        &[(c"encode", 1, encode), (c"decode", 1, decode)];
}

/// `encode(buffer)`: its bytes, which are UTF-8, as a string.
fn encode<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    match buffer_source::bytes(&scope.arg(0))? {
        Some(bytes) => bytes.with(|bytes| value::string(ctx, &String::from_utf8_lossy(bytes))),
        None => Err(exception::type_error(ctx, "encode: argument 1 is no ArrayBuffer and no view of one")),
    }
}

/// `decode(text)`: the string's UTF-8 as an ArrayBuffer.
fn decode<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    value::with_str(&scope.arg(0), |text| value::array_buffer(scope.ctx, text.as_bytes()))?
}
