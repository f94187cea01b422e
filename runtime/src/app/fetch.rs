//! The call of an app's `fetch`: a request in, a reply or a failure out.
//!
//! Owns: the fast path (an answer without a promise, or with one already settled), pending answers, the
//! words that protocols use for requests and replies. Must not know: how a reply is written.

use std::rc::Rc;
use std::task::{Context, Poll};

use rquickjs::{Ctx, Value};

use super::callee::Callee;
use super::context::ExecutionContext;
use super::websocket::{self, Upgrade};
use crate::js::class;
use crate::js::engine::{Engine, Health, State};
use crate::js::exception::code_frame;
use crate::js::observe::{self, Observer, Outcome};
use crate::js::promise;
use crate::js::thrown::{Cause, Thrown};
use crate::log::Kind;
use crate::modules::web::fetch::body::Begun;
pub use crate::modules::web::fetch::extras::Extras;
pub use crate::modules::web::fetch::header_list::HeaderList;
pub use crate::modules::web::fetch::incoming::{
    BodyError, Head, Incoming, IncomingBody, Pieces, Progress, Takes,
};
pub use crate::modules::web::fetch::outgoing::{Broken, Caller, Outgoing, Unwanted};
use crate::modules::web::fetch::passing;
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::response::Response;
use crate::modules::web::streams::bridge::StreamReader;
pub use crate::modules::web::streams::source::ByteSource;

/// A Response, lent while it is written.
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    /// The reason phrase, where the handler set one.
    pub reason: Option<&'a str>,
    /// The header fields; where there are none but the body's own type, only that.
    pub headers: Fields<'a>,
    /// The body, `None` for a null body.
    pub body: Option<&'a [u8]>,
    /// Whether the body comes in pieces: `body` is none, then.
    pub streamed: bool,
    /// The bytes of a body in pieces, where that is known.
    pub length: Option<u64>,
    /// What the app has given beside head and body.
    pub extras: Option<&'a Extras>,
    /// What the connection becomes after it: the status is 101, then, and there is no body.
    pub upgrade: Option<&'a Upgrade>,
}

/// A longer blob or form is sent in pieces, and not copied as a whole.
const WHOLE_BYTES_MAX: usize = 64 << 10;

/// Header fields of a [`Reply`].
#[derive(Clone, Copy)]
pub enum Fields<'a> {
    /// At most a content type.
    ContentType(Option<&'static str>),
    /// A list.
    List(&'a HeaderList),
}

/// A copy of a reply, for an answer that comes after its turn.
pub struct OwnedReply {
    status: u16,
    reason: Option<Box<str>>,
    content_type: Option<&'static str>,
    headers: Option<HeaderList>,
    body: Option<Vec<u8>>,
    stream: Option<Outgoing>,
    upgrade: Option<Upgrade>,
}

impl OwnedReply {
    /// A copy, without a body that comes in pieces.
    pub fn of(reply: Reply<'_>) -> Self {
        let (content_type, headers) = match reply.headers {
            Fields::ContentType(content_type) => (content_type, None),
            Fields::List(list) => (None, Some(list.clone())),
        };
        OwnedReply {
            status: reply.status,
            reason: reply.reason.map(Into::into),
            content_type,
            headers,
            body: reply.body.map(<[u8]>::to_vec),
            stream: None,
            upgrade: reply.upgrade.cloned(),
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body that comes in pieces, where it is one: once.
    pub fn take_stream(&mut self) -> Option<Outgoing> {
        self.stream.take()
    }

    /// The reply.
    pub fn lend(&self) -> Reply<'_> {
        self.lend_with(self.stream.as_ref())
    }

    /// The reply, with a body in pieces that was taken before.
    pub fn lend_with(&self, stream: Option<&Outgoing>) -> Reply<'_> {
        Reply {
            status: self.status,
            reason: self.reason.as_deref(),
            headers: match &self.headers {
                Some(list) => Fields::List(list),
                None => Fields::ContentType(self.content_type),
            },
            body: self.body.as_deref(),
            streamed: stream.is_some(),
            length: stream.and_then(Outgoing::length),
            extras: None,
            upgrade: self.upgrade.as_ref(),
        }
    }
}

/// Why there is no reply.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the client gets: 500, or 503 where a limit ended the handler.
    pub status: u16,
    /// One line for the log, and for the client in development mode.
    pub text: String,
    /// The stack, if there is one.
    pub stack: String,
    /// What its log line is about.
    pub kind: Kind,
}

impl Failure {
    fn thrown(thrown: Thrown) -> Self {
        let (status, text, kind) = match thrown.cause {
            Cause::Exception => (500, thrown.text, Kind::Failed),
            Cause::Interrupted => (503, CPU_TEXT.into(), Kind::Cpu),
            Cause::OutOfMemory => (503, HEAP_TEXT.into(), Kind::Heap),
        };
        Failure { status, text, stack: thrown.stack, kind }
    }

    fn plain(status: u16, text: &str) -> Self {
        Failure { status, text: text.into(), stack: String::new(), kind: Kind::Failed }
    }

    /// The lines of the source around its place, that one marked.
    pub fn code_frame(&self) -> Option<String> {
        code_frame(&self.stack)
    }
}

const HEAP_TEXT: &str = "the JavaScript heap is full (--heap-max)";
const USED_TEXT: &str = "the handler returned a Response whose body was already used, or locked";
const CPU_TEXT: &str = "the handler used more CPU time than a turn may (--cpu-max)";

/// What a call came to.
pub enum Called {
    /// The reply was lent to the sink.
    Done,
    /// The same, and its body follows; what the app gives beside it.
    Streaming(Outgoing, Caller, Rc<Extras>),
    /// There is none.
    Failed(Failure),
    /// It comes later.
    Pending(Pending),
}

type Cell = Outcome<Result<OwnedReply, Failure>>;

/// An answer that comes later; keeps its engine alive.
pub struct Pending {
    cell: Rc<Cell>,
    /// The request that waits for it.
    pub caller: Caller,
    /// What the app gives beside it.
    pub extras: Rc<Extras>,
}

impl Pending {
    /// The answer, once it is there.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<OwnedReply, Failure>> {
        self.cell.poll(cx)
    }
}

/// What was asked for.
struct Requested {
    head: Rc<dyn Head>,
    scheme: &'static str,
}

struct Awaiting {
    cell: Rc<Cell>,
    requested: Requested,
    engine: std::rc::Weak<Engine>,
}

impl Observer for Awaiting {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        let mut owned = None;
        let outcome = match result {
            Ok(value) => {
                lend(ctx, &value, &self.requested, None, &mut |reply| owned = Some(OwnedReply::of(reply)))
            }
            Err(reason) => Err(rejected(ctx, &reason)),
        };
        let lost = || Failure::plain(500, "the reply was lost");
        self.cell.set(outcome.and_then(|stream| {
            let owned = owned.ok_or_else(lost)?;
            Ok(OwnedReply { stream, ..owned })
        }));
    }

    /// A promise that nothing refers to any more: its job was cut off or had no memory, or it waits for
    /// what never comes. Only the first two are known to be an end; the third has until the request's
    /// time limit.
    fn abandoned(&self) {
        let Some(engine) = self.engine.upgrade() else { return };
        let state = engine.state();
        if state.health() == Health::OutOfMemory {
            self.cell.set(Err(Failure { kind: Kind::Heap, ..Failure::plain(503, HEAP_TEXT) }));
        } else if state.cut_short() {
            self.cell.set(Err(Failure { kind: Kind::Cpu, ..Failure::plain(503, CPU_TEXT) }));
        }
    }
}

/// Calls the app with a request. `sink` is lent the reply if it is there at the end of the turn.
pub fn fetch(
    engine: &Rc<Engine>,
    handler: &Callee,
    incoming: Incoming,
    sink: &mut dyn FnMut(Reply<'_>),
) -> Called {
    engine.turn(|ctx| {
        let requested = Requested { head: incoming.head.clone(), scheme: incoming.scheme };
        let result = invoke(ctx, handler, incoming);
        let (asked, value) = match result {
            Ok(both) => both,
            Err(error) => return failed(ctx, Thrown::of(ctx, &error)),
        };
        if class::get::<Response>(&value).is_none() && value.is_object() {
            return settle(ctx, engine, (asked, requested), value, sink);
        }
        answer(ctx, engine, (asked, &requested), &value, sink)
    })
}

/// The request and the context that a handler was called with.
struct Arguments<'js> {
    request: Value<'js>,
    context: Value<'js>,
}

/// Lends the reply that `value` is.
fn answer<'js>(
    ctx: &Ctx<'js>,
    engine: &Rc<Engine>,
    (asked, requested): (Arguments<'js>, &Requested),
    value: &Value<'js>,
    sink: &mut dyn FnMut(Reply<'_>),
) -> Called {
    let context = class::get::<ExecutionContext>(&asked.context);
    let given = context.and_then(ExecutionContext::given_extras).cloned();
    match lend(ctx, value, requested, given.as_deref(), sink) {
        Ok(None) => Called::Done,
        Ok(Some(outgoing)) => {
            let extras = context.map(|context| context.extras().clone()).unwrap_or_default();
            Called::Streaming(outgoing, Caller::new(engine.clone(), asked.request), extras)
        }
        Err(failure) => Called::Failed(failure),
    }
}

/// What the app was asked with, and what it made of it.
fn invoke<'js>(
    ctx: &Ctx<'js>,
    handler: &Callee,
    incoming: Incoming,
) -> rquickjs::Result<(Arguments<'js>, Value<'js>)> {
    let Incoming { head, scheme, version, body, ends, worker, takes, id } = incoming;
    let request = class::instance(ctx, Request::incoming(head, scheme, body))?;
    let context = class::instance(ctx, ExecutionContext::of_request(ends, worker, takes, Some(version), id))?;
    let args = [request, handler.env(ctx), context];
    let value = handler.call(ctx, &args)?;
    let [request, _, context] = args;
    Ok((Arguments { request, context }, value))
}

/// A handler that answered with a promise, or with what may be a thenable: most are settled by now, or
/// once the jobs have run.
fn settle<'js>(
    ctx: &Ctx<'js>,
    engine: &Rc<Engine>,
    (asked, requested): (Arguments<'js>, Requested),
    value: Value<'js>,
    sink: &mut dyn FnMut(Reply<'_>),
) -> Called {
    let value = match promise::resolved(ctx, value) {
        Ok(value) => value,
        Err(_) => return failed(ctx, Thrown::take(ctx)),
    };
    // An async function that never waited has settled its promise already.
    let mut state = promise::state(&value);
    if matches!(state, Some(promise::State::Pending)) {
        crate::js::pump::jobs(ctx, engine.state());
        state = promise::state(&value);
    }
    match state {
        Some(promise::State::Fulfilled(value)) => answer(ctx, engine, (asked, &requested), &value, sink),
        Some(promise::State::Rejected(reason)) => {
            promise::mark_handled(&value);
            Called::Failed(rejected(ctx, &reason))
        }
        _ => {
            let cell = Rc::new(Cell::default());
            let awaiting = Awaiting { cell: cell.clone(), requested, engine: Rc::downgrade(engine) };
            if observe::observe(ctx, &value, Box::new(awaiting)).is_err() {
                return failed(ctx, Thrown::take(ctx));
            }
            let context = class::get::<ExecutionContext>(&asked.context);
            let extras = context.map(|context| context.extras().clone()).unwrap_or_default();
            Called::Pending(Pending { cell, caller: Caller::new(engine.clone(), asked.request), extras })
        }
    }
}

fn failed(ctx: &Ctx<'_>, thrown: Thrown) -> Called {
    State::of(ctx).note(&thrown);
    Called::Failed(Failure::thrown(thrown))
}

fn rejected(ctx: &Ctx<'_>, reason: &Value<'_>) -> Failure {
    let thrown = Thrown::from_value(reason);
    State::of(ctx).note(&thrown);
    Failure::thrown(thrown)
}

/// The body that `source` is, and the headers of `response` where they are others for it.
fn native(
    source: Rc<dyn ByteSource>,
    head: &dyn Head,
    response: &Response,
) -> (Outgoing, Option<HeaderList>) {
    if let Some(file) = source.file() {
        return (Outgoing::File(file), None);
    }
    let passed = passing::headers(&*source, head, response);
    source.begin();
    (Outgoing::Native(source), passed)
}

/// Lends the reply that `value` is to what was requested, with what is beside it; its body, where it comes in pieces.
fn lend<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    requested: &Requested,
    extras: Option<&Extras>,
    sink: &mut dyn FnMut(Reply<'_>),
) -> Result<Option<Outgoing>, Failure> {
    let Some(response) = class::get::<Response>(value) else {
        let text = format!("the handler returned {} where a Response was expected", kind(value));
        return Err(Failure::plain(500, &text));
    };
    if response.is_error() {
        return Err(Failure::plain(500, "the handler returned Response.error()"));
    }
    if response.status == 101 {
        return switch(ctx, response, requested, extras, sink).map(|()| None);
    }
    let list = response.headers.get().map(crate::modules::web::fetch::headers::SharedHeaders::list);
    let of_decoded = list.as_ref().and_then(|list| list.of_decoded());
    let mut lend = |body: Option<&[u8]>, outgoing: Option<&Outgoing>, passed: &Option<HeaderList>| {
        sink(Reply {
            status: response.status,
            reason: response.reason.as_deref(),
            headers: match (passed.as_ref().or(of_decoded.as_ref()), &list) {
                (Some(list), _) => Fields::List(list),
                (None, Some(list)) => Fields::List(list),
                (None, None) => Fields::ContentType(response.content_type),
            },
            body,
            streamed: outgoing.is_some(),
            length: outgoing.and_then(Outgoing::length),
            extras,
            upgrade: None,
        });
    };
    let thrown = |_| Failure::thrown(Thrown::take(ctx));
    match response.body.begin(ctx).map_err(thrown)? {
        Begun::Unusable => Err(Failure::plain(500, USED_TEXT)),
        Begun::Own => {
            if let Some(rope) = response.body.rope().filter(|rope| rope.len() > WHOLE_BYTES_MAX) {
                let outgoing = Outgoing::Memory(rope.source(), rope.len() as u64);
                lend(None, Some(&outgoing), &None);
                return Ok(Some(outgoing));
            }
            let has = !response.body.is_null();
            let lent = response.body.with(ctx, |bytes| lend(has.then_some(bytes), None, &None));
            match lent.map_err(thrown)? {
                Some(()) => Ok(None),
                None => Err(Failure::plain(500, "the body of the Response has not arrived")),
            }
        }
        Begun::Source(source) => match source.whole() {
            Some(bytes) => {
                lend(Some(&bytes), None, &None);
                Ok(None)
            }
            None => {
                let (outgoing, passed) = native(source, &*requested.head, response);
                lend(None, Some(&outgoing), &passed);
                Ok(Some(outgoing))
            }
        },
        Begun::Reader(reader) => {
            let outgoing = stream(ctx, reader)?;
            lend(None, Some(&outgoing), &None);
            Ok(Some(outgoing))
        }
    }
}

/// A body that the app's own stream gives.
fn stream<'js>(ctx: &Ctx<'js>, reader: Value<'js>) -> Result<Outgoing, Failure> {
    let Some(engine) = State::of(ctx).engine().upgrade() else {
        return Err(Failure::plain(500, "the engine is gone"));
    };
    let reader = StreamReader::new(engine, reader).map_err(|_| Failure::thrown(Thrown::take(ctx)))?;
    Ok(Outgoing::Stream(reader))
}

/// Lends the reply that makes a WebSocket of what was requested, or says why that cannot be.
fn switch<'js>(
    ctx: &Ctx<'js>,
    response: &Response,
    requested: &Requested,
    extras: Option<&Extras>,
    sink: &mut dyn FnMut(Reply<'_>),
) -> Result<(), Failure> {
    let Some(socket) = response.web_socket(ctx) else {
        return Err(Failure::plain(
            500,
            "the handler returned a Response with the status 101 and no webSocket",
        ));
    };
    let scheme = if requested.scheme == "https" { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{}", requested.head.authority(), requested.head.path_and_query());
    let answer = websocket::answer(ctx, response, &socket, &*requested.head, &url);
    let answer = answer.map_err(|error| Failure::thrown(Thrown::of(ctx, &error)))?;
    let (status, fields, upgrade) = match answer {
        Ok((upgrade, fields)) => (101, fields, Some(upgrade)),
        Err(refusal) => {
            let (status, fields) = websocket::refusal(refusal);
            (status, fields, None)
        }
    };
    sink(Reply {
        status,
        reason: None,
        headers: Fields::List(&fields),
        body: None,
        streamed: false,
        length: None,
        extras,
        upgrade: upgrade.as_ref(),
    });
    Ok(())
}

fn kind(value: &Value<'_>) -> &'static str {
    match value.type_of() {
        rquickjs::Type::Undefined => "undefined",
        rquickjs::Type::Null => "null",
        rquickjs::Type::Bool => "a boolean",
        rquickjs::Type::Int | rquickjs::Type::Float => "a number",
        rquickjs::Type::String => "a string",
        rquickjs::Type::Symbol => "a symbol",
        rquickjs::Type::BigInt => "a bigint",
        rquickjs::Type::Array => "an array",
        rquickjs::Type::Function | rquickjs::Type::Constructor => "a function",
        _ => "an object",
    }
}
