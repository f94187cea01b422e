//! The client's `WebSocket` as scripts see it (WebSockets Standard, section 3), rule by rule.
//!
//! Owns: nothing. Must not know: how the client works inside; what goes over the wire (`js_websocket_wire.rs`).

use std::thread;
use std::time::Duration;

use crate::websocket_server::{Peer, check, echo, frame, nothing};

#[test]
fn section_3_1_the_interface_is_what_web_idl_makes_of_it() {
    check(
        echo,
        r#"
        throws(() => new WebSocket(), 'TypeError'); throws(() => WebSocket(url), 'TypeError'); equal(WebSocket.length, 1);
        same([WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED], [0, 1, 2, 3]);
        const constant = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'OPEN'); same(constant, { value: 1, writable: false, enumerable: true, configurable: false });
        const ws = new WebSocket(url); same([ws.CONNECTING, ws.OPEN, ws.CLOSING, ws.CLOSED], [0, 1, 2, 3]);
        ok(ws instanceof EventTarget); equal(String(ws), '[object WebSocket]');
        same([ws.readyState, ws.bufferedAmount, ws.protocol, ws.extensions, ws.binaryType], [0, 0, '', '', 'blob']);
        same([ws.onopen, ws.onmessage, ws.onerror, ws.onclose], [null, null, null, null]);
        ws.onopen = 5; equal(ws.onopen, null); const f = () => {}; ws.onopen = f; equal(ws.onopen, f); ws.onopen = undefined; equal(ws.onopen, null);
        for (const name of ['url', 'readyState', 'bufferedAmount', 'protocol', 'extensions']) {
          const d = Object.getOwnPropertyDescriptor(WebSocket.prototype, name); ok(d.get && !d.set && d.enumerable && d.configurable, name);
          const before = ws[name]; equal(Reflect.set(ws, name, 'x'), false); equal(ws[name], before, name); throws(() => d.get.call({}), 'TypeError');
        }
        throws(() => WebSocket.prototype.send.call({}, 'x'), 'TypeError'); throws(() => WebSocket.prototype.close.call({}), 'TypeError'); throws(() => ws.send(), 'TypeError');
        equal(delete ws.bufferedAmount, true); equal(ws.bufferedAmount, 0);
        const opened = await on(ws, 'open'); equal(ws.readyState, 1); ok(opened.isTrusted && !opened.bubbles && opened.target === ws);
        // Values that are none leave it as it is.
        for (const value of ['Blob', '', 'arrayBuffer', null, undefined, 5, {}]) { ws.binaryType = value; equal(ws.binaryType, 'blob'); }
        ws.binaryType = 'arraybuffer'; equal(ws.binaryType, 'arraybuffer'); ws.binaryType = 'notBlobOrArrayBuffer'; equal(ws.binaryType, 'arraybuffer'); ws.binaryType = 'blob'; equal(ws.binaryType, 'blob');
        ws.close(); await end(ws);
        class Own extends WebSocket { name() { return 'own' } } const own = new Own(url); ok(own instanceof WebSocket); equal(own.name(), 'own'); own.close(); await end(own);
        // CloseEvent.
        const e = new CloseEvent('close', { wasClean: 1, code: 65537, reason: null, bubbles: true }); same([e.type, e.wasClean, e.code, e.reason, e.bubbles, e.isTrusted], ['close', true, 1, 'null', true, false]);
        const d = new CloseEvent('x'); same([d.wasClean, d.code, d.reason], [false, 0, '']); throws(() => new CloseEvent(), 'TypeError'); ok(!('initCloseEvent' in d));
        "#,
        nothing,
    );
}

#[test]
fn section_3_1_urls_are_absolute_with_a_scheme_of_four_and_no_fragment() {
    check(
        echo,
        r#"
        for (const bad of ['', '/echo', 'ws:', 'ws://', 'ws://foo bar.com/', 'wss://foo bar.com/', 'ws://a:b', 'ws://[::', 'ftp://x/', 'mailto:a@b', 'about:blank', 'data:,x', 'file:///x', 'ws://x/#', 'ws://x/#test', 'http://x/#a', '?x', '#x'])
          throws(() => new WebSocket(bad), 'SyntaxError');
        throws(() => new WebSocket(Symbol()), 'TypeError');
        const urlOf = (text, ...rest) => { const ws = new WebSocket(text, ...rest); const { url } = ws; ws.close(); return url };
        const at = 'ws://127.0.0.1:1';
        same(['HTTP://127.0.0.1:1', 'https://127.0.0.1:1/a?b', 'ws://127.0.0.1:1/a b/\u00e9?\u00e9', 'ws://127.0.0.1:80/', 'wss://127.0.0.1:443', 'http://user:pass@127.0.0.1:1'].map((u) => urlOf(u)),
          ['ws://127.0.0.1:1/', 'wss://127.0.0.1:1/a?b', 'ws://127.0.0.1:1/a%20b/%C3%A9?%C3%A9', 'ws://127.0.0.1/', 'wss://127.0.0.1/', 'ws://user:pass@127.0.0.1:1/']);
        equal(urlOf(new URL(at)), at + '/'); equal(urlOf({ toString: () => at + '/x' }), at + '/x');
        // The URL is looked at before the sub-protocols, whose conversion comes first.
        throws(() => new WebSocket('ws://x/#y', { [Symbol.iterator]() { throw new RangeError() } }), 'RangeError');
        "#,
        nothing,
    );
}

#[test]
fn section_3_1_sub_protocols_are_tokens_and_each_stands_once() {
    check(
        echo,
        r#"
        const at = 'ws://127.0.0.1:1/', separators = [...'()<>@,;:\\"/[]?={} \t'];
        for (const bad of ['', 'a b', '\u0000', '\u007f', '\u0080', 'é', 'a\n', ...separators, ...separators.map((c) => `a${c}b`), [''], ['a', 'a b'], ['a', 'a'], ['echo', 'eCho'], [[]]])
          throws(() => new WebSocket(at, bad), 'SyntaxError');
        throws(() => new WebSocket(at, [Symbol()]), 'TypeError'); throws(() => new WebSocket(at, { [Symbol.iterator]: 5 }), 'TypeError');
        for (const good of [undefined, null, 5, [], 'foo', ['a', 'b'], new Set(['x']), '!#$%&\'*+-.^_`|~azAZ09', {}, { protocols: 'x' }, { protocols: ['x', 'y'] }, { protocols: undefined }]) new WebSocket(at, good).close();
        for (const bad of [{ protocols: 'a b' }, { protocols: ['a', 'a'] }]) throws(() => new WebSocket(at, bad), 'SyntaxError');
        for (const [asked, got] of [['echo', 'echo'], [['chat', 'superchat'], 'chat'], [{ protocols: ['x', 'y'] }, 'x'], [[], ''], [undefined, '']]) {
          const ws = new WebSocket(url, asked); equal(ws.protocol, ''); await on(ws, 'open'); equal(ws.protocol, got); equal(ws.extensions, ''); ws.close(); await end(ws); equal(ws.protocol, got);
        }
        "#,
        nothing,
    );
}

#[test]
fn section_3_1_messages_come_as_their_kind_and_from_their_origin() {
    fn act(peer: &mut Peer) {
        // Frames that come with the answer's head, in one piece and in two.
        let accept = peer.accept();
        let mut bytes = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        let large = vec![b'x'; 100_000];
        for message in [
            frame(0x81, "early é".as_bytes()),
            frame(0x82, &[1, 2]),
            frame(0x01, b"frag"),
            frame(0x89, b"p"),
            frame(0x00, b""),
            frame(0x80, b"ment"),
            frame(0x81, b""),
            frame(0x82, b""),
            frame(0x81, &large),
        ] {
            bytes.extend_from_slice(&message);
        }
        let (one, two) = bytes.split_at(bytes.len() - 99_000);
        peer.send(one);
        thread::sleep(Duration::from_millis(20));
        peer.send(two);
        for _ in 0..2 {
            let told = peer.told();
            peer.note(told);
        }
        peer.send(&frame(0x82, &[9]));
        peer.send(&frame(0x88, b"\x03\xe8"));
        peer.wait();
    }
    check(
        act,
        r#"
        const ws = new WebSocket(url + '/path'), seen = []; let wake; const closed = end(ws);
        ws.onmessage = (e) => { ok(e instanceof MessageEvent && e.isTrusted && e.target === ws && e.source === null && e.lastEventId === ''); same(e.ports, []); equal(e.origin, url); seen.push(e.data); if (seen.length === 6) { ws.binaryType = 'arraybuffer'; ws.send('next') } };
        same(await closed, [1000, '', true]);
        same(seen.map((d) => typeof d === 'string' ? d.length : d.constructor.name), [7, 'Blob', 8, 0, 'Blob', 100000, 'ArrayBuffer']);
        equal(seen[0], 'early é'); equal(seen[2], 'fragment'); same([...await seen[1].bytes()], [1, 2]); equal(seen[1].type, ''); equal(seen[4].size, 0); same([...new Uint8Array(seen[6])], [9]);
        "#,
        // Section 5.5.3: a Pong with the same.
        |notes| assert_eq!(notes, ["8a p", "81 next"]),
    );
}

#[test]
fn section_3_1_send_takes_text_blobs_buffers_and_views() {
    fn act(peer: &mut Peer) {
        peer.open("");
        loop {
            let told = peer.told();
            peer.note(told.clone());
            if told.starts_with("88") {
                return peer.send(&frame(0x88, b"\x03\xe8"));
            }
        }
    }
    check(
        act,
        r#"
        const early = new WebSocket(url); let converted = false;
        throws(() => early.send('x'), 'InvalidStateError'); throws(() => early.send({ toString() { converted = true; return 'x' } }), 'InvalidStateError'); ok(converted); throws(() => early.send(Symbol()), 'TypeError'); equal(early.bufferedAmount, 0);
        await on(early, 'open'); const ws = early, bytes = new TextEncoder().encode('0123456789'), amounts = [];
        const send = (data) => { const before = ws.bufferedAmount; equal(ws.send(data), undefined); amounts.push(ws.bufferedAmount - before) };
        for (const data of ['text', '', 'é€😀', '\ud800x', null, undefined, 5, true, { toString: () => 'object' }, [1, 2], bytes, bytes.buffer, bytes.subarray(2, 5), new DataView(bytes.buffer, 8), new Uint16Array(bytes.buffer, 2, 2), new Blob(['bl', 'ob']), new Blob(), 'x'.repeat(200), new Uint8Array(70000)]) send(data);
        same(amounts, [4, 0, 9, 4, 4, 9, 1, 4, 6, 3, 10, 10, 3, 2, 4, 4, 0, 200, 70000]);
        // What was sent is a copy.
        bytes.fill(0); ws.close(1000, 'é'); await end(ws); equal(ws.bufferedAmount, 0);
        "#,
        |notes| {
            let expected = [
                "81 text",
                "81 ",
                "81 é€😀",
                "81 \u{fffd}x",
                "81 null",
                "81 undefined",
                "81 5",
                "81 true",
                "81 object",
                "81 1,2",
                "82 0123456789",
                "82 0123456789",
                "82 234",
                "82 89",
                "82 2345",
                "82 blob",
                "82 ",
                "81 200 bytes",
                "82 70000 bytes",
                "88 1000 é",
            ];
            assert_eq!(notes, expected);
        },
    );
}

#[test]
fn section_3_1_buffered_amount_is_what_the_network_has_not_taken_and_only_grows_after_the_end() {
    fn act(peer: &mut Peer) {
        peer.open("");
        if peer.path() == "/deaf" {
            thread::sleep(Duration::from_millis(300));
        }
        while let Some((first, payload)) = peer.next() {
            if first == 0x88 {
                return peer.send(&frame(0x88, &payload));
            }
            if payload == b"last" {
                peer.send(&frame(0x81, b"all"));
            }
        }
    }
    check(
        act,
        r#"
        const ws = await made('/deaf'), total = 20 << 20;
        for (let n = 0; n < 20; n++) ws.send(new Uint8Array(1 << 20)); ws.send('last'); equal(ws.bufferedAmount, total + 4);
        await sleep(50); ok(ws.bufferedAmount > 1 << 20 && ws.bufferedAmount <= total + 4, ws.bufferedAmount);
        equal((await on(ws, 'message')).data, 'all'); equal(ws.bufferedAmount, 0);
        ws.send('abc'); ws.close(); equal(ws.bufferedAmount, 3); ws.send('é'); equal(ws.bufferedAmount, 5); ws.send(new Uint8Array(7)); equal(ws.bufferedAmount, 12);
        same(await end(ws), [1005, '', true]); equal(ws.bufferedAmount, 9); ws.send('xy'); equal(ws.bufferedAmount, 11); ws.send(new Blob(['z'])); equal(ws.bufferedAmount, 12);
        const failed = new WebSocket('ws://127.0.0.1:1/'); await end(failed); failed.send('12345'); equal(failed.bufferedAmount, 5);
        "#,
        nothing,
    );
}

#[test]
fn section_3_1_close_takes_1000_and_3000_to_4999_and_short_reasons() {
    fn act(peer: &mut Peer) {
        peer.open("");
        let Some((first, payload)) = peer.next() else { return };
        peer.note(format!("{first:x} {payload:x?}"));
        peer.send(&frame(0x88, &payload));
    }
    check(
        act,
        r#"
        for (const ws of [new WebSocket(url), await made('/')]) {
          for (const code of [0, 1, 999, 1001, 1002, 1003, 1005, 1006, 1015, 2999, 5000, 65535, 65536 + 1000, -1, NaN, Infinity, null, 'x', {}, 999.4]) throws(() => ws.close(code), 'InvalidAccessError');
          throws(() => ws.close('only a reason'), 'InvalidAccessError'); throws(() => ws.close(1000n), 'TypeError'); throws(() => ws.close(Symbol()), 'TypeError');
          throws(() => ws.close(1000, 'x'.repeat(124)), 'SyntaxError'); throws(() => ws.close(1000, 'é'.repeat(62)), 'SyntaxError'); throws(() => ws.close(undefined, 'x'.repeat(124)), 'SyntaxError');
          ok(ws.readyState < 2); ws.close(); equal(ws.readyState, 2); ws.close(); ws.close(4000, 'later'); throws(() => ws.close(1), 'InvalidAccessError');
          await end(ws); ws.close(); equal(ws.readyState, 3);
        }
        for (const [args, expected] of [[[], [1005, '', true]], [[undefined], [1005, '', true]], [[1000], [1000, '', true]], [[3000, 'r'], [3000, 'r', true]], [[4999, 'x'.repeat(123)], [4999, 'x'.repeat(123), true]],
          [['3001'], [3001, '', true]], [[2999.5], [3000, '', true]], [[undefined, 'why'], [1000, 'why', true]], [[1000, '\ud807'], [1000, '\ufffd', true]], [[1000, ''], [1000, '', true]]]) {
          const ws = await made('/'); equal(ws.close(...args), undefined); same(await end(ws), expected, String(args));
        }
        "#,
        |notes| {
            assert_eq!(notes[1], "88 []");
            assert!(notes.contains(&"88 [b, b8, 72]".to_owned()), "{notes:?}");
            assert!(notes.contains(&"88 [3, e8, ef, bf, bd]".to_owned()), "{notes:?}");
        },
    );
}

#[test]
fn section_3_1_a_close_while_it_connects_fails_it_later() {
    fn act(peer: &mut Peer) {
        peer.wait();
        peer.note("it has gone");
    }
    check(
        act,
        r#"
        const ws = new WebSocket(url), events = []; for (const type of ['open', 'error', 'close']) ws.addEventListener(type, () => events.push(type));
        ws.close(1000, 'x'); equal(ws.readyState, 2); same(events, []); const asked = end(ws); throws(() => ws.close(5), 'InvalidAccessError'); same(await asked, FAILED); same(events, ['error', 'close']);
        const other = new WebSocket(url); await sleep(50); other.close(); equal(other.readyState, 2); other.send('counts'); equal(other.bufferedAmount, 6); same(await end(other), FAILED);
        "#,
        nothing,
    );
}

#[test]
fn what_listeners_throw_is_reported_and_events_come_in_their_order() {
    check(
        echo,
        r#"
        const ws = new WebSocket(url), order = [];
        ws.onopen = () => { order.push('open'); queueMicrotask(() => order.push('job')); ws.send('one'); ws.send('two'); };
        ws.onmessage = ({ data }) => { order.push(data); queueMicrotask(() => order.push('job')); if (data === 'two') { ws.close(4001, 'done'); ws.send('dropped') } };
        const closed = end(ws); same(await closed, [4001, 'done', true]); same(order, ['open', 'job', 'one', 'job', 'two', 'job']);
        // None that is open is garbage, whoever has it.
        let heard; const hears = new Promise((f) => { heard = f }); (() => { const own = new WebSocket(url); own.onopen = () => own.send('x'); own.onmessage = () => { own.close(); heard() } })(); await hears;
        "#,
        nothing,
    );
}

#[test]
fn messages_from_here_and_there_come_back_in_their_order() {
    check(
        echo,
        r#"
        const ws = await made('/'); let next = 0; const done = new Promise((f) => { ws.onmessage = ({ data }) => { equal(data, String(next++).padEnd(next % 7 * 30, '.')); if (next === 2000) f() } });
        for (let n = 0; n < 2000; n++) { ws.send(String(n).padEnd((n + 1) % 7 * 30, '.')); if (n % 100 === 0) await sleep(0) } await done; ws.close(); same(await end(ws), [1005, '', true]);
        "#,
        nothing,
    );
}
