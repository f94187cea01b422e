//! The life of an HTTP/1.1 connection: heads in, answers out, in order, until one side is done.
//!
//! Owns: receiving heads, pipelining, the way a connection ends. Must not know: how a body and the app's call go
//! (`exchange` does).

use std::future::poll_fn;
use std::rc::Rc;

use runtime::io::{self, budget};
use runtime::worker::{Connection, Stopped};

use super::super::access;
use super::super::failure;
use super::super::limit::Limit;
use super::super::lists::has_member;
use super::super::rejection::Rejection;
use super::super::service::HttpService;
use super::super::timeouts::Timeouts;
use super::super::wire::NextProtocol;
use super::buffered::{BufferedConnection, KEPT_BYTES_MAX};
use super::clock;
use super::codec::{
    BodyFraming, HeadLimits, HeadParser, HeadProgress, RequestHead, ResponseContext, Version, encode_error,
};
use super::message::{Closing, Message};
use crate::websocket;

/// The first line of HTTP/2's preface, as HTTP/1.1 reads it (RFC 9113 section 3.4).
const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// The answer to a request that asks for HTTP/2 (RFC 7540 section 3.2).
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
/// A head takes too long.
const TOO_SLOW: Rejection = Rejection::limit(408, "head: too slow", Limit::HeaderTime);
/// A head has no end.
const CUT: Rejection = Rejection::bad("head: the connection ended");

/// A connection that speaks HTTP/2 from now on.
pub struct Switch {
    /// The connection.
    pub connection: Connection,
    /// What has come of it and is not used.
    pub received: Vec<u8>,
    /// The request that asked for it, where one did: its answer is the first that goes out.
    pub request: Option<Rc<RequestHead>>,
}

/// Serves a connection to its end, or until its client wants to speak HTTP/2; `service` answers its requests.
pub async fn serve(connection: Connection, service: HttpService) -> Option<Switch> {
    let head_limits = HeadLimits::from(&connection.worker().config.limits);
    let mut session = Session {
        buffered: BufferedConnection::new(connection),
        head_limits,
        parser: HeadParser::new(head_limits),
        timeouts: Timeouts::default(),
        is_new: true,
        asked: None,
        service,
    };
    let mut closing = session.exchanges().await;
    if closing == Closing::Gently && session.buffered.flush().await.is_err() {
        closing = Closing::Reset;
    }
    if closing == Closing::Upgraded {
        // The other protocol hears of a client that is gone.
        let _ = session.buffered.flush().await;
        hand_over(session.buffered);
        return None;
    }
    let BufferedConnection { connection, input, .. } = session.buffered;
    match closing {
        Closing::Gently => connection.close_gently().await,
        Closing::AtOnce => connection.close().await,
        Closing::Reset | Closing::Upgraded => connection.abort().await,
        Closing::Http2 => {
            let received = input.unused().to_vec();
            return Some(Switch { connection, received, request: session.asked });
        }
    }
    None
}

/// Gives a connection to the protocol that it speaks from now on, in a task of its own: it needs nothing of this one.
fn hand_over(buffered: BufferedConnection) {
    let BufferedConnection { connection, mut input, next, .. } = buffered;
    match next {
        Some(NextProtocol::WebSocket(upgrade)) => {
            io::spawn(websocket::serve(connection, input.take(), upgrade));
        }
        Some(NextProtocol::Tunnel(tunnel)) => drop(io::spawn(tunnel.serve(connection, input.take()))),
        None => {}
    }
}

/// A connection between its requests.
struct Session {
    buffered: BufferedConnection,
    /// Bounds of heads and trailers.
    head_limits: HeadLimits,
    parser: HeadParser,
    /// Those of one exchange after the other.
    timeouts: Timeouts,
    /// Nothing has come yet but what makes the first head.
    is_new: bool,
    /// The request that asked for HTTP/2.
    asked: Option<Rc<RequestHead>>,
    service: HttpService,
}

impl Session {
    async fn exchanges(&mut self) -> Closing {
        let mut head = Rc::new(RequestHead::default());
        let worker = self.buffered.connection.worker().clone();
        loop {
            match Rc::get_mut(&mut head) {
                Some(free) => free.reuse(KEPT_BYTES_MAX),
                // The script still holds the last request.
                None => head = Rc::new(RequestHead::default()),
            }
            if let Some(free) = Rc::get_mut(&mut head)
                && let Err(closing) = self.receive(free).await
            {
                return closing;
            }
            if head.upgrade().is_some() && self.asks_for_http2(&head) {
                return self.switch(head).await;
            }
            self.is_new = false;
            self.buffered.unsent += 1;
            self.buffered.connection.set_busy(true);
            let mut message = Message::new(&mut self.buffered, &head, &self.head_limits);
            let ending = self.service.run(&mut message, &worker, &self.timeouts).await;
            if let Err(closing) = message.conclude(ending) {
                return closing;
            }
            let many = self.buffered.unsent >= worker.config.limits.pipelined_max;
            if (many || self.buffered.out.len() > KEPT_BYTES_MAX)
                && let Err(stopped) = self.buffered.flush().await
            {
                return stopped_by(&stopped);
            }
        }
    }

    /// Receives the next head.
    async fn receive(&mut self, head: &mut RequestHead) -> Result<(), Closing> {
        let limits = &self.buffered.connection.worker().config.limits;
        let (idle_ms, header_ms) = (limits.idle_ms_max, limits.header_ms_max);
        let mut begun = false;
        if !self.buffered.input.unused().is_empty() {
            // Who sends many requests at once lets the others have their turns in between.
            poll_fn(|cx| budget::poll_left(cx)).await;
            budget::spend(0);
            let input = self.buffered.input.unused();
            let progress = self.parser.parse(input, head);
            let (consumed, is_complete) = match progress {
                Ok(HeadProgress::Complete { consumed }) => (consumed, true),
                Ok(HeadProgress::NeedMore) => (input.len(), false),
                Err(rejection) => {
                    let input = input.to_vec();
                    return Err(self.refuse(&rejection, &input));
                }
            };
            self.buffered.input.consume(consumed);
            if is_complete {
                return Ok(());
            }
        }
        self.buffered.flush().await.map_err(|stopped| stopped_by(&stopped))?;
        loop {
            let connection = &self.buffered.connection;
            if head.is_empty() {
                connection.set_busy(false);
                connection.set_deadline(idle_ms);
            } else if !begun {
                begun = true;
                connection.set_busy(true);
                connection.set_deadline(header_ms);
            }
            let chunk = match connection.recv_in_time().await {
                Ok(chunk) => chunk,
                Err(Stopped::TimedOut) if begun => return Err(self.refuse(&TOO_SLOW, head.first_bytes())),
                Err(Stopped::TimedOut) => return Err(Closing::AtOnce),
                Err(stopped) => return Err(stopped_by(&stopped)),
            };
            if chunk.is_empty() {
                return Err(if begun { self.refuse(&CUT, head.first_bytes()) } else { Closing::AtOnce });
            }
            let before = head.received_bytes();
            match self.parser.parse(&chunk, head) {
                Ok(HeadProgress::Complete { consumed }) => {
                    self.buffered.input.keep(&chunk[consumed..]);
                    return Ok(());
                }
                Ok(HeadProgress::NeedMore) => {}
                Err(rejection) => {
                    if self.begins_http2(&rejection, &head.first_bytes()[..before], &chunk) {
                        return Err(Closing::Http2);
                    }
                    let received = [&head.first_bytes()[..before], &chunk].concat();
                    return Err(self.refuse(&rejection, &received));
                }
            }
        }
    }

    /// Whether a head that is none is the preface of HTTP/2 (RFC 9113 section 3.3), which is kept, then.
    #[cold]
    fn begins_http2(&mut self, rejection: &Rejection, before: &[u8], chunk: &[u8]) -> bool {
        let line = PREFACE_LINE;
        let is_begun = self.is_new
            && rejection.status == 505
            && self.buffered.connection.worker().config.http2
            && before.iter().chain(chunk).take(line.len()).eq(line);
        if is_begun {
            self.buffered.input.keep(before);
            self.buffered.input.keep(chunk);
        }
        is_begun
    }

    /// Whether a request asks for HTTP/2 in place of its answer (RFC 7540 section 3.2), in a form that can have it: one
    /// without a body, on a connection without TLS.
    fn asks_for_http2(&self, head: &RequestHead) -> bool {
        let connection = &self.buffered.connection;
        let mut settings = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"http2-settings"));
        let is_settings =
            |value: &[u8]| value.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_named = |name: &[u8]| {
            let named = |(field, value): (&[u8], &[u8])| {
                field.eq_ignore_ascii_case(b"connection") && has_member(value, name)
            };
            head.fields().any(named)
        };
        connection.worker().config.http2
            && connection.tls().is_none()
            && head.version() == Version::Http11
            && head.framing() == BodyFraming::None
            && head.upgrade().is_some_and(|protocols| has_member(protocols, b"h2c"))
            && is_named(b"http2-settings")
            && settings.next().is_some_and(|(_, value)| is_settings(value))
            && settings.next().is_none()
    }

    async fn switch(&mut self, head: Rc<RequestHead>) -> Closing {
        self.asked = Some(head);
        self.buffered.out.extend_from_slice(SWITCHING);
        match self.buffered.flush().await {
            Ok(()) => Closing::Http2,
            Err(stopped) => stopped_by(&stopped),
        }
    }

    /// Answers a head that breaks the rules, of which `received` has come; nothing after it is read.
    #[cold]
    fn refuse(&mut self, rejection: &Rejection, received: &[u8]) -> Closing {
        let connection = &self.buffered.connection;
        failure::log_limit(rejection, connection.worker(), None, || connection.peer().clone());
        let out = &mut self.buffered.out;
        let before = out.len();
        clock::with_date(|date| encode_error(out, rejection.status, ResponseContext::CLOSE, date));
        let sent = out.len() - before;
        access::refused(&self.buffered.connection, received, rejection, sent);
        Closing::Gently
    }
}

fn stopped_by(stopped: &Stopped) -> Closing {
    match stopped {
        Stopped::Draining => Closing::AtOnce,
        Stopped::TimedOut | Stopped::Failed(_) => Closing::Reset,
    }
}
