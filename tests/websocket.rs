//! The `websocket` hooks of an app's default export, and `ctx.upgrade`.
//!
//! Owns: what a hook is given, what becomes of what it sends. Must not know: rules of frames (websocket_rules.rs), the
//! classes (websocket_classes.rs).

use crate::support::server::run_to_end;
use crate::support::websocket::opening;
use crate::support::{App, Frame, SOON, Server, Way, WebSocketClient, ask_at, eventually};
use rustix::process::Signal;

const APP: &str = r#"
const text = (data) => typeof data === "string" ? data : `${data.constructor.name} ${[...data]}`;
const kept = [];
const tries = {
  data: (ws) => ws.send(JSON.stringify([ws.data, ws.readyState, ws.protocol, ws.remoteAddress, ws.url, ws.bufferedAmount])),
  kinds: (ws) => {
    ws.send("é"); ws.send(new Uint8Array([1, 2, 3]).subarray(1)); ws.send(new Uint8Array([4]).buffer);
    ws.sendText("t"); ws.sendBinary(new DataView(new Uint8Array([5, 6]).buffer, 1)); ws.send("\ud800"); ws.send("");
  },
  wrong: (ws) => {
    const name = (f) => { try { f(); return "none"; } catch (error) { return error.name; } };
    ws.send([name(() => ws.send(5)), name(() => ws.send()), name(() => ws.sendText(new Uint8Array(1))),
      name(() => ws.sendBinary("x")), name(() => ws.close(1005)), name(() => ws.close(5000)), name(() => ws.close(1000, "x".repeat(124))),
      name(() => ws.ping("x".repeat(126))), name(() => ws.close.call({}))].join());
  },
  names: (ws) => ws.send(Object.getOwnPropertyNames(Object.getPrototypeOf(ws)).join()),
  close: (ws) => { ws.close(4001, "as the app wants"); ws.send("never"); },
  plain: (ws) => ws.close(),
  terminate: (ws) => ws.terminate(),
  throws: () => { throw new Error("hook failed on purpose"); },
  rejects: async () => { await 1; throw new Error("hook rejected on purpose"); },
  later: (ws) => { setTimeout(() => { ws.send("la"); ws.send("ter"); }, 20); },
  ping: (ws) => ws.ping("are you there"),
  pong: (ws) => ws.pong(new Uint8Array([7])),
  flood: (ws) => { let full = 0; while (ws.send("x".repeat(100_000))) full++; ws.data.full = full; },
  swamp: (ws) => { let sent = 0; while (ws.readyState === 1) { ws.send("x".repeat(1 << 20)); sent++; } console.log(`swamp: ${sent}`); },
  keep: (ws, data) => { kept.push(ws); },
  kept: (ws) => { for (const other of kept) other.send("from another"); },
  keeps: (ws) => { ws.data.bytes = []; },
  jobs: (ws) => { Promise.resolve().then(() => ws.send("1")).then(() => ws.send("2")); },
};
export default {
  fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/plain") return new Response("no WebSocket");
    if (pathname === "/options")
      return ctx.upgrade(request, { data: 5, protocol: "b", headers: { "x-a": "1", "Set-Cookie": "c=d" } });
    if (pathname === "/late") return new Promise((resolve) => setTimeout(() => resolve(ctx.upgrade(request)), 20));
    return ctx.upgrade(request, { data: { search } }) ?? new Response("upgrade me", { status: 426 });
  },
  websocket: {
    open(ws) { if (ws.url.endsWith("/greets")) ws.send("hello"); },
    message(ws, data) {
      if (typeof data === "string" && data.startsWith("/")) return tries[data.slice(1)](ws);
      if (ws.data?.bytes) { ws.data.bytes.push(data); ws.send(String(ws.data.bytes.map(text))); return; }
      ws.send(data);
    },
    ping(ws, data) { console.log(`ping: ${text(data)}`); },
    pong(ws, data) { ws.send(`pong ${text(data)}`); },
    drain(ws) { if (ws.data?.full) ws.send(`drained after ${ws.data.full > 5} ${ws.bufferedAmount}`); },
    error(ws, error) { console.log(`error: ${error.message}`); },
    close(ws, code, reason, wasClean) { console.log(`close: ${code} ${reason} ${wasClean} ${ws.readyState} ${ws.send("x")}`); },
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

every_way! {
    fn messages_come_back_as_they_were_sent(way) {
        let (_app, server) = start(way, &[]);
        let mut client = WebSocketClient::open(&server, "/");
        assert_eq!(client.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            for frame in [Frame::text(&"*".repeat(length)), Frame::binary(&vec![0xfe; length])] {
                client.send(&frame);
                assert_eq!(client.next(), Some(frame), "{length}");
            }
        }
        // Several in one piece.
        let many: Vec<u8> = (0..1000).flat_map(|n| Frame::text(&n.to_string()).masked()).collect();
        client.send_bytes(&many);
        for n in 0..1000 {
            assert_eq!(client.next_text(), n.to_string());
        }
        assert_eq!(client.close(1000), Frame::close(1000, ""));
        server.await_log("close: 1000  true 3 false");
    }

    fn nothing_behind_the_request_is_lost(way) {
        let (_app, server) = start(way, &[]);
        // A request before, and frames in the same piece.
        let mut bytes = b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
        bytes.extend_from_slice(opening("/greets", "").as_bytes());
        bytes.extend(Frame::text("early").masked());
        bytes.extend(Frame::text("/kinds").masked());
        let mut client = WebSocketClient::request(server.place(), &bytes);
        assert!(client.head.starts_with("HTTP/1.1 200 "), "{}", client.head);
        client.skip_answer("no WebSocket");
        assert!(client.head.starts_with("HTTP/1.1 101 "), "{}", client.head);
        assert_eq!((client.next_text(), client.next_text()), ("hello".into(), "early".into()));
        assert_eq!(client.next(), Some(Frame::text("é")));
    }

    fn a_request_for_none_is_answered_by_the_app(way) {
        let (_app, server) = start(way, &[]);
        let plain = ask_at(&server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(plain.starts_with("HTTP/1.1 426 ") && plain.contains("\r\nUpgrade: websocket\r\n"), "{plain}");
        // The connection goes on.
        assert!(plain.ends_with("upgrade me"), "{plain}");
    }
}

both_backends! {
    fn a_hook_is_given_what_the_app_and_the_client_said(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/path?query");
        client.send(&Frame::text("/data"));
        let (addr, text) = (server.addr(), client.next_text());
        let url = "ws://localhost/path?query";
        assert_eq!(text, format!(r#"[{{"search":"?query"}},1,"","{}","{url}",0]"#, addr.ip()));
        client.send(&Frame::text("/wrong"));
        let names = "TypeError,TypeError,TypeError,TypeError,RangeError,RangeError,RangeError,RangeError,TypeError";
        assert_eq!(client.next_text(), names);
        client.send(&Frame::text("/names"));
        let names = client.next_text();
        for name in "send sendText sendBinary close terminate ping pong data readyState bufferedAmount remoteAddress protocol".split(' ') {
            assert!(names.split(',').any(|known| known == name), "{name}: {names}");
        }
    }

    fn each_kind_of_data_is_sent_as_what_it_is(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/");
        client.send(&Frame::text("/kinds"));
        for frame in [Frame::text("é"), Frame::binary(&[2, 3]), Frame::binary(&[4]), Frame::text("t"), Frame::binary(&[6]),
            Frame::text("\u{fffd}"), Frame::text("")] {
            assert_eq!(client.next(), Some(frame));
        }
        // What comes as bytes is the app's own.
        client.send(&Frame::text("/keeps"));
        for (bytes, seen) in [(&[1, 2][..], "Uint8Array 1,2"), (&[3][..], "Uint8Array 1,2,Uint8Array 3")] {
            client.send(&Frame::binary(bytes));
            assert_eq!(client.next_text(), seen);
        }
    }

    fn upgrade_takes_data_fields_and_a_protocol_that_the_client_offers(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let client = WebSocketClient::ask(&server, &opening("/options", "Sec-WebSocket-Protocol: a, b\r\n"));
        let fields = ["sec-websocket-protocol", "x-a", "set-cookie"].map(|name| client.field(name));
        assert_eq!(fields, [Some("b"), Some("1"), Some("c=d")]);
        let refused = WebSocketClient::request(server.place(), opening("/options", "").as_bytes());
        assert!(refused.head.starts_with("HTTP/1.1 500 "), "{}", refused.head);
        server.await_log("the client does not offer the protocol \"b\"");
        WebSocketClient::open(&server, "/late").close(1000);
    }

    fn the_app_closes_with_its_code_and_the_client_answers(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        for (say, close, log) in [
            ("/close", Frame::close(4001, "as the app wants"), "close: 4001 answered true"),
            ("/plain", Frame::close(1000, ""), "close: 1000 answered true"),
            ("/throws", Frame::close(1011, ""), "close: 1011 answered true"),
            ("/rejects", Frame::close(1011, ""), "close: 1011 answered true"),
        ] {
            let mut client = WebSocketClient::open(&server, "/");
            client.send(&Frame::text(say));
            assert_eq!(client.next(), Some(close.clone()), "{say}");
            let code = u16::from_be_bytes([close.payload[0], close.payload[1]]);
            client.send(&Frame::close(code, "answered"));
            assert_eq!(client.next(), None);
            server.await_log(log);
        }
        server.await_log("in websocket.message: Error: hook failed on purpose");
        server.await_log("in websocket.message: Error: hook rejected on purpose");
        let mut client = WebSocketClient::open(&server, "/");
        client.send(&Frame::text("/terminate"));
        assert_eq!(client.next(), None);
        server.await_log("close: 1006  false");
    }

    fn a_client_that_leaves_without_a_word_is_1006(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        drop(WebSocketClient::open(&server, "/"));
        server.await_log("error: the connection ");
        server.await_log("close: 1006  false 3 false");
    }

    fn what_is_sent_outside_of_a_hook_leaves(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/");
        client.send(&Frame::text("/later"));
        assert_eq!((client.next_text(), client.next_text()), ("la".into(), "ter".into()));
        client.send(&Frame::text("/jobs"));
        assert_eq!((client.next_text(), client.next_text()), ("1".into(), "2".into()));
        client.send(&Frame::text("/keep"));
        let mut other = WebSocketClient::open(&server, "/");
        other.send(&Frame::text("/kept"));
        assert_eq!(client.next_text(), "from another");
    }

    fn pings_are_answered_and_heard_of(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/");
        client.send(&Frame { first: 0x89, payload: b"p".to_vec() });
        assert_eq!(client.next(), Some(Frame { first: 0x8a, payload: b"p".to_vec() }));
        server.await_log("ping: Uint8Array 112");
        client.send(&Frame::text("/ping"));
        assert_eq!(client.next(), Some(Frame { first: 0x89, payload: b"are you there".to_vec() }));
        client.send(&Frame { first: 0x8a, payload: vec![1] });
        assert_eq!(client.next_text(), "pong Uint8Array 1");
        client.send(&Frame::text("/pong"));
        assert_eq!(client.next(), Some(Frame { first: 0x8a, payload: vec![7] }));
    }

    fn send_says_when_much_waits_and_drain_when_it_is_gone(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/");
        client.send(&Frame::text("/flood"));
        let mut floods = 0;
        let last = loop {
            let frame = client.next().expect("a frame");
            match frame.payload.len() {
                100_000 => floods += 1,
                _ => break frame,
            }
        };
        assert_eq!((last, floods > 5), (Frame::text("drained after true 0"), true));
    }

    fn a_drain_closes_with_1001_and_waits_for_the_clients(io) {
        let (_app, mut server) = start(Way::tcp(io), &[]);
        let mut clients: Vec<_> = (0..3).map(|_| WebSocketClient::open(&server, "/")).collect();
        server.signal(Signal::TERM);
        for client in &mut clients {
            assert_eq!(client.next(), Some(Frame::close(1001, "the server goes away")));
        }
        for client in clients {
            client.answer_close(1001);
        }
        assert!(server.await_exit(SOON).success());
        assert_eq!(server.log().matches("close: 1001  true").count(), 3, "{}", server.log());
    }

    fn descriptors_and_memory_of_sockets_come_back(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let before = server.fd_count();
        let clients: Vec<_> = (0..50).map(|_| WebSocketClient::open(&server, "/")).collect();
        drop(clients);
        eventually("descriptors", || server.fd_count() <= before + 2);
    }
}

#[test]
fn an_app_with_hooks_needs_a_fetch() {
    let app = app!("export default { websocket: { message() {} } };");
    let ended = run_to_end(&["check".to_owned(), app.path().display().to_string()]);
    assert!(ended.stderr.contains("`websocket` needs a `fetch`"), "{}", ended.stderr);
}
