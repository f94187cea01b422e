//! Each limit of HTTP and of connections is reached, with what the client sees then.
//!
//! Owns: one test per limit, with a flag that makes it small. Must not know: JavaScript's limits.

use std::time::{Duration, Instant};

use crate::support::{self, App, Connection, Server, Way, get};

const APP: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/big") return new Response("x".repeat(32 * 1024 * 1024));
    if (pathname === "/never") return new Promise(() => {});
    if (pathname === "/body") return new Response(String((await request.arrayBuffer()).byteLength));
    return new Response("ok");
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

/// The server still answers somebody else.
fn still_serves(server: &Server) {
    assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
}

/// The answer to `bytes` is `status` and the end of the connection.
fn refused(server: &Server, bytes: impl AsRef<[u8]>, status: u16) {
    let mut client = Connection::open(server.place());
    client.try_send(bytes);
    let response = client.response("GET");
    assert_eq!(response.status, status, "{:?}", response.fields);
    assert!(response.says_close(), "{:?}", response.fields);
    client.read_to_end();
    still_serves(server);
}

/// How long the connection lasts after what was sent.
fn lasts(client: &mut Connection) -> Duration {
    let start = Instant::now();
    client.read_to_end();
    start.elapsed()
}

/// A timeout of 300 ms fired: not at once, and not seconds later.
fn is_about_300_ms(time: Duration) {
    assert!(time >= Duration::from_millis(200) && time < Duration::from_secs(3), "took {time:?}");
}

every_way! {
    fn header_max_is_431(way) {
        let (_app, server) = start(way, &["--header-max", "1K"]);
        let request = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n", "a".repeat(bytes));
        let mut client = Connection::open(server.place());
        client.send(request(900));
        assert_eq!(client.response("GET").status, 200);
        refused(&server, request(1100), 431);
        // Without an end: refused at the limit, not after a timeout.
        refused(&server, format!("GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}", "a".repeat(2000)), 431);
    }

    fn header_fields_max_is_431(way) {
        let (_app, server) = start(way, &["--header-fields-max", "10"]);
        let request = |fields: usize| {
            let more: String = (1..fields).map(|n| format!("X-{n}: v\r\n")).collect();
            format!("GET / HTTP/1.1\r\nHost: test\r\n{more}\r\n")
        };
        let mut client = Connection::open(server.place());
        client.send(request(10));
        assert_eq!(client.response("GET").status, 200);
        refused(&server, request(11), 431);
    }

    fn target_max_is_414(way) {
        let (_app, server) = start(way, &["--target-max", "100"]);
        let target = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert_eq!(Connection::open(server.place()).get(&target(100)).status, 200);
        refused(&server, get(&target(101)), 414);
    }

    fn body_max_is_413_before_reading(way) {
        let (_app, server) = start(way, &["--body-max", "1K"]);
        assert_eq!(Connection::open(server.place()).post("/body", &[b'x'; 1024]).text(), "1024");
        let head = "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 1025\r\n";
        // No byte of the body is sent, and none is asked for by 100 Continue.
        refused(&server, format!("{head}\r\n"), 413);
        refused(&server, format!("{head}Expect: 100-continue\r\n\r\n"), 413);
        refused(&server, "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999999999\r\n\r\n", 413);
    }

    fn body_max_holds_for_chunked_bodies(way) {
        let (_app, server) = start(way, &["--body-max", "1K"]);
        let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
        let head = "POST /body HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut client = Connection::open(server.place());
        client.send(format!("{head}{chunk}0\r\n\r\n"));
        assert_eq!(client.response("POST").text(), "1024");
        refused(&server, format!("{head}{chunk}1\r\ny\r\n"), 413);
    }

    fn header_timeout_is_408_however_slowly_bytes_come(way) {
        let (_app, server) = start(way, &["--header-timeout", "300ms"]);
        let mut client = Connection::open(server.place());
        let start = Instant::now();
        for byte in b"GET / HTTP/1.1\r\nX-Slow-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if !client.try_send([*byte]) || !client.stays_silent(Duration::from_millis(20)) {
                break;
            }
        }
        let response = client.response("GET");
        is_about_300_ms(start.elapsed());
        assert_eq!((response.status, response.says_close()), (408, true));
        client.read_to_end();
        still_serves(&server);
    }

    fn body_timeout_is_408(way) {
        let (_app, server) = start(way, &["--body-timeout", "300ms"]);
        let mut client = Connection::open(server.place());
        client.send("POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf");
        let start = Instant::now();
        let response = client.response("POST");
        is_about_300_ms(start.elapsed());
        assert_eq!(response.status, 408);
        client.read_to_end();
        still_serves(&server);
    }

    fn idle_timeout_closes(way) {
        let (_app, server) = start(way, &["--idle-timeout", "300ms"]);
        let mut fresh = Connection::open(server.place());
        is_about_300_ms(lasts(&mut fresh));
        let mut used = Connection::open(server.place());
        assert_eq!(used.get("/").status, 200);
        let start = Instant::now();
        assert!(used.read_to_end().is_empty(), "an idle connection is closed without a word");
        is_about_300_ms(start.elapsed());
        still_serves(&server);
    }

    fn few_receive_buffers_serve_many_uploads(way) {
        let app = app!(fetch "return new Response(String((await request.bytes()).length));");
        let server = Server::spawn_at(way, &["--workers", "1", "--recv-buffers", "64K"], app.path());
        let mut clients: Vec<Connection> = (0..40).map(|_| Connection::open(server.place())).collect();
        for client in &mut clients {
            client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
            client.send([b'x'; 60_000]);
        }
        for client in &mut clients {
            assert_eq!(client.response("POST").text(), "60000");
        }
    }

    fn a_busy_worker_is_no_idle_client(way) {
        let app = app!(fetch
            "if (request.url.endsWith('/busy')) for (const end = Date.now() + 600; Date.now() < end;);
             return new Response('ok');"
        );
        let flags = ["--workers", "1", "--idle-timeout", "200ms", "--cpu-max", "10s"];
        let server = Server::spawn_at(way, &flags, app.path());
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/").text(), "ok");
        let mut busy = Connection::open(server.place());
        busy.send(get("/busy"));
        std::thread::sleep(Duration::from_millis(50));
        // It arrives within the time, and is read after it: the worker was elsewhere.
        client.send(get("/"));
        assert_eq!(client.response("GET").text(), "ok");
        assert_eq!(busy.response("GET").text(), "ok");
    }

    fn write_timeout_closes_a_client_that_does_not_read(way) {
        let (_app, server) = start(way, &["--write-timeout", "2s", "--idle-timeout", "60s"]);
        let mut watch = Connection::open(server.place());
        assert_eq!(watch.get("/").text(), "ok");
        let base = server.fd_count();
        let mut client = Connection::open(server.place());
        client.send(get("/big"));
        support::eventually("the connection is there", || server.fd_count() > base);
        let start = Instant::now();
        support::eventually("the stalled connection is closed", || server.fd_count() <= base);
        // The time-out and a tenth of it, from when the kernel's buffers are full: a busy machine that seals what goes into them
        // needs two seconds for that. Not the idle time-out.
        let took = start.elapsed();
        assert!(took > Duration::from_millis(1800) && took < Duration::from_secs(6), "took {took:?}");
        assert!(client.read_to_end().len() < 32 << 20, "the response was not cut");
        assert_eq!(watch.get("/").text(), "ok");
    }

    fn request_timeout_is_503_and_the_others_go_on(way) {
        let (_app, server) = start(way, &["--request-timeout", "300ms"]);
        let mut client = Connection::open(server.place());
        client.send(get("/never"));
        let start = Instant::now();
        still_serves(&server);
        let response = client.response("GET");
        is_about_300_ms(start.elapsed());
        assert_eq!(response.status, 503);
        still_serves(&server);
    }

    fn pipelined_max_stops_reading(way) {
        let (_app, server) = start(way, &["--pipelined-max", "4", "--body-max", "1M", "--request-timeout", "60s"]);
        still_serves(&server);
        let mut client = Connection::open(server.place());
        client.bytes().set_nonblocking(true).expect("non-blocking");
        // The first request never ends; what follows must stop being read, at the latest when the
        // sockets' buffers are full. Without the limit the server takes all of it.
        let request = format!("GET / HTTP/1.1\r\nHost: test\r\nX-Fill: {}\r\n\r\n", "f".repeat(8000));
        assert!(client.try_send(get("/never")));
        let (mut sent, mut refusals) = (0_usize, 0);
        while sent < 64 << 20 && refusals < 100 {
            match std::io::Write::write(client.bytes(), request.as_bytes()) {
                Ok(bytes) => (sent, refusals) = (sent + bytes, 0),
                Err(_) => {
                    refusals += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        assert!(sent < 64 << 20, "the server read {sent} bytes behind a request that was not answered");
        assert!(server.rss_bytes() < 256 << 20);
        still_serves(&server);
    }

    fn connections_max_pauses_accept_and_recovers(way) {
        if way.over == Over::Tls {
            return; // a client that waits to be accepted has no TLS yet
        }
        let (_app, server) = start(way, &["--connections-max", "4", "--idle-timeout", "60s"]);
        let mut held: Vec<Connection> = (0..4).map(|_| Connection::open(server.place())).collect();
        for client in &mut held {
            assert_eq!(client.get("/").text(), "ok");
        }
        let mut waiting = Connection::open(server.place()); // the kernel's backlog takes it
        waiting.send(get("/"));
        assert!(waiting.stays_silent(Duration::from_millis(200)), "more connections than the limit are served");
        let busy = server.cpu();
        assert!(waiting.stays_silent(Duration::from_millis(300)));
        assert!(server.cpu() - busy < Duration::from_millis(150), "the paused accept spins");
        drop(held.pop());
        assert_eq!(waiting.response("GET").text(), "ok");
        assert_eq!(held[0].get("/").text(), "ok");
    }
}

both_backends! {
    fn stack_max_bounds_the_depth_of_calls(io) {
        let app = app!(fetch
            "let depth = 0;
             const deeper = () => { depth++; deeper(); };
             try { deeper(); } catch (error) { if (!(error instanceof RangeError)) throw error; }
             return new Response(String(depth));"
        );
        let depth = |size: &str| {
            let server = Server::spawn(&["--io", io, "--workers", "1", "--stack-max", size], app.path());
            Connection::open(server.addr()).get("/").text().parse::<u32>().expect("a depth")
        };
        let (small, large) = (depth("64K"), depth("512K"));
        assert!(small > 10 && large > small * 4, "{small} calls in 64K, {large} in 512K");
    }
}
