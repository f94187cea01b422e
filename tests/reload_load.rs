//! Reloads and hand-overs under load: no request fails.
//!
//! Owns: how long and how often; `JSSERVE_RELOAD_SECONDS` makes it longer. Must not know: how it is done.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::hand_over::activated_app;
use crate::support::load::Load;
use crate::support::{App, Place, Server, Way, eventually};

const CLIENTS: usize = 64;
const PART: &str = "export const suffix = '!'";

/// The app of a number, which all its answers have.
fn source(number: usize) -> String {
    format!(
        "import {{ suffix }} from './part.js'; export default {{ fetch() {{ return new Response('v{number}' + suffix) }} }};"
    )
}

/// Replaces the app's file at once, as editors do.
fn write(app: &App, number: usize) {
    let new = app.path().with_extension("new");
    std::fs::write(&new, source(number)).expect("write");
    std::fs::rename(new, app.path()).expect("rename");
}

/// How many rounds there are, and how long each takes at least.
fn rounds() -> (usize, Duration) {
    let seconds = std::env::var("JSSERVE_RELOAD_SECONDS").ok().and_then(|text| text.parse().ok());
    match seconds {
        Some(seconds) => (seconds, Duration::from_secs(1)),
        None => (4, Duration::ZERO),
    }
}

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = App::with_files("app.js", &[("app.js", &source(0)), ("part.js", PART)]);
    let server = Server::spawn_at(Way::tcp(io), &[&["--workers", "2"], flags].concat(), app.path());
    (app, server)
}

/// Changes the app again and again while clients ask, and has each change known by `tell`.
fn change_under_load(io: &str, flags: &[&str], tell: impl Fn(&Server)) {
    let (app, server) = start(io, flags);
    let load = Load::begin(&server.place(), CLIENTS);
    let (count, least) = rounds();
    for round in 1..=count {
        let begun = Instant::now();
        load.await_more(CLIENTS);
        write(&app, round);
        tell(&server);
        server.await_output("reloaded ", round);
        std::thread::sleep(least.saturating_sub(begun.elapsed()));
    }
    load.await_more(CLIENTS * 2);
    let seen = load.end();
    assert!(seen.failures.is_empty(), "{:?} of {}", seen.failures, seen.answered);
    for number in 0..=count {
        assert!(seen.bodies.contains(&format!("v{number}!")), "no v{number} in {:?}", seen.bodies);
    }
}

/// The process of that number: ended with the test, whoever its parent is.
pub struct Successor(Pid);

impl Successor {
    /// The one that has taken over for the `times`th time.
    pub fn of(server: &Server, times: usize) -> Successor {
        eventually("another process", || server.log().matches(" has taken over").count() == times);
        let log = server.log();
        let (before, _) = log.rsplit_once(" has taken over").expect("a line");
        let pid = before.rsplit(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        Successor(pid.expect("a number"))
    }

    pub fn pid(&self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("a signal");
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Has new processes take over, twice, while clients ask.
fn hand_over_under_load(app: &App, mut server: Server, load: Load) {
    write(app, 1);
    server.signal(Signal::USR2);
    let first = Successor::of(&server, 1);
    load.await_more(CLIENTS * 2);
    write(app, 2);
    first.signal(Signal::USR2);
    let second = Successor::of(&server, 2);
    load.await_more(CLIENTS * 2);
    assert_eq!(server.await_end().code(), Some(0), "the first process ends in order: {}", server.log());
    let seen = load.end();
    assert!(seen.failures.is_empty(), "{:?} of {}", seen.failures, seen.answered);
    for number in 0..=2 {
        assert!(seen.bodies.contains(&format!("v{number}!")), "no v{number} in {:?}", seen.bodies);
    }
    second.signal(Signal::TERM);
    eventually("its end", || kill_process(second.0, Signal::CONT).is_err());
}

both_backends! {
    fn no_request_fails_while_new_processes_take_over(io) {
        let (app, server) = start(io, &[]);
        let load = Load::begin(&server.place(), CLIENTS);
        load.await_more(CLIENTS);
        hand_over_under_load(&app, server, load);
    }

    fn no_request_fails_where_a_service_manager_holds_the_socket(io) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let place = Place::Tcp(listener.local_addr().expect("an address"));
        // It listens already: clients wait.
        let load = Load::begin(&place, CLIENTS);
        let app = App::with_files("app.js", &[("app.js", &source(0)), ("part.js", PART)]);
        let flags = ["--listen", "fd:web", "--workers", "2"];
        let server = Server::start(activated_app(&app, io, &[listener.as_fd()], "web", &flags));
        load.await_more(CLIENTS);
        write(&app, 3);
        server.signal(Signal::HUP);
        server.await_output("reloaded ", 1);
        load.await_more(CLIENTS);
        write(&app, 0);
        server.signal(Signal::HUP);
        server.await_output("reloaded ", 2);
        hand_over_under_load(&app, server, load);
    }

    fn no_request_fails_while_the_app_is_reloaded_by_the_watch_over_its_files(io) {
        change_under_load(io, &["--watch"], |_| ());
    }

    fn no_request_fails_while_the_app_is_reloaded_by_sighup(io) {
        change_under_load(io, &[], |server| server.signal(Signal::HUP));
    }
}
