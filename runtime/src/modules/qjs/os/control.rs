//! The synchronous socket calls: a value, or `-errno`.
//!
//! Owns: socket, bind, listen, shutdown, close, options and names. Wrong arguments throw; what the
//! system refuses is a negative number. Must not know: how operations wait.

use std::ffi::CStr;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;

use rquickjs::{Ctx, Result, Value};
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};

use super::address;
use super::arguments::{buffer_size, data, integer, is_buffer, length, optional};
use super::constants::SOCK_BLOCK;
use super::table::Descriptors;
use crate::io::{Socket, errno};
use crate::js::class::{Scope, Static};
use crate::js::function::Functions;
use crate::js::{buffer_source, exception, permit, value};
use crate::modules::web::host::Host;
use crate::permissions::Access;

/// Bytes of an option that `getsockopt(fd, level, name, length)` may ask for.
const OPTION_BYTES_MAX: usize = 4_096;

/// The calls.
pub struct SocketControlCalls;

impl Functions for SocketControlCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"socket", 2, socket),
        (c"bind", 2, bind),
        (c"listen", 1, listen),
        (c"shutdown", 2, shutdown),
        (c"close", 1, close),
        (c"setsockopt", 3, setsockopt),
        (c"getsockopt", 3, getsockopt),
        (c"getsockname", 1, getsockname),
        (c"getpeername", 1, getpeername),
    ];
}

/// 0, or `-errno`.
fn status<'js>(ctx: &Ctx<'js>, result: io::Result<()>) -> Result<Value<'js>> {
    number(ctx, result.map(|()| 0))
}

fn number<'js>(ctx: &Ctx<'js>, result: io::Result<i32>) -> Result<Value<'js>> {
    Ok(Value::new_int(ctx.clone(), result.unwrap_or_else(|error| -errno::number(&error))))
}

/// `socket(family, type, protocol = 0)`.
fn socket<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let family = integer(ctx, &scope.arg(0), "family")?;
    let wanted = integer(ctx, &scope.arg(1), "type")?;
    let protocol = match optional(scope.arg(2)) {
        Some(given) => integer(ctx, &given, "protocol")?,
        None => 0,
    };
    let plain = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET];
    if !plain.contains(&(wanted & !(SOCK_BLOCK | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC))) {
        // It would hear what is for others.
        permit::all(ctx, Access::Net)?;
    }
    number(ctx, open(&Descriptors::of(ctx), family, wanted, protocol))
}

fn open(sockets: &Descriptors, family: i32, wanted: i32, protocol: i32) -> io::Result<i32> {
    if ![libc::AF_INET, libc::AF_INET6, libc::AF_UNIX].contains(&family) {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    }
    let nonblocking = if wanted & SOCK_BLOCK == 0 { libc::SOCK_NONBLOCK } else { 0 };
    let kind = (wanted & !(SOCK_BLOCK | libc::SOCK_NONBLOCK)) | nonblocking | libc::SOCK_CLOEXEC;
    let protocol = Protocol::from(protocol);
    let made = socket2::Socket::new_raw(Domain::from(family), Type::from(kind), Some(protocol))?;
    Ok(sockets.insert(Socket::new(OwnedFd::from(made)))?.0)
}

/// `bind(fd, addr)`.
fn bind<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let entry = match Descriptors::of(ctx).get(fd) {
        Ok(entry) => entry,
        Err(error) => return status(ctx, Err(error)),
    };
    let addr = address::read(ctx, &scope.arg(1), entry.family)?;
    address::permit(ctx, &addr)?;
    status(ctx, entry.socket.with_fd(|fd| SockRef::from(&fd).bind(&addr)))
}

/// `listen(fd, backlog = SOMAXCONN)`.
fn listen<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let backlog = match optional(scope.arg(1)) {
        Some(given) => integer(ctx, &given, "backlog")?,
        None => libc::SOMAXCONN,
    };
    let entry = Descriptors::of(ctx).get(fd);
    if let (Some(_), Ok(entry)) = (permit::of(ctx), &entry) {
        // One that is bound nowhere gets a port of all addresses.
        let bound = entry.socket.with_fd(|fd| SockRef::from(&fd).local_addr());
        if let Ok(addr) = bound
            && addr.as_socket().is_some_and(|addr| addr.port() == 0)
        {
            address::permit(ctx, &addr)?;
        }
    }
    let listened = entry.and_then(|entry| entry.socket.with_fd(|fd| SockRef::from(&fd).listen(backlog)));
    status(ctx, listened)
}

/// `shutdown(fd, how)`.
fn shutdown<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let how = match integer(ctx, &scope.arg(1), "how")? {
        libc::SHUT_RD => Ok(Shutdown::Read),
        libc::SHUT_WR => Ok(Shutdown::Write),
        libc::SHUT_RDWR => Ok(Shutdown::Both),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    let entry = Descriptors::of(ctx).get(fd);
    let done = entry.and_then(|entry| entry.socket.with_fd(|fd| SockRef::from(&fd).shutdown(how?)));
    status(ctx, done)
}

/// `close(fd)`; the standard streams are EBADF in all but a script's own engine.
fn close<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let fd = integer(scope.ctx, &scope.arg(0), "fd")?;
    if Host::is_foreign(scope.ctx, fd) {
        return status(scope.ctx, Err(io::Error::from_raw_os_error(libc::EBADF)));
    }
    status(scope.ctx, Descriptors::of(scope.ctx).close(fd))
}

/// `setsockopt(fd, name, value)` at SOL_SOCKET, or `(fd, level, name, value)`.
fn setsockopt<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let (level, name, given) = match scope.len() {
        0..=3 => (libc::SOL_SOCKET, scope.arg(1), scope.arg(2)),
        _ if is_buffer(&scope.arg(2))? => (libc::SOL_SOCKET, scope.arg(1), scope.arg(2)),
        _ => (integer(ctx, &scope.arg(1), "level")?, scope.arg(2), scope.arg(3)),
    };
    let name = integer(ctx, &name, "name")?;
    let bytes = match (given.as_bool(), given.is_number()) {
        (Some(on), _) => i32::from(on).to_ne_bytes().to_vec(),
        (None, true) => integer(ctx, &given, "value")?.to_ne_bytes().to_vec(),
        (None, false) if is_buffer(&given)? => data(ctx, &given, scope.undefined())?,
        _ => {
            let text = "value must be an ArrayBuffer, a typed array, a number or a boolean";
            return Err(exception::type_error(ctx, text));
        }
    };
    status(ctx, Descriptors::of(ctx).get(fd).and_then(|entry| entry.socket.set_option(level, name, &bytes)))
}

/// `getsockopt(fd, name, buffer)` at SOL_SOCKET and `(fd, level, name, buffer)` fill the buffer; 0.
/// `(fd, level, name)` is the option's integer, `(fd, level, name, length)` an ArrayBuffer of up to
/// `length` bytes.
fn getsockopt<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let second = integer(ctx, &scope.arg(1), "name")?;
    let third = scope.arg(2);
    if is_buffer(&third)? {
        return option_into(ctx, fd, libc::SOL_SOCKET, second, &third);
    }
    let name = integer(ctx, &third, "name")?;
    let wanted = optional(scope.arg(3));
    let size = match &wanted {
        Some(buffer) if is_buffer(buffer)? => return option_into(ctx, fd, second, name, buffer),
        Some(given) => length(ctx, given.clone(), OPTION_BYTES_MAX)?,
        None => size_of::<i32>(),
    };
    let mut bytes = vec![0; size];
    let got = Descriptors::of(ctx).get(fd).and_then(|entry| entry.socket.option(second, name, &mut bytes));
    match (got, wanted) {
        (Err(error), _) => status(ctx, Err(error)),
        (Ok(count), Some(_)) => value::array_buffer(ctx, &bytes[..count]),
        (Ok(_), None) => {
            let number = bytes.first_chunk().copied().map_or(0, i32::from_ne_bytes);
            Ok(Value::new_int(ctx.clone(), number))
        }
    }
}

/// Fills `buffer`, which also says what is asked for where an option is asked by its value.
fn option_into<'js>(
    ctx: &Ctx<'js>,
    fd: i32,
    level: i32,
    name: i32,
    buffer: &Value<'js>,
) -> Result<Value<'js>> {
    buffer_size(ctx, buffer)?;
    let mut bytes = data(ctx, buffer, Value::new_undefined(ctx.clone()))?;
    bytes.truncate(OPTION_BYTES_MAX);
    let got = Descriptors::of(ctx).get(fd).and_then(|entry| entry.socket.option(level, name, &mut bytes));
    if let (Ok(count), Some(target)) = (&got, buffer_source::bytes(buffer)?) {
        target.write(&bytes[..*count]);
    }
    status(ctx, got.map(drop))
}

fn name_of<'js>(
    scope: &Scope<'_, 'js>,
    call: impl FnOnce(&SockRef<'_>) -> io::Result<SockAddr>,
) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let fd = integer(ctx, &scope.arg(0), "fd")?;
    let named = Descriptors::of(ctx).get(fd).and_then(|entry| {
        let addr = entry.socket.with_fd(|fd| call(&SockRef::from(&fd)))?;
        Ok((addr, entry.family))
    });
    match named {
        Ok((addr, family)) => address::make(ctx, &addr, family),
        Err(error) => status(ctx, Err(error)),
    }
}

/// `getsockname(fd)`.
fn getsockname<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    name_of(scope, |socket| socket.local_addr())
}

/// `getpeername(fd)`.
fn getpeername<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    name_of(scope, |socket| socket.peer_addr())
}
