//! How a call of `fetch` fails: on the network, by a redirect that may not be, by its signal.
//!
//! Owns: nothing. Must not know: how the client works inside.

use crate::client_server::{Server, options, response};
use crate::fetch_harness::{engine, engine_with, quiet, run};
use runtime::client::ClientOptions;

on_both!(
    network_errors_have_a_cause,
    a_failed_call_names_its_caller,
    a_body_that_breaks_off_is_terminated,
    silence_ends_in_time,
    ports_of_other_protocols_are_blocked,
    methods_and_bodies_change_by_status,
    a_stream_is_sent_once,
    redirects_end_somewhere,
    redirect_modes,
    secrets_stay_with_their_origin,
    a_signal_aborts_before_and_while_waiting,
    a_signal_aborts_a_body,
    a_signal_aborts_an_upload,
    a_signal_that_comes_too_late_does_nothing,
    a_signal_keeps_nothing_of_calls_that_ended,
);

async fn network_errors_have_a_cause() {
    // Bound, so that nobody else gets the port, and not listening.
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
    closed.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind");
    let gone = closed.local_addr().ok().and_then(|addr| addr.as_socket()).expect("address");
    let reset = Server::start(|conn| {
        conn.request();
        conn.reset();
    });
    let script = format!(
        r#"
        const error = await rejects(fetch('http://{gone}/x'), 'cannot connect to 127.0.0.1, port {port}', 'ECONNREFUSED')
        same([error.message, error.cause instanceof Error, error.cause.errno, Object.keys(error), Object.keys(error.cause)], ['fetch failed', true, 111, [], ['code', 'errno']])
        await rejects(fetch('http://no.such.name.invalid/'), 'no address for no.such.name.invalid', 'ENOTFOUND')
        await rejects(fetch(base, {{ method: 'POST', body: 'x' }}), '127.0.0.1', 'ECONNRESET')
        "#,
        port = gone.port()
    );
    run(&reset, &script).await;
    for (answer, part, code) in [
        ("", "closed before the response", "ECONNRESET"),
        ("HTTP/1.1 200 OK\r\nhalf", "closed before the response", "ECONNRESET"),
        ("no HTTP\r\n\r\n", "cannot be read", "EPROTO"),
        ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "cannot be read", "EPROTO"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "cannot be read", "EPROTO"),
    ] {
        run(&Server::once(answer), &format!("await rejects(fetch(base), {part:?}, {code:?})")).await;
    }
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    run(&Server::once(large), "await rejects(fetch(base), 'cannot be read', 'EPROTO')").await;
}

async fn a_failed_call_names_its_caller() {
    let reset = Server::start(|conn| {
        conn.request();
        conn.reset();
    });
    let script = "
        async function theCaller() { await null; return await fetch(base); }
        const error = await theCaller().catch((error) => error)
        same([error.message, error.cause.code, error.stack.includes('at theCaller (')], ['fetch failed', 'ECONNRESET', true])";
    run(&reset, script).await;
}

async fn a_body_that_breaks_off_is_terminated() {
    for (answer, code) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "ECONNRESET"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", "ECONNRESET"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n", "EPROTO"),
    ] {
        let script = format!(
            r#"
            const error = await rejects((await fetch(base)).text(), '', {code:?})
            equal(error.message, 'terminated')
            const reader = (await fetch(base)).body.getReader()
            equal(text((await reader.read()).value), 'abc')
            await rejects(reader.read(), '127.0.0.1', {code:?})
            await rejects(reader.closed, '127.0.0.1', {code:?})
            // Without another read.
            const early = (await fetch(base)).body.getReader()
            await early.read()
            await rejects(early.closed, '127.0.0.1', {code:?})
            "#
        );
        run(&Server::once(answer), &script).await;
    }
}

async fn silence_ends_in_time() {
    let silent = Server::start(|conn| conn.drain());
    let quick = ClientOptions { header_ms_max: 30, body_stall_ms_max: 30, ..options() };
    let driver = engine_with(silent.url("").as_str(), quick.clone());
    driver.run_async("await rejects(fetch(base), 'did not answer for 30 ms', 'ETIMEDOUT')").await;
    let stalls = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
        conn.drain();
    });
    let driver = engine_with(stalls.url("").as_str(), quick);
    driver.run_async("await rejects((await fetch(base)).text(), 'nothing for 30 ms', 'ETIMEDOUT')").await;
    stalls.closed(1).await;
}

async fn ports_of_other_protocols_are_blocked() {
    let server =
        Server::canned("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:25/\r\ncontent-length: 0\r\n\r\n");
    run(
        &server,
        r#"
        for (const port of [1, 22, 25, 6000, 10080]) await rejects(fetch(`http://127.0.0.1:${port}/`), 'bad port')
        await rejects(fetch(base), 'bad port')
        "#,
    )
    .await;
}

/// Redirects `/STATUS?LOCATION` as it says, and answers all else with the request.
fn redirecting() -> Server {
    Server::start(|conn| {
        while let Some(request) = conn.request() {
            let path = request.line().split(' ').nth(1).expect("a target").to_string();
            let order = path.trim_start_matches('/').split_once('?');
            match order.and_then(|(status, to)| Some((status.parse::<u16>().ok()?, to))) {
                Some((status, to)) => conn.send(
                    format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 4\r\n\r\nbody")
                        .as_bytes(),
                ),
                None => conn.send(&response("", &[request.head.as_bytes(), b"\r\n", &request.body].concat())),
            };
        }
    })
}

async fn methods_and_bodies_change_by_status() {
    run(
        &redirecting(),
        r#"
        for (const [status, method, then] of [
          [301, 'POST', 'GET'], [302, 'POST', 'GET'], [303, 'POST', 'GET'], [307, 'POST', 'POST'], [308, 'POST', 'POST'],
          [301, 'PUT', 'PUT'], [302, 'PUT', 'PUT'], [303, 'PUT', 'GET'], [307, 'DELETE', 'DELETE'], [303, 'HEAD', 'HEAD'],
        ]) {
          const body = method === 'HEAD' ? undefined : 'sent'
          const r = await fetch(`${base}/${status}?/to`, { method, body, headers: { 'content-type': 'a/b', 'content-language': 'de', x: 'y' } })
          same([r.redirected, r.url], [true, `${base}/to`])
          if (method === 'HEAD') continue
          const got = await seen(r)
          equal(got.line, `${then} /to HTTP/1.1`, `${status} ${method}`)
          const kept = then === method
          same([got.body, got.headers.get('content-type'), got.headers.get('content-language'), got.headers.get('x')],
            kept ? ['sent', 'a/b', 'de', 'y'] : ['', null, null, 'y'], `${status} ${method}`)
        }
        const r = await fetch(`${base}/302?/to#theirs`)
        equal(r.url, `${base}/to`)
        const direct = await fetch(`${base}/to`)
        same([direct.redirected, direct.url], [false, `${base}/to`])
        "#,
    )
    .await;
}

async fn a_stream_is_sent_once() {
    run(
        &redirecting(),
        r#"
        const stream = () => new ReadableStream({ start(c) { c.enqueue(utf8('sent')); c.close() } })
        for (const status of [301, 302, 307, 308])
          await rejects(fetch(`${base}/${status}?/to`, { method: 'POST', body: stream(), duplex: 'half' }), 'sent twice', 'ERR_REDIRECT')
        equal((await seen(await fetch(`${base}/303?/to`, { method: 'POST', body: stream(), duplex: 'half' }))).line, 'GET /to HTTP/1.1')
        await rejects(fetch(base, { method: 'POST', body: stream() }), 'duplex')
        "#,
    )
    .await;
}

async fn redirects_end_somewhere() {
    let server = Server::canned("HTTP/1.1 301 Moved\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n");
    run(&server, "await rejects(fetch(base), 'more than 20 redirects', 'ERR_TOO_MANY_REDIRECTS')").await;
    run(
        &redirecting(),
        r#"
        for (const to of ['data:,x', 'file:///etc/passwd', 'blob:x', 'http://']) await rejects(fetch(`${base}/302?${to}`), 'redirects to', 'ERR_REDIRECT')
        await rejects(fetch(`${base}/302?http://u:p@localhost:1234/`), 'password', 'ERR_REDIRECT')
        const mode = 'same-origin'
        await rejects(fetch(`${base}/302?http://localhost:1234/`, { mode }), 'same-origin', 'ERR_REDIRECT')
        equal((await fetch(`${base}/302?/to`, { mode })).status, 200)
        "#,
    )
    .await;
}

async fn redirect_modes() {
    run(
        &redirecting(),
        r#"
        for (const status of [301, 302, 303, 307, 308]) {
          await rejects(fetch(`${base}/${status}?/to`, { redirect: 'error' }), 'not allowed', 'ERR_REDIRECT')
          const r = await fetch(`${base}/${status}?/to`, { redirect: 'manual' })
          same([r.status, r.type, r.redirected, r.headers.get('location'), await r.text()], [status, 'basic', false, '/to', 'body'])
        }
        equal((await fetch(`${base}/304?/to`, { redirect: 'error' })).status, 304)
        "#,
    )
    .await;
    let server = Server::canned("HTTP/1.1 302 Found\r\ncontent-length: 4\r\n\r\nbody");
    run(
        &server,
        r#"
        const r = await fetch(base)
        same([r.status, r.redirected, await r.text()], [302, false, 'body'])
        await rejects(fetch(base, { redirect: 'error' }), 'not allowed')
        "#,
    )
    .await;
}

async fn secrets_stay_with_their_origin() {
    run(
        &redirecting(),
        r#"
        const headers = { authorization: 'a', cookie: 'b', 'proxy-authorization': 'c', host: 'own.test', x: 'd' }
        const names = Object.keys(headers)
        const same_origin = await seen(await fetch(`${base}/302?/to`, { headers }))
        same(names.map((name) => same_origin.headers.get(name)), ['a', 'b', 'c', base.slice(7), 'd'])
        const other = base.replace('127.0.0.1', 'localhost')
        const there = await seen(await fetch(`${base}/302?${other}/to`, { headers }))
        same(names.map((name) => there.headers.get(name)), [null, null, null, other.slice(7), 'd'])
        "#,
    )
    .await;
}

async fn a_signal_aborts_before_and_while_waiting() {
    let server = Server::start(|conn| conn.drain());
    let driver = engine(&server);
    driver
        .run_async(
            r#"
            const reason = { mine: true }
            await rejectsWith(fetch(base, { signal: AbortSignal.abort(reason) }), reason)
            let cancelled
            const body = new ReadableStream({ cancel(why) { cancelled = why } })
            await rejectsWith(fetch(base, { method: 'POST', body, duplex: 'half', signal: AbortSignal.abort(reason) }), reason)
            equal(cancelled, reason)
            const request = new Request(base, { signal: AbortSignal.abort(reason) })
            await rejectsWith(fetch(request), reason)
            "#,
        )
        .await;
    assert_eq!(server.accepts(), 0);
    driver
        .run_async(
            r#"
            const controller = new AbortController()
            const waiting = fetch(base, { signal: controller.signal })
            await sleep(30)
            controller.abort()
            let error
            await waiting.catch((e) => { error = e })
            same([error.name, error === controller.signal.reason], ['AbortError', true])
            await fetch(base, { signal: AbortSignal.timeout(30) }).catch((e) => { error = e })
            equal(error.name, 'TimeoutError')
            const own = new AbortController(), reason = new Error('own')
            const request = new Request(base, { signal: own.signal })
            const sent = fetch(request)
            own.abort(reason)
            await rejectsWith(sent, reason)
            "#,
        )
        .await;
    server.closed(2).await;
    quiet(&driver);
}

async fn a_signal_aborts_a_body() {
    let server = Server::start(|conn| {
        conn.request();
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
        conn.drain();
    });
    let driver = engine(&server);
    driver
        .run_async(
            r#"
            const begin = async () => { const c = new AbortController(); return [c, await fetch(base, { signal: c.signal })] }
            const reason = new RangeError('mine')
            {
              const [c, r] = await begin()
              const text = r.text()
              await sleep(10)
              c.abort(reason)
              await rejectsWith(text, reason)
            }
            {
              const [c, r] = await begin()
              const reader = r.body.getReader()
              await reader.read()
              const next = reader.read()
              c.abort(reason)
              await rejectsWith(next, reason)
              await rejectsWith(reader.closed, reason)
            }
            {
              const [c, r] = await begin()
              const reader = r.body.getReader()
              c.abort(reason)
              await rejectsWith(reader.closed, reason)
            }
            {
              const [c, r] = await begin()
              c.abort(reason)
              equal(r.bodyUsed, false)
              const order = []
              const read = r.text().catch((e) => { order.push(e) })
              await Promise.resolve().then(() => order.push(1))
              await read
              equal(order[0], reason)
              await rejectsWith(r.json(), reason)
            }
            {
              const [c, r] = await begin()
              const copy = r.clone()
              const both = [r.text(), copy.text()]
              c.abort(reason)
              for (const one of both) await rejectsWith(one, reason)
            }
            "#,
        )
        .await;
    server.closed(5).await;
    quiet(&driver);
}

async fn a_signal_aborts_an_upload() {
    let server = Server::start(|conn| {
        conn.head();
        // It must see the connection end, and no end of the body.
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut conn.reader, &mut rest);
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a whole body");
    });
    let driver = engine(&server);
    driver
        .run_async(
            r#"
            const reason = new Error('enough')
            for (const pending of [false, true]) {
              const c = new AbortController()
              let cancelled, pulls = 0
              const body = new ReadableStream({
                async pull(controller) { controller.enqueue(utf8('part')); pulls++; if (pending) await new Promise(() => {}); await sleep(5) },
                cancel(why) { cancelled = why },
              }, { highWaterMark: 0 })
              const sent = fetch(base, { method: 'POST', body, duplex: 'half', signal: c.signal })
              while (pulls < (pending ? 1 : 3)) await sleep(5)
              c.abort(reason)
              await rejectsWith(sent, reason)
              equal(cancelled, reason)
            }
            "#,
        )
        .await;
    server.closed(2).await;
    quiet(&driver);
}

async fn a_signal_that_comes_too_late_does_nothing() {
    run(
        &Server::canned(response("", b"abc")),
        r#"
        const c = new AbortController()
        const r = await fetch(base, { signal: c.signal })
        const reader = r.body.getReader()
        while (!(await reader.read()).done);
        c.abort()
        await reader.closed
        const d = new AbortController()
        const got = await (await fetch(base, { signal: d.signal })).text()
        d.abort()
        equal(got, 'abc')
        "#,
    )
    .await;
}

async fn a_signal_keeps_nothing_of_calls_that_ended() {
    let server = Server::canned(response("", b"abc"));
    let driver = engine(&server);
    driver.run("const controller = new AbortController()");
    let calls =
        "for (let i = 0; i < 50; i++) await (await fetch(base, { signal: controller.signal })).text()";
    driver.run_async(calls).await;
    driver.engine.collect();
    let before = driver.engine.heap_bytes();
    for _ in 0..4 {
        driver.run_async(calls).await;
    }
    driver.engine.collect();
    let grown = driver.engine.heap_bytes().saturating_sub(before);
    // A WeakRef of each signal is left until the next sweep of them.
    assert!(grown < 60_000, "{grown} bytes more after 200 calls");
}
