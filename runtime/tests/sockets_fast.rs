//! The short way of a socket's streams, left at every point: nothing tells it from the long way but its speed.
//!
//! Owns: what may come in between a read or a write and its end. Must not know: how the short way is kept.

use crate::sockets::check;

/// Scripts find a socket whose short ways are open: `socket`, its peer `fd`, and `send` and `got` for the peer.
fn check_open(body: &str) {
    let prelude = "
        const [socket, fd] = await joined();
        const send = (text) => os.send(fd, text);
        const got = async (length) => {
          const buffer = new ArrayBuffer(length);
          equal(await os.recv(fd, buffer, length, true), length);
          return text(buffer, length);
        };
        const open = async (reader) => {
          for (const word of ['one', 'two']) {
            const reading = reader.read();
            await send(word);
            const { value, done } = await reading;
            ok(!done);
            equal(text(value, value.length), word);
          }
          return reader;
        };
        const opened = async (writer) => {
          for (const word of ['one', 'two']) {
            equal(await writer.write(word), undefined);
            equal(await got(3), word);
          }
          return writer;
        };
        const word = ({ value, done }) => done ? 'end' : text(value, value.length);
        ";
    check(&format!("{prelude}\n{body}\nos.close(fd);\nawait end(socket.close());"));
}

#[test]
fn a_lock_released_in_the_middle_of_a_read_rejects_it_and_keeps_the_bytes_that_come() {
    check_open(
        "
        const reader = await open(socket.readable.getReader());
        const reading = reader.read();
        reader.releaseLock();
        await reading.then(() => fail('read'), (error) => ok(error instanceof TypeError));
        await reader.read().then(() => fail('read'), (error) => ok(error instanceof TypeError));
        await send('later');
        const next = socket.readable.getReader();
        equal(word(await next.read()), 'later');
        await open(next);
        await reader.read().then(() => fail('read'), (error) => ok(error instanceof TypeError));
        ",
    );
}

#[test]
fn a_cancel_in_the_middle_of_a_read_ends_it() {
    check_open(
        "
        const reader = await open(socket.readable.getReader());
        const readings = [reader.read(), reader.read()];
        equal(await reader.cancel(), undefined);
        same(await Promise.all(readings), [{ value: undefined, done: true }, { value: undefined, done: true }]);
        equal(await reader.closed, undefined);
        same(await reader.read(), { value: undefined, done: true });
        ",
    );
}

#[test]
fn reads_at_once_get_their_chunks_in_order() {
    check_open(
        "
        const reader = await open(socket.readable.getReader());
        const readings = [reader.read(), reader.read(), reader.read()];
        for (const text of ['a', 'b', 'c']) { await send(text); await new Promise((done) => setTimeout(done, 20)); }
        same((await Promise.all(readings)).map(word), ['a', 'b', 'c']);
        await open(reader);
        ",
    );
}

#[test]
fn calls_of_an_iterator_stand_in_line_behind_a_read_that_waits() {
    check_open(
        "
        const iterator = socket.readable.values();
        for (const text of ['1', '2', '3']) { const next = iterator.next(); await send(text); equal(word(await next), text); }
        const ended = [];
        const calls = [iterator.next(), iterator.next(), iterator.return('why')];
        calls.forEach((call, i) => call.then(() => ended.push(i)));
        ok(await isPending(calls[2]));
        await send('4');
        equal(word(await calls[0]), '4');
        ok(await isPending(calls[2]));
        await send('5');
        equal(word(await calls[1]), '5');
        same(await calls[2], { value: 'why', done: true });
        same(ended, [0, 1, 2]);
        same(await iterator.next(), { value: undefined, done: true });
        same(await iterator.return(7), { value: 7, done: true });
        equal(socket.readable.locked, false);
        ",
    );
}

#[test]
fn an_iterator_that_has_returned_reads_nothing_of_the_next_reader() {
    check_open(
        "
        const iterator = socket.readable.values({ preventCancel: true });
        for (const text of ['1', '2', '3']) { const next = iterator.next(); await send(text); equal(word(await next), text); }
        await iterator.return();
        const reader = await open(socket.readable.getReader());
        same(await iterator.next(), { value: undefined, done: true });
        await send('x');
        same(await iterator.next(), { value: undefined, done: true });
        equal(word(await reader.read()), 'x');
        reader.releaseLock();
        await open(socket.readable.getReader());
        ",
    );
}

#[test]
fn other_ways_to_read_follow_upon_reads() {
    check_open(
        "
        let reader = await open(socket.readable.getReader());
        reader.releaseLock();
        const byob = socket.readable.getReader({ mode: 'byob' });
        await send('abcdef');
        equal(word(await byob.read(new Uint8Array(4))), 'abcd');
        equal(word(await byob.read(new Uint8Array(4))), 'ef');
        byob.releaseLock();
        reader = await open(socket.readable.getReader());
        reader.releaseLock();
        const [left, right] = socket.readable.tee();
        await send('both');
        const readers = [left.getReader(), right.getReader()];
        same((await Promise.all(readers.map((it) => it.read()))).map(word), ['both', 'both']);
        ",
    );
}

#[test]
fn a_pipe_follows_upon_reads_and_writes() {
    check_open(
        "
        const reader = await open(socket.readable.getReader()), writer = await opened(socket.writable.getWriter());
        const last = writer.write('last');
        writer.releaseLock();
        reader.releaseLock();
        const pipe = socket.readable.pipeTo(socket.writable, { preventClose: true, preventCancel: true });
        equal(await got(4), 'last');
        equal(await last, undefined);
        for (const text of ['abc', 'def']) { await send(text); equal(await got(3), text); }
        os.shutdown(fd, os.SHUT_WR);
        await end(pipe);
        ",
    );
}

#[test]
fn patched_prototypes_see_what_they_should() {
    check_open(
        "
        const seen = [];
        const { read } = ReadableStreamDefaultReader.prototype, { write } = WritableStreamDefaultWriter.prototype;
        const reader = await open(socket.readable.getReader()), writer = await opened(socket.writable.getWriter());
        ReadableStreamDefaultReader.prototype.read = function () { seen.push('read'); return read.call(this); };
        WritableStreamDefaultWriter.prototype.write = function (chunk) { seen.push('write'); return write.call(this, chunk); };
        await send('1');
        equal(word(await reader.read()), '1');
        await writer.write('2');
        equal(await got(1), '2');
        reader.releaseLock();
        ReadableStream.prototype.getReader = () => fail('getReader');
        const iterator = socket.readable[Symbol.asyncIterator]();
        const prototype = Object.getPrototypeOf(iterator), { next } = prototype;
        for (const text of ['3', '4']) { await send(text); equal(word(await iterator.next()), text); }
        prototype.next = function () { seen.push('next'); return next.call(this); };
        await send('5');
        for await (const chunk of socket.readable.constructor === ReadableStream ? iterator : []) { equal(word({ value: chunk }), '5'); break; }
        same(seen, ['read', 'write', 'next']);
        await next.call({}).then(() => fail('next'), (error) => ok(error instanceof TypeError));
        await read.call({}).then(() => fail('read'), (error) => ok(error instanceof TypeError));
        await read.call(1).then(() => fail('read'), (error) => ok(error instanceof TypeError));
        await write.call(1).then(() => fail('write'), (error) => ok(error instanceof TypeError));
        ",
    );
}

#[test]
fn a_read_is_resolved_with_a_result_that_may_be_a_thenable() {
    check_open(
        "
        const reader = await open(socket.readable.getReader());
        Object.prototype.then = function (resolve) { delete Object.prototype.then; resolve('then'); };
        await send('x');
        equal(await reader.read(), 'then');
        const result = await (await open(reader), send('y'), reader.read());
        same(Object.getOwnPropertyDescriptor(result, 'done'), { value: false, writable: true, enumerable: true, configurable: true });
        same(Object.keys(result), ['value', 'done']);
        equal(Object.getPrototypeOf(result), Object.prototype);
        ",
    );
}

#[test]
fn a_write_counts_until_its_promise_is_settled() {
    check_open(
        "
        const writer = await opened(socket.writable.getWriter());
        const { ready } = writer, order = [];
        const first = writer.write('abc');
        first.then(() => order.push('written'));
        queueMicrotask(() => order.push('microtask'));
        equal(writer.desiredSize, 65536 - 3);
        equal(writer.ready, ready);
        await first;
        equal(writer.desiredSize, 65536);
        same(order, ['microtask', 'written']);
        equal(await got(3), 'abc');
        const many = Array.from({ length: 9 }, (_, i) => writer.write(`${i}`));
        equal(writer.desiredSize, 65536 - 9);
        await Promise.all(many);
        equal(await got(9), '012345678');
        await opened(writer);
        ",
    );
}

#[test]
fn a_write_is_followed_by_a_close_an_abort_or_a_release_at_once() {
    check_open(
        "
        const writer = await opened(socket.writable.getWriter());
        const order = [];
        const write = writer.write('abc').then(() => order.push('write'));
        writer.releaseLock();
        await writer.write('x').then(() => fail('write'), (error) => ok(error instanceof TypeError));
        await write;
        equal(await got(3), 'abc');
        const next = await opened(socket.writable.getWriter());
        const last = next.write('def').then(() => order.push('last')), close = next.close().then(() => order.push('close'));
        await next.write('x').then(() => fail('write'), (error) => ok(error instanceof TypeError));
        await Promise.all([last, close]);
        same(order, ['write', 'last', 'close']);
        await next.write('x').then(() => fail('write'), (error) => ok(error instanceof TypeError));
        ",
    );
}

#[test]
fn an_abort_after_a_write_leaves_it_written() {
    check_open(
        "
        const writer = await opened(socket.writable.getWriter());
        const write = writer.write('abc'), abort = writer.abort(new Error('stop'));
        equal(await write, undefined);
        equal(await abort, undefined);
        await writer.closed.then(() => fail('closed'), (error) => equal(error.message, 'stop'));
        await writer.write('x').then(() => fail('write'), (error) => equal(error.message, 'stop'));
        ",
    );
}

#[test]
fn chunks_that_are_not_taken_at_once_are_written_whole_and_in_order() {
    check_open(
        "
        const writer = await opened(socket.writable.getWriter());
        let all = '';
        const buffer = new ArrayBuffer(1 << 20);
        const reading = (async () => {
          let bytes = 0, sum = 0;
          while (bytes < 40 * 60000) {
            const length = await os.recv(fd, buffer);
            for (const byte of new Uint8Array(buffer, 0, length)) sum = (sum * 31 + byte) % 1000003;
            bytes += length;
          }
          return sum;
        })();
        let expected = 0;
        const writes = [];
        for (let i = 0; i < 40; i++) {
          const chunk = new Uint8Array(60000).map((_, at) => at * 7 + i);
          for (const byte of chunk) expected = (expected * 31 + byte) % 1000003;
          const write = writer.write(chunk);
          if (i % 3 === 0) await write;
          else writes.push(write);
        }
        await Promise.all(writes);
        equal(await reading, expected);
        await opened(writer);
        const ready = writer.ready, full = writer.write(new Uint8Array(65536));
        ok(writer.ready !== ready);
        equal(writer.desiredSize, 0);
        equal(await os.recv(fd, buffer, 65536, true), 65536);
        equal(await full, undefined);
        await writer.ready;
        await opened(writer);
        ",
    );
}

#[test]
fn chunks_of_every_kind_are_written_and_others_fail_the_stream() {
    check_open(
        "
        const writer = await opened(socket.writable.getWriter());
        const gone = new Uint8Array(4);
        structuredClone(gone, { transfer: [gone.buffer] });
        const writes = [];
        for (const chunk of ['h\\u00e9', '', new Uint8Array(0), gone, new Uint16Array([0x4241]), new DataView(new ArrayBuffer(1)), new ArrayBuffer(1)])
          writes.push(await writer.write(chunk));
        ok(writes.every((it) => it === undefined));
        equal(await got(7), 'h\\u00c3\\u00a9AB\\0\\0');
        await opened(writer);
        await writer.write(7).then(() => fail('write'), (error) => ok(error instanceof TypeError));
        await writer.closed.then(() => fail('closed'), (error) => ok(error instanceof TypeError));
        ",
    );
}

#[test]
fn a_reset_fails_the_read_that_waits_and_the_writes_that_follow() {
    check(
        "
        const [socket, fd] = await joined();
        const reader = socket.readable.getReader(), writer = socket.writable.getWriter();
        for (const word of ['one', 'two']) {
          const reading = reader.read();
          await os.send(fd, word);
          await writer.write((await reading).value);
        }
        const reading = reader.read();
        reset(fd);
        equal(await end(reading), 'SocketError ECONNRESET');
        equal(await end(reader.closed), 'SocketError ECONNRESET');
        equal(await end(writer.write('x')), 'SocketError ECONNRESET');
        equal(await end(reader.read()), 'SocketError ECONNRESET');
        ",
    );
}

#[test]
fn a_reset_that_a_read_meets_at_once_is_its_error() {
    check(
        "
        const [socket, fd] = await joined();
        const reader = socket.readable.getReader();
        for (const word of ['one', 'two']) {
          await os.send(fd, word);
          await reader.read();
        }
        reset(fd);
        // Within one turn: nobody has heard of the reset before.
        equal(await end(reader.read()), 'SocketError ECONNRESET');
        equal(await end(reader.closed), 'SocketError ECONNRESET');
        ",
    );
}

#[test]
fn a_socket_that_is_closed_ends_what_waits() {
    check_open(
        "
        const reader = await open(socket.readable.getReader()), writer = await opened(socket.writable.getWriter());
        const reading = reader.read(), write = writer.write('bye');
        const closed = socket.close();
        same(await reading, { value: undefined, done: true });
        equal(await write, undefined);
        equal(await got(3), 'bye');
        await closed;
        ",
    );
}

#[test]
fn half_of_a_connection_goes_on() {
    check(
        "
        const [socket, fd] = await joined({ allowHalfOpen: true });
        const writer = socket.writable.getWriter();
        const chunks = [];
        (async () => {
          for (const text of ['1', '2', '3']) { await os.send(fd, text); await new Promise((done) => setTimeout(done, 10)); }
          os.shutdown(fd, os.SHUT_WR);
        })();
        for await (const chunk of socket.readable) { chunks.push(text(chunk, chunk.length)); await writer.write(chunk); }
        equal(chunks.join(''), '123');
        await writer.write('4');
        await writer.close();
        equal(await heard(fd), '1234');
        os.close(fd);
        await socket.close();
        ",
    );
}
