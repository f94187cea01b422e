//! The connection that the hooks of an app's `tcp` are given.
//!
//! Owns: what the app asked of it and was not done yet (bytes to send, an end, a pause), the app's own value, the
//! class. Must not know: the socket, who moves the bytes, which hook is called.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;
use std::task::{Context, Waker};

use rquickjs::{Ctx, Result, Value};

use super::super::context::{address, tls};
use super::failure::TcpFailure;
use crate::js::charge::Charge;
use crate::js::class::{Class, Member, Scope};
use crate::js::engine::State as EngineState;
use crate::js::held::{Slot, Tracer};
use crate::js::{buffer_source, class_id, exception, value};
use crate::net::Ends;

/// Waiting bytes from which `write` says so: its app had better wait for `drain`.
const FULL_BYTES: usize = 1 << 20;
/// Waiting bytes from which they count as memory of the engine's.
const CHARGED_BYTES: usize = 64 << 10;
/// Memory that is kept for what is written next.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// Bytes of one write that the socket is given at once, where nothing waits before them: a copy costs more than
/// the system call. Less is sent with all that the turn writes.
const DIRECT_BYTES: usize = 8 << 10;

/// Where large writes go at once.
pub trait Outlet {
    /// Sends what the socket takes at once of `bytes`; how much that is. A failure is heard of otherwise.
    fn send_now(&self, bytes: &[u8]) -> usize;
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is open.
    Open,
    /// What is written goes out, then our FIN: `end()`.
    Ending,
    /// It is to be closed at once: `close()`, or a failure.
    Closing,
    /// It is closed.
    Closed,
}

/// What an app asked of a connection.
pub struct TcpState {
    ends: Rc<Ends>,
    worker: usize,
    out: RefCell<Vec<u8>>,
    /// Bytes that the socket was given and has not taken yet.
    in_flight: Cell<usize>,
    buffer_bytes_max: usize,
    /// `write` said that much waits: `drain` follows.
    full: Cell<bool>,
    phase: Cell<Phase>,
    paused: Cell<bool>,
    idle_ms: Cell<u64>,
    failure: RefCell<Option<TcpFailure>>,
    /// A hook of this connection runs: whoever called it looks afterwards.
    dispatching: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    charge: Charge,
    is_charged: Cell<bool>,
    outlet: RefCell<Option<Rc<dyn Outlet>>>,
}

impl TcpState {
    /// Of a new connection between the client and us.
    pub(super) fn new(
        ends: Rc<Ends>,
        worker: usize,
        idle_ms: u64,
        buffer_bytes_max: usize,
        outlet: Rc<dyn Outlet>,
    ) -> TcpState {
        TcpState {
            ends,
            worker,
            out: RefCell::default(),
            in_flight: Cell::new(0),
            buffer_bytes_max,
            full: Cell::new(false),
            phase: Cell::new(Phase::Open),
            paused: Cell::new(false),
            idle_ms: Cell::new(idle_ms),
            failure: RefCell::default(),
            dispatching: Cell::new(false),
            waker: RefCell::default(),
            charge: Charge::default(),
            is_charged: Cell::new(false),
            outlet: RefCell::new(Some(outlet)),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// Milliseconds in which a byte must move; 0: as long as it likes.
    pub(super) fn idle_ms(&self) -> u64 {
        self.idle_ms.get()
    }

    /// The task of `cx` is woken when the app asks for something outside of this connection's hooks.
    pub(super) fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(super) fn set_dispatching(&self, dispatching: bool) {
        self.dispatching.set(dispatching);
    }

    fn changed(&self) {
        if !self.dispatching.get()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    fn buffered(&self) -> usize {
        self.out.borrow().len() + self.in_flight.get()
    }

    /// Whether bytes wait that the socket was not given.
    pub(super) fn has_output(&self) -> bool {
        !self.out.borrow().is_empty()
    }

    /// The bytes that wait, for the socket; none where there are none.
    pub(super) fn take_output(&self) -> Option<Vec<u8>> {
        let mut out = self.out.borrow_mut();
        if out.is_empty() {
            return None;
        }
        self.in_flight.set(out.len());
        Some(std::mem::take(&mut *out))
    }

    /// The socket has taken what it was given; `buffer` is for what is written next.
    pub(super) fn sent(&self, engine: &EngineState, mut buffer: Vec<u8>) {
        self.in_flight.set(0);
        let mut out = self.out.borrow_mut();
        if out.capacity() == 0 && buffer.capacity() <= KEPT_BYTES_MAX {
            buffer.clear();
            *out = buffer;
        }
        if self.is_charged.replace(out.len() > CHARGED_BYTES) {
            self.charge.try_set(engine, out.len());
        }
    }

    /// Whether `drain` is due, once.
    pub(super) fn take_drained(&self) -> bool {
        self.full.get() && self.buffered() == 0 && self.full.replace(false)
    }

    /// Whether somebody waits for the socket to take what it was given.
    pub(super) fn awaits_sent(&self) -> bool {
        self.full.get() || self.phase.get() != Phase::Open || self.has_output()
    }

    /// It is to be closed for this reason, the first that comes; whether it is the first.
    pub(super) fn fail(&self, failure: TcpFailure) -> bool {
        let is_first = self.phase.get() != Phase::Closed && self.failure.borrow().is_none();
        if is_first {
            *self.failure.borrow_mut() = Some(failure);
            self.phase.set(Phase::Closing);
            self.changed();
        }
        is_first
    }

    /// Why it is to be closed.
    pub(super) fn take_failure(&self) -> Option<TcpFailure> {
        self.failure.take()
    }

    /// It is closed from now on, whatever waits.
    pub(super) fn set_closed(&self) {
        self.phase.set(Phase::Closed);
        drop(self.outlet.take());
        drop(self.out.take());
        self.in_flight.set(0);
    }

    /// Our FIN follows what is written.
    pub(super) fn end(&self) {
        if self.phase.get() == Phase::Open {
            self.phase.set(Phase::Ending);
            self.changed();
        }
    }

    /// Sends what the socket takes at once of a large write; how much that is.
    fn send_now(&self, bytes: &[u8]) -> usize {
        match &*self.outlet.borrow() {
            Some(outlet) if bytes.len() >= DIRECT_BYTES => outlet.send_now(bytes).min(bytes.len()),
            _ => 0,
        }
    }

    /// Adds bytes to those that wait; whether little waits.
    fn write(&self, ctx: &Ctx<'_>, data: &Value<'_>) -> Result<bool> {
        match self.phase.get() {
            Phase::Open => {}
            Phase::Ending => return Err(exception::type_error(ctx, "write after end()")),
            Phase::Closing | Phase::Closed => return Ok(false),
        }
        if self.buffered() > self.buffer_bytes_max {
            self.fail(TcpFailure::buffer_is_full(self.buffered()));
            return Ok(false);
        }
        let mut out = self.out.borrow_mut();
        if data.is_string() {
            value::with_str(data, |text| out.extend_from_slice(text.as_bytes()))?;
        } else {
            match buffer_source::bytes(data)? {
                Some(bytes) => bytes.with(|bytes| {
                    let sent = match out.is_empty() && self.in_flight.get() == 0 {
                        true => self.send_now(bytes),
                        false => 0,
                    };
                    out.extend_from_slice(&bytes[sent..]);
                }),
                None => {
                    return Err(exception::type_error(ctx, "write takes a string, an ArrayBuffer or a view"));
                }
            }
        }
        let waiting = out.len() + self.in_flight.get();
        drop(out);
        if waiting > CHARGED_BYTES {
            self.is_charged.set(true);
            if !self.charge.try_set(EngineState::of(ctx), waiting) {
                self.fail(TcpFailure::no_memory(waiting));
                return Ok(false);
            }
        }
        let is_full = waiting >= FULL_BYTES;
        if is_full {
            self.full.set(true);
        }
        self.changed();
        Ok(!is_full)
    }
}

/// The class.
pub struct TcpConnection {
    state: Rc<TcpState>,
    data: Slot,
}

impl TcpConnection {
    pub(super) fn new(state: Rc<TcpState>) -> TcpConnection {
        TcpConnection { state, data: Slot::default() }
    }

    fn write<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "write")?;
        Ok(Value::new_bool(s.ctx.clone(), self.state.write(s.ctx, &s.arg(0))?))
    }

    fn end<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        if s.has(0) {
            self.state.write(s.ctx, &s.arg(0))?;
        }
        self.state.end();
        Ok(s.undefined())
    }

    fn close<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        if self.state.phase.get() != Phase::Closed {
            self.state.phase.set(Phase::Closing);
            self.state.changed();
        }
        Ok(s.undefined())
    }

    fn pause<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.state.paused.set(true);
        Ok(s.undefined())
    }

    fn resume<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        if self.state.paused.replace(false) {
            self.state.changed();
        }
        Ok(s.undefined())
    }

    fn timeout<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "timeout")?;
        let seconds = value::to_number(&s.arg(0))?;
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Err(exception::range_error(s.ctx, "timeout takes a number of seconds, 0 for none"));
        }
        self.state.idle_ms.set((seconds * 1_000.0).ceil() as u64);
        self.state.changed();
        Ok(s.undefined())
    }

    fn get_buffered<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.state.buffered() as f64))
    }

    fn get_data<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(self.data.get(s.ctx).unwrap_or_else(|| s.undefined()))
    }

    fn set_data<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.data.set(Some(s.arg(0)));
        Ok(s.undefined())
    }

    fn get_peer<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address(s.ctx, &self.state.ends.peer)
    }

    fn get_local<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address(s.ctx, &self.state.ends.local)
    }

    fn get_worker<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.state.worker as f64))
    }

    fn get_tls<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        tls(s.ctx, self.state.ends.tls.as_ref())
    }
}

/// The longest time-out, in seconds: 24 days, as of timers.
const SECONDS_MAX: f64 = 2_147_483.0;

impl class_id::Of for class_id::TcpConnection {
    type Class = TcpConnection;
}

impl Class for TcpConnection {
    type Id = class_id::TcpConnection;
    const NAME: &'static CStr = c"TcpConnection";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"write", 1, Self::write),
        Member::Method(c"end", 0, Self::end),
        Member::Method(c"close", 0, Self::close),
        Member::Method(c"pause", 0, Self::pause),
        Member::Method(c"resume", 0, Self::resume),
        Member::Method(c"timeout", 1, Self::timeout),
        Member::Get(c"bufferedAmount", Self::get_buffered),
        Member::GetSet(c"data", Self::get_data, Self::set_data),
        Member::Get(c"peer", Self::get_peer),
        Member::Get(c"local", Self::get_local),
        Member::Get(c"worker", Self::get_worker),
        Member::Get(c"tls", Self::get_tls),
    ];

    fn trace(&self, tracer: &Tracer) {
        self.data.trace(tracer);
        if let Some(failure) = &*self.state.failure.borrow() {
            failure.trace(tracer);
        }
    }
}
