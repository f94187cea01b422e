//! CommonJS packages: what `import` sees of them, what `require` gives inside of them.
//!
//! Owns: small packages made for the purpose. Must not know: how names are found (units do).

use crate::support::server::run_to_end;
use crate::support::{App, Connection, Server};

#[track_caller]
fn prints(main: &str, files: &[(&str, &str)], expected: &str) {
    let app = App::with_files("main.mjs", &[&[("main.mjs", main)], files].concat());
    let ended = run_to_end(&["--no-cache", app.path().to_str().expect("path")]);
    assert_eq!((ended.code, ended.stdout.trim_end(), ended.stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn module_exports_is_the_default_export_and_its_properties_have_names() {
    let files = [
        (
            "node_modules/c/index.js",
            "const secret = 1; exports.a = 1; module.exports.b = () => 2; exports['x-y'] = 3",
        ),
        ("node_modules/f/index.js", "module.exports = function f() { return 'f' }; module.exports.g = 'g'"),
        (
            "node_modules/t/index.js",
            "'use strict'; Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 'd'; exports.n = 'n'",
        ),
        ("node_modules/r/index.js", "module.exports = require('./lib/all')"),
        (
            "node_modules/r/lib/all.js",
            "exports.one = 1; Object.assign(exports, require('c')); var __exportStar = Object.assign; __exportStar(exports, require('./two'))",
        ),
        ("node_modules/r/lib/two.js", "exports.two = 2"),
    ];
    prints(
        "import c, { a, b, 'x-y' as xy } from 'c'; import f, { g } from 'f'; import t, { n } from 't'; import { one, two } from 'r';
         print(a, b(), xy, c.a, f(), g, t.default, n, one, two, typeof secret)",
        &files,
        "1 2 3 1 f g d n 1 2 undefined",
    );
}

#[test]
fn a_module_has_what_node_gives_it_and_no_process() {
    let main = "import c from 'c'; print(c)";
    let source = "#!/usr/bin/env node\nvar here = this; with ({ y: 1 }) { var z = y }
        module.exports = [this === exports, here === module.exports, __filename.endsWith('/c/index.js'), __dirname.endsWith('/c'),
            typeof require, typeof process, z, module.id === __filename, require.resolve('./index.js') === __filename,
            process.env.NODE_ENV, arguments.length].join(' ')";
    prints(
        main,
        &[("node_modules/c/index.js", source)],
        "true true true true function undefined 1 true true production 5",
    );
}

#[test]
fn require_finds_files_folders_json_packages_and_built_in_modules() {
    let files = [
        (
            "node_modules/c/index.js",
            "module.exports = [require('./x').x, require('./dir').d, require('./data').n, require('e').e, require('e') === require('../e'), typeof require('os').open, require('./x') === require('./x.js')]",
        ),
        ("node_modules/c/x.js", "exports.x = 'x'"),
        ("node_modules/c/dir/index.js", "exports.d = 'd'"),
        ("node_modules/c/data.json", "{ \"n\": 7 }"),
        (
            "node_modules/e/package.json",
            r#"{ "exports": { "import": "./no.js", "require": "./yes.cjs" }, "main": "yes.cjs" }"#,
        ),
        ("node_modules/e/yes.cjs", "exports.e = 'required'"),
    ];
    prints("import c from 'c'; print(c)", &files, "x,d,7,required,true,function,true");
}

#[test]
fn cycles_give_what_is_exported_so_far_and_each_module_runs_once() {
    let files = [
        (
            "node_modules/a/index.js",
            "exports.early = 1; const b = require('b'); exports.late = 2; exports.seen = b.seen; globalThis.runs = (globalThis.runs ?? 0) + 1",
        ),
        ("node_modules/b/index.js", "const a = require('a'); exports.seen = [a.early, a.late].join()"),
    ];
    prints("import a, { late, seen } from 'a'; import 'b'; print(late, seen, runs)", &files, "2 1, 1");
}

#[test]
fn what_a_module_throws_reaches_who_asks_and_it_runs_again_then() {
    let files = [
        ("node_modules/bad/index.js", "globalThis.n = (globalThis.n ?? 0) + 1; throw new Error('no ' + n)"),
        ("node_modules/c/index.js", "const tell = (f) => { try { f() } catch (e) { return e.code ?? e.message } };
            module.exports = [tell(() => require('bad')), tell(() => require('bad')), tell(() => require('fs')), tell(() => require('./nothing'))]"),
    ];
    prints("import c from 'c'; print(c)", &files, "no 1,no 2,MODULE_NOT_FOUND,MODULE_NOT_FOUND");
}

#[test]
fn ecmascript_modules_can_be_required_unless_they_await() {
    let files = [
        (
            "node_modules/c/index.js",
            "module.exports = [require('./m.mjs').m, (() => { try { require('./w.mjs') } catch (e) { return e.message.includes('import it') } })()]",
        ),
        ("node_modules/c/m.mjs", "export const m = 'm'"),
        ("node_modules/c/w.mjs", "await new Promise(() => {}); export {}"),
    ];
    prints("import c from 'c'; print(c)", &files, "m,true");
}

#[test]
fn places_in_a_module_are_those_of_its_file() {
    let files = [("main.mjs", "import 'c'"), ("node_modules/c/index.js", "exports.a = 1; nowhere();\n")];
    let app = App::with_files("main.mjs", &files);
    let ended = run_to_end(&["--no-cache", app.path().to_str().expect("path")]);
    assert!(ended.stderr.contains("/node_modules/c/index.js:1:16"), "{}", ended.stderr);
    assert!(ended.stderr.contains(">    1 | exports.a = 1; nowhere();"), "{}", ended.stderr);
}

#[test]
fn a_served_app_has_its_modules_on_each_worker() {
    let files = [
        ("app.js", "import c from 'c'; export default { fetch: () => new Response(String(c.count())) }"),
        ("node_modules/c/index.js", "let n = 0; exports.count = () => ++n"),
    ];
    let app = App::with_files("app.js", &files);
    let server = Server::spawn(&["--workers", "2", "--no-cache"], app.path());
    for _ in 0..8 {
        let n: u32 = Connection::open(server.addr()).get("/").text().parse().expect("a number");
        assert!((1..=8).contains(&n));
    }
    let app = App::with_files(
        "old.cjs",
        &[("old.cjs", "const os = require('os'); print(typeof os.open, module.exports === this)")],
    );
    let ended = run_to_end(&["--no-cache", app.path().to_str().expect("path")]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("function true\n", ""));
}
