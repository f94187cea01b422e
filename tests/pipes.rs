//! Pipes into and out of sockets in served apps: how long a client may be waited for meanwhile, bodies of
//! requests and responses, apps that patch what pipes are made of.
//!
//! Owns: clients and targets. Must not know: how the bytes of a pipe move.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Connection, Server, accept, dial, example, pattern};

fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let word = format!("TARGET={}", listener.local_addr().expect("address"));
    (listener, word)
}

fn proxy(io: &str, flags: &[&str]) -> (Server, TcpListener) {
    let (listener, word) = target();
    let flags = [&["--io", io, "--workers", "1", "--env", &word], flags].concat();
    (Server::spawn(&flags, &example("tcp_proxy.js")), listener)
}

/// What comes to the end of the stream; whether that is a reset.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).map_err(|error| error.kind());
    (bytes, ended == Err(std::io::ErrorKind::ConnectionReset))
}

const BODIES: &str = r#"
import { connect } from "sockets";
export default {
  async fetch(request, env) {
    const target = connect(env.TARGET, { allowHalfOpen: true });
    if (request.method === "POST") await request.body.pipeTo(target.writable);
    else await (await fetch(`${new URL(request.url).searchParams.get("from")}`)).body.pipeTo(target.writable);
    return new Response(await new Response(target.readable).text());
  },
};"#;

const PATCHED: &str = r#"
import { connect } from "sockets";
const seen = [];
const { pipeTo } = ReadableStream.prototype;
ReadableStream.prototype.pipeTo = function (...args) { seen.push("pipeTo"); return pipeTo.apply(this, args); };
export default {
  async connect(socket, env) {
    const target = connect(env.TARGET, { allowHalfOpen: true });
    await target.opened;
    const broken = () => { throw new Error("a patch was called"); };
    const { then } = Promise.prototype;
    Object.defineProperty(Object.prototype, "then", { configurable: true, get: broken });
    Object.defineProperty(Object.prototype, "how", { configurable: true, set: broken });
    Promise.prototype.then = broken;
    const [there, back] = [socket.readable.pipeTo(target.writable), target.readable.pipeTo(socket.writable)];
    const ended = new Promise((resolve) => {
      let left = 2;
      const one = () => { if (--left === 0) resolve(); };
      for (const pipe of [there, back]) then.call(pipe, one, (error) => { console.log(`${error}`); });
    });
    await ended;
    delete Object.prototype.then;
    delete Object.prototype.how;
    Promise.prototype.then = then;
    console.log(`pipes: ${seen}`);
  },
};"#;

both_backends! {
    fn a_silent_pair_is_closed_and_one_that_hears_something_is_not(io) {
        let (server, listener) = proxy(io, &["--idle-timeout", "400ms"]);
        let mut stream = dial(server.addr());
        let mut other = accept(&listener);
        let begin = Instant::now();
        for n in 0..6_u8 {
            std::thread::sleep(Duration::from_millis(150));
            other.write_all(&[n]).expect("send");
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the client is silent, its connection is not");
            assert_eq!(byte, [n]);
        }
        assert_eq!(rest(&mut stream).0, b"");
        assert!(begin.elapsed() >= Duration::from_millis(1_290), "{:?}", begin.elapsed());
        drop(rest(&mut other));
    }

    fn a_client_that_takes_nothing_of_a_pipe_is_reset(io) {
        let (server, listener) = proxy(io, &["--write-timeout", "300ms"]);
        let mut stream = dial(server.addr());
        let mut other = accept(&listener);
        let begin = Instant::now();
        let block = pattern(1 << 20);
        let mut sent = 0;
        while other.write_all(&block).is_ok() {
            sent += block.len();
            assert!(sent < 64 << 20, "somebody takes it");
        }
        assert!(begin.elapsed() < Duration::from_secs(8), "not by the limit of ten seconds that others have");
        assert!(rest(&mut stream).1, "the client learns that something is missing");
    }

    fn bodies_go_into_sockets(io) {
        let (listener, word) = target();
        let app = app!(BODIES);
        let flags = ["--io", io, "--workers", "1", "--body-max", "8MiB", "--env", &word];
        let server = Server::spawn(&flags, app.path());
        let answer = |wanted: Vec<u8>| move |listener: &TcpListener| {
            let mut other = accept(listener);
            let mut got = Vec::new();
            other.read_to_end(&mut got).expect("read");
            assert!(got == wanted, "the bytes changed: {} of {}", got.len(), wanted.len());
            other.write_all(b"all of it").expect("send");
        };
        std::thread::scope(|scope| {
            scope.spawn(|| answer(pattern(5_000_000))(&listener));
            let response = Connection::open(server.addr()).post("/", &pattern(5_000_000));
            assert_eq!((response.status, response.text()), (200, "all of it"));
        });
        let origin = TcpListener::bind("127.0.0.1:0").expect("bind");
        let from = origin.local_addr().expect("address");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = accept(&origin);
                assert!(stream.read(&mut [0; 4096]).expect("a request") > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n").expect("send");
                stream.write_all(&pattern(5_000_000)).expect("send");
                stream.shutdown(Shutdown::Write).expect("shutdown");
            });
            scope.spawn(|| answer(pattern(5_000_000))(&listener));
            let response = Connection::open(server.addr()).get(&format!("/?from=http://{from}/"));
            assert_eq!((response.status, response.text()), (200, "all of it"));
        });
    }

    fn a_body_that_breaks_off_resets_its_target(io) {
        let (listener, word) = target();
        let app = app!(BODIES);
        let server = Server::spawn(&["--io", io, "--workers", "1", "--env", &word], app.path());
        let mut stream = dial(server.addr());
        stream.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf").expect("send");
        let mut other = accept(&listener);
        let mut half = [0; 4];
        other.read_exact(&mut half).expect("read");
        drop(stream);
        assert_eq!(rest(&mut other), (Vec::new(), true));
    }

    fn a_patched_prototype_neither_breaks_nor_sees_a_pipe(io) {
        let (listener, word) = target();
        let app = app!(PATCHED);
        let server = Server::spawn(&["--io", io, "--workers", "1", "--env", &word], app.path());
        let mut stream = dial(server.addr());
        let mut other = accept(&listener);
        stream.write_all(b"there").expect("send");
        stream.shutdown(Shutdown::Write).expect("shutdown");
        assert_eq!(rest(&mut other), (b"there".to_vec(), false));
        other.write_all(b"back").expect("send");
        drop(other);
        assert_eq!(rest(&mut stream), (b"back".to_vec(), false));
        server.await_log("pipes: pipeTo,pipeTo");
        assert!(!server.log().contains("a patch was called"), "{}", server.log());
    }
}
