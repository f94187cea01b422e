//! What carries a connection's bytes: a socket, or TLS over one.
//!
//! Owns: the difference between the two. Must not know: links, who reads and writes.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use crate::client::tls::TlsStream;
use crate::io::{Socket, WaitingRecv, now, sleep};

/// Bytes of one receive, where the reader does not say how many it wants.
pub(super) const RECV_BYTES: usize = 64 << 10;
/// How long the peer may go on sending what nobody reads after the end.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// What is received goes through it, into a chunk of its own size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What carries the bytes.
pub(super) enum Transport {
    /// TCP.
    Plain(Socket),
    /// TLS over TCP.
    Tls(TlsStream),
}

impl Transport {
    /// The next bytes, at most `room` of a plain connection; empty at the end.
    pub(super) fn poll_read(
        &self,
        waiting: &mut Option<WaitingRecv>,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Vec<u8>>> {
        let socket = match self {
            Transport::Tls(stream) => return stream.poll_recv(cx),
            Transport::Plain(socket) => socket,
        };
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
            result.map_ok(|got| buffer[..got].to_vec())
        })
    }

    pub(super) fn unread(&self) -> bool {
        match self {
            Transport::Plain(socket) => {
                socket.with_fd(|fd| Ok(rustix::io::ioctl_fionread(fd)?)).unwrap_or(0) > 0
            }
            Transport::Tls(stream) => stream.stream().has_unread(),
        }
    }

    pub(super) fn set_linger_zero(&self) {
        // It fails on a socket that is reset already.
        let _ = match self {
            Transport::Plain(socket) => {
                socket.with_fd(|fd| SockRef::from(&fd).set_linger(Some(Duration::ZERO)))
            }
            Transport::Tls(stream) => stream.stream().set_linger_zero(),
        };
    }

    /// Lets go of the descriptor: what waits on it ends.
    pub(super) fn close(&self) {
        if let Transport::Plain(socket) = self {
            // It fails where the descriptor has gone to TLS.
            let _ = socket.close();
        }
    }

    /// Ends our direction, after all that was sent before: a FIN, under TLS after a close_notify.
    pub(super) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(socket) => {
                Poll::Ready(socket.with_fd(|fd| SockRef::from(&fd).shutdown(Shutdown::Write)))
            }
            Transport::Tls(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Throws away what comes until the peer's end, for [`LINGER`] at most.
    pub(super) async fn discard(&self) {
        let mut limit = sleep(LINGER);
        let mut waiting = None;
        loop {
            let next = poll_fn(|cx| match self.poll_read(&mut waiting, RECV_BYTES, cx) {
                Poll::Ready(result) => Poll::Ready(result.ok()),
                Poll::Pending => pin!(&mut limit).poll(cx).map(|()| None),
            });
            if next.await.is_none_or(|bytes| bytes.is_empty()) || now() >= limit.deadline() {
                return;
            }
        }
    }
}
