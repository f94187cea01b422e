//! WebSockets for JavaScript: `ws` of the hooks, and the classes `WebSocket`, `WebSocketPair` and `CloseEvent`, written in
//! JavaScript (`websocket.js`), loaded when an app first names one.
//!
//! Owns: what the classes are given of Rust. Must not know: connections of the server, which listener a request came from.

mod client;
pub mod ending;
pub mod rules;
pub mod server_socket;
pub mod sockets;
pub mod state;
pub mod topics;

use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use self::server_socket::ServerWebSocket;
use self::state::{ReadyState, WebSocketState};
use super::blob::Blob;
use super::embed;
use crate::js::class::{self, Scope, Static};
use crate::js::engine::State as EngineState;
use crate::js::function::Functions;
use crate::js::natives::Natives;
use crate::js::{buffer_source, exception, internal, value};
use crate::websocket::{Role, close};

/// The classes.
pub const CLASSES: &str = "jsserve:internal/websocket/websocket";

/// Puts the lazy globals in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_exports(ctx, CLASSES, &["WebSocket", "WebSocketPair", "CloseEvent"])
}

/// A new socket of a server's, with the app's own value.
///
/// # Errors
/// Out of memory.
pub fn server_socket<'js>(
    ctx: &Ctx<'js>,
    data: Option<Value<'js>>,
) -> Result<(Value<'js>, Rc<WebSocketState>)> {
    socket(ctx, data, Role::Server)
}

fn socket<'js>(
    ctx: &Ctx<'js>,
    data: Option<Value<'js>>,
    role: Role,
) -> Result<(Value<'js>, Rc<WebSocketState>)> {
    let state = Rc::new(WebSocketState::new(rules::of(EngineState::of(ctx)), role));
    let object = class::instance(ctx, ServerWebSocket::new(state.clone(), data))?;
    Ok((object, state))
}

/// Whether `value` can be the `webSocket` of a response: `ws`, or an end of a WebSocketPair.
///
/// # Errors
/// Out of memory.
pub fn is_answer<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<bool> {
    if class::get::<ServerWebSocket>(value).is_some() {
        return Ok(true);
    }
    if !internal::is_loaded(ctx, CLASSES) {
        return Ok(false);
    }
    Ok(internal::call(ctx, CLASSES, "isClient", std::slice::from_ref(value))?.as_bool() == Some(true))
}

/// The socket whose client a response's `webSocket` stands for, as events see it, once: the object and its `ws`.
///
/// # Errors
/// TypeError where the app uses it otherwise, or has answered with it before.
pub fn taken<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<(Value<'js>, Rc<WebSocketState>)> {
    let server = internal::call(ctx, CLASSES, "takeClient", std::slice::from_ref(value))?;
    let handle = internal::call(ctx, CLASSES, "handleOf", std::slice::from_ref(&server))?;
    match class::get::<ServerWebSocket>(&handle) {
        Some(socket) => Ok((server, socket.state().clone())),
        None => Err(exception::type_error(ctx, "this WebSocket is no answer to a request")),
    }
}

/// `jsserve:internal/websocket/natives`.
pub struct WebSocketFunctions;

fn state<'a>(s: &Scope<'_, '_>, handle: &'a Value<'_>) -> Result<&'a Rc<WebSocketState>> {
    let socket = class::get::<ServerWebSocket>(handle);
    socket.map(ServerWebSocket::state).ok_or_else(|| exception::type_error(s.ctx, "Illegal invocation"))
}

fn close_it<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let code = if s.has(1) { value::to_number(&s.arg(1))? as u16 } else { close::NO_STATUS };
    let reason = if s.has(2) { value::to_string(&s.arg(2))? } else { String::new() };
    state(s, &s.arg(0))?.close(code, &reason);
    Ok(s.undefined())
}

/// [Clamp] of Web IDL, for an unsigned short (section 3.2.4.3).
fn clamped(number: f64) -> u16 {
    if number.is_nan() { 0 } else { number.clamp(0.0, f64::from(u16::MAX)).round_ties_even() as u16 }
}

/// The code 0 that `close` of a class was given, where a Close frame of its may say that. Of a client's (1) the app
/// chooses less.
fn close_code<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let code = clamped(value::to_number(&s.arg(0))?);
    let is_right = match s.bool(1) == Some(true) {
        true => matches!(code, close::NORMAL | 3000..=4999),
        false => close::may_be_sent(code),
    };
    if !is_right {
        let text = format!("close: {code} is no code that can be sent");
        return Err(exception::dom_exception(s.ctx, "InvalidAccessError", &text));
    }
    Ok(Value::new_int(s.ctx.clone(), code.into()))
}

/// Sends message 1; of a client's not before it is open.
fn send<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let engine = EngineState::of(s.ctx);
    let (handle, data) = (s.arg(0), s.arg(1));
    let state = state(s, &handle)?;
    let sent = server_socket::with_message(&data, |kind, bytes| {
        let may_send = state.role() == Role::Server || state.ready() != ReadyState::Connecting;
        may_send.then(|| state.send(engine, kind, bytes, None))
    })?;
    match sent {
        Some(sent) => Ok(Value::new_bool(s.ctx.clone(), sent)),
        None => {
            Err(exception::dom_exception(s.ctx, "InvalidStateError", "send: the WebSocket is not open yet"))
        }
    }
}

impl Functions for WebSocketFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"create", 1, |s| {
            let role = if s.bool(0) == Some(true) { Role::Client } else { Role::Server };
            socket(s.ctx, None, role).map(|(object, _)| object)
        }),
        (c"connect", 3, |s| client::connect(s, state(s, &s.arg(0))?.clone())),
        (c"origin", 1, |s| value::string(s.ctx, &client::origin(&state(s, &s.arg(0))?.url()))),
        (c"send", 2, send),
        (c"close", 3, close_it),
        (c"closeCode", 2, close_code),
        (c"byteLength", 1, |s| {
            let length = value::with_str(&s.arg(0), str::len)?;
            Ok(Value::new_number(s.ctx.clone(), length as f64))
        }),
        (c"readyState", 1, |s| Ok(Value::new_int(s.ctx.clone(), state(s, &s.arg(0))?.ready() as i32))),
        (c"bufferedAmount", 1, |s| {
            Ok(Value::new_number(s.ctx.clone(), state(s, &s.arg(0))?.amount() as f64))
        }),
        (c"blob", 1, |s| {
            let bytes = buffer_source::bytes(&s.arg(0))?.map(|bytes| bytes.to_vec());
            Blob::make(s.ctx, bytes.unwrap_or_default(), "")
        }),
        (c"protocol", 1, |s| value::string(s.ctx, &state(s, &s.arg(0))?.protocol())),
        (c"url", 1, |s| value::string(s.ctx, &state(s, &s.arg(0))?.url())),
        (c"extensions", 1, |s| value::string(s.ctx, &state(s, &s.arg(0))?.extensions())),
    ];
}

impl Natives for WebSocketFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        register(ctx)
    }
}

/// Makes the class known to a context.
///
/// # Errors
/// Out of memory.
pub fn register(ctx: &Ctx<'_>) -> Result<()> {
    let is_known = EngineState::of(ctx).extension::<Registered>();
    if !is_known.0.replace(true) {
        class::register::<ServerWebSocket>(ctx)?;
    }
    Ok(())
}

/// Whether an engine knows the class.
#[derive(Default)]
struct Registered(std::cell::Cell<bool>);
