//! Raw TCP for the hooks of an app's `tcp`: what is received goes to `data` from the buffer that the kernel filled,
//! what a turn has written leaves in one send.
//!
//! Owns: the order of what happens on a connection, its idle and its write time-out, how it is closed. Must not know:
//! the ring, what a hook makes of it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use runtime::app::tcp::{HookedConnection, Outlet, Phase, TcpEnd, Terms};
use runtime::io::now;
use runtime::log::{self, Kind};
use runtime::worker::{Connection, Protocol, SendWatch};
use tracing::{error, warn};

/// A send of so few bytes is nearly always over with the turn that began it: nobody need be told.
const QUICK_BYTES: usize = 16 << 10;

/// Raw TCP for the app's `tcp`.
pub struct Tcp;

impl Protocol for Tcp {
    fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(serve(connection))
    }
}

async fn serve(connection: Connection) {
    let worker = connection.worker().clone();
    let app = worker.app.current();
    let Some(hooks) = app.tcp() else { return };
    let limits = &worker.config.limits;
    let ends = connection.ends().clone();
    let peer = &ends.peer;
    let note = peer.to_string();
    worker.serving.note(b"tcp", note.as_bytes());
    // Should the worker end, what the client has is not all there is.
    connection.set_busy(true);
    let terms = Terms { idle_ms: limits.idle_ms_max, buffer_bytes_max: limits.write_buffer_bytes_max };
    let connection = Rc::new(connection);
    let outlet = Rc::new(Direct(connection.clone()));
    let hooked = match HookedConnection::open(app.engine(), hooks, ends.clone(), worker.number, terms, outlet)
    {
        Ok(hooked) => hooked,
        Err(thrown) => {
            if log::admits(Kind::Raw) {
                error!(worker = worker.number, %peer, "cannot serve the connection: {thrown}");
            }
            return finish(connection, false).await;
        }
    };
    let mut session = HookedSession::new(connection, hooked, note);
    let ending = poll_fn(|cx| session.poll(cx)).await;
    let HookedSession { connection, hooked, is_half_closed, .. } = session;
    // What is cut off is a reset, so that the client does not take what it has for all there is.
    let is_whole = is_half_closed || !connection.is_sending() && !hooked.has_output();
    let closing = hooked.close(ending);
    if let Some((kind, text)) = closing.report {
        let is_limit = !matches!(kind, Kind::Raw);
        if !is_limit && log::admits(kind) {
            error!(worker = worker.number, %peer, "{text}");
        } else if is_limit && let Some(more) = log::admits_limit(kind) {
            warn!(worker = worker.number, %peer, "{text}{more}");
        }
    }
    finish(connection, is_whole && closing.is_in_order).await;
}

/// Closes the connection, in order or with a reset.
async fn finish(connection: Rc<Connection>, in_order: bool) {
    // Whoever else had it has let go of it: else it is closed when they do, with a reset.
    let Ok(connection) = Rc::try_unwrap(connection) else { return };
    match in_order {
        true => connection.close().await,
        false => connection.abort().await,
    }
}

/// The connection, for large writes.
struct Direct(Rc<Connection>);

impl Outlet for Direct {
    fn send_now(&self, bytes: &[u8]) -> usize {
        self.0.send_now(bytes).unwrap_or(0)
    }
}

/// One connection while it is served.
struct HookedSession {
    connection: Rc<Connection>,
    hooked: HookedConnection,
    /// What the watch says that the worker serves.
    note: String,
    /// Bytes of the send that was not collected yet.
    sending: Option<usize>,
    /// Looks whether the client takes what is sent.
    watch: Option<SendWatch>,
    /// When a byte moved last.
    moved: Instant,
    has_ended: bool,
    /// Our FIN is sent.
    is_half_closed: bool,
    was_paused: bool,
    /// The time-out that the deadline was set for.
    idle_ms: u64,
}

impl HookedSession {
    fn new(connection: Rc<Connection>, hooked: HookedConnection, note: String) -> HookedSession {
        HookedSession {
            connection,
            hooked,
            note,
            sending: None,
            watch: None,
            moved: now(),
            has_ended: false,
            is_half_closed: false,
            was_paused: false,
            idle_ms: 0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TcpEnd> {
        loop {
            if self.hooked.phase() == Phase::Closing {
                return Poll::Ready(TcpEnd::Asked);
            }
            if let Err(error) = self.poll_output(cx) {
                return Poll::Ready(TcpEnd::Lost(error));
            }
            if self.has_ended && self.is_half_closed {
                return Poll::Ready(TcpEnd::Asked);
            }
            if self.hooked.drained() {
                continue;
            }
            match self.poll_input(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(TcpEnd::Lost(error)),
                Poll::Pending => break,
            }
        }
        self.hooked.keep_waker(cx);
        self.poll_time(cx)
    }

    /// Gives the socket what the app has written, and our FIN once that is gone.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if let Some(bytes) = self.sending {
                let is_waited_for = bytes > QUICK_BYTES || self.hooked.awaits_sent();
                if self.connection.is_sending() && !is_waited_for {
                    return Ok(());
                }
                let Poll::Ready(sent) = self.connection.poll_sent(cx) else { return Ok(()) };
                (self.sending, self.watch, self.moved) = (None, None, now());
                self.hooked.sent(sent?);
            }
            match self.hooked.take_output() {
                Some(buffer) => {
                    self.sending = Some(buffer.len());
                    self.connection.start_send(buffer);
                    self.arm();
                }
                None if self.hooked.phase() == Phase::Ending && !self.is_half_closed => {
                    let Poll::Ready(finished) = self.connection.poll_finish(cx) else { return Ok(()) };
                    self.is_half_closed = true;
                    self.moved = now();
                    self.arm();
                    return finished;
                }
                None => return Ok(()),
            }
        }
    }

    /// Calls a hook with what has come: ready when one was called.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_paused = self.hooked.is_paused();
        if std::mem::replace(&mut self.was_paused, is_paused) && !is_paused {
            // The client was not waited for meanwhile.
            self.moved = now();
            self.arm();
        }
        if is_paused || self.has_ended {
            return Poll::Pending;
        }
        let bytes = match self.connection.poll_segments(cx) {
            Poll::Ready(Ok(bytes)) => bytes,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        self.moved = now();
        self.connection.worker().serving.note(b"tcp", self.note.as_bytes());
        if bytes.is_empty() {
            self.has_ended = true;
            self.hooked.ended();
        } else {
            self.hooked.data(&bytes);
        }
        Poll::Ready(Ok(()))
    }

    /// Milliseconds in which a byte must move; 0: as long as it likes. Once our FIN is sent, the client has the
    /// server's time at most to send its own.
    fn idle_ms(&self) -> u64 {
        let server = self.connection.worker().config.limits.idle_ms_max;
        match self.hooked.idle_ms() {
            0 if self.is_half_closed => server,
            ms => ms,
        }
    }

    /// Has the time looked at soon enough for a send that was begun, and for an idle client.
    fn arm(&self) {
        let look = self.connection.worker().config.limits.write_stall_ms_max.div_ceil(10);
        let idle = self.idle_ms();
        match (self.sending, idle) {
            (Some(_), 0) => self.connection.deadline().set(look),
            (Some(_), idle) => self.connection.deadline().set(look.min(idle)),
            (None, 0) => {}
            (None, idle) => self.connection.deadline().set(idle),
        }
    }

    /// Ready once the client was waited for too long.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<TcpEnd> {
        let deadline = self.connection.deadline();
        let stall = self.connection.worker().config.limits.write_stall_ms_max;
        loop {
            let is_sending = self.sending.is_some() && self.connection.is_sending();
            if let Some(watch) = self.watch.as_mut().filter(|_| is_sending) {
                let stalled = watch.poll_stalled(deadline, || self.connection.send_progress(), cx);
                return stalled.map(|()| TcpEnd::Stalled(stall));
            }
            self.watch = None;
            let idle = self.idle_ms();
            let is_waited_for = idle > 0 && !self.hooked.is_paused();
            if is_waited_for && (!deadline.is_set() && !deadline.expired() || idle < self.idle_ms) {
                deadline.set(idle);
            }
            self.idle_ms = idle;
            if deadline.poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
            deadline.clear();
            if is_sending {
                self.watch = Some(SendWatch::new(stall));
                continue;
            }
            if !is_waited_for {
                return Poll::Pending;
            }
            let quiet = now().saturating_duration_since(self.moved).as_millis() as u64;
            if quiet >= idle {
                return Poll::Ready(TcpEnd::Idle(idle));
            }
            deadline.set(idle - quiet);
        }
    }
}
