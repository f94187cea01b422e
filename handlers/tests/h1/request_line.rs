//! Rules of the request line: method, target, version.

use super::{accept, parse, refusal};
use handlers::http::h1::{HeadParser, HeadProgress, RequestHead, TargetForm, Version};

fn line(request_line: &str) -> Vec<u8> {
    format!("{request_line}\r\nHost: h\r\n\r\n").into_bytes()
}

#[test]
fn rfc9112_3_a_request_line_has_three_parts() {
    for bad in [
        "GET /",
        "GET",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "/ HTTP/1.1",
        "GET HTTP/1.1",
        "GET /\u{b}HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET / x HTTP/1.2",
        "G\0T / HTTP/1.1",
    ] {
        assert_eq!(refusal(&line(bad)), 400, "{bad:?}");
    }
}

#[test]
fn rfc9112_2_2_empty_lines_before_a_request_are_skipped() {
    let bytes = b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let (head, consumed) = parse(bytes).unwrap();
    assert_eq!((head.method(), consumed), ("GET", bytes.len()));
    let five = [&b"\r\n".repeat(5)[..], &line("GET / HTTP/1.1")].concat();
    assert_eq!(refusal(&five), 400);
    assert_eq!(refusal(&[b"\n", &line("GET / HTTP/1.1")[..]].concat()), 400);
    assert_eq!(refusal(&[b"\r\r\n", &line("GET / HTTP/1.1")[..]].concat()), 400);
}

#[test]
fn rfc9112_2_2_empty_lines_are_bounded_over_many_reads() {
    let (mut parser, mut head) = (HeadParser::new(super::limits()), RequestHead::default());
    let fed = (0..20)
        .take_while(|i| parser.parse(if i % 2 == 0 { b"\r" } else { b"\n" }, &mut head).is_ok())
        .count();
    assert_eq!(fed, 9, "the fifth line feed is refused");
    assert!(head.is_empty());
}

#[test]
fn rfc9110_9_1_any_token_is_a_method() {
    for method in ["GET", "get", "PATCH", "PROPFIND", "M-SEARCH", "X", "!#$%&'*+-.^_`|~"] {
        assert_eq!(accept(&format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n")).method(), method);
    }
    for bad in ["G(T", "GE:T", "G\"T", "G\u{e9}T", "{GET}", "G/T", "G@T"] {
        assert_eq!(refusal(&line(&format!("{bad} / HTTP/1.1"))), 400, "{bad}");
    }
    assert!(accept("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").is_head());
    assert!(!accept("head / HTTP/1.1\r\nHost: h\r\n\r\n").is_head());
}

#[test]
fn rfc9112_3_a_method_that_is_too_long_is_501() {
    assert_eq!(refusal(&line(&format!("{} / HTTP/1.1", "M".repeat(64)))), 0);
    assert_eq!(refusal(&line(&format!("{} / HTTP/1.1", "M".repeat(65)))), 501);
    let mut head = RequestHead::default();
    let early = HeadParser::new(super::limits()).parse(&[b'M'; 65], &mut head).unwrap_err();
    assert_eq!(early.status, 501, "before the line is complete");
}

#[test]
fn rfc9112_3_2_1_origin_form() {
    let head = accept("GET /a/b?c=d%20%zz&[x]=|^\"{} HTTP/1.1\r\nHost: example.com:8080\r\n\r\n");
    assert_eq!(head.target_form(), TargetForm::Origin);
    assert_eq!(head.target(), "/a/b?c=d%20%zz&[x]=|^\"{}");
    assert_eq!(head.path_and_query(), head.target());
    assert_eq!(head.authority(), "example.com:8080");
    assert_eq!(accept("GET //x HTTP/1.1\r\nHost: h\r\n\r\n").path_and_query(), "//x");
}

#[test]
fn rfc9112_3_2_2_absolute_form_and_its_authority_wins() {
    for (target, authority, path) in [
        ("http://a.example/p?q", "a.example", "/p?q"),
        ("HTTP://a.example:81?q", "a.example:81", "?q"),
        ("https://[::1]:8443", "[::1]:8443", ""),
    ] {
        let head = accept(&format!("GET {target} HTTP/1.1\r\nHost: other.example\r\n\r\n"));
        assert_eq!(head.target_form(), TargetForm::Absolute);
        assert_eq!((head.target(), head.authority(), head.path_and_query()), (target, authority, path));
    }
    for bad in [
        "http://",
        "http:///p",
        "http://u@h/",
        "http://u:p@h/",
        "http:/h/p",
        "http:h",
        "ftp://h/",
        "file:///etc/passwd",
        "http://h:x/",
        "http://a b/",
        "http://h\\p",
        "javascript:1",
        "://h",
        "httpx://h/",
        "http://:80/",
    ] {
        assert_eq!(refusal(&line(&format!("GET {bad} HTTP/1.1"))), 400, "{bad}");
    }
}

#[test]
fn rfc9112_3_2_2_host_must_be_valid_beside_an_absolute_target() {
    for host in ["Host: a b\r\n", "Host: u@h\r\n", "Host:\r\n", "", "Host: a\r\nHost: a\r\n"] {
        assert_eq!(refusal(format!("GET http://a/ HTTP/1.1\r\n{host}\r\n").as_bytes()), 400, "{host:?}");
    }
}

#[test]
fn rfc9112_3_2_3_connect_takes_an_authority_and_is_501() {
    for ok in ["example.com:443", "[::1]:443"] {
        assert_eq!(refusal(&line(&format!("CONNECT {ok} HTTP/1.1"))), 501, "{ok}");
    }
    for bad in ["/", "example.com", "example.com:", "http://example.com:443/", "*", "u@h:1"] {
        assert_eq!(refusal(&line(&format!("CONNECT {bad} HTTP/1.1"))), 400, "{bad}");
    }
    assert_eq!(refusal(&line("GET example.com:443 HTTP/1.1")), 400);
}

#[test]
fn rfc9112_3_2_4_asterisk_form_is_for_options() {
    let head = accept("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.target_form(), head.target(), head.authority()), (TargetForm::Asterisk, "*", "h"));
    for bad in ["GET * HTTP/1.1", "options * HTTP/1.1", "OPTIONS ** HTTP/1.1", "OPTIONS *?x HTTP/1.1"] {
        assert_eq!(refusal(&line(bad)), 400, "{bad}");
    }
}

#[test]
fn rfc9112_3_2_targets_are_ascii_without_fragment_and_controls() {
    for bad in ["/a#b", "/#", "/\u{e9}", "/\u{1f600}", "/\u{7f}", "/\u{1}", "/\0", "*#", "http://h/#x", "#"] {
        assert_eq!(refusal(&line(&format!("GET {bad} HTTP/1.1"))), 400, "{bad:?}");
    }
    assert_eq!(refusal(b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n"), 400, "not even UTF-8");
}

#[test]
fn rfc9110_2_5_another_major_version_is_505() {
    for other in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/9.9"] {
        assert_eq!(refusal(&line(&format!("GET / {other}"))), 505, "{other}");
    }
    assert_eq!(refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "the preface of HTTP/2");
    for bad in [
        "HTTP/1",
        "HTTP/11",
        "HTTP/1.",
        "HTTP/1.x",
        "http/1.1",
        "HTTP/01.1",
        "HTTP/1.10",
        "HTTP 1.1",
        "HTTPS/1.1",
    ] {
        assert_eq!(refusal(&line(&format!("GET / {bad}"))), 400, "{bad}");
    }
}

#[test]
fn rfc9110_2_5_another_minor_version_is_handled_as_1_1() {
    let bytes = b"GET /x HTTP/1.9\r\nHost: h\r\nA: b\r\n\r\nrest";
    let (head, consumed) = parse(bytes).unwrap();
    assert_eq!((head.version(), consumed), (Version::Http11, bytes.len() - 4));
    assert_eq!((head.target(), head.field("a")), ("/x", Some(&b"b"[..])));
    assert_eq!(refusal(b"GET / HTTP/1.2\r\n\r\n"), 400, "with the rules of 1.1: no Host");
    assert_eq!(accept("GET / HTTP/1.0\r\n\r\n").version(), Version::Http10);
}

#[test]
fn a_wrong_version_is_refused_before_the_head_ends() {
    let mut head = RequestHead::default();
    let mut parser = HeadParser::new(super::limits());
    assert_eq!(parser.parse(b"GET / HTTP/2", &mut head).unwrap(), HeadProgress::NeedMore);
    assert_eq!(
        parser.parse(&[b".0\r\n", &b"A: b\r\n".repeat(20)[..]].concat(), &mut head).unwrap_err().status,
        505
    );
}
