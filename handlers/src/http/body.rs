//! A request's body between the wire and the script.
//!
//! Owns: what is decoded for the script, its limits of size and time, what becomes of it once the answer
//! is out: who reads it gets the rest, and what nobody reads is dropped. Must not know: the app, heads
//! on the wire.

use std::future::poll_fn;
use std::task::Poll;

use runtime::app::fetch::{BodyError, IncomingBody, Progress};
use runtime::connection::{Phase, Stopped};
use runtime::io::Chunk;

use super::h1::{BodyDecoder, BodyFraming, Exchange, Rejection, RequestHead};
use super::limit::Limit;
use super::session::{End, Session};

/// It ends before its end.
const CUT: Rejection = Rejection::bad("body: the connection ended");
/// It pauses for too long.
const STALLED: Rejection = Rejection::limit(408, "body: too slow", Limit::BodyTime);

/// A request body.
pub struct Body {
    decoder: BodyDecoder,
    /// Where the script reads it.
    pub script: IncomingBody,
    /// All of it is here, or the rest cannot come.
    pub ended: bool,
    /// The client waits for 100 Continue.
    held_back: bool,
    /// The script does not get the rest.
    dropped: bool,
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.ended && !self.dropped {
            self.script.end(Progress::Failed(BodyError::Aborted));
        }
    }
}

/// Why the rest of a body cannot come.
pub struct Failed {
    why: BodyError,
    /// What it is answered with, if anything can be.
    pub rejection: Option<Rejection>,
}

impl Failed {
    /// Whether the client went away in the middle of it.
    pub fn by_client(&self) -> bool {
        self.why == BodyError::Aborted
    }
}

impl Body {
    /// Takes up the body of a request: what has come of it goes to the script.
    ///
    /// # Errors
    /// The request is refused.
    pub fn begin(session: &mut Session, head: &RequestHead) -> Result<Body, End> {
        let limit = session.connection.worker().config.limits.body_bytes_max as u64;
        let decoder = BodyDecoder::new(head.framing(), limit, &session.head_limits);
        let last = Exchange::of(head, false);
        let decoder = decoder.map_err(|rejection| session.refuse(&rejection, last))?;
        debug_assert!(head.framing() != BodyFraming::None);
        let script = IncomingBody::new(Vec::new(), Progress::Open);
        let held_back = head.expect_continue();
        let mut body = Body { decoder, script, ended: false, held_back, dropped: false };
        let fed = body.feed(session.input());
        if let Ok(used) = fed {
            body.held_back &= used == 0 && !body.ended;
            session.consume(used);
        }
        match fed {
            Ok(_) => Ok(body),
            Err(rejection) => Err(session.refuse(&rejection, last)),
        }
    }

    /// Decodes `input` as far as it is the body's; the bytes used.
    fn feed(&mut self, input: &[u8]) -> Result<usize, Rejection> {
        let mut used = 0;
        while !self.ended {
            let step = self.decoder.decode(&input[used..])?;
            used += step.consumed;
            if !self.dropped {
                self.script.push(step.data);
            }
            if step.end {
                self.ended = true;
                if !self.dropped {
                    self.script.end(Progress::Complete);
                }
            }
            if step.consumed == 0 {
                break;
            }
        }
        Ok(used)
    }

    /// Whether the connection can go on after an answer given now, with `unread_bytes_max` to be dropped.
    pub fn can_persist(&self, unread_bytes_max: u64) -> bool {
        let left = self.decoder.remaining();
        self.ended || (!self.held_back && left.is_none_or(|left| left <= unread_bytes_max))
    }

    /// Whether the script waits for what has not come yet. While it makes a body itself it may as well come
    /// back to one that it has only begun.
    pub fn is_wanted(&self, streamed: bool) -> bool {
        !self.ended && if streamed { self.script.is_wanted() } else { self.script.is_read() }
    }

    /// Whether the client has to be told to send it: once.
    pub fn take_held_back(&mut self) -> bool {
        std::mem::take(&mut self.held_back)
    }

    /// The script gets no more of it.
    pub fn drop_rest(&mut self) {
        if !self.ended && !std::mem::replace(&mut self.dropped, true) {
            self.script.end(Progress::Failed(BodyError::Unread));
        }
    }

    fn fail(&mut self, why: BodyError) {
        self.ended = true;
        if !self.dropped {
            self.script.end(Progress::Failed(why));
        }
    }
}

/// Hands what was received to the body; what is left over belongs to the next request. The script
/// hears of a failure.
///
/// # Errors
/// The connection cannot go on after the answer.
pub fn receive(
    session: &mut Session,
    body: &mut Body,
    received: Result<Chunk, Stopped>,
) -> Result<(), Failed> {
    let result = take_up(session, body, received);
    if let Err(failed) = &result {
        body.fail(failed.why);
    }
    result
}

fn take_up(session: &mut Session, body: &mut Body, received: Result<Chunk, Stopped>) -> Result<(), Failed> {
    let chunk = match received {
        Ok(chunk) if !chunk.is_empty() => chunk,
        Ok(_) => return Err(Failed { why: BodyError::Aborted, rejection: Some(CUT) }),
        Err(Stopped::TimedOut) => return Err(Failed { why: BodyError::TimedOut, rejection: Some(STALLED) }),
        Err(_) => return Err(Failed { why: BodyError::Aborted, rejection: None }),
    };
    let used = body.feed(&chunk).map_err(|rejection| {
        let why = if rejection.status == 413 { BodyError::TooLarge } else { BodyError::Malformed };
        Failed { why, rejection: Some(rejection) }
    })?;
    session.keep(&chunk[used..]);
    Ok(())
}

/// What comes of the body once the answer is out. A script that reads on gets it, within the limits that it
/// had before the answer; what nobody reads is dropped, within bounds, where the connection is to go on.
///
/// # Errors
/// How the connection ends, where it does.
pub async fn finish(session: &mut Session, mut body: Body, persists: bool) -> Result<(), End> {
    let limits = session.connection.worker().config.limits.clone();
    if !persists && !body.script.is_read() {
        body.drop_rest();
        return Err(End::Answered);
    }
    session.flush().await?;
    session.connection.set_phase(Phase::Receiving);
    session.connection.request_deadline().set(limits.request_ms_max);
    session.connection.set_stall(limits.body_stall_ms_max);
    let (mut unread, mut is_read) = (0, false);
    while !body.ended {
        // A reader that has begun may take its time from one piece to the next.
        is_read = !body.dropped && body.script.is_open() && (is_read || body.script.is_read());
        if !is_read && (!persists || unread > limits.unread_bytes_max) {
            body.drop_rest();
            return Err(End::Answered);
        }
        if !is_read && !body.script.can_wait() {
            body.drop_rest();
        }
        let Some(received) = next(session, &body, is_read, limits.body_stall_ms_max).await else { continue };
        let count = received.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if let Err(failed) = receive(session, &mut body, received) {
            return Err(match &failed.rejection {
                Some(_) if failed.by_client() => End::Quiet,
                Some(rejection) => {
                    // Who reads it, or the app's author, should know why it ends.
                    if is_read {
                        session.log_limit(rejection);
                    }
                    End::Answered
                }
                None => End::Lost,
            });
        }
        unread = if is_read { 0 } else { unread + count };
    }
    session.connection.request_deadline().clear();
    if persists { Ok(()) } else { Err(End::Answered) }
}

/// The next piece for a script that reads, once it wants one, or of what is dropped. `None`: whether it
/// reads has changed.
async fn next(
    session: &Session,
    body: &Body,
    is_read: bool,
    stall_ms: u64,
) -> Option<Result<Chunk, Stopped>> {
    let connection = &session.connection;
    let mut receiving = !is_read;
    poll_fn(|cx| {
        if connection.request_deadline().poll_expired(cx).is_ready() {
            return Poll::Ready(Some(Err(Stopped::TimedOut)));
        }
        if is_read && body.script.poll_wanted(cx).is_pending() {
            return if body.script.is_open() { Poll::Pending } else { Poll::Ready(None) };
        }
        if !std::mem::replace(&mut receiving, true) {
            connection.set_stall(stall_ms);
        }
        connection.poll_recv(cx).map(Some)
    })
    .await
}
