//! Imports as URLs with attributes: queries, fragments, text, bytes; circles; `import.meta.resolve`.
//!
//! Owns: small modules made for the purpose. Must not know: packages (`modules.rs`).

use crate::support::server::{Ended, run_to_end};
use crate::support::{App, Connection, Server};

fn run(main: &str, files: &[(&str, &str)]) -> Ended {
    let app = App::with_files("main.mjs", &[&[("main.mjs", main)], files].concat());
    run_to_end(&["--no-cache", app.path().to_str().expect("path")])
}

#[track_caller]
fn prints(main: &str, files: &[(&str, &str)], expected: &str) {
    let ended = run(main, files);
    assert_eq!((ended.code, ended.stdout.trim_end(), ended.stderr.as_str()), (Some(0), expected, ""));
}

#[track_caller]
fn fails(main: &str, files: &[(&str, &str)], parts: &[&str]) {
    let ended = run(main, files);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    for part in parts {
        assert!(ended.stderr.contains(part), "'{part}' in: {}", ended.stderr);
    }
}

both_backends! {
    /// Bytecode loses import attributes: workers load what was compiled elsewhere.
    fn static_imports_of_text_json_and_bytes_work_in_a_served_app(io) {
        let files = [
            ("app.mjs", "import text from './a.txt' with { type: 'text' };
                import data from './d.conf' with { type: 'json' };
                import bytes from './a.txt' with { type: 'bytes' };
                import * as inner from './inner.mjs';
                const again = (await import('./d.conf', { with: { type: 'json' } })).default;
                export default { async fetch() {
                    const late = (await import('./a.txt', { with: { type: 'text' } })).default;
                    let frozen; try { bytes.buffer.transfer() } catch (e) { frozen = e.name }
                    return new Response([text, data.n, bytes, bytes instanceof Uint8Array, frozen, again === data, late, inner.text].join())
                } }"),
            ("inner.mjs", "import text from './a.txt' with { type: 'text' }; export { text }"),
            ("a.txt", "hi"),
            ("d.conf", "\u{feff}{ \"n\": 7 }"),
        ];
        let app = App::with_files("app.mjs", &files);
        let server = Server::spawn(&["--io", io, "--workers", "2", "--no-cache"], app.path());
        for _ in 0..4 {
            let reply = Connection::open(server.addr()).get("/");
            assert_eq!(reply.text(), "hi,7,104,105,true,TypeError,true,hi,hi");
        }
    }

    fn a_commonjs_app_is_served(io) {
        for source in [
            "module.exports = { fetch() { return new Response('served') } }",
            "const app = { fetch: () => new Response('served') }; module.exports = app",
            "class App { fetch() { return new Response('served') } } module.exports = new App()",
            "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { fetch: () => new Response('served') }",
        ] {
            let app = App::with_files("app.cjs", &[("app.cjs", source)]);
            let server = Server::spawn(&["--io", io, "--workers", "1", "--no-cache"], app.path());
            assert_eq!(Connection::open(server.addr()).get("/").text(), "served", "{source}");
        }
    }
}

#[test]
fn a_data_module_is_one_for_each_type_that_it_is_imported_as() {
    let files =
        [("d.json", "{ \"n\": 1 }"), ("a.mjs", "export { default } from './d.json' with { type: 'json' }")];
    prints(
        "import a from './a.mjs'; import b from './d.json'; import c from './d.json' with { type: 'json' };
         import t from './d.json' with { type: 'text' }; import js from './a.mjs' with {};
         const d = (await import('./d.json', { with: { type: 'json' } })).default;
         print(a === b, b === c, c === d, js === a, t)",
        &files,
        "false false true true { \"n\": 1 }",
    );
    for (attributes, part) in [("{ type: 'yaml' }", "\"yaml\""), ("{ kind: 'json' }", "\"kind\"")] {
        fails(&format!("import './d.json' with {attributes}"), &files, &[part, "is not supported"]);
    }
    fails("import './bad.json'", &[("bad.json", "{ \"n\": }")], &["SyntaxError", "bad.json:1:8"]);
}

#[test]
fn specifiers_are_urls_each_of_which_is_a_module() {
    let files = [
        (
            "a b.mjs",
            "export const url = import.meta.url.split('/').pop(), file = import.meta.filename.split('/').pop()",
        ),
        ("node_modules/p/x y.js", "export const url = import.meta.url.split('/').pop()"),
        ("c.cjs", "exports.n = globalThis.n = (globalThis.n ?? 0) + 1"),
    ];
    prints(
        "import * as a from './a b.mjs'; import * as b from './a%20b.mjs'; import * as c from './a b.mjs?x=1#y';
         import * as d from './a b.mjs?x=2'; import * as p from 'p/x%20y.js?q'; import * as e from './c.cjs?1'; import * as f from './c.cjs';
         const g = await import(import.meta.url.replace('main.mjs', 'a%20b.mjs?x=1#y'));
         print(a === b, c === g, c === d, a.url, c.url, c.file, p.url, e.n, f.n)",
        &files,
        "true true false a%20b.mjs a%20b.mjs?x=1#y a b.mjs x%20y.js?q 1 1",
    );
    fails("import './a%2fb.mjs'", &files, &["encoded '/'"]);
    fails("nowhere()", &[], &["main.mjs:1:1"]);
    fails(
        "import './t.ts?q'",
        &[("t.ts", "type A = 1;\nconst a: A = 1; nowhere()")],
        &["t.ts?q:2:17", ">    2 |"],
    );
}

#[test]
fn a_name_that_is_imported_and_exported_links_in_a_circle() {
    let files = [
        ("a.mjs", "import { F } from './b.mjs'; export { F };"),
        ("b.mjs", "import { F } from './c.mjs'; export { F };"),
        ("c.mjs", "import './d.mjs'; export const F = 7;"),
        ("d.mjs", "import { F } from './a.mjs'; export const g = () => F;"),
        (
            "e.ts",
            "import G, { F as H } from './f.ts'; const own = 1; export { H, own, G as default }; export const at = () => new Error().stack",
        ),
        ("f.ts", "export { F } from './a.mjs'; const G = 'g'; export { G as default }"),
    ];
    prints(
        "import { F } from './a.mjs'; import { g } from './d.mjs'; import e, { H, own } from './e.ts'; print(F, g(), e, H, own)",
        &files,
        "7 7 g 7 1",
    );
}

#[test]
fn circles_of_both_kinds_of_modules_and_of_top_level_awaits_end() {
    let files = [
        ("c.cjs", "const m = require('./m.mjs'); exports.a = m.a; exports.late = 1"),
        (
            "m.mjs",
            "import c from './c.cjs'; export const seen = () => typeof c.late; export const a = 'esm'; export default 1",
        ),
        ("t1.mjs", "import { w } from './t2.mjs'; await 0; export const v = 't1'; export const f = () => w"),
        ("t2.mjs", "import { v } from './t1.mjs'; await 0; export const w = 't2'; export const g = () => v"),
    ];
    prints(
        "import c from './c.cjs'; import { seen } from './m.mjs'; import { v, f } from './t1.mjs'; import { g } from './t2.mjs';
         print(JSON.stringify(c), seen(), v, f(), g())",
        &files,
        "{\"a\":\"esm\",\"late\":1} number t1 t2 t1",
    );
}

#[test]
fn a_module_that_throws_is_remembered_and_one_that_does_not_load_does_no_harm() {
    let files = [
        ("throws.mjs", "globalThis.n = (globalThis.n ?? 0) + 1; throw new Error('no ' + n)"),
        // The engine frees what fails: what was loaded for it must not be linked to it.
        ("a.mjs", "import { b } from './b.mjs'; import './missing.mjs'; export const a = 1;"),
        ("b.mjs", "import { a } from './a.mjs'; import d from './d.json'; export const b = d.n;"),
        ("d.json", "{ \"n\": 2 }"),
    ];
    prints(
        "import { writeFile } from 'std'; import * as os from 'os';
         const tell = (name) => import(name).then((all) => JSON.stringify(all), (error) => error.message.replace(/ imported.*/, ''));
         print(await tell('./throws.mjs'), await tell('./throws.mjs'));
         for (const name of ['./a.mjs', './b.mjs', './a.mjs', './b.mjs']) print(await tell(name));
         writeFile(import.meta.dirname + '/missing.mjs', 'export {}');
         print(await tell('./b.mjs'), await tell('./a.mjs'), await tell('./b.mjs?1'))",
        &files,
        "no 1 no 1\nCannot find module './missing.mjs'\nCannot find module './missing.mjs'\n\
         Cannot find module './missing.mjs'\nCannot find module './missing.mjs'\n{\"b\":2} {\"a\":1} {\"b\":2}",
    );
}

#[test]
fn import_meta_resolve_gives_urls() {
    let files =
        [("node_modules/p/package.json", r#"{ "exports": "./x y.js" }"#), ("node_modules/p/x y.js", "")];
    prints(
        "const { resolve } = import.meta; const here = import.meta.url.replace('main.mjs', '');
         const fails = ['nothing', 'node:fs', '#x', 'p/inner'].map((name) => { try { return resolve(name) } catch (e) { return e.name } });
         print(resolve('./a b?x#y').replace(here, ''), resolve('../up.js') === new URL('../up.js', here).href, resolve('p').replace(here, ''),
             resolve('std'), resolve('https://example.org/x'), ...fails)",
        &files,
        "a%20b?x#y true node_modules/p/x%20y.js qjs:std https://example.org/x TypeError TypeError TypeError TypeError",
    );
}

#[test]
fn what_is_required_has_the_mark_of_compilers_beside_a_default_export() {
    let files = [
        (
            "c.cjs",
            "const m = require('./m.mjs'), n = require('./n.mjs'); \
            module.exports = [m.default, m.a, m.__esModule, n.__esModule, n.a, require('./m.mjs') === m].join()",
        ),
        ("m.mjs", "export let a = 1; export default 2"),
        ("n.mjs", "export const a = 3"),
    ];
    prints("import c from './c.cjs'; print(c)", &files, "2,1,true,,3,true");
}

#[test]
fn typescript_imports_what_is_required() {
    let files = [
        (
            "main.ts",
            "import c = require('./c.cjs'); import m = require('./m.mjs'); import T = require('./nowhere');
            type A = T.A; enum E { One = 1 }\nprint(c.c, m.default, m.n, E.One);",
        ),
        ("c.cjs", "module.exports = { c: 'c' }"),
        ("m.mjs", "export const n = 'n'; export default 'd'"),
        ("old.cts", "import c = require('./c.cjs'); exports.old = c.c"),
    ];
    let app = App::with_files("main.ts", &files);
    let ended = run_to_end(&["--no-cache", app.path().to_str().expect("path")]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("c d n 1\n", ""));
    prints("import old from './old.cts'; print(old.old)", &files, "c");
}
