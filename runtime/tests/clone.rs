//! Structured clone, seen from JavaScript and through its bytes.
//!
//! Owns: one engine per test. Must not know: how the bytes look.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rquickjs::Value;
use runtime::js::code::Code;
use runtime::js::engine::{Engine, EngineLimits, Pulse};
use runtime::js::thrown::Thrown;
use runtime::js::{clone, value};
use runtime::modules::TABLE;

fn engine() -> Rc<Engine> {
    let limits = EngineLimits {
        heap_bytes_max: 64 << 20,
        stack_bytes_max: 256 << 10,
        turn_cpu_max: Duration::from_secs(60),
    };
    let code = Arc::new(Code::new("/app.js".into()));
    Engine::new(&limits, &TABLE, code, Pulse::default(), Box::new(|_, _| {})).expect("an engine")
}

/// Runs `source` and gives its value as a string, or what it threw.
fn run(engine: &Engine, source: &str) -> String {
    engine.turn(|ctx| match ctx.eval::<Value, _>(source) {
        Ok(result) => value::to_string(&result).unwrap_or_else(|_| Thrown::take(ctx).text),
        Err(_) => Thrown::take(ctx).text,
    })
}

/// Each line of `checks` is an expression over `c` (= structuredClone) that must be true.
fn all_true(checks: &str) {
    let engine = engine();
    run(&engine, "globalThis.c = v => structuredClone(v)");
    for check in checks.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert_eq!(run(&engine, check), "true", "{check}");
    }
}

#[test]
fn primitives_and_what_wraps_them() {
    all_true(
        r#"
        c([undefined])[0] === undefined && c([undefined]).length === 1
        c({ a: null }).a === null
        Object.is(c([-0])[0], -0)
        Object.is(c([NaN])[0], NaN)
        c([1.5, -1, 2147483647, -2147483648, 4294967296, Infinity]).join() === "1.5,-1,2147483647,-2147483648,4294967296,Infinity"
        [0n, 1n, -1n, 255n, -256n, 2n ** 64n, -(2n ** 200n) + 1n, 10n ** 400n].every(n => c([n])[0] === n)
        ["", "a", "é", "€", "😀", "\0", "\ud800", "a\udc00b\ud800", "x".repeat(100000), "é".repeat(5000)].every(s => c([s])[0] === s)
        (s => c([s + "!"])[0] === s + "!")("rope".repeat(4000) + "€")
        c(5) === 5 && c("s") === "s" && c(undefined) === undefined && c(7n) === 7n
        Object.prototype.toString.call(c(Object(1))) === "[object Number]" && c(Object(-0.5)).valueOf() === -0.5
        c(new String("lone \ud800")).valueOf() === "lone \ud800" && c(new String("abc")).length === 3
        c(Object(false)).valueOf() === false && c(Object(false)) instanceof Boolean
        c(Object(9n)).valueOf() === 9n && typeof c(Object(9n)) === "object"
        "#,
    );
}

#[test]
fn dates_and_regular_expressions() {
    all_true(
        r#"
        c(new Date(1234.9)).getTime() === 1234 && c(new Date(0)) instanceof Date
        Number.isNaN(c(new Date(NaN)).getTime())
        (r => r.source === "a\\/b" && r.flags === "dgimsuy" && r.lastIndex === 0 && r instanceof RegExp)(c(Object.assign(/a\/b/dgimsuy, { lastIndex: 3 })))
        c(/[\p{L}--[a-z]]/v).flags === "v"
        c(new RegExp("")).test("") && c(/\n€/).source === /\n€/.source
        !("extra" in c(Object.assign(/a/, { extra: 1 })))
        "#,
    );
}

#[test]
fn objects_arrays_maps_and_sets() {
    all_true(
        r#"
        JSON.stringify(c({ b: 1, a: [1, { c: "x" }], 2: 3, 1: 4, "\ud800": 5 })) === JSON.stringify({ b: 1, a: [1, { c: "x" }], 2: 3, 1: 4, "\ud800": 5 })
        (o => Object.hasOwn(o, "__proto__") && Object.getPrototypeOf(o) === Object.prototype)(c(JSON.parse('{"__proto__": {"x": 1}}')))
        Object.keys(c({ get a() { return this.b }, b: 2 })).join() === "a,b" && c({ get a() { return 7 } }).a === 7
        Object.keys(c(Object.create({ inherited: 1 }, { hidden: { value: 1 }, seen: { value: 2, enumerable: true } }))).join() === "seen"
        Object.keys(c({ [Symbol("s")]: 1, k: 2 })).join() === "k" && Object.getOwnPropertySymbols(c({ [Symbol("s")]: 1 })).length === 0
        (o => o.constructor === Object && o.x === 1)(c(new class A { x = 1; #y = 2; m() {} }))
        Object.getPrototypeOf(c(Object.create(null))) === Object.prototype
        !Object.isFrozen(c(Object.freeze({ a: 1 })))
        (a => a.length === 5 && !(0 in a) && a[1] === 1 && !(4 in a))(c([, 1, 2, , ,]))
        (a => a.length === 4294967295 && Object.keys(a).join() === "7")(c(Object.assign([], { 7: 1, length: 4294967295 })))
        (a => a.length === 2 && a.extra === "e" && a[-1] === 9 && Array.isArray(a))(c(Object.assign([1, 2], { extra: "e", "-1": 9 })))
        (a => a.length === 3 && a.every((x, i) => x === i))(c(new (class extends Array {})(0, 1, 2)))
        (function () { return JSON.stringify(c(function () { "use strict"; return arguments }(1, 2))) === '{"0":1,"1":2}' })()
        (m => m instanceof Map && m.size === 3 && [...m.keys()].map(String).join() === "b,1,NaN" && m.get(NaN).get(1) === 2)(c(new Map([["b", 1], [1, "x"], [NaN, new Map([[1, 2]])]])))
        (s => s instanceof Set && [...s].join() === "3,1,2")(c(new Set([3, 1, 2])))
        (m => [...m.keys()][0] === m.get("key"))(c((k => new Map([[k, 1], ["key", k]]))({})))
        c(new Map).size === 0 && c(new Set).size === 0 && c([]).length === 0 && Object.keys(c({})).length === 0
        "#,
    );
}

#[test]
fn buffers_and_views() {
    all_true(
        r#"
        (b => b instanceof ArrayBuffer && b.byteLength === 3 && new Uint8Array(b).join() === "1,2,3" && !b.resizable)(c(new Uint8Array([1, 2, 3]).buffer))
        (b => b.resizable && b.maxByteLength === 16 && b.byteLength === 4 && new Uint8Array(b)[3] === 9)(c((b => (new Uint8Array(b)[3] = 9, b))(new ArrayBuffer(4, { maxByteLength: 16 }))))
        [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float16Array, Float32Array, Float64Array].every(T => (t => t.constructor === T && t.join() === "1,2" && t.byteOffset === 8 && t.buffer.byteLength === 40)(c(new T(new T(40 / T.BYTES_PER_ELEMENT).fill(0).buffer, 8, 2).fill(1).map((x, i) => i + 1).length ? (t => (t[0] = 1, t[1] = 2, t))(new T(new ArrayBuffer(40), 8, 2)) : 0)))
        [BigInt64Array, BigUint64Array].every(T => (t => t.constructor === T && t.join() === "1,2")(c(new T([1n, 2n]))))
        (d => d instanceof DataView && d.byteOffset === 1 && d.byteLength === 2 && d.getInt16(0) === -2)(c((d => (d.setInt16(0, -2), d))(new DataView(new ArrayBuffer(4), 1, 2))))
        (o => (o.a[0] = 200, o.a.buffer === o.b.buffer && o.b.buffer === o.buf && o.b[0] === 200))(c((buf => ({ a: new Uint8Array(buf), b: new Uint8ClampedArray(buf), buf }))(new ArrayBuffer(2))))
        (t => (t.buffer.resize(8), t.length === 8))(c(new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 }))))
        (t => (t.buffer.resize(7), t.length === 3 && t.byteOffset === 1))(c(new Uint16Array(new ArrayBuffer(5, { maxByteLength: 8 }), 0, 1)) && new Uint16Array(c(new ArrayBuffer(5, { maxByteLength: 8 })), 0).length === 2 && { buffer: { resize() {} }, length: 3, byteOffset: 1 })
        (t => (t.buffer.resize(8), t.length === 4))(c(new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 }), 0, 4)))
        (t => (t.buffer.resize(2), t.byteLength === 2 && t.getUint8(1) === 7))(c((b => (new Uint8Array(b).fill(7), new DataView(b)))(new ArrayBuffer(8, { maxByteLength: 8 }))))
        (b => (c(new DataView(b)), new Uint8Array(b).join() === "7,7,7,7"))((b => (new Uint8Array(b).fill(7), b))(new ArrayBuffer(4, { maxByteLength: 4 })))
        (t => t.length === 0)(c(new Uint8Array(0)))
        "#,
    );
}

#[test]
fn errors_keep_name_message_stack_and_cause() {
    all_true(
        r#"
        [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].every(E => (e => e.constructor === E && e instanceof E && e.message === "m" && e.name === E.name)(c(new E("m"))))
        (e => (x => x.stack === e.stack && x.stack.includes("at ") && c(x).stack === e.stack && !Object.keys(x).length)(c(e)))(new Error("m"))
        (e => e.cause.message === "inner" && e.cause instanceof TypeError && !Object.keys(e).length)(c(new Error("m", { cause: new TypeError("inner") })))
        (e => Object.hasOwn(c(e), "cause") && c(e).cause === undefined)(new Error("m", { cause: undefined }))
        (e => e.constructor === Error && e.name === "Error")(c(Object.assign(new Error("m"), { name: "Custom", extra: 1 })))
        !("extra" in c(Object.assign(new Error("m"), { extra: 1 })))
        (e => e.constructor === RangeError)(c(Object.assign(new Error("m"), { name: "RangeError" })))
        !Object.hasOwn(c(new Error), "message")
        !Object.hasOwn(c(Object.defineProperty(new Error("m"), "message", { get() { throw 1 } })), "message")
        (e => e.cause === e)(c((e => (e.cause = e, e))(new Error("loop"))))
        Object.prototype.toString.call(c(new (class Mine extends TypeError {})("x"))) === "[object Error]"
        (e => e instanceof DOMException && e.name === "AbortError" && e.message === "stop" && e.code === 20)(c(new DOMException("stop", "AbortError")))
        "#,
    );
}

#[test]
fn cycles_and_shared_references() {
    all_true(
        r#"
        (o => o.self === o && o.list[0] === o)(c((o => (o.self = o, o.list = [o], o))({})))
        (a => a[0] === a[1] && a[0] !== a[2])(c((o => [o, o, {}])({})))
        (m => m.get(m) === m)(c((m => m.set(m, m))(new Map)))
        (s => s.has(s))(c((s => s.add(s))(new Set)))
        (a => a[0] === a[1] && a[0].getTime() === 5)(c((d => [d, d])(new Date(5))))
        (a => a[0] === a[1])(c((r => [r, r])(Object(1))))
        (a => a[0] === a[1] && a[2] === a[0].buffer)(c((t => [t, t, t.buffer])(new Uint8Array(2))))
        "#,
    );
}

#[test]
fn shared_memory_is_shared_inside_of_the_process_and_refused_for_storage() {
    all_true(
        r#"
        (s => (x => x !== s && x instanceof SharedArrayBuffer && (new Uint8Array(x)[0] = 7, new Uint8Array(s)[0] === 7))(c(s)))(new SharedArrayBuffer(3))
        (s => (x => x[0] === x[1] && x[2].buffer === x[0] && x[2].length === 1 && x[2].byteOffset === 2)(c([s, s, new Uint8Array(s, 2)])))(new SharedArrayBuffer(3))
        (x => x.growable && x.byteLength === 2 && x.maxByteLength === 5 && (x.grow(5), new Uint8Array(x).length === 5))(c(new SharedArrayBuffer(2, { maxByteLength: 5 })))
        (s => (x => (x.buffer.grow(4), x.length === 4))(c(new Uint8Array(s))))(new SharedArrayBuffer(2, { maxByteLength: 5 }))
        c(new SharedArrayBuffer(0)).byteLength === 0 && c(new DataView(new SharedArrayBuffer(4), 1)).byteLength === 3
        (() => { try { structuredClone(1, { transfer: [new SharedArrayBuffer(1)] }) } catch (e) { return e.name === "DataCloneError" } })()
        "#,
    );
    let engine = engine();
    for source in ["new SharedArrayBuffer(1)", "[new Uint8Array(new SharedArrayBuffer(1))]"] {
        engine.turn(|ctx| {
            let value: Value = ctx.eval(source).expect("a value");
            assert!(clone::encode(ctx, &value, 1 << 20).is_err(), "{source}");
            assert!(Thrown::take(ctx).text.starts_with("DataCloneError"), "{source}");
        });
    }
    // Bytes that claim shared memory where there is none.
    engine.turn(|ctx| {
        assert!(clone::decode(ctx, &[1, 26, 0, 1, 0]).is_err());
        assert!(Thrown::take(ctx).text.starts_with("DataCloneError"));
    });
}

#[test]
fn what_cannot_be_cloned() {
    all_true(
        r#"
        globalThis.no = f => { try { f() } catch (e) { return e instanceof DOMException && e.name === "DataCloneError" && e.code === 25 } return "no exception" }; true
        [() => {}, function () {}, class {}, async () => {}, function* () {}, Math.max, (() => {}).bind()].every(f => no(() => c(f)) === true && no(() => c({ a: [f] })) === true)
        no(() => c(Symbol("s")))
        no(() => c({ s: Symbol.iterator }))
        no(() => c(Object(Symbol("s"))))
        [new WeakMap, new WeakSet, new WeakRef({}), Promise.resolve(), new Proxy({}, {}), new Proxy([], {}), [][Symbol.iterator](), new Map().keys(), (function* () {})(), new FinalizationRegistry(() => {})].every(x => no(() => c(x)) === true)
        no(() => c(new Function("a", "return arguments")(1)))
        (b => (b.transfer(), no(() => c(b)) && no(() => c([b]))))(new ArrayBuffer(4))
        (t => (t.buffer.transfer(), no(() => c(t))))(new Uint8Array(4))
        (b => (t => (b.resize(1), no(() => c(t))))(new Uint8Array(b, 0, 4)))(new ArrayBuffer(4, { maxByteLength: 8 }))
        (b => (d => (b.resize(1), no(() => c(d))))(new DataView(b, 2)))(new ArrayBuffer(4, { maxByteLength: 8 }))
        (o => { for (let i = 0; i < 200000; i++) o = { o }; return no(() => c(o)) })({})
        (o => { for (let i = 0; i < 90000; i++) o = [o]; let d = 0; for (let x = c(o); x; x = x[0]) d++; return d === 90001 })([])
        "#,
    );
}

#[test]
fn getters_that_throw_or_mutate() {
    all_true(
        r#"
        (() => { try { c({ get a() { throw "mine" } }) } catch (e) { return e === "mine" } })()
        (o => !("b" in o) && o.a === 1 && o.d === 4)(c({ get a() { delete this.b; this.c = 3; return 1 }, b: 2, d: 4 }))
        (a => a.length === 3 && a[0] === 1 && !(1 in a) && !(2 in a))(c((a => (Object.defineProperty(a, 0, { enumerable: true, get() { a.length = 1; return 1 } }), a))([0, 1, 2])))
        (a => a.length === 2 && a[0] === 1)(c((a => (Object.defineProperty(a, 0, { enumerable: true, get() { a.push(7, 8); return 1 } }), a))([0, 1])))
        (m => m.size === 2 && m.get("b").x === 1)(c((m => (m.set("a", { get x() { m.clear(); m.set("z", 1); return 1 } }), m.set("b", { get x() { return 1 } })))(new Map)))
        (s => s.size === 2)(c((s => (s.add({ get x() { s.clear(); return 1 } }), s.add(5)))(new Set)))
        (() => { const o = { get a() { return { fresh: [1] } }, get b() { return { fresh: [2] } } }; const x = c(o); return x.a !== x.b && x.a.fresh[0] === 1 && x.b.fresh[0] === 2 })()
        (() => { let n = 0; const deep = () => ({ get next() { n++; return deep() } }); try { c(deep()) } catch (e) { return e.name === "DataCloneError" && n < 200000 } })()
        (() => { const b = new ArrayBuffer(4); try { c([{ get a() { b.transfer(); return 1 } }, b]) } catch (e) { return e.name === "DataCloneError" } })()
        (() => { const b = new ArrayBuffer(4); try { structuredClone({ get a() { b.transfer(); return 1 } }, { transfer: [b] }) } catch (e) { return e.name === "DataCloneError" } })()
        "#,
    );
}

#[test]
fn transfer_moves_buffers() {
    all_true(
        r#"
        globalThis.t = (v, transfer) => structuredClone(v, { transfer }); globalThis.fails = (f, name) => { try { f() } catch (e) { return e.name === name } return "no exception" }; true
        (b => (x => b.detached && b.byteLength === 0 && x.byteLength === 3 && new Uint8Array(x).join() === "1,2,3")(t(b, [b])))(new Uint8Array([1, 2, 3]).buffer)
        (b => (x => b.detached && x.t.length === 2 && x.t.byteOffset === 1 && x.t[1] === 3 && x.t.buffer === x.b)(t({ t: new Uint8Array(b, 1), b }, new Set([b]))))(new Uint8Array([1, 2, 3]).buffer)
        (b => (x => b.detached && x.resizable && x.maxByteLength === 9)(t(b, [b])))(new ArrayBuffer(3, { maxByteLength: 9 }))
        (b => (t(1, [b]), b.detached))(new ArrayBuffer(3))
        (b => fails(() => t(b, [b, b]), "DataCloneError") === true && !b.detached)(new ArrayBuffer(3))
        (b => (b.transfer(), fails(() => t(1, [b]), "DataCloneError")))(new ArrayBuffer(3))
        (b => fails(() => t(() => {}, [b]), "DataCloneError") === true && !b.detached)(new ArrayBuffer(3))
        fails(() => t(1, [{}]), "DataCloneError")
        fails(() => t(1, [new Uint8Array(1)]), "DataCloneError")
        fails(() => t(1, [1]), "TypeError") === true && fails(() => t(1, 1), "TypeError") === true && fails(() => structuredClone(1, 1), "TypeError")
        fails(() => structuredClone(), "TypeError")
        structuredClone(1, null) === 1 && structuredClone(1, {}) === 1 && structuredClone.length === 1 && structuredClone.name === "structuredClone"
        "#,
    );
}

#[test]
fn patched_prototypes_are_not_seen() {
    all_true(
        r#"
        (() => { globalThis.before = (b => ({ k: [1, 2, -5n], m: /a/g, t: new Uint8Array(b), b, s: Object("s"), v: new DataView(b), x: new DOMException("m", "n") }))(Uint8Array.of(7).buffer); return true })()
        (() => { const bad = () => { throw "seen" }; for (const C of [Map, Set, Date, RegExp, ArrayBuffer, DataView, Number, String, BigInt, Boolean, Object.getPrototypeOf(Uint8Array), DOMException]) for (const k of Reflect.ownKeys(C.prototype)) if (k !== "constructor") try { Object.defineProperty(C.prototype, k, { get: bad, set: bad, configurable: true }) } catch {} ; for (let i = 0; i < 3; i++) Object.defineProperty(Array.prototype, i, { get: bad, set: bad, configurable: true }); Object.defineProperty(Object.prototype, "k", { set: bad, get: bad, configurable: true }); for (const n of ["Map", "Set", "RegExp", "ArrayBuffer", "DataView", "BigInt", "Error", "RangeError", "DOMException", "Object"]) globalThis[n] = bad; return true })()
        (v => v.k[2] === -5n && v.t[0] === 7 && v.t !== before.t)(structuredClone(before))
        "#,
    );
    let engine = engine();
    run(
        &engine,
        "globalThis.m = new Map([[1, new Set([2])]]); globalThis.d = new Date(3); globalThis.e = new RangeError('r')",
    );
    run(
        &engine,
        "Map.prototype.forEach = Map.prototype.set = Set.prototype.add = Date.prototype.getTime = () => { throw 1 }; Map = RangeError = 0",
    );
    assert_eq!(
        run(&engine, "(x => [...x.m.get(1)][0] + x.d.valueOf() + x.e.message)(structuredClone({ m, d, e }))"),
        "5r"
    );
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }
}

const SAMPLE: &str = r#"(b => ({ n: [1, -0, 2.5, 9n, "a", "\ud800", null, undefined, true, , 5], d: new Date(1), r: /x/g,
    m: new Map([[1, { a: 1 }]]), s: new Set(["k"]), e: new Error("m", { cause: new TypeError("c") }), o: Object(1),
    b, v: new DataView(b, 1), t: new Float64Array(2), z: new ArrayBuffer(2, { maxByteLength: 9 }),
    sparse: Object.assign([], { 9: 1 }), x: new DOMException("m", "n") }))(new ArrayBuffer(8))"#;

#[test]
fn garbage_bytes_end_in_a_value_or_an_exception() {
    let engine = engine();
    let whole = engine.turn(|ctx| {
        let value: Value = ctx.eval(SAMPLE).expect("the sample");
        clone::encode(ctx, &value, 1 << 20).ok().flatten().expect("its bytes")
    });
    let decode = |bytes: &[u8]| {
        engine.turn(|ctx| match clone::decode(ctx, bytes) {
            Ok(value) => {
                // What came out is a value that can be used: it can be cloned again.
                let again = clone::encode(ctx, &value, 1 << 20);
                drop(value);
                match again {
                    Ok(bytes) => bytes.is_some(),
                    Err(_) => !Thrown::take(ctx).text.is_empty(),
                }
            }
            Err(_) => {
                assert!(!Thrown::take(ctx).text.is_empty());
                false
            }
        })
    };
    assert!(decode(&whole));
    for end in 0..whole.len() {
        assert!(!decode(&whole[..end]), "cut at {end}");
    }
    let mut random = Random(7);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.next() % 4 {
            let at = random.next() as usize % bytes.len();
            bytes[at] = random.next() as u8 >> (random.next() % 4);
        }
        decode(&bytes);
    }
    for _ in 0..50_000 {
        let mut bytes = vec![1];
        bytes.extend((0..random.next() % 40).map(|_| random.next() as u8 % 32));
        decode(&bytes);
    }
    assert!(!decode(&[&[1u8][..], &[12, 255, 255, 255, 255, 15][..], &[14; 100][..]].concat()));
    assert!(!decode(&[&[1u8][..], &[12, 1].repeat(200_000)[..]].concat()), "nested too deeply");
}

#[test]
fn bytes_are_bounded_and_move_between_engines() {
    let (one, two) = (engine(), engine());
    let bytes = one.turn(|ctx| {
        let value: Value = ctx.eval(SAMPLE).expect("the sample");
        let bytes = clone::encode(ctx, &value, 1 << 20).ok().flatten().expect("its bytes");
        assert!(clone::encode(ctx, &value, bytes.len() - 1).is_ok_and(|bytes| bytes.is_none()));
        assert!(clone::encode(ctx, &value, bytes.len() + 32).is_ok_and(|bytes| bytes.is_some()));
        let big: Value = ctx.eval("['x'.repeat(1e6)]").expect("a string");
        assert!(clone::encode(ctx, &big, 1000).is_ok_and(|bytes| bytes.is_none()));
        bytes
    });
    two.turn(|ctx| {
        let value = clone::decode(ctx, &bytes).expect("the value");
        let object = value.as_object().expect("an object");
        ctx.globals().set("copy", object.clone()).expect("a global");
    });
    assert_eq!(
        run(
            &two,
            "[copy.n.length, copy.m.get(1).a, copy.e.cause.message, copy.z.maxByteLength, copy.sparse.length]"
        ),
        "11,1,c,9,10"
    );
}

#[test]
fn the_heap_is_stable_over_100_000_round_trips() {
    let engine = engine();
    run(&engine, &format!("globalThis.sample = {SAMPLE}; globalThis.fn = () => {{}}"));
    run(&engine, "globalThis.small = { n: 1, list: ['a', new Map([[1, -2n]])], when: new Date(0) }");
    let round = |n: usize| {
        run(&engine, &format!("for (let i = 0; i < {n}; i++) structuredClone(small)"));
        run(&engine, &format!("for (let i = 0; i < {n} / 20; i++) structuredClone(sample)"));
        let refused = format!(
            "globalThis.n = 0; for (let i = 0; i < {n} / 20; i++) try {{ structuredClone([small, fn]) }} catch {{ n++ }}; n"
        );
        assert_eq!(run(&engine, &refused), (n / 20).to_string());
        engine.collect();
        engine.heap_bytes()
    };
    let base = round(1_000);
    let after = round(100_000);
    assert!(after <= base + 4_096, "{base} -> {after}");
}
