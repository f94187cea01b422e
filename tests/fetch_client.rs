//! `fetch` in a served app and in scripts: what a proxy passes on, what it holds, how it ends.
//!
//! Owns: apps that fetch, and the servers that they ask. Must not know: how the client works inside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::client::raw;
use crate::support::server::run_to_end;
use crate::support::{App, Connection, Server, eventually, example};

const MIB: usize = 1 << 20;

/// A server that the apps ask: it answers by path, each connection on a thread of its own.
struct Origin {
    addr: SocketAddr,
    opened: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    /// Requests.
    asked: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
}

impl Origin {
    fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let addr = listener.local_addr().expect("an address");
        let counts: [Arc<AtomicUsize>; 4] = Default::default();
        let [opened, closed, asked, received] = counts.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let [opened, closed, asked, received] = counts.clone();
                opened.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while answer(&mut reader, &asked, &received).is_some() {}
                    drop(reader);
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Origin { addr, opened, closed, asked, received }
    }

    /// An app in which `origin` is this server's URL.
    fn app(&self, source: &str) -> App {
        App::new(&format!("const origin = \"http://{}\";\n{source}", self.addr))
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    fn await_asked(&self, count: usize) {
        eventually("the origin is asked", || self.asked.load(Ordering::SeqCst) >= count);
    }

    fn await_closed(&self, count: usize) {
        eventually("the connections to the origin end", || self.closed.load(Ordering::SeqCst) >= count);
    }
}

/// Reads a request and answers it; `None` when the connection ends.
fn answer(reader: &mut BufReader<TcpStream>, asked: &AtomicUsize, received: &AtomicUsize) -> Option<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let path = head.split(' ').nth(1)?.to_owned();
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name).map(|(_, value)| value))
    };
    let mut body = Vec::new();
    if path == "/count" {
        let mut left: usize = field("content-length")?.parse().ok()?;
        let mut block = vec![0; 65536];
        while left > 0 {
            let wanted = left.min(block.len());
            let read = reader.read(&mut block[..wanted]).ok().filter(|read| *read > 0)?;
            received.fetch_add(read, Ordering::SeqCst);
            left -= read;
        }
    } else if let Some(length) = field("content-length") {
        body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
    }
    let is_head = head.starts_with("HEAD");
    let stream = reader.get_mut();
    let mut whole = |fields: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 Fine\r\n{fields}content-length: {}\r\n\r\n", body.len());
        let body = if is_head { &[] } else { body };
        stream.write_all(&[head.as_bytes(), body].concat()).ok()
    };
    match path.as_str() {
        "/silent" => {
            let _ = reader.read(&mut [0]);
            None
        }
        "/large" => {
            stream
                .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 64 * MIB).as_bytes())
                .ok()?;
            let block = vec![b'x'; MIB];
            (0..64).try_for_each(|_| stream.write_all(&block)).ok()
        }
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbegun").ok()?;
            let _ = reader.read(&mut [0]);
            None
        }
        "/cut" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n").ok()?;
            None
        }
        "/odd" => stream.write_all(b"HTTP/1.1 999 Request denied\r\ncontent-length: 0\r\n\r\n").ok(),
        "/gzip" => whole("content-encoding: gzip\r\n", GZIP),
        "/count" => whole("", received.load(Ordering::SeqCst).to_string().as_bytes()),
        _ => whole(
            "x-origin: yes\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n",
            &[head.as_bytes(), &body].concat(),
        ),
    }
}

/// "hello\n", by gzip(1).
const GZIP: &[u8] = &[
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a, 0x36, 6,
    0, 0, 0,
];

const PROXY: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/wrapped/large": { const r = await fetch(origin + "/large"); return new Response(r.body, r); }
      case "/ignored": { const r = await fetch(origin + "/drip"); return new Response(String(r.status)); }
      case "/deaf": return fetch(origin + "/drip");
      case "/text": return new Response(await (await fetch(origin + "/gzip")).text(), { headers: { "x-a": "b" } });
      case "/caught": return fetch("http://127.0.0.1:1/").catch((error) => new Response(`${error.name} ${error.cause.message}`, { status: 502 }));
      case "/gone": return fetch(origin.replace(/\d+$/, "9"), { signal: request.signal });
    }
    return fetch(origin + pathname, request);
  },
};"#;

fn start(io: &str, flags: &[&str]) -> (Origin, App, Server) {
    let origin = Origin::start();
    let app = origin.app(PROXY);
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let server = Server::spawn_with(command, &[&["--io", io, "--workers", "1"], flags].concat(), app.path());
    (origin, app, server)
}

fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: proxy.test\r\n{fields}\r\n")
}

both_backends! {
    fn a_request_and_its_answer_pass_through(io) {
        let (origin, _app, server) = start(io, &[]);
        let mut client = Connection::open(server.addr());
        for _ in 0..3 {
            client.send(request("POST", "/echo?q", "X-A: b\r\nConnection: x-hop\r\nX-Hop: 1\r\nCookie: c\r\nContent-Length: 4\r\n") + "sent");
            let response = client.response("POST");
            assert_eq!((response.status, response.field("x-origin")), (200, Some("yes")));
            let cookies: Vec<_> = response.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).collect();
            assert_eq!(cookies.len(), 2);
            let seen = response.text();
            assert!(seen.starts_with("POST /echo HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nsent"), "{seen}");
            assert!(seen.contains("x-a: b\r\n") && seen.contains("cookie: c\r\n") && !seen.contains("x-hop"), "{seen}");
            // The origin's name, not the one that the proxy is known by.
            assert!(seen.contains(&format!("host: {}\r\n", origin.addr)), "{seen}");
        }
        client.send(request("HEAD", "/echo", ""));
        let head = client.response("HEAD");
        assert!(head.field("content-length").is_some());
        assert_eq!(client.get("/echo").status, 200);
        // A status of no class (RFC 9110 section 15) is passed on as any other.
        let odd = raw(server.addr(), request("GET", "/odd", "Connection: close\r\n"));
        assert!(odd.starts_with(b"HTTP/1.1 999 Request denied\r\n"), "{}", String::from_utf8_lossy(&odd));
        assert_eq!(origin.opened(), 1);
    }

    // No byte of it enters JavaScript, and no more than the kernel's buffers and ours hold waits.
    fn a_large_body_passes_in_bounded_memory(io) {
        let (_origin, _app, server) = start(io, &["--request-timeout", "60s"]);
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/echo").status, 200);
        let base = server.rss_bytes();
        for target in ["/large", "/wrapped/large"] {
            client.send(request("GET", target, ""));
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.extend(client.read_exactly(1));
            }
            let head = String::from_utf8(head).expect("ASCII").to_ascii_lowercase();
            assert!(head.contains("content-length: 67108864\r\n"), "{head}");
            for _ in 0..64 {
                client.read_exactly(MIB);
                assert!(server.rss_bytes() < base + 24 * MIB, "{} over {base}", server.rss_bytes());
            }
        }
    }

    fn an_upload_passes_in_bounded_memory(io) {
        let (origin, _app, server) = start(io, &["--body-max", "1G", "--request-timeout", "60s"]);
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/echo").status, 200);
        let base = server.rss_bytes();
        client.send(request("POST", "/count", &format!("Content-Length: {}\r\n", 64 * MIB)));
        let block = vec![b'y'; MIB];
        for _ in 0..64 {
            client.send(&block);
            assert!(server.rss_bytes() < base + 24 * MIB, "{} over {base}", server.rss_bytes());
        }
        assert_eq!(client.response("POST").text(), (64 * MIB).to_string());
        assert_eq!(origin.received.load(Ordering::SeqCst), 64 * MIB);
    }

    fn a_client_that_leaves_ends_the_request_behind(io) {
        let (origin, _app, server) = start(io, &[]);
        let mut client = Connection::open(server.addr());
        client.send(request("GET", "/silent", ""));
        origin.await_asked(1);
        drop(client);
        origin.await_closed(1);
        for target in ["/drip", "/deaf"] {
            let before = origin.opened();
            let asked = origin.asked.load(Ordering::SeqCst);
            let mut client = Connection::open(server.addr());
            client.send(request("GET", target, ""));
            client.read_exactly(20);
            origin.await_asked(asked + 1);
            drop(client);
            origin.await_closed(before + 1);
        }
    }

    fn a_client_that_leaves_in_its_upload_ends_the_request_behind(io) {
        let (origin, _app, server) = start(io, &["--body-max", "1G"]);
        let mut client = Connection::open(server.addr());
        client.send(request("POST", "/count", "Content-Length: 1000000\r\n"));
        client.send(vec![b'y'; 10_000]);
        eventually("the origin has the beginning", || origin.received.load(Ordering::SeqCst) == 10_000);
        drop(client);
        origin.await_closed(1);
    }

    fn a_request_that_takes_too_long_ends_the_one_behind(io) {
        let (origin, _app, server) = start(io, &["--request-timeout", "300ms"]);
        assert_eq!(Connection::open(server.addr()).get("/silent").status, 503);
        origin.await_closed(1);
    }

    fn an_unread_answer_is_let_go(io) {
        let (origin, _app, server) = start(io, &[]);
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/ignored").text(), "200");
        let before = server.fd_count();
        for _ in 0..20 {
            assert_eq!(client.get("/ignored").text(), "200");
        }
        origin.await_closed(21);
        eventually("the descriptors are given back", || server.fd_count() <= before);
    }

    fn an_answer_that_breaks_off_does_so_for_the_client(io) {
        let (_origin, _app, server) = start(io, &[]);
        let mut client = Connection::open(server.addr());
        client.send(request("GET", "/cut", ""));
        let got = String::from_utf8(client.read_to_end()).expect("text");
        assert!(got.contains("begun") && !got.ends_with("0\r\n\r\n"), "{got}");
        let caught = Connection::open(server.addr()).get("/caught");
        assert_eq!(caught.status, 502);
        assert!(caught.text().starts_with("TypeError port 1 of"), "{}", caught.text());
    }

    fn a_failure_is_logged_with_its_cause(io) {
        let (_origin, _app, server) = start(io, &[]);
        let response = Connection::open(server.addr()).get("/gone");
        assert_eq!((response.status, response.text()), (500, "500 Internal Server Error\n"));
        server.await_log("fetch failed");
        server.await_log("[cause]: [Error: port 9 of");
    }

    fn a_coded_body_is_right_for_every_client(io) {
        let (_origin, _app, server) = start(io, &[]);
        let mut client = Connection::open(server.addr());
        let plain = client.get("/gzip");
        assert_eq!((plain.text(), plain.field("content-encoding")), ("hello\n", None));
        assert_eq!(plain.reason, "Fine");
        client.send(request("GET", "/gzip", "Accept-Encoding: br, gzip\r\n"));
        let coded = client.response("GET");
        assert_eq!((coded.body.as_slice(), coded.field("content-encoding")), (GZIP, Some("gzip")));
        assert_eq!(coded.field("content-length"), Some(GZIP.len().to_string().as_str()));
        client.send(request("GET", "/text", "Accept-Encoding: gzip\r\n"));
        let read = client.response("GET");
        assert_eq!((read.text(), read.field("content-encoding")), ("hello\n", None));
    }

    fn a_script_lives_as_long_as_its_calls(io) {
        let origin = Origin::start();
        let app = origin.app(r#"
            import * as os from "os";
            fetch(origin + "/gzip").then((r) => r.text()).then((text) => print("script", text.trim()));
            const worker = new os.Worker("./worker.js");
            worker.onmessage = ({ data }) => { print("worker", data); worker.onmessage = null; };
            worker.postMessage(origin);
        "#);
        std::fs::write(app.path().with_file_name("worker.js"), r#"
            import * as os from "os";
            os.Worker.parent.onmessage = async ({ data }) => {
              const reader = (await fetch(data + "/gzip")).body.getReader();
              os.Worker.parent.postMessage(new TextDecoder().decode((await reader.read()).value).trim());
              os.Worker.parent.onmessage = null;
            };
        "#).expect("write");
        let ended = run_to_end(&["--io", io, app.path().to_str().expect("a path")]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let mut lines: Vec<_> = ended.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["script hello", "worker hello"]);
    }

    fn the_example_is_a_reverse_proxy(io) {
        let origin = Origin::start();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.env("NO_PROXY", "127.0.0.1");
        let upstream = format!("UPSTREAM=http://{}", origin.addr);
        let flags = ["--io", io, "--workers", "1", "--env", &upstream];
        let server = Server::spawn_with(command, &flags, &example("proxy.js"));
        let mut client = Connection::open(server.addr());
        client.send(request("PUT", "//a.test/x?y", "X-Forwarded-For: 1.2.3.4\r\nContent-Length: 4\r\n") + "sent");
        let response = client.response("PUT");
        assert_eq!((response.status, response.field("x-origin")), (200, Some("yes")));
        let seen = response.text();
        assert!(seen.starts_with("PUT //a.test/x?y HTTP/1.1\r\n") && seen.ends_with("sent"), "{seen}");
        assert!(seen.contains("x-forwarded-for: 1.2.3.4, 127.0.0.1\r\n") || seen.matches("x-forwarded-for: ").count() == 2, "{seen}");
        assert!(seen.contains("x-forwarded-host: proxy.test\r\n"), "{seen}");
        let mut leaving = Connection::open(server.addr());
        leaving.send(request("GET", "/silent", ""));
        origin.await_asked(2);
        drop(leaving);
        origin.await_closed(1);
        assert_eq!(client.get("/again").status, 200);
    }
}
