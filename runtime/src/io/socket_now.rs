//! Receives and sends that are tried inside of the call, on memory that is only lent.
//!
//! Owns: the system calls, and a receive's place in the order while it waits. Must not know: whose
//! memory it is; nobody keeps a reference to it from one try to the next.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SendFlags};

use super::budget;
use super::pool;
use super::socket::{READ, Socket, WRITE, Waiter};
use super::socket_ops::or_end;

/// Memory that does not begin at a cache line and has as much room gets its bytes by way of a buffer that does: the kernel
/// takes two to six times as long to write to it (see [`super::Allocator`]), and the engine's never does.
const BY_WAY_BYTES: usize = 4096;

/// recv(2) into `buffer`, without waiting.
fn recv_now(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // Only where all that it has room for fits there: what was cut short would say that nothing is left.
    let may_go_by_way = (BY_WAY_BYTES..=pool::LARGE_BYTES).contains(&buffer.len());
    if !may_go_by_way || buffer.as_ptr().addr().is_multiple_of(64) {
        return Ok(rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT)?.0);
    }
    let mut large = pool::take_large();
    let room = &mut large.spare_capacity_mut()[..buffer.len()];
    let received = rustix::net::recv(fd, room, RecvFlags::DONTWAIT);
    let received = received.map(|((bytes, _), _)| {
        buffer[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    });
    pool::put(large);
    Ok(received?)
}

impl Socket {
    /// recv(2) into `buffer`, if nobody waits to receive. `None`: it has to wait.
    pub fn try_recv(&self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        // What is received can be sent in the same poll, beyond the budget: it is not kept in between.
        if !self.is_free(READ) || !budget::is_left() {
            return None;
        }
        let room = buffer.len();
        let result = self.with_fd(|fd| recv_now(fd, buffer));
        match &result {
            Ok(got) if (1..room).contains(got) => self.received_short(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear(READ);
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
            Err(error) => self.note(error),
            _ => {}
        }
        budget::spend(*result.as_ref().unwrap_or(&0));
        Some(result)
    }

    /// send(2) of `bytes`, if nobody waits to send. `None`: it has to wait. A reset peer is EPIPE,
    /// never a signal.
    pub fn try_send(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        if !self.is_free(WRITE) {
            return None;
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let result = self.with_fd(|fd| Ok(rustix::net::send(fd, bytes, flags)?));
        match &result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear(WRITE);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            _ => {
                if let Err(error) = &result {
                    self.note(error);
                }
                budget::spend(*result.as_ref().unwrap_or(&0));
                Some(result)
            }
        }
    }

    /// Whether nobody waits to receive, there may be something, and the running task may go on.
    pub fn may_recv(&self) -> bool {
        self.is_free(READ) && budget::is_left()
    }

    /// Takes a place among those who wait to receive.
    pub fn wait_to_recv(&self) -> WaitingRecv {
        WaitingRecv { socket: self.clone(), turn: self.queue(READ) }
    }

    /// Takes a place among those who wait to send.
    pub fn wait_to_send(&self) -> WaitingSend {
        WaitingSend { turn: self.queue(WRITE) }
    }
}

/// A send that waits. Dropping it gives its place up.
pub struct WaitingSend {
    turn: Waiter,
}

impl WaitingSend {
    /// send(2) of `bytes` when it is this send's turn and there is room; how many were taken. A reset peer
    /// is EPIPE, never a signal. EBADF once the socket is closed.
    pub fn poll(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let result = self.turn.poll(cx, &mut |fd| Ok(rustix::net::send(fd, bytes, flags)?));
        if let Poll::Ready(Ok(sent)) = result {
            budget::spend(sent);
        }
        result
    }
}

/// A receive that waits. Dropping it gives its place up; no bytes are lost.
pub struct WaitingRecv {
    socket: Socket,
    turn: Waiter,
}

impl WaitingRecv {
    /// Ready when [`WaitingRecv::poll`] is worth it, which needs a buffer; else `cx` is woken then.
    pub fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        self.turn.poll_ready(cx)
    }

    /// recv(2) into `buffer` when it is this receive's turn and there is something. EBADF once the
    /// socket is closed.
    pub fn poll(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        let mut attempt = |fd: BorrowedFd<'_>| {
            let mut now = || recv_now(fd, buffer);
            or_end(fd, now(), now, 0)
        };
        let result = self.turn.poll(cx, &mut attempt);
        if let Poll::Ready(Ok(got)) = result {
            budget::spend(got);
            if (1..room).contains(&got) {
                self.socket.received_short();
            }
        }
        result
    }
}
