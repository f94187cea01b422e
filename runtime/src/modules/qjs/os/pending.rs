//! One descriptor of an engine, and what is pending on it.
//!
//! Owns: what is known of it, the bounds on pending operations. Must not know: its number, the table.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use crate::io::Socket;

/// Operations that may be pending on one descriptor; more are ENOBUFS.
pub const PENDING_MAX: usize = 1_024;
/// Bytes that the pending operations of one engine may hold together; what goes beyond is ENOBUFS.
pub const IN_FLIGHT_BYTES_MAX: usize = 256 << 20;

/// One descriptor in the table.
pub struct Descriptor {
    /// The socket, or another descriptor: a file, a pipe, a terminal.
    pub socket: Socket,
    /// Its address family (AF_INET, ...); AF_UNSPEC for what is no socket.
    pub family: i32,
    /// Whether it is a byte stream.
    pub stream: bool,
    /// Whether it is the process's, and stays open when the engine ends.
    pub(super) inherited: bool,
    pending: Cell<usize>,
}

impl Descriptor {
    pub(super) fn new(socket: Socket, family: i32, stream: bool, inherited: bool) -> Self {
        Descriptor { socket, family, stream, inherited, pending: Cell::new(0) }
    }
}

/// A pending operation, counted until dropped. Its task may outlive the engine, whose values and
/// sockets must not: it holds no more of it than the count.
pub struct Pending {
    /// What all that are pending in the engine hold.
    total: Rc<Cell<usize>>,
    descriptor: Rc<Descriptor>,
    bytes: usize,
}

impl Pending {
    /// Counts one more operation of `descriptor` that holds `bytes`, `total` being what all of the engine hold.
    ///
    /// # Errors
    /// ENOBUFS beyond [`PENDING_MAX`] and [`IN_FLIGHT_BYTES_MAX`].
    pub(super) fn admit(
        total: &Rc<Cell<usize>>,
        descriptor: &Rc<Descriptor>,
        bytes: usize,
    ) -> io::Result<Pending> {
        let held = total.get();
        let crowded = held > 0 && held.saturating_add(bytes) > IN_FLIGHT_BYTES_MAX;
        if crowded || descriptor.pending.get() >= PENDING_MAX {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        total.set(held + bytes);
        descriptor.pending.set(descriptor.pending.get() + 1);
        Ok(Pending { total: total.clone(), descriptor: descriptor.clone(), bytes })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.total.set(self.total.get().saturating_sub(self.bytes));
        self.descriptor.pending.set(self.descriptor.pending.get().saturating_sub(1));
    }
}
