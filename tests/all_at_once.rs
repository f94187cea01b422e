//! Clients and handlers that do their worst, all at once, beside 64 that behave well on the same workers.
//!
//! Owns: the worst of them, for some seconds: JSSERVE_WORST_SECONDS says how many. What is measured: answers,
//! waits, memory, the end. A program of its own: it takes both cores. Must not know: which limit holds which
//! of them.

#[macro_use]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Connection, Server, get};

const APP: &str = r#"
const empty = () => new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(0)); } });
const inflate = async () => {
  const zeros = new Blob([new Uint8Array(1 << 20)]).stream().pipeThrough(new CompressionStream("gzip"));
  let bytes = 0;
  for await (const chunk of zeros.pipeThrough(new DecompressionStream("gzip"))) bytes += chunk.length;
  return new Response(String(bytes));
};
const worst = {
  empty: () => new Response(empty()),
  tee: () => new Response(empty().tee()[1]),
  upload: (url) => fetch(url.origin + "/swallow", { method: "POST", duplex: "half", body: empty() }),
  compile: () => { new Function("for(;;){for(;;)break;for(;;)break;for(;;)break}")(); },
  stuck: () => Array.prototype.reverse.call({ length: 2 ** 53 - 1 }),
  loop: () => { for (;;); },
  jobs: async () => { for (;;) await null; },
  heap: () => { const all = []; for (;;) all.push(new Array(1000).fill(0.5)); },
  timers: () => { for (let n = 0; n < 10; n++) setInterval(() => {}, 0); return new Response("set"); },
  signals: () => { for (let n = 0; n < 100; n++) AbortSignal.timeout(30_000); return new Response("set"); },
  derive: async () => {
    const key = await crypto.subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 2_000_000 };
    return new Response(await crypto.subtle.deriveBits(how, key, 256));
  },
  inflate,
};
export default {
  async fetch(request) {
    const url = new URL(request.url);
    return await worst[url.pathname.slice(1)]?.(url) ?? new Response("ok");
  },
  async connect(socket) { await socket.readable.pipeTo(socket.writable); },
};"#;

/// Requests to be sent again and again, with how long their clients stay.
const WORST: [(&str, u64); 11] = [
    ("/empty", 700),
    ("/tee", 300),
    ("/upload", 500),
    ("/compile", 200),
    ("/loop", 300),
    ("/jobs", 300),
    ("/heap", 2000),
    ("/timers", 500),
    ("/signals", 100),
    ("/derive", 50),
    ("/inflate", 1000),
];
/// What the watchdog waits for.
const WATCHDOG: Duration = Duration::from_secs(3);

/// For how long; given for a release build on a quiet machine, where the waits count, too.
fn given_seconds() -> Option<u64> {
    std::env::var("JSSERVE_WORST_SECONDS").ok().and_then(|text| text.parse().ok())
}

/// How long anybody may wait.
fn wait_max() -> Duration {
    if given_seconds().is_some() { WATCHDOG } else { Duration::from_secs(180) }
}

/// Between two requests of one that does its worst: a debug build on a busy machine has enough of fewer.
fn pause() -> Duration {
    Duration::from_millis(if given_seconds().is_some() { 50 } else { 700 })
}

/// Sends `path` and leaves some time after, again and again.
fn misbehave(addr: SocketAddr, path: &str, stays: Duration, end: Instant) {
    while Instant::now() < end {
        if let Ok(mut stream) = TcpStream::connect(addr) {
            let _ = stream.set_read_timeout(Some(stays));
            let _ = stream.write_all(get(path).as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
        std::thread::sleep(pause());
    }
}

/// Connections that send as much as goes to an echo and read it.
fn flood(addr: SocketAddr, end: Instant) {
    let Ok(stream) = TcpStream::connect(addr) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
    let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
    let bytes = vec![7; 64 << 10];
    let (mut output, mut input) = (&stream, &stream);
    while Instant::now() < end {
        let _ = output.write(&bytes);
        let _ = input.read(&mut [0; 32 << 10]);
    }
}

/// A client that behaves well: the longest that it waited for an answer, and how many it got. On a worker that
/// is stuck nobody answers: there it asks again on a new connection, which another worker has.
fn behave(addr: SocketAddr, end: Instant, stuck: bool) -> (Duration, usize) {
    let (mut client, mut longest, mut answers) = (Connection::open(addr), Duration::ZERO, 0);
    while Instant::now() < end {
        let begin = Instant::now();
        client.send(get("/"));
        while client.stays_silent(WATCHDOG) {
            assert!(begin.elapsed() < wait_max() + WATCHDOG, "no answer for {:?}", begin.elapsed());
            if stuck {
                client = Connection::open(addr);
                client.send(get("/"));
            }
        }
        let response = client.try_response("GET").expect("an answer");
        assert_eq!((response.status, response.text()), (200, "ok"));
        longest = longest.max(begin.elapsed());
        answers += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    (longest, answers)
}

fn everything(io: &str, stuck: bool) {
    let app = app!(APP);
    let flags = [
        "--io",
        io,
        "--workers",
        "2",
        "--port",
        "0",
        "--tcp",
        "0",
        "--heap-max",
        "32M",
        "--cpu-max",
        "100ms",
        "--request-timeout",
        "2s",
        "--drain-timeout",
        "2m",
    ];
    let mut server = Server::spawn(&flags, app.path());
    let (http, tcp) = (server.addr_of("http"), server.addr_of("tcp"));
    for _ in 0..20 {
        assert_eq!(Connection::open(http).get("/").text(), "ok");
    }
    let base = server.rss_bytes();
    let span = Duration::from_secs(given_seconds().unwrap_or(4));
    let end = Instant::now() + span;
    let waits = std::thread::scope(|scope| {
        for (path, ms) in WORST {
            scope.spawn(move || misbehave(http, path, Duration::from_millis(ms), end));
        }
        for _ in 0..3 {
            scope.spawn(move || flood(tcp, end));
        }
        if stuck {
            scope.spawn(move || misbehave(http, "/stuck", span / 2, end));
        }
        let good: Vec<_> = (0..64).map(|_| scope.spawn(move || behave(http, end, stuck))).collect();
        good.into_iter().map(|client| client.join().expect("a client is served")).collect::<Vec<_>>()
    });
    let (longest, answers) =
        waits.iter().fold((Duration::ZERO, 0), |(l, a), (wait, n)| (l.max(*wait), a + n));
    println!("{io}: {answers} answers, the longest wait {longest:?}");
    let bound = if stuck { wait_max() + WATCHDOG } else { wait_max() };
    assert!(longest <= bound, "one waited for {longest:?}");
    if !stuck {
        // What stays behind of timers and signals is the app's own, and small.
        let deadline = Instant::now() + 3 * support::SOON;
        while server.rss_bytes() > base + (32 << 20) {
            assert!(
                Instant::now() < deadline,
                "{} KiB are resident, {} before",
                server.rss_bytes() >> 10,
                base >> 10
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    server.signal(Signal::TERM);
    assert_eq!(server.await_exit(Duration::from_secs(150)).code(), Some(0), "{}", server.log());
}

both_backends! {
    fn the_worst_of_all_at_once_beside_sixty_four_good_clients_on(io) {
        everything(io, false);
    }

    fn the_worst_and_stuck_workers_beside_sixty_four_good_clients_on(io) {
        everything(io, true);
    }
}
