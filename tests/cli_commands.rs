//! Commands and flags that print and end, and the form of all that is printed with `--log json`.
//!
//! Owns: `help`, `version`, help of commands, `-p`, the first lines. Must not know: texts of mistakes
//! (`cli_errors.rs`).

use crate::support::server::run_to_end;
use crate::support::{App, Server};

const APP: &str = "export default { fetch() { return new Response('hello') } };";

#[track_caller]
fn prints(words: &[&str], parts: &[&str]) {
    let ended = run_to_end(words);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{words:?}");
    for part in parts {
        assert!(ended.stdout.contains(part), "{part:?} is missing for {words:?}: {}", ended.stdout);
    }
}

#[test]
fn commands_tell_what_they_do() {
    prints(&["help"], &["--port", "Usage: jsserve"]);
    prints(&["version"], &["jsserve "]);
    for command in ["repl", "types", "ca", "check", "help", "version"] {
        let usage = format!("jsserve {}", if command == "repl" { "[flags] repl" } else { command });
        prints(&[command, "--help"], &["Usage:", &usage]);
        prints(&["help", command], &["Usage:", &usage]);
    }
    let ended = run_to_end(&["help", "serve"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("there is no command serve") && ended.stderr.contains("\n  Commands are"));
    let ended = run_to_end(&["serve", "app.js"]);
    assert!(ended.stderr.contains("no such command"), "{}", ended.stderr);
}

#[test]
fn p_prints_a_value_as_console_log_does() {
    for (text, expected) in [
        ("1 + 1", "2\n"),
        ("'text'", "text\n"),
        ("({ a: [1, 'b'] })", "{ a: [ 1, 'b' ] }\n"),
        ("undefined", "undefined\n"),
        ("await Promise.resolve(5)", "5\n"),
        ("const x: number = 3; x as any", "3\n"),
        ("scriptArgs.join()", "a,-b\n"),
        ("-1", "-1\n"),
    ] {
        let ended = run_to_end(&["-p", text, "a", "-b"]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), expected, ""),
            "{text}"
        );
    }
    let ended = run_to_end(&["-p", "nothing"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("ReferenceError") && ended.stderr.contains("<cmdline>:1:"),
        "{}",
        ended.stderr
    );
    let ended = run_to_end(&["-p", "1", "-e", "2"]);
    assert!(ended.code == Some(2) || ended.stdout == "1\n", "{ended:?}");
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn with_log_json_all_lines_are_json_from_the_first_on() {
    let app = App::new(APP);
    let path = app.path().to_str().expect("path");
    let ended = run_to_end(&["check", "--log", "json", path]);
    let line = json(&ended.stdout);
    assert_eq!((&line["message"], &line["handlers"]), (&"loaded".into(), &"fetch".into()), "{line}");
    for words in [
        &["--log=json", "--prot", "1", path][..],
        &["--port", "99999", "--log", "json", path],
        &["--log", "json", "/nowhere/app.js"],
    ] {
        let ended = run_to_end(words);
        let line = json(&ended.stderr);
        assert_eq!(line["level"], "ERROR", "{line}");
        assert!(
            line["message"].is_string() && line["remedy"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
    let broken = App::new("export default { fetch() {} }; throw new Error('at the top')");
    let ended = run_to_end(&["--log", "json", "--port", "0", broken.path().to_str().expect("path")]);
    for line in ended.stderr.lines() {
        json(line);
    }
    assert!(ended.stderr.contains("at the top") && ended.code == Some(1), "{ended:?}");
    let server = Server::spawn(&["--log", "json", "--workers", "1"], app.path());
    let line = json(server.start_line());
    assert_eq!((&line["message"], &line["workers"]), (&"serving".into(), &1.into()), "{line}");
    assert!(line["addresses"].as_str().is_some_and(|all| all.starts_with("http://127.0.0.1:")), "{line}");
}
