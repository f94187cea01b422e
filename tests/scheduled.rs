//! `scheduled(event, env, ctx)` at the times of `--cron`.
//!
//! Owns: apps that a clock calls, by lines whose first field is the second. Must not know: how a worker is chosen.

use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use crate::support::server::run_to_end;
use crate::support::{App, Connection, SOON, Server, eventually};

/// Every second.
const EVERY: &str = "* * * * * *";

const APP: &str = r#"
import { map } from "jsserve:shared";
const runs = map("runs");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export default {
  fetch: () => new Response(String(runs.get("n") ?? 0)),
  async scheduled(event, env, ctx) {
    const { cron, scheduledTime, type } = event;
    const n = runs.incr("n");
    const late = Date.now() - scheduledTime;
    const shape = [cron, type, scheduledTime % 1000, late >= 0 && late < 20_000, event.noRetry(), env.NAME, typeof ctx.worker];
    console.log(`run ${n}: ${JSON.stringify(shape)}`);
    ctx.waitUntil(sleep(1).then(() => console.log(`${n} in the background`)));
    if (n === 2) throw new Error("the second run failed");
  },
};"#;

both_backends! {
fn each_due_time_is_one_run_of_one_worker(io) {
    let app = App::new(APP);
    let flags = ["--io", io, "--workers", "2", "--env", "NAME=value", "--cron", EVERY];
    let server = Server::spawn(&flags, app.path());
    assert!(server.start_line().contains(" crons=1"), "{}", server.start_line());
    server.await_log(r#"run 1: ["* * * * * *","scheduled",0,true,null,"value","number"]"#);
    server.await_log("1 in the background");
    server.await_log("ERROR");
    server.await_log("scheduled * * * * * *: Error: the second run failed\n    at scheduled (");
    server.await_log("run 3: ");
    for run in ["run 1: ", "run 2: "] {
        assert_eq!(server.log().matches(run).count(), 1, "{run}");
    }
}
}

both_backends! {
fn a_run_that_goes_on_keeps_the_next_away_and_a_drain_waiting(io) {
    let app = App::new(
        r#"
export default {
  async scheduled() {
    console.log("begun");
    await new Promise((resolve) => setTimeout(resolve, 2500));
    console.log("ended");
  },
};"#,
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(["--io", io, "--workers", "1", "--port", "0", "--cron", EVERY]).arg(app.path());
    let mut server = Server::start_anywhere(command);
    assert!(server.start_line().contains(" listens nowhere workers=1 "), "{}", server.start_line());
    server.await_log("scheduled * * * * * *: skipped, for the run before it goes on since ");
    assert_eq!(server.log().matches("begun").count(), 1);
    server.signal(Signal::TERM);
    assert!(server.await_exit(SOON).success(), "{}", server.log());
    let log = server.log();
    assert_eq!((log.matches("begun").count(), log.matches("ended").count()), (1, 1), "{log}");
}
}

both_backends! {
fn a_run_that_takes_too_long_is_given_up(io) {
    let app = App::new(
        "export default { fetch() {}, scheduled: () => new Promise((done) => setTimeout(done, 60_000)) };",
    );
    let flags = ["--io", io, "--workers", "1", "--cron", EVERY, "--scheduled-timeout", "300ms"];
    let server = Server::spawn(&flags, app.path());
    server.await_log("scheduled * * * * * *: no end within 300 ms (--scheduled-timeout)");
}
}

both_backends! {
/// The built-in takes no interrupt: the worker has to be replaced.
fn a_stuck_run_costs_itself_alone(io) {
    let app = App::new(
        r#"
import { map } from "jsserve:shared";
export default {
  fetch: () => new Response("ok"),
  scheduled() {
    const n = map("runs").incr("n");
    console.log(`run ${n}`);
    if (n > 1) return;
    const list = [];
    list[2 ** 32 - 2] = 1;
    list.values().drop(2 ** 32 - 2).next();
  },
};"#,
    );
    let flags =
        ["--io", io, "--workers", "1", "--cron", EVERY, "--stuck-timeout", "500ms", "--cpu-max", "300ms"];
    let server = Server::spawn(&flags, app.path());
    server.await_log("stuck for 500 ms in scheduled * * * * * *");
    server.await_log("scheduled * * * * * *: cut off, for its worker was replaced");
    server.await_log("run 2");
    assert_eq!(server.log().matches("run 1 ").count(), 1, "{}", server.log());
}
}

both_backends! {
fn a_run_that_a_stuck_worker_has_not_begun_goes_to_the_next(io) {
    let app = App::new(
        r#"
export default {
  // Inside of the engine, which asks for no interrupt meanwhile.
  fetch() {
    console.log("stuck from now on");
    const list = [];
    list[2 ** 32 - 2] = 1;
    return new Response(String(list.values().drop(2 ** 32 - 2).next().done));
  },
  scheduled: (event) => console.log(`run of ${event.scheduledTime}`),
};"#,
    );
    let flags = ["--io", io, "--workers", "1", "--cron", EVERY, "--stuck-timeout", "1200ms", "--cpu-max", "300ms"];
    let server = Server::spawn(&flags, app.path());
    server.await_log("run of ");
    let mut client = Connection::open(server.addr());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    server.await_log("stuck for 1200 ms in GET /");
    let found = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_millis() as u64;
    let times = |log: &str| -> Vec<u64> {
        let runs = log.split("run of ").skip(1);
        runs.map(|rest| rest.split(' ').next().and_then(|time| time.parse().ok()).expect("a time")).collect()
    };
    let (before, _) = server.log().split_once("stuck from now on").map(|(a, b)| (times(a), b.len())).expect("stuck");
    eventually("runs go on", || times(&server.log()).len() >= before.len() + 2);
    let after = times(&server.log());
    assert!(after.windows(2).all(|pair| pair[0] < pair[1]), "each once, in their order: {after:?}");
    // What became due meanwhile was given to the one that was stuck.
    assert!(after[before.len()] < found, "it is done by the replacement: {after:?}, stuck at {found}");
    assert!(!server.log().contains("cut off"), "{}", server.log());
}
}

both_backends! {
fn development_mode_does_a_run_by_hand(io) {
    // It listens for that alone.
    let app = App::new(
        r#"export default { scheduled(event) {
  if (event.cron === "fail") throw new TypeError("as asked");
  console.log(`${event.cron} at ${event.scheduledTime}`);
} };"#,
    );
    let server = Server::spawn(&["--io", io, "--workers", "1", "--dev"], app.path());
    let mut client = Connection::open(server.addr());
    let ran = client.get("/__scheduled?cron=*/5+*+*+*+*&time=42");
    assert_eq!((ran.status, ran.text()), (200, "Ran scheduled event\n"));
    server.await_log("*/5 * * * * at 42");
    let failed = client.get("/__scheduled?cron=fail");
    assert_eq!((failed.status, failed.text()), (500, "scheduled fail: TypeError: as asked\n"));
    assert_eq!(client.get("/else").status, 501);
}
}

#[test]
fn lines_of_cron_and_scheduled_belong_together() {
    let app = App::with_files(
        "app.js",
        &[("app.js", "export default { fetch() {} };"), ("jsserve.toml", "crons = [\"* * * * *\"]")],
    );
    let ended = run_to_end(&[app.path().to_str().expect("UTF-8"), "--port", "0"]);
    assert!(
        ended.stderr.contains("app.js has no `scheduled`, which cron \"* * * * *\" calls\n"),
        "{}",
        ended.stderr
    );
    let app = App::with_files(
        "app.js",
        &[
            ("app.js", "export default { scheduled() {} };"),
            ("jsserve.toml", "port = 0\ncrons = [\"* 24 * * *\"]"),
        ],
    );
    let ended = run_to_end(&[app.path().to_str().expect("UTF-8")]);
    assert!(ended.stderr.contains("jsserve.toml:2:9: cron \"* 24 * * *\": hour 24: "), "{}", ended.stderr);
}

#[test]
fn a_port_that_is_taken_keeps_no_app_from_its_clock() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("address").port().to_string();
    let app = App::new("export default { scheduled() {} };");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(["--workers", "1", "--cron", "* * * * *", "--port", &port]).arg(app.path());
    let mut server = Server::start_anywhere(command);
    server.signal(Signal::TERM);
    assert!(server.await_exit(Duration::from_secs(20)).success(), "{}", server.log());
}
