//! `EventSource` (HTML, section 9.2): a class written in JavaScript (`event_source.js`), loaded when an app first names it.
//!
//! Owns: the connection of a source, made anew when it ends; the turns in which its events are heard. Must not know: HTTP
//! on the wire, listeners.

mod parser;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rquickjs::{Ctx, Result, Value};
use url::Url;

use self::parser::EventParser;
use crate::client::{self, Client};
use crate::io;
use crate::js::class::{Scope, Static};
use crate::js::engine::{Engine, State};
use crate::js::function::Functions;
use crate::js::natives::Natives;
use crate::js::{exception, internal, permit, value};
use crate::permissions::Permissions;

use super::url::parse;
use super::{embed, report};

const MODULE: &str = "jsserve:internal/event_source/event_source";
const EVENT_STREAM: &str = "text/event-stream";
/// Milliseconds before a new connection, where the stream does not say.
const RETRY_MS: u64 = 3_000;

/// The sources of an engine that are not closed, by number.
#[derive(Default)]
struct Open {
    next: Cell<u64>,
    all: RefCell<HashMap<u64, Rc<Alarm>>>,
}

/// What tells the task of a source that it is closed.
#[derive(Default)]
struct Alarm {
    closed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Alarm {
    fn ring(&self) {
        self.closed.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What `future` comes to; `None` once the source is closed.
    async fn unless_closed<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.closed.get() {
                return Poll::Ready(None);
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// Puts the lazy global in place.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    embed::lazy_exports(ctx, MODULE, &["EventSource"])
}

/// `jsserve:internal/event_source/natives`.
pub struct EventSourceFunctions;

impl Natives for EventSourceFunctions {}

impl Functions for EventSourceFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"resolve", 1, |s| {
            let text = value::to_string(&s.arg(0))?;
            let url = parse(&text, None).ok_or_else(|| {
                let text = format!("EventSource: {text:?} is not an absolute URL");
                exception::dom_exception(s.ctx, "SyntaxError", &text)
            })?;
            value::string(s.ctx, &url.href())
        }),
        (c"connect", 1, connect),
        (c"disconnect", 1, |s| {
            let number = s.arg(0).as_number().unwrap_or(0.0) as u64;
            let alarm = State::of(s.ctx).extension::<Open>().all.borrow_mut().remove(&number);
            if let Some(alarm) = alarm {
                alarm.ring();
            }
            Ok(s.undefined())
        }),
    ];
}

/// Connects to URL 0, and does so again and again; the number of the source.
fn connect<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let state = State::of(scope.ctx);
    let url = Url::parse(&value::to_string(&scope.arg(0))?).ok();
    if let Some(url) = &url {
        permit::ask(scope.ctx, |all| client::permit(all, url))?;
    }
    let open = state.extension::<Open>();
    let number = open.next.get() + 1;
    open.next.set(number);
    let alarm = Rc::new(Alarm::default());
    open.all.borrow_mut().insert(number, alarm.clone());
    let (hold, engine) = (state.alive().hold(), state.engine());
    let permissions = state.cluster().permissions().cloned();
    drop(io::spawn(async move {
        let source = EventConnection { engine, number, alarm, permissions };
        source.run(url).await;
        drop(hold);
    }));
    Ok(Value::new_number(scope.ctx.clone(), number as f64))
}

/// The task of a source.
struct EventConnection {
    engine: Weak<Engine>,
    number: u64,
    alarm: Rc<Alarm>,
    permissions: Option<Arc<Permissions>>,
}

/// How a connection ended.
enum Ended {
    /// The source is closed.
    Closed,
    /// It is not to be made again ("fail the connection").
    Failed,
    /// It is ("reestablish the connection").
    Lost,
}

impl EventConnection {
    async fn run(&self, url: Option<Url>) {
        let (mut retry_ms, mut last_event_id) = (RETRY_MS, String::new());
        loop {
            let ended = match url.as_ref().filter(|url| matches!(url.scheme(), "http" | "https")) {
                Some(url) => self.connection(url, &mut retry_ms, &mut last_event_id).await,
                None => Ended::Failed,
            };
            match ended {
                Ended::Closed => return,
                Ended::Failed => {
                    self.tell("failed", |_| Ok(Vec::new()));
                    return;
                }
                Ended::Lost => self.tell("lost", |_| Ok(Vec::new())),
            }
            if self.alarm.unless_closed(io::sleep(Duration::from_millis(retry_ms))).await.is_none() {
                return;
            }
        }
    }

    /// One connection, from the request to its end.
    async fn connection(&self, url: &Url, retry_ms: &mut u64, last_event_id: &mut String) -> Ended {
        let request = request(url, last_event_id, self.permissions.clone());
        let sent = self.alarm.unless_closed(async { Client::of_worker().send(request).await });
        let mut response = match sent.await {
            None => return Ended::Closed,
            Some(Ok(response)) => response,
            Some(Err(_)) => return Ended::Lost,
        };
        if response.status != 200 || !is_event_stream(&response.headers) {
            return Ended::Failed;
        }
        self.tell("opened", |_| Ok(Vec::new()));
        let origin = response.url.origin().ascii_serialization();
        let mut parser = EventParser::new(std::mem::take(last_event_id));
        let ended = self.events(&mut response, &mut parser, &origin).await;
        *retry_ms = parser.retry_ms.unwrap_or(*retry_ms).min(u64::from(u32::MAX));
        *last_event_id = parser.last_event_id;
        ended
    }

    async fn events(&self, response: &mut client::Response, parser: &mut EventParser, origin: &str) -> Ended {
        loop {
            let chunk = match self.alarm.unless_closed(response.body.chunk()).await {
                None => return Ended::Closed,
                Some(Ok(Some(chunk))) => chunk,
                Some(Ok(None) | Err(_)) => return Ended::Lost,
            };
            let mut events = Vec::new();
            let read = parser.read(&chunk, &mut |event| events.push(event));
            for event in events {
                if self.alarm.closed.get() {
                    return Ended::Closed;
                }
                self.tell("deliver", |ctx| {
                    let text = |text: &str| value::string(ctx, text);
                    Ok(vec![
                        text(&event.kind)?,
                        text(&event.data)?,
                        text(origin)?,
                        text(&event.last_event_id)?,
                    ])
                });
                // Each event has a task of its own, and the others of this worker their turn.
                io::yield_now().await;
            }
            if read.is_err() {
                return Ended::Failed;
            }
        }
    }

    /// Calls a function of the script's in a turn of its own: with the number and what `make` makes.
    fn tell(&self, name: &str, make: impl for<'js> FnOnce(&Ctx<'js>) -> Result<Vec<Value<'js>>>) {
        let Some(engine) = self.engine.upgrade().filter(|_| !self.alarm.closed.get()) else { return };
        engine.turn(|ctx| {
            let call = || {
                let mut args = vec![Value::new_number(ctx.clone(), self.number as f64)];
                args.extend(make(ctx)?);
                internal::call(ctx, MODULE, name, &args)
            };
            if let Err(error) = call() {
                exception::raise(ctx, &error);
                report::value(ctx, &ctx.catch(), "in an event");
            }
        });
    }
}

fn request(url: &Url, last_event_id: &str, permissions: Option<Arc<Permissions>>) -> client::Request {
    let mut request =
        client::Request { guarded: true, permissions, ..client::Request::new(Method::GET, url.clone()) };
    request.headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    request.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(id) = HeaderValue::from_bytes(last_event_id.as_bytes())
        && !last_event_id.is_empty()
    {
        request.headers.insert(HeaderName::from_static("last-event-id"), id);
    }
    request
}

/// Whether the body is an event stream, by the essence of its type; its parameters do not matter.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENT_STREAM)
}
