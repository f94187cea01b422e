//! One request and its answer.
//!
//! Owns: the call of the app, the time that an answer may take. Must not know: heads on the wire, other
//! requests, how a body is received.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use runtime::app::fetch::{self, Called, Failure, Head, Incoming, OwnedReply, Pending, Reply};
use runtime::app::methods::Method;
use runtime::connection::{Phase, Stopped};
use runtime::io::Chunk;
use runtime::log::{self, Kind};
use runtime::serving;

use super::body::{self, Body, Failed};
use super::h1::{BodyFraming, BodyMode, CONTINUE, Encoded, Exchange, Rejection, RequestHead};
use super::session::{End, Session};
use super::{failure, reply, streamed};

/// The app has no `fetch`, though the listener speaks HTTP.
const NO_FETCH: Rejection = Rejection::new(501, "the app has no fetch");

/// Turns of the route got stuck too often.
const STUCK: Rejection = Rejection::new(503, "the route is refused for a while");

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
        return Err(session.refuse(&STUCK, Exchange::of(head, false)));
    }
    let mut body = match head.framing() {
        BodyFraming::None => None,
        _ => Some(Body::begin(session, head)?),
    };
    session.connection.set_phase(Phase::Handling);
    worker.serving.note(head.method_bytes(), head.target_bytes());
    let draining = worker.is_draining();
    let exchange = later(session, head, &body);
    let incoming = Incoming {
        head: head.clone(),
        body: body.as_ref().map(|body| body.script.clone()),
        peer: session.connection.peer(),
        local: session.connection.local(),
        worker: worker.number,
    };
    let app = worker.app.current();
    let Some(handler) = app.callee(Method::Fetch) else {
        return Err(session.refuse(&NO_FETCH, Exchange::of(head, false)));
    };
    let mut encoded = Encoded { body: BodyMode::Omit, length: None, keep_alive: false };
    let out = &mut session.out;
    let called = fetch::fetch(app.engine(), handler, incoming, &mut |lent| {
        encoded = write_reply(out, head, &mut body, exchange, draining, &lent);
    });
    drop(app);
    let (stream, failed) = match called {
        Called::Done => (None, None),
        Called::Streaming(outgoing, caller) => (Some((outgoing, caller)), None),
        Called::Failed(failure) => (None, Some(failure)),
        Called::Pending(pending) => match wait(session, &pending, &mut body).await? {
            Ok(mut owned) => {
                let exchange = later(session, head, &body);
                let (lent, draining) = (owned.lend(), worker.is_draining());
                encoded = write_reply(&mut session.out, head, &mut body, exchange, draining, &lent);
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
        let mut exchange = later(session, head, &body);
        // A client that has not sent its body in that time gets no more of it.
        exchange.keep_alive &=
            failure.kind != Kind::RequestTime || body.as_ref().is_none_or(|body| body.ended);
        persists = failure::answer(&mut session.out, &failure, head, exchange, &session.connection);
    }
    match body {
        Some(body) if !body.ended => body::finish(session, body, persists).await,
        _ if persists => Ok(()),
        _ => Err(End::Answered),
    }
}

/// What shapes an answer that came after its turn: what the connection can do by now.
fn later(session: &Session, head: &RequestHead, body: &Option<Body>) -> Exchange {
    let worker = session.connection.worker();
    let unread_bytes_max = worker.config.limits.unread_bytes_max;
    Exchange::of(head, !worker.is_draining() && body.as_ref().is_none_or(|b| b.can_persist(unread_bytes_max)))
}

/// Writes an answer. A script may read on in the request's body: a client that waits for 100 Continue gets
/// it before, and such a body is no reason to close.
fn write_reply(
    out: &mut Vec<u8>,
    head: &RequestHead,
    body: &mut Option<Body>,
    mut exchange: Exchange,
    draining: bool,
    reply: &Reply<'_>,
) -> Encoded {
    if let Some(body) = body.as_mut().filter(|body| body.is_wanted(reply.streamed)) {
        if body.take_held_back() {
            out.extend_from_slice(CONTINUE);
        }
        exchange = Exchange::of(head, !draining);
    }
    reply::write(out, reply, exchange)
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
                if body.as_mut().is_some_and(Body::take_held_back) {
                    session.out.extend_from_slice(CONTINUE);
                    session.flush().await?;
                    session.connection.set_phase(Phase::Handling);
                }
                session.connection.set_stall(limits.body_stall_ms_max);
            }
            Turn::Received(received) => {
                receiving = false;
                if let Some(body) = body.as_mut()
                    && let Err(failed) = body::receive(session, body, received)
                {
                    return Err(cut(session, &failed, pending));
                }
            }
        }
    }
}

/// What becomes of an answer after the client's FIN: that the handler gave up is what its signal asked
/// for, and no error of the app's.
fn answer_to_none(outcome: Result<OwnedReply, Failure>) -> Result<Result<OwnedReply, Failure>, End> {
    outcome.map(Ok).map_err(|failure| {
        if log::admits(Kind::Gone) {
            tracing::debug!("the client is gone: {}", failure.text);
        }
        End::Quiet
    })
}

/// What the handler does for it, a fetch say, is for nobody from now on: its signal aborts.
fn timed_out(pending: &Pending, ms: u64) -> Failure {
    pending.caller.gone();
    let text = format!("no response within {ms} ms (--request-timeout)");
    Failure { status: 503, text, stack: String::new(), kind: Kind::RequestTime }
}

/// How a connection ends that has not yet answered, and whose body cannot come.
fn cut(session: &mut Session, failed: &Failed, pending: &Pending) -> End {
    if failed.by_client() {
        pending.caller.gone();
    }
    match &failed.rejection {
        Some(rejection) => session.refuse(rejection, Exchange::CLOSE),
        None => End::Lost,
    }
}
