//! Sending on the ring: one owned buffer a connection, in pieces.
//!
//! Owns: the buffer from submission to completion. A small send is tried without waiting and says
//! something only if it fails: silence after its submission means that the kernel has taken it. What
//! is larger, or was refused, waits in the kernel (MSG_WAITALL), in pieces so that progress shows.

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, Waker};

use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use super::{Ring, SEND, State, tag};

/// Bytes of one send operation at most.
const PIECE_BYTES: usize = 256 << 10;
/// A send of at most so many bytes is tried without waiting.
const QUICK_BYTES: usize = 16 << 10;

#[derive(Default)]
pub(super) struct SendSide {
    buffer: Vec<u8>,
    sent: usize,
    pub(super) in_flight: bool,
    /// It completes in silence with its submission, unless it fails.
    quick: bool,
    /// The errno that ended the last send, until it is collected.
    error: Option<i32>,
    waker: Option<Waker>,
    /// Bytes that the kernel has taken since the connection began.
    pub(super) total: u64,
}

impl SendSide {
    /// Leaves the kernel what it may be sending.
    pub(super) fn abandon(self) {
        std::mem::forget(self.buffer);
    }
}

impl Ring {
    /// Begins to send `buffer` on the connection in `slot`.
    pub(super) fn start_send(&self, slot: usize, buffer: Vec<u8>) {
        let mut state = self.state.borrow_mut();
        let send = &mut state.conns[slot].send;
        assert!(!send.in_flight, "start_send while a send is in flight: poll_sent first");
        send.buffer = buffer;
        send.sent = 0;
        if send.error.is_none() && !send.buffer.is_empty() {
            let quick = send.buffer.len() <= QUICK_BYTES;
            self.push_send(&mut state, slot, quick);
        }
    }

    /// The result of its last send, and the buffer.
    pub(super) fn poll_sent(&self, slot: usize, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        let mut state = self.state.borrow_mut();
        let send = &mut state.conns[slot].send;
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

    fn push_send(&self, state: &mut State, slot: usize, quick: bool) {
        let conn = &mut state.conns[slot];
        let send = &mut conn.send;
        if conn.closing {
            send.error = Some(libc::ECANCELED);
            return;
        }
        let rest = &send.buffer[send.sent..];
        let piece = &rest[..rest.len().min(PIECE_BYTES)];
        // With MSG_WAITALL a short send is a failure, and failures are never skipped.
        let patience = if quick { libc::MSG_DONTWAIT } else { 0 };
        let entry = opcode::Send::new(Fd(conn.fd.as_raw_fd()), piece.as_ptr(), piece.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL | patience)
            .build();
        let silence = if quick { squeue::Flags::SKIP_SUCCESS } else { squeue::Flags::empty() };
        send.in_flight = true;
        send.quick = quick;
        conn.inflight += 1;
        state.inflight += 1;
        if quick {
            state.sending.push(slot);
        }
        // SAFETY: the bytes belong to `send.buffer`, which is neither changed nor moved out while
        // `in_flight`, and whose slot lives until the completion; a quick send is over when its
        // submission returns.
        unsafe { self.queues.push(entry.flags(silence).user_data(tag(SEND, slot))) };
    }

    /// Whether somebody waits for a quick send, whose success will end no sleep.
    pub(super) fn awaits_silence(&self) -> bool {
        let state = self.state.borrow();
        state
            .sending
            .iter()
            .any(|slot| state.conns.get(*slot).is_some_and(|conn| conn.closing || conn.send.waker.is_some()))
    }

    /// Once everything queued is submitted and reaped: the quick sends that were silent are done.
    pub(super) fn settle_sends(&self, state: &mut State) {
        if !self.queues.is_empty() {
            return;
        }
        while let Some(slot) = state.sending.pop() {
            let Some(send) = state.conns.get_mut(slot).map(|conn| &mut conn.send) else { continue };
            if send.in_flight && send.quick {
                let rest = (send.buffer.len() - send.sent) as i32;
                self.on_send(state, slot, rest);
            }
        }
    }

    pub(super) fn on_send(&self, state: &mut State, slot: usize, result: i32) {
        let closing = state.conns[slot].closing;
        let send = &mut state.conns[slot].send;
        send.in_flight = false;
        send.quick = false;
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
            self.push_send(state, slot, false);
        }
        let send = &mut state.conns[slot].send;
        if !send.in_flight {
            state.wakes.extend(send.waker.take());
        }
        self.operation_ended(state, slot);
    }
}
