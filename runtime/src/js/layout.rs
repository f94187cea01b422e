//! The front of the engine's objects in memory, for what reads and resets engine structures.
//!
//! Owns: how it is laid out (quickjs-ng 0.16, pinned in Cargo.toml). Must not know: which objects. Whoever uses it proves
//! first that an object of the engine that runs looks so.

use std::ffi::c_void;

use rquickjs::qjs;

/// The front of `JSObject`, quickjs.c. The last two are of arrays only.
#[repr(C)]
pub(super) struct ObjectFront {
    link: [*mut c_void; 2],
    /// Flags, and the class in the upper half; see [`BITS_USED`].
    bits: u32,
    shape: *mut c_void,
    properties: *mut c_void,
    first_weak_ref: *mut c_void,
    pub(super) opaque: *mut c_void,
    pub(super) elements: *mut u8,
    pub(super) count: u32,
}

/// The bits that mean something: nine flags and the class. What is between them is never written.
const BITS_USED: u32 = 0xffff_01ff;

impl ObjectFront {
    /// That of an object.
    pub(super) fn of(object: qjs::JSValue) -> *mut ObjectFront {
        // SAFETY: reads the pointer of a value.
        unsafe { qjs::JS_VALUE_GET_PTR(object).cast() }
    }
}

/// What an object looks like, to tell whether a script has touched it.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub(super) references: i32,
    bits: u32,
    shape: *mut c_void,
    first_weak_ref: *mut c_void,
}

impl Shape {
    /// That of `object` now.
    ///
    /// # Safety
    /// It is a live object.
    pub(super) unsafe fn now(object: qjs::JSValue) -> Shape {
        let front = ObjectFront::of(object);
        // SAFETY: by the caller; each object of the engine is preceded by a header of eight bytes, which ends with
        // the count of references (`JSMallocBlockHeader`). Nothing beyond the common front is read.
        unsafe {
            Shape {
                references: *front.cast::<i32>().sub(1),
                bits: (*front).bits & BITS_USED,
                shape: (*front).shape,
                first_weak_ref: (*front).first_weak_ref,
            }
        }
    }

    /// The number of its class.
    pub(super) fn class(self) -> u32 {
        self.bits >> 16
    }

    /// Whether nothing refers to it weakly.
    pub(super) fn has_no_weak_reference(self) -> bool {
        self.first_weak_ref.is_null()
    }
}
