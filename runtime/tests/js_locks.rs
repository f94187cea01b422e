//! `navigator.locks` (Web Locks API), rule by rule.

use std::sync::Arc;

use runtime::js::cluster::Cluster;
use runtime::modules::web::host;

use crate::driver::{self, Driver, check, check_async, new, on_worker};
use crate::os_workers;

#[test]
fn a_lock_is_held_until_what_the_callback_returns_has_settled() {
    check_async(
        r#"
        const order = [], { locks } = navigator; ok(locks instanceof LockManager && locks === navigator.locks); equal(String(locks), '[object LockManager]');
        const one = locks.request('a', async (lock) => {
          order.push('one'); ok(lock instanceof Lock); same([lock.name, lock.mode, String(lock)], ['a', 'exclusive', '[object Lock]']);
          await new Promise((f) => setTimeout(f, 5)); order.push('end of one'); return 1;
        });
        const two = locks.request('a', { mode: 'exclusive' }, () => { order.push('two'); throw new RangeError('mine') });
        const three = locks.request('a', () => { order.push('three'); return { then(f) { f(3) } } }); const other = locks.request('b', () => order.push('other'));
        same(order, [], 'never called at once:'); await null; same(order, [], 'nor in a microtask:');
        equal(await one, 1); await rejects(two, 'RangeError', 'mine'); equal(await three, 3); await other; same(order, ['one', 'other', 'end of one', 'two', 'three']);
        await rejects(locks.request('a', () => Promise.reject(new RangeError('late'))), 'RangeError'); equal(await locks.request('a', () => undefined), undefined);
        const { held, pending } = await locks.query(); same([held, pending], [[], []]);
        "#,
    );
}

#[test]
fn shared_locks_are_held_together_and_requests_are_served_in_order() {
    check_async(
        r#"
        const order = [], ends = {}, { locks } = navigator, wait = async () => { for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1)) };
        const ask = (name, mode) => locks.request('a', { mode }, () => { order.push(name); return new Promise((f) => { ends[name] = f }) });
        const all = [ask('s1', 'shared'), ask('s2', 'shared'), ask('x', 'exclusive'), ask('s3', 'shared')]; await wait(); same(order, ['s1', 's2']);
        const { held, pending } = await locks.query(); same(held.map((info) => [info.name, info.mode]), [['a', 'shared'], ['a', 'shared']]);
        same(pending.map((info) => info.mode), ['exclusive', 'shared']); same(Object.keys(held[0]), ['clientId', 'mode', 'name']); ok(held[0].clientId.length > 8 && held[0].clientId === pending[0].clientId);
        ends.s2(); await wait(); same(order, ['s1', 's2']); ends.s1(); await wait(); same(order, ['s1', 's2', 'x'], 'no request passes another:');
        ends.x(); await wait(); same(order, ['s1', 's2', 'x', 's3']); ends.s3(); await Promise.all(all);
        "#,
    );
}

#[test]
fn if_available_does_not_wait() {
    check_async(
        r#"
        const { locks } = navigator, is = (lock) => lock?.mode ?? null, try_ = (mode) => locks.request('a', { mode, ifAvailable: true }, is);
        equal(await try_(), 'exclusive'); let end; const held = locks.request('a', { mode: 'shared' }, () => new Promise((f) => { end = f }));
        equal(await try_('exclusive'), null); equal(await try_('shared'), 'shared');
        const waits = locks.request('a', is); equal(await try_('shared'), null, 'somebody waits:');
        await rejects(locks.request('a', { ifAvailable: true }, () => { throw new RangeError('mine') }), 'RangeError');
        end(); await held; equal(await waits, 'exclusive'); equal(await try_(), 'exclusive');
        "#,
    );
}

#[test]
fn a_signal_ends_the_wait_but_not_the_lock() {
    check_async(
        r#"
        const { locks } = navigator, wait = async () => { for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1)) }; let end, called = 0;
        const held = locks.request('a', () => new Promise((f) => { end = f })); await wait();
        const control = new AbortController(), { signal } = control, waits = locks.request('a', { signal }, () => called++), next = locks.request('a', () => 'next');
        const why = new RangeError('mine'); control.abort(why); await waits.then(fail, (error) => equal(error, why)); equal((await locks.query()).pending.length, 1);
        await locks.request('b', { signal }, () => called++).then(fail, (error) => equal(error, why));
        end('held'); equal(await held, 'held'); equal(await next, 'next'); equal(called, 0);
        const soon = new AbortController(), early = locks.request('a', { signal: soon.signal }, () => called++); soon.abort(); await rejects(early, 'AbortError'); await wait();
        equal(called, 0, 'granted, but not called yet:'); equal((await locks.query()).held.length, 0);
        const late = new AbortController(), runs = locks.request('a', { signal: late.signal }, async () => { late.abort(); await wait(); return 'done' }); equal(await runs, 'done');
        equal(await locks.request('a', { signal: new AbortController().signal, mode: 'shared' }, (lock) => lock.mode), 'shared');
        "#,
    );
}

#[test]
fn steal_breaks_the_lock_of_who_holds_it_and_goes_before_who_waits() {
    check_async(
        r#"
        const { locks } = navigator, order = []; let end;
        const held = locks.request('a', () => new Promise((f) => { order.push('first'); end = f })), waits = locks.request('a', () => order.push('waits'));
        for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1));
        const thief = locks.request('a', { steal: true }, async () => { order.push('thief'); for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1)) });
        await rejects(held, 'AbortError', 'stolen'); end(); await thief; await waits; same(order, ['first', 'thief', 'waits']); same((await locks.query()).held, []);
        "#,
    );
}

#[test]
fn arguments_are_converted_as_web_idl_says_and_errors_are_rejections() {
    check_async(
        r#"
        const { locks } = navigator, f = () => 'called', no = (args, name, part) => { const answer = locks.request(...args); ok(answer instanceof Promise); return rejects(answer, name, part) };
        await no([], 'TypeError', '2 arguments'); await no(['a'], 'TypeError'); await no(['a', {}], 'TypeError', 'not a function'); await no(['a', {}, {}], 'TypeError'); await no(['a', 5, f], 'TypeError');
        await no([Symbol(), f], 'TypeError'); await no(['a', { mode: 'other' }, f], 'TypeError', "'other'"); await no(['a', { signal: {} }, f], 'TypeError'); await no(['a', { signal: null }, f], 'TypeError');
        await no(['-a', f], 'NotSupportedError'); await no(['a', { steal: true, ifAvailable: true }, f], 'NotSupportedError'); await no(['a', { steal: true, mode: 'shared' }, f], 'NotSupportedError');
        const { signal } = new AbortController(); await no(['a', { signal, steal: true }, f], 'NotSupportedError'); await no(['a', { signal, ifAvailable: true }, f], 'NotSupportedError');
        await no(['x'.repeat(1025), f], 'RangeError', '1024 bytes'); equal(await locks.request('ä'.repeat(512), f), 'called'); equal(await locks.request('', f), 'called');
        equal(await locks.request('a', null, f), 'called'); equal(await locks.request('a', undefined, f), 'called'); equal(await locks.request(1, (lock) => lock.name), '1');
        const order = []; await locks.request('a', { get steal() { order.push('steal') }, get signal() { order.push('signal') }, get mode() { order.push('mode') }, get ifAvailable() { order.push('ifAvailable') } }, f);
        same(order, ['ifAvailable', 'mode', 'signal', 'steal']); await rejects(LockManager.prototype.request.call({}, 'a', f), 'TypeError'); await rejects(LockManager.prototype.query.call({}), 'TypeError');
        throws(() => new Lock(), 'TypeError', 'Illegal constructor'); throws(() => new LockManager(), 'TypeError', 'Illegal constructor');
        "#,
    );
}

#[test]
fn a_callback_that_can_never_settle_releases_its_lock() {
    on_worker(|| async {
        let driver = new();
        driver.run("navigator.locks.request('a', () => new Promise(() => {}))");
        driver.run_async("for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1))").await;
        driver.engine.collect();
        driver.run_async("equal(await navigator.locks.request('a', () => 'mine'), 'mine')").await;
    });
}

/// Two engines that share their locks, as the workers of a server do.
fn two() -> (Driver, Driver) {
    let cluster = Arc::new(Cluster::default());
    let (one, two) = (driver::within(cluster.clone()), driver::within(cluster));
    host::set_generation(one.engine.state(), 1);
    host::set_generation(two.engine.state(), 2);
    (one, two)
}

#[test]
fn engines_wait_for_each_other_and_one_that_ends_releases_what_it_holds() {
    on_worker(|| async {
        let (one, two) = two();
        one.run_async(
            "globalThis.kept = []; for (const name of ['a', 'b']) navigator.locks.request(name, () => new Promise((f) => kept.push(f)));
             for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1));",
        )
        .await;
        two.run_async(
            "globalThis.order = []; const ask = (name) => navigator.locks.request(name, () => order.push(name));
             ask('a'); globalThis.b = ask('b'); for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1)); same(order, []);
             const { held, pending } = await navigator.locks.query(); equal(held.length, 2); equal(pending.length, 2); ok(held[0].clientId !== pending[0].clientId);",
        )
        .await;
        one.run_async("kept[0](); for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1))")
            .await;
        two.run_async(
            "for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1)); same(order, ['a'])",
        )
        .await;
        drop(one);
        two.run_async("await b; same(order, ['a', 'b']); same((await navigator.locks.query()).held, [])")
            .await;
    });
}

#[test]
fn a_lock_is_stolen_from_another_engine() {
    on_worker(|| async {
        let (one, two) = two();
        one.run_async(
            "globalThis.mine = navigator.locks.request('a', () => new Promise((f) => { globalThis.end = f })); mine.catch(() => {});
             for (let i = 0; i < 5; i++) await new Promise((f) => setTimeout(f, 1));",
        )
        .await;
        two.run_async("equal(await navigator.locks.request('a', { steal: true }, () => 'taken'), 'taken')")
            .await;
        one.run_async("await rejects(mine, 'AbortError', 'stolen'); end()").await;
    });
}

#[test]
fn threads_of_os_worker_share_the_locks_of_who_started_them() {
    os_workers::check(
        &[(
            "holder.js",
            "import * as os from 'os';
             const { parent } = os.Worker;
             navigator.locks.request('a', () => new Promise((f) => {
               parent.postMessage('holds');
               parent.onmessage = () => { parent.onmessage = null; f() };
             }));",
        )],
        "const w = worker('holder.js'); equal(await next(w), 'holds');
         equal(await navigator.locks.request('a', { ifAvailable: true }, (lock) => lock), null);
         const mine = navigator.locks.request('a', () => 'mine'); w.postMessage('let go'); equal(await mine, 'mine');
         deaf(w);",
    );
}

#[test]
fn navigator_says_what_the_machine_has() {
    check(
        r#"
        ok(Number.isInteger(navigator.hardwareConcurrency) && navigator.hardwareConcurrency > 0);
        equal(navigator.language, 'en-US'); same(navigator.languages, ['en-US']); equal(navigator.languages, navigator.languages); ok(Object.isFrozen(navigator.languages));
        for (const name of ['hardwareConcurrency', 'language', 'languages', 'locks']) ok(name in Navigator.prototype && Object.getOwnPropertyDescriptor(Navigator.prototype, name).set === undefined);
        "#,
    );
}
