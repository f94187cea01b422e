//! Replies that are sent before the request's body has arrived: who still reads the body gets it, within the
//! same limits, and the connection goes on.
//!
//! Owns: `ctx.waitUntil` and other readers behind a reply. Must not know: other limits.

use std::time::Duration;

use crate::support::{App, Connection, Server, Way};

const APP: &str = r#"
const events = [];
const note = (name, promise) => promise.then((got) => events.push(`${name} ${got}`), (e) => events.push(`${name} ${e.name}: ${e.message}`));
const pause = (ms) => new Promise((go) => setTimeout(go, ms));
const count = async (body) => { let n = 0; for await (const part of body) n += part.length; return n; };
const readers = {
  text: (request) => request.text(),
  stream: (request) => count(request.body),
  clone: async (request) => { const copy = request.clone(); return (await Promise.all([request.text(), copy.text()])).map((t) => t.length).join("+"); },
  later: async (request) => { await pause(100); return request.text(); },
  never: async (request) => { await pause(400); return request.text(); },
  cancel: async (request) => { const reader = request.body.getReader(); await reader.read(); await reader.cancel("enough"); return "cancelled"; },
  form: async (request) => (await request.formData()).get("a"),
};
export default {
  async fetch(request, env, ctx) {
    const [, how, when] = new URL(request.url).pathname.split("/");
    if (how === "events") return Response.json(events.splice(0));
    if (!readers[how]) return new Response("next");
    if (when === "awaited") await null, await pause(1);
    ctx.waitUntil(note(how, readers[how](request)));
    if (when === "stream") return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("early")); c.close(); } }));
    return new Response("early", { status: 202 });
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

/// What the readers came to, once there are `count`.
fn events(server: &Server, count: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    crate::support::eventually("what became of the readers", || {
        let response = Connection::open(server.place()).get("/events");
        all.extend(serde_json::from_str::<Vec<String>>(response.text()).expect("JSON"));
        all.len() >= count
    });
    all
}

/// Sends the head, reads the reply, sends the body: what the reader got, and that the connection goes on.
fn late(server: &Server, path: &str, framing: &str, body: &str) -> Vec<String> {
    let mut client = Connection::open(server.place());
    client.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n"));
    let response = client.response("POST");
    assert_eq!((response.text(), response.says_close()), ("early", false), "{path}");
    client.send(body);
    assert_eq!(client.get("/").text(), "next", "{path}");
    events(server, 1)
}

every_way! {
    fn a_body_that_comes_after_the_reply_reaches_its_reader(way) {
        let (_app, server) = start(way, &[]);
        let length = "Content-Length: 12";
        for when in ["", "/awaited", "/stream"] {
            assert_eq!(late(&server, &format!("/text{when}"), length, "HELLO-WORLD!"), ["text HELLO-WORLD!"]);
            assert_eq!(late(&server, &format!("/stream{when}"), length, "HELLO-WORLD!"), ["stream 12"]);
            assert_eq!(late(&server, &format!("/clone{when}"), length, "HELLO-WORLD!"), ["clone 12+12"]);
            let chunked = "Transfer-Encoding: chunked";
            assert_eq!(late(&server, &format!("/text{when}"), chunked, "5\r\nhello\r\n0\r\n\r\n"), ["text hello"]);
            let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3";
            assert_eq!(late(&server, &format!("/form{when}"), form, "a=1"), ["form 1"]);
        }
    }

    fn a_reader_that_begins_after_the_reply_gets_a_body_that_is_small(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(late(&server, "/later", "Content-Length: 5", "hello"), ["later hello"]);
    }

    fn a_large_body_after_the_reply_reaches_its_reader(way) {
        let (_app, server) = start(way, &["--body-max", "16M"]);
        let body = "x".repeat(4 << 20);
        for (how, expected) in [("stream", "stream 4194304"), ("clone", "clone 4194304+4194304")] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST /{how} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
            assert_eq!(client.response("POST").text(), "early", "{how}");
            client.send(&body);
            assert_eq!(events(&server, 1), [expected]);
        }
    }

    // RFC 9110 section 10.1.1: nothing comes before it.
    fn a_client_that_waits_for_100_continue_is_told_before_the_reply(way) {
        let (_app, server) = start(way, &[]);
        for when in ["", "/awaited", "/stream"] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST /text{when} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
            assert_eq!(client.response("POST").status, 100, "{when}");
            assert_eq!(client.response("POST").text(), "early", "{when}");
            client.send("hello");
            assert_eq!(client.get("/").text(), "next", "{when}");
            assert_eq!(events(&server, 1), ["text hello"], "{when}");
        }
    }

    fn a_connection_that_closes_waits_for_the_body_that_is_read(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("POST /text HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.response("POST").text(), "early");
        client.send("hello");
        assert!(client.read_to_end().is_empty());
        assert_eq!(events(&server, 1), ["text hello"]);
    }

    fn limits_hold_after_the_reply(way) {
        let (_app, server) = start(way, &["--body-max", "10", "--body-timeout", "300ms"]);
        let mut client = Connection::open(server.place());
        client.send("POST /text HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(client.response("POST").text(), "early");
        client.send("b\r\nhello world\r\n");
        client.read_to_end();
        let told = "text TypeError: The request body is larger than the limit (--body-max)";
        assert_eq!(events(&server, 1), [told]);
        server.await_log("413: the body is larger than 10 bytes (--body-max)");
        let mut client = Connection::open(server.place());
        client.send("POST /text HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.response("POST").text(), "early");
        client.read_to_end();
        assert!(events(&server, 1)[0].contains("stalled for too long"));
        server.await_log("408: the body paused for 300 ms (--body-timeout)");
    }

    fn a_client_that_leaves_after_the_reply_is_what_its_reader_hears(way) {
        let (_app, server) = start(way, &[]);
        for how in ["text", "stream"] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST /{how} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n"));
            assert_eq!(client.response("POST").text(), "early");
            drop(client);
            let told = "TypeError: The client closed the connection before the request body ended";
            assert_eq!(events(&server, 1), [format!("{how} {told}")]);
        }
    }

    fn a_body_that_was_not_read_in_time_says_so(way) {
        let (_app, server) = start(way, &["--body-max", "16M"]);
        let mut client = Connection::open(server.place());
        client.send("POST /never HTTP/1.1\r\nHost: test\r\nContent-Length: 900000\r\n\r\n");
        assert_eq!(client.response("POST").text(), "early");
        client.send("x".repeat(900_000));
        assert_eq!(client.get("/").text(), "next");
        let told = "never TypeError: The request body was not read before the response was sent";
        assert_eq!(events(&server, 1), [told]);
    }

    fn a_reader_that_stops_lets_the_connection_go_on(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("POST /cancel HTTP/1.1\r\nHost: test\r\nContent-Length: 300000\r\n\r\n");
        assert_eq!(client.response("POST").text(), "early");
        client.send("x".repeat(100_000));
        std::thread::sleep(Duration::from_millis(50));
        client.send("x".repeat(200_000));
        assert_eq!(client.get("/").text(), "next");
        assert_eq!(events(&server, 1), ["cancel cancelled"]);
    }
}
