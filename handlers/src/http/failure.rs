//! Answers when there is no reply: to broken messages, and for failed handlers.
//!
//! Owns: the log line of a failure. Must not know: why it failed, what development mode shows.

use runtime::app::fetch::Failure;
use runtime::connection::Connection;
use runtime::log::{self, Kind};

use super::clock;
use super::dev;
use super::h1::{BodyMode, BodySize, Exchange, RequestHead, ResponseHead, encode_error, encode_head};
use super::limit::Limit;

/// Appends the answer to a broken message; the connection closes after it.
pub fn refuse(out: &mut Vec<u8>, status: u16, last: Exchange) {
    clock::with_date(|date| encode_error(out, status, last, date));
}

/// Says, at most once a second, that `limit` refuses messages.
#[cold]
pub fn log_limit(status: u16, limit: Limit, connection: &Connection) {
    let Some(more) = log::admits_limit(limit.kind()) else { return };
    let (worker, peer) = (connection.worker(), connection.peer());
    let text = limit.text(&worker.config.limits);
    tracing::warn!(worker = worker.number, %peer, "{status}: {text}{more}");
}

/// Logs a handler's failure and appends its answer; whether the connection persists after it. The
/// text reaches the client in development mode only.
pub fn answer(
    out: &mut Vec<u8>,
    failure: &Failure,
    head: &RequestHead,
    exchange: Exchange,
    connection: &Connection,
) -> bool {
    let worker = connection.worker();
    log_failure(failure, head, worker.number);
    let status = failure.status;
    if !worker.config.dev {
        return clock::with_date(|date| encode_error(out, status, exchange, date));
    }
    let (kind, text) = dev::answer(failure, head);
    let fields = [(&b"Content-Type"[..], kind.as_bytes()), (b"Vary", b"Accept")];
    let response = ResponseHead { status, reason: b"", fields };
    let size = BodySize::Known(text.len() as u64);
    let encoded = clock::with_date(|date| encode_head(out, response, size, exchange, date));
    if encoded.body != BodyMode::Omit {
        out.extend_from_slice(text.as_bytes());
    }
    encoded.keep_alive
}

fn log_failure(failure: &Failure, head: &RequestHead, worker: usize) {
    let more = match failure.kind {
        Kind::Failed => log::admits(Kind::Failed).then(String::new),
        limit => log::admits_limit(limit),
    };
    let Some(more) = more else { return };
    let (method, target, status) = (head.method(), head.target(), failure.status);
    let newline = if failure.stack.is_empty() { "" } else { "\n" };
    tracing::error!(worker, status, "{method} {target}: {}{more}{newline}{}", failure.text, failure.stack);
}
