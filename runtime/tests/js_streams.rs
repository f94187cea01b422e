//! The stream classes in the engine, a test for each rule (Streams Standard; Compression and Encoding
//! Standards for the streams built on them).
//!
//! Owns: streams of its own making. Must not know: bodies, sockets.

use crate::driver::{self, check, check_async};

#[test]
fn the_classes_have_the_shape_of_web_idl() {
    check(
        "
        const names = ['ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader',
          'ReadableStreamDefaultController', 'ReadableByteStreamController', 'ReadableStreamBYOBRequest',
          'WritableStream', 'WritableStreamDefaultWriter', 'WritableStreamDefaultController', 'TransformStream',
          'TransformStreamDefaultController', 'ByteLengthQueuingStrategy', 'CountQueuingStrategy',
          'TextEncoderStream', 'TextDecoderStream', 'CompressionStream', 'DecompressionStream'];
        for (const name of names) {
          const made = globalThis[name];
          equal(made.name, name);
          equal(Object.prototype.toString.call(made.prototype), `[object ${name}]`);
          const place = Object.getOwnPropertyDescriptor(globalThis, name);
          ok(place.writable && place.configurable && !place.enumerable, name);
        }
        ok(Object.keys(ReadableStream.prototype).includes('getReader'), 'members are enumerable');
        equal(ReadableStream.prototype[Symbol.asyncIterator], ReadableStream.prototype.values);
        throws(() => new ReadableStreamDefaultController(), 'TypeError', 'Illegal');
        throws(() => Reflect.get(ReadableStream.prototype, 'locked'), 'TypeError');
        ",
    );
}

// Section 4.2.4, the constructor.
#[test]
fn a_source_is_checked() {
    check(
        "
        throws(() => new ReadableStream(null), 'TypeError');
        throws(() => new ReadableStream({ type: 'text' }), 'TypeError', 'bytes');
        throws(() => new ReadableStream({ pull: 1 }), 'TypeError', 'pull');
        throws(() => new ReadableStream({}, { highWaterMark: -1 }), 'RangeError');
        throws(() => new ReadableStream({ type: 'bytes' }, { size() {} }), 'RangeError');
        throws(() => new ReadableStream({ start() { throw new SyntaxError('mine') } }), 'SyntaxError', 'mine');
        ",
    );
}

// Section 4.9.4: pull only while something is wanted.
#[test]
fn a_source_is_pulled_up_to_its_high_water_mark() {
    check_async(
        "
        let pulls = 0;
        const stream = new ReadableStream({ pull(c) { c.enqueue(++pulls); } }, { highWaterMark: 3 });
        await null; await null;
        const settled = () => new Promise((done) => setTimeout(done, 5));
        await settled();
        equal(pulls, 3);
        const reader = stream.getReader();
        same(await reader.read(), { value: 1, done: false });
        await settled();
        equal(pulls, 4);
        const lazy = new ReadableStream({ pull(c) { pulls = -1; c.close(); } }, { highWaterMark: 0 });
        await settled();
        equal(pulls, 4, 'nobody reads it');
        same(await lazy.getReader().read(), { done: true });
        ",
    );
}

#[test]
fn cancel_reaches_the_source_with_its_reason() {
    check_async(
        "
        let reason;
        const stream = new ReadableStream({ cancel(r) { reason = r; } });
        const reader = stream.getReader();
        throws(() => stream.getReader(), 'TypeError', 'locked');
        const waiting = reader.read();
        await reader.cancel('enough');
        equal(reason, 'enough');
        same(await waiting, { done: true });
        await reader.closed;
        reader.releaseLock();
        ok(!stream.locked);
        ",
    );
}

#[test]
fn an_error_is_seen_by_who_reads() {
    check_async(
        "
        let control;
        const stream = new ReadableStream({ start(c) { control = c; } });
        const reader = stream.getReader();
        const first = reader.read();
        const error = new RangeError('broken');
        control.error(error);
        equal(await first.catch((e) => e), error);
        equal(await reader.closed.catch((e) => e), error);
        throws(() => control.enqueue(1), 'TypeError');
        ",
    );
}

// Sections 4.5 and 4.7: bytes, read into the reader's own memory.
#[test]
fn byte_streams_fill_lent_buffers() {
    check_async(
        "
        const stream = new ReadableStream({
          type: 'bytes',
          pull(c) {
            if (c.byobRequest) { c.byobRequest.view[0] = 7; c.byobRequest.respond(1); return; }
            c.enqueue(new Uint8Array([1, 2, 3]));
          },
        });
        const byob = stream.getReader({ mode: 'byob' });
        const lent = new Uint8Array(4);
        const { value } = await byob.read(lent);
        equal(lent.byteLength, 0, 'the buffer is the stream\\'s');
        same([...value], [7]);
        const whole = await byob.read(new Uint16Array(2), { min: 2 });
        equal(whole.value[1], 0x0707);
        throws(() => { throw new TypeError('x') }, 'TypeError');
        byob.releaseLock();
        const reader = stream.getReader();
        same([...(await reader.read()).value], [1, 2, 3]);
        ",
    );
}

#[test]
fn tee_gives_both_branches_all_chunks() {
    check_async(
        "
        for (const type of [undefined, 'bytes']) {
          const [a, b] = new ReadableStream({ type, start(c) { c.enqueue(new Uint8Array([1])); c.enqueue(new Uint8Array([2])); c.close(); } }).tee();
          const all = async (s) => { const got = []; for await (const chunk of s) got.push(chunk[0]); return got; };
          same(await all(a), [1, 2]);
          same(await all(b), [1, 2]);
        }
        ",
    );
}

// Section 4.2.5.
#[test]
fn iteration_cancels_unless_told_not_to() {
    check_async(
        "
        let cancelled = 0;
        const source = () => new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { cancelled++; } });
        for await (const _ of source()) break;
        equal(cancelled, 1);
        const kept = source();
        for await (const _ of kept.values({ preventCancel: true })) break;
        equal(cancelled, 1);
        ok(!kept.locked);
        const from = ReadableStream.from((function* () { yield 'a'; yield Promise.resolve('b'); })());
        const got = [];
        for await (const chunk of from) got.push(chunk);
        same(got, ['a', 'b']);
        ",
    );
}

// Section 4.9.1, ReadableStreamPipeTo: back-pressure, errors both ways, signals.
#[test]
fn a_pipe_goes_at_the_pace_of_its_sink() {
    check_async(
        "
        let pulled = 0, open;
        const source = () => new ReadableStream({ pull(c) { c.enqueue(++pulled); } }, { highWaterMark: 0 });
        const gate = new Promise((done) => { open = done; });
        const slow = new WritableStream({ write: () => gate }, { highWaterMark: 2 });
        const stop = new AbortController();
        const piped = source().pipeTo(slow, { signal: stop.signal });
        await new Promise((done) => setTimeout(done, 20));
        ok(pulled <= 2, `pulled ${pulled}`);
        stop.abort(new Error('stopped'));
        open();
        equal((await piped.catch((e) => e)).message, 'stopped');

        const failing = new WritableStream({ write() { throw new Error('full') } });
        let reason;
        const cancelled = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(r) { reason = r; } });
        equal((await cancelled.pipeTo(failing).catch((e) => e)).message, 'full');
        equal(reason.message, 'full');
        ",
    );
}

#[test]
fn a_transform_changes_flushes_and_fails() {
    check_async(
        "
        const doubled = new TransformStream({ transform(n, c) { c.enqueue(n * 2); }, flush(c) { c.enqueue('end'); } });
        const got = [];
        for await (const chunk of ReadableStream.from([1, 2]).pipeThrough(doubled)) got.push(chunk);
        same(got, [2, 4, 'end']);
        const broken = new TransformStream({ transform() { throw new Error('no') } });
        const reader = ReadableStream.from([1]).pipeThrough(broken).getReader();
        equal((await reader.read().catch((e) => e)).message, 'no');
        ",
    );
}

#[test]
fn a_writer_knows_of_back_pressure() {
    check_async(
        "
        let done;
        const stream = new WritableStream({ write: () => new Promise((r) => { done = r; }) }, new CountQueuingStrategy({ highWaterMark: 2 }));
        const writer = stream.getWriter();
        equal(writer.desiredSize, 2);
        await writer.ready;
        const first = writer.write('a');
        writer.write('b');
        equal(writer.desiredSize, 0);
        let ready = false;
        writer.ready.then(() => { ready = true; });
        await null; await null; await null;
        ok(!ready);
        done();
        await first;
        await writer.ready;
        done();
        await writer.close();
        ",
    );
}

// Encoding, sections 7.5 and 7.6: characters cut in two by the border of chunks.
#[test]
fn text_streams_join_what_a_border_cut() {
    check_async(
        "
        const bytes = new TextEncoder().encode('a\\u20ac\\u{1f600}b');
        const cut = ReadableStream.from([...bytes].map((b) => new Uint8Array([b])));
        let text = '';
        for await (const part of cut.pipeThrough(new TextDecoderStream())) text += part;
        equal(text, 'a\\u20ac\\u{1f600}b');
        const halves = ReadableStream.from(['\\ud83d', '\\ude00']).pipeThrough(new TextEncoderStream());
        const out = [];
        for await (const part of halves) out.push(...part);
        same(out, [240, 159, 152, 128]);
        const fatal = ReadableStream.from([new Uint8Array([255])]).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }));
        equal((await fatal.getReader().read().catch((e) => e)).name, 'TypeError');
        ",
    );
}

// Compression Standard, sections 4 and 5.
#[test]
fn compression_streams_round_trip_and_refuse_rubbish() {
    check_async(
        "
        const text = 'over and over '.repeat(5000);
        for (const format of ['gzip', 'deflate', 'deflate-raw', 'brotli', 'zstd']) {
          let packed = 0;
          const count = new TransformStream({ transform(chunk, c) { packed += chunk.length; c.enqueue(chunk); } });
          const back = ReadableStream.from([text.slice(0, 9), text.slice(9)]).pipeThrough(new TextEncoderStream())
            .pipeThrough(new CompressionStream(format)).pipeThrough(count)
            .pipeThrough(new DecompressionStream(format)).pipeThrough(new TextDecoderStream());
          let got = '';
          for await (const part of back) got += part;
          equal(got.length, text.length, format);
          ok(got === text && packed < 2000, format);

          // What a chunk gives comes out before the end is known.
          const whole = await new Response(ReadableStream.from(['x']).pipeThrough(new TextEncoderStream())
            .pipeThrough(new CompressionStream(format))).bytes();
          const decoder = new DecompressionStream(format);
          decoder.writable.getWriter().write(whole);
          equal((await decoder.readable.getReader().read()).value[0], 120, format);

          for (const wrong of [whole.slice(0, -1), new Uint8Array([...whole, 0])]) {
            const broken = ReadableStream.from([wrong]).pipeThrough(new DecompressionStream(format));
            const error = await new Response(broken).bytes().catch((e) => e);
            equal(error.name, 'TypeError', format);
          }
        }
        throws(() => new CompressionStream('lzw'), 'TypeError', 'lzw');
        ",
    );
}

#[test]
fn streams_survive_patched_prototypes() {
    check_async(
        "
        const { then } = Promise.prototype;
        const wanted = [Array.prototype.push, Uint8Array.prototype.set];
        Promise.prototype.then = Array.prototype.push = Uint8Array.prototype.set = () => { throw new Error('patched') };
        Object.defineProperty(Object.prototype, 'then', { configurable: true, get() { globalThis.seen = true; return undefined; } });
        const reader = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint8Array([5])); c.close(); } }).getReader();
        const promise = reader.read();
        delete Object.prototype.then;
        Promise.prototype.then = then;
        [Array.prototype.push, Uint8Array.prototype.set] = wanted;
        const { value } = await promise;
        equal(value[0], 5);
        ",
    );
}

#[test]
fn streams_left_alone_are_collected() {
    let driver = driver::new();
    let grown = driver.growth(
        400,
        "
        const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array(100)); }, pull() { return new Promise(() => {}) } });
        stream.getReader().read();
        new ReadableStream({ type: 'bytes', pull() {} }).pipeThrough(new TransformStream());
        new Response('text').body.getReader();
        ",
    );
    assert!(grown < 64 << 10, "{grown} bytes");
}

#[test]
fn decompression_waits_for_its_reader_and_comes_in_small_pieces() {
    check_async(
        r#"
        const zeros = new Uint8Array(64 << 10);
        for (const format of ['gzip', 'deflate', 'deflate-raw', 'brotli', 'zstd']) {
          let left = 64;
          const source = new ReadableStream({ pull(c) { if (left-- > 0) c.enqueue(zeros); else c.close() } });
          const packed = await new Response(source.pipeThrough(new CompressionStream(format))).bytes();
          ok(packed.length < 16_000, `${format}: ${packed.length}`);
          // 4 MiB from one chunk.
          const stream = new DecompressionStream(format), writer = stream.writable.getWriter();
          let written = false; const all = writer.write(packed).then(() => { written = true; return writer.close() });
          let bytes = 0, most = 0;
          for await (const piece of stream.readable) {
            if (bytes === 0) { await new Promise((done) => setTimeout(done, 5)); equal(written, false, `${format}: it went on without its reader`) }
            bytes += piece.length; most = Math.max(most, piece.length);
          }
          await all; equal(bytes, 64 << 16, format); ok(most <= 65536, `${format}: a piece of ${most}`);
        }
        "#,
    );
}

#[test]
fn compression_comes_in_small_pieces() {
    check_async(
        r#"
        const noise = new Uint8Array(1 << 18); for (let i = 0; i < 4; i++) crypto.getRandomValues(noise.subarray(i << 16, (i + 1) << 16));
        for (const format of ['gzip', 'deflate', 'deflate-raw', 'brotli', 'zstd']) {
          const stream = new CompressionStream(format), writer = stream.writable.getWriter(); writer.write(noise); const closed = writer.close();
          const pieces = []; for await (const piece of stream.readable) { ok(piece.length <= 65536, `${format}: a piece of ${piece.length}`); pieces.push(piece) }
          await closed;
          const back = await new Response(new Blob(pieces).stream().pipeThrough(new DecompressionStream(format))).bytes();
          equal(back.length, noise.length, format); ok(back.every((byte, i) => byte === noise[i]), format);
        }
        "#,
    );
}

#[test]
fn what_is_valid_comes_out_before_the_error() {
    check_async(
        r#"
        const text = 'valid '.repeat(30_000);
        for (const format of ['gzip', 'deflate', 'deflate-raw', 'brotli', 'zstd']) {
          const packed = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream(format))).bytes();
          const spoilt = new Uint8Array(packed.length + 3); spoilt.set(packed); spoilt.set([7, 7, 7], packed.length);
          const stream = new DecompressionStream(format), writer = stream.writable.getWriter();
          writer.write(spoilt).catch(() => {}); writer.close().catch(() => {});
          const decoder = new TextDecoder(); let got = '', error;
          try { for await (const piece of stream.readable) got += decoder.decode(piece, { stream: true }) } catch (e) { error = e }
          ok(got === text, `${format}: ${got.length}`); equal(error?.name, 'TypeError', format);
          // Cut, and nothing at all.
          for (const part of [packed.subarray(0, packed.length - 1), packed.subarray(0, 0)])
            await rejects(new Response(new Blob([part]).stream().pipeThrough(new DecompressionStream(format))).bytes(), 'TypeError');
        }
        "#,
    );
}

#[test]
fn who_cancels_ends_a_coder_that_waits() {
    check_async(
        r#"
        const stream = new CompressionStream('gzip'), writer = stream.writable.getWriter();
        const noise = new Uint8Array(65536); crypto.getRandomValues(noise);
        writer.write(noise).catch(() => {}); writer.write(noise).catch(() => {}); const closed = writer.close();
        const reader = stream.readable.getReader(); await reader.read(); await reader.read();
        // The end waits for its reader, too.
        await new Promise((done) => setTimeout(done, 5)); await reader.cancel('enough'); await closed.catch(() => {});
        "#,
    );
}

#[test]
fn coders_count_against_the_heap_limit() {
    check(
        r#"
        const kept = [];
        throws(() => { for (let i = 0; i < 1000; i++) kept.push(new CompressionStream('brotli')) }, 'InternalError', 'memory');
        "#,
    );
}

// Web IDL section 3.7.10.2: nothing is ongoing once a call is answered.
#[test]
fn a_call_of_an_iterator_that_waits_for_no_other_reads_inside_of_it() {
    check_async(
        "
        let pulls = 0;
        const stream = new ReadableStream({ pull(c) { c.enqueue(++pulls); } }, { highWaterMark: 0 });
        const iterator = stream.values();
        same(await iterator.next(), { value: 1, done: false });
        const second = iterator.next();
        equal(pulls, 2);
        same(await second, { value: 2, done: false });
        const [third, fourth, end, after] =
          [iterator.next(), iterator.next(), iterator.return('enough'), iterator.next()];
        equal(new Set([third, fourth, end, after]).size, 4);
        same(await Promise.all([after, end, fourth, third]), [
          { value: undefined, done: true }, { value: 'enough', done: true },
          { value: 4, done: false }, { value: 3, done: false },
        ]);
        ",
    );
}

#[test]
fn the_results_that_an_iterator_has_given_stay_as_they_are() {
    check_async(
        "
        let given = 0;
        const stream = new ReadableStream({ pull(c) { given < 50 ? c.enqueue({ n: given++ }) : c.close(); } }, { highWaterMark: 0 });
        const iterator = stream.values(), promises = [], results = [];
        for (let i = 0; i < 50; i++) {
          if (i % 2 === 0) promises.push(iterator.next());
          else results.push(await iterator.next());
        }
        equal(new Set(promises).size, 25);
        same((await Promise.all(promises)).map(({ value }) => value.n), promises.map((_, i) => 2 * i));
        same(results.map(({ value }) => value.n), results.map((_, i) => 2 * i + 1));
        same(await iterator.next(), { value: undefined, done: true });
        ",
    );
}

// Section 5.5.4: the chunk in flight counts until it is written, and what comes behind it waits.
#[test]
fn a_chunk_that_finds_nothing_before_it_is_counted_until_it_is_written() {
    check_async(
        "
        const order = [];
        let release;
        const sink = {
          write(chunk) { order.push(chunk); return chunk === 'a' ? new Promise((done) => { release = done; }) : undefined; },
          close() { order.push('close'); },
        };
        const stream = new WritableStream(sink, { highWaterMark: 3, size: (chunk) => chunk.length });
        const writer = stream.getWriter();
        await writer.ready;
        const first = writer.write('a');
        equal(writer.desiredSize, 2);
        const second = writer.write('bb');
        equal(writer.desiredSize, 0);
        const full = writer.ready, closed = writer.close();
        same(order, ['a']);
        ok(first !== second && first instanceof Promise);
        release();
        same([await first, await second, await closed, await full], [undefined, undefined, undefined, undefined]);
        same(order, ['a', 'bb', 'close']);

        const held = [], many = new WritableStream().getWriter();
        await many.ready;
        for (let i = 0; i < 20; i++) { held.push(many.write(i)); await many.write(-i); }
        equal(new Set(held).size, 20);
        await Promise.all(held);
        equal(many.desiredSize, 1);
        ",
    );
}

#[test]
fn a_write_is_answered_one_job_after_its_sink() {
    check_async(
        "
        const order = [], writer = new WritableStream({ write() { order.push('sink'); } }).getWriter();
        await writer.ready;
        writer.write(1).then(() => order.push('written'));
        await Promise.resolve().then(() => order.push('one')).then(() => order.push('two'));
        same(order, ['sink', 'one', 'written', 'two']);
        ",
    );
}

#[test]
fn a_write_in_flight_ends_by_itself_where_its_stream_fails_meanwhile() {
    check_async(
        "
        let controller, release;
        const stream = () => new WritableStream({
          start(c) { controller = c; },
          write() { return new Promise((done, fail) => { release = [done, fail]; }); },
        });
        const one = stream().getWriter();
        await one.ready;
        const inFlight = one.write('a');
        controller.error(new RangeError('no more'));
        await rejects(one.write('b'), 'RangeError');
        equal(one.desiredSize, null);
        release[0]();
        equal(await inFlight, undefined);
        await rejects(one.closed, 'RangeError');

        const two = stream().getWriter();
        await two.ready;
        const failing = two.write('a'), behind = two.write('b');
        release[1](new SyntaxError('mine'));
        await rejects(failing, 'SyntaxError', 'mine');
        await rejects(behind, 'SyntaxError', 'mine');
        await rejects(two.closed, 'SyntaxError', 'mine');

        const three = stream().getWriter();
        await three.ready;
        const last = three.write('a'), aborted = three.abort(new EvalError('enough'));
        release[0]();
        same([await last, await aborted], [undefined, undefined]);
        await rejects(three.closed, 'EvalError');

        const sized = new WritableStream({}, { size: () => NaN }).getWriter();
        await sized.ready;
        await rejects(sized.write('x'), 'RangeError');
        await rejects(sized.closed, 'RangeError');
        ",
    );
}
