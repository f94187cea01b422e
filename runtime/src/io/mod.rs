//! The I/O layer of a worker thread: sockets, timers and tasks, on io_uring or epoll.
//!
//! Owns: everything that touches sockets. [`run`] makes a thread a worker; inside of it the same
//! types work on both backends. Nothing here leaves its thread but [`Notifier`] and wakers. Must
//! not know: JavaScript, protocols.

pub mod activation;
mod allocator;
pub mod budget;
mod buffers;
mod choice;
mod chunk;
mod datagram;
mod deadline;
mod direction;
pub mod dns;
mod ends;
mod epoll;
pub mod errno;
mod executor;
#[cfg(test)]
pub(crate) mod fault;
pub mod file;
mod linger;
mod listener;
pub mod memory;
mod modes;
mod notifier;
mod peer;
mod pipe;
mod pool;
mod probe;
pub mod process;
mod pulse;
mod readiness;
mod ring;
pub mod signals;
mod socket;
mod socket_fully;
mod socket_now;
mod socket_ops;
mod socket_options;
mod stream;
mod tcp_info;
pub mod terminal;
mod timer;
mod worker;

pub use allocator::Allocator;
pub use choice::choose;
pub use chunk::{Chunk, Segments};
pub use datagram::{DatagramSocket, Lost, Route};
pub use deadline::Deadline;
pub use ends::{ConnectionEnd, EndWatch};
pub use executor::{JoinHandle, spawn, with_tokio, yield_now};
pub use listener::{Listener, set_shared_modes};
pub use notifier::Notifier;
pub use peer::unix_sock_addr;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use probe::{Refused, probe, refusal};
pub use pulse::Pulse;
pub use socket::{Socket, inherited};
pub use socket_now::{WaitingRecv, WaitingSend};
pub use socket_options::{Level, OPTIONS, REFUSED_OPTIONS};
pub use stream::Stream;
pub use timer::{Sleep, now, sleep, sleep_until};
pub use worker::{backend, receive_buffers, run};

/// What carries a worker's I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// io_uring: multishot accept and receive, provided buffers.
    Uring,
    /// tokio's epoll sockets.
    Epoll,
}

/// Sizes of a worker's I/O.
#[derive(Clone, Copy, Debug)]
pub struct IoOptions {
    /// Entries of the submission queue; halved while the kernel answers ENOMEM.
    pub ring_entries: u32,
    /// Memory of the receive buffers that the kernel fills, 4 KiB each.
    pub recv_buffer_bytes: usize,
    /// Bytes of one connection that wait for its consumer; beyond, receiving stops.
    pub backlog_bytes_max: usize,
}

impl Default for IoOptions {
    fn default() -> Self {
        IoOptions { ring_entries: 1024, recv_buffer_bytes: 1 << 20, backlog_bytes_max: 16 << 10 }
    }
}
