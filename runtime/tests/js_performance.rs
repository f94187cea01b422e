//! User Timing Level 3 and Performance Timeline Level 2, rule by rule.

use crate::driver::{check, check_async, new, on_worker};

#[test]
fn a_mark_has_a_name_a_time_and_a_copy_of_its_detail() {
    check(
        r#"
        const detail = { deep: [new Date(5)] }, before = performance.now(), m = performance.mark('a', { detail });
        ok(m instanceof PerformanceMark && m instanceof PerformanceEntry); equal(String(m), '[object PerformanceMark]');
        same([m.name, m.entryType, m.duration], ['a', 'mark', 0]); ok(m.startTime >= before && m.startTime <= performance.now());
        ok(m.detail !== detail && m.detail.deep[0] instanceof Date); equal(m.detail, m.detail); equal(m.detail.deep[0].getTime(), 5);
        equal(performance.mark('b').detail, null); equal(performance.mark('b', { detail: null }).detail, null); equal(performance.mark('b', { detail: 0 }).detail, 0);
        equal(performance.mark('t', { startTime: 1.5 }).startTime, 1.5); equal(performance.mark('t', { startTime: '2' }).startTime, 2);
        equal(performance.mark(undefined).name, 'undefined'); equal(performance.mark('x', null).name, 'x');
        same(m.toJSON(), { name: 'a', entryType: 'mark', startTime: m.startTime, duration: 0 }); equal(JSON.parse(JSON.stringify(m)).name, 'a');
        throws(() => performance.mark(), 'TypeError', '1 argument required'); throws(() => performance.mark('x', 1), 'TypeError'); throws(() => performance.mark(Symbol()), 'TypeError');
        throws(() => performance.mark('x', { startTime: -1 }), 'TypeError', 'negative'); throws(() => performance.mark('x', { startTime: NaN }), 'TypeError');
        throws(() => performance.mark('x', { startTime: Infinity }), 'TypeError'); throws(() => performance.mark('x', { detail() {} }), 'DataCloneError');
        equal(performance.getEntriesByName('x').length, 1, 'what threw is not kept:');
        const own = new PerformanceMark('own', { startTime: 3 }); equal(own.startTime, 3); equal(performance.getEntriesByName('own').length, 0);
        throws(() => new PerformanceMark(), 'TypeError'); throws(() => PerformanceMark('a'), 'TypeError');
        const order = []; performance.mark('o', { get startTime() { order.push('startTime'); return 1 }, get detail() { order.push('detail') } }); same(order, ['detail', 'startTime']);
        "#,
    );
}

#[test]
fn a_measure_goes_from_a_mark_or_time_to_another() {
    check(
        r#"
        performance.mark('a', { startTime: 10 }); performance.mark('b', { startTime: 30 }); performance.mark('a', { startTime: 20 });
        const m = (...args) => { const { startTime, duration } = performance.measure('m', ...args); return [startTime, duration] };
        same(m('a', 'b'), [20, 10], 'the latest mark of a name:'); same(m('b', 'a'), [30, -10]); same(m({ start: 'a', end: 'b' }), [20, 10]);
        same(m({ start: 1, end: 4 }), [1, 3]); same(m({ start: 1, duration: 4 }), [1, 4]); same(m({ end: 9, duration: 4 }), [5, 4]); same(m({ start: 'a', duration: 5 }), [20, 5]);
        same(m({ end: 'b' }), [0, 30]); same(m(undefined, 'b'), [0, 30]); same(m({}, 'b'), [0, 30]); same(m(null, 'b'), [0, 30]);
        const [from, length] = m(); equal(from, 0); ok(length > 0); ok(m({ start: 2 })[1] > -2); equal(m('a')[0], 20);
        const d = { n: 1 }, e = performance.measure('d', { start: 1, end: 2, detail: d }); same(e.detail, d); ok(e.detail !== d);
        ok(e instanceof PerformanceMeasure && e instanceof PerformanceEntry); same([e.name, e.entryType], ['d', 'measure']); equal(performance.measure('x').detail, null);
        throws(() => performance.measure(), 'TypeError'); throws(() => performance.measure('x', 'none'), 'SyntaxError', "'none'"); throws(() => performance.measure('x', 'a', 'none'), 'SyntaxError');
        try { performance.measure('x', 'none') } catch (error) { ok(error instanceof DOMException) }
        throws(() => performance.measure('x', { start: 1, end: 2 }, 'b'), 'TypeError'); throws(() => performance.measure('x', { detail: 1 }), 'TypeError', 'neither');
        throws(() => performance.measure('x', { duration: 1 }), 'TypeError'); throws(() => performance.measure('x', { start: 1, end: 2, duration: 3 }), 'TypeError');
        throws(() => performance.measure('x', { start: -1 }), 'TypeError', 'negative'); throws(() => performance.measure('x', { end: NaN }), 'TypeError');
        throws(() => new PerformanceMeasure(), 'TypeError', 'Illegal constructor'); throws(() => new PerformanceEntry(), 'TypeError', 'Illegal constructor');
        performance.mark('5', { startTime: 5 }); same(m({ start: '5', end: 7 }), [5, 2]); same(m({ start: 6, end: 7 }), [6, 1]);
        "#,
    );
}

#[test]
fn the_timeline_is_sorted_by_start_filtered_and_cleared() {
    check(
        r#"
        const names = (list) => list.map((entry) => entry.name).join('');
        for (const [name, startTime] of [['c', 3], ['a', 1], ['d', 4], ['b', 1]]) performance.mark(name, { startTime });
        performance.measure('a', { start: 2, end: 3 }); performance.measure('z', { start: 0, end: 3 });
        equal(names(performance.getEntries()), 'zabacd', 'what begins together keeps its order:');
        equal(names(performance.getEntriesByType('mark')), 'abcd'); equal(names(performance.getEntriesByType('measure')), 'za'); same(performance.getEntriesByType('Mark'), []);
        equal(performance.getEntriesByName('a').length, 2); equal(performance.getEntriesByName('a', 'measure')[0].duration, 1); same(performance.getEntriesByName('a', 'x'), []);
        equal(performance.getEntriesByName('a', undefined).length, 2); same(performance.getEntriesByName('__proto__'), []); same(performance.getEntriesByType('n'), []);
        ok(performance.getEntries() !== performance.getEntries() && Array.isArray(performance.getEntries()));
        equal(performance.clearMarks('a'), undefined); equal(names(performance.getEntries()), 'zbacd'); throws(() => performance.measure('x', 'a'), 'SyntaxError');
        performance.clearMeasures('nobody'); performance.clearMeasures('z'); equal(names(performance.getEntries()), 'bacd');
        performance.clearMarks(); equal(names(performance.getEntries()), 'a'); throws(() => performance.measure('x', 'b'), 'SyntaxError');
        performance.clearMeasures(undefined); same(performance.getEntries(), []);
        throws(() => performance.getEntriesByType(), 'TypeError'); throws(() => performance.getEntriesByName(), 'TypeError');
        performance.mark('__proto__', { startTime: 7 }); equal(performance.measure('p', '__proto__').startTime, 7);
        "#,
    );
}

#[test]
fn an_app_that_marks_for_ever_keeps_the_latest_ten_thousand() {
    let driver = new();
    driver.run(
        "for (let i = 0; i < 10005; i++) { performance.mark(`m${i}`, { startTime: i }) }
         const all = performance.getEntriesByType('mark'); equal(all.length, 10000); equal(all[0].name, 'm5');
         throws(() => performance.measure('x', 'm4'), 'SyntaxError'); equal(performance.measure('x', 'm5').startTime, 5);
         for (let i = 0; i < 10005; i++) performance.mark('same', { startTime: i });
         equal(performance.measure('x', 'same').startTime, 10004);",
    );
    let growth = driver.growth(4_000, "performance.mark('m'); performance.measure('n', 'm')");
    assert!(growth < 3_000_000, "{growth} bytes for 3,000 measures");
    assert!(driver.growth(40_000, "performance.mark('m')") < 64 << 10);
}

#[test]
fn an_observer_hears_of_entries_in_a_task_of_its_own() {
    check_async(
        r#"
        const heard = []; let told;
        const observer = new PerformanceObserver(function (list, self, options) {
          equal(this, observer); equal(self, observer); ok(list instanceof PerformanceObserverEntryList); heard.push(list.getEntries().map((e) => e.name).join());
          heard.push(list.getEntriesByType('measure').length, list.getEntriesByName('b').length, list.getEntriesByName('b', 'measure').length); told = options;
        });
        observer.observe({ entryTypes: ['measure', 'mark', 'navigation'] });
        performance.mark('b', { startTime: 2 }); performance.mark('a', { startTime: 1 }); performance.measure('c', 'a', 'b'); same(heard, []);
        await null; same(heard, [], 'no microtask:'); await new Promise((f) => setTimeout(f, 5)); same(heard, ['a,c,b', 1, 1, 0]); same(told, { droppedEntriesCount: 0 });
        performance.mark('d'); same(observer.takeRecords().map((e) => e.name), ['d']); same(observer.takeRecords(), []); await new Promise((f) => setTimeout(f, 5)); equal(heard.length, 4);
        performance.mark('e'); await new Promise((f) => setTimeout(f, 5)); same(heard.slice(4), ['e', 0, 0, 0]); same(told, {}, 'told once:');
        performance.mark('f'); observer.disconnect(); performance.mark('g'); await new Promise((f) => setTimeout(f, 5)); equal(heard.length, 8); same(observer.takeRecords(), []);
        "#,
    );
}

#[test]
fn observe_takes_a_type_or_a_list_of_types_and_can_bring_what_was_before() {
    check_async(
        r#"
        const wait = () => new Promise((f) => setTimeout(f, 5));
        performance.mark('a'); performance.measure('b');
        const heard = [], observer = new PerformanceObserver((list) => heard.push(...list.getEntries().map((e) => e.name)));
        observer.observe({ type: 'mark', buffered: true }); observer.observe({ type: 'measure' }); observer.observe({ type: 'unknown' }); observer.observe({ type: 'mark' });
        performance.measure('c'); await wait(); same(heard.sort(), ['a', 'c']);
        throws(() => observer.observe({ entryTypes: ['mark'] }), 'InvalidModificationError'); observer.disconnect(); observer.observe({ entryTypes: ['mark'] });
        throws(() => observer.observe({ type: 'mark' }), 'InvalidModificationError'); observer.observe({ entryTypes: ['none'] });
        observer.observe({ entryTypes: ['measure'] }); performance.mark('d'); performance.measure('e'); await wait(); same(heard, ['a', 'c', 'e'], 'the list is replaced:');
        const other = new PerformanceObserver(() => {});
        for (const options of [undefined, null, {}, { buffered: true }, { type: 'mark', entryTypes: ['mark'] }, { entryTypes: ['mark'], buffered: false }, { entryTypes: 5 }, 5])
          throws(() => other.observe(options), 'TypeError');
        throws(() => new PerformanceObserver(), 'TypeError'); throws(() => new PerformanceObserver({}), 'TypeError'); throws(() => new PerformanceObserverEntryList(), 'TypeError');
        same(PerformanceObserver.supportedEntryTypes, ['mark', 'measure']); ok(Object.isFrozen(PerformanceObserver.supportedEntryTypes));
        equal(PerformanceObserver.supportedEntryTypes, PerformanceObserver.supportedEntryTypes); other.disconnect();
        "#,
    );
}

#[test]
fn what_an_observer_throws_is_reported_and_the_others_go_on() {
    on_worker(|| async {
        let driver = new();
        driver
            .run_async(
                "let heard = 0; new PerformanceObserver(() => { throw new Error('mine') }).observe({ type: 'mark' });
                 new PerformanceObserver(() => heard++).observe({ type: 'mark' });
                 performance.mark('a'); await new Promise((f) => setTimeout(f, 5)); equal(heard, 1);",
            )
            .await;
        let reports = driver.reports.borrow();
        assert!(
            reports.len() == 1 && reports[0].contains("in a PerformanceObserver: Error: mine"),
            "{reports:?}"
        );
    });
}

#[test]
fn the_timeline_does_not_call_what_an_app_patched() {
    check(
        r#"
        Array.prototype[Symbol.iterator] = Array.prototype.push = Array.prototype.sort = Map.prototype.set = () => { throw new Error('patched') };
        Object.defineProperty(Object.prototype, 'startTime', { get() { return 7 }, configurable: true });
        equal(performance.mark('a', { __proto__: null, startTime: 3 }).startTime, 3); performance.mark('b', { __proto__: null, startTime: 1 });
        equal(performance.getEntries()[0].name, 'b'); equal(performance.measure('m', 'b', 'a').duration, 2);
        "#,
    );
}
