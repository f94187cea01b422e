//! The rules of RFC 6455 and RFC 7692 over sockets, by section and by the groups of Autobahn's suite, on the hooks and on
//! WebSocketPair; and every limit.
//!
//! Owns: what breaks them, and what the client sees then. Must not know: the app's side of a socket.

use std::io::Write;

use crate::support::websocket::opening;
use crate::support::{App, Frame, Server, Way, WebSocketClient, ask_at};

const APP: &str = r#"
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/hooks") return ctx.upgrade(request) ?? new Response("none");
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(data));
    return new Response(null, { status: 101, webSocket: client });
  },
  websocket: {
    message(ws, data) {
      if (data === "/swamp") while (ws.readyState === 1) ws.send("x".repeat(1 << 20), false);
      else if (data === "/idle") return;
      else ws.send(data);
    },
    close(ws, code, reason) { console.log(`close: ${code} ${reason}`); },
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

const SPELLINGS: [&str; 2] = ["/hooks", "/pair"];

fn frame(first: u8, payload: &[u8]) -> Frame {
    Frame { first, payload: payload.into() }
}

/// A server's answers to frames, until it ends the connection or the last has an answer.
fn answers(server: &Server, path: &str, more: &str, frames: &[Frame]) -> Vec<Frame> {
    let mut client = WebSocketClient::ask(server, &opening(path, more));
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::masked).collect();
    // A server that has seen enough may be gone before all is sent.
    let _ = client.stream.write_all(&bytes).and_then(|()| client.stream.flush());
    let mut seen = Vec::new();
    while let Some(frame) = client.next() {
        seen.push(frame);
    }
    seen
}

fn code(frame: Option<&Frame>) -> Option<u16> {
    let frame = frame.filter(|frame| frame.first == 0x88)?;
    frame.payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code))
}

/// What breaks a rule after a message that does not: the close code.
fn breaks(server: &Server, path: &str, frames: &[Frame], expected: u16) {
    let all = [&[Frame::text("first")], frames, &[Frame::text("last")]].concat();
    let seen = answers(server, path, "", &all);
    assert_eq!((seen.first(), seen.len()), (Some(&Frame::text("first")), 2), "{path} {frames:?}: {seen:?}");
    assert_eq!(code(seen.last()), Some(expected), "{path} {frames:?}: {seen:?}");
}

every_way! {
    fn section_5_frames_that_break_a_rule_end_the_connection_with_its_code(way) {
        let (_app, server) = start(way, &[]);
        for path in SPELLINGS {
            // Groups 3, 4: reserved bits and opcodes.
            for first in [0x91, 0xa1, 0xb1, 0xc1, 0xd9, 0x83, 0x87, 0x8b, 0x8f, 0x03] {
                breaks(&server, path, &[frame(first, b"x")], 1002);
            }
            // Group 5: fragments.
            breaks(&server, path, &[frame(0x80, b"x")], 1002);
            breaks(&server, path, &[frame(0x01, b"x"), frame(0x81, b"y")], 1002);
            breaks(&server, path, &[frame(0x09, b"x")], 1002);
            // Group 2: long control frames.
            breaks(&server, path, &[frame(0x89, &[0; 126])], 1002);
            // Group 6: text that is not UTF-8.
            breaks(&server, path, &[frame(0x81, b"\xce\xba\xed\xa0\x80")], 1007);
            breaks(&server, path, &[frame(0x01, b"\xf4"), frame(0x80, b"\x90\x80\x80")], 1007);
            // Group 7: Close frames.
            breaks(&server, path, &[frame(0x88, b"\x03")], 1002);
            breaks(&server, path, &[frame(0x88, b"\x03\xe8\xff\xff")], 1007);
            breaks(&server, path, &[Frame::close(1005, "")], 1002);
            breaks(&server, path, &[Frame::close(2999, "")], 1002);
        }
    }

    fn section_5_4_fragments_make_one_message_with_control_frames_between_them(way) {
        let (_app, server) = start(way, &[]);
        for path in SPELLINGS {
            let mut client = WebSocketClient::open(&server, path);
            for frame in [frame(0x01, "κό".as_bytes()), frame(0x89, b"p"), frame(0x00, b""), frame(0x80, "σμε".as_bytes())] {
                // Byte by byte: the head and the mask are cut, too.
                for byte in frame.masked() {
                    client.send_bytes(&[byte]);
                }
            }
            assert_eq!(client.next(), Some(frame(0x8a, b"p")));
            assert_eq!(client.next_text(), "κόσμε");
            for length in [1, 64, 1000, 65_536] {
                for piece in [1, 64, 1000] {
                    let message = vec![b'*'; length];
                    let mut pieces: Vec<Frame> = message.chunks(piece).map(|piece| frame(0x00, piece)).collect();
                    if pieces.len() > 2000 {
                        continue;
                    }
                    pieces[0].first = 0x02;
                    if let Some(last) = pieces.last_mut() {
                        last.first |= 0x80;
                    }
                    client.send_bytes(&pieces.iter().flat_map(Frame::masked).collect::<Vec<u8>>());
                    assert_eq!(client.next(), Some(Frame::binary(&message)), "{length} in {piece}");
                }
            }
            client.close(1000);
        }
    }
}

both_backends! {
    fn section_5_1_a_client_that_does_not_mask_is_refused(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/hooks");
        client.send_bytes(b"\x81\x01x");
        assert_eq!(code(client.next().as_ref()), Some(1002));
    }

    fn section_5_5_1_a_close_frame_is_answered_with_its_code(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        for path in SPELLINGS {
            for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
                let close = Frame::close(code, "why");
                let seen = answers(&server, path, "", &[close, Frame::text("later")]);
                assert_eq!(seen, [Frame::close(code, "")], "{path}");
            }
            assert_eq!(answers(&server, path, "", &[frame(0x88, b"")]), [frame(0x88, b"")]);
        }
    }

    // Section 8.1; Autobahn 6.4: before the message is whole.
    fn section_8_1_a_connection_fails_at_the_first_byte_that_is_no_utf_8(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/hooks");
        let mut bytes = frame(0x81, &[&b"good \xff"[..], &[b'x'; 1000]].concat()).masked();
        bytes.truncate(20);
        client.send_bytes(&bytes);
        assert_eq!(code(client.next().as_ref()), Some(1007));
        assert_eq!(client.next(), None);
    }

    fn section_4_2_requests_that_cannot_become_one(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let good = opening("/pair", "");
        for (from, to, status) in [
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12", 426),
            ("Sec-WebSocket-Version: 13\r\n", "", 426),
            ("Upgrade: websocket", "Upgrade: h2c", 426),
            ("Upgrade: websocket\r\n", "", 426),
            ("Connection: keep-alive, Upgrade\r\n", "", 426),
            ("HTTP/1.1", "HTTP/1.0", 426),
            ("GET", "POST", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "not base64 at all!!", 400),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
            // Nobody could tell where the frames begin.
            ("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx", 426),
        ] {
            for path in SPELLINGS {
                let request = good.replace("/pair", path).replacen(from, to, 1);
                let answer = ask_at(&server, &request);
                let is_hooks_own = path == "/hooks" && answer.starts_with("HTTP/1.1 200 ");
                assert!(is_hooks_own || answer.contains(&format!(" {status} ")), "{request}\n{answer}");
                if status == 426 && !is_hooks_own {
                    assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{answer}");
                }
            }
        }
        // Names and tokens have no case; there may be more of them.
        let other = good.replace("Upgrade: websocket", "upgrade: foo, WebSocket").replace("Connection: keep-alive, Upgrade", "CONNECTION: upgrade");
        WebSocketClient::ask(&server, &other).close(1000);
    }

    // RFC 7692; Autobahn's groups 12 and 13.
    fn rfc_7692_messages_are_compressed_where_the_client_offers_it(io) {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
        let none = "server_no_context_takeover; client_no_context_takeover";
        for (how, agreed) in [("shared", Some(format!("permessage-deflate; {none}"))), ("takeover", Some("permessage-deflate".into())), ("off", None)] {
            let (_app, server) = start(Way::tcp(io), &["--websocket-compression", how]);
            for path in SPELLINGS {
                let mut client = WebSocketClient::ask(&server, &opening(path, offer));
                assert_eq!(client.field("sec-websocket-extensions"), agreed.as_deref());
                if how == "off" {
                    client.send(&frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]));
                    assert_eq!(code(client.next().as_ref()), Some(1002));
                    continue;
                }
                // Section 7.2.3.1: Hello, twice; with the context the second is shorter.
                let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
                client.send(&frame(0xc1, &hello));
                assert_eq!(client.next_text(), "Hello");
                let again: &[u8] = if how == "takeover" { &[0xf2, 0x00, 0x11, 0x00, 0x00] } else { &hello };
                client.send(&frame(0xc1, again));
                assert_eq!(client.next_text(), "Hello");
                // Fragments of it, and a message that is not compressed.
                client.send_bytes(&[frame(0x41, &hello[..3]).masked(), frame(0x89, b"").masked(), frame(0x80, &hello[3..]).masked()].concat());
                assert_eq!(client.next(), Some(frame(0x8a, b"")));
                assert_eq!(client.next_text(), "Hello");
                // Text of a kibibyte comes back compressed.
                client.send(&Frame::text(&"long ".repeat(1000)));
                let answer = client.next().expect("a message");
                assert!(answer.first == 0xc1 && answer.payload.len() < 100, "{answer:?}");
                client.close(1000);
            }
        }
    }

    fn rfc_7692_section_8_what_a_compressed_message_becomes_is_bounded(io) {
        let (_app, server) = start(Way::tcp(io), &["--websocket-message-max", "4"]);
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let hello = frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        for path in SPELLINGS {
            assert_eq!(code(answers(&server, path, offer, std::slice::from_ref(&hello)).last()), Some(1009));
        }
        server.await_log("a message is larger than 4 bytes (--websocket-message-max)");
    }

    fn a_message_beyond_websocket_message_max_is_1009(io) {
        let (_app, server) = start(Way::tcp(io), &["--websocket-message-max", "1000"]);
        for path in SPELLINGS {
            let mut client = WebSocketClient::open(&server, path);
            client.send(&Frame::binary(&[1; 1000]));
            assert_eq!(client.next(), Some(Frame::binary(&[1; 1000])));
            client.close(1000);
            breaks(&server, path, &[Frame::binary(&[1; 1001])], 1009);
            breaks(&server, path, &[frame(0x02, &[1; 600]), frame(0x80, &[1; 600])], 1009);
        }
        server.await_log("close: 1009 the message is too large");
    }

    fn a_queue_beyond_websocket_queue_max_is_1013(io) {
        let (_app, server) = start(Way::tcp(io), &["--websocket-queue-max", "2M"]);
        let mut client = WebSocketClient::open(&server, "/hooks");
        client.send(&Frame::text("/swamp"));
        let mut last = None;
        while let Some(frame) = client.next() {
            if code(Some(&frame)).is_some() {
                client.send(&frame);
            }
            last = Some(frame);
        }
        assert_eq!(code(last.as_ref()), Some(1013));
        server.await_log("bytes wait to be sent (--websocket-queue-max)");
        server.await_log("close: 1013 ");
    }

    fn a_client_that_answers_no_ping_is_1006(io) {
        let (_app, server) = start(Way::tcp(io), &["--websocket-ping", "200ms", "--websocket-pong-timeout", "300ms"]);
        let mut client = WebSocketClient::open(&server, "/hooks");
        // One that answers lives on, beyond --idle-timeout and --request-timeout.
        for _ in 0..3 {
            assert_eq!(client.next(), Some(frame(0x89, b"")));
            client.send(&frame(0x8a, b""));
        }
        assert_eq!(client.next(), Some(frame(0x89, b"")));
        assert_eq!(client.next(), None);
        server.await_log("close: 1006 ");
    }

    fn a_client_that_answers_no_close_has_its_time(io) {
        let (_app, server) = start(Way::tcp(io), &["--websocket-close-timeout", "200ms", "--websocket-message-max", "10"]);
        let (_stays, mut other) = (WebSocketClient::open(&server, "/hooks"), server);
        let mut client = WebSocketClient::open(&other, "/hooks");
        other.signal(rustix::process::Signal::TERM);
        assert_eq!(code(client.next().as_ref()), Some(1001));
        assert_eq!(client.next(), None);
        assert!(other.await_exit(crate::support::SOON).success());
        assert_eq!(other.log().matches("close: 1006").count(), 2, "{}", other.log());
    }

    fn the_times_of_requests_do_not_end_a_socket(io) {
        let (_app, server) = start(Way::tcp(io), &["--idle-timeout", "100ms", "--request-timeout", "100ms", "--header-timeout", "100ms"]);
        for path in SPELLINGS {
            let mut client = WebSocketClient::open(&server, path);
            std::thread::sleep(std::time::Duration::from_millis(500));
            client.send(&Frame::text("still here"));
            assert_eq!(client.next_text(), "still here");
        }
    }

    fn a_flood_of_pings_from_who_reads_nothing_is_bounded(io) {
        let (_app, server) = start(Way::tcp(io), &["--websocket-message-max", "10"]);
        let mut flood = WebSocketClient::open(&server, "/hooks");
        flood.stream.set_nonblocking(true).expect("nonblocking");
        let pings = frame(0x89, &[7; 125]).masked().repeat(500);
        let before = server.rss_bytes();
        let mut sent = 0;
        for _ in 0..2000 {
            match flood.stream.write(&pings) {
                Ok(count) => sent += count,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
        // Others are served meanwhile.
        let mut client = WebSocketClient::open(&server, "/hooks");
        client.send(&Frame::text("x"));
        assert_eq!(client.next_text(), "x");
        assert!(sent > 1 << 20 && server.rss_bytes() < before + (16 << 20), "{sent}");
    }
}
