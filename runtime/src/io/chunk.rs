//! Received bytes on their way to the consumer.
//!
//! Owns: [`Chunk`], which gives its memory back when it is dropped. Must not know: sockets.

use std::ops::Deref;
use std::rc::Rc;

use super::buffers::Buffers;
use super::pool;

/// Bytes that a stream received, in order; empty at the end of the stream. It holds one of the
/// worker's few receive buffers: drop it before awaiting anything.
pub struct Chunk {
    bytes: Bytes,
}

enum Bytes {
    End,
    /// A buffer that the kernel filled.
    Provided {
        buffers: Rc<Buffers>,
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

    pub(super) fn provided(buffers: Rc<Buffers>, id: u16, len: u32) -> Self {
        Chunk { bytes: Bytes::Provided { buffers, id, len } }
    }

    pub(super) fn pooled(bytes: Vec<u8>) -> Self {
        Chunk { bytes: Bytes::Pooled(bytes) }
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk { bytes: if bytes.is_empty() { Bytes::End } else { Bytes::Pooled(bytes) } }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::End => &[],
            Bytes::Provided { buffers, id, len } => buffers.bytes(*id, *len as usize),
            Bytes::Pooled(bytes) => bytes,
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.bytes, Bytes::End) {
            Bytes::End => {}
            Bytes::Provided { buffers, id, .. } => buffers.give_back(id),
            Bytes::Pooled(bytes) => pool::put(bytes),
        }
    }
}
