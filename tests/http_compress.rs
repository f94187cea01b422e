//! Content codings of answers: RFC 9110 sections 8.4, 8.8, 12.5.3 and 12.5.5, and the flags.
//!
//! Owns: which answers are compressed, how, and what their heads say. Must not know: the coders.

use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::GzDecoder;

use crate::support::{App, Connection, Response, Server, Way};

const APP: &str = r#"
const text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
const bytes = (n) => new Uint8Array(n).map((_, i) => 97 + (i % 61 + (i >> 8)) % 26);
const noise = (n) => { let x = 1; return new Uint8Array(n).map(() => (x = x * 48271 % 2147483647) & 255); };
const encode = (text) => new TextEncoder().encode(text);
const wait = () => new Promise((done) => setTimeout(done, 1));
const large = bytes(3 << 20);
let next = () => {};
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const headers = new Headers(JSON.parse(decodeURIComponent(url.search.slice(1) || "{}")));
    if (!headers.has("content-type")) headers.set("content-type", "text/plain");
    switch (url.pathname) {
      case "/text": return new Response(text, { headers });
      case "/short": return new Response("hello", { headers });
      case "/noise": return new Response(noise(4000), { headers });
      case "/large": return new Response(large, { headers });
      case "/blob": return new Response(new Blob([large]), { headers });
      case "/later": await wait(); return new Response(text, { headers });
      case "/later-large": await wait(); return new Response(large, { headers });
      case "/none": return new Response(null, { headers });
      case "/part": return new Response(text, { status: 206, headers });
      case "/304": return new Response(null, { status: 304, headers });
      case "/untyped": return new Response(encode(text));
      case "/events": return new Response(new ReadableStream({
        async pull(c) {
          c.enqueue(encode("data: 1\n\n"));
          await new Promise((done) => { next = done; });
          c.enqueue(encode("data: 2\n\n"));
          c.close();
        },
      }), { headers: { "content-type": "text/event-stream" } });
      case "/next": next(); return new Response("next");
      case "/many": {
        let n = 0;
        const pull = (c) => { if (n++ < 2000) c.enqueue(encode(`piece ${n}\n`)); else c.close(); };
        return new Response(new ReadableStream({ pull }), { headers });
      }
      case "/stream": return new Response(new ReadableStream({ start(c) { c.enqueue(encode(text)); c.close(); } }), { headers });
    }
  },
};"#;

fn start(way: Way, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

fn ask(client: &mut Connection, method: &str, target: &str, fields: &str) -> Response {
    let target = target.replace('\\', "%5C").replace('"', "%22").replace(' ', "%20");
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    client.response(method)
}

fn accept(client: &mut Connection, target: &str, codings: &str) -> Response {
    ask(client, "GET", target, &format!("Accept-Encoding: {codings}\r\n"))
}

/// What `coded` decodes to; it may be cut.
fn decode(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut plain = vec![0; 4 << 20];
    let length = match coding {
        "gzip" => read(GzDecoder::new(coded), &mut plain),
        "br" => read(Decompressor::new(coded, 4096), &mut plain),
        "zstd" => {
            let mut context = zstd_safe::DCtx::create();
            let mut input = zstd_safe::InBuffer::around(coded);
            let mut output = zstd_safe::OutBuffer::around(&mut plain[..]);
            while input.pos() < coded.len() {
                context.decompress_stream(&mut output, &mut input).expect("zstd");
            }
            output.pos()
        }
        other => panic!("{other}"),
    };
    plain.truncate(length);
    plain
}

/// Reads as far as there is something.
fn read(mut decoder: impl Read, plain: &mut [u8]) -> usize {
    let mut length = 0;
    while let Ok(more @ 1..) = decoder.read(&mut plain[length..]) {
        length += more;
    }
    length
}

/// What comes up to `end`.
fn line(client: &mut Connection, end: &[u8]) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        seen.extend(client.read_exactly(1));
    }
    String::from_utf8_lossy(&seen).into_owned()
}

fn text() -> Vec<u8> {
    "The quick brown fox jumps over the lazy dog. ".repeat(100).into_bytes()
}

fn large() -> Vec<u8> {
    (0..3 << 20).map(|i: u32| (97 + (i % 61 + (i >> 8)) % 26) as u8).collect()
}

fn coding(response: &Response) -> Option<&str> {
    response.field("content-encoding")
}

every_way! {
    fn every_coding_carries_the_same_bytes(way) {
        let (_app, server) = start(way, &["--compress", "--idle-timeout", "60s"]);
        let mut client = Connection::open(server.place());
        let many: String = (1..=2000).map(|n| format!("piece {n}\n")).collect();
        for name in ["zstd", "br", "gzip"] {
            for (target, expected) in [
                ("/text", text()),
                ("/later", text()),
                ("/large", large()),
                ("/later-large", large()),
                ("/blob", large()),
                ("/stream", text()),
                ("/many", many.clone().into_bytes()),
            ] {
                let response = accept(&mut client, target, name);
                assert_eq!((response.status, coding(&response)), (200, Some(name)), "{target}");
                assert_eq!(response.field("vary"), Some("Accept-Encoding"));
                assert!(response.body.len() < expected.len() / 2, "{name} {target}: {}", response.body.len());
                assert!(decode(name, &response.body) == expected, "{name} {target}");
                // What is short has a length, what is coded in pieces has none.
                let has_length = ["/text", "/later"].contains(&target);
                assert_eq!(response.field("content-length").is_some(), has_length, "{target}");
            }
        }
    }

    /// RFC 9110 section 12.5.3
    fn the_coding_is_the_one_that_the_client_likes_best(way) {
        let (_app, server) = start(way, &["--compress=br,gzip"]);
        let mut client = Connection::open(server.place());
        for (codings, expected) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("zstd", None),
            ("br;q=0.5, gzip", Some("gzip")),
            ("br;q=0, *", Some("gzip")),
            ("*", Some("br")),
            ("*;q=0", None),
            ("gzip;q=0.5, identity", None),
            ("gzip, identity;q=0", Some("gzip")),
            ("identity;q=0", None),
            ("gzip;q=0", None),
            ("", None),
            ("gzip;q=7", None),
        ] {
            let response = accept(&mut client, "/text", codings);
            assert_eq!((response.status, coding(&response)), (200, expected), "{codings:?}");
            // Section 12.5.5: whoever asks, the answer depends on it.
            assert_eq!(response.field("vary"), Some("Accept-Encoding"), "{codings:?}");
        }
        let none = client.get("/text");
        assert_eq!((coding(&none), none.field("vary")), (None, Some("Accept-Encoding")));
        assert_eq!(none.body, text());
    }

    fn what_is_short_or_no_shorter_coded_or_of_other_types_stays_as_it_is(way) {
        let (_app, server) = start(way, &["--compress"]);
        let mut client = Connection::open(server.place());
        for (target, vary) in [
            ("/short", None),
            ("/none", None),
            ("/untyped", None),
            ("/304?{\"content-type\":\"image/png\"}", None),
            ("/304?{\"cache-control\":\"no-transform\"}", None),
            ("/304", Some("Accept-Encoding")),
            ("/part?{\"content-range\":\"bytes 0-9/10\"}", None),
            ("/text?{\"content-type\":\"image/png\"}", None),
            ("/noise", Some("Accept-Encoding")),
            ("/text?{\"content-encoding\":\"identity\"}", None),
            ("/text?{\"cache-control\":\"public, No-Transform\"}", None),
            ("/text?{\"content-digest\":\"sha-256=:x:\"}", None),
        ] {
            let response = accept(&mut client, target, "zstd, br, gzip");
            assert!(matches!(coding(&response), None | Some("identity")), "{target}: {:?}", response.fields);
            assert_eq!(response.field("vary"), vary, "{target}");
        }
        // A client that refuses the body as it is gets it coded, short as it is.
        let must = accept(&mut client, "/short", "gzip, identity;q=0");
        assert_eq!((coding(&must), decode("gzip", &must.body)), (Some("gzip"), b"hello".to_vec()));
        assert_eq!(coding(&accept(&mut client, "/noise", "gzip, *;q=0")), Some("gzip"));
    }

    /// RFC 9110 sections 8.8.1 and 12.5.5
    fn a_coded_answer_has_a_weak_etag_and_its_vary(way) {
        let (_app, server) = start(way, &["--compress=gzip"]);
        let mut client = Connection::open(server.place());
        let target = r#"/text?{"etag":"\"a\"","vary":"Origin, Cookie","accept-ranges":"bytes"}"#;
        let coded = accept(&mut client, target, "gzip");
        assert_eq!(coded.field("etag"), Some("W/\"a\""));
        assert_eq!(coded.field("vary"), Some("Origin, Cookie, Accept-Encoding"));
        assert_eq!(coded.field("accept-ranges"), None);
        let plain = ask(&mut client, "GET", target, "");
        assert_eq!((plain.field("etag"), plain.field("accept-ranges")), (Some("\"a\""), Some("bytes")));
        assert_eq!(plain.field("vary"), Some("Origin, Cookie, Accept-Encoding"));
        for vary in ["*", "Accept-Encoding", "Origin, accept-encoding"] {
            let response = accept(&mut client, &format!("/text?{{\"vary\":\"{vary}\"}}"), "gzip");
            assert_eq!((coding(&response), response.field("vary")), (Some("gzip"), Some(vary)));
        }
        let weak = accept(&mut client, r#"/text?{"etag":"W/\"a\""}"#, "gzip");
        assert_eq!(weak.field("etag"), Some("W/\"a\""));
    }

    /// RFC 9110 section 15.4.5, RFC 9111 section 4.3.4: a cache updates what it has by a 304 with the tag of that.
    fn a_304_says_what_200_would(way) {
        let (_app, server) = start(way, &["--compress=gzip"]);
        let mut client = Connection::open(server.place());
        let target = r#"/304?{"etag":"\"a\"","vary":"Origin"}"#;
        for (known, tag) in [
            ("W/\"a\"", "W/\"a\""), ("\"x\", W/\"a\"", "W/\"a\""), ("\"a\"", "\"a\""), ("W/\"ab\", \"a\"", "\"a\""), ("*", "\"a\""),
        ] {
            let fields = format!("Accept-Encoding: gzip\r\nIf-None-Match: {known}\r\n");
            let answer = ask(&mut client, "GET", target, &fields);
            assert_eq!((answer.status, answer.field("etag")), (304, Some(tag)), "{known}");
            assert_eq!((answer.field("vary"), coding(&answer)), (Some("Origin, Accept-Encoding"), None), "{known}");
        }
    }

    /// RFC 9110 section 9.3.2
    fn head_gets_the_fields_of_get(way) {
        let (_app, server) = start(way, &["--compress"]);
        let mut client = Connection::open(server.place());
        for target in ["/text", "/large", "/short"] {
            let get = accept(&mut client, target, "gzip");
            let head = ask(&mut client, "HEAD", target, "Accept-Encoding: gzip\r\n");
            for name in ["content-encoding", "content-length", "vary", "content-type"] {
                assert_eq!(head.field(name), get.field(name), "{target} {name}");
            }
            assert!(head.body.is_empty());
        }
        // Without a body nobody can tell how long GET's would be.
        let target = "/none?{\"content-length\":\"5000\"}";
        let head = ask(&mut client, "HEAD", target, "Accept-Encoding: gzip\r\n");
        assert_eq!((head.field("content-length"), head.field("vary")), (None, Some("Accept-Encoding")));
    }

    fn what_the_app_gives_arrives_though_more_is_to_come(way) {
        let (_app, server) = start(way, &["--compress"]);
        for name in ["zstd", "br", "gzip"] {
            let mut client = Connection::open(server.place());
            client.send(format!("GET /events HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {name}\r\n\r\n"));
            let head = line(&mut client, b"\r\n\r\n");
            assert!(head.contains(&format!("Content-Encoding: {name}")), "{head}");
            let mut coded = Vec::new();
            while decode(name, &coded).is_empty() {
                let size = usize::from_str_radix(line(&mut client, b"\r\n").trim(), 16).expect("a size");
                coded.extend(client.read_exactly(size));
                client.read_exactly(2);
            }
            assert_eq!(decode(name, &coded), b"data: 1\n\n", "{name}");
            assert_eq!(Connection::open(server.place()).get("/next").text(), "next");
            assert_eq!(client.read_exactly(5).len(), 5);
        }
    }

    fn a_body_that_is_not_as_long_as_it_should_be_is_cut_in_a_coding_too(way) {
        let (_app, server) = start(way, &["--compress"]);
        for length in ["9000", "4000"] {
            let mut client = Connection::open(server.place());
            let target = format!("/stream?{{%22content-length%22:%22{length}%22}}");
            client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\n\r\n"));
            let all = client.read_to_end();
            let text = String::from_utf8_lossy(&all);
            assert!(text.contains("Content-Encoding: gzip") && !text.contains("ontent-length"), "{text}");
            assert!(!all.ends_with(b"0\r\n\r\n"), "{length}");
        }
        server.await_log("than the Content-Length that the handler set");
    }

    /// `--compress-memory`, `--compress-min`, `--compress-types`
    fn flags_say_how_much_is_compressed(way) {
        let flags = "--compress --compress-memory 1K --compress-min 1 --compress-types application/x";
        let (_app, server) = start(way, &flags.split(' ').collect::<Vec<_>>());
        let mut client = Connection::open(server.place());
        let typed = |target: &str| format!("{target}?{{\"content-type\":\"application/x; a=b\"}}");
        assert_eq!(coding(&accept(&mut client, &typed("/text"), "gzip")), Some("gzip"));
        assert_eq!(coding(&accept(&mut client, "/text", "gzip")), None);
        // No coder has room in this memory: the answer is right, and not compressed.
        let whole = accept(&mut client, &typed("/large"), "gzip");
        assert_eq!((coding(&whole), whole.field("vary")), (None, Some("Accept-Encoding")));
        assert!(whole.body == large());
    }

    /// `--compress-memory`: a coder counts as what it owns at its level.
    fn coders_of_many_streams_have_a_share_of_memory_each(way) {
        for (codings, name, coded) in [("gzip", "gzip", 7), ("zstd:19", "zstd", 1), ("br:0", "br", 11), ("br:5", "br", 0)] {
            let (_app, server) = start(way, &[&format!("--compress={codings}"), "--compress-memory", "3000K"]);
            let mut open: Vec<Connection> = (0..12).map(|_| Connection::open(server.place())).collect();
            let request = format!("GET /events HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {name}\r\n\r\n");
            let heads = open.iter_mut().map(|client| {
                client.send(&request);
                line(client, b"\r\n\r\n")
            });
            let count = heads.filter(|head| head.contains("Content-Encoding: ")).count();
            assert_eq!(count, coded, "{codings}");
        }
    }

    fn a_level_that_has_no_room_is_named_at_the_start(way) {
        let (_app, server) = start(way, &["--compress=br:9,gzip"]);
        server.await_log("--compress=br:9 takes 35800 KiB of memory for a body in pieces, more than --compress-memory");
        let mut client = Connection::open(server.place());
        assert_eq!(coding(&accept(&mut client, "/large", "br, gzip;q=0.5")), None);
        assert!(!server.log().contains("--compress=gzip"), "gzip has room");
    }

    fn without_the_flag_nothing_is_compressed(way) {
        let (_app, server) = start(way, &[]);
        let mut client = Connection::open(server.place());
        let response = accept(&mut client, "/text", "zstd, br, gzip");
        assert_eq!((coding(&response), response.field("vary")), (None, None));
        assert_eq!(response.body, text());
    }

    fn a_long_body_that_is_coded_lets_others_have_their_turn(way) {
        let (_app, server) = start(way, &["--compress=br:9", "--compress-memory", "64M"]);
        let mut slow = Connection::open(server.place());
        slow.send("GET /large HTTP/1.1\r\nHost: test\r\nAccept-Encoding: br\r\n\r\n");
        let mut other = Connection::open(server.place());
        for _ in 0..20 {
            assert_eq!(other.get("/short").text(), "hello");
        }
        let response = slow.response("GET");
        assert!(decode("br", &response.body) == large());
    }
}
