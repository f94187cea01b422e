//! Answers when there is no reply: to broken messages, and for failed handlers.
//!
//! Owns: the log line of a failure, the page that development mode shows. Must not know: why.

use runtime::app::fetch::Failure;
use runtime::connection::Connection;

use super::clock;
use super::h1::{self, BodyMode, BodySize, Exchange, RequestHead, ResponseHead, encode_error, encode_head};

/// Appends the answer to a broken message; the connection closes after it.
pub fn refuse(out: &mut Vec<u8>, status: u16, last: Exchange) {
    clock::with_date(|date| encode_error(out, status, last, date));
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
    let (number, status) = (worker.number, failure.status);
    let (method, target) = (head.method(), head.target());
    let newline = if failure.stack.is_empty() { "" } else { "\n" };
    tracing::error!(worker = number, status, "{method} {target}: {}{newline}{}", failure.text, failure.stack);
    if !worker.config.dev {
        return clock::with_date(|date| encode_error(out, status, exchange, date));
    }
    let page = page(failure, method, target);
    let fields = [(&b"Content-Type"[..], &b"text/html;charset=utf-8"[..])];
    let response = ResponseHead { status, reason: b"", fields };
    let size = BodySize::Known(page.len() as u64);
    let encoded = clock::with_date(|date| encode_head(out, response, size, exchange, date));
    if encoded.body != BodyMode::Omit {
        out.extend_from_slice(page.as_bytes());
    }
    encoded.keep_alive
}

fn page(failure: &Failure, method: &str, target: &str) -> String {
    let reason = h1::reason_phrase(failure.status);
    let (text, stack) = (escape(&failure.text), escape(&failure.stack));
    let (status, request) = (failure.status, escape(&format!("{method} {target}")));
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{status} {reason}</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;\
         max-width:60rem;margin:3rem auto;padding:0 1rem}}h1{{font-size:1.3rem;color:#c22;overflow-wrap:anywhere}}\
         pre{{font:14px/1.5 ui-monospace,monospace;background:#8882;border-radius:6px;padding:1rem;overflow-x:auto}}\
         p{{opacity:.7}}</style><p>{status} {reason} &middot; {request}</p><h1>{text}</h1><pre>{stack}</pre>\
         <p>Shown because the server runs with --dev.</p></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
