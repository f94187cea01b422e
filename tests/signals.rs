//! SIGTERM and SIGINT: drain, then a clean end; a second one ends at once.
//!
//! Owns: what happens to requests and connections at the end of a server. Must not know: limits
//! other than the drain's.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{self, App, Connection, Place, SOON, Server, Way, get};
use rustix::process::{Pid, Signal};

const APP: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/never") return new Promise(() => {});
    if (pathname === "/wait") await new Promise((resolve) => setTimeout(resolve, 300));
    return new Response("complete ".repeat(1000));
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "2"], flags].concat(), app.path());
    (app, server)
}

/// A connection whose request has certainly reached a worker: one was answered on it before.
fn in_flight(server: &Server, target: &str) -> Connection {
    let mut client = Connection::open(server.place());
    assert_eq!(client.get("/").status, 200);
    client.send(get(target));
    client
}

fn refuses_connections(server: &Server) -> bool {
    match server.place() {
        Place::Unix(path) => UnixStream::connect(path).is_err(),
        Place::Tcp(addr) | Place::Tls(addr) => {
            TcpStream::connect_timeout(&addr, Duration::from_millis(200)).is_err()
        }
    }
}

every_way! {
    fn twenty_in_flight_at_sigterm_are_twenty_answers(way) {
        let (_app, mut server) = start(way, &[]);
        let mut clients: Vec<Connection> = (0..20).map(|_| in_flight(&server, "/wait")).collect();
        std::thread::sleep(Duration::from_millis(50)); // the requests are read, their timers run
        server.signal(Signal::TERM);
        for client in &mut clients {
            let response = client.response("GET");
            assert_eq!((response.status, response.body.len()), (200, 9000));
            assert!(client.read_to_end().is_empty());
        }
        let status = server.await_exit(SOON);
        assert_eq!(status.code(), Some(0), "{}", server.log());
    }

    fn a_drain_accepts_nobody_and_closes_who_is_idle(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "60s", "--idle-timeout", "60s"]);
        let mut idle = Connection::open(server.place());
        assert_eq!(idle.get("/").status, 200);
        let mut busy = in_flight(&server, "/wait");
        std::thread::sleep(Duration::from_millis(50));
        server.signal(Signal::TERM);
        assert!(idle.read_to_end().is_empty());
        support::eventually("new connections are refused", || refuses_connections(&server));
        assert_eq!(busy.response("GET").status, 200);
        assert_eq!(server.await_exit(SOON).code(), Some(0));
    }

    fn an_idle_server_ends_at_once(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "60s"]);
        let mut idle = Connection::open(server.place());
        assert_eq!(idle.get("/").status, 200);
        let start = Instant::now();
        server.signal(Signal::INT);
        assert_eq!(server.await_exit(SOON).code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    }

    fn a_second_signal_ends_at_once(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "60s", "--request-timeout", "60s"]);
        let _client = in_flight(&server, "/never");
        server.signal(Signal::TERM);
        support::eventually("the drain has begun", || refuses_connections(&server));
        assert!(server.is_alive());
        let start = Instant::now();
        server.signal(Signal::INT);
        server.await_exit(SOON);
        assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    }

    fn what_is_left_after_the_drain_timeout_is_closed(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "300ms", "--request-timeout", "60s"]);
        let mut client = in_flight(&server, "/never");
        let start = Instant::now();
        server.signal(Signal::TERM);
        let status = server.await_exit(SOON);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(3), "took {took:?}");
        assert_ne!(status.code(), Some(0), "a request was cut: the drain was not clean");
        client.read_to_end();
    }
}

#[test]
fn a_signal_while_the_app_loads_ends_the_start() {
    let app = app!(
        "console.log('loading'); await new Promise((resolve) => setTimeout(resolve, 60_000)); export default {};"
    );
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--port", "0", "--start-timeout", "60s", "--workers", "2"]).arg(app.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("run jsserve");
        let mut log = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        for _ in 0..2 {
            log.read_line(&mut line).expect("a worker's line");
        }
        let start = Instant::now();
        rustix::process::kill_process(Pid::from_child(&child), signal).expect("signal jsserve");
        let mut rest = String::new();
        log.read_to_string(&mut rest).expect("the rest of the log");
        let status = child.wait().expect("wait for jsserve");
        assert_eq!(status.code(), Some(1), "{line}{rest}");
        assert!(rest.contains("stopped by a signal"), "{rest}");
        assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    }
}
