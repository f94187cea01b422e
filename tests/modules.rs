//! What `import` finds: files, packages in node_modules, import maps; and what is said when it finds
//! nothing.
//!
//! Owns: small packages made for the purpose. Must not know: CommonJS (`commonjs.rs`), TypeScript
//! (`typescript.rs`).

use crate::support::App;
use crate::support::server::{Ended, run_to_end};

/// Runs `main` of `files` as a script, with words before it.
fn run(words: &[&str], main: &str, files: &[(&str, &str)]) -> Ended {
    let app = App::with_files(main, files);
    run_to_end(&[words, &["--no-cache", app.path().to_str().expect("path")]].concat())
}

/// The script `main.mjs` beside `files` prints `expected`.
#[track_caller]
fn prints(main: &str, files: &[(&str, &str)], expected: &str) {
    let ended = run(&[], "main.mjs", &[&[("main.mjs", main)], files].concat());
    assert_eq!((ended.code, ended.stdout.trim_end(), ended.stderr.as_str()), (Some(0), expected, ""));
}

/// The script `main.mjs` beside `files` fails with a message that has all `parts`.
#[track_caller]
fn fails(main: &str, files: &[(&str, &str)], parts: &[&str]) {
    let ended = run(&[], "main.mjs", &[&[("main.mjs", main)], files].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    for part in parts {
        assert!(ended.stderr.contains(part), "'{part}' in: {}", ended.stderr);
    }
}

const NAME: &str = "export const name = 'plain';";

#[test]
fn exports_decide_by_conditions_in_the_order_of_the_package() {
    let package = r#"{ "name": "p", "exports": {
        ".": { "types": "./t.d.ts", "node": "./node.js", "workerd": "./workerd.js", "import": "./a.js" },
        "./worker": { "bun": "./a.js", "worker": "./worker.js", "default": "./a.js" },
        "./nested": { "import": { "deno": "./a.js", "default": "./nested.js" } },
        "./default": { "require": "./a.js", "default": "./default.js" },
        "./array": ["./a.js"],
        "./features/*.js": "./deep/*.js", "./features/*": "./deep/*.js", "./features/private/*": null } }"#;
    let files = [
        ("node_modules/p/package.json", package),
        ("node_modules/p/workerd.js", "export default 'workerd'"),
        ("node_modules/p/worker.js", "export default 'worker'"),
        ("node_modules/p/nested.js", "export default 'nested'"),
        ("node_modules/p/default.js", "export default 'default'"),
        ("node_modules/p/a.js", NAME),
        ("node_modules/p/deep/x.js", "export default 'deep'"),
        ("node_modules/p/deep/private/x.js", "export default 'private'"),
    ];
    prints(
        "import a from 'p'; import b from 'p/worker'; import c from 'p/nested'; import d from 'p/default';
         import { name } from 'p/array'; import e from 'p/features/x'; import f from 'p/features/x.js';
         print(a, b, c, d, name, e, f)",
        &files,
        "workerd worker nested default plain deep deep",
    );
    fails("import 'p/features/private/x'", &files, &["p/features/private/x", "main.mjs"]);
    fails("import 'p/a.js'", &files, &["'p/a.js' imported from", "main.mjs", "exports"]);
}

#[test]
fn packages_without_exports_have_a_main_file_and_their_files() {
    let files = [
        ("node_modules/m/package.json", r#"{ "main": "./cjs.js", "module": "lib/m" }"#),
        (
            "node_modules/m/lib/m.js",
            "import { x } from './inner'; import { y } from './folder'; export default x + y",
        ),
        ("node_modules/m/lib/inner.js", "export const x = 'module '"),
        ("node_modules/m/lib/folder/index.js", "export const y = 'folder'"),
        ("node_modules/m/cjs.js", "throw 1"),
        ("node_modules/i/index.js", "export default 'index'"),
        ("node_modules/@s/c/package.json", r#"{ "main": "c.mjs" }"#),
        ("node_modules/@s/c/c.mjs", "export default 'scoped'"),
        ("node_modules/@s/c/sub/file.js", "export default 'file'"),
    ];
    prints(
        "import a from 'm'; import b from 'i'; import c from '@s/c'; import d from '@s/c/sub/file.js'; print(a, b, c, d)",
        &files,
        "module folder index scoped file",
    );
}

#[test]
fn a_package_says_what_it_uses_where_there_is_no_node() {
    let replaced = r#"{ "main": "index.js", "browser": {
        "./lib/platform.js": "./lib/web.js", "crypto": false, "./lib/gone.js": false, "node-fetch": "./lib/fetch.js" } }"#;
    let files = [
        ("node_modules/r/package.json", replaced),
        (
            "node_modules/r/index.js",
            "import a from './lib/platform.js'; import b from './lib/platform'; import crypto from 'crypto'; \
             import gone from './lib/gone.js'; import fetch from 'node-fetch'; import same from './lib/same.js'; \
             export default [a, b, JSON.stringify([crypto, gone]), fetch, same].join(' ')",
        ),
        ("node_modules/r/lib/platform.js", "throw 1"),
        ("node_modules/r/lib/gone.js", "throw 1"),
        ("node_modules/r/lib/web.js", "export default 'web'"),
        ("node_modules/r/lib/fetch.js", "export default 'fetch'"),
        ("node_modules/r/lib/same.js", "export default 'same'"),
        ("node_modules/c/package.json", r#"{ "main": "node", "browser": "web.js" }"#),
        ("node_modules/c/node.js", "require('fs')"),
        ("node_modules/c/web.js", "exports.text = 'main' + JSON.stringify(require('d'))"),
        ("node_modules/d/package.json", r#"{ "browser": { "fs": false, "./a": "./b.js" } }"#),
        ("node_modules/d/index.js", "exports.fs = require('fs'); exports.a = require('./a')"),
        ("node_modules/d/a.js", "throw 1"),
        ("node_modules/d/b.js", "module.exports = 'b'"),
        ("node_modules/e/package.json", r#"{ "module": "e.js", "browser": "umd.js" }"#),
        ("node_modules/e/e.js", "export default 'module'"),
    ];
    prints(
        "import r from 'r'; import { text } from 'c'; import e from 'e'; print(r, text, e)",
        &files,
        r#"web web [{},{}] fetch same main{"fs":{},"a":"b"} module"#,
    );
    // What the package does not name is still missing, and told as ever.
    let files = [
        ("node_modules/r/package.json", replaced),
        ("node_modules/r/index.js", "import 'fs'"),
        ("node_modules/s/package.json", replaced),
        ("node_modules/s/index.js", "import './nowhere.js'"),
    ];
    fails("import 'r'", &files, &["'fs' imported from", "is not there yet"]);
    fails("import 's'", &files, &["Cannot find module './nowhere.js' imported from", "s/index.js"]);
}

#[test]
fn a_package_imports_itself_its_private_names_and_its_own_dependencies() {
    let files = [
        (
            "package.json",
            r##"{ "name": "app", "exports": { "./self": "./self.js" }, "imports": { "#x": { "worker": "./x.js" }, "#dir/*": "./dir/*.js", "#dep": "q" } }"##,
        ),
        ("self.js", "export default 'self'"),
        ("x.js", "export default 'x'"),
        ("dir/y.js", "export default 'y'"),
        ("node_modules/q/index.js", "import v from 'v'; export default 'q' + v"),
        ("node_modules/v/index.js", "export default 1"),
        ("node_modules/q/node_modules/v/index.js", "export default 2"),
    ];
    prints(
        "import a from 'app/self'; import b from '#x'; import c from '#dir/y'; import d from '#dep'; import v from 'v'; print(a, b, c, d, v)",
        &files,
        "self x y q2 1",
    );
    fails("import '#nothing'", &files, &["'#nothing' imported from", "main.mjs", "\"imports\""]);
}

#[test]
fn what_is_missing_is_told_with_who_imports_it() {
    fails(
        "import 'left-pad'",
        &[],
        &["Cannot find package 'left-pad' imported from", "main.mjs", "npm install left-pad"],
    );
    fails("import './a.js'", &[("a.js", "import '@x/y/z'")], &["'@x/y/z'", "a.js", "npm install @x/y"]);
    fails("import 'node:fs'", &[], &["'node:fs'", "is not there yet"]);
    fails(
        "import 'p/no.js'",
        &[("node_modules/p/index.js", "")],
        &["'p/no.js'", "node_modules/p has no such file"],
    );
    fails("import './b'", &[("b.ts", "")], &["'./b'", "Did you mean 'b.ts'?"]);
    fails("import './dir'", &[("dir/index.js", "")], &["folder './dir'", "main.mjs"]);
    fails(
        "import 'p'",
        &[("node_modules/p/package.json", "{ \"main\": ")],
        &["'p' imported from", "package.json"],
    );
    // The same inside of a program that goes on.
    prints(
        "try { await import('nowhere') } catch (e) { print(e.name, e.message.includes('main.mjs')) }",
        &[],
        "TypeError true",
    );
}

#[test]
fn an_import_map_goes_first() {
    let map = r#"{ "imports": { "a": "./lib/a.js", "lib/": "./lib/", "os2": "os" }, "scopes": { "./lib/": { "a": "./b.js" } } }"#;
    let files = [
        ("main.mjs", "import a from 'a'; import inner from 'lib/inner.js'; print(a, inner)"),
        ("lib/a.js", "export default 'mapped'"),
        ("lib/inner.js", "export { default } from 'a'"),
        ("b.js", "export default 'scoped'"),
        ("map.json", map),
    ];
    let app = App::with_files("main.mjs", &files);
    let map = app.path().with_file_name("map.json");
    let ended =
        run_to_end(&["--import-map", map.to_str().expect("path"), app.path().to_str().expect("path")]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("mapped scoped\n", ""));
    let ended =
        run_to_end(&["--import-map", app.path().to_str().expect("path"), app.path().to_str().expect("path")]);
    assert!(ended.code == Some(2) && ended.stderr.contains("--import-map"), "{ended:?}");
}

/// The modules that built-in ones are made of are for them alone.
#[test]
fn no_way_leads_an_app_to_internal_modules() {
    let name = "jsserve:internal/webidl/natives";
    let map = format!(r#"{{ "imports": {{ "inside": "{name}", "rooms/": "jsserve:internal/" }} }}"#);
    let main = format!(
        "import {{ createRequire }} from './require.cjs';
         new ReadableStream();
         const ways = [() => import('{name}'), () => import('inside'), () => import('rooms/webidl/natives'),
           () => createRequire('{name}'), () => import(import.meta.resolve('inside')), () => import('./static.js')];
         for (const way of ways) {{
           try {{ await way(); print('found') }} catch (error) {{ print(error.message.includes('Cannot find ')) }}
         }}"
    );
    let files = [
        ("main.mjs", main.as_str()),
        ("require.cjs", "exports.createRequire = (name) => require(name)"),
        ("static.js", "import { typeError } from 'jsserve:internal/webidl/natives';"),
        ("map.json", &map),
    ];
    let app = App::with_files("main.mjs", &files);
    let map = app.path().with_file_name("map.json");
    for words in [&[][..], &["--import-map", map.to_str().expect("path")]] {
        let ended = run_to_end(&[words, &[app.path().to_str().expect("path")]].concat());
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("true\n".repeat(6).as_str(), ""),
            "{words:?}"
        );
    }
}

#[test]
fn cycles_links_and_the_same_file_under_two_names_are_one_module() {
    let files = [
        (
            "node_modules/a/index.js",
            "import { b } from 'b'; export const a = () => 'a' + b(); globalThis.runs = (globalThis.runs ?? 0) + 1",
        ),
        (
            "node_modules/b/index.js",
            "import { a } from 'a'; export const b = () => 'b'; export const both = () => a()",
        ),
    ];
    prints(
        "import { a } from 'a'; import { both } from 'b'; import { a as again } from './node_modules/a/index.js'; print(a(), both(), a === again, runs)",
        &files,
        "ab ab true 1",
    );
}
