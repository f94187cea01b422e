//! Forms as bodies, on both I/O backends: read while they arrive, refused where a rule is broken, sent
//! without a copy of their files.
//!
//! Owns: clients that write multipart/form-data by hand, the watch on the server's memory. Must not
//! know: how a form is parsed or serialised.

use std::thread;
use std::time::Duration;

use crate::support::{App, Connection, Response, Server, eventually, get};

const APP: &str = r#"
    const big = new File([new Uint8Array(8 << 20).fill(120)], "n");
    const form = (...entries) => entries.reduce((form, entry) => (form.append(...entry), form), new FormData());
    let seen = "";
    export default { async fetch(request) {
        const { pathname, origin } = new URL(request.url);
        switch (pathname) {
          case "/echo": try { return new Response(await request.formData()); } catch (error) { return new Response(error.message, { status: 400 }); }
          case "/file": return new Response((await request.formData()).get("f"));
          case "/aborted": try { await request.formData(); } catch (error) { seen = error.message; } return new Response();
          case "/seen": return new Response(seen);
          case "/big": return new Response(form(["a", "b"], ["f", big], ["f", big]));
          case "/big-file": await null; return new Response(big);
          case "/send": return fetch(origin + "/moved", { method: "POST", body: form(["a", "b"], ["f", big], ["e", new File([], "")]) });
          case "/moved": return new Response(null, { status: 307, headers: { location: "/got" } });
          case "/got": {
              const got = await request.formData(), bytes = await got.get("f").bytes();
              return Response.json([request.headers.get("content-length"), [...got.keys()], got.get("a"), bytes.length, bytes.every((byte) => byte === 120), got.get("e").size]);
          }
        }
    } };"#;

const TYPE: &str = "Content-Type: multipart/form-data; boundary=b\r\n";
const BIG: usize = 8 << 20;

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn(&[&["--io", io, "--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn head(target: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: test\r\n{TYPE}Content-Length: {length}\r\n\r\n")
}

fn text(boundary: &str, name: &str, value: &str) -> Vec<u8> {
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes()
}

fn file(boundary: &str, name: &str, kind: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"n\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

/// Whether `response` is the form that `make` makes of its boundary.
fn is_form(response: &Response, make: impl Fn(&str) -> Vec<u8>) -> bool {
    let text = || String::from_utf8_lossy(&response.body[..response.body.len().min(200)]).into_owned();
    assert_eq!(response.status, 200, "{}", text());
    assert_eq!(response.field("content-length"), Some(&*response.body.len().to_string()));
    let kind = response.field("content-type").expect("a type");
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
    let wanted = [make(boundary), format!("--{boundary}--\r\n").into_bytes()].concat();
    response.body == wanted
}

fn ended(mut parts: Vec<u8>) -> Vec<u8> {
    parts.extend(b"--b--\r\n");
    parts
}

/// The most that was resident so far in bytes (proc(5), status, VmHWM).
fn peak_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let kib: usize = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib * 1024
}

/// Bytes that look random and hold near-delimiters.
fn noise(length: usize) -> Vec<u8> {
    let mut seed = 1u32;
    let mut bytes: Vec<u8> = (0..length)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .collect();
    bytes.chunks_exact_mut(1000).for_each(|chunk| chunk[..5].copy_from_slice(b"\r\n--a"));
    bytes
}

both_backends! {
    // RFC 7578 and RFC 9112 section 7.1: neither parts nor chunks know of each other's borders.
    fn a_form_may_arrive_in_any_pieces(io) {
        let (_app, server) = start(io, &[]);
        let make = |b: &str| {
            [text(b, "ä", "x\r\n-"), text(b, "", ""), file(b, "f", "a/b", b"\r\n--\r\n--a\0")].concat()
        };
        let body = ended(make("b"));
        let mut client = Connection::open(server.addr());
        for at in (0..body.len()).step_by(5) {
            client.send(head("/echo", body.len()));
            client.send(&body[..at]);
            thread::yield_now();
            client.send(&body[at..]);
            assert!(is_form(&client.response("POST"), make), "cut at {at}");
        }
        client.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n"));
        for byte in &body {
            client.send([b"1\r\n", &[*byte][..], b"\r\n"].concat());
        }
        client.send("0\r\n\r\n");
        assert!(is_form(&client.response("POST"), make));
    }

    fn a_thousand_parts_go_round(io) {
        let (_app, server) = start(io, &[]);
        let part = |b: &str, i: usize| match i % 3 {
            0 => file(b, &format!("f{i}"), "a/b", &noise(i * 2)),
            _ => text(b, &format!("t{i}"), &"ä".repeat(i % 50)),
        };
        let make = |b: &str| (0..1000).flat_map(|i| part(b, i)).collect();
        let body = ended(make("b"));
        assert!(body.len() > 300_000);
        let mut client = Connection::open(server.addr());
        client.send(head("/echo", body.len()));
        client.send(&body);
        assert!(is_form(&client.response("POST"), make));
    }

    // One copy of the file fits into the heap's limit, two do not; what is resident says the same.
    fn a_large_file_is_in_memory_once(io) {
        let (_app, server) = start(io, &["--body-max", "64M", "--heap-max", "48M"]);
        let bytes = noise(32 << 20);
        let make = |b: &str| [text(b, "a", "b"), file(b, "f", "a/b", &bytes)].concat();
        let body = ended(make("b"));
        let mut client = Connection::open(server.addr());
        client.get("/seen");
        let base = server.rss_bytes();
        client.send(head("/echo", body.len()));
        client.send(&body);
        assert!(is_form(&client.response("POST"), make));
        let above = peak_bytes(&server).saturating_sub(base);
        println!("{} KiB above the base for 32 MiB", above >> 10);
        assert!(above < 48 << 20, "{} MiB above the base", above >> 20);
        client.send(head("/file", body.len()));
        client.send(&body);
        let response = client.response("POST");
        assert!(response.body == bytes);
        assert_eq!(response.field("content-type"), Some("a/b"));
    }

    fn a_form_larger_than_the_heap_is_refused(io) {
        let (_app, server) = start(io, &["--body-max", "1G", "--heap-max", "32M"]);
        let mut client = Connection::open(server.addr());
        client.send(head("/echo", 1 << 29));
        client.send("--b\r\nContent-Disposition: form-data; name=f; filename=n\r\n\r\n");
        client.try_send(vec![b'x'; 34 << 20]);
        let response = client.response("POST");
        assert_eq!((response.status, response.says_close()), (400, true));
        assert_eq!(response.text(), "the body is larger than the JavaScript heap (--heap-max)");
        assert_eq!(Connection::open(server.addr()).get("/seen").status, 200, "the worker goes on");
    }

    // The answer does not wait for what follows the broken rule; the connection ends after it.
    fn a_body_that_breaks_a_rule_is_refused_before_it_is_here(io) {
        let (_app, server) = start(io, &["--body-max", "1G"]);
        for (begin, why) in [
            ("--c\r\n", "it does not begin with the boundary"),
            ("--b\r\nContent-Disposition: attachment; name=n\r\n", "a part's disposition is not form-data"),
            ("--b\r\nContent-Disposition: form-data; name=n\r\n\r\nx\r\n--b!", "a boundary ends no line"),
        ] {
            let mut client = Connection::open(server.addr());
            client.send(head("/echo", 1 << 29));
            client.send(begin);
            let response = client.response("POST");
            assert_eq!((response.status, response.says_close()), (400, true));
            assert_eq!(response.text(), format!("the body is no multipart/form-data: {why}"));
            client.try_send(vec![b'x'; 1 << 20]);
            client.read_to_end();
        }
        // What is left is small: it is received and dropped, and the connection goes on.
        let mut client = Connection::open(server.addr());
        client.send(head("/echo", 100_000));
        client.send("--c\r\n");
        let response = client.response("POST");
        assert_eq!((response.status, response.says_close()), (400, false));
        client.send(vec![b'x'; 100_000 - 5]);
        assert_eq!(client.get("/seen").status, 200);
    }

    fn a_client_that_leaves_in_the_middle_of_a_form_rejects_it(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Connection::open(server.addr());
        client.send(head("/aborted", 1000));
        client.send("--b\r\nContent-Disposition: form-data; name=n\r\n\r\nx");
        client.finish();
        eventually("the promise is rejected", || {
            Connection::open(server.addr()).get("/seen").text().contains("closed the connection")
        });
    }

    fn a_form_asks_for_what_waits_for_100_continue(io) {
        let (_app, server) = start(io, &[]);
        let make = |b: &str| text(b, "a", "b");
        let body = ended(make("b"));
        let mut client = Connection::open(server.addr());
        client.send(head("/echo", body.len()).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
        assert_eq!(client.response("POST").status, 100);
        client.send(&body);
        assert!(is_form(&client.response("POST"), make));
    }

    // RFC 9110 section 15.4.8: the same body again. Its length is announced both times.
    fn a_form_follows_a_redirect(io) {
        let (_app, server) = start(io, &["--body-max", "16M"]);
        let mut client = Connection::open(server.addr());
        client.send(format!("GET /send HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr()));
        let text = client.response("GET").text().to_owned();
        let (length, rest) = text.split_once(',').expect("an array");
        assert_eq!(rest, format!(r#"["a","f","e"],"b",{BIG},true,0]"#));
        let length: usize = length.trim_matches(['[', '"']).parse().expect("a length");
        assert!(length > BIG && length < BIG + 1000, "{length}");
    }

    // It is in memory: the limit on what the app takes is none on what the client takes.
    fn a_large_form_is_sent_to_who_takes_it_slowly(io) {
        let (_app, server) = start(io, &["--request-timeout", "200ms"]);
        let mut client = Connection::open(server.addr());
        socket2::SockRef::from(client.stream()).set_recv_buffer_size(64 << 10).expect("SO_RCVBUF");
        client.send([get("/big"), get("/big-file")].concat());
        client.finish();
        thread::sleep(Duration::from_millis(500)); // longer than the limit
        let x = vec![b'x'; BIG];
        let make = |b: &str| {
            let file = file(b, "f", "application/octet-stream", &x);
            [text(b, "a", "b"), file.clone(), file].concat()
        };
        assert!(is_form(&client.response("GET"), make));
        assert!(client.response("GET").body == x);
        let mut client = Connection::open(server.addr());
        client.send("HEAD /big HTTP/1.1\r\nHost: test\r\n\r\n");
        let length = client.response("HEAD").field("content-length").map(str::to_owned);
        assert!(length.is_some_and(|length| length.parse::<usize>().is_ok_and(|length| length > 2 * BIG)));
        assert_eq!(client.get("/seen").status, 200);
    }
}
