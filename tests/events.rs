//! Server-sent events: `EventStream` and `EventHistory` of `jsserve:events`, on one worker and several.
//!
//! Owns: an app of streams, clients that read them as text. Must not know: how streams are queued.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::frames::{Frames, RST_STREAM};
use crate::support::{App, Connection, SOON, Server, Way, eventually};

const APP: &str = r#"
import { EventStream, EventHistory } from "jsserve:events";
import { map, publish } from "jsserve:shared";
const ends = map("ends"), news = new EventHistory("news", { max: 4 });
const note = (name, stream) => stream.closed.then((why) => ends.set(name, why));
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url), q = (name) => searchParams.get(name);
    switch (pathname) {
      case "/format": {
        const stream = new EventStream(request, { retry: 2500, headers: { "X-Own": "1", "Cache-Control": "no-cache" } });
        stream.send("one\ntwo\r\nthree\r"); stream.send({ event: "tick", id: "7", data: { a: [1] } }); stream.send({ data: "", retry: 10 }); stream.send({ id: "" });
        stream.comment("hi\nthere"); stream.comment(); const all = [stream.isOpen, stream.bufferedAmount > 0, stream.lastEventId]; stream.send({ data: all });
        stream.close(); const late = stream.send("late"); if (late || stream.isOpen || stream.response !== stream.response) throw 1; return stream.response;
      }
      case "/wrong": {
        const stream = new EventStream(), thrown = [];
        for (const f of [() => stream.send(), () => stream.send(1), () => stream.send({ event: "a\nb" }), () => stream.send({ id: "a\0" }), () => stream.send({ id: "a\r" }), () => stream.send({ id: 5 }),
          () => stream.send({ retry: -1 }), () => stream.send({ retry: 1.5 }), () => stream.send({ data: 1n }), () => new EventStream({}, {}), () => new EventStream(null, { keepAlive: -1 }),
          () => stream.subscribe(""), () => stream.subscribe(1), () => new EventHistory(""), () => new EventHistory("news", { max: 5 }), () => news.publish({ id: "" }), () => EventStream(), () => { stream.subscribe(news); stream.subscribe(new EventHistory("other")) }])
          try { f(); thrown.push("none") } catch (error) { thrown.push(error.name) }
        return new Response(thrown.join());
      }
      case "/topic": {
        const stream = new EventStream(request, { keepAlive: Number(q("keep") ?? 15000) });
        const first = stream.subscribe("room", { event: q("event") ?? undefined }), again = stream.subscribe("room"); stream.comment(`${ctx.worker} ${first} ${again} ${new EventStream().subscribe("room")}`); note(q("name"), stream); return stream.response;
      }
      case "/publish": { let n = 0; for (let i = 0; i < Number(q("times") ?? 1); i++) n += publish("room", (q("text") ?? "x".repeat(Number(q("size")))) + (q("times") ? i : "")); return new Response(String(n)); }
      case "/bytes": publish("room", new Uint8Array([104, 105, 255])); return new Response("sent");
      case "/news": { const stream = new EventStream(request); stream.comment("open"); stream.subscribe(news); note(q("name"), stream); return stream.response; }
      case "/tell": return new Response(news.publish({ event: "news", data: q("text"), id: q("id") ?? undefined }));
      case "/ended": return new Response(String(ends.get(q("name"))));
      case "/limit": {
        const stream = new EventStream(); let n = 0; try { for (;; n++) stream.subscribe(`t${n}`) } catch (error) { return new Response(`${n} ${error.name} ${error.message}`) }
      }
      case "/never": return new Promise(() => {});
    }
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, flags, app.path());
    (app, server)
}

/// A client that reads a stream.
struct Listening {
    connection: Connection,
    text: String,
}

impl Listening {
    fn open(server: &Server, target: &str, last_event_id: &str) -> Listening {
        let mut connection = Connection::open(server.place());
        let field = if last_event_id.is_empty() {
            String::new()
        } else {
            format!("Last-Event-ID: {last_event_id}\r\n")
        };
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n{field}\r\n"));
        Listening { connection, text: String::new() }
    }

    /// What has come once `part` has, without the framing.
    fn until(&mut self, part: &str) -> &str {
        let deadline = Instant::now() + SOON;
        while !self.text.contains(part) {
            assert!(Instant::now() < deadline, "no {part:?} in {:?}", self.text);
            let byte = self.connection.read_exactly(1);
            self.text.push(char::from(byte[0]));
        }
        &self.text
    }

    /// The data of the events that have come.
    fn data(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }

    fn worker(&mut self) -> String {
        let text = self.until("\n\n").to_owned() + self.until("true\n");
        text.rsplit(": ").next().and_then(|line| line.split(' ').next()).expect("a comment").to_owned()
    }
}

fn text(server: &Server, target: &str) -> String {
    Connection::open(server.place()).get(target).text().to_owned()
}

every_way! {
    // HTML section 9.2.5.
    fn events_have_their_format_to_the_letter(way) {
        let (_app, server) = start(way, &["--workers", "1"]);
        let mut client = Connection::open(server.place());
        let response = client.get("/format");
        assert_eq!(response.status, 200);
        for (name, field) in [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no"), ("x-own", "1")] {
            assert_eq!(response.field(name), Some(field), "{name}");
        }
        assert_eq!(
            response.text(),
            "retry: 2500\n\ndata: one\ndata: two\ndata: three\ndata: \n\nevent: tick\nid: 7\ndata: {\"a\":[1]}\n\nretry: 10\ndata: \n\nid: \n\n\
             : hi\n: there\n\n: \n\ndata: [true,true,\"\"]\n\n"
        );
        let wrong = client.get("/wrong");
        assert_eq!(
            wrong.text(),
            "TypeError,TypeError,TypeError,TypeError,TypeError,TypeError,RangeError,RangeError,TypeError,TypeError,RangeError,RangeError,TypeError,RangeError,TypeError,TypeError,TypeError,TypeError"
        );
    }
}

both_backends! {
    fn what_is_published_on_one_worker_reaches_the_streams_of_all_in_order(io) {
        let (_app, server) = start(Way::tcp(io), &["--workers", "3"]);
        let mut all: Vec<Listening> = (0..12).map(|n| Listening::open(&server, &format!("/topic?name={n}"), "")).collect();
        let workers: std::collections::BTreeSet<String> = all.iter_mut().map(Listening::worker).collect();
        assert!(workers.len() > 1, "the kernel gave all to one worker: {workers:?}");
        text(&server, "/publish?text=m&times=100");
        for client in &mut all {
            client.until("data: m99\n\n");
            let expected: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
            assert_eq!(client.data(), expected);
        }
    }

    fn messages_become_events_of_the_type_that_was_asked_for(io) {
        let (_app, server) = start(Way::tcp(io), &["--workers", "1"]);
        let mut named = Listening::open(&server, "/topic?name=named&event=say", "");
        let mut plain = Listening::open(&server, "/topic?name=plain", "");
        for client in [&mut named, &mut plain] {
            client.until("0 true false true\n\n");
        }
        assert_eq!(text(&server, "/publish?text=a%0Ab"), "2", "the streams of this worker");
        text(&server, "/bytes");
        assert!(named.until("hi\u{ef}").contains("event: say\ndata: a\ndata: b\n\n"), "{}", named.text);
        plain.until("hi\u{ef}");
        assert!(!plain.text.contains("event:") && plain.text.contains("data: a\ndata: b\n\n"));
    }

    // HTML section 9.2.6, the Last-Event-ID field.
    fn who_comes_back_gets_what_it_missed_from_whichever_worker(io) {
        let (_app, server) = start(Way::tcp(io), &["--workers", "2"]);
        let mut client = Listening::open(&server, "/news?name=a", "");
        client.until(": open\n\n");
        let ids: Vec<String> = (0..3).map(|n| text(&server, &format!("/tell?text=n{n}"))).collect();
        client.until("data: n2\n\n");
        assert_eq!(client.data(), ["n0", "n1", "n2"], "whatever worker tells them");
        assert!(client.text.contains(&format!("event: news\nid: {}\ndata: n1\n\n", ids[1])), "{}", client.text);
        drop(client);
        eventually("its end is heard of", || text(&server, "/ended?name=a") == "client");
        text(&server, "/tell?text=n3&id=mine");
        for _ in 0..6 {
            let mut back = Listening::open(&server, "/news?name=b", &ids[1]);
            back.until("data: n3\n\n");
            assert_eq!(back.data(), ["n2", "n3"]);
            let mut last = Listening::open(&server, "/news?name=c", "mine");
            last.until(": open\n\n");
            assert_eq!(last.data(), Vec::<&str>::new());
        }
        text(&server, "/tell?text=n4");
        let mut lost = Listening::open(&server, "/news?name=d", "of-another-run");
        lost.until("data: n4\n\n");
        assert_eq!(lost.data(), ["n1", "n2", "n3", "n4"], "all that there is: four");
    }

    fn a_slow_client_loses_its_own_stream_and_nobody_elses(io) {
        let (_app, server) = start(Way::tcp(io), &["--workers", "1", "--event-queue", "100K", "--write-timeout", "60s"]);
        let mut slow = Listening::open(&server, "/topic?name=slow", "");
        socket2::SockRef::from(slow.connection.stream()).set_recv_buffer_size(4 << 10).expect("SO_RCVBUF");
        slow.until("true\n\n");
        let mut good = Listening::open(&server, "/topic?name=good", "");
        good.until("true\n\n");
        let mut sent = 0;
        eventually("the slow one is cut", || {
            text(&server, "/publish?size=20000");
            sent += 1;
            while good.data().len() < sent {
                let bytes = good.connection.read_exactly(1_000);
                good.text.push_str(&String::from_utf8_lossy(&bytes));
            }
            good.text.truncate(0);
            sent = 0;
            text(&server, "/ended?name=slow") == "slow"
        });
        assert_eq!(text(&server, "/ended?name=good"), "undefined");
        server.await_log("--event-queue");
    }

    fn a_stream_with_keep_alive_outlives_the_time_limits_and_one_without_does_not(io) {
        let flags = ["--workers", "1", "--idle-timeout", "600ms", "--request-timeout", "300ms"];
        let (_app, server) = start(Way::tcp(io), &flags);
        let mut silent = Listening::open(&server, "/topic?name=silent&keep=0", "");
        let mut kept = Listening::open(&server, "/topic?name=kept&keep=100", "");
        kept.until("true\n\n");
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(1_500) {
            kept.text.clear();
            kept.until(":\n\n");
        }
        assert_eq!(text(&server, "/publish?text=alive"), "1");
        kept.until("data: alive\n\n");
        let bytes = silent.connection.read_to_end();
        assert!(!bytes.ends_with(b"0\r\n\r\n"), "the client sees that it is not all");
        server.await_log("has sent nothing for 600 ms (--idle-timeout)");
        assert_eq!(Connection::open(server.place()).get("/never").status, 503, "the head of a response is bounded");
    }

    fn the_limit_of_subscriptions_is_named(io) {
        let (_app, server) = start(Way::tcp(io), &["--workers", "1", "--subscriptions-max", "5"]);
        let said = text(&server, "/limit");
        assert!(said.starts_with("5 RangeError ") && said.contains("--subscriptions-max"), "{said}");
        let (_app, server) = start(Way::tcp(io), &["--workers", "1", "--topics-max", "7"]);
        let said = text(&server, "/limit");
        assert!(said.starts_with("7 RangeError ") && said.contains("--topics-max"), "{said}");
    }

    fn a_client_that_leaves_is_heard_of_and_a_drain_ends_streams(io) {
        let (_app, mut server) = start(Way::tcp(io), &["--workers", "1", "--drain-timeout", "60s"]);
        let mut gone = Listening::open(&server, "/topic?name=gone", "");
        gone.until("true\n\n");
        drop(gone);
        eventually("it is heard of", || text(&server, "/ended?name=gone") == "client");
        let mut stays = Listening::open(&server, "/topic?name=stays", "");
        stays.until("true\n\n");
        let begin = Instant::now();
        server.signal(Signal::TERM);
        assert!(stays.connection.read_to_end().ends_with(b"0\r\n\r\n"), "a stream with keep-alive ends in order");
        assert!(server.await_exit(SOON).success() && begin.elapsed() < SOON);
    }

    // Over HTTP/2 a drain wakes the connection's task, which is not the stream's.
    fn a_drain_ends_idle_streams_of_http2_at_once(io) {
        let (_app, mut server) = start(Way::tcp(io), &["--workers", "1", "--drain-timeout", "60s"]);
        let mut client = Frames::open(server.addr());
        for stream in [1, 3] {
            client.get(stream, "/topic?name=idle&keep=60000");
            client.find(|frame| frame.stream == stream && frame.payload.ends_with(b"true\n\n")).expect("the first event");
        }
        server.signal(Signal::TERM);
        let mut ended = 0;
        while ended < 2 {
            let frame = client.next().expect("an end of each stream, sooner than its next comment");
            assert!(frame.kind != RST_STREAM, "{frame:?}");
            ended += u32::from(frame.ends_stream());
        }
        assert!(server.await_exit(SOON).success());
    }
}
