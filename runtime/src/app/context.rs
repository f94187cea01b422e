//! The third argument of a handler: `ctx`.
//!
//! Owns: `waitUntil` and what the app may know of the connection. Must not know: the protocol.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CStr;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::observe::{self, Observer};
use crate::js::promise;
use crate::js::thrown::Thrown;
use crate::js::{function, value};

/// The class.
pub struct ExecutionContext {
    peer: SocketAddr,
    local: SocketAddr,
    worker: usize,
    own: OnceCell<Rc<Own>>,
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
    /// The context of one request or connection.
    pub fn new(peer: SocketAddr, local: SocketAddr, worker: usize) -> Self {
        ExecutionContext { peer, local, worker, own: OnceCell::new() }
    }

    /// What was given to its `waitUntil`.
    pub fn own(&self) -> &Rc<Own> {
        self.own.get_or_init(Rc::default)
    }

    fn wait_until<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "waitUntil")?;
        if s.arg(0).is_object() {
            let promise = promise::resolved(s.ctx, s.arg(0))?;
            let background = State::of(s.ctx).extension::<Background>();
            background.0.set(background.0.get() + 1);
            let own = self.own().clone();
            own.count.set(own.count.get() + 1);
            observe::observe(s.ctx, &promise, Box::new(Waiting(background, own)))?;
        }
        Ok(s.undefined())
    }

    fn get_peer<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address(s.ctx, self.peer)
    }

    fn get_local<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address(s.ctx, self.local)
    }

    fn get_worker<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.worker as f64))
    }
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
pub fn of<'js>(
    ctx: &Ctx<'js>,
    (peer, local): (SocketAddr, SocketAddr),
    worker: usize,
) -> Result<(Value<'js>, Rc<Own>)> {
    let context = ExecutionContext::new(peer, local, worker);
    let own = context.own().clone();
    Ok((class::instance(ctx, context)?, own))
}

/// An address object, as `os` has them: `{family, addr, port}`.
///
/// # Errors
/// Out of memory.
pub fn address<'js>(ctx: &Ctx<'js>, from: SocketAddr) -> Result<Value<'js>> {
    let object = Object::new(ctx.clone())?;
    let family = if from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // Defined, not assigned: a setter on Object.prototype sees nothing.
    let fields = [
        (c"family", Value::new_int(ctx.clone(), family)),
        (c"addr", value::string(ctx, &from.ip().to_string())?),
        (c"port", Value::new_int(ctx.clone(), from.port().into())),
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
        Member::Get(c"peer", ExecutionContext::get_peer),
        Member::Get(c"local", ExecutionContext::get_local),
        Member::Get(c"worker", ExecutionContext::get_worker),
    ];
}
