//! The end of a connection after our FIN: what the peer still sends is thrown away, for a close with
//! unread bytes is a reset, which can take from the peer what it has not read (RFC 9112 section 9.6,
//! RFC 1122 section 4.2.2.13).
//!
//! Owns: how long, and for how many bytes. Must not know: who closes, and why.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::socket::Socket;
use super::tcp_info::TcpInfo;
use super::timer::{now, sleep};
use crate::config::Linger;

/// Bytes of one receive that is thrown away.
const DISCARD_BYTES: usize = 16 << 10;
/// Looks at the connection in the time that it has: each is two system calls.
const LOOKS: u64 = 10;

/// How a connection stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Bytes that wait to be received.
    unread: u64,
    /// The peer has acknowledged all that was sent, the FIN with it.
    has_all: bool,
    /// Grows with each byte that it acknowledges.
    acknowledged: u64,
}

impl Look {
    pub(super) fn at(fd: BorrowedFd<'_>) -> Look {
        let unread = rustix::io::ioctl_fionread(fd).unwrap_or(0);
        match TcpInfo::of(fd) {
            Some(info) => {
                Look { unread, has_all: info.fin_is_acknowledged(), acknowledged: info.acknowledged }
            }
            // No network lies between AF_UNIX sockets.
            None => Look { unread, has_all: true, acknowledged: 0 },
        }
    }

    /// One whose descriptor is closed: there is nothing to wait for.
    const GONE: Look = Look { unread: 0, has_all: true, acknowledged: 0 };
}

/// Throws away what comes, by `discard` (bytes received, 0 at the peer's end), and returns when it is time
/// to close: at the peer's end; `bounds.ms_max` after it has all that was sent; where it takes nothing of
/// that for `stall_ms`. Beyond `bounds.bytes_max`, and what was there before, nothing more is received.
pub(super) async fn linger(
    bounds: &Linger,
    stall_ms: u64,
    look: impl Fn() -> Look,
    mut discard: impl FnMut(&mut Context<'_>) -> Poll<io::Result<usize>>,
) {
    let first = look();
    let mut room = first.unread.saturating_add(bounds.bytes_max);
    let (time, stall) = (Duration::from_millis(bounds.ms_max), Duration::from_millis(stall_ms));
    let step = Duration::from_millis((bounds.ms_max / LOOKS).max(1));
    let (mut heard, mut looked) = (now(), now());
    let (mut moved, mut has_all) = ((first.acknowledged, now()), first.has_all.then(now));
    loop {
        let mut tick = pin!(sleep(step));
        let next = poll_fn(|cx| {
            if room > 0
                && let Poll::Ready(received) = discard(cx)
            {
                return Poll::Ready(Some(received));
            }
            tick.as_mut().poll(cx).map(|()| None)
        });
        match next.await {
            Some(Ok(0) | Err(_)) => return,
            Some(Ok(count)) => {
                room = room.saturating_sub(count as u64);
                heard = now();
            }
            None => {}
        }
        let now = now();
        if now.saturating_duration_since(looked) < step {
            continue;
        }
        looked = now;
        let at = look();
        if at.acknowledged != moved.0 {
            moved = (at.acknowledged, now);
        }
        let since = |then| now.saturating_duration_since(then);
        let over = match at.has_all {
            true => since(*has_all.get_or_insert(now)) >= time,
            // Where nothing is unread the kernel sends the rest by itself; if the peer says no more.
            false => since(moved.1) >= stall || (room > 0 && at.unread == 0 && since(heard) >= time),
        };
        if over {
            return;
        }
    }
}

impl Socket {
    /// Waits after a FIN until it can be closed without harm (see [`linger`]).
    pub async fn linger(&self, bounds: &Linger, stall_ms: u64) {
        let mut buffer = vec![0; DISCARD_BYTES];
        let waiting = self.wait_to_recv();
        let look = || self.with_fd(|fd| Ok(Look::at(fd))).unwrap_or(Look::GONE);
        linger(bounds, stall_ms, look, |cx| waiting.poll(cx, &mut buffer)).await;
    }
}

impl super::Stream {
    /// The same. `discard` receives, where there is more between the socket and the reader (TLS).
    pub async fn linger(
        &self,
        bounds: &Linger,
        stall_ms: u64,
        discard: impl FnMut(&mut Context<'_>) -> Poll<io::Result<usize>>,
    ) {
        linger(bounds, stall_ms, || Look::at(self.fd()), discard).await;
    }
}
