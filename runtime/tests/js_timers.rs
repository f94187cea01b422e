//! Timers as HTML section 8.6 has them, on a real worker.

use crate::driver::{self, check, check_async, on_worker};

#[test]
fn arguments_are_converted_as_web_idl_says() {
    check_async(
        r#"
        equal(typeof setTimeout(() => {}), 'number'); ok(setTimeout(() => {}, 1) > 0);
        throws(() => setTimeout(), 'TypeError'); throws(() => setTimeout('fail()'), 'TypeError', 'not a function');
        throws(() => setInterval({}), 'TypeError'); throws(() => setTimeout(() => {}, Symbol()), 'TypeError');
        equal(setTimeout.length, 1); equal(setInterval.name, 'setInterval'); clearTimeout(); clearTimeout(undefined);
        clearInterval(-5); clearTimeout(123456); clearTimeout('x'); clearTimeout({});
        const got = await new Promise((done) => setTimeout(function (...rest) { done([this === globalThis, ...rest]) }, '0', 1, 2, 3, 4, 5, 6));
        same(got, [true, 1, 2, 3, 4, 5, 6]);
        "#,
    );
}

#[test]
fn timers_run_by_time_then_by_order_and_negative_times_are_zero() {
    check_async(
        r#"
        const log = []; const at = (name, ms) => setTimeout(() => log.push(name), ms);
        at('c', 12); at('a', 5); at('b', 5); at('n', -7); at('z', 0); at('x', NaN); at('u'); at('o', 2 ** 32 + 3); at('big', 2 ** 31);
        await new Promise((done) => setTimeout(done, 30));
        same(log, ['n', 'z', 'x', 'u', 'big', 'o', 'a', 'b', 'c']);
        "#,
    );
}

#[test]
fn no_timer_fires_early() {
    check_async(
        r#"
        for (const ms of [0, 1, 3, 10]) {
          const start = performance.now(); await new Promise((done) => setTimeout(done, ms));
          ok(performance.now() - start >= ms - 0.01, `${ms}: ${performance.now() - start}`);
        }
        "#,
    );
}

#[test]
fn cleared_timers_do_not_run_and_either_function_clears_either_kind() {
    check_async(
        r#"
        const bad = () => fail('cleared');
        clearTimeout(setTimeout(bad, 1)); clearInterval(setTimeout(bad, 1)); clearTimeout(setInterval(bad, 1));
        let second; setTimeout(() => clearTimeout(second), 2); second = setTimeout(bad, 2);
        let n = 0; await new Promise((done) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); setTimeout(done, 20) } }, 2) });
        equal(n, 3);
        "#,
    );
}

#[test]
fn deep_nesting_is_clamped_to_four_milliseconds() {
    check_async(
        r#"
        const times = [performance.now()];
        await new Promise((done) => (function again() { setTimeout(() => { times.push(performance.now()); times.length < 10 ? again() : done() }, 0) })());
        for (let i = 7; i < 10; i++) ok(times[i] - times[i - 1] >= 3.99, `${i}: ${times[i] - times[i - 1]}`);
        let n = 0; const start = performance.now();
        await new Promise((done) => { const id = setInterval(() => { if (++n === 12) { clearInterval(id); done() } }, 0) });
        ok(performance.now() - start >= 20, 'intervals are clamped, too');
        "#,
    );
}

#[test]
fn each_callback_has_a_turn_with_its_own_microtasks() {
    check_async(
        r#"
        const log = []; setTimeout(() => { log.push('a'); queueMicrotask(() => log.push('a micro')) }, 1); setTimeout(() => log.push('b'), 1);
        await new Promise((done) => setTimeout(done, 5)); same(log, ['a', 'a micro', 'b']);
        "#,
    );
}

#[test]
fn exceptions_are_reported_and_stop_no_other_timer() {
    on_worker(|| async {
        let driver = driver::new();
        let body = "let n = 0; setTimeout(function mine() { throw new Error('first') }, 1); setTimeout(() => { n++ }, 1); \
                    const id = setInterval(() => { if (++n > 3) clearInterval(id); throw 'again' }, 1); \
                    setTimeout(async () => { throw new Error('rejected') }, 1); \
                    for (let i = 0; i < 1000 && n < 4; i++) await new Promise((done) => setTimeout(done, 3)); \
                    await new Promise((done) => setTimeout(done, 10)); equal(n, 4)";
        driver.run_async(body).await;
        let reports = driver.reports.borrow();
        assert!(reports[0].starts_with("in a timer: Error: first\n    at mine"), "{reports:#?}");
        assert_eq!(reports.iter().filter(|line| *line == "in a timer: again").count(), 3, "{reports:#?}");
        assert!(
            reports.iter().any(|line| line.starts_with("unhandled rejection: Error: rejected")),
            "{reports:#?}"
        );
    });
}

#[test]
fn too_many_timers_are_a_range_error_and_clearing_makes_room() {
    check_async(
        r#"
        const ids = []; for (let i = 0; i < 99990; i++) ids.push(setTimeout(fail, 100000));
        throws(() => { for (;;) ids.push(setTimeout(fail, 100000)) }, 'RangeError', '100,000');
        clearTimeout(ids.pop()); ids.push(setTimeout(fail, 100000)); throws(() => setInterval(fail, 5), 'RangeError');
        equal(new Set(ids).size, 100000); for (const id of ids) clearTimeout(id);
        await new Promise((done) => setTimeout(done, 1));
        "#,
    );
}

#[test]
fn garbage_collection_does_not_take_live_timers() {
    on_worker(|| async {
        let driver = driver::new();
        driver.run("globalThis.hit = 0; for (let i = 0; i < 100; i++) setTimeout((o) => { hit += o.n }, i % 10, { n: 1 })");
        driver.engine.collect();
        driver.run_async("await new Promise((done) => setTimeout(done, 15)); equal(hit, 100)").await;
    });
}

#[test]
fn set_and_cleared_timers_leave_nothing_behind() {
    on_worker(|| async {
        let driver = driver::new();
        let growth = driver.growth(100_000, "clearTimeout(setTimeout(() => i, 1e6, { i }))");
        assert!(growth < 4096, "grew by {growth} bytes");
        assert_eq!(driver.engine.state().alive().count(), 0);
    });
}

#[test]
fn an_engine_ends_with_live_timers() {
    on_worker(|| async {
        let driver = driver::new();
        driver.run("setInterval(() => {}, 1); setTimeout(() => {}, 5); AbortSignal.timeout(3)");
        assert_eq!(driver.engine.state().alive().count(), 2);
        drop(driver);
        runtime::io::sleep(std::time::Duration::from_millis(8)).await;
    });
}

#[test]
fn a_busy_interval_leaves_the_worker_to_others() {
    on_worker(|| async {
        let driver = driver::new();
        driver.run("globalThis.n = 0; for (let i = 0; i < 500; i++) setInterval(() => { n++ }, 0)");
        for _ in 0..20 {
            runtime::io::yield_now().await;
        }
        driver.run_async("await new Promise((done) => setTimeout(done, 20)); ok(n >= 500)").await;
    });
}

#[test]
fn the_functions_are_there_from_the_start() {
    check(
        "for (const f of [setTimeout, setInterval, clearTimeout, clearInterval]) ok(typeof f === 'function')",
    );
}

#[test]
fn timers_that_come_again_and_again_have_half_of_the_time_at_most() {
    check_async(
        r#"
        let spent = 0, calls = 0; const ids = [];
        const burn = () => { const start = performance.now(); while (performance.now() - start < 0.2); spent += performance.now() - start; calls++ };
        for (let i = 0; i < 200; i++) ids.push(setInterval(burn, 0));
        const after = (ms) => new Promise((done) => setTimeout(done, ms));
        // The first five of each are like any other timer.
        while (calls < 1200) await after(20);
        const [start, before, callsBefore] = [performance.now(), spent, calls];
        await after(400);
        const share = (spent - before) / (performance.now() - start);
        ok(share < 0.7, `their share is ${share}`); ok(calls > callsBefore, 'they go on');
        for (const id of ids) clearInterval(id);
        "#,
    );
}

#[test]
fn a_chain_of_timers_that_rests_keeps_its_order_and_its_end() {
    check_async(
        r#"
        const seen = []; let n = 0;
        const busy = () => { const start = performance.now(); while (performance.now() - start < 3); };
        await new Promise((done) => {
          for (const name of 'ab') setTimeout(function again() { busy(); seen.push(name); if (++n < 40) setTimeout(again, 0); else if (n >= 40 && seen.length >= 40) done() }, 0);
        });
        ok(seen.join('').includes('abab'), seen.join(''));
        "#,
    );
}
