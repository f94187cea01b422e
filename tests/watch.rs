//! `--watch` and what pages do in development.
//!
//! Owns: which changes are seen, what is shown while the app does not load, which answers get the script. Must not know: how
//! files are watched, what a reload is (`reload.rs`).

use std::process::Command;

use crate::support::{App, Connection, Response, Server, Way, browser, eventually};

fn write(app: &App, name: &str, text: &str) {
    let file = app.path().with_file_name(name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(file, text).expect("write");
}

fn ask(server: &Server) -> String {
    Connection::open(server.place()).get("/").text().to_owned()
}

/// Waits until the answer is `expected`.
fn await_answer(server: &Server, expected: &str) {
    let seen = std::cell::RefCell::new(String::new());
    let is_there = || {
        *seen.borrow_mut() = ask(server);
        *seen.borrow() == expected
    };
    let begun = std::time::Instant::now();
    while !is_there() {
        assert!(
            begun.elapsed() < crate::support::SOON,
            "{:?} and not {expected:?}:\n{}",
            seen.borrow(),
            server.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

const MAIN: &str = "import a from './lib/a.js'; import data from './data.json' with { type: 'json' };
import pkg from 'pkg';
export default { fetch(request, env) { return new Response([a, data.b, pkg, env.C, env.D].join()) } };";

both_backends! {
    fn whatever_the_app_is_made_of_is_watched(io) {
        let settings = format!("io = '{io}'\nport = 0\nworkers = 2\nwatch = true\nenv-file = '.env'\n");
        let app = App::with_files("app.js", &[
            ("app.js", MAIN), ("lib/a.js", "export default 'a1'"), ("data.json", "{\"b\": \"b1\"}"), (".env", "C=c1"),
            ("node_modules/pkg/index.js", "module.exports = 'p1'"), ("node_modules/pkg/package.json", "{}"),
            ("jsserve.toml", &format!("{settings}[env]\nD = 'd1'\n")),
        ]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.arg(app.path());
        let server = Server::start(command);
        assert_eq!(ask(&server), "a1,b1,p1,c1,d1");
        write(&app, "lib/a.js", "export default 'a2'");
        await_answer(&server, "a2,b1,p1,c1,d1");
        write(&app, "data.json", "{\"b\": \"b2\"}");
        await_answer(&server, "a2,b2,p1,c1,d1");
        write(&app, ".env", "C=c2");
        await_answer(&server, "a2,b2,p1,c2,d1");
        write(&app, "node_modules/pkg/index.js", "module.exports = 'p2'");
        await_answer(&server, "a2,b2,p2,c2,d1");
        write(&app, "jsserve.toml", &format!("{settings}[env]\nD = 'd2'\n"));
        await_answer(&server, "a2,b2,p2,c2,d2");
        // As editors do it that write a new file first.
        write(&app, "lib/.a.js.tmp", "export default 'a3'");
        let at = |name: &str| app.path().with_file_name(name);
        std::fs::rename(at("lib/.a.js.tmp"), at("lib/a.js")).expect("rename");
        await_answer(&server, "a3,b2,p2,c2,d2");
        // A module that is not there yet, in a folder of its own.
        write(&app, "lib/a.js", "export { a as default } from './deep/b.js'");
        server.await_log("reload failed");
        assert_eq!(ask(&server), "a3,b2,p2,c2,d2");
        write(&app, "lib/deep/b.js", "export const a = 'a4'");
        write(&app, "lib/a.js", "export { a as default } from './deep/b.js';");
        await_answer(&server, "a4,b2,p2,c2,d2");
        write(&app, "lib/deep/b.js", "export const a = 'a5'");
        await_answer(&server, "a5,b2,p2,c2,d2");
        // A folder that is another one.
        std::fs::rename(at("lib"), at("old")).expect("rename");
        write(&app, "lib/a.js", "export default 'a6'");
        await_answer(&server, "a6,b2,p2,c2,d2");
    }

    fn a_module_that_is_missing_is_found_as_soon_as_it_is_there(io) {
        let app = App::with_files("app.js", &[("app.js", "export default { fetch() { return new Response('old') } };")]);
        let server = Server::spawn_at(Way::tcp(io), &["--watch", "--workers", "2"], app.path());
        write(&app, "app.js", "import b from './b.js'; export default { fetch() { return new Response(b) } };");
        server.await_log("b.js");
        assert_eq!(ask(&server), "old");
        write(&app, "b.js", "export default 'new'");
        await_answer(&server, "new");
    }

    fn pages_get_a_script_that_fits_and_nothing_else_does(io) {
        let (_app, server) = start_pages(io, &[]);
        let whole = page(&server, "/", "");
        assert_eq!(whole.field("content-length"), Some(&*whole.body.len().to_string()));
        assert_eq!(whole.field("etag"), Some("W/\"1\""), "it has other bytes than the app gave");
        let version = version(&whole);
        assert!(whole.text().starts_with("<!doctype html><title>one</title>"), "{}", whole.text());
        let nonce = page(&server, "/nonce", "");
        assert!(nonce.text().contains(&format!("data-version=\"{version}\" nonce=\"abc\"></script>")), "{}", nonce.text());
        for streamed in ["/streamed", "/long", "/static/page.html"] {
            let streamed = page(&server, streamed, "");
            assert!(streamed.text().contains("<p>") && streamed.text().ends_with("></script>\n"), "{}", streamed.text());
        }
        let failed = page(&server, "/throws", "");
        assert_eq!((failed.status, failed.text().contains("reload.js")), (500, true));
        for (path, more) in [
            ("/json", ACCEPT), ("/coded", ACCEPT), ("/", ""), ("/", "Accept: */*\r\n"), ("/", "Accept: text/html\r\nSec-Fetch-Dest: empty\r\n"),
            ("/static/page.html", "Accept: text/html\r\nRange: bytes=0-3\r\n"), ("/static/code.js", ACCEPT),
        ] {
            let answer = get(&server, "GET", path, more);
            assert!(!answer.body.windows(9).any(|part| part == b"reload.js"), "{path} {more}: {}", answer.text());
        }
        let head = get(&server, "HEAD", "/", ACCEPT);
        assert_eq!((head.status, head.body.len()), (200, 0));
        let script = get(&server, "GET", "/.jsserve/reload.js", "");
        assert_eq!(script.field("content-type"), Some("text/javascript;charset=utf-8"));
    }

    fn the_script_is_coded_with_the_page(io) {
        use std::io::Read;
        let (_app, server) = start_pages(io, &["--compress=gzip", "--compress-min", "1"]);
        for path in ["/streamed", "/long", "/static/page.html"] {
            let coded = page(&server, path, "Accept-Encoding: gzip\r\n");
            assert_eq!(coded.field("content-encoding"), Some("gzip"), "{path}");
            let mut text = String::new();
            flate2::read::GzDecoder::new(&coded.body[..]).read_to_string(&mut text).expect("gzip");
            assert!(text.starts_with("<!doctype html>") && text.ends_with("></script>\n"), "{path}: {text}");
        }
    }

    fn events_tell_pages_of_each_version_and_the_page_shows_why_an_app_does_not_load(io) {
        let (app, server) = start_pages(io, &[]);
        let mut events = Connection::open(server.place());
        events.send(crate::support::get("/.jsserve/reload"));
        let first = version(&page(&server, "/", ""));
        let mut seen = String::new();
        await_text(&mut events, &mut seen, &format!("data: {first}\n\n"));
        assert!(seen.contains("text/event-stream"), "{seen}");
        write(&app, "app.js", "export default {\n  fetch() { retur 1 },\n};");
        await_text(&mut events, &mut seen, &format!("data: {}\n\n", first + 1));
        let shown = page(&server, "/", "");
        assert_eq!((shown.status, version(&shown)), (500, first + 1));
        assert!(shown.text().contains("SyntaxError") && shown.text().contains("app.js:2:"), "{}", shown.text());
        assert!(shown.text().contains("<span class=at>&gt;    2 |   fetch() { retur 1 },</span>"), "{}", shown.text());
        assert_eq!(get(&server, "GET", "/json", "").text(), "{}", "the old app answers all others");
        write(&app, "app.js", &PAGES.replace("one", "two"));
        await_text(&mut events, &mut seen, &format!("data: {}\n\n", first + 2));
        assert!(page(&server, "/", "").text().contains("<title>two</title>"));
        // A file that is served as it is concerns pages only.
        write(&app, "static/page.html", "<!doctype html><p>other");
        await_text(&mut events, &mut seen, &format!("data: {}\n\n", first + 3));
    }

    fn a_page_in_a_browser_comes_anew_by_itself(io) {
        let Some(browser) = browser("a page that reloads itself") else { return };
        let (app, server) = start_pages(io, &[]);
        let mut page = browser.open(400, 300);
        page.go(&format!("http://{}/", server.addr()));
        page.wait("document.title === 'one'");
        write(&app, "app.js", &PAGES.replace("one", "two"));
        page.wait("document.title === 'two'");
        write(&app, "app.js", "export default { fetch() { retur 1 } };");
        page.wait("document.title.includes('SyntaxError')");
        write(&app, "app.js", &PAGES.replace("one", "three"));
        page.wait("document.title === 'three'");
    }
}

#[test]
fn development_watches_unless_it_is_told_not_to_and_nobody_else_does() {
    for (flags, watches, tells) in [
        (&["--dev"][..], true, true),
        (&["--dev", "--watch=false"], false, false),
        (&["--watch"], true, false),
        (&[], false, false),
    ] {
        let app = App::new("export default { fetch() { return new Response('x') } };");
        let server = Server::spawn(&[&["--workers", "1"], flags].concat(), app.path());
        let script = get(&server, "GET", "/.jsserve/reload.js", "");
        assert_eq!(script.text() != "x", tells, "{flags:?}");
        let is_watched = || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("threads");
            let mut names =
                tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
            names.any(|name| name.trim() == "files")
        };
        match watches {
            true => eventually("a watch", is_watched),
            false => assert!(!is_watched(), "{flags:?}"),
        }
    }
}

const ACCEPT: &str = "Accept: text/html,application/xhtml+xml\r\nSec-Fetch-Dest: document\r\n";

const PAGES: &str = r#"
const html = (text, more) => new Response(text, { headers: { "Content-Type": "text/html; charset=utf-8", ...more } });
const start = "<!doctype html><title>one</title><p>";
const encode = (text) => new TextEncoder().encode(text);
export default {
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/nonce": return html(start, { "Content-Security-Policy": "script-src 'nonce-abc'" });
      case "/streamed": return html(new ReadableStream({ async start(c) { c.enqueue(encode(start)); await 1; c.enqueue(encode("more")); c.close(); } }), { "Content-Length": start.length + 4 });
      case "/long": return html(start + "x".repeat(300_000));
      case "/coded": return html(encode("x"), { "Content-Encoding": "br" });
      case "/json": return new Response("{}", { headers: { "Content-Type": "application/json" } });
      case "/throws": throw new Error("thrown");
      default: return html(start, { ETag: '"1"', "Content-Length": start.length });
    }
  },
};"#;

fn start_pages(io: &str, flags: &[&str]) -> (App, Server) {
    let page = "<!doctype html><p>static ".to_owned() + &"x".repeat(100);
    let app =
        App::with_files("app.js", &[("app.js", PAGES), ("static/page.html", &page), ("static/code.js", "1")]);
    let folder = format!("{}:/static", app.path().with_file_name("static").display());
    let flags = [&["--dev", "--workers", "2", "--static", &folder], flags].concat();
    let server = Server::spawn_at(Way::tcp(io), &flags, app.path());
    (app, server)
}

fn get(server: &Server, method: &str, path: &str, more: &str) -> Response {
    let mut client = Connection::open(server.place());
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{more}\r\n"));
    client.response(method)
}

fn page(server: &Server, path: &str, more: &str) -> Response {
    get(server, "GET", path, &format!("{ACCEPT}{more}"))
}

fn version(page: &Response) -> u64 {
    let (_, rest) = page.text().split_once("data-version=\"").unwrap_or_else(|| panic!("{}", page.text()));
    rest.split('"').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn await_text(connection: &mut Connection, seen: &mut String, part: &str) {
    let deadline = std::time::Instant::now() + crate::support::SOON;
    while !seen.contains(part) {
        assert!(std::time::Instant::now() < deadline, "no {part:?} in {seen:?}");
        seen.push_str(&connection.read_to_silence());
    }
}
