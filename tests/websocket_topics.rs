//! Topics: what is published on one worker reaches the WebSockets of all.
//!
//! Owns: who gets what, in which order, how often. Must not know: other subscribers of topics.

use crate::support::{App, Frame, Server, Way, WebSocketClient};

const APP: &str = r#"
import shared, { publish } from "jsserve:shared";
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/publish") { publish("room", "from a request"); return new Response("published"); }
    return ctx.upgrade(request);
  },
  websocket: {
    open(ws) { ws.send(`${ws.subscribe("room")} ${ws.subscribe("room")} ${ws.isSubscribed("room")} ${ws.isSubscribed("other")}`); },
    message(ws, data) {
      if (data === "/leave") return ws.send(`${ws.unsubscribe("room")} ${ws.unsubscribe("room")} ${ws.isSubscribed("room")}`);
      if (data === "/wrong") {
        const name = (f) => { try { f(); return "none"; } catch (error) { return error.name; } };
        return ws.send([name(() => ws.subscribe("")), name(() => ws.subscribe("x".repeat(1025))), name(() => ws.publish("a", 5))].join());
      }
      if (data === "/many") { let count = 0; try { for (;;) { ws.subscribe(`topic ${count}`); count++; } } catch (error) { return ws.send(`${count} ${error.name} ${error.message}`); } }
      ws.publish("room", data);
    },
    close(ws, code) { console.log(`close: ${code}`); },
  },
};"#;

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(Way::tcp(io), &[&["--workers", "2"], flags].concat(), app.path());
    (app, server)
}

/// Clients, which the kernel gives to the workers as it likes.
fn clients(server: &Server, count: usize) -> Vec<WebSocketClient> {
    let mut clients: Vec<_> = (0..count).map(|_| WebSocketClient::open(server, "/")).collect();
    for client in &mut clients {
        assert_eq!(client.next_text(), "true false true false");
    }
    clients
}

both_backends! {
    fn a_message_reaches_each_other_client_once_in_its_publishers_order(io) {
        let (_app, server) = start(io, &[]);
        let mut clients = clients(&server, 20);
        for n in 0..100 {
            clients[0].send(&Frame::text(&n.to_string()));
        }
        clients[0].send(&Frame::binary(&[1, 2]));
        for client in &mut clients[1..] {
            for n in 0..100 {
                assert_eq!(client.next_text(), n.to_string());
            }
            assert_eq!(client.next(), Some(Frame::binary(&[1, 2])));
        }
        // The publisher itself gets none; what a request publishes all get.
        crate::support::ask_at(&server, "GET /publish HTTP/1.1\r\nHost: localhost\r\n\r\n");
        for client in &mut clients {
            assert_eq!(client.next_text(), "from a request");
        }
        clients[1].send(&Frame::text("/leave"));
        assert_eq!(clients[1].next_text(), "true false false");
        clients[0].send(&Frame::text("after"));
        assert_eq!(clients[2].next_text(), "after");
        clients[1].send(&Frame::text("/wrong"));
        assert_eq!(clients[1].next_text(), "RangeError,RangeError,TypeError");
    }

    fn long_text_is_compressed_for_who_can_read_it(io) {
        let (_app, server) = start(io, &[]);
        let mut clients = clients(&server, 4);
        let offer = crate::support::websocket::opening("/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        let mut other = WebSocketClient::ask(&server, &offer);
        other.next_text();
        let text = "long ".repeat(1000);
        clients[0].send(&Frame::text(&text));
        for client in &mut clients[1..] {
            assert_eq!(client.next_text(), text);
        }
        let frame = other.next().expect("a message");
        assert!(frame.first == 0xc1 && frame.payload.len() < 100, "{frame:?}");
    }

    fn subscriptions_have_a_limit_and_end_with_the_socket(io) {
        let (_app, server) = start(io, &["--subscriptions-max", "10"]);
        let mut clients = clients(&server, 2);
        clients[0].send(&Frame::text("/many"));
        let text = clients[0].next_text();
        assert!(text.starts_with("9 RangeError ") && text.contains("--subscriptions-max"), "{text}");
        drop(clients.remove(0));
        clients[0].send(&Frame::text("to nobody"));
        clients[0].send(&Frame::text("/leave"));
        assert_eq!(clients[0].next_text(), "true false false");
    }

    // Each of the others gets each message before the next is published, so that none of them is slow.
    fn a_client_that_stops_reading_loses_only_its_own_connection(io) {
        let (_app, server) = start(io, &["--websocket-queue-max", "1M"]);
        let mut clients = clients(&server, 6);
        let mut slow = clients.remove(3);
        let mut count = 0;
        while !server.log().contains("(--websocket-queue-max)") {
            let message = format!("{count} {}", "x".repeat(256 << 10));
            clients[0].send(&Frame::text(&message));
            for client in &mut clients[1..] {
                assert_eq!(client.next_text(), message);
            }
            count += 1;
            assert!(count < 400, "it is never closed: {}", server.log());
        }
        // What it had been sent before is whole and in order, then it is told.
        for n in 0.. {
            let frame = slow.next().expect("a frame");
            if frame.first == 0x88 {
                assert_eq!(frame.payload[..2], 1013_u16.to_be_bytes());
                break;
            }
            assert!(frame.payload.starts_with(format!("{n} x").as_bytes()), "message {n}");
        }
        slow.answer_close(1013);
        server.await_log("close: 1013");
        assert_eq!(server.log().matches("close: ").count(), 1, "{}", server.log());
        // The others go on, in both directions.
        clients[1].send(&Frame::text("on"));
        assert_eq!(clients[0].next_text(), "on");
        assert_eq!(clients[4].next_text(), "on");
    }
}
