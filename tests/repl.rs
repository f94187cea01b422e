//! The interactive prompt on a terminal: what is typed, what is seen.
//!
//! Owns: the terminal of each test. Must not know: the line editor.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::App;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The prompt of a `jsserve` on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    /// What is on the screen behind what was looked for last, without control sequences.
    seen: String,
    /// Bytes of a sequence that has not come whole.
    part: Vec<u8>,
    home: PathBuf,
}

impl Terminal {
    /// Starts `jsserve FLAGS` with its home in the folder of `files`, and waits for the prompt.
    fn start(files: &App, flags: &[&str]) -> Terminal {
        let home = files.path().parent().expect("a folder").to_path_buf();
        let mut command = Command::new("python3");
        command.arg("tests/support/terminal.py").arg(env!("CARGO_BIN_EXE_jsserve")).args(flags);
        command.env("HOME", &home).env("TERM", "xterm").env("NO_COLOR", "1").env_remove("XDG_STATE_HOME");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let keys = child.stdin.take().expect("piped");
        let mut stdout = child.stdout.take().expect("piped");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Terminal { child, keys, screen, seen: String::new(), part: Vec::new(), home };
        terminal.see("> ");
        terminal
    }

    /// Waits for `text` on the screen behind all that was seen before; what stands between.
    fn see(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let between = self.seen[..at].to_owned();
                self.seen.drain(..at + text.len());
                return between;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => {
                    self.part.extend(bytes);
                    let whole = self.part.iter().rposition(|byte| *byte == b'\x1b').filter(|at| {
                        !self.part[*at + 1..].iter().skip(1).any(|byte| (b'@'..=b'~').contains(byte))
                    });
                    let whole: Vec<u8> = self.part.drain(..whole.unwrap_or(self.part.len())).collect();
                    self.seen.push_str(&plain(&String::from_utf8_lossy(&whole)));
                }
                Err(_) => panic!("{text:?} is not to be seen: {:?}", self.seen),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("keys");
    }

    /// Types a line that is complete, and waits for what it answers and the next prompt.
    fn line(&mut self, line: &str, answer: &str) {
        self.press(line);
        // The echo is redrawn with each key: its end is what tells.
        let tail = line.char_indices().rev().nth(7).map_or(line, |(at, _)| &line[at..]);
        self.see(tail);
        self.press("\r");
        self.see(answer.strip_suffix('\n').unwrap_or(answer));
        // At the beginning of a line: a stack has "<eval> (".
        self.see("\n> ");
    }

    /// The exit code, once the program has ended by itself.
    fn ended(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status.code().expect("no signal");
            }
            assert!(Instant::now() < deadline, "it does not end; screen: {:?}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn history(&self) -> PathBuf {
        self.home.join(".jsserve_history")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `text` without control sequences (ECMA-48 section 5.4).
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c == '\x1b' {
            if characters.next() == Some('[') {
                let _ = characters.find(|c| ('@'..='~').contains(c));
            }
        } else if c != '\r' {
            out.push(c);
        }
    }
    out
}

fn files() -> App {
    App::with_files(
        "before.js",
        &[("before.js", "globalThis.before = 'ran'"), ("load.js", "let q = 20\nq + 1\n")],
    )
}

#[test]
fn lines_are_evaluated_and_the_last_value_is_kept() {
    let files = files();
    let mut terminal = Terminal::start(&files, &["repl"]);
    terminal.line("1 + 1", "\n2\n");
    terminal.line("_ * 21", "\n42\n");
    terminal.line("{ a: [1, 'b'], c: { d: null } }", "\n{ a: [ 1, 'b' ], c: { d: null } }\n");
    terminal.line("let x = 1; const y = 2", "\nundefined\n");
    terminal.line("let x = 3, y = 4", "\nundefined\n");
    terminal.line("class A {}; new A", "\nA {}\n");
    terminal.line("[x, y].join() + typeof os.socket + typeof std.open", "\n'3,4functionfunction'\n");
    terminal.line("import { AF_INET as inet } from 'os'; inet", "\n2\n");
    terminal.line("await new Promise(r => setTimeout(r, 5, 'hey'))", "\n'hey'\n");
    terminal.line("std.puts('no line end')", "\nno line end\n");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn errors_are_shown_with_their_stack_and_end_nothing() {
    let files = files();
    let mut terminal = Terminal::start(&files, &["repl"]);
    terminal.line("function f() { null.x }", "\nundefined\n");
    terminal.line("f()", "\nUncaught TypeError: cannot read property 'x' of null\n    at f (<repl>:1:");
    terminal.line("throw { a: 1 }", "\nUncaught { a: 1 }\n");
    terminal.line("1 + ;", "\nUncaught SyntaxError: ");
    terminal.line("await Promise.reject(new RangeError('far'))", "\nUncaught RangeError: far\n");
    terminal.press("Promise.reject(7); 0\r");
    terminal.see("Unhandled rejection: 7\n");
    terminal.press("setTimeout(() => { throw new Error('late') }, 1); 0\r");
    terminal.see("Uncaught Error: late\n");
    terminal.line("import x from './nowhere.js'", "Cannot find module './nowhere.js'");
    terminal.line("2 + 2", "\n4\n");
    terminal.press(".exit\r");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_line_that_is_not_complete_goes_on_in_the_next() {
    let files = files();
    let mut terminal = Terminal::start(&files, &["repl"]);
    terminal.press("function twice(n) {\r");
    terminal.press("return n * 2\r");
    terminal.press("}; twice(\r");
    terminal.line("21)", "\n42\n");
    terminal.press("`a\r");
    terminal.line("b`", "\n'a\\nb'\n");
    // Ctrl-C leaves the line.
    terminal.press("[1,\r");
    terminal.press("2, ");
    terminal.see("2, ");
    terminal.press("\x03");
    // What is typed before the new prompt is there may be lost.
    terminal.see("\n> ");
    terminal.line("'fresh' + 1", "\n'fresh1'\n");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn tab_completes_names_and_properties() {
    let files = files();
    let mut terminal = Terminal::start(&files, &["repl"]);
    terminal.press("structuredCl\t");
    terminal.see("structuredClone");
    terminal.line("(8)", "\n8\n");
    terminal.press("std.getenvi\t");
    terminal.see("std.getenviron");
    terminal.line("() instanceof Object", "\ntrue\n");
    terminal.line("const mine = { inner: { property: 5 } }", "\nundefined\n");
    terminal.press("mine.inn\t.prop\t");
    terminal.see("mine.inner.property");
    terminal.line(" + 1", "\n6\n");
    terminal.press("'text'.toUpp\t()\r");
    terminal.see("\n'TEXT'\n> ");
    // In a string there is nothing to complete.
    terminal.press("'Arr\t'.length\r");
    terminal.see("\n3\n> ");
    terminal.press("std.exit(5)\r");
    assert_eq!(terminal.ended(), 5);
}

#[test]
fn ctrl_c_interrupts_what_runs_and_what_is_awaited() {
    let files = files();
    let mut terminal = Terminal::start(&files, &["repl"]);
    terminal.press("print('run' + 'ning'); for (;;);\r");
    terminal.see("\nrunning\n");
    terminal.press("\x03");
    terminal.see("Interrupted\n> ");
    terminal.press("print('wait' + 'ing'); await (globalThis.p = new Promise(() => {}))\r");
    terminal.see("\nwaiting\n");
    terminal.press("\x03");
    terminal.see("Interrupted\n> ");
    terminal.line("'still' + 1", "\n'still1'\n");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn timers_go_on_while_the_prompt_waits() {
    let files = files();
    let mut terminal = Terminal::start(&files, &["repl"]);
    terminal.line("var n = 0, id = setInterval(() => print(`tick${++n}`), 5)", "undefined\n");
    terminal.see("tick3\n");
    terminal.press("clearInterval(id); n >= 3\r");
    terminal.see("\ntrue\n> ");
    terminal.press("setTimeout(() => std.exit(6), 1)\r");
    assert_eq!(terminal.ended(), 6);
}

#[test]
fn history_is_kept_for_the_next_session_and_for_no_other_eyes() {
    let files = files();
    let mut first = Terminal::start(&files, &["repl"]);
    first.line("'remembered' + 1", "\n'remembered1'\n");
    let history = first.history();
    first.press("\x04");
    assert_eq!(first.ended(), 0);
    let mode = fs::metadata(&history).expect("the history").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut second = Terminal::start(&files, &["repl"]);
    second.press("\x1b[A");
    second.see("'remembered' + 1");
    second.press("\r");
    second.see("\n'remembered1'\n> ");
    second.press("\x04");
    assert_eq!(second.ended(), 0);
}

#[test]
fn commands_and_files() {
    let files = files();
    let before = files.path().to_str().expect("UTF-8").to_owned();
    let mut terminal = Terminal::start(&files, &["-i", &before, "argument"]);
    terminal.line("before + scriptArgs[1]", "\n'ranargument'\n");
    let load = Path::new(&before).with_file_name("load.js");
    terminal.press(&format!(".load {}\r", load.display()));
    terminal.see("\n21\n> ");
    terminal.line("q", "\n20\n");
    terminal.line(".load /nowhere", "cannot read /nowhere: ");
    terminal.line(".nonsense", ".nonsense is no command");
    terminal.line(".help", ".load FILE");
    terminal.press("\\q\r");
    assert_eq!(terminal.ended(), 0);
    // No file, and a terminal.
    let mut bare = Terminal::start(&files, &[]);
    bare.line("typeof before", "\n'undefined'\n");
    bare.press("\x04");
    assert_eq!(bare.ended(), 0);
}

#[test]
fn without_a_terminal_repl_answers_line_by_line() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    child.arg("repl").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().expect("jsserve");
    let lines = b"1 + 1\n[1,\n2]\nnull.x\n_\n";
    child.stdin.take().expect("piped").write_all(lines).expect("lines");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = "Uncaught TypeError: cannot read property 'x' of null";
    assert_eq!(text, format!("2\n[ 1, 2 ]\n{error}\n    at <eval> (<repl>:1:1)\n[ 1, 2 ]\n"));
}
