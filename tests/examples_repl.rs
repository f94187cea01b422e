//! The example that is a REPL over a WebSocket: frames, what it evaluates, whom it refuses.
//!
//! Owns: a WebSocket client of a few lines (RFC 6455). Must not know: the server's insides.

use std::net::SocketAddr;

use crate::support::{self, Connection, Script, example};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

fn server(io: &str) -> (Script, SocketAddr) {
    let script = Script::spawn(io, &example("os/repl_server.js"), &["0"]);
    let addr = SocketAddr::from(([127, 0, 0, 1], script.port()));
    (script, addr)
}

/// The status line that a handshake with these fields is answered with, and the connection.
fn handshake(addr: SocketAddr, host: &str, origin: Option<&str>) -> (String, Connection) {
    let mut client = Connection::open(addr);
    let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
    client.send(format!(
        "GET /repl HTTP/1.1\r\nHost: {host}\r\n{origin}Upgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(client.read_exactly(1));
    }
    (String::from_utf8(head).expect("ASCII"), client)
}

/// A session, past its greeting.
fn session(addr: SocketAddr) -> Connection {
    let (head, mut client) = handshake(addr, &addr.to_string(), Some(&format!("http://{addr}")));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The example of RFC 6455, section 1.3.
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert!(receive(&mut client).1.starts_with(b"jsserve: you are in process "));
    client
}

/// The first byte of a frame is given: FIN (0x80) and opcode.
fn send(client: &mut Connection, first: u8, payload: &[u8]) {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    client.try_send(frame);
}

fn receive(client: &mut Connection) -> (u8, Vec<u8>) {
    let start = client.read_exactly(2);
    assert_eq!(start[0] & 0xf0, 0x80, "whole frames");
    let length = match start[1] {
        126 => client.read_exactly(2).iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte)),
        127 => client.read_exactly(8).iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte)),
        length => usize::from(length),
    };
    (start[0] & 15, client.read_exactly(length))
}

fn evaluate(client: &mut Connection, source: &str) -> String {
    send(client, 0x80 | TEXT, source.as_bytes());
    let (opcode, payload) = receive(client);
    assert_eq!(opcode, TEXT);
    String::from_utf8(payload).expect("UTF-8")
}

both_backends! {
    fn repl_server_evaluates_in_the_running_program(io) {
        let (_script, addr) = server(io);
        let mut client = session(addr);
        assert_eq!(evaluate(&mut client, "1 + 1"), "2");
        assert_eq!(evaluate(&mut client, "var x = { a: [1, 'two', new Map([[1, 2n]])], f() {} }"), "undefined");
        assert_eq!(evaluate(&mut client, "x"), r#"{ a: [1, "two", Map { 1 => 2n }], f: [Function f] }"#);
        assert_eq!(evaluate(&mut client, "await Promise.resolve('waited')"), "waited");
        assert_eq!(evaluate(&mut client, "app.sessions"), "1");
        assert!(evaluate(&mut client, "throw new Error('no')").starts_with("Error: no\n"));
        assert!(evaluate(&mut client, "syntax error(").starts_with("SyntaxError: "));
        assert_eq!(evaluate(&mut client, "throw 5"), "thrown: 5");
        let long = "ä".repeat(100_000);
        assert_eq!(evaluate(&mut client, &format!("'{long}'")), long);
        // Another session is the same program.
        assert_eq!(evaluate(&mut session(addr), "x.a[1] + app.sessions"), "two2");
        send(&mut client, 0x80 | CLOSE, &1000_u16.to_be_bytes());
        assert_eq!(receive(&mut client), (CLOSE, 1000_u16.to_be_bytes().to_vec()));
        assert!(client.read_to_end().is_empty());
    }

    fn repl_server_speaks_the_protocol(io) {
        let (_script, addr) = server(io);
        let mut client = session(addr);
        send(&mut client, TEXT, b"1 ");
        send(&mut client, 0x80 | PING, b"are you there?");
        send(&mut client, 0x80, b"+ 2");
        assert_eq!(receive(&mut client), (PONG, b"are you there?".to_vec()));
        assert_eq!(receive(&mut client), (TEXT, b"3".to_vec()));
        let mut huge = vec![0x80 | TEXT, 0xff];
        huge.extend((1_u64 << 40).to_be_bytes());
        let unmasked = [0x80 | TEXT, 1, b'1'];
        let frames: [(&str, u16, &[u8]); 6] = [
            ("not UTF-8", 1007, &[0x81, 0x81, 0, 0, 0, 0, 0xff]),
            ("binary", 1003, &[0x82, 0x81, 0, 0, 0, 0, 1]),
            ("a reserved bit", 1002, &[0xc1, 0x81, 0, 0, 0, 0, 1]),
            ("a continuation of nothing", 1002, &[0x80, 0x81, 0, 0, 0, 0, 1]),
            ("too long", 1009, &huge),
            ("no mask", 1002, &unmasked),
        ];
        for (what, code, frame) in frames {
            let mut client = session(addr);
            client.send(frame);
            let (opcode, payload) = receive(&mut client);
            assert_eq!((opcode, &payload[..2]), (CLOSE, &code.to_be_bytes()[..]), "{what}");
            assert!(client.read_to_end().is_empty(), "{what}");
        }
        assert_eq!(evaluate(&mut session(addr), "1"), "1", "others go on");
    }

    fn repl_server_refuses_foreign_pages(io) {
        let (_script, addr) = server(io);
        let own = addr.to_string();
        for (host, origin, status) in [
            (own.as_str(), Some("https://evil.test"), 403),
            (own.as_str(), Some("http://127.0.0.1"), 403),
            (own.as_str(), Some("null"), 403),
            (own.as_str(), None, 403),
            ("evil.test", Some("http://evil.test"), 421),
        ] {
            let (head, mut client) = handshake(addr, host, origin);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {origin:?}: {head}");
            client.read_to_end();
        }
        let mut page = Connection::open(addr);
        page.send(format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
        let page = page.response("GET");
        assert_eq!((page.status, page.field("x-frame-options")), (200, Some("DENY")));
        assert!(page.text().contains("new WebSocket(") && page.text().ends_with("</html>\n"), "{}", page.text());
        assert_eq!(Connection::open(addr).get("/").status, 421, "Host: test");
    }
}

#[test]
fn repl_servers_page_opens_a_session_in_a_browser() {
    let Some(browser) = support::browser("the page of the REPL in a browser") else { return };
    let (_script, addr) = server("auto");
    // The browser's clock runs ahead of a busy machine: a page may be printed before its socket is open.
    let open = || browser.page(&format!("http://{addr}/"));
    let mut page = open();
    for _ in 0..3 {
        if !page.contains("<span>jsserve: ") {
            page = open();
        }
    }
    assert!(page.contains("<span>jsserve: you are in process "), "the page has no session:\n{page}");
}
