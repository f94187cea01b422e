//! One-shot receives and sends of sockets for the `os` API.
//!
//! Owns: the buffer of each from its start to its completion, also when the future is gone by
//! then. Sockets there are non-blocking, and for those the ring answers EAGAIN where it should
//! wait: so a receive is a poll with the receive linked to it, and a refused send is repeated so.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use io_uring::squeue::Flags;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{opcode, squeue};

use super::{IGNORED, Ring, State, TRANSFER, TRANSFER_POLL, tag};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Recv,
    Send,
}

pub(super) struct Transfer {
    kind: Kind,
    fd: i32,
    flags: i32,
    buffer: Vec<u8>,
    /// What the kernel answered: bytes, or a negative errno.
    result: Option<i32>,
    /// The future is gone: the slot goes with the completion.
    orphaned: bool,
    /// No repetition.
    cancelled: bool,
    waker: Option<Waker>,
}

/// A receive or send in flight. Dropping it cancels; what was received by then is lost.
pub(crate) struct TransferOp {
    ring: Rc<Ring>,
    slot: usize,
    done: bool,
}

impl TransferOp {
    /// Starts an operation on `fd` with `buffer[..]`.
    pub(crate) fn start(ring: &Rc<Ring>, kind: Kind, fd: i32, buffer: Vec<u8>, flags: i32) -> Self {
        let mut state = ring.state.borrow_mut();
        let (result, waker) = (None, None);
        let transfer = Transfer { kind, fd, flags, buffer, result, orphaned: false, cancelled: false, waker };
        let slot = state.transfers.insert(transfer);
        ring.push_transfer(&mut state, slot, kind == Kind::Recv);
        TransferOp { ring: ring.clone(), slot, done: false }
    }

    /// The slot, for [`Ring::cancel_transfers`].
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// The bytes moved, and the buffer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Vec<u8>)> {
        let mut state = self.ring.state.borrow_mut();
        let transfer = &mut state.transfers[self.slot];
        let Some(result) = transfer.result else {
            if !transfer.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                transfer.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        self.done = true;
        let transfer = state.transfers.remove(self.slot);
        let result = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
        Poll::Ready((result, transfer.buffer))
    }
}

impl Drop for TransferOp {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.ring.state.borrow_mut();
        if state.transfers[self.slot].result.is_some() {
            state.transfers.remove(self.slot);
            return;
        }
        state.transfers[self.slot].orphaned = true;
        self.ring.cancel_transfer(&mut state, self.slot);
    }
}

impl Ring {
    /// Queues the operation of `slot`, behind a poll if `wait`.
    fn push_transfer(&self, state: &mut State, slot: usize, wait: bool) {
        let transfer = &mut state.transfers[slot];
        let fd = Fd(transfer.fd);
        let (data, len) = (transfer.buffer.as_mut_ptr(), transfer.buffer.len().min(1 << 30) as u32);
        let (entry, events): (squeue::Entry, _) = match transfer.kind {
            Kind::Recv => (opcode::Recv::new(fd, data, len).flags(transfer.flags).build(), libc::POLLIN),
            Kind::Send => (opcode::Send::new(fd, data, len).flags(transfer.flags).build(), libc::POLLOUT),
        };
        if wait {
            // Should the two fall into different submissions, the second runs alone, gets EAGAIN,
            // and is repeated. (SKIP_SUCCESS would also skip the second's completion if this fails.)
            let poll = opcode::PollAdd::new(fd, events as u32).build();
            let poll = poll.flags(Flags::IO_LINK).user_data(tag(TRANSFER_POLL, slot));
            // SAFETY: the entry points at no memory.
            unsafe { self.queues.push(poll) };
        }
        state.inflight += 1;
        // SAFETY: the bytes belong to the slot's vector, which is neither changed nor moved out of
        // the slot before the completion.
        unsafe { self.queues.push(entry.user_data(tag(TRANSFER, slot))) };
    }

    pub(super) fn on_transfer(&self, state: &mut State, slot: usize, result: i32) {
        state.inflight -= 1;
        let transfer = &mut state.transfers[slot];
        if matches!(-result, libc::EAGAIN | libc::EINTR) && !transfer.cancelled {
            return self.push_transfer(state, slot, true);
        }
        if transfer.orphaned {
            state.transfers.remove(slot);
            return;
        }
        transfer.result = Some(result);
        state.wakes.extend(transfer.waker.take());
    }

    /// Cancels the poll and the operation behind it, whichever is in flight.
    fn cancel_transfer(&self, state: &mut State, slot: usize) {
        if !std::mem::replace(&mut state.transfers[slot].cancelled, true) {
            // All: a poll whose operation ran alone may be left of an earlier attempt.
            let polls = CancelBuilder::user_data(tag(TRANSFER_POLL, slot)).all();
            let entry = opcode::AsyncCancel2::new(polls).build().user_data(tag(IGNORED, 0));
            // SAFETY: the entry points at no memory.
            unsafe { self.queues.push(entry) };
            self.cancel(tag(TRANSFER, slot), tag(IGNORED, 0));
        }
    }

    /// Cancels transfers that are in flight; they complete with ECANCELED.
    pub(crate) fn cancel_transfers(&self, slots: impl Iterator<Item = usize>) {
        let mut state = self.state.borrow_mut();
        for slot in slots {
            if state.transfers[slot].result.is_none() {
                self.cancel_transfer(&mut state, slot);
            }
        }
    }
}
