//! Every mistake ends in one clear message with its remedy, and an exit code that says whose it was.
//!
//! Owns: usage errors (2), everything else (1), help and version. Must not know: a running server.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::support::server::{Ended, run_to_end};
use crate::support::{self, App, Server};

const HELLO: &str = "export default { fetch() { return new Response('hello') } };";

/// The run failed with `code`; its message has all `parts`, begins with our name and has a remedy.
fn is_clear(ended: &Ended, code: i32, parts: &[&str]) {
    let text = &ended.stderr;
    assert_eq!(ended.code, Some(code), "{text}");
    assert_eq!(ended.stdout, "", "a failure prints nothing to standard output");
    assert!(text.starts_with("jsserve: "), "{text}");
    assert!(text.contains("\n  "), "no remedy: {text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    for word in ["panicked", "RUST_BACKTRACE", "unwrap", "internal error"] {
        assert!(!text.contains(word), "{text}");
    }
}

fn fails(words: &[&str], code: i32, parts: &[&str]) {
    is_clear(&run_to_end(words), code, parts);
}

/// An app whose loading fails, with the parts of the message.
fn app_fails(source: &str, parts: &[&str]) {
    let app = app!(source);
    let path = app.path().to_str().expect("path");
    fails(&["--port", "0", "--start-timeout", "500ms", path], 1, parts);
}

#[test]
fn usage_mistakes_end_with_2() {
    let app = app!(HELLO);
    let path = app.path().to_str().expect("path");
    for (words, parts) in [
        (&["--prot", "1", path][..], &["unknown flag --prot", "--port"][..]),
        (&["--frobnicate", path], &["unknown flag --frobnicate", "--help"]),
        (&[path, "--frobnicate"], &["unknown flag --frobnicate", "after --"]),
        (&[path, "--port"], &["--port needs a value"]),
        (&["--port", "65536", path], &["--port 65536: not a port", "65535"]),
        (&["--port", "-1", path], &["--port -1: not a port"]),
        (&["--port", "http", path], &["--port http: not a port"]),
        (&["--workers", "0", path], &["--workers 0", "auto"]),
        (&["--workers", "-2", path], &["--workers -2", "auto"]),
        (&["--io", "kqueue", path], &["--io kqueue", "auto, uring, epoll"]),
        (&["--log", "xml", path], &["--log xml", "json, text"]),
        (&["--body-max", "1Q", path], &["--body-max 1Q: not a size", "16K"]),
        (&["--heap-max", "0", path], &["--heap-max 0: not a size"]),
        (&["--heap-max", "1K", path], &["--heap-max 1K: too small", "1M"]),
        (&["--idle-timeout", "soon", path], &["--idle-timeout soon: not a duration", "250ms"]),
        (&["--cpu-max", "0s", path], &["--cpu-max 0s: not a duration"]),
        (&["--header-fields-max", "0", path], &["--header-fields-max 0: not a count"]),
        (&["--ring-entries", "3", path], &["--ring-entries 3", "8 to 32768"]),
        (
            &["--listen", "127.0.0.1:1", path],
            &["--listen 127.0.0.1:1: the protocol is missing", "http://HOST:PORT"],
        ),
        (&["--listen", "ftp://127.0.0.1:1", path], &["ftp is not a protocol", "tcp://HOST:PORT"]),
        (&["--listen", "http://127.0.0.1", path], &["the port is missing"]),
        (&["--listen", "tcp://127.0.0.1:99999", path], &["not a port"]),
        (&["--listen", "http://127.0.0.1:1", "--port", "2", path], &["--listen", "--port", "exclude"]),
        (&["--listen", "http://127.0.0.1:1", "--listen", "tcp://127.0.0.1:1", path], &["given twice"]),
        (&["--host", "no such host", path], &["--host no such host", "127.0.0.1"]),
        (&["--host", "*", path], &["not a host", "0.0.0.0"]),
        (&["--quiet", "--quiet", path], &["--quiet is given twice"]),
        (&["--std", path], &["--std is for scripts", "default export"]),
        (&["--include", path, path], &["--include is for scripts", "default export"]),
        (&["--module", "--script", path], &["--module", "--script", "exclude"]),
        (&["-e"], &["--eval needs a value"]),
    ] {
        fails(words, 2, parts);
    }
}

#[test]
fn an_argument_that_is_not_utf_8_is_refused() {
    let app = app!(HELLO);
    let words = [app.path().as_os_str(), OsStr::new("--"), OsStr::from_bytes(b"\xff")];
    is_clear(&run_to_end(&words), 2, &["not UTF-8"]);
}

#[test]
fn an_app_that_is_no_readable_file_ends_with_1() {
    let app = app!(HELLO);
    let folder = app.path().parent().expect("folder");
    let text = |path: &std::path::Path| path.to_str().expect("path").to_string();
    fails(&[&text(&folder.join("nowhere.js"))], 1, &["nowhere.js: no such file"]);
    fails(&[&text(&folder.join("app"))], 1, &["no such file", "Did you mean", "app.js?"]);
    fails(&[&text(&app.path().join("inside.js"))], 1, &["cannot be read"]);
}

#[test]
fn an_app_without_read_permission_ends_with_1() {
    let app = app!(HELLO);
    std::fs::set_permissions(app.path(), std::fs::Permissions::from_mode(0o000)).expect("chmod");
    if std::fs::File::open(app.path()).is_ok() {
        println!("skipped: root reads every file, whatever its permissions");
        return;
    }
    is_clear(&run_to_end(&[app.path()]), 1, &["cannot be read", "ls -l"]);
}

#[test]
fn help_is_grouped_and_has_every_default() {
    let ended = run_to_end(&["--help"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let mut at = 0;
    for group in ["Usage:", "Settings:", "Scripts:", "Serving:", "Limits:", "JavaScript:", "Logging:"] {
        let found = ended.stdout.find(group).unwrap_or_else(|| panic!("no {group} in\n{}", ended.stdout));
        assert!(found >= at, "{group} stands too early");
        at = found;
    }
    for part in [
        "--port <PORT>",
        "[default: 8080]",
        "[default: 127.0.0.1]",
        "[default: auto]",
        "[default: 128M, or a worker's share",
        "--io",
    ] {
        assert!(ended.stdout.contains(part), "{part} is missing in\n{}", ended.stdout);
    }
}

#[test]
fn version_is_one_line() {
    let ended = run_to_end(&["--version"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, format!("jsserve {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_syntax_error_has_its_place_and_a_code_frame() {
    app_fails(
        "export default {\n  fetch() {\n    retrun new Response('x');\n  },\n};\n",
        &["app.js:3", "retrun new Response('x');", "^"],
    );
}

#[test]
fn an_app_that_does_not_load_says_why() {
    for (source, parts) in [
        ("throw new Error('cannot begin');", &["cannot begin", "app.js:1"][..]),
        ("await Promise.reject(new TypeError('not today'));", &["not today", "app.js:1"]),
        ("import './missing.js';", &["missing.js", "app.js"]),
        ("import 'no-such-package';", &["no-such-package"]),
        ("import { nothing } from 'jsserve:nothing';", &["jsserve:nothing"]),
        (
            "import { typeError } from 'jsserve:internal/webidl/natives';",
            &["Cannot find module 'jsserve:internal/webidl/natives'", "app.js:1"],
        ),
        ("await new Promise(() => {});", &["app.js"]),
        ("for (;;) {}", &["app.js: the module used more CPU time than a turn may (--cpu-max)"]),
    ] {
        app_fails(&format!("{source}\nexport default {{}};"), parts);
    }
}

#[test]
fn an_app_without_a_handler_is_told_what_to_export() {
    for source in [
        "export default {};",
        "export default { fetch: 'no function' };",
        "export default 42;",
        "export default null;",
        "const app = {}; export { app as default };",
    ] {
        app_fails(source, &["export default", "fetch", "A script"]);
    }
}

#[test]
fn a_listener_without_its_handler_is_refused() {
    let app = app!(HELLO);
    let path = app.path().to_str().expect("path");
    let ended = run_to_end(&["--listen", "tcp://127.0.0.1:0", path]);
    assert!(ended.stderr.contains("accept") && ended.stderr.contains("tcp://"), "{}", ended.stderr);
    assert_ne!(ended.code, Some(0));
}

#[test]
fn a_port_in_use_names_the_port_and_a_way_out() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = holder.local_addr().expect("address").port().to_string();
    let app = app!(HELLO);
    let path = app.path().to_str().expect("path");
    fails(&["--port", &port, path], 1, &[&port, "in use"]);
}

#[test]
fn a_second_server_does_not_share_the_port_of_the_first() {
    let app = app!(HELLO);
    let first = Server::spawn(&["--workers", "2"], app.path());
    let port = first.addr().port().to_string();
    let path = app.path().to_str().expect("path");
    fails(&["--port", &port, path], 1, &[&port, "in use"]);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let app = app!(HELLO);
    let path = app.path().to_str().expect("path");
    fails(&["--host", "192.0.2.1", "--port", "0", path], 1, &["192.0.2.1"]); // TEST-NET-1, RFC 5737
}

#[test]
fn the_start_line_has_everything_and_quiet_has_nothing() {
    let app = app!("console.log('loaded'); export default { fetch() { return new Response('x') } };");
    let server = Server::spawn(&["--workers", "2"], app.path());
    let line = server.start_line();
    let start = format!("jsserve {} ", env!("CARGO_PKG_VERSION"));
    assert!(line.starts_with(&start), "{line}");
    for part in ["app.js", " http://127.0.0.1:", " workers=2", " io="] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    let busy = server.addr().port().to_string();
    let path = app.path().to_str().expect("path");
    let quiet = run_to_end(&["--quiet", "--port", &busy, path]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (Some(1), ""));
}

#[test]
fn json_logs_are_json_lines() {
    let app = App::new("export default { fetch() { throw new Error('in json') } };");
    let server = Server::spawn(&["--log", "json", "--workers", "1"], app.path());
    assert_eq!(support::Connection::open(server.addr()).get("/").status, 500);
    server.await_log("in json");
    for line in server.log().lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
        assert!(line.contains("\"level\":"), "{line}");
    }
}
