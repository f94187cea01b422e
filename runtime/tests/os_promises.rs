//! The promises of `os` are each their own, whatever scripts do to those before them.
//!
//! Owns: nothing. Must not know: that settled promises are taken again.

use crate::os_harness::check;

#[test]
fn no_two_promises_that_a_script_holds_are_the_same() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM), buffer = new Uint8Array(1);
        const recv = () => os.recv(fd, buffer, 0);
        const held = [];
        for (let i = 0; i < 200; i++) { held.push(recv()); await recv(); }
        equal(new Set(held).size, 200);
        same(await Promise.all(held), held.map(() => 0));
        equal(await held[7], 0, 'a promise stays settled');
        os.close(fd);
        "#,
    );
}

#[test]
fn nothing_of_a_promise_is_seen_on_a_later_one() {
    check(
        r#"
        const fd = os.socket(os.AF_INET, os.SOCK_STREAM), buffer = new Uint8Array(1);
        const recv = () => os.recv(fd, buffer, 0);
        class Other extends Promise {}
        const touches = [
          (promise) => { promise.tag = 1; },
          (promise) => { Object.freeze(promise); },
          (promise) => { Object.setPrototypeOf(promise, Other.prototype); },
          (promise) => { Object.create(promise); },
        ];
        for (const touch of touches) for (let i = 0; i < 20; i++) { const promise = recv(); touch(promise); await promise; }
        for (let i = 0; i < 20; i++) {
          const promise = recv();
          same(Reflect.ownKeys(promise), []);
          ok(Object.isExtensible(promise) && Object.getPrototypeOf(promise) === Promise.prototype);
          await promise;
        }
        const known = new WeakSet();
        for (let i = 0; i < 20; i++) { const promise = recv(); ok(!known.has(promise)); known.add(promise); await promise; }
        os.close(fd);
        "#,
    );
}

#[test]
fn handlers_hear_of_their_own_promise_only_and_once() {
    check(
        r#"
        const [client, server] = await pair(), heard = [];
        for (let i = 0; i < 50; i++) {
          const buffer = new Uint8Array(8);
          const done = os.recv(server, buffer).then((length) => heard.push(`${i}:${length}`), () => heard.push('rejected'));
          await os.send(client, 'x'.repeat(i % 8 + 1));
          await os.recv(server, buffer, 0);
          await done;
        }
        same(heard, Array.from({ length: 50 }, (_, i) => `${i}:${i % 8 + 1}`));
        const refused = [];
        for (let i = 0; i < 10; i++) refused.push(os.recv(-1, new Uint8Array(1)).catch((error) => error.code));
        same(await Promise.all(refused), refused.map(() => 'EBADF'));
        "#,
    );
}

#[test]
fn an_endless_loop_of_operations_that_end_at_once_lets_others_run() {
    check(
        r#"
        const [client, server] = await pair(), buffer = new Uint8Array(4);
        let turns = 0, stop = false;
        const timer = setInterval(() => { turns++; }, 1);
        setTimeout(() => { stop = true; }, 5000);
        let bytes = 0;
        while (!stop && (turns < 3 || bytes < 44)) { await os.send(client, 'four', undefined, true); bytes += await os.recv(server, buffer, 4, true); }
        clearInterval(timer);
        ok(turns > 2 && bytes > 40, `${turns} turns, ${bytes} bytes`);
        const many = new Uint8Array(1000);
        await os.send(client, many, undefined, true);
        let single = 0;
        while (single < 1000) single += await os.recv(server, buffer, 1);
        equal(single, 1000);
        "#,
    );
}

// ECMA-262 section 27.2.5.4.1, PerformPromiseThen of a promise that is settled.
#[test]
fn a_promise_of_a_call_that_has_ended_is_as_any_that_is_settled() {
    check(
        r#"
        const [client, server] = await pair(), order = [], buffer = new Uint8Array(4);
        const sent = os.send(client, 'four', undefined, true);
        ok(sent instanceof Promise && Promise.resolve(sent) === sent);
        Promise.resolve().then(() => order.push('before'));
        sent.then((length) => order.push(length), () => order.push('rejected'));
        Promise.resolve().then(() => order.push('after'));
        equal(await sent, 4);
        same(order, ['before', 4, 'after']);
        equal(await Promise.race([os.recv(server, buffer, 0), new Promise(() => {})]), 0);
        equal(await os.recv(server, buffer, 4, true), 4);
        same([...buffer], [102, 111, 117, 114]);
        "#,
    );
}
