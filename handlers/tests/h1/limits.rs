//! The limits of a head, each reached, whole and in pieces.

use super::{limits, refusal};
use handlers::http::h1::{HeadLimits, HeadParser, HeadProgress, RequestHead};

/// A head of `len` bytes in all.
fn head_of(len: usize) -> Vec<u8> {
    let fixed = b"GET / HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(len - fixed)).into_bytes()
}

/// Feeds pieces of `piece` bytes; the status of the refusal, 0 when complete, and the bytes fed.
fn feed(limits: HeadLimits, bytes: &[u8], piece: usize) -> (u16, usize) {
    let (mut parser, mut head) = (HeadParser::new(limits), RequestHead::default());
    for (i, chunk) in bytes.chunks(piece).enumerate() {
        let fed = (i * piece + chunk.len()).min(bytes.len());
        match parser.parse(chunk, &mut head) {
            Ok(HeadProgress::NeedMore) => {}
            Ok(HeadProgress::Complete { .. }) => return (0, fed),
            Err(rejection) => return (rejection.status, fed),
        }
    }
    panic!("neither complete nor refused");
}

#[test]
fn rfc6585_5_a_head_beyond_its_bytes_is_431() {
    for piece in [1, 7, 1000, 1 << 20] {
        assert_eq!(feed(limits(), &head_of(16 << 10), piece).0, 0, "{piece}");
        let (status, fed) = feed(limits(), &head_of((16 << 10) + 1), piece);
        assert_eq!(status, 431, "{piece}");
        assert!(fed <= (16 << 10) + piece);
    }
}

#[test]
fn rfc6585_5_more_fields_than_the_limit_is_431() {
    let with =
        |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(n - 1)).into_bytes();
    assert_eq!(refusal(&with(100)), 0);
    assert_eq!(refusal(&with(101)), 431);
    let wide = HeadLimits::new(16 << 10, 500, 100);
    assert_eq!(feed(wide, &with(500), 1 << 20).0, 0, "a limit above the usual");
    assert_eq!(feed(wide, &with(501), 1 << 20).0, 431);
}

#[test]
fn rfc9112_3_a_target_beyond_the_limit_is_414() {
    let with = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(n - 1)).into_bytes();
    for piece in [1, 100, 1 << 20] {
        assert_eq!(feed(limits(), &with(8 << 10), piece).0, 0, "{piece}");
        assert_eq!(feed(limits(), &with((8 << 10) + 1), piece).0, 414, "{piece}");
        let (status, fed) = feed(limits(), &with(1 << 20), piece);
        assert_eq!(status, 414, "{piece}");
        assert!(fed <= (16 << 10) + piece, "endless targets are not waited for");
    }
}

#[test]
fn garbage_is_refused_before_an_end_that_never_comes() {
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\0\0\0\0",
        b"{\"json\": 1}",
        b"GET /\r\n",
        b"GET / HTTP/1.1\r\n: x",
    ] {
        assert_eq!(feed(limits(), garbage, 1 << 10).0, 400, "{garbage:?}");
    }
    let mut late = b"GET / HTTP/1.1\r\nHost: h\r\nbad field\r\n".to_vec();
    late.resize(4096, b'x');
    let (status, fed) = feed(limits(), &late, 1);
    assert_eq!(status, 400);
    assert!(fed <= 128, "seen when the head has doubled: {fed}");
}

#[test]
fn a_head_in_single_bytes_costs_linear_time() {
    // Quadratic work on 4 MiB would take minutes.
    let limits = HeadLimits::new(4 << 20, 100, 8 << 10);
    let bytes = head_of(4 << 20);
    assert_eq!(feed(limits, &bytes, 1), (0, bytes.len()));
}
