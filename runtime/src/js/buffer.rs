//! ArrayBuffers and their views as objects: what a view covers, transfer, new views.
//!
//! Owns: the calls, by the engine's own methods whatever an app made of the prototypes. Must not
//! know: who passes buffers on (the stream classes).

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::intrinsics;
use super::{buffer_source, exception, value};

/// What a typed array or a DataView covers.
pub struct View<'js> {
    /// Its class: the engine's number of a typed array's, [`DATA_VIEW`] for a DataView.
    pub kind: i32,
    /// Bytes of an element; 1 for a DataView.
    pub unit: usize,
    /// Its buffer.
    pub buffer: Value<'js>,
    /// Where it begins in the buffer, in bytes.
    pub offset: usize,
    /// Length in bytes; 0 where the buffer is detached.
    pub len: usize,
}

/// The `kind` of a DataView.
pub const DATA_VIEW: i32 = 100;
/// The `kind` of a Uint8Array.
pub const UINT8: i32 = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8 as i32;

/// What `value` covers; none where it is no view, or one of a buffer that is shared or resizable
/// (Web IDL section 3.2.25: neither is allowed where a type does not say so).
///
/// # Errors
/// Out of memory.
pub fn view<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<View<'js>>> {
    if !value.is_object() {
        return Ok(None);
    }
    // SAFETY: reads the class of a live value.
    let kind = unsafe { qjs::JS_GetTypedArrayType(value.as_raw()) };
    // SAFETY: as above.
    let found = match (kind >= 0, unsafe { qjs::JS_IsDataView(value.as_raw()) }) {
        (true, _) => typed_array(ctx, value, kind),
        (false, true) => intrinsics::call(ctx, intrinsics::DATA_VIEW_BUFFER, value, &[]).and_then(|buffer| {
            let detached = is_detached(ctx, &buffer)?;
            let number = |index| {
                if detached {
                    return Ok(0);
                }
                let n = intrinsics::call(ctx, index, value, &[])?.as_number();
                n.map(|n| n as usize).ok_or(Error::Unknown)
            };
            let (offset, len) =
                (number(intrinsics::DATA_VIEW_OFFSET)?, number(intrinsics::DATA_VIEW_LENGTH)?);
            Ok(View { kind: DATA_VIEW, unit: 1, buffer, offset, len })
        }),
        (false, false) => return Ok(None),
    };
    let found = match found {
        Ok(found) => found,
        // Out of the bounds of a resizable buffer.
        Err(_) => {
            drop(ctx.catch());
            return Ok(None);
        }
    };
    // SAFETY: reads the class of a live value.
    let fixed = unsafe { qjs::JS_IsArrayBuffer(found.buffer.as_raw()) }
        && intrinsics::call(ctx, intrinsics::BUFFER_RESIZABLE, &found.buffer, &[])
            .map(|resizable| resizable.as_bool() == Some(false))
            .unwrap_or_else(|_| {
                // A SharedArrayBuffer has no such getter.
                drop(ctx.catch());
                false
            });
    Ok(fixed.then_some(found))
}

/// Whether `value` is a view, of whatever kind of buffer.
pub fn is_view(value: &Value<'_>) -> bool {
    // SAFETY: reads the class of a live value.
    value.is_object()
        && unsafe { qjs::JS_GetTypedArrayType(value.as_raw()) >= 0 || qjs::JS_IsDataView(value.as_raw()) }
}

fn typed_array<'js>(ctx: &Ctx<'js>, value: &Value<'js>, kind: i32) -> Result<View<'js>> {
    let (mut offset, mut len, mut unit) = (0, 0, 0);
    // SAFETY: a live typed array; its buffer comes as a new reference.
    let buffer = unsafe {
        let raw = ctx.as_raw().as_ptr();
        let buffer = qjs::JS_GetTypedArrayBuffer(raw, value.as_raw(), &mut offset, &mut len, &mut unit);
        value::fresh(ctx, buffer)?
    };
    if is_detached(ctx, &buffer)? {
        (offset, len) = (0, 0);
    }
    Ok(View { kind, unit: unit as usize, buffer, offset: offset as usize, len: len as usize })
}

/// Whether an ArrayBuffer is detached.
///
/// # Errors
/// TypeError for anything else.
pub fn is_detached<'js>(ctx: &Ctx<'js>, buffer: &Value<'js>) -> Result<bool> {
    Ok(intrinsics::call(ctx, intrinsics::BUFFER_DETACHED, buffer, &[])?.as_bool() == Some(true))
}

/// Moves the bytes of an ArrayBuffer to a new one and detaches it (ECMA-262 section 25.1.3.15).
///
/// # Errors
/// TypeError where it is detached or immutable.
pub fn transfer<'js>(ctx: &Ctx<'js>, buffer: &Value<'js>) -> Result<Value<'js>> {
    intrinsics::call(ctx, intrinsics::BUFFER_TRANSFER, buffer, &[])
}

/// A new ArrayBuffer of `len` zeros.
///
/// # Errors
/// RangeError where there is no memory.
pub fn zeros<'js>(ctx: &Ctx<'js>, len: f64) -> Result<Value<'js>> {
    intrinsics::construct(ctx, intrinsics::BUFFER, &[Value::new_number(ctx.clone(), len)])
}

/// A new view of class `kind` from byte `offset` on, `length` elements long.
///
/// # Errors
/// RangeError beyond the buffer, TypeError for a detached one.
pub fn make<'js>(kind: i32, buffer: Value<'js>, offset: f64, length: f64) -> Result<Value<'js>> {
    let ctx = buffer.ctx().clone();
    let args = [buffer, Value::new_number(ctx.clone(), offset), Value::new_number(ctx.clone(), length)];
    if kind == DATA_VIEW {
        return intrinsics::construct(&ctx, intrinsics::DATA_VIEW, &args);
    }
    let kind = u32::try_from(kind).map_err(|_| exception::type_error(&ctx, "no class of views"))?;
    let mut raw = args.each_ref().map(Value::as_raw);
    // SAFETY: the three arguments are alive for the call; the kind is a number of the engine's.
    unsafe { value::fresh(&ctx, qjs::JS_NewTypedArray(ctx.as_raw().as_ptr(), 3, raw.as_mut_ptr(), kind)) }
}

/// Copies `len` bytes between two ArrayBuffers; what does not fit is left out.
///
/// # Errors
/// Out of memory.
pub fn copy(to: &Value<'_>, at: usize, from: &Value<'_>, start: usize, len: usize) -> Result<()> {
    let bytes = buffer_source::bytes(from)?
        .map(|bytes| bytes.with(|b| b.get(start..start + len).map(<[u8]>::to_vec)));
    if let (Some(Some(bytes)), Some(target)) = (bytes, buffer_source::bytes(to)?) {
        target.write_at(at, &bytes);
    }
    Ok(())
}

/// A new ArrayBuffer with a copy of `len` bytes of `buffer`.
///
/// # Errors
/// Out of memory.
pub fn slice<'js>(buffer: &Value<'js>, start: usize, len: usize) -> Result<Value<'js>> {
    let ctx = buffer.ctx();
    match buffer_source::bytes(buffer)? {
        Some(bytes) => bytes.with(|all| value::array_buffer(ctx, all.get(start..start + len).unwrap_or(&[]))),
        None => value::array_buffer(ctx, &[]),
    }
}
