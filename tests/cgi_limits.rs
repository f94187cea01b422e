//! The limits of CGI scripts, each reached: how many, how long, how large.
//!
//! Owns: what is seen beyond each, and its line in the log. Must not know: how scripts fail within them.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::cgi::{CAT, HELLO, root, scripts, start};
use crate::cgi_ends::children;
use crate::support::{Connection, SOON, Way, dial, eventually, get};

/// Waits for a file beside its folder, with no more than that to do.
const WAITS: &str = "#!/bin/sh\n: >../started\nwhile [ ! -e ../go ]; do sleep 0.05; done\nprintf 'Content-Type: text/plain\\n\\nwaited'\n";

both_backends! {
    fn a_header_that_does_not_come_is_504(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n'\nsleep 600\n")]);
        let server = start(Way::tcp(io), &["--cgi-head-timeout", "300ms"], &app);
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/x.sh").status, 504);
        server.await_log("no header of a response within 300 ms (--cgi-head-timeout)");
        eventually("its end", || children(server.pid()) == 0);
    }

    fn a_script_that_runs_for_too_long_is_504_or_its_response_is_cut(io) {
        let app = scripts(&[
            ("cgi-bin/silent", "#!/bin/sh\nsleep 600\n"),
            ("cgi-bin/speaks", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwhile :; do echo x; sleep 0.05; done\n"),
            ("cgi-bin/floods", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec cat /dev/zero\n"),
        ]);
        let server = start(Way::tcp(io), &["--cgi-timeout", "1s"], &app);
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/cgi-bin/silent").status, 504);
        server.await_log("it ran for 1000 ms (--cgi-timeout) without an answer");
        for name in ["speaks", "floods"] {
            let mut stream = dial(server.addr());
            stream.write_all(get(&format!("/cgi-bin/{name}")).as_bytes()).expect("send");
            let (mut all, mut block, mut tail) = (0, vec![0; 1 << 20], Vec::new());
            while let Ok(length @ 1..) = stream.read(&mut block) {
                all += length;
                tail = block[length.saturating_sub(5)..length].to_vec();
            }
            assert!(all > 100 && tail != b"0\r\n\r\n", "{name} ends as if it were whole");
        }
        server.await_log("it ran for 1000 ms (--cgi-timeout): the response is cut");
        eventually("their end", || children(server.pid()) == 0);
    }

    fn a_response_that_stalls_is_cut(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nsome'\nsleep 600\n")]);
        let server = start(Way::tcp(io), &["--cgi-stall-timeout", "300ms", "--idle-timeout", "100ms"], &app);
        let mut client = Connection::open(server.place());
        client.send(get("/cgi-bin/x.sh"));
        let error = client.try_response("GET").expect_err("no whole response");
        assert!(error.contains("some"), "{error}");
        server.await_log("its response has sent nothing for 300 ms (--cgi-stall-timeout): the response is cut");
        eventually("its end", || children(server.pid()) == 0);
    }

    fn requests_beyond_the_number_of_scripts_wait_and_beyond_the_queue_are_refused(io) {
        let app = scripts(&[("cgi-bin/waits", WAITS), ("cgi-bin/x.sh", HELLO)]);
        let server = start(Way::tcp(io), &["--cgi-scripts-max", "1", "--cgi-queue-max", "1"], &app);
        let mut first = Connection::open(server.place());
        first.send(get("/cgi-bin/waits"));
        eventually("a script", || root(&app).join("started").exists());
        let mut second = Connection::open(server.place());
        second.send(get("/cgi-bin/x.sh"));
        assert!(second.stays_silent(Duration::from_millis(200)));
        let refused = Connection::open(server.place()).get("/cgi-bin/x.sh");
        assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
        server.await_log("1 requests wait for scripts to end already (--cgi-queue-max)");
        assert_eq!(children(server.pid()), 1);
        std::fs::write(root(&app).join("go"), "").expect("write");
        assert_eq!(first.response("GET").text(), "waited");
        assert_eq!(second.response("GET").text(), "hello\n");
    }

    fn who_waits_for_a_place_for_too_long_or_leaves_waits_no_more(io) {
        let app = scripts(&[("cgi-bin/waits", WAITS), ("cgi-bin/x.sh", HELLO)]);
        let flags = ["--cgi-scripts-max", "1", "--cgi-queue-max", "1", "--cgi-head-timeout", "1500ms"];
        let server = start(Way::tcp(io), &flags, &app);
        let mut first = Connection::open(server.place());
        first.send(get("/cgi-bin/waits"));
        eventually("a script", || root(&app).join("started").exists());
        let mut leaves = Connection::open(server.place());
        leaves.send(get("/cgi-bin/x.sh"));
        assert!(leaves.stays_silent(Duration::from_millis(100)));
        leaves.reset();
        let mut last = 503;
        eventually("the place of who has left", || {
            let mut client = Connection::open(server.place());
            client.send(get("/cgi-bin/x.sh"));
            let is_waiting = client.stays_silent(Duration::from_millis(100));
            if is_waiting {
                last = client.response("GET").status;
            }
            is_waiting
        });
        assert!([200, 503].contains(&last));
        assert_eq!(first.response("GET").status, 504);
        let answer = Connection::open(server.place()).get("/cgi-bin/x.sh");
        assert_eq!(answer.text(), "hello\n");
    }

    // The client takes it as it comes, or not at all.
    fn a_gigabyte_passes_in_bounded_memory(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec head -c 1073741824 /dev/zero\n")]);
        let server = start(Way::tcp(io), &["--cgi-timeout", "5m"], &app);
        let mut stream = dial(server.addr());
        stream.write_all(b"GET /cgi-bin/x.sh HTTP/1.0\r\nHost: a\r\n\r\n").expect("send");
        std::thread::sleep(Duration::from_millis(300));
        let (mut length, mut block, mut rss) = (0_u64, vec![0; 1 << 20], 0);
        loop {
            match stream.read(&mut block).expect("read") {
                0 => break,
                bytes => length += bytes as u64,
            }
            if length.is_multiple_of(7) {
                rss = rss.max(server.rss_bytes());
            }
        }
        assert!(length > 1 << 30, "{length} bytes");
        assert!(rss < 200 << 20, "{rss} bytes of memory");
        eventually("its end", || children(server.pid()) == 0);
    }

    fn a_body_larger_than_it_may_be_starts_no_script(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\n: >../started\nprintf 'Content-Type: text/plain\\n\\n'\n"), ("cgi-bin/cat", CAT)]);
        let server = start(Way::tcp(io), &["--body-max", "1000"], &app);
        let mut client = Connection::open(server.place());
        client.send("POST /cgi-bin/x.sh HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
        assert_eq!(client.response("POST").status, 413);
        let mut client = Connection::open(server.place());
        client.send("POST /cgi-bin/x.sh HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)));
        assert_eq!(client.response("POST").status, 413);
        assert!(!root(&app).join("started").exists());
    }

    fn a_script_cannot_flood_the_log(io) {
        let app = scripts(&[("cgi-bin/x.sh", "#!/bin/sh\nfor i in $(seq 1000); do echo \"line $i\"; done >&2\nhead -c 100000 /dev/zero | tr '\\0' y >&2\n\
            printf 'Content-Type: text/plain\\n\\nok'\n")]);
        let server = start(Way::tcp(io), &[], &app);
        let begun = Instant::now();
        assert_eq!(Connection::open(server.place()).get("/cgi-bin/x.sh").text(), "ok");
        server.await_log("more like this in the last second: lines of CGI scripts");
        let lines = server.log().lines().filter(|line| line.contains("x.sh")).count() as u64;
        assert!(lines <= 10 * (begun.elapsed().as_secs() + 2), "{lines} lines");
        assert!(begun.elapsed() < 3 * SOON);
    }
}
