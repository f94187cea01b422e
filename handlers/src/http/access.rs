//! The end of a request as operators see it: its line in the access log, its counts.
//!
//! Owns: what a line says of a request that was answered, refused, or that was none. Must not know: how lines look, who
//! answered.

use std::time::{Duration, Instant, SystemTime};

use runtime::access_log::{Record, RequestLine};
use runtime::metrics::FailedRequest;
use runtime::worker::{Connection, Observer, Worker};

use super::rejection::Rejection;
use super::tally::Tally;
use super::wire::{Ending, Wire};

/// What stands in the log for the status of an answer that nobody was there for (nginx's number).
const CLIENT_GONE: u16 = 499;

/// A request begins: when that was, where somebody wants to know.
#[inline]
pub fn begin(worker: &Worker) -> Option<Instant> {
    worker.observer.as_ref().map(|observer| observer.begin())
}

/// A request has ended that [`begin`] has told of.
pub fn end(wire: &mut impl Wire, worker: &Worker, begun: Instant, ending: Ending) {
    let Some(observer) = &worker.observer else { return };
    let now = Instant::now();
    let duration = now - begun;
    let transferred = wire.transferred();
    let tally = std::mem::take(wire.tally());
    observer.metrics.received_bytes.add(transferred.received);
    observer.metrics.sent_bytes.add(transferred.sent);
    observer.end(wire.method_and_target(), tally.status, duration, now);
    let Some(log) = &observer.log else { return };
    let Tally { status, javascript, cause, request_id, .. } = tally;
    let cut = match (ending, status) {
        (_, 0) => Some("the client was gone"),
        (Ending::CutShort, _) => Some("the answer was cut short"),
        _ => None,
    };
    let (method, target) = wire.method_and_target();
    let (head, ends) = (wire.head(), wire.ends());
    log.write(&Record {
        time: SystemTime::now(),
        worker: worker.number,
        peer: &ends.peer,
        local: &ends.local,
        request: RequestLine::Parsed { method, target, version: wire.version() },
        scheme: wire.scheme(),
        host: head.authority(),
        status: if status == 0 { CLIENT_GONE } else { status },
        body_bytes: transferred.body,
        sent_bytes: transferred.sent,
        received_bytes: transferred.received,
        duration,
        javascript,
        request_id: request_id.as_deref(),
        cause: cause.as_deref().or(cut),
        fields: &|f| head.fields(f),
    });
}

/// What came in place of a request was refused, with an answer of `sent` bytes.
#[cold]
pub fn refused(connection: &Connection, received: &[u8], rejection: &Rejection, sent: usize) {
    let worker = connection.worker();
    let Some(observer) = &worker.observer else { return };
    let now = observer.begin();
    observer.metrics.sent_bytes.add(sent as u64);
    observer.metrics.received_bytes.add(received.len() as u64);
    observer.end((b"", b""), rejection.status, Duration::ZERO, now);
    let Some(log) = &observer.log else { return };
    let ends = connection.ends();
    log.write(&Record {
        time: SystemTime::now(),
        worker: worker.number,
        peer: &ends.peer,
        local: &ends.local,
        request: RequestLine::Broken(received),
        scheme: if connection.tls().is_some() { "https" } else { "http" },
        host: "",
        status: rejection.status,
        body_bytes: 0,
        sent_bytes: sent as u64,
        received_bytes: received.len() as u64,
        duration: Duration::ZERO,
        javascript: None,
        request_id: None,
        cause: Some(&why(rejection, worker)),
        fields: &|_| {},
    });
}

/// Notes why a request is refused.
#[cold]
pub fn note_refusal(wire: &mut impl Wire, worker: &Worker, rejection: &Rejection) {
    if worker.observer.is_some() {
        wire.tally().cause = Some(why(rejection, worker).into());
    }
}

/// Notes why a request failed; `text` in one line, and where.
#[cold]
pub fn note_failure(wire: &mut impl Wire, worker: &Worker, status: u16, (text, stack): (&str, &str)) {
    let Some(observer) = &worker.observer else { return };
    let (method, target) = wire.method_and_target();
    let request = format!("{} {}", String::from_utf8_lossy(method), String::from_utf8_lossy(target));
    keep(observer, request, status, (text, stack));
    wire.tally().cause = Some(text.into());
}

fn keep(observer: &Observer, request: String, status: u16, (text, stack): (&str, &str)) {
    let time = SystemTime::now();
    let (text, stack) = (text.to_owned(), stack.to_owned());
    observer.metrics.failures.keep(FailedRequest { time, request, status, text, stack });
}

fn why(rejection: &Rejection, worker: &Worker) -> String {
    match rejection.limit {
        Some(limit) => limit.text(&worker.config.limits),
        None => rejection.why.to_owned(),
    }
}
