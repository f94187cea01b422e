//! TLS of sockets: from the start and by startTls, names, protocols, and how failures settle.
//!
//! Owns: servers over TLS in the test's own worker. Must not know: rustls's insides.

use crate::driver;
use crate::io_harness;
use crate::os_harness;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::client_tls_server::{Authority, Terms};
use runtime::io::{self, Stream};
use runtime::modules::own::sockets::Trust;
use runtime::tls::TlsStream;
use rustls::ServerConfig;

on_both!(
    secure_from_the_start_with_names_and_protocols,
    a_certificate_that_does_not_please_fails_opened_and_closed,
    what_is_no_tls_fails,
    a_server_that_says_nothing_fails_when_it_goes,
    close_ends_with_close_notify,
    the_peers_end_is_told_apart_from_a_cut,
    the_peers_end_closes_while_nobody_reads,
    large_bodies_go_both_ways,
    pipes_go_through_tls,
    starttls_takes_the_connection_over,
    starttls_is_for_sockets_that_ask_for_it_and_once,
    starttls_fails_as_tls_does,
    starttls_before_the_connection_is_open,
);

/// What a server does with a line, the first of a connection.
async fn converse(stream: TlsStream) {
    let mut line = Vec::new();
    let end = loop {
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            break end;
        }
        match poll_fn(|cx| stream.poll_recv(cx)).await {
            Ok(bytes) if !bytes.is_empty() => line.extend_from_slice(&bytes),
            _ => return,
        }
    };
    let mut rest = line.split_off(end + 1);
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    match line.as_str() {
        // Everything back until the client ends, then our end.
        "echo" => loop {
            let bytes = match rest.is_empty() {
                false => std::mem::take(&mut rest),
                true => match poll_fn(|cx| stream.poll_recv(cx)).await {
                    Ok(bytes) => bytes.to_vec(),
                    Err(_) => return,
                },
            };
            if bytes.is_empty() {
                let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
                return stream.close().await;
            }
            stream.start_send(bytes);
            let _ = poll_fn(|cx| stream.poll_sent(cx)).await;
        },
        // Whether the client ended in order.
        "end" => {
            let end = poll_fn(|cx| stream.poll_recv(cx)).await;
            assert!(end.is_ok_and(|bytes| bytes.is_empty()), "no close_notify");
            stream.start_send(b"you ended well".to_vec());
            let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
            stream.close().await;
        }
        "bye" => {
            stream.start_send(b"bye".to_vec());
            let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
            stream.close().await;
        }
        // No close_notify.
        "cut" => {
            stream.start_send(b"half of".to_vec());
            let _ = poll_fn(|cx| stream.poll_sent(cx)).await;
            stream.close().await;
        }
        other => panic!("{other:?} means nothing"),
    }
}

/// Answers what is `wanted`; whether that came.
async fn plainly(stream: &Stream, wanted: &[u8], answer: &[u8]) -> bool {
    let mut got = Vec::new();
    while got.len() < wanted.len() {
        match stream.recv().await {
            Ok(chunk) if !chunk.is_empty() => got.extend_from_slice(&chunk),
            _ => return false,
        }
    }
    got == wanted && stream.send(answer.to_vec()).await.0.is_ok()
}

/// A server that speaks TLS, after a word of plain text where `starts`.
fn server(config: Arc<ServerConfig>, starts: bool) -> SocketAddr {
    let (listener, addr) = io_harness::listen();
    drop(io::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let config = config.clone();
            drop(io::spawn(async move {
                if starts && !plainly(&stream, b"STARTTLS\n", b"go ahead\n").await {
                    return;
                }
                if let Ok(stream) = TlsStream::accept(stream, config).await {
                    converse(stream).await;
                }
            }));
        }
    }));
    addr
}

const PRELUDE: &str = r#"
const { connect, SocketError } = await import('sockets');
const rest = async (readable) => {
  let all = '';
  for await (const chunk of readable) all += new TextDecoder().decode(chunk);
  return all;
};
const say = async (socket, words) => {
  const writer = socket.writable.getWriter();
  await writer.write(words);
  writer.releaseLock();
};
const failed = async (socket, part) => {
  const error = await socket.opened.then(() => fail('it opened'), (e) => e);
  ok(error instanceof SocketError && error.message.includes(part), error.message);
  equal(await socket.closed.catch((e) => e), error);
  equal(await socket.readable.getReader().read().catch((e) => e), error);
  equal(await socket.writable.getWriter().write('x').catch((e) => e), error);
  return error.code;
};
"#;

/// Runs `body` against a server of these terms, whose authority the script trusts if `trusted`.
async fn run(terms: Terms, trusted: bool, starts: bool, body: &str) {
    let authority = Authority::new();
    let addr = server(authority.server_config(&terms), starts);
    let roots = if trusted { authority.roots() } else { Authority::new().roots() };
    run_at(addr, Some(roots), body).await;
}

async fn run_at(addr: SocketAddr, roots: Option<runtime::tls::Roots>, body: &str) {
    let driver = driver::new();
    if let Some(roots) = roots {
        driver.engine.state().extension::<Trust>().set(roots);
    }
    let body = format!("{PRELUDE}\nconst port = {};\n{body}", addr.port());
    let ended = io_harness::within(Duration::from_secs(20), os_harness::run(&driver, &body)).await;
    if let Err(thrown) = ended {
        panic!("{thrown}");
    }
    assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
}

async fn secure_from_the_start_with_names_and_protocols() {
    let terms = Terms { names: &["localhost", "127.0.0.1", "other.example"], ..Terms::default() };
    run(
        terms,
        true,
        false,
        "
        for (const [hostname, options, alpn] of [['127.0.0.1', {}, null], ['localhost', { alpn: ['h2', 'x'] }, 'h2'],
          ['127.0.0.1', { sni: 'other.example', alpn: ['http/1.1'] }, 'http/1.1']]) {
          const socket = connect({ hostname, port }, { secureTransport: 'on', ...options });
          equal(socket.secureTransport, 'on');
          const info = await socket.opened;
          equal(info.alpn, alpn);
          equal(info.remoteAddress, `127.0.0.1:${port}`);
          await say(socket, 'echo\\n');
          const writer = socket.writable.getWriter();
          await writer.write('hello');
          const reader = socket.readable.getReader({ mode: 'byob' });
          const { value } = await reader.read(new Uint8Array(5), { min: 5 });
          equal(new TextDecoder().decode(value), 'hello');
          equal(await socket.close(), undefined);
        }
        ",
    )
    .await;
}

async fn a_certificate_that_does_not_please_fails_opened_and_closed() {
    let body = |part: &str| {
        format!(
            "equal(await failed(connect(`127.0.0.1:${{port}}`, {{ secureTransport: 'on' }}), '{part}'), 'EPROTO')"
        )
    };
    let elsewhere = || Terms { names: &["elsewhere.example"], ..Terms::default() };
    run(elsewhere(), true, false, &body("the certificate is not for this host")).await;
    run(Terms::default(), false, false, &body("issuer is not trusted")).await;
    let expired = Terms { expired: true, ..Terms::default() };
    run(expired, true, false, &body("the certificate has expired")).await;
}

async fn what_is_no_tls_fails() {
    let (listener, addr) = io_harness::listen();
    drop(io::spawn(async move {
        let stream = listener.accept().await.expect("a connection");
        let _ = stream.send(b"220 this is plain text\r\n".to_vec()).await;
        let _ = stream.recv().await;
        let _ = stream.recv().await;
    }));
    let body = "equal(await failed(connect(`127.0.0.1:${port}`, { secureTransport: 'on' }), 'TLS with 127.0.0.1'), 'EPROTO')";
    run_at(addr, Some(Authority::new().roots()), body).await;
}

async fn a_server_that_says_nothing_fails_when_it_goes() {
    let (listener, addr) = io_harness::listen();
    drop(io::spawn(async move {
        let stream = listener.accept().await.expect("a connection");
        let _ = stream.recv().await;
    }));
    let body = "equal(await failed(connect(`127.0.0.1:${port}`, { secureTransport: 'on' }), 'handshake'), 'ECONNRESET')";
    run_at(addr, Some(Authority::new().roots()), body).await;
}

async fn close_ends_with_close_notify() {
    run(
        Terms::default(),
        true,
        false,
        "
        const socket = connect({ hostname: 'localhost', port }, { secureTransport: 'on', allowHalfOpen: true });
        const writer = socket.writable.getWriter();
        await writer.write('end\\n');
        await writer.close();
        equal(await rest(socket.readable), 'you ended well');
        equal(await socket.closed, undefined);
        ",
    )
    .await;
}

async fn the_peers_end_is_told_apart_from_a_cut() {
    run(
        Terms::default(),
        true,
        false,
        "
        const open = async (word) => {
          const socket = connect({ hostname: 'localhost', port }, { secureTransport: 'on' });
          await say(socket, word + '\\n');
          return socket;
        };
        const good = await open('bye');
        equal(await rest(good.readable), 'bye');
        equal(await good.closed, undefined);
        const bad = await open('cut');
        const error = await rest(bad.readable).catch((e) => e);
        ok(error instanceof SocketError && error.code === 'ECONNRESET', String(error));
        equal(await bad.closed, undefined);
        ",
    )
    .await;
}

async fn the_peers_end_closes_while_nobody_reads() {
    run(
        Terms::default(),
        true,
        false,
        "
        const socket = connect({ hostname: 'localhost', port }, { secureTransport: 'on' });
        await say(socket, 'bye\\n');
        equal(await socket.closed, undefined);
        equal(await rest(socket.readable), 'bye');
        ",
    )
    .await;
}

async fn large_bodies_go_both_ways() {
    run(
        Terms::default(),
        true,
        false,
        "
        const socket = connect({ hostname: 'localhost', port }, { secureTransport: 'on', allowHalfOpen: true });
        await say(socket, 'echo\\n');
        const writer = socket.writable.getWriter();
        const chunk = new Uint8Array(500000).map((_, i) => i % 251);
        const sending = (async () => { for (let i = 0; i < 4; i++) await writer.write(chunk); await writer.close(); })();
        let got = 0, right = true;
        for await (const bytes of socket.readable) {
          for (const byte of bytes) right &&= byte === (got++ % 500000) % 251;
        }
        await sending;
        ok(right && got === 2000000, `${got}`);
        equal(await socket.closed, undefined);
        ",
    )
    .await;
}

async fn pipes_go_through_tls() {
    run(
        Terms::default(),
        true,
        false,
        "
        const listener = listening();
        const plain = connect(`127.0.0.1:${os.getsockname(listener).port}`, { allowHalfOpen: true });
        const [fd] = await os.accept(listener);
        const socket = connect({ hostname: 'localhost', port }, { secureTransport: 'on', allowHalfOpen: true });
        await say(socket, 'echo\\n');
        const pipes = [plain.readable.pipeTo(socket.writable), socket.readable.pipeTo(plain.writable)];
        const sent = new Uint8Array(3000000).map((_, i) => i % 251), got = new Uint8Array(sent.length);
        const sending = os.send(fd, sent, sent.length, true);
        equal(await os.recv(fd, got, got.length, true), got.length);
        ok(got.every((byte, i) => byte === i % 251));
        await sending;
        os.shutdown(fd, os.SHUT_WR);
        equal(await os.recv(fd, got), 0);
        await Promise.all([...pipes, plain.closed, socket.closed]);
        os.close(fd); os.close(listener);
        const cut = connect({ hostname: 'localhost', port }, { secureTransport: 'on' });
        await say(cut, 'cut\\n');
        const to = [];
        await cut.readable.pipeTo(connect('127.0.0.1:1').writable).catch((e) => to.push(e.code));
        same(to, ['ECONNREFUSED']);
        ",
    )
    .await;
}

async fn starttls_takes_the_connection_over() {
    run(
        Terms { names: &["localhost", "mail.example"], ..Terms::default() },
        true,
        true,
        "
        for (const [options, tls] of [[{ alpn: ['h2'] }, undefined], [{ sni: 'mail.example' }, undefined], [{}, { expectedServerHostname: 'mail.example' }]]) {
          const plain = connect({ hostname: 'localhost', port }, { secureTransport: 'starttls', ...options });
          const [writer, reader] = [plain.writable.getWriter(), plain.readable.getReader()];
          await writer.write('STARTTLS\\n');
          equal(new TextDecoder().decode((await reader.read()).value), 'go ahead\\n');
          const [waiting, closed] = [reader.read(), plain.closed];
          const socket = plain.startTls(tls);
          same([plain.upgraded, plain.secureTransport, socket.upgraded, socket.secureTransport], [true, 'starttls', false, 'on']);
          ok(socket !== plain && socket.readable !== plain.readable);
          same(await waiting, { done: true });
          equal((await writer.write('late').catch((e) => e)).name, 'TypeError');
          equal(await closed, undefined);
          const info = await socket.opened;
          equal(info.alpn, options.alpn ? 'h2' : null);
          await say(socket, 'bye\\n');
          equal(await rest(socket.readable), 'bye');
          equal(await socket.closed, undefined);
          equal(await plain.close(), undefined);
        }
        ",
    )
    .await;
}

async fn starttls_is_for_sockets_that_ask_for_it_and_once() {
    run(
        Terms::default(),
        true,
        true,
        "
        const refused = (socket, part) => {
          const error = throws(() => socket.startTls(), 'TypeError', part);
          ok(error instanceof SocketError && error.message.startsWith('SocketError: '));
        };
        const off = connect({ hostname: 'localhost', port });
        refused(off, 'not \"starttls\"');
        const on = connect({ hostname: 'localhost', port }, { secureTransport: 'on' });
        on.close();
        refused(on, 'not \"starttls\"');
        const plain = connect({ hostname: 'localhost', port }, { secureTransport: 'starttls' });
        await say(plain, 'STARTTLS\\n');
        await plain.readable.getReader().read();
        const socket = plain.startTls();
        refused(plain, 'before');
        refused(socket, 'not \"starttls\"');
        await socket.opened;
        await socket.close();
        const over = connect({ hostname: 'localhost', port }, { secureTransport: 'starttls' });
        await over.opened;
        over.close();
        refused(over, 'closed');
        await Promise.all([off.close(), over.closed]);
        ",
    )
    .await;
}

async fn starttls_fails_as_tls_does() {
    run(
        Terms { names: &["elsewhere.example"], ..Terms::default() },
        true,
        true,
        "
        const plain = connect({ hostname: 'localhost', port }, { secureTransport: 'starttls' });
        await say(plain, 'STARTTLS\\n');
        await plain.readable.getReader().read();
        equal(await failed(plain.startTls(), 'not for this host'), 'EPROTO');
        equal(await plain.closed, undefined);
        ",
    )
    .await;
}

async fn starttls_before_the_connection_is_open() {
    run(
        Terms::default(),
        true,
        false,
        "
        const plain = connect({ hostname: 'localhost', port }, { secureTransport: 'starttls' });
        const socket = plain.startTls();
        await say(socket, 'bye\\n');
        equal(await rest(socket.readable), 'bye');
        equal((await plain.opened).alpn, null);
        await Promise.all([plain.closed, socket.closed]);
        const nobody = os.socket(os.AF_INET, os.SOCK_STREAM);
        os.bind(nobody, { addr: '127.0.0.1', port: 0 });
        const dead = connect(`127.0.0.1:${os.getsockname(nobody).port}`, { secureTransport: 'starttls' });
        equal(await failed(dead.startTls(), 'cannot connect'), 'ECONNREFUSED');
        await dead.opened.then(() => fail('it opened'), () => 1);
        os.close(nobody);
        ",
    )
    .await;
}
