//! Arguments of `os`: each wrong one has its error, and no argument at all does harm.
//!
//! Owns: the table of wrong calls, the fuzz. Must not know: how the calls wait.

use crate::os_harness::check;

#[test]
fn wrong_arguments_throw_in_synchronous_calls() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM);
        const wrong = [
          ['socket', [], 'TypeError'], ['socket', [2], 'TypeError'], ['socket', ['2', 1], 'TypeError'],
          ['socket', [2, 1.5], 'RangeError'], ['socket', [2, 1, 'tcp'], 'TypeError'], ['socket', [2 ** 40, 1], 'RangeError'],
          ['bind', [], 'TypeError'], ['bind', [fd], 'TypeError'], ['bind', [fd, 'localhost:80'], 'TypeError'],
          ['bind', [fd, {}], 'TypeError'], ['bind', [fd, { port: '80' }], 'TypeError'],
          ['bind', [fd, { port: 65536 }], 'RangeError'], ['bind', [fd, { port: -1 }], 'RangeError'],
          ['bind', [fd, { port: 1.5 }], 'RangeError'], ['bind', [fd, { port: 1, addr: 'localhost' }], 'TypeError'],
          ['bind', [fd, { port: 1, addr: '::1' }], 'TypeError'], ['bind', [fd, { port: 1, addr: 5 }], 'TypeError'],
          ['bind', [fd, { port: 1, family: 99 }], 'TypeError'], ['bind', [fd, { family: os.AF_UNIX }], 'TypeError'],
          ['bind', [fd, { family: os.AF_UNIX, path: 'x'.repeat(108) }], 'RangeError'],
          ['bind', [fd, { family: os.AF_UNIX, path: 'a\0b' }], 'TypeError'],
          ['bind', [fd, { get port() { throw new SyntaxError('mine') } }], 'SyntaxError'],
          ['listen', ['3'], 'TypeError'], ['listen', [fd, 'many'], 'TypeError'], ['listen', [NaN], 'RangeError'],
          ['shutdown', [fd], 'TypeError'], ['close', [], 'TypeError'], ['close', [{}], 'TypeError'],
          ['close', [Symbol()], 'TypeError'], ['close', [5n], 'TypeError'],
          ['setsockopt', [fd, 2], 'TypeError'], ['setsockopt', [fd, 2, 'on'], 'TypeError'],
          ['setsockopt', [fd, 1, 2, {}], 'TypeError'], ['setsockopt', [fd, 1, 2, 1.5], 'RangeError'],
          ['getsockopt', [fd, 2], 'TypeError'], ['getsockopt', [fd, 1, 2, 5000], 'RangeError'],
          ['getsockopt', [fd, 1, 2, 'x'], 'TypeError'], ['getsockname', [], 'TypeError'], ['getpeername', [null], 'TypeError'],
        ];
        for (const [name, args, error] of wrong) throws(() => os[name](...args), error);
        const refused = [
          [os.socket(99, 1), -97], [os.socket(16, 3), -97], [os.socket(2, 77), -22], [os.socket(2, 1, 9999), -22],
          [os.shutdown(fd, 7), -22], [os.shutdown(fd, os.SHUT_RD), -107], [os.getpeername(fd), -107],
          [os.setsockopt(fd, 26, new ArrayBuffer(16)), -92], [os.getsockopt(fd, os.SOL_SOCKET, 26, 800), -92],
          [os.getsockopt(fd, os.IPPROTO_TCP, 35, 64), -92], [os.setsockopt(fd, os.IPPROTO_IP, 64, 1), -92],
          [os.setsockopt(fd, os.SO_RCVBUF, new ArrayBuffer(1)), -22],
        ];
        refused.forEach(([got, wanted], i) => equal(got, wanted, `call ${i}`));
        "#,
    );
}

#[test]
fn wrong_arguments_reject_in_calls_that_wait() {
    check(
        r#"
        const [client, fd] = await pair(), buffer = new ArrayBuffer(4);
        const wrong = [
          ['accept', [], 'TypeError'], ['accept', ['x'], 'TypeError'], ['accept', [1.5], 'RangeError'],
          ['connect', [fd], 'TypeError'], ['connect', [fd, () => 1], 'TypeError'], ['connect', [fd, { port: 99999 }], 'RangeError'],
          ['recv', [fd], 'TypeError'], ['recv', [fd, 'text'], 'TypeError'], ['recv', [fd, [1, 2]], 'TypeError'],
          ['recv', [fd, buffer, 5], 'RangeError'], ['recv', [fd, buffer, -1], 'RangeError'],
          ['recv', [fd, buffer, 1.5], 'RangeError'], ['recv', [fd, buffer, NaN], 'RangeError'],
          ['recv', [fd, buffer, '4'], 'TypeError'], ['recv', [fd, buffer, 4, 1], 'TypeError'],
          ['recv', [fd, new Uint8Array(buffer, 2), 3], 'RangeError'],
          ['send', [fd], 'TypeError'], ['send', [fd, 5], 'TypeError'], ['send', [fd, {}], 'TypeError'],
          ['send', [fd, 'abc', 4], 'RangeError'], ['send', [fd, buffer, 2 ** 53], 'RangeError'],
          ['recvfrom', [fd, null], 'TypeError'], ['recvfrom', [fd, buffer, 5], 'RangeError'],
          ['sendto', [fd, 'x', 1], 'TypeError'], ['sendto', [fd, buffer, 5, { port: 1 }], 'RangeError'],
          ['sendto', [fd, { port: 1 }], 'TypeError'], ['sendto', [fd, { port: 1 }, buffer, 5], 'RangeError'],
          ['sendto', [fd, 'x', 1, { port: 1, addr: 'not an address' }], 'TypeError'],
        ];
        for (const [name, args, error] of wrong) {
          const promise = os[name](...args);
          ok(promise instanceof Promise, name);
          const got = await promise.then(() => 'no error', (error) => error.name);
          equal(got, error, `${name} ${wrong.findIndex((entry) => entry[1] === args)}`);
        }
        equal(await os.send(client, 'ok'), 2); equal(await os.recv(fd, buffer), 2, 'nothing was lost');
        "#,
    );
}

#[test]
fn options_in_both_spellings_and_all_kinds_of_values() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM), int = (value) => new Int32Array([value]);
        const get = (name, level = os.SOL_SOCKET) => os.getsockopt(fd, level, name);
        for (const args of [[os.SO_KEEPALIVE, int(1).buffer], [os.SOL_SOCKET, os.SO_KEEPALIVE, int(1).buffer],
          [os.SOL_SOCKET, os.SO_KEEPALIVE, int(1)], [os.SOL_SOCKET, os.SO_KEEPALIVE, 1], [os.SOL_SOCKET, os.SO_KEEPALIVE, true]]) {
          equal(os.setsockopt(fd, os.SO_KEEPALIVE, 0), 0); equal(get(os.SO_KEEPALIVE), 0);
          equal(os.setsockopt(fd, ...args), 0); equal(get(os.SO_KEEPALIVE), 1);
        }
        const value = int(7);
        equal(os.getsockopt(fd, os.SO_TYPE, value.buffer), 0); equal(value[0], os.SOCK_STREAM);
        same([...new Int32Array(os.getsockopt(fd, os.SOL_SOCKET, os.SO_LINGER, 8))], [0, 0]);
        equal(os.setsockopt(fd, os.IPPROTO_TCP, os.TCP_NODELAY, true), 0); equal(get(os.TCP_NODELAY, os.IPPROTO_TCP), 1);
        equal(os.setsockopt(fd, os.IPPROTO_TCP, os.TCP_KEEPIDLE, 77), 0); equal(get(os.TCP_KEEPIDLE, os.IPPROTO_TCP), 77);
        equal(os.setsockopt(fd, os.IPPROTO_IP, os.IP_TTL, 9), 0); equal(get(os.IP_TTL, os.IPPROTO_IP), 9);
        const v6 = os.socket(os.AF_INET6, os.SOCK_DGRAM);
        equal(os.setsockopt(v6, os.IPPROTO_IPV6, os.IPV6_V6ONLY, true), 0);
        equal(os.getsockopt(v6, os.IPPROTO_IPV6, os.IPV6_V6ONLY), 1);
        ok(os.getsockopt(fd, os.IPPROTO_TCP, os.TCP_INFO, 256).byteLength > 100);
        equal(get(os.SO_DOMAIN), os.AF_INET); equal(get(os.SO_ERROR), 0);
        "#,
    );
}

#[test]
fn patched_prototypes_neither_break_nor_see_the_calls() {
    check(
        r#"
        const [client, server] = await pair(), { then } = Promise.prototype, seen = [];
        Error.prototype.toString = Error.prototype.valueOf = () => seen.push('error');
        const promise = os.recv(server, new ArrayBuffer(1));
        Promise.prototype.then = function (...args) { seen.push('then'); return then.apply(this, args) };
        const sent = os.send(client, 'x');
        Promise.prototype.then = then;
        same([await sent, await promise, seen.length], [1, 1, 0]);
        "#,
    );
}

#[test]
fn random_arguments_do_no_harm() {
    check(
        r#"
        let seed = 12345;
        const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor(seed / 65536) % n };
        const pick = (list) => list[random(list.length)];
        const fds = [-1, 0, 1, 2];
        const detached = new ArrayBuffer(4); detached.transfer();
        const values = [
          () => pick(fds), () => pick(fds), () => pick(fds), () => random(70), () => -random(5), () => random(2 ** 31), () => 0.5,
          () => NaN, () => Infinity, () => undefined, () => null, () => true, () => false, () => 'text.invalid', () => '', () => '127.0.0.1',
          () => 10n, () => Symbol(), () => ({}), () => [], () => () => 1, () => new ArrayBuffer(random(300)), () => detached,
          () => new Uint8Array(random(300)), () => new Float64Array(3), () => new DataView(new ArrayBuffer(9), 3),
          () => ({ port: pick([0, 1, -10, 70000, 0.5]), addr: pick(['127.0.0.1', '::1', 'x', null, 5]), family: pick([undefined, 2, 10, 1, 3]) }),
          () => ({ addr: '127.0.0.1', port: 0 }), () => ({ family: 1, path: pick(['\0fuzz', '', 'a\0b', '\0']) }),
          () => ({ get port() { fds.forEach((fd) => fd > 2 && random(9) === 0 && os.close(fd)); return 0 } }),
          () => new Proxy({}, { get() { throw new Error('trap') } }), () => pick([os.SOCK_STREAM, os.SOCK_DGRAM]),
        ];
        // Never all of `os`: kill, exec, remove and their like with random arguments would do harm.
        const names = ['socket', 'bind', 'listen', 'shutdown', 'close', 'setsockopt', 'getsockopt', 'getsockname', 'getpeername', 'accept',
          'connect', 'recv', 'send', 'recvfrom', 'sendto', 'setReadHandler', 'setWriteHandler', 'getaddrinfo', 'getaddrinfoAsync'];
        names.forEach((name) => equal(typeof os[name], 'function', name));
        let settled = 0, begun = 0;
        for (let i = 0; i < 6000; i++) {
          const name = pick(names), args = Array.from({ length: random(6) }, () => pick(values)());
          let result;
          try { result = os[name](...args) } catch { continue }
          if (name.startsWith('set') && result === undefined) os[name](args[0], null);
          if (result instanceof Promise) {
            begun++;
            result.then((got) => { settled++; if (Array.isArray(got) && name === 'accept') fds.push(got[0]) }, () => settled++);
          } else if (name === 'socket' && result >= 0) fds.push(result);
          if (i % 50 === 0) { fds.push(os.socket(os.AF_INET, pick([1, 2]))); await null }
        }
        for (const fd of new Set(fds)) os.close(fd);
        const [client, server] = await pair();
        for (let i = 0; i < 2000 && settled < begun; i++) { await os.send(client, 'x'); await os.recv(server, new ArrayBuffer(1)) }
        ok(begun > 500, `${begun} calls that wait`); ok(fds.length > 30, `${fds.length} sockets`);
        equal(settled, begun, 'every promise settles once all is closed');
        "#,
    );
}
