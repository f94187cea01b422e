//! What an answer has beside head and body: early hints, trailers, identifiers, Strict-Transport-Security, the time
//! that it took; and listeners that send their clients to HTTPS.
//!
//! Owns: these, by the sections of their RFCs. Must not know: compression.

use crate::support::frames::{DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, frame, request};
use crate::support::way::certificate;
use crate::support::{App, Connection, Response, Server, Way};

const APP: &str = r#"
const wait = () => new Promise((done) => setTimeout(done, 5));
const encode = (text) => new TextEncoder().encode(text);
const link = "</a.css>; rel=preload";
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const tried = (call) => { try { return String(call()); } catch (error) { return error.name; } };
    switch (pathname) {
      case "/hints": {
        const first = ctx.earlyHints({ link });
        await wait();
        ctx.earlyHints([["Link", "</b.css>; rel=preload"], ["x-b", "2"]]);
        await wait();
        return new Response(String(first));
      }
      case "/hints-at-once": ctx.earlyHints({ link }); ctx.earlyHints({ link }); return new Response("at once");
      case "/hints-late": {
        setTimeout(() => ctx.earlyHints({ link }), 5);
        return new Response(new ReadableStream({ async start(c) { await wait(); await wait(); await wait(); c.enqueue(encode("late")); c.close(); } }));
      }
      case "/hints-many": for (let i = 0; i < 100; i++) ctx.earlyHints({ link }); return new Response(tried(() => ctx.earlyHints({ link })));
      case "/hints-bad": return new Response([
        { "content-length": "1" }, { "Transfer-Encoding": "chunked" }, { connection: "close" }, { "a b": "1" }, { a: "1\r\nb: 2" }, 1,
        { a: "x".repeat(20000) }, { upgrade: "x" },
      ].map((fields) => tried(() => ctx.earlyHints(fields))).join());
      case "/trailers": {
        const takes = ctx.trailers({ "X-Sum": "1" });
        ctx.trailers([["x-sum", "2"], ["Server-Timing", "a"]]);
        return new Response(searchParams.has("null") ? null : String(takes), { headers: { "content-length": "4" } });
      }
      case "/trailers-streamed": {
        let n = 0;
        return new Response(new ReadableStream({
          async pull(c) {
            await wait();
            if (n++ < 2) return c.enqueue(encode("piece"));
            ctx.trailers({ "x-count": String(n) });
            c.close();
          },
        }), { headers: { trailer: "x-count" } });
      }
      case "/trailers-bad": return new Response([
        "Content-Length", "transfer-encoding", "Trailer", "Host", "Cache-Control", "Authorization", "Set-Cookie", "Content-Type", "Content-Encoding",
        "Content-Range", "Date", "Location", "Vary", "If-Match", "Range", "TE", "Connection", "Age", "Expires", "Retry-After", "WWW-Authenticate",
      ].map((name) => tried(() => ctx.trailers({ [name]: "1" }))).join());
      case "/id": return new Response(ctx.requestId);
      case "/own": return new Response("own", { headers: { "strict-transport-security": "max-age=1", "server-timing": "db;dur=1", "x-request-id": "mine" } });
      case "/fail": throw new Error("failed");
      case "/cut": return new Response(new ReadableStream({ pull(c) { c.error(new Error("cut")); } }));
      default: return new Response("hello");
    }
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn ask(client: &mut Connection, target: &str, fields: &str) -> Response {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    client.response("GET")
}

/// All that comes for one request, to the end of the connection.
fn all(server: &Server, target: &str, fields: &str) -> String {
    let mut client = Connection::open(server.place());
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n"));
    String::from_utf8(client.read_to_end()).expect("UTF-8")
}

every_way! {
    /// RFC 8297, RFC 9110 section 15.2
    fn early_hints_come_before_the_answer(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        for _ in 0..2 {
            let first = ask(&mut client, "/hints", "");
            assert_eq!((first.status, first.reason.as_str()), (103, "Early Hints"));
            assert_eq!(first.fields, [("link".to_owned(), "</a.css>; rel=preload".to_owned())]);
            let second = client.response("GET");
            assert_eq!((second.status, second.field("x-b")), (103, Some("2")));
            let answer = client.response("GET");
            assert_eq!((answer.status, answer.text(), answer.field("link")), (200, "true", None));
        }
        assert_eq!(ask(&mut client, "/hints-at-once", "").status, 103);
        assert_eq!(client.response("GET").status, 103);
        assert_eq!(client.response("GET").text(), "at once");
        // Behind the head they are too late.
        assert_eq!(ask(&mut client, "/hints-late", "").text(), "late");
        assert_eq!(client.get("/").text(), "hello");
    }

    /// RFC 9110 section 15.2: not to HTTP/1.0.
    fn a_client_of_http_1_0_gets_no_hints(way) {
        let (_app, server) = start(way, &[]);
        for target in ["/hints", "/hints-at-once"] {
            let mut old = Connection::open(server.place());
            old.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
            let answer = old.response("GET");
            assert_eq!(answer.status, 200);
            assert_eq!(answer.text(), if target == "/hints" { "false" } else { "at once" });
        }
    }

    fn hints_are_checked_and_bounded(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        let mut answer = ask(&mut client, "/hints-many", "");
        let mut hints = 0;
        while answer.status == 103 {
            (hints, answer) = (hints + 1, client.response("GET"));
        }
        assert_eq!((hints, answer.text()), (100, "RangeError"));
        let bad = "TypeError,TypeError,TypeError,TypeError,TypeError,TypeError,RangeError,TypeError";
        assert_eq!(client.get("/hints-bad").text(), bad);
    }

    /// RFC 9110 sections 6.5 and 6.6.2, RFC 9112 section 7.1.2
    fn trailers_come_where_te_says_that_they_are_taken(way) {
        let (_app, server) = start(way, &[]);
        let taken = all(&server, "/trailers", "TE: deflate, trailers\r\n");
        assert!(taken.contains("Trailer: X-Sum, Server-Timing\r\n"), "{taken}");
        assert!(!taken.to_ascii_lowercase().contains("content-length"), "{taken}");
        assert!(
            taken.ends_with("\r\n\r\n4\r\ntrue\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nServer-Timing: a\r\n\r\n"),
            "{taken}"
        );
        let plain = all(&server, "/trailers", "TE: gzip\r\n");
        assert!(!plain.contains("railer") && plain.ends_with("Content-Length: 5\r\nConnection: close\r\n\r\nfalse"), "{plain}");
        // A null body has no end behind which they could stand.
        assert!(all(&server, "/trailers?null", "TE: trailers\r\n").contains("Content-Length: 0\r\n"));
        let mut old = Connection::open(server.place());
        old.send("GET /trailers HTTP/1.0\r\nTE: trailers\r\n\r\n");
        assert_eq!(old.response("GET").text(), "false");
    }

    fn trailers_may_be_known_when_the_body_ends(way) {
        let (_app, server) = start(way, &[]);
        let taken = all(&server, "/trailers-streamed", "TE: trailers\r\n");
        assert!(taken.contains("trailer: x-count\r\n"), "{taken}");
        assert!(taken.ends_with("5\r\npiece\r\n0\r\nx-count: 3\r\n\r\n"), "{taken}");
        let plain = all(&server, "/trailers-streamed", "");
        assert!(!plain.contains("railer") && plain.ends_with("5\r\npiece\r\n0\r\n\r\n"), "{plain}");
    }

    /// RFC 9110 section 9.3.2
    fn the_answer_to_head_has_no_trailers(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        client.send("HEAD /trailers HTTP/1.1\r\nHost: test\r\nTE: trailers\r\n\r\n");
        assert_eq!(client.response("HEAD").status, 200);
        assert_eq!(client.get("/").text(), "hello");
    }

    /// RFC 9110 section 6.5.1
    fn what_a_client_has_to_know_before_is_no_trailer(way) {
        let (_app, server) = start(way, &[]);
        let text = Connection::open(server.place()).get("/trailers-bad").text().to_owned();
        assert!(text.split(',').all(|name| name == "TypeError") && text.split(',').count() == 21, "{text}");
    }

    fn a_request_has_an_identifier_in_its_answer_and_in_the_log(way) {
        let (_app, server) = start(way, &["--request-id"]);
        let mut client = Connection::open(server.place());
        let first = client.get("/id");
        let id = first.text().to_owned();
        assert_eq!(first.field("x-request-id"), Some(id.as_str()));
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        // Whoever asks is nobody that is trusted.
        let second = ask(&mut client, "/id", "X-Request-Id: mine\r\n");
        assert!(second.text() != id && second.text() != "mine" && second.text().len() == 32);
        let own = client.get("/own");
        assert!(own.field("x-request-id") != Some("mine"), "{:?}", own.fields);
        let failed = client.get("/fail");
        assert_eq!(failed.status, 500);
        let id = failed.field("x-request-id").expect("an identifier").to_owned();
        server.await_log(&format!("request_id=\"{id}\""));
        client.send("GET /cut HTTP/1.1\r\nHost: test\r\n\r\n");
        let cut = String::from_utf8(client.read_to_end()).expect("UTF-8");
        let (_, id) = cut.split_once("X-Request-Id: ").expect("an identifier");
        server.await_log(&format!("request_id=\"{}\"", &id[..32]));
        let (_app, server) = start(way, &[]);
        let plain = Connection::open(server.place()).get("/id");
        assert_eq!((plain.text(), plain.field("x-request-id")), ("", None));
    }

    /// RFC 6797 sections 7.1 and 7.2
    fn strict_transport_security_is_said_over_tls_alone(way) {
        let (_app, server) = start(way, &["--hsts=max-age=5; includeSubDomains"]);
        let mut client = Connection::open(server.place());
        let expected = (way.over == Over::Tls).then_some("max-age=5; includeSubDomains");
        for target in ["/", "/fail"] {
            assert_eq!(client.get(target).field("strict-transport-security"), expected, "{target}");
        }
        let own = client.get("/own");
        let all: Vec<_> = own.fields.iter().filter(|(name, _)| name == "strict-transport-security").collect();
        assert_eq!((own.field("strict-transport-security"), all.len()), (Some("max-age=1"), 1));
    }

    fn development_says_what_time_javascript_took(way) {
        let (_app, server) = start(way, &["--dev"]);
        let mut client = Connection::open(server.place());
        for target in ["/", "/fail", "/own"] {
            let answer = client.get(target);
            let all: Vec<_> = answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("server-timing")).collect();
            let timing = &all.last().expect("Server-Timing").1;
            assert!(timing.starts_with("turn;desc=") && timing.contains("total;dur="), "{timing}");
            assert_eq!(all.len(), if target == "/own" { 2 } else { 1 });
        }
        let (_app, server) = start(way, &[]);
        assert_eq!(Connection::open(server.place()).get("/").field("server-timing"), None);
    }
}

both_backends! {
    fn a_trusted_proxys_identifier_is_taken_over_if_it_is_one(io) {
        let app = app!(APP);
        let flags = ["--io", io, "--workers", "1", "--request-id", "--trusted-proxies", "127.0.0.1"];
        let server = Server::spawn(&flags, app.path());
        let mut client = Connection::open(server.addr());
        let long = "x".repeat(129);
        for (given, is_taken) in [("abc-1.2~3", true), ("a b", false), ("a\"b", false), (&*long, false), ("a,b", false)] {
            let answer = ask(&mut client, "/id", &format!("X-Request-Id: {given}\r\n"));
            assert_eq!(answer.text() == given, is_taken, "{given}");
            assert_eq!(answer.field("x-request-id"), Some(answer.text()));
        }
        let twice = ask(&mut client, "/id", "X-Request-Id: a\r\nX-Request-Id: b\r\n");
        assert_eq!(twice.text().len(), 32);
    }

    /// RFC 9110 section 15.4.9
    fn a_listener_of_its_own_sends_clients_to_https(io) {
        let app = app!(APP);
        let mut flags: Vec<String> = ["--io", io, "--workers", "2", "--listen", "https://127.0.0.1:0", "--hsts",
            "--redirect-https", "127.0.0.1:0", "--redirect-https", "0?to=443"].map(str::to_owned).into();
        flags.extend(certificate().flags());
        let server = Server::spawn(&flags.iter().map(String::as_str).collect::<Vec<_>>(), app.path());
        let places: Vec<_> = server.addresses().iter().filter(|(name, _)| name == "http").map(|(_, addr)| *addr).collect();
        let https = server.addr_of("https").port();
        let (first, second) = (places[0], places[1]);
        let mut client = Connection::open(first);
        client.send("GET /a?b=1 HTTP/1.1\r\nHost: test:80\r\n\r\n");
        let answer = client.response("GET");
        assert_eq!((answer.status, answer.body.len()), (308, 0));
        assert_eq!(answer.field("location"), Some(&*format!("https://test:{https}/a?b=1")));
        assert_eq!(answer.field("strict-transport-security"), None);
        // The connection goes on, unless there is a body that nobody reads.
        client.send("HEAD http://other/x HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.response("HEAD").field("location"), Some(&*format!("https://other:{https}/x")));
        client.send("POST /p HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc");
        let posted = client.response("POST");
        assert!(posted.status == 308 && posted.says_close(), "{:?}", posted.fields);
        let mut mapped = Connection::open(second);
        mapped.send("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
        assert_eq!(mapped.response("GET").field("location"), Some("https://[::1]/"));
        let mut old = Connection::open(second);
        old.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(old.response("GET").status, 400);
    }

    /// RFC 9113 section 8.1
    fn over_http_2_hints_and_trailers_are_heads_of_their_own(io) {
        let app = app!(APP);
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let mut client = Frames::open(server.addr());
        let mut ask = |stream: u32, path: &str| {
            let head = request("GET", path, &[("te", "trailers")]);
            client.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &head));
            let mut all: Vec<Frame> = Vec::new();
            while !all.last().is_some_and(Frame::ends_stream) {
                let next = client.next().expect("a frame");
                all.extend(Some(next).filter(|next| matches!(next.kind, DATA | HEADERS) && next.stream == stream));
            }
            all
        };
        let hinted = ask(1, "/hints");
        let heads: Vec<&Frame> = hinted.iter().filter(|one| one.kind == HEADERS).collect();
        // The second refers to the first by the table of HPACK.
        assert_eq!((heads.len(), heads[0].status(), heads[2].status()), (3, 103, 200));
        for (stream, path, content) in [(3, "/trailers", "true"), (5, "/trailers-streamed", "piecepiece")] {
            let all = ask(stream, path);
            let kinds: Vec<u8> = all.iter().map(|one| one.kind).collect();
            assert!(kinds.first() == Some(&HEADERS) && kinds.last() == Some(&HEADERS), "{path}: {all:?}");
            let body: Vec<u8> = all.iter().filter(|one| one.kind == DATA).flat_map(|one| one.payload.clone()).collect();
            assert_eq!(String::from_utf8_lossy(&body), content);
        }
    }
}
