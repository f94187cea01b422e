//! What is said of an exception that nobody caught, and of programs written for other runtimes.
//!
//! Owns: words of scripts' and apps' failures. Must not know: flags (`cli_errors.rs`).

use crate::support::server::{Ended, run_to_end};
use crate::support::{App, Connection, Server};

fn run(name: &str, source: &str) -> Ended {
    let app = App::with_files(name, &[(name, source), ("b.mjs", "export const z = 1;")]);
    run_to_end(&["--no-cache", app.path().to_str().expect("path")])
}

#[track_caller]
fn says(name: &str, source: &str, parts: &[&str]) -> String {
    let ended = run(name, source);
    for part in parts {
        assert!(ended.stderr.contains(part), "'{part}' in: {}", ended.stderr);
    }
    ended.stderr
}

#[test]
fn an_import_error_shows_the_importing_line_and_no_other_hint() {
    for name in ["script.mjs", "app.mjs"] {
        let end = if name == "app.mjs" { "\nexport default {}" } else { "" };
        for (import, parts) in [
            (
                "import x from './nowhere.js';",
                &["Cannot find module './nowhere.js'", ":2:15", ">    2 | import x", "^"][..],
            ),
            ("import {\n  y } from './b.mjs';", &["Could not find export 'y'", ":3:3", ">    3 |   y }"]),
            ("import 'node:fs/promises';", &["node:fs/promises is not there yet", ":2:8", "'std' and 'os'"]),
            ("import a from 'left-pad';", &["npm install left-pad", ">    2 | import a"]),
            ("await import('./nowhere.js');", &["Cannot find module './nowhere.js'", ":2:14"]),
        ] {
            let said = says(name, &format!("// ./nowhere.js\n{import}{end}"), parts);
            assert!(!said.contains("Specifiers carry"), "{said}");
        }
    }
}

#[test]
fn globals_of_other_runtimes_have_a_hint() {
    for (source, hint) in [
        ("console.log(process.env.X)", "hint: environment variables are in env"),
        ("const fs = require('fs'); export {}", "hint: import x from"),
        ("Buffer.from('x')", "hint: Uint8Array"),
        ("Bun.serve({})", "hint: export default { fetch(request)"),
        ("Deno.serve(() => {})", "hint: export default { fetch(request)"),
    ] {
        says("script.mjs", source, &["ReferenceError", "script.mjs:1:", hint]);
        let said =
            says("app.mjs", &format!("{source}; export default {{}}"), &["ReferenceError", ">    1 |", hint]);
        assert_eq!(said.matches("hint:").count(), 1, "{said}");
    }
    says(
        "script.js",
        "addEventListener('fetch', (event) => {})",
        &["nothing is served", "export default { fetch(request)"],
    );
    says(
        "app.mjs",
        "export default (request) => new Response('x')",
        &["is a function", "export default { fetch: handler }"],
    );
    says(
        "script.mjs",
        "export function fetch(request) {}",
        &["nothing is served", "export default { fetch }"],
    );
    let said = says("script.mjs", "export function accept(fd) {} export function recv(fd) {}", &[]);
    assert_eq!(said, "");
}

#[test]
fn a_thrown_value_is_told_as_the_console_shows_it() {
    let own = "throw Object.assign(new Error('m', { cause: 'why' }), { code: 'E' + 3 }); export default {}";
    says("app.mjs", own, &["Error: m", "code: 'E3'", "[cause]: 'why'", ">    1 |"]);
    for (source, parts) in [
        ("throw { code: 'E' + 1 }", &["{ code: 'E1' }"][..]),
        ("throw ''", &["''"]),
        ("throw new Map([[1, { a: 2 }]])", &["Map(1) { 1 => { a: 2 } }"]),
        ("throw Symbol('s')", &["Symbol(s)"]),
        (
            "class Mine extends Error {} throw Object.assign(new Mine('m'), { code: 'E' + 2, cause: { why: 'w' + 1 } })",
            &["Mine: m\n    at ", "code: 'E2'", "cause: { why: 'w1' }", ">    1 |"],
        ),
        (
            "const inner = new Error('in' + 1, { cause: new Error('in' + 2, { cause: { a: { b: 'in' + 3 } } }) });
             throw new AggregateError([inner, new RangeError('in' + 4)], 'all')",
            &["AggregateError: all", "in1", "in2", "'in3'", "RangeError: in4"],
        ),
        ("throw new DOMException('gone', 'AbortError')", &["AbortError: gone\n    at "]),
    ] {
        says("script.mjs", source, parts);
        says("script.mjs", &format!("await null; {source}"), parts);
        // An app's message has the code frame in the place of the frames.
        let first = parts[0].split('\n').next().expect("a line");
        says("app.mjs", &format!("{source}; export default {{}}"), &[first]);
    }
}

both_backends! {
    fn the_log_tells_all_of_what_a_handler_throws(io) {
        let app = app!("export default { fetch(request) {
            const path = new URL(request.url).pathname;
            if (path === '/own') throw Object.assign(new Error('m'), { code: 'E' + 'OWN' });
            if (path === '/all') throw new AggregateError([new Error('in' + 'ner')], 'outer');
            if (path === '/none') return process.env.X;
            return Promise.reject({ code: 'E' + 'OBJECT' });
        } }");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--no-cache"], app.path());
        for (path, part) in [
            ("/own", "code: 'EOWN'"), ("/all", "Error: inner"), ("/none", "hint: environment variables"), ("/", "{ code: 'EOBJECT' }"),
        ] {
            assert_eq!(Connection::open(server.addr()).get(path).status, 500);
            server.await_log(part);
        }
    }

    fn a_locale_that_is_not_heeded_is_told_once_in_development(io) {
        let app = app!(fetch "return new Response('a'.localeCompare('b') + (1).toLocaleString() + 'A'.toLocaleLowerCase('tr') + (2).toLocaleString('de'))");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--dev", "--no-cache"], app.path());
        for _ in 0..2 {
            assert_eq!(Connection::open(server.addr()).get("/").text(), "-11a2");
        }
        server.await_log("toLocaleLowerCase does not heed its locale");
        assert_eq!(server.log().matches("does not heed").count(), 1);
    }
}
