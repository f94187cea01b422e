//! Who may ask the listener for operators.
//!
//! Owns: the token, the check of Host against pages of others that had a name lead here (DNS rebinding), and of requests that
//! pages of others make. Must not know: what is asked for.

use std::net::IpAddr;

use runtime::board::Board;

use super::Page;
use crate::http::h1::RequestHead;

/// The answer for who may not ask; none for who may.
pub(super) fn refusal(head: &RequestHead, board: &Board, is_unix: bool) -> Option<Page> {
    if board.has_token() {
        let is_known = head.field("authorization").is_some_and(|value| board.admits(value));
        return (!is_known).then(|| {
            Page::text(401, "the token is missing, or another one (--admin-token)\n")
                .with("WWW-Authenticate: Basic realm=\"jsserve\", Bearer realm=\"jsserve\"\r\n")
        });
    }
    if !is_unix && !is_local(head.authority()) {
        let text = "Host names another machine: ask by localhost or by an address, or give --admin-token\n";
        return Some(Page::text(403, text));
    }
    let field = |name| head.field(name).unwrap_or_default();
    // A link may lead here from anywhere; nothing else may come from a page of others.
    let is_foreign = matches!(field("sec-fetch-site"), b"cross-site" | b"same-site");
    (is_foreign && field("sec-fetch-mode") != b"navigate")
        .then(|| Page::text(403, "asked by another site's page\n"))
}

/// Whether `authority` is an address, or a name that browsers take for this machine (RFC 6761 section 6.3).
fn is_local(authority: &str) -> bool {
    let host = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_addresses_and_names_of_this_machine_are_local() {
        for good in [
            "127.0.0.1:9090",
            "127.0.0.1",
            "[::1]:9090",
            "localhost",
            "LOCALHOST.:9090",
            "a.localhost:1",
            "10.0.0.1",
        ] {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "evil.test",
            "evil.test:9090",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "notlocalhost",
            ":9090",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}
