//! Raw connections (`connect(socket)`) over TCP, TLS and Unix sockets: how they end, and what is left of them.
//!
//! Owns: faults of handlers and clients that hold whatever carries the bytes. Must not know: HTTP.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::support::way::ClientStream;
use crate::support::{App, SOON, Server, Way, eventually, pattern};
use rustix::process::Signal;

/// Each connection's first byte names what is to be tried on it.
const APP: &str = r#"
const tries = {
  e: async (socket, reader, writer, first) => {
    if (first.length > 0) await writer.write(first);
    for (;;) { const { value, done } = await reader.read(); if (done) return; await writer.write(value); }
  },
  l: (socket, reader, writer) => { writer.write(new Uint8Array(3_000_000)); },
  t: () => { throw new Error("handler failed on purpose"); },
  w: (socket, reader) => reader.read(),
  f: async (socket, reader, writer) => {
    try { for (;;) await writer.write(new Uint8Array(65536)); } catch (error) { console.log(`flood: ${error.code}`); }
  },
  c: (socket) => socket.close(),
};
export default {
  async connect(socket, env, ctx) {
    const reader = socket.readable.getReader(), writer = socket.writable.getWriter();
    const { value } = await reader.read();
    return tries[String.fromCharCode(value[0])](socket, reader, writer, value.slice(1));
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_raw_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn ask(server: &Server, what: &str) -> ClientStream {
    let mut stream = ClientStream::open(&server.place(), SOON).expect("connect");
    stream.set_read_timeout(SOON).expect("timeout");
    stream.write_all(what.as_bytes()).and_then(|()| stream.flush()).expect("send");
    stream
}

/// What comes to the end of the stream, under TLS to its close_notify.
fn rest(stream: &mut ClientStream) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.kind())
}

fn echoes(server: &Server) {
    let mut stream = ask(server, "e");
    stream.write_all(b"hello").and_then(|()| stream.finish()).expect("send");
    assert_eq!(rest(&mut stream).as_deref(), Ok(&b"hello"[..]));
}

every_way! {
    fn bytes_come_back_in_order_and_the_end_after_them(way) {
        let (_app, server) = start(way, &[]);
        let mut stream = ask(&server, "e");
        for piece in pattern(500_000).chunks(10_000) {
            stream.write_all(piece).and_then(|()| stream.flush()).expect("send");
            let mut back = vec![0; piece.len()];
            stream.read_exact(&mut back).expect("the echo");
            assert!(back == piece);
        }
        stream.finish().expect("the end");
        assert_eq!(rest(&mut stream), Ok(Vec::new()));
    }

    fn what_was_written_goes_out_before_the_close(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(rest(&mut ask(&server, "l")).map(|bytes| bytes.len()), Ok(3_000_000));
        assert_eq!(rest(&mut ask(&server, "c")), Ok(Vec::new()));
    }

    fn a_handler_that_fails_is_logged_and_its_client_sees_a_cut(way) {
        let (_app, server) = start(way, &[]);
        let end = rest(&mut ask(&server, "t"));
        match way.over {
            Over::Unix => assert!(end.is_err() || end == Ok(Vec::new()), "{end:?}"), // it knows no reset
            Over::Tcp | Over::Tls => assert!(end.is_err(), "{end:?}"),
        }
        server.await_log("connect failed: Error: handler failed on purpose");
        echoes(&server);
    }

    fn a_client_that_is_waited_for_too_long_is_closed(way) {
        let (_app, server) = start(way, &["--idle-timeout", "300ms"]);
        let begin = Instant::now();
        let _ = rest(&mut ask(&server, "w"));
        assert!(begin.elapsed() >= Duration::from_millis(290) && begin.elapsed() < SOON, "{:?}", begin.elapsed());
        echoes(&server);
    }

    fn a_client_that_reads_nothing_is_closed(way) {
        let (_app, server) = start(way, &["--write-timeout", "300ms", "--idle-timeout", "60s"]);
        let _stream = ask(&server, "f");
        server.await_log("flood: ETIMEDOUT");
        echoes(&server);
    }

    fn descriptors_come_back_whatever_clients_do(way) {
        let (_app, server) = start(way, &[]);
        echoes(&server);
        let base = server.fd_count();
        for what in ["e", "t", "c", "l", "w", "f"] {
            for _ in 0..5 {
                drop(ask(&server, what));
            }
        }
        eventually("descriptors are back", || server.fd_count() <= base);
        echoes(&server);
    }

    fn a_drain_waits_for_open_connections_and_then_cuts_them(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "5s"]);
        let mut stream = ask(&server, "e");
        stream.write_all(b"x").and_then(|()| stream.flush()).expect("send");
        stream.read_exact(&mut [0]).expect("the echo");
        server.signal(Signal::TERM);
        server.await_log("draining");
        stream.write_all(b"still").and_then(|()| stream.finish()).expect("send");
        assert_eq!(rest(&mut stream).as_deref(), Ok(&b"still"[..]));
        assert!(server.await_exit(SOON).success(), "{}", server.log());

        let (_app, mut server) = start(way, &["--drain-timeout", "300ms"]);
        let mut stream = ask(&server, "w");
        std::thread::sleep(Duration::from_millis(100));
        server.signal(Signal::TERM);
        let _ = rest(&mut stream);
        server.await_exit(SOON);
    }
}
