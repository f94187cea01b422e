//! Unix sockets as listeners: their files, who connects, how workers share one.
//!
//! Owns: what is special about them. Must not know: HTTP's rules, which hold there as anywhere.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::support::server::run_to_end;
use crate::support::way::socket_path;
use crate::support::{App, Connection, Place, SOON, Server, eventually, get};
use rustix::process::Signal;

const APP: &str = r#"
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/stuck") [].flatMap.call({ length: 2 ** 52 }, (x) => x);
    if (pathname === "/wait") await new Promise((resolve) => setTimeout(resolve, 300));
    return Response.json([ctx.worker, ctx.peer, ctx.local, ctx.tls, request.url]);
  },
  async connect(socket) { await socket.readable.pipeTo(socket.writable); },
};"#;

fn serve(io: &str, flags: &[&str], path: &Path) -> (App, Server) {
    let app = app!(APP);
    let listen = format!("unix:{}", path.display());
    let server = Server::spawn(&[&["--io", io, "--listen", &listen], flags].concat(), app.path());
    (app, server)
}

/// The number of the worker that answers on a connection of its own.
fn worker(path: &Path) -> char {
    let answer = Connection::open(Place::Unix(path.into())).get("/");
    answer.text().chars().nth(1).expect("a number")
}

fn dial(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("connect");
    stream.set_read_timeout(Some(SOON)).expect("timeout");
    stream
}

both_backends! {
    fn an_app_knows_who_has_connected(io) {
        let path = socket_path();
        let (_app, server) = serve(io, &["--workers", "1"], &path);
        let answer = Connection::open(server.place()).get("/x");
        let (pid, uid) = (std::process::id(), rustix::process::getuid().as_raw());
        let gid = rustix::process::getgid().as_raw();
        let peer = format!(r#"{{"family":1,"path":"","pid":{pid},"uid":{uid},"gid":{gid}}}"#);
        let local = format!(r#"{{"family":1,"path":"{}"}}"#, path.display());
        assert_eq!(answer.text(), format!(r#"[0,{peer},{local},null,"http://test/x"]"#));
    }

    fn the_file_has_its_mode_and_goes_at_the_end(io) {
        let path = socket_path();
        let app = app!(APP);
        for (option, mode) in [("", 0o660), ("?mode=600", 0o600)] {
            let listen = format!("unix:{}{option}", path.display());
            let mut server = Server::spawn(&["--io", io, "--listen", &listen], app.path());
            let file = std::fs::metadata(&path).expect("the socket's file");
            assert!(file.file_type().is_socket());
            assert_eq!(file.permissions().mode() & 0o777, mode);
            server.signal(Signal::TERM);
            assert_eq!(server.await_exit(SOON).code(), Some(0), "{}", server.log());
            assert!(!path.exists(), "the file is left behind");
        }
    }

    fn a_socket_that_nobody_serves_is_replaced_and_nothing_else(io) {
        let path = socket_path();
        drop(UnixListener::bind(&path).expect("bind"));
        let (app, mut server) = serve(io, &[], &path);
        assert_eq!(Connection::open(server.place()).get("/").status, 200);
        // It is served now.
        let listen = format!("unix:{}", path.display());
        let words = ["--io", io, "--listen", &listen, app.path().to_str().expect("a path")];
        let second = run_to_end(&words);
        assert!(second.code == Some(1) && second.stderr.contains("another program serves it"), "{second:?}");
        assert_eq!(Connection::open(server.place()).get("/").status, 200);
        server.signal(Signal::KILL);
        server.await_exit(SOON);
        assert!(path.exists(), "who is killed takes no file away");
        std::fs::remove_file(&path).expect("remove");
        std::fs::write(&path, "precious").expect("write");
        let third = run_to_end(&words);
        assert!(third.code == Some(1) && third.stderr.contains("no socket"), "{third:?}");
        assert_eq!(std::fs::read(&path).expect("the file"), b"precious");
        std::fs::remove_file(&path).expect("remove");
    }

    fn the_end_of_one_server_leaves_the_file_of_the_next(io) {
        let path = socket_path();
        let (_app, mut first) = serve(io, &[], &path);
        std::fs::remove_file(&path).expect("remove");
        let (_app, second) = serve(io, &[], &path);
        first.signal(Signal::TERM);
        assert_eq!(first.await_exit(SOON).code(), Some(0));
        assert_eq!(Connection::open(second.place()).get("/").status, 200);
    }

    fn an_abstract_name_needs_no_file(io) {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("jsserve-{}-{io}", std::process::id());
        let app = app!(APP);
        let flags = ["--io", io, "--listen", &format!("unix:@{name}"), "--listen", "http://127.0.0.1:0"];
        let server = Server::spawn(&flags, app.path());
        assert!(server.start_line().contains(&format!(" unix:@{name} ")), "{}", server.start_line());
        let addr = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let mut stream = UnixStream::connect_addr(&addr).expect("connect");
        stream.set_read_timeout(Some(SOON)).expect("timeout");
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("send");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.contains(&format!(r#""path":"\u0000{name}""#)), "{text}");
    }

    fn raw_connections_are_echoed(io) {
        let path = socket_path();
        let app = app!(APP);
        let listen = format!("tcp+unix:{}", path.display());
        let flags = ["--io", io, "--workers", "1", "--listen", &listen, "--listen", "http://127.0.0.1:0"];
        let _server = Server::spawn(&flags, app.path());
        let mut stream = dial(&path);
        let bytes = crate::support::pattern(300_000);
        let mut writer = stream.try_clone().expect("clone");
        let sent = bytes.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&sent).expect("send");
            writer.shutdown(std::net::Shutdown::Write).expect("shutdown");
        });
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("the echo");
        writing.join().expect("no panic");
        assert!(got == bytes, "{} bytes came back", got.len());
    }

    fn every_worker_accepts_from_one_socket(io) {
        let path = socket_path();
        let (_app, _server) = serve(io, &["--workers", "2"], &path);
        let mut seen = [0, 0];
        for _ in 0..40 {
            seen[worker(&path).to_digit(10).expect("a digit") as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
        // Those that stay, too, as a proxy's do: a worker that is awake gets not all of them.
        let mut held: Vec<Connection> = (0..64).map(|_| Connection::open(Place::Unix(path.clone()))).collect();
        let mut seen = [0, 0];
        for client in &mut held {
            let number = client.get("/").text().chars().nth(1).and_then(|c| c.to_digit(10)).expect("a number");
            seen[number as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count >= 8), "{seen:?}");
    }

    // The kernel wakes one worker for a connection: it must not be one that never takes it.
    fn a_worker_that_is_stuck_keeps_no_connection_and_its_replacement_accepts(io) {
        let path = socket_path();
        let flags = ["--workers", "2", "--stuck-timeout", "1s", "--cpu-max", "300ms"];
        let (_app, server) = serve(io, &flags, &path);
        let mut stuck = Connection::open(server.place());
        stuck.send(get("/stuck"));
        std::thread::sleep(std::time::Duration::from_millis(100));
        for _ in 0..4 {
            assert!(worker(&path).is_ascii_digit());
        }
        server.await_log("a new worker takes its place");
        let mut seen = std::collections::BTreeSet::new();
        eventually("both workers answer", || {
            seen.insert(worker(&path));
            seen.len() == 2
        });
        for _ in 0..20 {
            assert!(worker(&path).is_ascii_digit());
        }
    }

    fn a_drain_finishes_what_is_in_flight_and_what_waits(io) {
        let path = socket_path();
        let (_app, mut server) = serve(io, &["--workers", "2"], &path);
        let mut waiting = Connection::open(server.place());
        waiting.send(get("/wait"));
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut fresh = Connection::open(server.place());
        fresh.send(get("/"));
        server.signal(Signal::TERM);
        assert_eq!((waiting.response("GET").status, fresh.response("GET").status), (200, 200));
        assert_eq!(server.await_exit(SOON).code(), Some(0), "{}", server.log());
        assert!(UnixStream::connect(&path).is_err() && !path.exists());
    }
}

#[test]
fn a_path_that_cannot_be_bound_says_why() {
    let app = app!(APP);
    let long = format!("unix:/tmp/{}", "x".repeat(120));
    for (listen, part) in [
        ("unix:/no/such/folder/a.sock", "mkdir -p"),
        (long.as_str(), "107 bytes"),
        ("unix:/tmp", "no socket"),
        ("unix:", "the path is missing"),
    ] {
        let ended = run_to_end(&["--listen", listen, app.path().to_str().expect("a path")]);
        assert!(ended.code.is_some_and(|code| code > 0) && ended.stderr.contains(part), "{ended:?}");
    }
}
