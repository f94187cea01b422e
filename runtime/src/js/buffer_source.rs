//! The bytes of buffers and their views (Web IDL's BufferSource), lent to Rust without a copy where that is safe.
//!
//! Owns: where they are at each use, whatever happened to the buffer meanwhile; what a view covers, by the
//! getters that it was born with. Must not know: who reads or writes them.

use std::sync::atomic::{AtomicU8, Ordering};

use rquickjs::{Ctx, Error, Result, Value, qjs};

use super::intrinsics::{self, class};
use super::value::array_buffer;

/// The bytes that a BufferSource (ArrayBuffer, typed array, DataView) covers. Their address is looked up
/// for each use, so that it is never one of a buffer that was detached or resized in between.
pub struct Bytes<'a> {
    ctx: *mut qjs::JSContext,
    /// The ArrayBuffer or SharedArrayBuffer, which the value borrowed for `'a` is or keeps alive.
    buffer: qjs::JSValue,
    offset: usize,
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

    /// The `len` bytes from `offset` on; none where they reach beyond the end.
    pub fn part(self, offset: usize, len: usize) -> Self {
        let inside = offset <= self.len && len <= self.len - offset;
        let (offset, len) = if inside { (self.offset + offset, len) } else { (0, 0) };
        Bytes { offset, len, ..self }
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

    /// Address and number of those bytes that are there now: all of them, unless the buffer shrank or
    /// was detached. Valid until JavaScript runs.
    fn now(&self) -> (*mut u8, usize) {
        if self.len == 0 {
            return (std::ptr::NonNull::dangling().as_ptr(), 0);
        }
        let mut whole = 0;
        // SAFETY: context and buffer live for `'a`; null comes with an exception, which goes.
        unsafe {
            let start = qjs::JS_GetArrayBuffer(self.ctx, &mut whole, self.buffer);
            if start.is_null() {
                qjs::JS_FreeValue(self.ctx, qjs::JS_GetException(self.ctx));
                return (std::ptr::NonNull::dangling().as_ptr(), 0);
            }
            let offset = self.offset.min(whole as usize);
            (start.add(offset), self.len.min(whole as usize - offset))
        }
    }

    /// Lends them to `f`, which runs no JavaScript; a copy of what other threads may write to.
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        if self.shared {
            return f(&self.snapshot());
        }
        let (start, len) = self.now();
        // SAFETY: `now` gives what the buffer has; no JavaScript runs during `f`, so nothing detaches or
        // resizes it.
        f(unsafe { std::slice::from_raw_parts(start, len) })
    }

    /// A copy of memory that other threads may write to meanwhile: it is then some of both.
    fn snapshot(&self) -> Vec<u8> {
        let (start, len) = self.now();
        let mut copy = vec![0; len];
        // SAFETY: `now` gives `len` bytes; the copy is memory of our own.
        unsafe { std::ptr::copy_nonoverlapping(start, copy.as_mut_ptr(), len) };
        copy
    }

    /// Lends them to `f`, which runs no JavaScript, to write to; none of an immutable buffer. Of memory
    /// that other threads may write to, too, it is a copy, and what `f` changed in it is written back.
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.immutable {
            return f(&mut []);
        }
        if self.shared {
            let before = self.snapshot();
            let mut after = before.clone();
            let result = f(&mut after);
            self.store_changes(&before, &after);
            return result;
        }
        let (start, len) = self.now();
        // SAFETY: as in `with`; this thread alone reaches the memory, and only by `f` while that runs.
        f(unsafe { std::slice::from_raw_parts_mut(start, len) })
    }

    /// Writes the bytes of `after` that are not as `before`, and no other: another thread may have written
    /// to those meanwhile.
    fn store_changes(&self, before: &[u8], after: &[u8]) {
        let (start, len) = self.now();
        for (at, (old, new)) in before.iter().zip(after).enumerate().take(len) {
            if old != new {
                // SAFETY: `at` is below the length that `now` gives; an atomic store is no data race.
                unsafe { AtomicU8::from_ptr(start.add(at)) }.store(*new, Ordering::Relaxed);
            }
        }
    }

    /// Copies `from` to their front, as much as fits; the number of bytes copied: none to an
    /// immutable buffer.
    pub fn write(&self, from: &[u8]) -> usize {
        self.write_at(0, from)
    }

    /// As [`Bytes::write`], from byte `at` on.
    pub fn write_at(&self, at: usize, from: &[u8]) -> usize {
        let (start, len) = self.now();
        let n = if self.immutable { 0 } else { from.len().min(len.saturating_sub(at)) };
        if n > 0 {
            // SAFETY: `at` and `n` bytes behind it are inside of what `now` gives; `from` is Rust memory
            // and cannot overlap a JavaScript buffer being written, `copy` would allow it all the same.
            unsafe { std::ptr::copy(from.as_ptr(), start.add(at), n) };
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
            return Ok(Some(whole(ctx, value.as_raw()).unwrap_or_else(|| empty(ctx))));
        }
        if qjs::JS_GetTypedArrayType(value.as_raw()) >= 0 {
            let (mut offset, mut length, mut unit) = (0, 0, 0);
            let buffer =
                qjs::JS_GetTypedArrayBuffer(raw, value.as_raw(), &mut offset, &mut length, &mut unit);
            if qjs::JS_IsException(buffer) {
                drop(ctx.catch());
                return Ok(Some(empty(ctx)));
            }
            // The view keeps it alive.
            let all = whole(ctx, buffer).unwrap_or_else(|| empty(ctx));
            qjs::JS_FreeValue(raw, buffer);
            // The length is as it was when the view was made: wrong if the view follows a buffer
            // that was resized since. Only a view to the buffer's very end needs no question.
            if offset as usize + length as usize != all.len {
                length = current_length(ctx, value)? as _;
                length *= unit;
            }
            return Ok(Some(all.part(offset as usize, length as usize)));
        }
        if !qjs::JS_IsDataView(value.as_raw()) {
            return Ok(None);
        }
    }
    match data_view(ctx, value) {
        Ok((buffer, offset, length)) => {
            let all = whole(ctx, buffer.as_raw()).unwrap_or_else(|| empty(ctx));
            Ok(Some(all.part(offset, length)))
        }
        Err(_) => {
            drop(ctx.catch());
            Ok(Some(empty(ctx)))
        }
    }
}

/// The bytes of `value`, if it is a SharedArrayBuffer itself: no BufferSource, but what the calls of
/// QuickJS take.
pub fn shared_bytes<'a>(value: &'a Value<'_>) -> Option<Bytes<'a>> {
    // SAFETY: asks a live value for its kind.
    let other = !value.is_object() || unsafe { qjs::JS_IsArrayBuffer(value.as_raw()) };
    // All else than the two kinds of buffers has none.
    if other { None } else { whole(value.ctx(), value.as_raw()) }
}

/// All bytes of `buffer`, none where it is no buffer or is detached. The caller sees to it that the
/// buffer lives for `'a`.
fn whole<'a>(ctx: &Ctx<'_>, buffer: qjs::JSValue) -> Option<Bytes<'a>> {
    let mut len = 0;
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: asks a live value; null comes with an exception to clear.
    let (start, immutable) = unsafe {
        (qjs::JS_GetArrayBuffer(raw, &mut len, buffer), qjs::JS_IsImmutableArrayBuffer(buffer) > 0)
    };
    if start.is_null() {
        drop(ctx.catch());
        return None;
    }
    let shared = is_shared(buffer);
    Some(Bytes { buffer, len: len as usize, immutable, shared, ..empty(ctx) })
}

fn empty<'a>(ctx: &Ctx<'_>) -> Bytes<'a> {
    Bytes {
        ctx: ctx.as_raw().as_ptr(),
        buffer: qjs::JS_UNDEFINED,
        offset: 0,
        len: 0,
        immutable: false,
        shared: false,
        _value: std::marker::PhantomData,
    }
}

/// The length of a typed array in elements, as its own getter says: 0 when it is out of bounds.
pub(super) fn current_length<'js>(ctx: &Ctx<'js>, array: &Value<'js>) -> Result<usize> {
    let length = intrinsics::call(ctx, intrinsics::TYPED_ARRAY_LENGTH, array, &[])?;
    length.as_number().map(|n| n as usize).ok_or(Error::Unknown)
}

/// Buffer, offset and length of a DataView, by the getters that it was born with.
///
/// Throws if the view is out of bounds, or its buffer detached.
pub(super) fn data_view<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<(Value<'js>, usize, usize)> {
    let number = |index| {
        let n = intrinsics::call(ctx, index, value, &[])?.as_number();
        n.map(|n| n as usize).ok_or(Error::Unknown)
    };
    let length = number(intrinsics::DATA_VIEW_LENGTH)?;
    let offset = number(intrinsics::DATA_VIEW_OFFSET)?;
    Ok((intrinsics::call(ctx, intrinsics::DATA_VIEW_BUFFER, value, &[])?, offset, length))
}

/// Whether `buffer` is a SharedArrayBuffer.
pub(super) fn is_shared(buffer: qjs::JSValue) -> bool {
    // SAFETY: reads the class of a live value; of a primitive it is 0.
    unsafe { qjs::JS_GetClassID(buffer) == class::SHARED_ARRAY_BUFFER }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::builtins::Table;
    use super::super::code::Code;
    use super::super::engine::{Engine, EngineLimits, Pulse};
    use super::*;

    fn with_value(source: &str, f: impl FnOnce(&Ctx<'_>, &Value<'_>)) {
        let limits = EngineLimits {
            heap_bytes_max: 16 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(10),
        };
        let code = Arc::new(Code::new("/app.js".into()));
        let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}));
        engine.expect("an engine").turn(|ctx| {
            let value: Value = ctx.eval(source).expect("a buffer");
            f(ctx, &value);
        });
    }

    #[test]
    fn shared_memory_is_lent_as_a_copy_of_which_only_changes_are_written_back() {
        with_value(
            "globalThis.all = new Uint8Array(new SharedArrayBuffer(5)); all.subarray(1)",
            |_, value| {
                let bytes = bytes(value).expect("memory").expect("a view");
                let other = super::bytes(value).expect("memory").expect("a view");
                let seen = bytes.with_mut(|lent| {
                    // As another thread does meanwhile.
                    other.write_at(2, &[7]);
                    lent[0] = 1;
                    lent[2]
                });
                assert_eq!((seen, bytes.to_vec()), (0, vec![1, 0, 7, 0]));
            },
        );
    }

    #[test]
    fn bytes_of_a_buffer_that_was_detached_or_shrank_meanwhile_are_gone() {
        let source = "globalThis.b = new ArrayBuffer(8, { maxByteLength: 8 }); new Uint8Array(b, 2, 4)";
        with_value(source, |ctx, value| {
            let bytes = bytes(value).expect("memory").expect("a view");
            for (change, left) in [("b.resize(4)", 2), ("b.resize(0)", 0), ("b.transfer(8)", 0)] {
                ctx.eval::<(), _>(change).expect(change);
                assert_eq!(bytes.with(<[u8]>::len), left, "{change}");
                assert_eq!(bytes.with_mut(|lent| lent.len()), left, "{change}");
                assert_eq!(bytes.write(&[1; 8]), left, "{change}");
            }
        });
    }

    #[test]
    fn a_part_of_bytes_is_inside_of_them() {
        with_value("new Uint8Array([1, 2, 3, 4]).subarray(1)", |_, value| {
            let part =
                |offset, len| bytes(value).expect("memory").expect("a view").part(offset, len).to_vec();
            assert_eq!(part(1, 2), [3, 4]);
            assert_eq!((part(2, 2), part(4, 0), part(1, usize::MAX)), (vec![], vec![], vec![]));
        });
    }
}
