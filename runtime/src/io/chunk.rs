//! Received bytes on their way to the consumer.
//!
//! Owns: [`Chunk`] and [`Segments`], which give their memory back when they are dropped. Must not know: sockets.

use std::fmt;
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
    /// A buffer that the kernel filled; of [`Segments`], a chain of them.
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

    /// The bytes, to be changed where they lie: decrypted, unmasked.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            Bytes::End => &mut [],
            Bytes::Provided { buffers, id, len } => {
                let len = buffers.bytes(*id, *len as usize).len();
                // SAFETY: the first `len` bytes of the buffer are initialised, and this chunk alone has it, from
                // the kernel's completion until the drop gives it back: nobody else reads or writes there.
                unsafe { std::slice::from_raw_parts_mut(buffers.data(*id), len) }
            }
            Bytes::Pooled(bytes) => bytes,
        }
    }

    /// Adds `more`. A buffer of the kernel's goes back to it: the bytes lie in a vector of the pool from then on.
    pub(crate) fn append(&mut self, more: &[u8]) {
        if let Bytes::Pooled(bytes) = &mut self.bytes {
            return bytes.extend_from_slice(more);
        }
        let mut bytes = pool::take();
        bytes.extend_from_slice(self);
        bytes.extend_from_slice(more);
        *self = Chunk::pooled(bytes);
    }

    /// Drops the first `count` bytes. What is left lies in a vector of the pool; nothing holds no memory.
    pub(crate) fn drop_front(&mut self, count: usize) {
        if count >= self.len() {
            *self = Chunk::end();
        } else if let Bytes::Pooled(bytes) = &mut self.bytes {
            bytes.drain(..count);
        } else {
            let mut rest = pool::take();
            rest.extend_from_slice(&self[count..]);
            *self = Chunk::pooled(rest);
        }
    }
}

impl Default for Chunk {
    /// An empty one.
    fn default() -> Self {
        Chunk::end()
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk { bytes: if bytes.is_empty() { Bytes::End } else { Bytes::Pooled(bytes) } }
    }
}

/// Bytes that a stream received, in order, in one or more pieces; none at the end of the stream. As a [`Chunk`] it is
/// to be dropped before anything is awaited.
pub struct Segments(pub(super) Chunk);

impl Segments {
    /// How many bytes they are.
    pub fn len(&self) -> usize {
        match &self.0.bytes {
            Bytes::End => 0,
            Bytes::Provided { len, .. } => *len as usize,
            Bytes::Pooled(bytes) => bytes.len(),
        }
    }

    /// Whether the stream is at its end.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lends them to `f`, one after the other.
    pub fn each(&self, f: &mut dyn FnMut(&[u8])) {
        match &self.0.bytes {
            Bytes::End => {}
            Bytes::Provided { buffers, id, len } => buffers.each(*id, *len as usize, f),
            Bytes::Pooled(bytes) => f(bytes),
        }
    }
}

impl From<Chunk> for Segments {
    fn from(chunk: Chunk) -> Segments {
        Segments(chunk)
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

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.bytes, Bytes::End) {
            Bytes::End => {}
            Bytes::Provided { buffers, id, len } => buffers.give_chain_back(id, len as usize),
            Bytes::Pooled(bytes) => pool::put(bytes),
        }
    }
}
