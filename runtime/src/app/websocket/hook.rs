//! Who hears of a WebSocket: the hooks of an app's `websocket`, or the classes in JavaScript, by functions of the same
//! names.
//!
//! Owns: the names, how they are found, what messages come as. Must not know: when they are called.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::byte_arrays::ByteArrays;
use crate::js::engine::State;
use crate::js::{Held, exception, internal, value};
use crate::modules::web::websocket::CLASSES;
use crate::websocket::Kind;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketHook {
    /// `open(ws)`: the request is answered.
    Open,
    /// `message(ws, data)`
    Message,
    /// `drain(ws)`: what was sent is gone, after a `send` that returned false.
    Drain,
    /// `close(ws, code, reason, wasClean)`: it is over.
    Close,
    /// `ping(ws, data)`
    Ping,
    /// `pong(ws, data)`
    Pong,
    /// `error(ws, error)`: it ends otherwise than by a Close frame; `close` follows.
    Error,
}

/// How many there are.
const HOOKS: usize = 7;

const NAMES: [&str; HOOKS] = ["open", "message", "drain", "close", "ping", "pong", "error"];

impl WebSocketHook {
    /// What it is called.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// The functions that hear of sockets.
pub struct WebSocketHooks {
    functions: [Option<Held>; HOOKS],
    this: Option<Held>,
    /// What binary messages come as; none: ArrayBuffers.
    arrays: Option<ByteArrays>,
}

/// Those of an engine, once they are found.
#[derive(Default)]
pub(super) struct EngineHooks {
    hooks: RefCell<Option<Rc<WebSocketHooks>>>,
    events: RefCell<Option<Rc<WebSocketHooks>>>,
}

impl WebSocketHooks {
    /// Looks for the property `websocket` of `app`; whether it has it.
    ///
    /// # Errors
    /// What a getter throws; TypeError for what is no object with hooks.
    pub fn find<'js>(ctx: &Ctx<'js>, app: &Object<'js>) -> Result<bool> {
        let hooks: Value = app.get("websocket")?;
        if hooks.is_undefined() || hooks.is_null() {
            return Ok(false);
        }
        let refused = |what: &str| {
            exception::type_error(
                ctx,
                &format!("{what}; websocket: {{ open(ws) {{}}, message(ws, data) {{}} }}"),
            )
        };
        let Some(object) = hooks.as_object() else {
            return Err(refused("`websocket` is not an object of hooks"));
        };
        let mut functions = [const { None }; HOOKS];
        for (function, name) in functions.iter_mut().zip(NAMES) {
            let hook: Value = object.get(name)?;
            if hook.is_function() {
                *function = Some(Held::new(hook));
            } else if !hook.is_undefined() {
                return Err(refused(&format!("`websocket.{name}` is not a function")));
            }
        }
        if functions[..2].iter().all(Option::is_none) {
            return Err(refused("`websocket` has neither `open` nor `message`"));
        }
        let found =
            WebSocketHooks { functions, this: Some(Held::new(hooks)), arrays: Some(ByteArrays::default()) };
        *State::of(ctx).extension::<EngineHooks>().hooks.borrow_mut() = Some(Rc::new(found));
        Ok(true)
    }

    /// The app's, where it has them.
    pub(super) fn of_app(ctx: &Ctx<'_>) -> Option<Rc<WebSocketHooks>> {
        State::of(ctx).extension::<EngineHooks>().hooks.borrow().clone()
    }

    /// Those of the classes in JavaScript.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn of_events(ctx: &Ctx<'_>) -> Result<Rc<WebSocketHooks>> {
        let known = State::of(ctx).extension::<EngineHooks>();
        if let Some(events) = &*known.events.borrow() {
            return Ok(events.clone());
        }
        let exports = internal::exports(ctx, CLASSES)?;
        let mut functions = [const { None }; HOOKS];
        for (function, name) in functions.iter_mut().zip(NAMES) {
            let hook: Value = exports.get(name)?;
            *function = hook.is_function().then(|| Held::new(hook));
        }
        let events = Rc::new(WebSocketHooks { functions, this: None, arrays: None });
        *known.events.borrow_mut() = Some(events.clone());
        Ok(events)
    }

    pub(super) fn function(&self, hook: WebSocketHook) -> Option<&Held> {
        self.functions[hook as usize].as_ref()
    }

    pub(super) fn this(&self) -> Option<&Held> {
        self.this.as_ref()
    }

    /// A message, or what a Ping carries, as they get it.
    ///
    /// # Errors
    /// Out of memory.
    pub(super) fn data<'js>(&self, ctx: &Ctx<'js>, kind: Kind, bytes: &[u8]) -> Result<Value<'js>> {
        match (kind, &self.arrays) {
            (Kind::Text, _) => value::checked_utf8(ctx, bytes),
            (Kind::Binary, Some(arrays)) => arrays.array(ctx, bytes.len(), |put| put(bytes)),
            (Kind::Binary, None) => value::array_buffer(ctx, bytes),
        }
    }
}
