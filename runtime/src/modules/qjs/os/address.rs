//! Socket addresses as JavaScript has them: `{family, addr, port}`, `{family: AF_UNIX, path}`.
//!
//! Owns: the conversion, both ways. Must not know: sockets, names of hosts.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

use rquickjs::{Ctx, Object, Result, Value};
use socket2::SockAddr;

use super::arguments::{integer, optional};
use crate::io::dns;
use crate::js::{exception, function, permit, value};
use crate::permissions::Access;

/// Reads an address object for a socket of `family`.
///
/// # Errors
/// TypeError for what is no address of that family, RangeError for a port outside of 0..=65535 or a
/// path beyond 108 bytes.
pub fn read<'js>(ctx: &Ctx<'js>, given: &Value<'js>, family: i32) -> Result<SockAddr> {
    let Some(object) = given.as_object().filter(|object| !object.is_function()) else {
        return Err(exception::type_error(ctx, "the address must be an object: {family, addr, port}"));
    };
    let family = match optional(object.get("family")?) {
        Some(given) => integer(ctx, &given, "family")?,
        None => family,
    };
    match family {
        libc::AF_INET | libc::AF_INET6 => inet(ctx, object, family),
        libc::AF_UNIX => unix(ctx, object),
        _ => Err(exception::type_error(ctx, "family must be AF_INET, AF_INET6 or AF_UNIX")),
    }
}

fn inet<'js>(ctx: &Ctx<'js>, object: &Object<'js>, family: i32) -> Result<SockAddr> {
    let port = integer(ctx, &object.get("port")?, "port")?;
    let port = u16::try_from(port)
        .map_err(|_| exception::range_error(ctx, &format!("port {port} is not between 0 and 65535")))?;
    let Some(addr) = optional(object.get("addr")?) else {
        let wildcard: IpAddr = match family {
            libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
            _ => Ipv6Addr::UNSPECIFIED.into(),
        };
        return Ok(SocketAddr::new(wildcard, port).into());
    };
    if !addr.is_string() {
        return Err(exception::type_error(ctx, "addr must be a string: an address literal"));
    }
    let text = value::to_string(&addr)?;
    let parsed = match family {
        libc::AF_INET => text.parse().ok().map(|ip: Ipv4Addr| SocketAddr::new(ip.into(), port)),
        // With its scope: fe80::1%2, fe80::1%eth0.
        _ => dns::literal(&text, port).filter(SocketAddr::is_ipv6),
    };
    let version = if family == libc::AF_INET { "IPv4" } else { "IPv6" };
    let shown: String = text.chars().take(60).collect();
    parsed.map(SockAddr::from).ok_or_else(|| {
        exception::type_error(ctx, &format!("\"{shown}\" is not an {version} address literal"))
    })
}

fn unix<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> Result<SockAddr> {
    let path: Value = object.get("path")?;
    if !path.is_string() {
        return Err(exception::type_error(ctx, "an AF_UNIX address needs a string `path`"));
    }
    let path = value::to_string(&path)?;
    if path.bytes().skip(1).any(|byte| byte == 0) && !path.starts_with('\0') {
        return Err(exception::type_error(ctx, "path must not contain NUL, except in front (unix(7))"));
    }
    SockAddr::unix(OsStr::from_bytes(path.as_bytes()))
        .map_err(|_| exception::range_error(ctx, "path is longer than 107 bytes (unix(7))"))
}

/// Permits a socket to be bound to `addr`, to connect there or to send there: hosts by their addresses, Unix sockets by
/// their paths, and names that stand in no folder with all hosts.
///
/// # Errors
/// It was not granted.
pub fn permit(ctx: &Ctx<'_>, addr: &SockAddr) -> Result<()> {
    if permit::of(ctx).is_none() {
        return Ok(());
    }
    match (addr.as_socket(), addr.as_pathname()) {
        (Some(addr), _) => permit::ask(ctx, |all| all.address(&addr)),
        (None, Some(path)) => permit::path(ctx, path, &[Access::Read, Access::Write], true).map(drop),
        (None, None) => permit::all(ctx, Access::Net),
    }
}

/// Makes an address object. It always has family, addr and port; AF_UNIX has a path too. `family` is
/// the socket's: the system does not tell the sender on a connected stream, nor an unnamed one.
///
/// # Errors
/// Out of memory.
pub fn make<'js>(ctx: &Ctx<'js>, addr: &SockAddr, family: i32) -> Result<Value<'js>> {
    let known = addr.as_socket().filter(|_| addr.len() > 0);
    let family = if addr.len() == 0 { family } else { i32::from(addr.family()) };
    let object = object(ctx, family, None, known)?;
    if family == libc::AF_UNIX {
        let path = match (addr.as_pathname(), addr.as_abstract_namespace()) {
            _ if addr.len() == 0 => String::new(),
            (Some(path), _) => String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned(),
            (None, Some(name)) => format!("\0{}", String::from_utf8_lossy(name)),
            (None, None) => String::new(),
        };
        function::define(ctx, &object, c"path", value::string(ctx, &path)?, true)?;
    }
    Ok(object.into_value())
}

/// Makes an entry of `getaddrinfo`: an address object with a socket type.
///
/// # Errors
/// Out of memory.
pub fn with_type<'js>(ctx: &Ctx<'js>, addr: SocketAddr, socktype: i32) -> Result<Value<'js>> {
    let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    Ok(object(ctx, family, Some(socktype), Some(addr))?.into_value())
}

fn object<'js>(
    ctx: &Ctx<'js>,
    family: i32,
    socktype: Option<i32>,
    addr: Option<SocketAddr>,
) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    // Defined, not assigned: a setter on Object.prototype sees nothing.
    let put = |name, value| function::define(ctx, &object, name, value, true);
    put(c"family", Value::new_int(ctx.clone(), family))?;
    if let Some(socktype) = socktype {
        put(c"socktype", Value::new_int(ctx.clone(), socktype))?;
    }
    match addr {
        Some(SocketAddr::V6(v6)) if v6.scope_id() != 0 => {
            put(c"addr", value::string(ctx, &format!("{}%{}", v6.ip(), v6.scope_id()))?)?;
        }
        Some(addr) => put(c"addr", value::string(ctx, &addr.ip().to_string())?)?,
        None => put(c"addr", Value::new_null(ctx.clone()))?,
    }
    put(c"port", Value::new_int(ctx.clone(), addr.map_or(0, |addr| addr.port()).into()))?;
    Ok(object)
}
