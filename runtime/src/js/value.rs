//! Values as Rust sees them: strings as UTF-8, buffers as bytes.
//!
//! Owns: the conversions that rquickjs has not, or not without a copy. Must not know: their use.

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::clone::view;

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

/// The bytes that a BufferSource (ArrayBuffer, typed array, DataView) covers right now.
pub struct Bytes<'a> {
    ptr: *mut u8,
    len: usize,
    immutable: bool,
    /// Whether other threads may write to them at any time.
    shared: bool,
    _value: std::marker::PhantomData<&'a ()>,
}

impl Bytes<'_> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it covers no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether they may not be written to (the immutable ArrayBuffer proposal).
    pub fn is_immutable(&self) -> bool {
        self.immutable
    }

    /// A copy of them.
    pub fn to_vec(&self) -> Vec<u8> {
        self.with(<[u8]>::to_vec)
    }

    /// A new ArrayBuffer with a copy of them.
    ///
    /// # Errors
    /// Out of memory.
    pub fn to_array_buffer<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        // The engine copies after its only allocation: the source cannot move in between.
        self.with(|bytes| array_buffer(ctx, bytes))
    }

    /// Lends them to `f`, which runs no JavaScript.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        if self.len == 0 {
            return f(&[]);
        }
        if self.shared {
            let mut copy = vec![0; self.len];
            // SAFETY: pointer and length as below. Other threads may write meanwhile: what is copied
            // is then some of both, but it stays the same for `f`.
            unsafe { std::ptr::copy_nonoverlapping(self.ptr, copy.as_mut_ptr(), self.len) };
            return f(&copy);
        }
        // SAFETY: `bytes` checked pointer and length; no JavaScript runs during `f`, so nothing
        // detaches or resizes the buffer.
        f(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }

    /// Lends them to `f`, which runs no JavaScript, to write to; none of an immutable buffer.
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.len == 0 || self.immutable {
            return f(&mut []);
        }
        // SAFETY: as in `with`; no other slice of the buffer lives while `f` runs.
        f(unsafe { std::slice::from_raw_parts_mut(self.ptr, self.len) })
    }

    /// Copies `from` to their front, as much as fits; the number of bytes copied: none to an
    /// immutable buffer.
    pub fn write(&self, from: &[u8]) -> usize {
        self.write_at(0, from)
    }

    /// As [`Bytes::write`], from byte `at` on.
    pub fn write_at(&self, at: usize, from: &[u8]) -> usize {
        let n = if self.immutable { 0 } else { from.len().min(self.len.saturating_sub(at)) };
        if n > 0 {
            // SAFETY: as in `with`, and `at` is inside; `from` is Rust memory and cannot overlap a
            // JavaScript buffer being written, `copy` would allow it all the same.
            unsafe { std::ptr::copy(from.as_ptr(), self.ptr.add(at), n) };
        }
        n
    }
}

/// The bytes of `value`, if it is a BufferSource; a detached one has none.
///
/// # Errors
/// None but out of memory.
pub fn bytes<'a>(value: &'a Value<'_>) -> Result<Option<Bytes<'a>>> {
    if !value.is_object() {
        return Ok(None);
    }
    let ctx = value.ctx();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: type checks first; a view that is out of bounds is an exception, which is cleared.
    unsafe {
        if qjs::JS_IsArrayBuffer(value.as_raw()) {
            return Ok(Some(whole(ctx, value.as_raw())));
        }
        if qjs::JS_GetTypedArrayType(value.as_raw()) >= 0 {
            let (mut offset, mut length, mut unit) = (0, 0, 0);
            let buffer =
                qjs::JS_GetTypedArrayBuffer(raw, value.as_raw(), &mut offset, &mut length, &mut unit);
            if qjs::JS_IsException(buffer) {
                drop(ctx.catch());
                return Ok(Some(empty()));
            }
            let all = whole(ctx, buffer);
            qjs::JS_FreeValue(raw, buffer);
            // The length is as it was when the view was made: wrong if the view follows a buffer
            // that was resized since. Only a view to the buffer's very end needs no question.
            if offset as usize + length as usize != all.len {
                length = view::current_length(ctx, value)? as _;
                length *= unit;
            }
            return Ok(Some(part(all, offset as usize, length as usize)));
        }
        if !qjs::JS_IsDataView(value.as_raw()) {
            return Ok(None);
        }
    }
    match view::data_view(ctx, value) {
        Ok((buffer, offset, length)) => Ok(Some(part(whole(ctx, buffer.as_raw()), offset, length))),
        Err(_) => {
            drop(ctx.catch());
            Ok(Some(empty()))
        }
    }
}

/// The bytes of `value`, if it is a SharedArrayBuffer itself: no BufferSource, but what the calls of
/// QuickJS take.
pub fn shared_bytes<'a>(value: &'a Value<'_>) -> Option<Bytes<'a>> {
    // SAFETY: asks a live value for its kind.
    let other = !value.is_object() || unsafe { qjs::JS_IsArrayBuffer(value.as_raw()) };
    // All else than the two kinds of buffers has none.
    (!other).then(|| whole(value.ctx(), value.as_raw())).filter(|bytes| !bytes.ptr.is_null())
}

fn whole<'a>(ctx: &Ctx<'_>, buffer: qjs::JSValue) -> Bytes<'a> {
    let mut len = 0;
    // SAFETY: `buffer` is a live ArrayBuffer; null means detached, with an exception to clear.
    unsafe {
        let ptr = qjs::JS_GetArrayBuffer(ctx.as_raw().as_ptr(), &mut len, buffer);
        if ptr.is_null() {
            drop(ctx.catch());
            return empty();
        }
        let immutable = qjs::JS_IsImmutableArrayBuffer(buffer) > 0;
        let shared = view::is_shared(buffer);
        Bytes { ptr, len: len as usize, immutable, shared, _value: std::marker::PhantomData }
    }
}

fn empty<'a>() -> Bytes<'a> {
    Bytes {
        ptr: std::ptr::null_mut(),
        len: 0,
        immutable: false,
        shared: false,
        _value: std::marker::PhantomData,
    }
}

fn part(all: Bytes<'_>, offset: usize, len: usize) -> Bytes<'_> {
    if offset > all.len || len > all.len - offset {
        return empty();
    }
    // SAFETY: within the buffer, checked above.
    Bytes { ptr: unsafe { all.ptr.add(offset) }, len, ..all }
}
