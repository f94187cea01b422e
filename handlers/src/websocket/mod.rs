//! WebSocket for the hooks of an app's `websocket` and for its classes: frames that were received go to them from the
//! buffer that the kernel filled, what a turn has sent leaves in one send.
//!
//! Owns: the order of what happens on a session, its Pings, its times, how it ends. Must not know: HTTP, the ring, what
//! carries the bytes, what a hook makes of a message.

mod duplex;

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub use self::duplex::Duplex;
use runtime::app::websocket::{HookedSocket, Parting, ReadyState, SocketEnd, Upgrade};
use runtime::io::{budget, now};
use runtime::websocket::{Receiver, WebSocketEvent};
use runtime::worker::{SendWatch, Worker};

/// A send of so few bytes is nearly always over with the turn that began it: nobody need be told.
const QUICK_BYTES: usize = 16 << 10;

/// Serves a WebSocket to its end. `early` came behind the request; the answer is on its way.
pub async fn serve<D: Duplex>(duplex: D, early: Vec<u8>, upgrade: Upgrade) {
    let worker = duplex.worker().clone();
    let socket = HookedSocket::open(upgrade, duplex.ends().clone(), worker.number);
    let _counted = Counted::of(&worker);
    let note = socket.url();
    let receiver = socket.receiver();
    let time = now();
    let mut session = WebSocketSession {
        duplex,
        socket,
        receiver,
        note,
        rest: early,
        sending: Some(0),
        watch: None,
        heard: time,
        closing: None,
        is_pinged: false,
        has_ended: false,
        armed: None,
    };
    let ending = poll_fn(|cx| session.poll(cx)).await;
    let WebSocketSession { duplex, socket, receiver, .. } = session;
    drop(receiver);
    // What is cut off is a reset, so that the client does not take what it has for all there is.
    let in_order = match &ending {
        SocketEnd::Asked => socket.parting() != Parting::Terminated,
        _ => false,
    };
    socket.close(&ending);
    duplex.end(in_order).await;
}

/// A WebSocket that is open, counted where somebody wants to know.
struct Counted(Rc<Worker>);

impl Counted {
    fn of(worker: &Rc<Worker>) -> Option<Counted> {
        worker.observer.as_ref()?.metrics.sockets_opened.add(1);
        Some(Counted(worker.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(observer) = &self.0.observer {
            observer.metrics.sockets_ended.add(1);
        }
    }
}

/// A WebSocket while it is served.
struct WebSocketSession<D> {
    duplex: D,
    socket: HookedSocket,
    receiver: Receiver,
    /// What the watch says that the worker serves.
    note: Box<str>,
    /// Received, and not looked at yet: others had their turn.
    rest: Vec<u8>,
    /// Bytes of the send that was not collected yet.
    sending: Option<usize>,
    /// Looks whether the client takes what is sent.
    watch: Option<SendWatch>,
    /// When something came last.
    heard: Instant,
    /// Since when the peer's Close frame is waited for.
    closing: Option<Instant>,
    /// A Ping was sent since.
    is_pinged: bool,
    /// The client sends no more.
    has_ended: bool,
    /// What the deadline is set for.
    armed: Option<Instant>,
}

/// What is due at a time.
enum Due {
    Ping,
    End(SocketEnd),
}

impl<D: Duplex> WebSocketSession<D> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SocketEnd> {
        loop {
            if self.socket.parting() == Parting::Terminated {
                return Poll::Ready(SocketEnd::Asked);
            }
            if let Err(error) = self.poll_output(cx) {
                return Poll::Ready(SocketEnd::Lost(error));
            }
            let is_sent = self.sending.is_none() && !self.socket.has_output();
            if is_sent && self.socket.parting() == Parting::Agreed {
                return Poll::Ready(SocketEnd::Asked);
            }
            if self.socket.drained() {
                continue;
            }
            if self.duplex.worker().is_draining() && self.socket.parting() == Parting::No {
                self.socket.go_away();
                continue;
            }
            match self.poll_input(cx) {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Pending => {}
            }
            match self.poll_time(cx) {
                Poll::Ready(Due::End(end)) => return Poll::Ready(end),
                Poll::Ready(Due::Ping) => {
                    self.is_pinged = true;
                    self.socket.ping();
                }
                Poll::Pending => break,
            }
        }
        self.socket.keep_waker(cx);
        self.duplex.keep_waker(cx);
        Poll::Pending
    }

    /// Gives the carrier what the app has sent.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if let Some(bytes) = self.sending {
                let is_waited_for = !D::SENDS_BY_ITSELF || bytes > QUICK_BYTES || self.socket.awaits_sent();
                if self.duplex.is_sending() && !is_waited_for {
                    return Ok(());
                }
                let Poll::Ready(sent) = self.duplex.poll_sent(cx) else { return Ok(()) };
                (self.sending, self.watch) = (None, None);
                self.socket.sent(sent?);
            }
            let Some(buffer) = self.socket.take_output() else { return Ok(()) };
            self.sending = Some(buffer.len());
            self.duplex.start_send(buffer);
            let look = self.duplex.worker().config.limits.write_stall_ms_max.div_ceil(10);
            self.arm(now() + Duration::from_millis(look));
        }
    }

    /// Takes what has come: ready when there was something.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketEnd>> {
        if self.has_ended {
            return Poll::Pending;
        }
        if !self.rest.is_empty() {
            if budget::poll_left(cx).is_pending() {
                return Poll::Pending;
            }
            let mut rest = std::mem::take(&mut self.rest);
            self.take(&mut rest);
            return Poll::Ready(Ok(()));
        }
        let mut chunk = match self.duplex.poll_recv(cx) {
            Poll::Ready(Ok(chunk)) => chunk,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(SocketEnd::Lost(error))),
            Poll::Pending => return Poll::Pending,
        };
        if chunk.is_empty() {
            self.has_ended = true;
            // What it has been sent may still reach it, where it has said goodbye.
            return match self.socket.parting() {
                Parting::Agreed => Poll::Ready(Ok(())),
                _ => Poll::Ready(Err(SocketEnd::Ended)),
            };
        }
        (self.heard, self.is_pinged) = (now(), false);
        self.duplex.worker().serving.note(b"websocket", self.note.as_bytes());
        self.take(chunk.bytes_mut());
        drop(chunk);
        if self.rest.is_empty() {
            self.receiver.rest();
        }
        Poll::Ready(Ok(()))
    }

    /// Calls the hooks with what `bytes` say. What is left when others should have their turn is kept.
    fn take(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if matches!(self.socket.parting(), Parting::Agreed | Parting::Terminated) {
                // The last frame has come, or nothing that comes means anything.
                return;
            }
            match self.receiver.receive(&mut bytes[at..]) {
                Ok((used, event)) => {
                    at += used;
                    if let Some(event) = event {
                        if matches!(event, WebSocketEvent::Message(..))
                            && let Some(observer) = &self.duplex.worker().observer
                        {
                            observer.metrics.messages.add(1);
                        }
                        self.socket.event(&event);
                        budget::spend(used);
                    }
                }
                Err(violation) => return self.socket.fail(violation),
            }
            if at < bytes.len() && !budget::is_left() {
                self.rest = bytes[at..].to_vec();
                return;
            }
        }
    }

    /// Has the time looked at by then.
    fn arm(&mut self, at: Instant) {
        if self.armed.is_none_or(|armed| at < armed) || !self.duplex.deadline().is_set() {
            let ms = at.saturating_duration_since(now()).as_millis() as u64;
            self.duplex.deadline().set(ms);
            self.armed = Some(at);
        }
    }

    /// What is due next, and when.
    fn next_due(&mut self) -> Option<(Instant, Due)> {
        let rules = self.socket.rules();
        let after = |since: Instant, ms| since + Duration::from_millis(ms);
        if self.socket.ready() != ReadyState::Open {
            if self.closing.is_none() {
                // Now, and not when the client takes what it was sent before.
                self.socket.report_forced();
            }
            let since = *self.closing.get_or_insert_with(now);
            return Some((
                after(since, rules.close_ms_max),
                Due::End(SocketEnd::NotClosed(rules.close_ms_max)),
            ));
        }
        if rules.ping_ms == 0 {
            return None;
        }
        let ping = after(self.heard, rules.ping_ms);
        Some(match self.is_pinged {
            false => (ping, Due::Ping),
            true => (after(ping, rules.pong_ms_max), Due::End(SocketEnd::Silent(rules.pong_ms_max))),
        })
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let stall = self.duplex.worker().config.limits.write_stall_ms_max;
        loop {
            let is_sending = self.sending.is_some() && self.duplex.is_sending();
            if let Some(watch) = self.watch.as_mut().filter(|_| is_sending) {
                self.armed = None;
                let stalled = watch.poll_stalled(self.duplex.deadline(), || self.duplex.send_progress(), cx);
                if stalled.is_ready() {
                    return Poll::Ready(Due::End(SocketEnd::Stalled(stall)));
                }
            } else {
                self.watch = None;
            }
            if let Some((at, due)) = self.next_due() {
                if now() >= at {
                    return Poll::Ready(due);
                }
                if self.watch.is_none() && !self.duplex.deadline().expired() {
                    self.arm(at);
                }
            }
            if self.watch.is_some() {
                return Poll::Pending;
            }
            if self.duplex.deadline().poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
            self.duplex.deadline().clear();
            self.armed = None;
            if is_sending {
                self.watch = Some(SendWatch::new(stall));
            }
        }
    }
}
