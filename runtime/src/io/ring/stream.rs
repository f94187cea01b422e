//! A connected stream socket on the ring, as its owner holds it.
//!
//! Owns: the handle of a slot; dropping it begins the close. Must not know: how bytes move (`recv`, `send`).

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::super::chunk::{Chunk, Segments};
use super::super::modes::set_linger_zero;
use super::Ring;
use super::conn::Conn;

/// The slot of a stream whose descriptor was taken out.
const GONE: usize = usize::MAX;

/// A connected stream socket on the ring.
pub(crate) struct RingStream {
    ring: Rc<Ring>,
    slot: usize,
    /// The number of the descriptor that the slot owns.
    fd: i32,
    /// Something is in the middle: a drop is a reset.
    resets: Cell<bool>,
}

impl RingStream {
    pub(crate) fn new(ring: Rc<Ring>, fd: OwnedFd) -> Self {
        let raw = fd.as_raw_fd();
        let slot = ring.state.borrow_mut().conns.insert(Conn::new(fd));
        RingStream { ring, slot, fd: raw, resets: Cell::new(false) }
    }

    pub(crate) fn set_resets(&self, resets: bool) {
        self.resets.set(resets);
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the slot owns the descriptor and keeps it open for as long as `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.ring.poll_recv(self.slot, cx)
    }

    pub(crate) fn poll_segments(&self, cx: &mut Context<'_>) -> Poll<io::Result<Segments>> {
        self.ring.poll_segments(self.slot, cx)
    }

    pub(crate) fn start_send(&self, buffer: Vec<u8>) {
        self.ring.start_send(self.slot, buffer);
    }

    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        self.ring.poll_sent(self.slot, cx)
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.ring.state.borrow().conns[self.slot].send.in_flight
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.ring.state.borrow().conns[self.slot].send.total
    }

    /// Waits until no operation is in flight, after cancelling all. Then the drop closes.
    pub(crate) async fn join(&self) {
        self.ring.begin_close(self.slot, false);
        poll_fn(|cx| self.ring.state.borrow_mut().conns[self.slot].poll_idle(cx)).await
    }

    /// The descriptor, out of the ring; a copy of it if an operation is in flight.
    pub(crate) fn into_fd(mut self) -> io::Result<OwnedFd> {
        let mut state = self.ring.state.borrow_mut();
        if state.conns[self.slot].inflight > 0 {
            drop(state);
            return self.fd().try_clone_to_owned();
        }
        let conn = state.conns.remove(self.slot);
        drop(state);
        self.slot = GONE;
        Ok(conn.fd)
    }
}

impl Drop for RingStream {
    fn drop(&mut self) {
        if self.slot != GONE {
            if self.resets.get() {
                set_linger_zero(self.fd());
            }
            self.ring.begin_close(self.slot, true);
        }
    }
}
