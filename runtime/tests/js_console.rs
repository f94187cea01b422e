//! `console`: formatting as Node's, streams, groups, counters; and that nothing an app does to its
//! values or prototypes makes it throw.

use std::cell::RefCell;
use std::rc::Rc;

use crate::driver::{self, Driver};
use runtime::js::Value;
use runtime::modules::web::console::{self, Level, Output};

type Lines = Rc<RefCell<Vec<(Level, String)>>>;

/// A driver whose console output is kept.
fn listening() -> (Driver, Lines) {
    let driver = driver::new();
    let lines = Lines::default();
    let kept = lines.clone();
    let output = driver.engine.state().extension::<Output>();
    output.redirect(Rc::new(move |stream, text| kept.borrow_mut().push((stream, text.to_owned()))));
    (driver, lines)
}

/// What `source` prints, calls joined; standard error's lines marked.
fn printed(source: &str) -> String {
    let (driver, lines) = listening();
    driver.run(source);
    let lines = lines.borrow();
    let mark = |level: Level| if matches!(level, Level::Warn | Level::Error) { "!" } else { "" };
    lines.iter().map(|(stream, text)| format!("{}{text}", mark(*stream))).collect()
}

#[test]
fn formatting_is_that_of_node_20() {
    // Each case: the arguments as an array, then what Node 20 prints.
    let cases = include_str!("console/node20.txt");
    let driver = driver::new();
    let mut wrong = Vec::new();
    for case in cases.split(">>> ").skip(1) {
        let (source, wanted) = case.split_once('\n').expect("a case has two parts");
        let got = driver.engine.turn(|ctx| {
            let list: rquickjs::Array = ctx.eval(source).expect("an array");
            let args: Vec<Value> = list.iter().map(|item| item.expect("an item")).collect();
            console::format(ctx, &args).expect("no conversion throws")
        });
        if got + "\n" != *wanted {
            wrong.push(source);
        }
    }
    assert!(cases.matches(">>> ").count() > 100);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn format_specifiers_convert_as_the_console_standard_has_them() {
    // String(value), parseInt(value, 10), parseFloat(value); of a symbol no number.
    let text = printed(
        "console.log('%s|%s|%s|%s', { a: 1 }, -0, 5n, [1, [2]], 'rest'); \
         console.log('%d|%i|%f|%d|%d|%d|%f', '42.9x', '0x10', '1.5e3z', 5n, [7], Symbol(), '\\ufeff-.5'); \
         console.log('%s', { toString: () => '%d' }, 1); \
         try { console.log('%s', { toString() { throw new Error('own') } }) } catch (e) { console.log(e.message) } \
         try { console.count({ toString() { throw new Error('label') } }) } catch (e) { console.log(e.message) }",
    );
    assert_eq!(text, "[object Object]|0|5|1,2 rest\n42|0|1500|5|7|NaN|-0.5\n%d 1\nown\nlabel\n");
}

#[test]
fn each_method_has_its_stream_and_one_write_a_call() {
    let text = printed(
        "console.log('a\\nb', 1); console.info('i'); console.debug('d'); console.dirxml('x'); console.warn('w'); \
         console.error('e'); console.assert(true, 'no'); console.assert(false); console.assert(0, 'fmt %d', 3); \
         console.assert(null, { a: 1 }); console.log(); console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 }); \
         console.dir({ a: { b: { c: { d: { e: {} } } } } }, { depth: null });",
    );
    let wanted = "a\nb 1\ni\nd\nx\n!w\n!e\n!Assertion failed\n!Assertion failed: fmt 3\n\
                  !Assertion failed { a: 1 }\n\n{ a: [Object] }\n{\n  a: {\n    b: { c: { d: { e: {} } } }\n  }\n}\n";
    assert_eq!(text, wanted);
}

#[test]
fn groups_indent_every_line() {
    let text = printed(
        "console.group('one', 1); console.log('a\\nb'); console.groupCollapsed(); console.error('c'); console.groupEnd(); \
         console.groupEnd(); console.groupEnd(); console.log('d')",
    );
    assert_eq!(text, "one 1\n  a\n  b\n!    c\nd\n");
}

#[test]
fn counters_and_timers_have_labels() {
    let text = printed(
        "console.count(); console.count('x'); console.count(undefined); console.countReset(); console.count(); \
         console.countReset('no'); console.timeEnd('no'); console.time('t'); console.time('t')",
    );
    let wanted = "default: 1\nx: 1\ndefault: 2\ndefault: 1\n!Count for 'no' does not exist\n\
                  !No such label 'no' for console.timeEnd()\n!Label 't' already exists for console.time()\n";
    assert_eq!(text, wanted);
    let text =
        printed("console.time(); console.timeLog('default', { a: 1 }); console.timeEnd(); console.timeLog()");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("default: 0.") && lines[0].ends_with("ms { a: 1 }"), "{lines:?}");
    assert!(lines[1].starts_with("default: ") && lines[1].ends_with("ms"), "{lines:?}");
    assert_eq!(lines[2], "!No such label 'default' for console.timeLog()");
    let text = printed("for (let i = 0; i < 3000; i++) console.count('label' + i)");
    assert!(text.ends_with("!console.count: more than 1,000 labels\n"));
}

#[test]
fn tables_are_drawn_and_anything_else_is_logged() {
    let text = printed(
        "console.table([{ a: 1, b: 'x' }, { a: 2, c: true }, 5]); console.table('text'); console.table([{ a: 1, b: 2 }], ['b'])",
    );
    let wanted = "\
┌─────────┬───┬─────┬──────┬────────┐
│ (index) │ a │ b   │ c    │ Values │
├─────────┼───┼─────┼──────┼────────┤
│ 0       │ 1 │ 'x' │      │        │
│ 1       │ 2 │     │ true │        │
│ 2       │   │     │      │ 5      │
└─────────┴───┴─────┴──────┴────────┘
text
┌─────────┬───┐
│ (index) │ b │
├─────────┼───┤
│ 0       │ 2 │
└─────────┴───┘
";
    assert_eq!(text, wanted);
}

#[test]
fn tables_of_maps_and_sets_have_an_entry_a_row() {
    let text =
        printed("console.table(new Map([['a', { x: 1 }], ['b', 2]])); console.table(new Set([1, 'b']))");
    let wanted = "\
┌───────────────────┬─────┬──────────┐
│ (iteration index) │ Key │ Values   │
├───────────────────┼─────┼──────────┤
│ 0                 │ 'a' │ { x: 1 } │
│ 1                 │ 'b' │ 2        │
└───────────────────┴─────┴──────────┘
┌───────────────────┬────────┐
│ (iteration index) │ Values │
├───────────────────┼────────┤
│ 0                 │ 1      │
│ 1                 │ 'b'    │
└───────────────────┴────────┘
";
    assert_eq!(text, wanted);
}

#[test]
fn clear_ends_all_groups() {
    assert_eq!(
        printed("console.group(); console.group('g'); console.clear(); console.log('a\\nb')"),
        "  g\na\nb\n"
    );
}

/// The names of the Console standard, section 1, and what Web IDL makes of a namespace.
#[test]
fn the_namespace_has_the_functions_of_the_standard() {
    let (driver, _) = listening();
    driver.run(
        r#"
        for (const name of ['assert', 'clear', 'debug', 'error', 'info', 'log', 'table', 'trace', 'warn', 'dir', 'dirxml', 'count', 'countReset',
          'group', 'groupCollapsed', 'groupEnd', 'time', 'timeLog', 'timeEnd']) {
          const d = Object.getOwnPropertyDescriptor(console, name);
          ok(typeof d.value === 'function' && d.writable && d.enumerable && d.configurable, name);
          equal(d.value.length, 0, name); equal(d.value.name, name); equal('prototype' in d.value, false, name);
        }
        equal(String(console), '[object console]'); const parent = Object.getPrototypeOf(console);
        equal(Reflect.ownKeys(parent).length, 0); equal(Object.getPrototypeOf(parent), Object.prototype);
        const d = Object.getOwnPropertyDescriptor(globalThis, 'console'); same([d.writable, d.enumerable, d.configurable], [true, false, true]);
        "#,
    );
}

#[test]
fn errors_show_stack_cause_and_their_own_properties() {
    let text =
        printed("function f() { return new TypeError('bad', { cause: new Error('why') }) } console.log(f())");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "TypeError: bad");
    assert!(lines[1].starts_with("    at f ("), "{text}");
    assert!(text.contains(" {\n  [cause]: Error: why\n      at f ("), "{text}");
    let text = printed("class Mine extends Error { code = 'E' } console.log(new Mine('m'))");
    assert!(text.starts_with("Mine: m\n    at ") && text.ends_with(" {\n  code: 'E'\n}\n"), "{text}");
    let text = printed(
        "const e = new Error('x'); Object.defineProperty(e, 'stack', { value: undefined, enumerable: true }); console.log([e])",
    );
    assert_eq!(text, "[ [Error: x] { stack: undefined } ]\n");
    let text = printed(
        "const e = new Error('x'); e.stack = 'mine'; e.message = 'm'; e.name = 'Own'; e.more = 1; e.stack += '\\ntwo'; console.log([e])",
    );
    assert_eq!(text, "[\n  Own: m\n  mine\n  two {\n    more: 1\n  }\n]\n");
    let text = printed("console.log(new AggregateError([new Error('one')], 'all'))");
    assert!(text.contains("[errors]: [\n    Error: one\n"), "{text}");
    let text = printed("try { atob('$') } catch (e) { console.log(e) }");
    assert!(text.starts_with("DOMException [InvalidCharacterError]: "), "{text}");
    let text = printed("console.error('failed:', new RangeError('r'))");
    assert!(text.starts_with("!failed: RangeError: r\n    at "), "{text}");
}

#[test]
fn trace_shows_the_callers() {
    let text = printed("function inner() { console.trace('here %s', 1) } (function outer() { inner() })()");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "!Trace: here 1");
    assert!(lines[1].trim_start().starts_with("at inner ("), "{text}");
    assert!(lines[2].trim_start().starts_with("at outer ("), "{text}");
}

#[test]
fn this_programs_own_classes_show_their_attributes() {
    let text = printed(
        "console.log(new URLSearchParams('a=1&b=2'), new Headers({ 'x-a': '1', b: 'c' }), new TextEncoder())",
    );
    assert_eq!(
        text,
        "URLSearchParams { 'a' => '1', 'b' => '2' } Headers { b: 'c', 'x-a': '1' } TextEncoder { encoding: 'utf-8' }\n"
    );
    let text = printed("console.log(new URL('http://a/?b'))");
    assert!(text.starts_with("URL {\n  href: 'http://a/?b',\n  origin: 'http://a',\n"), "{text}");
    assert!(text.contains("  searchParams: URLSearchParams { 'b' => '' },\n"), "{text}");
}

/// As Node's; bodies are not read, and what an app has patched is not asked.
#[test]
fn objects_with_hidden_state_show_it() {
    for (source, wanted) in [
        ("new Blob(['ab'], { type: 'text/plain' })", "Blob { size: 2, type: 'text/plain' }"),
        (
            "new File(['ab'], 'a.txt', { lastModified: 5 })",
            "File { size: 2, type: '', name: 'a.txt', lastModified: 5 }",
        ),
        ("new (class Mine extends Blob { own = 1 })(['a'])", "Mine [Blob] { size: 1, type: '', own: 1 }"),
        (
            "const f = new FormData(); f.append('a', '1'); f.append('a', '2'); f.append('b c', new Blob(['x'])); f.get('b c').lastModified; f.set('d', '3'); f.delete('b c'); f",
            "FormData { a: '1', a: '2', d: '3' }",
        ),
        (
            "const f = new FormData(); f.append('b c', new File(['x'], 'n', { lastModified: 1 })); f",
            "FormData {\n  'b c': File { size: 1, type: '', name: 'n', lastModified: 1 }\n}",
        ),
        ("new FormData()", "FormData {}"),
        (
            "const f = new FormData(); for (let i = 0; i < 101; i++) f.append('k', ''); f",
            &format!("FormData {{\n{}  ... 1 more item\n}}", "  k: '',\n".repeat(100)),
        ),
        (
            "new Request('http://a/', { method: 'POST', body: 'x' })",
            "Request {\n  method: 'POST',\n  url: 'http://a/',\n  headers: Headers { 'content-type': 'text/plain;charset=UTF-8' },\n  bodyUsed: false\n}",
        ),
        (
            "new Response(null, { status: 201, headers: { a: '1' } })",
            "Response {\n  status: 201,\n  statusText: '',\n  headers: Headers { a: '1' },\n  bodyUsed: false,\n  url: ''\n}",
        ),
        ("new AbortController()", "AbortController { signal: AbortSignal { aborted: false } }"),
        ("AbortSignal.abort()", "AbortSignal { aborted: true }"),
        ("new (class Mine extends EventTarget {})()", "Mine [EventTarget] {}"),
        (
            "new TransformStream()",
            "TransformStream {\n  readable: ReadableStream { locked: false },\n  writable: WritableStream { locked: false }\n}",
        ),
        ("Object.create(AbortSignal.prototype)", "AbortSignal {}"),
        ("Object.create(Blob.prototype)", "Blob {}"),
        ("navigator", &format!("Navigator {{ userAgent: 'jsserve/{}' }}", env!("CARGO_PKG_VERSION"))),
        (
            "new DataView(new ArrayBuffer(1))",
            "DataView {\n  byteLength: 1,\n  byteOffset: 0,\n  buffer: ArrayBuffer { [Uint8Contents]: <00>, byteLength: 1 }\n}",
        ),
    ] {
        let text = printed(&format!("console.log(eval(`{source}`))"));
        assert_eq!(text, format!("{wanted}\n"), "{source}");
    }
    let text =
        printed("console.log(new CustomEvent('x', { detail: 5 }), new MessageEvent('y', { data: [1] }))");
    let wanted =
        "CustomEvent {\n  type: 'x',\n  defaultPrevented: false,\n  cancelable: false,\n  timeStamp: ";
    assert!(text.starts_with(wanted) && text.contains(",\n  detail: 5\n} MessageEvent {\n"), "{text}");
    assert!(text.ends_with(",\n  data: [ 1 ]\n}\n"), "{text}");
}

#[test]
fn nothing_that_throws_reaches_the_caller() {
    let (driver, lines) = listening();
    driver.run(
        r#"
        const bomb = () => { throw new Error('bomb') };
        const all = { __proto__: null, get: bomb, set: bomb, has: bomb, ownKeys: bomb, getPrototypeOf: bomb, getOwnPropertyDescriptor: bomb };
        const revoked = Proxy.revocable({}, {}); revoked.revoke();
        const odd = [new Proxy({}, all), new Proxy([], all), revoked.proxy, Object.create(new Proxy({}, all)),
          { get a() { throw 1 }, toString: bomb, [Symbol.toPrimitive]: bomb, toJSON: bomb, constructor: bomb },
          Object.defineProperty(new Error('x'), 'stack', { get: bomb }), Object.defineProperty(() => {}, 'name', { get: bomb }),
          Object.defineProperty(new Map([[1, 2]]), 'size', { get: bomb }), Object.setPrototypeOf(new Date(), null),
          Object.setPrototypeOf(new Map([[1, 2]]), null), Object.setPrototypeOf(() => {}, null), Object.setPrototypeOf(new Uint8Array(2), null),
          Object.assign(Object.create(URL.prototype)), Object.create(DOMException.prototype), Object.create(Error.prototype),
          Object.create(Map.prototype), globalThis, Symbol.prototype, Object.prototype, new (class extends DataView {})(new ArrayBuffer(1))];
        for (const value of odd) for (const how of ['log', 'error', 'dir', 'table', 'assert', 'group', 'trace']) {
          console[how](value); console[how]([value]); console[how]({ value });
          for (const f of ['%j', '%o', '%O', '%c']) console[how](f, value);
          // These convert as the Console standard says: what the app's own toString throws is the caller's.
          for (const f of ['%s', '%d', '%i', '%f']) try { console[how](f, value) } catch (e) { if (e.message !== 'bomb' && !(e instanceof TypeError)) throw e }
        }
        let deep = {}; for (let i = 0; i < 100000; i++) deep = { deep }; console.dir(deep, { depth: null }); console.log(deep);
        let cause = new Error('0'); for (let i = 0; i < 1000; i++) cause = new Error('n', { cause }); console.log(cause);
        "#,
    );
    assert!(lines.borrow().len() > 1000);
    assert!(lines.borrow().iter().all(|(_, text)| text.ends_with('\n')));
}

#[test]
fn patched_prototypes_are_not_asked() {
    let (driver, lines) = listening();
    driver.run(
        r#"
        const values = [[1, 'a'], new Map([[1, { a: 1 }]]), new Set([1]), new Date(0), /x/g, new Uint8Array(2), Promise.resolve(1),
                        Object(1), Object('s'), Symbol('s'), 1n, (function f() {}), new Error('e').message];
        for (const C of [Object, Array, Map, Set, Date, RegExp, Promise, Number, String, Symbol, BigInt, Function, Uint8Array])
          for (const key of Reflect.ownKeys(C.prototype)) {
            const d = Object.getOwnPropertyDescriptor(C.prototype, key);
            if (d.configurable && key !== 'constructor' && C !== Object && C !== Array)
              Object.defineProperty(C.prototype, key, { __proto__: null, get() { throw new Error('patched ' + String(key)) }, configurable: true });
          }
        console.log(values);
        "#,
    );
    let text = &lines.borrow()[0].1;
    let wanted =
        "[\n  [ 1, 'a' ],\n  Map(1) { 1 => { a: 1 } },\n  Set(1) { 1 },\n  1970-01-01T00:00:00.000Z,\n";
    assert!(text.starts_with(wanted), "{text}");
    assert!(
        text.contains("[Number: 1]") && text.contains("Promise { 1 }") && text.contains("Symbol(s)"),
        "{text}"
    );
}

#[test]
fn patched_attributes_of_the_platforms_classes_are_not_asked() {
    let text = printed(
        r#"
        const body = new Response('b'), form = new FormData(); form.set('a', '1');
        const values = [new File(['a'], 'n', { lastModified: 1 }), new Request('http://a/'), body, new URL('http://a/'), form, new Headers({ a: '1' }),
                        new URLSearchParams('a=1'), new TextDecoder(), new AbortController(), new Event('e'), new ReadableStream(),
                        new DataView(new ArrayBuffer(1)), new DOMException('m', 'N')];
        for (const C of [File, Blob, Request, Response, URL, FormData, Headers, URLSearchParams, TextDecoder, AbortController, AbortSignal, Event,
                         ReadableStream, DataView, DOMException])
          for (const key of Reflect.ownKeys(C.prototype)) if (key !== 'constructor' && Object.getOwnPropertyDescriptor(C.prototype, key).configurable)
            Object.defineProperty(C.prototype, key, { __proto__: null, get() { console.log('patched', String(key)) }, configurable: true });
        console.log(...values);
        "#,
    );
    assert!(!text.contains("patched"), "{text}");
    for part in [
        "File { size: 1",
        "url: 'http://a/'",
        "status: 200",
        "href: 'http://a/'",
        "FormData { a: '1' }",
        "aborted: false",
        "locked: false",
        "byteLength: 1",
        "DOMException [N]: m",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn looking_at_values_leaves_nothing_behind() {
    let (driver, _) = listening();
    let source =
        "console.log([{ i }, new Map([[i, new Set([i])]]), new Error('x')], 'text ' + i, new Proxy([i], {}))";
    let sink = driver.engine.state().extension::<Output>();
    sink.redirect(Rc::new(|_, _| {}));
    let growth = driver.growth(20_000, source);
    assert!(growth < 4096, "grew by {growth} bytes");
}
