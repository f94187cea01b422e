//! HTTP/2 by literal frames: the limits of a connection, and how it is switched off.
//!
//! Owns: what is seen beyond each limit. Must not know: how frames are counted.

use crate::support::frames::{
    END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, frame, request,
};
use crate::support::{Connection, Server};

/// RFC 9113 section 7.
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

both_backends! {
    // RFC 9113 section 5.1.2.
    fn streams_beyond_the_limit_are_refused(io) {
        let app = app!(fetch "return request.url.endsWith('/never') ? new Promise(() => {}) : new Response('ok')");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--http2-streams-max", "2"], app.path());
        let mut client = Frames::open(server.addr());
        for stream in [1, 3, 5] {
            client.get(stream, "/never");
        }
        let refused = client.find(|frame| frame.kind == RST_STREAM).expect("a reset");
        assert_eq!((refused.stream, refused.error()), (5, REFUSED_STREAM));
        client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
        client.get(7, "/");
        assert_eq!(client.answer(7), (200, b"ok".to_vec(), None));
    }

    fn requests_taken_back_and_idle_frames_beyond_their_limits_end_the_connection(io) {
        let app = app!(fetch "return new Response('ok')");
        let flags = ["--io", io, "--workers", "1", "--http2-resets-max", "5", "--http2-control-frames-max", "5"];
        let server = Server::spawn(&flags, app.path());
        let mut resets = Frames::open(server.addr());
        for stream in (1..40).step_by(2) {
            let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &request("GET", "/", &[]));
            resets.send(&[head, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat());
        }
        assert_eq!(resets.find(|frame| frame.kind == GOAWAY).expect("GOAWAY").error(), ENHANCE_YOUR_CALM);
        server.await_log("(--http2-resets-max)");
        let mut pings = Frames::open(server.addr());
        for _ in 0..20 {
            pings.send(&frame(PING, 0, 0, &[0; 8]));
        }
        assert_eq!(pings.find(|frame| frame.kind == GOAWAY).expect("GOAWAY").error(), ENHANCE_YOUR_CALM);
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
    }

    fn switched_off_it_is_a_version_that_is_not_spoken(io) {
        let app = app!(fetch "return new Response(ctx.http)");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--http2=false"], app.path());
        let told = crate::support::raw(server.addr(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(String::from_utf8_lossy(told.as_ref()).starts_with("HTTP/1.1 505 "));
        assert_eq!(Connection::open(server.addr()).get("/").text(), "1.1");
    }
}
