//! A running `jsserve`: started, watched, signalled and ended by pid.
//!
//! Owns: the child process and what it prints. Must not know: HTTP.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::SOON;
use super::way::{Place, Way};

/// Starting includes a debug build's engine on a busy machine.
const START_MAX: Duration = Duration::from_secs(30);

/// A server on ports that the kernel chose; killed when dropped.
pub struct Server {
    child: Child,
    start_line: String,
    addresses: Vec<(String, SocketAddr)>,
    places: Vec<Place>,
    output: Output,
    log: Output,
}

impl Server {
    /// Starts `jsserve FLAGS APP` on port 0 (unless the flags say `--listen`) and waits for its start line.
    pub fn spawn(flags: &[&str], app: &Path) -> Server {
        Server::spawn_with(Command::new(env!("CARGO_BIN_EXE_jsserve")), flags, app)
    }

    /// The same through a launcher that ends in running what is appended to it.
    pub fn spawn_with(mut command: Command, flags: &[&str], app: &Path) -> Server {
        if !flags.contains(&"--listen") && !flags.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(flags).arg(app);
        Server::start(command)
    }

    /// Starts `jsserve FLAGS APP` where `way` leads.
    pub fn spawn_at(way: Way, flags: &[&str], app: &Path) -> Server {
        Server::listening(&way.flags(), flags, app)
    }

    /// The same for an app that serves raw connections.
    pub fn spawn_raw_at(way: Way, flags: &[&str], app: &Path) -> Server {
        Server::listening(&way.raw_flags(), flags, app)
    }

    fn listening(listen: &[String], flags: &[&str], app: &Path) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(listen).args(flags).arg(app);
        Server::start(command)
    }

    /// Starts what `command` says as it stands.
    pub fn start(command: Command) -> Server {
        let server = Server::start_anywhere(command);
        assert!(!server.places.is_empty(), "no address in the start line: {}", server.start_line);
        server
    }

    /// The same for one that may listen nowhere.
    pub fn start_anywhere(mut command: Command) -> Server {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run jsserve");
        let output = Output::of(child.stdout.take().expect("stdout is piped"));
        let log = Output::of(child.stderr.take().expect("stderr is piped"));
        let (addresses, places) = (Vec::new(), Vec::new());
        let mut server = Server { child, start_line: String::new(), addresses, places, output, log };
        let Some(line) = server.output.await_line(START_MAX) else {
            let status = server.child.try_wait().expect("wait for jsserve");
            panic!("no start line (exit {status:?}); standard error:\n{}", server.log.text());
        };
        server.addresses = line.split([' ', '"']).filter_map(address).collect();
        server.places = line.split([' ', '"']).filter_map(Place::of).collect();
        server.start_line = line;
        server
    }

    /// The line printed at start.
    pub fn start_line(&self) -> &str {
        &self.start_line
    }

    /// The first address.
    pub fn addr(&self) -> SocketAddr {
        self.addresses[0].1
    }

    /// Where it is first.
    pub fn place(&self) -> Place {
        self.places[0].clone()
    }

    /// The first address of a scheme.
    pub fn addr_of(&self, scheme: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(name, _)| name == scheme);
        found.unwrap_or_else(|| panic!("no {scheme} in {}", self.start_line)).1
    }

    /// All addresses with their schemes, in the order of the start line.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// What went to standard error so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until standard error contains `part`.
    pub fn await_log(&self, part: &str) {
        let found = self.log.await_that(SOON, |text| text.contains(part));
        assert!(found, "{part:?} did not appear in the log:\n{}", self.log.text());
    }

    /// Waits until standard output contains `part`, `times` or more.
    pub fn await_output(&self, part: &str, times: usize) {
        let found = self.output.await_that(SOON, |text| text.matches(part).count() >= times);
        assert!(found, "no {times} times {part:?}:\n{}\nlog:\n{}", self.output.text(), self.log.text());
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes (proc(5), status).
    pub fn rss_bytes(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("status of jsserve");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS of jsserve");
        let kib: usize =
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("VmRSS is a number");
        kib * 1024
    }

    /// Open descriptors.
    pub fn fd_count(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("descriptors of jsserve").count()
    }

    /// CPU time used so far, user and system (proc(5), stat).
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("stat of jsserve");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: u64 =
            fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The nice values (proc(5), stat) of the threads whose names begin with `name`.
    pub fn nice_values(&self, name: &str) -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("threads");
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let named = stats.filter(|stat| stat.contains(&format!("({name}")));
        let nice = |stat: String| stat.rsplit(')').next()?.split(' ').nth(17)?.parse().ok();
        named.filter_map(nice).collect()
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("wait for jsserve").is_none()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("pid");
        kill_process(pid, signal).expect("signal jsserve");
    }

    /// Waits for the end of the process, while another one writes to the same log.
    pub fn await_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for jsserve") {
                return status;
            }
            assert!(Instant::now() < deadline, "jsserve still runs; log:\n{}", self.log.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of the process; [`Server::log`] has all of its log then.
    pub fn await_exit(&mut self, time_max: Duration) -> ExitStatus {
        let deadline = Instant::now() + time_max;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for jsserve") {
                self.log.all();
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "jsserve still runs after {time_max:?}; log:\n{}",
                self.log.text()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Who is killed takes no file away.
        for place in &self.places {
            if let Place::Unix(path) = place {
                let _ = std::fs::remove_file(path);
            }
        }
        if std::thread::panicking() {
            eprintln!("--- log of jsserve ({}):\n{}---", self.start_line, self.log.text());
        }
    }
}

/// How a run ended that was meant to end by itself.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// That signal.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `jsserve WORDS` to its end; it is killed when it does not end.
pub fn run_to_end<W: AsRef<OsStr>>(words: &[W]) -> Ended {
    run_with_input(words, b"")
}

/// The same with something on standard input.
pub fn run_with_input<W: AsRef<OsStr>>(words: &[W], input: &[u8]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.args(words).stdin(Stdio::null());
    if !input.is_empty() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        // Whoever reads only a part of it closes the pipe.
        let input = input.to_vec();
        std::thread::spawn(move || writer.write_all(&input));
        command.stdin(reader);
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run jsserve");
    end_of(child)
}

/// Waits for the end of a child whose output is piped; it is killed when it does not end.
pub fn end_of(mut child: Child) -> Ended {
    let mut stdout = Output::of(child.stdout.take().expect("stdout is piped"));
    let mut stderr = Output::of(child.stderr.take().expect("stderr is piped"));
    let deadline = Instant::now() + START_MAX;
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for jsserve") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("jsserve did not end; standard output {:?}, error {:?}", stdout.text(), stderr.text());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Ended { code: status.code(), signal: status.signal(), stdout: stdout.all(), stderr: stderr.all() }
}

/// `http://127.0.0.1:8080` of a start line.
fn address(word: &str) -> Option<(String, SocketAddr)> {
    let (scheme, addr) = word.split_once("://")?;
    Some((scheme.to_string(), addr.trim_end_matches([',', '/']).parse().ok()?))
}

/// A stream of a child, read to its end by a thread.
pub struct Output {
    shared: Arc<(Mutex<String>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    /// Starts to read.
    pub fn of(stream: impl Read + Send + 'static) -> Output {
        let shared = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let target = Arc::clone(&shared);
        let reader = std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                target.0.lock().expect("output").push_str(&String::from_utf8_lossy(&line));
                target.1.notify_all();
                line.clear();
            }
            target.1.notify_all();
        });
        Output { shared, reader: Some(reader) }
    }

    /// What has come so far.
    pub fn text(&self) -> String {
        self.shared.0.lock().expect("output").clone()
    }

    /// All of a stream whose writer has ended.
    pub fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reader of an output");
        }
        self.text()
    }

    /// Waits until `found` answers true for what has come; whether it did.
    pub fn await_that(&self, time_max: Duration, found: impl Fn(&str) -> bool) -> bool {
        let deadline = Instant::now() + time_max;
        let mut text = self.shared.0.lock().expect("output");
        loop {
            if found(&text) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.reader.as_ref().is_some_and(JoinHandle::is_finished) {
                return found(&text);
            }
            // Short waits: the end of the stream is seen through the reader, not through the condition.
            text = self.shared.1.wait_timeout(text, left.min(Duration::from_millis(50))).expect("output").0;
        }
    }

    fn await_line(&self, time_max: Duration) -> Option<String> {
        let complete = self.await_that(time_max, |text| text.contains('\n'));
        complete.then(|| self.text().lines().next().unwrap_or_default().to_string())
    }
}
