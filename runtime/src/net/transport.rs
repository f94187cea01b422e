//! A connected byte stream, plain or TLS.
//!
//! Owns: the choice between the two, and nothing else. Must not know: what is spoken over it.

use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::io::Stream;
use crate::tls::TlsStream;

/// A connected byte stream.
pub(crate) enum Transport {
    Plain(Stream),
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Calls `take` with the next bytes; none at the end of the stream.
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>, take: impl FnOnce(&[u8])) -> Poll<io::Result<()>> {
        match self {
            // The chunk goes back to the kernel as soon as it is copied.
            Transport::Plain(stream) => take(&ready!(stream.poll_recv(cx))?),
            Transport::Tls(stream) => take(&ready!(stream.poll_recv(cx))?),
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the peer has closed its direction, though nobody may have read that yet (poll(2),
    /// POLLRDHUP): a system call.
    pub(crate) fn is_hung_up(&self) -> bool {
        let stream = match self {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.stream(),
        };
        let mut polled = [PollFd::from_borrowed_fd(stream.fd(), PollFlags::RDHUP)];
        poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    pub(crate) fn start_send(&self, buffer: Vec<u8>) {
        match self {
            Transport::Plain(stream) => stream.start_send(buffer),
            Transport::Tls(stream) => stream.start_send(buffer),
        }
    }

    /// The result of the last send and its buffer, to be cleared.
    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        match self {
            Transport::Plain(stream) => stream.poll_sent(cx),
            Transport::Tls(stream) => stream.poll_sent(cx),
        }
    }

    /// Ends our direction, when all that was sent before is with the kernel.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => {
                ready!(stream.poll_sent(cx)).0?;
                Poll::Ready(stream.shutdown(Shutdown::Write))
            }
            Transport::Tls(stream) => stream.poll_shutdown(cx),
        }
    }
}
