//! Memory goes back to the system: after a full heap, and after many connections.
//!
//! Owns: what is measured of the process. Must not know: how the allocator works.

use crate::support::{self, App, Connection, Server};

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
}

#[test]
fn the_start_line_says_where_the_control_group_lowers_the_heap() {
    // Whether it does here depends on the machine; what is given is never lowered.
    let app: App = app!("export default { fetch: () => new Response('ok') };");
    let server = Server::spawn(&["--workers", "1", "--heap-max", "2M"], app.path());
    assert!(!server.start_line().contains("heap="), "{}", server.start_line());
}
