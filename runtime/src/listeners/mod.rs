//! The listening sockets of a server: one a worker and address where they can share a port, one for all workers
//! of a Unix socket, and those that the process was started with.
//!
//! Owns: options, the check that nobody else has the port; what stays where settings are read again. Must not know:
//! workers.

mod handed;
mod shared;
mod unix;

use std::cell::RefCell;
use std::io::ErrorKind as IoKind;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use self::handed::{HAND_OVER, HandedSockets};
use self::shared::CommonSocket;
use crate::address::Address;
use crate::config::{Config, Listen, Scheme};
use crate::error::{Error, Result};
use crate::io::activation::HandedSocket;
use crate::io::{self, Backend};

/// A socket for one worker, with what is spoken there.
pub struct OpenedSocket {
    /// What is spoken, and where; with the port that the kernel chose.
    pub listen: Listen,
    /// Bound; whoever has it listens.
    pub socket: OwnedFd,
    /// Other workers accept from the same queue.
    pub is_shared: bool,
    /// Whoever takes its worker's place goes on with it: there is no other to be had.
    pub goes_on: bool,
}

/// The sockets of one worker.
pub type Row = Vec<OpenedSocket>;

/// Where a server listens.
#[derive(Default)]
pub struct Listeners {
    places: Vec<ListenPlace>,
    /// The last number of a place.
    last: u64,
    /// What is served where nothing was asked for, and sockets were handed over.
    by_default: Vec<Listen>,
}

/// One place.
pub struct ListenPlace {
    /// Tells it from others that are or were there.
    pub id: u64,
    /// What was asked for.
    wanted: Listen,
    /// The same with the port that the kernel chose.
    pub listen: Listen,
    /// What it was asked for together with: places that come of one wish.
    group: u64,
    /// The one socket of all workers, where there is such.
    shared: Option<CommonSocket>,
    /// Sockets that are bound, and that no worker has yet.
    spare: RefCell<Vec<OwnedFd>>,
    /// There are no others to be had of its kind.
    is_fixed: bool,
}

/// The places that are to be.
pub struct ListenPlan(Vec<Planned>);

enum Planned {
    /// One that is there, by its number.
    Kept(u64, Listen, Listen),
    New(Box<ListenPlace>),
}

impl ListenPlan {
    /// What is spoken where.
    pub fn listens(&mut self) -> impl Iterator<Item = &mut Listen> {
        self.0.iter_mut().map(|planned| match planned {
            Planned::Kept(_, _, listen) => listen,
            Planned::New(place) => &mut place.listen,
        })
    }
}

impl Listeners {
    /// Binds a socket for each address that `config` names, or takes one that was handed over; for each worker, its row.
    /// What is on `backend` shares Unix sockets.
    ///
    /// # Errors
    /// The address cannot be bound, with the reason's usual remedy.
    pub fn bind(
        config: &Config,
        backend: Backend,
        mut handed: HandedSockets,
    ) -> Result<(Listeners, Vec<Row>)> {
        let mut all = Listeners::default();
        if config.listens_by_default {
            all.by_default = handed.listens();
        }
        let plan = all.plan(config, backend, &mut handed)?;
        all.change(plan);
        if !handed.is_empty() {
            tracing::warn!("no listener is for what was handed over: {}", handed.names());
        }
        let rows = (0..config.workers).map(|_| all.row(|_| None)).collect::<Result<_>>()?;
        Ok((all, rows))
    }

    /// What is to be done so that it listens where `config` says: places that are there stay, the others are bound now.
    ///
    /// # Errors
    /// The address cannot be bound, with the reason's usual remedy: nothing has changed, then.
    pub fn plan(&self, config: &Config, backend: Backend, handed: &mut HandedSockets) -> Result<ListenPlan> {
        let mut plan = ListenPlan(Vec::new());
        let mut left: Vec<&ListenPlace> = self.places.iter().collect();
        let mut known: Vec<(Listen, Listen)> = Vec::new();
        let by_default = config.listens_by_default && !self.by_default.is_empty();
        let wanted = if by_default { &self.by_default } else { &config.listen };
        let mut id = self.last;
        for listen in wanted {
            let is_udp = |listen: &Listen| listen.scheme == Scheme::Udp;
            let same = |place: &&&ListenPlace| {
                let there = &place.wanted;
                there.address == listen.address
                    && there.handed == listen.handed
                    && is_udp(there) == is_udp(listen)
            };
            if let Some(group) = left.iter().find(same).map(|place| place.group) {
                for place in left.extract_if(.., |place| place.group == group) {
                    let address = place.listen.address.clone();
                    let renewed = Listen { address, ..listen.clone() };
                    known.push((listen.clone(), renewed.clone()));
                    plan.0.push(Planned::Kept(place.id, listen.clone(), renewed));
                }
                continue;
            }
            id += 1;
            let new = match handed.take(listen) {
                none if none.is_empty() && listen.handed.is_some() => return Err(not_handed(listen, handed)),
                none if none.is_empty() => vec![ListenPlace::bind(id, listen, &known, backend)?],
                groups => {
                    let is_hand_over = handed.is_hand_over;
                    let adopt = |group| {
                        ListenPlace::adopt(id, listen, group, (config.workers, backend, is_hand_over))
                    };
                    groups.into_iter().map(adopt).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()
                }
            };
            for mut place in new {
                place.id = id;
                place.is_fixed |= config.account.is_some();
                id += 1;
                known.push((place.wanted.clone(), place.listen.clone()));
                plan.0.push(Planned::New(Box::new(place)));
            }
        }
        Ok(plan)
    }

    /// Listens where `plan` says from now on. Files of Unix sockets that are no longer among these are removed.
    pub fn change(&mut self, plan: ListenPlan) {
        let mut before = std::mem::take(&mut self.places);
        for planned in plan.0 {
            match planned {
                Planned::New(place) => {
                    self.last = self.last.max(place.id);
                    self.places.push(*place);
                }
                Planned::Kept(id, wanted, listen) => {
                    if let Some(at) = before.iter().position(|place| place.id == id) {
                        self.places.push(ListenPlace { wanted, listen, ..before.remove(at) });
                    }
                }
            }
        }
    }

    /// A second set of sockets for one worker; that of `kept` for the number of a place where it has one.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn row(&self, mut kept: impl FnMut(u64) -> Option<OwnedFd>) -> Result<Row> {
        let open = |place: &ListenPlace| match kept(place.id) {
            Some(socket) => {
                Ok(OpenedSocket { listen: place.listen.clone(), socket, is_shared: false, goes_on: true })
            }
            None => place.open(),
        };
        self.places.iter().map(open).collect()
    }

    /// The places, in their order.
    pub fn places(&self) -> &[ListenPlace] {
        &self.places
    }

    /// Where it listens.
    pub fn all(&self) -> impl Iterator<Item = &Listen> {
        self.places.iter().map(|place| &place.listen)
    }

    /// The same, to say what is spoken there.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Listen> {
        self.places.iter_mut().map(|place| &mut place.listen)
    }

    /// Listens only where `is_wanted` says so.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&Listen) -> bool) {
        self.places.retain(|place| is_wanted(&place.listen));
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

    /// Leaves the files of Unix sockets to another process, and its sockets.
    pub fn give_up(&mut self) {
        for place in std::mem::take(&mut self.places) {
            place.shared.into_iter().for_each(CommonSocket::give_up);
        }
    }

    /// Takes the files of Unix sockets away, and the server's own copies: they are closed with the last worker.
    pub fn close(&mut self) {
        self.places.clear();
    }
}

/// The port that a listener of `known`, as asked for and as it is, has for the same name: `localhost` on port 0 is two
/// addresses and one port; the same address again is another one.
fn port_of_twin(known: &[(Listen, Listen)], wanted: &Listen, addr: SocketAddr) -> Option<u16> {
    let taken = |port| known.iter().any(|(_, at)| at.address.ip() == Some(SocketAddr::new(addr.ip(), port)));
    known.iter().find_map(|(asked, at)| {
        let (asked_at, at) = (asked.address.ip()?, at.address.ip()?);
        let alike = Listen { address: wanted.address.clone(), ..asked.clone() } == *wanted;
        let is_twin = asked_at.port() == 0 && alike && asked_at.is_ipv4() != addr.is_ipv4();
        (is_twin && !taken(at.port())).then_some(at.port())
    })
}

/// The error of a name that nothing was handed over by.
fn not_handed(listen: &Listen, handed: &HandedSockets) -> Error {
    let name = listen.handed.as_deref().unwrap_or_default();
    let there = match handed.is_empty() {
        true => "none was handed over".to_owned(),
        false => format!("there are {}", handed.names()),
    };
    Error::of_flag("listen", format!("fd:{name}: no socket of that name, {there}")).remedy(
        "It is the FileDescriptorName= of a .socket unit of systemd, or the number of the descriptor, from 3 on.",
    )
}

impl ListenPlace {
    fn of(group: u64, wanted: &Listen, listen: Listen) -> ListenPlace {
        let (wanted, spare) = (wanted.clone(), RefCell::default());
        ListenPlace { id: group, wanted, listen, group, shared: None, spare, is_fixed: false }
    }

    fn bind(
        group: u64,
        wanted: &Listen,
        known: &[(Listen, Listen)],
        backend: Backend,
    ) -> Result<ListenPlace> {
        let mut place = ListenPlace::of(group, wanted, wanted.clone());
        let Address::Ip(mut addr) = wanted.address else {
            place.shared = Some(CommonSocket::bind(wanted, backend)?);
            return Ok(place);
        };
        if addr.port() == 0 {
            addr.set_port(port_of_twin(known, wanted, addr).unwrap_or_default());
        }
        if addr.port() != 0 {
            check_free(wanted.scheme, addr)?;
        }
        let socket = open(wanted.scheme, addr, true).map_err(|e| explain(addr, e))?;
        let addr = socket.local_addr().ok().and_then(|at| at.as_socket()).unwrap_or(addr);
        place.listen.address = addr.into();
        place.spare.get_mut().push(socket.into());
        Ok(place)
    }

    /// Takes over sockets of one address: one for each worker, where they are so many and can be, else each is shared.
    fn adopt(
        group: u64,
        wanted: &Listen,
        sockets: Vec<HandedSocket>,
        (workers, backend, is_hand_over): (usize, Backend, bool),
    ) -> Result<Vec<ListenPlace>> {
        let refused = |error| Error::system(format!("cannot listen on {}", wanted.url()), error);
        let has_own = sockets.len() == workers
            && sockets.iter().all(|it| SockRef::from(&it.socket).reuse_port().unwrap_or(false))
            && sockets[0].address.ip().is_some();
        let address = sockets[0].address.clone();
        let listen = Listen { address, ..wanted.clone() };
        if has_own {
            let mut place = ListenPlace::of(group, wanted, listen);
            for it in sockets {
                if it.is_stream {
                    // Who had it before may still accept from it, on another backend.
                    io::set_shared_modes(it.socket.as_fd(), backend).map_err(refused)?;
                }
                place.spare.get_mut().push(it.socket);
            }
            return Ok(vec![place]);
        }
        let shared = |it: HandedSocket| {
            let mut place = ListenPlace::of(group, wanted, listen.clone());
            place.shared = Some(CommonSocket::adopt(it, backend, is_hand_over).map_err(refused)?);
            Ok(place)
        };
        sockets.into_iter().map(shared).collect()
    }

    /// What it is called where it is handed on.
    pub fn name(&self) -> &str {
        self.wanted.handed.as_deref().unwrap_or("listener")
    }

    /// A copy of the one socket of all workers, where there is such.
    pub fn shared(&self) -> Option<OwnedFd> {
        self.shared.as_ref().and_then(|shared| shared.copy().ok())
    }

    /// A socket for one more worker.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn open(&self) -> Result<OpenedSocket> {
        let spare = self.spare.borrow_mut().pop();
        let socket = match (&self.shared, &self.listen.address, spare) {
            (Some(shared), ..) => shared.copy()?,
            (None, _, Some(spare)) => spare,
            (None, Address::Ip(addr), None) => {
                open(self.listen.scheme, *addr, true).map_err(|error| explain(*addr, error))?.into()
            }
            (None, Address::Unix(_), None) => CommonSocket::bind(&self.listen, Backend::Epoll)?.copy()?,
        };
        let (listen, is_shared) = (self.listen.clone(), self.shared.is_some());
        Ok(OpenedSocket { listen, socket, is_shared, goes_on: self.is_fixed })
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
