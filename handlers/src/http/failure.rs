//! Answers when there is no reply of the app's: to requests that are refused, and for failed handlers.
//!
//! Owns: what the client reads, the log line of a failure. Must not know: why it failed, what development mode
//! shows.

use runtime::address::Address;
use runtime::app::fetch::{Failure, Fields, HeaderList, Reply};
use runtime::log::{self, Kind};
use runtime::worker::Worker;

use super::access;
use super::additions::Additions;
use super::dev;
use super::live;
use super::rejection::Rejection;
use super::status::reason_phrase;
use super::wire::{RequestRest, Wire};

/// The type of an answer that says only its status.
pub const STATUS_TYPE: &str = "text/plain;charset=UTF-8";

/// Answers a request that is refused; nothing more is received of its client. `added` is what the server adds to the
/// answers of its exchange, where there is one.
#[cold]
pub fn refuse(wire: &mut impl Wire, worker: &Worker, added: Option<&Additions>, rejection: &Rejection) {
    log_limit(rejection, worker, added.and_then(Additions::request_id), || wire.ends().peer.clone());
    access::note_refusal(wire, worker, rejection);
    answer_status(wire, (worker, added), rejection.status, RequestRest::Refused);
}

/// Says, at most once a second, that a limit refuses requests, if one refused this.
#[cold]
pub fn log_limit(
    rejection: &Rejection,
    worker: &Worker,
    request_id: Option<&str>,
    peer: impl FnOnce() -> Address,
) {
    let Some(limit) = rejection.limit else { return };
    let Some(more) = log::admits_limit(limit.kind()) else { return };
    let (status, peer, text) = (rejection.status, peer(), limit.text(&worker.config.limits));
    tracing::warn!(worker = worker.number, request_id, %peer, "{status}: {text}{more}");
}

/// Logs a handler's failure and answers for it. The text reaches the client in development mode only.
#[cold]
pub fn answer(
    wire: &mut impl Wire,
    worker: &Worker,
    added: &Additions,
    failure: &Failure,
    rest: RequestRest,
) {
    log_failure(wire, worker, added, failure);
    access::note_failure(wire, worker, failure.status, (&failure.text, &failure.stack));
    if !worker.config.dev {
        return answer_status(wire, (worker, Some(added)), failure.status, rest);
    }
    let (method, target) = request_line(wire);
    let (kind, mut text) = dev::answer(failure, &*wire.head(), &format!("{method} {target}"));
    if kind.starts_with("text/html") {
        text.push_str(&live::tag_for(worker));
    }
    let mut fields = HeaderList::default();
    fields.append(b"Content-Type", kind.as_bytes());
    fields.append(b"Vary", b"Accept");
    added.add_to(&mut fields, worker, wire.scheme());
    write_whole(wire, failure.status, Fields::List(&fields), &text, rest);
}

/// Answers with a text that is not the app's; nothing more is received of the client.
#[cold]
pub fn say(wire: &mut impl Wire, status: u16, text: &str) {
    write_whole(wire, status, Fields::ContentType(Some(STATUS_TYPE)), text, RequestRest::Refused);
}

/// Answers with a status and its phrase.
fn answer_status(
    wire: &mut impl Wire,
    (worker, added): (&Worker, Option<&Additions>),
    status: u16,
    rest: RequestRest,
) {
    let text = format!("{status} {}\n", reason_phrase(status));
    let Some(added) = added.filter(|added| added.is_any(worker)) else {
        return write_whole(wire, status, Fields::ContentType(Some(STATUS_TYPE)), &text, rest);
    };
    let mut fields = HeaderList::default();
    fields.append(b"Content-Type", STATUS_TYPE.as_bytes());
    added.add_to(&mut fields, worker, wire.scheme());
    write_whole(wire, status, Fields::List(&fields), &text, rest);
}

fn write_whole(wire: &mut impl Wire, status: u16, headers: Fields<'_>, text: &str, rest: RequestRest) {
    let body = Some(text.as_bytes());
    let reply = Reply {
        status,
        reason: None,
        headers,
        body,
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    };
    wire.write_head(&reply, rest);
}

fn log_failure(wire: &impl Wire, worker: &Worker, added: &Additions, failure: &Failure) {
    let more = match failure.kind {
        Kind::Failed => log::admits(Kind::Failed).then(String::new),
        limit => log::admits_limit(limit),
    };
    let Some(more) = more else { return };
    let ((method, target), status) = (request_line(wire), failure.status);
    let newline = if failure.stack.is_empty() { "" } else { "\n" };
    let (worker, request_id) = (worker.number, added.request_id());
    tracing::error!(
        worker,
        request_id,
        status,
        "{method} {target}: {}{more}{newline}{}",
        failure.text,
        failure.stack
    );
}

/// Method and target as text, for the log.
pub fn request_line(wire: &impl Wire) -> (String, String) {
    let (method, target) = wire.method_and_target();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(method), text(target))
}
