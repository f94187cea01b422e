//! `os` on byte streams: TCP and AF_UNIX, whole and in parts, to every end.
//!
//! Owns: nothing. Must not know: how the calls wait.

use crate::driver;
use crate::io_harness;

use std::future::Future;
use std::time::Duration;

use crate::os_harness::{self, check};
use runtime::io::{self, Backend};
use runtime::js::engine::Health;

#[test]
fn both_names_are_one_module_and_numbers_are_the_systems() {
    check(
        r#"
        const other = await import('qjs:os');
        equal(os.AF_INET, 2); equal(other.AF_INET6, 10); equal(os.SHUT_RDWR, 2); equal(os.TCP_NODELAY, 1);
        equal(os.SO_REUSEADDR, 2); equal(os.IPV6_V6ONLY, 26); equal(os.SOMAXCONN, 4096); equal(os.SOL_SOCKET, 1);
        for (const name of ['AF_UNIX', 'SOCK_RAW', 'SOCK_NONBLOCK', 'SOCK_BLOCK', 'IPPROTO_TCP', 'IP_TTL'])
          equal(typeof os[name], 'number', name);
        equal(os.SOCK_BLOCK & (os.SOCK_NONBLOCK | 15 | 0o2000000), 0);
        "#,
    );
}

#[test]
fn bytes_go_both_ways_with_strings_views_and_lengths() {
    check(
        r#"
        const [client, server] = await pair();
        const buffer = new ArrayBuffer(16);
        equal(await os.send(client, 'grün'), 5);
        equal(await os.recv(server, buffer), 5);
        same([...new Uint8Array(buffer, 0, 5)], [103, 114, 195, 188, 110]);
        equal(await os.send(server, new Uint16Array([0x6261, 0x6463]).subarray(1)), 2);
        equal(await os.recv(client, new DataView(buffer, 4, 8)), 2);
        equal(text(buffer.slice(4), 2), 'cd');
        equal(await os.send(client, 'abcdef', 3), 3);
        equal(await os.recv(server, buffer, 2), 2); equal(text(buffer, 2), 'ab');
        equal(await os.recv(server, new Uint8Array(buffer, 8, 4), 4), 1); equal(text(buffer.slice(8), 1), 'c');
        equal(await os.recv(server, buffer, 0), 0); equal(await os.recv(server, new ArrayBuffer(0)), 0);
        equal(os.shutdown(client, os.SHUT_WR), 0);
        equal(await os.recv(server, buffer), 0); equal(await os.recv(server, buffer, 9, true), 0);
        equal(os.close(client), 0); equal(os.close(server), 0); equal(os.close(server), -9);
        "#,
    );
}

#[test]
fn fully_fills_the_buffer_and_boolean_may_stand_third() {
    check(
        r#"
        const [client, server] = await pair();
        const buffer = new ArrayBuffer(6);
        const whole = os.recv(server, buffer, true);
        const after = os.recv(server, new ArrayBuffer(2), 2, true);
        for (const piece of ['ab', 'cd', 'efg', 'h']) await os.send(client, piece, true);
        equal(await whole, 6); equal(text(buffer, 6), 'abcdef'); equal(await after, 2);
        const short = os.recv(server, buffer, undefined, true);
        equal(await os.send(client, 'xyz', undefined, true), 3);
        os.close(client);
        equal(await short, 3); equal(text(buffer, 6), 'xyzdef');
        "#,
    );
}

#[test]
fn eight_mebibytes_reach_a_slow_reader_in_order() {
    check(
        r#"
        const [client, server] = await pair();
        const size = 8 << 20, data = new Uint32Array(size / 4).map((_, i) => i * 2654435761);
        equal(os.setsockopt(client, os.SO_SNDBUF, new Int32Array([131072]).buffer), 0);
        let sent = false;
        const sending = os.send(client, data, undefined, true).then((n) => { sent = true; os.close(client); return n });
        const got = new Uint8Array(size), piece = new Uint8Array(10007);
        let at = 0, reads = 0;
        for (let n; (n = await os.recv(server, piece)) > 0; at += n, reads++) {
          if (reads < 100) ok(!sent, 'the send waits for the reader');
          got.set(piece.subarray(0, n), at);
        }
        equal(at, size); equal(await sending, size);
        const numbers = new Uint32Array(got.buffer);
        ok(numbers.every((value, i) => value === data[i]), 'the same bytes');
        "#,
    );
}

#[test]
fn a_send_that_is_not_full_may_be_short() {
    check(
        r#"
        const [client, server] = await pair();
        const n = await os.send(client, new Uint8Array(32 << 20));
        ok(n > 0 && n < 32 << 20, `sent ${n}`);
        os.close(server); os.close(client);
        "#,
    );
}

#[test]
fn accepts_are_served_in_call_order_one_connection_each() {
    check(
        r#"
        const listener = listening(), name = os.getsockname(listener), order = [];
        const accepted = [0, 1, 2].map((i) => os.accept(listener).then((got) => { order.push(i); return got }));
        const ports = [];
        for (let i = 0; i < 3; i++) {
          const client = os.socket(os.AF_INET, os.SOCK_STREAM);
          await os.connect(client, name);
          ports.push(os.getsockname(client).port);
        }
        const results = await Promise.all(accepted);
        same(order, [0, 1, 2]); same(results.map(([, peer]) => peer.port), ports);
        equal(new Set(results.map(([fd]) => fd)).size, 3);
        for (const [fd, peer] of results) {
          same(Object.keys(peer), ['family', 'addr', 'port']); equal(peer.family, os.AF_INET); equal(peer.addr, '127.0.0.1');
          same(os.getpeername(fd), peer);
        }
        "#,
    );
}

#[test]
fn a_reset_peer_is_econnreset_then_epipe_and_no_signal() {
    check(
        r#"
        const [client, server] = await pair();
        const pending = os.recv(server, new ArrayBuffer(4));
        equal(os.setsockopt(client, os.SOL_SOCKET, os.SO_LINGER, new Int32Array([1, 0])), 0);
        os.close(client);
        const error = await pending.then(() => fail('settled'), (error) => error);
        ok(error instanceof Error); equal(error.constructor, Error); equal(error.name, 'Error');
        equal(error.message, 'recv: Connection reset by peer (ECONNRESET)');
        equal(error.errno, 104); equal(error.code, 'ECONNRESET'); equal(error.valueOf(), -104);
        ok(error < 0); equal(-error, 104); same(Object.keys(error).sort(), ['code', 'errno']);
        equal(await code(os.send(server, 'x')), 'EPIPE'); equal(await code(os.send(server, 'x', true)), 'EPIPE');
        "#,
    );
}

#[test]
fn connecting_fails_as_connect_does() {
    check(
        r#"
        const name = os.getsockname(refusing());
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
        equal(await code(os.connect(fd, name)), 'ECONNREFUSED');
        const listener = listening(), [client] = await connected(listener);
        // The first connect(2) after one that was in progress tells once more that it succeeded.
        await os.connect(client, os.getsockname(listener)).catch(() => {});
        equal(await code(os.connect(client, os.getsockname(listener))), 'EISCONN');
        equal(await code(os.accept(client)), 'EINVAL');
        equal(await code(os.recv(os.socket(os.AF_INET, os.SOCK_STREAM), new ArrayBuffer(1))), 'ENOTCONN');
        equal(os.getpeername(fd), -107); ok(os.bind(fd, os.getsockname(listener)) < 0);
        "#,
    );
}

#[test]
fn ipv6_unix_and_abstract_addresses() {
    check(
        r#"
        const buffer = new ArrayBuffer(8);
        const v6 = listening({ family: os.AF_INET6, addr: '::1', port: 0 });
        const [client, server] = await connected(v6);
        equal(os.getpeername(client).addr, '::1'); equal(os.getpeername(client).family, os.AF_INET6);
        equal(await os.send(client, 'six'), 3); equal(await os.recv(server, buffer), 3);
        const any = listening({ family: os.AF_INET6, port: 0 }); equal(os.getsockname(any).addr, '::');
        const any4 = listening({ addr: null, port: 0 }); equal(os.getsockname(any4).addr, '0.0.0.0');
        const path = `\0jsserve-test-${os.getsockname(v6).port}-${Math.random()}`;
        const unix = listening({ family: os.AF_UNIX, path });
        same(os.getsockname(unix), { family: os.AF_UNIX, addr: null, port: 0, path });
        const [near, far] = await connected(unix);
        equal(os.getpeername(near).path, path); equal(os.getsockname(near).path, '');
        equal(await os.send(near, 'unix', true), 4); equal(await os.recv(far, buffer, 4, true), 4);
        equal(os.bind(os.socket(os.AF_UNIX, os.SOCK_STREAM), { path: '/nonexistent/socket' }), -2);
        "#,
    );
}

#[test]
fn a_blocking_socket_never_blocks_the_worker() {
    check(
        r#"
        const listener = os.socket(os.AF_INET, os.SOCK_STREAM | os.SOCK_BLOCK);
        os.bind(listener, { addr: '127.0.0.1', port: 0 }); os.listen(listener);
        const accepted = os.accept(listener);
        const client = os.socket(os.AF_INET, os.SOCK_STREAM | os.SOCK_BLOCK);
        equal(await os.connect(client, os.getsockname(listener)), 0);
        const [server] = await accepted;
        const waiting = os.recv(client, new ArrayBuffer(1));
        await os.send(server, 'x');
        equal(await waiting, 1);
        "#,
    );
}

#[test]
fn an_endless_stream_of_ready_data_leaves_the_loop_to_others() {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            let pump = "
                const [client, server] = await pair();
                const buffer = new Uint8Array(64);
                globalThis.running = true;
                while (running) { await os.send(client, 'tick'); await os.recv(server, buffer, 4, true); }";
            let stop = async {
                io::sleep(Duration::from_millis(30)).await;
                driver.run("running = false");
            };
            let ended = os_harness::run(&driver, pump);
            let (mut ended, mut stop) = (std::pin::pin!(ended), std::pin::pin!(stop));
            let mut stopped = false;
            let outcome = std::future::poll_fn(|cx| {
                stopped = stopped || stop.as_mut().poll(cx).is_ready();
                ended.as_mut().poll(cx)
            });
            io_harness::within(Duration::from_secs(10), outcome).await.expect("the pump ends when told");
            assert_eq!(driver.engine.state().health(), Health::Fine);
        });
    }
}
