//! One accepted connection: its transport, its seat in the worker, the time that it may be idle.
//!
//! Owns: receiving and sending, the deadline between requests, the end in three steps (stop new operations,
//! join those in flight, close). Must not know: what is spoken, how long a request may take.

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::io::Result as IoResult;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::state::{Seat, Worker};
use crate::address::Address;
use crate::files::FileWindow;
use crate::io::{self, Chunk, Deadline, Segments};
use crate::net::{Ends, Transport};
use crate::tls::TlsInfo;

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
    transport: Transport,
    /// Read with the first request that wants to know them.
    ends: OnceCell<Rc<Ends>>,
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
    /// Takes over what has been accepted; `ends` where a proxy has said who is at them.
    pub fn new(transport: Transport, ends: Option<Ends>, worker: Rc<Worker>, seat: Seat) -> Self {
        let (busy, deadline) = (Cell::new(false), Deadline::new());
        let ends = ends.map_or_else(OnceCell::new, |ends| OnceCell::from(Rc::new(ends)));
        Connection { transport, ends, worker, busy, deadline, _seat: seat }
    }

    /// The worker that serves it.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Its two ends, and what TLS between them agreed on.
    pub fn ends(&self) -> &Rc<Ends> {
        self.ends.get_or_init(|| Rc::new(self.transport.ends()))
    }

    /// The client's address.
    pub fn peer(&self) -> &Address {
        &self.ends().peer
    }

    /// What TLS agreed on; `None` on a plain connection.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.ends().tls.as_ref()
    }

    /// Whether TLS agreed on a protocol by that name (RFC 7301).
    pub fn speaks(&self, protocol: &[u8]) -> bool {
        matches!(&self.transport, Transport::Tls(stream) if stream.alpn().as_deref() == Some(protocol))
    }

    /// Whether a request for `authority` is for another server than this connection: see
    /// [`TlsStream::is_misdirected`](crate::tls::TlsStream::is_misdirected).
    pub fn is_misdirected(&self, authority: &str) -> bool {
        match &self.transport {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.is_misdirected(authority),
        }
    }

    /// Says whether a request is in the middle, from its first byte to the last of its answer. A drain ends a
    /// connection at once that is not busy; should its worker end, a busy one ends with a reset.
    pub fn set_busy(&self, busy: bool) {
        self.busy.set(busy);
        self.transport.stream().set_resets(busy);
    }

    /// Bounds [`Connection::recv_in_time`] from now on, in milliseconds from now.
    pub fn set_deadline(&self, ms: u64) {
        self.deadline.set(ms);
    }

    /// The task of `cx` is woken when a drain begins: for one that has taken the connection over from another.
    pub fn keep_waker(&self, cx: &Context<'_>) {
        self.worker.keep_waker(self._seat.key(), cx);
    }

    /// The next bytes, empty at the end of the stream, for who bounds the time itself.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<IoResult<Chunk>> {
        self.transport.poll_recv(cx)
    }

    /// The next bytes, empty at the end of the stream; bounded by the deadline, and by a drain while the
    /// connection is not busy.
    ///
    /// # Errors
    /// Why nothing came.
    pub async fn recv_in_time(&self) -> Result<Chunk, Stopped> {
        poll_fn(|cx| {
            if let Poll::Ready(result) = self.transport.poll_recv(cx) {
                return Poll::Ready(result.map_err(Stopped::Failed));
            }
            if self.deadline.poll_expired(cx).is_ready() {
                return Poll::Ready(Err(Stopped::TimedOut));
            }
            // A request that came before the drain, and is not yet read, is still answered.
            if !self.busy.get() && self.worker.is_draining() && !self.transport.has_unread() {
                return Poll::Ready(Err(Stopped::Draining));
            }
            Poll::Pending
        })
        .await
    }

    /// The same in pieces: see [`io::Stream::poll_segments`].
    pub fn poll_segments(&self, cx: &mut Context<'_>) -> Poll<IoResult<Segments>> {
        self.transport.poll_segments(cx)
    }

    /// Sends what the socket takes at once of `bytes`: see [`io::Stream::send_now`].
    ///
    /// # Errors
    /// It takes nothing for now, or has failed.
    pub fn send_now(&self, bytes: &[u8]) -> IoResult<usize> {
        self.transport.send_now(bytes)
    }

    /// Sends `head`, which keeps what does not get out, and what the socket takes at once of the file behind it: see
    /// [`Transport::send_file`].
    ///
    /// # Errors
    /// It takes nothing of the file for now, never does, or has failed.
    pub fn send_file(&self, head: &mut Vec<u8>, window: &FileWindow<'_>) -> IoResult<usize> {
        self.transport.send_file(head, window.file, window.offset, window.length)
    }

    /// Its one deadline, for who waits for more than one thing at a time.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Ready once our direction is ended, behind all that was sent: by a FIN, under TLS after a close_notify.
    ///
    /// # Errors
    /// The socket failed.
    pub fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        self.transport.poll_shutdown(cx)
    }

    /// Begins to send all of `buffer`: see [`io::Stream::start_send`].
    pub fn start_send(&self, buffer: Vec<u8>) {
        self.transport.start_send(buffer);
    }

    /// Whether a send is in flight.
    pub fn is_sending(&self) -> bool {
        self.transport.is_sending()
    }

    /// The end of the last send, once, and its buffer for the next; at once where nothing was sent since. For
    /// who bounds the time itself.
    pub fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<IoResult<Vec<u8>>> {
        self.transport.poll_sent(cx).map(|(result, buffer)| result.map(|()| buffer))
    }

    /// Grows while the peer takes what is sent: see [`io::Stream::send_progress`].
    pub fn send_progress(&self) -> u64 {
        self.transport.stream().send_progress()
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
    /// ([`io::Stream::linger`]). Then all operations are joined and the socket closed.
    pub async fn close_gently(self) {
        self.set_busy(false);
        let limits = &self.worker.config.limits;
        let stall_ms = limits.write_stall_ms_max;
        if self.sent(stall_ms).await.is_err() {
            return self.abort().await;
        }
        match self.finished(stall_ms).await {
            Ok(()) => self.transport.linger(&limits.linger, stall_ms).await,
            Err(Stopped::TimedOut) => return self.abort().await,
            Err(_) => {}
        }
        self.transport.close().await;
    }

    /// Waits until our direction is ended: a FIN, under TLS after a close_notify.
    async fn finished(&self, stall_ms: u64) -> Result<(), Stopped> {
        let mut watch = SendWatch::new(stall_ms);
        poll_fn(|cx| {
            if let Poll::Ready(finished) = self.transport.poll_shutdown(cx) {
                return Poll::Ready(finished.map_err(Stopped::Failed));
            }
            let stalled = watch.poll_stalled(&self.deadline, || self.send_progress(), cx);
            stalled.map(|()| Err(Stopped::TimedOut))
        })
        .await
    }

    /// Closes once all operations are joined; what was not sent is lost. TLS is ended by a close_notify, for else its
    /// peer cannot tell the end from a cut (RFC 8446 section 6.1).
    pub async fn close(self) {
        self.set_busy(false);
        if matches!(self.transport, Transport::Tls(_)) {
            // Where it does not get out there is nobody to hear it.
            let _ = self.finished(self.worker.config.limits.write_stall_ms_max).await;
        }
        self.transport.close().await;
    }

    /// Closes with a reset: nothing of the peer's or ours is worth waiting for.
    pub async fn abort(self) {
        self.set_busy(false);
        // It fails only on a socket that is reset already.
        let _ = self.transport.stream().set_linger_zero();
        self.transport.close().await;
    }

    /// The parts, for a handler that works on the socket itself.
    pub fn into_parts(self) -> (Transport, Rc<Ends>, Rc<Worker>, Seat) {
        let ends = self.ends().clone();
        (self.transport, ends, self.worker, self._seat)
    }
}
