//! Whole programs in the spellings of the socket proposal: of its thread, and of its last commits.
//!
//! Owns: nothing. Must not know: how the calls wait.

use crate::driver;
use crate::io_harness;

use crate::os_harness::run;
use runtime::io::Backend;
use runtime::modules::web::host::{Host, Role};

/// Runs a program as a script on both backends; it may leave nothing pending.
fn check(body: &'static str) {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            Host::set(driver.engine.state(), Role::Script);
            if let Err(thrown) = run(&driver, body).await {
                panic!("{backend:?}: {thrown}");
            }
            let alive = driver.engine.state().alive().clone();
            std::future::poll_fn(|cx| alive.poll_idle(cx)).await;
            assert!(driver.reports.borrow().is_empty(), "{backend:?}: {:#?}", driver.reports.borrow());
        });
    }
}

#[test]
fn the_last_spelling_an_http_server_and_its_client_in_one_program() {
    check(
        r#"
        const must = (result) => { if (typeof result === 'number' && result < 0) throw result; return result };
        const server = must(os.socket(os.AF_INET, os.SOCK_STREAM));
        must(os.setsockopt(server, os.SO_REUSEADDR, new Uint32Array([1]).buffer));
        must(os.bind(server, os.getaddrinfo('127.0.0.1', { service: 0, family: os.AF_INET, socktype: os.SOCK_STREAM })[0]));
        must(os.listen(server));
        const { port } = os.getsockname(server);
        const serve = async () => {
          const [client, from] = await os.accept(server);
          const chunk = new Uint8Array(512), got = await os.recv(client, chunk.buffer);
          const [request] = text(chunk, got).split('\r\n');
          const reply = `HTTP/1.0 200 OK\r\n\r\nHello ${from.addr}, ${request}`;
          must(await os.send(client, Uint8Array.from(reply, (c) => c.charCodeAt(0)).buffer));
          os.close(client);
        };
        const served = serve();
        const sockfd = must(os.socket(os.AF_INET, os.SOCK_STREAM));
        const addr = os.getaddrinfo('localhost', String(port)).find((a) => a.family == os.AF_INET);
        await os.connect(sockfd, addr);
        const lines = ['GET / HTTP/1.0', 'Host: localhost', 'Connection: close', '', ''].join('\r\n');
        const request = Uint8Array.from(lines, (c) => c.charCodeAt(0));
        equal(must(await os.send(sockfd, request.buffer, request.byteLength)), request.byteLength);
        let page = '';
        const chunk = new Uint8Array(7);
        for (let got; (got = await os.recv(sockfd, chunk.buffer)) > 0;) page += String.fromCharCode(...chunk.slice(0, got));
        equal(page, 'HTTP/1.0 200 OK\r\n\r\nHello 127.0.0.1, GET / HTTP/1.0');
        await served; os.close(sockfd); os.close(server);
        "#,
    );
}

#[test]
fn the_last_spelling_of_datagrams_and_options() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_DGRAM), peer = os.socket(os.AF_INET, os.SOCK_DGRAM);
        os.bind(peer, { port: 0, addr: '127.0.0.1' });
        const [to] = os.getaddrinfo('127.0.0.1', { service: os.getsockname(peer).port, family: os.AF_INET, socktype: os.SOCK_DGRAM });
        same(to, { family: os.AF_INET, socktype: os.SOCK_DGRAM, addr: '127.0.0.1', port: os.getsockname(peer).port });
        equal(await os.sendto(fd, to, new Uint8Array([1, 2, 3]).buffer), 3);
        const buf = new ArrayBuffer(16), [total, from] = await os.recvfrom(peer, buf);
        equal(total, 3); equal(from.port, os.getsockname(fd).port);
        const value = new Int32Array(1);
        equal(os.getsockopt(fd, os.SO_TYPE, value.buffer), 0); equal(value[0], os.SOCK_DGRAM);
        os.close(fd); os.close(peer);
        "#,
    );
}

#[test]
fn the_threads_spelling_lengths_before_addresses_and_plain_setsockopt() {
    check(
        r#"
        const server = os.socket(os.AF_INET, os.SOCK_STREAM | os.SOCK_NONBLOCK);
        if (server < 0) throw server;
        equal(os.setsockopt(server, os.SOL_SOCKET, os.SO_REUSEADDR, 1), 0);
        equal(os.bind(server, { family: os.AF_INET, addr: '127.0.0.1', port: 0 }), 0); equal(os.listen(server, 10), 0);
        // With handlers, which unregister themselves.
        const lines = [];
        const ended = new Promise((resolve) => os.setReadHandler(server, async () => {
          os.setReadHandler(server, null);
          const [client] = await os.accept(server), chunk = new Uint8Array(16);
          let reading = false;
          os.setReadHandler(client, async () => {
            if (reading) return;
            reading = true;
            const got = await os.recv(client, chunk.buffer);
            reading = false;
            if (!got) { os.setReadHandler(client, null); os.close(client); resolve(); return }
            lines.push(String.fromCharCode(...chunk.slice(0, got)));
            await os.send(client, 'ok\n', true);
          });
        }));
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM), reply = new Uint8Array(3);
        await os.connect(fd, os.getaddrinfo('127.0.0.1', os.getsockname(server).port)[0]);
        for (const line of ['NICK me\n', 'JOIN #here\n']) {
          equal(await os.send(fd, Uint8Array.from(line, (c) => c.charCodeAt(0)).buffer, line.length), line.length);
          equal(await os.recv(fd, reply.buffer, 3, true), 3);
        }
        os.close(fd); await ended; os.close(server);
        same(lines, ['NICK me\n', 'JOIN #here\n']);
        const [a, b] = [0, 1].map(() => bound(os.SOCK_DGRAM, { addr: '127.0.0.1', port: 0 })), buf = new Uint8Array([104, 105]);
        equal(await os.sendto(a, buf.buffer, buf.byteLength, os.getsockname(b)), 2);
        const [ret, saddr] = await os.recvfrom(b, new ArrayBuffer(8), 8);
        equal(ret, 2); same(saddr, os.getsockname(a));
        os.close(a); os.close(b);
        const error = await os.connect(fd, saddr).catch((error) => error);
        ok(error < 0); equal(-error, 9);
        "#,
    );
}

#[test]
fn one_accept_is_not_awaited_and_the_next_one_is() {
    check(
        r#"
        const listener = listening(), name = os.getsockname(listener), order = [];
        os.accept(listener).then(([fd, addr]) => order.push(['first', addr.port, os.close(fd)]));
        const second = os.accept(listener).then(([fd, addr]) => order.push(['second', addr.port, os.close(fd)]));
        const clients = [];
        for (let i = 0; i < 2; i++) {
          const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
          await os.connect(fd, name);
          clients.push(os.getsockname(fd).port);
          os.close(fd);
        }
        await second;
        same(order, [['first', clients[0], 0], ['second', clients[1], 0]]);
        os.close(listener);
        "#,
    );
}
