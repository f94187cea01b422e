//! `crypto`, `performance`, `navigator`, `self`, `reportError`, `queueMicrotask`, rule by rule.

use crate::driver::{self, check};

#[test]
fn get_random_values_fills_integer_arrays() {
    check(
        r#"
        const a = new Uint8Array(64); equal(crypto.getRandomValues(a), a); ok(a.some((x) => x !== 0));
        for (const C of [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array])
          ok(crypto.getRandomValues(new C(8)).some((x) => x != 0));
        const part = new Uint8Array(64); crypto.getRandomValues(part.subarray(32)); ok(part.subarray(0, 32).every((x) => x === 0));
        for (const C of [Float16Array, Float32Array, Float64Array])
          equal(throws(() => crypto.getRandomValues(new C(1)), 'TypeMismatchError').code, 17);
        throws(() => crypto.getRandomValues(new DataView(new ArrayBuffer(8))), 'TypeMismatchError');
        throws(() => crypto.getRandomValues(new ArrayBuffer(8)), 'TypeError'); throws(() => crypto.getRandomValues([1]), 'TypeError');
        throws(() => crypto.getRandomValues(), 'TypeError');
        equal(throws(() => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError').code, 22);
        equal(crypto.getRandomValues(new Uint32Array(16384)).length, 16384); equal(crypto.getRandomValues(new Uint8Array()).length, 0);
        throws(() => new Crypto(), 'TypeError', 'Illegal constructor'); ok(crypto instanceof Crypto);
        throws(() => crypto.getRandomValues.call({}, a), 'TypeError');
        "#,
    );
}

#[test]
fn random_uuids_are_version_4_and_differ() {
    check(
        r#"
        const seen = new Set();
        for (let i = 0; i < 1000; i++) {
          const id = crypto.randomUUID(); seen.add(id);
          ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
        }
        equal(seen.size, 1000);
        "#,
    );
}

#[test]
fn performance_is_monotonic_and_its_origin_is_wall_time() {
    check(
        r#"
        let last = performance.now(), fine = false; ok(last >= 0 && last < 60000);
        for (let i = 0; i < 10000; i++) { const now = performance.now(); ok(now >= last); fine ||= now % 1 !== 0; last = now }
        ok(fine); ok(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000);
        same(performance.toJSON(), { timeOrigin: performance.timeOrigin }); ok(performance instanceof Performance);
        equal(Object.prototype.toString.call(performance), '[object Performance]'); throws(() => new Performance(), 'TypeError');
        "#,
    );
}

/// High Resolution Time, section 7: `interface Performance : EventTarget`.
#[test]
fn performance_is_an_event_target() {
    check(
        r#"
        const seen = [], signal = new AbortController();
        const listener = function (event) { seen.push([this === performance, event.target === performance, event.currentTarget === performance,
          event.composedPath()[0] === performance, event.type].join()) };
        performance.addEventListener('a', listener);
        ok(performance.dispatchEvent(new Event('a'))); same(seen, ['true,true,true,true,a']);
        performance.addEventListener('b', listener, { once: true, signal: signal.signal });
        signal.abort(); performance.dispatchEvent(new Event('b')); equal(seen.length, 1);
        performance.removeEventListener('a', listener); performance.dispatchEvent(new Event('a')); equal(seen.length, 1);
        EventTarget.prototype.addEventListener.call(performance, 'c', (event) => event.preventDefault());
        equal(performance.dispatchEvent(new Event('c', { cancelable: true })), false);
        throws(() => performance.addEventListener.call({}, 'a', listener), 'TypeError');
        throws(() => performance.addEventListener.call(Object.create(performance), 'a', listener), 'TypeError');
        ok(performance instanceof EventTarget); equal(Object.getPrototypeOf(Performance), EventTarget);
        equal(performance.addEventListener, EventTarget.prototype.addEventListener);
        "#,
    );
}

/// The clock alone does not load the script of events; whatever names a part of it does.
#[test]
fn performance_joins_the_event_targets_when_they_are_loaded() {
    let joined = "Object.getPrototypeOf(Object.getPrototypeOf(performance)) === EventTarget.prototype";
    let stand_in = "Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Object.getPrototypeOf(performance)), 'dispatchEvent').get";
    for first in
        ["Performance", "EventTarget", "performance.dispatchEvent", "AbortSignal", "addEventListener"]
    {
        check(&format!(
            "performance.now(); performance.timeOrigin; performance.toJSON();
             ok('dispatchEvent' in performance); ok({stand_in}); {first}; equal({stand_in}, undefined); ok({joined})"
        ));
    }
    check(&format!(
        "'use strict'; performance.dispatchEvent = 1; equal(performance.dispatchEvent, 1);
         ok(Object.hasOwn(performance, 'dispatchEvent')); ok({joined})"
    ));
    check(
        "Object.setPrototypeOf(Object.getPrototypeOf(performance), null); EventTarget; equal(performance.dispatchEvent, undefined)",
    );
}

#[test]
fn self_and_navigator() {
    check(
        "equal(self, globalThis); ok(/^jsserve\\/\\d+\\.\\d+\\.\\d+$/.test(navigator.userAgent)); throws(() => new Navigator(), 'TypeError')",
    );
}

#[test]
fn report_error_and_microtasks_report_exceptions_with_their_stack() {
    let driver = driver::new();
    driver.run(
        r#"
        let log = ''; queueMicrotask(function task() { throw new Error('micro') }); queueMicrotask(() => { log += 'b' });
        reportError(new TypeError('mine')); reportError('text'); throws(() => reportError(), 'TypeError');
        throws(() => queueMicrotask(1), 'TypeError'); equal(log, '');
        "#,
    );
    assert_eq!(driver.text("log"), "b");
    let reports = driver.reports.borrow();
    assert!(reports[0].starts_with("reportError: TypeError: mine\n    at "), "{reports:#?}");
    assert_eq!(reports[1], "reportError: text");
    assert!(reports[2].starts_with("in a job: Error: micro\n    at task"), "{reports:#?}");
}

/// Web IDL, section 2.8.2.
#[test]
fn a_quota_exceeded_error_says_what_there_was() {
    check(
        r#"
        const thrown = throws(() => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError');
        ok(thrown instanceof QuotaExceededError && thrown instanceof DOMException && thrown instanceof Error);
        same([thrown.quota, thrown.requested, thrown.code], [65536, 65537, 22]);
        equal(Object.prototype.toString.call(thrown), '[object QuotaExceededError]'); ok(thrown.stack.length > 0);
        const plain = new QuotaExceededError(); same([plain.message, plain.name, plain.quota, plain.requested], ['', 'QuotaExceededError', null, null]);
        const some = new QuotaExceededError('full', { quota: '3', requested: 4.5 }); same([some.message, some.quota, some.requested], ['full', 3, 4.5]);
        for (const options of [{ quota: -1 }, { requested: -1 }, { quota: 2, requested: 1 }]) throws(() => new QuotaExceededError('', options), 'RangeError');
        for (const options of [{ quota: NaN }, { requested: Infinity }, 1]) throws(() => new QuotaExceededError('', options), 'TypeError');
        throws(() => QuotaExceededError(), 'TypeError'); throws(() => Object.getOwnPropertyDescriptor(QuotaExceededError.prototype, 'quota').get.call(new DOMException()), 'TypeError');
        const own = Object.getOwnPropertyDescriptor(globalThis, 'QuotaExceededError'); same([own.enumerable, own.writable, own.configurable], [false, true, true]);
        "#,
    );
}

#[test]
fn a_dom_exception_is_an_error() {
    check(
        r#"
        for (const error of [new Error(), new TypeError(), new DOMException('x'), new QuotaExceededError(), new AggregateError([])]) ok(Error.isError(error), String(error));
        for (const other of [undefined, null, 1, 'Error', {}, Error, Object.create(Error.prototype), Object.create(DOMException.prototype), { name: 'Error', stack: '' }]) equal(Error.isError(other), false);
        equal(Error.isError(), false); equal(Error.isError.length, 1); equal(Error.isError.name, 'isError');
        equal(Object.getOwnPropertyDescriptor(Error, 'isError').enumerable, false);
        "#,
    );
}
