//! Exchanges over a wire of memory: a second implementation of [`Wire`], without a connection, several of
//! which are served at a time, as streams of HTTP/2 are.
//!
//! Owns: a client that does what a test says, what it would see. Must not know: HTTP/1.1.

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::io::Result as IoResult;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use runtime::app::fetch::{BodyError, Fields, Head, HeaderList, Reply, Takes};
use runtime::app::{App, Blueprint, Engines};
use runtime::config::{Config, IoChoice, Limits, Listen, LogFormat, NATIVE_STACK_BYTES, Scheme};
use runtime::io::{self, Backend, IoOptions};
use runtime::worker::{Ends, SharedByWorkers, Stopped, Worker};

use super::exchange;
use super::rejection::Rejection;
use super::tally::{Tally, Transferred};
use super::timeouts::Timeouts;
use super::wire::{AnswerBody, BodyFailure, Departure, Ending, Received, RequestRest, Wire};
use crate::tunnel::ClientTunnel;

const APP: &str = r#"
const events = []
const left = (request) => new Promise((done) => { request.signal.onabort = done })
export default {
  async fetch(request, env, ctx) {
    switch (new URL(request.url).pathname) {
      case "/hello": return new Response("hello")
      case "/url": return new Response(request.url)
      case "/events": return new Response(events.splice(0).join())
      case "/text": return new Response(await request.text())
      case "/part": {
        request.signal.onabort = () => events.push("aborted")
        try { await request.text() } catch (error) { events.push(error.message) }
        return new Response("for nobody")
      }
      case "/left": await left(request); return new Response("finished")
      case "/gives-up": await left(request); throw new Error("for nobody")
      case "/never": return new Promise(() => {})
      case "/echo": return new Response(request.body)
      case "/endless": return new Response(new ReadableStream({
        pull(c) { c.enqueue(new Uint8Array(1 << 16)) },
        cancel(why) { events.push(`cancelled: ${why.name}`) },
      }))
      case "/quiet": return new Response(new ReadableStream({
        start(c) { c.enqueue(new Uint8Array(1)) },
        cancel(why) { events.push(`cancelled: ${why.name}`) },
      }))
      case "/slow": {
        let left = 8
        return new Response(new ReadableStream({ async pull(c) {
          await new Promise((f) => setTimeout(f, 60)); c.enqueue(new Uint8Array(1)); if (--left === 0) c.close()
        } }))
      }
      case "/breaks": return new Response(new ReadableStream({ pull(c) { c.error(new Error("broken")) } }))
      case "/blob": return new Response(new Blob(["x".repeat(1 << 17)]))
      case "/hints": ctx.earlyHints({ a: "1" }); await new Promise((go) => setTimeout(go, 1)); ctx.earlyHints({ b: "2" }); return new Response("hinted")
      case "/trailers": ctx.trailers({ sum: "1" }); return new Response("with trailers")
      case "/trailers-late": return new Response(new ReadableStream({ pull(c) { ctx.trailers({ sum: "2" }); c.close() } }))
      case "/later": ctx.waitUntil(request.text().then((text) => events.push(text))); return new Response("early")
    }
  }
}
"#;

/// What the client does next.
enum Act {
    /// Sends a piece of its body.
    Piece(&'static str),
    /// Sends the last one.
    Last(&'static str),
    /// Is gone in the middle of its body.
    Abort,
    /// Sends nothing more, or leaves.
    Leave(Departure),
}

/// A wire of memory.
struct MemoryWire {
    target: &'static str,
    acts: VecDeque<Act>,
    expects_continue: bool,
    /// The client takes nothing.
    is_stuck: bool,
    /// The next act lets the exchange wait once.
    is_late: bool,
    /// Written, and not being sent.
    unsent: usize,
    is_sending: bool,
    taken: u64,
    /// What the client would see, an item each.
    seen: Vec<String>,
    tally: Tally,
}

struct MemoryHead(&'static str);

impl Head for MemoryHead {
    fn method(&self) -> &str {
        "POST"
    }

    fn authority(&self) -> &str {
        "in.memory"
    }

    fn path_and_query(&self) -> &str {
        self.0
    }

    fn fields(&self, _f: &mut dyn FnMut(&[u8], &[u8])) {}
}

/// Fields as a test compares them.
fn shown(fields: &HeaderList) -> Vec<u8> {
    fields.iter().map(|(name, value)| [name, b": ", value].concat()).collect::<Vec<_>>().join(&b", "[..])
}

impl MemoryWire {
    fn new(target: &'static str, acts: impl IntoIterator<Item = Act>) -> Self {
        MemoryWire {
            target,
            acts: acts.into_iter().collect(),
            expects_continue: false,
            is_stuck: false,
            is_late: false,
            unsent: 0,
            is_sending: false,
            taken: 0,
            seen: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The next act, each after a wait.
    fn poll_act(&mut self, cx: &Context<'_>) -> Poll<Act> {
        self.is_late = !self.is_late;
        if self.is_late {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.acts.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn write(&mut self, kind: &str, bytes: &[u8]) {
        self.unsent += bytes.len();
        self.seen.push(format!("{kind} {}", String::from_utf8_lossy(bytes)));
    }
}

impl Wire for MemoryWire {
    fn head(&self) -> Rc<dyn Head> {
        Rc::new(MemoryHead(self.target))
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn transferred(&self) -> Transferred {
        Transferred { received: 0, sent: self.taken, body: self.taken }
    }

    fn method_and_target(&self) -> (&[u8], &[u8]) {
        (b"POST", self.target.as_bytes())
    }

    fn version(&self) -> &'static str {
        "1.1"
    }

    fn scheme(&self) -> &'static str {
        "https"
    }

    fn is_misdirected(&self) -> bool {
        false
    }

    fn ends(&self) -> Rc<Ends> {
        let end = |port| SocketAddr::from(([127, 0, 0, 1], port)).into();
        Rc::new(Ends { peer: end(1), local: end(2), tls: None })
    }

    fn is_proxied(&self) -> bool {
        false
    }

    fn takes(&self) -> Takes {
        Takes { informational: true, trailers: true }
    }

    fn has_body(&self) -> bool {
        self.acts.iter().any(|act| !matches!(act, Act::Leave(_)))
    }

    fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    fn begin_body(&mut self, _bytes_max: u64, _sink: &mut impl FnMut(&[u8])) -> Result<Received, Rejection> {
        Ok(Received { bytes: 0, end: false })
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<Received, BodyFailure>> {
        if self.expects_continue && !self.seen.iter().any(|seen| seen == "continue ") {
            return Poll::Pending;
        }
        self.poll_act(cx).map(|act| match act {
            Act::Piece(text) | Act::Last(text) => {
                sink(text.as_bytes());
                Ok(Received { bytes: text.len() as u64, end: matches!(act, Act::Last(_)) })
            }
            Act::Abort | Act::Leave(_) => Err(BodyFailure { why: BodyError::Aborted, rejection: None }),
        })
    }

    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        match self.poll_act(cx) {
            Poll::Ready(Act::Leave(departure)) => Poll::Ready(departure),
            _ => Poll::Pending,
        }
    }

    fn needs_rest(&self) -> bool {
        false
    }

    fn write_continue(&mut self) {
        self.write("continue", b"");
    }

    fn write_informational(&mut self, status: u16, fields: &HeaderList) {
        let fields = shown(fields);
        self.write(&format!("{status}"), &fields);
    }

    fn write_head(&mut self, reply: &Reply<'_>, rest: RequestRest) -> AnswerBody {
        let fields = match reply.headers {
            Fields::ContentType(kind) => usize::from(kind.is_some()),
            Fields::List(list) => list.len(),
        };
        let head = format!("{} {fields} {rest:?} ", reply.status);
        self.write(&head, reply.body.unwrap_or_default());
        AnswerBody { length: reply.length, ..AnswerBody::default() }
    }

    fn open_tunnel(&mut self, _reply: &Reply<'_>, _tunnel: ClientTunnel) {}

    fn write_piece(&mut self, piece: &[u8]) {
        self.write("piece", piece);
    }

    fn write_end(&mut self, trailers: Option<&HeaderList>) {
        let trailers = trailers.map(shown).unwrap_or_default();
        self.write("end", &trailers);
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Stopped>> {
        ready(Ok(()))
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent
    }

    fn start_send(&mut self) {
        assert!(!std::mem::replace(&mut self.is_sending, true), "a send is in flight");
        self.taken += if self.is_stuck { 0 } else { self.unsent as u64 };
        self.unsent = 0;
    }

    fn is_sending(&self) -> bool {
        self.is_sending
    }

    fn poll_sent(&mut self, _cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        if self.is_stuck {
            return Poll::Pending;
        }
        self.is_sending = false;
        Poll::Ready(Ok(()))
    }

    fn send_progress(&self) -> u64 {
        self.taken
    }
}

/// The exchange on `wire`: how it ends, and what the client sees.
async fn serve(worker: &Rc<Worker>, mut wire: MemoryWire) -> (Ending, Vec<String>) {
    let ending = exchange::run(&mut wire, worker, &Timeouts::default()).await;
    (ending, wire.seen)
}

/// What the app noted since the last call.
async fn events(worker: &Rc<Worker>) -> String {
    let (ending, seen) = serve(worker, MemoryWire::new("/events", [])).await;
    assert_eq!(ending, Ending::Complete);
    seen.concat().trim_start_matches("200 1 Taken ").trim().to_owned()
}

/// Runs `test` on a worker that has the app and listens nowhere.
fn on_worker<F: Future<Output = ()> + 'static>(
    limits: Limits,
    test: impl FnOnce(Rc<Worker>) -> F + Send + 'static,
) {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("jsserve-wire-{}-{number}.mjs", std::process::id()));
    std::fs::write(&path, APP).expect("an app");
    let config = Arc::new(Config {
        app: path.clone(),
        args: Vec::new(),
        file: None,
        env: Vec::new(),
        listen: vec![Listen::new(Scheme::Http, SocketAddr::from(([127, 0, 0, 1], 0)))],
        tls: Vec::new(),
        self_signed: None,
        acme: None,
        site: None,
        proxies: Vec::new(),
        files: Default::default(),
        cgi: Default::default(),
        trusted_proxies: Default::default(),
        forwarded_fields: Default::default(),
        workers: 1,
        io: IoChoice::Epoll,
        http2: true,
        dev: false,
        quiet: true,
        log: LogFormat::Text,
        answers: Default::default(),
        heap_from_cgroup: false,
        crons: Vec::new(),
        permissions: Default::default(),
        access_log: None,
        admin: None,
        reload: Default::default(),
        listens_by_default: false,
        account: None,
        sources: Default::default(),
        limits,
    });
    let blueprint = Arc::new(Blueprint::compile(config.clone()).expect("the app compiles"));
    std::fs::remove_file(path).expect("remove");
    let stack = NATIVE_STACK_BYTES + config.limits.stack_bytes_max;
    let worker = move || {
        io::run(Backend::Epoll, &IoOptions::default(), || async {
            let app = App::load(blueprint, 0, Engines::default()).await.expect("the app loads");
            test(Worker::new(0, config, app, Arc::default(), SharedByWorkers::default(), 1)).await;
        })
        .expect("a worker");
    };
    std::thread::Builder::new().stack_size(stack).spawn(worker).expect("a thread").join().expect("no panic");
}

fn seen(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn an_answer_at_once_is_one_write_and_says_the_scheme_of_its_wire() {
    on_worker(Limits::default(), |worker| async move {
        let answer = serve(&worker, MemoryWire::new("/hello", [])).await;
        assert_eq!(answer, (Ending::Complete, seen(&["200 1 Taken  hello"])));
        let (_, url) = serve(&worker, MemoryWire::new("/url?a", [])).await;
        assert_eq!(url, seen(&["200 1 Taken  https://in.memory/url?a"]));
    });
}

#[test]
fn a_body_in_pieces_reaches_the_app_and_is_asked_for_once() {
    on_worker(Limits::default(), |worker| async move {
        let mut wire = MemoryWire::new("/text", [Act::Piece("a"), Act::Piece("b"), Act::Last("c")]);
        wire.expects_continue = true;
        let answer = serve(&worker, wire).await;
        assert_eq!(answer, (Ending::Complete, seen(&["continue ", "200 1 Taken  abc"])));
        let echo = serve(&worker, MemoryWire::new("/echo", [Act::Piece("a"), Act::Last("b")])).await;
        let pieces = seen(&["200 0 Taken  ", "piece a", "piece b", "end "]);
        assert_eq!(echo, (Ending::Complete, pieces));
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_aborts_the_request() {
    on_worker(Limits::default(), |worker| async move {
        let answer = serve(&worker, MemoryWire::new("/part", [Act::Piece("a"), Act::Abort])).await;
        assert_eq!(answer, (Ending::Lost, Vec::new()));
        let why = "The client closed the connection before the request body ended";
        let events = events(&worker).await;
        assert!(events.contains("aborted") && events.contains(why), "{events}");
    });
}

#[test]
fn a_client_that_leaves_while_the_app_works_aborts_the_request() {
    on_worker(Limits::default(), |worker| async move {
        let leave = |target, departure| serve(&worker, MemoryWire::new(target, [Act::Leave(departure)]));
        // It may only be done with sending.
        let answer = leave("/left", Departure::Finished).await;
        assert_eq!(answer, (Ending::Complete, seen(&["200 1 Taken  finished"])));
        assert_eq!(leave("/gives-up", Departure::Finished).await, (Ending::Left, Vec::new()));
        assert_eq!(leave("/left", Departure::Gone).await, (Ending::Lost, Vec::new()));
        let (ending, _) = leave("/endless", Departure::Finished).await;
        assert_eq!((ending, events(&worker).await.as_str()), (Ending::Lost, "cancelled: AbortError"));
    });
}

#[test]
fn a_client_that_takes_nothing_has_the_write_time() {
    let limits = Limits { write_stall_ms_max: 50, ..Limits::default() };
    on_worker(limits, |worker| async move {
        let mut wire = MemoryWire::new("/endless", []);
        wire.is_stuck = true;
        let (ending, seen) = serve(&worker, wire).await;
        // One piece is being sent, and as much waits.
        assert_eq!((ending, seen.len()), (Ending::Lost, 3));
        assert_eq!(events(&worker).await, "cancelled: AbortError");
    });
}

#[test]
fn the_time_of_a_request_and_of_a_pause_in_its_body_are_bounded() {
    let limits = Limits { request_ms_max: 400, body_stall_ms_max: 50, ..Limits::default() };
    on_worker(limits, |worker| async move {
        let timed_out = serve(&worker, MemoryWire::new("/never", [])).await;
        assert_eq!(timed_out, (Ending::Complete, seen(&["503 1 Taken  503 Service Unavailable\n"])));
        let paused = serve(&worker, MemoryWire::new("/text", [Act::Piece("a")])).await;
        assert_eq!(paused, (Ending::Unread, seen(&["408 1 Refused  408 Request Timeout\n"])));
    });
}

#[test]
fn a_response_that_sends_goes_on_beyond_the_time_of_a_request_and_one_that_is_silent_does_not() {
    let limits = Limits { request_ms_max: 100, idle_ms_max: 300, ..Limits::default() };
    on_worker(limits, |worker| async move {
        let mut wire = MemoryWire::new("/slow", []);
        let ending = exchange::run(&mut wire, &worker, &Timeouts::default()).await;
        assert_eq!((ending, wire.taken), (Ending::Complete, 8), "its head is in time, and each piece");
        let mut wire = MemoryWire::new("/quiet", []);
        let ending = exchange::run(&mut wire, &worker, &Timeouts::default()).await;
        assert_eq!((ending, wire.taken), (Ending::CutShort, 1));
        assert_eq!(events(&worker).await, "cancelled: TimeoutError");
    });
}

#[test]
fn a_body_that_is_read_after_the_answer_comes_and_one_that_is_not_is_left() {
    on_worker(Limits::default(), |worker| async move {
        let early = serve(&worker, MemoryWire::new("/later", [Act::Piece("a"), Act::Last("b")])).await;
        assert_eq!(early, (Ending::Complete, seen(&["200 1 Taken  early"])));
        assert_eq!(events(&worker).await, "ab");
        let unread = serve(&worker, MemoryWire::new("/hello", [Act::Last("a")])).await;
        assert_eq!(unread, (Ending::Unread, seen(&["200 1 Unread  hello"])));
        let broken = serve(&worker, MemoryWire::new("/breaks", [])).await;
        assert_eq!(broken, (Ending::CutShort, seen(&["200 0 Taken  "])));
    });
}

#[test]
fn early_hints_stand_before_the_answer_and_trailers_behind_it() {
    on_worker(Limits::default(), |worker| async move {
        let hinted = serve(&worker, MemoryWire::new("/hints", [])).await;
        assert_eq!(hinted, (Ending::Complete, seen(&["103 a: 1", "103 b: 2", "200 1 Taken  hinted"])));
        let known = serve(&worker, MemoryWire::new("/trailers", [])).await;
        // The type, and which trailers come.
        let pieces = seen(&["200 2 Taken  ", "piece with trailers", "end sum: 1"]);
        assert_eq!(known, (Ending::Complete, pieces));
        let late = serve(&worker, MemoryWire::new("/trailers-late", [])).await;
        assert_eq!(late, (Ending::Complete, seen(&["200 0 Taken  ", "end sum: 2"])));
    });
}

#[test]
fn exchanges_of_one_worker_have_deadlines_of_their_own() {
    let limits = Limits { request_ms_max: 300, ..Limits::default() };
    on_worker(limits, |worker| async move {
        let (ended, other) = (Rc::new(std::cell::Cell::new(false)), worker.clone());
        let mark = ended.clone();
        let first = io::spawn(async move {
            let answer = serve(&other, MemoryWire::new("/never", [])).await;
            mark.set(true);
            answer
        });
        // Many others come and go while the first waits.
        while !ended.get() {
            let (ending, _) = serve(&worker, MemoryWire::new("/text", [Act::Last("a")])).await;
            assert_eq!(ending, Ending::Complete);
        }
        let answer = first.await.expect("an answer");
        assert_eq!(answer.1, seen(&["503 1 Taken  503 Service Unavailable\n"]));
    });
}

#[test]
fn a_request_that_timed_out_leaves_nothing_to_the_next() {
    let limits = Limits { request_ms_max: 50, ..Limits::default() };
    on_worker(limits, |worker| async move {
        // Of one connection: its exchanges use the same deadlines, one after the other.
        let timeouts = Timeouts::default();
        let ending = exchange::run(&mut MemoryWire::new("/never", []), &worker, &timeouts).await;
        assert_eq!(ending, Ending::Complete);
        let mut wire = MemoryWire::new("/blob", []);
        let ending = exchange::run(&mut wire, &worker, &timeouts).await;
        assert_eq!((ending, wire.taken), (Ending::Complete, 1 << 17));
    });
}
