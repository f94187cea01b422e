//! Random arguments at every export of `std` and `os`: no crash, no hang, no leak, no throw of nonsense.
//!
//! Owns: the processes, their scratch folders, the seed: of the clock, or of JSSERVE_FUZZ_SEED; a
//! failure prints it. Must not know: which arguments each call gets (`tests/fuzz/exports.js`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::{App, Connection, Server};

/// How long each test throws.
const FUZZ_MS: u64 = 4000;
/// A process that has computed for so long, or has not computed for so long, hangs. A busy machine may take
/// minutes of the clock for the seconds that it computes.
const COMPUTES_MAX: Duration = Duration::from_secs(90);
const RESTS_MAX: Duration = Duration::from_secs(60);

/// Sees whether a process hangs, whatever else its machine does.
struct Patience {
    pid: u32,
    computed: u64,
    since: Instant,
}

impl Patience {
    fn with(pid: u32) -> Patience {
        Patience { pid, computed: 0, since: Instant::now() }
    }

    fn is_over(&mut self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // Behind the name in brackets: user and system time are fields 14 and 15, in hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
        let computed = fields.skip(12).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        if computed > self.computed {
            (self.computed, self.since) = (computed, Instant::now());
        }
        u128::from(computed) * 10 > COMPUTES_MAX.as_millis() || self.since.elapsed() > RESTS_MAX
    }
}

fn seed() -> u32 {
    let given = std::env::var("JSSERVE_FUZZ_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").subsec_nanos();
    given.unwrap_or_else(clock) | 1
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name)
}

/// A folder with an empty `scratch` in it, which goes with the value.
fn scratch() -> (App, PathBuf) {
    let app = App::with_files("none.js", &[]);
    let folder = app.path().parent().expect("folder").to_path_buf();
    std::fs::create_dir(folder.join("scratch")).expect("scratch folder");
    (app, folder)
}

/// Runs the fuzz as a script with more `flags`; the exit status and what it says on standard error.
fn script(io: &str, flags: &[&str], seed: u32) -> (String, String) {
    let (_keep, folder) = scratch();
    let log = std::fs::File::create(folder.join("log")).expect("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_jsserve"))
        .args(["--io", io])
        .args(flags)
        .arg(source("script.js"))
        .args([seed.to_string(), FUZZ_MS.to_string(), folder.to_str().expect("path").to_string()])
        .current_dir(folder.join("scratch"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("run jsserve");
    let mut patience = Patience::with(child.id());
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status.to_string();
        }
        if patience.is_over() {
            child.kill().expect("kill");
            child.wait().expect("wait");
            break "hangs".into();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let verdict = std::fs::read(folder.join("verdict")).unwrap_or_default();
    let log = std::fs::read(folder.join("log")).unwrap_or_default();
    let end = &log[log.len().saturating_sub(2000)..];
    (String::from_utf8_lossy(&verdict).into(), format!("{status}; {}", String::from_utf8_lossy(end)))
}

both_backends! {
    fn a_script_survives_random_arguments(io) {
        let seed = seed();
        let (verdict, rest) = script(io, &[], seed);
        assert!(verdict.starts_with("ok "), "JSSERVE_FUZZ_SEED={seed}: {verdict}; {rest}");
    }

    fn a_served_app_survives_random_arguments_and_serves_on(io) {
        let seed = seed();
        println!("JSSERVE_FUZZ_SEED={seed}"); // shown if a request fails
        let (_keep, folder) = scratch();
        let dir = folder.join("scratch");
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.current_dir(&dir); // names that are no paths are relative to it
        let server = Server::spawn_with(command, &["--io", io, "--workers", "1"], &source("app.js"));
        let ask = |target: &str| Connection::open(server.addr()).get(target).text().to_string();
        assert_eq!(ask(&format!("/?seed={seed}&ms={FUZZ_MS}&dir={}", dir.display())), "pending");
        let (mut patience, mut verdict) = (Patience::with(server.pid()), "pending".to_string());
        while verdict == "pending" && !patience.is_over() {
            std::thread::sleep(Duration::from_millis(50));
            verdict = ask("/");
        }
        assert!(verdict.starts_with("ok "), "JSSERVE_FUZZ_SEED={seed}: {verdict}; {}", server.log());
    }
}
