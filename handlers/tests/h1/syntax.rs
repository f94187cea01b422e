//! Rules of field lines and line ends, and what a parsed head gives out.

use super::{accept, parse, post, refusal, refuses_fields};

#[test]
fn a_head_gives_its_fields_in_order() {
    let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nB:  two words \t\r\na: 1\r\nA:\r\nc:\t\xe9\t x\r\n\r\nGET";
    let (head, consumed) = parse(bytes).unwrap();
    assert_eq!(consumed, bytes.len() - 3);
    let fields: Vec<_> = head.fields().collect();
    let expected: [(&[u8], &[u8]); 5] =
        [(b"Host", b"h"), (b"B", b"two words"), (b"a", b"1"), (b"A", b""), (b"c", b"\xe9\t x")];
    assert_eq!(fields, expected);
    assert_eq!(head.field("A"), Some(&b"1"[..]), "the first, without case");
    assert_eq!(head.field("d"), None);
}

#[test]
fn a_cleared_head_is_as_new() {
    let mut head = post("Transfer-Encoding: chunked\r\nConnection: close\r\nExpect: 100-continue\r\n");
    head.reuse(usize::MAX);
    assert!(head.is_empty());
    handlers::http::h1::HeadParser::new(super::limits())
        .parse(b"GET /x HTTP/1.0\r\n\r\n", &mut head)
        .unwrap();
    assert_eq!((head.method(), head.target(), head.authority(), head.fields().len()), ("GET", "/x", "", 0));
    assert!(!head.keep_alive() && !head.expect_continue() && head.upgrade().is_none());
    assert_eq!(head.framing(), handlers::http::h1::BodyFraming::None);
}

#[test]
fn rfc9112_2_2_bare_lf_is_400() {
    for bad in [
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA:\nB: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: \n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.0\n\n",
        "GET / HTTP/1.0\r\n\n",
        "GET / HTTP/1.0\n\r\n",
    ] {
        assert_eq!(refusal(bad.as_bytes()), 400, "{bad:?}");
    }
}

#[test]
fn rfc9112_2_2_bare_cr_is_400() {
    refuses_fields(400, &["A: b\rc", "A\r: b", "A: b\r", "A: \rb", "A:\r\r"]);
    assert_eq!(refusal(b"GET / HTTP/1.1\rHost: h\r\n\r\n"), 400);
    assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n"), 400);
}

#[test]
fn rfc9112_2_2_whitespace_before_the_first_field_is_400() {
    for bad in [
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET / HTTP/1.1\r\n\tA: b\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\n \r\nHost: h\r\n\r\n",
    ] {
        assert_eq!(refusal(bad.as_bytes()), 400, "{bad:?}");
    }
}

#[test]
fn rfc9112_5_1_whitespace_before_the_colon_is_400() {
    refuses_fields(400, &["A : b", "A\t: b", "Content-Length : 5", "Transfer-Encoding : chunked"]);
}

#[test]
fn rfc9112_5_2_folded_lines_are_400() {
    refuses_fields(
        400,
        &["A: b\r\n c", "A: b\r\n\tc", "A:\r\n b", "Transfer-Encoding:\r\n chunked", "A: b\r\n "],
    );
}

#[test]
fn rfc9110_5_1_field_names_are_tokens() {
    refuses_fields(
        400,
        &[": b", "A b: c", "A(: b", "\"A\": b", "A\u{e9}: b", "A\0: b", "A", "=: [b", "A/B: c", "A@: b"],
    );
    assert_eq!(post("!#$%&'*+-.^_`|~: x\r\n").field("!#$%&'*+-.^_`|~"), Some(&b"x"[..]));
}

#[test]
fn rfc9110_5_5_control_bytes_in_values_are_400() {
    for control in (0u8..0x20).chain([0x7f]).filter(|b| !matches!(b, b'\t' | b'\n')) {
        for value in [vec![b'a', control, b'b'], vec![control, b'b'], vec![b'a', control]] {
            let bytes = [b"GET / HTTP/1.1\r\nHost: h\r\nA: ", &value[..], b"\r\n\r\n"].concat();
            assert_eq!(refusal(&bytes), 400, "{control:#x}");
        }
    }
}

#[test]
fn rfc9112_3_2_host_exactly_once() {
    assert_eq!(refusal(b"GET / HTTP/1.1\r\n\r\n"), 400, "missing");
    assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400, "twice the same");
    assert_eq!(refusal(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400, "in HTTP/1.0 too");
    assert_eq!(accept("GET / HTTP/1.0\r\n\r\n").authority(), "", "HTTP/1.0 may lack it");
    assert_eq!(accept("GET / HTTP/1.0\r\nHost: a\r\n\r\n").authority(), "a");
}

#[test]
fn rfc9112_3_2_host_must_be_valid() {
    for bad in
        ["a b", "u@h", "a:b", "a,b c", "h/", "[::1", "a:65536", "http://h", "h\u{e9}", ":80", "a\tb", "a?b"]
    {
        assert_eq!(refusal(format!("GET / HTTP/1.1\r\nHost: {bad}\r\n\r\n").as_bytes()), 400, "{bad:?}");
    }
    for ok in ["h", "h:8080", "127.0.0.1:1", "[::1]:80", "a_b.example", "%61"] {
        assert_eq!(accept(&format!("GET / HTTP/1.1\r\nHost: {ok}\r\n\r\n")).authority(), ok);
    }
}

#[test]
fn rfc9112_3_2_an_empty_host_is_for_targets_without_authority() {
    assert_eq!(accept("OPTIONS * HTTP/1.1\r\nHost: \r\n\r\n").authority(), "");
    for bad in ["GET / HTTP/1.1", "GET / HTTP/1.0", "OPTIONS / HTTP/1.1", "GET http://a/ HTTP/1.1"] {
        assert_eq!(refusal(format!("{bad}\r\nHost:\r\n\r\n").as_bytes()), 400, "{bad}");
        assert_eq!(refusal(format!("{bad}\r\nHost: \t\r\n\r\n").as_bytes()), 400, "{bad}");
    }
}
