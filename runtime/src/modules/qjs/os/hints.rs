//! The arguments of `getaddrinfo`: a host, a service, hints; and what getaddrinfo(3) makes of them.
//!
//! Owns: which wrong argument is which error, types and ports of the answer. Must not know: how
//! names are looked up.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rquickjs::{Ctx, Result, Value};

use super::arguments::{integer, optional};
use super::service;
use crate::io::dns::{self, Family};
use crate::js::class::Scope;
use crate::js::{exception, value};

/// Error numbers of getaddrinfo(3): negative.
pub const ERRORS: &[(&str, i32)] = &[
    ("EAI_BADFLAGS", libc::EAI_BADFLAGS),
    ("EAI_NONAME", libc::EAI_NONAME),
    ("EAI_AGAIN", libc::EAI_AGAIN),
    ("EAI_FAIL", libc::EAI_FAIL),
    ("EAI_NODATA", libc::EAI_NODATA),
    ("EAI_FAMILY", libc::EAI_FAMILY),
    ("EAI_SOCKTYPE", libc::EAI_SOCKTYPE),
    ("EAI_SERVICE", libc::EAI_SERVICE),
    ("EAI_MEMORY", libc::EAI_MEMORY),
    ("EAI_SYSTEM", libc::EAI_SYSTEM),
    ("EAI_OVERFLOW", libc::EAI_OVERFLOW),
];

/// Flags that are known; others are EAI_BADFLAGS.
pub const FLAGS: &[(&str, i32)] = &[
    ("AI_PASSIVE", libc::AI_PASSIVE),
    ("AI_NUMERICHOST", libc::AI_NUMERICHOST),
    ("AI_NUMERICSERV", libc::AI_NUMERICSERV),
];

/// The arguments, checked for their types only.
pub struct Asked {
    host: Option<String>,
    service: Option<Service>,
    family: i32,
    socktype: i32,
    flags: i32,
}

enum Service {
    Port(u16),
    Text(String),
}

/// What is to be looked up, and the types and ports that each address is given with.
pub struct Wanted {
    /// What for.
    pub host: Target,
    /// Which of its addresses.
    pub family: Family,
    /// Socket type and port of each entry of an address.
    pub kinds: Vec<(i32, u16)>,
}

/// What an address is wanted of.
pub enum Target {
    /// A host.
    Name(String),
    /// None, or a literal: these are the addresses.
    Own(Vec<SocketAddr>),
}

/// Reads the arguments of both calls.
///
/// # Errors
/// TypeError for what is of another type, RangeError for a number that is no port.
pub fn read(scope: &Scope<'_, '_>) -> Result<Asked> {
    let ctx = scope.ctx;
    let host = match optional(scope.arg(0)) {
        None => None,
        Some(host) if host.is_string() => Some(value::to_string(&host)?),
        Some(_) => return Err(exception::type_error(ctx, "host must be a string or null")),
    };
    let second = scope.arg(1);
    let mut asked = Asked { host, service: None, family: libc::AF_UNSPEC, socktype: 0, flags: 0 };
    let Some(hints) = second.as_object().filter(|object| !object.is_function()) else {
        asked.service = read_service(ctx, second)?;
        return Ok(asked);
    };
    asked.service = read_service(ctx, hints.get("service")?)?;
    for (name, slot) in
        [("family", &mut asked.family), ("socktype", &mut asked.socktype), ("flags", &mut asked.flags)]
    {
        if let Some(given) = optional(hints.get(name)?) {
            *slot = integer(ctx, &given, name)?;
        }
    }
    Ok(asked)
}

fn read_service<'js>(ctx: &Ctx<'js>, given: Value<'js>) -> Result<Option<Service>> {
    let Some(given) = optional(given) else { return Ok(None) };
    if given.is_string() {
        return Ok(Some(Service::Text(value::to_string(&given)?)));
    }
    if !given.is_number() {
        return Err(exception::type_error(
            ctx,
            "service must be a string, a number, null or an object of hints",
        ));
    }
    let port = integer(ctx, &given, "service")?;
    match u16::try_from(port) {
        Ok(port) => Ok(Some(Service::Port(port))),
        Err(_) => Err(exception::range_error(ctx, &format!("port {port} is not between 0 and 65535"))),
    }
}

impl Asked {
    /// What getaddrinfo(3) would look up, or its error.
    pub fn wanted(self) -> std::result::Result<Wanted, i32> {
        let known = FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
        if self.flags & !known != 0 {
            return Err(libc::EAI_BADFLAGS);
        }
        let family = match self.family {
            libc::AF_UNSPEC => Family::Any,
            libc::AF_INET => Family::V4,
            libc::AF_INET6 => Family::V6,
            _ => return Err(libc::EAI_FAMILY),
        };
        if ![0, libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW].contains(&self.socktype) {
            return Err(libc::EAI_SOCKTYPE);
        }
        if self.host.is_none() && self.service.is_none() {
            return Err(libc::EAI_NONAME);
        }
        let kinds = self.kinds()?;
        let host = match self.host {
            Some(host) if self.flags & libc::AI_NUMERICHOST != 0 => {
                match dns::literal(&host, 0).ok_or(libc::EAI_NONAME)? {
                    addr if family.takes(&addr.ip()) => Target::Own(vec![addr]),
                    _ => return Err(libc::EAI_NODATA),
                }
            }
            Some(host) => Target::Name(host),
            None => Target::Own(own(family, self.flags & libc::AI_PASSIVE != 0)),
        };
        Ok(Wanted { host, family, kinds })
    }

    /// Socket types with ports. A number goes with all types, a name with those that it is known for.
    fn kinds(&self) -> std::result::Result<Vec<(i32, u16)>, i32> {
        let number = match &self.service {
            None => Some(0),
            Some(Service::Port(port)) => Some(*port),
            Some(Service::Text(text)) if text.is_empty() => Some(0),
            Some(Service::Text(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(text.parse().map_err(|_| libc::EAI_SERVICE)?)
            }
            Some(Service::Text(_)) if self.flags & libc::AI_NUMERICSERV != 0 => return Err(libc::EAI_NONAME),
            Some(Service::Text(_)) => None,
        };
        let (tcp, udp, raw) = match (number, &self.service) {
            (None, Some(Service::Text(name))) => {
                let ports = service::ports(name);
                (ports.tcp, ports.udp, None)
            }
            _ => (number, number, number),
        };
        let all = [(libc::SOCK_STREAM, tcp), (libc::SOCK_DGRAM, udp), (libc::SOCK_RAW, raw)];
        let kinds: Vec<_> = all
            .into_iter()
            .filter(|(kind, _)| self.socktype == 0 || self.socktype == *kind)
            .filter_map(|(kind, port)| Some((kind, port?)))
            .collect();
        if kinds.is_empty() { Err(libc::EAI_SERVICE) } else { Ok(kinds) }
    }
}

/// The addresses of no host: the loopback, or the wildcard to bind to.
fn own(family: Family, passive: bool) -> Vec<SocketAddr> {
    let (v4, v6) = match passive {
        true => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
        false => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
    };
    let both: [SocketAddr; 2] = [(v6, 0).into(), (v4, 0).into()];
    // The wildcard of IPv4 first: whoever takes the first one is reached by either.
    let mut own: Vec<_> = both.into_iter().filter(|addr| family.takes(&addr.ip())).collect();
    if passive {
        own.reverse();
    }
    own
}
