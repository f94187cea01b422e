//! A failing handler loses its own request and nothing else: LIMITS.md on JavaScript.
//!
//! Owns: endless, greedy, throwing and nonsensical handlers. Must not know: HTTP's limits.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{self, App, Connection, Server, Way, get};

/// `walk` goes on inside of the engine, which asks for no interrupt and no memory meanwhile.
const APP: &str = r#"
import { map } from "jsserve:shared";
const shared = map("calls");
const kept = [], walk = (holes) => { const list = []; list[holes] = 1; return list.values().drop(holes).next().done; };
const nonsense = {
  number: () => 42, undefined: () => undefined, null: () => null, string: () => "text", object: () => ({}),
  promised: async () => 42, thenable: () => ({ then(resolve) { resolve(42); } }),
  fake: () => Object.create(Response.prototype), class: () => Response,
};
const throwing = {
  error: () => { throw new Error("secret-of-the-app"); },
  rejected: async () => { await null; throw new Error("secret-of-the-app"); },
  late: () => new Promise((_, reject) => setTimeout(() => reject(new Error("secret-of-the-app")), 5)),
  null: () => { throw null; }, undefined: () => { throw undefined; }, symbol: () => { throw Symbol("s"); },
  hostile: () => { throw { get stack() { throw 1; }, get message() { throw 2; }, toString() { throw 3; } }; },
};
export default {
  async fetch(request) {
    const [, kind, name] = new URL(request.url).pathname.split("/");
    switch (kind) {
      case "nonsense": return nonsense[name]();
      case "throw": return throwing[name]();
      case "loop": for (;;) {}
      case "loop-later": await new Promise((resolve) => setTimeout(resolve, 5)); for (;;) {}
      case "jobs": for (;;) await null;
      case "recurse": { const deeper = () => deeper() + 1; return new Response(String(deeper())); }
      case "allocate": for (;;) kept.push(new Array(10_000).fill(0.5));
      case "allocate-text": { let text = "x"; for (;;) text += text + kept.push(text); }
      case "never": return new Promise(() => {});
      case "catch": try { for (;;) {} } finally { for (;;) {} }
      case "is-stuck": return new Response(String(shared.has("stuck")));
      case "stuck": shared.set("stuck", 1); return new Response(String(walk(2 ** 32 - 2)));
      case "stuck-a-while": return new Response(String(walk(20_000_000)));
      case "busy": { let n = 0; for (const end = Date.now() + 50; Date.now() < end;) for (let i = 0; i < 1000; i++) n++; for (n *= 30; n > 0; n--); return new Response("busy"); }
      case "upper": { const text = "\u00df".repeat(1 << 18); for (;;) text.toUpperCase(); }
      case "wait": await new Promise((resolve) => setTimeout(resolve, 20)); return new Response("waited");
      default: return new Response("ok");
    }
  },
};"#;

/// One worker with small limits; `times` are those of a turn and of a request.
fn start_with(way: Way, times: [&str; 2], more: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let flags = ["--workers", "1", "--heap-max", "8M", "--cpu-max", times[0], "--request-timeout", times[1]];
    let server = Server::spawn_at(way, &[&flags, more].concat(), app.path());
    (app, server)
}

fn start(way: Way, more: &[&str]) -> (App, Server) {
    start_with(way, ["50ms", "300ms"], more)
}

/// The status of one request on a connection of its own.
fn status(server: &Server, path: &str) -> u16 {
    Connection::open(server.place()).get(path).status
}

/// `path` answers one of `statuses`, while another request of the same worker goes on undisturbed.
fn fails_alone(server: &Server, path: &str, statuses: &[u16]) {
    let mut other = Connection::open(server.place());
    other.send(get("/wait"));
    let status = status(server, path);
    assert!(statuses.contains(&status), "{path} got {status}");
    assert_eq!(other.response("GET").text(), "waited", "the other request beside {path}");
    assert_eq!(other.get("/").text(), "ok", "after {path}");
}

every_way! {
    fn what_is_no_response_is_500(way) {
        let (_app, server) = start(way, &[]);
        for name in ["number", "undefined", "null", "string", "object", "promised", "thenable", "fake", "class"] {
            fails_alone(&server, &format!("/nonsense/{name}"), &[500]);
        }
    }

    fn what_throws_or_rejects_is_500_and_logged_with_its_place(way) {
        let (_app, server) = start(way, &[]);
        for name in ["error", "rejected", "late", "null", "undefined", "symbol", "hostile"] {
            fails_alone(&server, &format!("/throw/{name}"), &[500]);
        }
        let response = Connection::open(server.place()).get("/throw/error");
        let everything = format!("{:?} {}", response.fields, response.text());
        assert!(!everything.contains("secret-of-the-app"), "the client sees the error: {everything}");
        server.await_log("secret-of-the-app");
        server.await_log("app.js:11"); // where `error` throws
    }

    fn an_error_is_logged_once(way) {
        let (_app, server) = start(way, &[]);
        assert_eq!(status(&server, "/throw/error"), 500);
        assert_eq!(status(&server, "/nonsense/number"), 500);
        server.await_log("secret-of-the-app");
        assert_eq!(server.log().matches("secret-of-the-app").count(), 1, "{}", server.log());
    }

    fn dev_shows_the_error_to_the_client(way) {
        let (_app, server) = start(way, &["--dev"]);
        let response = Connection::open(server.place()).get("/throw/rejected");
        assert_eq!(response.status, 500);
        assert!(response.text().contains("secret-of-the-app"), "{}", response.text());
        assert!(response.text().contains("app.js:12"), "{}", response.text());
    }

    fn endless_code_is_503(way) {
        let (_app, server) = start(way, &[]);
        for path in ["/loop", "/loop-later", "/jobs", "/catch"] {
            fails_alone(&server, path, &[503]);
        }
        // The engine knows the line of the last call, not of the loop.
        server.await_log("at fetch (");
        server.await_log("app.js:2");
    }

    fn endless_recursion_is_500(way) {
        let (_app, server) = start(way, &[]);
        fails_alone(&server, "/recurse", &[500]);
        server.await_log("RangeError");
    }

    fn endless_allocation_is_503_and_the_worker_goes_on(way) {
        let (_app, server) = start_with(way, ["10s", "10s"], &[]);
        for path in ["/allocate", "/allocate-text", "/allocate"] {
            let status = status(&server, path);
            assert!([500, 503].contains(&status), "{path} got {status}");
            assert_eq!(Connection::open(server.place()).get("/").text(), "ok", "after {path}");
        }
    }

    fn what_never_settles_is_503_after_the_request_timeout(way) {
        let (_app, server) = start(way, &[]);
        fails_alone(&server, "/never", &[503]);
    }

    fn a_thousand_failures_in_a_row_leave_nothing_behind(way) {
        let (_app, server) = start_with(way, ["20ms", "100ms"], &[]);
        let kinds = [
            "/loop",
            "/recurse",
            "/allocate",
            "/throw/error",
            "/throw/rejected",
            "/never",
            "/nonsense/number",
            "/jobs",
        ];
        let round = |requests: usize| {
            std::thread::scope(|scope| {
                for client in 0..4 {
                    let server = &server;
                    scope.spawn(move || {
                        for n in 0..requests / 4 {
                            let status = status(server, kinds[(n + client) % kinds.len()]);
                            assert!(
                                [500, 503].contains(&status),
                                "{} got {status}",
                                kinds[(n + client) % kinds.len()]
                            );
                        }
                    });
                }
            });
            assert_eq!(status(&server, "/"), 200);
        };
        round(100); // allocators take what they keep
        let (memory, descriptors) = (server.rss_bytes(), server.fd_count());
        round(1000);
        support::eventually("descriptors are back", || server.fd_count() <= descriptors);
        let after = server.rss_bytes();
        assert!(after <= memory + (8 << 20), "resident memory went from {memory} to {after} bytes");
    }

    fn a_worker_stuck_in_a_builtin_is_replaced(way) {
        let (_app, mut server) = start(way, &["--stuck-timeout", "500ms"]);
        let mut stuck = Connection::open(server.place());
        stuck.send(get("/stuck"));
        support::eventually("another worker answers", || {
            // A handshake may have gone to the worker that is in the call.
            let opened = Connection::try_open(server.place(), Duration::from_millis(500));
            let Ok(mut client) = opened else { return false };
            client.send(get("/"));
            !client.stays_silent(Duration::from_millis(200))
                && client.try_response("GET").is_ok_and(|response| response.text() == "ok")
        });
        server.await_log("/stuck"); // what the worker was serving
        assert!(server.is_alive());
    }

    fn connections_that_wait_for_a_worker_in_a_long_call_are_served_by_the_others(way) {
        let app = app!(APP);
        let flags = "--workers 2 --cpu-max 100ms --request-timeout 2m --stuck-timeout 2m";
        let server = Server::spawn_at(way, &flags.split(' ').collect::<Vec<_>>(), app.path());
        let mut late = Connection::open(server.place());
        late.send(get("/stuck"));
        support::eventually("the call begins", || {
            // A handshake may have gone to the worker that is in the call.
            let opened = Connection::try_open(server.place(), Duration::from_millis(500));
            let Ok(mut client) = opened else { return false };
            client.send(get("/is-stuck"));
            !client.stays_silent(Duration::from_millis(500))
                && client.try_response("GET").is_ok_and(|response| response.text() == "true")
        });
        // The kernel gives half of them to the worker that is in the call.
        for _ in 0..16 {
            assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
        }
        assert!(late.stays_silent(Duration::from_millis(1)), "the call went on all the time");
        assert!(!server.log().contains("takes its place"), "{}", server.log());
    }
}

/// The answer of a worker that was stuck: its thread has only the time that no other wants.
fn patiently(client: &mut Connection) -> String {
    (0..12).find_map(|_| client.try_response("GET").ok()).expect("an answer").text().to_owned()
}

every_way! {
    // A debugger, a container that is paused, a shell's Ctrl-Z.
    fn time_in_which_the_process_is_stopped_is_nobodys(way) {
        let (_app, server) = start_with(way, ["60s", "60s"], &["--stuck-timeout", "2500ms"]);
        let mut client = Connection::open(server.place());
        client.send(get("/busy"));
        // The watch has seen the turn by then.
        std::thread::sleep(Duration::from_millis(700));
        server.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(4));
        server.signal(Signal::CONT);
        assert_eq!(client.response("GET").text(), "busy");
        assert!(!server.log().contains("stuck for"), "{}", server.log());
    }

    fn workers_stuck_one_after_the_other_are_replaced_and_finish_and_the_drain_is_clean(way) {
        let (_app, mut server) = start_with(way, ["10s", "60s"], &["--stuck-timeout", "100ms"]);
        let mut stuck = Vec::new();
        for count in 1..=2 {
            let mut client = Connection::open(server.place());
            client.send(get("/stuck-a-while"));
            stuck.push(client);
            support::eventually("the stuck worker is replaced", || {
                server.log().matches("takes its place").count() == count
            });
            // On the worker that is stuck, or on the next: it is handed over.
            assert_eq!(Connection::open(server.place()).get("/").text(), "ok", "beside {count} stuck workers");
        }
        for client in &mut stuck {
            assert_eq!(patiently(client), "false");
            assert!(client.read_to_end().is_empty());
        }
        // One that has come to itself may take a last connection from a listener that all share.
        support::eventually("the last worker is watched", || {
            let mut again = Connection::open(server.place());
            again.send(get("/stuck-a-while"));
            assert_eq!(patiently(&mut again), "false");
            server.log().matches("takes its place").count() == 3
        });
        assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.await_exit(support::SOON).code(), Some(0), "{}", server.log());
    }

    fn a_loop_of_built_ins_without_an_interrupt_is_503_and_its_worker_lives_on(way) {
        // A long time for the watchdog: what ends the call comes before it.
        let (_app, server) = start_with(way, ["50ms", "2m"], &["--stuck-timeout", "3s"]);
        let mut client = Connection::open(server.place());
        client.send(get("/upper"));
        assert!(patiently_response(&mut client) == 503, "{}", server.log());
        server.await_log("GET /upper: its memory is taken");
        assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
        assert!(!server.log().contains("takes its place"), "{}", server.log());
    }
}

/// The status that comes some time.
fn patiently_response(client: &mut Connection) -> u16 {
    (0..12).find_map(|_| client.try_response("GET").ok()).expect("an answer").status
}

/// Has a worker stuck in `path` until it is replaced, as the `count`-th; the client that waits for it.
fn stuck(server: &Server, path: &str, count: usize) -> Connection {
    let mut client = Connection::open(server.place());
    client.send(get(path));
    support::eventually("the stuck worker is replaced", || {
        server.log().matches("takes its place").count() == count
    });
    client
}

every_way! {
    fn stuck_threads_get_least_priority_and_do_not_hold_up_the_drain(way) {
        let (_app, mut server) = start(way, &["--stuck-timeout", "300ms"]);
        let _stuck = [stuck(&server, "/stuck", 1), stuck(&server, "/stuck?2", 2)];
        assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
        let nice = server.nice_values("worker-");
        assert_eq!(nice.iter().filter(|nice| **nice == 19).count(), 2, "{nice:?}");
        let begin = std::time::Instant::now();
        server.signal(rustix::process::Signal::TERM);
        // Well below the drain's time, 10 s.
        assert_eq!(server.await_exit(Duration::from_secs(8)).code(), Some(0), "{}", server.log());
        assert!(begin.elapsed() < Duration::from_secs(8));
    }

    fn a_worker_that_gets_stuck_before_the_drain_is_not_waited_for(way) {
        let (_app, mut server) = start(way, &["--stuck-timeout", "1s", "--drain-timeout", "2m"]);
        let mut client = Connection::open(server.place());
        client.send(get("/stuck"));
        std::thread::sleep(Duration::from_millis(500));
        server.signal(rustix::process::Signal::TERM);
        // Long before the drain's time. What it waits for is the thread's own time, of which a busy machine gives little.
        assert_eq!(server.await_exit(Duration::from_secs(60)).code(), Some(0), "{}", server.log());
        assert!(server.log().contains("stuck in GET /stuck: not waited for"), "{}", server.log());
    }

    fn a_route_whose_turns_get_stuck_is_refused_for_a_while(way) {
        let (_app, server) = start(way, &["--stuck-timeout", "200ms", "--stuck-turns-max", "2", "--refuse-time", "3s"]);
        let _stuck = [stuck(&server, "/stuck?a", 1), stuck(&server, "/stuck?b", 2)];
        server.await_log("GET /stuck is refused with 503 for 3000 ms");
        let mut client = Connection::open(server.place());
        let response = client.get("/stuck?c");
        assert_eq!((response.status, response.field("connection")), (503, Some("close")));
        assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
        std::thread::sleep(Duration::from_secs(3));
        drop(stuck(&server, "/stuck?d", 3));
        assert_eq!(status(&server, "/stuck?e"), 503, "it is refused again with the next");
    }

    fn too_many_stuck_threads_end_the_server_in_order(way) {
        let (_app, mut server) = start(way, &["--stuck-timeout", "200ms", "--stuck-threads-max", "2"]);
        let _first = stuck(&server, "/stuck?a", 1);
        let mut second = Connection::open(server.place());
        second.send(get("/stuck?b"));
        assert_eq!(server.await_exit(support::SOON).code(), Some(1), "{}", server.log());
        assert!(server.log().contains("2 threads are stuck (--stuck-threads-max)"), "{}", server.log());
    }

    fn an_unhandled_rejection_is_logged_and_the_server_goes_on(way) {
        let app = app!(fetch "Promise.reject(new Error('nobody cares')); return new Response('ok');");
        let server = Server::spawn_at(way, &["--workers", "1"], app.path());
        let mut client = Connection::open(server.place());
        assert_eq!(client.get("/").text(), "ok");
        server.await_log("nobody cares");
        assert_eq!(client.get("/").text(), "ok");
    }

    fn patched_prototypes_do_not_break_the_server(way) {
        let app = app!(
            "const broken = () => { throw new Error('patched'); };
             Promise.prototype.then = broken; Promise.prototype.catch = broken; Array.prototype.push = broken;
             Array.prototype[Symbol.iterator] = broken; Object.prototype.toString = broken; Map.prototype.get = broken;
             export default { fetch: async () => new Response('ok', { headers: { a: 'b' } }) };"
        );
        let server = Server::spawn_at(way, &["--workers", "1"], app.path());
        let response = Connection::open(server.place()).get("/");
        assert_eq!((response.status, response.text(), response.field("a")), (200, "ok", Some("b")));
    }
}
