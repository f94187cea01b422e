//! Receiving on the ring: one multishot operation a connection, provided buffers, back-pressure.
//!
//! Owns: what has arrived and was not yet taken. A consumer that waits gets the kernel's buffer
//! itself, or a chain of them; bytes that nobody waits for are copied to the connection's backlog at once, so that
//! a slow consumer holds no buffer, and beyond the backlog's bound the receive stops.

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, Waker, ready};

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::super::buffers::{BUFFER_BYTES, GROUP};
use super::super::chunk::{Chunk, Segments};
use super::super::{budget, pool};
use super::{RECV, Ring, State, tag};

#[derive(Default)]
pub(super) struct RecvSide {
    /// The multishot operation is in flight.
    pub(super) armed: bool,
    /// Its cancellation is in flight.
    pub(super) cancelling: bool,
    /// It ended with ENOBUFS and waits for buffers.
    starved: bool,
    /// A filled buffer for the waiting consumer, or where a chain of them begins; older than the backlog. And its
    /// bytes.
    pub(super) ready: Option<(u16, u32)>,
    /// Where that chain ends.
    last: u16,
    /// The consumer takes chains.
    in_pieces: bool,
    pub(super) backlog: Vec<u8>,
    /// 0: end of stream; else the errno that ended it.
    end: Option<i32>,
    /// The consumer waits; `waker` is kept for its next wait, which is nearly always by the same task.
    waiting: bool,
    waker: Option<Waker>,
}

impl RecvSide {
    fn wake(&mut self) {
        if std::mem::take(&mut self.waiting)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}

impl Ring {
    /// The next bytes of the connection in `slot`, as [`Stream::poll_recv`](super::super::Stream::poll_recv).
    pub(super) fn poll_recv(&self, slot: usize, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.poll_next(slot, cx, false)
    }

    /// The same in pieces.
    pub(super) fn poll_segments(&self, slot: usize, cx: &mut Context<'_>) -> Poll<io::Result<Segments>> {
        self.poll_next(slot, cx, true).map_ok(Segments)
    }

    fn poll_next(&self, slot: usize, cx: &mut Context<'_>, in_pieces: bool) -> Poll<io::Result<Chunk>> {
        let mut state = self.state.borrow_mut();
        let conn = &mut state.conns[slot];
        let recv = &mut conn.recv;
        if recv.ready.is_some() || !recv.backlog.is_empty() {
            ready!(budget::poll_left(cx));
        }
        if let Some((id, len)) = recv.ready.take() {
            budget::spend(len as usize);
            if len as usize > BUFFER_BYTES && !in_pieces {
                let mut whole = pool::take();
                self.buffers.each(id, len as usize, &mut |piece| whole.extend_from_slice(piece));
                self.buffers.give_chain_back(id, len as usize);
                return Poll::Ready(Ok(Chunk::pooled(whole)));
            }
            return Poll::Ready(Ok(Chunk::provided(self.buffers.clone(), id, len)));
        }
        if !recv.backlog.is_empty() {
            budget::spend(recv.backlog.len());
            return Poll::Ready(Ok(Chunk::pooled(std::mem::take(&mut recv.backlog))));
        }
        match recv.end {
            Some(0) => return Poll::Ready(Ok(Chunk::end())),
            Some(errno) => return Poll::Ready(Err(io::Error::from_raw_os_error(errno))),
            None => {}
        }
        if !recv.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            recv.waker = Some(cx.waker().clone());
        }
        recv.waiting = true;
        recv.in_pieces = in_pieces;
        self.arm_recv(&mut state, slot);
        Poll::Pending
    }

    /// Starts the multishot receive, unless it runs, waits for buffers, or has ended.
    fn arm_recv(&self, state: &mut State, slot: usize) {
        let conn = &mut state.conns[slot];
        let recv = &mut conn.recv;
        if recv.armed || recv.starved || conn.closing || recv.end.is_some() {
            return;
        }
        recv.armed = true;
        conn.inflight += 1;
        state.inflight += 1;
        let fd = Fd(conn.fd.as_raw_fd());
        let entry = match recv.in_pieces && self.queues.has_bundles() {
            true => opcode::RecvMultiBundle::new(fd, GROUP).build(),
            false => opcode::RecvMulti::new(fd, GROUP).build(),
        };
        // SAFETY: the entry points at no memory of ours but the buffer group, which outlives the ring.
        unsafe { self.queues.push(entry.user_data(tag(RECV, slot))) };
    }

    pub(super) fn on_recv(&self, state: &mut State, slot: usize, result: i32, flags: u32) {
        let buffer = cqueue::buffer_select(flags);
        if buffer.is_some() {
            self.buffers.taken(result.max(0) as usize);
        }
        let ended = !cqueue::more(flags);
        let conn = &mut state.conns[slot];
        let recv = &mut conn.recv;
        if ended {
            recv.armed = false;
            recv.cancelling = false;
        }
        match (buffer, result) {
            (Some(id), 1..) => {
                let length = result as usize;
                let last = if length > BUFFER_BYTES { self.buffers.chain(id, length) } else { id };
                match &mut recv.ready {
                    _ if conn.closing => self.buffers.give_chain_back(id, length),
                    None if recv.waiting && recv.backlog.is_empty() => {
                        (recv.ready, recv.last) = (Some((id, length as u32)), last);
                        state.handed.push(slot);
                    }
                    Some((_, chained))
                        if recv.in_pieces
                            && recv.backlog.is_empty()
                            && (*chained as usize).is_multiple_of(BUFFER_BYTES) =>
                    {
                        self.buffers.link(recv.last, id);
                        *chained += length as u32;
                        recv.last = last;
                    }
                    _ => self.copy_to_backlog(state, slot, id, length),
                }
            }
            (Some(id), _) => self.buffers.give_back(id),
            (None, _) => {}
        }
        let conn = &mut state.conns[slot];
        let recv = &mut conn.recv;
        match -result {
            0 => recv.end = Some(0),
            libc::ENOBUFS => {
                recv.starved = true;
                state.starved.push_back(slot);
            }
            // Ours, for back-pressure or close; and two that mean: again.
            ..0 | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            errno => recv.end = Some(errno),
        }
        if recv.end.is_some() || recv.ready.is_some() || !recv.backlog.is_empty() {
            // A wake only queues the task: it runs when the ring's state is free again.
            recv.wake();
        } else if ended && recv.waiting {
            self.arm_recv(state, slot);
        }
        if ended {
            self.operation_ended(state, slot);
        }
    }

    fn copy_to_backlog(&self, state: &mut State, slot: usize, id: u16, len: usize) {
        let recv = &mut state.conns[slot].recv;
        if recv.backlog.capacity() == 0 {
            recv.backlog = pool::take();
        }
        self.buffers.each(id, len, &mut |piece| recv.backlog.extend_from_slice(piece));
        self.buffers.give_chain_back(id, len);
        if recv.backlog.len() > self.backlog_bytes_max {
            state.over.push(slot);
        }
    }

    /// Before the ring sleeps or reaps again: takes buffers back from consumers that did not come
    /// for them, stops receives whose backlog was not drained, restarts those that starved.
    pub(super) fn settle_receives(&self) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        while let Some(slot) = state.handed.pop() {
            let Some(recv) = state.conns.get_mut(slot).map(|conn| &mut conn.recv) else { continue };
            if let Some((id, len)) = recv.ready.take() {
                let later = std::mem::take(&mut recv.backlog);
                self.copy_to_backlog(state, slot, id, len as usize);
                state.conns[slot].recv.backlog.extend_from_slice(&later);
                pool::put(later);
            }
        }
        while let Some(slot) = state.over.pop() {
            let Some(conn) = state.conns.get_mut(slot) else { continue };
            let recv = &mut conn.recv;
            if recv.armed && !recv.cancelling && recv.backlog.len() > self.backlog_bytes_max {
                recv.cancelling = true;
                self.cancel_of_conn(state, slot, RECV);
            }
        }
        // One restart for each free buffer: what a restarted receive finds waiting takes at least one.
        let mut free = self.buffers.free().min(state.starved.len());
        while free > 0 {
            free -= 1;
            let Some(slot) = state.starved.pop_front() else { return };
            let Some(conn) = state.conns.get_mut(slot).filter(|conn| conn.recv.starved) else { continue };
            conn.recv.starved = false;
            // Only for a consumer that waits: another one restarts it when it asks.
            if conn.recv.waiting {
                self.arm_recv(state, slot);
            }
        }
    }
}
