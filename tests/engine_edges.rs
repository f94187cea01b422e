//! What the engine gets wrong, or says badly, and what stands in front of it.
//!
//! Owns: keys that are no ASCII, programs that its compiler asserted on, a heap that is full in a job,
//! the words of its errors. Must not know: the protocols.

use crate::support::server::{Ended, run_to_end};
use crate::support::{App, Connection, Server};

/// Runs `source` as the script `name`.
fn run_as(name: &str, source: &str) -> Ended {
    let file = App::with_files(name, &[(name, source)]);
    run_to_end(&["--no-cache", file.path().to_str().expect("path")])
}

fn run(source: &str) -> Ended {
    run_as("script.js", source)
}

/// Cuts the process off at no time: it ended by itself, not by a signal.
#[track_caller]
fn lives(ended: &Ended) {
    assert!(ended.code.is_some(), "killed: {}", ended.stderr);
}

both_backends! {
    fn a_client_cannot_hold_a_worker_by_what_it_has_searched_or_normalized(io) {
        let app = app!(r#"
            export default { async fetch(request) {
                const { text, needle } = await request.json();
                const found = [text.includes(needle), text.indexOf([needle]), text.lastIndexOf(needle), text.split(needle).length,
                    text.replaceAll(needle, "") === text, text.normalize("NFD").length];
                return new Response(found.join());
            } };"#);
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let text = format!("{}a{}", "a".repeat(300_000), "\\u0301\\u0316".repeat(25_000));
        let body = format!(r#"{{"text":"{text}","needle":"{}b"}}"#, "a".repeat(150_000));
        let answer = Connection::open(server.addr()).post("/", body.as_bytes());
        assert_eq!(answer.text(), "false,-1,-1,1,true,350001");
        assert!(!server.log().contains("its memory is taken"), "{}", server.log());
    }

    fn a_walk_through_an_absurd_length_ends_with_the_turn_and_its_worker_goes_on(io) {
        let app = app!(r#"
            let count = 0;
            const like = { length: 2 ** 31 }, sparse = [];
            sparse[2 ** 32 - 2] = 1;
            export default { fetch(request) {
                count++;
                switch (new URL(request.url).pathname) {
                    case "/reverse": return Array.prototype.reverse.call(like);
                    case "/unshift": return Array.prototype.unshift.call(like, 1);
                    case "/slice": return sparse.slice();
                    case "/sort": return sparse.sort();
                    case "/join": return sparse.join();
                    case "/concat": return [].concat(sparse);
                }
                return new Response(String(count));
            } };"#);
        let flags = ["--io", io, "--workers", "1", "--cpu-max", "50ms", "--stuck-timeout", "120s"];
        let server = Server::spawn(&flags, app.path());
        for path in ["/reverse", "/unshift", "/slice", "/sort", "/join", "/concat"] {
            assert_eq!(Connection::open(server.addr()).get(path).status, 503, "{path}");
        }
        assert_eq!(Connection::open(server.addr()).get("/").text(), "7", "the same context");
        assert!(!server.log().contains("its memory is taken"), "{}", server.log());
    }

    fn a_key_that_a_client_sends_is_never_another_ones(io) {
        let app = app!(r#"
            import { map } from "jsserve:shared";
            const kept = [], shared = map("t");
            const lengths = (o) => Object.keys(o).map((key) => key.length).join();
            export default { async fetch(request) {
                const given = await request.json();
                kept.push(given);
                shared.set("k", given);
                const pattern = new URLPattern({ pathname: "/:é" }).exec({ pathname: "/1" });
                return new Response([lengths(shared.get("k")), lengths(structuredClone(given)), lengths(pattern.pathname.groups)].join(" "));
            } };"#);
        let server = Server::spawn(&["--io", io, "--workers", "1"], app.path());
        let mut client = Connection::open(server.addr());
        for (body, lengths) in [
            (r#"{"é":1}"#, "1 1 1"),
            (r#"{"Ã©":1}"#, "2 2 1"),
            (r#"{"é":1}"#, "1 1 1"),
            (r#"{"é":1,"Ã©":2}"#, "1,2 1,2 1"),
        ] {
            assert_eq!(client.post("/", body.as_bytes()).text(), lengths, "{body}");
        }
    }

    fn a_client_cannot_rename_what_is_imported_later(io) {
        let source = "export default { é: 1 }; export const read = (o) => o.é";
        let app = App::with_files("app.js", &[
            ("app.js", r#"
                const kept = [];
                export default { async fetch(request) {
                    kept.push(await request.json());
                    const later = await import("./later.js");
                    const required = await import("./required.cjs");
                    return Response.json([later.read({ "\u00e9": 2 }), Object.keys(later.default)[0].length, required.default({ "\u00e9": 3 })]);
                } };"#),
            ("later.js", source),
            ("required.cjs", "module.exports = (o) => o.é"),
        ]);
        let server = Server::spawn(&["--io", io, "--workers", "1", "--no-cache"], app.path());
        let mut client = Connection::open(server.addr());
        assert_eq!(client.post("/", "{\"Ã©\":1}".as_bytes()).text(), "[2,1,3]");
    }

    fn a_heap_that_is_full_in_a_promise_job_is_503_at_once(io) {
        let app = app!(r#"
            let count = 0;
            export default { async fetch(request) {
                if (request.url.endsWith("/count")) return new Response(String(count));
                count++;
                let promise = new Promise((go) => setTimeout(go, 1));
                for (let i = 0; i < 15_000; i++) { const inner = promise; promise = new Promise((go) => go(inner)); }
                await promise;
                return new Response("done");
            } };"#);
        let flags = ["--io", io, "--workers", "1", "--heap-max", "8M", "--cpu-max", "60s", "--request-timeout", "120s"];
        let server = Server::spawn(&flags, app.path());
        let began = std::time::Instant::now();
        assert_eq!(Connection::open(server.addr()).get("/").status, 503);
        assert!(began.elapsed().as_secs() < 60, "by the request's time limit only");
        server.await_log("--heap-max");
        server.await_log("the JavaScript context is replaced: OutOfMemory");
        assert_eq!(Connection::open(server.addr()).get("/count").text(), "0", "a fresh context");
    }
}

#[test]
fn names_of_one_source_are_never_each_other() {
    // The UTF-8 of õ is the Latin-1 of Ãµ.
    let body = "const seen = []; let Ãµ = 1, õ = 2; Ãµ += 10;
        const o = { Ãµ: Ãµ, õ }; o.Ãµ++; o.õ++;
        class A { #Ãµ = 5; #õ = 6; sum() { return this.#Ãµ * 10 + this.#õ; } }
        seen.push(Object.keys(o).map((key) => key.length).join(), o['\\u00c3\\u00b5'], o['\\u00f5'], Ãµ, õ, new A().sum());
        print(seen.join(' '));";
    for (name, source) in [
        ("classic.js", body.to_owned()),
        ("module.mjs", body.to_owned()),
        ("common.cjs", format!("exports.a = 1; {body}")),
        ("typed.ts", format!("const n: number = 1; {body}")),
        ("with.mjs", format!("import text from './with.mjs' with {{ type: 'text' }}; text.length; {body}")),
    ] {
        let ended = run_as(name, &source);
        assert_eq!(ended.stdout, "2,1 12 3 11 2 56\n", "{name}: {}", ended.stderr);
    }
}

/// What leaving a `for await` loop does, in the order of what is seen.
const LOOPS: &str = r#"
const log = [], take = () => log.splice(0).join();
const slow = () => ({ [Symbol.asyncIterator]: () => ({
    next: async () => ({ value: 1, done: false }),
    return: async () => { log.push("<"); await null; await null; log.push(">"); return {}; },
}) });
async function leave(how) {
    try {
        outer: for (const x of [x => x]) {
            label: for await (const v of slow()) {
                if (how === "throw") throw new Error("body");
                if (how === "break") break label;
                if (how === "outer") continue outer;
                if (how === "return") return "returned";
                if (how === "nested") for await (const w of slow()) { throw new Error("inner"); }
            }
        }
        log.push("behind");
    } catch (error) { log.push(error.message); }
}
for (const how of ["throw", "break", "outer", "return", "nested"]) {
    const value = await leave(how);
    print(how, take(), value);
}
async function* many() { for await (const v of slow()) yield v; }
for await (const v of many()) break;
print("generator", take());
const it = many(); await it.next(); await it.throw(new Error("thrown in")).catch((e) => log.push(e.message));
print("throw()", take());
try { for await (const [a] of slow()) ; } catch (e) { print("pattern", e.name, take()); }
let target = { set a(v) { throw new Error("setter"); } };
try { for await (target.a of slow()) ; } catch (e) { print("target", e.message, take()); }
const bad = { ...slow(), [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1, done: false }), return: async () => { throw new Error("return"); } }) };
try { for await (const v of bad) { throw new Error("body"); } } catch (e) { print("both", e.message); }
try { for await (const v of bad) { break; } } catch (e) { print("one", e.message); }
const thrown = []; for (const value of [undefined, null, 0, "text"]) try { for await (const v of slow()) { throw value; } } catch (e) { thrown.push(e === value); }
print(thrown.join());
function where() {
  throw new Error("here");
}
try { for await (const v of slow()) { where(v); } } catch (e) { print(e.stack.replaceAll(/\(.*\/|    at /g, "(").split("\n").filter((line) => line).slice(0, 2).join(" ")); }
"#;

#[test]
fn a_for_await_loop_that_an_exception_leaves_waits_for_its_iterator() {
    let expected = "throw <,>,body undefined
break <,>,behind undefined
outer <,>,behind undefined
return <,> returned
nested <,>,<,>,inner undefined
generator <,>
throw() <,>,thrown in
pattern TypeError <,>
target setter <,>
both body
one return
true,true,true,true
(where (NAME:39:13) (<anonymous> (NAME:41:45)
";
    for name in ["loops.js", "loops.mjs", "loops.ts"] {
        let ended = run_as(name, LOOPS);
        assert_eq!(ended.stdout, expected.replace("NAME", name), "{name}: {}", ended.stderr);
    }
    let wrapped = format!("exports.done = (async () => {{{LOOPS}}})();");
    let ended = run_as("loops.cjs", &wrapped);
    assert!(ended.stdout.starts_with(&expected[..expected.find("(where").expect("the end")]), "{ended:?}");
    let ended = run_to_end(&["--no-cache", "-e", LOOPS]);
    assert!(ended.stdout.starts_with("throw <,>,body undefined\n"), "{ended:?}");
}

#[test]
fn what_the_compiler_asserted_on_is_an_exception() {
    for program in [
        "for(;;){for(;;)break;for(;;)break;for(;;)break}",
        "for(;;){l:break l;l:break l;l:break l}",
        "for(;;){do{break}while(0);do{break}while(0);do{break}while(0)}",
    ] {
        let (body, function) = (format!("{program:?}"), format!("(function () {{ {program} }})()"));
        let source = format!(
            "let n = 0;
            try {{ (0, eval)({function:?}); }} catch {{ n++; }}
            try {{ new Function({body})(); }} catch {{ n++; }}
            print('alive', n);"
        );
        let ended = run(&source);
        lives(&ended);
        assert_eq!(ended.stdout, "alive 2\n", "{program}: {}", ended.stderr);
        let app = App::new(&format!("export default {{ fetch() {{ {program} }} }}"));
        lives(&run_to_end(&["--no-cache", "check", app.path().to_str().expect("path")]));
        let app = App::new(&format!("export default {{ fetch() {{ new Function({body})(); }} }}"));
        let server = Server::spawn(&["--workers", "1", "--cpu-max", "100ms"], app.path());
        for _ in 0..2 {
            assert_eq!(Connection::open(server.addr()).get("/").status, 500, "{program}");
        }
    }
}

#[test]
fn a_stack_may_be_assigned_anything_and_deleted() {
    let source = r#"
        "use strict";
        for (const value of ["mine", undefined, null, 5]) {
            const error = new Error("m");
            error.stack = value;
            print(error.stack === value, Object.keys(error).join());
        }
        class Hidden extends Error { constructor(m) { super(m); this.stack = undefined; } }
        print(new Hidden("m").message, delete new Error("m").stack);
        for (const target of [Object.freeze(new Error("m")), Error.prototype])
            try { target.stack = undefined; print("assigned"); } catch (error) { print(error.name); }
    "#;
    let expected = "true stack\n".repeat(4) + "m true\nTypeError\nTypeError\n";
    assert_eq!(run(source).stdout, expected);
}

/// What is printed of the error that `statement` throws, with some names around.
fn said(statement: &str) -> String {
    let source = format!(
        "const o = {{ a: {{}} }}, u = undefined, n = null; let x = 1, f = () => 5;
        try {{ (function () {{
            {statement}
        }})(); }} catch (error) {{ print(String(error)); }}"
    );
    let ended = run(&source);
    assert_eq!(ended.code, Some(0), "{statement}: {}", ended.stderr);
    ended.stdout.trim_end().to_owned()
}

#[test]
fn errors_name_what_failed() {
    for (statement, expected) in [
        ("o.save()", "o.save is not a function"),
        ("o.save(x)", "o.save is not a function"),
        ("o.a.save(o.y, { z: 1 })", "o.a.save is not a function"),
        ("return print(o.save(x))", "o.save is not a function"),
        ("x()", "x is not a function"),
        ("f()()", "f() is not a function"),
        ("o[x](2)", "o[x] is not a function"),
        ("o.tag`a${x}`", "o.tag is not a function"),
        ("o?.a.save(1 + x)", "o?.a.save is not a function"),
        ("JSON.stringify([o.save('a', [x])])", "o.save is not a function"),
        ("new x()", "x is not a constructor"),
        ("new o.Thing(x)", "o.Thing is not a constructor"),
        ("new f()", "f is not a constructor"),
        ("for (const y of o.a) ;", "o.a is not iterable"),
        ("[...o]", "o is not iterable"),
        ("for (const y of o.items) ;", "o.items is not iterable: it is undefined"),
        ("x; const [y] = o.a;", "o.a is not iterable"),
        ("o.b.c", "Cannot read properties of undefined (reading 'c'): o.b is undefined"),
        ("n.c.d", "Cannot read properties of null (reading 'c'): n is null"),
        ("u.m()", "Cannot read properties of undefined (reading 'm'): u is undefined"),
        ("o.b.c = x", "Cannot set properties of undefined (setting 'c'): o.b is undefined"),
        ("x; const { y } = o.b;", "Cannot destructure property 'y' of o.b: it is undefined or null"),
        ("(({ y }) => y)(u)", "Cannot destructure property 'y' of what was passed: it is undefined or null"),
    ] {
        assert_eq!(said(statement), format!("TypeError: {expected}"), "{statement}");
    }
}

#[test]
fn a_message_is_right_in_the_catch_that_reads_it_first() {
    let source = r#"
        const o = {}, u = undefined;
        const message = (f) => { try { f(); } catch (error) { return error.message; } };
        print(message(() => o.save()));
        print(message(() => new o.Thing()));
        print(message(() => u.x));
        print(message(() => [...o]));
        print(message(() => { throw new TypeError("not a function"); }));
        Promise.resolve().then(() => o.later()).catch((error) => print(error.message, Object.keys(error).length));
        class Mine extends TypeError {}
        print(message(() => { throw new Mine("not a function"); }));
        const kept = (() => { try { eval("o.inside()"); } catch (error) { return error; } })();
        print(kept.message, message(() => { throw kept; }));
        Error.prepareStackTrace = (error, sites) => sites.length;
        print(typeof new Error("m").stack, message(() => o.save()), Error.prepareStackTrace.length);
        Error.prepareStackTrace = undefined;
        print(message(() => o.again()), Error.prepareStackTrace);
    "#;
    let expected = "o.save is not a function
o.Thing is not a constructor
Cannot read properties of undefined (reading 'x'): u is undefined
o is not iterable
not a function
not a function
not a function not a function
number not a function 2
o.again is not a function undefined
o.later is not a function 0
";
    let ended = run(source);
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
}

#[test]
fn an_error_has_its_stack_however_it_is_read() {
    let source = r#"
        function inner() { return new Error("m"); }
        const error = inner(), lines = error.stack.split("\n");
        print(lines[0].trim().replace(/\(.*\//, "("), error.stack === error.stack, typeof structuredClone(error).stack);
        print(new DOMException("m").stack.includes("script.js"), Object.getOwnPropertyNames(error).join());
        const target = { __proto__: null };
        Error.captureStackTrace(new Proxy(target, { defineProperty: (...all) => (print(typeof all[2].value), Reflect.defineProperty(...all)) }));
        print(typeof target.stack);
        const deep = () => deep() + 1;
        try { deep(); } catch (error) { print(error.constructor.name, error.stack.includes("deep (")); }
        try { eval("let let"); } catch (error) { print(error.name, error.stack.split("\n")[0].includes(":1:")); }
        Error.stackTraceLimit = 0;
        print(JSON.stringify(inner().stack));
        Error.stackTraceLimit = 1;
        print(inner().stack.trim().split("\n").length);
        for (const thrown of [5, {}, null]) try { throw thrown; } catch (error) { print(error === thrown); }
    "#;
    let expected = "at inner (script.js:2:39) true string
true message
string
string
RangeError true
SyntaxError true
\"\"
1
true
true
true
";
    let ended = run(source);
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
}

#[test]
fn what_cannot_be_told_keeps_the_engines_words() {
    for (statement, expected) in [
        ("throw new TypeError('not a function')", "not a function"),
        ("throw TypeError('not a function')", "not a function"),
        ("const E = TypeError; throw E('not a function')", "not a function"),
        ("eval('o.save()')", "not a function"),
        ("new Function('x', 'x.save()')(1)", "not a function"),
        ("[1].map(u)", "not a function"),
        ("(x ? o.b : o.c)()", "not a function"),
        ("x; const { q: { y } } = o;", "Cannot convert undefined or null to object"),
        ("x; const [[y]] = o.list;", "cannot read property 'Symbol.iterator' of undefined"),
    ] {
        assert_eq!(said(statement), format!("TypeError: {expected}"), "{statement}");
    }
    assert_eq!(
        said("o.save(o.g(x))"),
        "TypeError: o.g or o.save is not a function",
        "one place for two calls"
    );
}

#[test]
fn errors_of_typescript_and_of_commonjs_name_what_failed_in_their_own_text() {
    let source = "type T = { save(): void };\nconst o = {} as T;\n\n(o as T).save();\n";
    let ended = run_as("script.ts", source);
    assert!(ended.stderr.contains("TypeError: o.save is not a function"), "{}", ended.stderr);
    let ended = run_as("script.cjs", "const o = {}; o.save(exports);");
    assert!(ended.stderr.contains("TypeError: o.save is not a function"), "{}", ended.stderr);
}

#[test]
fn the_log_and_the_page_of_an_app_name_what_failed() {
    let app = app!("const o = {}; export default { fetch: () => o.save(1) }");
    let server = Server::spawn(&["--workers", "1", "--dev"], app.path());
    let page = Connection::open(server.addr()).get("/");
    assert!(page.text().contains("o.save is not a function"), "{}", page.text());
    server.await_log("o.save is not a function");
}

#[test]
fn an_endless_loop_is_named_by_its_own_line() {
    let source = "const a = 1;\nexport default {\n  fetch(request) {\n    let n = a;\n\n    while (true) {\n    }\n  } };\n";
    let app = app!(source);
    let server = Server::spawn(&["--workers", "1", "--cpu-max", "100ms"], app.path());
    assert_eq!(Connection::open(server.addr()).get("/").status, 503);
    server.await_log("app.js:6:5");
}
