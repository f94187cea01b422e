//! The calls of an app's `datagram(message, from, socket, env, ctx)`, for one socket.
//!
//! Owns: the call, the reply that a handler returns, which handlers have not come to their end, and how many may be
//! so at a time. Must not know: how datagrams are received, what is logged.

mod objects;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rquickjs::{Ctx, Result, Value};
use slab::Slab;

use super::Instance;
use super::methods::Method;
use crate::io::{self, DatagramSocket, Deadline, Route};
use crate::js::engine::State;
use crate::js::observe::{self, Observer};
use crate::js::thrown::Thrown;
use crate::js::{class, promise, value};

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// The handler has come to its end, with a reply or without, or has failed.
    Done,
    /// Its promise is waited for.
    Pending,
    /// It was not called: too many are waited for.
    Dropped,
}

/// Bounds of the calls of one worker.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Promises of handlers that are waited for at a time.
    pub pending_max: usize,
    /// How long each of them is waited for, in milliseconds.
    pub wait_ms_max: u64,
}

/// Hears of a handler that failed, with whose datagram it had.
type Failed = Box<dyn Fn(SocketAddr, &Thrown)>;

/// The calls for the datagrams of one socket.
pub struct DatagramCalls {
    socket: Rc<DatagramSocket>,
    worker: usize,
    bounds: Bounds,
    failed: Failed,
    /// Handlers that are waited for: a number of each, so that a place which was taken again is told from what it
    /// was, and since when.
    pending: RefCell<Slab<(u64, Instant)>>,
    number: Cell<u64>,
    /// The next look for handlers that are waited for too long.
    look: Deadline,
    looks: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Looks within the time that a handler may take: how late its end is noticed.
const LOOKS: u64 = 8;

impl DatagramCalls {
    /// For the datagrams of `socket`, in the worker of that number. `failed` hears of each handler that fails.
    pub fn new(
        socket: Rc<DatagramSocket>,
        worker: usize,
        bounds: Bounds,
        failed: impl Fn(SocketAddr, &Thrown) + 'static,
    ) -> Rc<Self> {
        Rc::new(DatagramCalls {
            socket,
            worker,
            bounds,
            failed: Box::new(failed),
            pending: RefCell::default(),
            number: Cell::new(0),
            look: Deadline::new(),
            looks: Cell::new(false),
            waker: RefCell::new(None),
        })
    }

    /// Calls the app with a datagram, in a turn of its own.
    pub fn call(self: &Rc<Self>, app: &Instance, bytes: &[u8], route: &Route) -> Called {
        if self.pending.borrow().len() >= self.bounds.pending_max {
            return Called::Dropped;
        }
        let Some(callee) = app.callee(Method::Datagram) else { return Called::Dropped };
        app.engine().turn(|ctx| {
            let call = || {
                let (socket, context) = objects::of(ctx, &self.socket, self.worker)?;
                let message = value::uint8_array(ctx, bytes)?;
                let from = class::instance(ctx, objects::Sender(*route))?;
                let result = callee.call(ctx, &[message, from, socket, callee.env(ctx), context])?;
                self.answer(ctx, result, route)
            };
            call().unwrap_or_else(|error| {
                self.report(ctx, &Thrown::of(ctx, &error), route);
                Called::Done
            })
        })
    }

    /// Does what the value says that a handler returned.
    fn answer<'js>(self: &Rc<Self>, ctx: &Ctx<'js>, result: Value<'js>, route: &Route) -> Result<Called> {
        if self.reply(ctx, &result, route)? || !result.is_object() {
            return Ok(Called::Done);
        }
        match promise::state(&result) {
            // An async function that awaited nothing.
            Some(promise::State::Fulfilled(result)) => self.reply(ctx, &result, route).map(|_| Called::Done),
            _ => {
                let promise = promise::resolved(ctx, result)?;
                let number = self.number.get() + 1;
                self.number.set(number);
                let key = self.pending.borrow_mut().insert((number, io::now()));
                let waited = Waited { calls: self.clone(), key, number, route: *route };
                observe::observe(ctx, &promise, Box::new(waited)).map(|()| Called::Pending)
            }
        }
    }

    /// Sends `result` to who sent the datagram, if it is bytes or a string; whether it was.
    fn reply<'js>(&self, ctx: &Ctx<'js>, result: &Value<'js>, route: &Route) -> Result<bool> {
        let is_data = result.is_string() || objects::is_buffer(result)?;
        if is_data {
            objects::send(ctx, &self.socket, result, route)?;
        }
        Ok(is_data)
    }

    fn report(&self, ctx: &Ctx<'_>, thrown: &Thrown, route: &Route) {
        State::of(ctx).note(thrown);
        (self.failed)(route.peer, thrown);
    }

    /// One is waited for no more; whether it was until now.
    fn end(&self, key: usize, number: u64) -> bool {
        let mut pending = self.pending.borrow_mut();
        let is_it = pending.get(key).is_some_and(|(known, _)| *known == number);
        if is_it {
            pending.remove(key);
            io::memory::shrink(&mut pending);
        }
        if pending.is_empty() {
            let waker = self.waker.borrow_mut().take();
            waker.into_iter().for_each(Waker::wake);
        }
        is_it
    }

    /// Gives up on handlers that are waited for too long, and returns how many those are. The task is woken for
    /// the next look.
    pub fn give_up(&self, cx: &mut Context<'_>) -> usize {
        let ms = self.bounds.wait_ms_max;
        if self.pending.borrow().is_empty() && !self.looks.get() {
            return 0;
        }
        if !self.looks.replace(true) {
            self.look.set(ms.div_ceil(LOOKS));
        }
        let mut given_up = 0;
        while self.look.poll_expired(cx).is_ready() {
            let (now, limit) = (io::now(), Duration::from_millis(ms));
            let mut pending = self.pending.borrow_mut();
            let before = pending.len();
            pending.retain(|_, (_, since)| now.saturating_duration_since(*since) < limit);
            given_up += before - pending.len();
            if pending.is_empty() {
                self.looks.set(false);
                break;
            }
            self.look.set(ms.div_ceil(LOOKS));
        }
        given_up
    }

    /// Ready while no handler is waited for.
    pub fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        if self.pending.borrow().is_empty() {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether no handler is waited for.
    pub fn is_idle(&self) -> bool {
        self.pending.borrow().is_empty()
    }
}

/// A handler's promise.
struct Waited {
    calls: Rc<DatagramCalls>,
    key: usize,
    number: u64,
    route: Route,
}

impl Observer for Waited {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: std::result::Result<Value<'js>, Value<'js>>) {
        let waits = self.calls.end(self.key, self.number);
        let failure = match result {
            // Nobody waits for a reply any more that comes so late.
            Ok(_) if !waits => return,
            Ok(result) => match self.calls.reply(ctx, &result, &self.route) {
                Ok(_) => return,
                Err(error) => Thrown::of(ctx, &error),
            },
            Err(reason) => Thrown::from_value(&reason),
        };
        self.calls.report(ctx, &failure, &self.route);
    }

    fn abandoned(&self) {
        self.calls.end(self.key, self.number);
    }
}
