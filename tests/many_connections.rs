//! Ten thousand connections at once on one worker: in plain `os` calls inside an app, and on a server's listeners.
//!
//! Owns: the descriptors that this takes on both sides. Must not know: how the worker waits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::way::ClientStream;
use crate::support::{self, Connection, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
/// Descriptors that test and server need beside the connections.
const SPARE: u64 = 256;
/// The whole of one backend's test; a debug build on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(180);

/// Both backends' clients together would be beyond the usual hard limit.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const APP: &str = r#"
import * as os from "os";
const listener = os.socket(os.AF_INET, os.SOCK_STREAM);
if (os.bind(listener, { addr: "127.0.0.1", port: 0 }) < 0 || os.listen(listener) < 0) throw new Error("no listener");
let open = 0;
const echo = async (fd) => {
  const buffer = new Uint8Array(32);
  open++;
  try {
    for (;;) {
      const length = await os.recv(fd, buffer);
      if (length === 0) break;
      await os.send(fd, buffer, length, true);
    }
  } finally { os.close(fd); open--; }
};
(async () => {
  for (;;) {
    const [fd] = await os.accept(listener);
    echo(fd).catch((error) => console.error(error));
  }
})();
export default { fetch: () => new Response(`${os.getsockname(listener).port} ${open}`) };
"#;

/// Raises the soft limit of this process to what the hard one allows; the server does so itself.
fn has_descriptors() -> bool {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= CONNECTIONS as u64 + SPARE);
    if !enough(limit.current) && enough(limit.maximum) {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("raise RLIMIT_NOFILE");
    }
    enough(getrlimit(Resource::Nofile).current)
}

/// Port of the echo server, and how many connections it has open.
fn state(server: &Server) -> (u16, usize) {
    let response = Connection::open(server.addr()).get("/");
    let (port, open) = response.text().split_once(' ').expect("port and count");
    (port.parse().expect("port"), open.parse().expect("count"))
}

fn message(round: usize, index: usize) -> String {
    format!("{round} of connection {index:05}")
}

both_backends! {
    fn ten_thousand_connections_are_held_and_echoed_on(io) {
        if !has_descriptors() {
            support::skip("ten thousand connections", "RLIMIT_NOFILE is too low, and so is its hard limit");
            return;
        }
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        let app = app!(APP);
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let (port, _) = state(&server);
        let mut clients = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let client = TcpStream::connect(("127.0.0.1", port)).expect("connect");
            client.set_read_timeout(Some(support::SOON)).expect("timeout");
            clients.push(client);
        }
        for round in 0..2 {
            // All are asked before any answer is taken.
            for (index, client) in clients.iter_mut().enumerate() {
                client.write_all(message(round, index).as_bytes()).expect("send");
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let expected = message(round, index);
                let mut echo = vec![0; expected.len()];
                client.read_exact(&mut echo).unwrap_or_else(|error| panic!("round {round}, {index}: {error}"));
                assert_eq!(String::from_utf8_lossy(&echo), expected);
                assert!(begin.elapsed() < TIME_MAX, "round {round}, {index}: more than {TIME_MAX:?}");
            }
            assert_eq!(state(&server).1, CONNECTIONS, "all are held");
        }
        drop(clients);
        support::eventually("all are closed", || state(&server).1 == 0);
        assert!(!server.log().contains("Error"), "{}", server.log());
    }
}

/// Says back what it hears, or how many connections are open.
const HOOKS: &str = r#"
let open = 0;
export default {
  tcp: {
    open() { open++; },
    data(conn, bytes) { conn.write(bytes.length === 1 ? String(open).padStart(32) : bytes); },
    close() { open--; },
  },
};
"#;

/// Over TLS each costs two handshakes of a debug build.
const SECURE: usize = 1_000;

every_way! {
    fn listeners_hold_as_many_and_echo_on_them(way) {
        if !has_descriptors() {
            support::skip("ten thousand connections", "RLIMIT_NOFILE is too low, and so is its hard limit");
            return;
        }
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let count = if way.over == Over::Tls { SECURE } else { CONNECTIONS };
        let (app, begin) = (app!(HOOKS), Instant::now());
        let flags = ["--workers", "1", "--connections-max", "20000", "--idle-timeout", "10m"];
        let server = Server::spawn_raw_at(way, &flags, app.path());
        let open = || {
            let stream = ClientStream::open(&server.place(), support::SOON).expect("connect");
            stream.set_read_timeout(support::SOON).expect("timeout");
            stream
        };
        let send = |client: &mut ClientStream, text: &str| {
            client.write_all(text.as_bytes()).and_then(|()| client.flush()).expect("send");
        };
        let mut asker = open();
        let mut held = || {
            send(&mut asker, "?");
            let mut answer = [0; 32];
            asker.read_exact(&mut answer).expect("a count");
            String::from_utf8_lossy(&answer).trim().parse::<usize>().expect("a count") - 1
        };
        let mut clients: Vec<_> = (0..count).map(|_| open()).collect();
        for round in 0..2 {
            // All are asked before any answer is taken.
            for (index, client) in clients.iter_mut().enumerate() {
                send(client, &message(round, index));
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let expected = message(round, index);
                let mut echo = vec![0; expected.len()];
                client.read_exact(&mut echo).unwrap_or_else(|error| panic!("round {round}, {index}: {error}"));
                assert_eq!(String::from_utf8_lossy(&echo), expected);
                assert!(begin.elapsed() < TIME_MAX, "round {round}, {index}: more than {TIME_MAX:?}");
            }
            assert_eq!(held(), count, "all are held");
        }
        drop(clients);
        support::eventually("all are closed", || held() == 0);
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }
}
