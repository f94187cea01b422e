//! One connected stream socket: receive chunks, send owned buffers, close in three steps.
//!
//! Owns: the descriptor, through its backend, and what is in flight on it. The one type of both
//! backends. Must not know: protocols, deadlines (they belong to the task that owns the stream).

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::budget;
use super::chunk::{Chunk, Segments};
use super::epoll::{EpollStream, send_some, send_some_more};
use super::modes::set_nonblocking;
use super::peer;
use super::ring::RingStream;
use super::socket::Socket;
use super::tcp_info::TcpInfo;
use super::worker;
use crate::address::Address;

/// A connected stream socket (TCP or AF_UNIX) of this worker. One task at a time receives, and
/// one sends; they may be the same. Dropping it closes it in the background.
pub struct Stream {
    backend: StreamBackend,
    peer: OnceCell<Option<Address>>,
    local: OnceCell<Option<Address>>,
}

enum StreamBackend {
    Ring(RingStream),
    Epoll(EpollStream),
}

impl Stream {
    /// Takes a connected socket.
    pub fn new(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let fd = socket.into();
        // With O_NONBLOCK the ring answers EAGAIN where it should wait.
        set_nonblocking(&fd, worker::ring().is_none())?;
        Self::accepted(fd)
    }

    /// A descriptor that has the blocking mode of the backend already.
    pub(super) fn accepted(fd: OwnedFd) -> io::Result<Self> {
        let backend = match worker::ring() {
            Some(ring) => StreamBackend::Ring(RingStream::new(ring, fd)),
            None => StreamBackend::Epoll(EpollStream::new(fd)?),
        };
        Ok(Stream { backend, peer: OnceCell::new(), local: OnceCell::new() })
    }

    /// The next bytes; an empty chunk at the end of the stream. Errors come after the bytes that
    /// were received before them.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.poll_recv(cx),
            StreamBackend::Epoll(stream) => stream.poll_recv(cx),
        }
    }

    /// As [`poll_recv`](Self::poll_recv), for who can do with pieces: more bytes come at a time, with fewer copies.
    pub fn poll_segments(&self, cx: &mut Context<'_>) -> Poll<io::Result<Segments>> {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.poll_segments(cx),
            StreamBackend::Epoll(stream) => stream.poll_segments(cx),
        }
    }

    /// Sends what the socket takes at once of `bytes`; how much that is. Without a wait, a copy or a completion.
    ///
    /// # Errors
    /// The socket failed; `WouldBlock` where it takes nothing, or a send is in flight.
    pub fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_sending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let sent = send_some(self.fd(), bytes)?;
        budget::spend(sent);
        Ok(sent)
    }

    /// As [`send_now`](Self::send_now), for what is followed by [`send_file`](Self::send_file).
    ///
    /// # Errors
    /// Those of [`send_now`](Self::send_now).
    pub fn send_before_file(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_sending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let sent = send_some_more(self.fd(), bytes)?;
        budget::spend(sent);
        Ok(sent)
    }

    /// Sends what the socket takes at once of `length` bytes of `file` from `offset` on; how much that is, none at the
    /// end of the file (sendfile(2)). The bytes do not pass through our memory. They are to be in the kernel's: see
    /// [`super::file::is_resident`].
    ///
    /// # Errors
    /// The socket or the file failed; `WouldBlock` where it takes nothing, or a send is in flight.
    pub fn send_file(&self, file: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<usize> {
        if self.is_sending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The ring has its sockets without O_NONBLOCK, and sendfile(2) has no flag of its own. What is armed on the
        // ring does not see the mode of a moment: the kernel works on it in io_uring_enter only.
        let is_blocking = matches!(self.backend, StreamBackend::Ring(_));
        if is_blocking {
            rustix::io::ioctl_fionbio(self.fd(), true)?;
        }
        let mut offset = offset;
        let sent = rustix::fs::sendfile(self.fd(), file, Some(&mut offset), length);
        if is_blocking {
            rustix::io::ioctl_fionbio(self.fd(), false)?;
        }
        let sent = sent?;
        budget::spend(sent);
        Ok(sent)
    }

    /// As [`poll_recv`](Self::poll_recv). Dropping the future loses no bytes.
    pub async fn recv(&self) -> io::Result<Chunk> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Begins to send all of `buffer` and returns; the send goes on by itself.
    ///
    /// # Panics
    /// While a send is in flight: [`poll_sent`](Self::poll_sent) says when it no longer is.
    pub fn start_send(&self, buffer: Vec<u8>) {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.start_send(buffer),
            StreamBackend::Epoll(stream) => stream.start_send(buffer),
        }
    }

    /// The result of the last send, once, and its buffer for reuse (not cleared). At once `Ok` with
    /// an empty buffer when nothing was sent since.
    pub fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.poll_sent(cx),
            StreamBackend::Epoll(stream) => stream.poll_sent(cx),
        }
    }

    /// Sends all of `buffer` and gives it back. If the future is dropped, the send goes on.
    pub async fn send(&self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        if self.is_sending() {
            let (result, _) = poll_fn(|cx| self.poll_sent(cx)).await;
            if result.is_err() {
                return (result, buffer);
            }
        }
        self.start_send(buffer);
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Whether a send is in flight.
    pub fn is_sending(&self) -> bool {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.is_sending(),
            StreamBackend::Epoll(stream) => stream.is_sending(),
        }
    }

    /// A number that grows while the peer takes what is sent: bytes that it acknowledged, for TCP
    /// (tcp_info, tcpi_bytes_acked); else bytes that the kernel took. A system call: for the check
    /// of a stalled send, not for each request.
    pub fn send_progress(&self) -> u64 {
        TcpInfo::of(self.fd()).map(|info| info.acknowledged).unwrap_or_else(|| match &self.backend {
            StreamBackend::Ring(stream) => stream.bytes_sent(),
            StreamBackend::Epoll(stream) => stream.bytes_sent(),
        })
    }

    /// Whether bytes have arrived that no receive has taken (tcp(7), FIONREAD): a system call.
    pub fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(self.fd()).is_ok_and(|bytes| bytes > 0)
    }

    /// shutdown(2). A send in flight is not waited for: collect it first.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(&self.fd()).shutdown(how)
    }

    /// Stops new operations, cancels and joins those in flight, closes. What was not sent is lost.
    pub async fn close(self) {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.join().await,
            StreamBackend::Epoll(stream) => stream.join().await,
        }
    }

    /// Makes the close send a reset instead of a FIN (SO_LINGER with zero time).
    pub fn set_linger_zero(&self) -> io::Result<()> {
        SockRef::from(&self.fd()).set_linger(Some(Duration::ZERO))
    }

    /// Says whether dropping it, instead of a close, is to be a reset: something is in the middle, and the peer
    /// must not take what it has for all there is.
    pub fn set_resets(&self, resets: bool) {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.set_resets(resets),
            StreamBackend::Epoll(stream) => stream.set_resets(resets),
        }
    }

    /// Closes with a reset, in the background.
    pub fn abort(self) {
        // It fails for sockets that know no linger; then the close is an ordinary one.
        let _ = self.set_linger_zero();
    }

    /// The socket itself, for raw handlers; to be called before the first receive, whose bytes it
    /// would lose. It is non-blocking.
    pub fn into_socket(self) -> io::Result<Socket> {
        let fd = match self.backend {
            StreamBackend::Ring(stream) => stream.into_fd()?,
            StreamBackend::Epoll(stream) => stream.into_fd()?,
        };
        set_nonblocking(&fd, true)?;
        Ok(Socket::new(fd))
    }

    /// The peer's address, while it is connected; read once.
    pub fn peer(&self) -> Option<&Address> {
        self.peer.get_or_init(|| peer::peer(self.fd())).as_ref()
    }

    /// The local address; read once.
    pub fn local(&self) -> Option<&Address> {
        self.local.get_or_init(|| peer::local(self.fd())).as_ref()
    }

    /// The descriptor, for socket options. Do not receive or send through it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.backend {
            StreamBackend::Ring(stream) => stream.fd(),
            StreamBackend::Epoll(stream) => stream.fd(),
        }
    }
}
