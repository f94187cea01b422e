//! Where io_uring is refused the server runs on epoll and says so; `--io` forces a backend.
//!
//! Owns: the probe's answers under a seccomp filter (`support/refuse.py`). Must not know: how the
//! backends are made.

use std::process::Command;

use crate::support::refuse::{URING, can_refuse, refusing};
use crate::support::{Connection, Server};

const APP: &str = "export default { fetch() { return new Response('ok') } };";

#[test]
fn a_refused_ring_falls_back_to_epoll_and_says_why() {
    if !can_refuse("the fallback under seccomp") {
        return;
    }
    for errno in ["EPERM", "ENOSYS"] {
        let app = app!(APP);
        let server = Server::spawn_with(refusing(errno, URING), &["--workers", "2"], app.path());
        let line = server.start_line();
        assert!(line.contains(" io=epoll (io_uring refused: "), "{errno}: {line}");
        assert!(line.contains(errno), "{errno}: {line}");
        for _ in 0..10 {
            assert_eq!(Connection::open(server.addr()).get("/").text(), "ok", "{errno}");
        }
    }
}

#[test]
fn forced_uring_that_is_refused_is_an_error_with_its_remedy() {
    if !can_refuse("forced io_uring under seccomp") {
        return;
    }
    let app = app!(APP);
    let output = refusing("EPERM", URING)
        .args(["--io", "uring", "--port", "0"])
        .arg(app.path())
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["jsserve: ", "io_uring", "EPERM", "\n  ", "--io epoll"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn forced_epoll_is_epoll_without_an_excuse() {
    let app = app!(APP);
    let server = Server::spawn(&["--io", "epoll"], app.path());
    assert!(server.start_line().ends_with(" io=epoll"), "{}", server.start_line());
}

both_backends! {
    fn the_start_line_names_the_backend_that_was_forced(io) {
        let app = app!(APP);
        let server = Server::spawn(&["--io", io], app.path());
        assert!(server.start_line().contains(&format!(" io={io}")), "{}", server.start_line());
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
    }
}

#[test]
fn too_little_lockable_memory_for_all_rings_falls_back_to_epoll() {
    const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/memlock.py");
    // With the first no ring can be made, with the second one but not one a worker.
    for bytes in ["0", "65536"] {
        let mut command = Command::new("python3");
        command.args([LAUNCHER, bytes, env!("CARGO_BIN_EXE_jsserve")]);
        let app = app!(APP);
        let server = Server::spawn_with(command, &["--workers", "8"], app.path());
        let line = server.start_line();
        assert!(line.contains(" io=epoll ") && line.contains("RLIMIT_MEMLOCK"), "{bytes}: {line}");
        assert_eq!(Connection::open(server.addr()).get("/").text(), "ok");
    }
}
