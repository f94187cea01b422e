//! The client's `WebSocket` (WebSockets Standard, section 3): a task for each, from the constructor to the last event.
//!
//! Owns: the opening handshake, the turns in which events are heard. Must not know: how frames move (`session.rs`),
//! listeners.

mod options;
mod session;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

use ::url::Url;
use http::{HeaderName, HeaderValue};
use rquickjs::{Ctx, Exception, Result, Value};

use self::options::OpeningOptions;
use self::session::ClientSession;
use super::CLASSES;
use super::sockets;
use super::state::{Parting, ReadyState, WebSocketState};
use crate::causes::chain;
use crate::client::{self, Client, Switched, UpgradeRequest};
use crate::config::WebSocketCompression;
use crate::io;
use crate::js::class::Scope;
use crate::js::engine::{Engine, State as EngineState};
use crate::js::{exception, internal, permit, value};
use crate::modules::web::report;
use crate::modules::web::url::{self, parse};
use crate::websocket::extension::Agreed;
use crate::websocket::handshake::{self, OpeningAnswer};
use crate::websocket::{Kind, close};

/// How many sockets an engine has made: each has a number.
#[derive(Default)]
struct ClientCount(Cell<u64>);

/// The origin of a socket's URL.
pub(super) fn origin(href: &str) -> String {
    parse(href, None).map(|record| url::origin(&record)).unwrap_or_default()
}

/// Connects the socket to URL 1 with the constructor's second argument, 2; its number.
///
/// # Errors
/// SyntaxError for what is no URL of a WebSocket and for sub-protocols that are none; those of [`OpeningOptions::of`].
pub(super) fn connect<'js>(s: &Scope<'_, 'js>, state: Rc<WebSocketState>) -> Result<Value<'js>> {
    let ctx = s.ctx;
    let (text, asked) = (value::to_string(&s.arg(1))?, OpeningOptions::of(ctx, &s.arg(2))?);
    let wrong = |what: String| exception::dom_exception(ctx, "SyntaxError", &format!("WebSocket: {what}"));
    let record = parse(&text, None).ok_or_else(|| wrong(format!("{text:?} is not an absolute URL")))?;
    let record = record.into_websocket();
    let record = record.ok_or_else(|| {
        wrong(format!("{text:?} has a fragment, or a scheme that is none of ws, wss, http and https"))
    })?;
    if let Some(name) = asked.wrong_protocol() {
        return Err(wrong(format!("the sub-protocol {name:?} is no token, or stands twice")));
    }
    let href = record.href();
    // ws and wss are http and https on the wire.
    if let Ok(url) = Url::parse(&href.replacen("ws", "http", 1)) {
        permit::ask(ctx, |all| client::permit(all, &url))?;
    }
    state.set_agreed(None, "", &href);
    let engine = EngineState::of(ctx);
    sockets::add(engine, &state);
    let count = &engine.extension::<ClientCount>().0;
    count.set(count.get() + 1);
    let (number, hold) = (count.get(), engine.alive().hold());
    let listeners = Listeners { engine: engine.engine(), number, state };
    drop(io::spawn(async move {
        run(listeners, &href, asked).await;
        drop(hold);
    }));
    Ok(Value::new_number(ctx.clone(), number as f64))
}

/// From the opening handshake to the last event.
async fn run(listeners: Listeners, href: &str, asked: OpeningOptions) {
    let state = listeners.state.clone();
    let opened = unless_closed(&state, open(&state, href, asked)).await;
    let switched = match opened {
        None => return listeners.ended(false, Some("it was closed before it was open".into())),
        Some(Err(words)) => return listeners.ended(false, Some(words)),
        Some(Ok((switched, answer))) => {
            let takes_over = state.rules().compression == WebSocketCompression::Takeover;
            state.set_opened(&answer, takes_over);
            switched
        }
    };
    listeners.tell("opened", |_| Ok(Vec::new()));
    let mut session = ClientSession::new(switched, listeners);
    poll_fn(|cx| session.poll(cx)).await;
    let (is_clean, words) = session.outcome();
    session.listeners.ended(is_clean, words);
    session.part().await;
}

/// What `future` comes to; `None` once the app has closed the socket.
async fn unless_closed<F: Future>(state: &WebSocketState, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if state.parting() == Parting::Terminated {
            return Poll::Ready(None);
        }
        state.keep_waker(cx);
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// The opening handshake (RFC 6455 section 4.1); or why there is no WebSocket.
async fn open(
    state: &WebSocketState,
    href: &str,
    asked: OpeningOptions,
) -> std::result::Result<(Switched, OpeningAnswer), String> {
    // ws and wss are http and https on the wire.
    let url = Url::parse(&href.replacen("ws", "http", 1)).map_err(|error| format!("{href}: {error}"))?;
    let OpeningOptions { protocols, mut headers } = asked;
    let key = handshake::key();
    let offer = match state.rules().compression {
        WebSocketCompression::Off => None,
        WebSocketCompression::Shared => Some(Agreed::offer(false)),
        WebSocketCompression::Takeover => Some(Agreed::offer(true)),
    };
    let offered = (!protocols.is_empty()).then(|| protocols.join(", "));
    let fields = [
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-key", Some(key.as_str())),
        ("sec-websocket-protocol", offered.as_deref()),
        ("sec-websocket-extensions", offer),
    ];
    for (name, field) in fields {
        if let Some(field) = field.and_then(|field| HeaderValue::from_str(field).ok()) {
            headers.insert(HeaderName::from_static(name), field);
        }
    }
    let request = UpgradeRequest { url, protocol: "websocket", headers, target: None };
    let switched = Client::of_worker().upgrade(request).await.map_err(|error| chain(&error))?;
    let answer = handshake::check_answer(&key, &protocols, offer.is_some(), |put| {
        switched.headers.iter().for_each(|(name, field)| put(name.as_str().as_bytes(), field.as_bytes()));
    })?;
    Ok((switched, answer))
}

/// Who hears of a socket.
struct Listeners {
    engine: Weak<Engine>,
    number: u64,
    state: Rc<WebSocketState>,
}

impl Listeners {
    /// A message has come; one that comes behind the app's close is not heard of.
    fn message(&self, kind: Kind, bytes: &[u8]) {
        if self.state.ready() == ReadyState::Open {
            self.tell("received", |ctx| {
                Ok(vec![match kind {
                    Kind::Text => value::checked_utf8(ctx, bytes)?,
                    Kind::Binary => value::array_buffer(ctx, bytes)?,
                }])
            });
        }
    }

    /// It is over: the last of its events, with a failure in `words`.
    fn ended(&self, is_clean: bool, words: Option<String>) {
        let (code, reason) = self.state.end();
        let words = words.filter(|_| code == close::ABNORMAL);
        let words = self.state.take_forced().map(|forced| forced.words()).or(words);
        self.state.set_closed();
        self.tell("ended", |ctx| {
            let failure = words.map(|words| Exception::from_message(ctx.clone(), &words)).transpose()?;
            Ok(vec![
                Value::new_int(ctx.clone(), code.into()),
                value::string(ctx, &reason)?,
                Value::new_bool(ctx.clone(), is_clean),
                failure.map_or_else(|| Value::new_undefined(ctx.clone()), Exception::into_value),
            ])
        });
    }

    /// Calls a function of the script's in a turn of its own: with the number and what `make` makes.
    fn tell(&self, name: &str, make: impl for<'js> FnOnce(&Ctx<'js>) -> Result<Vec<Value<'js>>>) {
        let Some(engine) = self.engine.upgrade() else { return };
        // Who polls the session looks at what was sent meanwhile.
        self.state.set_dispatching(true);
        engine.turn(|ctx| {
            let call = || {
                let mut args = vec![Value::new_number(ctx.clone(), self.number as f64)];
                args.extend(make(ctx)?);
                internal::call(ctx, CLASSES, name, &args)
            };
            if let Err(error) = call() {
                exception::raise(ctx, &error);
                report::value(ctx, &ctx.catch(), "in an event");
            }
        });
        self.state.set_dispatching(false);
    }
}
