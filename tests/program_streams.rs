//! Programs that are read from what can be read but once: pipes, devices.
//!
//! Owns: named pipes and descriptors made for the purpose. Must not know: standard input by `-`
//! (`script_run.rs`).

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::App;
use crate::support::server::{end_of, run_with_input};

#[test]
fn a_program_comes_from_standard_input_by_its_path() {
    for path in ["/dev/stdin", "/proc/self/fd/0"] {
        let ended =
            run_with_input(&["--no-cache", path, "a"], b"\xef\xbb\xbfprint(scriptArgs.slice(1), 'read')");
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "a read\n", ""),
            "{path}"
        );
    }
    let ended = run_with_input(&["--no-cache", "/dev/null"], b"");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_program_comes_from_a_named_pipe() {
    let folder = App::new("");
    let pipe = folder.path().with_file_name("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.arg("--no-cache").arg(&pipe).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("run jsserve");
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe)?;
        pipe.write_all(b"await null; print('through', typeof import.meta.url)")
    });
    let ended = end_of(child);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "through string\n", ""));
    writer.join().expect("no panic").expect("written");
}
