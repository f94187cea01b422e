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

use super::epoll::{EpollListener, accept_now};
use super::modes::set_nonblocking;
use super::ring::RingListener;
use super::stream::Stream;
use super::timer::sleep;
use super::{Backend, worker};
use crate::log;

/// Connections taken from the kernel's backlog at the close, at most: its usual bound.
const BACKLOG_MAX: usize = 4096;
/// How long accepting rests when descriptors or memory have run out.
const BACK_OFF: Duration = Duration::from_millis(75);

/// A listening stream socket of this worker.
pub struct Listener {
    backend: ListenerBackend,
    /// Others accept from the same socket.
    shared: bool,
    /// Accepting fails for want of descriptors or memory, and this has been logged.
    exhausted: Cell<bool>,
}

enum ListenerBackend {
    Ring(RingListener),
    Epoll(EpollListener),
}

impl Listener {
    /// Takes a socket that is bound and listens. Sets TCP_NODELAY on it, which what it accepts
    /// inherits (tcp(7) is silent, Linux does it).
    pub fn new(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let fd = socket.into();
        // It fails for AF_UNIX, which has no such delay.
        let _ = socket2::SockRef::from(&fd).set_tcp_nodelay(true);
        let backend = match worker::ring() {
            Some(ring) => {
                // With O_NONBLOCK the ring answers EAGAIN where it should wait.
                set_nonblocking(&fd, false)?;
                ListenerBackend::Ring(RingListener::new(ring, fd, false))
            }
            None => {
                set_nonblocking(&fd, true)?;
                ListenerBackend::Epoll(EpollListener::new(fd)?)
            }
        };
        Ok(Listener { backend, shared: false, exhausted: Cell::new(false) })
    }

    /// Takes a copy of a socket from whose one queue other workers accept, too. O_NONBLOCK is one for all
    /// copies, and left as it is: an accept must not wait for long on it, whichever way ([`set_shared_modes`]).
    pub fn shared(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let backend = match worker::ring() {
            Some(ring) => ListenerBackend::Ring(RingListener::new(ring, socket.into(), true)),
            None => ListenerBackend::Epoll(EpollListener::new(socket.into())?),
        };
        Ok(Listener { backend, shared: true, exhausted: Cell::new(false) })
    }

    /// The next connection. Dropping the future loses none. While descriptors or memory are
    /// exhausted (EMFILE, ENFILE, ENOBUFS, ENOMEM) it rests and tries again.
    pub async fn accept(&self) -> io::Result<Stream> {
        loop {
            let accepted = poll_fn(|cx| match &self.backend {
                ListenerBackend::Ring(listener) => listener.poll_accept(cx),
                ListenerBackend::Epoll(listener) => listener.poll_accept(cx),
            })
            .await;
            let error = match accepted.and_then(Stream::accepted) {
                Ok(stream) => {
                    self.exhausted.set(false);
                    return Ok(stream);
                }
                Err(error) => error,
            };
            match error.raw_os_error() {
                // ENOSPC: epoll_ctl(2), no more watches for this user.
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::ENOSPC) => {
                    if !self.exhausted.replace(true) && log::admits(log::Kind::Accept) {
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

    /// Whether a connection wakes all workers that accept from the same socket.
    pub fn wakes_all(&self) -> bool {
        self.shared && matches!(self.backend, ListenerBackend::Epoll(_))
    }

    /// Accepts no more until [`resume`](Self::resume): new connections wait in the kernel's
    /// backlog. What the ring has accepted already is still delivered.
    pub fn pause(&self) {
        match &self.backend {
            ListenerBackend::Ring(listener) => listener.pause(),
            ListenerBackend::Epoll(listener) => listener.pause(),
        }
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        match &self.backend {
            ListenerBackend::Ring(listener) => listener.resume(),
            ListenerBackend::Epoll(listener) => listener.resume(),
        }
    }

    /// Another process has the socket as well: its mode is not ours to change any more.
    pub fn set_shared(&mut self) {
        self.shared = true;
    }

    /// Stops accepting, then closes the socket; returns the connections that nobody has taken yet,
    /// those that still waited in the kernel's backlog among them, which a close would reset.
    pub async fn close(self) -> Vec<Stream> {
        let mut streams = Vec::new();
        if let ListenerBackend::Ring(listener) = &self.backend {
            streams.extend(listener.join().await.into_iter().filter_map(|fd| Stream::accepted(fd).ok()));
        }
        if self.shared || set_nonblocking(self.fd(), true).is_ok() {
            let waiting = std::iter::from_fn(|| accept_now(self.fd()).ok());
            streams.extend(waiting.take(BACKLOG_MAX).filter_map(|fd| Stream::new(fd).ok()));
        }
        streams
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = socket2::SockRef::from(&self.fd()).local_addr()?;
        addr.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// The listening descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.backend {
            ListenerBackend::Ring(listener) => listener.fd(),
            ListenerBackend::Epoll(listener) => listener.fd(),
        }
    }
}

/// Prepares a listening socket for copies in several workers on `backend`: without O_NONBLOCK for the ring, which would
/// answer EAGAIN where it should wait. A worker that falls back to epoll then waits for a timer's tick at most where
/// another one was faster (socket(7), SO_RCVTIMEO).
pub fn set_shared_modes(socket: BorrowedFd<'_>, backend: Backend) -> io::Result<()> {
    socket2::SockRef::from(&socket).set_read_timeout(Some(Duration::from_micros(1)))?;
    set_nonblocking(socket, backend == Backend::Epoll)
}
