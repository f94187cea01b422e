//! `connect(socket)` on an app's default export, and `connect(address)` in apps, scripts and workers.
//!
//! Owns: clients, targets, and how their connections end. Must not know: HTTP, beyond one request.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::support::way::ClientStream;
use crate::support::{
    self, App, ClosedPort, Connection, Over, SOON, Script, Server, Way, accept, dial, eventually, example,
    fill, pattern, there_and_back,
};
use rustix::process::Signal;

/// What comes to the end of the stream, under TLS to its close_notify.
fn rest(stream: &mut impl Read) -> Result<String, ErrorKind> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether that is how a connection is cut there: by a reset, under TLS at least without a close_notify; a Unix socket has
/// no more than an end.
fn is_cut(way: Way, end: &Result<String, ErrorKind>) -> bool {
    match way.over {
        Over::Tcp => *end == Err(ErrorKind::ConnectionReset),
        Over::Tls => matches!(end, Err(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)),
        Over::Unix => matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)),
    }
}

/// Each connection's first line names what is to be tried on it.
const APP: &str = r#"
import { connect } from "sockets";
const encoder = new TextEncoder(), decoder = new TextDecoder();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const line = async (socket) => {
  const reader = socket.readable.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value);
  }
  reader.releaseLock();
  return text.split("\n")[0];
};
const say = async (socket, text) => {
  const writer = socket.writable.getWriter();
  await writer.write(text);
  writer.releaseLock();
};
const tries = {
  args: async (socket, env, ctx) => say(socket, [ctx.peer.addr, ctx.peer.port === Number((await socket.opened).remoteAddress.split(":")[1]),
    env.CONNECT_TEST, socket.secureTransport, typeof ctx.waitUntil].join()),
  unawaited: (socket) => { socket.writable.getWriter().write("x".repeat(3000000)); },
  throws: async (socket) => { await say(socket, "some"); throw new Error("handler failed on purpose"); },
  later: (socket, env, ctx) => { ctx.waitUntil(pause(100).then(() => say(socket, "later"))); },
  busy: async (socket) => { await pause(900); await say(socket, "was busy"); },
  waits: async (socket) => {
    const closed = socket.closed.then(() => "closed");
    const error = await socket.readable.getReader().read().catch((e) => e);
    console.log(`waits: ${error.code}: ${error.message}; ${await closed}`);
  },
  flood: async (socket) => {
    const writer = socket.writable.getWriter(), block = new Uint8Array(1 << 20);
    let error;
    while (error === undefined) error = await writer.write(block).then(() => undefined, (e) => e);
    console.log(`flood: ${error.code}; ${await socket.closed.then(() => "closed")}`);
  },
  outlives: async (socket) => {
    socket.closed.then(() => console.log("outlives: closed"));
    await say(socket, "here");
    await socket.readable.getReader().read().catch((e) => console.log(`outlives: ${e.code}`));
  },
  tells: async (socket) => { await socket.readable.getReader().read(); console.log("tells: ended"); },
  closes: (socket) => socket.close(),
  out: async (socket, env, ctx, port) => {
    const other = connect({ hostname: "127.0.0.1", port: Number(port) });
    const error = await other.opened.then(() => undefined, (e) => e);
    if (error !== undefined) return say(socket, `${error.name} ${error.code} ${await other.closed.catch((e) => e === error)}`);
    await other.readable.pipeTo(socket.writable);
  },
};
export default {
  async connect(socket, env, ctx) {
    const [name, word] = (await line(socket)).split(" ");
    if (tries[name] === undefined) throw new Error(`${name} means nothing`);
    return tries[name](socket, env, ctx, word);
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_raw_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

/// A raw connection, whose reads end in time.
fn open(server: &Server) -> ClientStream {
    let stream = ClientStream::open(&server.place(), SOON).expect("connect");
    stream.set_read_timeout(SOON).expect("timeout");
    stream
}

fn ask(server: &Server, line: &str) -> ClientStream {
    let mut stream = open(server);
    stream.write_all(format!("{line}\n").as_bytes()).and_then(|()| stream.flush()).expect("send");
    stream
}

fn proxy(way: Way, target: SocketAddr) -> Server {
    let target = format!("TARGET={target}");
    Server::spawn_raw_at(way, &["--workers", "1", "--env", &target], &example("tcp_proxy.js"))
}

every_way! {
    fn the_echo_example_sends_back_what_it_receives(way) {
        let server = Server::spawn_raw_at(way, &["--workers", "2"], &example("echo_streams.js"));
        let bytes = pattern(3_000_000);
        assert!(there_and_back(open(&server), &bytes) == bytes, "the bytes changed");
        for _ in 0..10 {
            assert_eq!(there_and_back(open(&server), b"hello"), b"hello");
        }
    }

    fn the_proxy_copies_both_ways_and_passes_ends_on(way) {
        let target = TcpListener::bind("127.0.0.1:0").expect("bind");
        let server = proxy(way, target.local_addr().expect("address"));
        let stream = open(&server);
        let sent = pattern(3_000_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = accept(&target);
                let mut got = Vec::new();
                other.read_to_end(&mut got).expect("read");
                assert!(got == pattern(3_000_000), "the bytes changed on their way to the target");
                other.write_all(&got).expect("answer after the client's end");
            });
            assert!(there_and_back(stream, &sent) == sent, "the bytes changed on their way back");
        });
    }

    fn the_proxy_serves_many_at_once_whatever_others_do(way) {
        let echo = Server::spawn(&["--io", way.io, "--workers", "1"], &example("echo_streams.js"));
        let server = proxy(way, echo.addr());
        assert_eq!(there_and_back(open(&server), b"first"), b"first");
        let base = (echo.fd_count(), server.fd_count());
        std::thread::scope(|scope| {
            for thread in 0..12 {
                let server = &server;
                scope.spawn(move || {
                    for round in 0..6 {
                        let mut stream = open(server);
                        let bytes = pattern([0, 1, 70_000, 400_000][(thread + round) % 4]);
                        match (thread * 6 + round) % 3 {
                            0 => {}
                            1 => {
                                stream.write_all(&bytes[..bytes.len().min(1000)]).expect("send");
                                stream.reset();
                            }
                            _ => assert!(there_and_back(stream, &bytes) == bytes, "the bytes changed"),
                        }
                    }
                });
            }
        });
        eventually("descriptors are back", || (echo.fd_count(), server.fd_count()) <= base);
    }

    fn the_proxy_ends_one_side_when_the_other_breaks(way) {
        let target = TcpListener::bind("127.0.0.1:0").expect("bind");
        let server = proxy(way, target.local_addr().expect("address"));
        let mut stream = open(&server);
        let mut other = accept(&target);
        other.write_all(b"hello").expect("send");
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).expect("read");
        socket2::SockRef::from(&other).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        drop(other);
        assert!(is_cut(way, &rest(&mut stream)));
        server.await_log("connect failed: ");
        drop(target);
        assert!(is_cut(way, &rest(&mut open(&server))), "no target, no connection");
        server.await_log("Connection refused");
    }

    fn the_proxy_holds_back_who_sends_too_fast(way) {
        let target = TcpListener::bind("127.0.0.1:0").expect("bind");
        let server = proxy(way, target.local_addr().expect("address"));
        let mut stream = open(&server);
        let _silent = accept(&target); // and reads nothing
        fill(&mut stream);
    }

    fn what_was_written_goes_out_before_the_close(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(rest(&mut ask(&server, "unawaited")).map(|text| text.len()), Ok(3_000_000));
        assert_eq!(rest(&mut ask(&server, "closes")), Ok(String::new()));
    }

    fn wait_until_keeps_the_socket_open(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(rest(&mut ask(&server, "later")).as_deref(), Ok("later"));
    }

    fn a_handler_that_fails_is_logged_and_resets(way) {
        let (_app, server) = start(way, &[]);
        assert!(is_cut(way, &rest(&mut ask(&server, "throws"))));
        server.await_log("connect failed: Error: handler failed on purpose");
        assert!(is_cut(way, &rest(&mut ask(&server, "nonsense"))));
        assert_eq!(rest(&mut ask(&server, "later")).as_deref(), Ok("later"), "the server goes on");
    }

    fn a_client_that_is_waited_for_too_long_is_closed(way) {
        let (_app, server) = start(way, &["--idle-timeout", "300ms"]);
        let begin = Instant::now();
        assert_eq!(rest(&mut ask(&server, "waits")), Ok(String::new()));
        assert!(begin.elapsed() >= Duration::from_millis(290), "{:?}", begin.elapsed());
        server.await_log("waits: ETIMEDOUT: SocketError: nothing moved for 300 ms (--idle-timeout); closed");
        // Not while the handler is what is waited for.
        assert_eq!(rest(&mut ask(&server, "busy")).as_deref(), Ok("was busy"));
        assert_eq!(rest(&mut open(&server)), Ok(String::new()), "one that says nothing keeps no seat");
    }

    fn a_client_that_reads_nothing_is_reset(way) {
        let (_app, server) = start(way, &["--write-timeout", "300ms"]);
        let _stream = ask(&server, "flood");
        server.await_log("flood: ETIMEDOUT; closed");
        let _stream = ask(&server, "unawaited");
    }

    // A client that has gone away is no fault of an app's that does not wait for its writes.
    fn descriptors_come_back_and_clients_that_go_away_fill_no_log(way) {
        let (_app, mut server) = start(way, &[]);
        assert_eq!(rest(&mut ask(&server, "later")).as_deref(), Ok("later"));
        let base = server.fd_count();
        for name in ["tells", "throws", "closes", "unawaited", "args"] {
            for _ in 0..10 {
                let stream = ask(&server, name);
                if name == "tells" || name == "unawaited" {
                    stream.reset();
                }
            }
        }
        eventually("descriptors are back", || server.fd_count() <= base);
        server.signal(Signal::TERM);
        assert!(server.await_exit(SOON).success());
        let log = server.log();
        for words in ["ECONNRESET", "EPIPE", "ERR_SOCKET_CLOSED", "unhandled rejection"] {
            assert!(!log.contains(words), "clients that go away fill the log: {log}");
        }
    }

    fn a_drain_waits_for_open_sockets_and_then_cuts_them(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "5s"]);
        let mut stream = ask(&server, "outlives");
        let mut here = [0; 4];
        stream.read_exact(&mut here).expect("read");
        server.signal(Signal::TERM);
        server.await_log("draining");
        std::thread::sleep(Duration::from_millis(200));
        assert!(server.is_alive(), "an open socket holds the drain");
        stream.write_all(b"enough\n").and_then(|()| stream.flush()).expect("send");
        assert_eq!(rest(&mut stream), Ok(String::new()));
        assert!(server.await_exit(SOON).success());

        let (_app, mut server) = start(way, &["--drain-timeout", "300ms"]);
        let mut stream = ask(&server, "outlives");
        stream.read_exact(&mut here).expect("read");
        server.signal(Signal::TERM);
        let _ = rest(&mut stream).unwrap_or_default();
        server.await_exit(SOON);
        let log = server.log();
        assert!(log.contains("outlives: ECONNABORTED") && log.contains("outlives: closed"), "{log}");
    }

    fn apps_connect_out(way) {
        let (_app, server) = start(way, &[]);
        let target = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = target.local_addr().expect("address").port();
        let mut stream = ask(&server, &format!("out {port}"));
        let mut other = accept(&target);
        other.write_all(b"from over there").expect("send");
        drop((other, target));
        assert_eq!(rest(&mut stream).as_deref(), Ok("from over there"));
        let closed = ClosedPort::new();
        let mut stream = ask(&server, &format!("out {}", closed.number()));
        assert_eq!(rest(&mut stream).as_deref(), Ok("TypeError ECONNREFUSED true"));
    }
}

both_backends! {
    fn a_handler_gets_socket_env_and_ctx(io) {
        let (_app, server) = start(Way::tcp(io), &["--env", "CONNECT_TEST=value"]);
        let answer = rest(&mut ask(&server, "args")).expect("a FIN");
        assert_eq!(answer, "127.0.0.1,true,value,off,function");
    }

    fn a_full_worker_accepts_no_more_until_a_socket_closes(io) {
        let (_app, server) = start(Way::tcp(io), &["--connections-max", "1"]);
        let mut first = ask(&server, "tells");
        let mut second = ask(&server, "later");
        second.set_read_timeout(Duration::from_millis(200)).expect("timeout");
        assert!(second.read(&mut [0]).is_err(), "served beyond the limit");
        first.finish().expect("shutdown");
        server.await_log("tells: ended");
        assert_eq!(rest(&mut first), Ok(String::new()));
        second.set_read_timeout(SOON).expect("timeout");
        assert_eq!(rest(&mut second).as_deref(), Ok("later"));
    }

    fn one_app_may_have_fetch_and_connect(io) {
        let app = app!(
            "export default {
               fetch: () => new Response('http'),
               async connect(socket) { await socket.writable.getWriter().write('tcp'); },
             };"
        );
        let server = Server::spawn(&["--io", io, "--tcp", "0", "--tcp", "127.0.0.1:0"], app.path());
        assert_eq!(Connection::open(server.addr_of("http")).get("/").text(), "http");
        let raw: Vec<SocketAddr> =
            server.addresses().iter().filter(|(name, _)| name == "tcp").map(|(_, addr)| *addr).collect();
        assert_eq!(raw.len(), 2, "{}", server.start_line());
        for addr in raw {
            assert_eq!(rest(&mut dial(addr)).as_deref(), Ok("tcp"));
        }
    }

    fn a_script_ends_when_none_of_its_sockets_is_used(io) {
        let target = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = target.local_addr().expect("address").port().to_string();
        let app = App::new(
            "import { connect } from 'cloudflare:sockets';
             const socket = connect(`127.0.0.1:${scriptArgs[1]}`);
             await socket.opened;
             console.log('open');
             if (scriptArgs[2] === 'closed') socket.closed.then(() => console.log('closed'));
             if (scriptArgs[2] === 'read') socket.readable.getReader().read().then(({ value }) => console.log(value.length));
             if (scriptArgs[2] === 'close') { socket.writable.getWriter().write('bye'); socket.close(); }",
        );
        let mut held = Vec::new();
        for (way, said) in [("nothing", "open\n"), ("closed", "open\nclosed\n"), ("read", "open\n3\n"), ("close", "open\n")] {
            let script = Script::spawn(io, app.path(), &[&port, way]);
            let mut peer = accept(&target);
            match way {
                "closed" => drop(peer),
                "read" => peer.write_all(b"123").expect("send"),
                "close" => assert_eq!(rest(&mut peer).as_deref(), Ok("bye")),
                _ => held.push(peer),
            }
            assert_eq!(script.finish(), said, "{way}");
        }
    }

    fn threads_connect_too(io) {
        let target = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = target.local_addr().expect("address").port().to_string();
        let app = App::with_files("main.js", &[
            ("main.js", "import * as os from 'os';
               const worker = new os.Worker('./thread.js');
               worker.onmessage = ({ data }) => {
                 if (data !== 'ready') { console.log(data); worker.onmessage = null; return; }
                 worker.postMessage(scriptArgs[1]);
               };"),
            ("thread.js", "import * as os from 'os'; import { connect } from 'sockets';
               const { parent } = os.Worker;
               parent.onmessage = async ({ data }) => {
                 const { value } = await connect(`127.0.0.1:${data}`).readable.getReader().read();
                 parent.postMessage(new TextDecoder().decode(value));
                 parent.onmessage = null;
               };
               parent.postMessage('ready');"),
        ]);
        let script = Script::spawn(io, app.path(), &[&port]);
        accept(&target).write_all(b"to a thread").expect("send");
        assert_eq!(script.finish(), "to a thread\n");
    }
}

#[test]
fn an_app_that_cannot_serve_raw_tcp_is_refused_with_a_remedy() {
    let both = app!("export default { connect() {}, accept() {} };");
    let ended = support::server::run_to_end(&["--port", "0", both.path().to_str().expect("UTF-8")]);
    assert!(ended.code == Some(1) && ended.stderr.contains("both `connect` and `accept`"), "{ended:?}");
    let neither = app!("export default { fetch() {} };");
    let ended =
        support::server::run_to_end(&["--port", "0", "--tcp", "0", neither.path().to_str().expect("UTF-8")]);
    assert!(ended.code == Some(1) && ended.stderr.contains("connect(socket)"), "{ended:?}");
}
