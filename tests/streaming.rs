//! Bodies that come in pieces, both ways: back-pressure, framing, and every way in which they end early.
//!
//! Owns: an app of streams and clients that read slowly, leave, or send in pieces. Must not know: how
//! streams work inside.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use crate::support::{App, Connection, SOON, Server, Way, eventually, get};

const APP: &str = r#"
const seen = { pulls: 0, cancelled: "", aborted: "", read: 0 };
const note = (request) => request.signal.addEventListener("abort", () => { seen.aborted = request.signal.reason.name; });
const utf8 = (text) => new TextEncoder().encode(text);
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const n = Number(searchParams.get("n"));
    switch (pathname) {
      case "/seen": return Response.json(seen);
      case "/generator": return new Response((async function* () { for (let i = 0; i < 3; i++) { yield `part ${i}\n`; await null; } })());
      case "/sync": return new Response(new ReadableStream({ pull(c) { c.enqueue(utf8("now")); c.close(); } }));
      case "/large": {
        note(request);
        const block = new Uint8Array(65536).fill(120);
        let left = n;
        seen.pulls = 0;
        return new Response(new ReadableStream({
          pull(c) { seen.pulls++; if (left <= 0) return c.close(); c.enqueue(block); left -= block.length; },
          cancel(reason) { seen.cancelled = reason.name; },
        }, { highWaterMark: 0 }));
      }
      case "/events": {
        note(request);
        return new Response(new ReadableStream({
          start(c) { c.enqueue(utf8("data: 1\n\n")); },
          cancel(reason) { seen.cancelled = reason.name; },
        }));
      }
      case "/wait": return new Promise((_, refuse) => { note(request); seen.read++; request.signal.addEventListener("abort", () => refuse(request.signal.reason)); });
      case "/fails": return new Response((async function* () { yield "begun"; throw new Error("in the middle"); })());
      case "/length": return new Response(new ReadableStream({ pull(c) { c.enqueue(utf8("12345")); c.close(); }, cancel(reason) { seen.cancelled = String(reason); } }), { headers: { "content-length": `${n}` } });
      case "/headless": return new Response(new ReadableStream({ cancel(reason) { seen.cancelled = `${reason}`; } }), { headers: { "x": "y" } });
      case "/echo": return new Response(request.body);
      case "/late-echo": await null; return new Response(request.body);
      case "/through": return new Response(request.body.pipeThrough(new TransformStream({ transform(chunk, c) { c.enqueue(chunk); } })));
      case "/gunzip": return new Response(request.body.pipeThrough(new DecompressionStream("gzip")));
      case "/count": { let all = 0; for await (const chunk of request.body) all += chunk.length; return new Response(String(all)); }
      case "/first": { const { value } = await request.body.getReader().read(); return new Response(new TextDecoder().decode(value.slice(0, 5))); }
      case "/held": { const reader = request.body.getReader(); await reader.read(); await new Promise((done) => setTimeout(done, n)); return new Response("held"); }
      case "/both": { const copy = request.clone(); const text = await copy.text(); return new Response(text + "|" + await new Response(request.body).text()); }
      case "/drop": await request.body.cancel(); return new Response("dropped");
      case "/error": try { for await (const piece of request.body) seen.read += piece.length; } catch (error) { seen.cancelled = error.message; throw error; }
    }
    return new Response("none", { status: 404 });
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn seen(server: &Server) -> String {
    Connection::open(server.place()).get("/seen").text().to_owned()
}

fn post(target: &str, fields: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

every_way! {
    // RFC 9112 section 7.1; the connection goes on.
    fn a_stream_is_sent_in_chunks_and_requests_follow(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        for _ in 0..2 {
            let response = client.get("/generator");
            assert_eq!(response.text(), "part 0\npart 1\npart 2\n");
            assert_eq!(response.field("transfer-encoding"), Some("chunked"));
            assert_eq!(response.field("content-type"), None);
            assert_eq!(client.get("/sync").text(), "now");
        }
        client.send([get("/generator"), get("/sync"), get("/seen"), get("/generator")].concat());
        for wanted in ["part 0", "now", "{", "part 0"] {
            assert!(client.response("GET").text().starts_with(wanted));
        }
    }

    // RFC 9110 section 9.3.2.
    fn head_and_204_cancel_the_stream(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("HEAD /headless HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.response("HEAD").field("x"), Some("y"));
        assert!(client.get("/seen").text().contains(r#""cancelled":"undefined""#));
    }

    fn a_declared_length_is_kept_to(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        let response = client.get("/length?n=5");
        assert_eq!((response.text(), response.field("content-length")), ("12345", Some("5")));
        assert!(!response.says_close());
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/length?n=3").text(), "123");
        assert!(client.read_to_end().is_empty(), "nothing more, and the end");
        server.await_log("longer than the Content-Length");
        let mut client = Connection::open(server.place());
        client.send(get("/length?n=9"));
        assert!(client.try_response("GET").is_err_and(|why| why.contains("cut")));
        server.await_log("shorter than the Content-Length");
    }

    fn an_error_in_the_middle_is_no_clean_end(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send(get("/fails"));
        assert!(client.try_response("GET").is_err_and(|why| why.contains("cut")));
        server.await_log("the body's stream failed: Error: in the middle");
    }

    fn a_client_that_leaves_a_quiet_stream_is_noticed(way) {
        let (_app, server) = start(way, &[]);
        let base = server.fd_count();
        let mut client = Connection::open(server.place());
        client.send(get("/events"));
        client.read_exactly(64);
        drop(client);
        eventually("the stream is cancelled", || seen(&server).contains(r#""cancelled":"AbortError","aborted":"AbortError""#));
        eventually("the connection is closed", || server.fd_count() <= base);
    }

    fn a_client_that_leaves_before_the_answer_aborts_the_signal(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send(get("/wait"));
        eventually("the request is with the app", || seen(&server).contains(r#""read":1"#));
        drop(client);
        eventually("the signal aborts", || seen(&server).contains(r#""aborted":"AbortError""#));
        assert!(!server.log().contains("ERROR"), "it is no failure of the app's");
    }

    fn a_started_answer_that_sends_nothing_ends_with_the_idle_timeout(way) {
        let (_app, server) = start(way, &["--request-timeout", "100ms", "--idle-timeout", "500ms"]);
        let mut client = Connection::open(server.place());
        client.send(get("/events"));
        assert!(client.try_response("GET").is_err_and(|why| why.contains("cut")));
        server.await_log("the response's stream has sent nothing for 500 ms (--idle-timeout)");
        assert!(seen(&server).contains(r#""cancelled":"TimeoutError""#));
    }

    // RFC 9110 section 10.1.1: 100 comes before the answer, once the body is read.
    fn a_stream_of_a_body_asks_for_it_first(way) {
        let (_app, server) = start(way, &[]);
        for target in ["/echo", "/late-echo", "/count"] {
            let mut client = Connection::open(server.place());
            client.send(post(target, "Content-Length: 5\r\nExpect: 100-continue\r\n"));
            assert_eq!(client.response("POST").status, 100, "{target}");
            client.send("hello");
            let text = client.response("POST").text().to_owned();
            assert_eq!(text, if target == "/count" { "5" } else { "hello" });
        }
    }

    fn bodies_are_read_in_part_dropped_and_cloned(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        assert_eq!(client.post("/first", b"hello and more").text(), "hello");
        assert_eq!(client.post("/drop", &[b'x'; 100_000]).text(), "dropped");
        assert_eq!(client.post("/both", b"twice").text(), "twice|twice");
        assert_eq!(client.post("/count", &[b'x'; 300_000]).text(), "300000");
    }

    fn limits_hold_for_bodies_that_are_streamed(way) {
        let (_app, server) = start(way, &["--body-max", "100K", "--body-timeout", "300ms"]);
        let mut client = Connection::open(server.place());
        client.send(post("/count", "Transfer-Encoding: chunked\r\n"));
        client.try_send(chunk(&[b'x'; 60 << 10]));
        client.try_send(chunk(&[b'x'; 60 << 10]));
        assert_eq!(client.response("POST").status, 413);
        let mut client = Connection::open(server.place());
        client.send(post("/error", "Content-Length: 10\r\n"));
        client.send("12345");
        assert_eq!(client.response("POST").status, 408);
        eventually("the script hears of it", || seen(&server).contains("stalled"));
        // Once the answer has begun, its end is all that can tell.
        let mut client = Connection::open(server.place());
        client.send(post("/echo", "Content-Length: 10\r\n"));
        client.send("12345");
        assert!(client.try_response("POST").is_err_and(|why| why.contains("cut")));
    }

    fn a_client_that_leaves_in_its_body_is_an_error_of_the_stream(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send(post("/error", "Content-Length: 10\r\n"));
        client.send("12345");
        eventually("the app reads", || seen(&server).contains(r#""read":5"#));
        drop(client);
        eventually("the script hears of it", || seen(&server).contains("closed the connection"));
    }

    // RFC 9112 section 6.3: the end of the connection ends it.
    fn http_1_0_gets_a_stream_until_the_end(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("GET /generator HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response("GET");
        assert!(response.close_delimited && response.says_close());
        assert_eq!(response.text(), "part 0\npart 1\npart 2\n");
        // The client must see that a body is cut.
        let mut client = Connection::open(server.place());
        client.send("GET /fails HTTP/1.0\r\nHost: test\r\n\r\n");
        let mut bytes = Vec::new();
        client.bytes().set_read_timeout(SOON).expect("read timeout");
        let end = client.bytes().read_to_end(&mut bytes).map_err(|error| error.kind());
        match way.over {
            Over::Tcp => assert_eq!(end, Err(ErrorKind::ConnectionReset)),
            // There it is an end without a close_notify as well.
            Over::Tls => assert!(matches!(end, Err(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)), "{end:?}"),
            // A Unix socket has no reset: the log tells it, and whoever proxies must speak HTTP/1.1.
            Over::Unix => assert!(end.is_ok(), "{end:?}"),
        }
        server.await_log("the body's stream failed");
    }

    fn a_slow_reader_holds_the_stream_back(way) {
        let (_app, server) = start(way, &["--request-timeout", "60s"]);
        let base = server.rss_bytes();
        let mut client = Connection::open(server.place());
        if let Some(stream) = client.bytes().tcp() {
            socket2::SockRef::from(stream).set_recv_buffer_size(64 << 10).expect("SO_RCVBUF");
        }
        client.send(get("/large?n=104857600"));
        client.read_exactly(64 << 10);
        // It stops once the kernel's buffers are full, and goes on when they are read.
        let mut before = String::new();
        eventually("the stream is not pulled any more", || {
            thread::sleep(Duration::from_millis(100));
            let now = seen(&server);
            std::mem::replace(&mut before, now.clone()) == now
        });
        let pulls: usize = before.split(r#""pulls":"#).nth(1).and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap();
        assert!(pulls < 400, "{pulls} of 1600 pieces were made ahead");
        assert!(server.rss_bytes() < base + (16 << 20));
        client.read_exactly(8 << 20);
        eventually("it is pulled again", || seen(&server) != before);
        // A client that leaves in the middle.
        client.reset();
        eventually("stream and signal hear of it", || {
            let seen = seen(&server);
            seen.contains(r#""cancelled":"AbortError","aborted":"AbortError""#)
        });
    }

    fn a_request_body_is_passed_on(way) {
        let (_app, server) = start(way, &[]);
        let large: Vec<u8> = (0..900_000_u32).map(|i| (i % 251) as u8).collect();
        let mut client = Connection::open(server.place());
        for target in ["/echo", "/late-echo", "/through"] {
            let bytes = [post(target, "Content-Length: 900000\r\n").into_bytes(), large.clone()].concat();
            client.send_while_reading(&bytes, &mut |_| ());
            let response = client.response("POST");
            assert!(response.body == large, "{target}: {} bytes", response.body.len());
            assert!(!response.says_close(), "{target}");
        }
        // In chunks, one by one there and back.
        client.send(post("/echo", "Transfer-Encoding: chunked\r\n"));
        client.send(chunk(b"one"));
        let head = client.read_exactly(88);
        assert!(head.ends_with(b"3\r\none\r\n") || head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        client.send(chunk(b"two"));
        client.send("0\r\n\r\n");
        let rest = client.read_to_silence();
        assert!(rest.ends_with("3\r\ntwo\r\n0\r\n\r\n"), "{rest}");
        assert_eq!(client.get("/sync").text(), "now");
    }

    fn a_body_that_is_not_read_on_is_not_received(way) {
        let (_app, server) = start(way, &["--body-max", "200M", "--body-timeout", "300ms"]);
        let base = server.rss_bytes();
        let mut client = Connection::open(server.place());
        client.send(post("/held?n=700", "Content-Length: 100000000\r\n"));
        let writer = client.bytes();
        writer.set_write_timeout(Duration::from_millis(100)).expect("write timeout");
        let block = [b'x'; 64 << 10];
        let mut sent = 0;
        while let Ok(bytes) = writer.write(&block) {
            sent += bytes;
            assert!(sent < 50_000_000, "the server takes what nobody reads");
        }
        assert!(server.rss_bytes() < base + (16 << 20));
        // The handler was slow, not the client: no 408.
        assert!(String::from_utf8_lossy(&client.read_exactly(12)).starts_with("HTTP/1.1 200"));
    }

    fn large_bodies_take_no_memory(way) {
        const LARGE: usize = 100 << 20;
        let (_app, server) = start(way, &["--body-max", "200M", "--request-timeout", "120s"]);
        Connection::open(server.place()).get("/large?n=1000000");
        let base = server.rss_bytes();
        let mut peak = base;
        for target in ["/count", "/echo"] {
            let mut client = Connection::open(server.place());
            client.send(post(target, &format!("Content-Length: {LARGE}\r\n")));
            let (block, mut got) = (vec![b'x'; 1 << 20], 0);
            for _ in 0..LARGE / block.len() {
                client.send_while_reading(&block, &mut |buffer| {
                    if target == "/echo" {
                        got += buffer.len();
                        buffer.clear();
                    }
                });
                peak = peak.max(server.rss_bytes());
            }
            while target == "/echo" && got < LARGE {
                got += client.read_exactly(1).len() + client.take_buffered().len();
            }
            peak = peak.max(server.rss_bytes());
            if target == "/count" {
                assert_eq!(client.response("POST").text(), LARGE.to_string());
            }
        }
        let mut client = Connection::open(server.place());
        client.send(get(&format!("/large?n={LARGE}")));
        let mut got = 0;
        while got < LARGE {
            got += client.read_exactly(64 << 10).len();
            peak = peak.max(server.rss_bytes());
        }
        assert!(peak < base + (64 << 20), "{} MiB above the base", (peak - base) >> 20);
    }
}
