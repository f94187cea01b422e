//! What a client of `fetch` sees when it behaves: RFC 9110 and 9112 on literal bytes.
//!
//! Owns: methods, bodies in both directions, keep-alive, pipelining, Expect. Must not know: limits.

use std::time::Duration;

use crate::support::{App, Connection, Server, Way, get};

const APP: &str = r#"
export default {
  async fetch(request) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/text": return new Response("hello");
      case "/json": return Response.json({ a: 1 });
      case "/bytes": return new Response(new Uint8Array([0, 255, 13, 10]));
      case "/none": return new Response(null);
      case "/status": return new Response(null, { status: Number(url.searchParams.get("code")) });
      case "/echo": return new Response(await request.arrayBuffer(), { status: 200, headers: { "x-method": request.method } });
      case "/field": return new Response(String(request.headers.get(url.searchParams.get("name"))));
      case "/url": return new Response(request.url);
      case "/wait": await new Promise((resolve) => setTimeout(resolve, 30)); return new Response(url.search);
      case "/redirect": return Response.redirect("http://test/text", 303);
      case "/set": return new Response("x", { headers: [["x-one", "1"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
      case "/unread": return new Response("did not read");
      default: return new Response("no such path", { status: 404 });
    }
  },
};"#;

fn start(way: Way) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(way, &["--workers", "1"], app.path());
    (app, server)
}

/// IMF-fixdate, RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_imf_fixdate(text: &str) -> bool {
    let pattern = "aaa, dd aaa dddd dd:dd:dd GMT";
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(b, p)| match p {
            b'a' => b.is_ascii_alphabetic(),
            b'd' => b.is_ascii_digit(),
            p => b == p,
        })
}

every_way! {
    fn a_response_has_date_length_and_type(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        let text = client.get("/text");
        assert_eq!((text.status, text.reason.as_str(), text.text()), (200, "OK", "hello"));
        assert_eq!(text.field("content-length"), Some("5"));
        assert_eq!(text.field("content-type").map(str::to_lowercase).as_deref(), Some("text/plain;charset=utf-8"));
        assert!(is_imf_fixdate(text.field("date").expect("Date")), "{:?}", text.fields);
        let json = client.get("/json");
        assert_eq!((json.text(), json.field("content-type")), (r#"{"a":1}"#, Some("application/json")));
        let bytes = client.get("/bytes");
        assert_eq!((bytes.body.as_slice(), bytes.field("content-type")), (&[0, 255, 13, 10][..], None));
        let none = client.get("/none");
        assert_eq!((none.status, none.field("content-length"), none.body.len()), (200, Some("0"), 0));
    }

    fn head_204_and_304_have_no_body_and_keep_the_connection(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        client.send("HEAD /text HTTP/1.1\r\nHost: test\r\n\r\n");
        let head = client.response("HEAD");
        assert_eq!((head.status, head.field("content-length")), (200, Some("5")));
        for code in [204, 304] {
            let response = client.get(&format!("/status?code={code}"));
            assert_eq!((response.status, response.body.len()), (code, 0));
            assert!(!response.says_close());
        }
        assert_eq!(client.get("/text").text(), "hello");
    }

    fn a_connection_serves_many_requests(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        for _ in 0..50 {
            assert_eq!(client.get("/text").text(), "hello");
        }
    }

    fn connection_close_and_http_1_0_end_the_connection(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        client.send("GET /text HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let response = client.response("GET");
        assert!(response.says_close(), "{:?}", response.fields);
        assert!(client.read_to_end().is_empty());
        let mut old = Connection::open(server.place());
        old.send("GET /text HTTP/1.0\r\n\r\n");
        assert_eq!(old.response("GET").text(), "hello");
        assert!(old.read_to_end().is_empty());
    }

    fn http_1_0_keeps_alive_when_it_asks(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        let request = "GET /text HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        client.send(request);
        let response = client.response("GET");
        assert_eq!(response.field("connection").map(str::to_lowercase).as_deref(), Some("keep-alive"));
        client.send(request);
        assert_eq!(client.response("GET").text(), "hello");
    }

    fn pipelined_requests_are_answered_in_order(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        let requests: String = (0..40).map(|n| if n % 5 == 0 { get(&format!("/wait?{n}")) } else { get(&format!("/field?name=n{n}")) }).collect();
        client.send(requests);
        for n in 0..40 {
            let response = client.response("GET");
            let expected = if n % 5 == 0 { format!("?{n}") } else { "null".to_string() };
            assert_eq!(response.text(), expected, "request {n}");
        }
    }

    fn bodies_arrive_whole_in_both_framings(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        let body: Vec<u8> = (0..300_000).map(|n: u32| (n % 251) as u8).collect();
        let response = client.post("/echo", &body);
        assert_eq!((response.field("x-method"), response.body.len()), (Some("POST"), body.len()));
        assert!(response.body == body, "the body changed");
        client.send("PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        for part in ["5\r\nhello\r\n", "1;name=value\r\n \r\n", "5\r", "\nwor", "ld\r\n", "0\r\nX-Trailer: 1\r\n\r\n"] {
            client.send(part);
            std::thread::sleep(Duration::from_millis(2)); // each part in a segment of its own
        }
        let response = client.response("PUT");
        assert_eq!((response.text(), response.field("x-method")), ("hello world", Some("PUT")));
        assert_eq!(client.get("/text").text(), "hello");
    }

    fn a_request_in_single_bytes_is_one_request(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        for byte in b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc" {
            client.send([*byte]);
        }
        assert_eq!(client.response("POST").text(), "abc");
    }

    fn expect_100_continue_is_answered_before_the_body(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.response("POST").status, 100);
        client.send("body");
        assert_eq!(client.response("POST").text(), "body");
    }

    fn fields_reach_the_app_and_come_back_each(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        client.send("GET /field?name=X-Twice HTTP/1.1\r\nHost: test\r\nx-twice: a\r\nX-Twice:  b \r\n\r\n");
        assert_eq!(client.response("GET").text(), "a, b");
        let response = client.get("/set");
        assert_eq!(response.field("x-one"), Some("1"));
        let cookies: Vec<_> = response.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).collect();
        assert_eq!(cookies.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=1", "b=2"]);
    }

    fn a_redirect_names_its_location(way) {
        let (_app, server) = start(way);
        let response = Connection::open(server.place()).get("/redirect");
        assert_eq!((response.status, response.field("location")), (303, Some("http://test/text")));
    }

    fn an_unread_body_does_not_become_the_next_request(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        let body = get("/text");
        client.send(format!("POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let response = client.response("POST");
        assert_eq!(response.text(), "did not read");
        if response.says_close() {
            assert!(client.read_to_end().is_empty());
        } else {
            assert_eq!(client.get("/none").text(), "", "the unread body was taken for a request");
        }
    }

    // Fetch, section 5.4: a Request of GET or HEAD has no body, and copies of it must not fail for what a client sent.
    fn content_of_get_and_head_is_dropped(way) {
        let app = app!("export default { async fetch(request) {
            const copy = new Request(request), other = new Request('http://other/', request);
            return new Response([request.body, copy.body, other.method, await request.text()].join('|'), { headers: { 'x-body': String(request.body) } });
        } };");
        let server = Server::spawn_at(way, &["--workers", "1"], app.path());
        let mut client = Connection::open(server.place());
        for (framing, content) in
            [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), ("Content-Length: 0", "")]
        {
            client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n{content}"));
            let response = client.response("GET");
            assert_eq!((response.status, response.text()), (200, "||GET|"), "{framing}");
            client.send(format!("HEAD / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n{content}"));
            assert_eq!(client.response("HEAD").field("x-body"), Some("null"), "{framing}");
        }
    }

    fn a_half_closed_client_gets_its_answer(way) {
        let (_app, server) = start(way);
        let mut client = Connection::open(server.place());
        client.send(get("/wait?x"));
        client.finish();
        assert_eq!(client.response("GET").text(), "?x");
        assert!(client.read_to_end().is_empty());
    }
}

both_backends! {
    fn the_url_is_made_of_host_and_target(io) {
        let (_app, server) = start(Way::tcp(io));
        let mut client = Connection::open(server.addr());
        client.send("GET /url?a=%20b HTTP/1.1\r\nHost: example.org:81\r\n\r\n");
        assert_eq!(client.response("GET").text(), "http://example.org:81/url?a=%20b");
        // Absolute form, RFC 9112 section 3.2.2: its authority is used and Host ignored.
        client.send("GET http://other.example/url HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.response("GET").text(), "http://other.example/url");
    }
}

#[test]
fn both_families_listen_at_once() {
    let app = app!(APP);
    let listen = ["--listen", "http://127.0.0.1:0", "--listen", "http://[::1]:0", "--workers", "2"];
    let server = Server::spawn(&listen, app.path());
    assert_eq!(server.addresses().len(), 2, "{}", server.start_line());
    for (_, addr) in server.addresses() {
        assert_eq!(Connection::open(*addr).get("/text").text(), "hello");
    }
}

#[test]
fn modules_are_found_relative_to_their_importer() {
    let files = [
        (
            "app.js",
            "import { greet } from './lib/greet.js'; import data from './data.json' with { type: 'json' };\nconst later = await import('./lib/later.js');\nexport default { fetch: () => Response.json([greet(data.name), later.default, import.meta.url.endsWith('/app.js')]) };",
        ),
        ("data.json", r#"{"name":"json"}"#),
    ];
    let app = App::with_files("app.js", &files);
    let lib = app.path().with_file_name("lib");
    std::fs::create_dir(&lib).expect("folder");
    std::fs::write(
        lib.join("greet.js"),
        "import { word } from './word.js'; export const greet = (name) => word + ' ' + name;",
    )
    .expect("write");
    std::fs::write(lib.join("word.js"), "export const word = await Promise.resolve('hello');")
        .expect("write");
    std::fs::write(lib.join("later.js"), "export default 'later';").expect("write");
    let server = Server::spawn(&["--workers", "2"], app.path());
    assert_eq!(Connection::open(server.addr()).get("/").text(), r#"["hello json","later",true]"#);
}
