//! Bodies of `fetch` that come in pieces: both ways with back-pressure, given up, passed on untouched.
//!
//! Owns: requests as a connection hands them in. Must not know: how the client works inside.

use std::future::poll_fn;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client_server::{Server, options, response};
use crate::driver::Driver;
use crate::fetch_harness::{engine, engine_with, quiet, run};
use rquickjs::Object;
use runtime::app::Callee;
use runtime::app::fetch::{self, Called, Fields, OwnedReply};
use runtime::client::ClientOptions;
use runtime::io::sleep;
use runtime::js::Value;
use runtime::modules::web::fetch::header_list::HeaderList;
use runtime::modules::web::fetch::incoming::{Head, Incoming, IncomingBody, Progress, Takes};
use runtime::modules::web::fetch::outgoing::Outgoing;
use runtime::worker::Ends;

on_both!(
    streams_and_iterables_are_sent_in_chunks,
    an_announced_length_is_kept,
    an_upload_is_as_fast_as_the_server_reads,
    an_upload_that_nobody_wants_is_cancelled,
    a_failing_upload_fails_the_call,
    a_download_is_as_fast_as_the_script_reads,
    a_cancelled_body_closes_the_connection,
    an_unread_body_is_let_go_with_its_response,
    an_answer_may_come_before_the_body_is_sent,
    a_response_passes_without_javascript,
    a_request_body_passes_without_javascript,
    a_coded_body_passes_as_it_came,
    an_abort_ends_what_is_passed_on,
);

async fn streams_and_iterables_are_sent_in_chunks() {
    run(
        &Server::echo(),
        r#"
        const parts = (async function* () { yield 'one '; await sleep(1); yield utf8('two '); yield new Uint16Array([0x2121]) })()
        const stream = new ReadableStream({ start(c) { c.enqueue(utf8('a')); c.enqueue(new Uint8Array()); c.enqueue(utf8('b')); c.close() } })
        for (const [body, whole] of [[parts, 'one two !!'], [stream, 'ab']]) {
          const got = await seen(await fetch(base, { method: 'POST', body, duplex: 'half' }))
          same([got.body, got.headers.get('transfer-encoding'), got.headers.get('content-length')], [whole, 'chunked', null])
        }
        const request = new Request(base, { method: 'POST', body: 'x'.repeat(100_000) })
        request.body
        const known = await seen(await fetch(request))
        same([known.body.length, known.headers.get('content-length')], [100_000, '100000'])
        const locked = new ReadableStream()
        locked.getReader()
        await rejects(fetch(base, { method: 'POST', body: locked, duplex: 'half' }), 'locked')
        "#,
    )
    .await;
}

async fn an_announced_length_is_kept() {
    run(
        &Server::echo(),
        r#"
        const send = (length) => fetch(base, { method: 'POST', duplex: 'half', headers: { 'content-length': length },
          body: new ReadableStream({ start(c) { c.enqueue(utf8('12345')); c.close() } }) })
        const got = await seen(await send('5'))
        same([got.body, got.headers.get('content-length'), got.headers.get('transfer-encoding')], ['12345', '5', null])
        await rejects(send('6'), 'before its announced length', 'ERR_REQUEST_BODY')
        await rejects(send('4'), 'longer than its announced length', 'ERR_REQUEST_BODY')
        "#,
    )
    .await;
}

async fn an_upload_is_as_fast_as_the_server_reads() {
    let server = Server::start(|conn| {
        conn.head();
        // Nothing is read until the client is gone.
        std::thread::park_timeout(Duration::from_secs(20));
    });
    run(
        &server,
        r#"
        const block = new Uint8Array(65536), c = new AbortController()
        let pulls = 0, last = -1
        const body = new ReadableStream({ pull(to) { pulls++; to.enqueue(block) } }, { highWaterMark: 0 })
        const sent = fetch(base, { method: 'POST', body, duplex: 'half', signal: c.signal })
        while (last !== pulls || pulls === 0) { last = pulls; await sleep(200) }
        ok(pulls < 512, `${pulls} blocks`)
        c.abort(1)
        await rejectsWith(sent, 1)
        "#,
    )
    .await;
}

async fn an_upload_that_nobody_wants_is_cancelled() {
    let server = Server::start(|conn| {
        conn.head();
        conn.send(b"HTTP/1.1 413 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno");
    });
    run(
        &server,
        r#"
        let cancelled, done = new Promise((end) => { cancelled = end })
        const body = new ReadableStream({ async pull(c) { await sleep(1); c.enqueue(utf8('part')) }, cancel(why) { cancelled(why) } })
        const r = await fetch(base, { method: 'POST', body, duplex: 'half' })
        same([r.status, await r.text()], [413, 'no'])
        ok((await done) instanceof TypeError)
        "#,
    )
    .await;
}

async fn a_failing_upload_fails_the_call() {
    let server = Server::echo();
    let driver = engine(&server);
    driver
        .run_async(
            r#"
            for (const body of [
              new ReadableStream({ pull(c) { c.error(new Error('my own')) } }),
              (async function* () { yield 'begun'; throw new Error('my own') })(),
            ]) await rejects(fetch(base, { method: 'POST', body, duplex: 'half' }), 'my own', 'ERR_REQUEST_BODY')
            const wrong = new ReadableStream({ start(c) { c.enqueue('text') } })
            await rejects(fetch(base, { method: 'POST', body: wrong, duplex: 'half' }), 'is a string', 'ERR_REQUEST_BODY')
            "#,
        )
        .await;
}

/// A server that sends without an end, and says when nobody takes it.
fn endless() -> (Server, Arc<AtomicBool>) {
    let stalled = Arc::new(AtomicBool::new(false));
    let says = stalled.clone();
    let server = Server::start(move |conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n");
        let stream = conn.reader.get_mut();
        stream.set_write_timeout(Some(Duration::from_millis(300))).expect("timeout");
        let block = vec![b'x'; 65536];
        for _ in 0..4096 {
            match stream.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    says.store(true, Ordering::SeqCst);
                    break;
                }
                Err(_) => return,
            }
        }
        conn.drain();
    });
    (server, stalled)
}

async fn until(flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn a_download_is_as_fast_as_the_script_reads() {
    let (server, stalled) = endless();
    let driver = engine(&server);
    driver.run_async("globalThis.reader = (await fetch(base)).body.getReader(); await reader.read()").await;
    until(&stalled).await;
    driver
        .run_async("for (let i = 0; i < 10; i++) ok(!(await reader.read()).done); await reader.cancel()")
        .await;
    server.closed(1).await;
    quiet(&driver);
}

async fn a_cancelled_body_closes_the_connection() {
    let (server, _) = endless();
    run(
        &server,
        r#"
        const one = await fetch(base)
        await one.body.cancel()
        equal(await one.text().catch((e) => e.name), 'TypeError')
        const reader = (await fetch(base)).body.getReader()
        await reader.read()
        await reader.cancel('enough')
        same(await reader.read(), { done: true })
        for await (const chunk of (await fetch(base)).body) { ok(chunk.length > 0); break }
        "#,
    )
    .await;
    server.closed(3).await;
}

async fn an_unread_body_is_let_go_with_its_response() {
    let (server, _) = endless();
    let driver = engine(&server);
    driver.run("globalThis.controller = new AbortController()");
    driver.run_async("equal((await fetch(base)).status, 200)").await;
    // A stream that nobody has any more, of a call whose signal lives on.
    driver
        .run_async("{ const r = await fetch(base, { signal: controller.signal }); r.body; r.self = r }")
        .await;
    driver.engine.collect();
    server.closed(2).await;
    quiet(&driver);
    // Where connections are wanting, garbage is collected: these responses refer to themselves.
    let (server, _) = endless();
    let few = ClientOptions { connections_max: 3, ..options() };
    let driver = engine_with(&format!("http://{}", server.addr), few);
    driver
        .run_async("for (let i = 0; i < 20; i++) { const r = await fetch(base); r.body; r.self = r }")
        .await;
    quiet(&driver);
    server.closed(20).await;
}

async fn an_answer_may_come_before_the_body_is_sent() {
    let server = Server::start(|conn| {
        conn.head();
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst");
        let mut line = String::new();
        while std::io::BufRead::read_line(&mut conn.reader, &mut line).is_ok_and(|n| n > 0) {
            if line.ends_with("0\r\n") {
                break;
            }
        }
        assert!(line.contains("late"), "{line}");
    });
    run(
        &server,
        r#"
        let go
        const going = new Promise((done) => { go = done })
        const body = new ReadableStream({ async pull(c) { await going; c.enqueue(utf8('late')); c.close() } })
        const r = await fetch(base, { method: 'POST', body, duplex: 'half' })
        equal(await r.text(), 'first')
        go()
        "#,
    )
    .await;
    server.closed(1).await;
}

struct Asked(&'static str, &'static str);

impl Head for Asked {
    fn method(&self) -> &str {
        self.0
    }
    fn authority(&self) -> &str {
        "served.test"
    }
    fn path_and_query(&self) -> &str {
        "/path"
    }
    fn fields(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        f(b"Host", b"served.test");
        f(b"Accept-Encoding", self.1.as_bytes());
        f(b"X-Own", b"1");
    }
}

/// Whether an engine knows the handler's `ctx`.
#[derive(Default)]
struct Installed(std::cell::Cell<bool>);

/// Serves one request by the app's function `source`.
fn serve(driver: &Driver, source: &str, asked: Asked, body: Option<IncomingBody>) -> fetch::Pending {
    let handler = driver.engine.turn(|ctx| {
        if !driver.engine.state().extension::<Installed>().0.replace(true) {
            runtime::app::context::install(ctx).expect("memory");
        }
        let app = ctx.eval::<Object, _>(format!("({{ fetch: {source} }})")).expect("an app");
        Callee::find(&app, "fetch", &Value::new_undefined(ctx.clone())).expect("memory").expect("a function")
    });
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    let head = Rc::new(asked);
    let ends = Rc::new(Ends { peer: addr.into(), local: addr.into(), tls: None });
    let incoming = Incoming {
        head,
        scheme: "http",
        version: "1.1",
        body,
        ends,
        worker: 0,
        takes: Takes::default(),
        id: None,
    };
    match fetch::fetch(&driver.engine, &handler, incoming, &mut |_| ()) {
        Called::Pending(pending) => pending,
        Called::Failed(failure) => panic!("{failure:?}"),
        _ => panic!("an answer before the fetch"),
    }
}

/// The answer, and its body from native code.
async fn answer(pending: &fetch::Pending) -> (OwnedReply, Outgoing) {
    let mut owned = poll_fn(|cx| pending.poll(cx)).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    let outgoing = owned.take_stream().expect("a body in pieces");
    assert!(matches!(outgoing, Outgoing::Native(_)), "it would enter JavaScript");
    (owned, outgoing)
}

fn field(owned: &OwnedReply, name: &str) -> Option<String> {
    let lent = owned.lend();
    let get =
        |list: &HeaderList| list.get(name.as_bytes()).map(|value| String::from_utf8(value).expect("ASCII"));
    match lent.headers {
        Fields::List(list) => get(list),
        Fields::ContentType(_) => None,
    }
}

async fn rest(outgoing: &mut Outgoing) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = poll_fn(|cx| outgoing.poll_piece(cx)).await {
        all.extend_from_slice(&piece.unwrap_or_else(|broken| panic!("{}", broken.text)));
    }
    all
}

/// Handlers that pass a response on.
const PASSING: [&str; 5] = [
    "() => fetch(base)",
    "async () => { const r = await fetch(base); return new Response(r.body, r) }",
    "async () => { const r = await fetch(base); r.body; return r }",
    "async () => { const r = await fetch(base); return new Response(r.body, { headers: { ...Object.fromEntries(r.headers), 'x-more': '1' } }) }",
    "async (request) => fetch(base, { headers: request.headers, signal: request.signal })",
];

async fn a_response_passes_without_javascript() {
    let server = Server::canned(response("x-a: b\r\n", &vec![b'x'; 4 << 20]));
    let driver = engine(&server);
    for source in PASSING {
        let pending = serve(&driver, source, Asked("GET", ""), None);
        let (owned, mut outgoing) = answer(&pending).await;
        assert_eq!((owned.lend().status, field(&owned, "x-a").as_deref()), (200, Some("b")));
        assert_eq!(field(&owned, "content-length").as_deref(), Some("4194304"));
        let turns = driver.engine.state().turn_number();
        assert_eq!(rest(&mut outgoing).await.len(), 4 << 20);
        assert_eq!(driver.engine.state().turn_number(), turns, "{source}");
    }
    // What comes is asked for, no faster.
    let (server, stalled) = endless();
    let driver = engine(&server);
    let pending = serve(&driver, PASSING[0], Asked("GET", ""), None);
    let (_, outgoing) = answer(&pending).await;
    until(&stalled).await;
    drop((outgoing, pending));
    driver.engine.collect();
    server.closed(1).await;
    quiet(&driver);
}

async fn a_request_body_passes_without_javascript() {
    let server = Server::echo();
    let driver = engine(&server);
    for source in [
        "(request) => fetch(base, request)",
        "(request) => fetch(new Request(base, request))",
        "(request) => fetch(base, { method: 'POST', body: request.body, duplex: 'half', headers: request.headers })",
    ] {
        let body = IncomingBody::new(Vec::new(), Progress::Open);
        let pending = serve(&driver, source, Asked("POST", ""), Some(body.clone()));
        let turns = driver.engine.state().turn_number();
        for _ in 0..100 {
            poll_fn(|cx| body.poll_wanted(cx)).await;
            body.push(&[b'y'; 10_000]);
        }
        assert_eq!(driver.engine.state().turn_number(), turns, "{source}");
        body.end(Progress::Complete);
        let (_, mut outgoing) = answer(&pending).await;
        let echoed = rest(&mut outgoing).await;
        let at = echoed.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        assert_eq!(echoed.len() - at - 4, 1_000_000);
        let head = String::from_utf8_lossy(&echoed[..at]).into_owned();
        assert!(head.contains("\r\nx-own: 1\r\n") && !head.contains("served.test"), "{head}");
    }
    quiet(&driver);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

async fn a_coded_body_passes_as_it_came() {
    let plain = b"hello ".repeat(20_000);
    let coded = gzip(&plain);
    let server = Server::canned(response("content-encoding: gzip\r\nvary: x\r\n", &coded));
    let driver = engine(&server);
    let length = coded.len().to_string();
    for source in &PASSING[..4] {
        let pending = serve(&driver, source, Asked("GET", "br, gzip"), None);
        let (owned, mut outgoing) = answer(&pending).await;
        let fields = ["content-encoding", "content-length", "vary"].map(|name| field(&owned, name));
        assert_eq!(
            fields,
            [Some("gzip".into()), Some(length.clone()), Some("x, Accept-Encoding".into())],
            "{source}"
        );
        assert!(rest(&mut outgoing).await == coded, "{source}");
        // A client that does not take the coding.
        let pending = serve(&driver, source, Asked("GET", "gzip;q=0"), None);
        let (owned, mut outgoing) = answer(&pending).await;
        assert_eq!((field(&owned, "content-encoding"), field(&owned, "content-length")), (None, None));
        assert!(rest(&mut outgoing).await == plain, "{source}");
    }
    // Headers that tell how it came stay behind with what is made of the text.
    let told = "async () => { const r = await fetch(base); return new Response(await r.text() + r.headers.get('content-encoding'), r) }";
    let pending = serve(&driver, told, Asked("GET", "gzip"), None);
    let mut owned = poll_fn(|cx| pending.poll(cx)).await.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert!(owned.take_stream().is_none());
    assert_eq!((field(&owned, "content-encoding"), field(&owned, "content-length")), (None, None));
    assert!(owned.lend().body.is_some_and(|body| body.ends_with(b"hello gzip")));
    // What the app says of the bytes holds for those that it has seen.
    let own =
        "async () => new Response((await fetch(base)).body, { headers: { 'content-length': '120000' } })";
    let pending = serve(&driver, own, Asked("GET", "gzip"), None);
    let (owned, mut outgoing) = answer(&pending).await;
    assert_eq!(
        (field(&owned, "content-encoding"), field(&owned, "content-length")),
        (None, Some("120000".into()))
    );
    assert!(rest(&mut outgoing).await == plain);
    quiet(&driver);
}

async fn an_abort_ends_what_is_passed_on() {
    let (server, _) = endless();
    let driver = engine(&server);
    driver.run("const controller = new AbortController()");
    let pending = serve(&driver, "() => fetch(base, { signal: controller.signal })", Asked("GET", ""), None);
    let (_, mut outgoing) = answer(&pending).await;
    assert!(poll_fn(|cx| outgoing.poll_piece(cx)).await.is_some_and(|piece| piece.is_ok()));
    driver.run("controller.abort(new Error('no more'))");
    let end = poll_fn(|cx| outgoing.poll_piece(cx)).await.expect("an error").expect_err("an error");
    assert_eq!((end.text.as_str(), end.by_app), ("Error: no more", false));
    // As when the client of a served request is gone.
    let pending =
        serve(&driver, "(request) => fetch(base, { signal: request.signal })", Asked("GET", ""), None);
    let (_, mut outgoing) = answer(&pending).await;
    pending.caller.gone();
    let end = poll_fn(|cx| outgoing.poll_piece(cx)).await.expect("an error").expect_err("an error");
    assert!(end.text.starts_with("AbortError"), "{}", end.text);
    server.closed(2).await;
    quiet(&driver);
}
