//! Where large pieces of memory begin: at a cache line.
//!
//! Owns: the allocator of the process, the system's with that one rule. Must not know: what the memory is for.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, whose pieces of [`LARGE_BYTES`] and more begin at a cache line.
///
/// malloc(3) has them begin 16 bytes behind one. The kernel copies what is received or read by `rep movsb`, which is two
/// to six times as slow there (measured on AMD EPYC: 16 KiB from a socket in 15.6 us instead of 7.1, 256 KiB in 140
/// instead of 23).
#[derive(Clone, Copy, Debug)]
pub struct Allocator;

/// From here on the rule holds: below, it saves nothing that can be measured.
const LARGE_BYTES: usize = 4096;
const LINE_BYTES: usize = 64;
/// What the system's allocator keeps by itself.
const USUAL_ALIGN: usize = 16;

/// Whether the rule holds for pieces of `layout`.
const fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE_BYTES && layout.align() <= USUAL_ALIGN
}

/// What the system is asked for in place of `bytes`: a line more, for the way to the next one and the address.
fn with_room(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.checked_add(LINE_BYTES)?, USUAL_ALIGN).ok()
}

/// The piece inside of what the system gave, with that address in front of it.
///
/// # Safety
/// `given` is null, or memory of the system's allocator by a layout of [`with_room`].
unsafe fn place(given: *mut u8) -> *mut u8 {
    if given.is_null() {
        return given;
    }
    let begin = LINE_BYTES - given.addr() % LINE_BYTES;
    // SAFETY: `given` is aligned to 16, so that `begin` is 16 to 64: the piece and the word in front of it are inside.
    unsafe {
        let piece = given.add(begin);
        piece.cast::<*mut u8>().sub(1).write(given);
        piece
    }
}

/// What the system gave for `piece`.
///
/// # Safety
/// `piece` is from [`place`], and not null.
unsafe fn given(piece: *mut u8) -> *mut u8 {
    // SAFETY: `place` has written it there; the piece is aligned to a line.
    unsafe { piece.cast::<*mut u8>().sub(1).read() }
}

// SAFETY: pieces are the system's, or lie inside of one that has room for them; each is given back by the way that its
// layout tells, which is the way it was made.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let Some(with_room) = with_room(layout.size()) else { return std::ptr::null_mut() };
        // SAFETY: its size is not 0.
        unsafe { place(System.alloc(with_room)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        let Some(with_room) = with_room(layout.size()) else { return std::ptr::null_mut() };
        // SAFETY: its size is not 0.
        unsafe { place(System.alloc_zeroed(with_room)) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        // SAFETY: `piece` was made by that layout, by which of the two ways it was is known.
        unsafe {
            match with_room(layout.size()) {
                Some(with_room) if is_large(layout) => System.dealloc(given(piece), with_room),
                _ => System.dealloc(piece, layout),
            }
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(bytes, layout.align()) else { return std::ptr::null_mut() };
        if !is_large(layout) && !is_large(new) {
            // SAFETY: the caller's promise.
            return unsafe { System.realloc(piece, layout, bytes) };
        }
        let kept = layout.size().min(bytes);
        if is_large(layout)
            && is_large(new)
            && let (Some(old_room), Some(new_room)) = (with_room(layout.size()), with_room(bytes))
        {
            // SAFETY: `piece` is from `place`. The system moves all of it, with what is in front of the piece: where
            // the way to the next line is another one now, the bytes go there, both inside of the new memory.
            return unsafe {
                let old = given(piece);
                let begun = piece.addr() - old.addr();
                let moved = System.realloc(old, old_room, new_room.size());
                if moved.is_null() {
                    return moved;
                }
                let begin = LINE_BYTES - moved.addr() % LINE_BYTES;
                if begin != begun {
                    std::ptr::copy(moved.add(begun), moved.add(begin), kept);
                }
                place(moved)
            };
        }
        // SAFETY: a new piece, as large as is copied; the old one is given back by its own layout.
        unsafe {
            let fresh = self.alloc(new);
            if !fresh.is_null() {
                std::ptr::copy_nonoverlapping(piece, fresh, kept);
                self.dealloc(piece, layout);
            }
            fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills `piece` with what tells each byte's place.
    fn fill(piece: *mut u8, from: usize, to: usize) {
        // SAFETY: the tests' pieces have `to` bytes.
        (from..to).for_each(|at| unsafe { piece.add(at).write((at ^ at >> 8) as u8) });
    }

    fn holds(piece: *mut u8, bytes: usize) -> bool {
        // SAFETY: the tests' pieces have `bytes` bytes, all written.
        (0..bytes).all(|at| unsafe { piece.add(at).read() == (at ^ at >> 8) as u8 })
    }

    #[test]
    fn a_large_piece_begins_at_a_line_and_keeps_its_bytes_as_it_grows_and_shrinks() {
        for first in [1, 16, 4095, 4096, 5000, 70_000, 300_000] {
            let mut layout = Layout::from_size_align(first, 1).expect("a layout");
            // SAFETY: sizes are not 0, and each piece has the layout that it was last made by.
            unsafe {
                let mut piece = Allocator.alloc(layout);
                fill(piece, 0, first);
                for next in [4096, 100, 4097, 64 << 10, 1 << 20, 9_999, 3, 200_000, 150_001] {
                    let kept = layout.size().min(next);
                    piece = Allocator.realloc(piece, layout, next);
                    assert!(holds(piece, kept), "{} to {next}", layout.size());
                    assert!(next < LARGE_BYTES || piece.addr().is_multiple_of(LINE_BYTES), "{next}");
                    fill(piece, kept, next);
                    layout = Layout::from_size_align(next, 1).expect("a layout");
                }
                Allocator.dealloc(piece, layout);
            }
        }
    }

    #[test]
    fn zeroed_memory_is_and_other_alignments_are_the_systems() {
        for (bytes, align) in [(4096, 1), (1 << 20, 8), (100, 1), (8192, 4096)] {
            let layout = Layout::from_size_align(bytes, align).expect("a layout");
            // SAFETY: sizes are not 0, and the piece has that layout.
            unsafe {
                let piece = Allocator.alloc_zeroed(layout);
                assert_eq!(piece.addr() % align.max(if is_large(layout) { LINE_BYTES } else { 1 }), 0);
                assert!((0..bytes).all(|at| piece.add(at).read() == 0), "{bytes}");
                Allocator.dealloc(piece, layout);
            }
        }
        let too_much = Layout::from_size_align(isize::MAX as usize - 8, 1).expect("a layout");
        // SAFETY: the size is not 0; nothing is made.
        assert!(unsafe { Allocator.alloc(too_much) }.is_null());
    }
}
