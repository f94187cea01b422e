//! The access log: a line for each request, wherever it goes, whatever became of the request.
//!
//! Owns: what lines say of requests that were answered, refused or broken; files, pipes and loggers; terminals. Must not know:
//! how lines are made.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::server::Output;
use crate::support::{App, Connection, Frame, SOON, Server, WebSocketClient, eventually, get, raw};

/// A file beside the app.
fn file(app: &App, name: &str) -> PathBuf {
    app.path().with_file_name(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Starts a server with its log in a file, in a form.
fn logged(io: &str, form: &str, app: &App, more: &[&str]) -> (Server, PathBuf) {
    let log = file(app, "access.log");
    let form = format!("--access-log={form}");
    let flags = ["--io", io, "--workers", "1", &form, "--access-log-file", log.to_str().expect("UTF-8")];
    (Server::spawn(&[&flags[..], more].concat(), app.path()), log)
}

both_backends! {
    fn each_request_has_a_line_whatever_became_of_it(io) {
        let app = app!(
            "export default { async fetch(request) {
               const { pathname } = new URL(request.url);
               if (pathname === '/fails') throw new Error('on \"purpose\"');
               if (pathname === '/stream') return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1000)); c.close(); } }));
               if (pathname === '/later') await new Promise((go) => setTimeout(go, 5));
               return new Response(await request.text() || 'hello');
             } };"
        );
        let form = "$remote_addr \"$request\" $status $body_bytes_sent $http_user_agent|$cause";
        let more = ["--body-max", "1K", "--header-max", "1K", "--header-timeout", "300ms"];
        let (mut server, log) = logged(io, form, &app, &more);
        for (request, method) in [
            (get("/"), "GET"),
            (get("/stream"), "GET"),
            (get("/later?a=b"), "GET"),
            (get("/fails"), "GET"),
            ("HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: a \"b\"\u{1b}[2J\r\n\r\n".replace('\u{1b}', "\u{e9}"), "HEAD"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n".to_owned(), "POST"),
            (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(2000)), "GET"),
            ("GET /slow HTTP/1.1\r\nHost:".to_owned(), "GET"),
            ("GET /\x01 HTTP/1.1\r\n\r\n".to_owned(), "GET"),
        ] {
            let mut client = Connection::open(server.addr());
            client.try_send(request);
            client.response(method);
        }
        server.signal(Signal::TERM);
        assert!(server.await_exit(SOON).success());
        let text = read(&log);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "127.0.0.1 \"GET / HTTP/1.1\" 200 5 -|-",
            "127.0.0.1 \"GET /stream HTTP/1.1\" 200 1012 -|-",
            "127.0.0.1 \"GET /later?a=b HTTP/1.1\" 200 5 -|-",
            "127.0.0.1 \"GET /fails HTTP/1.1\" 500 26 -|Error: on \\x22purpose\\x22",
            "127.0.0.1 \"HEAD / HTTP/1.1\" 200 0 a \\x22b\\x22\\xC3\\xA9[2J|-",
            "127.0.0.1 \"POST / HTTP/1.1\" 413 22 -|the body is larger than 1 KiB (--body-max)",
            "127.0.0.1 \"GET / HTTP/1.1\" 431 0 -|the head is larger than 1 KiB (--header-max)",
            "127.0.0.1 \"GET /slow HTTP/1.1\" 408 0 -|the head was not complete within 300 ms (--header-timeout)",
        ];
        assert_eq!(lines.len(), expected.len() + 1, "{text}");
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(*line, expected);
        }
        assert!(lines[8].starts_with("127.0.0.1 \"GET /\\x01 HTTP/1.1\" 400 0 -|"), "{text}");
    }

    fn http2_websockets_and_scripts_have_their_lines(io) {
        let app = App::with_files("app.js", &[
            ("app.js", "export default { fetch(request, env, ctx) { return ctx.upgrade(request) ?? new Response('app') }, websocket: { message(socket, text) { socket.send(text) } } }"),
            ("cgi/say", "#!/bin/sh\nprintf 'Status: 404 None\\r\\nContent-Type: text/plain\\r\\n\\r\\nscript'"),
            ("cgi/nph-say", "#!/bin/sh\nprintf 'HTTP/1.1 418 Tea\\r\\nContent-Length: 3\\r\\n\\r\\ntea'"),
        ]);
        for name in ["cgi/say", "cgi/nph-say"] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(file(&app, name), std::fs::Permissions::from_mode(0o755)).expect("mode");
        }
        let cgi = format!("{}:/cgi", file(&app, "cgi").display());
        let (mut server, log) = logged(io, "$server_protocol $request_method $uri $status $body_bytes_sent", &app, &["--cgi", &cgi]);
        let ended = Command::new("curl")
            .args(["-s", "--http2-prior-knowledge", &format!("http://{}/two", server.addr())])
            .stdin(Stdio::null())
            .output();
        let has_curl = ended.is_ok_and(|ended| ended.stdout == b"app");
        let mut socket = WebSocketClient::open(&server, "/socket");
        socket.send(&Frame::text("x"));
        drop(socket);
        let mut client = Connection::open(server.addr());
        assert_eq!(client.get("/cgi/say").status, 404);
        raw(server.addr(), "GET /cgi/nph-say HTTP/1.1\r\nHost: a\r\n\r\n");
        server.signal(Signal::TERM);
        server.await_exit(SOON);
        let text = read(&log);
        for line in ["HTTP/1.1 GET /socket 101 ", "HTTP/1.1 GET /cgi/say 404 6", "HTTP/1.1 GET /cgi/nph-say 418 "] {
            assert!(text.lines().any(|known| known.starts_with(line)), "{line} in {text}");
        }
        assert!(!has_curl || text.contains("HTTP/2.0 GET /two 200 3\n"), "{text}");
    }

    fn a_websocket_of_a_server_behind_has_its_line(io) {
        let app = app!(
            "export default {
               fetch(request, env, ctx) { return ctx.upgrade(request) },
               websocket: { message(socket, text) { socket.send(text) } },
             };"
        );
        let behind = Server::spawn(&["--workers", "1"], app.path());
        let to = format!("/=http://{}", behind.addr());
        let (mut server, log) = logged(io, "$request_method $uri $status $cause", &app, &["--proxy", &to]);
        let mut socket = WebSocketClient::open(&server, "/socket");
        socket.send(&Frame::text("x"));
        assert_eq!(socket.next_text(), "x");
        drop(socket);
        server.signal(Signal::TERM);
        server.await_exit(SOON);
        assert_eq!(read(&log), "GET /socket 101 -\n");
    }

    fn a_log_that_is_moved_away_is_opened_anew_on_sigusr1(io) {
        let app = app!(fetch "return new Response('ok')");
        let (server, log) = logged(io, "json", &app, &["--request-id"]);
        let mut client = Connection::open(server.addr());
        client.get("/first");
        eventually("the first line", || read(&log).contains("/first"));
        let moved = file(&app, "access.log.1");
        std::fs::rename(&log, &moved).expect("rename");
        server.signal(Signal::USR1);
        eventually("a new file", || log.exists());
        client.get("/second");
        eventually("the second line", || read(&log).contains("/second"));
        let first: serde_json::Value = serde_json::from_str(read(&moved).trim()).expect("one line of JSON");
        assert_eq!((&first["target"], &first["status"], &first["worker"]), (&"/first".into(), &200.into(), &0.into()));
        assert_eq!(first["request_id"].as_str().map(str::len), Some(32));
        assert!(first["javascript_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{first}");
    }

    fn who_does_not_take_the_log_holds_nobody_up_and_is_told_of(io) {
        let app = app!(fetch "return new Response('ok')");
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--io", io, "--workers", "1", "--port", "0", "--access-log", "--access-log-buffer", "4K"]);
        command.args(["--access-log-file", "/dev/full"]).arg(app.path());
        let full = Server::start(command);
        let mut client = Connection::open(full.addr());
        client.get("/");
        full.await_log("the access log: No space left on device (os error 28); 1 lines are lost");
        // A pipe that nobody reads is full after 64 KiB.
        let fifo = file(&app, "fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
        let held = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).expect("a pipe");
        let path = fifo.to_str().expect("UTF-8");
        let slow = Server::spawn(
            &["--io", io, "--workers", "1", "--access-log-buffer", "4K", "--access-log-file", path],
            app.path(),
        );
        let mut client = Connection::open(slow.addr());
        for _ in 0..1_500 {
            assert_eq!(client.get(&format!("/{}", "x".repeat(40))).status, 200);
        }
        drop(held);
        let mut reader = std::fs::File::open(&fifo).expect("the pipe");
        let mut some = [0; 1000];
        let _ = reader.read(&mut some);
        slow.await_log("lines are lost, for what they go to was too slow (--access-log-buffer)");
    }
}

#[test]
fn a_logger_gets_a_datagram_for_each_line() {
    let app = app!(fetch "return new Response('ok')");
    let socket = file(&app, "log.sock");
    let logger = UnixDatagram::bind(&socket).expect("a socket");
    logger.set_read_timeout(Some(SOON)).expect("timeout");
    let to = format!("syslog:{}", socket.display());
    let server =
        Server::spawn(&["--workers", "1", "--access-log=$uri", "--access-log-file", &to], app.path());
    let mut client = Connection::open(server.addr());
    client.get("/one?x");
    client.get("/two");
    for path in ["/one", "/two"] {
        let mut bytes = [0; 1000];
        let count = logger.recv(&mut bytes).expect("a datagram");
        let line = String::from_utf8_lossy(&bytes[..count]).into_owned();
        assert!(
            line.starts_with("<30>") && line.ends_with(&format!(" jsserve[{}]: {path}", server.pid())),
            "{line}"
        );
    }
}

#[test]
fn a_terminal_shows_each_request_and_no_colour_where_none_is_wanted() {
    let app = app!(fetch "return new Response('ok', { status: request.url.endsWith('/no') ? 404 : 200 })");
    for (colour, expected) in [("", "GET /yes \x1b[32m200\x1b[0m "), ("1", "GET /yes 200 ")] {
        let mut command = Command::new("python3");
        command.arg("tests/support/terminal.py").arg(env!("CARGO_BIN_EXE_jsserve"));
        command
            .args(["--workers", "1", "--port", "0"])
            .arg(app.path())
            .env("NO_COLOR", colour)
            .env("TERM", "xterm");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let output = Output::of(child.stdout.take().expect("stdout is piped"));
        assert!(output.await_that(SOON, |text| text.contains(" workers=1 ")), "{}", output.text());
        let text = output.text();
        let addr = text.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
        let mut client = Connection::open(addr.parse::<std::net::SocketAddr>().expect("an address"));
        client.get("/yes");
        client.get("/no");
        assert!(
            output.await_that(SOON, |text| text.contains(expected) && text.contains("GET /no ")),
            "{:?}",
            output.text()
        );
        // Ctrl-C
        use std::io::Write;
        child.stdin.as_mut().expect("stdin is piped").write_all(b"\x03").expect("a key");
        child.wait().expect("the end");
    }
    let server = Server::spawn(&["--workers", "1"], app.path());
    Connection::open(server.addr()).get("/");
    assert!(server.start_line().starts_with("jsserve "), "nothing else is on a pipe");
}
