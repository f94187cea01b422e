//! Structured clone (HTML section 2.7): values to bytes and back, between engines or inside one.
//!
//! Owns: the byte format, what can be cloned, transfer. Must not know: where the bytes are kept.
//! The decoder takes any bytes: what is malformed throws, nothing panics and nothing overflows the
//! native stack. Both ways are loops over a work list, and what the app did to prototypes is not seen.

mod decode;
mod encode;
mod format;
pub mod platform;
mod view;

use std::collections::HashSet;

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::block::Block;
use super::exception;
use super::intrinsics;
pub use super::intrinsics::install;
use platform::Serialized;

/// Objects nested in one another in a value that can be cloned.
pub const DEPTH_MAX: usize = 100_000;
/// Bytes of a value in flight inside one `structuredClone`.
pub const CLONE_BYTES_MAX: usize = 128 << 20;

/// A value on its way to another engine of this process.
pub struct Packed {
    bytes: Vec<u8>,
    /// What its SharedArrayBuffers refer to.
    shared: Vec<Block>,
    /// Objects of the platform.
    platform: Vec<Box<dyn Serialized>>,
}

impl Packed {
    /// Bytes that it holds.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.platform.iter().map(|object| object.bytes()).sum::<usize>()
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
    decode::Decoder::new(ctx, &packed.bytes).of(packed).run()
}

/// The bytes of `value` (StructuredSerializeForStorage), `None` if they are more than `bytes_max`.
///
/// # Errors
/// `DataCloneError` for what cannot be cloned; what a getter throws.
pub fn encode<'js>(ctx: &Ctx<'js>, value: &Value<'js>, bytes_max: usize) -> Result<Option<Vec<u8>>> {
    if value.is_string()
        && let Some(bytes) = encode::text_alone(value)?
    {
        return Ok((bytes.len() <= bytes_max).then_some(bytes));
    }
    Ok(outcome(encode::Encoder::new(ctx, bytes_max, &[]).run(value))?.map(|packed| packed.bytes))
}

/// The value of such bytes (StructuredDeserialize).
///
/// # Errors
/// `DataCloneError` for malformed bytes, out of memory.
pub fn decode<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    decode::Decoder::new(ctx, bytes).run()
}

/// `structuredClone(value, { transfer })`: the buffers in `transfer` move into the copy and are
/// detached; so do other transferable objects.
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
    clone_and_transfer(ctx, value, transfer).map(|(copy, _)| copy)
}

/// As [`structured_clone`]; with what the transferred objects became, in their order.
///
/// # Errors
/// As there.
pub fn clone_and_transfer<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    transfer: &[Value<'js>],
) -> Result<(Value<'js>, Vec<Value<'js>>)> {
    let mut met = HashSet::with_capacity(transfer.len());
    for item in transfer {
        if !is_buffer(item) && platform::movable(ctx, item)?.is_none() {
            return Err(refused(ctx, "A value in the transfer list is not transferable"));
        }
        if !met.insert(address(item)) {
            return Err(refused(ctx, "An object is in the transfer list twice"));
        }
    }
    let packed = outcome(encode::Encoder::new(ctx, CLONE_BYTES_MAX, transfer).sharing().run(value))?;
    let packed = packed.ok_or_else(|| refused(ctx, "The value is too large to be cloned"))?;
    // All are looked at before the first is detached.
    for item in transfer {
        let movable = match is_buffer(item) {
            true => intrinsics::call(ctx, intrinsics::BUFFER_DETACHED, item, &[])?.as_bool() == Some(false),
            false => platform::movable(ctx, item)? == Some(true),
        };
        if !movable {
            let text = "An object is detached, closed or locked and could not be transferred";
            return Err(refused(ctx, text));
        }
    }
    let mut moved = Vec::with_capacity(transfer.len());
    for item in transfer {
        moved.push(match is_buffer(item) {
            true => intrinsics::call(ctx, intrinsics::BUFFER_TRANSFER, item, &[]).map_err(|_| {
                drop(ctx.catch());
                refused(ctx, "An ArrayBuffer could not be transferred")
            })?,
            false => platform::transfer(ctx, item)?,
        });
    }
    let copy = decode::Decoder::new(ctx, &packed.bytes).of(&packed).moved(&moved).run()?;
    Ok((copy, moved))
}

fn is_buffer(value: &Value<'_>) -> bool {
    // SAFETY: type check of a live value.
    unsafe { qjs::JS_IsArrayBuffer(value.as_raw()) }
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
