//! Memory goes back to the system: after a full heap, and after many connections.
//!
//! Owns: what is measured of the process. Must not know: how the allocator works.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{self, App, Connection, Server, dial};

/// Resident memory comes down to `base` and a little more.
fn comes_back(server: &Server, base: usize, more: usize, what: &str) {
    let mut last = 0;
    let deadline = std::time::Instant::now() + 2 * support::SOON;
    while std::time::Instant::now() < deadline {
        last = server.rss_bytes();
        if last <= base + more {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("after {what} {} KiB are resident, {} KiB before", last >> 10, base >> 10);
}

both_backends! {
    fn memory_goes_back_after_a_full_heap_on(io) {
        let app = app!(
            "let kept = []; export default { fetch(request) {
                if (new URL(request.url).pathname === '/') return new Response('ok');
                for (;;) kept.push(new Array(1000).fill(0.5), 'x'.repeat(1000) + kept.length);
             } };"
        );
        let flags = ["--io", io, "--workers", "2", "--heap-max", "64M", "--cpu-max", "20s"];
        let server = Server::spawn(&flags, app.path());
        for _ in 0..8 {
            assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
        }
        let base = server.rss_bytes();
        for _ in 0..6 {
            assert!([500, 503].contains(&Connection::open(server.addr()).get("/full").status));
        }
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
        comes_back(&server, base, 16 << 20, "full heaps");
    }

    fn memory_goes_back_after_many_connections_on(io) {
        let app = app!("export default { fetch: () => new Response('ok') };");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--idle-timeout", "1m"], app.path());
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
        let base = server.rss_bytes();
        let count = 900; // with what the test's own process may have open
        let mut clients: Vec<Connection> = (0..count).map(|_| Connection::open(server.addr())).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "ok");
        }
        let full = server.rss_bytes();
        drop(clients);
        comes_back(&server, base, (full - base).min(6 << 20), "many connections");
    }

    fn later_requests_wait_in_the_kernel_while_one_is_with_the_app_on(io) {
        let app = app!(
            "export default { async fetch() { await new Promise((go) => setTimeout(go)); return new Response('ok') } };"
        );
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let mut client = dial(server.addr());
        let mut sender = client.try_clone().expect("a second descriptor");
        let sending = std::thread::spawn(move || {
            // Until the connection ends, far ahead of the answers.
            let requests = support::get("/").repeat(1000);
            while sender.write_all(requests.as_bytes()).is_ok() {}
        });
        answers(&mut client, 200);
        let base = server.rss_bytes();
        answers(&mut client, 3000);
        comes_back(&server, base, 6 << 20, "many requests at once");
        drop(server);
        sending.join().expect("the client's writer");
    }
}

/// Reads `count` answers.
fn answers(client: &mut TcpStream, count: usize) {
    let (mut bytes, mut seen) = ([0; 4096], 0);
    let mut last = Vec::new();
    while seen < count {
        let got = client.read(&mut bytes).expect("answers");
        assert!(got > 0, "the connection ended after {seen} answers");
        last.extend_from_slice(&bytes[..got]);
        let (line, whole) = (b"HTTP/1.1 200 OK\r\n".as_slice(), last.len());
        seen += last.windows(line.len()).filter(|part| *part == line).count();
        last.drain(..whole - (whole.min(line.len() - 1)));
    }
}

#[test]
fn the_start_line_says_where_the_control_group_lowers_the_heap() {
    // Whether it does here depends on the machine; what is given is never lowered.
    let app: App = app!("export default { fetch: () => new Response('ok') };");
    let server = Server::spawn(&["--workers", "1", "--heap-max", "2M"], app.path());
    assert!(!server.start_line().contains("heap="), "{}", server.start_line());
}
