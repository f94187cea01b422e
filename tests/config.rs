//! jsserve.toml and what an app sees as its environment.
//!
//! Owns: where the file is found, what comes before what, messages with their place. Must not know: how
//! the single flags work.

use std::process::Command;

use crate::support::server::{Ended, end_of, run_to_end};
use crate::support::{App, Connection, Server};

/// Answers with all that an app may know of its settings.
const APP: &str = "import * as std from 'std'; import * as os from 'os';
    export default { async fetch(request, env) {
        switch (new URL(request.url).pathname) {
            case '/env': return Response.json(env);
            case '/std': return Response.json([std.getenviron(), std.getenv('PATH'), std.getenv('A')]);
            case '/frozen': return Response.json([Object.isFrozen(env), Reflect.set(env, 'A', 'x'), Reflect.set(env, 'NEW', 'x'), env === first(env)]);
            case '/args': return Response.json(scriptArgs.slice(1));
            case '/throws': throw new Error('shown in development');
            case '/child': {
                const [read, write] = os.pipe();
                os.exec(['/usr/bin/env'], { stdout: write, block: false });
                os.close(write);
                const buffer = new Uint8Array(4096);
                await new Promise((readable) => os.setReadHandler(read, readable));
                os.setReadHandler(read, null);
                return new Response(buffer.slice(0, os.read(read, buffer.buffer, 0, 4096)));
            }
        }
    } };
    let known; const first = (env) => known ??= env;";

fn command(folder: &App, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.current_dir(folder.path().parent().expect("a folder")).args(words);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SECRET", "no one sees it")
        .env("GIVEN", "from outside");
    command
}

fn ask(server: &Server, target: &str) -> String {
    Connection::open(server.addr()).get(target).text().to_owned()
}

fn ends(folder: &App, words: &[&str]) -> Ended {
    let mut command = command(folder, words);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    end_of(command.stderr(std::process::Stdio::piped()).spawn().expect("run jsserve"))
}

#[test]
fn nothing_of_the_environment_is_seen_that_is_not_named() {
    let app = App::new(APP);
    let server = Server::start(command(&app, &["--port", "0", "app.js"]));
    for (target, text) in [("/env", "{}"), ("/std", "[{},null,null]"), ("/child", "")] {
        assert_eq!(ask(&server, target), text, "{target}");
    }
}

#[test]
fn flags_name_what_the_app_sees() {
    let files = [("app.js", APP), (".env", "A=file\nB='two\nlines'\n"), ("more.env", "export B=more\nC=1")];
    let app = App::with_files("app.js", &files);
    let flags =
        ["--env", "A=typed", "--env", "GIVEN", "--env-file", ".env", "--env-file=more.env", "--workers", "1"];
    let server = Server::start(command(&app, &[&flags[..], &["--port", "0", "app.js"]].concat()));
    let env = r#"{"A":"typed","B":"more","C":"1","GIVEN":"from outside"}"#;
    assert_eq!(ask(&server, "/env"), env);
    assert_eq!(ask(&server, "/std"), format!("[{env},null,\"typed\"]"));
    assert_eq!(ask(&server, "/child"), "A=typed\nB=more\nC=1\nGIVEN=from outside\n");
    for _ in 0..2 {
        assert_eq!(ask(&server, "/frozen"), "[true,false,false,true]");
    }
}

#[test]
fn the_file_beside_the_app_is_followed_and_flags_come_before_it() {
    let settings = "port = 0\nworkers = 1\nargs = ['a', '--b']\ndev = true\nenv-file = 'vars/.env'\nimport-map = 'map.json'\n\
        [env]\nA = 'settings'\nGIVEN = true\n";
    let files = [
        ("conf/app.js", &*format!("import 'mapped'; {APP}")),
        ("conf/jsserve.toml", settings),
        ("conf/vars/.env", "A=file\nB=file"),
        ("conf/map.json", r#"{ "imports": { "mapped": "./x/mapped.js" } }"#),
        ("conf/x/mapped.js", ""),
        ("flag.env", "A=flag\nC=flag"),
    ];
    let app = App::with_files("here", &files);
    let server = Server::start(command(&app, &["conf/app.js"]));
    let line = server.start_line();
    assert!(line.contains(" workers=1 ") && line.ends_with(" config=conf/jsserve.toml"), "{line}");
    assert_eq!(ask(&server, "/env"), r#"{"A":"settings","B":"file","GIVEN":"from outside"}"#);
    assert_eq!(ask(&server, "/args"), r#"["a","--b"]"#);
    assert!(ask(&server, "/throws").contains("shown in development"));
    let words = [
        "--workers=2",
        "--env-file",
        "flag.env",
        "--env",
        "GIVEN=x",
        "--listen=http://[::1]:0",
        "conf/app.js",
        "c",
    ];
    let server = Server::start(command(&app, &words));
    assert!(server.start_line().contains(" http://[::1]:") && server.start_line().contains(" workers=2 "));
    assert_eq!(ask(&server, "/env"), r#"{"A":"flag","B":"file","GIVEN":"x","C":"flag"}"#);
    assert_eq!(ask(&server, "/args"), r#"["c"]"#);
}

#[test]
fn without_an_app_the_file_here_says_what_to_serve() {
    let files = [
        ("sub/app.js", APP),
        ("jsserve.toml", "app = 'sub/app.js'\nport = 0"),
        ("sub/other.toml", "app = 'app.js'\nport = 0\nenv.A = 'other'"),
    ];
    let app = App::with_files("here", &files);
    assert_eq!(ask(&Server::start(command(&app, &[])), "/env"), "{}");
    let other = Server::start(command(&app, &["--config", "sub/other.toml", "--workers", "1"]));
    assert_eq!(ask(&other, "/env"), r#"{"A":"other"}"#);
    let checked = ends(&app, &["check"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    let line = "sub/app.js: fetch, config=jsserve.toml, modules=1, loaded in ";
    assert!(checked.stdout.starts_with(line), "{}", checked.stdout);
    // Flags of scripts ask for one.
    let script = ends(&app, &["--std"]);
    assert_eq!((script.code, script.stdout.as_str()), (Some(0), ""));
}

#[test]
fn mistakes_in_the_file_are_told_with_their_place() {
    for (settings, message) in [
        ("workers = 1\nbody_max = 1", "jsserve.toml:2:1: unknown key body_max\n  Did you mean body-max?\n"),
        (
            "heap-max = '1K'",
            "jsserve.toml:1:12: heap-max 1K: too small to serve anything\n  Give it at least 1M.\n",
        ),
        ("\nhost = 'no such host'", "jsserve.toml:2:8: host no such host: the name does not resolve"),
        ("listen = ['http://[::1]']", "jsserve.toml:1:10: listen http://[::1]: the port is missing"),
        ("import-map = 'none.json'", "jsserve.toml:1:14: import-map none.json"),
        ("env-file = ['.env']", "jsserve.toml:1:12: env-file .env: it cannot be read"),
        (
            "[env]\nA = 'x'\nNOT_SET = true",
            "jsserve.toml:3:11: env NOT_SET: the environment has no such variable",
        ),
        ("app = 'gone.js'", "jsserve.toml:1:7: gone.js: no such file"),
        ("port = 'x' y", "jsserve.toml:1:12: "),
    ] {
        let app = App::with_files("app.js", &[("app.js", APP), ("jsserve.toml", settings)]);
        let of_app = settings.starts_with("app");
        for words in [&["app.js"][..], &["check", "app.js"], &["check"], &["--config", "jsserve.toml"]] {
            // A file that names no app is none for those who name none either.
            if words.contains(&"app.js") == of_app {
                continue;
            }
            let ended = ends(&app, words);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{settings}: {ended:?}");
            assert!(ended.stderr.starts_with(&format!("jsserve: {message}")), "{settings}: {}", ended.stderr);
            assert!(ended.stderr.contains("\n  "), "no remedy: {}", ended.stderr);
        }
    }
}

#[test]
fn a_flag_is_told_as_a_flag_though_the_file_has_its_key() {
    let app = App::with_files("app.js", &[("app.js", APP), ("jsserve.toml", "heap-max = '64M'")]);
    let ended = ends(&app, &["--heap-max", "1K", "app.js"]);
    assert!(ended.stderr.starts_with("jsserve: --heap-max 1K: too small"), "{}", ended.stderr);
    let ended = ends(&app, &["--env", "NOT_SET", "app.js"]);
    assert!(
        ended.stderr.starts_with("jsserve: --env NOT_SET: the environment has no such"),
        "{}",
        ended.stderr
    );
    let ended = ends(&app, &["--config", "none.toml", "app.js"]);
    assert!(
        ended.code == Some(2) && ended.stderr.contains("none.toml: it cannot be read"),
        "{}",
        ended.stderr
    );
    let ended = ends(&app, &["--config", "jsserve.toml"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("no app given"), "{}", ended.stderr);
}

#[test]
fn scripts_do_not_read_it() {
    let files = [("script.js", "print('ran', scriptArgs.length)"), ("jsserve.toml", "this is no TOML")];
    let app = App::with_files("script.js", &files);
    let ended = run_to_end(&[app.path()]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "ran 1\n", ""));
}

/// What a file switches on, the command line can switch off, and the other way round.
#[test]
fn a_switch_of_the_file_can_be_taken_back() {
    let files = |settings: &str| App::with_files("app.js", &[("app.js", APP), ("jsserve.toml", settings)]);
    let shown = |folder: &App, words: &[&str]| {
        let server = Server::start(command(folder, &[&["--port", "0", "app.js"], words].concat()));
        ask(&server, "/throws").contains("shown in development")
    };
    let on = files("dev = true");
    assert!(shown(&on, &[]));
    assert!(!shown(&on, &["--dev=false"]));
    let off = files("dev = false");
    assert!(!shown(&off, &[]));
    assert!(shown(&off, &["--dev"]) && shown(&off, &["--dev=true"]));

    let quiet = files("quiet = true");
    let server = Server::start(command(&quiet, &["--port", "0", "--quiet=false", "app.js"]));
    assert!(server.start_line().contains("app.js"), "{}", server.start_line());

    let quiet = files("app = \"none.js\"\nquiet = true");
    let ended = ends(&quiet, &["-q=false", "--dev=maybe"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("--dev maybe: not a value of this flag\n  Write one of true, false."),
        "{ended:?}"
    );
}
