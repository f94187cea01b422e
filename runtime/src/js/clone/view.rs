//! What typed arrays and DataViews cover, as serialisation needs it.
//!
//! Owns: their offset, length, and whether the length follows a resizable buffer. Must not know: the
//! byte format.

use rquickjs::{Ctx, Error, Result, Value, qjs};

use crate::js::buffer_source::{bytes, current_length, data_view, is_shared};
use crate::js::intrinsics::{self, class};
use crate::js::value::fresh;

/// What a typed array or DataView covers.
pub(super) struct View<'js> {
    pub(super) buffer: Value<'js>,
    /// In bytes.
    pub(super) offset: usize,
    /// In elements.
    pub(super) length: usize,
    /// Bytes of an element.
    unit: usize,
}

/// Bytes of a SharedArrayBuffer as it is seen here.
fn shared_length(buffer: &Value<'_>) -> usize {
    let mut len = 0;
    // SAFETY: a live SharedArrayBuffer, which nothing detaches.
    unsafe { qjs::JS_GetArrayBuffer(buffer.ctx().as_raw().as_ptr(), &mut len, buffer.as_raw()) };
    len as usize
}

impl<'js> View<'js> {
    /// Throws if the view is out of bounds, or its buffer detached.
    pub(super) fn of(ctx: &Ctx<'js>, value: &Value<'js>, id: u32) -> Result<Self> {
        if id == class::DATA_VIEW {
            let (buffer, offset, length) = data_view(ctx, value)?;
            return Ok(View { buffer, offset, length, unit: 1 });
        }
        let (mut offset, mut stale, mut unit) = (0, 0, 0);
        // SAFETY: a live typed array; its buffer comes as a new reference. The byte length given is
        // not updated for views that track a resizable buffer: the `length` getter is right.
        let buffer = unsafe {
            let raw = ctx.as_raw().as_ptr();
            let buffer = qjs::JS_GetTypedArrayBuffer(raw, value.as_raw(), &mut offset, &mut stale, &mut unit);
            fresh(ctx, buffer)?
        };
        let length = current_length(ctx, value)?;
        Ok(View { buffer, offset: offset as usize, length, unit: unit as usize })
    }

    /// Whether the view's length follows its buffer's. Nothing in the engine tells; so the buffer
    /// is resized by one element and back, with its bytes as they were.
    pub(super) fn tracks_length(&self, ctx: &Ctx<'js>, value: &Value<'js>, id: u32) -> Result<bool> {
        let get = |index| intrinsics::call(ctx, index, &self.buffer, &[]);
        if is_shared(self.buffer.as_raw()) {
            // It can grow but never shrink back: a view to its very end passes for one that follows.
            let growable = get(intrinsics::SHARED_GROWABLE)?.as_bool() == Some(true);
            return Ok(growable && self.offset + (self.length + 1) * self.unit > shared_length(&self.buffer));
        }
        if get(intrinsics::BUFFER_RESIZABLE)?.as_bool() != Some(true) {
            return Ok(false);
        }
        let max = get(intrinsics::BUFFER_LENGTH_MAX)?.as_number().unwrap_or(0.0) as usize;
        let content = bytes(&self.buffer)?.ok_or(Error::Unknown)?.to_vec();
        let len = content.len();
        if self.offset + (self.length + 1) * self.unit <= len {
            return Ok(false);
        }
        let probe = if len + self.unit <= max { len + self.unit } else { len.saturating_sub(self.unit) };
        let resize = |n: usize| {
            let n = Value::new_number(ctx.clone(), n as f64);
            intrinsics::call(ctx, intrinsics::BUFFER_RESIZE, &self.buffer, &[n])
        };
        resize(probe)?;
        let during = View::of(ctx, value, id);
        if during.is_err() {
            drop(ctx.catch());
        }
        resize(len)?;
        bytes(&self.buffer)?.ok_or(Error::Unknown)?.write(&content);
        Ok(match during {
            Ok(view) => view.length != self.length,
            // Shrunk below the view's start: only an empty view at the very end, fixed or not.
            Err(_) => self.length == 0,
        })
    }
}
