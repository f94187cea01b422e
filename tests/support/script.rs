//! A running script: `jsserve FILE words`, which is told things on standard input and by signals.
//!
//! Owns: the child process and what it prints. Must not know: what scripts do.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::SOON;
use super::server::Output;

/// A script's process; killed when dropped.
pub struct Script {
    child: Child,
    input: Option<ChildStdin>,
    output: Output,
    log: Output,
}

impl Script {
    /// Starts `jsserve --io IO FILE WORDS`.
    pub fn spawn(io: &str, file: &Path, words: &[&str]) -> Script {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.args(["--io", io]).arg(file).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run jsserve");
        let output = Output::of(child.stdout.take().expect("stdout is piped"));
        let log = Output::of(child.stderr.take().expect("stderr is piped"));
        Script { input: child.stdin.take(), child, output, log }
    }

    /// Waits until standard output contains `part`; all that has been printed then.
    pub fn await_output(&self, part: &str) -> String {
        let found = self.output.await_that(SOON, |text| text.contains(part));
        let text = self.output.text();
        assert!(found, "{part:?} was not printed but {text:?}; standard error:\n{}", self.log.text());
        text
    }

    /// The port in the line "listening on ...".
    pub fn port(&self) -> u16 {
        let text = self.await_output("listening on ");
        let line = text.lines().find(|line| line.starts_with("listening on ")).expect("a line");
        let digits = line.trim_end_matches('/').rsplit([':', ' ']).next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("no port in {line:?}"))
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("standard input is open");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("write to the script");
    }

    /// Ends standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).expect("pid"), signal).expect("signal the script");
    }

    /// What it printed, once it has ended well.
    pub fn finish(mut self) -> String {
        let status = self.await_exit();
        let (output, log) = (self.output.all(), self.log.all());
        assert!(status.success(), "{status}; standard output:\n{output}standard error:\n{log}");
        output
    }

    /// What it said on standard error, once it has ended with code 1.
    pub fn fail(mut self) -> String {
        let status = self.await_exit();
        let (output, log) = (self.output.all(), self.log.all());
        assert_eq!(status.code(), Some(1), "standard output:\n{output}standard error:\n{log}");
        log
    }

    fn await_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + 2 * SOON;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for the script") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the script still runs; standard output:\n{}standard error:\n{}",
                self.output.text(),
                self.log.text()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the script's output:\n{}--- its log:\n{}---", self.output.text(), self.log.text());
        }
    }
}
