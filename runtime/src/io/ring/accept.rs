//! Accepting on the ring: one multishot operation a listener; one for each connection where others accept from the
//! same socket.
//!
//! Owns: connections that the kernel has accepted and nobody has taken yet; none is dropped but
//! with its listener. Must not know: how many connections are wanted; that is what pausing is for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::super::budget;
use super::{ACCEPT, ACCEPT_CANCEL, Ring, State, tag};

pub(super) struct Acceptor {
    fd: OwnedFd,
    /// Others accept from it, too.
    shared: bool,
    queue: VecDeque<OwnedFd>,
    armed: bool,
    cancelling: bool,
    paused: bool,
    closing: bool,
    dropped: bool,
    inflight: u32,
    error: Option<i32>,
    waker: Option<Waker>,
}

/// A listening socket on the ring.
pub(crate) struct RingListener {
    ring: Rc<Ring>,
    slot: usize,
    fd: i32,
}

impl RingListener {
    pub(crate) fn new(ring: Rc<Ring>, fd: OwnedFd, shared: bool) -> Self {
        let raw = fd.as_raw_fd();
        let slot = ring.state.borrow_mut().acceptors.insert(Acceptor {
            fd,
            shared,
            queue: VecDeque::new(),
            armed: false,
            cancelling: false,
            paused: false,
            closing: false,
            dropped: false,
            inflight: 0,
            error: None,
            waker: None,
        });
        RingListener { ring, slot, fd: raw }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the slot owns the descriptor and keeps it open for as long as `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        let mut state = self.ring.state.borrow_mut();
        let acceptor = &mut state.acceptors[self.slot];
        if !acceptor.queue.is_empty() {
            ready!(budget::poll_left(cx));
        }
        if let Some(fd) = acceptor.queue.pop_front() {
            budget::spend(0);
            return Poll::Ready(Ok(fd));
        }
        if let Some(errno) = acceptor.error.take() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
        }
        acceptor.waker = Some(cx.waker().clone());
        self.ring.arm_accept(&mut state, self.slot);
        Poll::Pending
    }

    pub(crate) fn pause(&self) {
        let mut state = self.ring.state.borrow_mut();
        state.acceptors[self.slot].paused = true;
        self.ring.cancel_accept(&mut state, self.slot);
    }

    pub(crate) fn resume(&self) {
        let waker = {
            let mut state = self.ring.state.borrow_mut();
            let acceptor = &mut state.acceptors[self.slot];
            acceptor.paused = false;
            acceptor.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Cancels, waits for the last completion, and hands over what was accepted meanwhile.
    pub(crate) async fn join(&self) -> VecDeque<OwnedFd> {
        self.ring.close_accept(self.slot, false);
        poll_fn(|cx| {
            let mut state = self.ring.state.borrow_mut();
            let acceptor = &mut state.acceptors[self.slot];
            if acceptor.inflight == 0 {
                return Poll::Ready(std::mem::take(&mut acceptor.queue));
            }
            acceptor.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for RingListener {
    fn drop(&mut self) {
        self.ring.close_accept(self.slot, true);
    }
}

impl Ring {
    fn arm_accept(&self, state: &mut State, slot: usize) {
        let acceptor = &mut state.acceptors[slot];
        if acceptor.armed || acceptor.paused || acceptor.closing {
            return;
        }
        acceptor.armed = true;
        acceptor.inflight += 1;
        state.inflight += 1;
        let fd = Fd(acceptor.fd.as_raw_fd());
        let entry = match acceptor.shared {
            false => opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build(),
            // The kernel wakes the first that waits: a multishot operation would stay the first, and get them all.
            true => opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut())
                .flags(libc::SOCK_CLOEXEC)
                .build(),
        };
        // SAFETY: the entry points at no memory.
        unsafe { self.queues.push(entry.user_data(tag(ACCEPT, slot))) };
    }

    fn cancel_accept(&self, state: &mut State, slot: usize) {
        let acceptor = &mut state.acceptors[slot];
        if !acceptor.armed || acceptor.cancelling {
            return;
        }
        acceptor.cancelling = true;
        acceptor.inflight += 1;
        state.inflight += 1;
        self.cancel(tag(ACCEPT, slot), tag(ACCEPT_CANCEL, slot));
    }

    fn close_accept(&self, slot: usize, dropped: bool) {
        let mut state = self.state.borrow_mut();
        let acceptor = &mut state.acceptors[slot];
        acceptor.closing = true;
        acceptor.dropped |= dropped;
        self.cancel_accept(&mut state, slot);
        Self::accept_ended(&mut state, slot);
    }

    pub(super) fn on_accept(&self, state: &mut State, slot: usize, result: i32, flags: u32) {
        let acceptor = &mut state.acceptors[slot];
        match result {
            // SAFETY: a successful accept gives a new descriptor that nobody else owns.
            0.. => acceptor.queue.push_back(unsafe { OwnedFd::from_raw_fd(result) }),
            _ if matches!(-result, libc::ECANCELED | libc::EINTR | libc::EAGAIN) => {}
            _ => acceptor.error = Some(-result),
        }
        let ended = !cqueue::more(flags);
        if ended {
            acceptor.armed = false;
            acceptor.inflight -= 1;
            state.inflight -= 1;
        }
        if !acceptor.queue.is_empty() || acceptor.error.is_some() || acceptor.closing {
            state.wakes.extend(acceptor.waker.take());
        } else if ended && acceptor.waker.is_some() {
            self.arm_accept(state, slot);
        }
        Self::accept_ended(state, slot);
    }

    pub(super) fn on_accept_cancelled(&self, state: &mut State, slot: usize) {
        let acceptor = &mut state.acceptors[slot];
        acceptor.cancelling = false;
        acceptor.inflight -= 1;
        state.inflight -= 1;
        if acceptor.paused && !acceptor.closing && acceptor.armed {
            // The kernel was between two connections and missed it.
            self.cancel_accept(state, slot);
        }
        let acceptor = &mut state.acceptors[slot];
        if acceptor.closing {
            if acceptor.armed {
                self.cancel_accept(state, slot);
            }
            let acceptor = &mut state.acceptors[slot];
            state.wakes.extend(acceptor.waker.take());
        }
        Self::accept_ended(state, slot);
    }

    fn accept_ended(state: &mut State, slot: usize) {
        let acceptor = &state.acceptors[slot];
        if acceptor.dropped && acceptor.inflight == 0 {
            state.acceptors.remove(slot);
        }
    }
}
