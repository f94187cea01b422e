//! Calls that take for ever in the engine end with the turn's time; all others give what the engine gives.
//!
//! Owns: the engine's own functions to compare with. Must not know: how they are replaced.

use std::sync::Arc;
use std::time::Duration;

use super::super::builtins::Table;
use super::super::code::Code;
use super::super::engine::{Engine, EngineLimits, Pulse};
use super::super::thrown::{Cause, Thrown};
use super::super::value;
use super::*;

/// Runs `source` with the engine's functions in `own`, and ours in their places.
fn run(source: &str, turn_cpu_max: Duration) -> std::result::Result<String, Thrown> {
    let limits = EngineLimits { heap_bytes_max: 128 << 20, stack_bytes_max: 256 << 10, turn_cpu_max };
    let code = Arc::new(Code::new("/app.js".into()));
    let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}));
    engine.expect("an engine").turn(|ctx| {
        ctx.eval::<(), _>(
            "globalThis.own = {};
            for (const p of [String.prototype, Array.prototype]) for (const k of Reflect.ownKeys(p))
                if (typeof k === 'string') own[k + (p === Array.prototype ? '_a' : '_s')] = Object.getOwnPropertyDescriptor(p, k);
            globalThis.keys = [Reflect.ownKeys(String.prototype), Reflect.ownKeys(Array.prototype)];",
        )
        .expect("plain");
        install(ctx).expect("memory");
        match ctx.eval::<Value, _>(source) {
            Ok(value) => Ok(value::to_string(&value).expect("a string")),
            Err(_) => Err(Thrown::take(ctx)),
        }
    })
}

#[track_caller]
fn gives(source: &str, expected: &str) {
    assert_eq!(
        run(source, Duration::from_secs(60)).map_err(|thrown| thrown.to_string()).as_deref(),
        Ok(expected),
        "{source}"
    );
}

#[test]
fn long_needles_are_found_in_a_time_that_grows_with_the_text() {
    for (source, expected) in [
        ("t.includes(n)", "false"),
        ("t.indexOf(n)", "-1"),
        ("t.indexOf([n])", "-1"),
        ("t.lastIndexOf('b' + n)", "-1"),
        ("t.lastIndexOf(n)", "-1"),
        ("t.split(n).length", "1"),
        ("t.replace(n, '')  === t", "true"),
        ("t.replaceAll(n, '') === t", "true"),
        ("(t + '\\u0416').indexOf(n + '\\u0416')", "-1"),
        ("(t + n).indexOf(n)", "1048576"),
        ("('\\u0416' + n + t).lastIndexOf(n)", "1"),
    ] {
        gives(&format!("const t = 'a'.repeat(1 << 20), n = 'a'.repeat(1 << 19) + 'b'; {source}"), expected);
    }
}

#[test]
fn many_combining_marks_are_sorted_in_a_time_that_grows_with_their_number() {
    let marks = "const t = 'a' + '\\u0301\\u0316'.repeat(1 << 17) + '\\ud800' + '\\u0316'; ";
    for form in ["NFC", "NFD", "NFKC", "NFKD"] {
        let first = if form.ends_with('C') { "e1" } else { "61" };
        gives(
            &format!(
                "{marks} const n = t.normalize('{form}'); [n.charCodeAt(0).toString(16), n.charCodeAt(2).toString(16), \
                 n.charCodeAt(n.length - 2).toString(16), t.length - n.length].join()"
            ),
            &format!("{first},316,d800,{}", if form.ends_with('C') { 1 } else { 0 }),
        );
    }
    gives(
        &format!("{marks} [t.localeCompare(t), t.localeCompare(t + 'b'), 'b'.localeCompare(t)].join()"),
        "0,-1,-1",
    );
}

/// How `source` ends after a twentieth of a second.
fn ends(source: &str) -> std::result::Result<String, Cause> {
    run(source, Duration::from_millis(50)).map_err(|thrown| thrown.cause)
}

#[test]
fn a_walk_through_an_absurd_length_ends_with_the_turns_time() {
    for length in ["2 ** 31", "2 ** 32 - 1", "2 ** 53 - 2"] {
        for method in [
            "reverse.call(o)",
            "copyWithin.call(o, 0, 1)",
            "unshift.call(o, 1)",
            "splice.call(o, 0, 1)",
            "slice.call(o, 0, 2 ** 31)",
            "sort.call(o)",
            "join.call(o)",
            "toLocaleString.call(o)",
            "shift.call(o)",
            "flat.call(o)",
            "concat.call([], Object.assign(o, { [Symbol.isConcatSpreadable]: true }))",
            "fill.call(Object.setPrototypeOf(o, new Uint8Array(1)), 1)",
        ] {
            let thrown = ends(&format!("const o = {{ length: {length} }}; Array.prototype.{method}"));
            assert_eq!(thrown, Err(Cause::Interrupted), "{method} {length}");
        }
    }
    for source in
        ["a.slice()", "a.sort()", "a.join()", "a.reverse()", "[].concat(a)", "new Proxy(a, {}).flat()"]
    {
        let thrown = ends(&format!("const a = []; a[2 ** 32 - 2] = 1; {source}"));
        assert_eq!(thrown, Err(Cause::Interrupted), "{source}");
    }
}

#[test]
fn all_else_is_as_the_engine_has_it() {
    gives(
        "const bad = [];
        [String.prototype, Array.prototype].forEach((p, i) => {
            if (Reflect.ownKeys(p).map(String).join() !== keys[i].map(String).join()) bad.push('order');
            for (const k of Reflect.ownKeys(p).filter((k) => typeof k === 'string')) {
                const was = own[k + (i ? '_a' : '_s')], is = Object.getOwnPropertyDescriptor(p, k);
                if (was.enumerable !== is.enumerable || was.writable !== is.writable || was.configurable !== is.configurable) bad.push(k);
                if (typeof is.value !== 'function' || was.value === is.value) continue;
                for (const q of ['name', 'length']) if (JSON.stringify(Object.getOwnPropertyDescriptor(is.value, q)) !== JSON.stringify(Object.getOwnPropertyDescriptor(was.value, q))) bad.push(k, q);
                if (String(is.value) !== String(was.value)) bad.push(k, 'text');
                if (Reflect.ownKeys(is.value).join() !== Reflect.ownKeys(was.value).join()) bad.push(k, 'keys');
                if (Object.getPrototypeOf(is.value) !== Function.prototype) bad.push(k, 'prototype');
                if (Object.prototype.toString.call(is.value) !== '[object Function]') bad.push(k, 'tag');
                try { new is.value(); bad.push(k, 'new'); } catch (e) { if (e.constructor !== TypeError) bad.push(k, 'new'); }
                try { is.value.call(null); bad.push(k, 'null'); } catch (e) { if (e.constructor !== TypeError) bad.push(k, 'null', e); }
            }
        });
        bad.join()",
        "",
    );
}

#[test]
fn the_order_of_conversions_is_the_standards() {
    gives(
        "const seen = [], say = (name, value) => ({ toString() { seen.push(name); return value; }, valueOf() { seen.push(name + '#'); return 3; } });
        const long = 'x'.repeat(100);
        for (const f of ['includes', 'indexOf', 'lastIndexOf']) String.prototype[f].call(say('this', long), say('needle', long), say('at', 1));
        String.prototype.split.call(say('this', long), say('by', long), say('limit', 1));
        String.prototype.replace.call(say('this', long), say('what', long), say('with', 1));
        for (const f of ['includes', 'startsWith']) try { 'a'[f](/a/); } catch (e) { seen.push(e.name); }
        const re = /a/; re[Symbol.match] = false; seen.push('/a/'.includes(re));
        try { 'abc'.includes({ get [Symbol.match]() { seen.push('match'); return true; } }); } catch (e) { seen.push(e.name); }
        'abc'.replaceAll({ get [Symbol.match]() { seen.push('match'); }, get [Symbol.replace]() { seen.push('replace'); } }, '');
        try { 'a'.indexOf(Symbol()); } catch (e) { seen.push(e.name); }
        seen.join(' ')",
        "this needle at# this needle at# this needle at# this limit# by this what with TypeError TypeError true match \
         TypeError match replace TypeError",
    );
}

#[test]
fn texts_are_searched_as_the_engine_searches_them() {
    gives(
        "let seed = 7; const rnd = (n) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
        const letters = [['a', 'b'], ['a', '\\xe9'], ['\\u0416', 'a'], ['\\ud83d\\ude00', '\\ud83d', '\\ude00']];
        const word = (n, of) => Array.from({ length: n }, () => of[rnd(20) ? 0 : rnd(of.length)]).join('');
        const bad = [];
        for (let round = 0; round < 12; round++) {
            const of = letters[round % letters.length];
            const at = rnd(15000), n = 80 + rnd(300);
            const t = word(20000, of);
            const needle = [t.slice(at, at + n), word(n, of), word(n, of) + 'z', t.slice(at, at + n) + t.slice(0, 1)][rnd(4)];
            const by = ['-', '$&', '[$`', '$$1$\\'', '$1$<a>$', (...all) => all[1] + '' + all.length][rnd(6)];
            for (const [f, ...more] of [['indexOf'], ['indexOf', rnd(20000)], ['lastIndexOf'], ['lastIndexOf', rnd(20000)], ['lastIndexOf', NaN],
                ['includes'], ['includes', -5], ['includes', 1e9], ['split'], ['split', 2], ['split', -1], ['replace', by], ['replaceAll', typeof by === 'string' ? '-' : by]]) {
                const is = t[f](needle, ...more), was = own[f + '_s'].value.call(t, needle, ...more);
                if (JSON.stringify(is) !== JSON.stringify(was)) bad.push([f, more, round, String(is).slice(0, 20), String(was).slice(0, 20)].join('/'));
            }
        }
        bad.join('\\n')",
        "",
    );
}

#[test]
fn long_texts_are_normalized_as_short_ones() {
    gives(
        "const parts = ['e\\u0301', '\\u1e9b\\u0323', '\\uac00\\u11a8', '\\u1112\\u1161\\u11ab', '\\ufb01', '\\u212b', '\\u0344', '\\ud800', '\\udc00', '\\ud834\\udd5e', 'a\\u0323\\u0307', '\\u0f73\\u0f71', '\\u2126', 'x'];
        const bad = [];
        for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD', undefined]) {
            const t = Array.from({ length: 2000 }, (_, i) => parts[(i * i + i) % parts.length]).join('');
            if (t.normalize(form) !== own.normalize_s.value.call(t, form)) bad.push(form);
        }
        try { 'x'.repeat(5000).normalize('NFX'); } catch (e) { bad.push(e.name); }
        bad.join()",
        "RangeError",
    );
}

#[test]
fn array_likes_of_unknown_lengths_are_walked_as_the_engine_walks_them() {
    gives(
        "const bad = [];
        const like = () => Object.defineProperty({ 0: 'b', 2: 'a', 3: undefined, 5: 'c' }, 'length', { get: () => 6, set() {} });
        const list = () => { const o = like(); const h = {}; for (const k of ['get', 'set', 'has', 'deleteProperty', 'getOwnPropertyDescriptor', 'defineProperty'])
            h[k] = (...all) => { log.push(k + ':' + String(all[1])); return Reflect[k](...all.slice(0, k === 'set' ? 3 : 2)); }; return new Proxy(o, h); };
        let log = [];
        const show = (r, o) => JSON.stringify([r === o ? 'itself' : r, Object.entries(o)]) + log.join();
        for (const [f, ...more] of [['reverse'], ['slice', 1, 5], ['splice', 1, 2, 'x'], ['copyWithin', 0, 3], ['fill', 7, 2], ['sort'], ['join', '-'], ['shift'], ['unshift', 1, 2],
            ['flat'], ['concat', 1], ['toLocaleString']])
            for (const make of [like, list]) {
                log = []; const a = make(), x = show(Array.prototype[f].call(a, ...more), a);
                log = []; const b = make(), y = show(own[f + '_a'].value.call(b, ...more), b);
                if (x !== y) bad.push(f, x, y);
            }
        class Mine extends Array {}
        const sub = Mine.from([3, 1, 2]);
        if (!(sub.slice() instanceof Mine && sub.concat(1) instanceof Mine && sub.sort() === sub)) bad.push('species');
        const frozen = Object.freeze(like());
        try { Array.prototype.fill.call(frozen, 1); bad.push('frozen'); } catch (e) { if (e.constructor !== TypeError) bad.push(e); }
        if (Array.prototype.join.call(new Uint8Array([1, 2])) !== '1,2') bad.push('typed');
        bad.join('\\n')",
        "",
    );
}

#[test]
fn a_large_dense_array_is_the_engines() {
    gives(
        "const a = Array.from({ length: 1500000 }, (_, i) => i);
        [a.slice(5).length, a.reverse()[0], a.concat([1]).length, a.fill(1)[9], a.splice(0, 1000).length].join()",
        "1499995,1499999,1500001,1,1000",
    );
}
