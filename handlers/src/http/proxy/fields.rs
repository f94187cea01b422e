//! The fields of messages that are passed on: what is for one connection only stays behind, who asked is added.
//!
//! Owns: RFC 9110 section 7.6 (Connection, Max-Forwards, Via), X-Forwarded-For, -Proto and -Host, Forwarded (RFC 7239). Must
//! not know: connections, servers.

use runtime::address::Address;
use runtime::app::fetch::{Head, HeaderList};
use runtime::config::ProxyHost;

use super::super::lists::list_members;
use super::super::peer::Peer;
use super::super::wire::Wire;

/// Fields of one connection, also where Connection does not name them (RFC 9110 section 7.6.1), and those that are made
/// anew of what was read.
const OF_CONNECTION: [&[u8]; 13] = [
    b"connection",
    b"content-length",
    b"expect",
    b"host",
    b"http2-settings",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];
/// What the server has to learn from us alone.
const OURS: [&[u8]; 6] =
    [b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"max-forwards"];

/// The fields of a request that is passed on.
pub struct ForwardedFields {
    /// All but Host.
    pub list: HeaderList,
    /// Max-Forwards says that it goes no further.
    pub is_last_hop: bool,
}

impl ForwardedFields {
    /// Those of the request with `head`.
    pub fn of<W: Wire>(peer: &Peer<'_, W>, head: &dyn Head) -> ForwardedFields {
        let about = About {
            is_trusted: peer.wire.is_proxied(),
            nearest: peer.wire.nearest(),
            scheme: peer.wire.scheme(),
            version: peer.wire.version(),
        };
        fields(head, &about)
    }

    /// What Host says.
    pub fn host(&self, rule: &ProxyHost, head: &dyn Head) -> Option<String> {
        match rule {
            ProxyHost::Keep if !head.authority().is_empty() => Some(head.authority().to_owned()),
            ProxyHost::Keep | ProxyHost::Upstream => None,
            ProxyHost::Named(name) => Some(name.clone()),
        }
    }
}

/// What is told of a request beside its own fields.
struct About {
    /// Whether it comes from a trusted proxy, whose own fields are kept.
    is_trusted: bool,
    /// Who is at the other end of the connection.
    nearest: Address,
    scheme: &'static str,
    version: &'static str,
}

fn fields(head: &dyn Head, about: &About) -> ForwardedFields {
    let nominated = nominated(|f| head.fields(f));
    let is_known = |names: &[&[u8]], name: &[u8]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let mut list = HeaderList::default();
    let mut ours = HeaderList::default();
    head.fields(&mut |name, value| {
        if is_known(&OURS, name) {
            ours.append(name, value);
        } else if !is_known(&OF_CONNECTION, name)
            && !nominated.iter().any(|known| known.eq_ignore_ascii_case(name))
        {
            list.append(name, value);
        }
    });
    let is_last_hop = !add_max_forwards(&mut list, head.method(), &ours);
    let kept = |name: &[u8]| ours.get(name).filter(|_| about.is_trusted);
    let joined = |before: Option<Vec<u8>>, value: &str| match before.filter(|it| !it.trim_ascii().is_empty())
    {
        Some(before) => [&before, &b", "[..], value.as_bytes()].concat(),
        None => value.as_bytes().to_vec(),
    };
    let ip = about.nearest.ip().map(|addr| addr.ip());
    let node = ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_canonical().to_string());
    list.append(b"X-Forwarded-For", &joined(kept(b"x-forwarded-for"), &node));
    list.append(b"X-Forwarded-Proto", &kept(b"x-forwarded-proto").unwrap_or(about.scheme.into()));
    let host = kept(b"x-forwarded-host").unwrap_or_else(|| head.authority().as_bytes().to_vec());
    if !host.is_empty() {
        list.append(b"X-Forwarded-Host", &host);
    }
    let element = element(&node, about.scheme, head.authority());
    list.append(b"Forwarded", &joined(kept(b"forwarded"), &element));
    // Who is behind several proxies is not hidden from loops: Via is kept, whoever says it (RFC 9110 section 7.6.3).
    list.append(b"Via", &joined(ours.get(b"via"), &format!("{} jsserve", about.version)));
    ForwardedFields { list, is_last_hop }
}

/// One `forwarded-element` (RFC 7239 section 4).
fn element(node: &str, scheme: &str, authority: &str) -> String {
    let node = if node.contains(':') { format!("\"[{node}]\"") } else { node.to_owned() };
    let mut text = format!("for={node};proto={scheme}");
    if !authority.is_empty() {
        let is_token = authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        match is_token {
            true => text.push_str(&format!(";host={authority}")),
            false => text.push_str(&format!(";host=\"{}\"", authority.replace(['"', '\\'], ""))),
        }
    }
    text
}

/// Counts Max-Forwards down (RFC 9110 section 7.6.2): whether the request may be passed on.
fn add_max_forwards(list: &mut HeaderList, method: &str, ours: &HeaderList) -> bool {
    let Some(value) = ours.get(b"max-forwards") else { return true };
    if !matches!(method, "TRACE" | "OPTIONS") {
        list.append(b"Max-Forwards", &value);
        return true;
    }
    let number = std::str::from_utf8(&value).ok().and_then(|text| text.trim().parse::<u32>().ok());
    match number {
        Some(0) => return false,
        Some(left) => list.append(b"Max-Forwards", (left - 1).to_string().as_bytes()),
        None => {}
    }
    true
}

/// What Connection names.
fn nominated(each: impl FnOnce(&mut dyn FnMut(&[u8], &[u8]))) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    each(&mut |name, value| {
        if name.eq_ignore_ascii_case(b"connection") {
            names.extend(list_members(value).filter(|member| !member.is_empty()).map(<[u8]>::to_vec));
        }
    });
    names
}

/// The fields of an answer that is passed on. Its length is kept: the body is held to it.
pub fn of_answer(fields: &HeaderList) -> HeaderList {
    without(fields, &[b"content-length"])
}

/// The fields of an answer 101 that is passed on: Connection and Upgrade are written anew.
pub fn of_switch(fields: &HeaderList) -> HeaderList {
    without(fields, &[])
}

fn without(fields: &HeaderList, kept: &[&[u8]]) -> HeaderList {
    let nominated = nominated(|f| fields.iter().for_each(|(name, value)| f(name, value)));
    let mut list = HeaderList::default();
    for (name, value) in fields.iter() {
        let is = |known: &[u8]| known.eq_ignore_ascii_case(name);
        let is_kept = kept.iter().any(|known| is(known));
        // A client is told by whom it has to prove who it is: that of a gateway is the server's own.
        let is_connections = OF_CONNECTION.iter().any(|known| is(known) && !is(b"host") && !is(b"expect"));
        if is_kept || !is_connections && !nominated.iter().any(|known| is(known)) {
            list.append(name, value);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Asked(&'static str, &'static [(&'static str, &'static str)]);

    impl Head for Asked {
        fn method(&self) -> &str {
            self.0
        }
        fn authority(&self) -> &str {
            "a.test:8080"
        }
        fn path_and_query(&self) -> &str {
            "/"
        }
        fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
            self.1.iter().for_each(|(name, value)| f(name.as_bytes(), value.as_bytes()));
        }
    }

    fn passed(asked: &Asked, is_trusted: bool, peer: &str) -> ForwardedFields {
        let nearest = Address::Ip(peer.parse().expect("an address"));
        fields(asked, &About { is_trusted, nearest, scheme: "https", version: "1.1" })
    }

    fn shown(list: &HeaderList) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        list.iter()
            .map(|(name, value)| format!("{}: {}", text(name), text(value)))
            .collect::<Vec<_>>()
            .join("|")
    }

    const ADDED: &str = "X-Forwarded-For: 192.0.2.1|X-Forwarded-Proto: https|X-Forwarded-Host: a.test:8080|\
        Forwarded: for=192.0.2.1;proto=https;host=\"a.test:8080\"|Via: 1.1 jsserve";

    // RFC 9110 section 7.6.1.
    #[test]
    fn fields_of_the_connection_stay_behind() {
        for (given, left) in [
            (&[("Connection", "close")][..], ""),
            (&[("Connection", "X-A, x-b"), ("X-A", "1"), ("X-B", "2"), ("X-C", "3")], "X-C: 3|"),
            (&[("Connection", "x-a"), ("Connection", ",  X-B"), ("x-a", "1"), ("x-b", "1")], ""),
            (&[("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive")], ""),
            (&[("TE", "trailers"), ("Trailer", "X"), ("Transfer-Encoding", "chunked")], ""),
            (&[("Upgrade", "h2c"), ("HTTP2-Settings", "AAA"), ("Connection", "Upgrade, HTTP2-Settings")], ""),
            (&[("Proxy-Authorization", "Basic x"), ("Expect", "100-continue"), ("Content-Length", "3")], ""),
            (
                &[("Host", "other.test"), ("Authorization", "kept"), ("Cookie", "a=1")],
                "Authorization: kept|Cookie: a=1|",
            ),
            // Nobody takes away what we say ourselves.
            (&[("Connection", "X-Forwarded-For, Via, Forwarded")], ""),
        ] {
            let list = passed(&Asked("GET", given), false, "192.0.2.1:1").list;
            assert_eq!(shown(&list), format!("{left}{ADDED}"), "{given:?}");
        }
    }

    // RFC 9110 section 7.6.2.
    #[test]
    fn max_forwards_is_counted_down_for_trace_and_options() {
        for (method, value, expected, is_last) in [
            ("OPTIONS", "2", "Max-Forwards: 1|", false),
            ("TRACE", "1", "Max-Forwards: 0|", false),
            ("OPTIONS", "0", "", true),
            ("TRACE", "x", "", false),
            ("GET", "0", "Max-Forwards: 0|", false),
        ] {
            let given = [("Max-Forwards", value)];
            let given: &'static [(&str, &str)] = Box::leak(Box::new(given));
            let passed = passed(&Asked(method, given), false, "192.0.2.1:1");
            assert_eq!(
                (shown(&passed.list), passed.is_last_hop),
                (format!("{expected}{ADDED}"), is_last),
                "{method}"
            );
        }
    }

    // RFC 9110 section 7.6.3, RFC 7239.
    #[test]
    fn the_word_of_trusted_proxies_is_kept_and_that_of_others_replaced() {
        let given = &[
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "b.test"),
            ("Forwarded", "for=203.0.113.7"),
            ("Via", "1.0 outer"),
        ];
        let own = shown(&passed(&Asked("GET", given), false, "192.0.2.1:1").list);
        assert_eq!(own, ADDED.replace("Via: 1.1 jsserve", "Via: 1.0 outer, 1.1 jsserve"));
        let list = passed(&Asked("GET", given), true, "[2001:db8::1]:1").list;
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.7, 2001:db8::1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "b.test"),
            ("forwarded", "for=203.0.113.7, for=\"[2001:db8::1]\";proto=https;host=\"a.test:8080\""),
        ] {
            assert_eq!(list.get(name.as_bytes()).as_deref(), Some(value.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_answer_leaves_the_fields_of_its_connection_behind() {
        let mut list = HeaderList::default();
        for (name, value) in [
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "3"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Upgrade", "x"),
            ("Sec-WebSocket-Accept", "x"),
        ] {
            list.append(name.as_bytes(), value.as_bytes());
        }
        let rest = "Set-Cookie: a=1|Set-Cookie: b=2|Sec-WebSocket-Accept: x";
        assert_eq!(shown(&of_answer(&list)), format!("Content-Length: 3|{rest}"));
        assert_eq!(shown(&of_switch(&list)), rest);
    }
}
