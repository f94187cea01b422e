//! `AbortController` and `AbortSignal` as the DOM standard has them, rule by rule.

use crate::driver::{self, check, check_async};

#[test]
fn a_controller_aborts_its_signal_once() {
    check(
        r#"
        const c = new AbortController(), s = c.signal; equal(c.signal, s); equal(s.aborted, false); equal(s.reason, undefined);
        s.throwIfAborted(); const log = [];
        s.onabort = function (e) { log.push('on', this === s, e.type, e.isTrusted, e.target === s) };
        s.addEventListener('abort', () => log.push('listener', s.aborted));
        c.abort('why'); c.abort('again');
        same(log, ['on', true, 'abort', true, true, 'listener', true]); equal(s.reason, 'why');
        let thrown; try { s.throwIfAborted() } catch (e) { thrown = e } equal(thrown, 'why');
        const d = new AbortController(); d.abort(); equal(d.signal.reason.name, 'AbortError');
        ok(d.signal.reason instanceof DOMException); equal(d.signal.reason.code, 20);
        throws(() => d.signal.throwIfAborted(), 'AbortError');
        ok(s instanceof EventTarget); equal(Object.prototype.toString.call(s), '[object AbortSignal]');
        throws(() => new AbortSignal(), 'TypeError', 'Illegal constructor'); equal(AbortSignal.length, 0);
        throws(() => AbortSignal.prototype.aborted, 'TypeError'); equal(AbortSignal.abort.length, 0);
        "#,
    );
}

#[test]
fn the_handler_attribute_keeps_its_place_and_can_be_cleared() {
    check(
        r#"
        const s = new AbortController().signal; equal(s.onabort, null); s.onabort = 5; equal(s.onabort, null);
        const c = new AbortController(); let log = '';
        c.signal.onabort = () => { log += 'old' }; c.signal.addEventListener('abort', () => { log += 'b' });
        const f = () => { log += 'a' }; c.signal.onabort = f; equal(c.signal.onabort, f);
        c.abort(); equal(log, 'ab');
        const d = new AbortController(); d.signal.onabort = () => fail('cleared'); d.signal.onabort = null; d.abort();
        const o = {}; const g = new AbortController(); g.signal.onabort = o; equal(g.signal.onabort, o); g.abort();
        "#,
    );
}

#[test]
fn static_abort_gives_an_aborted_signal() {
    check(
        r#"
        ok(AbortSignal.abort().aborted); equal(AbortSignal.abort().reason.name, 'AbortError');
        equal(AbortSignal.abort(0).reason, 0);
        "#,
    );
}

#[test]
fn any_follows_its_sources_through_dependents() {
    check(
        r#"
        const a = new AbortController(), b = new AbortController(); const log = [];
        const any = AbortSignal.any([a.signal, b.signal, a.signal]); const deep = AbortSignal.any(new Set([any]));
        any.onabort = () => log.push('any', deep.aborted); deep.onabort = () => log.push('deep');
        a.signal.onabort = () => log.push('source', any.aborted, deep.aborted);
        a.abort('r'); b.abort('late'); same(log, ['source', true, true, 'any', true, 'deep']); equal(deep.reason, 'r');
        equal(AbortSignal.any([]).aborted, false); equal(AbortSignal.any([b.signal, a.signal]).reason, 'late');
        throws(() => AbortSignal.any(), 'TypeError'); throws(() => AbortSignal.any([{}]), 'TypeError'); throws(() => AbortSignal.any(5), 'TypeError');
        "#,
    );
}

#[test]
fn a_dependent_that_is_listened_to_lives_on_and_others_are_freed() {
    let driver = driver::new();
    driver.run("globalThis.c = new AbortController(); globalThis.hits = 0; AbortSignal.any([c.signal]).onabort = () => { hits++ }");
    driver.run("const s = AbortSignal.any([c.signal]), f = () => fail('removed'); s.addEventListener('abort', f); s.removeEventListener('abort', f)");
    driver.engine.collect();
    let growth = driver.growth(40_000, "AbortSignal.any([c.signal, AbortSignal.any([c.signal])])");
    assert!(growth < 8192, "grew by {growth} bytes");
    driver.run("c.abort(); equal(hits, 1)");
}

#[test]
fn timeout_aborts_with_a_timeout_error_after_its_time() {
    check_async(
        r#"
        throws(() => AbortSignal.timeout(), 'TypeError'); throws(() => AbortSignal.timeout(-1), 'TypeError');
        throws(() => AbortSignal.timeout(NaN), 'TypeError'); throws(() => AbortSignal.timeout(2 ** 53), 'TypeError');
        ok(AbortSignal.timeout(2 ** 53 - 1).aborted === false);
        const start = performance.now(); const s = AbortSignal.timeout(20.9); equal(s.aborted, false);
        await new Promise((resolve) => { s.onabort = resolve });
        ok(performance.now() - start >= 19.5); equal(s.reason.name, 'TimeoutError'); equal(s.reason.code, 23);
        "#,
    );
}

#[test]
fn controllers_are_freed() {
    let driver = driver::new();
    let source = "const c = new AbortController(); c.signal.onabort = () => c; if (i % 2) c.abort()";
    let growth = driver.growth(100_000, source);
    assert!(growth < 4096, "grew by {growth} bytes");
}
