//! The calls of an app's `websocket` hooks, and of the events of the classes: one for what happens on a WebSocket, in a
//! turn of its own, without a promise.
//!
//! Owns: one socket as its hooks see it, what a hook's failure means, that `close` comes once and last. Must not know: the
//! socket below, frames.

mod hook;
mod upgrade;

use std::rc::Rc;
use std::task::Context;

use rquickjs::{Ctx, Exception, Result, Value};

use self::hook::WebSocketHook;
pub use self::hook::WebSocketHooks;
pub use self::upgrade::{Upgrade, Upgrading, answer, refusal, upgrade};
use crate::config::Limits;
use crate::js::engine::{Engine, State};
use crate::js::observe::{self, Observer};
use crate::js::promise;
use crate::js::thrown::Thrown;
use crate::js::{exception, held, value};
use crate::log::{self, Kind as LogKind};
pub use crate::modules::web::websocket::ending::SocketEnd;
use crate::modules::web::websocket::rules::{self, SocketRules};
use crate::modules::web::websocket::sockets;
use crate::modules::web::websocket::state::WebSocketState;
pub use crate::modules::web::websocket::state::{Parting, ReadyState};
use crate::net::Ends;
use crate::websocket::{Inflater, Kind, Opcode, Receiver, Role, Violation, WebSocketEvent, close};

/// Sets what sockets of an engine may take.
pub fn set_rules(engine: &Engine, limits: &Limits) {
    rules::set(engine.state(), limits);
}

/// Has all sockets of an engine closed, which ends for the reason `why`; how many there are.
pub fn close_all(engine: &Engine, code: u16, why: &str) -> usize {
    sockets::close_all(engine.state(), code, why)
}

/// A socket as its hooks see it; what it holds of JavaScript goes before its engine.
pub struct HookedSocket {
    upgrade: Upgrade,
    worker: usize,
}

impl HookedSocket {
    /// Calls `open`: the answer 101 is on its way to who is at `ends`.
    pub fn open(upgrade: Upgrade, ends: Rc<Ends>, worker: usize) -> HookedSocket {
        let state = &upgrade.state;
        state.set_ends(ends);
        state.set_open();
        sockets::add(upgrade.engine.state(), state);
        let socket = HookedSocket { upgrade, worker };
        socket.dispatch(WebSocketHook::Open, |_, ws| Ok([ws]));
        socket
    }

    /// What receives its frames.
    pub fn receiver(&self) -> Receiver {
        let state = &self.upgrade.state;
        let inflater = state.agreed().map(|agreed| Inflater::new(agreed.client_takes_over));
        Receiver::new(Role::Server, state.rules().message_bytes_max, inflater)
    }

    /// What it may take.
    pub fn rules(&self) -> &SocketRules {
        self.upgrade.state.rules()
    }

    /// The URL of its request.
    pub fn url(&self) -> Box<str> {
        self.upgrade.state.url()
    }

    fn dispatch<const N: usize>(
        &self,
        hook: WebSocketHook,
        args: impl for<'js> FnOnce(&Ctx<'js>, Value<'js>) -> Result<[Value<'js>; N]>,
    ) {
        let Upgrading { object, state, hooks, engine } = &*self.upgrade;
        if hooks.function(hook).is_none() {
            return;
        }
        state.set_dispatching(true);
        engine.turn(|ctx| call(ctx, hooks, state, hook, || args(ctx, object.get(ctx))));
        state.set_dispatching(false);
        self.report_forced();
    }

    /// Something has come.
    pub fn event(&self, event: &WebSocketEvent<'_>) {
        let (state, hooks) = (&self.upgrade.state, &self.upgrade.hooks);
        let is_open = state.ready() == ReadyState::Open;
        match event {
            WebSocketEvent::Message(kind, bytes) if is_open => {
                self.dispatch(WebSocketHook::Message, |ctx, ws| Ok([ws, hooks.data(ctx, *kind, bytes)?]));
            }
            WebSocketEvent::Message(..) => {}
            WebSocketEvent::Ping(bytes) => {
                state.answer_ping(bytes);
                self.dispatch(WebSocketHook::Ping, |ctx, ws| Ok([ws, hooks.data(ctx, Kind::Binary, bytes)?]));
            }
            WebSocketEvent::Pong(bytes) => {
                self.dispatch(WebSocketHook::Pong, |ctx, ws| Ok([ws, hooks.data(ctx, Kind::Binary, bytes)?]));
            }
            WebSocketEvent::Close(code, reason) => state.peer_closes(*code, reason),
        }
    }

    /// The peer has broken a rule, or reached a limit.
    pub fn fail(&self, violation: Violation) {
        self.upgrade.state.fail(violation.code, violation.reason);
        if violation.code == close::TOO_LARGE
            && let Some(more) = log::admits_limit(LogKind::WebSocketMessage)
        {
            let max = self.rules().message_bytes_max;
            let text = format!("a message is larger than {max} bytes (--websocket-message-max){more}");
            tracing::warn!(worker = self.worker, "websocket {}: {text}", self.url());
        }
    }

    /// Logs why it is closed without the app's wish, if it is.
    pub fn report_forced(&self) {
        let Some(why) = self.upgrade.state.take_forced() else { return };
        let Some(more) = log::admits_limit(LogKind::WebSocketQueue) else { return };
        let text = why.words();
        tracing::warn!(worker = self.worker, "websocket {}: {text}{more}", self.url());
    }

    /// The server goes away.
    pub fn go_away(&self) {
        self.upgrade.state.close(close::GOING_AWAY, "the server goes away");
    }

    /// Sends a Ping of the server's.
    pub fn ping(&self) {
        self.upgrade.state.control(Opcode::Ping, b"");
    }

    /// Calls `drain` if what was sent is gone and the app was told to wait for it; whether it was.
    pub fn drained(&self) -> bool {
        let state = &self.upgrade.state;
        let is_due = state.ready() == ReadyState::Open && state.take_drained();
        if is_due {
            self.dispatch(WebSocketHook::Drain, |_, ws| Ok([ws]));
        }
        is_due
    }

    /// The connection is over: calls `error` where it did not end by a Close frame, and `close`, the last of its hooks.
    pub fn close(self, ending: &SocketEnd) {
        self.report_forced();
        let state = &self.upgrade.state;
        let is_terminated = state.parting() == Parting::Terminated;
        let (code, reason) = state.end();
        let is_failed =
            matches!(code, close::ABNORMAL | close::PROTOCOL_ERROR | close::INVALID_DATA | close::TOO_LARGE);
        state.set_closed();
        let words = ending.words().filter(|_| code == close::ABNORMAL);
        let words = words.or_else(|| (is_failed && !is_terminated).then(|| reason.to_string()));
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            self.dispatch(WebSocketHook::Error, |ctx, ws| {
                Ok([ws, Exception::from_message(ctx.clone(), &words)?.into_value()])
            });
        }
        let is_clean = code != close::ABNORMAL && matches!(ending, SocketEnd::Asked);
        self.dispatch(WebSocketHook::Close, |ctx, ws| closed_args(ctx, ws, code, &reason, is_clean));
    }

    /// How far it has come.
    pub fn ready(&self) -> ReadyState {
        self.upgrade.state.ready()
    }

    /// How it is ending.
    pub fn parting(&self) -> Parting {
        self.upgrade.state.parting()
    }

    /// The task of `cx` is woken when the app asks for something outside of this socket's hooks.
    pub fn keep_waker(&self, cx: &Context<'_>) {
        self.upgrade.state.keep_waker(cx);
    }

    /// Whether bytes wait that the connection was not given.
    pub fn has_output(&self) -> bool {
        self.upgrade.state.has_output()
    }

    /// The bytes that wait, for the connection; none where there are none.
    pub fn take_output(&self) -> Option<Vec<u8>> {
        self.report_forced();
        self.upgrade.state.take_output()
    }

    /// The connection has taken what it was given last, `buffer`.
    pub fn sent(&self, buffer: Vec<u8>) {
        self.upgrade.state.sent(self.upgrade.engine.state(), buffer);
    }

    /// Whether somebody waits for that.
    pub fn awaits_sent(&self) -> bool {
        self.upgrade.state.awaits_sent()
    }
}

fn closed_args<'js>(
    ctx: &Ctx<'js>,
    ws: Value<'js>,
    code: u16,
    reason: &str,
    is_clean: bool,
) -> Result<[Value<'js>; 4]> {
    let code = Value::new_int(ctx.clone(), code.into());
    Ok([ws, code, value::string(ctx, reason)?, Value::new_bool(ctx.clone(), is_clean)])
}

/// A socket whose request cannot become one: its `close` comes all the same.
fn never_opened(ctx: &Ctx<'_>, upgrading: &Upgrading) {
    let Upgrading { object, state, hooks, .. } = upgrading;
    state.set_closed();
    call(ctx, hooks, state, WebSocketHook::Close, || {
        closed_args(ctx, object.get(ctx), close::ABNORMAL, "", false)
    });
}

/// Calls one hook. What it throws, or its promise is rejected with, fails the socket.
fn call<'js, const N: usize>(
    ctx: &Ctx<'js>,
    hooks: &WebSocketHooks,
    state: &Rc<WebSocketState>,
    hook: WebSocketHook,
    args: impl FnOnce() -> Result<[Value<'js>; N]>,
) {
    let Some(function) = hooks.function(hook) else { return };
    let called = args().and_then(|args| held::call(ctx, function, hooks.this(), &args));
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
fn follow<'js>(ctx: &Ctx<'js>, state: &Rc<WebSocketState>, hook: WebSocketHook, result: &Value<'js>) {
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

struct Following(Rc<WebSocketState>, WebSocketHook);

impl Observer for Following {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        if let Err(reason) = result {
            failed(ctx, &self.0, self.1, &reason);
        }
    }

    fn abandoned(&self) {}
}

/// The hook has failed: the log says so, and the socket is closed for it.
fn failed<'js>(ctx: &Ctx<'js>, state: &WebSocketState, hook: WebSocketHook, reason: &Value<'js>) {
    let thrown = Thrown::from_value(reason);
    State::of(ctx).note(&thrown);
    (State::of(ctx).report)(&thrown, &format!("in websocket.{}", hook.name()));
    state.close(close::INTERNAL_ERROR, "");
}
