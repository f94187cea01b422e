//! `os` on datagrams: UDP and AF_UNIX, addressed and connected, in both spellings.
//!
//! Owns: nothing. Must not know: how the calls wait.

use crate::os_harness::check;

#[test]
fn sendto_has_two_spellings_and_recvfrom_tells_the_sender() {
    check(
        r#"
        const here = bound(os.SOCK_DGRAM, { addr: '127.0.0.1', port: 0 });
        const there = bound(os.SOCK_DGRAM, { addr: '127.0.0.1', port: 0 });
        const name = os.getsockname(there), buffer = new Uint8Array(64);
        const calls = [
          [() => os.sendto(here, new Uint8Array([97, 98, 99]), 2, name), 'ab'],
          [() => os.sendto(here, new Uint8Array([97, 98, 99]).buffer, undefined, name), 'abc'],
          [() => os.sendto(here, 'text', 3, name), 'tex'],
          [() => os.sendto(here, name, new Uint8Array([100, 101])), 'de'],
          [() => os.sendto(here, name, new DataView(new ArrayBuffer(3)), 0), ''],
          [() => os.sendto(here, name, 'string', 6), 'string'],
        ];
        for (const [call, wanted] of calls) {
          equal(await call(), wanted.length);
          const [length, from] = await os.recvfrom(there, buffer);
          equal(text(buffer, length), wanted);
          same(from, os.getsockname(here));
        }
        const waiting = os.recvfrom(there, buffer, 3);
        equal(await os.sendto(here, 'truncated', 9, name), 9);
        same(await waiting, [3, os.getsockname(here)]);
        equal(text(buffer, 3), 'tru');
        "#,
    );
}

#[test]
fn a_connected_socket_sends_and_receives_without_addresses() {
    check(
        r#"
        const server = bound(os.SOCK_DGRAM, { addr: '127.0.0.1', port: 0 });
        const client = os.socket(os.AF_INET, os.SOCK_DGRAM);
        equal(await os.connect(client, os.getsockname(server)), 0);
        equal(await os.send(client, 'one', true), 3); equal(await os.send(client, ''), 0);
        const buffer = new ArrayBuffer(65536);
        const [length, from] = await os.recvfrom(server, buffer);
        equal(length, 3); same(from, os.getsockname(client));
        equal(await os.recv(server, buffer), 0, 'an empty datagram');
        equal(await os.sendto(server, from, 'back'), 4);
        equal(await os.recv(client, buffer, 2), 2, 'the rest of a datagram is lost');
        const large = new Uint8Array(60000).fill(9);
        equal(await os.send(client, large), 60000); equal(await os.recv(server, buffer, 60000, true), 60000);
        equal(await code(os.send(client, new Uint8Array(70000))), 'EMSGSIZE');
        os.close(server);
        await os.send(client, 'nobody').catch(() => {});
        equal(await code(os.recv(client, buffer)), 'ECONNREFUSED');
        "#,
    );
}

#[test]
fn ipv6_and_unix_datagrams() {
    check(
        r#"
        const buffer = new Uint8Array(200000);
        const v6 = { family: os.AF_INET6, addr: '::1', port: 0 };
        const [a, b] = [bound(os.SOCK_DGRAM, v6), bound(os.SOCK_DGRAM, v6)];
        await os.sendto(a, os.getsockname(b), 'six');
        same(await os.recvfrom(b, buffer), [3, os.getsockname(a)]);
        const path = (end) => `\0jsserve-datagram-${end}-${os.getsockname(a).port}-${Math.random()}`;
        const near = bound(os.SOCK_DGRAM, { family: os.AF_UNIX, path: path('near') });
        const far = bound(os.SOCK_DGRAM, { family: os.AF_UNIX, path: path('far') });
        equal(await os.sendto(near, os.getsockname(far), new Uint8Array(100000).fill(1)), 100000);
        same(await os.recvfrom(far, buffer), [100000, os.getsockname(near)]);
        const unnamed = os.socket(os.AF_UNIX, os.SOCK_DGRAM);
        await os.sendto(unnamed, os.getsockname(far), 'x');
        same(await os.recvfrom(far, buffer), [1, { family: os.AF_UNIX, addr: null, port: 0, path: '' }]);
        "#,
    );
}

#[test]
fn recvfrom_on_a_connected_stream_knows_no_sender() {
    check(
        r#"
        const [client, server] = await pair();
        await os.send(client, 'x');
        same(await os.recvfrom(server, new ArrayBuffer(4)), [1, { family: os.AF_INET, addr: null, port: 0 }]);
        "#,
    );
}

#[test]
fn a_socket_that_is_shut_down_for_reading_ends_and_does_not_stop_the_worker() {
    check(
        r#"
        const udp = bound(os.SOCK_DGRAM, { port: 0 }), buffer = new ArrayBuffer(4);
        equal(os.shutdown(udp, os.SHUT_RD), -107, 'and yet it is shut down');
        same((await os.recvfrom(udp, buffer))[0], 0);
        equal(await os.recv(udp, buffer), 0);
        "#,
    );
}

#[test]
fn an_error_queue_that_nobody_reads_does_not_stop_the_worker() {
    check(
        r#"
        const udp = os.socket(os.AF_INET, os.SOCK_DGRAM), buffer = new ArrayBuffer(4), IP_RECVERR = 11;
        equal(os.setsockopt(udp, os.IPPROTO_IP, IP_RECVERR, 1), 0);
        const gone = bound(os.SOCK_DGRAM, { addr: '127.0.0.1', port: 0 }), addr = os.getsockname(gone);
        os.close(gone);
        equal(await os.connect(udp, addr), 0); equal(await os.send(udp, 'x'), 1);
        equal(await os.recv(udp, buffer).catch((error) => error.code), 'ECONNREFUSED');
        const pending = os.recvfrom(udp, buffer).catch((error) => error.code);
        const [client, server] = await pair();
        equal(await os.send(client, 'ok'), 2); equal(await os.recv(server, buffer), 2, 'others have their turns');
        os.close(udp);
        equal(await pending, 'EBADF');
        "#,
    );
}
