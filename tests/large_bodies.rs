//! A gibibyte up and a gibibyte down, a quarter over TLS and over HTTP/2: resident memory stays where it was.
//!
//! Owns: clients that send and read as fast as they can, the watch on the server's memory. Must not
//! know: how bodies are streamed. The limit is the issue's: 64 MB above the base.

use std::io::{Read, Write};
use std::time::Duration;

use crate::support::flow::{Flow, PERIOD};
use crate::support::{App, Connection, Over, Server, Way, get};

/// Over TLS a quarter: the client of a debug build is slow at it.
fn length(way: Way) -> u64 {
    if way.over == Over::Tls { 1 << 28 } else { 1 << 30 }
}

/// Over HTTP/2 a quarter, too, for a debug build is slow at its frames: all of it with this variable.
fn http2_length() -> u64 {
    if std::env::var_os("JSSERVE_HTTP2_GIBIBYTE").is_some() { 1 << 30 } else { 1 << 28 }
}

const ABOVE_BASE_BYTES_MAX: usize = 64_000_000;

const APP: &str = r#"
    const block = new Uint8Array(65536).fill(120);
    export default { async fetch(request) {
        const { pathname, searchParams } = new URL(request.url);
        if (pathname === "/up") {
            let bytes = 0;
            for await (const chunk of request.body) bytes += chunk.length;
            return new Response(String(bytes));
        }
        if (pathname === "/pattern-up") {
            // The pattern of tests/support/flow.rs, on stream 1.
            let bytes = 0;
            for await (const chunk of request.body) {
                const last = bytes + chunk.length - 1;
                if (chunk[0] !== (bytes + 1) * 7 % 251 || chunk.at(-1) !== (last + 1) * 7 % 251) return new Response("wrong", { status: 500 });
                bytes += chunk.length;
            }
            return new Response(null, { status: bytes === Number(searchParams.get("n")) ? 200 : 500 });
        }
        let left = Number(searchParams.get("n"));
        if (pathname === "/pattern") {
            const block = Uint8Array.from({ length: 251 * 256 }, (_, i) => (i + 1) * 7 % 251);
            return new Response(new ReadableStream({
                pull(controller) {
                    if (left <= 0) return controller.close();
                    const piece = left < block.length ? block.subarray(0, left) : block;
                    left -= piece.length;
                    controller.enqueue(piece);
                },
            }, { highWaterMark: 0 }));
        }
        const body = new ReadableStream({
            pull(controller) {
                if (left <= 0) return controller.close();
                const piece = left < block.length ? block.subarray(0, left) : block;
                left -= piece.length;
                controller.enqueue(piece);
            },
        }, { highWaterMark: 0 });
        return new Response(body, { headers: { "content-length": searchParams.get("n") } });
    } };"#;

fn start(way: Way) -> (App, Server) {
    let app = app!(APP);
    let flags = ["--workers", "1", "--body-max", "2G", "--request-timeout", "10m"];
    let server = Server::spawn_at(way, &flags, app.path());
    // What the first request needs is no part of the difference.
    let mut client = Connection::open(server.place());
    assert_eq!(client.get("/down?n=100000").body.len(), 100_000);
    assert_eq!(client.post("/up", &[b'x'; 100_000]).text(), "100000");
    (app, server)
}

/// The most that was resident so far in bytes (proc(5), status, VmHWM).
fn peak_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let kib: usize = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib * 1024
}

fn stays_small(server: &Server, base: usize) {
    let above = peak_bytes(server).saturating_sub(base);
    assert!(above <= ABOVE_BASE_BYTES_MAX, "{} MiB above the base of {} MiB", above >> 20, base >> 20);
    println!("peak {} KiB above the base of {} MiB", above >> 10, base >> 20);
}

fn wait_long(client: &mut Connection) {
    client.bytes().set_read_timeout(Duration::from_secs(60)).expect("read timeout");
    client.bytes().set_write_timeout(Duration::from_secs(60)).expect("write timeout");
}

every_way! {
    fn a_gibibyte_up(way) {
        let (_app, server) = start(way);
        let base = server.rss_bytes();
        let mut client = Connection::open(server.place());
        let bytes = length(way);
        wait_long(&mut client);
        client.send(format!("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: {bytes}\r\n\r\n"));
        let block = vec![b'x'; 256 << 10];
        for _ in 0..bytes / block.len() as u64 {
            client.bytes().write_all(&block).expect("send");
        }
        client.bytes().flush().expect("send");
        assert_eq!(client.response("POST").text(), bytes.to_string());
        stays_small(&server, base);
    }

    fn a_gibibyte_down(way) {
        let (_app, server) = start(way);
        let base = server.rss_bytes();
        let mut client = Connection::open(server.place());
        let bytes = length(way);
        client.send(get(&format!("/down?n={bytes}")));
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.read_exactly(1));
        }
        wait_long(&mut client);
        // What came together with the head; the rest goes past the client's buffer.
        let mut got = client.take_buffered().len() as u64;
        let mut buffer = vec![0; 256 << 10];
        while got < bytes {
            let length = client.bytes().read(&mut buffer).expect("read");
            assert!(length > 0, "the end after {got} bytes");
            assert!(buffer[..length].iter().step_by(4096).all(|byte| *byte == b'x'));
            got += length as u64;
        }
        assert_eq!(got, bytes);
        stays_small(&server, base);
    }
}

/// Sends `bytes` on stream 1.
fn http2_up(server: &Server, bytes: u64) {
    let mut client = Flow::open(server.addr());
    client.ask(1, "POST", &format!("/pattern-up?n={bytes}"));
    for block in 0..bytes >> 16 {
        client.send(1, block << 16, 1 << 16, block == (bytes >> 16) - 1);
    }
    while client.ended == 0 {
        client.step();
    }
}

/// Receives `bytes` on stream 1, and looks at each.
fn http2_down(server: &Server, bytes: u64) {
    let mut client = Flow::open(server.addr());
    client.ask(1, "GET", &format!("/pattern?n={bytes}"));
    while client.ended == 0 {
        client.step();
    }
    assert_eq!(client.received[&1], bytes, "the pattern repeats after {PERIOD}");
}

both_backends! {
    fn as_much_up_over_http2(io) {
        let (_app, server) = start(Way::tcp(io));
        let base = server.rss_bytes();
        http2_up(&server, http2_length());
        stays_small(&server, base);
    }

    fn as_much_down_over_http2(io) {
        let (_app, server) = start(Way::tcp(io));
        let base = server.rss_bytes();
        http2_down(&server, http2_length());
        stays_small(&server, base);
    }

    fn others_of_the_worker_are_answered_beside_one_that_downloads_and_one_that_uploads(io) {
        let (_app, server) = start(Way::tcp(io));
        std::thread::scope(|scope| {
            let both = [
                scope.spawn(|| http2_up(&server, http2_length())),
                scope.spawn(|| http2_down(&server, http2_length())),
            ];
            let (mut client, mut answers) = (Connection::open(server.place()), 0);
            while both.iter().any(|thread| !thread.is_finished()) {
                assert_eq!(client.get("/down?n=5").text(), "xxxxx");
                answers += 1;
            }
            both.into_iter().for_each(|thread| thread.join().expect("no panic"));
            assert!(answers > 50, "{answers} answers");
        });
        assert!(!server.log().contains("stuck"), "{}", server.log());
    }
}
