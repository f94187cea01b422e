//! The life of an HTTP/1.1 connection: heads in, answers out, in order, until one side is done.
//!
//! Owns: receiving heads, pipelining, the way a connection ends. Must not know: how a body and the app's call go
//! (`exchange` does).

use std::future::poll_fn;
use std::rc::Rc;

use runtime::io::budget;
use runtime::worker::{Connection, Stopped};

use super::super::limit::Limit;
use super::super::rejection::Rejection;
use super::super::timeouts::Timeouts;
use super::super::{exchange, failure};
use super::buffered::{BufferedConnection, KEPT_BYTES_MAX};
use super::clock;
use super::codec::{HeadLimits, HeadParser, HeadProgress, RequestHead, ResponseContext, encode_error};
use super::message::{Closing, Message};

/// A head takes too long.
const TOO_SLOW: Rejection = Rejection::limit(408, "head: too slow", Limit::HeaderTime);
/// A head has no end.
const CUT: Rejection = Rejection::bad("head: the connection ended");

/// Serves a connection to its end.
pub async fn serve(connection: Connection) {
    let head_limits = HeadLimits::from(&connection.worker().config.limits);
    let mut session = Session {
        buffered: BufferedConnection::new(connection),
        head_limits,
        parser: HeadParser::new(head_limits),
        timeouts: Timeouts::default(),
    };
    let mut closing = session.exchanges().await;
    if closing == Closing::Gently && session.buffered.flush().await.is_err() {
        closing = Closing::Reset;
    }
    let connection = session.buffered.connection;
    match closing {
        Closing::Gently => connection.close_gently().await,
        Closing::AtOnce => connection.close().await,
        Closing::Reset => connection.abort().await,
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
            self.buffered.unsent += 1;
            self.buffered.connection.set_busy(true);
            let mut message = Message::new(&mut self.buffered, &head, &self.head_limits);
            let ending = exchange::run(&mut message, &worker, &self.timeouts).await;
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
                Err(rejection) => return Err(self.refuse(&rejection)),
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
                Err(Stopped::TimedOut) if begun => return Err(self.refuse(&TOO_SLOW)),
                Err(Stopped::TimedOut) => return Err(Closing::AtOnce),
                Err(stopped) => return Err(stopped_by(&stopped)),
            };
            if chunk.is_empty() {
                return Err(if begun { self.refuse(&CUT) } else { Closing::AtOnce });
            }
            match self.parser.parse(&chunk, head) {
                Ok(HeadProgress::Complete { consumed }) => {
                    self.buffered.input.keep(&chunk[consumed..]);
                    return Ok(());
                }
                Ok(HeadProgress::NeedMore) => {}
                Err(rejection) => return Err(self.refuse(&rejection)),
            }
        }
    }

    /// Answers a head that breaks the rules; nothing after it is read.
    #[cold]
    fn refuse(&mut self, rejection: &Rejection) -> Closing {
        let connection = &self.buffered.connection;
        failure::log_limit(rejection, connection.worker(), || connection.peer().clone());
        let out = &mut self.buffered.out;
        clock::with_date(|date| encode_error(out, rejection.status, ResponseContext::CLOSE, date));
        Closing::Gently
    }
}

fn stopped_by(stopped: &Stopped) -> Closing {
    match stopped {
        Stopped::Draining => Closing::AtOnce,
        Stopped::TimedOut | Stopped::Failed(_) => Closing::Reset,
    }
}
