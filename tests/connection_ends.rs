//! How a connection ends, and what is left of it: answers are not lost to resets, descriptors come back.
//!
//! Owns: closes with bytes in flight, resets, requests that a drain finds unread. Must not know: limits.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::support::{App, Connection, SOON, Server, Way, eventually, get};
use rustix::process::Signal;

const APP: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/never") return new Promise(() => {});
    if (pathname === "/wait") await new Promise((resolve) => setTimeout(resolve, 300));
    if (pathname === "/busy") { const start = Date.now(); while (Date.now() - start < 400); }
    return new Response("answered");
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

/// All bytes to the end of the stream, which must be a FIN, under TLS after a close_notify.
fn read_to_fin(client: &mut Connection) -> String {
    let mut bytes = Vec::new();
    let stream = client.bytes();
    stream.set_read_timeout(SOON).expect("read timeout");
    stream.read_to_end(&mut bytes).expect("a FIN, not a reset");
    String::from_utf8_lossy(&bytes).into_owned()
}

every_way! {
    // RFC 9112 section 9.6: a reset could take the answer from the client.
    fn the_answer_to_an_unread_body_is_followed_by_fin_not_reset(way) {
        let (_app, server) = start(way, &[]);
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        for path in ["/", "/wait"] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"));
            // More than what is dropped so that the connection can go on, by less than what the close reads.
            for _ in 0..66 {
                client.send(&chunk);
            }
            let text = read_to_fin(&mut client);
            assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("answered"), "{path}: {text}");
        }
    }

    // What the handler does not read of a body is dropped, so that the connection can go on: up to 1 MiB.
    fn an_unread_body_is_dropped_up_to_a_mebibyte_and_beyond_it_the_connection_closes(way) {
        let (_app, server) = start(way, &["--body-max", "4M"]);
        for (length, goes_on) in [(1 << 20, true), ((1 << 20) + 1, false)] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"));
            let response = client.response("POST");
            assert_eq!((response.text(), response.says_close()), ("answered", !goes_on), "{length}");
            if goes_on {
                client.send("x".repeat(length));
                assert_eq!(client.get("/").text(), "answered");
            } else {
                assert!(read_to_fin(&mut client).is_empty());
            }
        }
    }

    // RFC 8446 section 6.1: by a close_notify, or the client could not tell the end from a cut.
    fn an_idle_client_sees_an_end_in_order(way) {
        let (_app, server) = start(way, &["--idle-timeout", "300ms", "--header-timeout", "300ms"]);
        let mut silent = Connection::open(server.place());
        assert!(read_to_fin(&mut silent).is_empty());
        let mut kept = Connection::open(server.place());
        assert_eq!(kept.get("/").text(), "answered");
        assert!(read_to_fin(&mut kept).is_empty());
        let mut late = Connection::open(server.place());
        late.send("GET / HTTP/1.1\r\nHost:");
        assert!(read_to_fin(&mut late).starts_with("HTTP/1.1 408 "));
        let (_app, mut server) = start(way, &["--idle-timeout", "60s"]);
        let mut kept = Connection::open(server.place());
        assert_eq!(kept.get("/").text(), "answered");
        server.signal(Signal::TERM);
        assert!(read_to_fin(&mut kept).is_empty(), "at a drain");
        assert_eq!(server.await_exit(SOON).code(), Some(0), "{}", server.log());
    }

    // RFC 9110 section 9.3.2.
    fn a_refused_head_request_gets_no_content(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("HEAD / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\n\r\n");
        let text = read_to_fin(&mut client);
        assert!(text.starts_with("HTTP/1.1 413 ") && text.ends_with("\r\n\r\n"), "{text}");
    }

    fn a_connection_reset_while_its_handler_waits_is_given_up(way) {
        if way.over == Over::Unix {
            return; // which knows no reset: a close is the end of what the client sends, as a FIN is
        }
        let (_app, server) = start(way, &["--request-timeout", "60s"]);
        assert_eq!(Connection::open(server.place()).get("/").status, 200);
        let base = server.fd_count();
        let clients: Vec<Connection> = (0..20)
            .map(|_| {
                let mut client = Connection::open(server.place());
                assert_eq!(client.get("/").status, 200);
                client.send(get("/never"));
                client
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100)); // the requests are with the app
        clients.into_iter().for_each(Connection::reset);
        eventually("the descriptors are closed", || server.fd_count() <= base);
    }

    fn requests_that_come_while_one_waits_are_answered_in_order(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send(get("/wait"));
        std::thread::sleep(Duration::from_millis(50));
        // A Unix socket holds a few hundred, and this client reads nothing before it has sent all.
        let many = if way.over == Over::Unix { 100 } else { 2000 };
        for _ in 0..many {
            client.send(get("/"));
        }
        client.finish();
        let text = read_to_fin(&mut client);
        assert_eq!(text.matches("HTTP/1.1 200 ").count(), many + 1);
    }

    fn a_request_sent_before_sigterm_is_answered_though_unread(way) {
        let (_app, mut server) = start(way, &[]);
        let mut kept = Connection::open(server.place());
        assert_eq!(kept.get("/").status, 200);
        let mut busy = Connection::open(server.place());
        busy.send(get("/busy"));
        std::thread::sleep(Duration::from_millis(100)); // the worker is in the handler
        kept.send(get("/"));
        let mut fresh = Connection::open(server.place());
        fresh.send(get("/"));
        server.signal(Signal::TERM);
        for client in [&mut busy, &mut kept, &mut fresh] {
            assert_eq!(client.response("GET").text(), "answered");
            assert!(client.read_to_end().is_empty());
        }
        assert_eq!(server.await_exit(SOON).code(), Some(0), "{}", server.log());
    }

    fn a_client_that_never_stops_sending_is_cut(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        let (start, block) = (Instant::now(), [b'x'; 64 << 10]);
        while client.bytes().write_all(&block).is_ok() {
            assert!(start.elapsed() < SOON, "the server still takes what follows a refused request");
        }
    }
}

every_way! {
    // A refused client gets a little time, and as little may it send: what it sends costs us work.
    fn a_refused_client_sends_no_gigabytes(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999\r\n\r\n");
        let (start, block) = (Instant::now(), [b'x'; 64 << 10]);
        let mut sent = 0;
        while start.elapsed() < SOON {
            match client.bytes().write(&block) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        // The bound, and what the kernel takes on both sides.
        assert!(sent < 32 << 20, "{sent} bytes were taken after the answer");
        assert!(start.elapsed() < SOON, "the server waits for a client that was refused");
        assert_eq!(Connection::open(server.place()).get("/").status, 200);
    }

    fn a_client_that_drips_does_not_keep_its_seat_after_a_refusal(way) {
        let flags = ["--connections-max", "1", "--request-timeout", "200ms", "--body-timeout", "60s", "--body-max", "1K"];
        let (_app, server) = start(way, &flags);
        for (length, status) in [("1000", 503), ("1025", 413)] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST /never HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\nx"));
            assert_eq!(client.response("POST").status, status);
            let mut next = Connection::open(server.place());
            next.send(get("/"));
            let start = Instant::now();
            while next.stays_silent(Duration::from_millis(50)) {
                client.try_send("x");
                assert!(start.elapsed() < SOON, "the seat of a request that got {status} is not free");
            }
            assert_eq!(next.response("GET").text(), "answered");
        }
    }

    // RFC 9112 section 9.6: what the answer says must not be lost to a reset, whatever the client sends.
    fn an_answer_that_is_read_slowly_arrives_whole_though_its_client_goes_on_talking(way) {
        let app = app!(fetch "return new Response('y'.repeat(8 << 20), { headers: { connection: 'close' } })");
        let server = Server::spawn_at(way, &["--workers", "1"], app.path());
        let mut client = Connection::open(server.place());
        client.send(get("/"));
        let stream = client.bytes();
        stream.set_read_timeout(SOON).expect("read timeout");
        let (mut bytes, mut buffer) = (0, [0; 64 << 10]);
        loop {
            let count = stream.read(&mut buffer).expect("the answer and a FIN");
            if count == 0 {
                break;
            }
            bytes += count;
            // Longer than the time of a client that has everything.
            std::thread::sleep(Duration::from_millis(20));
            let _ = stream.write(b"x");
        }
        assert!(bytes > 8 << 20, "{bytes}");
    }
}

#[test]
fn port_0_twice_is_two_ports() {
    let app = app!(APP);
    let url = "http://127.0.0.1:0";
    let server = Server::spawn(&["--listen", url, "--listen", url], app.path());
    let [(_, first), (_, second)] = server.addresses() else { panic!("{}", server.start_line()) };
    assert_ne!(first, second);
    for addr in [*first, *second] {
        assert_eq!(Connection::open(addr).get("/").text(), "answered");
    }
}
