//! CGI scripts in JavaScript that run without a process: what they are told and give, their isolation, their limits.
//!
//! Owns: both backends, files that change, scripts that never end. Must not know: processes of scripts (`cgi`).

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::cgi::{ask, root, scripts, start};
use crate::support::{Connection, Server, Way, dial, eventually, get, pattern};

/// Says what it is told.
const TOLD: &str = "import * as own from 'std';
const all = own.getenviron();
print('Content-Type: text/plain\\n');
print(JSON.stringify({ all, args: scriptArgs.slice(1), cwd: os.getcwd()[0], path: std.getenv('PATH_INFO') }));";

/// A body in blocks, as it comes.
const COUNTS: &str = "let n = 0, sum = 0; const block = new Uint8Array(65536);
for (;;) { const k = std.in.read(block.buffer, 0, block.length); if (k <= 0) break;
  n += k; for (let i = 0; i < k; i += 1024) sum += block[i]; }
std.out.printf('Content-Type: text/plain\\n\\n%s %d', std.getenv('CONTENT_LENGTH'), n);";

/// Threads of scripts that a server has, those that wait among them.
fn threads(server: &Server) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("threads");
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.filter_map(Result::ok).map(name).filter(|name| name.starts_with("cgi-")).count()
}

both_backends! {
    fn a_script_is_told_what_a_process_is_and_nothing_of_the_servers(io) {
        let app = scripts(&[("cgi-bin/told.js", TOLD)]);
        let server = start(Way::tcp(io), &["--env", "GIVEN=1", "--cgi-env", "MORE=2"], &app);
        let mut client = Connection::open(server.place());
        let answer = ask(&mut client, "GET /cgi-bin/told.js/a%20b?x+y%2Fz", "X-One: 1\r\nProxy: http://evil\r\n", "");
        assert_eq!((answer.status, answer.field("content-type")), (200, Some("text/plain")), "{}", server.log());
        let told: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
        let all = &told["all"];
        for (name, value) in [("PATH_INFO", "/a b"), ("QUERY_STRING", "x+y%2Fz"), ("HTTP_X_ONE", "1"), ("GIVEN", "1"),
            ("MORE", "2"), ("GATEWAY_INTERFACE", "CGI/1.1"), ("SCRIPT_NAME", "/cgi-bin/told.js"), ("SERVER_NAME", "a.test")] {
            assert_eq!(all[name], value, "{name}");
        }
        for name in ["SECRET", "HOME", "HTTP_PROXY"] {
            assert!(all.get(name).is_none(), "{name} is told");
        }
        assert_eq!(told["args"], serde_json::json!(["x", "y/z"]));
        assert_eq!(told["path"], "/a b");
        assert_eq!(told["cwd"], root(&app).join("cgi-bin").display().to_string());
    }

    fn its_output_is_read_as_that_of_a_process(io) {
        let app = scripts(&[
            ("cgi-bin/status.ts", "const code: number = 201; print(`Status: ${code} Made\\nX-A: b\\n\\nmade`)"),
            ("cgi-bin/away.mjs", "console.log('Location: https://a.test/\\n')"),
            ("cgi-bin/within.js", "print('Location: /cgi-bin/status.ts\\n')"),
            ("cgi-bin/nph-raw.js", "std.out.puts('HTTP/1.1 299 Own\\r\\nX-Own: 1\\r\\n\\r\\nraw')"),
            ("cgi-bin/exit.js", "print('Content-Type: text/plain\\n\\nbefore'); std.exit(0); print('after')"),
            ("cgi-bin/waits.js", "await new Promise((go) => setTimeout(go, 5)); setTimeout(() => print('late'), 5); \
                print('Content-Type: text/plain\\n\\nearly')"),
            ("cgi-bin/common.cjs", "const { add } = require('./lib.cjs'); print(`Content-Type: a/b\\n\\n${add(1, 2)}`)"),
            ("cgi-bin/lib.cjs", "exports.add = (a, b) => a + b"),
            ("cgi-bin/child.js", "print('Content-Type: text/plain\\n'); os.exec(['sh', '-c', 'echo child; echo err >&2'])"),
            ("cgi-bin/bytes.js", "os.write(1, new Uint8Array([0x41, 58, 98, 10, 0x53,0x74,0x61,0x74,0x75,0x73,58,50,48,48,10,10,255,0]).buffer, 0, 18)"),
        ]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for (path, status, body) in [
            ("status.ts", 201, "made\n"),
            ("away.mjs", 302, ""),
            ("within.js", 201, "made\n"),
            ("exit.js", 200, "before\n"),
            ("waits.js", 200, "early\nlate\n"),
            ("common.cjs", 200, "3\n"),
            ("child.js", 200, "child\n"),
        ] {
            let answer = client.get(&format!("/cgi-bin/{path}"));
            assert_eq!((answer.status, answer.text()), (status, body), "{path}: {}", server.log());
        }
        assert_eq!(client.get("/cgi-bin/bytes.js").body, [255, 0]);
        let raw = Connection::open(server.place()).get("/cgi-bin/nph-raw.js");
        assert_eq!((raw.status, raw.field("x-own"), raw.text()), (299, Some("1"), "raw"));
        server.await_log("err script=");
    }

    fn a_body_streams_in_bounded_memory_and_an_answer_as_well(io) {
        let app = scripts(&[("cgi-bin/counts.js", COUNTS),
            ("cgi-bin/pours.js", "print('Content-Type: a/b\\n'); const block = 'x'.repeat(1 << 16); \
                for (let i = 0; i < 1024; i++) std.out.puts(block)")]);
        let server = start(Way::tcp(io), &["--body-max", "256M", "--heap-max", "16M"], &app);
        let mut client = Connection::open(server.place());
        assert_eq!(client.post("/cgi-bin/counts.js", b"").text(), "0 0");
        let before = server.rss_bytes();
        let block = pattern(1 << 20);
        client.send(format!("POST /cgi-bin/counts.js HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 64 << 20));
        (0..64).for_each(|_| client.send(&block));
        assert_eq!(client.response("POST").text(), format!("{0} {0}", 64 << 20));
        let mut stream = dial(server.addr());
        stream.write_all(get("/cgi-bin/pours.js").as_bytes()).expect("send");
        let (mut all, mut block) = (0, vec![0; 1 << 20]);
        while all < 64 << 20 {
            all += stream.read(&mut block).expect("more of it");
        }
        assert!(server.rss_bytes() < before + (24 << 20), "{} after {before}", server.rss_bytes());
        // Without a length.
        client.send("POST /cgi-bin/counts.js HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(client.response("POST").text(), "3 3");
    }

    fn nothing_of_one_request_is_seen_by_the_next(io) {
        let app = scripts(&[("cgi-bin/state.js", "import { state } from './state.mjs';
            const seen = [globalThis.mark, state.n, [].extra, Object.prototype.more, std.getenv('LEFT'), JSON.own,
              (await navigator.locks.query()).held.length, os.getcwd()[0].endsWith('cgi-bin')];
            globalThis.mark = 1; state.n++; Array.prototype.extra = 1; Object.prototype.more = 1; std.setenv('LEFT', '1');
            JSON.own = 1; navigator.locks.request('x', () => new Promise(() => {})); os.chdir('/');
            setInterval(() => {}, 1e6).unref?.(); os.open('/dev/null', os.O_RDONLY);
            print('Content-Type: text/plain\\n'); print(JSON.stringify(seen)); std.exit(0)"),
            ("cgi-bin/state.mjs", "export const state = { n: 0 }")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        let mut open = 0;
        for round in 0..20 {
            let answer = client.get("/cgi-bin/state.js");
            assert_eq!(answer.text(), "[null,0,null,null,null,null,0,true]\n", "{round}: {}", server.log());
            if round == 10 {
                eventually("its end", || threads(&server) <= 4);
                open = server.fd_count();
            }
        }
        eventually("as many descriptors as before", || server.fd_count() <= open + 16);
    }

    fn a_file_that_has_changed_is_new_code_for_the_next_request(io) {
        let app = scripts(&[("cgi-bin/x.js", "import { n } from './n.mjs'; print(`Content-Type: a/b\\n\\n${n}`)"),
            ("cgi-bin/n.mjs", "export const n = 1")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for n in 1..6 {
            fs::write(root(&app).join("cgi-bin/n.mjs"), format!("export const n = {n}")).expect("a module");
            for _ in 0..2 {
                assert_eq!(client.get("/cgi-bin/x.js").text(), format!("{n}\n"), "{}", server.log());
            }
        }
        fs::write(root(&app).join("cgi-bin/x.js"), "print('Content-Type: a/b\\n\\nnew')").expect("a script");
        assert_eq!(client.get("/cgi-bin/x.js").text(), "new\n");
    }

    fn what_a_script_throws_is_502_and_in_the_log_with_its_stack(io) {
        let app = scripts(&[("cgi-bin/throws.js", "function f() { null.x }\nf()"),
            ("cgi-bin/rejects.js", "Promise.reject(new Error('nobody heard'))"),
            ("cgi-bin/syntax.js", "let x = 1 +;"),
            ("cgi-bin/never.js", "await new Promise(() => {})"),
            ("cgi-bin/silent.js", ""),
            ("cgi-bin/no-header.js", "print('hello')"),
            ("cgi-bin/status.js", "std.exit(7)"),
            ("cgi-bin/says.js", "console.error('one'); std.err.puts('two\\n'); print('Content-Type: a/b\\n')")]);
        let server = start(Way::tcp(io), &[], &app);
        let mut client = Connection::open(server.place());
        for (name, log) in [
            ("throws.js", "at f (/"),
            ("rejects.js", "Unhandled promise rejection: Error: nobody heard"),
            ("syntax.js", "syntax.js:1:"),
            ("never.js", "its top-level await can never settle"),
            ("silent.js", "it ended with status 0 before it had written anything"),
            ("no-header.js", "what it writes is no header of a response"),
            ("status.js", "it ended with status 7 before it had written anything"),
        ] {
            assert_eq!(client.get(&format!("/cgi-bin/{name}")).status, 502, "{name}");
            server.await_log(log);
        }
        assert_eq!(client.get("/cgi-bin/says.js").status, 200);
        server.await_log("one script=");
        server.await_log("two script=");
    }

    fn limits_of_cpu_heap_and_time_end_a_script(io) {
        let app = scripts(&[("cgi-bin/loops.js", "for (;;);"),
            ("cgi-bin/part.js", "print('Content-Type: a/b\\n\\npart'); for (;;);"),
            ("cgi-bin/fills.js", "const all = []; for (;;) all.push(new Array(1000).fill(1))"),
            ("cgi-bin/sleeps.js", "os.sleep(1e6)"),
            ("cgi-bin/waits.js", "await os.sleepAsync(1e6)"),
            ("cgi-bin/child.js", "os.exec(['sleep', '600'])"),
            ("cgi-bin/reads.js", "std.popen('sleep 600', 'r').readAsString()")]);
        let within = start(Way::tcp(io), &["--cpu-max", "200ms", "--heap-max", "16M"], &app);
        let timed = start(Way::tcp(io), &["--cgi-timeout", "1s"], &app);
        for (server, name, status, log) in [
            (&within, "loops.js", 504, "it used 200 ms of CPU time in one turn (--cpu-max)"),
            (&within, "fills.js", 502, "it filled its heap of 16777216 bytes (--heap-max)"),
            (&timed, "sleeps.js", 504, "it ran for 1000 ms (--cgi-timeout) without an answer"),
            (&timed, "waits.js", 504, "it ran for 1000 ms (--cgi-timeout) without an answer"),
            (&timed, "child.js", 504, "it ran for 1000 ms (--cgi-timeout) without an answer"),
            (&timed, "reads.js", 504, "it ran for 1000 ms (--cgi-timeout) without an answer"),
        ] {
            let answer = Connection::open(server.place()).get(&format!("/cgi-bin/{name}"));
            assert_eq!(answer.status, status, "{name}: {}", server.log());
            server.await_log(log);
        }
        let mut stream = Connection::open(within.place());
        stream.send(get("/cgi-bin/part.js"));
        let error = stream.try_response("GET").expect_err("it is no whole response");
        assert!(error.contains("part"), "{error}");
        for server in [&within, &timed] {
            eventually("their end", || threads(server) <= 4 && crate::cgi_ends::children(server.pid()) == 0);
        }
    }

    fn scripts_that_never_end_are_all_ended_and_others_answered_meanwhile(io) {
        let app = scripts(&[("cgi-bin/loops.js", "for (;;);"), ("cgi-bin/hello.js", "print('Content-Type: a/b\\n\\nhello')"),
            ("app.js", "export default { fetch: () => new Response('app') }")]);
        let flags = ["--cpu-max", "20ms", "--cgi-scripts-max", "40", "--cgi-head-timeout", "100s"];
        let path = root(&app).join("app.js").display().to_string();
        let server = start(Way::tcp(io), &[&flags[..], &[&path]].concat(), &app);
        let mut all: Vec<_> = (0..200).map(|_| Connection::open(server.place())).collect();
        for stream in &mut all {
            stream.send(get("/cgi-bin/loops.js"));
        }
        let mut client = Connection::open(server.place());
        for _ in 0..20 {
            assert_eq!(client.get("/").text(), "app");
        }
        for mut stream in all {
            assert_eq!(stream.response("GET").status, 504);
        }
        assert_eq!(Connection::open(server.place()).get("/cgi-bin/hello.js").text(), "hello\n");
        eventually("their end", || threads(&server) <= 4);
        assert!(!server.log().contains("stuck"), "{}", server.log());
    }

    fn a_script_whose_client_leaves_is_ended(io) {
        let app = scripts(&[("cgi-bin/waits.js", "std.out.puts('Content-Type: a/b\\n\\nx'); std.out.flush(); os.sleep(1e6)"),
            ("cgi-bin/reads.js", "std.in.getline(); os.exec(['sleep', '600'])")]);
        let server = start(Way::tcp(io), &["--cgi-timeout", "600s"], &app);
        for request in [get("/cgi-bin/waits.js"),
            "POST /cgi-bin/reads.js HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12".to_owned(),
            "POST /cgi-bin/reads.js HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1\n".to_owned()] {
            let stream = {
                let mut stream = dial(server.addr());
                stream.write_all(request.as_bytes()).expect("send");
                eventually("a thread", || threads(&server) > 0);
                stream
            };
            std::thread::sleep(Duration::from_millis(50));
            let begun = Instant::now();
            drop(stream);
            eventually("its end", || threads(&server) <= 4 && crate::cgi_ends::children(server.pid()) == 0);
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
    }
}
