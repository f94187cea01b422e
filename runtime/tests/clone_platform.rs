//! Objects of the platform in structured clones: blobs, files and keys are copied, others refused
//! (HTML, section 2.7.3, steps 18 to 23).

use crate::driver::{self, check, check_async};
use runtime::js::Value;
use runtime::js::clone;

#[test]
fn blobs_and_files_are_copied_with_all_they_have() {
    check_async(
        r#"
        const blob = new Blob(['aä'], { type: 'text/x' }), file = new File(['f'], 'näme', { type: 'a/b', lastModified: 1234 });
        const copy = structuredClone({ blob, list: [blob, file], map: new Map([[file, blob]]) });
        ok(copy.blob instanceof Blob && !(copy.blob instanceof File) && copy.blob !== blob && copy.blob === copy.list[0]);
        equal(copy.blob.type, 'text/x'); equal(copy.blob.size, 3); equal(await copy.blob.text(), 'aä');
        const f = copy.list[1]; ok(f instanceof File && copy.map.get(f) === copy.blob);
        same([f.name, f.type, f.lastModified, await f.text()], ['näme', 'a/b', 1234, 'f']);
        equal(structuredClone(new Blob()).size, 0);
        const { port1, port2 } = new MessageChannel();
        const got = new Promise((resolve) => { port2.onmessage = resolve }); port1.postMessage(file);
        equal((await got).data.name, 'näme'); port1.close();
        "#,
    );
}

#[test]
fn keys_are_copied_and_stay_what_they_are() {
    check_async(
        r#"
        const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
        const copy = structuredClone({ key }).key, data = new Uint8Array(3);
        ok(copy instanceof CryptoKey && copy !== key);
        same([copy.type, copy.extractable, copy.algorithm, copy.usages], [key.type, false, key.algorithm, key.usages]);
        ok(await crypto.subtle.verify('HMAC', copy, await crypto.subtle.sign('HMAC', key, data), data));
        "#,
    );
}

#[test]
fn other_objects_of_the_platform_are_refused_and_named() {
    check(
        r#"
        for (const [value, name] of [
          [new Response(), 'Response'], [new Headers(), 'Headers'], [new Event('a'), 'Event'], [new CustomEvent('a'), 'Event'],
          [new EventTarget(), 'EventTarget'], [new class extends EventTarget {}, 'EventTarget'], [new AbortController(), 'AbortController'],
          [AbortSignal.abort(), 'EventTarget'], [new FormData(), 'FormData'], [new URL('http://a'), 'URL'], [new TextDecoder(), 'TextDecoder'],
          [new MessageChannel(), 'MessageChannel'], [new MessageEvent('m'), 'Event'], [new WeakMap(), 'WeakMap'], [new Proxy({}, {}), 'could not be cloned'],
          [Promise.resolve(), 'Promise'], [function* () {}(), 'Generator'], [new ReadableStream(), 'ReadableStream'],
          [new WritableStream(), 'WritableStream'], [new TransformStream(), 'TransformStream'],
        ]) throws(() => structuredClone({ value }), 'DataCloneError', name);
        equal(structuredClone(new class A { x = 1 }).x, 1); equal(structuredClone(Object.create({ y: 2 }, {})).y, undefined);
        "#,
    );
}

/// Scripts patch what they like: what is asked is the class, not its prototype.
#[test]
fn a_patched_prototype_hides_nothing() {
    check(
        r#"
        const port = new MessageChannel().port1;
        Object.setPrototypeOf(port, { __proto__: null });
        throws(() => structuredClone(port), 'DataCloneError', 'MessagePort');
        Object.defineProperty(Blob.prototype, 'type', { get() { throw new Error('seen') } });
        equal(structuredClone(new Blob(['x'])).size, 1);
        "#,
    );
}

#[test]
fn blobs_and_keys_cross_to_another_engine_and_weigh_what_they_hold() {
    let (one, two) = (driver::new(), driver::new());
    let packed = one.engine.turn(|ctx| {
        let value: Value =
            ctx.eval("({ f: new File(['12345'], 'n', { lastModified: 7 }) })").expect("a value");
        assert!(clone::pack(ctx, &value, 4).expect("no exception").is_none(), "the blob's bytes count");
        assert!(clone::encode(ctx, &value, 1000).is_err(), "storage keeps bytes only");
        ctx.catch();
        clone::pack(ctx, &value, 1000).expect("no exception").expect("it fits")
    });
    assert!(packed.len() >= 5, "{}", packed.len());
    two.engine.turn(|ctx| {
        let value = clone::unpack(ctx, &packed).expect("a copy");
        ctx.globals().set("copy", value).expect("memory");
    });
    two.run("same([copy.f.name, copy.f.size, copy.f.lastModified], ['n', 5, 7]); ok(copy.f instanceof File)");
}

/// Looking up objects in long transfer lists takes no time that grows with both.
#[test]
fn a_long_transfer_list_is_no_quadratic_work() {
    check(
        r#"
        const began = performance.now(), buffers = Array.from({ length: 20_000 }, () => new ArrayBuffer(1));
        const copy = structuredClone(buffers, { transfer: buffers });
        ok(copy.length === 20_000 && copy[7].byteLength === 1 && buffers[7].byteLength === 0);
        ok(performance.now() - began < 5_000);
        const twice = new ArrayBuffer(1); throws(() => structuredClone(1, { transfer: [twice, twice] }), 'DataCloneError', 'twice');
        "#,
    );
}
