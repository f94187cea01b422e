//! `os.Worker`: messages, shared memory, errors, ends.
//!
//! Owns: nothing. Must not know: how messages travel.

use crate::os_workers::check;

/// Sends back what it gets.
const ECHO: (&str, &str) = (
    "echo.js",
    "import * as os from 'os';
     const { parent } = os.Worker;
     parent.onmessage = (event) => {
       if (event.data === 'end') parent.onmessage = null;
       else parent.postMessage(event.data);
     };",
);

#[test]
fn structured_data_there_and_back() {
    check(
        &[ECHO],
        r#"
        const w = worker('echo.js');
        const echo = (value) => { const answer = next(w); w.postMessage(value); return answer };
        for (const value of [1, -0, 1.5, NaN, 'text', 'é€😀', '\ud800', '', true, null, undefined, 12345678901234567890n, -5n]) {
          equal(await echo(value), value);
        }
        same(await echo({ a: [1, { b: 'c' }], d: null }), { a: [1, { b: 'c' }], d: null });
        const map = await echo(new Map([['k', new Set([1, 'two'])]]));
        ok(map instanceof Map && map.get('k') instanceof Set && map.get('k').has('two'));
        equal((await echo(new Date(86400000))).getTime(), 86400000);
        const re = await echo(/a(b)\/c/giu);
        ok(re instanceof RegExp && re.source === 'a(b)\\/c' && re.flags === 'giu');
        for (const T of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array]) {
          const array = await echo(new T([1, 2, 3]));
          ok(array instanceof T && array.join() === '1,2,3', T.name);
        }
        for (const T of [BigInt64Array, BigUint64Array]) equal((await echo(new T([7n])))[0], 7n);
        const buffer = new Uint8Array([9, 8]).buffer;
        const copy = await echo(buffer);
        ok(copy !== buffer && buffer.byteLength === 2 && new Uint8Array(copy)[1] === 8, 'buffers are copied');
        const view = await echo(new DataView(new ArrayBuffer(8), 2, 4));
        ok(view.byteOffset === 2 && view.byteLength === 4);
        const cycle = { list: [] };
        cycle.self = cycle; cycle.list.push(cycle, cycle.list);
        const answer = await echo(cycle);
        ok(answer.self === answer && answer.list[0] === answer && answer.list[1] === answer.list);
        const error = await echo(new RangeError('far', { cause: 'x' }));
        ok(error instanceof RangeError && error.message === 'far' && error.cause === 'x');
        deaf(w);
        w.postMessage('end');
        "#,
    );
}

#[test]
fn the_interface_is_that_of_qjs() {
    check(
        &[ECHO],
        r#"
        equal(os.Worker.name, 'Worker'); equal(os.Worker.length, 1); equal(os.Worker.parent, undefined);
        ok((await import('qjs:os')).Worker === os.Worker, 'one class under both names');
        throws(() => os.Worker(`${folder}/echo.js`), 'TypeError');
        throws(() => new os.Worker(), 'TypeError');
        throws(() => new os.Worker({ toString() { throw new RangeError('mine') } }), 'RangeError', 'mine');
        const w = worker('echo.js');
        equal(w.onmessage, null);
        for (const wrong of [undefined, 1, 'f', {}]) throws(() => { w.onmessage = wrong }, 'TypeError');
        const f = () => {};
        w.onmessage = f;
        equal(w.onmessage, f);
        w.onmessage = null;
        equal(w.onmessage, null);
        const wrong = (value) => throws(() => w.postMessage(value), 'DataCloneError');
        wrong(() => {}); wrong(Symbol('s')); wrong(new WeakMap()); wrong({ deep: [Promise.resolve()] });
        throws(() => w.postMessage({ get a() { throw new RangeError('mine') } }), 'RangeError', 'mine');
        throws(() => os.Worker.prototype.postMessage.call({}, 1), 'TypeError');
        throws(() => { os.Worker.prototype.onmessage }, 'TypeError');
        "#,
    );
}

#[test]
fn a_thousand_messages_keep_their_order_both_ways() {
    check(
        &[ECHO],
        r#"
        const w = worker('echo.js');
        for (let i = 0; i < 1000; i++) w.postMessage({ i, text: 'x'.repeat(i) });
        for (let i = 0; i < 1000; i++) {
          const { i: got, text } = await next(w);
          equal(got, i);
          equal(text.length, i);
        }
        deaf(w);
        "#,
    );
}

#[test]
fn messages_wait_for_a_handler_and_a_handler_can_change() {
    check(
        &[(
            "late.js",
            "import * as os from 'os';
             const { parent } = os.Worker;
             await new Promise((resolve) => setTimeout(resolve, 20));
             const seen = [];
             parent.onmessage = ({ data }) => {
               seen.push(`one ${data}`);
               parent.onmessage = null;
               setTimeout(() => {
                 parent.onmessage = ({ data }) => {
                   seen.push(`two ${data}`);
                   if (data === 3) { parent.postMessage(seen); parent.onmessage = null }
                 };
               }, 5);
             };",
        )],
        "const w = worker('late.js');
         for (let i = 1; i <= 3; i++) w.postMessage(i);
         same(await next(w), ['one 1', 'two 2', 'two 3']);
         deaf(w);",
    );
}

#[test]
fn shared_memory_and_a_ping_pong_of_wait_and_notify() {
    check(
        &[(
            "pong.js",
            "import * as os from 'os';
             const { parent } = os.Worker;
             parent.onmessage = ({ data: { cells, rounds } }) => {
               for (let i = 0; i < rounds; i++) {
                 while (Atomics.load(cells, 0) !== 2 * i + 1) Atomics.wait(cells, 0, 2 * i);
                 Atomics.store(cells, 0, 2 * i + 2);
                 Atomics.notify(cells, 0);
               }
               cells[1] = 42;
               parent.postMessage({ cells, same: cells.buffer });
               parent.onmessage = null;
             };",
        )],
        r#"
        const cells = new Int32Array(new SharedArrayBuffer(8));
        equal(Atomics.wait(cells, 0, 1), 'not-equal');
        equal(Atomics.wait(cells, 0, 0, 5), 'timed-out');
        const w = worker('pong.js'), rounds = 500;
        w.postMessage({ cells, rounds });
        for (let i = 0; i < rounds; i++) {
          Atomics.store(cells, 0, 2 * i + 1);
          Atomics.notify(cells, 0);
          while (Atomics.load(cells, 0) !== 2 * i + 2) Atomics.wait(cells, 0, 2 * i + 1);
        }
        const answer = await next(w);
        equal(cells[1], 42, 'the same memory');
        ok(answer.cells.buffer === answer.same && answer.same instanceof SharedArrayBuffer);
        answer.cells[1] = 43;
        equal(cells[1], 43, 'and still after the way back');
        deaf(w);
        "#,
    );
}

#[test]
fn four_threads_count_in_one_cell() {
    check(
        &[(
            "count.js",
            "import * as os from 'os';
             const { parent } = os.Worker;
             parent.onmessage = ({ data: { cell, times } }) => {
               for (let i = 0; i < times; i++) Atomics.add(cell, 0, 1n);
               parent.postMessage('done');
               parent.onmessage = null;
             };",
        )],
        r#"
        const cell = new BigInt64Array(new SharedArrayBuffer(8)), times = 20000;
        const all = Array.from({ length: 4 }, () => worker('count.js'));
        for (const w of all) w.postMessage({ cell, times });
        await Promise.all(all.map(next));
        equal(cell[0], 80000n);
        deaf(...all);
        "#,
    );
}

#[test]
fn a_growable_buffer_is_shared_to_its_maximum() {
    check(
        &[(
            "grow.js",
            "import * as os from 'os';
             os.Worker.parent.onmessage = ({ data: { buffer, whole, fixed } }) => {
               buffer.grow(8);
               whole[7] = 7;
               os.Worker.parent.postMessage([buffer.maxByteLength, whole.length, fixed.length]);
               os.Worker.parent.onmessage = null;
             };",
        )],
        r#"
        const buffer = new SharedArrayBuffer(4, { maxByteLength: 16 });
        const w = worker('grow.js');
        w.postMessage({ buffer, whole: new Uint8Array(buffer), fixed: new Uint8Array(buffer, 0, 2) });
        same(await next(w), [16, 8, 2]);
        buffer.grow(8);
        equal(new Uint8Array(buffer)[7], 7);
        deaf(w);
        "#,
    );
}

#[test]
fn errors_end_the_worker_and_nothing_else() {
    check(
        &[
            ECHO,
            ("throws.js", "null.x"),
            ("syntax.js", "let let"),
            (
                "rejects.js",
                "import * as os from 'os'; Promise.reject(new Error('nobody cares')); os.Worker.parent.postMessage('on');",
            ),
            (
                "handler.js",
                "import * as os from 'os';
                 os.Worker.parent.onmessage = ({ data }) => {
                   if (data === 'throw') throw new Error('in a handler');
                   os.Worker.parent.postMessage('alive');
                   os.Worker.parent.onmessage = null;
                 };",
            ),
        ],
        r#"
        // A Worker that is gone sends nothing: listening to it keeps no script alive.
        for (const name of ['throws.js', 'syntax.js', 'missing.js']) worker(name).onmessage = () => fail('a message');
        equal(await next(worker('rejects.js')), 'on');
        const w = worker('handler.js');
        w.postMessage('throw');
        w.postMessage('on');
        equal(await next(w), 'alive');
        const e = worker('echo.js');
        e.postMessage(1);
        equal(await next(e), 1);
        deaf(e);
        "#,
    );
}

#[test]
fn workers_start_workers_by_names_relative_to_their_own_file() {
    check(
        &[
            (
                "outer.js",
                "import * as os from 'qjs:os';
                 const inner = new os.Worker('./inner.js');
                 inner.onmessage = ({ data }) => { os.Worker.parent.postMessage(`outer ${data}`); inner.onmessage = null };
                 inner.postMessage(import.meta.main);",
            ),
            (
                "inner.js",
                "import { helped } from './helper.js';
                 import * as os from 'os';
                 const { parent } = os.Worker;
                 parent.onmessage = ({ data }) => { parent.postMessage(helped(data)); parent.onmessage = null };",
            ),
            ("helper.js", "export const helped = (data) => `inner ${data}`;"),
        ],
        "equal(await next(worker('outer.js')), 'outer inner false');",
    );
}

#[test]
fn what_waits_is_bounded() {
    check(
        &[(
            "deaf.js",
            "import * as os from 'os'; os.Worker.parent.onmessage = () => {}; Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);",
        )],
        r#"
        const w = worker('deaf.js');
        const big = new Uint8Array(40 << 20);
        for (let i = 0; i < 3; i++) w.postMessage(big);
        throws(() => w.postMessage(big), 'RangeError', '128 MiB');
        w.postMessage('small ones still fit');
        const small = new Uint8Array(64 << 10);
        throws(() => { for (;;) w.postMessage(small) }, 'RangeError', '128 MiB');
        "#,
    );
}

#[test]
fn shared_memory_counts_against_the_heap() {
    check(
        &[],
        r#"
        // 64 MiB in this engine.
        const half = new SharedArrayBuffer(40 << 20);
        throws(() => new SharedArrayBuffer(40 << 20), 'InternalError', 'out of memory');
        equal(half.byteLength, 40 << 20);
        for (let i = 0; i < 20; i++) new SharedArrayBuffer(20 << 20);
        "#,
    );
}
