//! JSON.stringify of ours beside the engine's, which any indentation argument calls: ECMA-262, 25.5.2.
//!
//! Owns: values of every kind. Must not know: how either writes.

use crate::driver::check;

#[test]
fn every_kind_of_value_has_the_engines_text() {
    check(
        r#"
        const engine = (value) => JSON.stringify(value, undefined, "");
        const cycle = {}; cycle.deep = [{ cycle }];
        class Point { constructor() { this.x = 1 } get y() { return 2 } }
        const sparse = [1, , 3]; sparse.named = 4;
        const getter = { get a() { return { b: [this.c] } }, c: "c" };
        const values = [
          null, undefined, true, false, 0, -0, 1, -1, 1.5, 1e21, 1e-7, 123456789012345680000, 2 ** 53, -(2 ** 31), 5e-324, 1.7976931348623157e308,
          0.1 + 0.2, 1e15, 1e15 + 1, 999999999999999, -1e15, 1e16, 4.35, 100.0, NaN, Infinity, -Infinity, 1n, Symbol("s"), () => 1,
          "", "plain", "\"\\/\b\f\n\r\t\u0000\u001f\u007f", "é", "\u2028\u2029", "日本", "😀", "\ud83d", "\ude00x", "a\ud83d\ud83d\ude00\udc00", "\ud7ff\ue000\ued00",
          "rope" + "x".repeat(5000) + String(Math.random()).slice(0, 0), [], {}, [[]], [{}], { a: undefined, b: () => 1, c: Symbol() }, [undefined, () => 1, Symbol()],
          Object(1.5), Object("text"), Object(true), Object(false), Object(2n), Object(Symbol()), [Object(-0)], { n: Object("\n") },
          new Date(0), new Date(NaN), /x/g, new Map([[1, 2]]), new Set([1]), new Error("e"), new Point, new Uint8Array([1, 2]), new Float64Array([1.5]),
          new ArrayBuffer(3), new Proxy({ a: 1, b: [2] }, {}), new Proxy([1, [2]], {}), new Proxy(new Proxy([3], {}), {}), new Proxy(() => 1, {}),
          cycle, cycle.deep, sparse, getter, Object.create({ inherited: 1 }, { own: { value: 1, enumerable: true }, hidden: { value: 2 } }),
          { 2: "b", 1: "a", x: 1, [Symbol()]: 1, "__proto__x": 1, "": 0, "\n\"": 1, "é": 2, 4294967295: 1, "-1": 2 }, JSON.rawJSON?.("1e1000"), { raw: JSON.rawJSON?.('"\\u0041"') },
          { toJSON() { return { a: [this === values.last] } } }, { toJSON: 5 }, { toJSON() { return undefined } }, [{ toJSON(key) { return [typeof key, key] } }],
          { k: { toJSON(key) { return key } } }, { toJSON(key) { return [key] } }, { toJSON() { throw new RangeError("thrown") } }, { get a() { throw new TypeError("got") } },
          Object.assign(Object(1), { toJSON: () => Object("s") }), globalThis.Math, JSON, new (class extends Array {})(3), (function () { return arguments })(1, 2),
          new Proxy({}, { ownKeys: () => ["a", "b"], getOwnPropertyDescriptor: (target, key) => ({ value: 1, enumerable: key === "b", configurable: true }), get: (target, key) => key }),
          Array.from({ length: 40 }, (_, i) => ({ [`key${i}`]: i, [`key${i % 7}`]: { [`key${i + 16}`]: [i] } })),
        ];
        const outcome = (f) => { try { const text = f(); return [typeof text, text] } catch (error) { return [error.name, error.message] } };
        for (const value of values) {
          const [ours, theirs] = [outcome(() => JSON.stringify(value)), outcome(() => engine(value))];
          equal(String(ours), String(theirs));
        }
        const { proxy, revoke } = Proxy.revocable([], {}); revoke();
        throws(() => JSON.stringify(proxy), 'TypeError'); throws(() => JSON.stringify({ proxy }), 'TypeError');
        "#,
    );
}

#[test]
fn generated_values_have_the_engines_text_and_come_back() {
    check(
        r#"
        let state = 7;
        const random = (n) => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) % n };
        const text = () => Array.from({ length: random(12) }, () => String.fromCharCode([random(128), random(40), 0xd7f0 + random(2100), random(65536)][random(4)])).join("");
        const number = () => [random(9), -random(1e6), random(1e9) / 1e3, random(2 ** 32) * random(2 ** 32) * 2 ** (random(600) - 300), random(2 ** 32) ** 2][random(5)];
        const value = (depth) => {
          switch (random(depth > 4 ? 4 : 7)) {
            case 0: return text();
            case 1: return number();
            case 2: return [true, false, null][random(3)];
            case 3: return random(100);
            case 4: return Array.from({ length: random(6) }, () => value(depth + 1));
            default: return Object.fromEntries(Array.from({ length: random(7) }, () => [random(3) ? `k${random(30)}` : text(), value(depth + 1)]));
          }
        };
        for (let i = 0; i < 3000; i++) {
          const one = value(0), ours = JSON.stringify(one);
          equal(ours, JSON.stringify(one, undefined, ""));
          equal(JSON.stringify(JSON.parse(ours)), ours);
        }
        "#,
    );
}

#[test]
fn it_looks_like_the_engines_and_replacer_and_space_work() {
    check(
        r#"
        same([JSON.stringify.name, JSON.stringify.length], ["stringify", 3]);
        const descriptor = Object.getOwnPropertyDescriptor(JSON, "stringify");
        same([descriptor.writable, descriptor.enumerable, descriptor.configurable], [true, false, true]);
        throws(() => new JSON.stringify(1), 'TypeError');
        equal(JSON.stringify({ a: [1, { b: 2 }] }, null, 1), '{\n "a": [\n  1,\n  {\n   "b": 2\n  }\n ]\n}');
        equal(JSON.stringify({ a: 1, b: 2 }, ["b"]), '{"b":2}');
        equal(JSON.stringify({ a: 1, b: 2 }, (key, value) => key === "a" ? undefined : value), '{"b":2}');
        equal(JSON.stringify({ a: 1 }, "no function", null), '{"a":1}');
        equal(JSON.stringify(), undefined);
        "#,
    );
}

#[test]
fn an_app_may_change_an_object_while_it_is_written() {
    check(
        r#"
        const list = [1, { get x() { list.length = 1; return "x" } }, 3, 4];
        equal(JSON.stringify(list), '[1,{"x":"x"},null,null]');
        const object = { get a() { delete this.b; this.d = 1; return 1 }, b: 2, c: 3 };
        equal(JSON.stringify(object), '{"a":1,"c":3}');
        // Names that are gone before their text is used again.
        const made = (i) => ({ toJSON: () => ({ [`gone${i}`]: i, [`gone${i + 1}`]: [] }) });
        const all = Array.from({ length: 100 }, (_, i) => made(i));
        equal(JSON.stringify(all), "[" + all.map((_, i) => `{"gone${i}":${i},"gone${i + 1}":[]}`) + "]");
        "#,
    );
}

#[test]
fn what_is_nested_too_deep_is_a_range_error_and_no_crash() {
    check(
        r#"
        const nested = (depth) => { let value = []; for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { value }; return value };
        equal(JSON.stringify(nested(5000)).length > 10000, true);
        throws(() => JSON.stringify(nested(20000)), 'RangeError');
        "#,
    );
}

#[test]
fn a_text_beyond_the_heap_is_out_of_memory_and_what_follows_works() {
    check(
        r#"
        let shared = ['x'.repeat(1000)];
        for (let i = 0; i < 9; i++) shared = Array(10).fill(shared);
        throws(() => JSON.stringify(shared), 'InternalError', 'out of memory');
        throws(() => JSON.stringify(Array(400000).fill('y'.repeat(1000))), 'InternalError', 'out of memory');
        equal(JSON.stringify({ still: 'here' }), '{"still":"here"}');
        "#,
    );
}
