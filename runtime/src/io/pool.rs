//! The spare vectors of this thread, for bytes that are received and not taken at once.
//!
//! Owns: how many are kept, and how large. Must not know: who fills them.

use std::cell::RefCell;

/// Capacity of a pooled vector, in bytes: what one read of the epoll backend takes at most.
pub(super) const BYTES: usize = 16 << 10;
/// Capacity of the one large vector, for who receives in bulk.
const LARGE_BYTES: usize = 256 << 10;
/// Vectors that are kept for reuse; 1 MiB a worker.
const SPARE_MAX: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static LARGE: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// An empty vector of at least [`BYTES`] capacity.
pub(super) fn take() -> Vec<u8> {
    POOL.with(|pool| pool.borrow_mut().pop()).unwrap_or_else(|| Vec::with_capacity(BYTES))
}

/// An empty vector of at least [`LARGE_BYTES`] capacity.
pub(super) fn take_large() -> Vec<u8> {
    LARGE.with(|large| large.borrow_mut().take()).unwrap_or_else(|| Vec::with_capacity(LARGE_BYTES))
}

/// Keeps `spare` for [`take`] if it has the usual size and the pool has room, or for [`take_large`].
pub(super) fn put(mut spare: Vec<u8>) {
    if spare.capacity() == LARGE_BYTES {
        spare.clear();
        let _ = LARGE.try_with(|large| large.replace(Some(spare)));
        return;
    }
    if !(BYTES..=4 * BYTES).contains(&spare.capacity()) {
        return;
    }
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < SPARE_MAX {
            spare.clear();
            pool.push(spare);
        }
    });
}

/// Frees the pool of this thread.
pub(super) fn clear() {
    let spare = POOL.with(|pool| std::mem::take(&mut *pool.borrow_mut()));
    let large = LARGE.with(|large| large.borrow_mut().take());
    drop((spare, large));
}
