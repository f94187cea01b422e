//! `os` on files: open, read, write, seek, dup, dup2, pipe, and what waits for descriptors meanwhile.
//!
//! Owns: what each call does and how it fails. Must not know: paths beyond the scratch folder.

mod driver;
mod io_harness;
mod os_harness;
mod os_script;

use os_script::{check, check_as};
use runtime::modules::web::host::Role;

#[test]
fn files_are_written_sought_and_read() {
    check(
        r#"
        const path = dir + '/file', SET = 0, CUR = 1, END = 2;
        const fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC);
        ok(fd >= 0);
        const data = bytes('0123456789');
        equal(os.write(fd, data.buffer, 0, 10), 10);
        equal(os.seek(fd, 0, SET), 0);
        const got = new Uint8Array(10);
        equal(os.read(fd, got.buffer, 0, 10), 10); equal(text(got), '0123456789');
        equal(os.read(fd, got.buffer, 0, 10), 0, 'the end');
        equal(os.seek(fd, 6n, SET), 6n); equal(os.seek(fd, -1, CUR), 5); equal(os.seek(fd, -2, END), 8);
        equal(os.read(fd, got.buffer, 3, 5), 2); equal(text(got), '0128956789', 'at an offset');
        equal(os.seek(fd, 2 ** 40, SET), 2 ** 40); equal(os.seek(fd, 0n, CUR), 2n ** 40n, 'beyond 32 bits');
        equal(os.seek(fd, -1, SET), -22); equal(os.seek(fd, -1n, SET), -22n); equal(os.seek(fd, 0, 99), -22);
        // The whole of a view, as the socket calls have it.
        equal(os.seek(fd, 1, SET), 1);
        const view = new Uint8Array(got.buffer, 2, 3);
        equal(os.read(fd, view), 3); same([...view], [49, 50, 51]);
        equal(os.read(fd, new DataView(got.buffer, 0, 2)), 2); equal(text(got), '4512356789');
        equal(os.write(fd, view, 1), 2); equal(os.write(fd, new ArrayBuffer(0), 0, 0), 0);
        equal(os.read(fd, got, '0', 1.9), 1, 'numbers as programs for qjs pass them');
        equal(os.close(fd), 0); equal(os.close(fd), -9);
        equal(content(path), '0123452389');
        const log = os.open(path, os.O_WRONLY | os.O_APPEND);
        equal(os.write(log, bytes('!').buffer, 0, 1), 1); equal(os.read(log, got.buffer, 0, 1), -9, 'not for reading');
        os.close(log);
        const shared = new SharedArrayBuffer(4), file = os.open(path, os.O_RDONLY);
        equal(os.read(file, shared, 1, 3), 3); same([...new Uint8Array(shared)], [0, 48, 49, 50]); os.close(file);
        equal(content(path), '0123452389!');
        "#,
    );
}

#[test]
fn what_the_system_refuses_is_a_negative_number() {
    check(
        r#"
        const buffer = new ArrayBuffer(8), [read, write] = os.pipe();
        const closed = os.dup(read); os.close(closed);
        const refused = [
          [os.open(dir + '/none', os.O_RDONLY), -2], [os.open(dir, os.O_WRONLY), -21],
          [os.open(dir + '/none/none', os.O_CREAT | os.O_WRONLY), -2],
          [os.open(dir + '/x'.repeat(3000), os.O_RDONLY), -36], [os.read(closed, buffer, 0, 8), -9],
          [os.write(closed, buffer, 0, 8), -9], [os.seek(closed, 0, 0), -9], [os.seek(read, 0, 0), -29],
          [os.seek(read, 0n, 0), -29n], [os.dup(closed), -9], [os.dup2(closed, read), -9], [os.dup2(read, -1), -9],
          [os.dup2(read, 2 ** 30), -9], [os.write(read, buffer, 0, 8), -9], [os.read(-1, buffer, 0, 8), -9],
        ];
        refused.forEach(([got, wanted], i) => equal(got, wanted, `call ${i}`));
        put(dir + '/there', 'x');
        equal(os.open(dir + '/there', os.O_CREAT | os.O_EXCL | os.O_WRONLY), -17);
        equal(os.close(read), 0);
        // A child that another test forks holds the reading end until it is another program.
        let written = 0;
        for (let i = 0; i < 500 && (written = os.write(write, buffer, 0, 8)) === 8; i++) await os.sleepAsync(2);
        equal(written, -32, 'no reader: EPIPE, no signal');
        os.close(write);
        "#,
    );
}

#[test]
fn wrong_arguments_throw() {
    check(
        r#"
        const fd = os.open(dir + '/file', os.O_RDWR | os.O_CREAT), buffer = new ArrayBuffer(8);
        const detached = new ArrayBuffer(8); detached.transfer();
        const wrong = [
          ['open', [], 'TypeError'], ['open', [undefined, 0], 'TypeError'], ['open', [{}], 'TypeError'], ['open', ['a\0b', 0], 'TypeError'],
          ['open', ['x', 'r'], 'TypeError'], ['open', ['x', 2 ** 40], 'RangeError'], ['open', ['x', 0, {}], 'TypeError'], ['open', [Symbol()], 'TypeError'],
          ['read', [], 'TypeError'], ['read', [fd], 'TypeError'], ['read', [fd, 'text', 0, 1], 'TypeError'], ['read', [fd, [1], 0, 1], 'TypeError'],
          ['read', [fd, detached, 0, 0], 'TypeError'], ['read', [fd, buffer, 0, 9], 'RangeError'], ['read', [fd, buffer, 9, 0], 'RangeError'],
          ['read', [fd, buffer, 8, 1], 'RangeError'], ['read', [fd, buffer, -1, 1], 'RangeError'], ['read', [fd, buffer, 0, -1], 'RangeError'],
          ['read', [fd, buffer, 2 ** 53, 1], 'RangeError'], ['read', [fd, buffer, NaN, 1], 'RangeError'], ['read', [fd, buffer, {}, 1], 'TypeError'],
          ['read', [fd, buffer, 0n, 1], 'TypeError'], ['read', [{}, buffer, 0, 1], 'TypeError'],
          ['write', [fd], 'TypeError'], ['write', [fd, 'text', 0, 4], 'TypeError'], ['write', [fd, detached, 0, 0], 'TypeError'],
          ['write', [fd, buffer, 0, 9], 'RangeError'], ['write', [fd, buffer, 2 ** 53 - 1, 2 ** 53 - 1], 'RangeError'],
          ['write', [fd, new Uint8Array(buffer, 2), 0, 7], 'RangeError'], ['write', ['x', buffer, 0, 1], 'TypeError'],
          ['seek', [fd], 'TypeError'], ['seek', [fd, 0], 'TypeError'], ['seek', [fd, 'far', 0], 'TypeError'], ['seek', [fd, 2n ** 64n, 0], 'RangeError'],
          ['seek', [fd, 0, null], 'TypeError'], ['seek', [fd, Infinity, 0], 'RangeError'],
          ['dup', [], 'TypeError'], ['dup', [null], 'TypeError'], ['dup', [5n], 'TypeError'], ['dup2', [fd], 'TypeError'], ['dup2', [fd, {}], 'TypeError'],
        ];
        wrong.forEach(([name, args, error], i) => equal(throws(() => os[name](...args), error).name, error, `call ${i}`));
        equal(os.seek(fd, 0, 2), 0, 'nothing was written');
        "#,
    );
}

#[test]
fn descriptors_are_doubled_and_close_one_by_one() {
    check(
        r#"
        const [read, write] = os.pipe(), other = os.dup(write), buffer = new ArrayBuffer(4);
        ok(other > 2 && other !== write);
        equal(os.close(write), 0);
        equal(os.write(other, bytes('ab'), 0, 2), 2);
        equal(os.dup2(other, other), other);
        // Onto one in the table: what it was is closed.
        const [second, end] = os.pipe();
        equal(os.dup2(end, other), other);
        equal(os.read(read, buffer, 0, 4), 2); equal(os.read(read, buffer, 0, 4), 0, 'its last writer is gone');
        equal(os.write(other, bytes('c'), 0, 1), 1); equal(os.read(second, buffer, 0, 4), 1);
        // Onto a free number.
        let free = 200;
        while (os.dup2(end, free) === -9) free++;
        equal(os.write(free, bytes('de'), 0, 2), 2); equal(os.read(second, buffer, 0, 4), 2);
        os.close(end); os.close(other); equal(os.close(free), 0);
        equal(os.read(second, buffer, 0, 4), 0);
        // No number of a ring or an epoll can be reached: open in the process, not in the table.
        const known = new Set([read, second, 0, 1, 2]);
        const open = os.readdir('/proc/self/fd')[0].map(Number).filter((fd) => fd > 2 && !known.has(fd));
        ok(open.length > 0);
        const [mine] = os.pipe();
        const state = (fd) => os.readlink(`/proc/self/fd/${fd}`)[0];
        for (const fd of open) if (state(fd).startsWith('anon_inode')) { equal(os.dup2(mine, fd), -9); equal(os.close(fd), -9); ok(state(fd).startsWith('anon')) }
        "#,
    );
}

#[test]
fn what_waits_on_a_number_ends_when_dup2_takes_it() {
    check(
        r#"
        const [client, server] = await pair(), [other, peer] = await pair(), buffer = new ArrayBuffer(4);
        const waiting = os.recv(server, buffer);
        equal(os.dup2(other, server), server);
        equal(await code(waiting), 'EBADF');
        const next = os.recv(server, buffer);
        equal(await os.send(peer, 'new'), 3); equal(await next, 3); equal(text(buffer, 3), 'new');
        equal(await os.recv(client, new ArrayBuffer(1)), 0, 'the old socket is closed');
        "#,
    );
}

#[test]
fn standard_streams_can_be_replaced_and_put_back() {
    check(
        r#"
        put(dir + '/input', 'from a file');
        const saved = os.dup(0), file = os.open(dir + '/input', os.O_RDONLY);
        equal(os.dup2(file, 0), 0);
        const [got] = output(['cat']);
        equal(os.dup2(saved, 0), 0);
        equal(got, 'from a file');
        "#,
    );
}

#[test]
fn sockets_are_read_and_written_like_files() {
    check(
        r#"
        const [client, server] = await pair(), buffer = new ArrayBuffer(8);
        equal(os.read(server, buffer, 0, 8), -11, 'nothing there: EAGAIN');
        equal(os.write(client, bytes('hello').buffer, 0, 5), 5);
        equal(await os.recv(server, buffer, 2), 2);
        equal(os.read(server, buffer, 2, 6), 3); equal(text(buffer, 5), 'hello');
        const later = os.recv(server, buffer);
        equal(os.write(client, bytes('!'), 0, 1), 1); equal(await later, 1);
        os.close(server);
        let got = 0;
        for (let i = 0; i < 100 && got >= 0; i++) { got = os.write(client, buffer, 0, 8); await os.sleepAsync(1) }
        ok(got === -32 || got === -104, `EPIPE or ECONNRESET, not ${got}`);
        "#,
    );
}

#[test]
fn a_served_app_never_waits_in_a_synchronous_call() {
    check_as(
        Role::App,
        r#"
        const [read, write] = os.pipe(), buffer = new ArrayBuffer(8);
        equal(os.read(read, buffer, 0, 8), -11, 'an empty pipe');
        const chunk = new ArrayBuffer(1 << 16);
        let sent = 0;
        for (;;) { const count = os.write(write, chunk, 0, 1 << 16); if (count < 0) { equal(count, -11, 'a full pipe'); break } sent += count }
        ok(sent >= 4096, `${sent}`);
        equal(os.read(read, buffer, 0, 8), 8);
        for (const fd of [0, 1, 2]) equal(os.write(fd, buffer, 0, 0), -9, 'not the standard streams');
        const path = dir + '/file'; put(path, 'x'.repeat(9000));
        equal(content(path).length, 9000, 'files are read whole');
        const maker = os.exec(['mkfifo', dir + '/fifo'], { block: false });
        let ended = [0, 0];
        for (let i = 0; i < 5000 && ended[0] === 0; i++) { ended = os.waitpid(maker, os.WNOHANG); await os.sleepAsync(1) }
        same(ended, [maker, 0]);
        equal(os.open(dir + '/fifo', os.O_WRONLY), -6, 'ENXIO instead of waiting for a reader');
        const fifo = os.open(dir + '/fifo', os.O_RDONLY); ok(fifo >= 0); equal(os.read(fifo, buffer, 0, 8), -11, 'no writer yet');
        equal(os.chdir('/'), -1, 'EPERM');
        throws(() => os.sleep(0), 'TypeError', 'sleepAsync'); throws(() => os.signal(10, null), 'TypeError', 'main thread');
        throws(() => os.exec(['true']), 'TypeError', 'block: false'); throws(() => os.waitpid(1), 'TypeError', 'WNOHANG');
        "#,
    );
}
