//! Every file of `examples/` runs as its header says.
//!
//! Owns: one test per example, the notes page in a browser. Must not know: what other tests show.

use std::time::{Duration, Instant};

use crate::support::{self, Connection, Response, Server, example};

/// One request on a connection of its own, so that any worker may answer it.
fn call(server: &Server, method: &str, target: &str, body: &str) -> Response {
    let mut client = Connection::open(server.addr());
    let length = body.len();
    client
        .send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"));
    client.response(method)
}

#[test]
fn every_example_has_a_test() {
    let tests = include_str!("examples.rs").to_owned()
        + include_str!("cgi_programs.rs")
        + include_str!("examples_http.rs")
        + include_str!("examples_udp.rs")
        + include_str!("examples_tcp.rs")
        + include_str!("examples_repl.rs")
        + include_str!("connect.rs")
        + include_str!("examples_hooks.rs")
        + include_str!("examples_live.rs")
        + include_str!("examples_pages.rs")
        + include_str!("examples_proxies.rs")
        + include_str!("fetch_client.rs");
    for folder in
        ["", "os/", "hono/", "behind_nginx/", "cgi/cgi-bin/", "chat/", "clock/", "draw/", "gallery/"]
    {
        let mut names = 0;
        for entry in std::fs::read_dir(example(folder)).expect("examples") {
            let name = entry.expect("entry").file_name().into_string().expect("name");
            // By those that are run.
            let imported = [
                "os/http_files.js",
                "os/lines.js",
                "os/websocket.js",
                "hono/package.json",
                "chat/hono.ts",
                "chat/room.js",
            ];
            let path = format!("{folder}{name}");
            names += 1;
            let tested = [
                "os",
                "hono",
                "behind_nginx",
                "cgi",
                "chat",
                "clock",
                "draw",
                "gallery",
                "site",
                "node_modules",
                "package.json",
                "page.html",
                "public",
            ]
            .contains(&name.as_str())
                || imported.contains(&path.as_str())
                || (folder == "cgi/cgi-bin/" && tests.contains(&format!("\"/cgi-bin/{name}")));
            assert!(tested || tests.contains(&format!("example(\"{path}\")")), "examples/{path} has no test");
        }
        assert!(names > 0);
    }
}

#[test]
fn the_readmes_app_runs_as_it_stands_there() {
    let readme = include_str!("../README.md");
    let source = readme
        .split("```js\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an app in README.md");
    assert_eq!(source.lines().count(), 8, "README.md promises eight lines");
    let app = app!(source);
    let server = Server::spawn(&[], app.path());
    assert_eq!(call(&server, "GET", "/", "").text(), "hello\n");
    assert_eq!(call(&server, "GET", "/elsewhere", "").status, 404);
    let commands = ["cargo run --release -- examples/hello.js --port 8080\n", "```sh\ncargo test\n```"];
    assert!(commands.iter().all(|command| readme.contains(command)));
}

both_backends! {
    fn hello_answers_on_every_core(io) {
        let server = Server::spawn(&["--io", io], &example("hello.js"));
        for _ in 0..20 {
            let response = call(&server, "GET", "/", "");
            assert_eq!((response.status, response.text()), (200, "hello\n"));
        }
    }

    fn echo_sends_back_what_it_receives(io) {
        let server = Server::spawn(&["--io", io, "--workers", "2"], &example("echo.js"));
        let mut client = Connection::open(server.addr());
        client.send("one");
        assert_eq!(client.read_exactly(3), b"one");
        let large: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
        std::thread::scope(|scope| {
            let mut writer = client.stream().try_clone().expect("clone");
            let bytes = &large;
            scope.spawn(move || std::io::Write::write_all(&mut writer, bytes).expect("send"));
            assert!(client.read_exactly(large.len()) == large, "the bytes changed");
        });
        client.finish();
        assert!(client.read_to_end().is_empty());
    }

    fn notes_is_a_rest_api_on_any_number_of_workers(io) {
        let server = Server::spawn(&["--io", io, "--workers", "3"], &example("notes.js"));
        for n in 1..=30 {
            let created = call(&server, "POST", "/notes", &format!(r#"{{"title":" note {n} ","text":"text"}}"#));
            assert_eq!((created.status, created.field("location")), (201, Some(format!("/notes/{n}").as_str())));
            assert!(created.text().contains(&format!(r#""id":{n},"title":"note {n}""#)), "{}", created.text());
        }
        let all = call(&server, "GET", "/notes", "");
        assert_eq!((all.status, all.text().matches("\"id\":").count()), (200, 30));
        assert!(all.text().starts_with(r#"[{"id":1,"#), "oldest first: {}", all.text());
        let replaced = call(&server, "PUT", "/notes/7", r#"{"title":"seven"}"#);
        assert_eq!(replaced.status, 200);
        let read = call(&server, "GET", "/notes/7", "");
        assert!(read.text().contains(r#""id":7,"title":"seven","text":"""#), "{}", read.text());
        assert_eq!(call(&server, "DELETE", "/notes/7", "").status, 204);
        for method in ["GET", "PUT", "DELETE"] {
            assert_eq!(call(&server, method, "/notes/7", r#"{"title":"x"}"#).status, 404, "{method}");
        }
        assert_eq!(call(&server, "GET", "/notes", "").text().matches("\"id\":").count(), 29);
        assert_eq!(call(&server, "HEAD", "/notes/1", "").status, 200);
    }
}

#[test]
fn notes_refuses_what_is_wrong() {
    let server = Server::spawn(&["--workers", "2"], &example("notes.js"));
    for (method, target, body, status) in [
        ("POST", "/notes", "", 400),
        ("POST", "/notes", "{", 400),
        ("POST", "/notes", "null", 422),
        ("POST", "/notes", "[]", 422),
        ("POST", "/notes", r#"{"title":"  "}"#, 422),
        ("POST", "/notes", r#"{"title":1}"#, 422),
        ("POST", "/notes", r#"{"title":"x","text":{}}"#, 422),
        ("GET", "/notes/0", "", 404),
        ("GET", "/notes/x", "", 404),
        ("GET", "/notes/1/2", "", 404),
        ("GET", "/elsewhere", "", 404),
    ] {
        let response = call(&server, method, target, body);
        assert_eq!(response.status, status, "{method} {target} {body}");
        assert!(response.text().starts_with(r#"{"error":""#), "{}", response.text());
    }
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(121));
    assert_eq!(call(&server, "POST", "/notes", &long).status, 422);
    for (method, target, allow) in [
        ("DELETE", "/notes", "HEAD, GET, POST"),
        ("POST", "/notes/1", "HEAD, GET, PUT, DELETE"),
        ("PUT", "/", "HEAD, GET"),
        ("CONSTRUCTOR", "/", "HEAD, GET"),
    ] {
        let response = call(&server, method, target, "");
        assert_eq!((response.status, response.field("allow")), (405, Some(allow)), "{method} {target}");
    }
    assert_eq!(call(&server, "GET", "/notes", "").text(), "[]");
}

#[test]
fn the_notes_page_shows_the_notes_in_a_browser() {
    let Some(browser) = support::browser("the notes page in a browser") else { return };
    let server = Server::spawn(&["--workers", "2"], &example("notes.js"));
    for title in ["milk", "<b>bread</b>"] {
        assert_eq!(call(&server, "POST", "/notes", &format!(r#"{{"title":"{title}"}}"#)).status, 201);
    }
    let page = call(&server, "GET", "/", "");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = browser.page(&format!("http://{}/", server.addr()));
    assert!(page.contains("2 notes"), "the page did not load its notes:\n{page}");
    assert!(page.contains("<h2>milk</h2>"), "{page}");
    assert!(page.contains("<h2>&lt;b&gt;bread&lt;/b&gt;</h2>"), "a note's text became markup:\n{page}");
}

both_backends! {
    fn slow_waits_for_many_at_once_on_one_core(io) {
        let server = Server::spawn(&["--io", io, "--workers", "1"], &example("slow.js"));
        let start = Instant::now();
        let mut clients: Vec<Connection> = (0..20).map(|_| Connection::open(server.addr())).collect();
        for client in &mut clients {
            client.send(support::get("/sleep?ms=300"));
        }
        for client in &mut clients {
            assert_eq!(client.response("GET").text(), r#"{"slept":300}"#);
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "20 x 300 ms took {took:?}");
    }
}

#[test]
fn slow_has_deadlines_and_small_computations() {
    let server = Server::spawn(&["--workers", "1"], &example("slow.js"));
    let parallel = call(&server, "GET", "/parallel?count=20&ms=100", "");
    let took: u64 =
        parallel.text().trim_end_matches('}').rsplit(':').next().and_then(|n| n.parse().ok()).expect("took");
    assert!((100..1500).contains(&took), "{}", parallel.text());
    assert_eq!(call(&server, "GET", "/deadline?ms=5000&within=50", "").status, 504);
    assert_eq!(call(&server, "GET", "/deadline?ms=10&within=5000", "").text(), r#"{"slept":10}"#);
    assert_eq!(call(&server, "GET", "/cpu?rounds=1000", "").text(), r#"{"rounds":1000,"sum":500500}"#);
    for target in ["/sleep?ms=x", "/sleep?ms=-1", "/cpu?rounds=1000000000"] {
        assert_eq!(call(&server, "GET", target, "").status, 400, "{target}");
    }
    let missing = call(&server, "GET", "/constructor", "");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("/parallel"), "{}", missing.text());
}
