//! The third argument of a handler: `ctx`.
//!
//! Owns: `waitUntil`, `earlyHints`, `trailers` and what the app may know of the connection. Must not know: the
//! protocol.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rquickjs::{Ctx, Object, Result, Value};

use super::peer_certificate;
use super::websocket;
use crate::address::{Address, UnixName};
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::observe::{self, Observer};
use crate::js::promise;
use crate::js::thrown::Thrown;
use crate::js::{function, value};
use crate::modules::web::fetch::extras::Extras;
use crate::modules::web::fetch::incoming::Takes;
use crate::net::Ends;
use crate::tls::TlsInfo;

/// The class.
pub struct ExecutionContext {
    ends: Rc<Ends>,
    worker: usize,
    takes: Takes,
    /// The version of HTTP, of a request's.
    http: Option<&'static str>,
    /// The request's.
    id: Option<Rc<str>>,
    own: OnceCell<Rc<Own>>,
    extras: OnceCell<Rc<Extras>>,
}

/// Promises given to one context's `waitUntil` that have not settled.
#[derive(Default)]
pub struct Own {
    count: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Own {
    /// Ready while there are none; for one task.
    pub fn poll_none(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.count.get() == 0 {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Promises given to `waitUntil` that have not settled: a drain waits for them.
#[derive(Default)]
pub struct Background(Cell<usize>);

impl Background {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.get()
    }
}

struct Waiting(Rc<Background>, Rc<Own>);

impl Observer for Waiting {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        if let Err(reason) = result {
            (State::of(ctx).report)(&Thrown::from_value(&reason), "in ctx.waitUntil");
        }
    }

    fn abandoned(&self) {}
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
        self.1.count.set(self.1.count.get() - 1);
        let waker = self.1.waker.borrow_mut().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl ExecutionContext {
    /// The context of one connection.
    pub fn new(ends: Rc<Ends>, worker: usize) -> Self {
        ExecutionContext::of_request(ends, worker, Takes::default(), None, None)
    }

    /// The context of one request, whose client takes what `takes` says, and which has the identifier `id`.
    pub fn of_request(
        ends: Rc<Ends>,
        worker: usize,
        takes: Takes,
        http: Option<&'static str>,
        id: Option<Rc<str>>,
    ) -> Self {
        ExecutionContext { ends, worker, takes, http, id, own: OnceCell::new(), extras: OnceCell::new() }
    }

    /// What the answer has beside head and body, where the app has given something.
    pub fn given_extras(&self) -> Option<&Rc<Extras>> {
        self.extras.get()
    }

    /// The same, for what the app may still give.
    pub fn extras(&self) -> &Rc<Extras> {
        self.extras.get_or_init(Rc::default)
    }

    /// What was given to its `waitUntil`.
    pub fn own(&self) -> &Rc<Own> {
        self.own.get_or_init(Rc::default)
    }

    fn wait_until<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        wait_until(s, self.own())
    }

    fn upgrade<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "upgrade")?;
        websocket::upgrade(s.ctx, &s.arg(0), &s.arg(1), &self.ends)
    }

    fn early_hints<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "earlyHints")?;
        self.extras().add_hints(s.ctx, &s.arg(0))?;
        Ok(Value::new_bool(s.ctx.clone(), self.takes.informational))
    }

    fn trailers<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "trailers")?;
        self.extras().add_trailers(s.ctx, &s.arg(0))?;
        Ok(Value::new_bool(s.ctx.clone(), self.takes.trailers))
    }

    fn get_http<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        match self.http {
            Some(version) => value::string(s.ctx, version),
            None => Ok(Value::new_null(s.ctx.clone())),
        }
    }

    fn get_request_id<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        match &self.id {
            Some(id) => value::string(s.ctx, id),
            None => Ok(Value::new_null(s.ctx.clone())),
        }
    }

    fn get_peer<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address(s.ctx, &self.ends.peer)
    }

    fn get_local<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address(s.ctx, &self.ends.local)
    }

    fn get_tls<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        tls(s.ctx, self.ends.tls.as_ref())
    }

    fn get_worker<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.worker as f64))
    }
}

/// `waitUntil(promise)`, of a context that has `own`.
///
/// # Errors
/// No argument is given, or out of memory.
pub(super) fn wait_until<'js>(s: &Scope<'_, 'js>, own: &Rc<Own>) -> Result<Value<'js>> {
    s.require(1, "waitUntil")?;
    if s.arg(0).is_object() {
        let promise = promise::resolved(s.ctx, s.arg(0))?;
        let background = State::of(s.ctx).extension::<Background>();
        background.0.set(background.0.get() + 1);
        own.count.set(own.count.get() + 1);
        observe::observe(s.ctx, &promise, Box::new(Waiting(background, own.clone())))?;
    }
    Ok(s.undefined())
}

/// Makes the class known to a context.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<ExecutionContext>(ctx)
}

/// The `ctx` of one connection, and what is given to its `waitUntil`.
///
/// # Errors
/// Out of memory.
pub fn of<'js>(ctx: &Ctx<'js>, ends: Rc<Ends>, worker: usize) -> Result<(Value<'js>, Rc<Own>)> {
    let context = ExecutionContext::new(ends, worker);
    let own = context.own().clone();
    Ok((class::instance(ctx, context)?, own))
}

/// An address object, as `os` has them: `{family, addr, port}`; of a Unix socket `{family, path}`, with `pid`,
/// `uid` and `gid` of who connected it.
///
/// # Errors
/// Out of memory.
pub fn address<'js>(ctx: &Ctx<'js>, from: &Address) -> Result<Value<'js>> {
    let object = Object::new(ctx.clone())?;
    // Defined, not assigned: a setter on Object.prototype sees nothing.
    let put = |name, value| function::define(ctx, &object, name, value, true);
    let number = |number: f64| Value::new_number(ctx.clone(), number);
    match from {
        Address::Ip(from) => {
            let family = if from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
            put(c"family", number(family.into()))?;
            put(c"addr", value::string(ctx, &from.ip().to_string())?)?;
            put(c"port", number(from.port().into()))?;
        }
        Address::Unix(unix) => {
            let path = match &unix.name {
                UnixName::Path(path) => path.to_string_lossy().into_owned(),
                name => String::from_utf8_lossy(&name.sun_path()).into_owned(),
            };
            put(c"family", number(libc::AF_UNIX.into()))?;
            put(c"path", value::string(ctx, &path)?)?;
            if let Some(peer) = unix.credentials {
                put(c"pid", number(peer.pid.into()))?;
                put(c"uid", number(peer.uid.into()))?;
                put(c"gid", number(peer.gid.into()))?;
            }
        }
    }
    Ok(object.into_value())
}

/// What TLS agreed on, `ctx.tls`; null on a plain connection.
///
/// # Errors
/// Out of memory.
pub(super) fn tls<'js>(ctx: &Ctx<'js>, info: Option<&TlsInfo>) -> Result<Value<'js>> {
    let Some(info) = info else { return Ok(Value::new_null(ctx.clone())) };
    let object = Object::new(ctx.clone())?;
    let text = |text: Option<&str>| match text {
        Some(text) => value::string(ctx, text),
        None => Ok(Value::new_null(ctx.clone())),
    };
    let certificate = match &info.peer_certificate {
        Some(der) => peer_certificate::object(ctx, der)?,
        None => Value::new_null(ctx.clone()),
    };
    let fields = [
        (c"protocol", text(Some(info.protocol))?),
        (c"cipher", text(Some(&info.cipher))?),
        (c"sni", text(info.sni.as_deref())?),
        (c"alpn", text(info.alpn.as_deref())?),
        (c"resumed", Value::new_bool(ctx.clone(), info.is_resumed)),
        (c"peerCertificate", certificate),
    ];
    for (name, field) in fields {
        function::define(ctx, &object, name, field, true)?;
    }
    Ok(object.into_value())
}

impl class_id::Of for class_id::ExecutionContext {
    type Class = ExecutionContext;
}

impl Class for ExecutionContext {
    type Id = class_id::ExecutionContext;
    const NAME: &'static CStr = c"ExecutionContext";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"waitUntil", 1, ExecutionContext::wait_until),
        Member::Method(c"earlyHints", 1, ExecutionContext::early_hints),
        Member::Method(c"trailers", 1, ExecutionContext::trailers),
        Member::Get(c"http", ExecutionContext::get_http),
        Member::Get(c"requestId", ExecutionContext::get_request_id),
        Member::Method(c"upgrade", 1, ExecutionContext::upgrade),
        Member::Get(c"peer", ExecutionContext::get_peer),
        Member::Get(c"local", ExecutionContext::get_local),
        Member::Get(c"tls", ExecutionContext::get_tls),
        Member::Get(c"worker", ExecutionContext::get_worker),
    ];
}
