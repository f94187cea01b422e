//! The provided-buffer ring: memory that the kernel picks from when data arrives.
//!
//! Owns: one mapping with the ring of descriptors and the buffers behind it, and which of them
//! are lent to us. Must outlive the io_uring instance that it is registered with. Must not know:
//! which connection a buffer's bytes belong to.

use std::cell::Cell;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// The only buffer group of a worker's ring.
pub(super) const GROUP: u16 = 0;
/// Bytes of one buffer: an HTTP request head, and one page.
pub(super) const BUFFER_BYTES: usize = 4096;

pub(super) struct Buffers {
    base: NonNull<u8>,
    mapped: usize,
    /// Where the buffers begin, behind the descriptors.
    offset: usize,
    count: u16,
    tail: Cell<u16>,
    /// Buffers that the kernel may fill.
    free: Cell<usize>,
    /// Where each stands among the descriptors, or stood last.
    places: Box<[Cell<u16>]>,
    /// Which buffer each is followed by, in a chain.
    following: Box<[Cell<u16>]>,
}

impl Buffers {
    /// Maps buffers of `bytes` in all, rounded to a power of two of them (2 to 32,768).
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        let count = (bytes / BUFFER_BYTES).clamp(2, 1 << 15);
        let count = if count.is_power_of_two() { count } else { count.next_power_of_two() / 2 };
        let offset = (count * size_of::<BufRingEntry>()).next_multiple_of(4096);
        let mapped = offset + count * BUFFER_BYTES;
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping aliases nothing.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), mapped, prot, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let buffers = Buffers {
            base,
            mapped,
            offset,
            count: count as u16,
            tail: Cell::new(0),
            free: Cell::new(0),
            places: vec![Cell::new(0); count].into(),
            following: vec![Cell::new(0); count].into(),
        };
        for id in 0..count as u16 {
            buffers.give_back(id);
        }
        Ok(buffers)
    }

    /// Registers the ring with `uring`, which must be closed before `self` is dropped.
    pub(super) fn register(&self, uring: &IoUring) -> io::Result<()> {
        let addr = self.base.as_ptr() as u64;
        // SAFETY: the mapping is page-aligned, holds `count` descriptors, and outlives the ring
        // (`Ring` declares its IoUring before its buffers, so that it is dropped first).
        unsafe { uring.submitter().register_buf_ring_with_flags(addr, self.count, GROUP, 0) }
    }

    /// How many buffers the kernel may still fill.
    pub(super) fn free(&self) -> usize {
        self.free.get()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.into()
    }

    /// Where buffer `id` begins.
    pub(super) fn data(&self, id: u16) -> *mut u8 {
        debug_assert!(id < self.count);
        // SAFETY: `id` is below `count`, so the address is inside of the mapping.
        unsafe { self.base.as_ptr().add(self.offset + usize::from(id) * BUFFER_BYTES) }
    }

    /// The kernel lent us as many buffers as `len` bytes take, one at least.
    pub(super) fn taken(&self, len: usize) {
        self.free.set(self.free.get().saturating_sub(len.div_ceil(BUFFER_BYTES).max(1)));
    }

    /// Links the buffers that the kernel filled with `len` bytes from `id` on: it takes them in the order of their
    /// descriptors. The last of them. To be called before any of them is given back: until then no other descriptor
    /// stands in their places.
    pub(super) fn chain(&self, id: u16, len: usize) -> u16 {
        let place = self.places[usize::from(id)].get();
        let mut last = id;
        for step in 1..len.div_ceil(BUFFER_BYTES) as u16 {
            let slot = usize::from(place.wrapping_add(step) & (self.count - 1));
            // SAFETY: `slot` is below `count`: a descriptor that `give_back` has written.
            let next = unsafe { (*self.base.as_ptr().cast::<BufRingEntry>().add(slot)).bid() };
            self.link(last, next);
            last = next;
        }
        last
    }

    /// Has `id` follow `last` in a chain.
    pub(super) fn link(&self, last: u16, id: u16) {
        self.following[usize::from(last)].set(id);
    }

    /// The buffers of the chain that begins with `id` and has `len` bytes, with the bytes of each: all but the last are
    /// full.
    fn chained(&self, id: u16, len: usize) -> impl Iterator<Item = (u16, usize)> {
        let (mut next, mut left) = (id, len);
        std::iter::from_fn(move || {
            let here = left.min(BUFFER_BYTES);
            let id = next;
            (left, next) = (left - here, self.following[usize::from(id)].get());
            (here > 0).then_some((id, here))
        })
    }

    /// Lends the bytes of a chain to `f`, one buffer after the other.
    pub(super) fn each(&self, id: u16, len: usize, f: &mut dyn FnMut(&[u8])) {
        self.chained(id, len).for_each(|(id, here)| f(self.bytes(id, here)));
    }

    /// Hands a chain to the kernel.
    pub(super) fn give_chain_back(&self, id: u16, len: usize) {
        if len <= BUFFER_BYTES {
            return self.give_back(id);
        }
        self.chained(id, len).for_each(|(id, _)| self.give_back(id));
    }

    /// The bytes that the kernel wrote into buffer `id`, which must be lent to us.
    pub(super) fn bytes(&self, id: u16, len: usize) -> &[u8] {
        // SAFETY: initialised memory of the mapping; the kernel does not write to a buffer from its
        // completion until `give_back`, and callers keep no slice beyond that.
        unsafe { std::slice::from_raw_parts(self.data(id), len.min(BUFFER_BYTES)) }
    }

    /// Hands buffer `id` to the kernel.
    pub(super) fn give_back(&self, id: u16) {
        let tail = self.tail.get();
        let slot = usize::from(tail & (self.count - 1));
        let ring = self.base.as_ptr().cast::<BufRingEntry>();
        // SAFETY: `slot` is below `count`. The kernel reads a descriptor only up to the tail that is
        // stored below. The tail shares the first descriptor's reserved field, which the setters
        // do not touch; u16 at that address is aligned and only this thread stores to it.
        unsafe {
            let entry = &mut *ring.add(slot);
            entry.set_addr(self.data(id) as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id);
            let published = BufRingEntry::tail(ring).cast::<AtomicU16>();
            (*published).store(tail.wrapping_add(1), Ordering::Release);
        }
        self.places[usize::from(id)].set(tail);
        self.tail.set(tail.wrapping_add(1));
        self.free.set(self.free.get() + 1);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; the ring that pointed at it is closed.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}
