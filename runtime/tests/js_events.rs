//! `Event` and `EventTarget` as the DOM standard has them, rule by rule.

use crate::driver::{self, check};

#[test]
fn an_event_has_the_attributes_of_its_interface() {
    check(
        r#"
        const e = new Event('x', { bubbles: 1, cancelable: true });
        same([e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.isTrusted, e.eventPhase, e.returnValue],
             ['x', true, true, false, false, false, 0, true]);
        equal(e.target, null); equal(e.currentTarget, null); same(e.composedPath(), []); ok(e.timeStamp > 0);
        equal(Event.AT_TARGET, 2); equal(e.BUBBLING_PHASE, 3); equal(Object.prototype.toString.call(e), '[object Event]');
        throws(() => new Event(), 'TypeError'); throws(() => Event('x'), 'TypeError'); throws(() => new Event('x', 1), 'TypeError');
        throws(() => Event.prototype.type, 'TypeError'); equal(new Event(null).type, 'null'); equal(Event.length, 1);
        ok(Object.getOwnPropertyDescriptor(Event.prototype, 'type').enumerable);
        ok(Object.getOwnPropertyDescriptor(Event.prototype, 'preventDefault').enumerable);
        const c = new CustomEvent('y', { detail: 7 }); equal(c.detail, 7); equal(new CustomEvent('y').detail, null);
        ok(c instanceof Event); equal(Object.prototype.toString.call(c), '[object CustomEvent]');
        ok(String(Event).includes('native code') || !String(Event).includes('#type'), String(Event));
        e.preventDefault(); ok(e.defaultPrevented); e.initEvent('z'); same([e.type, e.defaultPrevented, e.bubbles], ['z', false, false]);
        const d = Object.getOwnPropertyDescriptor(globalThis, 'Event'); ok(d.writable && d.configurable && !d.enumerable);
        "#,
    );
}

#[test]
fn dispatch_calls_listeners_in_order_with_capture_first() {
    check(
        r#"
        const t = new EventTarget(); const log = [];
        const f = (name) => function (e) { log.push(name, this === t, e.eventPhase, e.currentTarget === t, e.target === t) };
        t.addEventListener('x', f('a')); t.addEventListener('x', f('c'), true); t.addEventListener('x', f('b'), { capture: false });
        t.addEventListener('y', f('no'));
        const e = new Event('x'); equal(t.dispatchEvent(e), true);
        same(log, ['c', true, 2, true, true, 'a', true, 2, true, true, 'b', true, 2, true, true]);
        equal(e.eventPhase, 0); equal(e.currentTarget, null); equal(e.target, t);
        "#,
    );
}

#[test]
fn listeners_are_unique_by_type_callback_and_capture() {
    check(
        r#"
        const t = new EventTarget(); let n = 0; const f = () => n++;
        t.addEventListener('x', f); t.addEventListener('x', f, { once: true }); t.addEventListener('x', f, true);
        t.dispatchEvent(new Event('x')); equal(n, 2);
        t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); equal(n, 3);
        t.removeEventListener('x', f, { capture: 1 }); t.dispatchEvent(new Event('x')); equal(n, 3);
        t.addEventListener('x', null); t.addEventListener('x', undefined); t.removeEventListener('x', null);
        throws(() => t.addEventListener('x', 'text'), 'TypeError'); throws(() => t.addEventListener('x'), 'TypeError');
        equal(EventTarget.prototype.addEventListener.length, 2);
        throws(() => EventTarget.prototype.addEventListener.call({}, 'x', f), 'TypeError');
        "#,
    );
}

#[test]
fn once_signal_passive_and_removal_during_dispatch() {
    check(
        r#"
        const t = new EventTarget(); let log = '';
        t.addEventListener('x', () => { log += 'o'; t.dispatchEvent(new Event('x')) }, { once: true });
        t.addEventListener('x', () => { log += 'n' }); t.dispatchEvent(new Event('x')); equal(log, 'onn');
        log = ''; const c = new AbortController();
        t.addEventListener('s', () => { log += 's' }, { signal: c.signal }); t.dispatchEvent(new Event('s'));
        c.abort(); t.dispatchEvent(new Event('s')); equal(log, 's');
        t.addEventListener('s', () => { log += 'late' }, { signal: c.signal }); t.dispatchEvent(new Event('s')); equal(log, 's');
        throws(() => t.addEventListener('s', () => {}, { signal: {} }), 'TypeError');
        throws(() => t.addEventListener('s', () => {}, { signal: null }), 'TypeError');
        t.addEventListener('p', (e) => e.preventDefault(), { passive: true });
        equal(t.dispatchEvent(new Event('p', { cancelable: true })), true);
        t.addEventListener('p', (e) => e.preventDefault()); equal(t.dispatchEvent(new Event('p', { cancelable: true })), false);
        equal(t.dispatchEvent(new Event('p')), true);
        log = ''; const second = () => { log += '2' };
        t.addEventListener('r', () => { log += '1'; t.removeEventListener('r', second); t.addEventListener('r', () => { log += '3' }) });
        t.addEventListener('r', second); t.dispatchEvent(new Event('r')); equal(log, '1');
        t.dispatchEvent(new Event('r')); equal(log, '113');
        "#,
    );
}

#[test]
fn stopping_propagation() {
    check(
        r#"
        const t = new EventTarget(); let log = '';
        t.addEventListener('x', (e) => { log += 'c'; e.stopPropagation() }, true);
        t.addEventListener('x', () => { log += 'd' }, true); t.addEventListener('x', () => { log += 'b' });
        const e = new Event('x'); t.dispatchEvent(e); equal(log, 'cd'); equal(e.cancelBubble, false);
        const u = new EventTarget(); log = '';
        u.addEventListener('x', (e) => { log += '1'; e.stopImmediatePropagation() }); u.addEventListener('x', () => { log += '2' });
        u.dispatchEvent(e); equal(log, '1');
        u.addEventListener('busy', (e) => throws(() => u.dispatchEvent(e), 'InvalidStateError')); u.dispatchEvent(new Event('busy'));
        throws(() => u.dispatchEvent({}), 'TypeError'); throws(() => u.dispatchEvent(), 'TypeError');
        "#,
    );
}

#[test]
fn exceptions_of_listeners_are_reported_and_end_nothing() {
    let driver = driver::new();
    driver.run(
        r#"
        const t = new EventTarget(); let n = 0;
        t.addEventListener('x', function mine() { throw new RangeError('first') });
        t.addEventListener('x', { handleEvent: 1 }); t.addEventListener('x', { get handleEvent() { throw 3 } });
        const o = { handleEvent(e) { n++; ok(this === o) } }; t.addEventListener('x', o);
        t.dispatchEvent(new Event('x')); equal(n, 1);
        "#,
    );
    let reports = driver.reports.borrow();
    assert_eq!(reports.len(), 3, "{reports:#?}");
    assert!(reports[0].starts_with("in an event listener: RangeError: first\n    at mine"), "{reports:#?}");
    assert!(reports[1].contains("handleEvent is not a function"), "{reports:#?}");
    assert_eq!(reports[2], "in an event listener: 3");
}

#[test]
fn classes_can_be_extended() {
    check(
        r#"
        class X extends EventTarget { #n = 0; go() { this.dispatchEvent(new E('x')); return this.#n } hit() { this.#n++ } }
        class E extends Event { get mine() { return 1 } }
        const x = new X(); x.addEventListener('x', function (e) { equal(e.mine, 1); this.hit() }); equal(x.go(), 1);
        ok(x instanceof EventTarget); equal(Object.prototype.toString.call(x), '[object EventTarget]');
        "#,
    );
}

#[test]
fn an_app_that_patches_prototypes_before_the_first_use_changes_nothing() {
    check(
        r#"
        const trap = { __proto__: null, set() { fail('patched') }, get() { fail('patched') }, configurable: true };
        for (const p of [Array.prototype, Object.prototype]) for (const k of ['0', 'n', 'type', 'callback', 'handler'])
          Object.defineProperty(p, k, trap);
        Function.prototype.call = Array.prototype.push = Array.prototype[Symbol.iterator] = () => fail('patched');
        globalThis.WeakRef = globalThis.TypeError = globalThis.Symbol = undefined; WeakRef?.prototype;
        const t = new EventTarget(); let hit = false; t.addEventListener('x', () => { hit = true }); t.dispatchEvent(new Event('x'));
        ok(hit); const c = new AbortController(); c.abort(); ok(c.signal.aborted);
        "#,
    );
}

#[test]
fn a_polyfill_may_take_a_globals_place() {
    check(
        "globalThis.EventTarget = 5; equal(EventTarget, 5); ok(new Event('x')); delete globalThis.Event; equal(typeof Event, 'undefined')",
    );
}

#[test]
fn targets_and_listeners_are_freed() {
    let driver = driver::new();
    let source = "const t = new EventTarget(); t.addEventListener('x', (e) => e.target === t, { once: i % 2 === 0 }); \
                  t.dispatchEvent(new Event('x'))";
    let growth = driver.growth(100_000, source);
    assert!(growth < 4096, "grew by {growth} bytes");
}

#[test]
fn is_trusted_is_an_own_attribute_that_nobody_can_change() {
    check(
        r#"
        const of = (event) => Object.getOwnPropertyDescriptor(event, 'isTrusted'), one = of(new Event('a')), two = of(new CustomEvent('b'));
        ok(one.get === two.get && one.get.name === 'get isTrusted' && one.set === undefined && one.enumerable && !one.configurable);
        equal('isTrusted' in Event.prototype, false); equal(new Event('a').isTrusted, false); throws(() => one.get.call({}), 'TypeError');
        throws(() => Object.defineProperty(new Event('a'), 'isTrusted', { value: true }), 'TypeError');
        "#,
    );
}
