//! Streams that are transferred (Streams Standard, sections 4.2.5, 5.2.5, 6.2.4), rule by rule.

use crate::driver::check_async;

#[test]
fn a_readable_stream_gives_copies_of_its_chunks_to_the_one_that_stands_for_it() {
    check_async(
        r#"
        const chunk = { n: 1 };
        let pulls = 0;
        const source = new ReadableStream({ pull(c) { pulls++; c.enqueue(chunk); if (pulls === 3) c.close() } }, { highWaterMark: 0 });
        const { port1, port2 } = new MessageChannel();
        const got = new Promise((resolve) => { port2.onmessage = resolve });
        port1.postMessage({ source }, [source]); ok(source.locked);
        throws(() => structuredClone(source, { transfer: [source] }), 'DataCloneError', 'locked');
        const { source: moved } = (await got).data; ok(moved instanceof ReadableStream && moved !== source && !moved.locked);
        const all = []; for await (const item of moved) all.push(item);
        same(all, [chunk, chunk, chunk]); ok(all[0] !== chunk); port1.close();
        "#,
    );
}

#[test]
fn errors_and_cancellation_cross_over() {
    check_async(
        r#"
        const move = (stream) => structuredClone(stream, { transfer: [stream] });
        const failing = move(new ReadableStream({ pull(c) { c.error(new RangeError('no more')) } }));
        const error = await rejects(failing.getReader().read(), 'RangeError', 'no more');
        const cancelled = await new Promise((resolve) => { move(new ReadableStream({ cancel: resolve })).cancel('enough') });
        equal(cancelled, 'enough');
        const bad = move(new ReadableStream({ pull(c) { c.enqueue(() => {}) } }));
        await rejects(bad.getReader().read(), 'DataCloneError');
        await rejects(move(new ReadableStream()).cancel(() => {}), 'DataCloneError');
        "#,
    );
}

#[test]
fn a_writable_stream_takes_what_is_written_to_the_one_that_stands_for_it() {
    check_async(
        r#"
        const move = (stream) => structuredClone(stream, { transfer: [stream] }), seen = [];
        const target = new WritableStream({ write(chunk) { seen.push(chunk) }, close() { seen.push('closed') } });
        const moved = move(target), writer = moved.getWriter(); ok(target.locked && moved instanceof WritableStream);
        await writer.write({ a: 1 }); await writer.write('b'); await writer.close();
        while (seen.length < 3) await new Promise((resolve) => setTimeout(resolve));
        same(seen, [{ a: 1 }, 'b', 'closed']);
        const aborted = new Promise((resolve) => { move(new WritableStream({ abort: resolve })).abort('why') });
        equal(await aborted, 'why');
        const failing = move(new WritableStream({ write() { throw new TypeError('full') } })).getWriter();
        failing.write(1).catch(() => {}); await rejects(failing.closed, 'TypeError', 'full');
        const strict = move(new WritableStream()).getWriter(); strict.closed.catch(() => {});
        await rejects(strict.write(Symbol()), 'DataCloneError');
        throws(() => structuredClone(new WritableStream()), 'DataCloneError', 'WritableStream');
        "#,
    );
}

#[test]
fn a_transform_stream_moves_with_both_its_sides() {
    check_async(
        r#"
        const double = new TransformStream({ transform(chunk, c) { c.enqueue(chunk * 2) } });
        const moved = structuredClone(double, { transfer: [double] }); ok(moved instanceof TransformStream);
        ok(double.readable.locked && double.writable.locked && !moved.readable.locked);
        const writer = moved.writable.getWriter(), written = (async () => { for (const n of [1, 2, 3]) await writer.write(n); await writer.close() })();
        const all = []; for await (const n of moved.readable) all.push(n);
        same(all, [2, 4, 6]); await written;
        const locked = new TransformStream(); locked.writable.getWriter();
        throws(() => structuredClone(locked, { transfer: [locked] }), 'DataCloneError');
        "#,
    );
}
