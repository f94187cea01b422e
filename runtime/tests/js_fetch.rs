//! `Headers`, `Request` and `Response` as the Fetch standard has them, rule by rule.

use crate::driver::{self, check, check_async};

#[test]
fn a_record_is_read_one_property_at_a_time() {
    check(
        r#"
        const seen = [];
        const traps = {
          get(t, k) { seen.push('get ' + String(k)); return t[k] },
          ownKeys(t) { seen.push('ownKeys'); return Reflect.ownKeys(t) },
          getOwnPropertyDescriptor(t, k) { seen.push('own ' + String(k)); return Reflect.getOwnPropertyDescriptor(t, k) },
        };
        new Headers(new Proxy({ a: '1', b: '2' }, traps));
        same(seen, ['get Symbol(Symbol.iterator)', 'ownKeys', 'own a', 'get a', 'own b', 'get b']);
        throws(() => new Headers({ [Symbol('a')]: '1' }), 'TypeError');
        throws(() => new URLSearchParams({ [Symbol('a')]: '1' }), 'TypeError');
        const hidden = Object.defineProperty({ a: '1' }, Symbol('x'), { value: 1, enumerable: false });
        same([...new Headers(hidden)], [['a', '1']]);
        same([...new URLSearchParams(hidden)], [['a', '1']]);
        "#,
    );
}

#[test]
fn names_and_values_of_headers_are_checked() {
    check(
        r#"
        for (const [name, value] of [['', 'a'], ['a b', 'a'], ['é', 'a'], ['a', 'b\0'], ['a', 'b\r\nc'], ['a', '\ud800'], ['a', '€']])
          throws(() => new Headers([[name, value]]), 'TypeError');
        for (const init of [null, 1, 'a', [['a']], [['a', 'b', 'c']], ['ab']]) throws(() => new Headers(init), 'TypeError');
        equal(new Headers({ a: 'é\xff' }).get('A'), 'é\xff');
        equal(new Headers([['a', '\r\n\t b \n']]).get('a'), 'b');
        "#,
    );
}

#[test]
fn iteration_over_headers_is_live() {
    check(
        r#"
        const h = new Headers([['a', '1'], ['b', '2'], ['c', '3']]);
        const seen = [];
        for (const [k] of h) { seen.push(k); h.delete(k) }
        same(seen, ['a', 'c']);
        const all = new Headers([['a', '1'], ['b', '2']]);
        let calls = 0;
        all.forEach(() => { all.delete('a'); all.delete('b'); calls++ });
        equal(calls, 1);
        "#,
    );
}

#[test]
fn header_lists_are_bounded_and_a_field_set_again_and_again_takes_no_more_room() {
    check(
        r#"
        const h = new Headers();
        for (let i = 0; i < 100_000; i++) h.set('a', 'x'.repeat(100));
        equal(h.get('a').length, 100);
        throws(() => { for (let i = 0; i < 20_000; i++) h.append('b', 'x') }, 'RangeError', '10,000');
        throws(() => new Headers({ a: 'x'.repeat(2 << 20) }), 'RangeError', '1 MiB');
        equal(h.get('a').length, 100);
        const p = new URLSearchParams();
        throws(() => { for (let i = 0; i < 10; i++) p.append('a', 'x'.repeat(20 << 20)) }, 'RangeError', '64 MiB');
        equal(p.size, 3);
        "#,
    );
}

#[test]
fn the_servers_own_arrays_and_objects_trip_over_no_setter() {
    check(
        r#"
        const spy = { configurable: true, set() { throw new Error('spied') } };
        const h = new Headers([['set-cookie', 'a'], ['set-cookie', 'b']]);
        Object.defineProperty(Array.prototype, '0', spy);
        try { equal(h.getSetCookie().length, 2) } finally { delete Array.prototype[0] }
        "#,
    );
}

#[test]
fn a_clone_keeps_the_guard_of_its_headers() {
    check(
        r#"
        throws(() => Response.redirect('http://a/').clone().headers.set('a', 'b'), 'TypeError');
        throws(() => Response.error().clone().headers.set('a', 'b'), 'TypeError');
        const r = new Response(); r.clone().headers.set('a', 'b'); equal(r.headers.get('a'), null);
        "#,
    );
}

// Web IDL section 3.2.4.9, "unsigned short": the whole part of the number, modulo 2^16.
#[test]
fn a_status_is_taken_modulo_65536() {
    check(
        r#"
        for (const [given, status] of [[65736, 200], [131372, 300], [-65336, 200], ['201', 201], [200.9, 200]])
            equal(new Response(null, { status: given }).status, status);
        for (const status of [199, 600, 65736 + 400, 0, -1, NaN, Infinity, 65536]) throws(() => new Response(null, { status }), 'RangeError');
        "#,
    );
}

#[test]
fn the_status_text_is_a_byte_string() {
    check(
        r#"
        equal(new Response(null, { statusText: 'é' }).statusText, 'é');
        for (const statusText of ['a\r', '\0', '€']) throws(() => new Response(null, { statusText }), 'TypeError');
        "#,
    );
}

#[test]
fn the_signal_of_a_request_follows_the_one_it_was_given() {
    check(
        r#"
        throws(() => new Request('http://a', { signal: {} }), 'TypeError');
        const c = new AbortController();
        const one = new Request('http://a', { signal: c.signal });
        const two = one.clone(), three = new Request(two), own = new Request(one, { signal: null });
        ok(one.signal !== c.signal && one.signal === one.signal);
        c.abort('why');
        for (const r of [one, two, three]) { ok(r.signal.aborted); equal(r.signal.reason, 'why') }
        ok(!own.signal.aborted);
        equal(new Request('http://a', { signal: AbortSignal.abort(3) }).signal.reason, 3);
        AbortController = undefined;
        ok(!new Request('http://a').signal.aborted);
        "#,
    );
}

#[test]
fn a_request_that_fails_to_be_made_takes_no_body() {
    check_async(
        r#"
        const from = new Request('http://a', { method: 'POST', body: 'x' });
        throws(() => new Request(from, { method: 'a b' }), 'TypeError');
        throws(() => new Request(from, { signal: 1 }), 'TypeError');
        ok(!from.bodyUsed);
        const made = new Request(from);
        ok(from.bodyUsed && !made.bodyUsed);
        equal(await made.text(), 'x');
        throws(() => new Request(from), 'TypeError');
        "#,
    );
}

#[test]
fn a_body_is_a_copy_of_the_bytes_at_that_time() {
    check_async(
        r#"
        const u = new Uint8Array([65, 66]);
        const r = new Response(u), c = r.clone();
        u[0] = 90;
        new Uint8Array(await c.arrayBuffer())[0] = 67;
        equal(await r.text(), 'AB');
        const buffer = new ArrayBuffer(4, { maxByteLength: 16 });
        const whole = new Uint8Array(buffer), rest = new Uint16Array(buffer, 2), view = new DataView(buffer, 1);
        const fixed = new Uint8Array(buffer, 1, 2);
        for (const size of [8, 3, 16, 0, 1, 5]) {
          buffer.resize(size);
          for (const v of [whole, rest, fixed]) equal((await new Response(v).bytes()).length, v.byteLength, size);
          equal((await new Response(view).bytes()).length, size < 1 ? 0 : view.byteLength, size);
        }
        Object.defineProperty(DataView.prototype, 'byteLength', { get() { throw new Error('spied') } });
        equal((await new Response(new DataView(new ArrayBuffer(7))).bytes()).length, 7);
        "#,
    );
}

#[test]
fn an_immutable_buffer_is_not_written_to() {
    check(
        r#"
        const u = new Uint8Array(new ArrayBuffer(4).transferToImmutable());
        throws(() => crypto.getRandomValues(u), 'TypeError', 'immutable');
        throws(() => new TextEncoder().encodeInto('abc', u), 'TypeError', 'immutable');
        same([...u], [0, 0, 0, 0]);
        "#,
    );
}

#[test]
fn cycles_through_native_objects_are_collected() {
    let driver = driver::new();
    let growth = driver.growth(
        20_000,
        "const r = new Response(new Uint8Array(100)); r.headers.x = r;
         const q = new Request('http://a/', { signal: AbortSignal.abort(1) }); q.signal.x = q; q.headers.y = q;
         const u = new URL('http://a/?b=c'); u.searchParams.z = u;
         const it = new Headers({ a: '1' }).entries(); it.self = it;",
    );
    assert!(growth < 64 << 10, "the heap grew by {growth} bytes");
}

#[test]
fn the_bytes_of_bodies_count_as_heap() {
    let driver = driver::new();
    driver.run("globalThis.kept = []; for (let i = 0; i < 100; i++) kept.push(new Response(new Uint8Array(100_000)))");
    assert!(driver.engine.heap_bytes() > 10_000_000);
    driver.run(
        "let full; try { for (let i = 0; i < 1000; i++) kept.push(new Response(new Uint8Array(100_000))) }
         catch (error) { full = true } kept = undefined; ok(full, 'no limit reached')",
    );
}

#[test]
fn native_memory_of_headers_and_urls_has_a_limit_and_garbage_does_not_count() {
    for make in [
        "{ const p = new URLSearchParams(); p.append('a', text); p }",
        "{ const u = new URL('http://a/'); u.hash = text; u }",
        "{ const u = new URL('http://a/'); u.searchParams.append('a', text); u }",
        "new Headers({ a: text })",
    ] {
        let driver = driver::new();
        driver.run(&format!(
            "const text = 'x'.repeat(1_000_000), make = () => eval(`{make}`);
             for (let i = 0; i < 70; i++) {{ const native = make(); native.self = native }}
             let count = 0;
             const error = throws(() => {{ for (const all = []; count < 80; count++) all.push(make()) }}, 'InternalError', 'memory');
             ok(count > 5 && count < 80, count);
             make();"
        ));
    }
}

#[test]
fn a_request_keeps_the_members_of_its_init_and_checks_enumerations() {
    check(
        r#"
        const plain = new Request('http://a/');
        same([plain.mode, plain.credentials, plain.cache, plain.redirect, plain.referrerPolicy, plain.integrity, plain.keepalive],
             ['cors', 'same-origin', 'default', 'follow', '', '', false]);
        const set = new Request('http://a/', { mode: 'same-origin', credentials: 'omit', cache: 'no-store', redirect: 'manual',
          referrerPolicy: 'origin', integrity: 'sha256-x', keepalive: 1, duplex: 'half' });
        const shown = (r) => [r.mode, r.credentials, r.cache, r.redirect, r.referrerPolicy, r.integrity, r.keepalive];
        const wanted = ['same-origin', 'omit', 'no-store', 'manual', 'origin', 'sha256-x', true];
        same(shown(set), wanted);
        same(shown(set.clone()), wanted);
        same(shown(new Request(set, { redirect: 'error' })), [...wanted.slice(0, 3), 'error', ...wanted.slice(4)]);
        for (const init of [{ mode: 'navigate' }, { credentials: 'x' }, { cache: '' }, { redirect: 'Follow' },
                            { referrerPolicy: 'none' }, { duplex: 'full' }, { cache: 'only-if-cached' }])
          throws(() => new Request('http://a/', init), 'TypeError');
        "#,
    );
}
