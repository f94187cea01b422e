//! A socket from which all workers accept: of a Unix path, or one that was handed over.
//!
//! Owns: copies of it, and the waking of those who wait for it. Must not know: workers, files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};

use super::unix::UnixSocket;
use crate::config::Listen;
use crate::error::{Error, Result};
use crate::io::activation::HandedSocket;
use crate::io::{self, Backend};

/// The socket.
pub(super) enum CommonSocket {
    Unix(UnixSocket),
    /// Of streams or datagrams, at an address.
    Ip {
        socket: OwnedFd,
        addr: SocketAddr,
        is_stream: bool,
    },
}

impl CommonSocket {
    /// Binds the Unix socket of `listen`.
    pub(super) fn bind(listen: &Listen, backend: Backend) -> Result<CommonSocket> {
        UnixSocket::bind(listen, backend).map(CommonSocket::Unix)
    }

    /// Takes over one that was handed over; with the file of a Unix socket, if that `is_ours`.
    pub(super) fn adopt(
        handed: HandedSocket,
        backend: Backend,
        is_ours: bool,
    ) -> std::io::Result<CommonSocket> {
        let HandedSocket { socket, address, is_stream, .. } = handed;
        if is_stream {
            io::set_shared_modes(socket.as_fd(), backend)?;
        }
        Ok(match address.ip() {
            Some(addr) => CommonSocket::Ip { socket, addr, is_stream },
            None => CommonSocket::Unix(UnixSocket::adopt(socket, &address, is_ours)?),
        })
    }

    /// A copy for one worker.
    pub(super) fn copy(&self) -> Result<OwnedFd> {
        match self {
            CommonSocket::Unix(unix) => unix.copy(),
            CommonSocket::Ip { socket, addr, .. } => {
                socket.try_clone().map_err(|error| Error::system(format!("cannot listen on {addr}"), error))
            }
        }
    }

    pub(super) fn set_backend(&self, backend: Backend) -> Result<()> {
        match self {
            CommonSocket::Unix(unix) => unix.set_backend(backend),
            CommonSocket::Ip { socket, addr, is_stream: true } => {
                io::set_shared_modes(socket.as_fd(), backend)
                    .map_err(|error| Error::system(format!("cannot listen on {addr}"), error))
            }
            CommonSocket::Ip { .. } => Ok(()),
        }
    }

    /// Whether a connection waits that nobody has accepted.
    pub(super) fn has_waiting(&self) -> bool {
        match self {
            CommonSocket::Unix(unix) => unix.has_waiting(),
            CommonSocket::Ip { socket, is_stream, .. } => {
                let mut polled = [PollFd::new(socket, PollFlags::IN)];
                *is_stream && poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
            }
        }
    }

    /// Connects `count` times, and closes: each wakes one that waits.
    pub(super) fn wake_all(&self, count: usize) {
        let addr = match self {
            CommonSocket::Unix(unix) => return unix.wake_all(count),
            CommonSocket::Ip { addr, is_stream: true, .. } => near(*addr),
            CommonSocket::Ip { .. } => return,
        };
        for _ in 0..count {
            if let Ok(socket) = Socket::new(Domain::for_address(addr), Type::STREAM, None)
                && socket.set_nonblocking(true).is_ok()
            {
                // It is under way when this returns, and that is enough.
                let _ = socket.connect(&addr.into());
            }
        }
    }

    /// Leaves its file to another process.
    pub(super) fn give_up(self) {
        if let CommonSocket::Unix(unix) = self {
            unix.give_up();
        }
    }
}

/// Where this machine reaches a listener of `addr`.
fn near(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
