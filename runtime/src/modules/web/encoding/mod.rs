//! `TextEncoder` and `TextDecoder` of the WHATWG Encoding standard.
//!
//! Owns: both classes (the decoder in its own file). Must not know: streams. `atob` and `btoa` are
//! the engine's; a test holds them to the standard.

use std::ffi::CStr;

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::{buffer_source, exception, function, reflect, value};

mod decoder;

pub use decoder::{TextDecoder, decode, decoder, name};

/// A `TextEncoder` object: it has no state.
pub struct TextEncoder;

/// Registers both classes, and shows `atob` and `btoa`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<TextEncoder>(ctx)?;
    class::register::<TextDecoder>(ctx)?;
    // Web IDL has operations enumerable; the engine has not.
    let globals = ctx.globals();
    for name in [c"atob", c"btoa"] {
        let function: Value = globals.get(name.to_str().map_err(|_| rquickjs::Error::Unknown)?)?;
        function::define(ctx, &globals, name, function, true)?;
    }
    Ok(())
}

impl class_id::Of for class_id::TextEncoder {
    type Class = TextEncoder;
}

impl Class for TextEncoder {
    type Id = class_id::TextEncoder;
    const NAME: &'static CStr = c"TextEncoder";
    const DISPLAY: Option<Display> = Some(Display::Attributes(&["encoding"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"encoding", |_, scope| value::string(scope.ctx, "utf-8")),
        Member::Method(c"encode", 0, encode),
        Member::Method(c"encodeInto", 2, encode_into),
    ];

    fn construct(_scope: &Scope<'_, '_>) -> Result<Self> {
        Ok(TextEncoder)
    }
}

fn encode<'js>(_this: &TextEncoder, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if !scope.has(0) {
        return value::uint8_array(scope.ctx, b"");
    }
    value::with_str(&scope.arg(0), |text| value::uint8_array(scope.ctx, text.as_bytes()))?
}

fn encode_into<'js>(_this: &TextEncoder, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "TextEncoder.encodeInto")?;
    let source = scope.arg(0);
    let destination = scope.arg(1);
    // Arguments are converted in order: the string's `toString` runs before the array is looked at.
    let (read, written) = value::with_str(&source, |text| -> Result<(usize, usize)> {
        if reflect::typed_array(&destination) != Some("Uint8Array") {
            return Err(exception::type_error(scope.ctx, "encodeInto: argument 2 is not a Uint8Array"));
        }
        let Some(bytes) = buffer_source::bytes(&destination)? else { return Ok((0, 0)) };
        if bytes.is_immutable() {
            return Err(exception::type_error(scope.ctx, "encodeInto: argument 2 is immutable"));
        }
        let end = text.floor_char_boundary(bytes.len());
        let fitting = &text[..end];
        let units = match fitting.is_ascii() {
            true => fitting.len(),
            false => fitting.chars().map(char::len_utf16).sum(),
        };
        Ok((units, bytes.write(fitting.as_bytes())))
    })??;
    let result = Object::new(scope.ctx.clone())?;
    for (name, count) in [(c"read", read), (c"written", written)] {
        let count = Value::new_number(scope.ctx.clone(), count as f64);
        crate::js::function::define(scope.ctx, &result, name, count, true)?;
    }
    Ok(result.into_value())
}
