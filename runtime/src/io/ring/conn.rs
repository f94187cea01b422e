//! One connected socket in the ring: its slot, and how it ends.
//!
//! Owns: the slot that holds descriptor, receive side and send side until the last completion.
//! The three-step close is here: no new operations, cancel and join those in flight, close.
//! Must not know: what the bytes mean.

use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, Waker};

use super::super::{memory, pool};
use super::recv::RecvSide;
use super::send::SendSide;
use super::{CANCEL, RECV, Ring, SEND, State, tag};

pub(super) struct Conn {
    pub(super) fd: OwnedFd,
    /// Operations whose terminal completion is still to come.
    pub(super) inflight: u32,
    /// No new operation starts.
    pub(super) closing: bool,
    /// The stream is gone: the slot goes with the last completion.
    pub(super) dropped: bool,
    close_waker: Option<Waker>,
    pub(super) recv: RecvSide,
    pub(super) send: SendSide,
}

impl Conn {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Conn {
            fd,
            inflight: 0,
            closing: false,
            dropped: false,
            close_waker: None,
            recv: RecvSide::default(),
            send: SendSide::default(),
        }
    }

    /// Ready when no operation is in flight.
    pub(super) fn poll_idle(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.inflight == 0 {
            return Poll::Ready(());
        }
        self.close_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Closes the descriptor, and leaves the kernel what it may be sending.
    pub(super) fn abandon(self) {
        self.send.abandon();
    }
}

impl Ring {
    /// Steps one and two of a close: nothing new, cancel what is in flight.
    pub(super) fn begin_close(&self, slot: usize, dropped: bool) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let conn = &mut state.conns[slot];
        conn.dropped |= dropped;
        if let Some((id, len)) = conn.recv.ready.take() {
            self.buffers.give_chain_back(id, len as usize);
        }
        if !conn.closing {
            conn.closing = true;
            if conn.recv.armed && !conn.recv.cancelling {
                conn.recv.cancelling = true;
                self.cancel_of_conn(state, slot, RECV);
            }
            if state.conns[slot].send.in_flight {
                self.cancel_of_conn(state, slot, SEND);
            }
        }
        self.conn_ended(state, slot);
    }

    /// Cancels by user data, which the kernel finds in a hash, where a descriptor means a search.
    pub(super) fn cancel_of_conn(&self, state: &mut State, slot: usize, kind: u64) {
        state.conns[slot].inflight += 1;
        state.inflight += 1;
        self.cancel(tag(kind, slot), tag(CANCEL, slot));
    }

    pub(super) fn on_conn_cancelled(&self, state: &mut State, slot: usize, result: i32) {
        let conn = &mut state.conns[slot];
        let running = conn.recv.armed || conn.send.in_flight;
        if conn.closing && running && result == -libc::EALREADY {
            // A kernel thread is at work in it: end the socket under it.
            let _ = rustix::net::shutdown(conn.fd.as_fd(), rustix::net::Shutdown::Both);
        }
        self.operation_ended(state, slot);
    }

    /// Counts the terminal completion of one operation.
    pub(super) fn operation_ended(&self, state: &mut State, slot: usize) {
        state.inflight -= 1;
        state.conns[slot].inflight -= 1;
        self.conn_ended(state, slot);
    }

    /// Step three, once nothing is in flight.
    fn conn_ended(&self, state: &mut State, slot: usize) {
        let conn = &mut state.conns[slot];
        if conn.inflight > 0 || !conn.closing {
            return;
        }
        state.wakes.extend(conn.close_waker.take());
        if conn.dropped {
            let conn = state.conns.remove(slot);
            memory::shrink(&mut state.conns);
            pool::put(conn.recv.backlog);
        }
    }
}
