//! `WebSocketPair` as Workers have it, `upgradeWebSocket` as Deno has it, and frameworks from npm on them.
//!
//! Owns: events, states, what these spellings do otherwise than the hooks. Must not know: rules of frames.

use crate::support::packages::answers;
use crate::support::websocket::opening;
use crate::support::{App, Frame, Server, Way, WebSocketClient, ask_at};

const APP: &str = r#"
import { upgradeWebSocket } from "jsserve:websocket";
const log = [];
const hear = (socket, name) => {
  socket.addEventListener("message", ({ data }) => {
    const kind = typeof data === "string" ? "text" : data.constructor.name;
    if (data === "/state") return socket.send(JSON.stringify([socket.readyState, socket.protocol, socket.binaryType, socket.url, socket.extensions, socket.bufferedAmount]));
    if (data === "/close") { socket.close(4002, "by the app"); socket.send("dropped"); return; }
    if (data === "/bare") return socket.close();
    if (data === "/blob") { socket.binaryType = "blob"; return socket.send("blobs"); }
    if (data === "/wrong") {
      const name = (f) => { try { f(); return "none"; } catch (error) { return error.name; } };
      return socket.send([name(() => socket.send()), name(() => socket.close(1005)), name(() => socket.close(1000, "x".repeat(124))),
        name(() => new WebSocketPair()[0].send("x")), name(() => new Response(null, { status: 101 })),
        name(() => new Response(null, { webSocket: {}, status: 101 })), name(() => new Response(null, { webSocket: new WebSocketPair()[0] })),
        name(() => new Response("x", { webSocket: new WebSocketPair()[0], status: 101 })), name(() => WebSocket.prototype.send.call({}, 1))].join());
    }
    if (data === "/throws") throw new Error("listener failed on purpose");
    if (kind === "Blob") return data.text().then((text) => socket.send(`blob ${text}`));
    socket.send(data);
    if (kind !== "text") socket.send(kind);
  });
  socket.onclose = (event) => console.log(`${name} close: ${event instanceof CloseEvent} ${event.code} ${event.reason} ${event.wasClean} ${socket.readyState}`);
  socket.addEventListener("error", (event) => console.log(`${name} error: ${event instanceof ErrorEvent} ${event.message}`));
};
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/deno") {
      if (request.headers.get("upgrade") !== "websocket") return new Response("none", { status: 400 });
      const { socket, response } = upgradeWebSocket(request, { protocol: request.headers.has("sec-websocket-protocol") ? "b" : undefined });
      hear(socket, "deno");
      let early = "none";
      try { socket.send("too early"); } catch (error) { early = error.name; }
      socket.onopen = (event) => socket.send(`${early} ${event.type} ${event.isTrusted}`);
      return response;
    }
    const { 0: client, 1: server } = new WebSocketPair();
    hear(server, "pair");
    server.accept();
    if (pathname === "/early") server.send("before the answer");
    const response = new Response(null, { status: 101, webSocket: client, headers: { "x-a": "1", "sec-websocket-protocol": "p" } });
    if (response.webSocket !== client || response.status !== 101) throw new Error("webSocket");
    if (pathname === "/twice") globalThis.kept ??= response;
    if (pathname === "/twice") return globalThis.kept;
    return pathname === "/wrapped" ? new Response(response.body, response) : response;
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

every_way! {
    fn messages_of_a_pair_come_back_as_they_were_sent(way) {
        let (_app, server) = start(way, &[]);
        for path in ["/", "/wrapped"] {
            let mut client = WebSocketClient::open(&server, path);
            assert_eq!((client.field("x-a"), client.field("sec-websocket-protocol")), (Some("1"), Some("p")));
            for length in [0, 126, 65_536] {
                client.send(&Frame::text(&"*".repeat(length)));
                assert_eq!(client.next(), Some(Frame::text(&"*".repeat(length))));
                client.send(&Frame::binary(&vec![7; length]));
                assert_eq!(client.next(), Some(Frame::binary(&vec![7; length])));
                assert_eq!(client.next_text(), "ArrayBuffer");
            }
            assert_eq!(client.close(3001), Frame::close(3001, ""));
            server.await_log("pair close: true 3001  true 3");
        }
    }
}

both_backends! {
    fn a_pair_is_as_workers_have_it(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let mut client = WebSocketClient::open(&server, "/early");
        assert_eq!(client.next_text(), "before the answer");
        client.send(&Frame::text("/state"));
        assert_eq!(client.next_text(), r#"[1,"p","arraybuffer","ws://localhost/early","",0]"#);
        client.send(&Frame::text("/wrong"));
        let names = "TypeError,InvalidAccessError,SyntaxError,TypeError,RangeError,TypeError,RangeError,TypeError,TypeError";
        assert_eq!(client.next_text(), names);
        client.send(&Frame::text("/blob"));
        assert_eq!(client.next_text(), "blobs");
        client.send(&Frame::binary(b"bytes"));
        assert_eq!(client.next_text(), "blob bytes");
        // What a listener throws is reported, and ends nothing.
        client.send(&Frame::text("/throws"));
        client.send(&Frame::text("on"));
        assert_eq!(client.next_text(), "on");
        server.await_log("listener failed on purpose");
        client.send(&Frame::text("/close"));
        assert_eq!(client.next(), Some(Frame::close(4002, "by the app")));
        client.send(&Frame::close(4002, "too"));
        assert_eq!(client.next(), None);
        server.await_log("pair close: true 4002 too true 3");
        let mut client = WebSocketClient::open(&server, "/");
        client.send(&Frame::text("/bare"));
        assert_eq!(client.next(), Some(Frame { first: 0x88, payload: Vec::new() }));
        client.send(&Frame { first: 0x88, payload: Vec::new() });
        assert_eq!(client.next(), None);
        server.await_log("pair close: true 1005  true 3");
        drop(WebSocketClient::open(&server, "/"));
        server.await_log("pair error: true the connection ");
        server.await_log("pair close: true 1006  false 3");
    }

    fn an_answer_101_to_who_did_not_ask_is_426_and_the_pair_hears_of_it(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let answer = ask_at(&server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let has = |field: &str| answer.contains(&format!("\r\n{field}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 426 ") && has("Sec-WebSocket-Version: 13"), "{answer}");
        assert!(has("Upgrade: websocket") && has("Connection: upgrade"), "{answer}");
        server.await_log("pair close: true 1006  false 3");
        // One pair answers one request.
        WebSocketClient::open(&server, "/twice").close(1000);
        let again = ask_at(&server, &opening("/twice", ""));
        assert!(again.starts_with("HTTP/1.1 500 "), "{again}");
    }

    fn upgrade_web_socket_is_as_deno_has_it(io) {
        let (_app, server) = start(Way::tcp(io), &[]);
        let protocols = "Sec-WebSocket-Protocol: a, b\r\n";
        let mut client = WebSocketClient::ask(&server, &opening("/deno", protocols));
        assert_eq!(client.field("sec-websocket-protocol"), Some("b"));
        assert_eq!(client.next_text(), "InvalidStateError open true");
        client.send(&Frame::text("/state"));
        assert_eq!(client.next_text(), r#"[1,"b","blob","ws://localhost/deno","",0]"#);
        client.send(&Frame::binary(b"bytes"));
        assert_eq!(client.next_text(), "blob bytes");
        client.close(1000);
        server.await_log("deno close: true 1000  true 3");
        let none = ask_at(&server, "GET /deno HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(none.starts_with("HTTP/1.1 400 "), "{none}");
    }
}

/// What is said comes back, in capitals, and the server says when it is over.
fn echoes_in_capitals(server: &Server, path: &str) {
    let mut client = WebSocketClient::open(server, path);
    client.send(&Frame::text("hello"));
    assert_eq!(client.next_text(), "HELLO");
    client.close(1000);
    server.await_log("closed 1000");
}

#[test]
fn honos_helper_for_workers() {
    let source = "import { Hono } from 'hono';
        import { upgradeWebSocket } from 'hono/cloudflare-workers';
        const app = new Hono();
        app.get('/', (c) => c.text('hono'));
        app.get('/ws', upgradeWebSocket((c) => ({
            onMessage(event, ws) { ws.send(event.data.toUpperCase()) },
            onClose(event) { console.log('closed ' + event.code) },
        })));
        export default app;";
    let expected = [("/", 200, "hono")];
    let Some((_app, server)) = answers("hono", "app.js", &[("app.js", source)], &expected) else { return };
    echoes_in_capitals(&server, "/ws");
}
