//! What carries a connection's bytes: a socket, or TLS over one.
//!
//! Owns: the difference between the two. Must not know: links, who reads and writes.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;

use crate::config::Linger;
use crate::io::{Socket, WaitingRecv, WaitingSend, sleep};
use crate::tls::TlsStream;

/// Bytes of one receive, where the reader does not say how many it wants.
pub(crate) const RECV_BYTES: usize = 64 << 10;

thread_local! {
    /// What is received goes through it, into a chunk of its own size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What carries the bytes.
pub(crate) enum Channel {
    /// TCP.
    Plain(Socket),
    /// TLS over TCP.
    Tls(Box<TlsStream>),
}

/// A send that waits.
#[derive(Default)]
pub(crate) struct QueuedSend {
    place: Option<WaitingSend>,
    /// TLS has taken the bytes, and sends them.
    is_sealed: bool,
}

/// The next bytes, through [`SCRATCH`].
fn poll_plain<T>(
    socket: &Socket,
    waiting: &mut Option<WaitingRecv>,
    room: usize,
    cx: &Context<'_>,
    f: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < room {
            scratch.resize(room, 0);
        }
        let buffer = &mut scratch[..room];
        let tried = if waiting.is_none() { socket.try_recv(buffer) } else { None };
        let result = match tried {
            Some(result) => Poll::Ready(result),
            None => waiting.get_or_insert_with(|| socket.wait_to_recv()).poll(cx, buffer),
        };
        result.map_ok(|got| f(&buffer[..got]))
    })
}

impl Channel {
    /// The next bytes, at most `room` of a plain connection, lent to `take`, which says how many it has used: how
    /// many there were, none at the end, and those it has not used.
    pub(crate) fn poll_lend(
        &self,
        waiting: &mut Option<WaitingRecv>,
        room: usize,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<(usize, Bytes)>> {
        let mut lend = |bytes: &[u8]| if bytes.is_empty() { 0 } else { take(bytes) };
        match self {
            Channel::Tls(stream) => stream.poll_recv(cx).map_ok(|bytes| {
                let used = lend(&bytes);
                (bytes.len(), Bytes::copy_from_slice(&bytes[used..]))
            }),
            Channel::Plain(socket) => poll_plain(socket, waiting, room, cx, |bytes| {
                let used = lend(bytes);
                (bytes.len(), Bytes::copy_from_slice(&bytes[used..]))
            }),
        }
    }

    /// Sends some of `bytes`: how many. Where it has to wait, the next call has the same bytes.
    pub(crate) fn poll_send(
        &self,
        waiting: &mut QueuedSend,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let result = match self {
            Channel::Plain(socket) => {
                let tried = if waiting.place.is_none() { socket.try_send(bytes) } else { None };
                match tried {
                    Some(result) => result,
                    None => {
                        let place = waiting.place.get_or_insert_with(|| socket.wait_to_send());
                        ready!(place.poll(cx, bytes))
                    }
                }
            }
            Channel::Tls(stream) => {
                if !std::mem::replace(&mut waiting.is_sealed, true) {
                    stream.start_send(bytes.to_vec());
                }
                ready!(stream.poll_sent(cx)).0.map(|()| bytes.len())
            }
        };
        *waiting = QueuedSend::default();
        Poll::Ready(result)
    }

    pub(crate) fn unread(&self) -> bool {
        match self {
            Channel::Plain(socket) => {
                socket.with_fd(|fd| Ok(rustix::io::ioctl_fionread(fd)?)).unwrap_or(0) > 0
            }
            Channel::Tls(stream) => stream.stream().has_unread(),
        }
    }

    pub(crate) fn set_linger_zero(&self) {
        // It fails on a socket that is reset already.
        let _ = match self {
            Channel::Plain(socket) => {
                socket.with_fd(|fd| SockRef::from(&fd).set_linger(Some(Duration::ZERO)))
            }
            Channel::Tls(stream) => stream.stream().set_linger_zero(),
        };
    }

    /// Lets go of the descriptor: what waits on it ends.
    pub(crate) fn close(&self) {
        if let Channel::Plain(socket) = self {
            // It fails where the descriptor has gone to TLS.
            let _ = socket.close();
        }
    }

    /// Ends our direction, after all that was sent before: a FIN, under TLS after a close_notify.
    pub(crate) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Channel::Plain(socket) => {
                Poll::Ready(socket.with_fd(|fd| SockRef::from(&fd).shutdown(Shutdown::Write)))
            }
            Channel::Tls(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Whether the peer cannot tell a close from a cut yet: TLS without a close_notify.
    pub(crate) fn has_end_to_say(&self) -> bool {
        matches!(self, Channel::Tls(stream) if !stream.is_ended())
    }

    /// The same as [`Channel::poll_finish`], as far as it goes in `time`.
    pub(crate) async fn say_end(&self, time: Duration) {
        let mut timer = pin!(sleep(time));
        poll_fn(|cx| match self.poll_finish(cx) {
            // Where it does not get out there is nobody to hear it.
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => timer.as_mut().poll(cx),
        })
        .await;
    }

    /// Throws away what comes until the peer's end, within bounds; one that takes nothing of what was sent
    /// has `stall`.
    pub(crate) async fn discard(&self, stall: Duration) {
        let (bounds, stall_ms) = (Linger::default(), stall.as_millis() as u64);
        match self {
            Channel::Plain(socket) => socket.linger(&bounds, stall_ms).await,
            Channel::Tls(stream) => {
                let discard = |cx: &mut Context<'_>| stream.poll_recv(cx).map_ok(|bytes| bytes.len());
                stream.stream().linger(&bounds, stall_ms, discard).await;
            }
        }
    }
}
