//! The HTTP examples on `os` sockets, in both spellings of the socket proposal.
//!
//! Owns: a folder that is served, clients and servers of each kind. Must not know: the sockets.

use std::net::SocketAddr;
use std::path::Path;

use crate::support::{self, App, Connection, Response, Script, example};
use rustix::process::Signal;

/// A folder with files of all kinds, and what lies beside it; its servers never serve the latter.
fn folder() -> App {
    let app = App::with_files("hello.txt", &[("hello.txt", "hello\n"), ("secret.txt", "secret")]);
    let folder = app.path().parent().expect("a folder");
    let root = folder.join("root");
    std::fs::create_dir_all(root.join("with index")).expect("folders");
    std::fs::create_dir_all(root.join("<plain>")).expect("folders");
    std::fs::rename(app.path(), root.join("hello.txt")).expect("move");
    std::fs::write(root.join("large.bin"), large()).expect("write");
    std::fs::write(root.join("with index/index.html"), "<p>index</p>").expect("write");
    std::fs::write(root.join("<plain>/a&b.js"), "a & b").expect("write");
    std::os::unix::fs::symlink("../secret.txt", root.join("link.txt")).expect("link");
    app
}

fn large() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n % 251) as u8).collect()
}

fn call(addr: SocketAddr, method: &str, target: &str) -> Response {
    let mut client = Connection::open(addr);
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
    let response = client.response(method);
    assert!(client.read_to_end().is_empty(), "the server closes each connection");
    response
}

/// What either server has to do with files.
fn serves_files(io: &str, server: &Path) {
    let app = folder();
    let root = app.path().with_file_name("root");
    let script = Script::spawn(io, server, &["0", "127.0.0.1", root.to_str().expect("a path")]);
    let addr = SocketAddr::from(([127, 0, 0, 1], script.port()));

    let hello = call(addr, "GET", "/hello.txt?query");
    assert_eq!((hello.status, hello.text()), (200, "hello\n"));
    assert_eq!(hello.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(call(addr, "GET", "/large.bin").body, large());
    let head = call(addr, "HEAD", "/large.bin");
    assert_eq!((head.status, head.field("content-length")), (200, Some("300000")));
    assert_eq!(call(addr, "GET", "/with%20index/").text(), "<p>index</p>");
    let listing = call(addr, "GET", "/%3Cplain%3E/");
    assert!(listing.text().contains(r#"<a href="./a%26b.js">a&#38;b.js</a>"#), "{}", listing.text());
    let folder = call(addr, "GET", "//with%20index");
    assert_eq!((folder.status, folder.field("location")), (301, Some("/with%20index/")));
    for (target, status) in [
        ("/link.txt", 404),
        ("/../secret.txt", 404),
        ("/%2e%2e/secret.txt", 404),
        ("/hello.txt/", 404),
        ("/hello.txt%00", 404),
        ("/none", 404),
        ("/%ff", 400),
        ("none", 400),
    ] {
        assert_eq!(call(addr, "GET", target).status, status, "{target}");
    }
    assert_eq!(call(addr, "POST", "/hello.txt").status, 405);
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(20_000));
    let refused = support::raw(addr, long);
    assert!(refused.is_empty() || refused.starts_with(b"HTTP/1.1 431 "), "{}", refused.escape_ascii());
    let mut gone = Connection::open(addr);
    gone.send("GET /large.bin HTTP/1.1\r\n\r\n");
    gone.reset();
    assert_eq!(call(addr, "GET", "/hello.txt").status, 200, "a client that goes away harms nobody");
}

both_backends! {
    fn http_server_serves_files(io) {
        serves_files(io, &example("os/http_server.js"));
    }

    fn http_server_hints_serves_files(io) {
        serves_files(io, &example("os/http_server_hints.js"));
    }

    fn each_client_speaks_with_each_server(io) {
        let app = folder();
        let root = app.path().with_file_name("root");
        for server in [example("os/http_server.js"), example("os/http_server_hints.js")] {
            let server = Script::spawn(io, &server, &["0", "127.0.0.1", root.to_str().expect("a path")]);
            let port = server.port().to_string();
            let thread = Script::spawn(io, &example("os/http_client.js"), &["127.0.0.1", &port, "/hello.txt"]);
            let text = thread.finish();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nhello\n"), "{text}");
            let place = format!("localhost:{port}/hello.txt");
            let hints = Script::spawn(io, &example("os/http_client_hints.js"), &[&place]);
            assert_eq!(hints.finish(), text);
        }
    }

    fn http_server_ends_on_a_signal(io) {
        let server = Script::spawn(io, &example("os/http_server.js"), &["0", "127.0.0.1"]);
        server.port();
        server.signal(Signal::INT);
        server.finish();
    }

    fn http_clients_say_what_is_wrong(io) {
        let port = support::ClosedPort::new();
        let closed = port.number();
        let log = Script::spawn(io, &example("os/http_client.js"), &["127.0.0.1", &closed.to_string()]).fail();
        assert!(log.contains("ECONNREFUSED") || log.contains("refused"), "{log}");
        let log = Script::spawn(io, &example("os/http_client_hints.js"), &[&format!("127.0.0.1:{closed}")]).fail();
        assert!(log.contains("ECONNREFUSED") || log.contains("refused"), "{log}");
    }

    fn http_both_is_server_and_client_of_itself(io) {
        let text = Script::spawn(io, &example("os/http_both.js"), &["20"]).finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 21, "{text}");
        assert_eq!((lines[0], lines[19]), ("you asked for /number/0", "you asked for /number/19"));
        assert_eq!(lines[20], "the server has served 20");
    }
}
