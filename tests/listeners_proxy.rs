//! Proxies in front: the PROXY protocol and the fields in which they say who asks.
//!
//! Owns: whose word is taken, what is refused. Must not know: how headers are parsed in detail (units do).

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::way::{certificate, no_name, secure, socket_path};
use crate::support::{App, Connection, Place, SOON, Server, dial, eventually, get};

const APP: &str = r#"
export default {
  fetch: (request, env, ctx) => new Response([request.url, ctx.peer.addr, ctx.peer.port, ctx.local.port].join(" ")),
  async accept(fd, peer, env, ctx) {
    const os = await import("os");
    await os.send(fd, `${peer.addr} ${peer.port} ${ctx.local.port}`);
  },
};"#;

const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

/// A header of version 2 with `command`, `family` and `block`.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

fn serve(io: &str, flags: &[&str]) -> (App, Server) {
    let app = app!(APP);
    let server = Server::spawn(&[&["--io", io, "--workers", "1"], flags].concat(), app.path());
    (app, server)
}

/// The connection is reset, or ends without an answer.
fn is_refused(addr: SocketAddr, bytes: &[u8]) {
    let mut stream = dial(addr);
    let _ = stream.write_all(bytes);
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    assert!(got.is_empty(), "{:?} got {:?}", String::from_utf8_lossy(bytes), String::from_utf8_lossy(&got));
}

const TRUSTED: [&str; 3] = ["--proxy-protocol", "--trusted-proxies", "127.0.0.0/8,unix"];

both_backends! {
    fn a_proxys_header_says_who_the_client_is(io) {
        let (_app, server) = serve(io, &TRUSTED);
        let own = "127.0.0.1";
        let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];
        for (header, client) in [
            (V1.as_bytes().to_vec(), "192.0.2.7 4711 443"),
            (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), "2001:db8::7 4711 443"),
            (v2(0x21, 0x11, &v4), "192.0.2.7 4711 443"),
            // With values behind the addresses, which nobody reads here.
            (v2(0x21, 0x11, &[&v4[..], &[0x04, 0, 200], &[0; 200]].concat()), "192.0.2.7 4711 443"),
            (b"PROXY UNKNOWN\r\n".to_vec(), own),
            (v2(0x20, 0x00, &[]), own),
            (v2(0x21, 0x00, b"whatever"), own),
        ] {
            let mut client_ = Connection::open(server.addr());
            client_.send([header, get("/").into_bytes()].concat());
            let answer = client_.response("GET");
            assert!(answer.text().starts_with(&format!("http://test/ {client}")), "{}", answer.text());
            // It is of the connection, not of the request.
            assert_eq!(client_.get("/").text(), answer.text());
        }
    }

    fn a_header_may_come_byte_by_byte(io) {
        let (_app, server) = serve(io, &TRUSTED);
        let v4 = v2(0x21, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb]);
        for header in [V1.as_bytes(), &v4] {
            let mut client = Connection::open(server.addr());
            for byte in header {
                client.send([*byte]);
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(client.get("/").text().contains(" 192.0.2.7 4711 443"));
        }
    }

    fn what_has_no_header_is_refused(io) {
        let (_app, server) = serve(io, &TRUSTED);
        let line = format!("{V1}\0");
        for bytes in [
            get("/").as_bytes(),
            // A client behind the proxy cannot speak for it.
            format!("X{V1}{}", get("/")).as_bytes(),
            line.replace("\r\n", "\n").as_bytes(),
            line.replace("4711", "04711").as_bytes(),
            format!("PROXY UNKNOWN {}", "x".repeat(200)).as_bytes(),
            &v2(0x21, 0x11, &[192, 0, 2, 7]),
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 5000]),
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
        ] {
            is_refused(server.addr(), bytes);
        }
        let lines = || server.log().matches("refused: no PROXY header").count();
        eventually("a line for each", || lines() == 10);
        // Who only looks whether somebody listens is no line of the log.
        drop(dial(server.addr()));
        let mut client = Connection::open(server.addr());
        client.send(format!("{V1}{}", get("/")));
        assert_eq!(client.response("GET").status, 200);
        assert_eq!(lines(), 10, "{}", server.log());
    }

    fn an_untrusted_sources_header_is_refused(io) {
        let (_app, server) = serve(io, &["--proxy-protocol", "--trusted-proxies", "127.0.0.2,unix"]);
        is_refused(server.addr(), format!("{V1}{}", get("/")).as_bytes());
        server.await_log("refused: no trusted proxy (--trusted-proxies)");
    }

    fn where_none_is_expected_a_header_is_no_request(io) {
        let (_app, server) = serve(io, &["--trusted-proxies", "127.0.0.1"]);
        let mut client = Connection::open(server.addr());
        client.send(format!("{V1}{}", get("/")));
        assert_eq!(client.response("GET").status, 400);
    }

    fn a_header_has_the_time_of_a_head(io) {
        let (_app, server) = serve(io, &[&TRUSTED[..], &["--header-timeout", "300ms"]].concat());
        let start = Instant::now();
        is_refused(server.addr(), &V1.as_bytes()[..20]);
        assert!(start.elapsed() >= Duration::from_millis(200) && start.elapsed() < SOON);
    }

    fn one_listener_of_several_may_expect_it(io) {
        let path = socket_path();
        let unix = format!("unix:{}?proxy", path.display());
        let flags = ["--listen", &unix, "--listen", "http://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0/?proxy", "--trusted-proxies", "unix,127.0.0.1"];
        let (_app, server) = serve(io, &flags);
        let mut client = Connection::open(Place::Unix(path));
        client.send(format!("{V1}{}", get("/")));
        assert_eq!(client.response("GET").text(), "http://test/ 192.0.2.7 4711 443");
        assert!(Connection::open(server.addr_of("http")).get("/").text().contains(" 127.0.0.1 "));
        let mut raw = dial(server.addr_of("tcp"));
        raw.write_all(V1.as_bytes()).expect("send");
        let mut text = String::new();
        raw.read_to_string(&mut text).expect("an answer");
        assert_eq!(text, "192.0.2.7 4711 443");
    }

    fn the_header_comes_before_tls(io) {
        let flags = certificate().flags();
        let [cert, cert_file, key, key_file] = flags.each_ref().map(String::as_str);
        let flags = [cert, cert_file, key, key_file, "--listen", "https://127.0.0.1:0"];
        let (_app, server) = serve(io, &[&flags[..], &TRUSTED].concat());
        let Place::Tls(addr) = server.place() else { panic!("{}", server.start_line()) };
        let mut tcp = std::net::TcpStream::connect(addr).expect("connect");
        tcp.write_all(V1.as_bytes()).expect("send");
        let mut client = Connection::of(secure(tcp, no_name()).expect("a handshake"));
        assert_eq!(client.get("/").text(), "https://test/ 192.0.2.7 4711 443");
        is_refused(addr, b"\x16\x03\x01\x02\x00\x01\x00\x01");
    }

    fn fields_of_trusted_proxies_say_who_asks_and_for_what(io) {
        let (_app, server) = serve(io, &["--trusted-proxies", "127.0.0.1,10.0.0.0/8"]);
        let mut client = Connection::open(server.addr());
        for (fields, seen) in [
            ("", "http://test/ 127.0.0.1"),
            ("X-Forwarded-For: 192.0.2.7\r\n", "http://test/ 192.0.2.7 0"),
            ("X-Forwarded-For: 6.6.6.6, 192.0.2.7:99\r\nX-Forwarded-For: 10.1.1.1\r\n", "http://test/ 192.0.2.7 99"),
            ("X-Forwarded-For: [2001:db8::7]:99\r\n", "http://test/ 2001:db8::7 99"),
            ("X-Forwarded-For: 192.0.2.7, unknown\r\n", "http://test/ 127.0.0.1"),
            ("X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example:1\r\n", "https://a.example:1/ 127.0.0.1"),
            ("X-Forwarded-Host: a b\r\nX-Forwarded-Proto: gopher\r\n", "http://test/ 127.0.0.1"),
            // The other kind of field is the client's own.
            ("Forwarded: for=192.0.2.7;proto=https\r\n", "http://test/ 127.0.0.1"),
        ] {
            client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
            let answer = client.response("GET");
            assert!(answer.text().starts_with(seen), "{fields:?}: {}", answer.text());
        }
    }

    fn forwarded_is_taken_where_it_is_asked_for(io) {
        let (_app, server) = serve(io, &["--trusted-proxies", "127.0.0.1", "--forwarded-fields", "forwarded"]);
        let mut client = Connection::open(server.addr());
        for (fields, seen) in [
            ("Forwarded: for=192.0.2.7;proto=https;host=a.example\r\n", "https://a.example/ 192.0.2.7 0"),
            ("Forwarded: for=\"[2001:db8::7]:99\"\r\n", "http://test/ 2001:db8::7 99"),
            ("Forwarded: for=_hidden;proto=https\r\n", "https://test/ 127.0.0.1"),
            ("Forwarded: for=192.0.2.7;for=6.6.6.6\r\n", "http://test/ 127.0.0.1"),
            ("X-Forwarded-For: 192.0.2.7\r\n", "http://test/ 127.0.0.1"),
        ] {
            client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
            let answer = client.response("GET");
            assert!(answer.text().starts_with(seen), "{fields:?}: {}", answer.text());
        }
    }

    fn without_trusted_proxies_fields_are_the_clients_own_words(io) {
        for flags in [&[][..], &["--trusted-proxies", "127.0.0.2,unix"]] {
            let (_app, server) = serve(io, flags);
            let mut client = Connection::open(server.addr());
            client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=192.0.2.7\r\n\r\n");
            assert!(client.response("GET").text().starts_with("http://test/ 127.0.0.1 "));
        }
    }
}
