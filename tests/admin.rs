//! The listener for operators: health, metrics, who may ask.
//!
//! Owns: its paths and their answers, the numbers after known requests, a strict reader of OpenMetrics. Must not know: how
//! numbers are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rustix::process::Signal;

use crate::support::server::run_to_end;
use crate::support::{
    App, Connection, Frame, Place, Response, SOON, Server, WebSocketClient, eventually, get,
};

/// Where operators ask.
pub fn admin(server: &Server) -> SocketAddr {
    let line = server.start_line();
    let found = line.split(" admin=http://").nth(1).and_then(|rest| rest.split(' ').next());
    found.and_then(|addr| addr.parse().ok()).unwrap_or_else(|| panic!("no admin in {line}"))
}

/// The answer for a path.
pub fn ask(place: impl Into<Place>, target: &str, fields: &str) -> Response {
    let mut client = Connection::open(place);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    client.response("GET")
}

fn number(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in\n{metrics}")).parse().expect("a number")
}

/// Reads a text as the specification has it, and fails where it is not so:
/// https://prometheus.io/docs/specs/om/open_metrics_spec/
fn families(text: &str) -> BTreeMap<String, &str> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    assert!(!body.contains("# EOF"));
    let mut known = BTreeMap::<String, &str>::new();
    let mut samples = BTreeSet::new();
    let (mut family, mut cumulative) = (String::new(), (String::new(), 0.0));
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, value) =
                (words.next(), words.next().expect("a name"), words.next().expect("a value"));
            match what {
                Some("TYPE") => {
                    assert!(["counter", "gauge", "histogram", "info"].contains(&value), "{line}");
                    assert!(known.insert(name.to_owned(), value).is_none(), "twice: {line}");
                    family = name.to_owned();
                }
                Some("HELP") => assert!(!known.contains_key(name), "behind samples: {line}"),
                Some("UNIT") => assert!(name.ends_with(&format!("_{value}")) && name == family, "{line}"),
                other => panic!("{other:?}: {line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect(line);
        assert!(value >= 0.0 && samples.insert(sample.to_owned()), "twice, or negative: {line}");
        let name = sample.split('{').next().expect("a name");
        let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} in {family}"));
        let allowed: &[&str] = match known[&family] {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            _ => &["_bucket", "_count", "_sum"],
        };
        assert!(allowed.contains(&suffix), "{line}");
        if suffix == "_bucket" {
            let of = sample.split(",le=").next().expect("labels").to_owned();
            assert!(of != cumulative.0 || value >= cumulative.1, "buckets are cumulative: {line}");
            cumulative = (of, value);
        }
        if suffix == "_count" {
            assert_eq!(value, cumulative.1, "{line}");
        }
    }
    known
}

both_backends! {
    fn the_metrics_are_openmetrics_and_count_what_was_served(io) {
        let app = app!(
            "export default {
               fetch(request, env, ctx) {
                 if (request.url.endsWith('/socket')) return ctx.upgrade(request);
                 if (request.url.endsWith('/fails')) throw new Error('on purpose');
                 return new Response('hello');
               },
               websocket: { message(socket, text) { socket.send(text) } },
             };"
        );
        let server = Server::spawn(&["--io", io, "--workers", "1", "--body-max", "1K", "--admin", "127.0.0.1:0"], app.path());
        let mut client = Connection::open(server.addr());
        for (target, status) in [("/", 200), ("/a", 200), ("/fails", 500)] {
            assert_eq!(client.get(target).status, status);
        }
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
        assert_eq!(client.response("POST").status, 413);
        let mut socket = WebSocketClient::open(&server, "/socket");
        socket.send(&Frame::text("x"));
        socket.next_text();
        let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
        let answer = ask(admin(&server), "/metrics", accept);
        assert_eq!(answer.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        let text = answer.text();
        let families = families(text);
        assert!(families.len() > 30, "{families:?}");
        for (sample, value) in [
            ("jsserve_http_requests_total{worker=\"0\",code=\"200\"}", 2.0),
            ("jsserve_http_requests_total{worker=\"0\",code=\"500\"}", 1.0),
            ("jsserve_http_requests_total{worker=\"0\",code=\"413\"}", 1.0),
            ("jsserve_http_requests_total{worker=\"0\",code=\"101\"}", 1.0),
            ("jsserve_http_request_duration_seconds_count{worker=\"0\"}", 5.0),
            ("jsserve_http_requests_in_flight{worker=\"0\"}", 0.0),
            ("jsserve_limit_reached_total{limit=\"body-max\"}", 1.0),
            ("jsserve_log_events_total{kind=\"failed requests\"}", 1.0),
            ("jsserve_connections_accepted_total{worker=\"0\"}", 2.0),
            ("jsserve_websockets{worker=\"0\"}", 1.0),
            ("jsserve_websocket_messages_received_total{worker=\"0\"}", 1.0),
            ("jsserve_worker_up{worker=\"0\"}", 1.0),
            ("jsserve_ready", 1.0),
        ] {
            assert_eq!(number(text, sample), value, "{sample}");
        }
        let buffers = number(text, "jsserve_receive_buffers{worker=\"0\"}");
        assert_eq!(buffers > 0.0, io == "uring", "{buffers}");
        for sample in ["jsserve_heap_bytes{worker=\"0\"}", "jsserve_turn_duration_seconds_count{worker=\"0\"}", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
            assert!(number(text, sample) > 0.0, "{sample}");
        }
        let plain = ask(admin(&server), "/metrics", "");
        assert_eq!(plain.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert!(plain.text().contains("# TYPE jsserve_http_requests_total counter\n") && !plain.text().contains("EOF"));
    }

    fn it_answers_while_all_workers_are_stuck_and_says_so(io) {
        // What takes the place of the stuck worker takes its time to load.
        let app = app!(
            "import * as os from 'os';
             const mark = import.meta.filename + '.stuck';
             if (os.stat(mark)[1] === 0) await new Promise((go) => setTimeout(go, 1000));
             export default { fetch(request) {
               if (request.url.endsWith('/stuck')) {
                 os.close(os.open(mark, os.O_CREAT | os.O_WRONLY));
                 Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);
               }
               return new Response('ok');
             } };"
        );
        let server = Server::spawn(
            &["--io", io, "--workers", "1", "--stuck-timeout", "300ms", "--cpu-max", "24h", "--admin", "127.0.0.1:0"],
            app.path(),
        );
        let admin = admin(&server);
        assert_eq!((ask(admin, "/healthz", "").status, ask(admin, "/readyz", "").text()), (200, "ready\n"));
        let mut client = Connection::open(server.addr());
        client.send(get("/stuck"));
        eventually("nobody serves", || ask(admin, "/readyz", "").status == 503);
        assert_eq!(ask(admin, "/readyz", "").text(), "no worker serves\n");
        assert_eq!(ask(admin, "/healthz", "").text(), "ok\n");
        eventually("the replacement serves", || ask(admin, "/readyz", "").status == 200);
        let text = ask(admin, "/metrics", "");
        assert_eq!(number(text.text(), "jsserve_workers_replaced_total"), 1.0);
    }

    fn it_is_not_ready_while_it_drains(io) {
        let app = app!(fetch "await new Promise((go) => setTimeout(go, 60_000))");
        let mut server = Server::spawn(&["--io", io, "--workers", "1", "--drain-timeout", "20s", "--admin", "127.0.0.1:0"], app.path());
        let admin = admin(&server);
        let mut client = Connection::open(server.addr());
        client.send(get("/"));
        eventually("the request is there", || {
            number(ask(admin, "/metrics", "").text(), "jsserve_http_requests_in_flight{worker=\"0\"}") == 1.0
        });
        server.signal(Signal::TERM);
        eventually("it drains", || ask(admin, "/readyz", "").status == 503);
        assert_eq!(ask(admin, "/readyz", "").text(), "draining\n");
        assert_eq!(ask(admin, "/healthz", "").status, 200);
        server.signal(Signal::TERM);
        server.await_exit(SOON);
    }
}

#[test]
fn only_who_may_ask_is_answered() {
    let app = app!(fetch "return new Response('ok')");
    let server = Server::spawn(&["--workers", "1", "--admin", "127.0.0.1:0"], app.path());
    let place = admin(&server);
    let status = |head: &str| {
        let mut client = Connection::open(place);
        client.send(format!("{head}\r\n\r\n"));
        client.response("GET").status
    };
    for (head, expected) in [
        ("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:9090", 200),
        ("GET /healthz HTTP/1.1\r\nHost: evil.test", 403),
        (
            "GET /profile HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors",
            403,
        ),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate", 200),
        ("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", 405),
        ("GET /nothing HTTP/1.1\r\nHost: localhost", 404),
        ("GET /profile?seconds=x HTTP/1.1\r\nHost: localhost", 400),
        ("GET /profile?seconds=61 HTTP/1.1\r\nHost: localhost", 400),
        ("GET /healthz HTTP/1.1", 400),
        ("nonsense", 400),
    ] {
        assert_eq!(status(head), expected, "{head}");
    }
    let page = ask(place, "/", "");
    let policy = page.field("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost", "x".repeat(3000));
    assert_eq!(status(&long), 414);
}

#[test]
fn who_has_the_token_may_come_from_anywhere_and_nobody_else() {
    let token = "correct horse battery staple";
    let app = App::with_files(
        "app.js",
        &[
            ("app.js", "export default { fetch() { return new Response('ok') } }"),
            ("token", "correct horse battery staple\n"),
        ],
    );
    let file = format!("@{}", app.path().with_file_name("token").display());
    let server =
        Server::spawn(&["--workers", "1", "--admin", "0.0.0.0:0", "--admin-token", &file], app.path());
    let place = SocketAddr::from(([127, 0, 0, 1], admin(&server).port()));
    for (fields, status) in [
        ("".to_owned(), 401),
        (format!("Authorization: Bearer {token}\r\n"), 200),
        (format!("Authorization: bearer {token}x\r\n"), 401),
        // x:correct horse battery staple
        ("Authorization: Basic eDpjb3JyZWN0IGhvcnNlIGJhdHRlcnkgc3RhcGxl\r\n".to_owned(), 200),
        ("Authorization: Basic eDp4\r\n".to_owned(), 401),
        ("Authorization: Digest x\r\n".to_owned(), 401),
    ] {
        assert_eq!(ask(place, "/healthz", &fields).status, status, "{fields}");
    }
    let refused = ask(place, "/metrics", "");
    assert!(refused.field("www-authenticate").is_some_and(|value| value.starts_with("Basic ")));
    let path = app.path().to_str().expect("UTF-8");
    let ended = run_to_end(&["--admin", "0.0.0.0:0", path]);
    assert!(ended.code == Some(2) && ended.stderr.contains("--admin-token"), "{ended:?}");
}

#[test]
fn a_unix_socket_asks_for_no_host_and_goes_with_the_server() {
    let app = app!(fetch "return new Response('ok')");
    let socket = app.path().with_file_name("admin.sock");
    let place = format!("unix:{}", socket.display());
    let mut server = Server::spawn(&["--workers", "1", "--admin", &place], app.path());
    let mut client = Connection::open(Place::Unix(socket.clone()));
    client.send("GET /readyz HTTP/1.1\r\nHost: whatever\r\n\r\n");
    assert_eq!(client.response("GET").text(), "ready\n");
    server.signal(Signal::TERM);
    assert!(server.await_exit(SOON).success());
    assert!(!socket.exists());
}

#[test]
fn a_profile_has_the_functions_of_all_workers() {
    let app = app!(
        "function inner(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i; return sum }
         function outer() { let sum = 0; for (let i = 0; i < 20; i++) sum += inner(20_000); return sum }
         export default { fetch() { return new Response(String(outer())) } };"
    );
    let server = Server::spawn(&["--workers", "1", "--admin", "127.0.0.1:0"], app.path());
    let (place, served) = (admin(&server), server.addr());
    let profile = std::thread::spawn(move || ask(place, "/profile?seconds=1.5", ""));
    let mut client = Connection::open(served);
    while !profile.is_finished() {
        client.get("/");
    }
    let profile = profile.join().expect("a profile");
    let line = profile.text().lines().find(|line| line.contains("outer (app.js);inner (app.js) "));
    let micros: u64 = line
        .and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("{}", profile.text()));
    assert!(micros > 10_000, "{}", profile.text());
    let page = ask(place, "/flamegraph?seconds=0.1", "");
    assert!(page.text().contains("[\"all\","), "{}", page.text());
}
