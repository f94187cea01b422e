//! Received bytes on their way to the consumer, and the pool of buffers behind them.
//!
//! Owns: [`Chunk`], which gives its memory back when it is dropped, and this thread's pool of spare
//! vectors. Must not know: sockets.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use super::ring::Ring;

/// Capacity of a pooled vector, in bytes: what one read of the epoll backend takes at most.
pub(super) const POOLED_BYTES: usize = 16 << 10;
/// Vectors that are kept for reuse; 1 MiB a worker.
const POOLED_MAX: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty vector of at least [`POOLED_BYTES`] capacity.
pub(super) fn pool_take() -> Vec<u8> {
    POOL.with(|pool| pool.borrow_mut().pop()).unwrap_or_else(|| Vec::with_capacity(POOLED_BYTES))
}

/// Keeps `spare` for [`pool_take`] if it has the usual size and the pool has room.
pub(super) fn pool_put(mut spare: Vec<u8>) {
    if !(POOLED_BYTES..=4 * POOLED_BYTES).contains(&spare.capacity()) {
        return;
    }
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < POOLED_MAX {
            spare.clear();
            pool.push(spare);
        }
    });
}

/// Frees the pool of this thread.
pub(super) fn pool_clear() {
    let spare = POOL.with(|pool| std::mem::take(&mut *pool.borrow_mut()));
    drop(spare);
}

/// Bytes that a stream received, in order; empty at the end of the stream. It holds one of the
/// worker's few receive buffers: drop it before awaiting anything.
pub struct Chunk {
    bytes: Bytes,
}

enum Bytes {
    End,
    /// A buffer that the kernel filled.
    Provided {
        ring: Rc<Ring>,
        id: u16,
        len: u32,
    },
    /// A vector of the pool.
    Pooled(Vec<u8>),
}

impl Chunk {
    pub(super) fn end() -> Self {
        Chunk { bytes: Bytes::End }
    }

    pub(super) fn provided(ring: Rc<Ring>, id: u16, len: u32) -> Self {
        Chunk { bytes: Bytes::Provided { ring, id, len } }
    }

    pub(super) fn pooled(bytes: Vec<u8>) -> Self {
        Chunk { bytes: Bytes::Pooled(bytes) }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::End => &[],
            Bytes::Provided { ring, id, len } => ring.buffers().bytes(*id, *len as usize),
            Bytes::Pooled(bytes) => bytes,
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.bytes, Bytes::End) {
            Bytes::End => {}
            Bytes::Provided { ring, id, .. } => ring.buffers().give_back(id),
            Bytes::Pooled(bytes) => pool_put(bytes),
        }
    }
}
