//! Sockets that a service manager hands over, and those that one process of the server hands to the next.
//!
//! Owns: which listener gets which socket, what the manager is told, what stays through a hand-over. Must not know: load
//! (`reload_load.rs`).

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, geteuid};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use crate::reload_load::Successor;
use crate::support::way::{certificate, no_name, socket_path};
use crate::support::{App, Connection, Place, SOON, Server, Way, eventually};

/// A server that a service manager starts with `sockets`, from number 3 on. The shell knows the number of its own process,
/// which is the server's.
pub fn activated_app(
    app: &App,
    io: &str,
    sockets: &[BorrowedFd<'_>],
    names: &str,
    flags: &[&str],
) -> Command {
    // Other children of this process may have them for a moment, which nobody minds.
    let copies: Vec<OwnedFd> = sockets.iter().map(|fd| rustix::io::dup(fd).expect("dup")).collect();
    let mut script = String::new();
    for (number, copy) in copies.iter().enumerate() {
        script.push_str(&format!("exec {}<&{}; ", 50 + number, copy.as_raw_fd()));
    }
    for number in 0..copies.len() {
        script.push_str(&format!("exec {}<&{}; ", 3 + number, 50 + number));
    }
    script.push_str("LISTEN_PID=$$ exec \"$@\"");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_jsserve"), "--io", io])
        .args(flags)
        .arg(app.path());
    command.env("LISTEN_FDS", copies.len().to_string()).env("LISTEN_FDNAMES", names);
    // Until it has run.
    std::mem::forget(copies);
    command
}

const APP: &str = "export default { fetch(request) { return new Response('http ' + new URL(request.url).protocol) }, connect(socket) {}, datagram(bytes, rinfo) { return bytes } };";

fn udp_echoes(addr: std::net::SocketAddr) -> bool {
    let client = UdpSocket::bind("127.0.0.1:0").expect("bind");
    client.set_read_timeout(Some(Duration::from_millis(500))).expect("time");
    client.send_to(b"ping", addr).expect("send");
    let mut bytes = [0; 16];
    client.recv(&mut bytes).is_ok_and(|length| &bytes[..length] == b"ping")
}

both_backends! {
    fn sockets_that_are_handed_over_are_found_by_name_and_by_address(io) {
        let (named, by_address) = (TcpListener::bind("127.0.0.1:0").expect("bind"), TcpListener::bind("127.0.0.1:0").expect("bind"));
        let path = socket_path();
        let unix = UnixListener::bind(&path).expect("bind");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let app = App::new(APP);
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let (http, unix_url, udp_url) = (
            format!("http://{}", address(&by_address)), format!("unix:{}", path.display()), format!("udp://{}", udp.local_addr().expect("an address")),
        );
        let flags = ["--workers", "2", "--listen", "http+fd:web", "--listen", &http, "--listen", &unix_url, "--listen", &udp_url];
        let sockets = [named.as_fd(), by_address.as_fd(), unix.as_fd(), udp.as_fd()];
        let mut server = Server::start(activated_app(&app, io, &sockets, "web:x:y:z", &flags));
        for place in [Place::Tcp(address(&named)), Place::Tcp(address(&by_address)), Place::Unix(path.clone())] {
            for _ in 0..4 {
                assert_eq!(Connection::open(place.clone()).get("/").text(), "http http:");
            }
        }
        eventually("an echo", || udp_echoes(udp.local_addr().expect("an address")));
        server.signal(Signal::TERM);
        assert_eq!(server.await_exit(SOON).code(), Some(0));
        assert!(path.exists(), "the file is the service manager's");
        let _ = std::fs::remove_file(path);
        // Whoever holds it starts the server again; what came meanwhile waited.
        let waiting = std::thread::spawn({ let place = Place::Tcp(address(&named)); move || Connection::open(place).get("/").text().to_owned() });
        let again = Server::start(activated_app(&app, io, &[named.as_fd()], "web", &["--workers", "1"]));
        assert_eq!(waiting.join().expect("a client"), "http http:", "without --listen, what there is is served");
        assert!(again.start_line().contains(&address(&named).to_string()), "{}", again.start_line());
    }

    fn the_service_manager_is_told_of_start_reload_hand_over_and_end(io) {
        let path = socket_path();
        let manager = UnixDatagram::bind(&path).expect("bind");
        manager.set_read_timeout(Some(SOON)).expect("time");
        let next = |wanted: &str| loop {
            let mut bytes = [0; 512];
            let length = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if text.starts_with(wanted) {
                return text;
            }
            assert!(text.starts_with("WATCHDOG=1") || wanted == "WATCHDOG=1", "{text} before {wanted}");
        };
        let app = App::new(APP);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--io", io, "--workers", "1", "--port", "0"]).arg(app.path());
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
        let mut server = Server::start(command);
        assert!(next("READY=1").contains(&format!("STATUS=http://{}", server.addr())));
        next("WATCHDOG=1");
        server.signal(Signal::HUP);
        assert!(next("RELOADING=1").contains("MONOTONIC_USEC="));
        next("READY=1");
        server.signal(Signal::USR2);
        let successor = Successor::of(&server, 1);
        assert_eq!(next("MAINPID="), format!("MAINPID={}\nREADY=1", successor.pid()));
        assert_eq!(server.await_end().code(), Some(0));
        next("WATCHDOG=1");
        successor.signal(Signal::TERM);
        next("STOPPING=1");
        let _ = std::fs::remove_file(path);
    }

    fn a_process_that_cannot_take_over_leaves_the_old_one_serving(io) {
        let app = App::new(APP);
        let server = Server::spawn_at(Way::tcp(io), &["--workers", "2"], app.path());
        let mut kept = Connection::open(server.place());
        assert_eq!(kept.get("/").status, 200);
        for round in 1..=2 {
            std::fs::write(app.path(), "export default { fetch() { retur 1 } };").expect("write");
            server.signal(Signal::USR2);
            eventually("the failure is told", || server.log().matches("hand-over failed").count() == round);
            server.await_log("it ended before it served (status 1)");
            server.await_log("expecting ';'");
            let answer = kept.get("/");
            assert_eq!((answer.status, answer.says_close()), (200, false));
        }
        std::fs::write(app.path(), APP).expect("write");
        server.signal(Signal::USR2);
        let _successor = Successor::of(&server, 1);
        // One that was idle is answered, and is to come anew as soon as its worker knows.
        eventually("the last answer", || {
            let answer = kept.get("/");
            assert_eq!(answer.status, 200);
            answer.says_close()
        });
        assert_eq!(Connection::open(server.place()).get("/").status, 200);
    }

    fn files_of_unix_sockets_and_datagrams_go_with_a_hand_over(io) {
        let path = socket_path();
        let url = format!("unix:{}", path.display());
        let app = App::new(APP);
        let flags = ["--workers", "2", "--io", io, "--listen", &url, "--listen", "udp://127.0.0.1:0"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(flags).arg(app.path());
        let mut server = Server::start(command);
        server.signal(Signal::USR2);
        let successor = Successor::of(&server, 1);
        assert_eq!(server.await_end().code(), Some(0), "{}", server.log());
        assert_eq!(Connection::open(Place::Unix(path.clone())).get("/").status, 200);
        let udp = server.addr_of("udp");
        eventually("an echo", || udp_echoes(udp));
        successor.signal(Signal::TERM);
        eventually("the file is gone with the last process", || !path.exists());
    }

    fn sessions_of_tls_are_resumed_behind_a_hand_over(io) {
        let app = App::new(APP);
        let flags = certificate().flags();
        let mut all: Vec<&str> = flags.iter().map(String::as_str).collect();
        all.extend(["--io", io, "--workers", "2", "--listen", "https://127.0.0.1:0"]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(all).arg(app.path());
        let mut server = Server::start(command);
        let client = certificate().client();
        let addr = server.addr_of("https");
        assert_eq!(handshake(&client, addr), HandshakeKind::Full);
        assert_eq!(handshake(&client, addr), HandshakeKind::Resumed);
        server.signal(Signal::USR2);
        let _successor = Successor::of(&server, 1);
        assert_eq!(server.await_end().code(), Some(0));
        assert_eq!(handshake(&client, addr), HandshakeKind::Resumed);
    }
}

/// One request over TLS: how the handshake went.
fn handshake(config: &Arc<ClientConfig>, addr: std::net::SocketAddr) -> HandshakeKind {
    use std::io::{Read, Write};
    let session = ClientConnection::new(config.clone(), no_name()).expect("a session");
    let stream = crate::support::dial(addr);
    let mut tls = rustls::StreamOwned::new(session, stream);
    tls.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("send");
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    tls.conn.handshake_kind().expect("a handshake")
}

#[test]
fn the_process_becomes_another_user_once_it_has_its_sockets() {
    let app = App::new(APP);
    let folder = app.path().parent().expect("a folder");
    let flags = ["--user", "65534", "--group", "65534", "--workers", "1"];
    if !geteuid().is_root() {
        let ended = crate::support::server::run_to_end(
            &[&flags[..], &[app.path().to_str().expect("UTF-8")]].concat(),
        );
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("--user cannot become user 65534"), "{}", ended.stderr);
        return;
    }
    let _ = folder;
    let server = Server::spawn(&flags, app.path());
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("status");
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).map(str::trim);
    assert_eq!(groups, Some(""), "no supplementary groups");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("threads");
    for task in tasks.filter_map(Result::ok) {
        let status = std::fs::read_to_string(task.path().join("status")).expect("status");
        assert!(status.contains("Uid:\t65534\t65534"), "every thread of it");
    }
    assert_eq!(Connection::open(server.place()).get("/").status, 200);
}
