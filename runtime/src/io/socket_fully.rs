//! Operations of [`Socket`] that loop on short reads and writes.
//!
//! Owns: the loop, inside of one turn of the direction's queue: no other operation gets bytes in
//! between. Must not know: how waiting is done.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::budget;
use super::socket::{READ, Socket, WRITE};

/// One step: the bytes moved.
fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Bytes of one step at most.
const STEP_BYTES: usize = 256 << 10;

/// Repeats `step` until it has moved `len` bytes or moves none; the position is kept between calls.
/// WouldBlock when the task's budget is used up, too.
fn advance(done: &mut usize, len: usize, mut step: impl FnMut(usize) -> io::Result<usize>) -> io::Result<()> {
    while *done < len {
        if !budget::is_left() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match step(*done) {
            Ok(0) => break,
            Ok(moved) => {
                *done += moved;
                budget::spend(moved);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Socket {
    /// Receives until `buffer` is full or the stream ends. The number of bytes received comes with
    /// the buffer, also when the socket failed after them.
    pub fn recv_fully(
        &self,
        mut buffer: Vec<u8>,
    ) -> impl Future<Output = (io::Result<()>, usize, Vec<u8>)> + use<> {
        let turn = self.queue(READ);
        async move {
            let mut done = 0;
            let result = turn
                .run(|fd: BorrowedFd<'_>| {
                    let len = buffer.len();
                    advance(&mut done, len, |from| {
                        let rest = &mut buffer[from..];
                        let (data, len) = (rest.as_mut_ptr().cast(), rest.len().min(STEP_BYTES));
                        // SAFETY: the kernel writes at most `len` bytes to the slice, which is ours alone.
                        count(unsafe { libc::recv(fd.as_raw_fd(), data, len, libc::MSG_DONTWAIT) })
                    })
                })
                .await;
            (result, done, buffer)
        }
    }

    /// Sends all of `buffer`. The number of bytes that the kernel took comes with it, also when the
    /// socket failed after them. A reset peer is EPIPE, never a signal.
    pub fn send_fully(
        &self,
        buffer: Vec<u8>,
    ) -> impl Future<Output = (io::Result<()>, usize, Vec<u8>)> + use<> {
        let turn = self.queue(WRITE);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        async move {
            let mut done = 0;
            let result = turn
                .run(|fd: BorrowedFd<'_>| {
                    advance(&mut done, buffer.len(), |from| {
                        let rest = &buffer[from..];
                        let rest = &rest[..rest.len().min(STEP_BYTES)];
                        // SAFETY: the kernel reads `rest.len()` bytes of the slice.
                        count(unsafe { libc::send(fd.as_raw_fd(), rest.as_ptr().cast(), rest.len(), flags) })
                    })
                })
                .await;
            (result, done, buffer)
        }
    }
}
