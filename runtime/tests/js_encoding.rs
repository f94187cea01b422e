//! `TextEncoder`, `TextDecoder`, `atob` and `btoa` as the Encoding and HTML standards have them.

use crate::driver::{self, check};

#[test]
fn the_encoder_writes_utf_8_and_replaces_lone_surrogates() {
    check(
        r#"
        const e = new TextEncoder();
        equal(e.encoding, 'utf-8'); same([...e.encode('aé€\u{1F600}')], [97, 195, 169, 226, 130, 172, 240, 159, 152, 128]);
        equal(e.encode().length, 0); equal(e.encode(undefined).length, 0); same([...e.encode(null)], [110, 117, 108, 108]);
        same([...e.encode('\uD800x\uDC00')], [239, 191, 189, 120, 239, 191, 189]);
        ok(e.encode('x') instanceof Uint8Array); throws(() => TextEncoder.prototype.encode.call({}), 'TypeError');
        throws(() => TextEncoder(), 'TypeError'); throws(() => e.encode(Symbol()), 'TypeError');
        equal(Object.prototype.toString.call(e), '[object TextEncoder]');
        "#,
    );
}

#[test]
fn encode_into_writes_whole_characters_and_counts_utf_16_units() {
    check(
        r#"
        const e = new TextEncoder(); const into = (s, n) => e.encodeInto(s, new Uint8Array(n));
        same(into('abc', 2), { read: 2, written: 2 }); same(into('a€', 3), { read: 1, written: 1 });
        same(into('a€', 4), { read: 2, written: 4 }); same(into('\u{1F600}', 3), { read: 0, written: 0 });
        same(into('\u{1F600}!', 4), { read: 2, written: 4 }); same(into('\uD800', 3), { read: 1, written: 3 });
        const b = new Uint8Array([9, 9, 9, 9]); e.encodeInto('hi', b.subarray(1, 3)); same([...b], [9, 104, 105, 9]);
        throws(() => e.encodeInto('a', new Int8Array(1)), 'TypeError'); throws(() => e.encodeInto('a'), 'TypeError');
        const gone = new Uint8Array(4); gone.buffer.transfer(); same(e.encodeInto('a', gone), { read: 0, written: 0 });
        "#,
    );
}

#[test]
fn the_decoder_knows_labels_fatal_and_the_byte_order_mark() {
    check(
        r#"
        const bytes = (...b) => new Uint8Array(b);
        equal(new TextDecoder().encoding, 'utf-8'); equal(new TextDecoder(' UTF8\n').encoding, 'utf-8');
        equal(new TextDecoder('latin1').encoding, 'windows-1252'); equal(new TextDecoder('utf-16').encoding, 'utf-16le');
        throws(() => new TextDecoder('nope'), 'RangeError'); throws(() => new TextDecoder('replacement'), 'RangeError');
        throws(() => new TextDecoder('utf-8', 1), 'TypeError');
        const d = new TextDecoder(); equal(d.fatal, false); equal(d.ignoreBOM, false);
        equal(d.decode(bytes(239, 187, 191, 97)), 'a'); equal(d.decode(bytes(239, 187, 191, 97)), 'a');
        equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes(239, 187, 191, 97)), '\uFEFFa');
        equal(d.decode(bytes(0xF0, 0x9F, 0x98, 97, 0xFF)), '\uFFFDa\uFFFD'); equal(d.decode(), '');
        equal(d.decode(bytes(0xED, 0xA0, 0x80)), '\uFFFD\uFFFD\uFFFD');
        const f = new TextDecoder('utf-8', { fatal: 1 }); equal(f.fatal, true);
        throws(() => f.decode(bytes(0xFF)), 'TypeError'); equal(f.decode(bytes(97)), 'a');
        equal(new TextDecoder('utf-16le').decode(bytes(0x3D, 0xD8, 0x00, 0xDE)), '\u{1F600}');
        equal(new TextDecoder('utf-16be').decode(bytes(0x00, 0x41)), 'A');
        equal(new TextDecoder('windows-1252').decode(bytes(0x80, 0xE9)), '€é');
        equal(new TextDecoder('shift_jis').decode(bytes(0x83, 0x65)), 'テ');
        equal(d.decode(bytes(1, 104, 105, 2).subarray(1, 3)), 'hi'); equal(d.decode(bytes(104).buffer), 'h');
        equal(d.decode(new DataView(bytes(1, 104, 105).buffer, 1)), 'hi');
        throws(() => d.decode('x'), 'TypeError'); throws(() => d.decode([1]), 'TypeError'); throws(() => d.decode(null), 'TypeError');
        "#,
    );
}

#[test]
fn the_decoder_streams_across_calls() {
    check(
        r#"
        const all = new TextEncoder().encode('\uFEFFaé€\u{1F600}z');
        for (const label of ['utf-8']) for (let size = 1; size < 6; size++) {
          const d = new TextDecoder(label); let text = '';
          for (let i = 0; i < all.length; i += size) text += d.decode(all.subarray(i, i + size), { stream: true });
          equal(text + d.decode(), 'aé€\u{1F600}z');
        }
        const d = new TextDecoder(); equal(d.decode(new Uint8Array([0xE2, 0x82]), { stream: true }), '');
        equal(d.decode(), '\uFFFD'); equal(d.decode(new Uint8Array([0xAC])), '\uFFFD');
        const f = new TextDecoder('utf-8', { fatal: true }); f.decode(new Uint8Array([0xE2]), { stream: true });
        throws(() => f.decode(), 'TypeError'); equal(f.decode(new Uint8Array([65])), 'A');
        "#,
    );
}

#[test]
fn atob_and_btoa_follow_forgiving_base64() {
    check(
        r#"
        equal(btoa('a'), 'YQ=='); equal(btoa(''), ''); equal(btoa('\xFF\xFE'), '//4='); equal(btoa(null), 'bnVsbA==');
        equal(atob('YQ=='), 'a'); equal(atob('YQ'), 'a'); equal(atob(' Y\tQ\n=\f=\r'), 'a'); equal(atob('//4='), '\xFF\xFE');
        equal(atob(''), ''); equal(atob('YR=='), 'a'); equal(atob(null), '\x9Eée');
        for (const bad of ['Y', 'YQ=', 'YQ===', '=', 'Y=Q=', 'Y$==', 'YQ==a', 'aé', '\u2028', 'abcd=', 'ab=c', 'YWJj=']) {
          const e = throws(() => atob(bad), 'InvalidCharacterError'); ok(e instanceof DOMException); equal(e.code, 5);
        }
        throws(() => btoa('€'), 'InvalidCharacterError');
        let rope = ''; for (let i = 0; i < 5000; i++) rope += 'xyz' + i; equal(atob(btoa(rope)), rope);
        const half = btoa(rope).slice(0, 4000); equal(atob(half + half.slice(0, 4)).length, 3003);
        "#,
    );
}

#[test]
fn encoders_and_decoders_are_freed() {
    let driver = driver::new();
    let source = "new TextDecoder('utf-16le').decode(new TextEncoder().encode('x' + i), { stream: true })";
    let growth = driver.growth(100_000, source);
    assert!(growth < 4096, "grew by {growth} bytes");
}

#[test]
fn shared_memory_is_decoded() {
    check(
        r#"
        const shared = new SharedArrayBuffer(4); new Uint8Array(shared).set([0x68, 0xc3, 0xa9, 0x21]);
        equal(new TextDecoder().decode(shared), 'h\u00e9!'); equal(new TextDecoder().decode(new Uint8Array(shared, 1, 2)), '\u00e9');
        equal(new TextDecoder().decode(new DataView(shared, 3)), '!'); equal(new TextDecoder('utf-16le').decode(new SharedArrayBuffer(0)), '');
        throws(() => new TextDecoder().decode('text'), 'TypeError');
        "#,
    );
}

#[test]
fn text_that_grows_is_whole() {
    check(
        r#"
        const bytes = new Uint8Array(100_000).fill(0xe9);
        const text = new TextDecoder('windows-1251').decode(bytes); equal(text.length, 100_000); ok(text === '\u0439'.repeat(100_000));
        equal(new TextDecoder().decode(bytes), '\ufffd'.repeat(100_000)); throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes), 'TypeError');
        equal(new TextDecoder('koi8-r', { fatal: true }).decode(bytes.subarray(0, 50_000)), '\u0418'.repeat(50_000));
        "#,
    );
}
