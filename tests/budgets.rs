//! What an app or a peer can keep ready for ever has a budget: the others of its worker have their turns.
//!
//! Owns: streams of empty chunks, connections at full speed, pipelines, long derivations. Must not know: how a
//! budget is kept.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{self, Connection, Server, accept, get};

const STREAMS: &str = r#"
const empty = (how) => new ReadableStream({ pull: how === "async"
  ? async (c) => { await null; c.enqueue(new Uint8Array(0)); }
  : (c) => { c.enqueue(new Uint8Array(0)); } });
const streams = {
  sync: () => new Response(empty()),
  async: () => new Response(empty("async")),
  length: () => new Response(empty(), { headers: { "content-length": "10" } }),
  transform: () => new Response(empty().pipeThrough(new TransformStream())),
  tee: () => new Response(empty().tee()[0]),
};
export default {
  async fetch(request) {
    const [, name, port] = new URL(request.url).pathname.split("/");
    if (name === "upload") {
      const init = { method: "POST", duplex: "half", body: empty() };
      return fetch(`http://127.0.0.1:${port}/`, init);
    }
    return streams[name]?.() ?? new Response("ok");
  },
};"#;

/// A request of another connection of the only worker is answered, and not late.
fn is_served(server: &Server, beside: &str) {
    for _ in 0..5 {
        let begin = Instant::now();
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok", "beside {beside}");
        // Far below the watchdog's time, which is set to more than the test takes.
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?} beside {beside}", begin.elapsed());
    }
}

both_backends! {
    fn a_stream_of_empty_chunks_ends_by_its_limit_and_keeps_nobody_else_waiting_on(io) {
        let app = app!(STREAMS);
        let flags = ["--io", io, "--workers", "1", "--idle-timeout", "1s", "--stuck-timeout", "60s"];
        let server = Server::spawn(&flags, app.path());
        for name in ["sync", "async", "length", "transform", "tee"] {
            let mut client = Connection::open(server.addr());
            client.send(get(&format!("/{name}")));
            is_served(&server, name);
            client.read_to_end();
            server.await_log(&format!("GET /{name}: the response's stream has sent nothing for 1000 ms"));
        }
    }

    fn an_upload_of_empty_chunks_keeps_nobody_else_waiting_on(io) {
        let app = app!(STREAMS);
        let flags = ["--io", io, "--workers", "1", "--request-timeout", "1s", "--stuck-timeout", "60s"];
        let server = Server::spawn(&flags, app.path());
        let peer = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = peer.local_addr().expect("address").port();
        let mut client = Connection::open(server.addr());
        client.send(get(&format!("/upload/{port}")));
        let _peer = accept(&peer);
        is_served(&server, "an upload");
        assert_eq!(client.response("GET").status, 503);
    }

    fn a_pipeline_without_end_keeps_nobody_else_waiting_on(io) {
        let app = app!(STREAMS);
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let stream = TcpStream::connect(server.addr()).expect("connect");
            stream.set_read_timeout(Some(support::SOON)).expect("timeout");
            stream.set_write_timeout(Some(support::SOON)).expect("timeout");
            let (mut input, mut output) = (stream.try_clone().expect("clone"), stream);
            scope.spawn(move || {
                let mut bytes = [0; 64 << 10];
                while input.read(&mut bytes).is_ok_and(|got| got > 0) {}
            });
            let done = &done;
            scope.spawn(move || {
                let many = get("/").repeat(500);
                while !done.load(Ordering::Relaxed) && output.write_all(many.as_bytes()).is_ok() {}
                let _ = output.shutdown(Shutdown::Both);
            });
            is_served(&server, "a pipeline");
            done.store(true, Ordering::Relaxed);
        });
    }

    fn long_derivations_of_clients_that_are_gone_keep_nobody_else_waiting_on(io) {
        let app = app!(r#"export default { async fetch(request) {
            const iterations = Number(new URL(request.url).pathname.slice(1));
            const key = await crypto.subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]);
            const how = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations };
            return new Response((await crypto.subtle.deriveBits(how, key, 256)).byteLength);
        } };"#);
        let server = Server::spawn(&["--io", io, "--workers", "2"], app.path());
        let mut gone: Vec<Connection> = (0..8).map(|_| Connection::open(server.addr())).collect();
        gone.iter_mut().for_each(|client| client.send(get("/4000000000")));
        assert!(gone[0].stays_silent(Duration::from_millis(300)));
        drop(gone);
        for _ in 0..5 {
            assert_eq!(Connection::open(server.addr()).get("/1000").text(), "32");
        }
        let nice = server.nice_values("crypto-");
        assert!(nice.len() > 1 && nice.iter().all(|nice| *nice == 5), "workers go first: {nice:?}");
    }

    // Measured in CPU time, which does not depend on who else wants the machine.
    fn requests_behind_an_endless_chain_of_jobs_do_not_go_on_with_it_on(io) {
        let app = app!("export default { async fetch(request) {
            if (request.url.endsWith('/busy')) for (const end = Date.now() + 500; Date.now() < end;);
            if (request.url.endsWith('/jobs')) for (;;) await null;
            return new Response('ok');
        } };");
        let flags = ["--io", io, "--workers", "1", "--cpu-max", "1s", "--request-timeout", "60s"];
        let server = Server::spawn(&flags, app.path());
        let mut clients: Vec<Connection> = (0..22).map(|_| Connection::open(server.addr())).collect();
        clients.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "ok"));
        let before = server.cpu();
        // While the worker is busy the others become ready, all at once, the chain first.
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(get(["/busy", "/jobs", "/"][n.min(2)]));
            if n == 0 {
                support::eventually("it is busy", || server.cpu() > before + Duration::from_millis(50));
            }
        }
        for client in &mut clients[2..] {
            while client.stays_silent(support::SOON) {}
            assert_eq!(client.response("GET").text(), "ok");
        }
        let used = server.cpu() - before;
        assert!(used < Duration::from_secs(3), "{used:?} for turns of 0.5 and 1 s and twenty short ones");
    }

    fn equal_connections_at_full_speed_move_about_equally_much_on(io) {
        for source in [
            r#"import * as os from "os"; export default { async accept(fd) {
                const buffer = new Uint8Array(64 << 10);
                for (let got; (got = await os.recv(fd, buffer)) > 0;) await os.send(fd, buffer, got, true);
            } };"#,
            "export default { async connect(socket) { await socket.readable.pipeTo(socket.writable); } };",
        ] {
            let app = app!(source);
            let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
            let mut moved = std::thread::scope(|scope| {
                let echoes: Vec<_> = (0..4).map(|_| scope.spawn(|| echoed(&server))).collect();
                echoes.into_iter().map(|echo| echo.join().expect("an echo")).collect::<Vec<u64>>()
            });
            moved.sort_unstable();
            assert!(moved[0] > 0 && moved[3] / moved[0] < 8, "{moved:?} bytes of {source}");
        }
    }
}

/// Bytes that one connection got back in a second and a half of sending what goes.
fn echoed(server: &Server) -> u64 {
    let stream = TcpStream::connect(server.addr()).expect("connect");
    stream.set_read_timeout(Some(support::SOON)).expect("timeout");
    let end = Instant::now() + Duration::from_millis(1500);
    std::thread::scope(|scope| {
        let mut output = stream.try_clone().expect("clone");
        scope.spawn(move || {
            let bytes = vec![7; 64 << 10];
            while Instant::now() < end && output.write_all(&bytes).is_ok() {}
            let _ = output.shutdown(Shutdown::Write);
        });
        let (mut input, mut bytes, mut total) = (&stream, vec![0; 64 << 10], 0);
        loop {
            match input.read(&mut bytes) {
                Ok(0) | Err(_) => return total,
                Ok(got) if Instant::now() < end => total += got as u64,
                Ok(_) => {}
            }
        }
    })
}
