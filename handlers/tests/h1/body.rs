//! Rules of request bodies: length and chunked.

use super::{decode_all, limits};
use handlers::http::h1::{BodyDecoder, BodyFraming, CHUNK_EXT_BYTES_MAX, HeadLimits, Rejection};

fn chunked() -> BodyDecoder {
    BodyDecoder::new(BodyFraming::Chunked, 1 << 20, &limits()).unwrap()
}

fn decode(input: &[u8]) -> Result<(Vec<u8>, Option<usize>), Rejection> {
    decode_all(&mut chunked(), input)
}

fn refuses(status: u16, inputs: &[&str]) {
    for input in inputs {
        assert_eq!(decode(input.as_bytes()).map_err(|rejection| rejection.status), Err(status), "{input:?}");
    }
}

fn accepts(inputs: &[(&str, &str)]) {
    for (input, content) in inputs {
        let (got, end) =
            decode(input.as_bytes()).unwrap_or_else(|rejection| panic!("{rejection}: {input:?}"));
        assert_eq!((got, end), (content.as_bytes().to_vec(), Some(input.len())), "{input:?}");
    }
}

#[test]
fn rfc9112_6_2_a_length_body_ends_where_it_says() {
    let mut decoder = BodyDecoder::new(BodyFraming::Length(5), 5, &limits()).unwrap();
    assert_eq!(decoder.remaining(), Some(5));
    assert_eq!(decode_all(&mut decoder, b"ab").unwrap(), (b"ab".to_vec(), None));
    assert_eq!((decoder.remaining(), decoder.content_bytes()), (Some(3), 2));
    assert_eq!(decode_all(&mut decoder, b"cdeGET / ").unwrap(), (b"cde".to_vec(), Some(3)));
    let mut empty = BodyDecoder::new(BodyFraming::None, 0, &limits()).unwrap();
    assert_eq!(decode_all(&mut empty, b"GET").unwrap(), (vec![], Some(0)));
}

#[test]
fn rfc9112_7_1_chunks() {
    accepts(&[
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\na\r\n00A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", "a01234567890123456789"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
    ]);
    let (content, end) = decode(b"1\r\nx\r\n0\r\n\r\nGET / HTTP").unwrap();
    assert_eq!((content, end), (b"x".to_vec(), Some(11)), "the next request is left");
}

#[test]
fn rfc9112_7_1_sizes_are_hexadecimal_digits() {
    refuses(
        400,
        &[
            "\r\n",
            " 5\r\n",
            "\t5\r\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "g\r\n",
            "5g\r\n",
            "5 5\r\n",
            ";a\r\n",
            "\n",
            "5\0\r\n",
            "5_0\r\n",
            "00000000000000001\r\n",
            "fffffffffffffffff\r\n",
            "5,\r\n",
            "5 \r\n",
            "5\t\r\n",
        ],
    );
    accepts(&[("0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a")]);
}

#[test]
fn rfc9112_7_1_lines_end_in_crlf() {
    refuses(
        400,
        &[
            "5\nhello\r\n",
            "5\r\r\n",
            "5\rx",
            "5\r\nhello\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\r0",
            "5\r\nhelloX\r\n",
            "0\n\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "5;a\nhello",
            "0\r\nA: b\n\r\n",
        ],
    );
}

#[test]
fn rfc9112_7_1_1_extensions_follow_the_grammar() {
    accepts(&[
        ("1;a\r\nx\r\n0\r\n\r\n", "x"),
        ("1;a=b\r\nx\r\n0;c=d;e\r\n\r\n", "x"),
        ("1 ; a = b ; c\t=\t\"d e\\\"\\\\;\" ;f\r\nx\r\n0\r\n\r\n", "x"),
        ("1;a=\"\"\r\nx\r\n0;b=\"\u{e9}\"\r\n\r\n", "x"),
    ]);
    refuses(
        400,
        &[
            "1;\r\n",
            "1; \r\n",
            "1;;a\r\n",
            "1;a;\r\n",
            "1;a=\r\n",
            "1;a= \r\n",
            "1;=b\r\n",
            "1;a b\r\n",
            "1;a \r\n",
            "1;a=b \r\n",
            "1;a=b c\r\n",
            "1;a=\"b\r\n",
            "1;a=\"b\"c\r\n",
            "1;a=\"b\" \r\n",
            "1;a\0\r\n",
            "1;a=\"\0\"\r\n",
            "1;a=\"\\\0\"\r\n",
            "1;a=(\r\n",
            "1;a==b\r\n",
            "1;\u{e9}\r\n",
            "1;a=b,c\r\n",
            "1;a\r;b\r\n",
            "1;a=\"\n\"\r\n",
        ],
    );
}

#[test]
fn extensions_are_bounded_over_the_whole_body() {
    let chunk = "1;abcdefg\r\nx\r\n";
    let per_chunk = ";abcdefg\r".len();
    let most = CHUNK_EXT_BYTES_MAX as usize / per_chunk;
    assert_eq!(decode(chunk.repeat(most).as_bytes()).unwrap().0.len(), most);
    assert_eq!(decode(chunk.repeat(most + 1).as_bytes()).unwrap_err().status, 400);
}

#[test]
fn rfc9112_7_1_2_trailers_are_checked_and_dropped() {
    accepts(&[
        ("1\r\nx\r\n0\r\nA: b\r\nC:\r\nD: \t\u{e9} \r\n\r\n", "x"),
        ("0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    ]);
    refuses(
        400,
        &[
            "0\r\n: b\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\nA\r\n\r\n",
            "0\r\n A: b\r\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
            "0\r\nA: \0\r\n\r\n",
            "0\r\nA: b\rc\r\n\r\n",
            "0\r\nA(: b\r\n\r\n",
            "0\r\nA: \u{7f}\r\n\r\n",
        ],
    );
}

#[test]
fn rfc6585_5_trailers_beyond_the_head_limits_are_431() {
    let long = |n: usize| format!("0\r\nA: {}\r\n\r\n", "x".repeat(n));
    assert!(decode(long((16 << 10) - 8).as_bytes()).unwrap().1.is_some());
    assert_eq!(decode(long(16 << 10).as_bytes()).unwrap_err().status, 431);
    let many = |n: usize| format!("0\r\n{}\r\n", "A: b\r\n".repeat(n));
    assert!(decode(many(100).as_bytes()).unwrap().1.is_some());
    assert_eq!(decode(many(101).as_bytes()).unwrap_err().status, 431);
    let none = HeadLimits::new(1000, 0, 100);
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, 10, &none).unwrap();
    assert_eq!(decode_all(&mut decoder, b"0\r\nA: b\r\n\r\n").unwrap_err().status, 431);
}

#[test]
fn rfc9110_15_5_14_a_body_beyond_the_limit_is_413() {
    let new = |framing| BodyDecoder::new(framing, 10, &limits());
    assert!(new(BodyFraming::Length(10)).is_ok());
    assert_eq!(new(BodyFraming::Length(11)).unwrap_err().status, 413, "before a byte is read");
    let mut at_limit = new(BodyFraming::Chunked).unwrap();
    assert_eq!(decode_all(&mut at_limit, b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n").unwrap().0, b"helloworld");
    for beyond in ["b\r\n", "5\r\nhello\r\n6\r\n", "ffffffffffffffff\r\n", "1\r\nx\r\nffffffffffffffff\r\n"] {
        let mut decoder = new(BodyFraming::Chunked).unwrap();
        let status = decode_all(&mut decoder, beyond.as_bytes()).unwrap_err().status;
        assert_eq!(status, 413, "{beyond:?}: when the chunk is announced");
    }
}

#[test]
fn the_limit_can_be_raised_for_one_request() {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, 1, &limits()).unwrap();
    decoder.set_bytes_max(5);
    assert_eq!(decode_all(&mut decoder, b"5\r\nhello\r\n0\r\n\r\n").unwrap().0, b"hello");
    assert_eq!(decoder.content_bytes(), 5);
}

#[test]
fn content_is_not_copied() {
    let input = b"5\r\nhello\r\n0\r\n\r\n";
    let mut decoder = chunked();
    let first = decoder.decode(input).unwrap();
    assert_eq!(first.data, b"hello");
    assert_eq!(first.data.as_ptr(), input[3..].as_ptr());
}
