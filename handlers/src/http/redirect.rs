//! The answer of a listener that only sends its clients to HTTPS.
//!
//! Owns: the URL that they are sent to; challenges of ACME are answered here, too. Must not know: the app.

use runtime::app::fetch::{Fields, HeaderList, Reply};
use runtime::worker::Worker;

use super::failure;
use super::rejection::Rejection;
use super::wire::{Ending, RequestRest, Wire};

/// The default port of the scheme `https` (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// There is no host to send the client to.
const NO_HOST: Rejection = Rejection::bad("Host: missing");

/// Answers one request: how it ended.
pub fn run<W: Wire>(wire: &mut W, worker: &Worker, port: u16) -> Ending {
    let (_, target) = wire.method_and_target();
    if let Some(answer) = worker.challenges.as_ref().and_then(|challenges| challenges.answer(target)) {
        failure::say(wire, 200, &answer);
        return Ending::Unread;
    }
    let head = wire.head();
    let Some(url) = https_url(head.authority(), head.path_and_query(), port) else {
        failure::refuse(wire, worker, None, &NO_HOST);
        return Ending::Unread;
    };
    let mut fields = HeaderList::default();
    fields.append(b"Location", url.as_bytes());
    let (headers, body) = (Fields::List(&fields), Some(&b""[..]));
    // 308: the method stays what it is (RFC 9110 section 15.4.9).
    let reply = Reply {
        status: 308,
        reason: None,
        headers,
        body,
        streamed: false,
        length: None,
        extras: None,
        upgrade: None,
    };
    let (rest, ending) = match wire.has_body() {
        true => (RequestRest::Refused, Ending::Unread),
        false => (RequestRest::Taken, Ending::Complete),
    };
    wire.write_head(&reply, rest);
    ending
}

/// The same resource over HTTPS on `port`; `None` where no host is named.
fn https_url(authority: &str, path: &str, port: u16) -> Option<String> {
    let host = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    if host.is_empty() {
        return None;
    }
    let mut url = format!("https://{host}");
    if port != HTTPS_PORT {
        url.push_str(&format!(":{port}"));
    }
    match path.as_bytes().first() {
        Some(b'/') => url.push_str(path),
        // Of an absolute target without a path.
        Some(b'?') => url.extend(["/", path]),
        // `*` names no resource.
        _ => url.push('/'),
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::https_url;

    #[test]
    fn the_url_has_the_host_and_the_port_of_https() {
        for (authority, path, port, expected) in [
            ("a.test", "/x?y=1", 443, Some("https://a.test/x?y=1")),
            ("a.test:8080", "/", 443, Some("https://a.test/")),
            ("a.test:8080", "/", 8443, Some("https://a.test:8443/")),
            ("[::1]", "/", 443, Some("https://[::1]/")),
            ("[::1]:80", "/a//b", 444, Some("https://[::1]:444/a//b")),
            ("a.test", "", 443, Some("https://a.test/")),
            ("a.test", "?q", 443, Some("https://a.test/?q")),
            ("a.test", "*", 443, Some("https://a.test/")),
            ("", "/", 443, None),
            (":80", "/", 443, None),
        ] {
            assert_eq!(https_url(authority, path, port).as_deref(), expected, "{authority} {path}");
        }
    }
}
