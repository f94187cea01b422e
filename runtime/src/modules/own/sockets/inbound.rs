//! An accepted connection as a socket of JavaScript.
//!
//! Owns: the socket from its first byte to the close that follows its handler's end, and how long the
//! client may be waited for. Must not know: who accepted the connection, what handles it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::Poll;

use rquickjs::{Ctx, Value};

use super::address::Security;
use super::{Handle, failure};
use crate::io::sleep_until;
use crate::js::Held;
use crate::js::class;
use crate::js::engine::Engine;
use crate::js::pump::Excused;
use crate::js::{held, internal, value};
use crate::net::link::{Info, Link};
use crate::net::{Channel, Ends, Transport};

/// How long a client may be waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Milliseconds in which a byte must move, either way, while a read or a write waits.
    pub idle_ms: u64,
    /// Milliseconds in which it must take some of what is sent.
    pub write_stall_ms: u64,
}

/// An accepted connection while its handler runs; the socket goes before the engine that it lives in.
pub struct Inbound {
    socket: RefCell<Option<Held>>,
    link: Rc<Link>,
    security: Security,
    patience: Patience,
    engine: Rc<Engine>,
}

impl Inbound {
    /// Takes over an accepted connection.
    ///
    /// # Errors
    /// It was reset before it was served.
    pub fn open(
        engine: &Rc<Engine>,
        transport: Transport,
        ends: &Ends,
        patience: Patience,
    ) -> io::Result<Inbound> {
        let alpn = ends.tls.as_ref().and_then(|tls| tls.alpn.clone());
        let info = Info { peer: Some(ends.peer.clone()), local: Some(ends.local.clone()), alpn };
        let security = if ends.tls.is_some() { Security::On } else { Security::Off };
        let channel = match transport {
            Transport::Plain(stream) => Channel::Plain(stream.into_socket()?),
            Transport::Tls(stream) => Channel::Tls(stream),
        };
        engine.state().extension::<Excused>().set(failure::is_of_client);
        let link = Link::new();
        link.set_accepted();
        link.set_open(channel, info)?;
        Ok(Inbound { socket: RefCell::default(), link, security, patience, engine: engine.clone() })
    }

    /// The `Socket` that JavaScript sees; once.
    ///
    /// # Errors
    /// Out of memory.
    pub fn socket<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        let accept = Held::new(internal::exports(ctx, super::SOCKET)?.get("accept")?);
        let handle = class::instance(ctx, Handle::new(ctx, self.link.clone(), None, None))?;
        let kind = value::string(ctx, self.security.name())?;
        let socket = held::call(ctx, &accept, None, &[handle, kind])?;
        *self.socket.borrow_mut() = Some(Held::new(socket.clone()));
        Ok(socket)
    }

    /// Waits until the connection is closed.
    pub async fn gone(&self) {
        self.attended(self.link.gone()).await;
    }

    /// Whether `words` are how the connection broke.
    pub fn has_failed_with(&self, words: &str) -> bool {
        self.link.has_failed_with(words)
    }

    /// `future`, while the client is not waited for longer than it may be.
    pub async fn attended<F: Future>(&self, future: F) -> F::Output {
        let patience = self.patience;
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

    /// Has `socket.js` close the socket: gently, so that what was written goes out first, or with a reset.
    /// What it cannot do is done without it.
    pub fn end(&self, gently: bool) {
        let how = if gently { "end" } else { "cut" };
        let ended = self.engine.turn(|ctx| {
            let end = || {
                let socket = self.socket.borrow();
                let socket = socket.as_ref().map_or(Value::new_undefined(ctx.clone()), |held| held.get(ctx));
                internal::call(ctx, super::SOCKET, how, &[socket]).map(drop)
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

impl Drop for Inbound {
    fn drop(&mut self) {
        self.link.abort();
    }
}

/// When a lost connection is looked at again.
const LATER: std::time::Duration = std::time::Duration::from_secs(3_600);
