//! Structured clone (HTML section 2.7): values to bytes and back, between engines or inside one.
//!
//! Owns: the byte format, what can be cloned, transfer. Must not know: where the bytes are kept.
//! The decoder takes any bytes: what is malformed throws, nothing panics and nothing overflows the
//! native stack. Both ways are loops over a work list, and what the app did to prototypes is not seen.

mod decode;
mod encode;
mod format;
pub(in crate::js) mod intrinsics;
pub(super) mod view;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::block::Block;
use super::exception;
pub use intrinsics::install;

/// Objects nested in one another in a value that can be cloned.
pub const DEPTH_MAX: usize = 100_000;
/// Bytes of a value in flight inside one `structuredClone`.
pub const CLONE_BYTES_MAX: usize = 128 << 20;

/// A value on its way to another engine of this process.
pub struct Packed {
    bytes: Vec<u8>,
    /// What its SharedArrayBuffers refer to.
    shared: Vec<Block>,
}

impl Packed {
    /// Bytes that it holds itself.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds none: never.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Packs `value` (StructuredSerialize), `None` if that takes more than `bytes_max`. Memory of
/// SharedArrayBuffers is shared, not copied.
///
/// # Errors
/// `DataCloneError` for what cannot be cloned; what a getter throws.
pub fn pack<'js>(ctx: &Ctx<'js>, value: &Value<'js>, bytes_max: usize) -> Result<Option<Packed>> {
    outcome(encode::Encoder::new(ctx, bytes_max, &[]).sharing().run(value))
}

/// What was packed (StructuredDeserialize).
///
/// # Errors
/// Out of memory.
pub fn unpack<'js>(ctx: &Ctx<'js>, packed: &Packed) -> Result<Value<'js>> {
    decode::Decoder::new(ctx, &packed.bytes, &[], &packed.shared).run()
}

/// The bytes of `value` (StructuredSerializeForStorage), `None` if they are more than `bytes_max`.
///
/// # Errors
/// `DataCloneError` for what cannot be cloned; what a getter throws.
pub fn encode<'js>(ctx: &Ctx<'js>, value: &Value<'js>, bytes_max: usize) -> Result<Option<Vec<u8>>> {
    Ok(outcome(encode::Encoder::new(ctx, bytes_max, &[]).run(value))?.map(|packed| packed.bytes))
}

/// The value of such bytes (StructuredDeserialize).
///
/// # Errors
/// `DataCloneError` for malformed bytes, out of memory.
pub fn decode<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    decode::Decoder::new(ctx, bytes, &[], &[]).run()
}

/// `structuredClone(value, { transfer })`: the buffers in `transfer` move into the copy and are
/// detached.
///
/// # Errors
/// `DataCloneError` for what can be neither cloned nor transferred; what a getter throws.
pub fn structured_clone<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    transfer: &[Value<'js>],
) -> Result<Value<'js>> {
    if transfer.is_empty() && !value.is_object() && !value.is_symbol() {
        return Ok(value.clone());
    }
    for (index, item) in transfer.iter().enumerate() {
        // SAFETY: type check of a live value.
        if !unsafe { qjs::JS_IsArrayBuffer(item.as_raw()) } {
            return Err(refused(ctx, "Value not transferable: only an ArrayBuffer is"));
        }
        if transfer[..index].iter().any(|other| address(other) == address(item)) {
            return Err(refused(ctx, "An ArrayBuffer is in the transfer list twice"));
        }
    }
    let packed = outcome(encode::Encoder::new(ctx, CLONE_BYTES_MAX, transfer).sharing().run(value))?;
    let packed = packed.ok_or_else(|| refused(ctx, "The value is too large to be cloned"))?;
    // All are looked at before the first is detached.
    for item in transfer {
        if intrinsics::call(ctx, intrinsics::BUFFER_DETACHED, item, &[])?.as_bool() != Some(false) {
            return Err(refused(ctx, "An ArrayBuffer is detached and could not be transferred"));
        }
    }
    let mut moved = Vec::with_capacity(transfer.len());
    for item in transfer {
        let buffer = intrinsics::call(ctx, intrinsics::BUFFER_TRANSFER, item, &[]).map_err(|_| {
            drop(ctx.catch());
            refused(ctx, "An ArrayBuffer could not be transferred")
        })?;
        moved.push(buffer);
    }
    decode::Decoder::new(ctx, &packed.bytes, &moved, &packed.shared).run()
}

fn outcome(result: std::result::Result<Packed, encode::Stop>) -> Result<Option<Packed>> {
    match result {
        Ok(packed) => Ok(Some(packed)),
        Err(encode::Stop::TooLarge) => Ok(None),
        Err(encode::Stop::Thrown(error)) => Err(error),
    }
}

fn refused(ctx: &Ctx<'_>, message: &str) -> Error {
    exception::dom_exception(ctx, "DataCloneError", message)
}

/// What tells one object from another while both live.
fn address(value: &Value<'_>) -> usize {
    // SAFETY: reads the pointer of a live object.
    unsafe { qjs::JS_VALUE_GET_PTR(value.as_raw()) as usize }
}
