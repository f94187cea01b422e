//! What an app's `datagram` gets beside the message: `from`, `socket` and `ctx`.
//!
//! Owns: the three classes; an engine makes socket and context once for each socket. Must not know: who calls, when
//! what is queued leaves.

use std::cell::RefCell;
use std::ffi::CStr;
use std::net::SocketAddr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use crate::app::context::{self, Own};
use crate::io::{DatagramSocket, Route};
use crate::js::class::{self, Class, Member, Scope};
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::{Held, buffer_source, class_id, exception, permit, value};
use crate::modules::qjs::os::address;
use crate::modules::qjs::os::arguments;

/// `from`: the sender, and by which of our addresses it reached us.
pub struct Sender(pub(super) Route);

/// `socket`.
pub struct Socket(Rc<DatagramSocket>);

/// `ctx`.
pub struct DatagramContext {
    local: SocketAddr,
    worker: usize,
    own: Rc<Own>,
}

/// The objects of an engine, by the socket that they are of: its address, which the first of them keeps.
#[derive(Default)]
struct Known(RefCell<Vec<(usize, Held, Held)>>);

/// `socket` and `ctx` of a socket.
///
/// # Errors
/// Out of memory.
pub(super) fn of<'js>(
    ctx: &Ctx<'js>,
    socket: &Rc<DatagramSocket>,
    worker: usize,
) -> Result<(Value<'js>, Value<'js>)> {
    let known = State::of(ctx).extension::<Known>();
    let key = Rc::as_ptr(socket) as usize;
    let find = || known.0.borrow().iter().find(|one| one.0 == key).map(|(_, a, b)| (a.get(ctx), b.get(ctx)));
    if let Some(found) = find() {
        return Ok(found);
    }
    if known.0.borrow().is_empty() {
        class::register::<Sender>(ctx)?;
        class::register::<Socket>(ctx)?;
        class::register::<DatagramContext>(ctx)?;
    }
    let context = DatagramContext { local: socket.local_addr(), worker, own: Rc::default() };
    let (socket, context) = (class::instance(ctx, Socket(socket.clone()))?, class::instance(ctx, context)?);
    known.0.borrow_mut().push((key, Held::new(socket.clone()), Held::new(context.clone())));
    Ok((socket, context))
}

/// Whether `value` is an ArrayBuffer or a view of one.
///
/// # Errors
/// Out of memory.
pub(super) fn is_buffer(value: &Value<'_>) -> Result<bool> {
    Ok(buffer_source::bytes(value)?.is_some())
}

/// Queues `data`, a buffer or a string, to `to`; false where it was dropped.
///
/// # Errors
/// TypeError for other data, RangeError for more than a datagram can carry.
pub(super) fn send<'js>(
    ctx: &Ctx<'js>,
    socket: &DatagramSocket,
    data: &Value<'js>,
    to: &Route,
) -> Result<bool> {
    let sent = arguments::with_data(ctx, data, Ok, |bytes| match bytes.len() <= socket.bytes_max() {
        true => Ok(socket.send(bytes, to)),
        false => Err(bytes.len()),
    })?;
    sent.map_err(|length| {
        let most = socket.bytes_max();
        exception::range_error(ctx, &format!("{length} bytes: a datagram carries at most {most}"))
    })
}

/// Where `to` is: the `from` of a datagram, whose reply leaves from the address that was asked; or an address
/// object, to which the kernel chooses our address.
fn target<'js>(ctx: &Ctx<'js>, to: &Value<'js>, local: SocketAddr) -> Result<Route> {
    let (family, name) = match local.is_ipv4() {
        true => (libc::AF_INET, "IPv4"),
        false => (libc::AF_INET6, "IPv6"),
    };
    let of_family = |peer: SocketAddr| match peer.is_ipv4() == local.is_ipv4() {
        true => Ok(peer),
        false => Err(exception::type_error(
            ctx,
            &format!("{} is no {name} address, as the socket's is", peer.ip()),
        )),
    };
    if let Some(Sender(route)) = class::get::<Sender>(to) {
        let local = route.local.filter(|_| local.ip().is_unspecified());
        return Ok(Route { peer: of_family(route.peer)?, local });
    }
    let given = address::read(ctx, to, family)?.as_socket();
    if let Some(peer) = &given {
        permit::ask(ctx, |all| all.address(peer))?;
    }
    let peer = given.ok_or_else(|| exception::type_error(ctx, "family must be AF_INET or AF_INET6"))?;
    if peer.ip().is_unspecified() {
        return Err(exception::type_error(ctx, "addr must be the address of a host"));
    }
    if peer.port() == 0 {
        return Err(exception::range_error(ctx, "port must be from 1 to 65535"));
    }
    Ok(Route { peer: of_family(peer)?, local: None })
}

/// An address literal, with its scope.
fn literal<'js>(ctx: &Ctx<'js>, addr: SocketAddr) -> Result<Value<'js>> {
    match addr {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            value::string(ctx, &format!("{}%{}", v6.ip(), v6.scope_id()))
        }
        _ => value::string(ctx, &addr.ip().to_string()),
    }
}

impl Sender {
    fn family<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let family = if self.0.peer.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        Ok(Value::new_int(s.ctx.clone(), family))
    }

    fn addr<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        literal(s.ctx, self.0.peer)
    }

    fn port<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_int(s.ctx.clone(), self.0.peer.port().into()))
    }

    fn to_json<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address::make(s.ctx, &self.0.peer.into(), libc::AF_INET)
    }
}

impl Socket {
    fn send<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(2, "send")?;
        // First: it may run JavaScript, which may do something to the data.
        let to = target(s.ctx, &s.arg(1), self.0.local_addr())?;
        Ok(Value::new_bool(s.ctx.clone(), send(s.ctx, &self.0, &s.arg(0), &to)?))
    }

    fn local<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address::make(s.ctx, &self.0.local_addr().into(), libc::AF_INET)
    }
}

impl DatagramContext {
    fn wait_until<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        context::wait_until(s, &self.own)
    }

    fn local<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        address::make(s.ctx, &self.local.into(), libc::AF_INET)
    }

    fn worker<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_number(s.ctx.clone(), self.worker as f64))
    }
}

impl class_id::Of for class_id::DatagramSender {
    type Class = Sender;
}

impl Class for Sender {
    type Id = class_id::DatagramSender;
    const NAME: &'static CStr = c"DatagramSender";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"family", Sender::family),
        Member::Get(c"addr", Sender::addr),
        Member::Get(c"port", Sender::port),
        Member::Method(c"toJSON", 0, Sender::to_json),
    ];
    const DISPLAY: Option<Display> =
        Some(Display::Attributes(&["family", "addr", "port"], class::attribute::<Self>));
}

impl class_id::Of for class_id::DatagramSocket {
    type Class = Socket;
}

impl Class for Socket {
    type Id = class_id::DatagramSocket;
    const NAME: &'static CStr = c"DatagramSocket";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] =
        &[Member::Method(c"send", 2, Socket::send), Member::Get(c"local", Socket::local)];
    const DISPLAY: Option<Display> = Some(Display::Attributes(&["local"], class::attribute::<Self>));
}

impl class_id::Of for class_id::DatagramContext {
    type Class = DatagramContext;
}

impl Class for DatagramContext {
    type Id = class_id::DatagramContext;
    const NAME: &'static CStr = c"DatagramContext";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"waitUntil", 1, DatagramContext::wait_until),
        Member::Get(c"local", DatagramContext::local),
        Member::Get(c"worker", DatagramContext::worker),
    ];
}
