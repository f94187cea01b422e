//! What the client and the log are told when no server answers.
//!
//! Owns: the words, and the status for each. Must not know: how it was found out.

use runtime::app::fetch::Failure;
use runtime::log::{self, Kind};
use runtime::upstream::{UpstreamError, UpstreamFault};

use super::super::body::BodyReceiver;
use super::super::failure;
use super::super::peer::Peer;
use super::super::rejection::Rejection;
use super::super::wire::{Ending, RequestRest, Wire};

/// The server could read another path than the rule is for.
pub const BAD_PATH: Rejection = Rejection::bad("a path with segments of dots is not sent on");
/// Max-Forwards is 0.
pub const NO_HOPS_LEFT: Rejection = Rejection::new(405, "Max-Forwards: 0");
/// The client asks for a tunnel to somewhere, or for a protocol that is not passed on.
pub const NO_TUNNEL: Rejection = Rejection::new(501, "such a tunnel is not sent on");

/// Why no server answers.
pub struct ProxyFailure {
    status: u16,
    text: String,
}

impl ProxyFailure {
    /// What the server `name` has failed with.
    pub fn of(name: &str, error: &UpstreamError) -> ProxyFailure {
        let (status, what) = match error.fault {
            UpstreamFault::TimedOut => (504, "it does not answer"),
            UpstreamFault::Request => (400, "the request cannot be sent on"),
            UpstreamFault::RequestBody => (400, "the request's body broke off"),
            UpstreamFault::Unreachable => (502, "it cannot be reached"),
            UpstreamFault::NoAnswer => (502, "it gives no answer"),
        };
        ProxyFailure { status, text: format!("{name}: {what}: {}", error.text) }
    }

    /// Every server was tried.
    pub fn nobody() -> ProxyFailure {
        ProxyFailure { status: 502, text: "no server is left to ask".into() }
    }
}

/// Says in the log that a request goes on to the next server.
pub fn log<W: Wire>(peer: &Peer<'_, W>, failed: &ProxyFailure) {
    if let Some(more) = log::admits_limit(Kind::Upstream) {
        let (method, target) = failure::request_line(peer.wire);
        let (worker, request_id) = (peer.worker.number, peer.added.request_id());
        tracing::warn!(worker, request_id, "{method} {target}: {}; the next is asked{more}", failed.text);
    }
}

/// Answers for servers that give no answer.
///
/// # Errors
/// How the exchange ends, where that is not its completion.
pub async fn answer<W: Wire>(peer: &mut Peer<'_, W>, failed: &ProxyFailure) -> Result<(), Ending> {
    let rest = peer.body.as_mut().map_or(RequestRest::Taken, BodyReceiver::take_rest);
    let ProxyFailure { status, text } = failed;
    let failed = Failure { status: *status, text: text.clone(), stack: String::new(), kind: Kind::Upstream };
    failure::answer(peer.wire, peer.worker, &peer.added, &failed, rest);
    peer.receive_rest().await
}
