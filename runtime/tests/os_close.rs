//! Descriptors of `os`: what closing ends, whose numbers are whose, and buffers in flight.
//!
//! Owns: nothing. Must not know: how the calls wait.

use crate::driver;
use crate::io_harness;

use std::time::Duration;

use crate::os_harness::{check, run};
use runtime::io;

#[test]
fn close_settles_all_that_is_pending_with_ebadf() {
    check(
        r#"
        const [client, server] = await pair(), listener = listening();
        const full = new Uint8Array(4 << 20);
        const pending = [
          os.accept(listener), os.accept(listener),
          os.recv(server, new ArrayBuffer(4)), os.recv(server, new ArrayBuffer(4), 4, true),
          os.recvfrom(server, new ArrayBuffer(4)), os.send(server, full, undefined, true), os.send(server, 'x'),
        ].map(code);
        equal(os.close(listener), 0); equal(os.close(server), 0);
        same(await Promise.all(pending), pending.map(() => 'EBADF'));
        equal(os.close(server), -9);
        "#,
    );
}

#[test]
fn close_settles_a_pending_connect() {
    check(
        r#"
        const listener = bound(os.SOCK_STREAM, { addr: '127.0.0.1', port: 0 });
        equal(os.listen(listener, 0), 0);
        const name = os.getsockname(listener), clients = [], results = [];
        for (let i = 0; i < 8; i++) {
          const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
          clients.push(fd);
          results.push(os.connect(fd, name).then(() => 'connected', (error) => error.code));
        }
        await Promise.race(results);
        clients.forEach((fd) => equal(os.close(fd), 0));
        const ends = await Promise.all(results);
        ok(ends.includes('EBADF') && ends.every((end) => end === 'connected' || end === 'EBADF'), ends.join());
        "#,
    );
}

#[test]
fn a_reused_number_gets_nothing_of_the_old_socket() {
    check(
        r#"
        // Other tests of this process may take the number: try until it is ours again.
        for (let round = 0, reused; ; round++) {
          ok(round < 1000, 'the kernel gives the lowest number');
          const listener = listening(), [client, server] = await connected(listener);
          const old = new Uint8Array(8), fresh = new Uint8Array(8);
          const late = code(os.recv(server, old));
          os.close(server);
          reused = os.socket(os.AF_INET, os.SOCK_STREAM);
          const accepted = os.accept(listener);
          await os.connect(reused, os.getsockname(listener));
          const [peer] = await accepted;
          const recv = os.recv(reused, fresh);
          await os.send(peer, 'new');
          equal(await recv, 3); equal(text(fresh, 3), 'new');
          equal(await late, 'EBADF'); same([...old], [0, 0, 0, 0, 0, 0, 0, 0]);
          [client, reused, peer, listener].forEach((fd) => equal(os.close(fd), 0));
          if (reused === server) break;
        }
        "#,
    );
}

#[test]
fn numbers_that_are_not_this_engines_are_ebadf() {
    check(
        r#"
        const fds = [0, 1, 2, -1, 2 ** 31 - 1];
        for (let fd = 3; fd < 64; fd++) fds.push(fd);
        for (const fd of fds) {
          for (const result of [os.close(fd), os.listen(fd), os.shutdown(fd, 2), os.bind(fd, { port: 0 }),
            os.getsockname(fd), os.getpeername(fd), os.setsockopt(fd, os.SO_KEEPALIVE, 1),
            os.getsockopt(fd, os.SOL_SOCKET, os.SO_KEEPALIVE)]) equal(result, -9, `fd ${fd}`);
          const all = [os.accept(fd), os.connect(fd, { port: 1 }), os.recv(fd, new ArrayBuffer(1)), os.send(fd, 'x'),
            os.recvfrom(fd, new ArrayBuffer(1)), os.sendto(fd, 'x', 1, { port: 1 })];
          for (const promise of all) equal(await code(promise), 'EBADF');
        }
        "#,
    );
}

#[test]
fn a_buffer_may_be_detached_shrunk_or_collected_in_flight() {
    check(
        r#"
        const [client, server] = await pair();
        const moved = new ArrayBuffer(8), first = os.recv(server, moved).catch((error) => error.name);
        const kept = moved.transfer();
        await os.send(client, 'lost');
        equal(await first, 'TypeError'); same([...new Uint8Array(kept)], [0, 0, 0, 0, 0, 0, 0, 0]);
        const small = new ArrayBuffer(8, { maxByteLength: 8 }), second = os.recv(server, small);
        small.resize(3);
        await os.send(client, 'abcdef');
        equal(await second, 3); equal(text(small, 3), 'abc');
        const view = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 8 }), 4, 4), third = code(os.recv(server, view));
        view.buffer.resize(2);
        await os.send(client, 'xy');
        equal(await third, 'TypeError');
        const sent = new Uint8Array(1 << 20).fill(7), sending = os.send(client, sent, undefined, true);
        sent.buffer.transfer();
        const all = new Uint8Array(1 << 20);
        equal(await os.recv(server, all, undefined, true), 1 << 20); equal(await sending, 1 << 20);
        ok(all.every((byte) => byte === 7), 'what was sent is what was there at the call');
        const views = [new Uint8Array(kept), new DataView(kept), kept];
        kept.transfer();
        for (const gone of [moved, ...views]) {
          equal(await code(os.recv(server, gone)), 'TypeError'); equal(await code(os.send(client, gone)), 'TypeError');
        }
        "#,
    );
}

#[test]
fn garbage_collection_during_an_operation_keeps_its_buffer() {
    for backend in [io::Backend::Uring, io::Backend::Epoll] {
        io_harness::worker(backend, || async {
            let driver = driver::new();
            let started = run(
                &driver,
                r#"
                const [client, server] = await pair();
                globalThis.client = client;
                globalThis.heard = [];
                for (let i = 0; i < 20; i++) {
                  const buffer = new Uint8Array(4);
                  os.recv(server, buffer, 4, true).then((n) => heard.push(n + text(buffer, 4)));
                }
                "#,
            );
            started.await.expect("started");
            driver.engine.collect();
            let sent =
                run(&driver, "for (let i = 0; i < 20; i++) await os.send(client, 'data'); os.close(client);");
            sent.await.expect("sent");
            driver.engine.collect();
            io_harness::within(Duration::from_secs(10), async {
                while driver.text("heard.length") != "20" {
                    io::yield_now().await;
                }
            })
            .await;
            assert_eq!(driver.text("heard.every((line) => line === '4data')"), "true");
        });
    }
}

#[test]
fn an_engine_takes_its_sockets_with_it() {
    for backend in [io::Backend::Uring, io::Backend::Epoll] {
        io_harness::worker(backend, || async {
            let warm = driver::new();
            run(&warm, "await pair();").await.expect("warm");
            drop(warm);
            io::sleep(Duration::from_millis(1)).await;
            let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
            let port = peer.local_addr().expect("address").port();
            let driver = driver::new();
            let body = format!(
                "const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
                 await os.connect(fd, {{ addr: '127.0.0.1', port: {port} }});
                 os.recv(fd, new ArrayBuffer(64), true).catch(() => {{}}); os.accept(listening()).catch(() => {{}});"
            );
            run(&driver, &body).await.expect("pending");
            let (mut accepted, _) = peer.accept().expect("accept");
            drop(driver);
            accepted.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
            let end = std::io::Read::read(&mut accepted, &mut [0; 8]).expect("the end of the stream");
            assert_eq!(end, 0);
        });
    }
}

#[test]
fn too_many_pending_operations_are_enobufs() {
    check(
        r#"
        const listener = listening(), pending = [];
        for (let i = 0; i < 1024; i++) pending.push(code(os.accept(listener)));
        equal(await code(os.accept(listener)), 'ENOBUFS');
        const other = listening(), fine = code(os.accept(other));
        os.close(listener); os.close(other);
        ok((await Promise.all(pending)).every((end) => end === 'EBADF')); equal(await fine, 'EBADF');
        const again = listening(), last = code(os.accept(again)); os.close(again); equal(await last, 'EBADF');
        "#,
    );
}

#[test]
fn bytes_in_flight_are_bounded() {
    check(
        r#"
        const [client, server] = await pair(), piece = new Uint8Array(24 << 20), ends = [];
        for (let i = 0; i < 16; i++) ends.push(os.send(client, piece, undefined, true).catch((error) => error.code));
        equal(await ends[15], 'ENOBUFS');
        os.close(client);
        const all = await Promise.all(ends);
        equal(all[0], 'EBADF'); ok(all.filter((end) => end === 'ENOBUFS').length > 3, all.join());
        const [next, last] = await pair();
        equal(await os.send(next, 'room again'), 10);
        "#,
    );
}
