//! The socket ring of one worker: completions in, wakes out.
//!
//! Owns: the io_uring instance, its receive buffers, and the state of every operation in flight.
//! A completion's user data names its kind and its slot; a slot lives until its last completion,
//! so that no number ever names another's. Must not know: the executor's tasks but by their wakers.

mod accept;
mod conn;
mod enter;
mod recv;
mod send;
mod stream;
mod trial;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode};
use slab::Slab;

use super::buffers::Buffers;
use super::direction::Direction;
use super::{IoOptions, executor};

use accept::Acceptor;
use conn::Conn;
use enter::{Completion, Queues};

pub(super) use accept::RingListener;
pub(super) use enter::build;
pub(super) use stream::RingStream;
pub(super) use trial::trial;

/// What a completion is about: the top byte of its user data.
const KIND_SHIFT: u32 = 56;
const IGNORED: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const CANCEL: u64 = 3;
const ACCEPT: u64 = 4;
const ACCEPT_CANCEL: u64 = 5;
const POLL: u64 = 6;
const BELL: u64 = 7;
const TOKIO: u64 = 8;

fn tag(kind: u64, slot: usize) -> u64 {
    kind << KIND_SHIFT | slot as u64
}

/// The ring of a worker. The field order is the order of their end: the ring before its memory.
pub(super) struct Ring {
    queues: Queues,
    /// Shared with the chunks that are of them.
    buffers: Rc<Buffers>,
    state: RefCell<State>,
    backlog_bytes_max: usize,
}

#[derive(Default)]
struct State {
    conns: Slab<Conn>,
    acceptors: Slab<Acceptor>,
    polls: Slab<Rc<Direction>>,
    /// Connections that were given a provided buffer with this reap.
    handed: Vec<usize>,
    /// Connections whose backlog grew beyond its bound with this reap.
    over: Vec<usize>,
    /// Connections whose receive ended for want of buffers.
    starved: std::collections::VecDeque<usize>,
    /// Connections whose quick send goes with the next submission.
    sending: Vec<usize>,
    wakes: Vec<Waker>,
    /// Those that polls told of with this reap; whoever waits there is woken.
    ready: Vec<Rc<Direction>>,
    /// Operations in flight, the polls on the two descriptors below aside.
    inflight: usize,
    bell_fd: i32,
    tokio_fd: Option<i32>,
    /// The poll on `tokio_fd` is in flight.
    tokio_armed: bool,
    closing: bool,
}

impl Ring {
    /// Sets the ring up; `tokio_fd` is tokio's epoll descriptor, when it is known.
    pub(super) fn new(options: &IoOptions, tokio_fd: Option<i32>) -> io::Result<Self> {
        let uring = build(options.ring_entries)?;
        let buffers = Buffers::new(options.recv_buffer_bytes)?;
        buffers.register(&uring)?;
        let bell_fd = executor::bell_fd().unwrap_or(-1);
        let state = State { bell_fd, tokio_fd, ..State::default() };
        let ring = Ring {
            queues: Queues::new(uring),
            buffers: Rc::new(buffers),
            state: RefCell::new(state),
            backlog_bytes_max: options.backlog_bytes_max,
        };
        ring.poll_bell(bell_fd);
        Ok(ring)
    }

    /// Buffers that the kernel may fill, and how many there are.
    pub(super) fn buffers(&self) -> (usize, usize) {
        (self.buffers.free(), self.buffers.count())
    }

    /// Watches tokio's epoll descriptor, once: tokio must get a pass before this is called again.
    /// False when the descriptor is not known.
    pub(super) fn watch_tokio(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(fd) = state.tokio_fd else { return false };
        if !std::mem::replace(&mut state.tokio_armed, true) {
            let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).build();
            // SAFETY: the entry points at no memory.
            unsafe { self.queues.push(entry.user_data(tag(TOKIO, 0))) };
        }
        true
    }

    /// Keeps a poll on the eventfd that other threads ring. Nobody reads it: each write is an edge.
    fn poll_bell(&self, fd: i32) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build();
        // SAFETY: the entry points at no memory.
        unsafe { self.queues.push(entry.user_data(tag(BELL, 0))) };
    }

    /// One turn: submit, perhaps sleep, reap, wake. `wait`: `None` does not sleep; `Some(limit)`
    /// sleeps until a completion or for `limit`.
    pub(super) fn turn(&self, wait: Option<Option<Duration>>) -> io::Result<()> {
        self.settle_receives();
        self.queues.turn(wait.filter(|_| !self.awaits_silence()))?;
        self.reap();
        Ok(())
    }

    fn reap(&self) {
        thread_local! {
            static BATCH: RefCell<Vec<Completion>> = const { RefCell::new(Vec::new()) };
        }
        let mut batch = BATCH.with(RefCell::take);
        self.queues.reap(&mut batch);
        let (mut wakes, mut ready) = {
            let mut state = self.state.borrow_mut();
            for &(user_data, result, flags) in &batch {
                self.dispatch(&mut state, user_data, result, flags);
            }
            self.settle_sends(&mut state);
            (std::mem::take(&mut state.wakes), std::mem::take(&mut state.ready))
        };
        wakes.drain(..).for_each(Waker::wake);
        ready.drain(..).for_each(|direction| direction.wake_all());
        let mut state = self.state.borrow_mut();
        (state.wakes, state.ready) = (wakes, ready);
        drop(state);
        batch.clear();
        BATCH.with(|slot| slot.replace(batch));
    }

    fn dispatch(&self, state: &mut State, user_data: u64, result: i32, flags: u32) {
        let slot = (user_data & ((1 << KIND_SHIFT) - 1)) as usize;
        match user_data >> KIND_SHIFT {
            RECV => self.on_recv(state, slot, result, flags),
            SEND => self.on_send(state, slot, result),
            CANCEL => self.on_conn_cancelled(state, slot, result),
            ACCEPT => self.on_accept(state, slot, result, flags),
            ACCEPT_CANCEL => self.on_accept_cancelled(state, slot),
            POLL => self.on_poll(state, slot, result, flags),
            TOKIO => {
                state.tokio_armed = false;
                executor::serve_tokio();
            }
            BELL if !cqueue::more(flags) && !state.closing => self.poll_bell(state.bell_fd),
            _ => {}
        }
    }

    /// Polls `fd` for what `direction` waits for: it hears of each event until the poll ends.
    pub(super) fn poll(&self, fd: i32, direction: &Rc<Direction>) -> usize {
        let mut state = self.state.borrow_mut();
        let slot = state.polls.insert(direction.clone());
        state.inflight += 1;
        let (events, multi) = direction.interest();
        let entry = opcode::PollAdd::new(Fd(fd), events).multi(multi).build();
        // SAFETY: the entry points at no memory.
        unsafe { self.queues.push(entry.user_data(tag(POLL, slot))) };
        slot
    }

    fn on_poll(&self, state: &mut State, slot: usize, events: i32, flags: u32) {
        let more = cqueue::more(flags);
        let Some(direction) = state.polls.get(slot) else { return };
        let vain = direction.complete(events, more);
        state.ready.push(direction.clone());
        if vain {
            // A peer that goes on sending what nobody reads is to cost nothing.
            self.cancel(tag(POLL, slot), tag(IGNORED, 0));
        }
        if !more {
            state.polls.remove(slot);
            state.inflight -= 1;
        }
    }

    /// Ends polls of [`Ring::poll`].
    pub(super) fn cancel_polls(&self, slots: impl Iterator<Item = usize>) {
        slots.for_each(|slot| self.cancel(tag(POLL, slot), tag(IGNORED, 0)));
    }

    /// Submits what is queued at once: after cancellations, so that the kernel holds files no longer.
    pub(super) fn submit(&self) {
        self.queues.submit();
    }

    /// Queues the cancellation of the operation tagged `target`.
    fn cancel(&self, target: u64, user_data: u64) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(target)).build();
        // SAFETY: the entry points at no memory.
        unsafe { self.queues.push(entry.user_data(user_data)) };
    }

    /// Closes a ring that did not [`shut_down`](Self::shut_down). The kernel ends its operations, and so the
    /// connections, some time after; the memory that it may still use until then is left to it.
    pub(super) fn abandon(self) {
        let Ring { queues, buffers, state, .. } = self;
        let State { mut conns, .. } = state.into_inner();
        drop(queues);
        std::mem::forget(buffers);
        for conn in conns.drain() {
            conn.abandon();
        }
    }

    /// Cancels everything and waits for it, for at most a second. False when the kernel still
    /// owns memory after that.
    pub(super) fn shut_down(&self) -> bool {
        self.state.borrow_mut().closing = true;
        let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        // SAFETY: the entry points at no memory.
        unsafe { self.queues.push(entry.user_data(tag(IGNORED, 0))) };
        let end = Instant::now() + Duration::from_secs(1);
        while self.state.borrow().inflight > 0 && Instant::now() < end {
            if self.turn(Some(Some(Duration::from_millis(20)))).is_err() {
                break;
            }
        }
        self.state.borrow().inflight == 0
    }
}
