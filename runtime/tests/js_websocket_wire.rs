//! The client's `WebSocket` on the wire (RFC 6455, RFC 7692), rule by rule, against servers of literal bytes.
//!
//! Owns: answers and frames that break a rule. Must not know: how the client works inside. What it does with a right
//! server is in `tests/websocket_client.rs`.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use runtime::client::{Client, ClientOptions, Proxy};
use runtime::io::Backend;

use crate::websocket_server::{PRELUDE, Peer, check, echo, frame, nothing, serve};
use crate::{driver, io_harness};

#[test]
fn section_4_1_the_request_is_an_upgrade_with_the_fields_of_its_options() {
    fn act(peer: &mut Peer) {
        peer.note(peer.head.clone());
        echo(peer);
    }
    check(
        act,
        r#"
        const ws = new WebSocket(url.replace('ws:', 'http:').replace('//', '//me:secret%21@') + '/a/b?c=d', { protocols: ['p', 'q'],
          headers: { 'X-Own': ' é ', Cookie: 'a=b', Origin: 'https://o.test', connection: 'close', 'Sec-WebSocket-Key': 'mine', 'content-length': '5' } });
        await on(ws, 'open'); ws.close(); await end(ws);
        for (const headers of [new Headers({ a: 'b' }), [['a', 'b']], new Map([['a', 'b']])]) { const ws = await made('/', { headers }); ws.close(); await end(ws); }
        for (const headers of [{ 'a b': '' }, { a: 'b\nc' }, { a: '\u0100' }, 5, [['a']]]) throws(() => new WebSocket(url, { headers }), 'TypeError');
        "#,
        |heads| {
            let head = &heads[0];
            assert!(head.starts_with("GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
            let lower = head.to_ascii_lowercase();
            for line in [
                "upgrade: websocket",
                "connection: upgrade",
                "sec-websocket-version: 13",
                "sec-websocket-protocol: p, q",
                "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 client_max_window_bits",
                "cookie: a=b",
                "origin: https://o.test",
                // RFC 7617: me:secret!
                "authorization: basic bwu6c2vjcmv0iq==",
            ] {
                assert_eq!(lower.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line}: {head}");
            }
            assert!(!lower.contains("content-length") && !lower.contains(": mine"), "{head}");
            assert!(heads[1..].iter().all(|head| head.contains("\r\nA: b\r\n")), "{heads:?}");
            let key = |head: &String| lower_key(head);
            let mut keys: Vec<_> = heads.iter().map(key).collect();
            keys.dedup();
            assert_eq!(keys.len(), 4, "{keys:?}");
        },
    );
    fn lower_key(head: &str) -> String {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("sec-websocket-key: "));
        line.expect("a key").to_owned()
    }
}

/// Sub-protocols that a client offers, and an answer; ACCEPT stands for the right value.
const WRONG_ANSWERS: &[(&str, &str)] = &[
    ("", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("", "HTTP/1.1 301 Moved\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n"),
    ("", "HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n"),
    ("", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"),
    (
        "",
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
    ),
    (
        "",
        "HTTP/1.0 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
    ),
    ("", "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"),
    ("", "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket, h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
    ),
    ("", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"),
    ("", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"),
    ("", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPTx\r\n\r\n",
    ),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: a\r\n\r\n",
    ),
    (
        "a",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
    ),
    (
        "a",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: A\r\n\r\n",
    ),
    (
        "a",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: \r\n\r\n",
    ),
    (
        "a",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n",
    ),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Extensions: x-other\r\n\r\n",
    ),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Extensions: permessage-deflate; unknown\r\n\r\n",
    ),
    (
        "",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n\r\n",
    ),
    ("", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"),
    ("", "\x01\x02 what is this?\r\n\r\n"),
    ("", "\u{0}"),
    ("", ""),
];

#[test]
fn section_4_1_answers_that_fail_the_connection() {
    fn act(peer: &mut Peer) {
        if peer.path() == "/good" {
            peer.note("it was followed");
        }
        if peer.path() == "/all" {
            let all: Vec<&str> = WRONG_ANSWERS.iter().map(|(offered, _)| *offered).collect();
            let body = all.join(",");
            return peer
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
        let at: usize = peer.path()[1..].parse().expect("a number");
        peer.send(WRONG_ANSWERS[at].1.replace("ACCEPT", &peer.accept()).as_bytes());
    }
    check(
        act,
        r#"
        const all = (await (await fetch(url.replace('ws:', 'http:') + '/all')).text()).split(','); equal(all.length, 26);
        for (const [n, offered] of all.entries()) {
          const ws = offered === '' ? new WebSocket(`${url}/${n}`) : new WebSocket(`${url}/${n}`, offered); ws.onopen = () => fail(`${n} opens`);
          ws.onerror = (e) => ok(e instanceof ErrorEvent && e.message.length > 10 && e.error instanceof Error);
          same(await end(ws), FAILED, n); same([ws.protocol, ws.extensions, ws.readyState], ['', '', 3]);
        }
        "#,
        |notes| assert!(notes.is_empty(), "{notes:?}"),
    );
}

#[test]
fn section_4_1_servers_that_are_not_there_fail_the_connection() {
    check(
        echo,
        r#"
        // Fetch, "bad port": not even tried, and told of later.
        for (const port of [1, 25, 6667, 10080]) { const ws = new WebSocket(`ws://127.0.0.1:${port}/`); equal(ws.readyState, 0); same(await end(ws), FAILED, port); }
        const nobody = new WebSocket('ws://nobody.invalid/'); same(await end(nobody), FAILED);
        // TLS with who speaks none.
        same(await end(new WebSocket(url.replace('ws:', 'wss:'))), FAILED);
        "#,
        nothing,
    );
}

#[test]
fn section_4_1_one_opening_handshake_at_a_time_for_a_host_and_port() {
    fn act(peer: &mut Peer) {
        peer.note(format!("begins {}", peer.path()));
        thread::sleep(Duration::from_millis(50));
        peer.note(format!("opens {}", peer.path()));
        peer.open("");
        peer.wait();
    }
    check(
        act,
        r#"
        const all = [1, 2, 3].map((n) => new WebSocket(`${url}/${n}`)); await Promise.all(all.map((ws) => on(ws, 'open')));
        const late = new WebSocket(url + '/4'), gone = new WebSocket(url + '/5'), last = new WebSocket(url + '/6'); gone.close(); same(await end(gone), FAILED); await on(last, 'open');
        // The test's server does not close in order.
        for (const ws of [...all, late, last]) ws.close();
        "#,
        |notes| {
            let expected: Vec<String> = [1, 2, 3, 4, 6]
                .iter()
                .flat_map(|n| [format!("begins /{n}"), format!("opens /{n}")])
                .collect();
            assert_eq!(notes, expected);
        },
    );
}

#[test]
fn section_7_the_server_closes_and_its_frame_is_answered() {
    fn act(peer: &mut Peer) {
        peer.open("");
        let close: Vec<u8> = match peer.path() {
            "/none" => frame(0x88, b""),
            "/reason" => frame(0x88, b"\x03\xe9caf\xc3\xa9"),
            "/own" => frame(0x88, b"\x0b\xb8"),
            _ => frame(0x88, b"\x03\xf3"),
        };
        peer.send(&[close, frame(0x81, b"behind it")].concat());
        let (one, two) =
            (peer.told(), if peer.path() == "/stays" { String::new() } else { told_at_end(&mut *peer) });
        peer.note(format!("{one}, {two}"));
        if peer.path() == "/stays" {
            // Section 7.1.1: it does not end the connection, as it should.
            peer.wait();
            peer.note("the client ends it");
        }
    }
    fn told_at_end(peer: &mut Peer) -> String {
        let _ = peer.stream.shutdown(std::net::Shutdown::Write);
        peer.told()
    }
    check(
        act,
        r#"
        for (const [path, expected] of [['/none', [1005, '', true]], ['/reason', [1001, 'café', true]], ['/own', [3000, '', true]], ['/stays', [1011, '', true]]]) {
          const ws = new WebSocket(url + path); ws.onmessage = () => fail('a message behind the Close frame'); same(await end(ws), expected, path);
        }
        "#,
        |notes| assert_eq!(notes[..4], ["88, end", "88 1001 , end", "88 3000 , end", "88 1011 , "]),
    );
}

#[test]
fn section_7_1_5_an_end_without_a_close_frame_is_1006() {
    fn act(peer: &mut Peer) {
        peer.open("");
        match peer.path() {
            "/half" => peer.send(&frame(0x81, b"a message that is cut")[..9]),
            "/head" => peer.send(b"\x82\x7f\x00"),
            "/fragment" => peer.send(&frame(0x01, b"the first of two")),
            "/reset" => {
                peer.send(&frame(0x81, b"x"));
                let socket = socket2::SockRef::from(&peer.stream);
                socket.set_linger(Some(Duration::ZERO)).expect("linger");
            }
            "/closing" => drop(peer.next()),
            _ => {}
        }
    }
    check(
        act,
        r#"
        for (const path of ['/', '/half', '/head', '/fragment', '/reset']) same(await end(new WebSocket(url + path)), FAILED, path);
        const ws = await made('/closing'); ws.close(1000); same(await end(ws), FAILED);
        "#,
        nothing,
    );
}

/// Bytes that break a rule, and the code that the client closes with.
const BREACHES: &[(&[u8], u16)] = &[
    // Section 5.1: a masked frame.
    (b"\x81\x81\x00\x00\x00\x00x", 1002),
    // Section 5.2: reserved bits and opcodes, a length that is too long.
    (b"\x91\x01x", 1002),
    (b"\xa1\x01x", 1002),
    (b"\xc1\x01x", 1002),
    (b"\x83\x01x", 1002),
    (b"\x8b\x01x", 1002),
    (b"\x81\x7e\x00\x01x", 1002),
    (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x01", 1002),
    // Section 5.4: fragments.
    (b"\x80\x01x", 1002),
    (b"\x01\x01x\x81\x01y", 1002),
    // Section 5.5: control frames.
    (b"\x09\x01x", 1002),
    (b"\x08\x00", 1002),
    (b"\x89\x7e\x00\x7e", 1002),
    // Section 5.5.1: Close frames.
    (b"\x88\x01\x03", 1002),
    (b"\x88\x02\x03\xed", 1002),
    (b"\x88\x02\x03\xee", 1002),
    (b"\x88\x02\x0b\xb7", 1002),
    (b"\x88\x04\x03\xe8\xff\xff", 1007),
    // Section 8.1: text that is not UTF-8, at its first wrong byte.
    (b"\x81\x02\xc3\x28", 1007),
    (b"\x81\x7e\x01\x00good\xff", 1007),
    (b"\x01\x02\xf4\x90", 1007),
    (b"\x81\x02\xe2\x82", 1007),
    // Section 10.4: more than a message may be.
    (b"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00", 1009),
];

#[test]
fn section_7_1_7_what_breaks_a_rule_is_closed_with_its_code_and_is_1006_for_the_app() {
    fn act(peer: &mut Peer) {
        let at: usize = peer.path()[1..].parse().expect("a number");
        peer.open("");
        peer.send(&frame(0x81, b"first"));
        peer.send(BREACHES[at].0);
        let told = peer.told();
        let _ = peer.stream.shutdown(std::net::Shutdown::Write);
        let code = BREACHES[at].1;
        if !told.starts_with(&format!("88 {code} ")) || peer.told() != "end" {
            peer.note(format!("{at}: {told}"));
        }
    }
    check(
        act,
        r#"
        for (let n = 0; n < 23; n++) {
          const ws = new WebSocket(`${url}/${n}`), seen = []; ws.onmessage = (e) => seen.push(e.data); ws.onerror = (e) => ok(e.message.length > 5, e.message);
          same(await end(ws), FAILED, n); same(seen, ['first'], n);
        }
        "#,
        |notes| {
            assert_eq!(BREACHES.len(), 23);
            assert!(notes.is_empty(), "{notes:?}");
        },
    );
}

#[test]
fn rfc_7692_messages_are_compressed_where_the_server_agrees() {
    fn act(peer: &mut Peer) {
        let more = match peer.path() {
            "/no" => "",
            "/small" => "; client_max_window_bits=9; server_max_window_bits=8",
            // 8 is a window that zlib has not: such a client sends as it is.
            "/tiny" => "; client_max_window_bits=8",
            _ => "; server_no_context_takeover; client_no_context_takeover",
        };
        let field = if peer.path() == "/no" {
            String::new()
        } else {
            format!("Sec-WebSocket-Extensions: permessage-deflate{more}\r\n")
        };
        peer.open(&field);
        if peer.path() != "/no" {
            // Section 7.2.3.1, in one frame and in two; and one that is not compressed.
            let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
            for message in [
                frame(0xc1, &hello),
                frame(0x41, &hello[..3]),
                frame(0x80, &hello[3..]),
                frame(0x81, b"plain"),
            ] {
                peer.send(&message);
            }
        }
        let (short, long) = (peer.told(), peer.next());
        let (first, length) = long.map_or((0, 0), |(first, payload)| (first, payload.len()));
        peer.note(format!("{} {short} {first:x} {}", peer.path(), length < 200));
        peer.send(&frame(0x88, b"\x03\xe8"));
        peer.wait();
    }
    check(
        act,
        r#"
        for (const [path, extensions] of [['/yes', 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'], ['/small', 'permessage-deflate; client_max_window_bits=9; server_max_window_bits=8'], ['/tiny', 'permessage-deflate; client_max_window_bits=8'], ['/no', '']]) {
          const ws = await made(path), seen = []; ws.onmessage = (e) => seen.push(e.data); equal(ws.extensions, extensions);
          ws.send('short'); ws.send('long '.repeat(400)); equal(ws.bufferedAmount, 2005); same(await end(ws), [1000, '', true]); same(seen, path === '/no' ? [] : ['Hello', 'Hello', 'plain']);
        }
        "#,
        |notes| {
            assert_eq!(
                notes,
                [
                    "/yes 81 short c1 true",
                    "/small 81 short c1 true",
                    "/tiny 81 short 81 false",
                    "/no 81 short 81 false"
                ]
            );
        },
    );
}

#[test]
fn section_4_1_a_proxy_gives_a_tunnel() {
    let (target, told) = serve(|peer| {
        peer.note(peer.head.lines().next().unwrap_or_default().to_owned());
        echo(peer);
    });
    let (proxy, asked) = serve(|peer| {
        peer.note(peer.head.lines().next().unwrap_or_default().to_owned());
        let Ok(mut target) = TcpStream::connect(peer.path()) else { return };
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n");
        let (mut back, mut from) =
            (peer.stream.try_clone().expect("a copy"), target.try_clone().expect("a copy"));
        let down = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut peer.stream, &mut target);
        let _ = target.shutdown(std::net::Shutdown::Write);
        down.join().expect("no panic");
    });
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let proxy = Proxy::Through(format!("http://{proxy}"));
            Client::set_of_worker(ClientOptions { proxy, ..ClientOptions::default() });
            let driver = driver::new();
            driver.run(PRELUDE);
            driver.run(&format!("const url = 'ws://{target}';"));
            driver
                .run_async(
                    "const ws = await made('/x'); ws.send('hello'); equal((await on(ws, 'message')).data, 'hello'); ws.close(); same(await end(ws), [1005, '', true]);",
                )
                .await;
        });
    }
    assert!(told.try_iter().all(|line| line == "GET /x HTTP/1.1"));
    assert!(asked.try_iter().all(|line| line == format!("CONNECT {target} HTTP/1.1")));
}
