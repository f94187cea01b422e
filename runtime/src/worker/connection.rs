//! One accepted connection: its socket, its seat in the worker, the time that it may be idle.
//!
//! Owns: receiving and sending, the deadline between requests, the end in three steps (stop new operations,
//! join those in flight, close). Must not know: what is spoken, how long a request may take.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Result as IoResult;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::state::{Seat, Worker};
use crate::io::{self, Chunk, Deadline, Stream};

/// Why nothing was received or sent.
#[derive(Debug)]
pub enum Stopped {
    /// The deadline passed.
    TimedOut,
    /// The worker drains, and the connection was idle.
    Draining,
    /// The socket failed.
    Failed(std::io::Error),
}

/// A connection of this worker. What is received and sent for a request has the deadlines of that request;
/// those of the connection bound what is between requests.
pub struct Connection {
    stream: Stream,
    worker: Rc<Worker>,
    /// A request is in the middle.
    busy: Cell<bool>,
    deadline: Deadline,
    _seat: Seat,
}

/// The time that a peer may take nothing of what is sent to it.
pub struct SendWatch {
    stall: Duration,
    look_ms: u64,
    /// What the peer had taken when it last took something, and when that was.
    seen: Option<(u64, Instant)>,
}

impl SendWatch {
    /// Of one send that ends once the peer takes nothing for `stall_ms`.
    pub fn new(stall_ms: u64) -> Self {
        // A look costs a system call: ten for each time-out are enough to end soon after it.
        SendWatch { stall: Duration::from_millis(stall_ms), look_ms: stall_ms.div_ceil(10), seen: None }
    }

    /// Ready once the peer has taken nothing for the time, by `progress`, a number that grows while it takes
    /// something. `timer` is in use as long as the send is in flight.
    pub fn poll_stalled(
        &mut self,
        timer: &Deadline,
        progress: impl Fn() -> u64,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.seen.is_none() || timer.expired() {
                let (progress, now) = (progress(), io::now());
                let since = self.seen.filter(|seen| seen.0 == progress).map_or(now, |seen| seen.1);
                let idle = now.saturating_duration_since(since);
                if idle >= self.stall {
                    return Poll::Ready(());
                }
                self.seen = Some((progress, since));
                timer.set(self.look_ms.min((self.stall - idle).as_millis() as u64));
            }
            if timer.poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Connection {
    /// Takes over an accepted socket.
    pub fn new(stream: Stream, worker: Rc<Worker>, seat: Seat) -> Self {
        Connection { stream, worker, busy: Cell::new(false), deadline: Deadline::new(), _seat: seat }
    }

    /// The worker that serves it.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().unwrap_or(io::UNKNOWN_ADDRESS)
    }

    /// Ours.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap_or(io::UNKNOWN_ADDRESS)
    }

    /// Says whether a request is in the middle, from its first byte to the last of its answer. A drain ends a
    /// connection at once that is not busy; should its worker end, a busy one ends with a reset.
    pub fn set_busy(&self, busy: bool) {
        self.busy.set(busy);
        self.stream.set_resets(busy);
    }

    /// Bounds [`Connection::recv_in_time`] from now on, in milliseconds from now.
    pub fn set_deadline(&self, ms: u64) {
        self.deadline.set(ms);
    }

    /// The next bytes, empty at the end of the stream, for who bounds the time itself.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<IoResult<Chunk>> {
        self.stream.poll_recv(cx)
    }

    /// The next bytes, empty at the end of the stream; bounded by the deadline, and by a drain while the
    /// connection is not busy.
    ///
    /// # Errors
    /// Why nothing came.
    pub async fn recv_in_time(&self) -> Result<Chunk, Stopped> {
        poll_fn(|cx| {
            if let Poll::Ready(result) = self.stream.poll_recv(cx) {
                return Poll::Ready(result.map_err(Stopped::Failed));
            }
            if self.deadline.poll_expired(cx).is_ready() {
                return Poll::Ready(Err(Stopped::TimedOut));
            }
            // A request that came before the drain, and is not yet read, is still answered.
            if !self.busy.get() && self.worker.is_draining() && !self.stream.has_unread() {
                return Poll::Ready(Err(Stopped::Draining));
            }
            Poll::Pending
        })
        .await
    }

    /// Begins to send all of `buffer`: see [`Stream::start_send`].
    pub fn start_send(&self, buffer: Vec<u8>) {
        self.stream.start_send(buffer);
    }

    /// Whether a send is in flight.
    pub fn is_sending(&self) -> bool {
        self.stream.is_sending()
    }

    /// The end of the last send, once, and its buffer for the next; at once where nothing was sent since. For
    /// who bounds the time itself.
    pub fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<IoResult<Vec<u8>>> {
        self.stream.poll_sent(cx).map(|(result, buffer)| result.map(|()| buffer))
    }

    /// Grows while the peer takes what is sent: see [`Stream::send_progress`].
    pub fn send_progress(&self) -> u64 {
        self.stream.send_progress()
    }

    /// Waits until what was sent last is on its way, as long as the peer takes some of it every
    /// `stall_ms`; the buffer comes back for the next send. The deadline is in use as long.
    ///
    /// # Errors
    /// Why it did not get out.
    pub async fn sent(&self, stall_ms: u64) -> Result<Vec<u8>, Stopped> {
        let mut watch = SendWatch::new(stall_ms);
        poll_fn(|cx| {
            if let Poll::Ready(sent) = self.poll_sent(cx) {
                return Poll::Ready(sent.map_err(Stopped::Failed));
            }
            let stalled = watch.poll_stalled(&self.deadline, || self.send_progress(), cx);
            stalled.map(|()| Err(Stopped::TimedOut))
        })
        .await
    }

    /// Ends the connection: what is being sent goes out, the client gets our FIN, and what it still
    /// sends is dropped within bounds, so that an answer in flight is not lost to a reset
    /// ([`Stream::linger`]). Then all operations are joined and the socket closed.
    pub async fn close_gently(self) {
        self.set_busy(false);
        let limits = &self.worker.config.limits;
        if self.sent(limits.write_stall_ms_max).await.is_err() {
            return self.abort().await;
        }
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            let discard = |cx: &mut Context<'_>| self.stream.poll_recv(cx).map_ok(|chunk| chunk.len());
            self.stream.linger(&limits.linger, limits.write_stall_ms_max, discard).await;
        }
        self.stream.close().await;
    }

    /// Closes once all operations are joined; what was not sent is lost.
    pub async fn close(self) {
        self.set_busy(false);
        self.stream.close().await;
    }

    /// Closes with a reset: nothing of the peer's or ours is worth waiting for.
    pub async fn abort(self) {
        self.set_busy(false);
        // It fails only on a socket that is reset already.
        let _ = self.stream.set_linger_zero();
        self.stream.close().await;
    }

    /// The parts, for a handler that works on the socket itself.
    pub fn into_parts(self) -> (Stream, Rc<Worker>, Seat) {
        (self.stream, self.worker, self._seat)
    }
}
