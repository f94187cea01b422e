//! One request and its answer.
//!
//! Owns: the body on its way to the script, the call of the app, time and size limits of a request,
//! what becomes of a body that nobody read. Must not know: how heads are parsed and written, other
//! requests.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use runtime::app::fetch::{
    self, BodyError, Called, Failure, Head, Incoming, IncomingBody, OwnedReply, Pending, Progress, Reply,
};
use runtime::app::methods::Method;
use runtime::connection::{Phase, Stopped};
use runtime::io::Chunk;
use runtime::serving;

use super::h1::{BodyDecoder, BodyFraming, BodyMode, CONTINUE, Encoded, Exchange, Rejection, RequestHead};
use super::session::{End, Session};
use super::{failure, reply, streamed};

/// An unread body up to this size is received and dropped, so that the connection can go on.
const DRAIN_BYTES_MAX: u64 = 256 << 10;
/// Later requests received while one is with the app; beyond, they wait in the kernel.
pub const EARLY_BYTES_MAX: usize = 16 << 10;

impl Head for RequestHead {
    fn method(&self) -> &str {
        RequestHead::method(self)
    }

    fn authority(&self) -> &str {
        RequestHead::authority(self)
    }

    fn path_and_query(&self) -> &str {
        RequestHead::path_and_query(self)
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        for (name, value) in RequestHead::fields(self) {
            f(name, value);
        }
    }
}

/// A request body between the wire and the script.
pub struct Body {
    decoder: BodyDecoder,
    /// Where the script reads it.
    pub script: IncomingBody,
    /// All of it is here.
    pub ended: bool,
    /// The client waits for 100 Continue.
    held_back: bool,
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.ended {
            self.script.end(Progress::Failed(BodyError::Aborted));
        }
    }
}

impl Body {
    /// Whether the connection can go on after an answer given now.
    fn can_persist(&self) -> bool {
        self.ended || (!self.held_back && self.decoder.remaining().is_none_or(|left| left <= DRAIN_BYTES_MAX))
    }
}

/// Serves one request.
///
/// # Errors
/// How the connection ends, where it does.
pub async fn run(session: &mut Session, head: &Rc<RequestHead>) -> Result<(), End> {
    let worker = session.connection.worker().clone();
    if worker.refused.is_any()
        && serving::route_of(head.method_bytes(), head.target_bytes())
            .is_some_and(|route| worker.refused.has(&route))
    {
        return Err(session.refuse(503, Exchange::of(head, false)));
    }
    let mut body = match head.framing() {
        BodyFraming::None => None,
        _ => Some(begin(session, head)?),
    };
    session.connection.set_phase(Phase::Handling);
    worker.serving.note(head.method_bytes(), head.target_bytes());
    let draining = worker.is_draining();
    let exchange = Exchange::of(head, !draining && body.as_ref().is_none_or(Body::can_persist));
    let incoming = Incoming {
        head: head.clone(),
        body: body.as_ref().map(|body| body.script.clone()),
        peer: session.connection.peer(),
        local: session.connection.local(),
        worker: worker.number,
    };
    let app = worker.app.current();
    let Some(handler) = app.callee(Method::Fetch) else {
        return Err(session.refuse(501, Exchange::of(head, false)));
    };
    let mut encoded = Encoded { body: BodyMode::Omit, length: None, keep_alive: false };
    let out = &mut session.out;
    let called = fetch::fetch(app.engine(), handler, incoming, &mut |lent| {
        encoded = match lent.streamed {
            true => begin_streamed(out, head, &mut body, exchange, draining, &lent),
            false => reply::write(out, &lent, exchange),
        }
    });
    drop(app);
    let (stream, failed) = match called {
        Called::Done => (None, None),
        Called::Streaming(outgoing, caller) => (Some((outgoing, caller)), None),
        Called::Failed(failure) => (None, Some(failure)),
        Called::Pending(pending) => match wait(session, &pending, &mut body).await? {
            Ok(mut owned) => {
                let exchange = later(session, head, &body);
                let (lent, out) = (owned.lend(), &mut session.out);
                encoded = match lent.streamed {
                    true => begin_streamed(out, head, &mut body, exchange, worker.is_draining(), &lent),
                    false => reply::write(out, &lent, exchange),
                };
                (owned.take_stream().map(|outgoing| (outgoing, pending.caller)), None)
            }
            Err(failure) => (None, Some(failure)),
        },
    };
    if let Some((outgoing, caller)) = stream {
        // Boxed: requests with a whole body pay nothing for it.
        Box::pin(streamed::send(session, head, outgoing, &caller, encoded, &mut body)).await?;
    }
    let mut persists = encoded.keep_alive;
    if let Some(failure) = failed {
        let exchange = later(session, head, &body);
        persists = failure::answer(&mut session.out, &failure, head, exchange, &session.connection);
    }
    match (persists, body) {
        (false, _) => Err(End::Answered),
        (true, Some(body)) if !body.ended => drop_unread(session, body).await,
        (true, _) => Ok(()),
    }
}

/// What shapes an answer that came after its turn: what the connection can do by now.
fn later(session: &Session, head: &RequestHead, body: &Option<Body>) -> Exchange {
    let draining = session.connection.worker().is_draining();
    Exchange::of(head, !draining && body.as_ref().is_none_or(Body::can_persist))
}

/// Writes the head of an answer whose body may need the request's: a client that waits for 100 Continue
/// gets it before, and a body that the script reads is no reason to close.
fn begin_streamed(
    out: &mut Vec<u8>,
    head: &RequestHead,
    body: &mut Option<Body>,
    mut exchange: Exchange,
    draining: bool,
    reply: &Reply<'_>,
) -> Encoded {
    if let Some(body) = body.as_mut().filter(|body| !body.ended && body.script.is_wanted()) {
        if std::mem::take(&mut body.held_back) {
            out.extend_from_slice(CONTINUE);
        }
        exchange = Exchange::of(head, !draining);
    }
    reply::write(out, reply, exchange)
}

/// Takes up a request with a body: what has come of it goes to the script.
fn begin(session: &mut Session, head: &RequestHead) -> Result<Body, End> {
    let limit = session.connection.worker().config.limits.body_bytes_max as u64;
    let decoder = BodyDecoder::new(head.framing(), limit, &session.head_limits);
    let last = Exchange::of(head, false);
    let decoder = decoder.map_err(|rejection| session.refuse(rejection.status, last))?;
    let script = IncomingBody::new(Vec::new(), Progress::Open);
    let mut body = Body { decoder, script, ended: false, held_back: head.expect_continue() };
    let input = session.input();
    let mut used = 0;
    let fed = loop {
        match feed(&mut body, &input[used..]) {
            Ok(0) => break Ok(()),
            Ok(consumed) => used += consumed,
            Err(rejection) => break Err(rejection),
        }
    };
    body.held_back &= used == 0 && !body.ended;
    session.consume(used);
    match fed {
        Ok(()) => Ok(body),
        Err(rejection) => Err(session.refuse(rejection.status, last)),
    }
}

/// Decodes one step of `input`; the bytes used, 0 at the body's end or when input is wanting.
fn feed(body: &mut Body, input: &[u8]) -> Result<usize, Rejection> {
    if body.ended {
        return Ok(0);
    }
    let step = body.decoder.decode(input)?;
    body.script.push(step.data);
    if step.end {
        body.ended = true;
        body.script.end(Progress::Complete);
    }
    Ok(step.consumed)
}

enum Turn {
    Settled(Result<OwnedReply, Failure>),
    Received(Result<Chunk, Stopped>),
    /// What came after the request: its connection's end, or later requests.
    Early(std::io::Result<Chunk>),
    Wanted,
    TimedOut,
}

/// Waits for an answer, and receives the body if the script asks for it. A client that resets the
/// connection meanwhile wants no answer.
async fn wait(
    session: &mut Session,
    pending: &Pending,
    body: &mut Option<Body>,
) -> Result<Result<OwnedReply, Failure>, End> {
    session.flush().await?;
    session.connection.set_phase(Phase::Handling);
    let limits = session.connection.worker().config.limits.clone();
    session.connection.request_deadline().set(limits.request_ms_max);
    let (mut receiving, mut watching, mut left) = (false, true, false);
    loop {
        let connection = &session.connection;
        let open = body.as_ref().filter(|body| !body.ended);
        let turn = poll_fn(|cx| {
            if let Poll::Ready(outcome) = pending.poll(cx) {
                return Poll::Ready(Turn::Settled(outcome));
            }
            if connection.request_deadline().poll_expired(cx).is_ready() {
                return Poll::Ready(Turn::TimedOut);
            }
            match open {
                Some(body) => match body.script.poll_wanted(cx) {
                    Poll::Ready(()) if receiving => connection.poll_recv(cx).map(Turn::Received),
                    wanted => wanted.map(|()| Turn::Wanted),
                },
                None if watching => connection.stream().poll_recv(cx).map(Turn::Early),
                None => Poll::Pending,
            }
        })
        .await;
        match turn {
            Turn::Settled(outcome) => {
                connection.request_deadline().clear();
                return if left { answer_to_none(outcome) } else { Ok(outcome) };
            }
            Turn::TimedOut => return Ok(Err(timed_out(pending, limits.request_ms_max))),
            Turn::Early(Ok(chunk)) => {
                session.keep(&chunk);
                watching = !chunk.is_empty() && session.input().len() < EARLY_BYTES_MAX;
                left = chunk.is_empty() && session.input().is_empty();
                if left {
                    // It may only be done with sending: an answer still goes out.
                    pending.caller.gone();
                }
            }
            Turn::Early(Err(_)) => {
                pending.caller.gone();
                return Err(End::Lost);
            }
            Turn::Wanted => {
                receiving = true;
                if body.as_mut().is_some_and(|body| std::mem::take(&mut body.held_back)) {
                    session.out.extend_from_slice(CONTINUE);
                    session.flush().await?;
                    session.connection.set_phase(Phase::Handling);
                }
                session.connection.set_stall(limits.body_stall_ms_max);
            }
            Turn::Received(received) => {
                receiving = false;
                if let Some(body) = body.as_mut()
                    && let Err(failed) = receive(session, body, received)
                {
                    return Err(failed.end(session, pending));
                }
            }
        }
    }
}

/// What becomes of an answer after the client's FIN: that the handler gave up is what its signal asked
/// for, and no error of the app's.
fn answer_to_none(outcome: Result<OwnedReply, Failure>) -> Result<Result<OwnedReply, Failure>, End> {
    outcome.map(Ok).map_err(|failure| {
        tracing::debug!("the client is gone: {}", failure.text);
        End::Quiet
    })
}

/// What the handler does for it, a fetch say, is for nobody from now on: its signal aborts.
fn timed_out(pending: &Pending, ms: u64) -> Failure {
    pending.caller.gone();
    let text = format!("no response within {ms} ms (--request-timeout)");
    Failure { status: 503, text, stack: String::new() }
}

/// Why the rest of a body cannot come.
pub struct Failed {
    why: BodyError,
    /// What it is answered with, if anything can be.
    status: Option<u16>,
}

impl Failed {
    /// Whether the client went away in the middle of it.
    pub fn by_client(&self) -> bool {
        self.why == BodyError::Aborted
    }

    /// How a connection ends that has not yet answered.
    fn end(&self, session: &mut Session, pending: &Pending) -> End {
        if self.by_client() {
            pending.caller.gone();
        }
        match self.status {
            Some(status) => session.refuse(status, Exchange::CLOSE),
            None => End::Lost,
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
        body.ended = true;
        body.script.end(Progress::Failed(failed.why));
    }
    result
}

fn take_up(session: &mut Session, body: &mut Body, received: Result<Chunk, Stopped>) -> Result<(), Failed> {
    let chunk = match received {
        Ok(chunk) if !chunk.is_empty() => chunk,
        Ok(_) => return Err(Failed { why: BodyError::Aborted, status: Some(400) }),
        Err(Stopped::TimedOut) => return Err(Failed { why: BodyError::TimedOut, status: Some(408) }),
        Err(_) => return Err(Failed { why: BodyError::Aborted, status: None }),
    };
    let mut used = 0;
    loop {
        match feed(body, &chunk[used..]) {
            Ok(0) => break,
            Ok(consumed) => used += consumed,
            Err(rejection) => {
                let why = if rejection.status == 413 { BodyError::TooLarge } else { BodyError::Malformed };
                return Err(Failed { why, status: Some(rejection.status) });
            }
        }
    }
    session.keep(&chunk[used..]);
    Ok(())
}

/// Receives and drops the rest of a body that the handler did not read, within bounds. Beyond them
/// the connection ends, gently: the answer may not have reached the client yet.
async fn drop_unread(session: &mut Session, mut body: Body) -> Result<(), End> {
    session.flush().await?;
    let stall_ms = session.connection.worker().config.limits.body_stall_ms_max;
    session.connection.set_phase(Phase::Receiving);
    session.connection.set_stall(stall_ms);
    body.script.end(Progress::Failed(BodyError::Aborted));
    let start = body.decoder.content_bytes();
    loop {
        let chunk = match session.connection.recv().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            Ok(_) => return Err(End::Quiet),
            Err(Stopped::TimedOut) => return Err(End::Answered),
            Err(stopped) => return Err(stopped.into()),
        };
        let mut used = 0;
        while !body.ended && used < chunk.len() {
            let step = body.decoder.decode(&chunk[used..]).map_err(|_| End::Answered)?;
            used += step.consumed;
            body.ended = step.end;
        }
        if body.ended {
            session.keep(&chunk[used..]);
            return Ok(());
        }
        if body.decoder.content_bytes() - start > DRAIN_BYTES_MAX {
            return Err(End::Answered);
        }
    }
}
