//! `AbortController` and `AbortSignal` as the DOM standard has them, rule by rule.

use crate::driver::{self, check, check_async, on_worker};

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

#[test]
fn timeouts_that_nobody_listens_to_are_collected() {
    check_async(
        r#"
        // More than there may be timers.
        for (let i = 0; i < 120_000; i++) AbortSignal.timeout(1e6);
        const other = new AbortController().signal;
        for (let i = 0; i < 120_000; i++) AbortSignal.any([other, AbortSignal.timeout(1e6)]);
        const listener = () => {};
        for (let i = 0; i < 120_000; i++) {
          const signal = AbortSignal.timeout(1e6); signal.addEventListener('abort', listener); signal.removeEventListener('abort', listener);
        }
        // One in a cycle is found when there is no room.
        for (let i = 0; i < 100_100; i++) { const signal = AbortSignal.timeout(1e6); signal.self = signal; }
        "#,
    );
}

#[test]
fn a_timeout_that_somebody_listens_to_is_kept_until_its_time() {
    on_worker(|| async {
        let driver = driver::new();
        driver.run(
            r#"
            var heard = [], target = new EventTarget();
            AbortSignal.timeout(5).addEventListener('abort', () => heard.push('listener'));
            AbortSignal.timeout(5).onabort = () => heard.push('handler');
            AbortSignal.any([AbortSignal.timeout(5), new AbortController().signal]).addEventListener('abort', (event) => heard.push(event.target.reason.name));
            target.addEventListener('told', () => heard.push('told'), { signal: AbortSignal.timeout(5) });
            target.dispatchEvent(new Event('told'));
            "#,
        );
        driver.engine.collect();
        let body = "for (let i = 0; i < 1000 && heard.length < 4; i++) await new Promise((done) => setTimeout(done, 2)); \
                    await new Promise((done) => setTimeout(done, 10)); target.dispatchEvent(new Event('told')); \
                    same(heard, ['told', 'listener', 'handler', 'TimeoutError'])";
        driver.run_async(body).await;
    });
}

#[test]
fn a_signal_that_lives_on_keeps_no_target_that_only_listens_with_it() {
    let driver = driver::new();
    driver.run(
        r#"
        var controller = new AbortController(), refs = [];
        const fill = (count) => {
          for (let i = 0; i < count; i++) {
            const target = new EventTarget(); target.addEventListener('x', () => target, { signal: controller.signal });
            refs.push(new WeakRef(target));
          }
        };
        fill(50);
        var kept = new EventTarget(), count = 0; kept.addEventListener('x', () => { count++ }, { signal: controller.signal });
        "#,
    );
    driver.engine.collect();
    driver.run("ok(refs.every((ref) => ref.deref() === undefined))");
    let growth = driver
        .growth(40_000, "new EventTarget().addEventListener('x', () => {}, { signal: controller.signal })");
    assert!(growth < 64 << 10, "grew by {growth} bytes");
    driver.run(
        "kept.dispatchEvent(new Event('x')); controller.abort(); kept.dispatchEvent(new Event('x')); equal(count, 1)",
    );
}
