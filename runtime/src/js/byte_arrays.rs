//! Uint8Arrays for bytes that have come, one after the other: the same one again where nothing but this refers to it.
//!
//! Owns: that array. To make one and free it costs twice what calling a small function with it does. It reads and sets
//! engine structures (quickjs-ng 0.16, pinned in Cargo.toml); an engine whose arrays do not look exactly so
//! ([`SpareArray::is_as_expected`]) gets new ones each time. Must not know: where the bytes are from.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use rquickjs::{Ctx, Result, Value, qjs};

use super::held::Held;
use super::layout::{ObjectFront, Shape};
use super::value::{self, fresh};

/// Bytes that the array has room for; what is more gets one of its own.
const ROOM_BYTES: usize = 4 << 10;
/// Arrays that are made to measure after the app has kept one: it may keep those that follow, too.
const TO_MEASURE: u32 = 64;

/// `JSTypedArray`, quickjs.c.
#[repr(C)]
struct TypedArrayData {
    link: [*mut c_void; 2],
    object: *mut c_void,
    buffer: *mut c_void,
    offset: u32,
    length: u32,
    tracks: bool,
}

/// The front of `JSArrayBuffer`, quickjs.c.
#[repr(C)]
struct BufferData {
    byte_length: i32,
    max_byte_length: i32,
    detached: u8,
    immutable: u8,
    shared: u8,
    data: *mut u8,
}

/// An array and its buffer.
struct SpareArray {
    array: Held,
    buffer: Held,
    start: *mut u8,
    shapes: [Shape; 2],
}

impl SpareArray {
    /// A new one of [`ROOM_BYTES`] zeros.
    fn new(ctx: &Ctx<'_>) -> Result<SpareArray> {
        let raw = ctx.as_raw().as_ptr();
        let mut length = 0;
        // SAFETY: a new array; its buffer comes as a new reference.
        unsafe {
            let array = qjs::JS_NewUint8ArrayCopy(raw, std::ptr::null(), ROOM_BYTES as _);
            let array = Held::new(fresh(ctx, array)?);
            let null = std::ptr::null_mut();
            let buffer = fresh(ctx, qjs::JS_GetTypedArrayBuffer(raw, array.raw(), null, null, null))?;
            let buffer = Held::new(buffer);
            let start = qjs::JS_GetArrayBuffer(raw, &mut length, buffer.raw());
            let shapes = [Shape::now(array.raw()), Shape::now(buffer.raw())];
            Ok(SpareArray { array, buffer, start, shapes })
        }
    }

    fn front(&self) -> *mut ObjectFront {
        ObjectFront::of(self.array.raw())
    }

    fn data(&self) -> (*mut TypedArrayData, *mut BufferData) {
        // SAFETY: reads the class and the pointer of live objects.
        unsafe {
            let opaque = |held: &Held| qjs::JS_GetOpaque(held.raw(), qjs::JS_GetClassID(held.raw()));
            (opaque(&self.array).cast(), opaque(&self.buffer).cast())
        }
    }

    /// Whether all that is read and set here is where it is expected: it is seen to change as it should. For a new
    /// one.
    fn is_as_expected(&self, ctx: &Ctx<'_>) -> bool {
        let [array, buffer] = self.shapes;
        let (view, bytes) = self.data();
        if view.is_null() || bytes.is_null() || self.start.is_null() {
            return false;
        }
        let more = self.array.get(ctx);
        let counted = references_of(&self.array) == 2 && array.references == 1 && buffer.references == 2;
        drop(more);
        let classes = array.class() == class_of(&self.array) && buffer.class() == class_of(&self.buffer);
        let weak = array.has_no_weak_reference() && buffer.has_no_weak_reference();
        // SAFETY: live structures; the address that the engine gives out for each is compared before what is behind it
        // is read.
        let placed = unsafe {
            (*self.front()).opaque == view.cast()
                && (*self.front()).elements == self.start
                && (*self.front()).count as usize == ROOM_BYTES
                && (*ObjectFront::of(self.buffer.raw())).opaque == bytes.cast()
                && (*view).object == self.front().cast()
                && (*view).buffer == ObjectFront::of(self.buffer.raw()).cast()
                && ((*view).offset, (*view).length as usize, (*view).tracks) == (0, ROOM_BYTES, false)
                && (*bytes).data == self.start
                && ((*bytes).byte_length as usize, (*bytes).max_byte_length) == (ROOM_BYTES, -1)
                && ((*bytes).detached, (*bytes).immutable, (*bytes).shared) == (0, 0, 0)
        };
        if !(counted && classes && weak && placed) {
            return false;
        }
        self.set_length(7);
        let (raw, mut of_array, mut of_buffer, mut of_view) = (ctx.as_raw().as_ptr(), 0, 0, 0);
        let null = std::ptr::null_mut();
        // SAFETY: live objects; the reference to the buffer is given back.
        unsafe {
            qjs::JS_GetUint8Array(raw, &mut of_array, self.array.raw());
            qjs::JS_GetArrayBuffer(raw, &mut of_buffer, self.buffer.raw());
            let buffer = qjs::JS_GetTypedArrayBuffer(raw, self.array.raw(), null, &mut of_view, null);
            qjs::JS_FreeValue(raw, buffer);
        }
        let elements = self.array.get(ctx);
        let elements = elements.as_object().and_then(|array| array.get::<_, i32>("length").ok());
        (of_array, of_buffer, of_view, elements) == (7, 7, 7, Some(7))
    }

    /// Whether nobody else refers to either, and neither was changed, but for the bytes.
    fn is_untouched(&self) -> bool {
        let (_, bytes) = self.data();
        // SAFETY: live objects, whose layout `is_as_expected` has proved.
        unsafe {
            self.shapes == [Shape::now(self.array.raw()), Shape::now(self.buffer.raw())]
                && (*bytes).data == self.start
                && ((*bytes).detached, (*bytes).immutable) == (0, 0)
        }
    }

    /// Gives it `length` bytes, at most [`ROOM_BYTES`]. Nobody else refers to it.
    fn set_length(&self, length: usize) {
        let (view, bytes) = self.data();
        // SAFETY: as in `is_untouched`; the memory is as long as [`ROOM_BYTES`].
        unsafe {
            (*self.front()).count = length as u32;
            (*view).length = length as u32;
            (*bytes).byte_length = length as i32;
        }
    }
}

fn class_of(held: &Held) -> u32 {
    // SAFETY: reads the class of a live object.
    unsafe { qjs::JS_GetClassID(held.raw()) }
}

fn references_of(held: &Held) -> i32 {
    // SAFETY: a live object.
    unsafe { Shape::now(held.raw()) }.references
}

/// The array that is used again.
#[derive(Default)]
pub struct ByteArrays {
    spare: RefCell<Option<SpareArray>>,
    /// Keeps the shapes of arrays that no script has touched alive.
    pristine: RefCell<Option<SpareArray>>,
    /// The engine's arrays are not as expected.
    is_off: Cell<bool>,
    to_measure: Cell<u32>,
}

impl ByteArrays {
    /// A Uint8Array of `len` bytes: those that `give` gives, piece by piece, to the function that it gets. It is the
    /// app's own, as long as anything refers to it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn array<'js>(
        &self,
        ctx: &Ctx<'js>,
        len: usize,
        give: impl FnOnce(&mut dyn FnMut(&[u8])),
    ) -> Result<Value<'js>> {
        if len > ROOM_BYTES || !self.has_spare(ctx)? {
            return value::uint8_array_of(ctx, len, give);
        }
        let spare = self.spare.borrow();
        let Some(spare) = &*spare else { return value::uint8_array_of(ctx, len, give) };
        spare.set_length(len);
        // SAFETY: the memory has room for `len` bytes, and nobody else refers to it.
        unsafe { value::write_pieces(spare.start, len, give) };
        Ok(spare.array.get(ctx))
    }

    /// Whether there is an array that nobody refers to.
    fn has_spare(&self, ctx: &Ctx<'_>) -> Result<bool> {
        if self.is_off.get() {
            return Ok(false);
        }
        let is_free = self.spare.borrow().as_ref().map(SpareArray::is_untouched);
        match is_free {
            Some(true) => return Ok(true),
            Some(false) => {
                self.to_measure.set(TO_MEASURE);
                let kept = self.spare.take();
                drop(kept);
            }
            None => {}
        }
        if self.to_measure.get() > 0 {
            self.to_measure.set(self.to_measure.get() - 1);
            return Ok(false);
        }
        let new = SpareArray::new(ctx)?;
        if self.pristine.borrow().is_none() {
            if !new.is_as_expected(ctx) {
                self.is_off.set(true);
                return Ok(false);
            }
            let pristine = SpareArray::new(ctx)?;
            *self.pristine.borrow_mut() = Some(pristine);
        }
        let is_usual = self.pristine.borrow().as_ref().is_some_and(|it| it.shapes == new.shapes);
        if is_usual {
            *self.spare.borrow_mut() = Some(new);
        }
        Ok(is_usual)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::builtins::Table;
    use super::super::code::Code;
    use super::super::engine::{Engine, EngineLimits, Pulse};
    use super::super::reflect::identity;
    use super::*;

    fn in_engine(f: impl FnOnce(&Ctx<'_>)) {
        let limits = EngineLimits {
            heap_bytes_max: 16 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(10),
        };
        let code = Arc::new(Code::new("/app.js".into()));
        let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}));
        engine.expect("an engine").turn(|ctx| f(ctx));
    }

    fn array<'js>(arrays: &ByteArrays, ctx: &Ctx<'js>, bytes: &[u8]) -> Value<'js> {
        arrays.array(ctx, bytes.len(), |put| put(bytes)).expect("an array")
    }

    fn shown<'js>(ctx: &Ctx<'js>, array: &Value<'js>) -> String {
        ctx.globals().set("array", array.clone()).expect("set");
        let source = "(() => { const { array } = globalThis, { length, byteLength, buffer } = array; delete globalThis.array; \
                      return [[...array].join(), length, byteLength, buffer.byteLength].join('/'); })()";
        ctx.eval(source).expect("shown")
    }

    /// The engine that Cargo.toml pins has the layout that is expected here: else all goes well, but slower.
    #[test]
    fn an_array_that_nobody_keeps_is_the_next_one_with_other_bytes() {
        in_engine(|ctx| {
            let arrays = ByteArrays::default();
            let mut first = None;
            for length in [3, 4096, 1, 64, 0, 2] {
                let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
                let value = array(&arrays, ctx, &bytes);
                assert_eq!(*first.get_or_insert(identity(&value)), identity(&value), "{length} bytes");
                let all = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
                assert_eq!(shown(ctx, &value), format!("{all}/{length}/{length}/{length}"));
            }
        });
    }

    #[test]
    fn an_array_that_was_kept_or_changed_is_not_used_again() {
        let keeps = [
            "globalThis.kept = array",
            "globalThis.kept = array.buffer",
            "globalThis.kept = array.subarray(1)",
            "globalThis.kept = array.values()",
            "globalThis.kept = new WeakRef(array)",
            "globalThis.kept = new WeakMap([[array.buffer, 1]])",
            "array.name = 'x'",
            "array.buffer.name = 'x'",
            "Object.setPrototypeOf(array, null)",
            "Object.preventExtensions(array)",
            "globalThis.kept = array.buffer.transfer()",
            "globalThis.kept = array.buffer.transfer(9000)",
        ];
        for keep in keeps {
            in_engine(|ctx| {
                let arrays = ByteArrays::default();
                let value = array(&arrays, ctx, &[1, 2, 3]);
                ctx.globals().set("array", value).expect("set");
                ctx.eval::<(), _>(format!("{keep}; globalThis.array = undefined")).expect(keep);
                let next = array(&arrays, ctx, &[7, 8, 9, 10]);
                assert_eq!(shown(ctx, &next), "7,8,9,10/4/4/4", "{keep}");
                let seen = "(() => { const all = (it) => it instanceof ArrayBuffer ? new Uint8Array(it) : it; \
                            const it = all(globalThis.kept); return it === undefined || it instanceof WeakMap ? '' \
                            : it instanceof WeakRef ? '' : [...it].slice(0, 3).join(); })()";
                let kept: String = ctx.eval(seen).expect("what was kept");
                assert!(["", "1,2,3", "2,3"].contains(&kept.as_str()), "{keep}: {kept}");
            });
        }
    }
}
