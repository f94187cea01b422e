//! The global `fetch`, by the rules of the Fetch standard: what is sent, and what a script sees of the answer.
//!
//! Owns: nothing. Must not know: how the client works inside.

use crate::driver;

use crate::client_server::{Server, response};
use crate::fetch_harness::{engine, quiet, run};

on_both!(
    the_response_is_the_servers,
    default_headers_are_those_of_server_runtimes,
    no_name_is_forbidden_but_framing_is_our_own,
    a_name_is_sent_once_and_host_is_the_urls,
    a_body_where_none_may_be_is_no_answer_to_the_next,
    a_misdirected_request_is_sent_on_a_new_connection,
    the_body_gives_the_content_type,
    every_init_member_counts,
    cache_modes_and_referrers_become_headers,
    null_body_statuses_and_head_have_no_body,
    an_empty_body_is_a_body,
    early_responses_are_skipped,
    codings_are_decoded_and_their_headers_are_shown,
    a_connection_serves_many_calls,
    clones_and_tees_have_the_same_bytes,
    data_urls_are_processed,
    blob_urls_are_those_of_the_engine,
    a_garbled_answer_of_a_used_connection_is_asked_for_again,
    integrity_is_checked,
    the_global_is_one_of_web_idl,
    a_patched_prototype_is_no_matter,
);

async fn the_response_is_the_servers() {
    let server = Server::canned(
        "HTTP/1.1 207 Very Multi\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Raw: \u{e9}\r\ncontent-length: 3\r\n\r\nabc",
    );
    run(
        &server,
        r#"
        const r = await fetch(`${base}/p?q#fragment`)
        same([r.status, r.statusText, r.ok, r.type, r.redirected, r.url], [207, 'Very Multi', true, 'basic', false, `${base}/p?q`])
        equal(r.headers.get('X-A'), '1, 2')
        same(r.headers.getSetCookie(), ['a=1', 'b=2'])
        equal(r.headers.get('x-raw'), '\xc3\xa9')
        equal(r.headers.get('content-length'), '3')
        throws(() => r.headers.set('a', 'b'), 'TypeError', 'immutable')
        throws(() => r.headers.delete('x-a'), 'TypeError', 'immutable')
        equal(r.bodyUsed, false)
        equal(await r.text(), 'abc')
        equal(r.bodyUsed, true)
        await rejects(r.text(), 'already been read')
        same([...(await (await fetch(new URL(base))).bytes())], [97, 98, 99])
        equal((await (await fetch({ toString: () => base })).arrayBuffer()).byteLength, 3)
        "#,
    )
    .await;
    let server = Server::canned("HTTP/1.1 404 \r\ncontent-length: 7\r\n\r\n{\"a\":1}");
    run(
        &server,
        "const r = await fetch(base); same([r.status, r.ok, r.statusText], [404, false, '']); equal((await r.json()).a, 1)",
    )
    .await;
}

async fn default_headers_are_those_of_server_runtimes() {
    let server = Server::echo();
    run(
        &server,
        r#"
        const plain = await seen(await fetch(`${base}/a`))
        equal(plain.line, 'GET /a HTTP/1.1')
        const wanted = { accept: '*/*', 'accept-encoding': 'gzip, deflate, br, zstd', 'accept-language': '*', host: base.slice(7) }
        for (const [name, value] of Object.entries(wanted)) equal(plain.headers.get(name), value, name)
        ok(/^jsserve\/\d+\.\d+/.test(plain.headers.get('user-agent')))
        same([...plain.headers.keys()], ['accept', 'accept-encoding', 'accept-language', 'host', 'user-agent'])
        const own = { accept: 'text/html', 'accept-language': 'de', 'user-agent': 'mine', 'accept-encoding': 'identity' }
        const set = await seen(await fetch(base, { headers: own }))
        for (const [name, value] of Object.entries(own)) equal(set.headers.get(name), value)
        // Ranges are ranges of the coded bytes.
        equal((await seen(await fetch(base, { headers: { range: 'bytes=0-1' } }))).headers.get('accept-encoding'), 'identity')
        "#,
    )
    .await;
}

async fn no_name_is_forbidden_but_framing_is_our_own() {
    let server = Server::echo();
    run(
        &server,
        r#"
        const free = { cookie: 'a=b', origin: 'http://x.test', referer: 'http://y.test/', date: 'now', 'accept-charset': 'x', dnt: '1', 'sec-x': '1', via: 'x' }
        const got = await seen(await fetch(base, { headers: free }))
        for (const [name, value] of Object.entries(free)) equal(got.headers.get(name), value, name)
        const framed = await seen(await fetch(base, { method: 'POST', body: 'abc', headers: {
          'content-length': '1', 'transfer-encoding': 'chunked', connection: 'close, x-mine', 'keep-alive': '1', upgrade: 'x', te: 'x', expect: 'x', 'x-mine': '1',
        } }))
        equal(framed.body, 'abc')
        equal(framed.headers.get('content-length'), '3')
        for (const name of ['transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'te', 'expect', 'x-mine']) equal(framed.headers.get(name), null, name)
        for (const value of ['a\r\nb: c', 'a\nb', 'a\0']) await rejects(fetch(base, { headers: { x: value } }), 'NUL, CR and LF')
        await rejects(fetch(base, { headers: { x: 'a\x01b' } }), 'control characters')
        await rejects(fetch(base, { method: 'GE T' }), 'method')
        await rejects(fetch(base, { method: 'TRACE' }), 'method')
        "#,
    )
    .await;
    assert_eq!(server.accepts(), 1);
}

async fn a_name_is_sent_once_and_host_is_the_urls() {
    let server = Server::echo();
    run(
        &server,
        r#"
        const headers = new Headers([['host', 'a.test'], ['x', '1'], ['X', '2'], ['cookie', 'a=1'], ['cookie', 'b=2']])
        for (const got of [await seen(await fetch(base, { headers })), await seen(await fetch(new Request(base, { headers })))])
          same(['host', 'x', 'cookie'].map((name) => got.headers.get(name)), [base.slice(7), '1, 2', 'a=1; b=2'])
        "#,
    )
    .await;
}

async fn a_body_where_none_may_be_is_no_answer_to_the_next() {
    let server = Server::start(|conn| {
        let mut first = true;
        while conn.request().is_some() {
            let answer = if first {
                "HTTP/1.1 204 No\r\ncontent-length: 3\r\n\r\n"
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
            };
            conn.send(answer.as_bytes());
            std::thread::sleep(std::time::Duration::from_millis(if first { 20 } else { 0 }));
            if std::mem::take(&mut first) {
                conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
            }
        }
    });
    run(&server, "equal((await fetch(base)).status, 204); equal((await fetch(base)).status, 204)").await;
    server.closed(1).await;
    assert_eq!(server.accepts(), 2);
}

async fn a_misdirected_request_is_sent_on_a_new_connection() {
    let server = Server::start(|conn| {
        while let Some(request) = conn.request() {
            let wrong = conn.number == 0 || request.line().contains("always");
            let status = if wrong { "421 Wrong" } else { "200 OK" };
            conn.send(
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", request.body.len()).as_bytes(),
            );
            conn.send(&request.body);
        }
    });
    run(
        &server,
        r#"
        const post = { method: 'POST', body: 'sent' }
        const r = await fetch(base, post)
        same([r.status, await r.text()], [200, 'sent'])
        equal((await fetch(`${base}/always`, post)).status, 421)
        "#,
    )
    .await;
    assert!(server.accepts() <= 4, "{}", server.accepts());
}

async fn the_body_gives_the_content_type() {
    let server = Server::echo();
    run(
        &server,
        r#"
        for (const [body, type, bytes] of [
          ['é', 'text/plain;charset=UTF-8', 'é'],
          [new URLSearchParams({ a: 'b c' }), 'application/x-www-form-urlencoded;charset=UTF-8', 'a=b+c'],
          [utf8('abc'), null, 'abc'], [utf8('abc').buffer, null, 'abc'], ['', 'text/plain;charset=UTF-8', ''],
        ]) {
          const got = await seen(await fetch(base, { method: 'POST', body }))
          equal(got.headers.get('content-type'), type)
          equal(got.body, bytes)
          equal(got.headers.get('content-length'), String(utf8(bytes).length))
        }
        const typed = await seen(await fetch(base, { method: 'PUT', body: '{}', headers: { 'content-type': 'a/b' } }))
        equal(typed.headers.get('content-type'), 'a/b')
        for (const method of ['POST', 'PUT']) equal((await seen(await fetch(base, { method }))).headers.get('content-length'), '0')
        equal((await seen(await fetch(base, { method: 'DELETE' }))).headers.get('content-length'), null)
        "#,
    )
    .await;
}

async fn every_init_member_counts() {
    let server = Server::echo();
    run(
        &server,
        r#"
        equal((await seen(await fetch(base, { method: 'post' }))).line, 'POST / HTTP/1.1')
        equal((await seen(await fetch(base, { method: 'patch' }))).line, 'patch / HTTP/1.1')
        const request = new Request(base, { method: 'POST', body: 'one', headers: { a: '1' } })
        const got = await seen(await fetch(request, { headers: { b: '2' } }))
        same([got.body, got.headers.get('a'), got.headers.get('b')], ['one', null, '2'])
        ok(request.bodyUsed)
        await rejects(fetch(request), 'already been read')
        await rejects(fetch(base, { body: 'x' }), 'GET and HEAD')
        await rejects(fetch(base, { signal: {} }), 'AbortSignal')
        await rejects(fetch(base, { redirect: 'maybe' }), 'redirect')
        await rejects(fetch(base, { window: 1 }), 'window')
        await rejects(fetch('http://u:p@a.test/'), 'credentials')
        await rejects(fetch('/relative'), 'absolute')
        await rejects(fetch(), 'argument')
        const error = new RangeError('thrown')
        await rejectsWith(fetch(base, { get method() { throw error } }), error)
        "#,
    )
    .await;
}

async fn cache_modes_and_referrers_become_headers() {
    let server = Server::echo();
    run(
        &server,
        r#"
        const of = async (init) => { const { headers } = await seen(await fetch(`${base}/p`, init)); return [headers.get('cache-control'), headers.get('pragma'), headers.get('referer')] }
        same(await of({}), [null, null, null])
        same(await of({ cache: 'no-cache' }), ['max-age=0', null, null])
        same(await of({ cache: 'no-store' }), ['no-cache', 'no-cache', null])
        same(await of({ cache: 'reload', headers: { 'cache-control': 'a' } }), ['a', 'no-cache', null])
        same(await of({ referrer: `${base}/from?x#y` }), [null, null, `${base}/from?x`])
        same(await of({ referrer: 'http://a.test/from' }), [null, null, 'http://a.test/'])
        same(await of({ referrer: 'http://a.test/from', referrerPolicy: 'unsafe-url' }), [null, null, 'http://a.test/from'])
        same(await of({ referrer: 'https://a.test/from' }), [null, null, null])
        same(await of({ referrer: '' }), [null, null, null])
        await rejects(fetch(base, { referrer: 'http://' }), 'referrer')
        "#,
    )
    .await;
}

async fn null_body_statuses_and_head_have_no_body() {
    let server = Server::start(|conn| {
        while let Some(request) = conn.request() {
            let path =
                request.line().split(' ').nth(1).expect("a target").trim_start_matches('/').to_string();
            let status = if path.is_empty() { "200" } else { &path };
            let more = if status == "200" { "content-encoding: gzip\r\ncontent-length: 20\r\n" } else { "" };
            let more = if status == "205" { "content-length: 0\r\n" } else { more };
            conn.send(format!("HTTP/1.1 {status} X\r\n{more}\r\n").as_bytes());
        }
    });
    run(
        &server,
        r#"
        for (const status of [204, 205, 304]) {
          const r = await fetch(`${base}/${status}`)
          same([r.status, r.body, await r.text()], [status, null, ''])
        }
        const head = await fetch(base, { method: 'HEAD' })
        same([head.body, await head.text()], [null, ''])
        // They speak of what GET would have had.
        same([head.headers.get('content-length'), head.headers.get('content-encoding')], ['20', 'gzip'])
        "#,
    )
    .await;
    assert_eq!(server.accepts(), 1, "the connection goes on");
}

async fn an_empty_body_is_a_body() {
    let server = Server::canned(response("", b""));
    run(
        &server,
        r#"
        const r = await fetch(base)
        ok(r.body instanceof ReadableStream)
        same(await r.body.getReader().read(), { done: true })
        equal(await (await fetch(base)).text(), '')
        const closed = (await fetch(base)).body.getReader()
        await closed.read()
        await closed.closed
        "#,
    )
    .await;
}

async fn early_responses_are_skipped() {
    let answer = [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".as_bytes(),
        &response("", b"last"),
    ];
    let server = Server::canned(answer.concat());
    run(&server, "const r = await fetch(base); same([r.status, r.headers.get('link'), await r.text()], [200, null, 'last'])")
        .await;
    let server =
        Server::canned("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    run(&server, "await rejects(fetch(base), 'changes the protocol', 'EPROTO')").await;
}

async fn codings_are_decoded_and_their_headers_are_shown() {
    let server = Server::start(|conn| {
        while conn.request().is_some() {
            let body = gzip(b"hello hello hello hello\n");
            conn.send(&response("content-encoding: gzip\r\nvary: a\r\n", &body));
        }
    });
    run(
        &server,
        r#"
        const r = await fetch(base)
        same([r.headers.get('content-encoding'), Number(r.headers.get('content-length')) > 20, r.headers.get('vary')], ['gzip', true, 'a'])
        equal(await r.text(), 'hello hello hello hello\n')
        let all = ''
        for await (const chunk of (await fetch(base)).body) all += text(chunk)
        equal(all, 'hello hello hello hello\n')
        "#,
    )
    .await;
    let server = Server::canned(response("content-encoding: gzip\r\n", b"no gzip at all"));
    run(
        &server,
        "const error = await rejects((await fetch(base)).text(), 'cannot be decoded', 'ERR_CONTENT_DECODING_FAILED'); equal(error.message, 'terminated')",
    )
    .await;
    let server = Server::canned(response("content-encoding: own\r\n", b"as it is"));
    run(
        &server,
        "const r = await fetch(base); same([r.headers.get('content-encoding'), await r.text()], ['own', 'as it is'])",
    )
    .await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

async fn a_connection_serves_many_calls() {
    let server = Server::echo();
    let one = engine(&server);
    one.run_async("for (let i = 0; i < 10; i++) await (await fetch(base)).text()").await;
    // Another engine of the same worker, as after a reload.
    let two = driver::new();
    two.run(&format!("const base = {:?}", server.url("").as_str()));
    two.run_async("await (await fetch(base)).text()").await;
    assert_eq!(server.accepts(), 1);
    one.run_async("await Promise.all([1, 2, 3].map(async () => (await fetch(base)).text()))").await;
    assert!((2..=3).contains(&server.accepts()), "{}", server.accepts());
    quiet(&one);
}

async fn clones_and_tees_have_the_same_bytes() {
    let server = Server::canned(response("a: b\r\n", &[b'x'; 200_000]));
    run(
        &server,
        r#"
        const r = await fetch(base)
        const copy = r.clone()
        same([copy.url, copy.type, copy.status, copy.headers.get('a'), copy.bodyUsed], [r.url, 'basic', 200, 'b', false])
        const [one, two] = await Promise.all([r.text(), copy.text()])
        equal(one.length, 200_000)
        ok(one === two)
        throws(() => r.clone(), 'TypeError')
        const [left, right] = (await fetch(base)).body.tee()
        const read = async (stream) => { let n = 0; for await (const chunk of stream) n += chunk.length; return n }
        same(await Promise.all([read(left), read(right)]), [200_000, 200_000])
        const wrapped = new Response((await fetch(base)).body, { status: 201 })
        same([wrapped.status, wrapped.type, (await wrapped.text()).length], [201, 'default', 200_000])
        "#,
    )
    .await;
}

async fn data_urls_are_processed() {
    run(
        &Server::canned(""),
        r#"
        for (const [url, type, body] of [
          ['data:,a%20b#c', 'text/plain;charset=US-ASCII', 'a b'],
          ['data:text/html;base64,aGVsbG8', 'text/html', 'hello'],
          ['data:;charset=x,y', 'text/plain;charset=x', 'y'],
          ['data:nonsense,y', 'text/plain;charset=US-ASCII', 'y'],
        ]) {
          const r = await fetch(url)
          same([r.status, r.statusText, r.type, r.url, r.headers.get('content-type')], [200, 'OK', 'basic', url.replace('#c', ''), type])
          equal(await r.text(), body)
        }
        equal((await fetch('data:,x', { method: 'POST', body: 'y' })).status, 200)
        equal((await fetch('data:,x', { method: 'HEAD' })).body, null)
        await rejects(fetch('data:no comma'), 'malformed', 'ERR_INVALID_URL')
        await rejects(fetch('data:;base64,%'), 'malformed')
        await rejects(fetch('file:///etc/hostname'), 'std.loadFile', 'ERR_UNSUPPORTED_SCHEME')
        for (const url of ['about:blank', 'ftp://a.test/', 'unknown:x']) await rejects(fetch(url), 'cannot be fetched')
        "#,
    )
    .await;
}

async fn blob_urls_are_those_of_the_engine() {
    run(
        &Server::canned(""),
        r#"
        const blob = new Blob(['0123456789'], { type: 'A/B' })
        const url = URL.createObjectURL(blob)
        const all = await fetch(`${url}#x`)
        same([all.status, all.url, all.headers.get('content-type'), all.headers.get('content-length')], [200, url, 'a/b', '10'])
        equal(await all.text(), '0123456789')
        const part = await fetch(url, { headers: { range: 'bytes=2-4' } })
        same([part.status, part.statusText, part.headers.get('content-range'), await part.text()], [206, 'Partial Content', 'bytes 2-4/10', '234'])
        await rejects(fetch(url, { headers: { range: 'bytes=10-' } }), 'no such range')
        for (const method of ['HEAD', 'POST']) await rejects(fetch(url, { method }), 'only GET')
        URL.revokeObjectURL(url)
        await rejects(fetch(url), 'no blob', 'ERR_INVALID_URL')
        const form = await (await fetch('data:application/x-www-form-urlencoded,a=b')).formData()
        equal(form.get('a'), 'b')
        "#,
    )
    .await;
}

async fn a_garbled_answer_of_a_used_connection_is_asked_for_again() {
    let server = Server::start(|conn| {
        conn.request();
        let first = conn.number == 0;
        conn.send(&response("", b"fine"));
        conn.request();
        conn.send(if first { b"garbage\r\n\r\n".as_slice() } else { b"" });
    });
    run(
        &server,
        r#"
        equal(await (await fetch(base)).text(), 'fine')
        equal(await (await fetch(base)).text(), 'fine')
        "#,
    )
    .await;
    assert_eq!(server.accepts(), 2);
}

async fn integrity_is_checked() {
    let server = Server::canned(response("", b"abc"));
    run(
        &server,
        r#"
        const digest = 'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='
        equal(await (await fetch(base, { integrity: digest })).text(), 'abc')
        await rejects(fetch(base, { integrity: digest.replace('u', 'v') }), 'integrity')
        "#,
    )
    .await;
}

async fn the_global_is_one_of_web_idl() {
    run(
        &Server::canned(""),
        r#"
        const own = Object.getOwnPropertyDescriptor(globalThis, 'fetch')
        same([own.writable, own.enumerable, own.configurable, fetch.name, fetch.length], [true, true, true, 'fetch', 1])
        throws(() => new fetch('x'), 'TypeError')
        "#,
    )
    .await;
}

async fn a_patched_prototype_is_no_matter() {
    let server = Server::echo();
    run(
        &server,
        r#"
        const spied = () => { throw new Error('spied') }
        Promise.prototype.then = Headers.prototype.get = Headers.prototype.entries = Array.prototype.push = spied
        ReadableStream.prototype.getReader = ReadableStreamDefaultReader.prototype.read = spied
        globalThis.Response = globalThis.Request = globalThis.WeakRef = globalThis.AbortSignal = spied
        Object.prototype.then = undefined
        const controller = new AbortController()
        const body = new ReadableStream({ start(c) { c.enqueue(utf8('sent')); c.close() } })
        const r = await fetch(base, { method: 'POST', body, duplex: 'half', signal: controller.signal })
        ok((await r.text()).endsWith('sent'))
        "#,
    )
    .await;
}
