//! A listening socket: accepts that are never lost, pauses, and the answer to full tables.
//!
//! Owns: the listening descriptor, through its backend. Must not know: what is done with a
//! connection, or how many are wanted: who wants no more pauses.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use super::epoll::EpollListener;
use super::ring::RingListener;
use super::stream::{Stream, set_nonblocking};
use super::timer::sleep;
use super::worker;

/// How long accepting rests when descriptors or memory have run out.
const BACK_OFF: Duration = Duration::from_millis(75);

/// A listening stream socket of this worker.
pub struct Listener {
    backend: Backend,
    /// Accepting fails for want of descriptors or memory, and this has been logged.
    exhausted: Cell<bool>,
}

enum Backend {
    Ring(RingListener),
    Epoll(EpollListener),
}

impl Listener {
    /// Takes a socket that is bound and listens. TCP_NODELAY set on it is inherited by what it
    /// accepts (tcp(7) is silent, Linux does it).
    pub fn new(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let fd = socket.into();
        let backend = match worker::ring() {
            Some(ring) => {
                // With O_NONBLOCK the ring answers EAGAIN where it should wait.
                set_nonblocking(&fd, false)?;
                Backend::Ring(RingListener::new(ring, fd))
            }
            None => {
                set_nonblocking(&fd, true)?;
                Backend::Epoll(EpollListener::new(fd)?)
            }
        };
        Ok(Listener { backend, exhausted: Cell::new(false) })
    }

    /// The next connection. Dropping the future loses none. While descriptors or memory are
    /// exhausted (EMFILE, ENFILE, ENOBUFS, ENOMEM) it rests and tries again.
    pub async fn accept(&self) -> io::Result<Stream> {
        loop {
            let error = match poll_fn(|cx| match &self.backend {
                Backend::Ring(listener) => listener.poll_accept(cx),
                Backend::Epoll(listener) => listener.poll_accept(cx),
            })
            .await
            {
                Ok(fd) => {
                    self.exhausted.set(false);
                    return Stream::accepted(fd);
                }
                Err(error) => error,
            };
            match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    if !self.exhausted.replace(true) {
                        tracing::error!("cannot accept connections: {error}; trying again until it works");
                    }
                    sleep(BACK_OFF).await;
                }
                // accept(2): errors of the connection that was next, not of the listener.
                Some(
                    libc::ECONNABORTED
                    | libc::EINTR
                    | libc::EPROTO
                    | libc::EPERM
                    | libc::ENETDOWN
                    | libc::ENETUNREACH
                    | libc::EHOSTDOWN
                    | libc::EHOSTUNREACH
                    | libc::ENONET
                    | libc::ENOPROTOOPT,
                ) => {}
                _ => return Err(error),
            }
        }
    }

    /// Accepts no more until [`resume`](Self::resume): new connections wait in the kernel's
    /// backlog. What the ring has accepted already is still delivered.
    pub fn pause(&self) {
        match &self.backend {
            Backend::Ring(listener) => listener.pause(),
            Backend::Epoll(listener) => listener.pause(),
        }
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        match &self.backend {
            Backend::Ring(listener) => listener.resume(),
            Backend::Epoll(listener) => listener.resume(),
        }
    }

    /// Stops accepting, then closes the socket; returns the connections that were accepted and not
    /// yet handed out.
    pub async fn close(self) -> Vec<Stream> {
        match &self.backend {
            Backend::Ring(listener) => {
                listener.join().await.into_iter().filter_map(|fd| Stream::accepted(fd).ok()).collect()
            }
            Backend::Epoll(_) => Vec::new(),
        }
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = socket2::SockRef::from(&self.fd()).local_addr()?;
        addr.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// The listening descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.backend {
            Backend::Ring(listener) => listener.fd(),
            Backend::Epoll(listener) => listener.fd(),
        }
    }
}
