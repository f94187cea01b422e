//! The call of an app's `connect(socket, env, ctx)`.
//!
//! Owns: the socket of an accepted connection, from the handler's call to the close that follows its
//! end, and how long the client may be waited for. Must not know: who accepted the connection.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use rquickjs::Value;

use super::Handle;
use super::link::{Info, Link};
use super::transport::Transport;
use crate::io::{Stream, UNKNOWN_ADDRESS, sleep_until};
use crate::js::Held;
use crate::js::class;
use crate::js::engine::{Engine, State};
use crate::js::exception::Thrown;
use crate::js::promise::{self, Outcome};
use crate::modules::fetch::context::{ExecutionContext, Own};

/// The app's `connect`, its receiver and its `env`.
pub struct ConnectHandler {
    function: Held,
    this: Held,
    env: Held,
}

impl ConnectHandler {
    /// Calls as `this.function(socket, env, ctx)`.
    pub fn new(function: Held, this: Held, env: Held) -> Self {
        ConnectHandler { function, this, env }
    }
}

/// How long a client may be waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Milliseconds in which a byte must move, either way, while a read or a write waits.
    pub idle_ms: u64,
    /// Milliseconds in which it must take some of what is sent.
    pub write_stall_ms: u64,
}

/// The connection while its handler runs; the socket goes before the engine that it lives in.
struct Running<'a> {
    socket: Option<Held>,
    link: Rc<Link>,
    own: Option<Rc<Own>>,
    engine: &'a Rc<Engine>,
}

/// Calls the handler with an accepted connection, waits for its end and that of all it gave to
/// `ctx.waitUntil`, and closes: what was written goes out first. If the handler failed, the client gets
/// a reset.
///
/// # Errors
/// What it threw, or the reason its promise was rejected with, unless that is how the client's connection
/// broke.
pub async fn serve(
    engine: &Rc<Engine>,
    handler: &ConnectHandler,
    stream: Stream,
    worker: usize,
    patience: Patience,
) -> Result<(), Thrown> {
    let ends = (stream.peer_addr(), stream.local_addr());
    let link = match open(stream, ends) {
        Ok(link) => link,
        // It was reset before it was served.
        Err(_) => return Ok(()),
    };
    let outcome = Rc::new(Outcome::default());
    let mut running = Running { socket: None, link, own: None, engine };
    running.begin(
        handler,
        (ends.0.unwrap_or(UNKNOWN_ADDRESS), ends.1.unwrap_or(UNKNOWN_ADDRESS)),
        worker,
        &outcome,
    );
    let result = running.attended(patience, poll_fn(|cx| outcome.poll(cx))).await;
    if result.is_ok()
        && let Some(own) = &running.own
    {
        running.attended(patience, poll_fn(|cx| own.poll_none(cx))).await;
    }
    running.end(if result.is_ok() { "end" } else { "cut" });
    running.attended(patience, running.link.gone()).await;
    // A client that goes away is no fault of the app's, and must not fill its log.
    result.or_else(|thrown| if running.link.has_failed_with(&thrown.text) { Ok(()) } else { Err(thrown) })
}

fn open(stream: Stream, (peer, local): (Option<SocketAddr>, Option<SocketAddr>)) -> io::Result<Rc<Link>> {
    let link = Link::new();
    link.set_open(Transport::Plain(stream.into_socket()?), Info { peer, local, alpn: None })?;
    Ok(link)
}

impl Running<'_> {
    fn begin(
        &mut self,
        handler: &ConnectHandler,
        (peer, local): (SocketAddr, SocketAddr),
        worker: usize,
        outcome: &Rc<Outcome<Result<(), Thrown>>>,
    ) {
        let (link, slot, own) = (self.link.clone(), &mut self.socket, &mut self.own);
        self.engine.turn(|ctx| {
            let call = || {
                let accept = Held::new(super::kit(ctx)?.get("accept")?);
                let handle = class::instance(ctx, Handle::new(ctx, link, None, None))?;
                let socket = promise::call(ctx, &accept, None, &[handle])?;
                *slot = Some(Held::new(socket.clone()));
                let context = class::instance(ctx, ExecutionContext::new(peer, local, worker))?;
                *own = class::get::<ExecutionContext>(&context).map(|context| context.own().clone());
                let args = [socket, handler.env.get(ctx), context];
                let value = promise::call(ctx, &handler.function, Some(&handler.this), &args)?;
                if value.is_object() {
                    let value = promise::resolved(ctx, value)?;
                    return promise::observe(ctx, &value, Box::new(outcome.clone()));
                }
                outcome.set(Ok(()));
                Ok(())
            };
            if let Err(error) = call() {
                let thrown = Thrown::of(ctx, &error);
                State::of(ctx).note(&thrown);
                outcome.set(Err(thrown));
            }
        });
    }

    /// `future`, while the client is not waited for longer than `patience`.
    async fn attended<F: Future>(&self, patience: Patience, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let mut timer = Box::pin(sleep_until(crate::io::now()));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            while timer.as_mut().poll(cx).is_ready() {
                match self.link.flow.overdue(patience.idle_ms, patience.write_stall_ms) {
                    Ok(next) => timer.set(sleep_until(next)),
                    Err(failure) => {
                        self.link.lose(failure);
                        // Nothing more is overdue; a handler may still be busy for long.
                        timer.set(sleep_until(crate::io::now() + LATER));
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Has `socket.js` close the socket, by `how`; what it cannot do is done without it.
    fn end(&self, how: &str) {
        let ended = self.engine.turn(|ctx| {
            let end = || {
                let socket =
                    self.socket.as_ref().map_or(Value::new_undefined(ctx.clone()), |held| held.get(ctx));
                let end = Held::new(super::kit(ctx)?.get(how)?);
                promise::call(ctx, &end, None, &[socket]).map(drop)
            };
            let ended = end();
            if ended.is_err() {
                drop(ctx.catch());
            }
            ended.is_ok()
        });
        if !ended || self.engine.state().interrupted() {
            self.link.abort();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.link.abort();
    }
}

/// When a lost connection is looked at again.
const LATER: std::time::Duration = std::time::Duration::from_secs(3_600);
