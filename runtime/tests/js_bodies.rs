//! Streams as bodies of Request and Response, a test for each rule (Fetch, sections 5.2 to 5.5).
//!
//! Owns: bodies of its own making. Must not know: connections.

use crate::driver::{check, check_async};

#[test]
fn a_body_is_a_byte_stream_made_once_and_null_where_there_is_none() {
    check_async(
        "
        equal(new Response().body, null);
        equal(new Response(null).body, null);
        equal(new Request('http://a/').body, null);
        const response = new Response('hello');
        ok(response.body instanceof ReadableStream && response.body === response.body);
        ok(!response.bodyUsed);
        const { value } = await response.body.getReader({ mode: 'byob' }).read(new Uint8Array(3));
        equal(new TextDecoder().decode(value), 'hel');
        ok(response.bodyUsed, 'disturbed');
        equal((await response.text().catch((e) => e)).name, 'TypeError');
        const parts = [];
        for await (const chunk of new Response(new Uint8Array(200000)).body) parts.push(chunk.length);
        equal(parts.reduce((a, b) => a + b), 200000);
        ok(parts.length > 1, 'in bounded chunks');
        ",
    );
}

#[test]
fn a_locked_body_cannot_be_read_and_is_not_used() {
    check_async(
        "
        const response = new Response('x');
        const reader = response.body.getReader();
        ok(!response.bodyUsed);
        equal((await response.text().catch((e) => e)).name, 'TypeError');
        throws(() => response.clone(), 'TypeError');
        throws(() => new Response(response.body), 'TypeError', 'locked');
        reader.releaseLock();
        equal(await response.text(), 'x');
        ok(response.bodyUsed && response.body.locked);
        const late = new Response('y');
        await late.text();
        ok(late.body.locked, 'its stream was used up');
        ",
    );
}

#[test]
fn a_stream_is_read_as_text_json_and_bytes() {
    check_async(
        "
        const of = (...parts) => new Response(new ReadableStream({
          start(c) { for (const part of parts) c.enqueue(new TextEncoder().encode(part)); c.close(); } }));
        equal(await of('a', '', 'b').text(), 'ab');
        same(await of('{\"a\"', ':1}').json(), { a: 1 });
        equal((await of('{').json().catch((e) => e)).name, 'SyntaxError');
        same([...await of('AB').bytes()], [65, 66]);
        equal((await of('ABC').arrayBuffer()).byteLength, 3);
        const used = of('x');
        equal(used.headers.get('content-type'), null);
        await used.text();
        ok(used.bodyUsed);
        equal((await used.text().catch((e) => e)).name, 'TypeError');
        for (const wrong of ['text', 5, new Uint16Array(1), new ArrayBuffer(1)]) {
          let reason;
          const body = new ReadableStream({ pull(c) { c.enqueue(wrong); }, cancel(r) { reason = r; } });
          const error = await new Response(body).text().catch((e) => e);
          ok(error instanceof TypeError && reason === error, String(wrong));
        }
        const error = new Error('mine');
        equal(await new Response(new ReadableStream({ pull() { throw error } })).text().catch((e) => e), error);
        ",
    );
}

// Beyond the standard: what Bun, Deno and undici take, too.
#[test]
fn iterables_are_bodies() {
    check_async(
        "
        async function* parts() { yield 'a'; yield new Uint8Array([98]); yield ''; yield new Uint8Array([99]).buffer; }
        equal(await new Response(parts()).text(), 'abc');
        equal(await new Response((function* () { yield 'x'; yield 'y'; })()).text(), 'xy');
        equal(await new Response(['a', 'b']).text(), 'a,b', 'an array is a string to the standard');
        const failing = new Response((async function* () { yield 'a'; throw new Error('mid-way'); })());
        equal((await failing.text().catch((e) => e)).message, 'mid-way');
        let ended = false;
        const left = new Response((async function* () { try { yield 'a'; yield 'b'; } finally { ended = true; } })());
        for await (const _ of left.body) break;
        ok(ended, 'the generator hears that nobody reads on');
        ",
    );
}

// \"To clone a body\".
#[test]
fn clones_read_the_same_bytes() {
    check_async(
        "
        const response = new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.close(); } }));
        const before = response.body;
        const copy = response.clone();
        ok(before.locked && response.body !== before);
        const [one, two] = await Promise.all([response.bytes(), copy.bytes()]);
        ok(one[0] === 65 && two[0] === 65 && one.buffer !== two.buffer);
        const plain = new Response('text');
        plain.body;
        const again = plain.clone();
        equal(await plain.text() + await again.text(), 'texttext');
        throws(() => plain.clone(), 'TypeError');
        ",
    );
}

// The Request constructor, steps 36 to 41.
#[test]
fn a_request_takes_a_stream_with_duplex_half_and_hands_bodies_over() {
    check_async(
        "
        const stream = () => new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.close(); } });
        const init = { method: 'POST', body: stream() };
        throws(() => new Request('http://a/', init), 'TypeError', 'duplex');
        throws(() => new Request('http://a/', { ...init, duplex: 'full' }), 'TypeError', 'duplex');
        const request = new Request('http://a/', { method: 'POST', body: stream(), duplex: 'half' });
        equal(request.headers.get('content-type'), null);
        const next = new Request(request);
        ok(request.bodyUsed && !next.bodyUsed);
        throws(() => new Request(request), 'TypeError');
        equal(await next.text(), 'A');
        const text = new Request('http://a/', { method: 'POST', body: 'hello' });
        text.body;
        equal(await new Request(text).text(), 'hello');
        ok(text.bodyUsed && text.body.locked);
        ",
    );
}

#[test]
fn a_body_that_goes_through_a_response_is_not_read_meanwhile() {
    check_async(
        "
        const first = new Response('hello', { headers: { a: 'b' } });
        const second = new Response(first.body, first);
        equal(second.headers.get('a'), 'b');
        ok(!first.bodyUsed);
        equal(await second.text(), 'hello');
        ok(first.bodyUsed && second.bodyUsed);
        const zipped = new Response(new Response('zip zip zip').body.pipeThrough(new CompressionStream('gzip')));
        const back = new Response(zipped.body.pipeThrough(new DecompressionStream('gzip')));
        equal(await back.text(), 'zip zip zip');
        ",
    );
}

#[test]
fn what_a_body_gives_cannot_be_replaced_on_its_way() {
    check_async(
        "
        const got = [];
        const response = new Response(new Uint8Array([1, 2]));
        Object.defineProperty(Object.prototype, 'then', { configurable: true, value(done) { delete Object.prototype.then; done({ done: false, value: 0 }); } });
        const piped = response.body.pipeTo(new WritableStream({ write(chunk) { got.push(...chunk); } }));
        delete Object.prototype.then;
        await piped;
        same(got, [1, 2]);
        ",
    );
}

#[test]
fn without_streams_none_are_made() {
    check(
        "
        const seen = [];
        for (const name of ['ReadableStream', 'TransformStream']) {
          ok('get' in Object.getOwnPropertyDescriptor(globalThis, name), 'not loaded yet');
        }
        new Response('a').text();
        new Response(new Uint8Array(1)).bodyUsed;
        new Response({ toString: () => 'text' });
        ok('get' in Object.getOwnPropertyDescriptor(globalThis, 'ReadableStream'), 'still not');
        ",
    );
}
