//! Rules of responses: framing, persistence, Date, and whose fields win.

use handlers::http::h1::{
    BodyMode, BodySize, DateCache, Encoded, ResponseContext, ResponseHead, Version, encode_chunk_start,
    encode_error, encode_head, encode_informational, encode_last_chunk,
};

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const GET: ResponseContext =
    ResponseContext { version: Version::Http11, is_head: false, keep_alive: true, takes_trailers: false };
const HEAD: ResponseContext = ResponseContext { is_head: true, ..GET };
const OLD: ResponseContext = ResponseContext { version: Version::Http10, ..GET };

fn cache() -> DateCache {
    DateCache::new(784_111_777)
}

/// The head without its Date line, and the outcome.
fn encode(
    status: u16,
    fields: &[(&str, &str)],
    body: BodySize,
    context: ResponseContext,
) -> (String, Encoded) {
    let mut out = Vec::new();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let encoded =
        encode_head(&mut out, ResponseHead { status, reason: b"", fields }, body, context, &cache());
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("Date: ").count(), 1);
    (text.replacen(DATE, "", 1), encoded)
}

fn lines(status: u16, fields: &[(&str, &str)], body: BodySize, context: ResponseContext) -> String {
    encode(status, fields, body, context).0
}

#[test]
fn the_common_case_byte_for_byte() {
    let mut out = b"before".to_vec();
    let fields = [(&b"content-type"[..], &b"text/plain;charset=UTF-8"[..])];
    let encoded = encode_head(
        &mut out,
        ResponseHead { status: 200, reason: b"", fields },
        BodySize::Known(13),
        GET,
        &cache(),
    );
    let expected = "beforeHTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        content-type: text/plain;charset=UTF-8\r\nContent-Length: 13\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(encoded, Encoded { body: BodyMode::Plain, length: None, keep_alive: true });
}

#[test]
fn rfc9112_4_status_line() {
    assert!(lines(404, &[], BodySize::Null, GET).starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert!(lines(299, &[], BodySize::Null, GET).starts_with("HTTP/1.1 299 \r\n"), "the space stays");
    let mut out = Vec::new();
    let response = ResponseHead { status: 200, reason: b"Fine", fields: [] };
    encode_head(&mut out, response, BodySize::Null, GET, &cache());
    assert!(out.starts_with(b"HTTP/1.1 200 Fine\r\nDate: "));
}

#[test]
fn rfc9112_6_3_length_chunked_or_close() {
    assert_eq!(lines(200, &[], BodySize::Null, GET), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (text, encoded) = encode(200, &[], BodySize::Unknown, GET);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(encoded, Encoded { body: BodyMode::Chunked, length: None, keep_alive: true });
    let (text, encoded) = encode(200, &[], BodySize::Unknown, OLD);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_eq!(encoded, Encoded { body: BodyMode::Plain, length: None, keep_alive: false });
    for context in [GET, OLD] {
        let (text, encoded) = encode(200, &[("content-length", "12")], BodySize::Unknown, context);
        assert!(text.contains("\r\nContent-Length: 12\r\n") && !text.contains("chunked"), "{text}");
        assert_eq!(encoded, Encoded { body: BodyMode::Plain, length: Some(12), keep_alive: true });
    }
}

#[test]
fn rfc9112_9_3_connection_only_where_needed() {
    let known = BodySize::Known(1);
    assert_eq!(
        lines(200, &[], known, OLD),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n"
    );
    for version in [Version::Http10, Version::Http11] {
        let (text, encoded) = encode(200, &[], known, ResponseContext { version, keep_alive: false, ..GET });
        assert_eq!(text, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
        assert!(!encoded.keep_alive);
    }
}

#[test]
fn rfc9110_15_3_5_no_content_has_neither_body_nor_length() {
    for body in [BodySize::Null, BodySize::Known(5), BodySize::Unknown] {
        for context in [GET, HEAD, OLD] {
            let (text, encoded) = encode(204, &[("content-length", "5")], body, context);
            assert!(!text.contains("ength") && !text.contains("chunked"), "{text}");
            assert_eq!(encoded, Encoded { body: BodyMode::Omit, length: None, keep_alive: true }, "{body:?}");
        }
    }
}

#[test]
fn rfc9110_15_3_6_reset_content_has_length_0() {
    let (text, encoded) = encode(205, &[], BodySize::Known(5), GET);
    assert_eq!(text, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(encoded.body, BodyMode::Omit);
}

#[test]
fn rfc9110_9_3_2_head_has_the_length_of_get_and_no_body() {
    for (fields, body, length) in [
        (&[][..], BodySize::Known(5), "Content-Length: 5\r\n"),
        (&[], BodySize::Known(0), "Content-Length: 0\r\n"),
        (&[("Content-Length", "7")], BodySize::Known(5), "Content-Length: 5\r\n"),
        (&[("Content-Length", "7")], BodySize::Null, "Content-Length: 7\r\n"),
        (&[("Content-Length", "7x")], BodySize::Null, ""),
        (&[], BodySize::Null, ""),
        (&[], BodySize::Unknown, ""),
        (&[("Content-Length", "7")], BodySize::Unknown, "Content-Length: 7\r\n"),
    ] {
        let (text, encoded) = encode(200, fields, body, HEAD);
        assert_eq!(text, format!("HTTP/1.1 200 OK\r\n{length}\r\n"), "{fields:?} {body:?}");
        assert!(encoded.body == BodyMode::Omit && encoded.keep_alive);
    }
    let old = encode(200, &[], BodySize::Unknown, ResponseContext { is_head: true, ..OLD }).1;
    assert!(old.keep_alive, "nothing needs the connection's end");
}

#[test]
fn rfc9110_15_4_5_not_modified_has_no_body() {
    for (fields, body, length) in [
        (&[][..], BodySize::Null, ""),
        (&[("content-length", "9")], BodySize::Null, "Content-Length: 9\r\n"),
        (&[("content-length", "9")], BodySize::Known(0), "Content-Length: 9\r\n"),
        (&[], BodySize::Known(5), "Content-Length: 5\r\n"),
        (&[], BodySize::Unknown, ""),
    ] {
        let (text, encoded) = encode(304, fields, body, GET);
        assert_eq!(text, format!("HTTP/1.1 304 Not Modified\r\n{length}\r\n"), "{fields:?} {body:?}");
        assert_eq!(encoded, Encoded { body: BodyMode::Omit, length: None, keep_alive: true });
    }
}

#[test]
fn a_handler_cannot_contradict_the_framing() {
    let fields = [
        ("Content-Length", "99"),
        ("Transfer-Encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("Keep-Alive", "timeout=9"),
        ("Proxy-Connection", "x"),
        ("Trailer", "a"),
        ("Upgrade", "h2c"),
        ("Connection", "keep-alive, x"),
        ("a", "b"),
    ];
    assert_eq!(
        lines(200, &fields, BodySize::Known(1), GET),
        "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 1\r\n\r\n"
    );
    assert_eq!(
        lines(200, &fields, BodySize::Unknown, GET),
        "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 99\r\n\r\n",
        "the sender keeps to it"
    );
    assert_eq!(
        lines(200, &fields[1..], BodySize::Unknown, GET),
        "HTTP/1.1 200 OK\r\na: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(
        lines(200, &fields, BodySize::Null, GET),
        "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_handler_can_close_the_connection() {
    let (text, encoded) = encode(200, &[("connection", "x, Close")], BodySize::Known(1), GET);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
    assert!(!encoded.keep_alive);
}

#[test]
fn rfc9110_6_6_1_a_handlers_date_is_kept_if_it_is_one() {
    let new_year = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n";
    for value in ["Sat, 01 Jan 2000 00:00:00 GMT", "Sat Jan  1 00:00:00 2000"] {
        let text = lines(200, &[("a", "b"), ("date", value), ("c", "d")], BodySize::Null, GET);
        assert_eq!(text, format!("HTTP/1.1 200 OK\r\n{new_year}a: b\r\nc: d\r\nContent-Length: 0\r\n\r\n"));
    }
    for value in ["", "yesterday", "2000-01-01"] {
        assert_eq!(
            lines(200, &[("date", value)], BodySize::Null, GET),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        );
    }
}

#[test]
fn repeated_fields_stay_repeated() {
    let text = lines(200, &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x", "")], BodySize::Null, GET);
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx: \r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn rfc9112_7_1_chunk_sizes() {
    for (len, line) in [
        (1, "1\r\n"),
        (15, "f\r\n"),
        (16, "10\r\n"),
        (0xabcdef, "abcdef\r\n"),
        (usize::MAX, "ffffffffffffffff\r\n"),
    ] {
        let mut out = Vec::new();
        encode_chunk_start(&mut out, len);
        assert_eq!(out, line.as_bytes());
    }
}

#[test]
fn errors_of_ours() {
    for status in [400, 408, 413, 414, 417, 431, 500, 501, 503, 505] {
        let mut out = Vec::new();
        assert!(!encode_error(&mut out, status, ResponseContext::CLOSE, &cache()));
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")) && head.ends_with("Connection: close"),
            "{head}"
        );
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{text}");
        assert_eq!(body.trim_end(), head.lines().next().unwrap().trim_start_matches("HTTP/1.1 "));
    }
    let mut out = Vec::new();
    assert!(encode_error(&mut out, 503, HEAD, &cache()), "an app's failure leaves the connection usable");
    assert!(out.ends_with(b"Content-Length: 24\r\n\r\n"), "no body after HEAD");
}

/// RFC 9110 section 6.6.2
#[test]
fn trailer_is_kept_where_trailers_may_come() {
    let takes = ResponseContext { takes_trailers: true, ..GET };
    let fields = [("Trailer", "a")];
    assert!(lines(200, &fields, BodySize::Unknown, takes).contains("Trailer: a\r\n"));
    for (body, context) in [(BodySize::Known(1), takes), (BodySize::Null, takes), (BodySize::Unknown, GET)] {
        assert!(!lines(200, &fields, body, context).contains("Trailer"));
    }
}

/// RFC 9112 section 7.1.2
#[test]
fn trailers_stand_between_the_last_chunk_and_an_empty_line() {
    let mut out = Vec::new();
    encode_last_chunk(&mut out, [].into_iter());
    encode_last_chunk(&mut out, [(&b"a"[..], &b"1"[..]), (b"b", b"")].into_iter());
    assert_eq!(out, b"0\r\n\r\n0\r\na: 1\r\nb: \r\n\r\n");
}

/// RFC 9110 section 15.2
#[test]
fn an_informational_response_is_a_head_alone() {
    let mut out = Vec::new();
    encode_informational(&mut out, 103, [(&b"link"[..], &b"</a>"[..])].into_iter());
    assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
}
