//! One accepted connection: its socket, its deadlines, its seat in the worker.
//!
//! Owns: receiving and sending under a deadline, the end in three steps (stop new operations, join
//! those in flight, close). Must not know: what is spoken.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::io::{self, Chunk, Deadline, Stream};
use crate::worker::{Seat, Worker};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Between requests: a drain ends it at once.
    Idle,
    /// A message is being received.
    Receiving,
    /// The app has it.
    Handling,
    /// An answer is being sent.
    Sending,
    /// No new operation begins.
    Closing,
}

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

/// A connection of this worker.
pub struct Connection {
    stream: Stream,
    worker: Rc<Worker>,
    phase: Cell<Phase>,
    stall: Deadline,
    request: Deadline,
    _seat: Seat,
}

/// How a send gets on.
pub struct SendWatch {
    stall: Duration,
    look_ms: u64,
    /// What the peer had taken when it last took something, and when that was.
    seen: Option<(u64, Instant)>,
}

impl SendWatch {
    /// Of a send that ends once the peer takes nothing for `stall_ms`.
    pub fn new(stall_ms: u64) -> Self {
        // A look costs a system call: ten for each time-out are enough to end soon after it.
        SendWatch { stall: Duration::from_millis(stall_ms), look_ms: stall_ms.div_ceil(10), seen: None }
    }
}

impl Connection {
    /// Takes over an accepted socket.
    pub fn new(stream: Stream, worker: Rc<Worker>, seat: Seat) -> Self {
        Connection {
            stream,
            worker,
            phase: Cell::new(Phase::Idle),
            stall: Deadline::new(),
            request: Deadline::new(),
            _seat: seat,
        }
    }

    /// The worker that serves it.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().unwrap_or(io::UNKNOWN_ADDRESS)
    }

    /// Ours.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap_or(io::UNKNOWN_ADDRESS)
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Moves it on. Should its worker end meanwhile, a request in the middle ends with a reset.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
        self.stream.set_resets(matches!(phase, Phase::Receiving | Phase::Handling | Phase::Sending));
    }

    /// Bounds what is received or sent from now on, in milliseconds from now.
    pub fn set_stall(&self, ms: u64) {
        self.stall.set(ms);
    }

    /// The bound on the current request as a whole.
    pub fn request_deadline(&self) -> &Deadline {
        &self.request
    }

    /// The next bytes, empty at the end of the stream; bounded by the stall deadline, and by a
    /// drain while idle.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Chunk, Stopped>> {
        if let Poll::Ready(result) = self.stream.poll_recv(cx) {
            return Poll::Ready(result.map_err(Stopped::Failed));
        }
        if self.stall.poll_expired(cx).is_ready() {
            return Poll::Ready(Err(Stopped::TimedOut));
        }
        // A request that came before the drain, and is not yet read, is still answered.
        if self.phase.get() == Phase::Idle && self.worker.is_draining() && !self.stream.has_unread() {
            return Poll::Ready(Err(Stopped::Draining));
        }
        Poll::Pending
    }

    /// As [`Connection::poll_recv`].
    ///
    /// # Errors
    /// Why nothing came.
    pub async fn recv(&self) -> Result<Chunk, Stopped> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Waits until what was sent last is on its way, as long as the peer takes some of it every
    /// `stall_ms`; the buffer comes back for the next send.
    ///
    /// # Errors
    /// Why it did not get out.
    pub async fn sent(&self, stall_ms: u64) -> Result<Vec<u8>, Stopped> {
        let mut watch = SendWatch::new(stall_ms);
        poll_fn(|cx| self.poll_sent(&mut watch, cx)).await
    }

    /// As [`Connection::sent`], for a task that waits for other things, too: one `watch` for each send.
    /// The stall deadline is in use as long.
    pub fn poll_sent(&self, watch: &mut SendWatch, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Stopped>> {
        loop {
            if let Poll::Ready((result, buffer)) = self.stream.poll_sent(cx) {
                return Poll::Ready(result.map(|()| buffer).map_err(Stopped::Failed));
            }
            if watch.seen.is_none() || self.stall.expired() {
                let (progress, now) = (self.stream.send_progress(), io::now());
                let since = watch.seen.filter(|seen| seen.0 == progress).map_or(now, |seen| seen.1);
                let idle = now.saturating_duration_since(since);
                if idle >= watch.stall {
                    return Poll::Ready(Err(Stopped::TimedOut));
                }
                watch.seen = Some((progress, since));
                self.stall.set(watch.look_ms.min((watch.stall - idle).as_millis() as u64));
            }
            if self.stall.poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Ends the connection: what is being sent goes out, the client gets our FIN, and what it still
    /// sends is dropped within bounds, so that an answer in flight is not lost to a reset
    /// ([`Stream::linger`]). Then all operations are joined and the socket closed.
    pub async fn close_gently(self) {
        self.set_phase(Phase::Closing);
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
        self.set_phase(Phase::Closing);
        self.stream.close().await;
    }

    /// Closes with a reset: nothing of the peer's or ours is worth waiting for.
    pub async fn abort(self) {
        self.set_phase(Phase::Closing);
        // It fails only on a socket that is reset already.
        let _ = self.stream.set_linger_zero();
        self.stream.close().await;
    }

    /// The parts, for a handler that works on the socket itself.
    pub fn into_parts(self) -> (Stream, Rc<Worker>, Seat) {
        (self.stream, self.worker, self._seat)
    }
}
