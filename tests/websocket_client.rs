//! The client's `WebSocket` as a black box: in a served app, in scripts and their threads, over TLS, with npm's `ws`, at each
//! limit and at a drain.
//!
//! Owns: apps and scripts that connect, the servers that they ask. Must not know: rules of the handshake and of frames
//! (`runtime/tests/js_websocket.rs`).

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::way::certificate;
use crate::support::{App, Frame, Over, Place, SOON, Server, Way, WebSocketPeer, ask_at, packages, skip};

/// Echoes, and connects where `/run` is asked to.
const APP: &str = r#"
const on = (target, type) => new Promise((f) => target.addEventListener(type, f, { once: true }));
const end = (ws) => new Promise((f) => {
  const seen = [];
  ws.addEventListener("error", (e) => seen.push(e.message));
  ws.addEventListener("close", (e) => f([...seen, e.code, e.reason, e.wasClean].join("|")));
});
const tries = {
  async echo(url, most = 1 << 20) {
    const ws = new WebSocket(url, ["p", "q"]), closed = end(ws);
    ws.binaryType = "arraybuffer";
    await on(ws, "open");
    for (const length of [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]) {
      if (length > most) break;
      for (const data of ["*".repeat(length), new Uint8Array(length).fill(length), `é${Math.random()}`.repeat(length >> 5)]) {
        ws.send(data);
        const { data: back } = await on(ws, "message");
        const bytes = (data) => new TextDecoder("latin1").decode(data);
        if (typeof data === "string" ? back !== data : bytes(back) !== bytes(data)) throw new Error(`${length} ${typeof data}`);
      }
    }
    const extensions = ws.extensions;
    ws.close(3000, "done");
    return `${ws.protocol} ${extensions} ${await closed}`;
  },
  small: (url) => tries.echo(url, 1 << 16),
  async hears(url) { const ws = new WebSocket(url), closed = end(ws); return closed; },
  async floods(url) {
    const ws = new WebSocket(url), closed = end(ws);
    await on(ws, "open");
    let sent = 0;
    while (ws.readyState === 1) { ws.send("x".repeat(1 << 20)); sent++; }
    return `${sent} ${await closed}`;
  },
  async closes(url) { const ws = new WebSocket(url), closed = end(ws); await on(ws, "open"); ws.close(1000); return closed; },
  async keeps(url) { const ws = new WebSocket(url); globalThis.kept = ws; ws.onclose = (e) => console.log(`kept: ${e.code}`); await on(ws, "open"); return "open"; },
};
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/run") return new Response(await tries[searchParams.get("what")](searchParams.get("url")));
    const protocol = request.headers.get("sec-websocket-protocol")?.split(",")[0];
    if (pathname === "/hooks") return ctx.upgrade(request, { protocol });
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(data));
    return new Response(null, { status: 101, webSocket: client, headers: protocol ? { "sec-websocket-protocol": protocol } : {} });
  },
  websocket: {
    open(ws) { if (ws.url.includes("?large")) ws.send("x".repeat(2000), false); if (ws.url.includes("?bomb")) ws.send("x".repeat(2000), true); },
    message(ws, data) { ws.send(data); },
    close(ws, code, reason) { console.log(`close: ${code} ${reason}`); },
  },
};"#;

/// A server of the app, which trusts the tests' certificate.
fn start(io: &str, over: Over, flags: &[&str]) -> (App, Server) {
    let (app, way) = (app!(APP), Way { over, ..Way::tcp(io) });
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(way.flags()).args(["--workers", "1"]).args(flags).arg(app.path());
    command.env("SSL_CERT_FILE", &certificate().certificate);
    (app, Server::start(command))
}

/// Where WebSockets of a server are.
fn url(server: &Server, path: &str) -> String {
    match server.place() {
        Place::Tls(addr) => format!("wss://localhost:{}{path}", addr.port()),
        _ => format!("ws://{}{path}", server.addr()),
    }
}

/// What a client in the app comes to.
fn run(server: &Server, what: &str, url: &str) -> String {
    let url = url.replace('?', "%3F");
    let request =
        format!("GET /run?what={what}&url={url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = ask_at(server, &request);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}\n{}", server.log());
    body.to_owned()
}

/// What a script prints that is told a URL; the system's roots, or the tests' certificate alone.
fn script(io: &str, words: &[&str], trusts: bool) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(["--io", io]).args(words);
    if trusts {
        command.env("SSL_CERT_FILE", &certificate().certificate);
    }
    let output = command.output().expect("run jsserve");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

both_backends! {
    fn an_app_connects_to_hooks_and_pairs_over_tcp_and_tls_with_and_without_compression(io) {
        let shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for (over, how, extensions) in [
            (Over::Tcp, "shared", shared),
            (Over::Tls, "shared", shared),
            (Over::Tcp, "takeover", "permessage-deflate"),
            (Over::Tls, "off", ""),
        ] {
            let (_app, server) = start(io, over, &["--websocket-compression", how]);
            for path in ["/hooks", "/pair"] {
                assert_eq!(run(&server, "echo", &url(&server, path)), format!("p {extensions} 3000||true"), "{over:?} {how}");
            }
            server.await_log("close: 3000 done");
        }
    }

    fn a_script_lives_as_long_as_its_sockets_and_so_do_its_threads(io) {
        let source = "const url = scriptArgs[1]; const ws = new WebSocket(url); let count = 0;
            ws.onopen = () => { print('open'); ws.send('0') };
            ws.onmessage = ({ data }) => { if (++count === 5) ws.close(1000, 'enough'); else setTimeout(() => ws.send(String(count)), 5) };
            ws.onclose = (e) => print('close', e.code, e.wasClean, count);";
        let threads = "import * as os from 'os'; const worker = new os.Worker('./thread.js');
            worker.onmessage = ({ data }) => { print(data); worker.onmessage = null }; worker.postMessage(scriptArgs[1]);";
        let thread = "import * as os from 'os'; const { parent } = os.Worker;
            parent.onmessage = ({ data: url }) => { parent.onmessage = null; const ws = new WebSocket(url); ws.onopen = () => ws.send('from a thread'); ws.onmessage = ({ data }) => { parent.postMessage(data); ws.close() } };";
        let app = App::with_files("script.js", &[("script.js", source), ("threads.mjs", threads), ("thread.js", thread)]);
        let path = |name: &str| app.path().with_file_name(name).display().to_string();
        for over in [Over::Tcp, Over::Tls] {
            let (_echo, server) = start(io, over, &[]);
            let url = url(&server, "/hooks");
            assert_eq!(script(io, &[&path("script.js"), &url], true), "open\nclose 1000 true 5\n");
            assert_eq!(script(io, &[&path("threads.mjs"), &url], true), "from a thread\n");
            let text = format!("const ws = new WebSocket('{url}'); ws.onopen = () => {{ print(ws.readyState); ws.close() }}");
            assert_eq!(script(io, &["-e", &text], true), "1\n");
        }
    }

    fn a_certificate_that_nobody_trusts_fails_the_connection(io) {
        let (_app, server) = start(io, Over::Tls, &[]);
        let source = "const ws = new WebSocket(URL); ws.onopen = () => print('open'); ws.onerror = (e) => print(e.message); ws.onclose = (e) => print(e.code)";
        let said = script(io, &["-e", &source.replace("URL", &format!("'{}'", url(&server, "/hooks")))], false);
        assert!(said.starts_with("TLS with localhost: ") && said.ends_with("1006\n") && !said.contains("open\n"), "{said}");
    }

    fn a_message_beyond_websocket_message_max_is_closed_with_1009(io) {
        let (_app, server) = start(io, Over::Tcp, &["--websocket-message-max", "1000"]);
        for path in ["/hooks?large", "/hooks?bomb"] {
            let told = run(&server, "hears", &url(&server, path));
            assert_eq!(told, "a message is larger than 1000 bytes (--websocket-message-max)|1006||false");
        }
        server.await_log("close: 1009 the message is too large");
    }

    fn a_queue_beyond_websocket_queue_max_is_closed_with_1013(io) {
        let (_app, server) = start(io, Over::Tcp, &["--websocket-queue-max", "2M"]);
        let (listener, url) = WebSocketPeer::listen();
        let peer = std::thread::spawn(move || {
            let mut peer = WebSocketPeer::open(&listener, "");
            let mut count = 0;
            while let Some(frame) = peer.next() {
                count += 1;
                if frame.first == 0x88 {
                    peer.send(&frame);
                    return (count, frame);
                }
            }
            panic!("no Close frame after {count}");
        });
        let told = run(&server, "floods", &url);
        let (count, close) = peer.join().expect("no panic");
        assert_eq!((count, close.payload[..2].to_vec()), (3, 1013_u16.to_be_bytes().to_vec()));
assert!(told.starts_with("3 2097180 bytes wait to be sent (--websocket-queue-max)|1013|"), "{told}");
    }

    fn a_server_that_answers_no_ping_is_1006(io) {
        let (_app, server) = start(io, Over::Tcp, &["--websocket-ping", "200ms", "--websocket-pong-timeout", "300ms"]);
        let (listener, url) = WebSocketPeer::listen();
        let peer = std::thread::spawn(move || {
            let mut peer = WebSocketPeer::open(&listener, "");
            for answers in [true, true, false] {
                assert_eq!(peer.next(), Some(Frame { first: 0x89, payload: Vec::new() }));
                if answers {
                    peer.send(&Frame { first: 0x8a, payload: Vec::new() });
                }
            }
            assert_eq!(peer.next(), None);
        });
        assert_eq!(run(&server, "hears", &url), "no pong within 300 ms (--websocket-pong-timeout)|1006||false");
        peer.join().expect("no panic");
    }

    fn a_server_that_answers_no_close_has_its_time(io) {
        let (_app, server) = start(io, Over::Tcp, &["--websocket-close-timeout", "200ms"]);
        let (listener, url) = WebSocketPeer::listen();
        let peer = std::thread::spawn(move || {
            let mut peer = WebSocketPeer::open(&listener, "");
            assert_eq!(peer.next(), Some(Frame::close(1000, "")));
            assert_eq!(peer.next(), None);
        });
        assert_eq!(run(&server, "closes", &url), "no Close frame within 200 ms (--websocket-close-timeout)|1006||false");
        peer.join().expect("no panic");
    }

    fn a_drain_ends_what_the_app_has_opened_with_1001(io) {
        for over in [Over::Tcp, Over::Tls] {
            let (_app, mut server) = start(io, Over::Tcp, &[]);
            let (_other, target) = start(io, over, &[]);
            assert_eq!(run(&server, "keeps", &url(&target, "/hooks")), "open");
            server.signal(Signal::TERM);
            assert!(server.await_exit(SOON).success());
            target.await_log("close: 1001 ");
        }
    }

    fn the_end_of_a_server_is_1001_for_its_clients(io) {
        let (_app, server) = start(io, Over::Tcp, &[]);
        let (_other, mut target) = start(io, Over::Tcp, &[]);
        assert_eq!(run(&server, "keeps", &url(&target, "/hooks")), "open");
        target.signal(Signal::TERM);
        assert!(target.await_exit(SOON).success());
        server.await_log("kept: 1001");
    }

    fn descriptors_of_clients_come_back(io) {
        let (_app, server) = start(io, Over::Tcp, &[]);
        let echo = url(&server, "/hooks");
        run(&server, "closes", &echo);
        let before = server.fd_count();
        for _ in 0..20 {
            assert_eq!(run(&server, "closes", &echo), "1000||true");
        }
        crate::support::eventually("descriptors", || server.fd_count() <= before + 1);
    }
}

/// What `.ci/run` installs for the tests with npm's server.
const WS: &str = "ws@8.23.0";

/// npm's `ws`, in a process of Node's.
struct NpmServer {
    child: Child,
    url: String,
}

impl Drop for NpmServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl NpmServer {
    /// An echo with permessage-deflate as `deflate` says; none where `ws` or Node is missing.
    fn start(test: &str, deflate: &str) -> Option<NpmServer> {
        let installed = packages::target("ws/node_modules");
        let has_node =
            Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success());
        if !has_node || !packages::has(&installed, &[WS]) {
            skip(test, &format!("needs node, and npm install --prefix target/ws {WS}"));
            return None;
        }
        let source = format!(
            "const {{ WebSocketServer }} = require({:?});
            const server = new WebSocketServer({{ host: '127.0.0.1', port: 0, perMessageDeflate: {deflate}, handleProtocols: (all) => [...all][0] }});
            server.on('connection', (ws) => {{ ws.on('message', (data, isBinary) => ws.send(data, {{ binary: isBinary }})); }});
            server.on('listening', () => console.log(server.address().port));",
            installed.join("ws")
        );
        let mut child =
            Command::new("node").args(["-e", &source]).stdout(Stdio::piped()).spawn().expect("run node");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a port");
        Some(NpmServer { child, url: format!("ws://127.0.0.1:{}/", line.trim()) })
    }
}

both_backends! {
    fn npms_ws_echoes_with_each_way_of_compression(io) {
        for (deflate, flags, extensions) in [
            ("false", &["--websocket-compression", "shared"], ""),
            ("true", &["--websocket-compression", "shared"], "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            ("{ threshold: 0 }", &["--websocket-compression", "takeover"], "permessage-deflate"),
            ("{ threshold: 0, clientMaxWindowBits: 10, serverMaxWindowBits: 9 }", &["--websocket-compression", "takeover"], "permessage-deflate"),
        ] {
            let Some(npm) = NpmServer::start("npm's ws", deflate) else { return };
            let (_app, server) = start(io, Over::Tcp, flags);
            let told = run(&server, "small", &npm.url);
            assert!(told.starts_with(&format!("p {extensions}")) && told.ends_with(" 3000|done|true"), "{deflate}: {told}");
        }
    }
}
