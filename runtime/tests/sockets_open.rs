//! `connect`: addresses, options, and how `opened` and `closed` settle where no connection comes about;
//! a test for each rule of the draft.
//!
//! Owns: listeners of its own making. Must not know: how links work.

use crate::sockets::check;

#[test]
fn the_module_has_two_names_and_one_socket_class() {
    check(
        "
        const alias = await import('cloudflare:sockets');
        ok(alias.connect === connect && alias.SocketError === SocketError && alias.default.connect === connect);
        equal(connect.length, 1);
        throws(() => new Socket(), 'TypeError', 'Illegal constructor');
        equal(Object.prototype.toString.call(Socket.prototype), '[object Socket]');
        const error = new SocketError('connection failed');
        ok(error instanceof TypeError && error instanceof SocketError);
        equal(error.message, 'SocketError: connection failed');
        equal(String(error), 'TypeError: SocketError: connection failed');
        ",
    );
}

#[test]
fn a_malformed_address_or_option_is_thrown_at_once() {
    check(
        "
        for (const wrong of ['', 'localhost', 'localhost:', ':80', 'localhost:0', 'localhost:65536', 'localhost:x',
          '::1:80', '[::1]', 'a b:80', 'tcp://localhost:80', 5, null, undefined, {}, { hostname: 'a' },
          { hostname: 'a', port: 0 }, { hostname: 'a', port: 1.5 }, { hostname: 'a', port: 'x' }, { hostname: '', port: 1 },
          { hostname: 'a b', port: 1 }, { hostname: 1, port: 1 }]) {
          let error;
          try { connect(wrong); } catch (e) { error = e; }
          ok(error instanceof SocketError && error.message.startsWith('SocketError: '), JSON.stringify(wrong));
        }
        for (const wrong of [5, { secureTransport: 'tls' }, { sni: 'a' }, { alpn: ['h2'] },
          { secureTransport: 'on', alpn: 'h2' }, { secureTransport: 'on', alpn: [''] }, { secureTransport: 'on', sni: 'a b' }]) {
          throws(() => connect('127.0.0.1:1', wrong), 'TypeError', 'SocketError: ');
        }
        throws(() => connect('127.0.0.1:1', { highWaterMark: -1 }), 'RangeError');
        ",
    );
}

#[test]
fn opened_resolves_with_the_addresses_of_both_ends() {
    check(
        "
        for (const [addr, host] of [['127.0.0.1', '127.0.0.1'], ['::1', '[::1]']]) {
          const listener = listening({ family: addr === '::1' ? os.AF_INET6 : os.AF_INET, addr, port: 0 });
          const to = `${host}:${port(listener)}`;
          for (const address of [to, { hostname: addr, port: port(listener) }, { hostname: host, port: String(port(listener)) }]) {
            const socket = connect(address);
            ok(socket instanceof Socket && socket.opened === socket.opened && socket.closed === socket.closed);
            equal(socket.secureTransport, 'off');
            equal(socket.upgraded, false);
            const [fd, peer] = await os.accept(listener);
            const info = await socket.opened;
            same(Object.keys(info), ['remoteAddress', 'localAddress', 'alpn']);
            same(info, { remoteAddress: to, localAddress: `${host}:${peer.port}`, alpn: null });
            await socket.close();
            os.close(fd);
          }
          os.close(listener);
        }
        ",
    );
}

#[test]
fn a_name_is_looked_up() {
    check(
        "
        const listener = listening();
        const socket = connect({ hostname: 'localhost', port: port(listener) });
        equal((await socket.opened).remoteAddress, `127.0.0.1:${port(listener)}`);
        await socket.close();
        os.close(listener);
        ",
    );
}

#[test]
fn refused_opened_closed_and_both_streams_fail_with_one_error() {
    check(
        "
        const socket = connect(`127.0.0.1:${port(refusing())}`);
        const written = socket.writable.getWriter().write('hello').catch((e) => e);
        const error = await socket.opened.catch((e) => e);
        ok(error instanceof SocketError && error.message.startsWith('SocketError: cannot connect to 127.0.0.1'), error.message);
        equal(error.code, 'ECONNREFUSED');
        equal(await socket.closed.catch((e) => e), error);
        equal(await written, error);
        equal(await socket.readable.getReader().read().catch((e) => e), error);
        equal(await socket.close().catch((e) => e), error, 'close() gives the same promise');
        ",
    );
}

// [[PromiseIsHandled]]: the harness fails with what nobody handles.
#[test]
fn failures_that_nobody_awaits_are_handled() {
    check(
        "
        const socket = connect(`127.0.0.1:${port(refusing())}`);
        socket.opened; socket.closed;
        while (await isPending(socket.closed.catch(() => 1)));
        ",
    );
}

#[test]
fn a_name_without_an_address_fails() {
    check(
        "
        const socket = connect('no-such-name.invalid:80');
        const error = await socket.opened.catch((e) => e);
        ok(error instanceof SocketError && error.message.includes('no-such-name.invalid'), error.message);
        ok(['ENOTFOUND', 'EAI_AGAIN'].includes(error.code), error.code);
        equal(await socket.closed.catch((e) => e), error);
        ",
    );
}

#[test]
fn close_while_connecting_rejects_opened_and_resolves_closed() {
    check(
        "
        const listener = listening();
        for (const reason of [undefined, new RangeError('mine'), 'text', null]) {
          const socket = connect(`127.0.0.1:${port(listener)}`);
          const writer = socket.writable.getWriter();
          const reader = socket.readable.getReader();
          const results = [writer.write('x'), writer.closed, socket.opened].map((p) => p.then(() => 'no', (e) => e));
          const reading = reader.read();
          equal(socket.close(reason), socket.closed);
          equal(await socket.closed, undefined);
          const [written, closed, opened] = await Promise.all(results);
          if (reason === undefined) ok(opened instanceof SocketError && opened.code === 'ECONNABORTED');
          else ok(opened === reason && written === reason && closed === reason, String(opened));
          same(await reading, { done: true });
          equal(socket.close(), socket.closed, 'twice');
        }
        os.close(listener);
        ",
    );
}

#[test]
fn a_patched_promise_or_prototype_changes_nothing() {
    check(
        "
        const listener = listening();
        const { then } = Promise.prototype;
        let calls = 0;
        Promise.prototype.then = function (...args) { calls++; return then.apply(this, args); };
        Object.defineProperty(Object.prototype, 'sni', { value: undefined, configurable: true, writable: true });
        const socket = connect(`127.0.0.1:${port(listener)}`);
        socket.writable.getWriter();
        equal(calls, 0);
        delete Object.prototype.sni;
        Promise.prototype.then = then;
        await socket.opened;
        await socket.close();
        os.close(listener);
        ",
    );
}
