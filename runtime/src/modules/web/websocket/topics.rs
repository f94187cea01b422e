//! The topics of a WebSocket: what is published on them is a frame, made once for all subscribers of a worker.
//!
//! Owns: what a socket does with its subscriptions, the forms of a message. Must not know: who publishes, hooks and events.

use std::rc::{Rc, Weak};

use rquickjs::{Ctx, Result, Value};

use super::rules::SharedDeflaters;
use super::state::{SocketTopics, WebSocketState};
use crate::bus::{Delivery, Message, Subscriber, Subscriptions, TOPIC_BYTES_MAX};
use crate::js::class::Scope;
use crate::js::engine::{Engine, State as EngineState};
use crate::js::{exception, value};
use crate::modules::web::topics;
use crate::websocket::{Encoded, Kind, shared_frame};

/// Bytes of a text from which it is compressed for who can read that.
const COMPRESSED_BYTES_MIN: usize = 1 << 10;

/// A message as a frame, and as a compressed one for each window that clients ask for.
struct PlainForm(Encoded);
struct CompressedForm<const BITS: u8>(Encoded);

/// A socket as the bus knows it.
pub struct TopicSocket {
    state: Weak<WebSocketState>,
    engine: Weak<Engine>,
}

fn parts(message: &Message) -> Kind {
    match message {
        Message::Text(_) => Kind::Text,
        Message::Binary(_) => Kind::Binary,
    }
}

impl TopicSocket {
    fn compressed<const BITS: u8>(engine: &EngineState, delivery: &Delivery<'_>) -> Rc<CompressedForm<BITS>> {
        delivery.form(|message| {
            engine.extension::<SharedDeflaters>().with(BITS, |deflater| {
                CompressedForm(shared_frame(parts(message), message.bytes(), Some(deflater)))
            })
        })
    }
}

impl Subscriber for TopicSocket {
    fn deliver(&self, delivery: &Delivery<'_>) {
        let (Some(state), Some(engine)) = (self.state.upgrade(), self.engine.upgrade()) else { return };
        let engine = engine.state();
        let message = delivery.message();
        let is_long = matches!(message, Message::Text(text) if text.len() >= COMPRESSED_BYTES_MIN);
        // Other windows than the usual one are rare: their sockets get the message as it is.
        let is_compressed = is_long && state.agreed().is_some_and(|agreed| agreed.server_bits == 15);
        if is_compressed {
            let form = TopicSocket::compressed::<15>(engine, delivery);
            state.send_frame(engine, &form.0.bytes, form.0.is_compressed);
        } else {
            let form =
                delivery.form(|message| PlainForm(shared_frame(parts(message), message.bytes(), None)));
            state.send_frame(engine, &form.0.bytes, false);
        }
    }
}

fn topics_of(state: &Rc<WebSocketState>, engine: &EngineState) -> SocketTopics {
    let subscriber: Rc<dyn Subscriber> =
        Rc::new(TopicSocket { state: Rc::downgrade(state), engine: engine.engine() });
    let subscriptions = Subscriptions::new(topics::member(engine), Rc::downgrade(&subscriber));
    SocketTopics { subscriptions, subscriber }
}

/// The name of a topic.
fn topic(s: &Scope<'_, '_>, what: &str) -> Result<String> {
    s.require(1, what)?;
    let name = value::to_string(&s.arg(0))?;
    if name.is_empty() || name.len() > TOPIC_BYTES_MAX {
        let text = format!("{what}: a topic has 1 to {TOPIC_BYTES_MAX} bytes in UTF-8");
        return Err(exception::range_error(s.ctx, &text));
    }
    Ok(name)
}

fn boolean<'js>(ctx: &Ctx<'js>, value: bool) -> Value<'js> {
    Value::new_bool(ctx.clone(), value)
}

/// `subscribe(topic)`: whether it was not subscribed to before.
///
/// # Errors
/// RangeError for a name that is none, and at a limit.
pub fn subscribe<'js>(s: &Scope<'_, 'js>, state: &Rc<WebSocketState>) -> Result<Value<'js>> {
    let name = topic(s, "subscribe")?;
    if state.is_over() {
        return Ok(boolean(s.ctx, false));
    }
    let ours = state.topics().get_or_init(|| Box::new(topics_of(state, EngineState::of(s.ctx))));
    let subscribed = ours.subscriptions.subscribe(&name);
    let subscribed = subscribed.map_err(|full| exception::range_error(s.ctx, &full.to_string()))?;
    Ok(boolean(s.ctx, subscribed))
}

/// `unsubscribe(topic)`: whether it was subscribed to.
///
/// # Errors
/// RangeError for a name that is none.
pub fn unsubscribe<'js>(s: &Scope<'_, 'js>, state: &WebSocketState) -> Result<Value<'js>> {
    let name = topic(s, "unsubscribe")?;
    let was = state.topics().get().is_some_and(|topics| topics.subscriptions.unsubscribe(&name));
    Ok(boolean(s.ctx, was))
}

/// `isSubscribed(topic)`
///
/// # Errors
/// RangeError for a name that is none.
pub fn is_subscribed<'js>(s: &Scope<'_, 'js>, state: &WebSocketState) -> Result<Value<'js>> {
    let name = topic(s, "isSubscribed")?;
    Ok(boolean(s.ctx, state.topics().get().is_some_and(|topics| topics.subscriptions.has(&name))))
}

/// `publish(topic, data)`: to all subscribers on all workers but this socket; false where a worker's mailbox is full.
///
/// # Errors
/// RangeError for a name that is none, TypeError for data that is neither a string nor bytes.
pub fn publish<'js>(s: &Scope<'_, 'js>, state: &WebSocketState) -> Result<Value<'js>> {
    let name = topic(s, "publish")?;
    let message = topics::message(s.ctx, &s.arg(1))?;
    let published = match state.topics().get() {
        Some(ours) => ours.subscriptions.publish(&name, &message),
        None => topics::member(EngineState::of(s.ctx)).publish(&name, &message),
    };
    Ok(boolean(s.ctx, published.dropped == 0))
}
