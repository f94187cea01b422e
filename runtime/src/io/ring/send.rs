//! Sending on the ring: one owned buffer a connection, in pieces.
//!
//! Owns: the buffer from submission to completion. MSG_WAITALL makes the kernel finish a piece by
//! itself; pieces are bounded so that progress shows. A completion wakes the task only if it
//! waits for it: a reply that nobody waits for costs no wake.

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, Waker};

use io_uring::opcode;
use io_uring::types::Fd;

use super::conn::RingStream;
use super::{Ring, SEND, State, tag};

/// Bytes of one send operation at most.
const PIECE_BYTES: usize = 256 << 10;
/// A send of so many bytes is expected to complete with its submission.
const QUICK_BYTES: usize = 16 << 10;

#[derive(Default)]
pub(super) struct SendSide {
    buffer: Vec<u8>,
    sent: usize,
    pub(super) in_flight: bool,
    /// The errno that ended the last send, until it is collected.
    error: Option<i32>,
    waker: Option<Waker>,
    /// Bytes that the kernel has taken since the connection began.
    total: u64,
}

impl RingStream {
    pub(crate) fn start_send(&self, buffer: Vec<u8>) {
        let mut state = self.ring.state.borrow_mut();
        let send = &mut state.conns[self.slot].send;
        assert!(!send.in_flight, "start_send while a send is in flight: poll_sent first");
        send.buffer = buffer;
        send.sent = 0;
        if send.error.is_none() && !send.buffer.is_empty() {
            self.ring.push_send(&mut state, self.slot);
        }
    }

    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        let mut state = self.ring.state.borrow_mut();
        let send = &mut state.conns[self.slot].send;
        if send.in_flight {
            if !send.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                send.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let result = match send.error.take() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        };
        Poll::Ready((result, std::mem::take(&mut send.buffer)))
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.ring.state.borrow().conns[self.slot].send.in_flight
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.ring.state.borrow().conns[self.slot].send.total
    }
}

impl Ring {
    fn push_send(&self, state: &mut State, slot: usize) {
        let conn = &mut state.conns[slot];
        let send = &mut conn.send;
        if conn.closing {
            send.error = Some(libc::ECANCELED);
            return;
        }
        let rest = &send.buffer[send.sent..];
        let piece = &rest[..rest.len().min(PIECE_BYTES)];
        let entry = opcode::Send::new(Fd(conn.fd.as_raw_fd()), piece.as_ptr(), piece.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        send.in_flight = true;
        conn.inflight += 1;
        state.inflight += 1;
        state.sending.push(slot);
        // SAFETY: the bytes belong to `send.buffer`, which is neither changed nor moved out while
        // `in_flight`, and whose slot lives until the completion.
        unsafe { self.queues.push(entry.user_data(tag(SEND, slot))) };
    }

    /// How many completions of the next submission will be of sends that nobody waits for, so that
    /// a sleep may wait for one more than those. 0 if a completion of any send is wanted.
    pub(super) fn unwatched_sends(&self) -> u32 {
        let mut state = self.state.borrow_mut();
        let State { sending, conns, .. } = &mut *state;
        let unwatched = |slot: &usize| {
            conns.get(*slot).is_some_and(|conn| {
                let send = &conn.send;
                let quick = send.buffer.len() - send.sent <= QUICK_BYTES;
                quick && send.in_flight && send.waker.is_none() && !conn.closing
            })
        };
        let count = if sending.iter().all(unwatched) { sending.len() as u32 } else { 0 };
        sending.clear();
        count
    }

    pub(super) fn on_send(&self, state: &mut State, slot: usize, result: i32) {
        let closing = state.conns[slot].closing;
        let send = &mut state.conns[slot].send;
        send.in_flight = false;
        match result {
            1.. => {
                send.sent += result as usize;
                send.total += result as u64;
            }
            // A send of bytes that takes none has lost its peer.
            0 => send.error = Some(libc::EPIPE),
            _ if matches!(-result, libc::EINTR | libc::EAGAIN) && !closing => {}
            _ => send.error = Some(-result),
        }
        if send.error.is_none() && send.sent < send.buffer.len() {
            self.push_send(state, slot);
        }
        let send = &mut state.conns[slot].send;
        if !send.in_flight {
            state.wakes.extend(send.waker.take());
        }
        self.operation_ended(state, slot);
    }
}
