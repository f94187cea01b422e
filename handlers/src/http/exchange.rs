//! One request and its answer, whatever carries them.
//!
//! Owns: the call of the app, the time that an answer may take, what becomes of both when the client leaves.
//! Must not know: how heads and bodies look on the wire, other requests, connections.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use runtime::app::Instance;
use runtime::app::fetch::{
    self, Called, Failure, HeaderList, Incoming, OwnedReply, Pending, Reply, Unwanted,
};
use runtime::app::methods::Method;
use runtime::files::{FileAnswer, Stage};
use runtime::log::{self, Kind};
use runtime::serving;
use runtime::worker::Worker;

use super::additions::Additions;
use super::answer::{self, Written};
use super::body::{BodyEvent, BodyReceiver};
use super::cgi;
use super::failure;
use super::files;
use super::pages;
use super::peer::{Peer, PeerEvent};
use super::proxy;
use super::rejection::Rejection;
use super::scheduled;
use super::site;
use super::streamed::{self, Streaming};
use super::timeouts::Timeouts;
use super::wire::{BodyFailure, Departure, Ending, RequestRest, Wire};

/// The app has no `fetch`, though the listener speaks HTTP.
const NO_FETCH: Rejection = Rejection::new(501, "the app has no fetch");

/// Turns of the route got stuck too often.
const STUCK: Rejection = Rejection::new(503, "the route is refused for a while");

/// The connection is for another host.
const MISDIRECTED: Rejection = Rejection::new(421, "Host is not what TLS was asked for");

/// Serves one request: how it ended.
pub async fn run<W: Wire>(wire: &mut W, worker: &Rc<Worker>, timeouts: &Timeouts) -> Ending {
    let added = Additions::begin(wire, worker);
    if let Some(id) = added.shared_request_id() {
        wire.tally().request_id = Some(id);
    }
    let mut peer = Peer {
        wire,
        worker,
        timeouts,
        added,
        body: None,
        is_watched: false,
        redirected: None,
        rewritten: None,
    };
    let ended = serve(&mut peer).await;
    timeouts.clear();
    ended.err().unwrap_or(Ending::Complete)
}

async fn serve<W: Wire>(peer: &mut Peer<'_, W>) -> Result<(), Ending> {
    let worker = peer.worker;
    let (method, target) = peer.wire.method_and_target();
    if worker.refused.is_any()
        && serving::route_of(method, target).is_some_and(|route| worker.refused.has(&route))
    {
        return Err(refuse(peer, &STUCK));
    }
    if let Some(challenges) = worker.challenges.as_ref().filter(|challenges| challenges.is_any())
        && let Some(answer) = challenges.answer(target)
    {
        failure::say(peer.wire, 200, &answer);
        return Err(Ending::Unread);
    }
    if peer.wire.is_misdirected() {
        return Err(refuse(peer, &MISDIRECTED));
    }
    match BodyReceiver::begin(peer.wire, worker.config.limits.body_bytes_max as u64) {
        Ok(body) => peer.body = body,
        Err(rejection) => return Err(refuse(peer, &rejection)),
    }
    let (method, target) = peer.wire.method_and_target();
    worker.serving.note(method, target);
    if worker.config.dev
        && let Some(ended) = Box::pin(pages::serve(peer)).await
    {
        return ended;
    }
    if worker.config.dev
        // Boxed: servers pay nothing for it.
        && let Some(ended) = Box::pin(scheduled::serve(peer)).await
    {
        return ended;
    }
    if let Some(proxies) = &worker.proxies
        // Boxed: servers without rules pay nothing for it.
        && let Some(ended) = Box::pin(proxy::serve(peer, proxies)).await
    {
        return ended;
    }
    if let Some(cgi) = &worker.cgi
        // Boxed: servers without scripts pay nothing for it.
        && let Some(ended) = Box::pin(cgi::serve(peer, cgi)).await
    {
        return ended;
    }
    if let Some(directory) = &worker.directory
        // Boxed: servers without such a folder pay nothing for it.
        && let Some(ended) = Box::pin(site::serve(peer, directory)).await
    {
        return ended;
    }
    if let Some(site) = &worker.site {
        let has_app = worker.app.current().callee(Method::Fetch).is_some();
        let stage = if has_app { Stage::Before } else { Stage::Alone };
        // Boxed: servers without files pay nothing for it.
        if let Some(ended) = Box::pin(files::serve(peer, site, stage)).await {
            return ended;
        }
    }
    ask(peer).await
}

/// Has the app answer.
async fn ask<W: Wire>(peer: &mut Peer<'_, W>) -> Result<(), Ending> {
    let worker = peer.worker;
    let incoming = Incoming {
        head: peer.head(),
        scheme: peer.wire.scheme(),
        version: peer.wire.version(),
        body: peer.body.as_ref().filter(|_| peer.redirected.is_none()).map(|body| body.script.clone()),
        ends: peer.wire.ends(),
        worker: worker.number,
        takes: peer.wire.takes(),
        id: peer.added.shared_request_id(),
    };
    let app = worker.app.current();
    let Some(handler) = app.callee(Method::Fetch) else { return no_fetch(peer).await };
    let is_last = worker.site.as_ref().is_none_or(|site| !site.is_behind());
    // A 404 that waits for what is behind the app.
    let mut held: Option<Box<OwnedReply>> = None;
    let mut written = Written::default();
    let called = fetch::fetch(app.engine(), handler, incoming, &mut |reply| match reply.status {
        404 if !is_last => held = Some(Box::new(OwnedReply::of(reply))),
        _ => written = peer.write_reply(&reply),
    });
    turn_is_over(peer, &app);
    drop(app);
    let mut stream = match called {
        Called::Done => {
            written.take_whole().map(|outgoing| Streaming { outgoing, caller: None, extras: None })
        }
        Called::Streaming(outgoing, caller, extras) => {
            Some(Streaming { outgoing, caller: Some(caller), extras: Some(extras) })
        }
        Called::Failed(failure) => fail(peer, &failure),
        Called::Pending(pending) => match wait(peer, &pending).await? {
            Ok(mut owned) => {
                let is_held = owned.status() == 404 && !is_last;
                if !is_held {
                    written = peer.write_reply(&Reply { extras: Some(&pending.extras), ..owned.lend() });
                }
                let outgoing = owned.take_stream().or_else(|| written.take_whole());
                held = is_held.then(|| Box::new(owned));
                let (caller, extras) = (Some(pending.caller), Some(pending.extras));
                outgoing.map(|outgoing| Streaming { outgoing, caller, extras })
            }
            Err(failure) => fail(peer, &failure),
        },
    };
    if written.body.is_upgraded {
        return Err(Ending::Upgraded);
    }
    if let (Some(held), Some(site)) = (held, &worker.site) {
        if let Some(ended) = Box::pin(files::serve(peer, site, Stage::After)).await {
            if let Some(stream) = stream {
                stream.outgoing.cancel(Unwanted::NoBody);
            }
            return ended;
        }
        let extras = stream.as_ref().and_then(|stream| stream.extras.as_deref());
        let body = stream.as_ref().map(|stream| &stream.outgoing);
        written = peer.write_reply(&Reply { extras, ..held.lend_with(body) });
        stream = stream.or_else(|| {
            written.take_whole().map(|outgoing| Streaming { outgoing, caller: None, extras: None })
        });
    }
    if let Some(stream) = stream {
        // Boxed: requests with a whole body pay nothing for it.
        Box::pin(streamed::send(peer, stream, written)).await?;
    }
    peer.receive_rest().await
}

/// Answers where there is no app for a request.
async fn no_fetch<W: Wire>(peer: &mut Peer<'_, W>) -> Result<(), Ending> {
    // What other servers do not answer is nobody's.
    if peer.worker.proxies.is_some() {
        return files::send(peer, &FileAnswer::status(404), &[]).await;
    }
    Err(refuse(peer, &NO_FETCH))
}

/// Notes the time of the turn that the app was called in.
fn turn_is_over<W: Wire>(peer: &mut Peer<'_, W>, app: &Instance) {
    if peer.worker.observer.is_some() {
        peer.wire.tally().javascript = Some(app.engine().last_turn());
    }
    peer.added.turn_is_over();
}

/// Answers a request that the app does not get, or no longer.
fn refuse<W: Wire>(peer: &mut Peer<'_, W>, rejection: &Rejection) -> Ending {
    failure::refuse(peer.wire, peer.worker, Some(&peer.added), rejection);
    Ending::Unread
}

/// Answers for a handler that failed; nothing follows.
fn fail<W: Wire>(peer: &mut Peer<'_, W>, failure: &Failure) -> Option<Streaming> {
    let rest = match peer.body.as_mut().map_or(RequestRest::Taken, BodyReceiver::take_rest) {
        // A client that has not sent its body in that time gets no more of it.
        RequestRest::Unread if failure.kind == Kind::RequestTime => RequestRest::Refused,
        rest => rest,
    };
    failure::answer(peer.wire, peer.worker, &peer.added, failure, rest);
    None
}

enum WaitEvent {
    Settled(Result<OwnedReply, Failure>),
    Hints(Vec<HeaderList>),
    Peer(PeerEvent),
}

/// Waits for an answer, and receives the body if the script asks for it. A client that resets the
/// connection meanwhile wants no answer.
async fn wait<W: Wire>(
    peer: &mut Peer<'_, W>,
    pending: &Pending,
) -> Result<Result<OwnedReply, Failure>, Ending> {
    peer.wire.flush().await.map_err(|_| Ending::Lost)?;
    let limits = &peer.worker.config.limits;
    peer.timeouts.request.set(limits.request_ms_max);
    peer.is_watched = true;
    let mut has_left = false;
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(outcome) = pending.poll(cx) {
                return Poll::Ready(WaitEvent::Settled(outcome));
            }
            if let Poll::Ready(hints) = pending.extras.poll_hints(cx) {
                return Poll::Ready(WaitEvent::Hints(hints));
            }
            peer.poll_event(cx).map(WaitEvent::Peer)
        })
        .await;
        match event {
            WaitEvent::Settled(outcome) => {
                peer.timeouts.request.clear();
                return if has_left { answer_to_none(outcome) } else { Ok(outcome) };
            }
            WaitEvent::Hints(hints) => {
                answer::write_hints(peer.wire, &hints);
                peer.wire.flush().await.map_err(|_| Ending::Lost)?;
            }
            WaitEvent::Peer(PeerEvent::TimedOut) => {
                return Ok(Err(timed_out(pending, limits.request_ms_max)));
            }
            WaitEvent::Peer(PeerEvent::Left(departure)) => {
                // It may only be done with sending: an answer still goes out.
                pending.caller.gone();
                if departure == Departure::Gone {
                    return Err(Ending::Lost);
                }
                (peer.is_watched, has_left) = (false, true);
            }
            WaitEvent::Peer(PeerEvent::Body(BodyEvent::HeldBack)) => {
                peer.wire.write_continue();
                peer.wire.flush().await.map_err(|_| Ending::Lost)?;
                peer.timeouts.body.set(limits.body_stall_ms_max);
            }
            WaitEvent::Peer(PeerEvent::Body(BodyEvent::Failed(failed))) => {
                return Err(cut(peer, &failed, pending));
            }
            WaitEvent::Peer(PeerEvent::Body(BodyEvent::Received(_) | BodyEvent::GivenUp)) => {}
        }
    }
}

/// What becomes of an answer after the client's end: that the handler gave up is what its signal asked for, and
/// no error of the app's.
fn answer_to_none(outcome: Result<OwnedReply, Failure>) -> Result<Result<OwnedReply, Failure>, Ending> {
    outcome.map(Ok).map_err(|failure| {
        if log::admits(Kind::Gone) {
            tracing::debug!("the client is gone: {}", failure.text);
        }
        Ending::Left
    })
}

/// What the handler does for it, a fetch say, is for nobody from now on: its signal aborts.
fn timed_out(pending: &Pending, ms: u64) -> Failure {
    pending.caller.gone();
    let text = format!("no response within {ms} ms (--request-timeout)");
    Failure { status: 503, text, stack: String::new(), kind: Kind::RequestTime }
}

/// How an exchange ends that has no answer yet, and whose request cannot come.
fn cut<W: Wire>(peer: &mut Peer<'_, W>, failed: &BodyFailure, pending: &Pending) -> Ending {
    if failed.is_by_client() {
        pending.caller.gone();
    }
    match &failed.rejection {
        Some(rejection) => refuse(peer, rejection),
        None => Ending::Lost,
    }
}
