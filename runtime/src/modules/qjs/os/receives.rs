//! Receives that wait for data: what settles their promises, without a task or a buffer for each.
//!
//! Owns: the waiting receives of an engine, and the one task that tries those whose socket may have
//! something, a turn of the engine each. Bytes go from the kernel to the script's buffer as it is
//! then. Must not know: the calls that wait otherwise, the backends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use rquickjs::{Ctx, Result, Value};
use slab::Slab;

use super::pending::Pending;
use super::results::{check, count, fill};
use crate::io::{Socket, WaitingRecv, budget, spawn};
use crate::js::alive::Hold;
use crate::js::engine::{Engine, State};
use crate::js::promise::{self, Capability};
use crate::js::{Held, buffer_source};

/// Bytes received at most where the script's buffer is no longer what it was.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

/// One receive.
struct PendingRecv {
    receive: WaitingRecv,
    buffer: Held,
    wanted: usize,
    capability: Capability,
    _pending: Pending,
    _hold: Hold,
}

/// The receives of one engine that wait.
#[derive(Default)]
pub(super) struct Receives {
    /// Empty while one is being tried.
    slots: RefCell<Slab<Option<PendingRecv>>>,
    /// One for each slot, kept for its next receive.
    wakers: RefCell<Vec<Waker>>,
    inbox: Arc<Inbox>,
    pumping: Rc<Cell<bool>>,
}

/// The slots that are to be tried, and the task that does it.
#[derive(Default)]
struct Inbox(Mutex<Woken>);

#[derive(Default)]
struct Woken {
    slots: Vec<usize>,
    pump: Option<Waker>,
    /// Nobody is left to try.
    ended: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Woken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, slot: usize) {
        let mut woken = self.lock();
        woken.slots.push(slot);
        if woken.slots.len() == 1
            && let Some(pump) = &woken.pump
        {
            pump.wake_by_ref();
        }
    }
}

struct SlotWaker {
    slot: usize,
    inbox: Arc<Inbox>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.inbox.push(self.slot);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inbox.push(self.slot);
    }
}

impl Receives {
    /// The promise of a receive of up to `wanted` bytes that has to wait.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn begin<'js>(
        self: &Rc<Self>,
        ctx: &Ctx<'js>,
        socket: &Socket,
        buffer: Value<'js>,
        wanted: usize,
        pending: Pending,
    ) -> Result<Value<'js>> {
        let (promise, capability) = promise::pending(ctx)?;
        let state = State::of(ctx);
        // Then it is not to end inside of its call, or it would have.
        let later = socket.may_recv();
        let waiting = PendingRecv {
            receive: socket.wait_to_recv(),
            buffer: Held::new(buffer),
            wanted,
            capability,
            _pending: pending,
            _hold: state.alive().hold(),
        };
        let slot = self.slots.borrow_mut().insert(Some(waiting));
        while self.wakers.borrow().len() <= slot {
            let slot = self.wakers.borrow().len();
            let waker = Arc::new(SlotWaker { slot, inbox: self.inbox.clone() });
            self.wakers.borrow_mut().push(Waker::from(waker));
        }
        if !self.pumping.replace(true) {
            let (engine, receives) = (state.engine(), Rc::downgrade(self));
            drop(spawn(pump(engine, receives, self.inbox.clone(), Pumping(self.pumping.clone()))));
        }
        match later {
            true => {
                budget::give_way();
                self.inbox.push(slot);
            }
            false if self.may_try(slot) => self.attempt(ctx, slot),
            false => {}
        }
        Ok(promise)
    }

    /// Whether the receive in `slot` may be tried now; else its slot is woken then. It needs no buffer for that.
    fn may_try(&self, slot: usize) -> bool {
        let (slots, wakers) = (self.slots.borrow(), self.wakers.borrow());
        let Some(Some(waiting)) = slots.get(slot) else { return false };
        waiting.receive.poll_ready(&Context::from_waker(&wakers[slot])).is_ready()
    }

    /// Tries the receive in `slot`, and settles its promise if that ends it. Slots are reused, and
    /// woken late: there may be another one, or none.
    fn attempt(&self, ctx: &Ctx<'_>, slot: usize) {
        let Some(waiting) = self.slots.borrow_mut().get_mut(slot).and_then(Option::take) else { return };
        let polled = waiting.poll(ctx, &Context::from_waker(&self.wakers.borrow()[slot]));
        match polled {
            Poll::Pending => self.slots.borrow_mut()[slot] = Some(waiting),
            Poll::Ready(result) => {
                self.slots.borrow_mut().remove(slot);
                let PendingRecv { receive, capability, .. } = waiting;
                // The next in order may be tried from now on.
                drop(receive);
                capability.settle(ctx, result);
            }
        }
    }
}

impl PendingRecv {
    fn poll<'js>(&self, ctx: &Ctx<'js>, cx: &Context<'_>) -> Poll<Result<Value<'js>>> {
        let buffer = self.buffer.get(ctx);
        let received = match buffer_source::bytes(&buffer) {
            Ok(Some(bytes)) if bytes.len() >= self.wanted && !bytes.is_immutable() => {
                let received = bytes.with_mut(|all| self.receive.poll(cx, &mut all[..self.wanted]));
                received.map(|received| check(ctx, "recv", received))
            }
            Ok(_) => self.poll_aside(ctx, cx, buffer),
            Err(error) => return Poll::Ready(Err(error)),
        };
        received.map(|received| Ok(count(ctx, received?)))
    }

    /// The buffer was detached, or shrank: it gets what still fits.
    fn poll_aside<'js>(&self, ctx: &Ctx<'js>, cx: &Context<'_>, buffer: Value<'js>) -> Poll<Result<usize>> {
        let mut aside = vec![0; self.wanted.min(SCRATCH_BYTES_MAX)];
        let received = self.receive.poll(cx, &mut aside);
        received.map(|received| fill(ctx, Some(buffer), &aside[..check(ctx, "recv", received)?]))
    }
}

impl Drop for Receives {
    fn drop(&mut self) {
        let pump = {
            let mut woken = self.inbox.lock();
            woken.ended = true;
            woken.pump.take()
        };
        pump.into_iter().for_each(Waker::wake);
    }
}

/// Says when the task is gone, should it panic: the next receive starts another.
struct Pumping(Rc<Cell<bool>>);

impl Drop for Pumping {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Slots between two looks at the clock: many of them are many turns, and the worker has other tasks.
const SLOTS_PER_LOOK: u32 = 8;

/// Tries the receives whose slots are woken, until the engine is gone.
async fn pump(engine: Weak<Engine>, receives: Weak<Receives>, inbox: Arc<Inbox>, _pumping: Pumping) {
    let mut batch = VecDeque::new();
    poll_fn(|cx| {
        {
            let mut woken = inbox.lock();
            if woken.ended {
                return Poll::Ready(());
            }
            if !woken.pump.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                woken.pump = Some(cx.waker().clone());
            }
            batch.extend(woken.slots.drain(..));
        }
        let Some(engine) = engine.upgrade() else { return Poll::Ready(()) };
        let Some(receives) = receives.upgrade() else { return Poll::Ready(()) };
        let mut tried = 0;
        while let Some(slot) = batch.pop_front() {
            // Each stands for a task of its own.
            budget::refill();
            engine.turn(|ctx| receives.attempt(ctx, slot));
            tried += 1;
            if tried % SLOTS_PER_LOOK == 0 && budget::turn_is_long() {
                break;
            }
        }
        if !batch.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}
