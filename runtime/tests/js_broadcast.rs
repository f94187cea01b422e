//! `BroadcastChannel` (HTML, section 9.5), rule by rule: in one context, between those of an app, with `os.Worker`s.

use std::sync::Arc;

use runtime::bus::{Bus, BusLimits};
use runtime::js::cluster::Cluster;

use crate::driver::{self, check_async, new, on_worker};
use crate::os_workers;

#[test]
fn the_constructor_takes_a_name_of_any_kind_and_the_object_has_it() {
    check_async(
        r#"
        throws(() => new BroadcastChannel(), 'TypeError'); throws(() => BroadcastChannel('a'), 'TypeError'); throws(() => new BroadcastChannel(Symbol()), 'TypeError');
        for (const [given, name] of [[null, 'null'], [undefined, 'undefined'], [123, '123'], ['', ''], ['\uD800', '\uD800']]) { const c = new BroadcastChannel(given); equal(c.name, name); throws(() => { 'use strict'; c.name = 'x' }, 'TypeError'); c.close() }
        const c = new BroadcastChannel('a'); ok(c instanceof EventTarget); equal(String(c), '[object BroadcastChannel]'); equal(c.onmessage, null); equal(c.onmessageerror, null);
        throws(() => c.postMessage(), 'TypeError'); throws(() => c.postMessage(Symbol()), 'DataCloneError'); throws(() => c.postMessage(() => 1), 'DataCloneError'); throws(() => c.postMessage(c), 'DataCloneError');
        throws(() => c.postMessage({ p: new MessageChannel().port1 }), 'DataCloneError'); throws(() => structuredClone(c), 'DataCloneError');
        c.postMessage({ ok: true }, []); c.close(); equal(c.close(), undefined); throws(() => c.postMessage(1), 'InvalidStateError'); throws(() => c.postMessage(Symbol()), 'InvalidStateError');
        "#,
    );
}

#[test]
fn a_message_reaches_all_others_of_its_name_in_their_order_each_in_a_task_of_its_own() {
    check_async(
        r#"
        const one = new BroadcastChannel('a'), two = new BroadcastChannel('a'), other = new BroadcastChannel('A'), three = new BroadcastChannel('a'), seen = [];
        for (const [name, c] of Object.entries({ one, two, other, three })) c.addEventListener('message', (event) => {
          seen.push(name + event.data.n); queueMicrotask(() => seen.push('job'));
          ok(event instanceof MessageEvent && event.isTrusted && event.target === c && event.currentTarget === c);
          same([event.type, event.origin, event.lastEventId, event.source, event.ports, event.bubbles, event.cancelable], ['message', '', '', null, [], false, false]);
        });
        const message = { n: 1 }, done = new Promise((f) => two.addEventListener('message', (event) => event.data.n === 3 && f()));
        one.postMessage(message); message.n = 2; one.postMessage(message); three.postMessage({ n: 3 }); same(seen, []); await null; same(seen, []);
        await done; same(seen, ['two1', 'job', 'three1', 'job', 'two2', 'job', 'three2', 'job', 'one3', 'job', 'two3', 'job']);
        for (const c of [one, two, other, three]) c.close();
        "#,
    );
}

#[test]
fn each_channel_gets_a_copy_of_its_own_and_shared_memory_is_shared() {
    check_async(
        r#"
        const from = new BroadcastChannel('a'), all = [new BroadcastChannel('a'), new BroadcastChannel('a')], next = all.map((c) => new Promise((f) => { c.onmessage = ({ data }) => f(data) }));
        const sent = { map: new Map([['a', [1n]]]), bytes: new Uint8Array([1, 2]), date: new Date(5), error: new RangeError('x'), shared: new SharedArrayBuffer(4), blob: new Blob(['text']) }; sent.me = sent;
        from.postMessage(sent); sent.bytes[0] = 9; const [a, b] = await Promise.all(next);
        ok(a !== b && a.me === a && b.me === b && a.map !== b.map); equal(a.map.get('a')[0], 1n); equal(a.bytes[0], 1); equal(a.date.getTime(), 5); ok(a.error instanceof RangeError); equal(await b.blob.text(), 'text');
        new Int32Array(a.shared)[0] = 7; equal(new Int32Array(sent.shared)[0], 7); equal(new Int32Array(b.shared)[0], 7);
        for (const c of [from, ...all]) c.close();
        "#,
    );
}

#[test]
fn a_closed_channel_hears_nothing_not_even_what_was_on_its_way() {
    check_async(
        r#"
        const from = new BroadcastChannel('a'), gone = new BroadcastChannel('a'), late = new BroadcastChannel('a'), self = new BroadcastChannel('a'), seen = [];
        gone.onmessage = () => seen.push('gone'); late.onmessage = () => seen.push('late'); let times = 0; self.onmessage = ({ data }) => { seen.push(data); if (data === 1) self.close() };
        gone.close(); from.postMessage(1); late.close(); from.postMessage(2);
        const last = new BroadcastChannel('a'), done = new Promise((f) => { last.onmessage = ({ data }) => { seen.push('last' + data); f() } }); from.postMessage(3); await done; same(seen, [1, 'last3']);
        for (const c of [from, last]) c.close();
        "#,
    );
}

#[test]
fn channels_are_closed_and_made_in_the_middle_of_a_delivery() {
    check_async(
        r#"
        const c1 = new BroadcastChannel('a'), c2 = new BroadcastChannel('a'), c3 = new BroadcastChannel('a'), seen = []; let c4;
        const done = new Promise((f) => { c2.onmessage = ({ data }) => { seen.push('c2' + data); if (data === 'first') { c3.close(); c4 = new BroadcastChannel('a'); c4.onmessage = ({ data }) => { seen.push('c4' + data); f() }; c1.postMessage('done') } } });
        c3.onmessage = () => seen.push('c3'); c1.postMessage('first'); c1.postMessage('second'); await done; same(seen, ['c2first', 'c2second', 'c2done', 'c4done']); for (const c of [c1, c2, c4]) c.close();
        "#,
    );
}

#[test]
fn what_a_listener_throws_is_reported_and_the_next_channel_hears_all_the_same() {
    on_worker(|| async {
        let driver = new();
        driver
            .run_async(
                "const from = new BroadcastChannel('a'), one = new BroadcastChannel('a'), two = new BroadcastChannel('a');
                 one.onmessage = () => { throw new RangeError('mine') }; const heard = new Promise((f) => { two.onmessage = f }); from.postMessage(1); await heard; for (const c of [from, one, two]) c.close();",
            )
            .await;
        assert!(driver.reports.borrow().len() == 1 && driver.reports.borrow()[0].contains("mine"));
    });
}

#[test]
fn contexts_of_one_app_hear_each_other_and_those_of_another_do_not() {
    on_worker(|| async {
        let app = Arc::new(Cluster::default());
        let (one, two, other) = (driver::within(app.clone()), driver::within(app), driver::new());
        let listen = "globalThis.seen = []; globalThis.c = new BroadcastChannel('a'); c.onmessage = ({ data }) => { seen.push(data) };";
        [&one, &two, &other].iter().for_each(|driver| driver.run(listen));
        one.run("for (let i = 0; i < 5; i++) c.postMessage(i); new BroadcastChannel('b').postMessage('b'); c.postMessage(new Map([[1, 2]]))");
        os_workers::eventually("they come", || two.text("String(seen.length)") == "6").await;
        assert_eq!(two.text("seen.slice(0, 5).join() + seen[5].get(1)"), "0,1,2,3,42");
        assert_eq!((one.text("seen.join()"), other.text("seen.join()")), (String::new(), String::new()));
        drop(two);
        one.run("c.postMessage('to nobody')");
    });
}

#[test]
fn threads_of_os_worker_hear_it_and_a_listening_channel_keeps_a_script_until_it_is_closed() {
    let thread = "import * as os from 'os';
        const c = new BroadcastChannel('room');
        c.onmessage = ({ data }) => { if (data === 'end') c.close(); else if (data.n !== undefined) c.postMessage({ echo: data.n }) };
        os.Worker.parent.postMessage('ready');";
    os_workers::check(
        &[("thread.js", thread)],
        "const threads = [worker('thread.js'), worker('thread.js')]; for (const t of threads) equal(await next(t), 'ready'); deaf(...threads);
         const room = new BroadcastChannel('room'), echoes = []; let done; room.onmessage = ({ data }) => { echoes.push(data.echo); if (echoes.length === 20) done() };
         const all = new Promise((f) => { done = f }); for (let n = 0; n < 10; n++) room.postMessage({ n }); await all;
         same(echoes.toSorted((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i >> 1)); room.postMessage('end'); room.close();
         const idle = new BroadcastChannel('idle'), free = new BroadcastChannel('idle'); free.onmessage = () => {}; equal(free.unref(), free); equal(free.ref(), free); free.unref();",
    );
}

#[test]
fn a_channel_that_nobody_refers_to_is_garbage_unless_it_listens() {
    on_worker(|| async {
        let cluster = Arc::new(Cluster::default());
        let limits = BusLimits { mailbox_bytes_max: 2_000, subscriptions_max: 1, topics_max: 12 };
        cluster.shared::<Bus>().set_limits(limits);
        let driver = driver::within(cluster.clone());
        driver.run("(() => { const c = new BroadcastChannel('stays'); c.onmessage = () => { globalThis.heard = true } })()");
        for _ in 0..3 {
            driver
                .run("for (let i = 0; i < 10; i++) new BroadcastChannel(`gone${Math.random()}`).self = this");
            driver.engine.collect();
        }
        let other = driver::within(cluster);
        other.run("new BroadcastChannel('stays').postMessage(1)");
        os_workers::eventually("it is heard", || driver.text("String(globalThis.heard)") == "true").await;
    });
}

#[test]
fn a_context_that_does_not_take_its_messages_loses_those_beyond_the_bound() {
    on_worker(|| async {
        let cluster = Arc::new(Cluster::default());
        cluster.shared::<Bus>().set_limits(BusLimits {
            mailbox_bytes_max: 2_000,
            subscriptions_max: 1,
            topics_max: 2,
        });
        let driver = driver::within(cluster);
        driver
            .run_async(
                "const from = new BroadcastChannel('a'), to = new BroadcastChannel('a'), seen = []; to.onmessage = ({ data }) => seen.push(data);
                 for (let i = 0; i < 100; i++) from.postMessage(i); await new Promise((f) => setTimeout(f, 50)); ok(seen.length > 5 && seen.length < 40, seen.length); same(seen, seen.map((_, i) => i));
                 from.postMessage('again'); await new Promise((f) => setTimeout(f, 20)); equal(seen.at(-1), 'again'); const b = new BroadcastChannel('b');
                 throws(() => new BroadcastChannel('c'), 'QuotaExceededError', '--topics-max'); from.close(); to.close(); b.close();",
            )
            .await;
    });
}
