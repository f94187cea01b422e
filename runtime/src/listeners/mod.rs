//! The listening sockets of a server: one a worker and address where they can share a port, one for all workers
//! of a Unix socket.
//!
//! Owns: options, the check that nobody else has the port. Must not know: workers.

mod unix;

use std::io::ErrorKind as IoKind;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use self::unix::UnixSocket;
use crate::address::Address;
use crate::config::{Listen, Scheme};
use crate::error::{Error, Result};
use crate::io::Backend;

/// The sockets of one worker, each with what is spoken there.
pub type Row = Vec<(Listen, OwnedFd)>;

/// Where a server listens.
#[derive(Default)]
pub struct Listeners {
    places: Vec<Place>,
}

struct Place {
    /// With the port that the kernel chose.
    listen: Listen,
    /// The one socket of all workers, where it is a Unix socket.
    shared: Option<UnixSocket>,
}

impl Listeners {
    /// Binds a socket for each address; for each of `workers`, its row. What is on `backend` shares Unix sockets.
    ///
    /// # Errors
    /// The address cannot be bound, with the reason's usual remedy.
    pub fn bind(wanted: &[Listen], workers: usize, backend: Backend) -> Result<(Listeners, Vec<Row>)> {
        let mut rows: Vec<Row> = (0..workers).map(|_| Vec::new()).collect();
        let mut all = Listeners::default();
        for listen in wanted {
            let mut listen = listen.clone();
            let Address::Ip(addr) = listen.address else {
                let shared = Some(UnixSocket::bind(&listen, backend)?);
                all.places.push(Place { listen, shared });
                let Some(place) = all.places.last() else { continue };
                rows.iter_mut().try_for_each(|row| place.open().map(|socket| row.push(socket)))?;
                continue;
            };
            let mut addr = addr;
            if addr.port() == 0 {
                addr.set_port(all.port_of_twin(wanted, &listen, addr).unwrap_or_default());
            }
            if addr.port() != 0 {
                check_free(listen.scheme, addr)?;
            }
            let mut sockets = Vec::new();
            for _ in 0..workers {
                let socket = open(listen.scheme, addr, true).map_err(|e| explain(addr, e))?;
                addr = socket.local_addr().ok().and_then(|at| at.as_socket()).unwrap_or(addr);
                sockets.push(socket);
            }
            listen.address = addr.into();
            for (row, socket) in rows.iter_mut().zip(sockets) {
                row.push((listen.clone(), socket.into()));
            }
            all.places.push(Place { listen, shared: None });
        }
        Ok((all, rows))
    }

    /// `localhost` on port 0 is two addresses and one port; the same address again is another one.
    fn port_of_twin(&self, wanted: &[Listen], listen: &Listen, addr: SocketAddr) -> Option<u16> {
        let known: Vec<SocketAddr> =
            self.places.iter().filter_map(|place| place.listen.address.ip()).collect();
        let is_twin = |(asked, place): &(&Listen, &Place)| {
            let (Some(asked_at), Some(at)) = (asked.address.ip(), place.listen.address.ip()) else {
                return false;
            };
            let alike = Listen { address: listen.address.clone(), ..(*asked).clone() } == *listen;
            let is_other = asked_at.is_ipv4() != addr.is_ipv4();
            asked_at.port() == 0
                && alike
                && is_other
                && !known.contains(&SocketAddr::new(addr.ip(), at.port()))
        };
        let (_, twin) = wanted.iter().zip(&self.places).find(is_twin)?;
        twin.listen.address.ip().map(|at| at.port())
    }

    /// A second set of sockets for one worker; that of `kept` at an index where it has one.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn row(&self, mut kept: impl FnMut(usize) -> Option<OwnedFd>) -> Result<Row> {
        let places = self.places.iter().enumerate();
        let open = |(index, place): (usize, &Place)| match kept(index) {
            Some(socket) => Ok((place.listen.clone(), socket)),
            None => place.open(),
        };
        places.map(open).collect()
    }

    /// Where it listens.
    pub fn all(&self) -> impl Iterator<Item = &Listen> {
        self.places.iter().map(|place| &place.listen)
    }

    /// The same, to say what is spoken there.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Listen> {
        self.places.iter_mut().map(|place| &mut place.listen)
    }

    /// Workers are on `backend` from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_backend(&self, backend: Backend) -> Result<()> {
        self.places
            .iter()
            .filter_map(|place| place.shared.as_ref())
            .try_for_each(|it| it.set_backend(backend))
    }

    /// Wakes everyone who accepts from a Unix socket, `workers` at most.
    pub fn wake_all(&self, workers: usize) {
        self.places.iter().filter_map(|place| place.shared.as_ref()).for_each(|it| it.wake_all(workers));
    }

    /// The same where a connection waits: the kernel wakes one worker for it, which may be inside of a long call.
    pub fn pass_on(&self, workers: usize) {
        let shared = self.places.iter().filter_map(|place| place.shared.as_ref());
        shared.filter(|it| it.has_waiting()).for_each(|it| it.wake_all(workers));
    }

    /// Takes the files of Unix sockets away, and the server's own copies: they are closed with the last worker.
    pub fn close(&mut self) {
        self.places.clear();
    }
}

impl Place {
    fn open(&self) -> Result<(Listen, OwnedFd)> {
        let socket = match (&self.shared, &self.listen.address) {
            (Some(shared), _) => shared.copy()?,
            (None, Address::Ip(addr)) => {
                open(self.listen.scheme, *addr, true).map_err(|error| explain(*addr, error))?.into()
            }
            (None, Address::Unix(_)) => UnixSocket::bind(&self.listen, Backend::Epoll)?.copy()?,
        };
        Ok((self.listen.clone(), socket))
    }
}

/// A socket bound to `addr` that shares its port with others of this process; TCP_NODELAY is
/// inherited by what it accepts. SO_REUSEADDR would let a UDP socket take a port that another one has.
fn open(scheme: Scheme, addr: SocketAddr, share: bool) -> std::io::Result<Socket> {
    let socket = match scheme {
        Scheme::Udp => Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?,
        _ => {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_tcp_nodelay(true)?;
            socket
        }
    };
    if share {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// SO_REUSEPORT would let a second server of this user join the port in silence: a socket without
/// it finds out. A process that was killed a moment ago can keep its listener for some milliseconds,
/// while the kernel takes its rings down.
fn check_free(scheme: Scheme, addr: SocketAddr) -> Result<()> {
    let mut patience = 15;
    loop {
        match open(scheme, addr, false) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == IoKind::AddrInUse && patience > 0 => {
                patience -= 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(error) => return Err(explain(addr, error)),
        }
    }
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
