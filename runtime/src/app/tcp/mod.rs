//! The calls of an app's `tcp` hooks: one for what happens on a connection, in a turn of its own, without a promise.
//!
//! Owns: one connection as its hooks see it, what a hook's failure means, that `close` comes once and last. Must not
//! know: the socket, deadlines.

mod connection;
mod failure;
mod hook;

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::task::Context;

use rquickjs::{Ctx, Result, Value};

pub use self::connection::{Outlet, Phase};
use self::connection::{TcpConnection, TcpState};
use self::failure::TcpFailure;
use self::hook::Hook;
pub use self::hook::TcpHooks;
use super::context;
use crate::io::Segments;
use crate::js::Held;
use crate::js::class;
use crate::js::engine::{Engine, State};
use crate::js::observe::{self, Observer};
use crate::js::promise;
use crate::js::thrown::Thrown;
use crate::js::{exception, held};
use crate::log::Kind;
use crate::net::{ConnectionError, Ends};

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Milliseconds in which a byte must move, unless the app says otherwise.
    pub idle_ms: u64,
    /// Bytes that may wait to be sent.
    pub buffer_bytes_max: usize,
}

/// How a connection ended.
#[derive(Debug)]
pub enum TcpEnd {
    /// In order, or as the app or a failure of its hooks wanted.
    Asked,
    /// The socket failed.
    Lost(io::Error),
    /// Nothing moved for so many milliseconds.
    Idle(u64),
    /// The client took nothing of what was sent for so many milliseconds.
    Stalled(u64),
}

/// What follows from an ending.
pub struct Closing {
    /// The client may take what it has for all there is.
    pub is_in_order: bool,
    /// What the log is to say, and the kind of its line.
    pub report: Option<(Kind, String)>,
}

/// The connections of an engine: for its end.
#[derive(Default)]
struct TcpConnections(RefCell<Vec<Weak<TcpState>>>);

impl TcpConnections {
    fn add(&self, state: &Rc<TcpState>) {
        let mut all = self.0.borrow_mut();
        // Those that are gone leave in bulk, before the list would grow.
        if all.len() == all.capacity() {
            all.retain(|state| state.strong_count() > 0);
        }
        all.push(Rc::downgrade(state));
    }
}

/// Has all connections of an engine closed, which ends for the reason `why`.
pub fn close_all(engine: &Engine, why: &str) {
    let all = engine.state().extension::<TcpConnections>().0.take();
    for state in all.iter().filter_map(Weak::upgrade) {
        state.fail(TcpFailure::lost(ConnectionError::new("ECONNABORTED", why)));
    }
}

/// Makes the class known to a context whose app has hooks.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<TcpConnection>(ctx)
}

/// A connection as its hooks see it; what it holds of JavaScript goes before its engine.
pub struct HookedConnection {
    object: Held,
    state: Rc<TcpState>,
    hooks: Rc<TcpHooks>,
    engine: Rc<Engine>,
}

impl HookedConnection {
    /// Calls `open` for a connection between the client and us.
    ///
    /// # Errors
    /// Out of memory: no hook was called.
    pub fn open(
        engine: &Rc<Engine>,
        hooks: &Rc<TcpHooks>,
        ends: Rc<Ends>,
        worker: usize,
        terms: Terms,
        outlet: Rc<dyn Outlet>,
    ) -> std::result::Result<HookedConnection, Thrown> {
        let state =
            Rc::new(TcpState::new(ends.clone(), worker, terms.idle_ms, terms.buffer_bytes_max, outlet));
        engine.state().extension::<TcpConnections>().add(&state);
        state.set_dispatching(true);
        let object = engine.turn(|ctx| {
            let make = || {
                let object = class::instance(ctx, TcpConnection::new(state.clone()))?;
                let args = || Ok([object.clone(), hooks.env(ctx), context::of(ctx, ends.clone(), worker)?.0]);
                call(ctx, hooks, &state, Hook::Open, args);
                Ok(Held::new(object))
            };
            make().map_err(|error| {
                let thrown = Thrown::of(ctx, &error);
                State::of(ctx).note(&thrown);
                thrown
            })
        })?;
        state.set_dispatching(false);
        Ok(HookedConnection { object, state, hooks: hooks.clone(), engine: engine.clone() })
    }

    fn dispatch<const N: usize>(
        &self,
        hook: Hook,
        args: impl for<'js> FnOnce(&Ctx<'js>, Value<'js>) -> Result<[Value<'js>; N]>,
    ) {
        if self.hooks.function(hook).is_none() {
            return;
        }
        self.state.set_dispatching(true);
        self.engine.turn(|ctx| {
            call(ctx, &self.hooks, &self.state, hook, || args(ctx, self.object.get(ctx)));
        });
        self.state.set_dispatching(false);
    }

    /// Bytes have come.
    pub fn data(&self, bytes: &Segments) {
        self.dispatch(Hook::Data, |ctx, conn| {
            Ok([conn, self.hooks.arrays().array(ctx, bytes.len(), |put| bytes.each(put))?])
        });
    }

    /// The client sends no more.
    pub fn ended(&self) {
        self.dispatch(Hook::End, |_, conn| Ok([conn]));
        if !self.hooks.allow_half_open() {
            self.state.end();
        }
    }

    /// Calls `drain` if what was written is gone and the app was told to wait for it; whether it was.
    pub fn drained(&self) -> bool {
        let is_due = self.state.phase() == Phase::Open && self.state.take_drained();
        if is_due {
            self.dispatch(Hook::Drain, |_, conn| Ok([conn]));
        }
        is_due
    }

    /// The connection is over: calls `close`, the last of its hooks.
    pub fn close(self, ending: TcpEnd) -> Closing {
        let is_idle = matches!(ending, TcpEnd::Idle(_));
        let failure = match ending {
            TcpEnd::Asked => self.state.take_failure(),
            TcpEnd::Lost(error) => {
                Some(TcpFailure::lost(ConnectionError::of("the connection broke", &error)))
            }
            TcpEnd::Idle(ms) => Some(timed_out(format!("nothing moved for {ms} ms (--idle-timeout)"))),
            TcpEnd::Stalled(ms) => {
                Some(timed_out(format!("the client took nothing for {ms} ms (--write-timeout)")))
            }
        };
        self.state.set_closed();
        self.dispatch(Hook::Close, |ctx, conn| {
            let error = match &failure {
                Some(failure) => failure.error(ctx)?,
                None => Value::new_undefined(ctx.clone()),
            };
            Ok([conn, error])
        });
        Closing {
            is_in_order: failure.is_none() || is_idle,
            report: failure.as_ref().and_then(TcpFailure::report),
        }
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Whether nothing is to be received for now.
    pub fn is_paused(&self) -> bool {
        self.state.is_paused()
    }

    /// Milliseconds in which a byte must move; 0: as long as it likes.
    pub fn idle_ms(&self) -> u64 {
        self.state.idle_ms()
    }

    /// The task of `cx` is woken when the app asks for something outside of this connection's hooks.
    pub fn keep_waker(&self, cx: &Context<'_>) {
        self.state.keep_waker(cx);
    }

    /// Whether bytes wait that the socket was not given.
    pub fn has_output(&self) -> bool {
        self.state.has_output()
    }

    /// The bytes that wait, for the socket; none where there are none.
    pub fn take_output(&self) -> Option<Vec<u8>> {
        self.state.take_output()
    }

    /// The socket has taken what it was given last; `buffer` is for what is written next.
    pub fn sent(&self, buffer: Vec<u8>) {
        self.state.sent(self.engine.state(), buffer);
    }

    /// Whether somebody waits for that.
    pub fn awaits_sent(&self) -> bool {
        self.state.awaits_sent()
    }
}

fn timed_out(words: String) -> TcpFailure {
    TcpFailure::lost(ConnectionError::new("ETIMEDOUT", words))
}

/// Calls one hook. What it throws, or its promise is rejected with, is how the connection fails.
fn call<'js, const N: usize>(
    ctx: &Ctx<'js>,
    hooks: &TcpHooks,
    state: &Rc<TcpState>,
    hook: Hook,
    args: impl FnOnce() -> Result<[Value<'js>; N]>,
) {
    let Some(function) = hooks.function(hook) else { return };
    let called = args().and_then(|args| held::call(ctx, function, Some(hooks.this()), &args));
    match called {
        Ok(result) if !result.is_object() => {}
        Ok(result) => follow(ctx, state, hook, &result),
        Err(error) => {
            exception::raise(ctx, &error);
            failed(ctx, state, hook, &ctx.catch());
        }
    }
}

/// Hears how the promise of a hook ends, if it is one.
fn follow<'js>(ctx: &Ctx<'js>, state: &Rc<TcpState>, hook: Hook, result: &Value<'js>) {
    match promise::state(result) {
        None | Some(promise::State::Fulfilled(_)) => {}
        Some(promise::State::Rejected(reason)) => {
            promise::mark_handled(result);
            failed(ctx, state, hook, &reason);
        }
        Some(promise::State::Pending) => {
            if observe::observe(ctx, result, Box::new(Following(state.clone(), hook))).is_err() {
                failed(ctx, state, hook, &ctx.catch());
            }
        }
    }
}

struct Following(Rc<TcpState>, Hook);

impl Observer for Following {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        if let Err(reason) = result {
            failed(ctx, &self.0, self.1, &reason);
        }
    }

    fn abandoned(&self) {}
}

/// The hook has failed: the connection is closed for it. Where it is closed already, or has failed before, there is
/// only a line in the log.
fn failed<'js>(ctx: &Ctx<'js>, state: &TcpState, hook: Hook, reason: &Value<'js>) {
    let failure = TcpFailure::of(hook, reason);
    let TcpFailure::Thrown(_, thrown, _) = &failure else { return };
    State::of(ctx).note(thrown);
    let late = thrown.clone();
    if !state.fail(failure) {
        (State::of(ctx).report)(&late, &format!("in tcp.{}", hook.name()));
    }
}
