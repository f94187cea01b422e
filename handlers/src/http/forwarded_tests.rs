//! Tests of what is believed of proxies' words.
//!
//! Owns: heads made of fields. Must not know: connections.

use super::*;

struct TestHead(Vec<(&'static str, String)>);

impl Head for TestHead {
    fn method(&self) -> &str {
        "GET"
    }

    fn authority(&self) -> &str {
        "inner"
    }

    fn path_and_query(&self) -> &str {
        "/"
    }

    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(name, value)| f(name.as_bytes(), value.as_bytes()));
    }
}

fn head(fields: Vec<(&'static str, &str)>) -> TestHead {
    TestHead(fields.into_iter().map(|(name, value)| (name, value.to_owned())).collect())
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// 10.0.0.0/8 and ::1 are proxies.
fn trusted() -> TrustedProxies {
    let networks = ["10.0.0.0/8", "::1"].map(|text| text.parse().expect("a network")).to_vec();
    TrustedProxies { networks, unix: false }
}

/// The client's address, scheme and host by X-Forwarded-* on a connection of 10.0.0.1:1.
fn by_x(fields: Vec<(&'static str, &str)>) -> (String, Option<&'static str>, Option<String>) {
    seen(x_forwarded(&head(fields)))
}

fn by_forwarded(lines: &[&str]) -> (String, Option<&'static str>, Option<String>) {
    let fields = lines.iter().map(|line| ("Forwarded", *line)).collect();
    seen(forwarded(&head(fields)).unwrap_or_default())
}

fn seen(mut hops: Vec<Hop>) -> (String, Option<&'static str>, Option<String>) {
    let (client, at) = client(&trusted(), &addr("10.0.0.1:1").into(), &hops);
    let hop = if at < hops.len() { hops.swap_remove(at) } else { Hop::default() };
    (client.to_string(), hop.scheme, hop.host)
}

#[test]
fn the_client_is_the_rightmost_hop_that_is_not_trusted() {
    for (value, client) in [
        ("192.0.2.1", "192.0.2.1:0"),
        // What stands left of it the client may have made up.
        ("198.51.100.9, 192.0.2.1", "192.0.2.1:0"),
        ("198.51.100.9,192.0.2.1 , 10.9.9.9", "192.0.2.1:0"),
        ("10.0.0.7, 192.0.2.1", "192.0.2.1:0"),
        // All are trusted: the first is where it came from.
        ("10.2.2.2, 10.1.1.1", "10.2.2.2:0"),
        ("192.0.2.1:4711", "192.0.2.1:4711"),
        ("2001:db8::1", "[2001:db8::1]:0"),
        ("[2001:db8::1]", "[2001:db8::1]:0"),
        ("[2001:db8::1]:443, ::1", "[2001:db8::1]:443"),
        ("::ffff:10.3.3.3", "[::ffff:10.3.3.3]:0"),
        // A list may have empty elements (RFC 9110 section 5.6.1).
        (", 192.0.2.1,, ", "192.0.2.1:0"),
        ("", "10.0.0.1:1"),
        (",", "10.0.0.1:1"),
    ] {
        assert_eq!(by_x(vec![("X-Forwarded-For", value)]).0, client, "{value:?}");
    }
}

#[test]
fn behind_a_hop_that_is_no_address_nothing_is_believed() {
    for value in [
        "unknown",
        "_hidden",
        "192.0.2.1.",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "[::1",
        "a b",
        "::1]",
    ] {
        let value = format!("192.0.2.9, {value}");
        assert_eq!(by_x(vec![("X-Forwarded-For", &value)]).0, "10.0.0.1:1", "{value:?}");
    }
    let (client, ..) = by_x(vec![("X-Forwarded-For", "192.0.2.9, unknown, 10.5.5.5")]);
    assert_eq!(client, "10.5.5.5:0", "as far as addresses go");
}

#[test]
fn several_lines_are_one_list() {
    let lines = vec![
        ("x-forwarded-for", "192.0.2.1"),
        ("X-FORWARDED-FOR", "192.0.2.2"),
        ("X-Forwarded-For", "10.1.1.1"),
    ];
    assert_eq!(by_x(lines).0, "192.0.2.2:0");
    assert_eq!(by_forwarded(&["for=192.0.2.1", "for=192.0.2.2, for=10.1.1.1"]).0, "192.0.2.2:0");
}

#[test]
fn scheme_and_host_are_those_of_the_hop_that_names_the_client() {
    let fields = |scheme: &'static str, host: &'static str| {
        vec![
            ("X-Forwarded-For", "192.0.2.1, 10.1.1.1"),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-Host", host),
        ]
    };
    let found = |scheme: &'static str, host: &'static str| {
        let (_, scheme, host) = by_x(fields(scheme, host));
        (scheme, host.unwrap_or_default())
    };
    assert_eq!(found("https, http", "a.example, b.example"), (Some("https"), "a.example".into()));
    // Set by the nearest proxy, or with another length: the last is its own word.
    assert_eq!(found("https", "a.example"), (Some("https"), "a.example".into()));
    assert_eq!(found("http, http, https", "x, y, z"), (Some("https"), "z".into()));
    assert_eq!(found("HTTPS", ""), (Some("https"), String::new()));
    assert_eq!(found("ftp", ""), (None, String::new()));
    // Without an address, too.
    let (client, scheme, _) = by_x(vec![("X-Forwarded-Proto", "https")]);
    assert_eq!((client.as_str(), scheme), ("10.0.0.1:1", Some("https")));
}

// RFC 7239 section 4.
#[test]
fn forwarded_is_read_to_the_letter() {
    for (value, client, scheme, host) in [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60:0", Some("http"), None),
        ("For=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711", None, None),
        ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17:0", None, None),
        (
            "for=\"192.0.2.43:47011\";Proto=HTTPS;HOST=\"a.example:8443\"",
            "192.0.2.43:47011",
            Some("https"),
            Some("a.example:8443"),
        ),
        ("for=\"192.0.2.43:_x\"", "192.0.2.43:0", None, None),
        ("for=192.0.2.1;proto=https, for=10.1.1.1;proto=http", "192.0.2.1:0", Some("https"), None),
        ("for=\"192.0.2.1\" ,\tfor=10.1.1.1", "192.0.2.1:0", None, None),
        ("for=\"\\192.0.2.1\"", "192.0.2.1:0", None, None),
        (";;for=192.0.2.1;", "192.0.2.1:0", None, None),
        (",for=192.0.2.1,,", "192.0.2.1:0", None, None),
        ("extension=\"a,b;c=d\";for=192.0.2.1", "192.0.2.1:0", None, None),
        // Sections 6.2 and 6.3.
        ("for=unknown", "10.0.0.1:1", None, None),
        ("for=192.0.2.9, for=_hidden", "10.0.0.1:1", None, None),
        ("for=_SEVKISEK;proto=https", "10.0.0.1:1", Some("https"), None),
        ("proto=https", "10.0.0.1:1", Some("https"), None),
    ] {
        let expected = (client.to_owned(), scheme, host.map(str::to_owned));
        assert_eq!(by_forwarded(&[value]), expected, "{value}");
    }
}

#[test]
fn a_malformed_forwarded_says_nothing() {
    for value in [
        "for=192.0.2.1;proto",
        "for=192.0.2.1:80",
        "for=[::1]",
        "for=\"192.0.2.1",
        "for=\"192.0.2.1\\",
        "for=\"192.0.2.1\"x",
        "for=192.0.2.1 proto=https",
        "for = 192.0.2.1",
        "for=",
        "=192.0.2.1",
        "for=192.0.2.1;for=192.0.2.2",
        "for=192.0.2.1, \"",
        "\u{e4}=1;for=192.0.2.1",
    ] {
        assert_eq!(forwarded(&head(vec![("forwarded", value)])), None, "{value}");
        assert_eq!(by_forwarded(&[value]), ("10.0.0.1:1".to_owned(), None, None), "{value}");
    }
}
