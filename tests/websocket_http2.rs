//! WebSockets over HTTP/2 (RFC 8441): a stream of a connection carries one.
//!
//! Owns: extended CONNECT, by literal frames. Must not know: rules of WebSocket's frames.

use std::io::Read;

use crate::support::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM, SETTINGS, block, frame,
};
use crate::support::{self, SOON, Server, Way};
use rustix::process::Signal;

const APP: &str = r#"
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/plain") return new Response(`${request.method} ${request.headers.get("upgrade")}`);
    if (pathname === "/hooks") return ctx.upgrade(request, { data: request.method }) ?? new Response("none");
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(data));
    return new Response(null, { status: 101, webSocket: client });
  },
  websocket: {
    message(ws, data) { ws.send(data === "data" ? `${ws.data} ${ws.url}` : data); },
    close(ws, code) { console.log(`close: ${code}`); },
  },
};"#;

fn connect(stream: u32, path: &str, protocol: &str) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", path),
        ("sec-websocket-version", "13"),
    ];
    frame(HEADERS, END_HEADERS, stream, &block(&fields))
}

/// The next DATA of a stream.
fn data(frames: &mut Frames, stream: u32) -> Option<Frame> {
    frames.find(|frame| frame.stream == stream && matches!(frame.kind, DATA | RST_STREAM))
}

fn text(text: &str) -> Vec<u8> {
    support::Frame::text(text).masked()
}

both_backends! {
    fn a_stream_is_passed_on_to_a_server_of_http_1(io) {
        let app = app!(APP);
        let behind = Server::spawn(&["--workers", "1"], app.path());
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--io", io, "--workers", "1", "--port", "0", "--proxy", &format!("/=http://{}", behind.addr())]);
        let server = Server::start(command);
        let mut client = Frames::open(server.addr());
        client.next().expect("a frame");
        client.send(&frame(SETTINGS, ACK, 0, &[]));
        client.send(&connect(1, "/hooks", "websocket"));
        let head = client.find(|frame| frame.kind == HEADERS && frame.stream == 1).expect("a head");
        assert_eq!((head.status(), head.ends_stream()), (200, false));
        client.send(&frame(DATA, 0, 1, &text("hello")));
        assert_eq!(data(&mut client, 1).expect("data").payload, b"\x81\x05hello");
        client.send(&frame(DATA, 0, 1, &support::Frame::close(4000, "").masked()));
        assert_eq!(data(&mut client, 1).expect("data").payload, b"\x88\x02\x0f\xa0");
        behind.await_log("close: 4000");
        // Another protocol than that.
        client.send(&connect(3, "/hooks", "connect-udp"));
        let head = client.find(|frame| frame.kind == HEADERS && frame.stream == 3).expect("a head");
        assert_eq!(head.status(), 501);
    }

    fn a_stream_carries_messages_and_ends_with_them(io) {
        let app = app!(APP);
        let server = Server::spawn_at(Way::tcp(io), &["--workers", "1"], app.path());
        let mut client = Frames::open(server.addr());
        let settings = client.next().expect("a frame");
        client.send(&frame(SETTINGS, ACK, 0, &[]));
        // Section 3: SETTINGS_ENABLE_CONNECT_PROTOCOL.
        let is_enabled = settings.payload.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]);
        assert!(settings.kind == SETTINGS && is_enabled, "{settings:?}");
        for (stream, path) in [(1, "/hooks"), (3, "/pair")] {
            client.send(&connect(stream, path, "websocket"));
            let head = client.find(|frame| frame.kind == HEADERS && frame.stream == stream).expect("a head");
            assert_eq!((head.status(), head.ends_stream()), (200, false));
            // A message in two frames of HTTP/2.
            let bytes = text("hello");
            client.send(&[frame(DATA, 0, stream, &bytes[..3]), frame(DATA, 0, stream, &bytes[3..])].concat());
            assert_eq!(data(&mut client, stream).expect("data").payload, b"\x81\x05hello");
        }
        client.send(&frame(DATA, 0, 1, &text("data")));
        assert_eq!(&data(&mut client, 1).expect("data").payload[2..], b"GET ws://test/hooks");
        // The other stream goes on when one is closed.
        client.send(&frame(DATA, 0, 1, &support::Frame::close(1000, "").masked()));
        assert_eq!(data(&mut client, 1).expect("data").payload, b"\x88\x02\x03\xe8");
        let end = data(&mut client, 1).expect("data");
        assert!(end.ends_stream() && end.payload.is_empty(), "{end:?}");
        server.await_log("close: 1000");
        client.send(&frame(DATA, END_STREAM, 1, &[]));
        client.send(&frame(DATA, 0, 3, &text("still")));
        assert_eq!(data(&mut client, 3).expect("data").payload, b"\x81\x05still");
    }

    fn a_client_that_resets_its_stream_is_1006_and_other_protocols_are_501(io) {
        let app = app!(APP);
        let server = Server::spawn_at(Way::tcp(io), &["--workers", "1"], app.path());
        let mut client = Frames::open(server.addr());
        client.send(&connect(1, "/hooks", "websocket"));
        client.find(|frame| frame.kind == HEADERS && frame.stream == 1).expect("a head");
        client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
        server.await_log("close: 1006");
        client.send(&connect(3, "/hooks", "connect-udp"));
        assert_eq!(client.answer(3).0, 501);
        // An answer of the app's own.
        client.send(&connect(5, "/plain", "websocket"));
        let (status, body, _) = client.answer(5);
        assert_eq!((status, body.as_slice()), (200, &b"GET websocket"[..]));
    }

    fn a_message_is_as_large_as_the_windows_and_larger(io) {
        let app = app!(APP);
        let server = Server::spawn_at(Way::tcp(io), &["--workers", "1"], app.path());
        let mut client = Frames::open(server.addr());
        // The server's windows hold from the ACK of its SETTINGS on, which cannot come before them.
        client.find(|frame| frame.kind == SETTINGS && frame.flags & ACK == 0).expect("SETTINGS");
        client.send(&frame(SETTINGS, ACK, 0, &[]));
        client.send(&connect(1, "/hooks", "websocket"));
        let message = "x".repeat(200_000);
        for piece in text(&message).chunks(16_000) {
            client.send(&frame(DATA, 0, 1, piece));
        }
        let mut got = Vec::new();
        while got.len() < message.len() + 10 {
            let frame = data(&mut client, 1).expect("data");
            assert_eq!(frame.kind, DATA);
            client.open_windows(1, frame.payload.len().max(1) as u32);
            got.extend(frame.payload);
        }
        assert!(got[..10] == [0x81, 127, 0, 0, 0, 0, 0, 3, 0x0d, 0x40] && got[10..] == *message.as_bytes());
    }

    fn a_drain_closes_streams_with_1001(io) {
        let app = app!(APP);
        let mut server = Server::spawn_at(Way::tcp(io), &["--workers", "1"], app.path());
        let mut client = Frames::open(server.addr());
        client.send(&connect(1, "/hooks", "websocket"));
        client.find(|frame| frame.kind == HEADERS && frame.stream == 1).expect("a head");
        server.signal(Signal::TERM);
        let close = data(&mut client, 1).expect("data");
        assert_eq!(close.payload[2..4], [0x03, 0xe9]);
        client.send(&frame(DATA, END_STREAM, 1, &support::Frame::close(1001, "").masked()));
        client.find(|frame| frame.kind == GOAWAY);
        let _ = client.stream.read_to_end(&mut Vec::new());
        assert!(server.await_exit(SOON).success());
        assert!(server.log().contains("close: 1001"), "{}", server.log());
    }
}
