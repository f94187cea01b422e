//! The reverse proxy: what an upstream gets, what of its answer comes back, what happens when it fails.
//!
//! Owns: upstreams of literal bytes, and servers of ours behind one. Must not know: fields one by one
//! (`handlers/src/http/proxy/fields.rs` has their table).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::static_files::{ask, folder, root};
use crate::support::{ClosedPort, Connection, Frame, Over, Place, SOON, Server, Way, WebSocketClient};

/// An upstream that gives each connection to `serve`, with the bytes of the head that came.
fn upstream(serve: impl Fn(TcpStream, String) + Send + Sync + 'static) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("an address");
    let (seen, heads) = channel();
    std::thread::spawn(move || {
        let serve = std::sync::Arc::new(serve);
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(SOON)).expect("timeout");
            let head = read_head(&mut stream);
            let _ = seen.send(head.clone());
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream, head));
        }
    });
    (addr, heads)
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head is ASCII")
}

/// An upstream with one answer for all.
fn fixed(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    upstream(move |mut stream, _| {
        let _ = stream.write_all(answer.as_bytes());
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// A server of nothing but rules.
fn proxy(io: &str, flags: &[&str]) -> Server {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(["--io", io, "--workers", "1", "--port", "0"]).args(flags);
    Server::start(command)
}

both_backends! {
    // RFC 9110 section 7.6, as it is on the wire.
    fn an_upstream_gets_the_request_without_what_is_the_connections(io) {
        let (addr, heads) = fixed(OK);
        let server = proxy(io, &["--proxy", &format!("/api=http://{addr}"), "--proxy", &format!("/strip=http://{addr}/v1?strip&host=upstream")]);
        let mut client = Connection::open(server.addr());
        let answer = ask(&mut client, "GET", "/api/a%20b?x=1&y", "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Kept: 2\r\nX-Forwarded-For: 9.9.9.9\r\nTE: trailers\r\n");
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        let head = heads.recv_timeout(SOON).expect("a request").to_lowercase();
        assert!(head.starts_with("get /api/a%20b?x=1&y http/1.1\r\n"), "{head}");
        for line in ["host: test", "x-kept: 2", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "x-forwarded-host: test", "forwarded: for=127.0.0.1;proto=http;host=test", "via: 1.1 jsserve"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
        }
        for name in ["x-hop", "te:", "user-agent", "accept", "connection: x", "9.9.9.9", "content-length", "transfer-encoding"] {
            assert!(!head.contains(name), "{name} in {head}");
        }
        for (target, sent) in [("/strip/x?y", "/v1/x?y"), ("/strip", "/v1/"), ("/strip?q", "/v1/?q")] {
            assert_eq!(client.get(target).text(), "ok");
            let head = heads.recv_timeout(SOON).expect("a request");
            assert!(head.starts_with(&format!("GET {sent} HTTP/1.1\r\n")), "{head}");
            assert!(head.contains(&format!("{addr}\r\n")), "Host is the upstream's: {head}");
        }
        // A path that is no rule's, and one that could lead out of it.
        assert_eq!(client.get("/apix").status, 404);
        for target in ["/api/../x", "/api/%2e%2e/x", "/api/.%2E/x", "/api/./x"] {
            assert_eq!(Connection::open(server.addr()).get(target).status, 400, "{target}");
        }
        assert!(heads.try_recv().is_err());
    }

    fn bodies_stream_both_ways_framed_anew(io) {
        let app = app!("export default { async fetch(request) { const fields = [...request.headers].filter(([name]) => ['content-length', 'transfer-encoding'].includes(name)); return new Response(request.body, { headers: { 'x-framing': JSON.stringify(fields), 'x-method': request.method } }) } }");
        let behind = Server::spawn(&["--workers", "1"], app.path());
        let server = proxy(io, &["--proxy", &format!("/=http://{}", behind.addr())]);
        let mut client = Connection::open(server.addr());
        let posted = client.post("/", b"hello");
        assert_eq!((posted.text(), posted.field("x-framing")), ("hello", Some(r#"[["content-length","5"]]"#)));
        client.send("PUT / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        let chunked = client.response("PUT");
        assert_eq!((chunked.text(), chunked.field("x-method"), chunked.field("x-framing")), ("abc", Some("PUT"), Some(r#"[["transfer-encoding","chunked"]]"#)));
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        assert!(String::from_utf8_lossy(&client.read_exactly(25)).starts_with("HTTP/1.1 100 Continue\r\n\r\n"));
        client.send("hi");
        assert_eq!(client.response("POST").text(), "hi");
        let head = ask(&mut client, "HEAD", "/", "");
        assert_eq!((head.status, head.field("x-method")), (200, Some("HEAD")));
    }

    fn an_answer_comes_back_as_it_is(io) {
        for (answer, status, text) in [
            ("HTTP/1.1 404 Gone Fishing\r\nContent-Length: 1\r\nSet-Cookie: a=1\r\nX-A: b\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\nx", 404, "x"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-Trailer: 1\r\n\r\n", 200, "abc"),
            ("HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nuntil the end", 200, "until the end"),
            ("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", 204, ""),
            ("HTTP/1.1 301 Moved Permanently\r\nX-A: b\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 301, ""),
        ] {
            let (addr, _heads) = fixed(answer);
            let server = proxy(io, &["--proxy", &format!("/=http://{addr}")]);
            let mut client = Connection::open(server.addr());
            let got = client.get("/");
            assert_eq!((got.status, got.text(), got.field("x-a")), (status, text, Some("b")), "{answer}");
            for name in ["x-hop", "keep-alive", "x-trailer"] {
                assert_eq!(got.field(name), None, "{answer}");
            }
            assert!(!answer.contains("Fishing") || got.reason == "Gone Fishing");
        }
    }

    fn an_upstream_that_gives_no_answer_is_502_or_504(io) {
        let refused = ClosedPort::new();
        let (silent, _a) = upstream(|stream, _| { std::thread::sleep(Duration::from_secs(20)); drop(stream) });
        let (closes, _b) = upstream(|stream, _| drop(stream));
        let (garbage, _c) = fixed("this is no HTTP\r\n\r\n");
        let (short, _d) = fixed("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc");
        let rules: Vec<String> = [("refused", SocketAddr::from(([127, 0, 0, 1], refused.number()))), ("silent", silent), ("closes", closes), ("garbage", garbage), ("short", short)]
            .iter().map(|(name, addr)| format!("/{name}=http://{addr}")).collect();
        let mut flags: Vec<&str> = rules.iter().flat_map(|rule| ["--proxy", rule.as_str()]).collect();
        flags.extend(["--proxy-head-timeout", "300ms"]);
        let server = proxy(io, &flags);
        for (path, status) in [("/refused", 502), ("/silent", 504), ("/closes", 502), ("/garbage", 502)] {
            let answer = Connection::open(server.addr()).get(path);
            assert_eq!(answer.status, status, "{path}");
        }
        server.await_log("it cannot be reached");
        server.await_log("it does not answer");
        let mut client = Connection::open(server.addr());
        client.send("GET /short HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(client.try_response("GET").is_err(), "an answer that breaks off is not taken for a whole one");
        server.await_log("its answer broke off");
    }

    fn a_request_goes_on_to_the_next_upstream_only_when_that_does_no_harm(io) {
        let refused = ClosedPort::new();
        let (closes, dropped) = upstream(|stream, _| drop(stream));
        let (good, heads) = fixed(OK);
        let server = proxy(io, &[
            "--proxy", &format!("/refused=http://127.0.0.1:{},http://{good}", refused.number()),
            "--proxy", &format!("/closes=http://{closes},http://{good}"),
        ]);
        // Nothing was sent: any request may be.
        let posted = Connection::open(server.addr()).post("/refused", b"body");
        assert_eq!((posted.status, posted.text()), (200, "ok"));
        assert!(heads.recv_timeout(SOON).expect("a request").starts_with("POST /refused"));
        // It is passed over for a while now.
        assert_eq!(Connection::open(server.addr()).get("/refused").text(), "ok");
        // Something was sent: a second GET does no harm, a second POST may.
        assert_eq!(Connection::open(server.addr()).get("/closes").text(), "ok");
        assert!(dropped.recv_timeout(SOON).expect("a request").starts_with("GET /closes"));
        server.await_log("the next is asked");
        let (closes, dropped) = upstream(|stream, _| drop(stream));
        let (good, heads) = fixed(OK);
        let server = proxy(io, &["--proxy", &format!("/=http://{closes},http://{good}")]);
        assert_eq!(Connection::open(server.addr()).post("/", b"").status, 502);
        assert!(dropped.recv_timeout(SOON).expect("a request").starts_with("POST /"));
        assert!(heads.try_recv().is_err(), "a POST is not sent twice");
    }

    fn connections_to_an_upstream_are_kept_and_upstreams_have_turns(io) {
        let name = |name: &str| app!(&format!("let n = 0; export default {{ fetch: (request, env, ctx) => new Response(`{name} ${{ctx.peer.port}}`) }}"));
        let (one, two) = (name("one"), name("two"));
        let (one, two) = (Server::spawn(&["--workers", "1"], one.path()), Server::spawn(&["--workers", "1"], two.path()));
        let server = proxy(io, &["--proxy", &format!("/=http://{},http://{}", one.addr(), two.addr())]);
        let mut client = Connection::open(server.addr());
        let answers: Vec<String> = (0..4).map(|_| client.get("/").text().to_owned()).collect();
        assert_eq!((&answers[0], &answers[1]), (&answers[2], &answers[3]), "the same connections");
        assert_ne!(answers[0].split(' ').next(), answers[1].split(' ').next(), "{answers:?}");
    }

    fn a_unix_socket_is_an_upstream(io) {
        let app = app!("export default { fetch: (request) => new Response(request.url) }");
        let behind = Server::spawn_at(Way { over: Over::Unix, ..Way::tcp(io) }, &["--workers", "1"], app.path());
        let Place::Unix(path) = behind.place() else { panic!("a Unix socket") };
        let server = proxy(io, &["--proxy", &format!("/=unix:{}", path.display())]);
        assert_eq!(Connection::open(server.addr()).get("/x").text(), "http://test/x");
    }

    fn websockets_and_event_streams_pass_through(io) {
        let app = app!("export default { fetch(request, env, ctx) { if (new URL(request.url).pathname === '/refuse') return new Response('not here', { status: 403 }); if (request.headers.get('upgrade')) return ctx.upgrade(request); let send; const body = new ReadableStream({ start(controller) { controller.enqueue(new TextEncoder().encode('data: 1\\n\\n')); send = setTimeout(() => controller.enqueue(new TextEncoder().encode('data: 2\\n\\n')), 50) } }); return new Response(body, { headers: { 'content-type': 'text/event-stream' } }) }, websocket: { message(socket, message) { if (message === 'bye') socket.close(4000, 'done'); else socket.send(message) } } }");
        let behind = Server::spawn(&["--workers", "1"], app.path());
        let server = proxy(io, &["--proxy", &format!("/=http://{}", behind.addr())]);
        let mut socket = WebSocketClient::open(&server, "/ws");
        for size in [1, 100, 70_000] {
            let frame = Frame::text(&"x".repeat(size));
            socket.send(&frame);
            assert!(socket.next() == Some(frame), "{size}");
        }
        socket.send(&Frame::text("bye"));
        assert_eq!(socket.next(), Some(Frame::close(4000, "done")));
        let mut client = Connection::open(server.addr());
        let refused = ask(&mut client, "GET", "/refuse", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        assert_eq!((refused.status, refused.text()), (403, "not here"));
        let mut events = Connection::open(server.addr());
        events.send("GET /events HTTP/1.1\r\nHost: test\r\n\r\n");
        let mut seen = String::new();
        while !seen.contains("data: 2") {
            seen.push_str(&String::from_utf8_lossy(&events.read_exactly(1)));
        }
    }

    fn rules_stand_in_a_settings_file_and_in_redirects(io) {
        let (addr, heads) = fixed(OK);
        let toml = format!("[[proxy]]\npath = \"/api\"\nto = [\"http://{addr}\"]\nstrip = true\nhost = \"a.test\"\nmax-fails = 3\nfail-timeout = \"5s\"\n");
        let site = folder(&[("index.html", "home"), ("jsserve.toml", &toml), ("_redirects", &format!("/far/* http://{addr}/v2/:splat 200"))]);
        let server = Server::spawn(&["--io", io, "--workers", "1"], root(&site));
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/").text(), "home");
        assert_eq!(client.get("/api/x").text(), "ok");
        let head = heads.recv_timeout(SOON).expect("a request").to_lowercase();
        assert!(head.starts_with("get /x http/1.1\r\n") && head.contains("host: a.test\r\n"), "{head}");
        assert_eq!(client.get("/far/a/b?q").text(), "ok");
        let head = heads.recv_timeout(SOON).expect("a request").to_lowercase();
        assert!(head.starts_with("get /v2/a/b?q http/1.1\r\n") && head.contains(&format!("host: {addr}\r\n")), "{head}");
    }

    fn a_trusted_proxys_word_is_kept(io) {
        let (addr, heads) = fixed(OK);
        let server = proxy(io, &["--trusted-proxies", "127.0.0.1", "--proxy", &format!("/=http://{addr}")]);
        let mut client = Connection::open(server.addr());
        assert_eq!(ask(&mut client, "GET", "/", "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\n").text(), "ok");
        let head = heads.recv_timeout(SOON).expect("a request").to_lowercase();
        for line in ["x-forwarded-for: 203.0.113.7, 127.0.0.1", "x-forwarded-proto: https", "x-forwarded-host: a.test"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
        }
    }
}

/// Both ways: what passes is many times of what may wait.
#[test]
fn a_large_body_passes_in_bounded_memory() {
    const BLOCKS: usize = 96;
    let app = app!(
        "const block = new Uint8Array(1 << 20); export default { async fetch(request) { if (request.method === 'POST') { let n = 0; for await (const chunk of request.body) n += chunk.length; return new Response(String(n)) } let left = Number(new URL(request.url).search.slice(1)); return new Response(new ReadableStream({ pull(c) { if (left-- > 0) c.enqueue(block.slice()); else c.close() } }), { headers: { 'x-a': 'b' } }) } }"
    );
    let behind = Server::spawn(&["--workers", "1", "--body-max", "1G"], app.path());
    let server = proxy("auto", &["--body-max", "1G", "--proxy", &format!("/=http://{}", behind.addr())]);
    let mut client = Connection::open(server.addr());
    assert_eq!(client.get("/?1").body.len(), 1 << 20);
    let before = server.rss_bytes();
    client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", BLOCKS << 20));
    let block = vec![b'x'; 1 << 20];
    (0..BLOCKS).for_each(|_| client.send(&block));
    assert_eq!(client.response("POST").text(), (BLOCKS << 20).to_string());
    client.send(format!("GET /?{BLOCKS} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
    // A client that begins late: what it does not take waits in front of the proxy.
    std::thread::sleep(Duration::from_millis(300));
    let (mut all, mut piece) = (0, vec![0; 1 << 20]);
    loop {
        match client.stream().read(&mut piece).expect("read") {
            0 => break,
            bytes => all += bytes,
        }
    }
    assert!(all > BLOCKS << 20, "{all}");
    let grown = server.rss_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[test]
fn mistakes_in_rules_are_told_at_start() {
    use crate::support::server::run_to_end;
    for (words, expected) in [
        (&["--proxy", "api=http://a"][..], "--proxy api=http://a: \"api\" is no path that begins with /"),
        (&["--proxy", "/api=ftp://a"], "ftp is no protocol of an upstream"),
        (&["--proxy", "/api"], "there is no = between path and URL"),
    ] {
        let ended = run_to_end(words);
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{ended:?}");
    }
    for (text, expected) in [
        ("[[proxy]]\nto = \"http://a\"", "1:1: proxy has no path"),
        ("[[proxy]]\npath = \"/\"", "1:1: proxy has no to"),
        ("[[proxy]]\npath = \"/\"\nto = \"http://a\"\nstrp = true", "4:1: unknown key proxy.strp"),
        ("[[proxy]]\npath = \"/\"\nto = 1", "3:6: proxy.to is a string, or an array of such, not an integer"),
    ] {
        let site = folder(&[("index.html", "home"), ("jsserve.toml", text)]);
        let ended = run_to_end(&[root(&site)]);
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{ended:?}");
    }
}
