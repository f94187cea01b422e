//! `ws`: what the hooks of `websocket` are given. The classes in JavaScript hold one, too.
//!
//! Owns: its arguments, the app's own value. Must not know: which hook is called, the socket.

use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use super::state::WebSocketState;
use super::topics;
use crate::address::Address;
use crate::js::class::{Class, Member, Scope};
use crate::js::engine::State as EngineState;
use crate::js::held::{Slot, Tracer};
use crate::js::{buffer_source, class_id, exception, value};
use crate::modules::web::blob::Blob;
use crate::websocket::close;
use crate::websocket::{Kind, Opcode};

/// Bytes of a Ping or a Pong.
const CONTROL_BYTES_MAX: usize = 125;

/// The class.
pub struct ServerWebSocket {
    state: Rc<WebSocketState>,
    data: Slot,
}

impl ServerWebSocket {
    /// Of `state`, with the app's own value.
    pub fn new(state: Rc<WebSocketState>, data: Option<Value<'_>>) -> ServerWebSocket {
        let slot = Slot::default();
        slot.set(data);
        ServerWebSocket { state, data: slot }
    }

    /// The socket.
    pub fn state(&self) -> &Rc<WebSocketState> {
        &self.state
    }

    fn send<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "send")?;
        self.send_as(s, None, "send takes a string, an ArrayBuffer or a view")
    }

    fn send_text<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "sendText")?;
        self.send_as(s, Some(Kind::Text), "sendText takes a string")
    }

    fn send_binary<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "sendBinary")?;
        self.send_as(s, Some(Kind::Binary), "sendBinary takes an ArrayBuffer or a view")
    }

    fn send_as<'js>(&self, s: &Scope<'_, 'js>, only: Option<Kind>, wrong: &str) -> Result<Value<'js>> {
        let (data, compress) = (s.arg(0), s.bool(1));
        let engine = EngineState::of(s.ctx);
        let sent = if data.is_string() && only != Some(Kind::Binary) {
            let send = |text: &str| self.state.send(engine, Kind::Text, text.as_bytes(), compress);
            Some(value::with_str(&data, send)?)
        } else {
            let bytes = buffer_source::bytes(&data)?.filter(|_| only != Some(Kind::Text));
            bytes.map(|bytes| bytes.with(|bytes| self.state.send(engine, Kind::Binary, bytes, compress)))
        };
        let sent = sent.ok_or_else(|| exception::type_error(s.ctx, wrong))?;
        Ok(Value::new_bool(s.ctx.clone(), sent))
    }

    fn close<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let code = if s.has(0) { value::to_number(&s.arg(0))? } else { f64::from(close::NORMAL) };
        let reason = if s.has(1) { value::to_string(&s.arg(1))? } else { String::new() };
        self.state.close(checked_code(s.ctx, code)?, checked_reason(s.ctx, &reason)?);
        Ok(s.undefined())
    }

    fn terminate<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.state.terminate();
        Ok(s.undefined())
    }

    fn control<'js>(&self, s: &Scope<'_, 'js>, opcode: Opcode) -> Result<Value<'js>> {
        let data = s.arg(0);
        let too_long = || exception::range_error(s.ctx, "a ping or a pong carries at most 125 bytes");
        let send =
            |bytes: &[u8]| (bytes.len() <= CONTROL_BYTES_MAX).then(|| self.state.control(opcode, bytes));
        let sent = if data.is_undefined() {
            send(&[])
        } else if data.is_string() {
            value::with_str(&data, |text| send(text.as_bytes()))?
        } else {
            match buffer_source::bytes(&data)? {
                Some(bytes) => bytes.with(send),
                None => {
                    let wrong = "ping and pong take a string, an ArrayBuffer or a view";
                    return Err(exception::type_error(s.ctx, wrong));
                }
            }
        };
        Ok(Value::new_bool(s.ctx.clone(), sent.ok_or_else(too_long)?))
    }

    fn ping<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.control(s, Opcode::Ping)
    }

    fn pong<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.control(s, Opcode::Pong)
    }

    fn get_data<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(self.data.get(s.ctx).unwrap_or_else(|| s.undefined()))
    }

    fn set_data<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.data.set(Some(s.arg(0)));
        Ok(s.undefined())
    }

    fn get_ready_state<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_int(s.ctx.clone(), self.state.ready() as i32))
    }

    fn get_buffered<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.state.buffered() as f64))
    }

    fn get_remote_address<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let text = match self.state.ends().map(|ends| ends.peer.clone()) {
            Some(Address::Ip(addr)) => addr.ip().to_string(),
            Some(unix) => unix.to_string(),
            None => String::new(),
        };
        value::string(s.ctx, &text)
    }

    fn get_protocol<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, &self.state.protocol())
    }

    fn get_url<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, &self.state.url())
    }

    fn get_extensions<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, &self.state.extensions())
    }
}

/// A code that a Close frame may say.
///
/// # Errors
/// RangeError for others.
pub fn checked_code(ctx: &Ctx<'_>, code: f64) -> Result<u16> {
    let whole = code as u16;
    match f64::from(whole) == code && close::may_be_sent(whole) {
        true => Ok(whole),
        false => Err(exception::range_error(
            ctx,
            &format!("{code} is no code that a close may say: 1000 to 1003, 1007 to 1014, 3000 to 4999"),
        )),
    }
}

/// A reason that a Close frame has room for.
///
/// # Errors
/// RangeError for one that is longer.
pub fn checked_reason<'a>(ctx: &Ctx<'_>, reason: &'a str) -> Result<&'a str> {
    match reason.len() <= close::REASON_BYTES_MAX {
        true => Ok(reason),
        false => Err(exception::range_error(ctx, "the reason of a close has at most 123 bytes in UTF-8")),
    }
}

/// Hands `send` what `send` of the class in JavaScript is given: bytes, or what becomes of anything else as a string.
///
/// # Errors
/// What a `toString` throws.
pub fn with_message<R>(data: &Value<'_>, send: impl FnOnce(Kind, &[u8]) -> R) -> Result<R> {
    if let Some(bytes) = buffer_source::bytes(data)? {
        return Ok(bytes.with(|bytes| send(Kind::Binary, bytes)));
    }
    if let Some(blob) = crate::js::class::get::<Blob>(data) {
        return Ok(send(Kind::Binary, &blob.bytes()));
    }
    value::with_str(data, |text| send(Kind::Text, text.as_bytes()))
}

impl class_id::Of for class_id::ServerWebSocket {
    type Class = ServerWebSocket;
}

impl Class for ServerWebSocket {
    type Id = class_id::ServerWebSocket;
    const NAME: &'static CStr = c"ServerWebSocket";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"send", 1, Self::send),
        Member::Method(c"sendText", 1, Self::send_text),
        Member::Method(c"sendBinary", 1, Self::send_binary),
        Member::Method(c"close", 0, Self::close),
        Member::Method(c"terminate", 0, Self::terminate),
        Member::Method(c"ping", 0, Self::ping),
        Member::Method(c"pong", 0, Self::pong),
        Member::Method(c"subscribe", 1, |this, s| topics::subscribe(s, &this.state)),
        Member::Method(c"unsubscribe", 1, |this, s| topics::unsubscribe(s, &this.state)),
        Member::Method(c"isSubscribed", 1, |this, s| topics::is_subscribed(s, &this.state)),
        Member::Method(c"publish", 2, |this, s| topics::publish(s, &this.state)),
        Member::GetSet(c"data", Self::get_data, Self::set_data),
        Member::Get(c"readyState", Self::get_ready_state),
        Member::Get(c"bufferedAmount", Self::get_buffered),
        Member::Get(c"remoteAddress", Self::get_remote_address),
        Member::Get(c"protocol", Self::get_protocol),
        Member::Get(c"extensions", Self::get_extensions),
        Member::Get(c"url", Self::get_url),
    ];

    fn trace(&self, tracer: &Tracer) {
        self.data.trace(tracer);
    }
}
