//! Bodies of responses: content codings, and every way in which a body ends too early.
//!
//! Owns: nothing. Must not know: how the client works inside.

use std::io::Write;

use crate::client_server::{Server, client, fetch, get, options, response, text};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use runtime::client::{Client, Error, ErrorKind, Request};

on_both!(
    every_coding_is_decoded,
    codings_on_top_of_each_other_are_decoded,
    bytes_one_by_one_are_decoded,
    members_of_gzip_follow_each_other,
    a_coded_body_that_ends_too_early_fails,
    a_malformed_body_fails,
    an_unknown_coding_is_left_alone,
    a_body_can_stay_coded,
    a_bomb_comes_in_small_pieces,
    a_body_that_ends_too_early_fails,
    a_reset_within_the_body_fails,
    what_is_no_http_fails,
    huge_heads_are_refused,
    a_server_that_does_not_answer_times_out,
    a_body_that_stalls_times_out,
    bodies_know_their_length,
    bytes_behind_a_body_are_nobodys,
);

/// Text that compresses well.
const LINE: &str = "the same line again\n";
const LINES: usize = 4000;
/// The same text as `brotli.compress` of Python's brotli 1.1 gives it.
const BROTLI: &[u8] = b"[\x7f8\x81\xdfHU\xfbk\x90467\xa5P\x96\x87\xac\xf2X\x8eP\x0526\xe5i\x13\x98\x00\x00";

fn plain() -> Vec<u8> {
    LINE.repeat(LINES).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("into a vector");
    encoder.finish().expect("into a vector")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("into a vector");
    encoder.finish().expect("into a vector")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("into a vector");
    encoder.finish().expect("into a vector")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut coded = vec![0; zstd_safe::compress_bound(bytes.len())];
    let size = zstd_safe::compress(coded.as_mut_slice(), bytes, 3).expect("room");
    coded.truncate(size);
    coded
}

/// Each coding's name and the coded text; "deflate" in the form of the specification and bare.
fn codings() -> Vec<(&'static str, Vec<u8>)> {
    let plain = plain();
    vec![
        ("gzip", gzip(&plain)),
        ("x-gzip", gzip(&plain)),
        ("deflate", zlib(&plain)),
        ("deflate", deflate(&plain)),
        ("br", BROTLI.to_vec()),
        ("zstd", zstd(&plain)),
    ]
}

fn coded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    response(&format!("Content-Encoding: {coding}\r\n"), bytes)
}

async fn error_of(client: &Client, request: Request) -> Error {
    match fetch(client, request).await {
        Ok((status, body)) => panic!("{status} with {} bytes is no error", body.len()),
        Err(error) => error,
    }
}

async fn every_coding_is_decoded() {
    let client = client();
    for (coding, bytes) in codings() {
        let server = Server::canned(coded(coding, &bytes));
        for _ in 0..2 {
            let mut response = client.send(get(server.url("/"))).await.expect("answer");
            assert!(response.body.is_decoded());
            assert_eq!(text(&mut response).await.as_bytes(), plain(), "{coding}");
            assert_eq!(response.headers["content-encoding"], coding);
        }
        assert_eq!(server.accepts(), 1, "{coding}");
    }
}

async fn codings_on_top_of_each_other_are_decoded() {
    let twice = zstd(&gzip(&plain()));
    for headers in ["gzip, zstd", "GZIP,  ZStd", "gzip\r\nContent-Encoding: identity, zstd"] {
        let server = Server::canned(coded(headers, &twice));
        assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer").1.as_bytes(), plain());
    }
}

async fn bytes_one_by_one_are_decoded() {
    for (coding, bytes) in codings() {
        let chunks: String = bytes.iter().map(|_| "1\r\n?\r\n").collect();
        let mut wire = chunks.into_bytes();
        wire.iter_mut().filter(|byte| **byte == b'?').zip(&bytes).for_each(|(to, from)| *to = *from);
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ntransfer-encoding: chunked\r\n\r\n");
        let server = Server::canned([head.as_bytes(), &wire, b"0\r\n\r\n"].concat());
        assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer").1.as_bytes(), plain());
    }
}

async fn members_of_gzip_follow_each_other() {
    let members = [gzip(b"one, "), gzip(b"two"), b"garbage that is ignored".to_vec()].concat();
    let server = Server::canned(coded("gzip", &members));
    assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer").1, "one, two");
    let frames = [zstd(b"one, "), zstd(b"two")].concat();
    let server = Server::canned(coded("zstd", &frames));
    assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("answer").1, "one, two");
}

async fn a_coded_body_that_ends_too_early_fails() {
    for (coding, bytes) in codings() {
        for cut in [1, 5, bytes.len() - 1] {
            let server = Server::canned(coded(coding, &bytes[..cut]));
            let error = error_of(&client(), get(server.url("/"))).await;
            assert_eq!(error.kind(), ErrorKind::Decode, "{coding} {cut}: {}", error.chain());
        }
    }
}

async fn a_malformed_body_fails() {
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let server = Server::canned(coded(coding, b"\x07This is not what it claims to be, by far."));
        let error = error_of(&client(), get(server.url("/"))).await;
        assert_eq!(error.kind(), ErrorKind::Decode, "{coding}: {}", error.chain());
        assert!(error.to_string().contains("127.0.0.1 cannot be decoded: "), "{error}");
    }
}

async fn an_unknown_coding_is_left_alone() {
    for coding in ["rot13", "gzip, rot13", "gzip, gzip, gzip, gzip, gzip"] {
        let server = Server::canned(coded(coding, b"as it is"));
        let mut response = client().send(get(server.url("/"))).await.expect("answer");
        assert!(!response.body.is_decoded());
        assert_eq!(text(&mut response).await, "as it is");
    }
}

async fn a_body_can_stay_coded() {
    let bytes = gzip(&plain());
    let server = Server::canned(coded("gzip", &bytes));
    let client = client();
    let mut kept = client.send(get(server.url("/"))).await.expect("answer");
    kept.body.keep_coded();
    assert_eq!(kept.body.bytes_left(), Some(bytes.len() as u64));
    assert_eq!(kept.body.collect(1 << 20).await.expect("a body"), bytes);
    let request = Request { decode: false, ..get(server.url("/")) };
    let mut response = client.send(request).await.expect("answer");
    assert_eq!(response.body.collect(1 << 20).await.expect("a body"), bytes);
}

async fn a_bomb_comes_in_small_pieces() {
    let bomb = gzip(&vec![0; 8 << 20]);
    let server = Server::canned(coded("gzip", &bomb));
    let mut response = client().send(get(server.url("/"))).await.expect("answer");
    let mut total = 0;
    while let Some(chunk) = response.body.chunk().await.expect("a piece") {
        assert!(chunk.len() <= 32 << 10, "a piece of {} bytes", chunk.len());
        total += chunk.len();
    }
    assert_eq!(total, 8 << 20);
}

async fn a_body_that_ends_too_early_fails() {
    for wire in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nnine byte",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let server = Server::once(wire);
        let error = error_of(&client(), get(server.url("/"))).await;
        assert_eq!(error.kind(), ErrorKind::Closed, "{wire:?}: {}", error.chain());
    }
    let server = Server::once("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n");
    let error = error_of(&client(), get(server.url("/"))).await;
    assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
    let server = Server::once("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n");
    let error = error_of(&client(), get(server.url("/"))).await;
    assert_ne!(error.kind(), ErrorKind::Decode, "{}", error.chain());
}

async fn a_reset_within_the_body_fails() {
    for head in ["content-length: 1000000\r\n", "transfer-encoding: chunked\r\n", ""] {
        let wire = format!("HTTP/1.1 200 OK\r\n{head}\r\n5\r\nhello");
        let server = Server::start(move |conn| {
            conn.request();
            conn.send(wire.as_bytes());
            // The head has arrived when the client asks for the rest, by whatever means.
            conn.reset();
        });
        let error = error_of(&client(), get(server.url("/"))).await;
        assert_eq!(error.kind(), ErrorKind::Closed, "{head:?}: {}", error.chain());
        assert!(error.to_string().contains("127.0.0.1 closed before"), "{error}");
    }
}

async fn what_is_no_http_fails() {
    for wire in
        ["SSH-2.0-OpenSSH_9.9\r\n", "HTTP/3.0 200 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\0\0\0\0\0\0\0\0"]
    {
        let server = Server::once(wire);
        let error = error_of(&client(), get(server.url("/"))).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wire:?}: {}", error.chain());
    }
}

async fn huge_heads_are_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(70 << 10));
    let server = Server::once(long);
    let error = error_of(&client(), get(server.url("/"))).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", error.chain());
    let fields: String = (0..300).map(|n| format!("x-{n}: y\r\n")).collect();
    let server = Server::once(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"));
    let error = error_of(&client(), get(server.url("/"))).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", error.chain());
    let fields: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let server = Server::once(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"));
    assert_eq!(fetch(&client(), get(server.url("/"))).await.expect("few enough").0, 200);
}

async fn a_server_that_does_not_answer_times_out() {
    let server = Server::start(|conn| conn.drain());
    let mut options = options();
    options.header_ms_max = 60;
    let error = error_of(&Client::new(options), get(server.url("/"))).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{}", error.chain());
    assert_eq!(error.to_string(), "127.0.0.1 did not answer for 60 ms");
    server.closed(1).await;
}

async fn a_body_that_stalls_times_out() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        conn.drain();
    });
    let mut options = options();
    options.body_stall_ms_max = 60;
    let mut response = Client::new(options).send(get(server.url("/"))).await.expect("a head");
    assert_eq!(response.body.chunk().await.expect("the first half").as_deref(), Some(b"half".as_slice()));
    let error = response.body.chunk().await.expect_err("nothing more");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{}", error.chain());
    assert_eq!(response.body.chunk().await.expect("the end"), None);
    server.closed(1).await;
}

async fn bodies_know_their_length() {
    let server = Server::canned(response("", b"12345"));
    let mut response = client().send(get(server.url("/"))).await.expect("answer");
    assert_eq!(response.body.bytes_left(), Some(5));
    text(&mut response).await;
    assert_eq!(response.body.bytes_left(), Some(0));
    let server = Server::canned("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    let response = client().send(get(server.url("/"))).await.expect("answer");
    assert_eq!(response.body.bytes_left(), None);
}

async fn bytes_behind_a_body_are_nobodys() {
    let smuggled = [response("", b"right"), response("", b"wrong")].concat();
    let server = Server::canned(smuggled);
    let client = client();
    for round in 1..=3 {
        assert_eq!(fetch(&client, get(server.url("/"))).await.expect("answer").1, "right");
        assert_eq!(server.accepts(), round);
    }
}
