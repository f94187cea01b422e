//! What the log says of requests and connections, and that clients cannot flood it.
//!
//! Owns: lines of refusals by limits, budgets of lines, who is silent. Must not know: answers.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::server::run_to_end;
use crate::support::{App, Connection, Server, dial, eventually, get};

/// A client that ends its connection with a reset.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
}

both_backends! {
    fn a_refusal_by_a_limit_is_logged_with_the_flag_that_raises_it(io) {
        let app = app!(fetch "return new Response(await request.text())");
        let flags = [
            "--io", io, "--workers", "1", "--body-max", "1K", "--header-max", "1K", "--target-max", "100",
            "--header-fields-max", "10", "--header-timeout", "300ms", "--body-timeout", "300ms",
        ];
        let server = Server::spawn(&flags, app.path());
        let fields: String = (0..20).map(|n| format!("X-{n}: v\r\n")).collect();
        for (request, line) in [
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n".to_owned(), "413: the body is larger than 1 KiB (--body-max)"),
            (get(&format!("/{}", "a".repeat(100))), "414: the target is longer than 100 bytes (--target-max)"),
            (format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), "431: the head has more than 10 fields (--header-fields-max)"),
            (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(2000)), "431: the head is larger than 1 KiB (--header-max)"),
            ("GET / HTTP/1.1\r\nHost:".to_owned(), "408: the head was not complete within 300 ms (--header-timeout)"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf".to_owned(), "408: the body paused for 300 ms (--body-timeout)"),
        ] {
            let mut client = Connection::open(server.addr());
            client.try_send(request);
            client.response("GET");
            server.await_log(line);
        }
        // What breaks the rules is no limit's doing.
        crate::support::raw(server.addr(), "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
        assert!(!server.log().contains("WARN 400"), "{}", server.log());
    }

    fn a_limit_says_so_once_a_second_and_counts(io) {
        let app = app!(fetch "return new Response(await request.text())");
        let server = Server::spawn(&["--io", io, "--workers", "1", "--body-max", "1K"], app.path());
        let refused = || crate::support::raw(server.addr(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
        let start = Instant::now();
        for _ in 0..30 {
            let mut client = Connection::open(server.addr());
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
            assert_eq!(client.response("POST").status, 413);
        }
        let seconds = start.elapsed().as_secs() as usize;
        server.await_log("--body-max");
        let lines = server.log().matches("--body-max").count();
        assert!(lines <= seconds + 2, "{lines} lines in {seconds} s");
        std::thread::sleep(Duration::from_millis(1100));
        refused();
        server.await_log(" more since the last such line)");
    }

    fn failing_handlers_write_ten_lines_a_second_and_a_count(io) {
        let app = app!(fetch "if (request.url.endsWith('/fails')) throw new Error('on purpose'); return new Response('ok')");
        let server = Server::spawn(&["--io", io, "--workers", "2"], app.path());
        let start = Instant::now();
        let mut client = Connection::open(server.addr());
        for _ in 0..200 {
            assert_eq!(client.get("/fails").status, 500);
        }
        let seconds = start.elapsed().as_secs() as usize;
        // Without any further request.
        server.await_log(" more like this in the last second: failed requests");
        let lines = server.log().matches("GET /fails: Error: on purpose").count();
        assert!(lines <= 10 * (seconds + 2), "{lines} lines in {seconds} s");
        let told = server.log();
        let told = told.lines().filter_map(|line| line.split_once("… and ")?.1.split(' ').next()?.parse::<usize>().ok());
        assert!(lines + told.sum::<usize>() <= 200);
    }

    fn clients_that_reset_raw_connections_leave_no_line(io) {
        let app = app!(
            "import * as os from 'os';
             let done = 0;
             const end = () => { if (++done === 80) console.log('all have ended'); };
             export default { async accept(fd) {
               const buffer = new Uint8Array(16);
               try {
                 if (await os.recv(fd, buffer) === 0) return;
                 if (buffer[0] === 119) for (;;) { await os.send(fd, 'x'.repeat(1000)); await new Promise((go) => setTimeout(go, 1)); }
                 if (buffer[0] === 99) { try { await os.recv(fd, buffer) } finally { os.close(fd) } }
                 await os.recv(fd, buffer);
               } finally { end(); }
             } };"
        );
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        for word in [b"read", b"writ", b"clos", b"read"] {
            let clients: Vec<TcpStream> = (0..20).map(|_| {
                let mut stream = dial(server.addr());
                std::io::Write::write_all(&mut stream, word).expect("write");
                stream
            }).collect();
            std::thread::sleep(Duration::from_millis(100)); // the words are read
            clients.into_iter().for_each(reset);
        }
        server.await_log("all have ended");
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }

    fn a_handler_of_raw_tcp_that_fails_by_itself_is_still_logged(io) {
        let app = app!(
            "import * as os from 'os';
             export default { async accept(fd) {
               await os.recv(fd, new Uint8Array(16));
               os.shutdown(fd, os.SHUT_WR);
               await os.send(fd, 'after its own end');
             } };"
        );
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let mut client = Connection::open(server.addr());
        client.send("x");
        client.read_to_end();
        server.await_log("accept failed: Error: send: Broken pipe (EPIPE)");
    }

    fn a_script_has_its_standard_error_to_itself(io) {
        // A server that answers with rubbish, and clients of it that leave.
        let app = App::new(
            "import * as os from 'os';
             const server = os.socket(os.AF_INET, os.SOCK_STREAM);
             os.bind(server, { addr: '127.0.0.1', port: 0 });
             os.listen(server);
             const { port } = os.getsockname(server);
             (async () => {
               for (let left = 3; left > 0; left--) {
                 const [fd] = await os.accept(server);
                 await os.recv(fd, new Uint8Array(1000));
                 await os.send(fd, 'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello' + 'rubbish'.repeat(left));
                 os.close(fd);
               }
             })();
             for (let left = 3; left > 0; left--) {
               const reply = await fetch(`http://127.0.0.1:${port}/`);
               await reply.text().catch(() => {});
             }
             await new Promise((go) => setTimeout(go, 100));
             console.log('done');",
        );
        let path = app.path().to_str().expect("UTF-8");
        let ended = run_to_end(&["--io", io, "-m", path]);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "done\n", ""));
    }
}

#[test]
fn requests_that_take_too_long_are_told_once_a_second_with_the_flag() {
    let app = app!(fetch "await new Promise(() => {})");
    let server = Server::spawn(&["--workers", "1", "--request-timeout", "200ms"], app.path());
    let mut clients: Vec<Connection> = (0..20).map(|_| Connection::open(server.addr())).collect();
    clients.iter_mut().for_each(|client| client.send(get("/slow")));
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 503);
    }
    server.await_log("GET /slow: no response within 200 ms (--request-timeout)");
    eventually("the log is quiet", || server.log().matches("--request-timeout").count() <= 3);
}
