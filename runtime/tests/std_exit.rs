//! How a script that uses `std` ends, and what its standard streams do: in processes of their own.
//!
//! Owns: a test that is its own child: it runs again, as the script. Must not know: other exports.

use crate::driver;
use crate::io_harness;
use crate::os_harness;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::thread;

use runtime::io::Backend;
use runtime::modules::qjs::std::standard::{self, Number};
use runtime::modules::web::host::{self, Host, Role};

/// What the child finds its script in.
const SCRIPT: &str = "STD_EXIT_SCRIPT";

/// Not a test by itself: the child of the others.
#[test]
fn child() {
    let Ok(script) = std::env::var(SCRIPT) else { return };
    io_harness::worker(Backend::Epoll, move || async move {
        let driver = driver::new();
        Host::set(driver.engine.state(), Role::Script);
        let body = format!("const std = await import('std');\n{script}");
        let ended = os_harness::run(&driver, &body).await;
        let text = ended.map_or_else(|thrown| format!("threw {thrown}"), |_| "ended".into());
        standard::print(driver.engine.state(), Number::Out, text.as_bytes());
        host::exit(driver.engine.state(), 0);
    });
}

fn start(script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "std_exit::child", "--nocapture", "--quiet"]).env(SCRIPT, script);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `script` with `input`; what it printed after the test harness's own line, and the rest.
fn run(script: &str, input: &str) -> (String, Output) {
    let mut child = start(script).spawn().expect("starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("room");
    let output = child.wait_with_output().expect("ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let own = text.split_once("running 1 test\n").map_or(text.clone(), |(_, own)| own.to_owned());
    (own, output)
}

#[test]
fn exit_flushes_all_files_and_sets_the_status() {
    let path = std::env::temp_dir().join(format!("std_exit-{}", std::process::id()));
    let script = format!(
        "const f = std.open('{}', 'w'); f.puts('kept'); std.puts('out '); std.out.printf('%d', 7);
         std.err.puts('error'); std.exit(7); std.puts('never');",
        path.display()
    );
    let (text, output) = run(&script, "");
    assert_eq!((text.as_str(), output.status.code()), ("out 7", Some(7)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("error"));
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "kept");
    std::fs::remove_file(&path).expect("its own file");
}

#[test]
fn statuses_are_taken_as_int32() {
    for (given, status) in [("", 0), ("256 + 3", 3), ("-1", 255), ("'4'", 4), ("Symbol()", 255), ("{}", 0)] {
        let (_, output) = run(&format!("std.exit({given})"), "");
        assert_eq!(output.status.code(), Some(status), "exit({given})");
    }
}

#[test]
fn print_and_std_out_keep_their_order() {
    let script = "std.puts('a'); std.out.puts('b'); std.printf('c'); std.out.putByte(100); std.puts('\\n'); std.exit(0)";
    assert_eq!(run(script, "").0, "abcd\n");
    let (text, _) = run("std.puts('first '); await null; std.puts('second ')", "");
    assert_eq!(text, "first second ended");
}

#[test]
fn standard_input_is_read_by_line_and_to_its_end() {
    let script = "const a = std.in.getline(), b = std.in.getByte(), c = std.in.readAsString();
                  std.puts(JSON.stringify([a, b, c, std.in.getline(), std.in.eof(), std.in.fileno()])); std.exit(0)";
    assert_eq!(run(script, "one\ntwo\nthree").0, r#"["one",116,"wo\nthree",null,true,0]"#);
    let big = "x".repeat(50_000);
    assert_eq!(run("std.puts(std.in.readAsString().length); std.exit(0)", &big).0, "50000");
}

#[test]
fn standard_output_is_what_stands_under_its_number() {
    let script = "std.out.puts('seen'); std.out.flush(); equal(os.close(1), 0);
                  std.out.puts('lost'); std.out.flush();
                  ok(std.out.error());
                  const other = std.tmpfile();
                  equal(other.fileno(), 1, 'the lowest number that is free');
                  std.out.clearerr(); std.out.puts('redirected'); std.out.flush();
                  ok(!std.out.error());
                  other.seek(0, std.SEEK_SET);
                  std.exit(other.readAsString() === 'redirected' ? 5 : 6)";
    let (text, output) = run(script, "");
    assert_eq!((text.as_str(), output.status.code()), ("seen", Some(5)));
}

#[test]
fn an_output_that_nobody_reads_ends_a_script() {
    let mut child = start("for (;;) std.puts('x'.repeat(1000))").spawn().expect("starts");
    let mut pipe = child.stdout.take().expect("a pipe");
    pipe.read_exact(&mut [0; 100]).expect("output");
    drop(pipe);
    let reader = child.stderr.take();
    let errors = thread::spawn(move || reader.map(|mut pipe| pipe.read_to_end(&mut Vec::new())));
    assert_eq!(child.wait().expect("ends").signal(), Some(libc::SIGPIPE));
    drop(errors.join());
}

#[test]
fn popen_shares_the_standard_streams_in_order() {
    let (text, _) = run(
        "std.puts('before '); std.popen('cat', 'w').close(); std.popen('printf child', 'w').close(); std.puts(' after'); std.exit(0)",
        "",
    );
    assert_eq!(text, "before child after");
}
