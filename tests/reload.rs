//! What SIGHUP does to a server: app and settings are read again.
//!
//! Owns: what changes, what goes on, what is said of it. Must not know: load (`reload_load.rs`), the watch over files.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::support::way::{ClientStream, certificate};
use crate::support::{App, Connection, Frame, Place, SOON, Server, Way, WebSocketClient, eventually};

/// A server with one worker more than one, and its app.
fn start(io: &str, files: &[(&str, &str)], flags: &[&str]) -> (App, Server) {
    let app = App::with_files("app.js", files);
    let server = Server::spawn_at(Way::tcp(io), &[&["--workers", "2"], flags].concat(), app.path());
    (app, server)
}

fn write(app: &App, name: &str, text: &str) {
    std::fs::write(app.path().with_file_name(name), text).expect("write");
}

/// Writes the app anew, and has it reloaded for the `times`th time.
fn reload(server: &Server, app: &App, source: &str, times: usize) {
    write(app, "app.js", source);
    server.signal(Signal::HUP);
    server.await_output("reloaded ", times);
}

fn says(text: &str) -> String {
    format!("export default {{ fetch() {{ return new Response({text:?}) }} }};")
}

fn ask(server: &Server) -> String {
    Connection::open(server.place()).get("/").text().to_owned()
}

/// An app that cannot be served, and what the log says of it.
const BROKEN: &[(&str, &str)] = &[
    ("export default { fetch() { retur 1 } };", "app.js:1:34"),
    ("import './nowhere.js'; export default { fetch() {} };", "nowhere.js"),
    ("export const a = 1;\nthrow new TypeError('at the top');", "TypeError: at the top"),
    ("export const a = 1;", "default export"),
    ("export default { connect() {} };", "no handler for http://"),
    ("for (;;); export default { fetch() {} };", "--cpu-max"),
];

both_backends! {
    fn an_app_that_cannot_be_served_leaves_the_old_one_and_is_told_of(io) {
        let (app, server) = start(io, &[("app.js", &says("first"))], &["--cpu-max", "200ms"]);
        let mut kept = Connection::open(server.place());
        for (number, (source, said)) in (1..).zip(BROKEN) {
            write(&app, "app.js", source);
            server.signal(Signal::HUP);
            eventually("the failure is told", || server.log().matches("reload failed").count() == number);
            server.await_log(said);
            assert_eq!((ask(&server).as_str(), kept.get("/").text()), ("first", "first"), "{source}");
        }
        reload(&server, &app, &says("second"), 1);
        assert_eq!((ask(&server).as_str(), kept.get("/").text()), ("second", "second"));
    }

    fn a_request_in_flight_ends_on_the_app_that_it_began_with(io) {
        let waits = |name: &str| format!(
            "export default {{ async fetch(request, env, ctx) {{
               if (request.method === 'GET') {{ ctx.waitUntil(new Promise((done) => setTimeout(() => {{ console.log('later {name}'); done(); }}, 150))); return new Response('{name}'); }}
               return new Response('{name} ' + await request.text());
             }} }};");
        let (app, server) = start(io, &[("app.js", &waits("old"))], &[]);
        let mut waiting: Vec<Connection> = (0..4).map(|_| Connection::open(server.place())).collect();
        for connection in &mut waiting {
            assert_eq!(connection.get("/").text(), "old");
            connection.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab");
        }
        assert_eq!(ask(&server), "old");
        // The last promise of waitUntil is not older than this.
        reload(&server, &app, &waits("new"), 1);
        assert_eq!(ask(&server), "new");
        for connection in &mut waiting {
            connection.send("cd");
            assert_eq!(connection.response("POST").text(), "old abcd");
            assert_eq!(connection.get("/").text(), "new", "the next request on the same connection");
        }
        server.await_log("later old");
        server.await_log("later new");
    }

    fn what_the_workers_share_is_there_after_a_reload_and_topics_join_both_apps(io) {
        let source = |name: &str| format!(
            "import shared, {{ publish }} from 'jsserve:shared'; const hits = shared.map('hits');
             export default {{
               fetch(request, env, ctx) {{
                 if (request.headers.get('upgrade')) return ctx.upgrade(request);
                 publish('room', '{name} asked'); return new Response('{name} ' + hits.incr('n', 1));
               }},
               websocket: {{ open(ws) {{ ws.subscribe('room'); ws.send('{name}') }}, message(ws, text) {{ ws.send('{name} ' + text) }} }},
             }};");
        let (app, server) = start(io, &[("app.js", &source("old"))], &[]);
        let mut socket = WebSocketClient::open(&server, "/");
        assert_eq!((socket.next_text().as_str(), ask(&server).as_str()), ("old", "old 1"));
        assert_eq!(socket.next_text(), "old asked");
        reload(&server, &app, &source("new"), 1);
        assert_eq!(ask(&server), "new 2");
        assert_eq!(socket.next_text(), "new asked", "a WebSocket of the old app hears what the new one publishes");
        socket.send(&Frame::text("hello"));
        assert_eq!(socket.next_text(), "old hello", "and stays with the app that it began with");
        assert_eq!(socket.close(1000), Frame::close(1000, ""));
    }

    fn websockets_are_closed_with_1012_where_that_is_asked_for(io) {
        let source = "export default { fetch(request, env, ctx) { return ctx.upgrade(request) }, websocket: { open(ws) { ws.send('open') } } };";
        let (app, server) = start(io, &[("app.js", source)], &["--reload-websockets", "close"]);
        let mut socket = WebSocketClient::open(&server, "/");
        assert_eq!(socket.next_text(), "open");
        reload(&server, &app, source, 1);
        assert_eq!(socket.next(), Some(Frame::close(1012, "the app was reloaded")));
    }

    fn beyond_the_limit_of_contexts_the_websockets_of_the_oldest_are_closed(io) {
        let source = "export default { fetch(request, env, ctx) { return ctx.upgrade(request) }, websocket: { open(ws) { ws.send('open') } } };";
        let flags = ["--reload-contexts-max", "1", "--workers", "1"];
        let app = App::with_files("app.js", &[("app.js", source)]);
        let server = Server::spawn_at(Way::tcp(io), &flags, app.path());
        let mut sockets = Vec::new();
        for round in 1..=2 {
            let mut socket = WebSocketClient::open(&server, "/");
            assert_eq!(socket.next_text(), "open");
            sockets.push(socket);
            reload(&server, &app, source, round);
        }
        assert_eq!(sockets[0].next(), Some(Frame::close(1012, "the app was reloaded")));
        sockets[1].send(&Frame::text("x"));
        assert_eq!(sockets.remove(1).close(1000), Frame::close(1000, ""), "the newer one of before goes on");
    }

    fn settings_are_read_again_and_what_needs_a_restart_is_named(io) {
        let source = "export default { async fetch(request, env) { return new Response(env.NAME + (await request.text()).length) } };";
        let unix = std::env::temp_dir().join(format!("jsserve-reload-{io}-{}.sock", std::process::id()));
        let settings = |listen: &str, more: &str| format!("listen = [\"http://127.0.0.1:0\"{listen}]\nio = \"{io}\"\n{more}");
        let first = settings("", "workers = 2\n[env]\nNAME = \"a\"\n");
        let app = App::with_files("app.js", &[("app.js", source), ("jsserve.toml", &first)]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.arg(app.path());
        let server = Server::start(command);
        let mut kept = Connection::open(server.place());
        assert_eq!(kept.post("/", b"12").text(), "a2");
        let other = format!(", \"unix:{}\"", unix.display());
        write(&app, "jsserve.toml", &settings(&other, "workers = 3\nbody-max = 3\n[env]\nNAME = \"b\"\n"));
        server.signal(Signal::HUP);
        server.await_output("reloaded ", 1);
        server.await_log("reload: workers needs a restart, and stay as they were");
        let answer = kept.post("/", b"1234");
        assert_eq!((answer.text(), answer.says_close()), ("b4", true), "settings of a connection are those that it began with");
        assert_eq!(Connection::open(server.place()).post("/", b"1234").status, 413);
        let place = Place::Unix(unix.clone());
        assert_eq!(Connection::open(place.clone()).post("/", b"123").text(), "b3", "a listener more");
        let before = Connection::open(place);
        write(&app, "jsserve.toml", &settings("", "workers = 2\n[env]\nNAME = \"c\"\n"));
        server.signal(Signal::HUP);
        server.await_output("reloaded ", 2);
        eventually("a listener less", || !unix.exists());
        let mut before = before;
        assert_eq!(before.post("/", b"12").text(), "c2", "its connections go on");
        write(&app, "jsserve.toml", "prot = 1\n");
        server.signal(Signal::HUP);
        server.await_log("jsserve.toml:1:1: unknown key prot");
        assert_eq!(Connection::open(server.place()).post("/", b"1234").text(), "c4");
    }

    fn a_hundred_reloads_leave_no_memory_behind(io) {
        let source = |number: usize| format!("const all = new Array(20000).fill({number}); export default {{ fetch() {{ return new Response('v' + all[0]) }} }};");
        let app = App::with_files("app.js", &[("app.js", &source(0))]);
        let server = Server::spawn_at(Way::tcp(io), &["--workers", "1"], app.path());
        let mut kept = Connection::open(server.place());
        let mut at_twenty = 0;
        for round in 1..=100 {
            reload(&server, &app, &source(round), round);
            assert_eq!(kept.get("/").text(), format!("v{round}"));
            if round == 20 {
                at_twenty = server.rss_bytes();
            }
        }
        // Eighty contexts of more than 1 MiB each would be seen.
        let most = at_twenty + (24 << 20);
        eventually("memory is as before", || server.rss_bytes() < most);
    }
}

#[test]
fn certificates_of_the_settings_are_read_again() {
    let known = certificate();
    let pair = |certificate: &Path, key: &Path| {
        format!("tls-cert = {certificate:?}\ntls-key = {key:?}\nlisten = \"https://127.0.0.1:0\"\n")
    };
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (pem, key) = (other.cert.pem(), other.signing_key.serialize_pem());
    let known = pair(&known.certificate, &known.key);
    let files = [("app.js", &*says("x")), ("o.pem", &*pem), ("o.key", &*key), ("jsserve.toml", &*known)];
    let app = App::with_files("app.js", &files);
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(["--workers", "2"]).arg(app.path());
    let server = Server::start(command);
    let is_known = || ClientStream::open(&server.place(), SOON).is_ok();
    assert!(is_known());
    write(&app, "jsserve.toml", &pair(Path::new("o.pem"), Path::new("o.key")));
    server.signal(Signal::HUP);
    server.await_output("reloaded ", 1);
    assert!(!is_known(), "clients get another certificate, which they do not trust");
    write(&app, "jsserve.toml", &known);
    server.signal(Signal::HUP);
    server.await_output("reloaded ", 2);
    assert!(is_known());
}
