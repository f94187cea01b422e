//! `jsserve:events`: server-sent events (HTML, section 9.2) for apps, and histories for clients that come back.
//!
//! Owns: the two classes, arguments and errors. Must not know: how events look, how they get to their clients. The interface
//! is described in `events.d.ts`.
#![forbid(unsafe_code)]

mod format;
mod history;
mod stream;

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::{Ctx, Error, Module, Object, Result, Value};

use self::format::Event;
use self::history::{AppHistories, HISTORIES_MAX, History, HistoryOptions, Notice};
use self::stream::EventSource;
use crate::bus::{Bus, BusFull, Member as BusMember, TOPIC_BYTES_MAX};
use crate::config::Limits;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::cluster::Cluster;
use crate::js::engine::State;
use crate::js::held::{Slot, Tracer};
use crate::js::{class_id, deferred, exception, json, value};
use crate::modules::web::fetch::headers::SharedHeaders;
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::response::Response;
use crate::modules::web::{host, topics};

/// Milliseconds of silence before a comment is sent, where the app does not say.
const KEEP_ALIVE_MS: u64 = 15_000;
/// Events of a history, where the app does not say.
const EVENTS_MAX: usize = 1_000;
/// Bytes of a history, where the app does not say.
const BYTES_MAX: usize = 1 << 20;
/// The largest number of an option.
const NUMBER_MAX: f64 = 9_007_199_254_740_991.0;

/// Bytes that may wait for one client.
struct QueueMax(Cell<usize>);

impl Default for QueueMax {
    fn default() -> Self {
        QueueMax(Cell::new(Limits::default().event_queue_bytes_max))
    }
}

/// Sets how many bytes may wait for the client of one stream.
pub fn set_queue_max(state: &State, bytes_max: usize) {
    state.extension::<QueueMax>().0.set(bytes_max);
}

/// The engine's part of the news of histories.
#[derive(Default)]
struct Notices(RefCell<Option<Rc<BusMember<Notice>>>>);

fn notices(state: &State) -> Rc<BusMember<Notice>> {
    let make = || {
        let bus = state.cluster().shared::<Bus<Notice>>();
        bus.set_limits(state.cluster().shared::<Bus>().limits());
        BusMember::new(bus, host::generation(state))
    };
    state.extension::<Notices>().0.borrow_mut().get_or_insert_with(make).clone()
}

/// Takes the mailbox of the worker of this generation away: another has taken its place.
pub fn give_up(cluster: &Cluster, generation: u64) {
    cluster.shared::<Bus<Notice>>().give_up(generation);
}

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<EventsModule, _>(ctx.clone(), name)
}

struct EventsModule;

impl ModuleDef for EventsModule {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        ["EventStream", "EventHistory", "default"]
            .iter()
            .try_for_each(|name| declarations.declare(*name).map(drop))
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let all = Object::new(ctx.clone())?;
        let classes = [
            ("EventStream", class::register_unlisted::<EventStream>(ctx)?),
            ("EventHistory", class::register_unlisted::<EventHistory>(ctx)?),
        ];
        for (name, class) in classes {
            exports.export(name, class.clone())?;
            all.set(name, class)?;
        }
        exports.export("default", all)?;
        Ok(())
    }
}

/// An options object, where there is one.
fn options<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Object<'js>>> {
    match value.as_object() {
        Some(object) => Ok(Some(object.clone())),
        None if value.is_undefined() || value.is_null() => Ok(None),
        None => Err(exception::type_error(ctx, "The options are not an object")),
    }
}

/// A member that is a whole number from `least` on.
fn whole(ctx: &Ctx<'_>, of: Option<&Object<'_>>, name: &str, least: f64) -> Result<Option<u64>> {
    let Some(of) = of else { return Ok(None) };
    let member: Value = of.get(name)?;
    match member.as_number() {
        _ if member.is_undefined() => Ok(None),
        Some(n) if n >= least && n <= NUMBER_MAX && n.fract() == 0.0 => Ok(Some(n as u64)),
        Some(_) => Err(exception::range_error(ctx, &format!("{name} is not a whole number from {least} on"))),
        None => Err(exception::type_error(ctx, &format!("{name} is not a number"))),
    }
}

/// A member that is a string, which `is_right` takes.
fn line(
    ctx: &Ctx<'_>,
    of: Option<&Object<'_>>,
    name: &str,
    is_right: fn(&str) -> bool,
) -> Result<Option<String>> {
    let Some(of) = of else { return Ok(None) };
    let member: Value = of.get(name)?;
    if member.is_undefined() {
        return Ok(None);
    }
    if !member.is_string() {
        return Err(exception::type_error(ctx, &format!("{name} is not a string")));
    }
    let text = value::to_string(&member)?;
    match is_right(&text) {
        true => Ok(Some(text)),
        false => Err(exception::type_error(ctx, &format!("{name} has a line break or NUL in it"))),
    }
}

/// What an app wants to send.
#[derive(Default)]
struct Given {
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
    data: Option<String>,
}

impl Given {
    /// A string is the data of an event; an object has its parts. Data that is no string is sent as JSON.
    fn read<'js>(ctx: &Ctx<'js>, given: &Value<'js>) -> Result<Given> {
        if given.is_string() {
            return Ok(Given { data: Some(value::to_string(given)?), ..Given::default() });
        }
        let Some(object) = given.as_object() else {
            return Err(exception::type_error(
                ctx,
                "an event is a string, or an object with event, id, data, retry",
            ));
        };
        let data: Value = object.get("data")?;
        let data = match data.is_string() {
            true => Some(data),
            false => json::text(&data)?,
        };
        Ok(Given {
            event: line(ctx, Some(object), "event", format::is_line)?,
            id: line(ctx, Some(object), "id", format::is_id)?,
            retry_ms: whole(ctx, Some(object), "retry", 0.0)?,
            data: data.as_ref().map(value::to_string).transpose()?,
        })
    }

    fn event(&self) -> Event<'_> {
        Event {
            event: self.event.as_deref(),
            id: self.id.as_deref(),
            retry_ms: self.retry_ms,
            data: self.data.as_deref(),
        }
    }
}

fn full(ctx: &Ctx<'_>, full: BusFull) -> Error {
    exception::range_error(ctx, &full.to_string())
}

/// The name of a topic, or of a history.
fn name<'js>(ctx: &Ctx<'js>, given: &Value<'js>, what: &str) -> Result<String> {
    if !given.is_string() {
        return Err(exception::type_error(ctx, &format!("{what} is not a string")));
    }
    let name = value::to_string(given)?;
    match name.len() {
        1..=TOPIC_BYTES_MAX => Ok(name),
        _ => {
            let text = format!("{what} is empty or longer than {TOPIC_BYTES_MAX} bytes");
            Err(exception::range_error(ctx, &text))
        }
    }
}

/// A stream as its app holds it.
pub struct EventStream {
    source: Rc<EventSource>,
    last_event_id: String,
    headers: SharedHeaders,
    response: Slot,
    closed: Slot,
}

impl EventStream {
    fn bool<'js>(scope: &Scope<'_, 'js>, is: bool) -> Value<'js> {
        Value::new_bool(scope.ctx.clone(), is)
    }

    fn response<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.response.get_or(s.ctx, || {
            class::instance(s.ctx, Response::native(self.headers.clone(), self.source.clone()))
        })
    }

    fn send<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "send")?;
        let given = Given::read(s.ctx, &s.arg(0))?;
        Ok(Self::bool(s, self.source.push(given.event().bytes().into())))
    }

    fn comment<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let text = if s.has(0) { value::to_string(&s.arg(0))? } else { String::new() };
        Ok(Self::bool(s, self.source.push(format::comment(&text).into())))
    }

    fn close<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.source.end();
        Ok(s.undefined())
    }

    fn closed<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.closed.get_or(s.ctx, || {
            let (promise, deferred) = deferred::deferred(s.ctx)?;
            match self.source.on_closed(deferred.unheld()) {
                None => Ok(promise),
                Some(why) => crate::js::promise::settled(s.ctx, Ok(value::string(s.ctx, why)?)),
            }
        })
    }

    fn subscribe<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = s.ctx;
        s.require(1, "subscribe")?;
        let (topic, state) = (s.arg(0), State::of(ctx));
        let new = match class::get::<EventHistory>(&topic) {
            Some(history) => {
                let history = &history.history;
                if self.source.follows_other(history.name()) {
                    return Err(exception::type_error(ctx, "An EventStream follows one history"));
                }
                self.source.follow_history(notices(state), history, &self.last_event_id)
            }
            None => {
                let event = line(ctx, options(ctx, &s.arg(1))?.as_ref(), "event", format::is_line)?;
                let name = name(ctx, &topic, "the topic")?;
                self.source.follow(topics::member(state), &name, event.map(Into::into))
            }
        };
        Ok(Self::bool(s, new.map_err(|limit| full(ctx, limit))?))
    }

    fn unsubscribe<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "unsubscribe")?;
        let topic = s.arg(0);
        let left = match class::get::<EventHistory>(&topic) {
            Some(history) => self.source.leave_history(history.history.name()),
            None => self.source.leave(&name(s.ctx, &topic, "the topic")?),
        };
        Ok(Self::bool(s, left))
    }
}

impl class_id::Of for class_id::EventStream {
    type Class = EventStream;
}

impl Class for EventStream {
    type Id = class_id::EventStream;
    const NAME: &'static CStr = c"EventStream";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"response", Self::response),
        Member::Get(c"lastEventId", |this, s| value::string(s.ctx, &this.last_event_id)),
        Member::Get(c"closed", Self::closed),
        Member::Get(c"isOpen", |this, s| Ok(Self::bool(s, this.source.is_open()))),
        Member::Get(c"bufferedAmount", |this, s| {
            Ok(Value::new_number(s.ctx.clone(), this.source.waiting() as f64))
        }),
        Member::Method(c"send", 1, Self::send),
        Member::Method(c"comment", 0, Self::comment),
        Member::Method(c"subscribe", 1, Self::subscribe),
        Member::Method(c"unsubscribe", 1, Self::unsubscribe),
        Member::Method(c"close", 0, Self::close),
    ];

    /// `new EventStream(request?, options?)`.
    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let ctx = scope.ctx;
        let first = scope.arg(0);
        let request = class::get::<Request>(&first);
        let second =
            if request.is_none() && first.is_object() && !scope.has(1) { scope.arg(0) } else { scope.arg(1) };
        if request.is_none() && first.is_object() && scope.has(1) {
            return Err(exception::type_error(ctx, "EventStream: the request is not a Request"));
        }
        let options = options(ctx, &second)?;
        let last_event_id = request.and_then(|request| request.shared_headers().list().get(b"last-event-id"));
        let keep_alive =
            match options.as_ref().map(|options| options.get::<_, Value>("keepAlive")).transpose()? {
                Some(off) if off.as_bool() == Some(false) => Some(0),
                _ => whole(ctx, options.as_ref(), "keepAlive", 0.0)?,
            };
        let keep_alive = Some(keep_alive.unwrap_or(KEEP_ALIVE_MS)).filter(|ms| *ms > 0);
        let headers = SharedHeaders::default();
        if let Some(options) = &options {
            headers.fill(ctx, &options.get("headers")?)?;
        }
        for (name, field) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ] {
            headers.append_default(name, field);
        }
        let retry_ms = whole(ctx, options.as_ref(), "retry", 0.0)?;
        let bytes_max = State::of(ctx).extension::<QueueMax>().0.get();
        let source = EventSource::new(State::of(ctx), bytes_max, keep_alive);
        if retry_ms.is_some() {
            source.push(Event { retry_ms, ..Event::default() }.bytes().into());
        }
        let last_event_id = String::from_utf8_lossy(&last_event_id.unwrap_or_default()).into_owned();
        Ok(EventStream { source, last_event_id, headers, response: Slot::default(), closed: Slot::default() })
    }

    fn trace(&self, tracer: &Tracer) {
        self.response.trace(tracer);
        self.closed.trace(tracer);
    }
}

/// A history as an app holds it.
pub struct EventHistory {
    history: Arc<History>,
}

impl class_id::Of for class_id::EventHistory {
    type Class = EventHistory;
}

impl Class for EventHistory {
    type Id = class_id::EventHistory;
    const NAME: &'static CStr = c"EventHistory";
    const LENGTH: u8 = 1;
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"name", |this, s| value::string(s.ctx, this.history.name())),
        Member::Get(c"size", |this, s| Ok(Value::new_number(s.ctx.clone(), this.history.len() as f64))),
        Member::Method(c"publish", 1, |this, s| {
            s.require(1, "publish")?;
            let given = Given::read(s.ctx, &s.arg(0))?;
            if given.id.as_deref() == Some("") {
                return Err(exception::type_error(
                    s.ctx,
                    "an event of a history has an id that is not empty",
                ));
            }
            let id = this.history.add(given.event());
            notices(State::of(s.ctx)).publish(this.history.name(), &Notice);
            value::string(s.ctx, &id)
        }),
    ];

    /// `new EventHistory(name, options?)`.
    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let ctx = scope.ctx;
        scope.require(1, "EventHistory")?;
        let name = name(ctx, &scope.arg(0), "the name of a history")?;
        let options = options(ctx, &scope.arg(1))?;
        let wish = |member, default: usize| {
            let given = whole(ctx, options.as_ref(), member, 1.0)?;
            Ok::<_, Error>((given, given.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))))
        };
        let ((events, events_max), (bytes, bytes_max)) =
            (wish("max", EVENTS_MAX)?, wish("bytesMax", BYTES_MAX)?);
        let all = State::of(ctx).cluster().shared::<AppHistories>();
        let Some(history) = all.open(&name, HistoryOptions { events_max, bytes_max }) else {
            let text = format!("There are {HISTORIES_MAX} histories, no more can be opened");
            return Err(exception::range_error(ctx, &text));
        };
        let known = history.options();
        if events.is_some() && known.events_max != events_max
            || bytes.is_some() && known.bytes_max != bytes_max
        {
            let text = format!("The history {name:?} is open with other options: {known:?}");
            return Err(exception::type_error(ctx, &text));
        }
        Ok(EventHistory { history })
    }
}
