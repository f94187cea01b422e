//! `jsserve:shared` as JavaScript sees it, on one engine and on several threads.
//!
//! Owns: one engine per thread, all of one app where they are to share. Must not know: the store.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rquickjs::{Module, Value};
use runtime::js::cluster::Cluster;
use runtime::js::code::Code;
use runtime::js::engine::{Engine, EngineLimits, Pulse};
use runtime::js::thrown::Thrown;
use runtime::js::value;
use runtime::modules::TABLE;

/// An engine with `globalThis.shared`, and `fails(f)`: what `f` throws, in words.
fn engine() -> Rc<Engine> {
    engine_of(Arc::default())
}

/// Such an engine of the app that `cluster` is of.
fn engine_of(cluster: Arc<Cluster>) -> Rc<Engine> {
    let limits = EngineLimits {
        heap_bytes_max: 64 << 20,
        stack_bytes_max: 256 << 10,
        turn_cpu_max: Duration::from_secs(60),
    };
    let code = Arc::new(Code::within(cluster, "/app.js".into()));
    let engine =
        Engine::new(&limits, &TABLE, code, Pulse::default(), Box::new(|_, _| {})).expect("an engine");
    let source = r#"
        import shared, { map } from "jsserve:shared"
        globalThis.shared = shared
        globalThis.same = shared.map === map
        globalThis.fails = f => { try { f() } catch (e) { return `${e.constructor.name} ${e.name} ${e.code}` } return "nothing" }
    "#;
    engine.turn(|ctx| Module::evaluate(ctx.clone(), "/main.js", source).map(drop).expect("the module"));
    engine
}

fn run(engine: &Engine, source: &str) -> String {
    engine.turn(|ctx| match ctx.eval::<Value, _>(source) {
        Ok(result) => value::to_string(&result).unwrap_or_else(|_| Thrown::take(ctx).text),
        Err(_) => Thrown::take(ctx).text,
    })
}

fn all(engine: &Engine, checks: &[(&str, &str)]) {
    for (source, expected) in checks {
        assert_eq!(run(engine, source), *expected, "{source}");
    }
}

#[test]
fn values_come_back_as_copies() {
    all(
        &engine(),
        &[
            ("same", "true"),
            ("globalThis.m = shared.map('copies'); Object.prototype.toString.call(m)", "[object SharedMap]"),
            ("m.get('a')", "undefined"),
            ("m.set('a', { list: [1, new Map([['k', 5n]])] })", "undefined"),
            ("m.get('a').list[1].get('k') === 5n && m.get('a') !== m.get('a')", "true"),
            ("m.set('u', undefined); m.has('u') + ' ' + m.get('u')", "true undefined"),
            ("m.set('z', -0); Object.is(m.get('z'), -0)", "true"),
            ("m.set('n', NaN); m.get('n')", "NaN"),
            ("m.size", "4"),
            ("m.delete('u') + ' ' + m.delete('u') + ' ' + m.size", "true false 3"),
            ("m.keys().sort()", "a,n,z"),
            ("m.set('user:1', 'x'); JSON.stringify(m.entries({ prefix: 'user:' }))", r#"[["user:1","x"]]"#),
            ("m.keys({ prefix: 'nobody' }).length + m.keys({}).length", "4"),
            ("m.clear(); m.size", "0"),
            ("shared.map('copies').set('seen', 1); m.get('seen')", "1"),
            ("fails(() => m.set('f', () => {}))", "DOMException DataCloneError 25"),
            ("m.has('f')", "false"),
        ],
    );
}

#[test]
fn incr_and_update() {
    all(
        &engine(),
        &[
            (
                "globalThis.m = shared.map('updates'); m.incr('n') + ',' + m.incr('n', 5) + ',' + m.incr('n', -0.5)",
                "1,6,5.5",
            ),
            ("m.set('big', 2 ** 53 - 2); m.incr('big')", "9007199254740991"),
            ("m.set('s', 'text'); fails(() => m.incr('s'))", "TypeError TypeError undefined"),
            (
                "fails(() => m.incr('n', '1')) + ';' + fails(() => m.incr('n', NaN))",
                "TypeError TypeError undefined;TypeError TypeError undefined",
            ),
            (
                "m.update('list', (old = []) => [...old, 1]); m.update('list', old => [...old, 2]).join()",
                "1,2",
            ),
            (
                "m.update('list', old => undefined) + ' ' + m.has('list') + ' ' + m.update('none', () => undefined)",
                "undefined false undefined",
            ),
            (
                "fails(() => m.update('n', () => { throw new SyntaxError }))",
                "SyntaxError SyntaxError undefined",
            ),
            ("fails(() => m.update('n', async () => 1))", "DOMException DataCloneError 25"),
            ("m.get('n')", "5.5"),
            (
                "m.update('a', () => { m.set('b', 1); m.update('c', () => 2); return m.get('b') + m.get('c') })",
                "3",
            ),
            (
                "let calls = 0; m.update('self', old => { if (calls++ < 3) m.set('self', calls); return 'done ' + old }) + calls",
                "done 34",
            ),
            (
                "fails(() => m.update('self', old => { m.incr('other'); m.set('self', {}); return 1 }))",
                "RangeError SharedContentionError ERR_SHARED_CONTENTION",
            ),
            ("m.get('other')", "1000"),
            ("fails(() => m.update('k', 1))", "TypeError TypeError undefined"),
        ],
    );
}

#[test]
fn keys_names_and_options_are_checked() {
    all(
        &engine(),
        &[
            (
                "globalThis.m = shared.map('checks', { bytesMax: 100000, onFull: 'error', ttl: 50000 }); m.size",
                "0",
            ),
            ("fails(() => m.get(1))", "TypeError TypeError undefined"),
            ("fails(() => m.get())", "TypeError TypeError undefined"),
            ("fails(() => m.set('', 1))", "RangeError RangeError undefined"),
            ("m.set('k'.repeat(1024), 1); m.has('k'.repeat(1024))", "true"),
            (
                "fails(() => m.set('k'.repeat(1025), 1)) + fails(() => m.get('é'.repeat(513)))",
                "RangeError RangeError undefinedRangeError RangeError undefined",
            ),
            ("fails(() => m.get.call({}, 'k'))", "TypeError TypeError undefined"),
            ("fails(() => new m.constructor)", "TypeError TypeError undefined"),
            (
                "shared.map('checks').size === 1 && shared.map('checks', { bytesMax: 100000 }).size === 1",
                "true",
            ),
            ("fails(() => shared.map('checks', { bytesMax: 100001 }))", "TypeError TypeError undefined"),
            ("fails(() => shared.map('checks', { onFull: 'evict' }))", "TypeError TypeError undefined"),
            ("fails(() => shared.map('checks', { ttl: 1 }))", "TypeError TypeError undefined"),
            (
                "[0, -1, 1.5, NaN, Infinity, 2 ** 60].map(bytesMax => fails(() => shared.map('bad', { bytesMax })).split(' ')[0]).join()",
                "RangeError,RangeError,RangeError,RangeError,RangeError,RangeError",
            ),
            (
                "['1', null, {}].map(bytesMax => fails(() => shared.map('bad', { bytesMax })).split(' ')[0]).join()",
                "TypeError,TypeError,TypeError",
            ),
            (
                "fails(() => shared.map('bad', { onFull: 'grow' })) + fails(() => shared.map('bad', 1))",
                "TypeError TypeError undefinedTypeError TypeError undefined",
            ),
            (
                "[0, -1, NaN, Infinity].map(ttl => fails(() => m.set('t', 1, { ttl })).split(' ')[0]).join()",
                "RangeError,RangeError,RangeError,RangeError",
            ),
            ("fails(() => m.set('t', 1, { ttl: '5' })) + m.has('t')", "TypeError TypeError undefinedfalse"),
            (
                "fails(() => shared.map('')) + fails(() => shared.map())",
                "RangeError RangeError undefinedTypeError TypeError undefined",
            ),
            ("m.set('t', 1, { ttl: 60000 }); m.get('t')", "1"),
            ("fails(() => m.keys({ prefix: 1 }))", "TypeError TypeError undefined"),
        ],
    );
}

#[test]
fn full_maps_fail_or_evict() {
    all(
        &engine(),
        &[
            (
                "globalThis.m = shared.map('full', { bytesMax: 10000 }); fails(() => { for (let i = 0; ; i++) m.set('k' + i, 'x'.repeat(100)) })",
                "RangeError SharedFullError ERR_SHARED_FULL",
            ),
            ("m.size > 30 && m.size < 60", "true"),
            (
                "fails(() => { for (let i = 0; ; i++) m.incr('n' + i) })",
                "RangeError SharedFullError ERR_SHARED_FULL",
            ),
            (
                "fails(() => m.incr('new')) + fails(() => m.update('new', () => 1))",
                "RangeError SharedFullError ERR_SHARED_FULLRangeError SharedFullError ERR_SHARED_FULL",
            ),
            ("m.delete('k0'); m.incr('new')", "1"),
            (
                "globalThis.e = shared.map('evicting', { bytesMax: 10000, onFull: 'evict' }); for (let i = 0; i < 1000; i++) e.set('k' + i, 'x'.repeat(100)); e.size > 30 && e.size < 60 && e.has('k999')",
                "true",
            ),
            ("fails(() => e.set('large', 'x'.repeat(20000)))", "RangeError SharedFullError ERR_SHARED_FULL"),
        ],
    );
}

#[test]
fn patched_prototypes_are_not_seen() {
    all(
        &engine(),
        &[
            (
                "globalThis.m = shared.map('patched'); m.set('a', [1, new Map([[1, 2]])]); m.set('b', { x: 1 }); m.size",
                "2",
            ),
            (
                "for (let i = 0; i < 2; i++) Object.defineProperty(Array.prototype, i, { set() { throw 1 }, get() { throw 2 } }); Map.prototype.set = Map.prototype.forEach = () => { throw 3 }; m.entries().length",
                "2",
            ),
            ("m.get('a')[0] + m.keys().length", "3"),
        ],
    );
}

#[test]
fn four_workers_count_and_update_exactly() {
    let cluster: Arc<Cluster> = Arc::default();
    let threads: Vec<_> = (0..4)
        .map(|worker| {
            let cluster = cluster.clone();
            thread::spawn(move || {
                let engine = engine_of(cluster);
                let source = format!(
                    "const m = shared.map('contended'); for (let i = 0; i < 2000; i++) {{
                        m.incr('n');
                        m.update('total', (old = {{ sum: 0, by: {{}} }}) => {{
                            old.sum++; old.by[{worker}] = (old.by[{worker}] ?? 0) + 1; return old }});
                    }} 'done'"
                );
                run(&engine, &source)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), "done");
    }
    let engine = engine_of(cluster);
    run(&engine, "globalThis.m = shared.map('contended')");
    assert_eq!(run(&engine, "m.get('n')"), "8000");
    assert_eq!(
        run(&engine, "const t = m.get('total'); [t.sum, ...Object.values(t.by)].join()"),
        "8000,2000,2000,2000,2000"
    );
}

#[test]
fn the_heap_is_stable_over_100_000_operations() {
    let engine = engine();
    run(&engine, "globalThis.m = shared.map('stable', { bytesMax: 50000, onFull: 'evict' })");
    let round = |n: usize| {
        run(
            &engine,
            &format!(
                "for (let i = 0; i < {n}; i++) {{ m.set('k' + i % 500, {{ i, list: [i] }}); m.get('k' + i % 70);
                 m.update('u', (old = 0) => old + 1); if (i % 100 === 0) {{ m.entries(); fails(() => m.set('f', () => {{}})) }} }}"
            ),
        );
        engine.collect();
        engine.heap_bytes()
    };
    let base = round(2_000);
    let after = round(100_000);
    assert!(after <= base + 8_192, "{base} -> {after}");
}
