//! What the listener for operators answers, path by path.
//!
//! Owns: the paths, their parameters. Must not know: connections, who may ask.

use std::time::Duration;

use runtime::board::Board;
use runtime::metrics::Exposition;

use super::{Page, flame};
use crate::http::h1::RequestHead;

const HTML: &str = "text/html; charset=utf-8";
/// Nothing from elsewhere, and no script but that of the dashboard's own file.
const POLICY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";
/// The longest profile, in seconds, and the usual one.
const PROFILE_SECONDS: (f64, f64) = (60.0, 5.0);

/// The answer for `path`.
pub(super) fn page(board: &Board, path: &str, query: &str, head: &RequestHead) -> Page {
    match path {
        "/" => Page::new(200, HTML, include_str!("dashboard.html")).with(POLICY),
        "/dashboard.js" => Page::new(200, "text/javascript; charset=utf-8", include_str!("dashboard.js")),
        "/dashboard.css" => Page::new(200, "text/css; charset=utf-8", include_str!("dashboard.css")),
        "/healthz" => Page::text(200, "ok\n"),
        "/readyz" => match board.not_ready() {
            None => Page::text(200, "ready\n"),
            Some(why) => Page::text(503, format!("{why}\n")),
        },
        "/metrics" => {
            let form = exposition(head.field("accept").unwrap_or_default());
            Page::new(200, form.content_type(), board.metrics().text(form)).with("Vary: Accept\r\n")
        }
        "/api/state" => {
            let since = parameter(query, "since").and_then(|text| text.parse().ok()).unwrap_or(0);
            Page::new(200, "application/json", board.state(since))
        }
        "/profile" => profile(board, query, |stacks, _| Page::text(200, stacks)),
        "/flamegraph" => profile(board, query, |stacks, seconds| {
            Page::new(200, HTML, flame::page(&stacks, seconds)).with(flame::POLICY)
        }),
        _ => Page::text(
            404,
            "there are /, /healthz, /readyz, /metrics, /profile?seconds=5, /flamegraph?seconds=5\n",
        ),
    }
}

fn profile(board: &Board, query: &str, then: impl Fn(String, f64) -> Page) -> Page {
    let (most, usual) = PROFILE_SECONDS;
    let seconds = match parameter(query, "seconds").map(str::parse::<f64>) {
        None => usual,
        Some(Ok(seconds)) if seconds > 0.0 && seconds <= most => seconds,
        Some(_) => return Page::text(400, format!("seconds: a number up to {most}\n")),
    };
    match board.profile(Duration::from_secs_f64(seconds)) {
        Ok(stacks) => then(stacks, seconds),
        Err(_) => Page::text(409, "a profile is being taken already\n").with("Retry-After: 5\r\n"),
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// OpenMetrics for who asks for it, as Prometheus does from 2.5 on; else the older text, which browsers show.
fn exposition(accept: &[u8]) -> Exposition {
    let accept = String::from_utf8_lossy(accept);
    let wanted = accept.split(',').filter(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_kind =
            parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
        // A version that we do not speak is not meant, nor is what has no weight.
        is_kind
            && parts.all(|part| match part.split_once('=') {
                Some(("version", version)) => matches!(version, "1.0.0" | "0.0.1"),
                Some(("q", weight)) => weight.parse::<f64>().is_ok_and(|weight| weight > 0.0),
                _ => true,
            })
    });
    if wanted.count() > 0 { Exposition::OpenMetrics } else { Exposition::Prometheus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, form) in [
            (prometheus, Exposition::OpenMetrics),
            ("application/openmetrics-text", Exposition::OpenMetrics),
            ("application/openmetrics-text; version=2.0.0, text/plain", Exposition::Prometheus),
            ("application/openmetrics-text;q=0", Exposition::Prometheus),
            ("text/html,*/*;q=0.8", Exposition::Prometheus),
            ("", Exposition::Prometheus),
        ] {
            assert_eq!(exposition(accept.as_bytes()), form, "{accept}");
        }
    }

    #[test]
    fn parameters_are_found_by_their_whole_names() {
        assert_eq!(parameter("a=1&seconds=2.5&x", "seconds"), Some("2.5"));
        assert_eq!(parameter("milliseconds=2&seconds", "seconds"), None);
    }
}
