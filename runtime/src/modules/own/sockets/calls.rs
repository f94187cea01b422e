//! The functions that `socket.js` calls.
//!
//! Owns: their promises. What ends inside of its call needs no task; but only so many do in a row. Must
//! not know: when they are called.

use std::ffi::CStr;
use std::future::Future;
use std::rc::Rc;

use rquickjs::{Ctx, Object, Result, Value};

use super::address::{self, Address, Options, Security};
use super::failure::{ConnectionError, Throw};
use super::fast::SocketDuplex;
use super::open::{self, Plan, Terms};
use super::pipe;
use super::{Handle, Trust};
use crate::io::spawn;
use crate::js::class::{self, Scope, Static};
use crate::js::engine::State;
use crate::js::function::{self, Functions};
use crate::js::held::Held;
use crate::js::natives::Natives;
use crate::js::{buffer_source, deferred, exception, permit, promise, value};
use crate::modules::web::streams::bridge;
use crate::modules::web::streams::fast::FastPath;
use crate::net::RECV_BYTES;
use crate::net::link::Link;

/// `jsserve:internal/sockets/natives`; argument 0 is the handle.
pub struct SocketFunctions;

impl Natives for SocketFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register::<Handle>(ctx)
    }
}

impl Functions for SocketFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"dial", 2, dial),
        (c"open", 1, open_link),
        (c"upgrade", 2, upgrade),
        (c"hear", 3, hear),
        (c"fast", 3, fast),
        (c"read", 2, read),
        (c"write", 2, write),
        (c"finish", 1, finish),
        (c"feed", 1, feed),
        (c"drain", 1, drain),
        (c"watch", 1, watch),
        (c"unattended", 1, unattended),
        (c"hasUnread", 1, |scope| {
            let handle = scope.arg(0);
            let unread = class::get::<Handle>(&handle).is_some_and(|handle| handle.link.has_unread());
            Ok(Value::new_bool(scope.ctx.clone(), unread))
        }),
        (c"stopReading", 1, |scope| with(scope, |handle| handle.link.stop_reading())),
        (c"hurry", 1, |scope| with(scope, |handle| handle.link.hurry())),
        (c"hold", 1, |scope| {
            with(scope, |handle| handle.link.keep(Box::new(State::of(scope.ctx).alive().hold())))
        }),
        (c"letGo", 1, |scope| with(scope, |handle| handle.link.let_go())),
        (c"release", 1, |scope| {
            with(scope, |handle| handle.link.release(Box::new(State::of(scope.ctx).alive().hold())))
        }),
        (c"reset", 1, |scope| with(scope, |handle| handle.link.abort())),
        (c"define", 3, |scope| {
            if let Some(object) = scope.arg(0).as_object() {
                let name = value::to_string(&scope.arg(1))?;
                let property = rquickjs::object::Property::from(scope.arg(2));
                object.prop(name, property.writable().configurable().enumerable())?;
            }
            Ok(scope.undefined())
        }),
    ];
}

fn with<'js>(scope: &Scope<'_, 'js>, f: impl FnOnce(&Handle)) -> Result<Value<'js>> {
    if let Some(handle) = class::get::<Handle>(&scope.arg(0)) {
        f(handle);
    }
    Ok(scope.undefined())
}

/// The link of argument 0.
fn link_of(scope: &Scope<'_, '_>) -> Option<Rc<Link>> {
    class::get::<Handle>(&scope.arg(0)).map(|handle| handle.link.clone())
}

/// `dial(address, options)`: a link to be opened, and what the socket says of itself.
fn dial<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let address = Address::read(ctx, &scope.arg(0))?;
    permit::ask(ctx, |all| all.net(&address.host, Some(address.port)))?;
    let Options { transport, half_open, high_water_mark, sni, alpn } = Options::read(ctx, &scope.arg(1))?;
    let roots = State::of(ctx).extension::<Trust>().roots();
    let terms = Terms { name: sni.unwrap_or_else(|| address.host.clone()), alpn, roots };
    let (now, later) = match transport {
        Security::Off => (None, None),
        Security::On => (Some(terms), None),
        Security::StartTls => (None, Some(terms)),
    };
    let handle = Handle::new(ctx, Link::new(), Some(Plan::Dial(address, now)), later);
    let answer = Object::new(ctx.clone())?;
    answer.set_prototype(None)?;
    answer.set("link", class::instance(ctx, handle)?)?;
    answer.set("kind", transport.name())?;
    answer.set("halfOpen", half_open)?;
    if let Some(bytes) = high_water_mark {
        answer.set("highWaterMark", bytes)?;
    }
    Ok(answer.into_value())
}

/// `upgrade(link, options)`: a link that takes the connection of another for TLS when it is opened.
fn upgrade<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (ctx, object) = (scope.ctx, scope.arg(0));
    let Some(old) = class::get::<Handle>(&object) else { return Ok(scope.undefined()) };
    let named = match scope.arg(1).as_object() {
        Some(options) => address::server_name(ctx, options, "expectedServerHostname")?,
        None => None,
    };
    let terms = old.later.borrow().clone();
    let Some(mut terms) = terms else { return Ok(scope.undefined()) };
    if let Some(name) = named {
        terms.name = name;
    }
    old.link.claim();
    let plan = Plan::Upgrade(old.link.clone(), terms);
    class::instance(ctx, Handle::new(ctx, Link::new(), Some(plan), None))
}

/// A promise that `operation` settles from a task.
fn promised<'js, T: 'static>(
    ctx: &Ctx<'js>,
    operation: impl Future<Output = std::result::Result<T, ConnectionError>> + 'static,
    convert: impl for<'a> FnOnce(&Ctx<'a>, T) -> Result<Value<'a>> + 'static,
) -> Result<Value<'js>> {
    let (promise, deferred) = deferred::deferred(ctx)?;
    drop(spawn(async move {
        let result = operation.await;
        deferred.settle(|ctx| match result {
            Ok(output) => convert(ctx, output),
            Err(failure) => Err(failure.throw(ctx)),
        });
    }));
    Ok(promise)
}

fn undefined<'js>(ctx: &Ctx<'js>, (): ()) -> Result<Value<'js>> {
    Ok(Value::new_undefined(ctx.clone()))
}

/// `open(link)`: a promise of its SocketInfo.
fn open_link<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    let Some(handle) = class::get::<Handle>(&object) else { return Ok(scope.undefined()) };
    let link = handle.link.clone();
    let Some(plan) = handle.plan.take() else {
        return promise::settled(scope.ctx, Ok(info(scope.ctx, &link)?));
    };
    let opened = link.clone();
    promised(scope.ctx, async move { open::open(&link, plan).await }, move |ctx, ()| info(ctx, &opened))
}

fn info<'js>(ctx: &Ctx<'js>, link: &Link) -> Result<Value<'js>> {
    let object = Object::new(ctx.clone())?;
    let known = link.info.get();
    let text = |text: Option<String>| match text {
        Some(text) => value::string(ctx, &text),
        None => Ok(Value::new_null(ctx.clone())),
    };
    let (peer, local) = known.map_or((None, None), |info| (info.peer.as_ref(), info.local.as_ref()));
    let fields = [
        (c"remoteAddress", text(peer.map(|addr| addr.to_string()))?),
        (c"localAddress", text(local.map(|addr| addr.to_string()))?),
        (c"alpn", text(known.and_then(|info| info.alpn.clone()))?),
    ];
    for (name, field) in fields {
        function::define(ctx, &object, name, field, true)?;
    }
    Ok(object.into_value())
}

/// `hear(link, arrived, failed)`: who is told of a read that waited: of its bytes, null at the end, or of why
/// there are none.
fn hear<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    with(scope, |handle| handle.reads.set_heard(scope.arg(1), scope.arg(2)))
}

/// `fast(link, written, highWaterMark)`: the short way of its streams.
fn fast<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    if let Some(handle) = class::get::<Handle>(&object) {
        let full = scope.arg(2).as_number().unwrap_or(0.0);
        handle.fast.set_up(scope.arg(1), full as usize);
    }
    FastPath::object(scope.ctx, SocketDuplex(Held::new(object)))
}

/// `read(link, wanted)`: the next bytes, null at the end; undefined where they are told of later.
fn read<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let object = scope.arg(0);
    let Some(handle) = class::get::<Handle>(&object) else { return Ok(scope.undefined()) };
    let room = match scope.int(1).map(usize::try_from) {
        Some(Ok(wanted)) if wanted >= 1 => wanted.min(RECV_BYTES),
        _ => RECV_BYTES,
    };
    let next = handle.reads.read(scope.ctx, &object, &handle.link, room, handle.may_try())?;
    if next.is_undefined() {
        handle.quick.set(0);
    }
    Ok(next)
}

/// `write(link, chunk)`: undefined when all is sent, else a promise.
fn write<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (ctx, object, data) = (scope.ctx, scope.arg(0), scope.arg(1));
    let Some(handle) = class::get::<Handle>(&object) else { return Ok(scope.undefined()) };
    let rest = if let Some(tried) = handle.fast.take_tried() {
        tried
    } else if data.is_string() {
        value::with_str(&data, |text| handle.send(text.as_bytes()))?
    } else if let Some(bytes) = buffer_source::bytes(&data)? {
        bytes.with(|bytes| handle.send(bytes))
    } else {
        let words = "a chunk for a socket is neither a string, an ArrayBuffer nor a view of one";
        return Err(exception::type_error(ctx, words));
    };
    match rest {
        Ok(rest) if rest.is_empty() => Ok(scope.undefined()),
        Ok(rest) => {
            handle.quick.set(0);
            let link = handle.link.clone();
            promised(ctx, async move { link.write(rest).await }, undefined)
        }
        Err(failure) => {
            let error = failure.throw(ctx);
            promise::reject_on_error(ctx, Err(error))
        }
    }
}

/// `finish(link)`: a promise of the FIN, after all that was written.
fn finish<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(link) = link_of(scope) else { return Ok(scope.undefined()) };
    promised(scope.ctx, async move { link.finish().await }, undefined)
}

/// `feed(link)`: what it receives, for a pipe that takes it from here on.
fn feed<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(link) = link_of(scope) else { return Ok(scope.undefined()) };
    bridge::feed(scope.ctx, Rc::new(pipe::Feed::new(link)))
}

/// `drain(link)`: what it sends, for a pipe that gives it from here on.
fn drain<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(link) = link_of(scope) else { return Ok(scope.undefined()) };
    bridge::drain(scope.ctx, Rc::new(pipe::Drain::new(link)))
}

/// `watch(link)`: a promise of whether anything is unread at the peer's FIN, and the next time of nothing
/// but the connection's breaking; of undefined once it is closed here. Scripts do not wait for it.
fn watch<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(link) = link_of(scope) else { return Ok(scope.undefined()) };
    let (promise, deferred) = deferred::deferred(scope.ctx)?;
    let deferred = deferred.unheld();
    drop(spawn(async move {
        let ended = link.ended().await;
        deferred.settle(|ctx| match ended {
            None => undefined(ctx, ()),
            Some(Ok(unread)) => Ok(Value::new_bool(ctx.clone(), unread)),
            Some(Err(failure)) => Err(failure.throw(ctx)),
        });
    }));
    Ok(promise)
}

/// `unattended(link)`: a promise that nobody reads what is left. Scripts do not wait for it.
fn unattended<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(link) = link_of(scope) else { return Ok(scope.undefined()) };
    let (promise, deferred) = deferred::deferred(scope.ctx)?;
    let deferred = deferred.unheld();
    drop(spawn(async move {
        link.unattended().await;
        deferred.settle(|ctx| undefined(ctx, ()));
    }));
    Ok(promise)
}
