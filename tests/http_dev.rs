//! What `--dev` shows of a failed request: to browsers, to programs that want JSON, to everybody else; and
//! never without the flag.
//!
//! Owns: the forms by Accept, the lines of the source, what a browser makes of hostile texts. Must not know:
//! which errors there are.

use crate::support::{App, Connection, Response, Server, browser};

const APP: &str = "// A comment of the app's own.
const users = new Map([['1', { name: 'Ada' }]]);

function greet(id) {
  const user = users.get(id);
  return `Hello, ${user.name}!`;
}

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/evil') throw new Error(searchParams.get('text'));
    if (pathname === '/later') await new Promise((go) => setTimeout(go, 1));
    return new Response(greet(searchParams.get('id')));
  },
};
";

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn(&[&["--io", io, "--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn ask(server: &Server, path: &str, accept: &str) -> Response {
    let mut client = Connection::open(server.addr());
    let accept = if accept.is_empty() { String::new() } else { format!("Accept: {accept}\r\n") };
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{accept}\r\n"));
    let response = client.response("GET");
    assert_eq!(response.status, 500, "{}", response.text());
    response
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

both_backends! {
    fn the_form_follows_accept(io) {
        let (_app, server) = start(io, &["--dev"]);
        for path in ["/?id=2", "/later?id=2"] {
            for accept in ["", "*/*", "text/plain"] {
                let text = ask(&server, path, accept);
                assert_eq!(text.field("content-type"), Some("text/plain;charset=utf-8"), "{accept}");
                let text = text.text();
                assert!(text.contains("TypeError: ") && text.contains("\n>    6 |   return `Hello, ${user.name}!`;"), "{text}");
                assert!(text.contains("at greet ("), "{text}");
            }
            let json = ask(&server, path, "application/json, text/plain, */*");
            assert_eq!(json.field("content-type"), Some("application/json"));
            let json: serde_json::Value = serde_json::from_str(json.text()).expect("JSON");
            assert_eq!((&json["status"], &json["request"]), (&500.into(), &format!("GET {path}").into()));
            assert!(json["error"].as_str().is_some_and(|text| text.starts_with("TypeError: ")), "{json}");
            assert!(json["stack"][0].as_str().is_some_and(|line| line.starts_with("at greet (")), "{json}");
            let html = ask(&server, path, BROWSER);
            assert_eq!(html.field("content-type"), Some("text/html;charset=utf-8"));
            let html = html.text();
            assert!(html.contains("<span class=at>&gt;    6 |   return `Hello, ${user.name}!`;</span>"), "{html}");
        }
    }

    fn without_dev_no_form_shows_anything(io) {
        let (_app, server) = start(io, &[]);
        for accept in ["", "application/json", BROWSER] {
            let response = ask(&server, "/?id=2", accept);
            assert_eq!(response.text(), "500 Internal Server Error\n", "{accept}");
        }
    }
}

#[test]
fn the_lines_are_those_of_the_typescript_that_was_written() {
    let source = "interface User {\n  name: string;\n}\n\nenum Kind { A = 1, B }\n\nfunction name(user: User | undefined): string {\n  \
                  return (user as User)!.name;\n}\n\nexport default {\n  fetch(): Response {\n    return new Response(name(undefined) + Kind.A);\n  },\n};\n";
    let app = App::with_files("app.ts", &[("app.ts", source)]);
    let server = Server::spawn(&["--dev", "--workers", "1"], app.path());
    let response = ask(&server, "/", "");
    let text = response.text();
    assert!(
        text.contains("app.ts:8:") && text.contains("\n>    8 |   return (user as User)!.name;\n"),
        "{text}"
    );
}

#[test]
fn errors_at_the_top_level_of_an_app_show_their_lines() {
    let files = [
        ("app.js", "import { a } from './lib.js';\n\nexport default { fetch: () => new Response(a) };\n"),
        ("lib.js", "const config = undefined;\n\nexport const a = config.port;\n"),
        (
            "app.ts",
            "type T = { port: number };\nconst config = undefined as unknown as T;\n\nexport const a: number = config.port;\nexport default { fetch: () => new Response('') };\n",
        ),
    ];
    for (main, line) in [
        ("app.js", ">    3 | export const a = config.port;"),
        ("app.ts", ">    4 | export const a: number = config.port;"),
    ] {
        let app = App::with_files(main, &files);
        let ended =
            crate::support::server::run_to_end(&["--port".as_ref(), "0".as_ref(), app.path().as_os_str()]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(line) && ended.stderr.contains("| "), "{main}: {}", ended.stderr);
    }
}

#[test]
fn a_browser_runs_nothing_of_what_an_error_says() {
    let Some(browser) = browser("a_browser_runs_nothing_of_what_an_error_says") else { return };
    // A page that listens for news is never complete to a browser which is to print it.
    let (_app, server) = start("auto", &["--dev", "--watch=false"]);
    let evil = "%3C/title%3E%3C/style%3E%3Cscript%3Edocument.documentElement.dataset.evil=1%3C/script%3E%3Cimg%20src=x%20onerror=%22document.documentElement.dataset.evil=1%22%3E";
    let page = browser.page(&format!("http://{}/evil?text={evil}", server.addr()));
    assert!(page.contains("Shown because the server runs with --dev."), "{page}");
    assert!(!page.contains("data-evil") && !page.contains("<img"), "{page}");
}
