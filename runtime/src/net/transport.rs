//! A connected byte stream, plain or TLS.
//!
//! Owns: the choice between the two, and nothing else. Must not know: what is spoken over it.

use std::io;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ends::Ends;
use crate::address::Address;
use crate::config::Linger;
use crate::io::{Chunk, Segments, Stream};
use crate::tls::TlsStream;

/// A connected byte stream.
pub enum Transport {
    /// A socket.
    Plain(Stream),
    /// TLS over one.
    Tls(Box<TlsStream>),
}

impl Transport {
    /// The socket below.
    pub fn stream(&self) -> &Stream {
        match self {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.stream(),
        }
    }

    /// Its ends, and what TLS agreed on.
    pub fn ends(&self) -> Ends {
        let stream = self.stream();
        Ends {
            peer: stream.peer().cloned().unwrap_or(Address::UNKNOWN),
            local: stream.local().cloned().unwrap_or(Address::UNKNOWN),
            tls: match self {
                Transport::Plain(_) => None,
                Transport::Tls(stream) => Some(stream.info()),
            },
        }
    }

    /// The next bytes; none at the end of the stream.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        match self {
            Transport::Plain(stream) => stream.poll_recv(cx),
            Transport::Tls(stream) => stream.poll_recv(cx),
        }
    }

    /// The same in pieces: see [`Stream::poll_segments`].
    pub fn poll_segments(&self, cx: &mut Context<'_>) -> Poll<io::Result<Segments>> {
        match self {
            Transport::Plain(stream) => stream.poll_segments(cx),
            Transport::Tls(stream) => stream.poll_recv(cx).map_ok(Segments::from),
        }
    }

    /// Sends what the socket takes at once of `bytes`: see [`Stream::send_now`].
    ///
    /// # Errors
    /// The socket failed; `WouldBlock` where it takes nothing, a send is in flight, or TLS has to seal the bytes first.
    pub fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.send_now(bytes),
            Transport::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends `head` and what the socket takes at once of the file behind it: how much of each. See [`Stream::send_file`].
    ///
    /// # Errors
    /// The socket failed; `WouldBlock` where it takes nothing more than of `head`; `Unsupported` under TLS, which has
    /// to seal the bytes first.
    pub fn send_file(
        &self,
        head: &mut Vec<u8>,
        file: BorrowedFd<'_>,
        offset: u64,
        length: usize,
    ) -> io::Result<usize> {
        let Transport::Plain(stream) = self else { return Err(io::ErrorKind::Unsupported.into()) };
        if !head.is_empty() {
            let sent = stream.send_before_file(head)?;
            head.drain(..sent);
            if !head.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        stream.send_file(file, offset, length)
    }

    /// Whether bytes have arrived that nobody has taken: a system call.
    pub fn has_unread(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.has_unread(),
            Transport::Tls(stream) => stream.has_unread(),
        }
    }

    /// Whether the peer has closed its direction, though nobody may have read that yet (poll(2),
    /// POLLRDHUP): a system call.
    pub(crate) fn is_hung_up(&self) -> bool {
        let mut polled = [PollFd::from_borrowed_fd(self.stream().fd(), PollFlags::RDHUP)];
        poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Begins to send all of `buffer`.
    pub fn start_send(&self, buffer: Vec<u8>) {
        match self {
            Transport::Plain(stream) => stream.start_send(buffer),
            Transport::Tls(stream) => stream.start_send(buffer),
        }
    }

    /// The result of the last send and its buffer, to be cleared.
    pub fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        match self {
            Transport::Plain(stream) => stream.poll_sent(cx),
            Transport::Tls(stream) => stream.poll_sent(cx),
        }
    }

    /// Whether a send is in flight.
    pub fn is_sending(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_sending(),
            Transport::Tls(stream) => stream.is_sending(),
        }
    }

    /// Ends our direction, when all that was sent before is with the kernel.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => {
                ready!(stream.poll_sent(cx)).0?;
                Poll::Ready(stream.shutdown(Shutdown::Write))
            }
            Transport::Tls(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Throws away what comes after our end, within bounds: see [`Stream::linger`].
    pub async fn linger(&self, bounds: &Linger, stall_ms: u64) {
        let discard = |cx: &mut Context<'_>| self.poll_recv(cx).map_ok(|chunk| chunk.len());
        self.stream().linger(bounds, stall_ms, discard).await;
    }

    /// Closes once all operations are joined; what was not sent is lost.
    pub async fn close(self) {
        match self {
            Transport::Plain(stream) => stream.close().await,
            Transport::Tls(stream) => stream.close().await,
        }
    }
}
