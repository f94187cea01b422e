//! HTTP/2 as a client by literal frames, curl and a browser see it.
//!
//! Owns: how a connection begins and ends, what a stream's exchange comes to. Must not know: limits and floods
//! (`http2_limits`), the rules for frames one by one (`http2_rules`).

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::flow::Flow;
use crate::support::frames::*;
use crate::support::{App, Connection, Over, Server, Way, browser};

const APP: &str = r#"
const events = [];
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/info": return Response.json([ctx.http, request.url, request.method, [...request.headers]]);
      case "/echo": return new Response(request.body);
      case "/text": return new Response(await request.text());
      case "/events": return new Response(events.splice(0).join());
      case "/fails": throw new Error("no");
      case "/never": request.signal.onabort = () => events.push("aborted"); return new Promise(() => {});
      case "/slow": await new Promise((done) => setTimeout(done, 400)); return new Response("slow");
      case "/breaks": return new Response(new ReadableStream({ pull(c) { c.error(new Error("broken")) } }));
      case "/204": return new Response(null, { status: 204 });
      case "/304": return new Response(null, { status: 304 });
      case "/fields": return new Response("x", { headers: {
        connection: "close", "keep-alive": "1", "transfer-encoding": "chunked", upgrade: "x", "x-own": "1" } });
      case "/who": return new Response(`${request.url} ${ctx.peer.addr}`);
      case "/large-stream": return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("x".repeat(200_000))); c.close(); } }), { headers: { "content-type": "text/plain" } });
      case "/large": return new Response("x".repeat(200_000));
      case "/trailers": ctx.trailers({ "x-sum": "1" }); return new Response("body");
    }
    return new Response("hello");
  },
};"#;

fn start(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn_at(Way::tcp(io), &[&["--workers", "1"], flags].concat(), app.path());
    (app, server)
}

/// HEADERS with all of a request, whose body follows where `flags` lack END_STREAM.
fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, block)
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

both_backends! {
    fn a_preface_that_is_none_is_no_http2_by_section_3_4(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::silent(server.addr());
        client.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
        assert!(client.find(|frame| frame.kind == HEADERS).is_none());
        let mut client = Frames::silent(server.addr());
        client.send(&[PREFACE, &frame(PING, 0, 0, &[0; 8])].concat());
        let goaway = client.find(|frame| frame.kind == GOAWAY).expect("GOAWAY");
        assert_eq!(goaway.error(), 1, "PROTOCOL_ERROR");
    }

    fn a_preface_may_come_byte_by_byte(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::silent(server.addr());
        client.stream.set_nodelay(true).expect("nodelay");
        for byte in [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat() {
            client.send(&[byte]);
            std::thread::sleep(Duration::from_millis(1));
        }
        client.get(1, "/");
        assert_eq!(client.answer(1), (200, b"hello".to_vec(), None));
    }

    fn the_app_sees_the_same_request(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::open(server.addr());
        let fields = [("cookie", "a=1"), ("x-one", "1"), ("cookie", "b=2")];
        client.send(&headers(END_STREAM, 1, &request("GET", "/info?q", &fields)));
        let (status, body, _) = client.answer(1);
        let text = String::from_utf8(body).expect("text");
        let expected = r#"["2","http://test/info?q","GET",[["cookie","a=1; b=2"],["host","test"],["x-one","1"]]]"#;
        assert_eq!((status, text.as_str()), (200, expected));
        let text = Connection::open(server.place()).get("/info").text().to_owned();
        assert!(text.starts_with(r#"["1.1","http://"#), "{text}");
    }

    fn answers_without_a_body_end_with_their_head(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::open(server.addr());
        for (stream, method, path, status) in
            [(1, "HEAD", "/", 200), (3, "GET", "/204", 204), (5, "GET", "/304", 304), (7, "HEAD", "/large", 200)]
        {
            client.send(&headers(END_STREAM, stream, &request(method, path, &[])));
            let head = client.find(|frame| frame.stream == stream).expect("an answer");
            assert_eq!((head.kind, head.status(), head.ends_stream()), (HEADERS, status, true), "{path}");
        }
    }

    fn a_failing_handler_ends_its_stream_only(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::open(server.addr());
        client.get(1, "/slow");
        client.get(3, "/fails");
        assert_eq!(client.answer(3).0, 500);
        client.get(5, "/breaks");
        assert_eq!(client.answer(5).2, Some(2), "INTERNAL_ERROR");
        assert_eq!(client.answer(1), (200, b"slow".to_vec(), None));
        server.await_log("broken");
    }

    fn a_reset_aborts_the_requests_signal(io) {
        let (_app, server) = start(io, &[]);
        // Whether its body has come or not.
        for flags in [END_STREAM, 0] {
            let mut client = Frames::open(server.addr());
            client.send(&headers(flags, 1, &request("POST", "/never", &[])));
            client.get(3, "/");
            client.answer(3);
            client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
            let mut stream = 5;
            let start = Instant::now();
            loop {
                client.get(stream, "/events");
                let (_, body, _) = client.answer(stream);
                if body == b"aborted" {
                    break;
                }
                assert!(start.elapsed() < crate::support::SOON, "{flags}");
                stream += 2;
            }
        }
    }

    fn an_early_answer_is_whole_and_the_rest_is_not_wanted(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::open(server.addr());
        client.send(&headers(0, 1, &request("POST", "/", &[])));
        client.send(&frame(DATA, 0, 1, &[b'x'; 1000]));
        assert_eq!(client.answer(1), (200, b"hello".to_vec(), None));
        let reset = client.find(|frame| frame.kind == RST_STREAM).expect("a reset");
        assert_eq!((reset.stream, reset.error()), (1, 0), "NO_ERROR");
        client.get(3, "/");
        assert_eq!(client.answer(3).0, 200);
    }

    fn a_body_is_received_as_the_app_reads_it(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::open(server.addr());
        client.send(&headers(0, 1, &request("POST", "/never", &[])));
        // The app reads nothing: no window opens for what is sent within the first.
        for _ in 0..15 {
            client.send(&frame(DATA, 0, 1, &[b'x'; 4000]));
        }
        client.get(3, "/slow");
        let mut updates = 0;
        client.find(|frame| {
            updates += u32::from(frame.kind == WINDOW_UPDATE && frame.stream == 1);
            frame.stream == 3 && frame.ends_stream()
        });
        assert_eq!(updates, 0);
        // This one does.
        client.send(&headers(0, 5, &request("POST", "/text", &[])));
        for _ in 0..4 {
            client.send(&frame(DATA, 0, 5, &[b'y'; 16_000]));
        }
        client.send(&frame(DATA, END_STREAM, 5, &[]));
        client.open_windows(5, 1 << 20);
        let (status, body, _) = client.answer(5);
        assert_eq!((status, body.len()), (200, 64_000));
    }

    fn answers_wait_for_the_clients_windows_by_section_6_9(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Frames::open(server.addr());
        client.send(&settings(4, 0));
        client.get(1, "/large");
        client.get(3, "/");
        assert_eq!(client.find(|frame| frame.kind == HEADERS).expect("a head").stream, 1);
        assert_eq!(client.find(|frame| frame.kind == HEADERS).expect("a head").stream, 3);
        client.send(&frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()));
        let data = client.find(|frame| frame.kind == DATA).expect("DATA");
        assert_eq!((data.stream, data.payload.len(), data.ends_stream()), (1, 1, false));
        // A window may be taken below zero (section 6.9.2), and is opened for all streams.
        client.send(&settings(4, 4));
        let rest = client.find(|frame| frame.kind == DATA && frame.stream == 3).expect("DATA");
        assert_eq!((rest.payload.len(), rest.ends_stream()), (4, false));
        client.open_windows(1, 1 << 20);
        let (_, body, _) = client.answer(1);
        assert!(body.len() >= 199_990, "{}", body.len());
    }

    fn a_hundred_streams_go_up_and_down_at_the_same_time(io) {
        let (_app, server) = start(io, &[]);
        let mut client = Flow::open(server.addr());
        let streams: Vec<u32> = (0..100).map(|n| 2 * n + 1).collect();
        for stream in &streams {
            client.ask(*stream, "POST", "/echo");
        }
        for round in 0..40 {
            for stream in &streams {
                client.send(*stream, round * 1000, 1000, round == 39);
            }
        }
        while client.ended < streams.len() {
            client.step();
        }
        assert!(streams.iter().all(|stream| client.received[stream] == 40_000), "{:?}", client.received);
    }

    fn a_trusted_proxy_says_who_asks_and_for_what(io) {
        let x = [("x-forwarded-for", "192.0.2.9"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.test")];
        let standard = [("forwarded", "for=192.0.2.9;proto=https;host=shop.test")];
        for (flags, fields, url) in [
            (&["--trusted-proxies", "127.0.0.1"][..], &x[..], "https://shop.test/who 192.0.2.9"),
            (&["--trusted-proxies", "127.0.0.1", "--forwarded-fields", "forwarded"], &standard, "https://shop.test/who 192.0.2.9"),
            (&["--trusted-proxies", "127.0.0.1"], &standard, "http://test/who 127.0.0.1"),
            (&["--trusted-proxies", "127.0.0.2"], &x, "http://test/who 127.0.0.1"),
        ] {
            let (_app, server) = start(io, flags);
            let mut client = Frames::open(server.addr());
            client.send(&headers(END_STREAM, 1, &request("GET", "/who", fields)));
            let (status, body, _) = client.answer(1);
            assert_eq!((status, String::from_utf8_lossy(&body).as_ref()), (200, url), "{flags:?}");
        }
    }

    fn answers_are_compressed_as_over_http1(io) {
        let (_app, server) = start(io, &["--compress=gzip"]);
        let mut client = Frames::open(server.addr());
        let accepts = [("accept-encoding", "gzip")];
        for (stream, path) in [(1, "/large"), (3, "/large-stream")] {
            client.send(&headers(END_STREAM, stream, &request("GET", path, &accepts)));
            client.open_windows(stream, 1 << 20);
            let (status, body, reset) = client.answer(stream);
            let mut plain = String::new();
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut plain).expect("gzip");
            assert_eq!((status, reset, plain == "x".repeat(200_000)), (200, None, true), "{path}");
        }
        client.get(5, "/large");
        client.open_windows(5, 1 << 20);
        assert_eq!(client.answer(5).1.len(), 200_000);
    }

    fn a_drain_finishes_what_is_open_and_says_goaway(io) {
        let (_app, mut server) = start(io, &[]);
        let mut idle = Frames::open(server.addr());
        idle.get(1, "/");
        idle.answer(1);
        let mut client = Frames::open(server.addr());
        client.get(1, "/slow");
        client.send(&frame(PING, 0, 0, &[7; 8]));
        client.find(|frame| frame.kind == PING).expect("an answer");
        server.signal(Signal::TERM);
        let goaway = idle.find(|frame| frame.kind == GOAWAY).expect("GOAWAY");
        assert_eq!(goaway.error(), 0);
        assert!(idle.find(|_| false).is_none());
        let goaway = client.find(|frame| frame.kind == GOAWAY).expect("GOAWAY");
        assert_eq!(goaway.error(), 0);
        assert_eq!(client.answer(1), (200, b"slow".to_vec(), None));
        assert!(client.find(|_| false).is_none());
        assert!(server.await_exit(crate::support::SOON).success());
    }

    fn h2c_is_granted_to_who_asks_for_it_in_order(io) {
        let (_app, server) = start(io, &[]);
        let ask = |more: &str| format!("GET /info HTTP/1.1\r\nHost: test\r\n{more}\r\n");
        let whole = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
        let mut client = Frames::silent(server.addr());
        client.send(ask(whole).as_bytes());
        let mut switching = [0; 71];
        std::io::Read::read_exact(&mut client.stream, &mut switching).expect("101");
        assert!(switching.starts_with(b"HTTP/1.1 101 ") && switching.ends_with(b"\r\n\r\n"));
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        let (status, body, _) = client.answer(1);
        let text = String::from_utf8(body).expect("text");
        assert_eq!((status, text.as_str()), (200, r#"["2","http://test/info","GET",[["host","test"]]]"#));
        client.get(3, "/");
        assert_eq!(client.answer(3).0, 200);
        for lacking in [
            "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A=\r\n",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\nHTTP2-Settings: AAMAAABk\r\n",
        ] {
            let mut client = Connection::open(server.place());
            client.send(ask(lacking));
            assert_eq!(client.response("GET").status, 200, "{lacking}");
        }
    }

    fn http2_false_leaves_http1_alone(io) {
        let (_app, server) = start(io, &["--http2=false"]);
        let mut client = Frames::silent(server.addr());
        client.send(PREFACE);
        let mut answer = [0; 12];
        std::io::Read::read_exact(&mut client.stream, &mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 505");
        assert_eq!(Connection::open(server.place()).get("/").text(), "hello");
    }

    fn curl_and_a_browser_speak_it_by_alpn(io) {
        let app = app!(APP);
        let way = Way { io: if io == "uring" { "uring" } else { "epoll" }, over: Over::Tls };
        let server = Server::spawn_at(way, &["--workers", "1"], app.path());
        let url = format!("https://{}/info", server.addr());
        for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
            let output = Command::new("curl").args(["-sk", flag, &url]).output();
            let Ok(output) = output else { return eprintln!("SKIPPED: there is no curl") };
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.starts_with(&format!(r#"["{version}","{url}""#)), "{text}");
        }
        // An answer that does not wait for the body is not lost.
        let body = "x".repeat(300_000);
        let file = std::env::temp_dir().join(format!("jsserve-h2-{}-{io}", std::process::id()));
        std::fs::write(&file, body).expect("a body");
        let data = format!("@{}", file.display());
        let url = format!("https://{}/", server.addr());
        let output = Command::new("curl").args(["-sk", "--http2", "--data-binary", &data, &url]).output().expect("curl");
        std::fs::remove_file(file).expect("remove");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello");
        // Its profile is one for all tests of this process.
        if io == "epoll"
            && let Some(browser) = browser("http2")
        {
            assert!(browser.page(&format!("https://{}/info", server.addr())).contains(r#""2","#));
        }
    }
}
