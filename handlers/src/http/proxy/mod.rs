//! Requests that other servers answer: a reverse proxy.
//!
//! Owns: which requests those are, how often one is tried, what becomes of its answer. Must not know: how a server is
//! asked or chosen (`runtime::upstream` does), how bytes are written.

mod body;
mod failure;
mod fields;

use std::rc::Rc;

use runtime::app::fetch::{Fields, Head, Outgoing, Reply};
use runtime::upstream::{
    Proxies, Route, SentOn, UpstreamAnswer, UpstreamError, UpstreamFault, UpstreamRequest, UpstreamTunnel,
};
use runtime::websocket::handshake::{self, AskedProtocol};

use self::body::{AnswerSource, RequestSource};
use self::failure::{BAD_PATH, NO_HOPS_LEFT, NO_TUNNEL, ProxyFailure};
use self::fields::ForwardedFields;
use super::cgi::waiting::{Stop, wait};
use super::lists::list_members;
use super::peer::Peer;
use super::rejection::Rejection;
use super::streamed::{self, Streaming};
use super::wire::{Ending, Wire};
use crate::tunnel::ClientTunnel;

/// Methods whose request may be sent a second time (RFC 9110 section 9.2.2).
const IDEMPOTENT: [&str; 6] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];

/// Has another server answer, where a rule says so: how that ended. `None`: there is no rule for the request; nothing is
/// written.
pub async fn serve<W: Wire>(peer: &mut Peer<'_, W>, proxies: &Proxies) -> Option<Result<(), Ending>> {
    let route = proxies.find(peer.head().path_and_query())?;
    Some(pass(peer, &route).await)
}

/// Has the server of `route` answer.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn pass<W: Wire>(peer: &mut Peer<'_, W>, route: &Route) -> Result<(), Ending> {
    let head = peer.head();
    if has_dots(&route.target) {
        return refuse(peer, &BAD_PATH);
    }
    let mut fields = ForwardedFields::of(peer, &*head);
    if fields.is_last_hop {
        return refuse(peer, &NO_HOPS_LEFT);
    }
    let socket = asked_socket(&*head);
    if socket.is_none() && head.method() == "CONNECT" {
        return refuse(peer, &NO_TUNNEL);
    }
    if let Some(key) = socket.as_ref().and_then(|socket| socket.key.as_ref()) {
        fields.list.set(b"Sec-WebSocket-Key", key.as_bytes());
    }
    peer.wire.flush().await.map_err(|_| Ending::Lost)?;
    peer.is_watched = true;
    peer.timeouts.request.clear();
    let body = peer.body.as_ref().filter(|_| peer.redirected.is_none());
    let body = body.map(|body| Rc::new(RequestSource::new(body.script.clone(), &*head)));
    let mut tried = Vec::new();
    loop {
        let Some(number) = route.group.pick(&tried) else {
            return failure::answer(peer, &ProxyFailure::nobody()).await;
        };
        tried.push(number);
        let request = UpstreamRequest {
            method: if socket.is_some() { "GET" } else { head.method() }.to_owned(),
            target: route.target.clone(),
            host: fields.host(&route.host, &*head),
            fields: fields.list.clone(),
            body: body.as_ref().map(|body| (body.clone() as Rc<_>, body.length)),
            upgrade: socket.is_some().then_some("websocket"),
        };
        let member = route.group.member(number);
        let mut sending = member.send(request);
        let error = match wait(peer, u64::MAX, |cx| sending.as_mut().poll(cx)).await {
            Ok(Ok(sent)) => {
                route.group.succeeded(number);
                return answer(peer, sent, socket.as_ref(), member.name()).await;
            }
            Ok(Err(error)) => error,
            Err(Stop::TimedOut) => {
                UpstreamError { fault: UpstreamFault::TimedOut, text: "it took too long".into() }
            }
            Err(Stop::Ended(ending)) => return Err(ending),
        };
        drop(sending);
        let is_its_fault = !matches!(error.fault, UpstreamFault::Request | UpstreamFault::RequestBody);
        if is_its_fault {
            route.group.failed(number);
        }
        let is_untouched = body.as_ref().is_none_or(|body| !body.is_taken());
        let may_repeat = error.fault == UpstreamFault::Unreachable || IDEMPOTENT.contains(&head.method());
        let failed = ProxyFailure::of(member.name(), &error);
        if !(is_its_fault && is_untouched && may_repeat && tried.len() < route.group.len()) {
            return failure::answer(peer, &failed).await;
        }
        failure::log(peer, &failed);
    }
}

/// A WebSocket that the client wants.
struct AskedSocket {
    /// Sec-WebSocket-Key, which a client of HTTP/2 has not (RFC 8441 section 5).
    key: Option<String>,
}

/// The WebSocket that the client wants, where it wants one.
fn asked_socket(head: &dyn Head) -> Option<AskedSocket> {
    match head.asked_protocol()? {
        AskedProtocol::Upgrade(value) => {
            let is_socket = list_members(value).any(|name| name.eq_ignore_ascii_case(b"websocket"));
            (is_socket && head.method() == "GET").then_some(AskedSocket { key: None })
        }
        AskedProtocol::Connect(name) => {
            name.eq_ignore_ascii_case(b"websocket").then(|| AskedSocket { key: Some(handshake::key()) })
        }
    }
}

/// Whether the server could read another path than its rule is for: a segment of dots, encoded or not.
fn has_dots(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.split(['/', '\\']).any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(plain.split(';').next(), Some("." | ".."))
    }) || path.to_ascii_lowercase().contains("%00")
}

async fn answer<W: Wire>(
    peer: &mut Peer<'_, W>,
    sent: SentOn,
    socket: Option<&AskedSocket>,
    name: &str,
) -> Result<(), Ending> {
    let UpstreamTunnel { fields, transport, early } = match sent {
        SentOn::Answer(answer) => return forward(peer, answer, name).await,
        SentOn::Tunnel(tunnel) => tunnel,
    };
    let mut list = fields::of_switch(&fields);
    if let Some(key) = socket.and_then(|socket| socket.key.as_ref()) {
        let accept = handshake::accept(key.as_bytes());
        if list.get(b"sec-websocket-accept").is_none_or(|value| value != accept.as_bytes()) {
            let text = "Sec-WebSocket-Accept is wrong".to_owned();
            let error = UpstreamError { fault: UpstreamFault::NoAnswer, text };
            return failure::answer(peer, &ProxyFailure::of(name, &error)).await;
        }
        list.delete(b"sec-websocket-accept");
    }
    let idle_ms = peer.worker.config.limits.proxy_tunnel_ms_max;
    let reply = Reply {
        status: 101,
        reason: None,
        headers: Fields::List(&list),
        body: None,
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    };
    peer.wire.open_tunnel(&reply, ClientTunnel::new(transport, early, idle_ms));
    Err(Ending::Upgraded)
}

/// Sends the answer of a server as it comes.
async fn forward<W: Wire>(peer: &mut Peer<'_, W>, answer: UpstreamAnswer, name: &str) -> Result<(), Ending> {
    let UpstreamAnswer { status, reason, fields, body } = answer;
    let fields = fields::of_answer(&fields);
    let has_body = peer.wire.head().method() != "HEAD" && !matches!(status, 204 | 304);
    let written = peer.write_reply(&Reply {
        status,
        reason: reason.as_deref(),
        headers: Fields::List(&fields),
        body: None,
        streamed: has_body,
        length: None,
        extras: None,
        upgrade: None,
    });
    if has_body {
        let outgoing = Outgoing::Native(Rc::new(AnswerSource::new(body, name)));
        streamed::send(peer, Streaming { outgoing, caller: None, extras: None }, written).await?;
    }
    peer.receive_rest().await
}

/// Answers a request that is not sent on.
fn refuse<W: Wire>(peer: &mut Peer<'_, W>, rejection: &Rejection) -> Result<(), Ending> {
    super::failure::refuse(peer.wire, peer.worker, Some(&peer.added), rejection);
    Err(Ending::Unread)
}

#[cfg(test)]
mod tests {
    use super::has_dots;

    #[test]
    fn a_segment_of_dots_is_found_however_it_is_written() {
        for target in ["/a/../b", "/..", "/a/.", "/%2e%2E/a", "/a/.%2e", "/a\\..\\b", "/a/..;x/b", "/a%00"] {
            assert!(has_dots(target), "{target}");
        }
        for target in ["/", "/a..b/...", "/a?x=/../", "/.well-known/x", "/a%2fb", "/a/..a"] {
            assert!(!has_dots(target), "{target}");
        }
    }
}
