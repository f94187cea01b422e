//! What a hostile client or a careless handler does with framing must not change whose bytes are whose.
//!
//! Owns: Host rules, request smuggling, response splitting. Rules are named by RFC section. Must not
//! know: limits.

use crate::support::{App, Connection, Server, Way, get, raw};

const APP: &str = r#"
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/body") return new Response("body=" + (await request.text()));
    if (pathname === "/length-lie") return new Response("12345", { headers: { "content-length": "3" } });
    if (pathname === "/length-long") return new Response("12345", { headers: { "content-length": "500" } });
    if (pathname === "/chunked-lie") return new Response("12345", { headers: { "transfer-encoding": "chunked" } });
    if (pathname === "/split") {
      const failed = [];
      for (const [name, value] of [["x-a", "b\r\nx-evil: 1"], ["x-a", "b\nx-evil: 1"], ["x-a", "b\0c"], ["x-evil: 1\r\nx-a", "b"], ["", "b"], ["x a", "b"]]) {
        try { new Response("", { headers: { [name]: value } }); failed.push([name, value]); } catch (error) { if (!(error instanceof TypeError)) failed.push(String(error)); }
      }
      try { new Response("", { statusText: "OK\r\nx-evil: 1" }); failed.push("statusText"); } catch {}
      return Response.json(failed);
    }
    return new Response("ok");
  },
};"#;

fn start(way: Way) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(
        way,
        &["--workers", "1", "--idle-timeout", "500ms", "--body-timeout", "500ms"],
        app.path(),
    );
    (app, server)
}

/// The request gets 400, the connection ends, and nothing after it on the connection is answered.
fn is_400_and_close(server: &Server, request: &str) {
    let bytes = raw(server.place(), format!("{request}{}", get("/smuggled")));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 400 "), "{request:?} got {text:?}");
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{request:?} got {text:?}");
}

every_way! {
    fn host_is_needed_once_and_valid(way) {
        let (_app, server) = start(way);
        // RFC 9112 section 3.2: missing, more than one, invalid.
        for request in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:port\r\n\r\n",
            // Empty, where the target URI has an authority.
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: \r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: \r\n\r\n",
        ] {
            is_400_and_close(&server, request);
        }
    }

    fn two_framings_or_a_broken_one_are_refused(way) {
        let (_app, server) = start(way);
        // RFC 9112 sections 6.1 to 6.3.
        for (fields, body) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
            ("Content-Length: 5\r\nContent-Length: 6", "hello"),
            ("Content-Length: 5, 6", "hello"),
            ("Content-Length: +5", "hello"),
            ("Content-Length: 0x5", "hello"),
            ("Content-Length: -1", ""),
            ("Content-Length: 5 5", "hello"),
            ("Content-Length:", "hello"),
            ("Content-Length: 99999999999999999999999", "hello"),
            ("Transfer-Encoding: gzip", "hello"),
            ("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
            ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
            ("Transfer-Encoding : chunked", "0\r\n\r\n"),
            ("Content-Length : 5", "hello"),
            ("X-Folded: a\r\n b", ""),
            ("X-Bad\r\nY: 1", ""),
            ("X-Nul: a\0b", ""),
            ("X-Bare: a\rb", ""),
        ] {
            is_400_and_close(&server, &format!("POST /body HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n{body}"));
        }
        is_400_and_close(&server, "POST /body HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    }

    // RFC 9112 section 6.1: a coding that is not known, with chunked at its end.
    fn an_unknown_transfer_coding_is_501(way) {
        let (_app, server) = start(way);
        for fields in ["Transfer-Encoding: deflate, chunked", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity, chunked"] {
            let bytes = raw(server.place(), format!("POST /body HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n0\r\n\r\n{}", get("/smuggled")));
            let text = String::from_utf8_lossy(&bytes);
            assert!(text.starts_with("HTTP/1.1 501 ") && text.matches("HTTP/1.1 ").count() == 1, "{fields:?} got {text:?}");
        }
    }

    fn broken_chunks_are_refused(way) {
        let (_app, server) = start(way);
        // RFC 9112 section 7.1.
        for body in [
            "5 \r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5;\0\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            "g\r\n",
        ] {
            is_400_and_close(&server, &format!("POST /body HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        }
    }

    fn broken_request_lines_are_refused(way) {
        let (_app, server) = start(way);
        for line in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /",
            "GET / HTTP/2.0",
            "GET / HTTP/1.11",
            "GET / http/1.1",
            "G@T / HTTP/1.1",
            "GET * HTTP/1.1",
            "GET no-slash HTTP/1.1",
            "GET /caf\u{e9} HTTP/1.1",
            "GET /a\tb HTTP/1.1",
            "\x16\x03\x01\x02\x00\x01\x00\x01",
        ] {
            let bytes = raw(server.place(), format!("{line}\r\nHost: test\r\n\r\n{}", get("/smuggled")));
            let text = String::from_utf8_lossy(&bytes);
            let refused = ["HTTP/1.1 400 ", "HTTP/1.1 505 "].iter().any(|start| text.starts_with(start));
            assert!(refused, "{line:?} got {text:?}");
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{line:?} got {text:?}");
        }
    }

    fn a_handler_cannot_split_a_response(way) {
        let (_app, server) = start(way);
        let response = Connection::open(server.place()).get("/split");
        assert_eq!(response.text(), "[]", "values that were let through");
    }

    fn a_handlers_framing_never_contradicts_the_body(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        for path in ["/length-lie", "/length-long", "/chunked-lie"] {
            // The parser fails on both framings at once and on a body that is cut.
            let response = client.get(path);
            match response.status {
                200 => assert_eq!(response.text(), "12345", "{path}"),
                500 => {}
                status => panic!("{path} got {status}"),
            }
            if response.says_close() {
                client = Connection::open(server.place());
            }
        }
        assert_eq!(client.get("/").text(), "ok");
    }

    fn a_body_cut_by_the_client_reaches_no_handler_as_whole(way) {
        let (_app, server) = start(way);
        for (field, body) in [("Content-Length: 10", "half"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n")] {
            let mut client = Connection::open(server.place());
            client.send(format!("POST /body HTTP/1.1\r\nHost: test\r\n{field}\r\n\r\n{body}"));
            client.finish();
            let bytes = client.read_to_end();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("body="), "a cut body was answered: {text:?}");
        }
        assert_eq!(Connection::open(server.place()).get("/").text(), "ok");
    }

    fn empty_lines_before_a_request_are_skipped(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        client.send(format!("\r\n{}", get("/"))); // RFC 9112 section 2.2
        assert_eq!(client.response("GET").text(), "ok");
    }
}
