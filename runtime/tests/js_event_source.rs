//! `EventSource` (HTML, section 9.2), rule by rule, against servers that say what a test wants.
//!
//! Owns: such a server: an answer for each connection, what was asked. Must not know: how streams are read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use runtime::io::Backend;

use crate::driver::{self, Driver};
use crate::io_harness;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A server that gives each connection the next answer, in pieces a moment apart; the heads of its requests.
fn serve(answers: Vec<Vec<String>>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("address");
    let (sender, heads) = channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
            let (mut head, mut bytes) = (Vec::new(), [0; 4096]);
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut bytes) {
                    Ok(length @ 1..) => head.extend_from_slice(&bytes[..length]),
                    _ => break,
                }
            }
            let _ = sender.send(String::from_utf8_lossy(&head).into_owned());
            for piece in answer {
                match piece.as_str() {
                    // Until the client goes.
                    "wait" => drop(stream.read(&mut bytes)),
                    _ if stream.write_all(piece.as_bytes()).is_err() => break,
                    _ => thread::sleep(Duration::from_millis(5)),
                }
            }
        }
    });
    (addr, heads)
}

fn of(pieces: &[&str]) -> Vec<String> {
    pieces.iter().map(|piece| (*piece).to_owned()).collect()
}

/// Runs `body` on both backends, with `url` of a server of these answers; then looks at what was asked.
fn check(answers: &[&[&str]], body: &'static str, look: fn(&Driver, Vec<String>)) {
    for backend in [Backend::Uring, Backend::Epoll] {
        if !io_harness::available(backend) {
            continue;
        }
        let (addr, heads) = serve(answers.iter().map(|answer| of(answer)).collect());
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            driver.run(&format!(
                "globalThis.url = 'http://{addr}/x'; globalThis.on = (source, type) => new Promise((f) => source.addEventListener(type, f, {{ once: true }}));"
            ));
            driver.run_async(body).await;
            assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
            look(&driver, heads.try_iter().collect());
        });
    }
}

#[test]
fn the_constructor_takes_absolute_urls_and_the_object_says_what_it_is() {
    check(
        &[&[HEAD, "wait"]],
        r#"
        throws(() => new EventSource(), 'TypeError'); throws(() => EventSource(url), 'TypeError'); for (const bad of ['', '/x', 'http://a:b', 'http://[::']) throws(() => new EventSource(bad), 'SyntaxError');
        throws(() => new EventSource(url, 1), 'TypeError');
        const es = new EventSource(url + '#part', { withCredentials: 1 }); equal(es.url, url + '#part'); equal(es.withCredentials, true); equal(es.readyState, EventSource.CONNECTING); ok(es instanceof EventTarget); equal(String(es), '[object EventSource]');
        same([EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED, es.CONNECTING, es.OPEN, es.CLOSED], [0, 1, 2, 0, 1, 2]); same([es.onopen, es.onmessage, es.onerror], [null, null, null]);
        const opened = await on(es, 'open'); equal(es.readyState, 1); ok(opened instanceof Event && !(opened instanceof MessageEvent) && opened.isTrusted && !opened.bubbles && !opened.cancelable);
        es.close(); equal(es.readyState, 2); es.close(); const off = new EventSource('HTTP://127.0.0.1:1'); equal(off.url, 'http://127.0.0.1:1/'); equal(off.withCredentials, false); off.close(); equal(off.readyState, 2);
        "#,
        |_, heads| {
            let head = heads[0].to_ascii_lowercase();
            assert!(
                head.starts_with("get /x http/1.1\r\n") && head.contains("\r\naccept: text/event-stream\r\n"),
                "{head}"
            );
            assert!(
                head.contains("\r\ncache-control: no-cache\r\n") && !head.contains("last-event-id"),
                "{head}"
            );
        },
    );
}

#[test]
fn events_arrive_in_order_with_their_type_id_and_origin() {
    check(
        &[&[
            HEAD,
            "\u{feff}data: o",
            "ne\r",
            "\ndata:two\n\nevent: tick\nid: é1\r\n",
            "data\r\n\r\n:comment\n\nid\n\ndata:a\n\n",
            "wait",
        ]],
        r#"
        const es = new EventSource(url), seen = [], note = (e) => { seen.push([e.type, e.data, e.lastEventId]); ok(e instanceof MessageEvent && e.isTrusted && e.target === es && e.source === null); same(e.ports, []); equal(e.origin, new URL(url).origin) };
        es.onmessage = note; es.addEventListener('tick', note); await on(es, 'tick'); await on(es, 'message');
        same(seen, [['message', 'one\ntwo', ''], ['tick', '', 'é1'], ['message', 'a', '']]); es.close();
        "#,
        |_, _| {},
    );
}

#[test]
fn a_connection_that_ends_is_made_again_with_the_id_of_the_last_event() {
    check(
        &[
            &[HEAD, "retry: 20\nid: 7\ndata: one\n\ndata: cut"],
            &[HEAD, "data: two\n\nid: late\n"],
            &[HEAD, "id: 9 é\n\n"],
            &["HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"],
        ],
        r#"
        const es = new EventSource(url), seen = []; es.onopen = () => seen.push('open' + es.readyState); es.onmessage = (e) => seen.push(e.data + e.lastEventId);
        const end = new Promise((f) => { es.onerror = (e) => { ok(!(e instanceof MessageEvent)); seen.push('error' + es.readyState); if (es.readyState === 2) f() } }); await end;
        same(seen, ['open1', 'one7', 'error0', 'open1', 'two7', 'error0', 'open1', 'error0', 'error2']);
        "#,
        |_, heads| {
            let ids: Vec<_> = heads
                .iter()
                .map(|head| {
                    let line =
                        head.lines().find(|line| line.to_ascii_lowercase().starts_with("last-event-id:"));
                    line.and_then(|line| line.split_once(": ")).map(|(_, id)| id.to_owned())
                })
                .collect();
            assert_eq!(ids, [None, Some("7".into()), Some("7".into()), Some("9 é".into())]);
        },
    );
}

#[test]
fn a_response_that_is_no_event_stream_is_the_end() {
    let wrong: &[&[&str]] = &[
        &["HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\ndata:a\n\n"],
        &["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata:a\n\n"],
        &["HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\nConnection: close\r\n\r\ndata:a\n\n"],
        &["HTTP/1.1 404 Not Found\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata:a\n\n"],
        &["HTTP/1.1 500 No\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata:a\n\n"],
        &["HTTP/1.1 201 Created\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata:a\n\n"],
        &["HTTP/1.1 205 Reset\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"],
        &[
            "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-16\r\nConnection: close\r\n\r\ndata:é\n\n",
            "wait",
        ],
    ];
    check(
        wrong,
        r#"
        for (let i = 0; i < 7; i++) { const es = new EventSource(url); es.onopen = es.onmessage = () => fail(i); await on(es, 'error'); equal(es.readyState, 2, i) }
        const right = new EventSource(url); equal((await on(right, 'message')).data, 'é'); right.close();
        for (const other of ['ftp://a/', 'data:text/event-stream,data:a', 'about:blank']) { const es = new EventSource(other); await on(es, 'error'); equal(es.readyState, 2, other) }
        "#,
        |_, _| {},
    );
}

#[test]
fn redirects_are_followed_and_the_origin_is_where_they_lead() {
    let (addr, _heads) = serve(vec![of(&[HEAD, "data:there\n\n", "wait"])]);
    let to = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:{}/y\r\nConnection: close\r\n\r\n",
        addr.port()
    );
    let (first, _first_heads) = serve(vec![vec![to]]);
    io_harness::worker(Backend::Epoll, move || async move {
        let driver = driver::new();
        driver.run(&format!(
            "globalThis.url = 'http://{first}/x'; globalThis.there = 'http://localhost:{}'",
            addr.port()
        ));
        driver
            .run_async("const es = new EventSource(url), e = await new Promise((f) => { es.onmessage = f }); equal(e.data, 'there'); equal(e.origin, there); equal(es.url, url); es.close()")
            .await;
    });
}

#[test]
fn a_closed_source_hears_nothing_more_and_a_script_may_end() {
    check(
        &[&[HEAD, "data:1\n\ndata:2\n\ndata:3\n\n", "wait"], &[HEAD, "retry:1\n\n"]],
        r#"
        const es = new EventSource(url), seen = []; await new Promise((f) => { es.onmessage = (e) => { seen.push(e.data); if (e.data === '2') { es.close(); setTimeout(f, 20) } } }); same(seen, ['1', '2']); equal(es.readyState, 2);
        const other = new EventSource(url); await new Promise((f) => { other.onerror = () => { other.close(); setTimeout(f, 30) } }); equal(other.readyState, 2);
        "#,
        |driver, heads| {
            assert_eq!(heads.len(), 2, "closed in the handler of error, it does not come back");
            assert_eq!(driver.engine.state().alive().count(), 0);
        },
    );
}

#[test]
fn what_a_listener_throws_is_reported_and_the_next_event_comes() {
    let (addr, _heads) = serve(vec![of(&[HEAD, "data:1\n\ndata:2\n\n", "wait"])]);
    io_harness::worker(Backend::Epoll, move || async move {
        let driver = driver::new();
        driver.run(&format!("globalThis.url = 'http://{addr}/'"));
        driver
            .run_async("const es = new EventSource(url); await new Promise((f) => { es.onmessage = (e) => { if (e.data === '1') throw new RangeError('mine'); f() } }); es.close()")
            .await;
        assert!(driver.reports.borrow().len() == 1 && driver.reports.borrow()[0].contains("mine"));
    });
}
