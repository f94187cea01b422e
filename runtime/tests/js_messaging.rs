//! Message channels, and the events of messages, as HTML has them (section 9.4), rule by rule.

use crate::driver::{self, check, check_async, on_worker};

#[test]
fn messages_are_cloned_and_arrive_in_order_each_in_a_task_of_its_own() {
    check_async(
        r#"
        const { port1, port2 } = new MessageChannel(), seen = [];
        const done = new Promise((resolve) => {
          port2.onmessage = (event) => {
            seen.push(event.data.n);
            queueMicrotask(() => seen.push('job'));
            if (event.data.n === 2) setTimeout(resolve);
            ok(event instanceof MessageEvent); equal(event.isTrusted, true); equal(event.target, port2);
            same(event.ports, []); ok(Object.isFrozen(event.ports)); equal(event.origin, ''); equal(event.source, null);
          };
        });
        const message = { n: 1 };
        port1.postMessage(message); message.n = 2; port1.postMessage(message);
        same(seen, []); await null; same(seen, []);
        await done; same(seen, [1, 'job', 2, 'job']);
        throws(() => port1.postMessage(() => 1), 'DataCloneError'); throws(() => port1.postMessage(), 'TypeError');
        port1.close();
        "#,
    );
}

#[test]
fn a_port_delivers_only_once_it_is_started() {
    check_async(
        r#"
        const { port1, port2 } = new MessageChannel(), seen = [];
        port2.addEventListener('message', (event) => seen.push(event.data));
        port1.postMessage(1); port1.postMessage(2);
        await new Promise((resolve) => setTimeout(resolve, 2)); same(seen, []);
        port2.start(); port2.start(); port1.postMessage(3);
        const last = new Promise((resolve) => port2.addEventListener('message', (event) => event.data === 4 && resolve()));
        port1.postMessage(4); await last; same(seen, [1, 2, 3, 4]);
        equal(port2.onmessage, null); port2.onmessage = 5; equal(port2.onmessage, null); port2.close();
        "#,
    );
}

#[test]
fn buffers_and_ports_are_transferred() {
    check_async(
        r#"
        const one = new MessageChannel(), two = new MessageChannel();
        const next = (port) => new Promise((resolve) => { port.onmessage = resolve });
        const buffer = new ArrayBuffer(4);
        two.port1.postMessage('early');
        one.port1.postMessage(buffer, [buffer, two.port2]); equal(buffer.byteLength, 0);
        const event = await next(one.port2); equal(event.data.byteLength, 4); equal(event.ports.length, 1);
        const moved = event.ports[0]; ok(moved instanceof MessagePort); ok(moved !== two.port2);
        equal((await next(moved)).data, 'early');
        two.port1.postMessage('late'); equal((await next(moved)).data, 'late');
        moved.postMessage('back'); equal((await next(two.port1)).data, 'back');
        two.port2.postMessage('lost');
        throws(() => one.port1.postMessage(1, { transfer: [two.port2] }), 'DataCloneError');
        throws(() => one.port1.postMessage(1, [one.port1]), 'DataCloneError');
        throws(() => one.port1.postMessage(1, [moved, moved]), 'DataCloneError');
        throws(() => one.port1.postMessage(moved), 'DataCloneError', 'MessagePort'); throws(() => one.port1.postMessage({ x: [two.port1] }), 'DataCloneError');
        throws(() => one.port1.postMessage(1, [new EventTarget()]), 'DataCloneError'); throws(() => one.port1.postMessage(1, [{}]), 'DataCloneError');
        throws(() => one.port1.postMessage(1, [5]), 'TypeError'); throws(() => one.port1.postMessage(1, 5), 'TypeError');
        one.port1.postMessage(1, null); one.port1.postMessage(1, {}); one.port1.postMessage(1, { transfer: [] });
        one.port1.close(); two.port1.close();
        "#,
    );
}

#[test]
fn a_transferred_port_is_where_the_message_says() {
    check_async(
        r#"
        const one = new MessageChannel(), two = new MessageChannel(), three = new MessageChannel();
        const got = new Promise((resolve) => { one.port2.onmessage = resolve });
        one.port1.postMessage({ a: [two.port1], b: two.port1, c: three.port1 }, { transfer: [three.port1, two.port1] });
        const { data, ports } = await got;
        ok(data.a[0] === data.b && data.b === ports[1] && data.c === ports[0] && data.b !== two.port1);
        const clone = structuredClone({ p: two.port2 }, { transfer: [two.port2] });
        ok(clone.p instanceof MessagePort && clone.p !== two.port2);
        const heard = new Promise((resolve) => { clone.p.onmessage = resolve });
        data.b.postMessage('both ends have moved'); equal((await heard).data, 'both ends have moved');
        throws(() => structuredClone(two.port2, { transfer: [two.port2] }), 'DataCloneError');
        throws(() => structuredClone(new MessageChannel()), 'DataCloneError', 'MessageChannel');
        /* A port that is sent to its own other end takes the channel with it. */
        const lone = new MessageChannel(); lone.port1.postMessage(1, [lone.port2]);
        const failed = new ArrayBuffer(1);
        throws(() => one.port1.postMessage(() => {}, [failed]), 'DataCloneError'); equal(failed.byteLength, 1, 'nothing is transferred by a message that fails');
        one.port1.close(); data.b.close();
        "#,
    );
}

#[test]
fn close_ends_both_sides_behind_what_was_sent() {
    check_async(
        r#"
        const { port1, port2 } = new MessageChannel(), seen = [];
        const closed = new Promise((resolve) => { port2.onclose = resolve });
        port2.onmessage = (event) => seen.push(event.data);
        port1.onclose = () => seen.push('the own side hears nothing');
        port1.postMessage(1); port1.close(); port1.postMessage(2); port1.close();
        equal((await closed).type, 'close'); same(seen, [1]);
        port2.postMessage(3); port2.close();
        throws(() => new MessageChannel().port1.postMessage(1, [port1]), 'DataCloneError');
        "#,
    );
}

#[test]
fn a_port_that_listens_keeps_a_script_alive_until_its_channel_is_closed() {
    on_worker(|| async {
        let driver = driver::new();
        let alive = driver.engine.state().alive().clone();
        let before = alive.count();
        driver.run("globalThis.c = new MessageChannel(); c.port1.start(); c.port2.addEventListener('message', () => {})");
        assert_eq!(alive.count(), before, "a listener without a start, and a start without a listener");
        driver.run("c.port1.onmessage = () => {}");
        assert_eq!(alive.count(), before + 1);
        driver.run("c.port1.onmessage = null");
        assert_eq!(alive.count(), before);
        driver.run("c.port1.onmessage = () => {}; c.port2.onmessage = () => {}");
        assert_eq!(alive.count(), before + 2);
        driver.run("c.port1.close()");
        driver.run_async("await new Promise((resolve) => setTimeout(resolve, 2))").await;
        assert_eq!(alive.count(), before);
        driver.run("c = null; { const d = new MessageChannel(); d.port1.onmessage = () => {} }");
        driver.engine.collect();
        assert_eq!(alive.count(), before, "nobody can write to a channel that is garbage");
    });
}

#[test]
fn tasks_take_turns_with_timers() {
    check_async(
        r#"
        const { port1, port2 } = new MessageChannel();
        let turns = 0, timer = false;
        setTimeout(() => { timer = true });
        await new Promise((resolve) => {
          port2.onmessage = () => { turns++; if (timer) resolve(); else port1.postMessage(0); };
          port1.postMessage(0);
        });
        ok(turns > 0); port1.close();
        "#,
    );
}

#[test]
fn what_a_listener_throws_is_reported_and_the_next_message_comes() {
    on_worker(|| async {
        let driver = driver::new();
        driver
            .run_async(
                r#"
                const { port1, port2 } = new MessageChannel();
                await new Promise((resolve) => {
                  port2.onmessage = ({ data }) => { if (data === 2) resolve(); throw new Error(`thrown ${data}`); };
                  port1.postMessage(1); port1.postMessage(2);
                });
                port1.close();
                "#,
            )
            .await;
        let reports = driver.reports.borrow();
        assert!(reports.len() == 2 && reports[0].contains("thrown 1"), "{reports:#?}");
    });
}

#[test]
fn the_events_have_what_their_dictionaries_say() {
    check(
        r#"
        const { port1 } = new MessageChannel();
        const m = new MessageEvent('a', { data: 1, origin: 'o\uD800', lastEventId: 2, source: port1, ports: [port1], cancelable: true });
        same([m.type, m.data, m.origin, m.lastEventId, m.cancelable, m.isTrusted], ['a', 1, 'o\uFFFD', '2', true, false]);
        equal(m.source, port1); equal(m.ports[0], port1); equal(m.ports, m.ports);
        const empty = new MessageEvent('a'); same([empty.data, empty.origin, empty.lastEventId, empty.source, empty.ports], [null, '', '', null, []]);
        throws(() => new MessageEvent(), 'TypeError'); throws(() => new MessageEvent('a', { source: {} }), 'TypeError');
        throws(() => new MessageEvent('a', { ports: [1] }), 'TypeError'); throws(() => new MessageEvent('a', { ports: 1 }), 'TypeError');
        m.initMessageEvent('b', true, false, 'd', 'x', 'y'); same([m.type, m.bubbles, m.data, m.origin, m.lastEventId, m.ports], ['b', true, 'd', 'x', 'y', []]);
        throws(() => new MessagePort(), 'TypeError'); throws(() => MessageChannel(), 'TypeError');
        equal(String(new MessageChannel()), '[object MessageChannel]'); ok(port1 instanceof EventTarget);
        "#,
    );
}
