//! `fetch` over TLS: whom it trusts, what it says of the others, HTTP/2.
//!
//! Owns: nothing. Must not know: how the client works inside.

use std::rc::Rc;
use std::time::Duration;

use crate::client_server::{self, options};
use crate::client_tls_server::{Answer, Authority, Terms, TlsServer};
use crate::driver::Driver;
use crate::fetch_harness::{engine_with, quiet};
use bytes::Bytes;
use runtime::client::ClientOptions;

on_both!(
    a_trusted_server_answers_over_h2_and_http1,
    faults_of_certificates_have_nodes_names,
    requests_share_an_h2_connection,
    bodies_stream_over_h2,
    an_abort_ends_its_h2_stream_only,
);

/// An engine that trusts `authority`, with `base` for `server`.
fn trusting(authority: &Authority, server: &TlsServer) -> Driver {
    let options = ClientOptions { roots: authority.roots(), ..options() };
    engine_with(server.url("localhost", "").as_str().trim_end_matches('/'), options)
}

async fn a_trusted_server_answers_over_h2_and_http1() {
    for (alpn, version) in [(&["h2", "http/1.1"][..], "2.0"), (&["http/1.1"][..], "1.1")] {
        let authority = Authority::new();
        let server = TlsServer::echo(authority.server_config(&Terms { alpn, ..Terms::default() }));
        let driver = trusting(&authority, &server);
        driver.run(&format!("const version = 'HTTP/{version}'"));
        driver
            .run_async(
                r#"
                const r = await fetch(`${base}/x`, { method: 'PUT', body: 'sent' })
                // HTTP/2 has no reason phrase.
                same([r.status, r.statusText, r.type], [200, version === 'HTTP/2.0' ? '' : 'OK', 'basic'])
                const text = await r.text()
                ok(text.startsWith(`PUT ${version} `) && text.endsWith('/x\nsent'), text)
                // Framing of a connection that has none of it.
                const framed = await fetch(base, { method: 'POST', body: 'abc', headers: { connection: 'close', 'transfer-encoding': 'chunked', 'content-length': '9' } })
                ok((await framed.text()).endsWith('\nabc'))
                "#,
            )
            .await;
        quiet(&driver);
    }
}

async fn faults_of_certificates_have_nodes_names() {
    let trusted = Authority::new();
    for (terms, authority, code, words) in [
        (Terms { expired: true, ..Terms::default() }, &trusted, "CERT_HAS_EXPIRED", "has expired"),
        (
            Terms { names: &["a.test"], ..Terms::default() },
            &trusted,
            "ERR_TLS_CERT_ALTNAME_INVALID",
            "this host",
        ),
        (Terms::default(), &Authority::new(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "not trusted"),
    ] {
        let server = TlsServer::echo(authority.server_config(&terms));
        let driver = trusting(&trusted, &server);
        let script = format!(
            "await rejects(fetch(base), 'TLS with localhost: the certificate', {code:?}); await rejects(fetch(base), {words:?})"
        );
        driver.run_async(&script).await;
        server.closed(2).await;
        quiet(&driver);
    }
    let plain = client_server::Server::canned("HTTP/1.1 200 OK\r\n\r\n");
    let driver = engine_with(&format!("https://{}", plain.addr), options());
    driver.run_async("await rejects(fetch(base), 'TLS', 'EPROTO')").await;
}

async fn requests_share_an_h2_connection() {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    let driver = trusting(&authority, &server);
    driver
        .run_async("await Promise.all(Array.from({ length: 20 }, async () => (await fetch(base)).text()))")
        .await;
    driver.run_async("await (await fetch(base)).text()").await;
    assert_eq!(server.accepts(), 1);
    quiet(&driver);
}

async fn bodies_stream_over_h2() {
    let authority = Authority::new();
    let server = TlsServer::echo(authority.server_config(&Terms::default()));
    let driver = trusting(&authority, &server);
    driver
        .run_async(
            r#"
            const block = new Uint8Array(60_000).fill(120)
            let left = 40
            const body = new ReadableStream({ async pull(c) { await null; left-- > 0 ? c.enqueue(block) : c.close() } })
            let n = 0
            for await (const chunk of (await fetch(base, { method: 'POST', body, duplex: 'half' })).body) n += chunk.length
            ok(n > 2_400_000, `${n} bytes`)
            const failing = new ReadableStream({ pull(c) { c.error(new Error('my own')) } })
            await rejects(fetch(base, { method: 'POST', body: failing, duplex: 'half' }), 'my own', 'ERR_REQUEST_BODY')
            equal((await fetch(base)).status, 200)
            "#,
        )
        .await;
    quiet(&driver);
}

async fn an_abort_ends_its_h2_stream_only() {
    let authority = Authority::new();
    let alive = Rc::new(());
    let kept = alive.clone();
    let server = TlsServer::start(authority.server_config(&Terms::default()), move |request| {
        let kept = kept.clone();
        async move {
            http::Response::new(match request.uri().path() {
                "/endless" => Answer::Endless(Bytes::from_static(b"begun"), kept),
                _ => Answer::Whole(Bytes::from_static(b"whole")),
            })
        }
    });
    let driver = trusting(&authority, &server);
    driver
        .run_async(
            r#"
            const c = new AbortController()
            const reader = (await fetch(`${base}/endless`, { signal: c.signal })).body.getReader()
            equal(text((await reader.read()).value), 'begun')
            const next = reader.read()
            c.abort('enough')
            await rejectsWith(next, 'enough')
            equal(await (await fetch(base)).text(), 'whole')
            "#,
        )
        .await;
    while Rc::strong_count(&alive) > 2 {
        runtime::io::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(server.accepts(), 1);
    quiet(&driver);
}
