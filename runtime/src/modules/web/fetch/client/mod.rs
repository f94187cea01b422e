//! The global `fetch` (Fetch section 5.6), on the worker's HTTP client.
//!
//! Owns: one call from its arguments to its response, and what an abort does to each part of it. Must
//! not know: connections, HTTP on the wire.

mod download;
mod errors;
mod integrity;
mod request;
mod rooted;
mod schemes;
mod signals;
mod upload;

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::future::{Future, poll_fn};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use http::{HeaderMap, header};
use rquickjs::{Ctx, Result, Value};
use url::Url;

use self::download::Download;
use self::errors::{FAILED, Failure};
use self::rooted::Rooted;
use self::signals::Follow;
use super::body::{Begun, Body, Source};
use super::header_list::HeaderList;
use super::mixin::Bodied;
use super::request::Request;
use super::response::Response;
use crate::client::{self, Client};
use crate::io;
use crate::js::class::{self, Class, Scope, Static};
use crate::js::deferred::{self, Deferred};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::permit;
use crate::js::promise;
use crate::modules::web::abort;
use crate::modules::web::streams::bridge;
use crate::modules::web::streams::source::{Coding, Memory};

struct FetchGlobal;

impl Functions for FetchGlobal {
    const LIST: &'static [(&'static CStr, u8, Static)] =
        &[(c"fetch", 1, |scope| promise::reject_on_error(scope.ctx, begin(scope)))];
}

/// Installs the global.
///
/// # Errors
/// Out of memory.
pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    function::install::<FetchGlobal>(ctx, &ctx.globals())
}

/// One call. The algorithm that its signal runs shares it, so it refers to the rest only weakly.
struct Call {
    /// The promise, until it is settled.
    deferred: RefCell<Option<Deferred>>,
    /// The error that it may be rejected with, made where the call is: its stack names the caller.
    error: Rooted,
    /// The signal, until there is a response.
    follow: RefCell<Option<Follow>>,
    aborted: Rc<Cell<bool>>,
    /// The task that waits for the response.
    task: Cell<Option<Waker>>,
    /// The reader of the app's stream that is the request's body.
    reader: RefCell<Option<Rooted>>,
    download: RefCell<Weak<Download>>,
}

/// What the response is, beside what the server says.
struct Asked {
    is_head: bool,
    integrity: Box<str>,
}

/// Starts a call: its promise.
fn begin<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = s.ctx;
    signals::leave(ctx)?;
    if Client::of_worker().is_full()
        && let Some(engine) = State::of(ctx).engine().upgrade()
    {
        // Responses that nobody reads or has any more may hold connections.
        engine.collect_within();
    }
    let request = Request::construct(s)?;
    let signal = request.signal(ctx);
    if let Some(signal) = &signal
        && let Some(reason) = abort::reason(signal)?
    {
        give_up(ctx, &request, &reason)?;
        return Err(ctx.throw(reason));
    }
    let url = Url::parse(&request.url())
        .map_err(|_| Failure::new(format!("{} is no URL", request.url()), None).throw(ctx, FAILED))?;
    if !matches!(url.scheme(), "http" | "https") {
        return match schemes::local(ctx, &url, &request) {
            Ok(local) => {
                let is_head = request.method() == "HEAD";
                let source = if is_head { Source::Null } else { Source::Native(Memory::source(local.bytes)) };
                let (reason, body) = (local.reason.into(), Body::new(source));
                let response = Response::fetched(local.status, reason, local.headers, body, url, false);
                promise::settled(ctx, Ok(class::instance(ctx, response)?))
            }
            Err(failure) => Err(failure.throw(ctx, FAILED)),
        };
    }
    permit::ask(ctx, |all| client::permit(all, &url))?;
    let (promise, deferred) = deferred::deferred(ctx)?;
    let call = Rc::new(Call {
        deferred: RefCell::new(Some(deferred)),
        error: Rooted::new(errors::blank(ctx, FAILED)),
        follow: RefCell::default(),
        aborted: Rc::default(),
        task: Cell::default(),
        reader: RefCell::default(),
        download: RefCell::default(),
    });
    let asked = Asked { is_head: request.method() == "HEAD", integrity: request.settings().integrity };
    let sent = request::of(ctx, &request, url, &call).and_then(|sent| {
        if let Some(signal) = &signal {
            let aborted = call.clone();
            let follow = Follow::new(signal, move |ctx, reason| aborted.abort(ctx, &reason))?;
            *call.follow.borrow_mut() = Some(follow);
        }
        Ok(sent)
    });
    match sent {
        Ok(sent) => drop(io::spawn(run(call, sent, asked))),
        Err(error) => {
            if let Some(deferred) = call.deferred.take() {
                deferred.settle_within(ctx, Err(error));
            }
        }
    }
    Ok(promise)
}

/// Cancels the body of a request that is not sent at all.
fn give_up<'js>(ctx: &Ctx<'js>, request: &Request, reason: &Value<'js>) -> Result<()> {
    match request.body().begin(ctx)? {
        Begun::Source(source) => source.cancel(),
        Begun::Reader(reader) => bridge::give_up(&reader, reason.clone())?,
        Begun::Own | Begun::Unusable => {}
    }
    Ok(())
}

/// Waits for the response, unless the call is aborted.
async fn run(call: Rc<Call>, request: client::Request, asked: Asked) {
    let integrity = asked.integrity.clone();
    let mut sending = Box::pin(async move {
        let response = Client::of_worker().send(request).await.map_err(|error| Failure::of(&error))?;
        match integrity.is_empty() {
            true => Ok(response.into()),
            false => integrity::checked(response, &integrity).await,
        }
    });
    let sent = poll_fn(|cx| {
        if call.aborted.get() {
            return Poll::Ready(None);
        }
        call.task.set(Some(cx.waker().clone()));
        sending.as_mut().poll(cx).map(Some)
    });
    let Some(sent) = sent.await else { return };
    let Some(deferred) = call.deferred.take() else { return };
    deferred.settle(|ctx| match sent {
        Ok(arrived) => call.deliver(ctx, arrived, &asked),
        Err(failure) => {
            call.follow.take();
            Err(failure.throw_as(ctx, call.error.get(ctx)))
        }
    });
}

/// A response, and its body where that had to be whole before.
struct Arrived {
    response: client::Response,
    whole: Option<Vec<u8>>,
}

impl From<client::Response> for Arrived {
    fn from(response: client::Response) -> Self {
        Arrived { response, whole: None }
    }
}

impl Call {
    /// Aborts it, wherever it is (Fetch, "abort a fetch() call").
    fn abort<'js>(&self, ctx: &Ctx<'js>, reason: &Value<'js>) {
        if self.aborted.replace(true) {
            return;
        }
        if let Some(deferred) = self.deferred.take() {
            deferred.settle_within(ctx, Err(ctx.throw(reason.clone())));
        }
        let reader = self.reader.take().and_then(|reader| reader.get(ctx));
        let given_up = reader.map_or(Ok(()), |reader| bridge::give_up(&reader, reason.clone()));
        let download = self.download.borrow().upgrade();
        let aborted = download.map_or(Ok(()), |download| download.abort(ctx, reason));
        if given_up.and(aborted).is_err() {
            drop(ctx.catch());
        }
        self.follow.take();
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// The Response.
    fn deliver<'js>(&self, ctx: &Ctx<'js>, arrived: Arrived, asked: &Asked) -> Result<Value<'js>> {
        let follow = self.follow.take();
        let client::Response { status, reason, headers, version: _, url, redirected, body } =
            arrived.response;
        let no_body = asked.is_head || matches!(status.as_u16(), 204 | 205 | 304);
        // A body that is decoded is not what Content-Encoding and Content-Length speak of: an answer made of
        // this response goes without them, unless its bytes go on as they came (`passing`).
        let coding = (body.is_decoded() && !no_body).then(|| coding_of(&headers));
        let mut list = HeaderList::default();
        for (name, value) in &headers {
            list.append(name.as_str().as_bytes(), value.as_bytes());
        }
        if coding.is_some() {
            list.set_of_coded();
        }
        let body = match arrived.whole {
            _ if no_body => Body::new(Source::Null),
            Some(bytes) => Body::new(Source::Native(Memory::source(bytes))),
            None => {
                let download = Download::new(body, coding, follow);
                *self.download.borrow_mut() = Rc::downgrade(&download);
                Body::new(Source::Native(download))
            }
        };
        let reason = reason.iter().map(|byte| char::from(*byte)).collect();
        class::instance(ctx, Response::fetched(status.as_u16(), reason, list, body, url, redirected))
    }
}

/// What a body is decoded from that came with `headers`.
fn coding_of(headers: &HeaderMap) -> Coding {
    let names = headers.get_all(header::CONTENT_ENCODING).iter().filter_map(|name| name.to_str().ok());
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    Coding { name: names.collect::<Vec<_>>().join(", ").into(), length }
}
