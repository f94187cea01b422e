//! `getaddrinfo` and `getaddrinfoAsync`: hosts and services to addresses.
//!
//! Owns: what blocks and what must not, what is an EAI number and what is thrown. The names are
//! looked up in `io::dns`. Must not know: how servers are asked, what addresses are used for.

use std::cell::RefCell;
use std::ffi::CStr;
use std::net::SocketAddr;

use rquickjs::{Ctx, Result, Value};

use super::hints::{self, ERRORS, Target, Wanted};
use super::{address, errno};
use crate::io::dns::{self, LookupError, Resolver};
use crate::io::spawn;
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{deferred, exception, permit, promise};
use crate::modules::web::host::{Host, Role};
use crate::modules::web::iterate;

/// The calls.
pub struct ResolveCalls;

impl Functions for ResolveCalls {
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

/// The number of getaddrinfo(3) for a failed lookup.
fn eai(failure: LookupError) -> i32 {
    match failure {
        LookupError::NotFound => libc::EAI_NONAME,
        LookupError::NoData => libc::EAI_NODATA,
        LookupError::TryAgain | LookupError::Busy => libc::EAI_AGAIN,
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
    let wanted = match hints::read(scope)?.wanted() {
        Ok(wanted) => wanted,
        Err(error) => return number(error),
    };
    if let Target::Name(name) = &wanted.host {
        permit::ask(ctx, |all| all.net(name, None))?;
    }
    let found = match &wanted.host {
        Target::Own(addrs) => Ok(addrs.clone()),
        Target::Name(name) => match (resolver(ctx).local(name, 0, wanted.family), Host::role(ctx)) {
            (Some(known), _) => known,
            (None, Role::Script | Role::Worker | Role::Cgi) => {
                resolver(ctx).lookup_blocking(name, 0, wanted.family)
            }
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
    let Wanted { host, family, kinds } = hints::read(scope)?.wanted().map_err(|error| refuse(ctx, error))?;
    let name = match host {
        Target::Own(addrs) => return promise::settled(ctx, Ok(list(ctx, &addrs, &kinds)?)),
        Target::Name(name) => name,
    };
    permit::ask(ctx, |all| all.net(&name, None))?;
    let resolver = resolver(ctx);
    let (promise, deferred) = deferred::deferred(ctx)?;
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
