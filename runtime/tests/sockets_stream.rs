//! Bytes through a socket's streams: chunks, BYOB, back-pressure both ways, pipes, order.
//!
//! Owns: peers made with `os`. Must not know: how links work.

use crate::sockets::check;

#[test]
fn strings_buffers_and_views_are_written_in_order() {
    check(
        "
        const [socket, fd] = await joined();
        const writer = socket.writable.getWriter();
        writer.write('h\\u00e9');
        writer.write(new Uint8Array([33, 34, 35]).subarray(1, 2));
        writer.write(new Uint16Array([0x4241]).buffer);
        writer.write(new DataView(new Uint8Array([67]).buffer));
        writer.write('');
        writer.write(new Uint8Array(0));
        await writer.close();
        const buffer = new ArrayBuffer(100);
        equal(await os.recv(fd, buffer, 7, true), 7);
        same([...new Uint8Array(buffer, 0, 7)], [104, 0xc3, 0xa9, 34, 65, 66, 67]);
        equal(await os.recv(fd, buffer), 0);
        os.close(fd);
        await socket.close();
        ",
    );
}

#[test]
fn what_is_written_before_the_connection_is_open_goes_out_first() {
    check(
        "
        const listener = listening();
        const socket = connect(`127.0.0.1:${port(listener)}`);
        const writer = socket.writable.getWriter();
        writer.write('1'); writer.write('2');
        const reading = socket.readable.getReader().read();
        const [fd] = await os.accept(listener);
        await socket.opened;
        writer.write('3');
        const buffer = new ArrayBuffer(3);
        equal(await os.recv(fd, buffer, 3, true), 3);
        equal(text(buffer, 3), '123');
        await os.send(fd, 'back');
        equal(text((await reading).value, 4), 'back');
        await socket.close();
        os.close(fd); os.close(listener);
        ",
    );
}

#[test]
fn byob_reads_fill_the_readers_buffer_and_take_no_more() {
    check(
        "
        const [socket, fd] = await joined();
        await os.send(fd, 'abcdefgh');
        const reader = socket.readable.getReader({ mode: 'byob' });
        const { value } = await reader.read(new Uint8Array(new ArrayBuffer(16), 2, 3));
        ok(value instanceof Uint8Array && value.buffer.byteLength === 16 && value.byteOffset === 2);
        equal(text(value.slice(), 3), 'abc');
        const { value: two } = await reader.read(new Uint16Array(1));
        equal(text(new Uint8Array(two.buffer), 2), 'de');
        const { value: all } = await reader.read(new Uint8Array(10), { min: 3 });
        equal(text(all.slice(), all.length), 'fgh');
        os.close(fd);
        const { value: last, done } = await reader.read(new Uint8Array(4));
        ok(done && last.length === 0);
        await socket.closed;
        ",
    );
}

// ReadableByteStreamControllerClose, step 5.
#[test]
fn an_end_in_the_middle_of_an_element_fails_the_read_and_closes() {
    check(
        "
        const [socket, fd] = await joined();
        const reading = socket.readable.getReader({ mode: 'byob' }).read(new Uint16Array(4), { min: 2 });
        await os.send(fd, 'abc');
        os.shutdown(fd, os.SHUT_WR);
        equal(await end(reading), 'TypeError undefined');
        equal(await socket.closed, undefined);
        equal(await heard(fd), '');
        os.close(fd);
        ",
    );
}

#[test]
fn a_writer_that_outruns_its_peer_waits() {
    check(
        "
        const [socket, fd] = await joined({ highWaterMark: 1000 });
        const writer = socket.writable.getWriter();
        equal(writer.desiredSize, 1000);
        await socket.opened;
        const chunk = new Uint8Array(1 << 20);
        let written = 0, stopped = false;
        const writing = (async () => {
          while (written < 64) { await writer.ready; if (stopped) break; await writer.write(chunk); written++; }
        })();
        for (let before = -1; before !== written;) { before = written; await new Promise((r) => setTimeout(r, 100)); }
        ok(written < 64, `${written} MiB went into nobody`);
        ok(writer.desiredSize <= 0);
        stopped = true;
        const got = heard(fd);
        await writing;
        await writer.close();
        equal((await got).length, (written) << 20);
        os.close(fd);
        await socket.closed.catch(fail);
        ",
    );
}

#[test]
fn nothing_is_received_that_nobody_reads() {
    check(
        "
        const [socket, fd] = await joined();
        await socket.opened;
        let sent = 0, ended = false;
        const sending = (async () => {
          const chunk = new ArrayBuffer(1 << 20);
          while (sent < 64) { await os.send(fd, chunk, chunk.byteLength, true); sent++; }
          os.close(fd);
        })();
        for (let before = -1; before !== sent;) { before = sent; await new Promise((r) => setTimeout(r, 100)); }
        ok(sent < 64, `${sent} MiB were taken by nobody`);
        let got = 0;
        for await (const chunk of socket.readable) { got += chunk.length; ok(chunk.length <= 65536); }
        await sending;
        equal(got, 64 << 20);
        await socket.closed;
        ",
    );
}

#[test]
fn an_echo_by_a_pipe_gives_back_every_byte() {
    check(
        "
        const [socket, fd] = await joined({ allowHalfOpen: true });
        const piped = socket.readable.pipeTo(socket.writable);
        const sent = new Uint8Array(3000000).map((_, i) => i % 251);
        const sending = os.send(fd, sent, sent.length, true).then(() => os.shutdown(fd, os.SHUT_WR));
        const got = new Uint8Array(sent.length);
        equal(await os.recv(fd, got, got.length, true), got.length);
        ok(got.every((byte, i) => byte === i % 251));
        await Promise.all([sending, piped, socket.closed]);
        equal(await heard(fd), '');
        os.close(fd);
        ",
    );
}

#[test]
fn pipes_between_two_sockets_carry_bytes_and_ends_both_ways() {
    check(
        "
        const [a, client] = await joined({ allowHalfOpen: true });
        const [b, server] = await joined({ allowHalfOpen: true });
        const pipes = Promise.all([a.readable.pipeTo(b.writable), b.readable.pipeTo(a.writable)]);
        const big = new Uint8Array(2000000).fill(120);
        const sending = os.send(client, big, big.length, true).then(() => os.shutdown(client, os.SHUT_WR));
        equal((await heard(server)).length, 2000000);
        await sending;
        await os.send(server, 'answer after the end');
        os.close(server);
        equal(await heard(client), 'answer after the end');
        await pipes;
        equal(await Promise.all([end(a.closed), end(b.closed)]).then(String), 'done,done');
        os.close(client);
        ",
    );
}

#[test]
fn a_pipe_passes_a_reset_on() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined();
        const there = a.readable.pipeTo(b.writable), back = b.readable.pipeTo(a.writable);
        await os.send(client, 'x');
        equal(await os.recv(server, new ArrayBuffer(1)), 1);
        reset(client);
        equal(await end(there), 'SocketError ECONNRESET');
        await end(back);
        equal(await heard(server), 'ECONNRESET', 'the other end learns that something is missing');
        await Promise.all([a.closed, b.closed]);
        os.close(server);
        ",
    );
}

// \"Closing must be propagated backward\" (Streams Standard section 4.9.1).
#[test]
fn a_pipe_into_a_socket_that_its_peer_ends_fails_and_cancels_its_source() {
    check(
        "
        const [socket, fd] = await joined();
        let reason;
        const source = new ReadableStream({ pull: () => new Promise(() => {}), cancel: (why) => { reason = why; } });
        const piping = source.pipeTo(socket.writable);
        os.close(fd);
        const error = await piping.catch((e) => e);
        ok(error instanceof TypeError && reason === error, String(error));
        equal(await socket.closed, undefined);
        ",
    );
}

#[test]
fn a_pipe_can_be_aborted_by_a_signal() {
    check(
        "
        const [a, client] = await joined();
        const [b, server] = await joined();
        const controller = new AbortController();
        const piping = a.readable.pipeTo(b.writable, { signal: controller.signal, preventAbort: true, preventCancel: true });
        await os.send(client, 'one');
        const buffer = new ArrayBuffer(3);
        equal(await os.recv(server, buffer, 3, true), 3);
        controller.abort();
        equal((await piping.catch((e) => e)).name, 'AbortError');
        ok(!a.readable.locked && !b.writable.locked);
        const writer = b.writable.getWriter();
        await writer.write('two');
        equal(await os.recv(server, buffer, 3, true), 3);
        equal(text(buffer, 3), 'two');
        await Promise.all([a.close(), b.close()]);
        os.close(client); os.close(server);
        ",
    );
}

// The engine's budget of a turn: whoever always has something to read must not keep the others out.
#[test]
fn a_flood_does_not_keep_timers_out() {
    check(
        "
        const [socket, fd] = await joined();
        let ticks = 0;
        const timer = setInterval(() => ticks++, 1);
        const chunk = new ArrayBuffer(1 << 20);
        const sending = (async () => {
          for (let i = 0; i < 64; i++) await os.send(fd, chunk, chunk.byteLength, true);
          os.close(fd);
        })();
        for await (const chunk of socket.readable);
        await sending;
        clearInterval(timer);
        ok(ticks > 2, `${ticks} ticks`);
        ",
    );
}

#[test]
fn every_chunk_and_every_promise_of_a_loop_is_its_own() {
    check(
        "
        const [socket, fd] = await joined();
        const writer = socket.writable.getWriter(), iterator = socket.readable.values();
        const chunks = [], writes = [], nexts = [], buffer = new ArrayBuffer(8);
        for (let i = 0; i < 40; i++) {
          // Read before the bytes are there, and after.
          let next = i % 2 === 0 ? iterator.next() : undefined;
          await os.send(fd, `n${i};`);
          next ??= iterator.next();
          nexts.push(next);
          const { value, done } = await next;
          ok(!done && value.constructor === Uint8Array && value.byteOffset === 0);
          equal(value.buffer.byteLength, value.length);
          chunks.push(value);
          const write = writer.write(value);
          writes.push(write);
          equal(await write, undefined);
          equal(await os.recv(fd, buffer, value.length, true), value.length);
          equal(text(buffer, value.length), `n${i};`);
        }
        equal(new Set(nexts).size + new Set(writes).size + new Set(chunks.map((it) => it.buffer)).size, 120);
        same(chunks.map((it) => text(it.slice(), it.length)), chunks.map((_, i) => `n${i};`));
        same((await Promise.all(nexts)).map((it) => it.value), chunks);
        os.close(fd);
        same(await iterator.next(), { value: undefined, done: true });
        await socket.close();
        ",
    );
}

#[test]
fn a_read_that_waits_ends_with_its_connection() {
    check(
        "
        {
          const [socket, fd] = await joined();
          const next = socket.readable.values().next();
          ok(await isPending(next));
          os.close(fd);
          same(await next, { value: undefined, done: true });
          await socket.closed;
        }
        {
          const [socket, fd] = await joined();
          const next = socket.readable.values().next();
          ok(await isPending(next));
          reset(fd);
          equal(await end(next), 'SocketError ECONNRESET');
        }
        {
          const [socket, fd] = await joined();
          const next = socket.readable.values().next();
          ok(await isPending(next));
          await socket.close();
          same(await next, { value: undefined, done: true });
          os.close(fd);
        }
        ",
    );
}

#[test]
fn a_read_that_waits_keeps_its_socket() {
    check(
        "
        const { gc } = await import('std');
        let fd, seen;
        await (async () => {
          const [socket, peer] = await joined();
          fd = peer;
          socket.readable.getReader().read().then(({ value }) => { seen = text(value, value.length); });
        })();
        for (let i = 0; i < 3; i++) { gc(); await new Promise((done) => setTimeout(done, 5)); }
        await os.send(fd, 'still');
        while (seen === undefined) await new Promise((done) => setTimeout(done, 5));
        equal(seen, 'still');
        os.close(fd);
        ",
    );
}

#[test]
fn a_byob_read_gets_no_more_than_its_view_whether_it_waits_or_not() {
    check(
        "
        const [socket, fd] = await joined();
        const reader = socket.readable.getReader({ mode: 'byob' });
        const waiting = reader.read(new Uint8Array(3));
        ok(await isPending(waiting));
        await os.send(fd, 'abcde');
        equal(text((await waiting).value.slice(), 3), 'abc');
        equal(text((await reader.read(new Uint8Array(8))).value.slice(), 2), 'de');
        os.close(fd);
        ok((await reader.read(new Uint8Array(1))).done);
        await socket.close();
        ",
    );
}
