//! The socket calls that wait: accept, connect, recv, send, recvfrom, sendto.
//!
//! Owns: their promises. What ends inside the call uses the script's buffer itself. What waits keeps
//! no pointer to it: what is left to send was copied, and what is received is asked for anew
//! ([`receives`](super::receives)), or copied to it. Must not know: the backends.

use std::ffi::CStr;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rquickjs::{Ctx, Result, Value};

use super::arguments::{buffer_size, data, integer, is_buffer, length, room, with_data};
use super::pending::{Descriptor, Pending};
use super::results::{check, count, fill};
use super::table::Descriptors;
use super::{address, errno};
use crate::io::{Socket, spawn};
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::{deferred, exception, promise};
use crate::modules::web::iterate;

/// Bytes that one recvfrom on a stream takes at most; larger buffers are filled in several.
const RECV_BYTES_MAX: usize = 64 << 10;

/// The calls.
pub struct TransferCalls;

impl Functions for TransferCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"accept", 1, |scope| promise::reject_on_error(scope.ctx, accept(scope))),
        (c"connect", 2, |scope| promise::reject_on_error(scope.ctx, connect(scope))),
        (c"recv", 2, |scope| promise::reject_on_error(scope.ctx, recv(scope))),
        (c"send", 2, |scope| promise::reject_on_error(scope.ctx, send(scope))),
        (c"recvfrom", 2, |scope| promise::reject_on_error(scope.ctx, recvfrom(scope))),
        (c"sendto", 3, |scope| promise::reject_on_error(scope.ctx, sendto(scope))),
    ];
}

/// A call on a socket of the engine.
struct Call<'a, 'js> {
    ctx: &'a Ctx<'js>,
    name: &'static str,
    sockets: Rc<Descriptors>,
    entry: Rc<Descriptor>,
}

impl<'a, 'js> Call<'a, 'js> {
    /// Argument 0 is the descriptor.
    fn new(scope: &Scope<'a, 'js>, name: &'static str) -> Result<Self> {
        let ctx = scope.ctx;
        let sockets = Descriptors::of(ctx);
        let fd = match scope.int(0) {
            Some(fd) => fd,
            None => integer(ctx, &scope.arg(0), "fd")?,
        };
        let entry = sockets.get(fd).map_err(|error| errno::throw(ctx, name, &error))?;
        Ok(Call { ctx, name, sockets, entry })
    }

    fn admit(&self, bytes: usize) -> Result<Pending> {
        self.sockets.admit(&self.entry, bytes).map_err(|error| errno::throw(self.ctx, self.name, &error))
    }

    /// The promise of `operation`. What is ready ends here and now, within bounds; the rest waits
    /// in a task. `deliver` gets `buffer` back, in JavaScript's time.
    fn start<T: 'static>(
        self,
        pending: Pending,
        buffer: Option<Value<'js>>,
        operation: impl Future<Output = T> + 'static,
        deliver: impl for<'b> FnOnce(&Ctx<'b>, Option<Value<'b>>, T) -> Result<Value<'b>> + 'static,
    ) -> Result<Value<'js>> {
        let mut operation = Box::pin(operation);
        if self.sockets.may_end_at_once(self.ctx)
            && let Poll::Ready(output) = operation.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            let value = deliver(self.ctx, buffer, output)?;
            return promise::settled(self.ctx, Ok(value));
        }
        let (promise, deferred) = deferred::deferred(self.ctx)?;
        let key = buffer.map(|buffer| self.sockets.hold(buffer));
        spawn(async move {
            let output = operation.await;
            drop(pending);
            deferred.settle(move |ctx| {
                let buffer = key.and_then(|key| Descriptors::of(ctx).release(ctx, key));
                deliver(ctx, buffer, output)
            });
        });
        Ok(promise)
    }
}

fn pair<'js>(ctx: &Ctx<'js>, first: Value<'js>, second: Value<'js>) -> Result<Value<'js>> {
    iterate::array(ctx, [Ok(first), Ok(second)].into_iter())
}

/// Whether all is wanted. A boolean in place of the length means that, too.
fn is_fully(scope: &Scope<'_, '_>) -> Result<bool> {
    if let Some(fully) = scope.bool(2) {
        return Ok(fully);
    }
    match scope.is_nullish(3) {
        true => Ok(false),
        false => scope.bool(3).ok_or_else(|| exception::type_error(scope.ctx, "fully must be a boolean")),
    }
}

/// How many of `size` bytes are meant: argument 2, or all.
fn wanted(scope: &Scope<'_, '_>, size: usize) -> Result<usize> {
    match scope.int(2).map(usize::try_from) {
        Some(Ok(given)) if given <= size => Ok(given),
        _ if scope.bool(2).is_some() => Ok(size),
        _ => length(scope.ctx, scope.arg(2), size),
    }
}

/// `accept(fd)`.
fn accept<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let call = Call::new(scope, "accept")?;
    let family = call.entry.family;
    let (pending, operation) = (call.admit(0)?, call.entry.socket.accept());
    call.start(pending, None, operation, move |ctx, _, accepted| {
        let (fd, addr) = check(ctx, "accept", accepted)?;
        let (fd, _) = check(ctx, "accept", Descriptors::of(ctx).insert(Socket::new(fd)))?;
        pair(ctx, Value::new_int(ctx.clone(), fd), address::make(ctx, &addr, family)?)
    })
}

/// `connect(fd, addr)`.
fn connect<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let call = Call::new(scope, "connect")?;
    let addr = address::read(scope.ctx, &scope.arg(1), call.entry.family)?;
    address::permit(scope.ctx, &addr)?;
    let (pending, operation) = (call.admit(0)?, call.entry.socket.connect(addr));
    call.start(pending, None, operation, |ctx, _, connected| {
        check(ctx, "connect", connected)?;
        Ok(count(ctx, 0))
    })
}

/// `recv(fd, buffer, length?, fully?)`.
fn recv<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let call = Call::new(scope, "recv")?;
    let buffer = scope.arg(1);
    let fully = is_fully(scope)? && call.entry.stream;
    let bytes = room(scope.ctx, &buffer)?;
    let wanted = wanted(scope, bytes.len())?;
    if wanted == 0 && call.entry.stream {
        // The kernel would wait for data before it gives none.
        return promise::settled(scope.ctx, Ok(count(scope.ctx, 0)));
    }
    if fully {
        let pending = call.admit(wanted)?;
        let operation = call.entry.socket.recv_fully(vec![0; wanted]);
        return call.start(pending, Some(buffer), operation, |ctx, buffer, (result, done, bytes)| {
            let fits = fill(ctx, buffer, &bytes[..done])?;
            check(ctx, "recv", result)?;
            Ok(count(ctx, fits))
        });
    }
    if call.sockets.may_end_at_once(scope.ctx)
        && call.entry.socket.may_recv()
        && let Some(received) = bytes.with_mut(|all| call.entry.socket.try_recv(&mut all[..wanted]))
    {
        let received = check(scope.ctx, "recv", received)?;
        return promise::settled(scope.ctx, Ok(count(scope.ctx, received)));
    }
    let pending = call.admit(0)?;
    call.sockets.receives.begin(scope.ctx, &call.entry.socket, buffer, wanted, pending)
}

/// `send(fd, data, length?, fully?)`.
fn send<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let call = Call::new(scope, "send")?;
    let fully = is_fully(scope)? && call.entry.stream;
    let at_once = call.sockets.may_end_at_once(scope.ctx);
    let attempt = |bytes: &[u8]| {
        let sent = if at_once { call.entry.socket.try_send(bytes) } else { None };
        match sent {
            Some(Ok(sent)) if !fully || sent == bytes.len() => (Some(Ok(sent)), Vec::new(), sent),
            Some(Ok(sent)) => (None, bytes[sent..].to_vec(), sent),
            Some(Err(error)) => (Some(Err(error)), Vec::new(), 0),
            None => (None, bytes.to_vec(), 0),
        }
    };
    let (ended, rest, sent) = with_data(scope.ctx, &scope.arg(1), |size| wanted(scope, size), attempt)?;
    if let Some(result) = ended {
        let sent = check(scope.ctx, "send", result)?;
        return promise::settled(scope.ctx, Ok(count(scope.ctx, sent)));
    }
    let pending = call.admit(rest.len())?;
    if fully {
        let operation = call.entry.socket.send_fully(rest);
        return call.start(pending, None, operation, move |ctx, _, (result, done, _)| {
            check(ctx, "send", result)?;
            Ok(count(ctx, sent + done))
        });
    }
    let operation = call.entry.socket.send(rest, 0);
    call.start(pending, None, operation, |ctx, _, (sent, _)| Ok(count(ctx, check(ctx, "send", sent)?)))
}

/// `recvfrom(fd, buffer, length?)`.
fn recvfrom<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let call = Call::new(scope, "recvfrom")?;
    let buffer = scope.arg(1);
    let wanted = length(scope.ctx, scope.arg(2), buffer_size(scope.ctx, &buffer)?)?;
    let size = if call.entry.stream { wanted.min(RECV_BYTES_MAX) } else { wanted };
    let family = call.entry.family;
    let (pending, operation) = (call.admit(size)?, call.entry.socket.recvfrom(vec![0; size], 0));
    call.start(pending, Some(buffer), operation, move |ctx, buffer, (received, bytes)| {
        let (received, from) = check(ctx, "recvfrom", received)?;
        let fits = fill(ctx, buffer, &bytes[..received])?;
        pair(ctx, count(ctx, fits), address::make(ctx, &from, family)?)
    })
}

/// `sendto(fd, data, length, addr)`, or `(fd, addr, data, length?)`.
fn sendto<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let call = Call::new(scope, "sendto")?;
    let first = scope.arg(1);
    let (bytes, addr) = match first.is_string() || is_buffer(&first)? {
        true => (data(scope.ctx, &first, scope.arg(2))?, scope.arg(3)),
        false => (data(scope.ctx, &scope.arg(2), scope.arg(3))?, first),
    };
    let addr = address::read(scope.ctx, &addr, call.entry.family)?;
    address::permit(scope.ctx, &addr)?;
    let pending = call.admit(bytes.len())?;
    let operation = call.entry.socket.sendto(bytes, 0, addr);
    call.start(pending, None, operation, |ctx, _, (sent, _)| Ok(count(ctx, check(ctx, "sendto", sent)?)))
}
