//! `Blob` and `File` as the File API has them, rule by rule.

use crate::driver::{check, check_async};

#[test]
fn a_blob_is_made_of_strings_buffers_and_blobs() {
    check_async(
        r#"
        const part = new Blob(['b', new Uint8Array([99, 100, 101]).subarray(0, 2)]);
        const blob = new Blob(['ä', part, new DataView(new ArrayBuffer(1)), 5, null, { toString: () => 'o' }]);
        equal(await blob.text(), 'äbcd\u00005nullo'); equal(blob.size, 12);
        same([...new Uint8Array(await part.arrayBuffer())], [98, 99, 100]);
        const bytes = await part.bytes(); ok(bytes instanceof Uint8Array); equal(bytes.length, 3);
        bytes[0] = 0; equal(await part.text(), 'bcd');
        equal(new Blob().size, 0); equal(new Blob(undefined).size, 0); equal(await new Blob([]).text(), '');
        equal(await new Blob(new Set(['x', 'y'])).text(), 'xy');
        equal(await new Blob([new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff])]).text(), 'a\uFFFD');
        equal(await new Blob(['\uD800']).text(), '\uFFFD');
        for (const wrong of ['text', null, 1, {}, new Date()]) throws(() => new Blob(wrong), 'TypeError', 'not iterable');
        throws(() => new Blob([], 'x'), 'TypeError'); throws(() => Blob([]), 'TypeError');
        throws(() => new Blob([Symbol()]), 'TypeError'); new Blob([], null);
        "#,
    );
}

#[test]
fn buffers_are_read_once_all_arguments_are_converted() {
    check_async(
        r#"
        const buffer = new Uint8Array([65]);
        const blob = new Blob([buffer], { get type() { buffer[0] = 66; return 'a/B' } });
        buffer[0] = 67;
        equal(await blob.text(), 'B'); equal(blob.type, 'a/b');
        const order = [];
        new Blob([{ toString() { order.push('part') } }], {
          get type() { order.push('type') }, get endings() { order.push('endings') } });
        same(order, ['part', 'endings', 'type']);
        "#,
    );
}

#[test]
fn types_are_in_lower_case_and_endings_native_on_request() {
    check_async(
        r#"
        equal(new Blob([], { type: 'Text/PLAIN;Charset=X' }).type, 'text/plain;charset=x');
        for (const type of ['é', 'a\n', '\x7f', 'a\0']) equal(new Blob([], { type }).type, '', type);
        equal(new Blob([], { type: null }).type, 'null'); equal(new Blob([], { type: undefined }).type, '');
        const endings = (how) => new Blob(['a\r\nb\rc\n\r\n\n', 'd\r', '\n'], { endings: how }).text();
        equal(await endings('native'), 'a\nb\nc\n\n\nd\n\n');
        equal(await endings('transparent'), 'a\r\nb\rc\n\r\n\nd\r\n'); equal(await endings(undefined), await endings('transparent'));
        throws(() => new Blob([], { endings: 'Native' }), 'TypeError', 'endings');
        "#,
    );
}

#[test]
fn slices_share_the_bytes_and_clamp_their_offsets() {
    check_async(
        r#"
        const blob = new Blob(['0123456789'], { type: 'a/b' });
        const cut = (...args) => blob.slice(...args).text();
        equal(await cut(), '0123456789'); equal(await cut(3), '3456789'); equal(await cut(-3), '789');
        equal(await cut(2, 4), '23'); equal(await cut(4, 2), ''); equal(await cut(0, -1), '012345678');
        equal(await cut(-100, 100), '0123456789'); equal(await cut(NaN, Infinity), '0123456789');
        equal(await cut(1.5, 4.5), '23'); equal(await cut(null, undefined), '0123456789'); equal(await cut('8'), '89');
        equal(await blob.slice(2, 9).slice(1, 3).text(), '34');
        equal(blob.slice().type, ''); equal(blob.slice(0, 1, 'X/Y').type, 'x/y'); equal(blob.slice(0, 1, 'ä').type, '');
        ok(!(new File(['a'], 'f').slice() instanceof File));
        "#,
    );
}

#[test]
fn slices_cost_no_memory_of_their_own() {
    check(
        r#"
        // 64 MiB may be owned: a thousand copies of 1 MiB could not be.
        const blob = new Blob([new Uint8Array(1 << 20)]), all = [];
        for (let i = 0; i < 1000; i++) all.push(blob.slice(i));
        equal(all[999].size, (1 << 20) - 999);
        "#,
    );
}

#[test]
fn a_stream_gives_the_bytes() {
    check_async(
        r#"
        const blob = new Blob(['x'.repeat(100000)]);
        const stream = blob.stream(); ok(stream instanceof ReadableStream);
        let got = 0;
        for await (const chunk of stream) { ok(chunk instanceof Uint8Array); got += chunk.length }
        equal(got, 100000); equal(await new Response(blob.slice(0, 5).stream()).text(), 'xxxxx');
        const reader = new Blob(['abc']).stream().getReader({ mode: 'byob' });
        equal((await reader.read(new Uint8Array(2))).value.length, 2);
        "#,
    );
}

#[test]
fn a_file_is_a_blob_with_a_name_and_a_time() {
    check_async(
        r#"
        const before = Date.now(), file = new File(['a', 'b'], 'n/ä\uD800', { type: 'T/X', lastModified: 12.7 });
        ok(file instanceof Blob); equal(file.name, 'n/ä\uFFFD'); equal(file.lastModified, 12); equal(file.type, 't/x');
        equal(file.size, 2); equal(await file.text(), 'ab'); equal(await new Blob([file, file]).text(), 'abab');
        const now = new File([], '').lastModified; ok(now >= before && now <= Date.now());
        const at = (lastModified) => new File([], '', { lastModified }).lastModified;
        equal(at(NaN), 0); equal(at(null), 0); equal(at(-1.9), -1); equal(at(2 ** 63), -(2 ** 63)); equal(at(new Date(5)), 5);
        throws(() => new File(), 'TypeError'); throws(() => new File([]), 'TypeError'); throws(() => new File('a', 'b'), 'TypeError');
        equal(Object.getPrototypeOf(File), Blob); equal(Object.getPrototypeOf(File.prototype), Blob.prototype);
        equal(Object.prototype.toString.call(file), '[object File]'); equal(File.length, 2); equal(Blob.length, 0);
        throws(() => Object.getOwnPropertyDescriptor(File.prototype, 'name').get.call(new Blob()), 'TypeError');
        throws(() => Object.getOwnPropertyDescriptor(Blob.prototype, 'size').get.call({}), 'TypeError');
        class Mine extends File { get twice() { return this.size * 2 } }
        equal(new Mine(['abc'], '').twice, 6); ok(new Mine([], '') instanceof Blob);
        equal(await Blob.prototype.text.call({}).catch((e) => e.name), 'TypeError');
        "#,
    );
}
