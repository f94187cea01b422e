//! `datagram(message, from, socket, env, ctx)` on `--listen udp://…`.
//!
//! Owns: apps of datagrams, and clients on plain UDP sockets. Must not know: how datagrams are batched.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::server::run_to_end;
use crate::support::{App, Connection, SOON, Server, eventually};

/// Each datagram's first word names what is to be done with it.
const APP: &str = r#"
import * as os from "os";
const text = (message) => String.fromCharCode(...message);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const failure = (call) => { try { return String(call()); } catch (error) { return error.name; } };
let kept;
const todo = {
  shape: (message, from, socket, env, ctx) => JSON.stringify([
    message.constructor === Uint8Array, message.buffer.byteLength === message.length,
    from, [from.family === os.AF_INET, from.addr, from.port], socket.local, ctx.local, ctx.worker, env.NAME, Object.isFrozen(env),
    typeof ctx.waitUntil, globalThis.DatagramSocket === undefined,
  ]),
  bytes: () => new Uint8Array([1, 2, 3]).subarray(1),
  buffer: () => new Uint8Array([4, 5]).buffer,
  none: (message, from, socket) => { socket.send("sent", from); return { no: "reply" }; },
  empty: () => "",
  async later() { await sleep(20); return "later"; },
  async now() { return "now"; },
  thenable: () => ({ then: (resolve) => resolve("thenable") }),
  throws() { throw new Error("this datagram failed"); },
  async rejects() { await sleep(1); throw new Error("this datagram was rejected"); },
  many: (message, from, socket) => { for (let n = 0; n < 200; n++) socket.send(`${n}`, from); },
  to: (message, from, socket) => socket.send("by address", { addr: from.addr, port: from.port }),
  errors: (message, from, socket) => [
    () => socket.send(new Uint8Array(65508), from), () => socket.send("x"), () => socket.send({}, from),
    () => socket.send("x", { addr: "::1", port: 1, family: os.AF_INET6 }), () => socket.send("x", { addr: "127.0.0.1", port: 0 }),
    () => socket.send("x", { port: 9 }), () => socket.send("x", { addr: "localhost", port: 9 }), () => socket.send("x", null),
    () => socket.send("x", { family: os.AF_UNIX, path: "/x" }), () => socket.send.call({}, "x", from),
    () => new from.constructor(), () => new socket.constructor(),
  ].map(failure).join(),
  huge: () => new Uint8Array(65508),
  keep: (message, from, socket) => { kept = { from, socket }; return "kept"; },
  use: () => { setTimeout(() => kept.socket.send("from a timer", kept.from), 5); },
  broadcast: (message, from, socket) => String(socket.send("x", { addr: "255.255.255.255", port: 9 })),
  background: (message, from, socket, env, ctx) => ctx.waitUntil(sleep(300).then(() => socket.send("in the background", from))),
  async slow() { await sleep(300); return "slow"; },
  never: () => new Promise((resolve) => { setTimeout(resolve, 60_000); }),
  lost: () => new Promise(() => {}),
  loop() { for (;;); },
  heap() { const all = []; for (;;) all.push(new Array(1000).fill(all.length)); },
  // Inside of the engine, which asks for no interrupt and no memory meanwhile.
  stuck: () => { console.log("stuck from now on"); const list = []; list[2 ** 32 - 2] = 1; return String(list.values().drop(2 ** 32 - 2).next().done); },
};
export default {
  fetch: () => new Response("http"),
  datagram(message, ...rest) {
    const [word] = text(message.subarray(0, 20)).split(" ");
    return todo[word] ? todo[word](message, ...rest) : message;
  },
};"#;

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = App::new(APP);
    let listen = ["--listen", "udp://127.0.0.1:0", "--listen", "http://127.0.0.1:0"];
    let flags = [&["--io", io, "--workers", "1", "--env", "NAME=value"], &listen[..], flags].concat();
    let server = Server::spawn(&flags, app.path());
    (app, server)
}

/// A client of the server's UDP address.
struct Client(UdpSocket);

impl Client {
    fn of(server: &Server) -> Client {
        Client::at(server.addr_of("udp"))
    }

    fn at(addr: SocketAddr) -> Client {
        let any = if addr.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(any).expect("bind");
        socket.connect(addr).expect("connect");
        socket.set_read_timeout(Some(SOON)).expect("timeout");
        Client(socket)
    }

    fn send(&self, message: impl AsRef<[u8]>) {
        self.0.send(message.as_ref()).expect("send");
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let length = self.0.recv(&mut buffer).expect("a datagram");
        buffer.truncate(length);
        buffer
    }

    fn text(&self) -> String {
        String::from_utf8(self.receive()).expect("text")
    }

    fn ask(&self, message: impl AsRef<[u8]>) -> String {
        self.send(message);
        self.text()
    }

    /// Sends until something comes back: what is lost meanwhile is lost.
    fn ask_until_answered(&self, message: &str) -> String {
        self.0.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
        let deadline = Instant::now() + 2 * SOON;
        let mut buffer = [0; 1024];
        loop {
            self.send(message);
            if let Ok(length) = self.0.recv(&mut buffer) {
                return String::from_utf8_lossy(&buffer[..length]).into_owned();
            }
            assert!(Instant::now() < deadline, "{message:?} is never answered");
        }
    }
}

both_backends! {
    fn a_datagram_of_any_size_comes_whole_and_its_reply_too(io) {
        let (_app, server) = start(io, &[]);
        let client = Client::of(&server);
        for length in [0, 1, 64, 1472, 4096, 5000, 65_000, 65_507] {
            let message: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
            client.send(&message);
            assert!(client.receive() == message, "{length} bytes");
        }
    }

    fn ipv6_is_served_as_well(io) {
        let Ok(_) = UdpSocket::bind("[::1]:0") else { return eprintln!("skipped: no IPv6 on this machine") };
        let app = App::new(APP);
        let server = Server::spawn(&["--io", io, "--workers", "1", "--listen", "udp://[::1]:0"], app.path());
        let client = Client::of(&server);
        let port = client.0.local_addr().expect("address").port();
        let shape = client.ask("shape");
        assert!(shape.contains(&format!("\"addr\":\"::1\",\"port\":{port}")), "{shape}");
        let message = vec![6; 65_527];
        client.send(&message);
        assert!(client.receive() == message, "the most that UDP carries over IPv6");
    }

    fn the_handler_gets_message_sender_socket_env_and_ctx(io) {
        let (_app, server) = start(io, &[]);
        let client = Client::of(&server);
        let (here, there) = (client.0.local_addr().expect("address").port(), server.addr_of("udp").port());
        let local = format!(r#"{{"family":2,"addr":"127.0.0.1","port":{there}}}"#);
        assert_eq!(
            client.ask("shape"),
            format!(
                r#"[true,true,{{"family":2,"addr":"127.0.0.1","port":{here}}},[true,"127.0.0.1",{here}],{local},{local},0,"value",true,"function",true]"#
            )
        );
    }

    fn bytes_and_strings_that_a_handler_returns_are_the_reply(io) {
        let (_app, server) = start(io, &[]);
        let client = Client::of(&server);
        for (word, reply) in
            [("bytes", "\x02\x03"), ("buffer", "\x04\x05"), ("none", "sent"), ("empty", ""), ("later", "later"), ("now", "now"), ("thenable", "thenable")]
        {
            assert_eq!(client.ask(word), reply, "{word}");
        }
    }

    fn what_a_handler_throws_costs_its_own_datagram_and_is_logged(io) {
        let (_app, server) = start(io, &[]);
        let client = Client::of(&server);
        for word in ["throws", "rejects", "huge"] {
            client.send(word);
            assert_eq!(client.ask("and the next"), "and the next", "{word}");
        }
        for part in ["this datagram failed", "this datagram was rejected", "65508 bytes: a datagram carries at most 65507"] {
            server.await_log(part);
        }
    }

    fn a_socket_sends_to_senders_and_addresses_now_and_later(io) {
        let (_app, server) = start(io, &[]);
        let client = Client::of(&server);
        client.send("many");
        let all: Vec<String> = (0..200).map(|_| client.text()).collect();
        assert_eq!(all, (0..200).map(|n| n.to_string()).collect::<Vec<_>>(), "in order");
        assert_eq!(client.ask("to"), "by address");
        assert_eq!(client.ask("keep"), "kept");
        client.send("use");
        assert_eq!(client.text(), "from a timer");
        client.send("background");
        assert_eq!(client.text(), "in the background");
        assert_eq!(
            client.ask("errors"),
            "RangeError,TypeError,TypeError,TypeError,RangeError,TypeError,TypeError,TypeError,TypeError,TypeError,TypeError,TypeError"
        );
        // Broadcasts are not allowed: it is queued, and the kernel refuses it.
        assert_eq!(client.ask("broadcast"), "true");
        server.await_log("could not be sent");
    }

    fn a_reply_leaves_from_the_address_that_was_asked(io) {
        let app = App::new(APP);
        let server = Server::spawn(&["--io", io, "--workers", "1", "--listen", "udp://0.0.0.0:0"], app.path());
        let port = server.addr_of("udp").port();
        for ip in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
            // A connected socket takes datagrams of its peer only.
            let client = Client::at(format!("{ip}:{port}").parse().expect("address"));
            assert_eq!(client.ask("hello"), "hello");
            assert_eq!(client.ask("none"), "sent");
            assert_eq!(client.ask("later"), "later");
        }
    }

    fn every_worker_takes_datagrams(io) {
        let app = App::new("export default { datagram: (m, f, s, e, ctx) => `${ctx.worker}` }");
        let server = Server::spawn(&["--io", io, "--workers", "2", "--listen", "udp://127.0.0.1:0"], app.path());
        let workers: std::collections::BTreeSet<String> =
            (0..64).map(|_| Client::of(&server).ask("which")).collect();
        assert_eq!(workers.into_iter().collect::<Vec<_>>(), ["0", "1"]);
    }

    fn a_client_that_is_gone_costs_nobody_else_anything(io) {
        let (_app, server) = start(io, &[]);
        for _ in 0..20 {
            Client::of(&server).send("later");
            Client::of(&server).send("now");
        }
        let client = Client::of(&server);
        for _ in 0..5 {
            assert_eq!(client.ask("later"), "later");
        }
    }

    fn datagrams_max_bounds_the_handlers_that_are_waited_for(io) {
        let (_app, server) = start(io, &["--datagrams-max", "2", "--request-timeout", "1s"]);
        let client = Client::of(&server);
        client.send("never");
        assert_eq!(client.ask("later"), "later", "one place is left");
        client.send("never");
        client.send("dropped");
        server.await_log("--datagrams-max");
        server.await_log("--request-timeout");
        assert_eq!(client.ask_until_answered("again"), "again", "who is given up on makes room");
    }

    fn a_promise_that_can_never_settle_is_not_waited_for(io) {
        let (_app, server) = start(io, &["--datagrams-max", "1", "--request-timeout", "10m"]);
        let client = Client::of(&server);
        for _ in 0..10 {
            client.send("lost");
            assert_eq!(client.ask("later"), "later");
        }
    }

    fn a_turn_that_is_too_long_ends_and_costs_its_own_datagram(io) {
        let (_app, server) = start(io, &["--cpu-max", "50ms", "--stuck-timeout", "60s"]);
        let client = Client::of(&server);
        client.send("loop");
        assert_eq!(client.ask("next"), "next");
        server.await_log("datagram failed");
    }

    fn after_a_full_heap_a_fresh_context_goes_on(io) {
        let (_app, server) = start(io, &["--heap-max", "16M", "--stuck-timeout", "60s", "--cpu-max", "30s"]);
        let client = Client::of(&server);
        assert_eq!(client.ask("keep"), "kept");
        client.send("heap");
        server.await_log("context is replaced");
        assert_eq!(client.ask_until_answered("fresh"), "fresh");
    }

    fn a_flood_leaves_the_worker_to_others_as_well(io) {
        let (_app, server) = start(io, &[]);
        let addr = server.addr_of("udp");
        let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flood = {
            let end = end.clone();
            std::thread::spawn(move || {
                let client = Client::at(addr);
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    // It may fail for want of buffers, or because of an ICMP error.
                    let _ = client.0.send(&[120; 64]);
                }
            })
        };
        for _ in 0..20 {
            assert_eq!(Connection::open(server.addr_of("http")).get("/").text(), "http");
        }
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        flood.join().expect("the flood");
        assert_eq!(Client::of(&server).ask_until_answered("after it"), "after it");
    }

    fn a_drain_waits_for_handlers_and_their_replies(io) {
        let (_app, mut server) = start(io, &[]);
        let client = Client::of(&server);
        assert_eq!(client.ask("first"), "first");
        client.send("slow");
        client.send("background");
        assert_eq!(client.ask("both are being handled"), "both are being handled");
        server.signal(Signal::TERM);
        let mut replies = [client.text(), client.text()];
        replies.sort();
        assert_eq!(replies, ["in the background", "slow"]);
        assert_eq!(server.await_exit(SOON).code(), Some(0), "{}", server.log());
    }

    fn what_waits_for_a_stuck_worker_is_served_by_its_replacement(io) {
        let (_app, server) = start(io, &["--stuck-timeout", "300ms", "--cpu-max", "60s"]);
        let client = Client::of(&server);
        assert_eq!(client.ask("first"), "first");
        client.send("stuck");
        server.await_log("stuck from now on");
        // They come while nobody reads, and wait in the kernel: for the worker, or who takes its place.
        for number in 0..10 {
            client.send(format!("waits-{number}"));
        }
        server.await_log("a new worker takes its place");
        server.await_log("datagram 127.0.0.1:");
        let mut replies: Vec<String> = (0..10).map(|_| client.text()).collect();
        replies.sort();
        assert_eq!(replies, (0..10).map(|number| format!("waits-{number}")).collect::<Vec<_>>());
        eventually("the replacement serves alone", || client.ask_until_answered("again").contains("again"));
    }
}

#[test]
fn a_plain_port_is_none_of_datagrams_and_the_remedy_says_how() {
    let app = App::new("export default { datagram: (message) => message }");
    let ended = run_to_end(&["--port", "0", app.path().to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("has no handler for http://127.0.0.1:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--listen udp://127.0.0.1:"), "{}", ended.stderr);
    let app = App::new("export default { fetch: () => new Response('no') }");
    let ended = run_to_end(&["--listen", "udp://127.0.0.1:0", app.path().to_str().expect("UTF-8")]);
    assert!(ended.stderr.contains("has no handler for udp://127.0.0.1:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("datagram(message)"), "{}", ended.stderr);
}

#[test]
fn a_port_of_udp_is_none_of_tcp_and_is_taken_by_nobody_else() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = tcp.local_addr().expect("address").port();
    drop(tcp);
    let app = App::new(APP);
    let (udp, http) = (format!("udp://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let flags = ["--workers", "2", "--listen", &udp, "--listen", &http];
    let server = Server::spawn(&flags, app.path());
    assert_eq!(Client::of(&server).ask("udp"), "udp");
    assert_eq!(Connection::open(server.addr_of("http")).get("/").text(), "http");
    let ended = run_to_end(&["--listen", &udp, app.path().to_str().expect("UTF-8")]);
    assert!(ended.stderr.contains(&format!("Another program listens on port {port}")), "{}", ended.stderr);
}
