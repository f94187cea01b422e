//! `getaddrinfo` and `getaddrinfoAsync`: hosts and services to addresses.
//!
//! Owns: their arguments, what is an EAI number and what is thrown. The names are looked up in
//! `io::dns`. Must not know: how servers are asked, what addresses are used for.

use std::cell::RefCell;
use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rquickjs::{Ctx, Result, Value};

use super::arguments::{integer, optional};
use super::{address, errno, service};
use crate::io::dns::{self, Failure, Family, Resolver};
use crate::io::spawn;
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{exception, promise, value};
use crate::modules::host::{Host, Role};
use crate::modules::iterate;

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

/// The calls.
pub struct Calls;

impl Functions for Calls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"getaddrinfo", 2, getaddrinfo),
        (c"getaddrinfoAsync", 2, |scope| promise::reject_on_error(scope.ctx, getaddrinfo_async(scope))),
    ];
}

/// The resolver of an engine, where it is not the system's.
#[derive(Default)]
struct Chosen(RefCell<Option<Resolver>>);

/// Has an engine resolve names by `resolver` instead of the system's.
pub fn set_resolver(state: &State, resolver: Resolver) {
    *state.extension::<Chosen>().0.borrow_mut() = Some(resolver);
}

fn resolver(ctx: &Ctx<'_>) -> Resolver {
    let chosen = State::of(ctx).extension::<Chosen>();
    let chosen = chosen.0.borrow();
    chosen.as_ref().unwrap_or_else(|| dns::system()).clone()
}

/// The arguments, checked for their types only.
struct Asked {
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
struct Wanted {
    host: Target,
    family: Family,
    kinds: Vec<(i32, u16)>,
}

enum Target {
    Name(String),
    Own(Vec<SocketAddr>),
}

fn read(scope: &Scope<'_, '_>) -> Result<Asked> {
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
    fn wanted(self) -> std::result::Result<Wanted, i32> {
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

/// The number of getaddrinfo(3) for a failed lookup.
fn eai(failure: Failure) -> i32 {
    match failure {
        Failure::NotFound => libc::EAI_NONAME,
        Failure::NoData => libc::EAI_NODATA,
        Failure::TryAgain | Failure::Busy => libc::EAI_AGAIN,
    }
}

/// `[{family, socktype, addr, port}]`.
fn list<'js>(ctx: &Ctx<'js>, addrs: &[SocketAddr], kinds: &[(i32, u16)]) -> Result<Value<'js>> {
    let all = addrs.iter().flat_map(|addr| kinds.iter().map(move |(kind, port)| (*addr, *kind, *port)));
    let entries = all.map(|(mut addr, kind, port)| {
        addr.set_port(port);
        address::with_type(ctx, addr, kind)
    });
    iterate::array(ctx, entries.collect::<Vec<_>>().into_iter())
}

/// `getaddrinfo(host, service?)`, `getaddrinfo(host, {service, family, socktype, flags})`.
fn getaddrinfo<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.require(1, "getaddrinfo")?;
    let number = |number: i32| Ok(Value::new_int(ctx.clone(), number));
    let wanted = match read(scope)?.wanted() {
        Ok(wanted) => wanted,
        Err(error) => return number(error),
    };
    let found = match &wanted.host {
        Target::Own(addrs) => Ok(addrs.clone()),
        Target::Name(name) => match (resolver(ctx).local(name, 0, wanted.family), Host::role(ctx)) {
            (Some(known), _) => known,
            (None, Role::Script | Role::Worker) => resolver(ctx).lookup_blocking(name, 0, wanted.family),
            (None, Role::App) => {
                let text = "getaddrinfo would block the server's worker for a name that is neither an address \
                            nor in /etc/hosts: use os.getaddrinfoAsync";
                return Err(exception::type_error(ctx, text));
            }
        },
    };
    match found {
        Ok(addrs) => list(ctx, &addrs, &wanted.kinds),
        Err(failure) => number(eai(failure)),
    }
}

/// `getaddrinfoAsync`, with the same arguments.
fn getaddrinfo_async<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.require(1, "getaddrinfoAsync")?;
    let Wanted { host, family, kinds } = read(scope)?.wanted().map_err(|error| refuse(ctx, error))?;
    let name = match host {
        Target::Own(addrs) => return promise::settled(ctx, Ok(list(ctx, &addrs, &kinds)?)),
        Target::Name(name) => name,
    };
    let resolver = resolver(ctx);
    let (promise, deferred) = promise::deferred(ctx)?;
    spawn(async move {
        let found = resolver.lookup(&name, 0, family).await;
        deferred.settle(|ctx| match found {
            Ok(addrs) => list(ctx, &addrs, &kinds),
            Err(failure) => Err(refuse(ctx, eai(failure))),
        });
    });
    Ok(promise)
}

/// Throws what a lookup rejects with: `valueOf()` is the EAI number that the other form returns,
/// `code` its name; "ENOTFOUND" where there is no such name or no address for it, as in Node.
fn refuse(ctx: &Ctx<'_>, error: i32) -> rquickjs::Error {
    let code = match error {
        libc::EAI_NONAME | libc::EAI_NODATA => "ENOTFOUND",
        _ => ERRORS.iter().find(|(_, number)| *number == error).map_or("EAI_FAIL", |(name, _)| name),
    };
    let text = match error {
        libc::EAI_NONAME => "Name or service not known",
        libc::EAI_NODATA => "No address associated with hostname",
        libc::EAI_AGAIN => "Temporary failure in name resolution",
        libc::EAI_FAMILY => "ai_family not supported",
        libc::EAI_SOCKTYPE => "ai_socktype not supported",
        libc::EAI_SERVICE => "Servname not supported for ai_socktype",
        libc::EAI_BADFLAGS => "Bad value for ai_flags",
        _ => "Name resolution failed",
    };
    errno::throw_named(ctx, &format!("getaddrinfo: {text} ({code})"), -error, code)
}
