//! TypeScript and JSX run as they are: what tsconfig.json says of them, places in errors.
//!
//! Owns: projects in a temporary folder. Must not know: the transformer.

use crate::support::server::{Ended, run_to_end};
use crate::support::{App, Connection, Server};

fn run(main: &str, files: &[(&str, &str)]) -> Ended {
    let app = App::with_files(main, files);
    run_to_end(&["--no-cache", app.path().to_str().expect("path")])
}

#[track_caller]
fn prints(main: &str, files: &[(&str, &str)], expected: &str) {
    let ended = run(main, files);
    assert_eq!((ended.code, ended.stdout.trim_end(), ended.stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn types_are_left_out_and_what_has_a_value_runs() {
    let main = "import type { T } from './none.ts';
        import { plus, Level } from './lib.ts';
        interface A { x: number }
        type B = A & { y?: string };
        abstract class Base<X> { constructor(protected readonly x: X) {} abstract show(): string }
        class C extends Base<number> { show(): string { return `${this.x!}` } }
        namespace N { export const deep = 'n' }
        enum E { One = 1, Two, Name = 'e' }
        const b = { x: 1 } as const satisfies B;
        function over(a: string): string; function over(a: any) { return <any>a }
        print(new C(5).show(), plus(b.x, 2), Level.High, E[1], E.Name, N.deep, over('o'), import.meta.main)";
    let lib = "export const plus = (a: number, b: number): number => a + b;\nexport const enum Level { Low, High = 7 }";
    prints("main.ts", &[("main.ts", main), ("lib.ts", lib)], "5 3 7 One e n o true");
}

#[test]
fn imports_are_found_as_typescript_and_bundlers_find_them() {
    let files = [
        ("main.ts", "import { a } from './a.js'; import { b } from './b'; import { c } from './dir'; import { m } from './m.mjs';
            import { d } from '@/deep/d'; import { e } from 'base/e'; import data from './data.json' with { type: 'json' };
            print(a, b, c, m, d, e, data.n)"),
        ("a.ts", "export const a: string = 'a'"),
        ("b.tsx", "export const b = 'b'"),
        ("dir/index.ts", "export const c = 'c'"),
        ("m.mts", "export const m = 'm'"),
        ("src/deep/d.ts", "export const d = 'd'"),
        ("base/e.ts", "export const e = 'e'"),
        ("data.json", "{ \"n\": 1 }"),
        ("tsconfig.json", "{ // with comments\n \"extends\": \"./base.json\", \"compilerOptions\": { \"baseUrl\": \".\", }, }"),
        ("base.json", r#"{ "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }"#),
    ];
    prints("main.ts", &files, "a b c m d e 1");
    // The file that is there goes first.
    prints(
        "main.ts",
        &[
            ("main.ts", "import x from './x.js'; print(x)"),
            ("x.js", "export default 'js'"),
            ("x.ts", "export default 'ts'"),
        ],
        "js",
    );
}

#[test]
fn jsx_calls_what_tsconfig_or_a_pragma_names() {
    let runtime = "export const jsx = (type, { children, ...rest }) => `<${type} ${JSON.stringify(rest)}>${[children].flat().join('')}</>`; export const jsxs = jsx; export const Fragment = '';";
    let node = ("node_modules/mine/package.json", r#"{ "exports": { "./jsx-runtime": "./r.js" } }"#);
    let files = [
        ("main.tsx", "const Name: string = 'a'; print(<div id={1}>hi <b/></div>); print(<><i/></>)"),
        ("tsconfig.json", r#"{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "mine" } }"#),
        node,
        ("node_modules/mine/r.js", runtime),
    ];
    prints("main.tsx", &files, "<div {\"id\":1}>hi <b {}></></>\n< {}><i {}></></>");
    let pragma = "/** @jsxImportSource mine */\nprint(<a/>)";
    prints("main.jsx", &[("main.jsx", pragma), node, ("node_modules/mine/r.js", runtime)], "<a {}></>");
    let classic =
        "const h = (type: string, props: any, ...all: any[]) => type + all.length; print(<p>{1}{2}</p>)";
    let config = r#"{ "compilerOptions": { "jsx": "react", "jsxFactory": "h" } }"#;
    prints("main.tsx", &[("main.tsx", classic), ("tsconfig.json", config)], "p2");
    let ended = run("main.tsx", &[("main.tsx", "print(<p/>)")]);
    assert!(
        ended.stderr.contains("'react/jsx-runtime' imported from") && ended.stderr.contains("main.tsx"),
        "{ended:?}"
    );
}

#[test]
fn decorators_of_typescript_run_where_tsconfig_has_them() {
    let main = "const log: string[] = [];
        const note = (name: string): any => (target: any, key?: string) => { log.push(name + (key ?? '')) };
        const twice: any = (target: any, key: string, shape: PropertyDescriptor) => { const f = shape.value; shape.value = () => f() * 2 };
        @note('class') class A { @note('field') x = 1; @twice m() { return 21 } }
        print(new A().m(), new A().x, log.sort().join())";
    let config = r#"{ "compilerOptions": { "experimentalDecorators": true } }"#;
    prints("main.ts", &[("main.ts", main), ("tsconfig.json", config)], "42 1 class,fieldx");
}

/// Two lines of types, so that lines of the source and of the code differ.
const THROWS: &str = "interface Unused {\n  a: string;\n}\n\nexport function thrower(text: string): never {\n  throw new Error(text);\n}\n";

#[test]
fn stacks_and_code_frames_show_the_source() {
    let main = "import { thrower } from './lib.ts';\n\ntype A = number;\n\nfunction middle(a: A) { thrower('ouch ' + a) }\nmiddle(1);\n";
    let ended = run("main.ts", &[("main.ts", main), ("lib.ts", THROWS)]);
    assert_eq!(ended.code, Some(1));
    for part in
        ["Error: ouch 1", "lib.ts:6:", "main.ts:5:", "main.ts:6:", ">    6 |   throw new Error(text);"]
    {
        assert!(ended.stderr.contains(part), "'{part}' in {}", ended.stderr);
    }
    let logged =
        "import { thrower } from './lib.ts';\ntype A = 1;\ntry { thrower('x') } catch (e) { console.log(e) }";
    let ended = run("main.ts", &[("main.ts", logged), ("lib.ts", THROWS)]);
    assert!(ended.stdout.contains("lib.ts:6:") && ended.stdout.contains("main.ts:3:"), "{}", ended.stdout);
    let ended = run("main.ts", &[("main.ts", "type A = 1;\n\nlet x: A = = 1;")]);
    assert!(
        ended.stderr.contains("SyntaxError") && ended.stderr.contains("main.ts:3:12"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains(">    3 | let x: A = = 1;"), "{}", ended.stderr);
    let ended = run("main.ts", &[("main.ts", "export {}"), ("tsconfig.json", "{ nonsense")]);
    assert!(ended.stderr.contains("tsconfig.json"), "{}", ended.stderr);
}

#[test]
fn a_script_reads_the_sources_places_in_a_stack_too() {
    let main = "import { thrower } from './lib.ts';\ntype A = 1;\ntry { thrower('x') } catch (e) {\n\
                print(e.stack); console.log(e); e.own = Error.captureStackTrace(e); console.log(e); throw e }";
    let ended = run("main.ts", &[("main.ts", main), ("lib.ts", THROWS)]);
    let count = |text: &str, part: &str| text.matches(part).count();
    assert_eq!(count(&ended.stdout, "lib.ts:6:"), 2, "{}", ended.stdout);
    assert_eq!(count(&ended.stdout, "main.ts:3:"), 2, "{}", ended.stdout);
    assert_eq!(count(&ended.stdout, "main.ts:4:"), 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("main.ts:4:"), "{}", ended.stderr);
    // A stack that an app has written has its places already, however it came to the object.
    let written = "import { thrower } from './lib.ts';\ntype A = 1;\nconst mine: { stack?: string } = {};\nError.captureStackTrace(mine); print(mine.stack);\n\
                   function above() { const o: { stack?: string } = {}; Error.captureStackTrace(o, above); return o.stack }\n\
                   print(above());\ntry { thrower('x') } catch (e) {\n\
                   const copy = structuredClone(e), other = new Error('other'); e.stack += '// more'; other.stack = copy.stack;\n\
                   print(e.stack); print(copy.stack); console.log(e); console.log(copy); console.log(other);\n\
                   class Mine extends Error { constructor() { super('m'); Error.captureStackTrace(this, Mine) } }\n\
                   print(new Mine().stack); throw other }";
    let ended = run("main.ts", &[("main.ts", written), ("lib.ts", THROWS)]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("    at <anonymous> (") && lines[0].contains("main.ts:4:"), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("main.ts:6:")) && !ended.stdout.contains("main.ts:5:"),
        "{lines:#?}"
    );
    assert!(
        ended.stdout.contains("main.ts:11:") && !ended.stdout.contains("captureStackTrace"),
        "{lines:#?}"
    );
    assert_eq!((count(&ended.stdout, "lib.ts:6:"), count(&ended.stdout, "main.ts:7:")), (5, 5), "{lines:#?}");
    assert!(ended.stderr.contains("lib.ts:6:") && ended.stderr.contains("main.ts:7:"), "{}", ended.stderr);
    let looks = "const { get, set, enumerable, configurable } = Object.getOwnPropertyDescriptor(Error.prototype, 'stack');
        print(get.name, typeof set, enumerable, configurable, typeof new Error().stack, get.call({}));
        try { get.call(1) } catch (error) { print(error.name) }";
    prints("main.js", &[("main.js", looks)], "get stack function false true string undefined\nTypeError");
}

#[test]
fn capture_stack_trace_is_the_engines_but_for_its_places() {
    let main = "const d = Object.getOwnPropertyDescriptor(Error, 'captureStackTrace');
        print(d.value.name, d.value.length, d.writable, d.enumerable, d.configurable, Object.hasOwn(d.value, 'prototype'));
        const o = {}; print(Error.captureStackTrace(o));
        const own = Object.getOwnPropertyDescriptor(o, 'stack'); print(own.writable, own.enumerable, own.configurable);
        const frames = (text) => text.trim().split('\\n').map((line) => line.trim().split(' ')[1]).join();
        const inner = (above) => { const o = {}; Error.captureStackTrace(o, above); return o.stack };
        const outer = (above) => inner(above); print(frames(outer()), frames(outer(inner)), frames(outer(outer)), frames(outer(() => {})));
        for (const wrong of [1, null, undefined, 's']) try { Error.captureStackTrace(wrong) } catch (e) { print(e.name) }
        Error.captureStackTrace(Object.freeze({})); Error.captureStackTrace(new Proxy({}, {}));
        Error.prepareStackTrace = (_, sites) => sites.map((site) => site.getFunctionName() ?? '-');
        Error.captureStackTrace(o); print(o.stack); print(inner()); Error.prepareStackTrace = undefined;
        Error.stackTraceLimit = 1; print(frames(outer()));";
    prints(
        "main.js",
        &[("main.js", main)],
        "captureStackTrace 2 true false true false\nundefined\ntrue false true\n\
         inner,outer,<eval> outer,<eval> <eval> inner,outer,<eval>\nTypeError\nTypeError\nTypeError\nTypeError\n<eval>\ninner,<eval>\ninner",
    );
}

#[test]
fn a_typescript_app_is_served_and_its_failures_are_logged_by_source() {
    let source = "type Env = {};\ninterface Unused { a: 1 }\n\nexport default {\n  async fetch(request: Request, env: Env): Promise<Response> {\n    if (request.url.endsWith('/bad')) throw new Error('bad');\n    return new Response('typed');\n  },\n};\n";
    let app = App::with_files("app.ts", &[("app.ts", source)]);
    let server = Server::spawn(&["--workers", "2", "--no-cache"], app.path());
    assert_eq!(Connection::open(server.addr()).get("/").text(), "typed");
    assert_eq!(Connection::open(server.addr()).get("/bad").status, 500);
    server.await_log("app.ts:6:");
}
