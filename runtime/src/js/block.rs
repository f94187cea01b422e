//! The memory of SharedArrayBuffers: counted blocks that engines of several threads refer to.
//!
//! Owns: their allocation, the hooks through which the engine counts them. Must not know: who shares
//! them. A block counts as native memory of every engine that has a buffer over it.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use rquickjs::qjs;

use super::charge;
use super::state::State;

/// In front of the bytes; as aligned as they must be.
#[repr(C, align(16))]
struct Header {
    references: AtomicUsize,
    bytes: usize,
}

/// One reference to a block.
pub struct Block(NonNull<Header>);

// SAFETY: the count is atomic, and the header is written only before it is shared. The bytes behind
// it are never lent out as a Rust slice.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.checked_add(size_of::<Header>())?, align_of::<Header>()).ok()
}

impl Block {
    /// A reference to the block whose bytes begin at `data`.
    ///
    /// # Safety
    /// `data` is what a live SharedArrayBuffer of one of our engines points at.
    pub(super) unsafe fn of(data: *mut u8) -> Block {
        // SAFETY: by the caller, a header stands in front of the bytes, and the buffer's reference
        // keeps it alive for this call.
        unsafe {
            let header = NonNull::new_unchecked(data.sub(size_of::<Header>()).cast::<Header>());
            header.as_ref().references.fetch_add(1, Ordering::Relaxed);
            Block(header)
        }
    }

    /// Where its bytes begin.
    pub(super) fn data(&self) -> *mut u8 {
        // SAFETY: the bytes follow the header in the same allocation.
        unsafe { self.0.as_ptr().add(1).cast() }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        // SAFETY: our reference keeps it alive.
        unsafe { self.0.as_ref().bytes }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: our own reference; the last one frees what `allocate` got.
        unsafe { release(self.0) }
    }
}

/// # Safety
/// The caller owns one reference, and gives it up.
unsafe fn release(header: NonNull<Header>) {
    // SAFETY: alive until the count is zero; then nobody else can reach it.
    unsafe {
        if header.as_ref().references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        if let Some(layout) = layout(header.as_ref().bytes) {
            dealloc(header.as_ptr().cast(), layout);
        }
    }
}

/// Has the engine allocate its SharedArrayBuffers here.
///
/// # Safety
/// `rt` is alive, and `state` outlives it.
pub(super) unsafe fn install(rt: *mut qjs::JSRuntime, state: *const State) {
    let functions = qjs::JSSharedArrayBufferFunctions {
        sab_alloc: Some(allocate),
        sab_free: Some(free),
        sab_dup: Some(duplicate),
        sab_opaque: state.cast_mut().cast(),
    };
    // SAFETY: by the caller; the engine copies the struct.
    unsafe { qjs::JS_SetSharedArrayBufferFunctions(rt, &functions) }
}

/// The engine zeroes what it gets. It throws nothing where it gets null: that is done here.
unsafe extern "C" fn allocate(opaque: *mut c_void, bytes: qjs::size_t) -> *mut c_void {
    // SAFETY: `install` stored a state that outlives the runtime.
    let state = unsafe { &*opaque.cast::<State>() };
    let bytes = bytes as usize;
    let fits = charge::make_room(state, bytes);
    let Some(layout) = layout(bytes).filter(|_| fits) else { return refuse(state) };
    // SAFETY: the size is that of a header at least; what is written lies inside.
    unsafe {
        let header = alloc(layout).cast::<Header>();
        if header.is_null() {
            return refuse(state);
        }
        header.write(Header { references: AtomicUsize::new(1), bytes });
        state.native_bytes.set(state.native_bytes.get() + bytes);
        header.add(1).cast()
    }
}

fn refuse(state: &State) -> *mut c_void {
    if let Some(engine) = state.engine().upgrade() {
        engine.throw_out_of_memory();
    }
    std::ptr::null_mut()
}

unsafe extern "C" fn duplicate(opaque: *mut c_void, data: *mut c_void) {
    // SAFETY: as in `allocate`; the engine hands in the bytes of a block that the caller refers to.
    unsafe {
        let state = &*opaque.cast::<State>();
        let block = Block::of(data.cast());
        state.native_bytes.set(state.native_bytes.get() + block.len());
        std::mem::forget(block);
    }
}

unsafe extern "C" fn free(opaque: *mut c_void, data: *mut c_void) {
    // SAFETY: as in `duplicate`; the reference given up is the buffer's.
    unsafe {
        let state = &*opaque.cast::<State>();
        let header = NonNull::new_unchecked(data.cast::<u8>().sub(size_of::<Header>()).cast::<Header>());
        state.native_bytes.set(state.native_bytes.get().saturating_sub(header.as_ref().bytes));
        release(header);
    }
}
