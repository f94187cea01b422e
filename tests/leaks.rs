//! Ten thousand connections that end badly leave no descriptor and no memory behind.
//!
//! Owns: the counts before and after. Must not know: which limit closed which connection.

use std::time::Duration;

use crate::support::{self, Connection, Server, get};

const BATCH: usize = 400;
const CONNECTIONS: usize = 10_000;

/// One batch: a quarter is reset, half-closed, times out in its header, stays idle.
fn batch(server: &Server) {
    let mut lasting = Vec::new();
    for n in 0..BATCH {
        let mut client = Connection::open(server.addr());
        match n % 4 {
            0 => {
                client.send(if n % 8 == 0 { get("/wait") } else { "GET / HT".to_string() });
                client.reset();
            }
            1 => {
                client.send(if n % 8 == 1 { get("/") } else { "POST / HTTP/1.1\r\n".to_string() });
                client.finish();
                lasting.push(client);
            }
            2 => {
                client.send("GET / HTTP/1.1\r\nHost:");
                lasting.push(client);
            }
            _ => lasting.push(client),
        }
    }
    for mut client in lasting {
        client.read_to_end(); // the server ends every one of them
    }
}

both_backends! {
    fn descriptors_and_memory_return_to_base(io) {
        let app = app!(fetch "if (request.url.endsWith('/wait')) await new Promise((r) => setTimeout(r, 20)); return new Response('ok');");
        let server = Server::spawn(
            &["--io", io, "--workers", "2", "--idle-timeout", "100ms", "--header-timeout", "100ms"],
            app.path(),
        );
        let idle = server.fd_count();
        batch(&server);
        batch(&server); // allocators and tables have their size now
        support::eventually("descriptors are back after the first batches", || server.fd_count() <= idle + 2);
        let (descriptors, memory) = (server.fd_count(), server.rss_bytes());
        for _ in 0..CONNECTIONS / BATCH {
            batch(&server);
        }
        support::eventually("descriptors are back", || server.fd_count() <= descriptors);
        let after = server.rss_bytes();
        assert!(after <= memory + (4 << 20), "resident memory went from {memory} to {after} bytes");
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
        let busy = server.cpu();
        std::thread::sleep(Duration::from_millis(300));
        assert!(server.cpu() - busy < Duration::from_millis(100), "an idle server is busy");
    }
}
