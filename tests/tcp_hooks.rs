//! The `tcp` hooks of an app's default export.
//!
//! Owns: clients, and how their connections end. Must not know: the other two ways to serve raw TCP.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::support::way::ClientStream;
use crate::support::{
    self, App, Connection, Over, Place, SOON, Server, Way, eventually, fill, pattern, there_and_back,
};
use rustix::process::Signal;

/// What comes to the end of the stream, under TLS to its close_notify; the error is a reset.
fn rest(stream: &mut ClientStream) -> Result<String, ErrorKind> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether that is how a connection is cut there: a Unix socket has no reset, only an end.
fn is_cut(way: Way, end: &Result<String, ErrorKind>) -> bool {
    *end == Err(ErrorKind::ConnectionReset) || way.over == Over::Unix && end.is_ok()
}

/// Each connection's first line names what is to be tried on it.
const APP: &str = r#"
const decoder = new TextDecoder();
const told = (error) => error === undefined ? "in order" : `${error.code}: ${error.message}`;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const block = new Uint8Array(1 << 18);
const kept = [];
let shared;
const tries = {
  args: (conn) => conn.end(conn.data.args.join()),
  names: (conn) => conn.end(Object.getOwnPropertyNames(Object.getPrototypeOf(conn)).join()),
  kinds: (conn) => {
    conn.write("é, "); conn.write(new Uint8Array([98, 121]).subarray(1)); conn.write(new Uint8Array([116, 101]).buffer);
    conn.write(new DataView(new Uint8Array([45, 115, 45]).buffer, 1, 1)); conn.write("\ud800"); conn.end("!");
  },
  throws: (conn) => { conn.write("some"); throw new Error("hook failed on purpose"); },
  rejects: async (conn) => { conn.write("some"); await pause(20); throw new Error("hook rejected on purpose"); },
  nothing: (conn) => { throw undefined; },
  spins: () => { for (;;); },
  end: (conn) => conn.end("the end"),
  after: (conn) => {
    conn.end("once");
    let thrown;
    try { conn.write("twice"); } catch (error) { thrown = error; }
    console.log(`after: ${thrown.name}: ${thrown.message}`);
  },
  close: (conn) => { conn.write("dropped"); conn.close(); console.log(`close: ${conn.write("x")}`); },
  leave: (conn) => conn.close(),
  later: (conn) => { setTimeout(() => { conn.write("la"); conn.end("ter"); }, 20); },
  bad: (conn) => { try { conn.write(5); } catch (error) { conn.end(`${error.name}: ${error.message}`); } },
  bare: (conn) => { try { conn.write(); } catch (error) { conn.end(error.name); } },
  strange: (conn) => { const { write } = conn; try { write("x"); } catch (error) { conn.end(`${error.name}: ${error.message}`); } },
  flood: (conn) => { conn.data.flood = 24; conn.data.falses = 0; tries.more(conn); },
  more: (conn) => {
    while (conn.data.flood > 0) {
      conn.data.flood--;
      if (!conn.write(block)) { conn.data.falses++; return; }
    }
    conn.end();
  },
  swamp: (conn) => { let sent = 0; while (conn.write(block) || sent < 200) sent++; console.log(`swamp: ${conn.bufferedAmount}`); },
  pause: (conn) => { conn.data.counted = 0; conn.pause(); setTimeout(() => conn.resume(), 300); },
  keeps: (conn) => { conn.data.kept = []; conn.write("!"); },
  waits: (conn) => { conn.timeout(0.3); },
  patient: (conn) => { conn.timeout(0); },
  wrong: (conn) => {
    const say = (value) => { try { conn.timeout(value); return "none"; } catch (error) { return error.name; } };
    conn.end([say(-1), say(NaN), say(1e9), say(0), say(2.5)].join());
  },
  share: (conn) => { shared = conn; },
  tell: (conn) => { conn.end(String(shared.write("from another"))); },
  thrower: (conn) => { conn.end(); shared.data.fail = true; },
  oom: () => { const all = []; for (;;) all.push(new Array(1000).fill("x")); },
  jobs: (conn) => { Promise.resolve().then(() => conn.write("1")).then(() => conn.end("2")); },
};
export default {
  tcp: {
    open(conn, env, ctx) {
      const line = ctx.peer.port === conn.peer.port && ctx.local.port === conn.local.port;
      conn.data = { text: "", args: [this.name, env.HOOKS_TEST, line, ctx.worker === conn.worker, conn.tls, typeof ctx.waitUntil] };
    },
    data(conn, bytes) {
      const own = conn.data;
      if (own.counted !== undefined) { own.counted += bytes.length; conn.write(`${own.counted};`); return; }
      if (own.kept !== undefined) { own.kept.push(bytes); conn.write("."); return; }
      if (own.name !== undefined) { console.log(`${own.name}: more`); return; }
      own.text += decoder.decode(bytes);
      const end = own.text.indexOf("\n");
      if (end < 0) return;
      own.name = own.text.slice(0, end);
      return tries[own.name](conn);
    },
    drain(conn) {
      if (conn.bufferedAmount !== 0) throw new Error("drained too early");
      console.log(`drain: ${conn.data.name}`);
      if (conn.data.flood !== undefined) tries.more(conn);
    },
    end(conn) {
      const { kept, name } = conn.data;
      if (kept !== undefined) conn.write(kept.map((bytes) => decoder.decode(bytes)).join("|"));
      console.log(`end: ${name}`);
    },
    close(conn, error) {
      console.log(`close: ${conn.data.name}: ${told(error)} ${conn.write("never")}`);
      if (conn.data.name === "leave") throw new Error("close failed on purpose");
    },
    name: "hooks",
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_raw_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn ask(server: &Server, line: &str) -> ClientStream {
    ask_at(&server.place(), line)
}

fn ask_at(place: &Place, line: &str) -> ClientStream {
    let mut stream = open_at(place);
    send(&mut stream, format!("{line}\n"));
    stream
}

fn send(stream: &mut ClientStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).expect("send");
}

fn whole(server: &Server, line: &str) -> String {
    let mut stream = ask(server, line);
    let text = rest(&mut stream).expect("an end in order");
    say_end(stream);
    text
}

/// Ends as a client is to whose server has ended: under TLS by a close_notify.
fn say_end(mut stream: ClientStream) {
    // A Unix socket whose other end is closed has no direction to end.
    let _ = stream.finish();
}

/// A raw connection, whose reads end in time.
fn open(server: &Server) -> ClientStream {
    open_at(&server.place())
}

fn open_at(place: &Place) -> ClientStream {
    let stream = ClientStream::open(place, SOON).expect("connect");
    stream.set_read_timeout(SOON).expect("timeout");
    stream
}

every_way! {
    fn an_echo_of_any_length_is_what_was_sent(way) {
        let app = app!("export default { tcp: { data(conn, bytes) { conn.write(bytes); } } };");
        let server = Server::spawn_raw_at(way, &["--workers", "2"], app.path());
        for length in [0, 1, 64, 4096, 4097, 100_000, 3_000_000] {
            let (stream, bytes) = (open(&server), pattern(length));
            let back = there_and_back(stream, &bytes);
            assert!(back == bytes, "{length} bytes changed");
        }
    }

    fn a_paused_connection_holds_back_who_sends_too_fast(way) {
        let app = app!("export default { tcp: { open(conn) { conn.pause(); } } };");
        let server = Server::spawn_raw_at(way, &["--workers", "1"], app.path());
        fill(&mut open(&server));
    }
}

every_way! {
    fn few_receive_buffers_do_for_many_connections(way) {
        let app = app!("export default { tcp: { data(conn, bytes) { conn.write(bytes); } } };");
        let server = Server::spawn_raw_at(way, &["--workers", "1", "--recv-buffers", "64K"], app.path());
        std::thread::scope(|scope| {
            for length in [700_000, 4096, 65_536, 300_001, 1_000_000, 8192, 12_289, 500_000] {
                let (stream, bytes) = (open(&server), pattern(length));
                scope.spawn(move || assert!(there_and_back(stream, &bytes) == bytes, "{length} bytes changed"));
            }
        });
    }

    fn write_takes_strings_buffers_and_views_and_nothing_else(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(whole(&server, "kinds"), "é, yte-s\u{fffd}!".replace("-s", "s"));
        assert_eq!(whole(&server, "bad"), "TypeError: write takes a string, an ArrayBuffer or a view");
        assert_eq!(whole(&server, "bare"), "TypeError");
        assert_eq!(whole(&server, "strange"), "TypeError: Illegal invocation");
    }

    fn what_is_written_outside_of_a_hook_leaves_too(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(whole(&server, "later"), "later");
        assert_eq!(whole(&server, "jobs"), "12");
        let mut other = ask(&server, "share");
        other.set_read_timeout(SOON).expect("timeout");
        eventually("another connection writes", || whole(&server, "tell") == "true");
        let mut text = [0; 12];
        other.read_exact(&mut text).expect("what another connection's hook wrote");
        assert_eq!(&text, b"from another");
    }

    fn end_sends_what_is_written_and_then_fin_once(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(whole(&server, "end"), "the end");
        server.await_log("close: end: in order false");
        assert_eq!(whole(&server, "after"), "once");
        server.await_log("after: TypeError: write after end()");
    }

    fn close_drops_what_waits_and_resets(way) {
        let (_app, server) = start(way, &[]);
        assert!(is_cut(way, &rest(&mut ask(&server, "close"))));
        server.await_log("close: false");
        server.await_log("close: close: in order false");
        assert_eq!(rest(&mut ask(&server, "leave")), Ok(String::new()), "nothing waits: a FIN");
        server.await_log("in tcp.close: Error: close failed on purpose");
    }

    fn a_hook_that_throws_resets_its_connection_and_no_other(way) {
        let (_app, server) = start(way, &[]);
        let mut other = ask(&server, "share");
        for (name, logged) in [
            ("throws", "tcp.data failed: Error: hook failed on purpose"),
            ("rejects", "tcp.data failed: Error: hook rejected on purpose"),
            ("nothing", "tcp.data failed: undefined"),
        ] {
            let end = rest(&mut ask(&server, name));
            assert!(is_cut(way, &end) || name == "rejects", "{name}: {end:?}");
            server.await_log(logged);
        }
        server.await_log("close: throws: undefined: hook failed on purpose");
        let log = server.log();
        assert!(log.contains("app.js:"), "the stack has the place: {log}");
        assert_eq!(log.matches("tcp.data failed: Error: hook failed").count(), 1, "once: {log}");
        assert_eq!(whole(&server, "tell"), "true");
        let mut text = [0; 12];
        other.read_exact(&mut text).expect("the other connection lives");
    }

    fn a_hook_that_computes_too_long_ends_its_connection(way) {
        let (_app, server) = start(way, &["--cpu-max", "100ms"]);
        assert!(is_cut(way, &rest(&mut ask(&server, "spins"))));
        server.await_log("tcp.data failed: ");
        server.await_log("close: spins: ECANCELED: ");
        assert_eq!(whole(&server, "end"), "the end");
    }

    fn a_full_heap_closes_the_connections_of_its_context(way) {
        let (_app, server) = start(way, &["--heap-max", "16M"]);
        let mut other = ask(&server, "share");
        assert!(is_cut(way, &rest(&mut ask(&server, "oom"))));
        server.await_log("the JavaScript context is replaced");
        assert!(is_cut(way, &rest(&mut other)));
        assert_eq!(whole(&server, "end"), "the end", "the fresh context serves");
    }

    fn write_says_when_much_waits_and_drain_when_it_is_gone(way) {
        let (_app, server) = start(way, &[]);
        let mut stream = ask(&server, "flood");
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(rest(&mut stream).map(|text| text.len()), Ok(24 << 18));
        say_end(stream);
        server.await_log("drain: flood");
        server.await_log("close: flood: in order");
    }

    fn more_than_may_wait_resets_the_connection(way) {
        let (_app, server) = start(way, &["--write-buffer-max", "4M"]);
        let _stream = ask(&server, "swamp");
        server.await_log("bytes wait to be sent (--write-buffer-max)");
        server.await_log("close: swamp: ENOBUFS: ");
        assert_eq!(whole(&server, "end"), "the end");
    }

    fn all_that_waits_is_no_more_than_the_heap_may_be(way) {
        let (_app, server) = start(way, &["--write-buffer-max", "1G", "--heap-max", "16M"]);
        let _stream = ask(&server, "swamp");
        server.await_log("close: swamp: ENOMEM: ");
        assert_eq!(whole(&server, "end"), "the end");
    }

    fn nothing_is_received_while_paused(way) {
        let (_app, server) = start(way, &[]);
        let mut stream = ask(&server, "pause");
        stream.set_read_timeout(SOON).expect("timeout");
        let begin = Instant::now();
        std::thread::sleep(Duration::from_millis(20));
        send(&mut stream, b"hello");
        let mut count = [0; 2];
        stream.read_exact(&mut count).expect("a count");
        assert_eq!(&count, b"5;");
        assert!(begin.elapsed() >= Duration::from_millis(290), "{:?}", begin.elapsed());
    }

    fn bytes_that_an_app_keeps_stay_as_they_were(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("keeps\n");
        assert_eq!(client.read_exactly(1), b"!");
        for n in 0..20 {
            client.send(format!("message {n}"));
            assert_eq!(client.read_exactly(1), b".");
        }
        client.finish();
        let expected = (0..20).map(|n| format!("message {n}")).collect::<Vec<_>>().join("|");
        assert_eq!(String::from_utf8(client.read_to_end()).expect("text"), expected);
    }

    fn a_client_that_says_nothing_is_closed(way) {
        let (_app, server) = start(way, &["--idle-timeout", "300ms"]);
        let begin = Instant::now();
        assert_eq!(rest(&mut open(&server)), Ok(String::new()));
        assert!(begin.elapsed() >= Duration::from_millis(290), "{:?}", begin.elapsed());
        server.await_log("close: undefined: ETIMEDOUT: nothing moved for 300 ms (--idle-timeout)");
        // The app may say otherwise.
        let mut patient = ask(&server, "patient");
        patient.set_read_timeout(Duration::from_millis(900)).expect("timeout");
        let still_open = patient.read(&mut [0]).expect_err("nothing comes").kind();
        assert!(matches!(still_open, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        drop(server);
        let (_app, server) = start(way, &["--idle-timeout", "60s"]);
        assert_eq!(rest(&mut ask(&server, "waits")), Ok(String::new()));
        server.await_log("close: waits: ETIMEDOUT: nothing moved for 300 ms");
        assert_eq!(whole(&server, "wrong"), "RangeError,RangeError,RangeError,none,none");
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }

    fn a_client_that_reads_nothing_is_reset(way) {
        let (_app, server) = start(way, &["--write-timeout", "300ms"]);
        let _stream = ask(&server, "flood");
        server.await_log("close: flood: ETIMEDOUT: the client took nothing for 300 ms (--write-timeout)");
    }

    fn a_client_that_never_answers_our_fin_has_the_idle_time(way) {
        let app = app!("export default { tcp: { open(conn) { conn.timeout(0); conn.end('bye'); } } };");
        let server = Server::spawn_raw_at(way, &["--workers", "1", "--idle-timeout", "300ms"], app.path());
        let mut stream = open(&server);
        assert_eq!(rest(&mut stream).as_deref(), Ok("bye"));
        eventually("the seat is free", || stream.write_all(b"x").is_err() || {
            std::thread::sleep(Duration::from_millis(600));
            false
        });
    }

    fn half_open_connections_are_an_apps_choice(way) {
        let app = app!("export default { tcp: {
            allowHalfOpen: true,
            data(conn, bytes) { conn.data = (conn.data ?? 0) + bytes.length; },
            end(conn) { setTimeout(() => conn.end(`had ${conn.data}`), 50); },
        } };");
        let server = Server::spawn_raw_at(way, &["--workers", "1"], app.path());
        let mut stream = open(&server);
        send(&mut stream, b"1234567");
        stream.finish().expect("shutdown");
        assert_eq!(rest(&mut stream).as_deref(), Ok("had 7"));
    }

    fn clients_that_go_away_are_no_errors(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(whole(&server, "end"), "the end");
        let base = server.fd_count();
        for name in ["patient", "throws", "end", "close", "later", "flood", "share"] {
            for _ in 0..10 {
                let stream = ask(&server, name);
                if name != "end" {
                    stream.reset();
                }
            }
        }
        eventually("descriptors are back", || server.fd_count() <= base);
        let log = server.log();
        let errors = log.lines().filter(|line| line.contains("ERROR") && !line.contains("on purpose"));
        let errors: Vec<&str> = errors.filter(|line| !line.contains("more like this")).collect();
        assert!(errors.is_empty(), "{errors:?}");
        if way.over != Over::Unix {
            server.await_log("ECONNRESET");
        }
    }

    fn a_full_worker_accepts_no_more_until_a_connection_closes(way) {
        let (_app, server) = start(way, &["--connections-max", "1"]);
        let first = ask(&server, "patient");
        let place = server.place();
        let second = std::thread::spawn(move || rest(&mut ask_at(&place, "end")));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!second.is_finished(), "served beyond the limit");
        drop(first);
        assert_eq!(second.join().expect("no panic").as_deref(), Ok("the end"));
    }

    fn a_drain_waits_for_open_connections_and_then_cuts_them(way) {
        let (_app, mut server) = start(way, &["--drain-timeout", "5s"]);
        let mut stream = ask(&server, "keeps");
        stream.read_exact(&mut [0]).expect("read");
        send(&mut stream, b"one");
        stream.read_exact(&mut [0]).expect("read");
        server.signal(Signal::TERM);
        server.await_log("draining");
        send(&mut stream, b"two");
        stream.read_exact(&mut [0]).expect("served while it drains");
        stream.finish().expect("shutdown");
        assert_eq!(rest(&mut stream).as_deref(), Ok("one|two"));
        assert!(server.await_exit(SOON).success());

        let (_app, mut server) = start(way, &["--drain-timeout", "300ms"]);
        let mut stream = ask(&server, "keeps");
        stream.read_exact(&mut [0]).expect("read");
        send(&mut stream, b"one");
        stream.read_exact(&mut [0]).expect("read");
        server.signal(Signal::TERM);
        assert!(is_cut(way, &rest(&mut stream)));
        server.await_exit(SOON);
        let log = server.log();
        assert!(log.contains("close: keeps: ECONNABORTED: the worker ends"), "{log}");
    }

    fn a_worker_that_is_stuck_in_a_hook_is_replaced_and_the_client_named(way) {
        let app = app!("const walk = (holes) => { const list = []; list[holes] = 1; return list.values().drop(holes).next().done; };
            export default { tcp: { data(conn, bytes) { if (bytes[0] === 115) walk(2 ** 32 - 2); conn.end('fine'); } } };");
        let flags = ["--workers", "1", "--cpu-max", "50ms", "--stuck-timeout", "500ms"];
        let server = Server::spawn_raw_at(way, &flags, app.path());
        let stuck = ask(&server, "stuck");
        let client = stuck.tcp().map(|socket| socket.local_addr().expect("address").to_string());
        server.await_log(&format!("tcp {}", client.unwrap_or_default()));
        eventually("another worker serves", || {
            let mut stream = ask(&server, "well");
            stream.set_read_timeout(Duration::from_millis(500)).expect("timeout");
            let mut text = String::new();
            stream.read_to_string(&mut text).is_ok() && text == "fine"
        });
    }

}

both_backends! {
    fn open_gets_conn_env_and_ctx_and_hooks_are_called_on_their_object(io) {
        let (_app, server) = start(Way::tcp(io), &["--env", "HOOKS_TEST=value"]);
        assert_eq!(whole(&server, "args"), "hooks,value,true,true,,function");
    }

    fn one_app_may_have_fetch_and_tcp(io) {
        let app = app!(
            "export default {
               fetch: () => new Response('http'),
               tcp: { open(conn) { conn.end('tcp'); } },
             };"
        );
        let server = Server::spawn(&["--io", io, "--tcp", "0"], app.path());
        assert_eq!(Connection::open(server.addr_of("http")).get("/").text(), "http");
        assert_eq!(rest(&mut open_at(&server.addr_of("tcp").into())).as_deref(), Ok("tcp"));
    }
}

#[test]
fn hooks_that_are_none_are_refused_with_a_remedy() {
    for (source, said) in [
        ("export default { tcp: 5 };", "`tcp` is not an object of hooks"),
        ("export default { tcp: {} };", "`tcp` has neither `open` nor `data`"),
        ("export default { tcp: { data: 'x' } };", "`tcp.data` is not a function"),
        ("export default { tcp: { data() {} }, accept() {} };", "both `tcp` and `accept`"),
        ("export default { connect() {}, tcp: { data() {} } };", "both `tcp` and `connect`"),
    ] {
        let app = app!(source);
        let ended = support::server::run_to_end(&["--port", "0", app.path().to_str().expect("UTF-8")]);
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{source}: {ended:?}");
    }
}
