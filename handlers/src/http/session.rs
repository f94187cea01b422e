//! The life of an HTTP/1.1 connection: heads in, answers out, in order, until one side is done.
//!
//! Owns: receiving heads, pipelining, flushing, the way a connection ends. Must not know: how a body
//! and the app's call go (`exchange` does).

use std::future::poll_fn;
use std::rc::Rc;

use runtime::connection::{Connection, Phase, Stopped};
use runtime::io::budget;

use super::exchange;
use super::failure;
use super::h1::{Exchange, HeadLimits, HeadParser, Progress, Rejection, RequestHead};
use super::limit::Limit;

/// A head takes too long.
const TOO_SLOW: Rejection = Rejection::limit(408, "head: too slow", Limit::HeaderTime);
/// A head has no end.
const CUT: Rejection = Rejection::bad("head: the connection ended");

/// Memory that a connection keeps for the next answer, and for the next head.
const KEPT_BYTES_MAX: usize = 16 << 10;
/// Memory that a streamed body keeps for its next pieces.
const SPARE_BYTES_MAX: usize = 160 << 10;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An answer is on its way and is the last.
    Answered,
    /// Nothing is left to say.
    Quiet,
    /// The peer is gone or does not read.
    Lost,
}

impl From<Stopped> for End {
    fn from(stopped: Stopped) -> End {
        match stopped {
            Stopped::Draining => End::Quiet,
            Stopped::TimedOut | Stopped::Failed(_) => End::Lost,
        }
    }
}

/// The state of a connection between its requests.
pub struct Session {
    /// The connection.
    pub connection: Connection,
    /// Bounds of heads and trailers.
    pub head_limits: HeadLimits,
    /// Received and not yet used, from `used` on.
    input: Vec<u8>,
    used: usize,
    /// Answers not yet given to the socket.
    pub out: Vec<u8>,
    unsent: usize,
    /// Memory of a streamed body, for its next pieces.
    spare: Vec<u8>,
    parser: HeadParser,
}

/// Serves a connection to its end.
pub async fn serve(connection: Connection) {
    let limits = &connection.worker().config.limits;
    let head_limits = HeadLimits::from(limits);
    let mut session = Session {
        connection,
        head_limits,
        input: Vec::new(),
        used: 0,
        out: Vec::new(),
        unsent: 0,
        spare: Vec::new(),
        parser: HeadParser::new(head_limits),
    };
    let mut end = session.exchanges().await;
    if end == End::Answered && session.flush().await.is_err() {
        end = End::Lost;
    }
    let connection = session.connection;
    match end {
        End::Answered => connection.close_gently().await,
        End::Quiet => connection.close().await,
        End::Lost => connection.abort().await,
    }
}

impl Session {
    async fn exchanges(&mut self) -> End {
        let mut head = Rc::new(RequestHead::default());
        loop {
            match Rc::get_mut(&mut head) {
                Some(free) => free.reuse(KEPT_BYTES_MAX),
                // The script still holds the last request.
                None => head = Rc::new(RequestHead::default()),
            }
            if let Some(free) = Rc::get_mut(&mut head)
                && let Err(end) = self.receive(free).await
            {
                return end;
            }
            self.unsent += 1;
            if let Err(end) = exchange::run(self, &head).await {
                return end;
            }
            let limits = &self.connection.worker().config.limits;
            if (self.unsent >= limits.pipelined_max || self.out.len() > KEPT_BYTES_MAX)
                && let Err(stopped) = self.flush().await
            {
                return stopped.into();
            }
        }
    }

    /// Receives the next head.
    async fn receive(&mut self, head: &mut RequestHead) -> Result<(), End> {
        let limits = &self.connection.worker().config.limits;
        let (idle_ms, header_ms) = (limits.idle_ms_max, limits.header_ms_max);
        let mut begun = false;
        if self.used < self.input.len() {
            // Who sends many requests at once lets the others have their turns in between.
            poll_fn(|cx| budget::poll_left(cx)).await;
            budget::spend(0);
            let progress = self.parser.parse(&self.input[self.used..], head);
            if self.advance(progress)? {
                return Ok(());
            }
        }
        self.flush().await?;
        loop {
            if head.is_empty() {
                self.connection.set_phase(Phase::Idle);
                self.connection.set_stall(idle_ms);
            } else if !begun {
                begun = true;
                self.connection.set_phase(Phase::Receiving);
                self.connection.set_stall(header_ms);
            }
            let chunk = match self.connection.recv().await {
                Ok(chunk) => chunk,
                Err(Stopped::TimedOut) if begun => return Err(self.refuse(&TOO_SLOW, Exchange::CLOSE)),
                Err(Stopped::TimedOut) => return Err(End::Quiet),
                Err(stopped) => return Err(stopped.into()),
            };
            if chunk.is_empty() {
                return Err(if begun { self.refuse(&CUT, Exchange::CLOSE) } else { End::Quiet });
            }
            match self.parser.parse(&chunk, head) {
                Ok(Progress::Complete { consumed }) => {
                    self.input.clear();
                    self.used = 0;
                    self.input.extend_from_slice(&chunk[consumed..]);
                    return Ok(());
                }
                Ok(Progress::NeedMore) => {}
                Err(rejection) => return Err(self.refuse(&rejection, Exchange::CLOSE)),
            }
        }
    }

    /// Accounts for a parse of the input; whether the head is complete.
    fn advance(&mut self, progress: Result<Progress, Rejection>) -> Result<bool, End> {
        match progress {
            Ok(Progress::Complete { consumed }) => {
                self.consume(consumed);
                Ok(true)
            }
            Ok(Progress::NeedMore) => {
                self.consume(self.input.len() - self.used);
                Ok(false)
            }
            Err(rejection) => Err(self.refuse(&rejection, Exchange::CLOSE)),
        }
    }

    /// What is received and not yet used.
    pub fn input(&self) -> &[u8] {
        &self.input[self.used..]
    }

    /// Marks `count` bytes of the input as used.
    pub fn consume(&mut self, count: usize) {
        self.used += count;
        if self.used >= self.input.len() {
            self.used = 0;
            self.input.clear();
            self.input.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Puts back what was received and belongs to later messages.
    pub fn keep(&mut self, rest: &[u8]) {
        self.input.extend_from_slice(rest);
    }

    /// Answers a message that breaks the rules; nothing after it is read.
    pub fn refuse(&mut self, rejection: &Rejection, last: Exchange) -> End {
        self.log_limit(rejection);
        failure::refuse(&mut self.out, rejection.status, last);
        End::Answered
    }

    /// Says in the log which limit refused a message, if one did.
    pub fn log_limit(&self, rejection: &Rejection) {
        if let Some(limit) = rejection.limit {
            failure::log_limit(rejection.status, limit, &self.connection);
        }
    }

    /// What is to be sent next, out of a streamed body.
    pub fn take_out(&mut self) -> Vec<u8> {
        self.unsent = 0;
        let spare = std::mem::take(&mut self.spare);
        std::mem::replace(&mut self.out, spare)
    }

    /// Keeps what a send gave back.
    pub fn keep_spare(&mut self, mut spare: Vec<u8>) {
        spare.clear();
        spare.shrink_to(SPARE_BYTES_MAX);
        self.spare = spare;
    }

    /// A streamed body is sent: its memory goes.
    pub fn drop_spare(&mut self) {
        self.spare = Vec::new();
        self.out.shrink_to(KEPT_BYTES_MAX);
    }

    /// Gives the answers so far to the socket, once it has sent what came before.
    ///
    /// # Errors
    /// The peer does not read, or is gone.
    pub async fn flush(&mut self) -> Result<(), Stopped> {
        self.unsent = 0;
        if self.out.is_empty() {
            return Ok(());
        }
        self.connection.set_phase(Phase::Sending);
        let stall_ms = self.connection.worker().config.limits.write_stall_ms_max;
        let mut free = self.connection.sent(stall_ms).await?;
        free.clear();
        free.shrink_to(KEPT_BYTES_MAX);
        let full = std::mem::replace(&mut self.out, free);
        let large = full.len() > KEPT_BYTES_MAX;
        self.connection.stream().start_send(full);
        if large {
            // It may be long on its way: the client has to take it before we wait for a request.
            self.out = self.connection.sent(stall_ms).await?;
            self.out.clear();
            self.out.shrink_to(KEPT_BYTES_MAX);
        }
        Ok(())
    }
}
