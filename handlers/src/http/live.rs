//! Pages in development that come anew when there is something new.
//!
//! Owns: which answers are pages, and what stands behind them. Must not know: what the script hears (`pages.rs`), how an
//! answer is sent.

use runtime::app::fetch::{Head, HeaderList, Reply};
use runtime::worker::Worker;

use super::compress;
use super::lists::has_member;
use super::wire::Wire;

/// Where the script is: a path that no app has.
pub const SCRIPT_PATH: &str = "/.jsserve/reload.js";

/// What is to stand behind the body of a reply, so that the page which it is comes anew: nothing where it is none. The
/// fields in `list` are changed to fit.
pub fn tail(wire: &impl Wire, worker: &Worker, reply: &Reply<'_>, list: &mut HeaderList) -> Option<Vec<u8>> {
    let live = worker.live()?;
    let has_body = reply.streamed || reply.body.is_some();
    let is_whole = has_body && reply.upgrade.is_none() && ![204, 205, 206, 304].contains(&reply.status);
    if !is_whole || wire.method_and_target().0 != b"GET" || !is_html(list) || !wants_page(&*wire.head()) {
        return None;
    }
    let nonce = list.get(b"content-security-policy").and_then(|policy| nonce(&policy));
    // What told of the bytes as they were.
    for name in [
        &b"content-length"[..],
        b"accept-ranges",
        b"content-md5",
        b"content-digest",
        b"repr-digest",
        b"digest",
    ] {
        list.delete(name);
    }
    compress::weaken(list);
    Some(tag(live.version(), nonce.as_deref()).into_bytes())
}

/// The same for a page of our own.
pub fn tag_for(worker: &Worker) -> String {
    worker.live().map(|live| tag(live.version(), None)).unwrap_or_default()
}

fn tag(version: u64, nonce: Option<&str>) -> String {
    let nonce = nonce.map(|nonce| format!(" nonce=\"{nonce}\"")).unwrap_or_default();
    format!("\n<script src=\"{SCRIPT_PATH}\" data-version=\"{version}\"{nonce}></script>\n")
}

/// Whether it is HTML, as it is: in a content coding nothing can be put behind it.
fn is_html(list: &HeaderList) -> bool {
    let kind = list.get(b"content-type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"text/html")
        && list.get(b"content-encoding").is_none_or(|coding| has_member(&coding, b"identity"))
}

/// Whether the answer is shown as a page: browsers say so; of others those that want HTML.
pub fn wants_page(head: &dyn Head) -> bool {
    let (mut wants, mut destination) = (false, None);
    head.fields(&mut |name, value| {
        if name.eq_ignore_ascii_case(b"accept") {
            wants |= value.to_ascii_lowercase().windows(9).any(|part| part == b"text/html");
        } else if name.eq_ignore_ascii_case(b"sec-fetch-dest") {
            destination = Some([&b"document"[..], b"iframe", b"frame"].contains(&value));
        }
    });
    destination.unwrap_or(wants)
}

/// The nonce that scripts of a policy have (CSP level 3, section 6.7.3.3), where it is one that can stand in an attribute.
fn nonce(policy: &[u8]) -> Option<String> {
    let policy = std::str::from_utf8(policy).ok()?;
    let of = |name: &str| {
        let directive =
            policy.split([';', ',']).map(str::trim).find(|it| it.split(' ').next() == Some(name))?;
        let start = directive.find("'nonce-")? + "'nonce-".len();
        let value = directive[start..].split('\'').next()?;
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
        (!value.is_empty() && value.chars().all(is_safe)).then(|| value.to_owned())
    };
    ["script-src-elem", "script-src", "default-src"].into_iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_is_that_of_scripts() {
        for (policy, expected) in [
            ("default-src 'self'; script-src 'nonce-aB1+/=' 'strict-dynamic'", Some("aB1+/=")),
            ("style-src 'nonce-a'", None),
            ("default-src 'nonce-b'", Some("b")),
            ("script-src 'nonce-a\"b'", None),
            ("script-src 'self'", None),
            ("", None),
        ] {
            assert_eq!(nonce(policy.as_bytes()).as_deref(), expected, "{policy}");
        }
    }
}
