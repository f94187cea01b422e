//! Scripts that do not end as they should: what their clients get, what the log says, that nothing of them is left.
//!
//! Owns: each way to fail, the ends of processes and their groups. Must not know: what a script that works is told.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::cgi::{HELLO, root, scripts, start};
use crate::support::frames::{Frames, RST_STREAM, frame};
use crate::support::{App, Connection, SOON, Server, Way, eventually, get};

/// The fields of a process behind its name (proc(5), stat): state, parent, group.
fn stat(pid: &str) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

/// How many children a process has, those included that nobody has waited for.
pub fn children(pid: u32) -> usize {
    let all = std::fs::read_dir("/proc").expect("proc");
    let is_child = |pid_of: &str| stat(pid_of).is_some_and(|fields| fields[1] == pid.to_string());
    all.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_child)))
        .count()
}

/// Whether the process whose number is in `file` runs; who has ended, and is not waited for by init, does not.
pub fn runs(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap_or_default();
    let pid: Option<u32> = pid.trim().parse().ok();
    pid.and_then(|pid| stat(&pid.to_string())).is_some_and(|fields| !matches!(&*fields[0], "Z" | "X"))
}

/// Waits until the server has no scripts.
fn await_none(server: &Server) {
    eventually("the end of all scripts", || children(server.pid()) == 0);
}

/// Starts to ask for a script, and waits until it has written the number of its process to `file`.
fn ask_and_await(server: &Server, target: &str, file: &Path) -> Connection {
    let mut client = Connection::open(server.place());
    client.send(get(target));
    eventually("a script", || std::fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')));
    client
}

/// A script that writes its number to `file` and waits, with a child that writes its own and waits as well; neither
/// obeys SIGTERM.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM\nsh -c 'echo $$ >../child; exec sleep 600' &\necho $$ >../leader\nwait\nsleep 600\n";

every_way! {
    fn a_script_whose_client_leaves_is_ended_with_all_of_its_group(way) {
        let app = scripts(&[("cgi-bin/x.sh", STUBBORN)]);
        let server = start(way, &["--cgi-kill-timeout", "100ms"], &app);
        let (leader, child) = (root(&app).join("leader"), root(&app).join("child"));
        let client = ask_and_await(&server, "/cgi-bin/x.sh", &leader);
        eventually("its child", || runs(&child));
        drop(client);
        eventually("the end of both", || !runs(&leader) && !runs(&child));
        await_none(&server);
        server.await_log("(--cgi-kill-timeout): killed");
    }
}

both_backends! {
    fn a_script_whose_client_leaves_in_the_middle_of_the_response_is_ended(io) {
        let app = scripts(&[
            ("cgi-bin/silent", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nsome'\necho $$ >../leader\nexec sleep 600\n"),
            ("cgi-bin/endless", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nsome'\necho $$ >../leader\nexec cat /dev/zero\n"),
        ]);
        let server = start(Way::tcp(io), &["--cgi-stall-timeout", "60s", "--cgi-timeout", "60s"], &app);
        for name in ["silent", "endless"] {
            let leader = root(&app).join("leader");
            let _ = std::fs::remove_file(&leader);
            let mut client = ask_and_await(&server, &format!("/cgi-bin/{name}"), &leader);
            client.read_exactly(30);
            drop(client);
            eventually("its end", || !runs(&leader));
            await_none(&server);
        }
    }

    fn a_script_whose_stream_of_http2_is_taken_back_is_ended(io) {
        let app = scripts(&[("cgi-bin/hangs", "#!/bin/sh\necho $$ >../leader\nexec sleep 600\n"), ("cgi-bin/x.sh", HELLO)]);
        let server = start(Way::tcp(io), &[], &app);
        let leader = root(&app).join("leader");
        let mut client = Frames::open(server.addr());
        client.get(1, "/cgi-bin/hangs");
        eventually("a script", || runs(&leader));
        client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
        eventually("its end", || !runs(&leader));
        client.get(3, "/cgi-bin/x.sh");
        assert_eq!(client.answer(3).1, b"hello\n");
        await_none(&server);
    }

    fn each_way_to_fail_has_its_answer_and_its_line(io) {
        let app = scripts(&[
            ("cgi-bin/nothing", "#!/bin/sh\n"),
            ("cgi-bin/status", "#!/bin/sh\nexit 3\n"),
            ("cgi-bin/signal", "#!/bin/sh\nkill -9 $$\n"),
            ("cgi-bin/part", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n'\n"),
            ("cgi-bin/garbage", "#!/bin/sh\nhead -c 100000 /dev/urandom\n"),
            ("cgi-bin/no-line", "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' a\n"),
            ("cgi-bin/no-fields", "#!/bin/sh\nprintf 'X-A: b\\n\\nbody'\n"),
            ("cgi-bin/no-program", "echo Content-Type: text/plain\n"),
            ("cgi-bin/no-interpreter", "#!/does/not/exist\n"),
            ("cgi-bin/windows", "#!/bin/sh\r\necho\r\n"),
            ("cgi-bin/closes", "#!/bin/sh\nexec >&- 2>&-\nsleep 3\n"),
        ]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for (name, line) in [
            ("nothing", "it ended with status 0 before it had written anything"),
            ("status", "it ended with status 3 before it had written anything"),
            ("signal", "signal 9 ended it before it had written anything"),
            ("part", "it ended with status 0 before the header of its response was complete"),
            ("garbage", "what it writes is no header of a response"),
            ("no-line", "the header of its response is larger than 16384 bytes (--cgi-header-max)"),
            ("no-fields", "it has none of Content-Type, Location and Status"),
            ("no-program", "it is no program, and its first line does not say what runs it"),
            ("no-interpreter", "what its first line names to run it (#!) is not there"),
            ("windows", "or that line ends in a carriage return"),
            ("closes", "it closed its output before it had written anything"),
        ] {
            assert_eq!(client.get(&format!("/cgi-bin/{name}")).status, 502, "{name}");
            server.await_log(&format!("cgi-bin/{name}: "));
            server.await_log(line);
        }
        await_none(&server);
    }

    fn a_header_larger_than_it_may_be_is_refused(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Long: %s\\n\\nok' \"$QUERY_STRING\"\n")]);
        let server = start(Way::tcp(io), &["--cgi-header-max", "200"], &app);
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/x.sh?a=b").status, 200);
        assert_eq!(client.get(&format!("/cgi-bin/x.sh?a={}", "b".repeat(300))).status, 502);
        server.await_log("larger than 200 bytes (--cgi-header-max)");
    }

    // Its daemon has its output, and does not end.
    fn an_answer_ends_with_its_script_whoever_holds_the_pipe(io) {
        let app = scripts(&[
            ("cgi-bin/child", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nanswer'\nsh -c 'echo $$ >../child; exec sleep 600' &\nwhile [ ! -s ../child ]; do :; done\n"),
            ("cgi-bin/daemon", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nanswer'\nsetsid sh -c 'echo $$ >../daemon; exec sleep 600' &\nwhile [ ! -s ../daemon ]; do :; done\n"),
        ]);
        let server = start(Way::tcp(io), &[], &app);
        let (child, daemon) = (root(&app).join("child"), root(&app).join("daemon"));
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/child").text(), "answer");
        assert_eq!(client.get("/cgi-bin/daemon").text(), "answer");
        eventually("a daemon", || runs(&daemon));
        await_none(&server);
        eventually("the end of what stays in the group", || !runs(&child));
        assert!(runs(&daemon), "who makes a session of its own may stay");
        let pid: i32 = std::fs::read_to_string(&daemon).expect("a number").trim().parse().expect("a number");
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("pid"), Signal::KILL).expect("kill");
    }

    fn a_script_may_leave_its_input_unread(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nexec <&-\nprintf 'Content-Type: text/plain\\n\\nok'\n")]);
        let server = start(Way::tcp(io), &["--body-max", "8M"], &app);
        for length in [10, 500_000] {
            let mut client = Connection::open(server.place());
            let body = vec![b'x'; length];
            assert_eq!(client.post("/cgi-bin/x.sh", &body).text(), "ok");
            assert_eq!(client.post("/cgi-bin/x.sh", &body).text(), "ok", "the connection goes on");
        }
        await_none(&server);
    }

    fn a_body_shorter_than_its_script_has_said_is_cut(io) {
        let app = scripts(&[
            ("cgi-bin/short", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nContent-Length: 100\\n\\nshort'\n"),
            ("cgi-bin/long", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nContent-Length: 2\\n\\nlonger'\n"),
            ("cgi-bin/dies", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nsome'\nsleep 0.2\nkill -9 $$\n"),
        ]);
        let server = start(Way::tcp(io), &[], &app);
        let failed = |name: &str| {
            let mut client = Connection::open(server.place());
            client.send(get(&format!("/cgi-bin/{name}")));
            client.try_response("GET").err()
        };
        assert!(failed("short").is_some_and(|text| text.contains("short")));
        assert!(failed("dies").is_some_and(|text| text.contains("some")));
        server.await_log("signal 9 ended it: the response is cut");
        let mut client = Connection::open(server.place());
        client.send(get("/cgi-bin/long"));
        assert_eq!(client.response("GET").text(), "lo");
    }

    fn two_hundred_scripts_that_hang_are_all_ended_and_waited_for(io) {
        let app = scripts(&[("cgi-bin/hangs", "#!/bin/sh\ntrap '' TERM\nexec sleep 600\n"), ("cgi-bin/x.sh", HELLO)]);
        let flags = ["--cgi-scripts-max", "200", "--cgi-head-timeout", "60s", "--cgi-timeout", "60s", "--cgi-kill-timeout", "200ms"];
        let server = start(Way::tcp(io), &flags, &app);
        let before = server.fd_count();
        let mut clients: Vec<Connection> = (0..200).map(|_| Connection::open(server.place())).collect();
        clients.iter_mut().for_each(|client| client.send(get("/cgi-bin/hangs")));
        eventually("200 scripts", || children(server.pid()) >= 200);
        drop(clients);
        await_none(&server);
        assert_eq!(Connection::open(server.place()).get("/cgi-bin/x.sh").text(), "hello\n");
        // The supervisor has made its own two or three.
        eventually("descriptors that are closed", || server.fd_count() <= before + 4);
    }

    fn a_drain_waits_for_scripts(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\necho $$ >../leader\nwhile [ ! -e ../go ]; do sleep 0.05; done\n\
            printf 'Content-Type: text/plain\\n\\nlate'\n")]);
        let mut server = start(Way::tcp(io), &[], &app);
        let mut client = ask_and_await(&server, "/cgi-bin/x.sh", &root(&app).join("leader"));
        server.signal(Signal::TERM);
        server.await_log("draining");
        std::fs::write(root(&app).join("go"), "").expect("write");
        assert_eq!(client.response("GET").text(), "late");
        assert_eq!(server.await_exit(SOON).code(), Some(0));
    }

    fn a_drain_that_takes_too_long_ends_scripts(io) {
        let app = scripts(&[("cgi-bin/x.sh", STUBBORN)]);
        let mut server = start(Way::tcp(io), &["--drain-timeout", "300ms", "--cgi-kill-timeout", "100ms"], &app);
        let (leader, child) = (root(&app).join("leader"), root(&app).join("child"));
        let _client = ask_and_await(&server, "/cgi-bin/x.sh", &leader);
        eventually("its child", || runs(&child));
        server.signal(Signal::TERM);
        assert_eq!(server.await_exit(SOON).code(), Some(1));
        eventually("the end of both", || !runs(&leader) && !runs(&child));
    }
}

/// A script in the app's folder that goes on behind its answer.
fn lingering(script: &str) -> App {
    scripts(&[("cgi-bin/x.sh", script)])
}

both_backends! {
    fn a_script_may_go_on_behind_its_answer_for_as_long_as_scripts_run(io) {
        let app = lingering("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\ndone'\necho $$ >../leader\nexec >&-\nsleep 600\n");
        let server = start(Way::tcp(io), &["--cgi-timeout", "2s", "--cgi-kill-timeout", "100ms"], &app);
        let leader = root(&app).join("leader");
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/x.sh").text(), "done");
        drop(client);
        std::thread::sleep(Duration::from_millis(300));
        assert!(runs(&leader), "it is not ended with its answer");
        await_none(&server);
        server.await_log("beyond its answer (--cgi-timeout)");
    }
}
