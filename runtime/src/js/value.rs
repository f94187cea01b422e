//! Values as Rust sees them: strings as UTF-8, numbers, new values of bytes.
//!
//! Owns: the conversions that rquickjs has not, or not without a copy. Must not know: their use.

use rquickjs::{Atom, Ctx, Error, Result, Value, qjs};

/// Calls `f` with the value's string (ToString, lone surrogates replaced), as UTF-8. ASCII strings
/// are lent without a copy.
///
/// # Errors
/// What the value's `toString` throws.
pub fn with_str<R>(value: &Value<'_>, f: impl FnOnce(&str) -> R) -> Result<R> {
    let ctx = value.ctx().as_raw().as_ptr();
    // SAFETY: JS_ToCStringLen yields `len` bytes that live until JS_FreeCString.
    unsafe {
        let mut len = 0;
        let ptr = qjs::JS_ToCStringLen(ctx, &mut len, value.as_raw());
        if ptr.is_null() {
            return Err(Error::Exception);
        }
        let bytes = std::slice::from_raw_parts(ptr.cast::<u8>(), len);
        let result = match std::str::from_utf8(bytes) {
            Ok(text) => f(text),
            Err(_) => f(&scalar_values(bytes)),
        };
        qjs::JS_FreeCString(ctx, ptr);
        Ok(result)
    }
}

/// Lends the string to `f` where it has no lone surrogates.
///
/// # Errors
/// Out of memory.
pub fn with_whole_str<R>(value: &Value<'_>, f: impl FnOnce(&str) -> R) -> Result<Option<R>> {
    let ctx = value.ctx().as_raw().as_ptr();
    // SAFETY: as in `with_str`.
    unsafe {
        let mut len = 0;
        let ptr = qjs::JS_ToCStringLen(ctx, &mut len, value.as_raw());
        if ptr.is_null() {
            return Err(Error::Exception);
        }
        let result = std::str::from_utf8(std::slice::from_raw_parts(ptr.cast::<u8>(), len)).ok().map(f);
        qjs::JS_FreeCString(ctx, ptr);
        Ok(result)
    }
}

/// Encoded surrogates (ED A0..BF xx) become U+FFFD each, as in Web IDL's USVString.
fn scalar_values(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Err(error) = std::str::from_utf8(rest) {
        let (good, bad) = rest.split_at(error.valid_up_to());
        out.push_str(&String::from_utf8_lossy(good));
        out.push(char::REPLACEMENT_CHARACTER);
        rest = &bad[bad.len().min(3)..];
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// The value's string, as in [`with_str`].
///
/// # Errors
/// What the value's `toString` throws.
pub fn to_string(value: &Value<'_>) -> Result<String> {
    with_str(value, str::to_owned)
}

/// Whether a string ends in half of a surrogate pair that the next string may complete.
pub fn ends_in_high_surrogate(value: &Value<'_>) -> bool {
    let ctx = value.ctx().as_raw().as_ptr();
    if !value.is_string() {
        return false;
    }
    // SAFETY: as in `with_str`; a lone surrogate is three bytes, ED A0..AF for a high one.
    unsafe {
        let mut len = 0;
        let ptr = qjs::JS_ToCStringLen(ctx, &mut len, value.as_raw());
        if ptr.is_null() {
            return false;
        }
        let bytes = std::slice::from_raw_parts(ptr.cast::<u8>(), len);
        let high = matches!(bytes, [.., 0xed, 0xa0..=0xaf, 0x80..=0xbf]);
        qjs::JS_FreeCString(ctx, ptr);
        high
    }
}

/// The value's number (ToNumber).
///
/// # Errors
/// What the value's `valueOf` throws.
pub fn to_number(value: &Value<'_>) -> Result<f64> {
    let mut number = 0.0;
    // SAFETY: a live value; the result goes to a local.
    let done = unsafe { qjs::JS_ToFloat64(value.ctx().as_raw().as_ptr(), &mut number, value.as_raw()) };
    if done < 0 { Err(Error::Exception) } else { Ok(number) }
}

/// A JavaScript string.
///
/// # Errors
/// Out of memory.
pub fn string<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    // SAFETY: the pointer and length are those of a valid UTF-8 string.
    unsafe { fresh(ctx, qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), text.as_ptr().cast(), text.len() as _)) }
}

/// An iterator result object (ECMA-262 section 7.4.14).
///
/// # Errors
/// Out of memory.
pub fn iterator_result<'js>(ctx: &Ctx<'js>, value: Value<'js>, done: bool) -> Result<Value<'js>> {
    let (raw, flags) = (ctx.as_raw().as_ptr(), qjs::JS_PROP_C_W_E as i32);
    // SAFETY: the object is new; each definition takes one reference of its value.
    unsafe {
        let object = fresh(ctx, qjs::JS_NewObject(raw))?;
        let value = qjs::JS_DupValue(raw, value.as_raw());
        let properties =
            [(qjs::JS_ATOM_value, value), (qjs::JS_ATOM_done, Value::new_bool(ctx.clone(), done).as_raw())];
        for (name, value) in properties {
            if qjs::JS_DefinePropertyValue(raw, object.as_raw(), name, value, flags) < 0 {
                return Err(Error::Exception);
            }
        }
        Ok(object)
    }
}

/// A JavaScript string of bytes that are UTF-8, as was checked when they came: they are read once more only where they
/// are not ASCII. What is none becomes U+FFFD.
///
/// # Errors
/// Out of memory.
pub fn checked_utf8<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    // SAFETY: pointer and length of a slice; the engine takes any bytes.
    unsafe {
        fresh(ctx, qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), bytes.as_ptr().cast(), bytes.len() as _))
    }
}

/// The property key that is called `name`. Names that come from outside are turned into keys here, and
/// not by rquickjs' conversion of a `&str`: the engine looks for its UTF-8 among the keys that it knows
/// by their Latin-1 (quickjs.c, JS_NewAtomLen), and takes the key "Ã©" for "é".
///
/// # Errors
/// Out of memory.
pub fn key<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Atom<'js>> {
    match name.is_ascii() {
        true => Atom::from_str(ctx.clone(), name),
        false => Atom::from_value(ctx.clone(), &string(ctx, name)?),
    }
}

/// A JavaScript string, one code unit a byte (Web IDL's ByteString).
///
/// # Errors
/// Out of memory.
pub fn byte_string<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    match bytes.is_ascii() {
        // SAFETY: ASCII is valid UTF-8.
        true => unsafe {
            fresh(ctx, qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), bytes.as_ptr().cast(), bytes.len() as _))
        },
        false => string(ctx, &bytes.iter().map(|b| char::from(*b)).collect::<String>()),
    }
}

/// An ArrayBuffer with a copy of `bytes`.
///
/// # Errors
/// Out of memory.
pub fn array_buffer<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    // SAFETY: copies from a valid slice.
    unsafe { fresh(ctx, qjs::JS_NewArrayBufferCopy(ctx.as_raw().as_ptr(), bytes.as_ptr(), bytes.len() as _)) }
}

/// A Uint8Array with a copy of `bytes`.
///
/// # Errors
/// Out of memory.
pub fn uint8_array<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    // SAFETY: copies from a valid slice.
    unsafe { fresh(ctx, qjs::JS_NewUint8ArrayCopy(ctx.as_raw().as_ptr(), bytes.as_ptr(), bytes.len() as _)) }
}

/// Bytes from which a Uint8Array's memory is not zeroed before it is written.
const LARGE_BYTES: usize = 4 << 10;

/// A Uint8Array of `len` bytes: those that `give` gives, piece by piece, to the function that it gets. Zeros where that
/// are fewer.
///
/// # Errors
/// Out of memory.
pub fn uint8_array_of<'js>(
    ctx: &Ctx<'js>,
    len: usize,
    give: impl FnOnce(&mut dyn FnMut(&[u8])),
) -> Result<Value<'js>> {
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the memory is the engine's, of `len` bytes, and nobody else knows it yet; it is written up to its end
    // only. An ArrayBuffer that cannot be made leaves it to us.
    unsafe {
        if len < LARGE_BYTES {
            let array = fresh(ctx, qjs::JS_NewUint8ArrayCopy(raw, std::ptr::null(), len as _))?;
            let mut count = 0;
            let start = qjs::JS_GetUint8Array(raw, &mut count, array.as_raw());
            write_pieces(start, len.min(count as usize), give);
            return Ok(array);
        }
        let start = qjs::js_malloc(raw, len as _).cast::<u8>();
        if start.is_null() {
            return Err(Error::Exception);
        }
        let written = write_pieces(start, len, give);
        start.add(written).write_bytes(0, len - written);
        let buffer =
            qjs::JS_NewArrayBuffer(raw, start, len as _, 0, Some(reallocate), std::ptr::null_mut(), false);
        let buffer = fresh(ctx, buffer).inspect_err(|_| qjs::js_free(raw, start.cast()))?;
        let mut arguments = [buffer.as_raw()];
        let kind = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8;
        fresh(ctx, qjs::JS_NewTypedArray(raw, 1, arguments.as_mut_ptr(), kind))
    }
}

/// Writes the pieces that `give` gives to the `len` bytes from `start` on; how many they were.
///
/// # Safety
/// They may be written, and nothing else refers to them.
pub(super) unsafe fn write_pieces(
    start: *mut u8,
    len: usize,
    give: impl FnOnce(&mut dyn FnMut(&[u8])),
) -> usize {
    let mut written = 0;
    give(&mut |piece| {
        let count = piece.len().min(len - written);
        // SAFETY: by the caller: `written + count` is at most `len`.
        unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), start.add(written), count) };
        written += count;
    });
    written
}

/// What an ArrayBuffer does with memory of the engine's.
unsafe extern "C" fn reallocate(
    rt: *mut qjs::JSRuntime,
    _opaque: *mut std::ffi::c_void,
    memory: *mut std::ffi::c_void,
    len: qjs::size_t,
) -> *mut std::ffi::c_void {
    // SAFETY: the engine calls with memory that `js_malloc` gave.
    unsafe { qjs::js_realloc_rt(rt, memory, len) }
}

/// What JSON.parse makes of `text`; the engine's own parser, whatever the app did to `JSON`.
///
/// # Errors
/// SyntaxError.
pub fn parse_json<'js>(ctx: &Ctx<'js>, text: &str, name: &str) -> Result<Value<'js>> {
    let text = text.to_owned() + "\0";
    let name = name.replace('\0', "") + "\0";
    // SAFETY: the engine wants a NUL behind the text's last byte; it is there.
    unsafe {
        fresh(
            ctx,
            qjs::JS_ParseJSON(
                ctx.as_raw().as_ptr(),
                text.as_ptr().cast(),
                (text.len() - 1) as _,
                name.as_ptr().cast(),
            ),
        )
    }
}

/// Takes over a new reference from the engine.
///
/// # Safety
/// `raw` is an owned reference of the context's runtime, or the exception mark.
pub(crate) unsafe fn fresh<'js>(ctx: &Ctx<'js>, raw: qjs::JSValue) -> Result<Value<'js>> {
    // SAFETY: by the caller.
    unsafe {
        match qjs::JS_IsException(raw) {
            true => Err(Error::Exception),
            false => Ok(Value::from_raw(ctx.clone(), raw)),
        }
    }
}
