//! Rules of the fields that frame a request and keep its connection.

use super::{accept, post, refusal, refuses_fields};
use handlers::http::h1::BodyFraming;

#[test]
fn rfc9112_6_3_body_framing() {
    assert_eq!(post("").framing(), BodyFraming::None);
    assert_eq!(post("Content-Length: 0\r\n").framing(), BodyFraming::Length(0));
    assert_eq!(post("CONTENT-length: 0042\r\n").framing(), BodyFraming::Length(42));
    assert_eq!(post("Content-Length: 18446744073709551615\r\n").framing(), BodyFraming::Length(u64::MAX));
    assert_eq!(post("Transfer-Encoding: chunked\r\n").framing(), BodyFraming::Chunked);
    assert_eq!(post("transfer-encoding:\tCHUNKED \r\n").framing(), BodyFraming::Chunked);
    let get = accept("GET / HTTP/1.0\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(get.framing(), BodyFraming::Length(3), "for every method and version");
}

#[test]
fn rfc9110_8_6_content_length_is_one_plain_number() {
    refuses_fields(
        400,
        &[
            "Content-Length:",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 5,",
            "Content-Length: 5, 5",
            "Content-Length: 5 5",
            "Content-Length: 0x5",
            "Content-Length: 5.0",
            "Content-Length: 1e3",
            "Content-Length: 18446744073709551616",
            "Content-Length: \u{664}",
            "Content-Length: \"5\"",
        ],
    );
}

#[test]
fn rfc9112_6_3_repeated_content_length_is_400() {
    refuses_fields(
        400,
        &["Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\ncontent-length: 6"],
    );
}

#[test]
fn rfc9112_6_1_te_with_cl_is_400() {
    refuses_fields(
        400,
        &[
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 0\r\nTransfer-Encoding: gzip, chunked",
        ],
    );
}

#[test]
fn rfc9112_6_1_te_in_http_1_0_is_400() {
    assert_eq!(refusal(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    assert_eq!(refusal(b"POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 400);
}

#[test]
fn rfc9112_6_3_te_not_ending_in_one_chunked_is_400() {
    refuses_fields(
        400,
        &[
            "Transfer-Encoding:",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, gzip",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: chunked,",
            "Transfer-Encoding: ,chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: chunked;a=b",
            "Transfer-Encoding: chunked ; a",
            "Transfer-Encoding: chunked chunked",
            "Transfer-Encoding: gzip, chunked, gzip",
            "Transfer-Encoding: chunked, gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:",
            "Transfer-Encoding: @, chunked",
        ],
    );
}

#[test]
fn rfc9112_6_1_te_with_an_unknown_coding_before_chunked_is_501() {
    refuses_fields(
        501,
        &[
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity,chunked",
            "Transfer-Encoding: a;b=c, chunked",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        ],
    );
}

#[test]
fn rfc9112_9_3_persistence() {
    for (version, connection, persists) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: foo ,\tCLOSE\r\n", false),
        ("1.1", "Connection: foo\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: ,,\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Connection: close\r\n", false),
    ] {
        let head = accept(&format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n"));
        assert_eq!(head.keep_alive(), persists, "{version} {connection:?}");
    }
}

#[test]
fn rfc9110_10_1_1_expect() {
    assert!(post("Content-Length: 5\r\nExpect: 100-continue\r\n").expect_continue());
    assert!(post("Transfer-Encoding: chunked\r\nexpect: 100-Continue\r\n").expect_continue());
    assert!(!post("Content-Length: 5\r\n").expect_continue());
    assert!(!post("Expect: 100-continue\r\n").expect_continue(), "no body to continue with");
    assert!(!post("Content-Length: 0\r\nExpect: 100-continue\r\n").expect_continue());
    refuses_fields(
        417,
        &[
            "Expect: x",
            "Expect: 100-continue, x",
            "Expect: 100-continue=1",
            "Expect: 100-continue\r\nExpect: y",
        ],
    );
    let old = accept("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue, x\r\n\r\n");
    assert!(!old.expect_continue(), "ignored in HTTP/1.0");
}

#[test]
fn rfc9110_7_8_upgrade_needs_connection_and_1_1() {
    let head = post("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(head.upgrade(), Some(&b"websocket"[..]));
    assert_eq!(post("Upgrade: websocket\r\n").upgrade(), None);
    assert_eq!(post("Connection: Upgrade\r\n").upgrade(), None);
    let old = accept("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(old.upgrade(), None);
}
