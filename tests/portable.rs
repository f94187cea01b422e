//! One app on jsserve, Bun and Deno, all unchanged: the same requests get the same answers.
//!
//! Owns: starting the others, where they are known to depart from a standard. Must not know: the app
//! (tests/portable/app.js), which shows what a runtime makes of a request.

mod requests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::packages::{app, has, target};
use crate::support::server::Output;
use crate::support::{self, App, Connection, Server};
use requests::{Random, request};

/// What `.ci/run` installs into target/runtimes.
const RUNTIMES: [&str; 2] = ["bun@1.4.5", "deno@2.9.6"];
const REQUESTS: usize = 200;

/// A runtime that serves the app.
struct Other {
    child: Child,
    addr: SocketAddr,
    output: Output,
}

impl Other {
    fn start(mut command: Command, app: &App) -> Other {
        command.current_dir(app.path().parent().expect("a folder")).env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        // One pipe for both: where the address is printed is the runtime's business.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdout(writer.try_clone().expect("a second handle")).stderr(writer);
        let child = command.spawn().expect("run a runtime");
        drop(command);
        let output = Output::of(reader);
        let find = |text: &str| {
            let (_, rest) = text.split_once("http://")?;
            let port: String = rest.split_once(':')?.1.chars().take_while(char::is_ascii_digit).collect();
            rest.contains('\n').then(|| port.parse::<u16>().ok()).flatten()
        };
        let mut other = Other { child, addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), output };
        let found = other.output.await_that(Duration::from_secs(30), |text| find(text).is_some());
        assert!(found, "no address in {}", other.output.text());
        other.addr.set_port(find(&other.output.text()).expect("a port"));
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where another runtime departs from a standard that jsserve and the third keep: whose answer is not
/// compared, a part of the request, a part of the right answer, and the standard's word.
const DEPARTURES: &[(&str, &str, &str, &str)] = &[
    (
        "deno",
        "GET /headers?v",
        r#"["a",", 2"]"#,
        "Fetch, sort and combine: an empty value is one of the values",
    ),
    ("deno", "\u{feff}", r#""bom":1"#, "Fetch, json(): UTF-8 decode, which drops a byte order mark"),
    ("bun", "POST /form", "\u{feff}", "URL, form-urlencoded parser: UTF-8 decode without BOM keeps the mark"),
    ("deno", "%5E", "%5E", "URL, path percent-encode set: it has U+005E since 2024"),
    ("deno", "%2e%2e", "404", "URL, double-dot segment: request.url has no %2e%2e"),
    ("deno", "'", "%27", "URL, special-query percent-encode set: request.url has %27 for an apostrophe"),
];
const EXCUSED_MAX: usize = 12;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    kind: Option<String>,
    body: Vec<u8>,
}

fn ask(addr: SocketAddr, method: &str, bytes: &[u8]) -> Answer {
    let mut client = Connection::open(addr);
    client.send(bytes);
    let response =
        client.try_response(method).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(bytes)));
    let kind = response.field("content-type").map(str::to_owned);
    Answer { status: response.status, kind, body: response.body }
}

fn show(answer: &Answer) -> String {
    format!(
        "{} {} {}",
        answer.status,
        answer.kind.as_deref().unwrap_or("-"),
        String::from_utf8_lossy(&answer.body)
    )
}

#[test]
fn the_same_app_answers_the_same_on_jsserve_bun_and_deno() {
    const TEST: &str = "one app on three runtimes";
    let package = r#"{ "type": "module", "dependencies": { "hono": "*", "date-fns": "*", "nanoid": "*", "zod": "*" } }"#;
    let files = [("app.js", include_str!("portable/app.js")), ("package.json", package)];
    let Some(app) = app(TEST, "app.js", &files) else { return };
    let runtimes = target("runtimes/node_modules");
    if !has(&runtimes, &RUNTIMES) {
        return support::skip(TEST, &format!("npm install --prefix target/runtimes {}", RUNTIMES.join(" ")));
    }
    let binary = |name: &str| -> PathBuf { runtimes.join(".bin").join(name) };
    let mut bun = Command::new(binary("bun"));
    bun.args(["run", "app.js"]).env("PORT", "0").env("NODE_ENV", "production");
    let mut deno = Command::new(binary("deno"));
    deno.args([
        "serve",
        "--port",
        "0",
        "--host",
        "127.0.0.1",
        "--no-check",
        "--allow-all",
        "--node-modules-dir=manual",
        "app.js",
    ]);
    deno.env("DENO_NO_UPDATE_CHECK", "1").env("DENO_DIR", app.path().with_file_name("deno"));
    let (bun, deno) = (Other::start(bun, &app), Other::start(deno, &app));
    let jsserve = Server::spawn(&["--workers", "1", "--no-cache"], app.path());
    let mut random = Random(0x6a73_7365_7276_6521);
    let (mut different, mut excused) = (Vec::new(), 0);
    for number in 0..REQUESTS {
        let (method, bytes) = request(&mut random, number);
        let [ours, mut buns, mut denos] =
            [jsserve.addr(), bun.addr, deno.addr].map(|addr| ask(addr, method, &bytes));
        buns.kind = by_the_standard(buns.kind, &ours);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for (wrong, part, answer, _) in DEPARTURES {
            let theirs = if *wrong == "bun" { &mut buns } else { &mut denos };
            let concerned = text.contains(part) && String::from_utf8_lossy(&ours.body).contains(answer);
            if concerned && *theirs != ours {
                *theirs = ours.clone();
                excused += 1;
            }
        }
        if ours != buns || ours != denos {
            let [a, b, c] = [&ours, &buns, &denos].map(show);
            different.push(format!("{}\n  jsserve {a}\n  bun     {b}\n  deno    {c}", text.trim_end()));
        }
    }
    assert!(different.is_empty(), "{} of {REQUESTS} differ:\n{}", different.len(), different.join("\n\n"));
    assert!(excused <= EXCUSED_MAX, "{excused} answers of others were not compared");
}

/// Bun's Content-Type by the standard's measure (Fetch, "initialize a response", "extract a body"): it
/// names a charset where there is none, in lower case where there is one, calls bytes what nobody called
/// them, and says nothing of a body that is empty or only asked for its head.
fn by_the_standard(theirs: Option<String>, ours: &Answer) -> Option<String> {
    let plain = |kind: &str| kind.to_ascii_lowercase().replace(";charset=utf-8", "");
    let is_same = match (&theirs, &ours.kind) {
        (Some(theirs), Some(ours)) => plain(theirs) == plain(ours),
        (Some(theirs), None) => theirs == "application/octet-stream",
        (None, _) => ours.body.is_empty(),
    };
    if is_same { ours.kind.clone() } else { theirs }
}

#[test]
fn one_list_of_runtimes_is_installed() {
    let script = include_str!("../.ci/run");
    let list = script.split("runtimes=(").nth(1).and_then(|rest| rest.split(')').next()).expect("the list");
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), RUNTIMES);
}
