//! The connection of a client's WebSocket while it is open: frames both ways, Pings, its times, its end.
//!
//! Owns: the order of what happens. Must not know: the handshake, what becomes of a message.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Listeners;
use crate::client::Switched;
use crate::config::Linger;
use crate::io::{Deadline, budget, now};
use crate::modules::web::websocket::ending::SocketEnd;
use crate::modules::web::websocket::state::Parting;
use crate::net::{Transport, within};
use crate::websocket::{Inflater, Opcode, Receiver, Role, Violation, WebSocketEvent, close};

/// How long the server has to end the connection once both Close frames are sent: that is its part (RFC 6455 section
/// 7.1.1).
const END_MS_MAX: u64 = 2_000;

/// One connection.
pub(super) struct ClientSession {
    pub(super) listeners: Listeners,
    transport: Transport,
    receiver: Receiver,
    /// Received, and not looked at yet: others had their turn.
    rest: Vec<u8>,
    /// A send is in flight, and how far it was when somebody looked.
    is_sending: bool,
    progress: u64,
    /// The server takes nothing any more: what it has sent before is still read.
    is_deaf: bool,
    /// When something came last, or went.
    heard: Instant,
    is_pinged: bool,
    /// Since when the server's Close frame is waited for, and since when the end.
    closing: Option<Instant>,
    parting: Option<Instant>,
    /// Nothing more comes.
    end: Option<SocketEnd>,
    violation: Option<Violation>,
    deadline: Deadline,
    armed: Option<Instant>,
}

/// What is due at a time.
enum ClientDue {
    Ping,
    End(SocketEnd),
}

impl ClientSession {
    /// Over a connection that has left HTTP.
    pub(super) fn new(switched: Switched, listeners: Listeners) -> ClientSession {
        let Switched { transport, early, .. } = switched;
        let state = &listeners.state;
        let inflater = state.agreed().map(|agreed| Inflater::new(agreed.server_takes_over));
        let receiver = Receiver::new(Role::Client, state.rules().message_bytes_max, inflater);
        ClientSession {
            is_sending: transport.is_sending(),
            listeners,
            transport,
            receiver,
            rest: early,
            progress: 0,
            is_deaf: false,
            heard: now(),
            is_pinged: false,
            closing: None,
            parting: None,
            end: None,
            violation: None,
            deadline: Deadline::new(),
            armed: None,
        }
    }

    /// Ready at the end of the connection.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.listeners.engine.strong_count() == 0 {
                return Poll::Ready(());
            }
            self.poll_output(cx);
            let is_failed = self.violation.is_some() && (self.is_sent() || self.is_deaf);
            if is_failed || self.listeners.state.parting() == Parting::Terminated {
                return Poll::Ready(());
            }
            match self.poll_input(cx) {
                Poll::Ready(None) => continue,
                Poll::Ready(end @ Some(_)) => {
                    self.end = end;
                    return Poll::Ready(());
                }
                Poll::Pending => {}
            }
            match self.poll_time(cx) {
                Poll::Ready(ClientDue::Ping) => {
                    self.is_pinged = true;
                    self.listeners.state.control(Opcode::Ping, b"");
                }
                Poll::Ready(ClientDue::End(end)) => {
                    self.end = Some(end);
                    return Poll::Ready(());
                }
                Poll::Pending => break,
            }
        }
        self.listeners.state.keep_waker(cx);
        Poll::Pending
    }

    /// Whether all of ours is with the kernel.
    fn is_sent(&self) -> bool {
        !self.is_sending && !self.is_deaf && !self.listeners.state.has_output()
    }

    /// Whether both Close frames came to where they should, and what failed where they did not.
    pub(super) fn outcome(&self) -> (bool, Option<String>) {
        let state = &self.listeners.state;
        let is_answered = !self.is_deaf && !state.has_output();
        let is_clean = state.end().0 != close::ABNORMAL && state.parting() == Parting::Agreed && is_answered;
        let words = match &self.violation {
            Some(violation) if violation.code == close::TOO_LARGE => {
                let max = state.rules().message_bytes_max;
                Some(format!("a message is larger than {max} bytes (--websocket-message-max)"))
            }
            Some(violation) => Some(violation.reason.to_owned()),
            None => self.end.as_ref().and_then(SocketEnd::words),
        };
        (is_clean, words)
    }

    /// Ends the connection: in order where the server may still have to read our Close frame.
    pub(super) async fn part(self) {
        let ClientSession { transport, end, .. } = self;
        let is_open = matches!(end, None | Some(SocketEnd::Asked));
        if is_open
            && within(END_MS_MAX, std::future::poll_fn(|cx| transport.poll_shutdown(cx))).await.is_some()
        {
            transport.linger(&Linger::default(), END_MS_MAX).await;
        }
        transport.close().await;
    }

    /// Gives the connection what waits to be sent.
    fn poll_output(&mut self, cx: &mut Context<'_>) {
        let Some(engine) = self.listeners.engine.upgrade() else { return };
        let state = &self.listeners.state;
        loop {
            if self.is_sending {
                let Poll::Ready((result, buffer)) = self.transport.poll_sent(cx) else { return };
                self.is_sending = false;
                match result {
                    Ok(()) => state.sent(engine.state(), buffer),
                    Err(_) => self.is_deaf = true,
                }
            }
            let Some(mut buffer) = state.take_output() else { return };
            if self.is_deaf {
                // What the server has sent before its end is worth more than the error.
                continue;
            }
            match self.transport.send_now(&buffer) {
                Ok(sent) if sent == buffer.len() => {
                    state.sent(engine.state(), buffer);
                    continue;
                }
                Ok(sent) => drop(buffer.drain(..sent)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.is_deaf = true;
                    continue;
                }
            }
            self.transport.start_send(buffer);
            self.is_sending = true;
        }
    }

    /// Takes what has come: ready when there was something, and at the end.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<SocketEnd>> {
        if !self.rest.is_empty() {
            if budget::poll_left(cx).is_pending() {
                return Poll::Pending;
            }
            let mut rest = std::mem::take(&mut self.rest);
            self.take(&mut rest);
            return Poll::Ready(None);
        }
        let mut chunk = match self.transport.poll_recv(cx) {
            Poll::Ready(Ok(chunk)) => chunk,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(SocketEnd::Lost(error))),
            Poll::Pending => return Poll::Pending,
        };
        if chunk.is_empty() {
            return Poll::Ready(Some(SocketEnd::Ended));
        }
        (self.heard, self.is_pinged) = (now(), false);
        self.take(chunk.bytes_mut());
        drop(chunk);
        if self.rest.is_empty() {
            self.receiver.rest();
        }
        Poll::Ready(None)
    }

    /// Hears what `bytes` say. What is left when others should have their turn is kept.
    fn take(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let state = &self.listeners.state;
            if matches!(state.parting(), Parting::Agreed | Parting::Terminated) {
                // The last frame has come, or nothing that comes means anything.
                return;
            }
            match self.receiver.receive(&mut bytes[at..]) {
                Ok((used, event)) => {
                    at += used;
                    match event {
                        Some(WebSocketEvent::Message(kind, bytes)) => self.listeners.message(kind, bytes),
                        Some(WebSocketEvent::Ping(bytes)) => state.answer_ping(bytes),
                        Some(WebSocketEvent::Close(code, reason)) => state.peer_closes(code, reason),
                        Some(WebSocketEvent::Pong(_)) | None => {}
                    }
                    budget::spend(used);
                }
                Err(violation) => {
                    state.fail(violation.code, violation.reason);
                    self.violation = Some(violation);
                    return;
                }
            }
            if at < bytes.len() && !budget::is_left() {
                self.rest = bytes[at..].to_vec();
                return;
            }
        }
    }

    /// What is due next, and when.
    fn next_due(&mut self) -> Option<(Instant, ClientDue)> {
        let rules = self.listeners.state.rules();
        let after = |since: Instant, ms| since + Duration::from_millis(ms);
        let end = |end| ClientDue::End(end);
        match self.listeners.state.parting() {
            Parting::No if !self.is_deaf => {}
            Parting::Asked if !self.is_deaf => {
                let since = *self.closing.get_or_insert_with(now);
                let ms = rules.close_ms_max;
                return Some((after(since, ms), end(SocketEnd::NotClosed(ms))));
            }
            _ => {
                let since = *self.parting.get_or_insert_with(now);
                return Some((after(since, END_MS_MAX), end(SocketEnd::Asked)));
            }
        }
        let ping = after(self.heard, rules.ping_ms);
        match (rules.ping_ms, self.is_pinged) {
            (0, _) => None,
            (_, false) => Some((ping, ClientDue::Ping)),
            (_, true) => Some((after(ping, rules.pong_ms_max), end(SocketEnd::Silent(rules.pong_ms_max)))),
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<ClientDue> {
        loop {
            let Some((at, due)) = self.next_due() else {
                self.deadline.clear();
                return Poll::Pending;
            };
            if now() >= at {
                if !self.has_moved() {
                    return Poll::Ready(due);
                }
                continue;
            }
            if self.armed.is_none_or(|armed| at < armed) || !self.deadline.is_set() {
                let ms = at.saturating_duration_since(now()).as_millis() as u64;
                self.deadline.set(ms + 1);
                self.armed = Some(at);
            }
            if self.deadline.poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
            self.deadline.clear();
            self.armed = None;
        }
    }

    /// Whether a server that says nothing has taken something of a long send since the last look: it is busy with that.
    fn has_moved(&mut self) -> bool {
        if !self.is_sending || self.listeners.state.parting() != Parting::No {
            return false;
        }
        let progress = self.transport.stream().send_progress();
        let has_moved = std::mem::replace(&mut self.progress, progress) != progress;
        if has_moved {
            (self.heard, self.is_pinged) = (now(), false);
        }
        has_moved
    }
}
