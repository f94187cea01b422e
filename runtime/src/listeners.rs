//! The listening sockets of a server: one a worker and address, sharing the port.
//!
//! Owns: options, the check that nobody else has the port. Must not know: workers.

use std::io::ErrorKind as IoKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Listen, Scheme};
use crate::error::{Error, Result};

/// The sockets of one worker, with what is spoken on each.
pub type Row = Vec<(Scheme, TcpListener)>;

/// For each of `workers`, a bound socket for each address; and the addresses, ports chosen.
///
/// # Errors
/// The address cannot be bound, with the reason's usual remedy.
pub fn bind(listen: &[Listen], workers: usize) -> Result<(Vec<Row>, Vec<SocketAddr>)> {
    let mut rows: Vec<Row> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for wanted in listen {
        let mut addr = wanted.addr;
        if addr.port() == 0 {
            // `localhost` on port 0 is two addresses and one port; the same address again is another one.
            let is_twin = |l: &Listen| {
                l.addr.port() == 0 && l.scheme == wanted.scheme && l.addr.is_ipv4() != addr.is_ipv4()
            };
            let twin = listen.iter().zip(&addresses).find(|(l, known)| {
                is_twin(l) && !addresses.contains(&SocketAddr::new(addr.ip(), known.port()))
            });
            if let Some((_, known)) = twin {
                addr.set_port(known.port());
            }
        }
        if addr.port() != 0 {
            check_free(addr)?;
        }
        for row in &mut rows {
            let socket = open(addr, true).map_err(|e| explain(addr, e))?;
            if addr.port() == 0 {
                addr = socket.local_addr().map_err(|e| explain(addr, e))?;
            }
            row.push((wanted.scheme, socket));
        }
        addresses.push(addr);
    }
    Ok((rows, addresses))
}

/// A socket bound to `addr` that shares its port with others of this process; TCP_NODELAY is
/// inherited by what it accepts.
fn open(addr: SocketAddr, share: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    if share {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// SO_REUSEPORT would let a second server of this user join the port in silence: a socket without
/// it finds out. A process that was killed a moment ago can keep its listener for some milliseconds,
/// while the kernel takes its rings down.
fn check_free(addr: SocketAddr) -> Result<()> {
    let mut patience = 15;
    loop {
        match open(addr, false) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == IoKind::AddrInUse && patience > 0 => {
                patience -= 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(error) => return Err(explain(addr, error)),
        }
    }
}

/// A second set of sockets for addresses already in use by this process.
///
/// # Errors
/// The kernel refuses.
pub fn bind_again(listen: &[(Scheme, SocketAddr)]) -> Result<Row> {
    let again = |(scheme, addr): &(Scheme, SocketAddr)| match open(*addr, true) {
        Ok(socket) => Ok((*scheme, socket)),
        Err(error) => Err(explain(*addr, error)),
    };
    listen.iter().map(again).collect()
}

/// The connections, at most `count`, that wait on a listening socket whose owner does not accept them, for as
/// long as `is_left` says that it does not: the socket may be one on which an accept waits.
pub fn take_waiting(listener: &OwnedFd, count: usize, is_left: impl Fn() -> bool) -> Vec<OwnedFd> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut all = Vec::new();
    while all.len() < count {
        let mut ready = [PollFd::new(listener, PollFlags::IN)];
        if !matches!(poll(&mut ready, Some(&at_once)), Ok(1)) || !is_left() {
            break;
        }
        match rustix::net::accept_with(listener, rustix::net::SocketFlags::CLOEXEC) {
            Ok(socket) => all.push(socket),
            Err(_) => break,
        }
    }
    all
}

fn explain(addr: SocketAddr, error: std::io::Error) -> Error {
    let port = addr.port();
    let remedy = match error.kind() {
        IoKind::AddrInUse => {
            format!("Another program listens on port {port}: stop it, or choose another with --port.")
        }
        IoKind::PermissionDenied => format!(
            "Ports below 1024 need a right: choose another with --port, or run \
             `sudo setcap cap_net_bind_service=+ep $(command -v jsserve)` (port {port})."
        ),
        IoKind::AddrNotAvailable => format!("This machine has no address {}: see `ip addr`.", addr.ip()),
        _ => return Error::system(format!("cannot listen on {addr}"), error),
    };
    Error::system(format!("cannot listen on {addr}"), error).remedy(remedy)
}
