//! Pipes to and from other processes, one end of each on this worker.
//!
//! Owns: reads and writes that wait on the ring or on epoll, never in the call. Must not know: who is at the other end.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::buffer::spare_capacity;
use rustix::pipe::{PipeFlags, pipe_with};

use super::budget;
use super::modes::set_nonblocking;
use super::socket::{READ, Socket, WRITE, Waiter};

/// A pipe: the end to read from and the end to write to, both close-on-exec and blocking.
///
/// # Errors
/// EMFILE, ENFILE (pipe(2)).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// The end that this worker reads from; closed when dropped.
pub struct PipeReader {
    socket: Socket,
    turn: Waiter,
}

impl PipeReader {
    /// Takes a descriptor, which blocks no more. The other end is as it was.
    ///
    /// # Errors
    /// fcntl(2).
    pub fn new(fd: OwnedFd) -> io::Result<PipeReader> {
        set_nonblocking(&fd, true)?;
        let socket = Socket::new(fd);
        Ok(PipeReader { turn: socket.queue(READ), socket })
    }

    /// Appends what there is to the spare capacity of `buffer`, which must have some; 0 at the end.
    pub fn poll_read(&self, cx: &Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let result = self.turn.poll(cx, &mut |fd| Ok(rustix::io::read(fd, spare_capacity(buffer))?));
        if let Poll::Ready(Ok(bytes)) = result {
            budget::spend(bytes);
        }
        result
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// `WouldBlock`: there is nothing now. read(2).
    pub fn read_now(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        self.socket.with_fd(|fd| Ok(rustix::io::read(fd, spare_capacity(buffer))?))
    }
}

/// The end that this worker writes to; closed when dropped.
pub struct PipeWriter {
    turn: Waiter,
    _socket: Socket,
}

impl PipeWriter {
    /// Takes a descriptor, which blocks no more. The other end is as it was.
    ///
    /// # Errors
    /// fcntl(2).
    pub fn new(fd: OwnedFd) -> io::Result<PipeWriter> {
        set_nonblocking(&fd, true)?;
        let socket = Socket::new(fd);
        Ok(PipeWriter { turn: socket.queue(WRITE), _socket: socket })
    }

    /// Writes what there is room for, of `bytes`, which are some. EPIPE once nobody reads.
    pub fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.turn.poll(cx, &mut |fd| Ok(rustix::io::write(fd, bytes)?));
        if let Poll::Ready(Ok(bytes)) = result {
            budget::spend(bytes);
        }
        result
    }
}
