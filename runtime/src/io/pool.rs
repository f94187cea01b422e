//! The spare vectors of this thread, for bytes that are received.
//!
//! Owns: how many are kept, and how large. Must not know: who fills them.

use std::cell::RefCell;

/// What a vector has room for beyond a power of two: a message of such a size, or the largest record of TLS (RFC 8446
/// section 5.2), leaves some of it, and a receive that does needs no other to see that nothing is left.
const SLACK_BYTES: usize = 512;
/// Capacity of a pooled vector, in bytes: what one read of the epoll backend takes at most.
const BYTES: usize = (16 << 10) + SLACK_BYTES;
/// Capacity of the one large vector, for who is done with what was received before anything else is. Of its pages the
/// system gives those that were written to.
pub(super) const LARGE_BYTES: usize = (256 << 10) + SLACK_BYTES;
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
