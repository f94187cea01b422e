//! The limits of HTTP/2, and attacks on it: what the client sees, and that others are served.
//!
//! Owns: one test per limit and per flood. Must not know: rules that no limit is about (`http2`).

use std::time::{Duration, Instant};

use crate::support::frames::*;
use crate::support::{App, Connection, Server, Way};

const APP: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/never") return new Promise(() => {});
    if (pathname === "/text") return new Response(String((await request.text()).length));
    if (pathname === "/large") return new Response("x".repeat(1 << 20));
    return new Response("hello");
  },
};"#;

const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(Way::tcp(io), &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn still_serves(server: &Server) {
    assert_eq!(Connection::open(server.place()).get("/").text(), "hello");
}

fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, block)
}

/// The code of the GOAWAY that a client gets for what it sends, and then the end.
fn goaway_for(server: &Server, sent: &[u8]) -> u32 {
    let mut client = Frames::open(server.addr());
    client.send(sent);
    let goaway = client.find(|frame| frame.kind == GOAWAY && frame.error() != 0);
    let goaway = goaway.unwrap_or_else(|| panic!("no GOAWAY"));
    assert!(client.find(|_| false).is_none());
    still_serves(server);
    goaway.error()
}

both_backends! {
    fn rapid_resets_are_cve_2023_44487(io) {
        let (_app, server) = start(io, &["--http2-resets-max", "50"]);
        let mut sent = Vec::new();
        for n in 0..200 {
            sent.extend(headers(END_STREAM, 2 * n + 1, &request("GET", "/never", &[])));
            sent.extend(frame(RST_STREAM, 0, 2 * n + 1, &CANCEL.to_be_bytes()));
        }
        assert_eq!(goaway_for(&server, &sent), ENHANCE_YOUR_CALM);
        server.await_log("(--http2-resets-max)");
    }

    fn streams_that_we_have_to_reset_are_cve_2025_8671(io) {
        let (_app, server) = start(io, &["--http2-resets-max", "50"]);
        let mut sent = Vec::new();
        for n in 0..200 {
            sent.extend(headers(END_STREAM, 2 * n + 1, &request("GET", "/never", &[])));
            sent.extend(frame(WINDOW_UPDATE, 0, 2 * n + 1, &0x7fff_ffff_u32.to_be_bytes()));
        }
        assert_eq!(goaway_for(&server, &sent), ENHANCE_YOUR_CALM);
    }

    fn floods_of_what_brings_nothing_end_the_connection(io) {
        let (_app, server) = start(io, &["--http2-control-frames-max", "100"]);
        let body = headers(0, 1, &request("POST", "/never", &[]));
        for (what, one) in [
            ("PING", frame(PING, 0, 0, &[0; 8])),
            ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
            ("PRIORITY", frame(PRIORITY, 0, 1, &[0; 5])),
            ("empty DATA", frame(DATA, 0, 1, &[])),
            ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
            ("unknown", frame(0xee, 0, 0, &[])),
        ] {
            let sent = [body.clone(), one.repeat(300)].concat();
            assert_eq!(goaway_for(&server, &sent), ENHANCE_YOUR_CALM, "{what}");
        }
        server.await_log("--http2-control-frames-max");
    }

    fn a_flood_of_continuation_ends_the_connection(io) {
        let (_app, server) = start(io, &[]);
        let mut sent = frame(HEADERS, 0, 1, &request("GET", "/", &[]));
        for _ in 0..2_000 {
            sent.extend(frame(CONTINUATION, 0, 1, &block(&[("x", "y")])));
        }
        assert_eq!(goaway_for(&server, &sent), ENHANCE_YOUR_CALM);
    }

    fn an_hpack_bomb_ends_the_connection(io) {
        let (_app, server) = start(io, &[]);
        // A value of 4,000 bytes in the table, and 4,000 references to it.
        let mut bomb = request("GET", "/", &[]);
        bomb.extend([0x40, 1, b'x', 0x7f]);
        let rest = 4_000 - 127;
        bomb.extend([(rest & 0x7f) as u8 | 0x80, (rest >> 7) as u8]);
        bomb.extend([b'v'; 4_000]);
        bomb.extend([0xbe; 4_000]);
        let sent = headers(END_STREAM, 1, &bomb);
        assert_eq!(goaway_for(&server, &sent), ENHANCE_YOUR_CALM);
        assert!(server.rss_bytes() < 256 << 20);
        still_serves(&server);
    }

    fn a_stream_beyond_the_limit_is_refused(io) {
        let (_app, server) = start(io, &["--http2-streams-max", "3"]);
        let mut client = Frames::open(server.addr());
        for stream in [1, 3, 5, 7] {
            client.get(stream, "/never");
        }
        let reset = client.find(|frame| frame.kind == RST_STREAM).expect("a reset");
        assert_eq!((reset.stream, reset.error()), (7, REFUSED_STREAM));
        client.send(&frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()));
        client.get(9, "/");
        assert_eq!(client.answer(9).0, 200);
    }

    fn limits_of_a_head_and_a_body_are_statuses(io) {
        let flags = ["--target-max", "100", "--header-fields-max", "5", "--body-max", "1K", "--body-timeout", "300ms"];
        let (_app, server) = start(io, &flags);
        let long = format!("/{}", "x".repeat(100));
        let many = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1"), ("f", "1")];
        let sent = [
            headers(END_STREAM, 1, &request("GET", &long, &[])),
            headers(END_STREAM, 1, &request("GET", "/", &many)),
            headers(0, 1, &request("POST", "/text", &[("content-length", "1025")])),
            [headers(0, 1, &request("POST", "/text", &[])), frame(DATA, 0, 1, &[0; 1025])].concat(),
            headers(0, 1, &request("POST", "/text", &[])),
        ];
        for (sent, status) in sent.iter().zip([414, 431, 413, 413, 408]) {
            let mut client = Frames::open(server.addr());
            client.send(sent);
            assert_eq!(client.answer(1).0, status);
            client.get(3, "/");
            assert_eq!(client.answer(3).1, b"hello");
        }
    }

    fn a_window_that_stays_shut_ends_the_stream_and_then_the_connection(io) {
        let (_app, server) = start(io, &["--write-timeout", "300ms"]);
        let mut client = Frames::open(server.addr());
        client.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
        client.get(1, "/large");
        let reset = client.find(|frame| frame.kind == RST_STREAM).expect("a reset");
        assert_eq!((reset.stream, reset.error()), (1, CANCEL));
        assert_eq!(client.find(|frame| frame.kind == GOAWAY).expect("GOAWAY").error(), 0);
        assert!(client.find(|_| false).is_none());
        still_serves(&server);
    }

    fn a_connection_without_a_stream_idles_out_with_goaway(io) {
        let (_app, server) = start(io, &["--idle-timeout", "300ms"]);
        let mut client = Frames::open(server.addr());
        client.get(1, "/");
        client.answer(1);
        assert_eq!(client.find(|frame| frame.kind == GOAWAY).expect("GOAWAY").error(), 0);
        assert!(client.find(|_| false).is_none());
    }

    fn half_a_preface_and_half_a_head_end_in_the_time_of_a_head(io) {
        let (_app, server) = start(io, &["--header-timeout", "300ms"]);
        let start = Instant::now();
        let mut client = Frames::silent(server.addr());
        client.send(&PREFACE[..20]);
        assert!(client.find(|_| false).is_none());
        let mut client = Frames::open(server.addr());
        client.get(1, "/never");
        client.send(&frame(HEADERS, END_STREAM, 3, &request("GET", "/", &[])));
        let goaway = client.find(|frame| frame.kind == GOAWAY).expect("GOAWAY");
        assert_eq!(goaway.error(), ENHANCE_YOUR_CALM);
        assert!(start.elapsed() < Duration::from_secs(8));
        still_serves(&server);
    }
}
