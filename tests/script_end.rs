//! When and how a script ends: as soon as nothing is pending, or at once by an exception, a rejection
//! that nothing handles, `std.exit`, a signal, a reader that is gone.
//!
//! Owns: exit codes, what keeps a script alive. Must not know: how it was started (`script_run.rs`).

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::support::App;
use crate::support::server::{Ended, end_of, run_to_end};
use rustix::process::{Pid, Signal, kill_process};

fn run(io: &str, source: &str) -> Ended {
    let file = App::with_files("script.js", &[("script.js", source)]);
    run_to_end(&["--io", io, file.path().to_str().expect("path")])
}

#[track_caller]
fn prints(ended: &Ended, expected: &str) {
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), expected, ""));
}

/// It failed with 1, having printed `stdout` and told `part`.
#[track_caller]
fn fails(ended: &Ended, stdout: &str, part: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), stdout), "{}", ended.stderr);
    assert!(ended.stderr.contains(part), "{part:?} is missing in: {}", ended.stderr);
}

/// Whether this process ignores `signal` (proc(5), SigIgn).
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("SigIgn").trim();
    u64::from_str_radix(mask, 16).expect("a mask") >> (signal.as_raw() - 1) & 1 == 1
}

both_backends! {
    fn timers_keep_it_until_the_last_has_fired_or_is_cleared(io) {
        let source = "setTimeout(() => print('b'), 20); setTimeout(() => print('a'), 1);
            Promise.resolve().then(() => print('job')); print('first');
            const long = setTimeout(() => print('never'), 1e8), repeated = setInterval(() => {
              print('tick'); clearInterval(repeated); clearTimeout(long) }, 40)";
        prints(&run(io, source), "first\njob\na\nb\ntick\n");
    }

    fn a_pending_accept_keeps_it_and_close_ends_it(io) {
        let source = "import * as os from 'os';
            const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
            os.bind(fd, { family: os.AF_INET, addr: '127.0.0.1', port: 0 }); os.listen(fd);
            os.accept(fd).catch(error => print(error.code));
            setTimeout(() => { print('closing'); os.close(fd) }, 20)";
        prints(&run(io, source), "closing\nEBADF\n");
    }

    fn a_server_and_its_client_in_one_script_end_when_both_are_done(io) {
        let source = "import * as os from 'os';
            const server = os.socket(os.AF_INET, os.SOCK_STREAM), client = os.socket(os.AF_INET, os.SOCK_STREAM);
            os.bind(server, { family: os.AF_INET, addr: '127.0.0.1', port: 0 }); os.listen(server);
            const buffer = new ArrayBuffer(16);
            const echo = (async () => {
              const [fd] = await os.accept(server);
              await os.send(fd, buffer, await os.recv(fd, buffer)); os.close(fd) })();
            await os.connect(client, os.getsockname(server));
            await os.send(client, new TextEncoder().encode('hello'));
            const reply = new Uint8Array(16), n = await os.recv(client, reply.buffer);
            print(new TextDecoder().decode(reply.subarray(0, n))); await echo;
            os.close(client); os.close(server); print('done')";
        prints(&run(io, source), "hello\ndone\n");
    }

    fn descriptors_that_are_open_but_idle_do_not_keep_it(io) {
        let source = "import * as os from 'os';
            const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
            os.bind(fd, { family: os.AF_INET, addr: '127.0.0.1', port: 0 }); os.listen(fd); print('end')";
        prints(&run(io, source), "end\n");
    }

    fn an_await_at_the_top_waits_for_what_is_pending(io) {
        let source = "const later = ms => new Promise(done => setTimeout(done, ms, ms));
            print(await later(10)); print(await later(1)); for await (const x of [later(2), 3]) print(x)";
        prints(&run(io, source), "10\n1\n2\n3\n");
    }

    fn an_await_that_can_never_settle_ends_with_13(io) {
        let source = "setTimeout(() => print('timer'), 10); await new Promise(() => {}); print('never')";
        let ended = run(io, source);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(13), "timer\n"));
        assert!(ended.stderr.contains("script.js: its top-level await can never settle"), "{ended:?}");
        // Outside of the top level nobody waits for it.
        prints(&run(io, "(async () => { await new Promise(() => {}) })(); print('end')"), "end\n");
    }

    fn an_exception_ends_it_at_once(io) {
        let tail = "Promise.resolve().then(() => print('job')); setTimeout(() => print('timer'), 1);";
        fails(&run(io, &format!("{tail} print('a'); nowhere()")), "a\n", "ReferenceError: nowhere is not defined");
        fails(&run(io, &format!("export {{}}; {tail} throw new Error('in a module')")), "", "in a module");
        let source = "setTimeout(() => print('never'), 50); setTimeout(() => { throw new Error('late') }, 1)";
        fails(&run(io, source), "", "Error: late\n    at ");
        let source = "queueMicrotask(() => { throw new Error('in a job') }); setTimeout(() => print('never'), 1)";
        fails(&run(io, source), "", "in a job");
        fails(&run(io, "reportError(new Error('reported')); print('never')"), "", "reported");
    }

    fn a_rejection_that_nothing_handles_ends_it_after_the_jobs_of_its_turn(io) {
        let source = "Promise.reject(new Error('one')); Promise.reject(2);
            Promise.resolve().then(() => print('job')); setTimeout(() => print('never'), 1)";
        let ended = run(io, source);
        fails(&ended, "job\n", "Unhandled promise rejection: Error: one\n    at ");
        assert!(ended.stderr.contains("Unhandled promise rejection: 2\n"), "{ended:?}");
        let handled = "const p = Promise.reject(1); Promise.resolve().then(() => p.catch(() => print('handled')))";
        prints(&run(io, handled), "handled\n");
        fails(&run(io, "setTimeout(async () => { throw 3 }, 1); setTimeout(() => print('never'), 50)"), "", "rejection: 3");
    }

    fn its_own_listeners_hear_first_of_what_would_end_it(io) {
        let heard = "addEventListener('unhandledrejection', (e) => { print('heard', e.reason); e.preventDefault() });
            addEventListener('error', (e) => { print('error', e.message); e.preventDefault() });
            setTimeout(() => print('later'), 1);";
        for (last, line) in [
            ("Promise.reject(5)", "heard 5"),
            ("const f = async () => { await null; throw 5 }; f()", "heard 5"),
            ("(async () => { throw 5 })()", "heard 5"),
            ("throw new TypeError('x')", "error TypeError: x"),
            ("await null; throw 5", "error 5"),
            ("export {}; await Promise.reject(5)", "error 5"),
        ] {
            prints(&run(io, &format!("{heard} {last}")), &format!("{line}\nlater\n"));
        }
        let told = "addEventListener('unhandledrejection', (e) => print('heard', e.reason)); Promise.reject(5)";
        fails(&run(io, told), "heard 5\n", "Unhandled promise rejection: 5\n");
        // A value that nobody waits for is no reason to go on.
        prints(&run(io, "print('end'); new Promise(() => {})"), "end\n");
    }

    fn std_exit_ends_it_from_anywhere_with_all_files_flushed(io) {
        let prefix = "import * as std from 'std'; std.out.puts('out'); setTimeout(() => {}, 1e8);";
        for (source, code) in [
            ("std.exit(7); print('never')", 7),
            ("std.exit(0)", 0),
            ("std.exit(256 + 3)", 3),
            ("setTimeout(() => std.exit(5), 1)", 5),
            ("Promise.resolve().then(() => std.exit(4))", 4),
            ("try { std.exit(2) } finally { print('never') }", 2),
            ("await null; [1].map(() => std.exit(6))", 6),
        ] {
            let ended = run(io, &format!("{prefix} {source}"));
            assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(code), "out", ""), "{source}");
        }
    }

    fn signals_end_it_by_default(io) {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            if is_ignored(signal) {
                continue; // by who started the tests (nohup), and so by what they start
            }
            let file = App::with_files("script.js", &[("script.js", "print('ready'); setTimeout(() => {}, 1e8)")]);
            let mut child = Command::new(env!("CARGO_BIN_EXE_jsserve"))
                .args(["--io", io])
                .arg(file.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("run jsserve");
            let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
            let mut line = String::new();
            output.read_line(&mut line).expect("a line");
            assert_eq!(line, "ready\n");
            kill_process(Pid::from_raw(child.id() as i32).expect("pid"), signal).expect("signal");
            let status = child.wait().expect("wait");
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(status.signal(), Some(signal.as_raw()));
        }
    }

    fn a_reader_that_is_gone_ends_it_as_other_programs_of_a_pipeline(io) {
        for source in ["for (;;) print('line')", "for (;;) console.log('line')",
            "import * as std from 'std'; for (;;) std.out.puts('line\\n')",
            "setInterval(() => print('line'), 1)"] {
            let file = App::with_files("script.js", &[("script.js", source)]);
            let mut child = Command::new(env!("CARGO_BIN_EXE_jsserve"))
                .args(["--io", io])
                .arg(file.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("run jsserve");
            let mut output = child.stdout.take().expect("stdout is piped");
            let mut first = [0; 5];
            output.read_exact(&mut first).expect("a line");
            drop(output);
            // Standard output of the rest is read from a pipe of its own, which stays empty.
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(writer);
            child.stdout = Some(std::os::fd::OwnedFd::from(reader).into());
            let ended = end_of(child);
            assert_eq!((ended.signal, ended.stderr.as_str()), (Some(13), ""), "{source}: {ended:?}"); // SIGPIPE
        }
    }

    fn large_output_arrives_whole(io) {
        let source = "const line = 'x'.repeat(99); for (let i = 0; i < 20000; i++) print(line);
            console.log('y'.repeat(1 << 20)); await null; print('end')";
        let ended = run(io, source);
        assert_eq!((ended.code, ended.stdout.len()), (Some(0), 2_000_000 + (1 << 20) + 1 + 4));
        assert!(ended.stdout.ends_with("y\nend\n"));
    }
}
