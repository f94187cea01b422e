//! What TypeScript's syntax and decorators do at run time is what the code does that TypeScript's own compiler
//! writes.
//!
//! Owns: programs in `tests/emit`, each beside what it prints as compiled by TypeScript 5.9 and run by Node.js
//! (where that differs from the proposal, the proposal's). Must not know: how they are transformed.

use crate::support::App;
use crate::support::server::{Ended, run_to_end, run_with_input};

fn run(main: &str, files: &[(&str, &str)]) -> Ended {
    let app = App::with_files(main, files);
    run_to_end(&["--no-cache", app.path().to_str().expect("path")])
}

#[track_caller]
fn prints(main: &str, source: &str, expected: &str) {
    let ended = run(main, &[(main, source)]);
    let lines: Vec<&str> = ended.stdout.trim_end().lines().collect();
    let wanted: Vec<&str> = expected.trim_end().lines().collect();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{lines:#?}");
    assert_eq!(lines, wanted);
}

#[test]
fn exports_of_namespaces_are_live_over_all_of_their_blocks() {
    prints("main.ts", include_str!("emit/namespaces.ts"), include_str!("emit/namespaces.txt"));
}

#[test]
fn decorators_and_accessors_do_what_the_proposal_says() {
    prints("main.ts", include_str!("emit/decorators.ts"), include_str!("emit/decorators.txt"));
}

/// A class with decorators in plain JavaScript; two lines before it, so that places can be told.
const PLAIN: &str = "// @ts-check\n/** @param x */\nconst twice = (value) => function () { return 2 * value.call(this) };\n\
    class A { @twice m() { return 21 } accessor n = 1; static accessor s = 'a@b' }\n";

#[test]
fn decorators_run_in_plain_javascript_too() {
    let print = "const a = new A(); a.n++; print(a.m(), a.n, A.s, Object.keys(a).length)";
    for name in ["main.js", "main.mjs"] {
        prints(name, &format!("{PLAIN}{print}"), "42 2 a@b 0");
    }
    let ended = run("main.cjs", &[("main.cjs", &format!("{PLAIN}{print}; module.exports = A"))]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "42 2 a@b 0\n"), "{ended:?}");
    let lib = format!("{PLAIN}export default A; export {{ twice }}");
    let main = "import A, { twice } from './lib.js'; print(new A().m(), twice(() => 3)())";
    let ended = run("main.js", &[("main.js", main), ("lib.js", &lib)]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "42 6\n"), "{ended:?}");
}

#[test]
fn an_at_sign_that_is_no_decorator_changes_nothing() {
    let source = "// @ts-check\n/**\n * @type {string}\n */\nvar css = `\n  @media (x) { accessor y }\n`, email = 'a@b.c';\n\
        with ({ sloppy: 1 }) print(css.length, email, sloppy, this === globalThis)";
    prints("main.js", source, "29 a@b.c 1 true");
}

#[test]
fn places_of_errors_stay_those_of_the_source_around_decorators() {
    let source = format!(
        "{PLAIN}class B {{\n  @twice\n  bad() {{\n    throw new Error('here')\n  }}\n}}\nnew B().bad();\n"
    );
    for name in ["main.js", "main.ts"] {
        let source =
            if name == "main.ts" { source.replace("(value)", "(value: any)") } else { source.clone() };
        let ended = run(name, &[(name, &source)]);
        assert_eq!(ended.code, Some(1));
        for part in
            [format!("{name}:8:"), format!("{name}:11:"), ">    8 |     throw new Error('here')".to_owned()]
        {
            assert!(ended.stderr.contains(&part), "{part} in {}", ended.stderr);
        }
    }
    let namespaces = "namespace N {\n  export let n: number = 1;\n  export function f() {\n    n++; throw new Error('inside')\n  }\n}\nN.f();\n";
    let ended = run("main.ts", &[("main.ts", namespaces)]);
    assert!(ended.stderr.contains("main.ts:4:") && ended.stderr.contains("main.ts:7:"), "{}", ended.stderr);
    let ended = run("main.ts", &[("main.ts", "namespace N {\n  export const a = await 1;\n}")]);
    assert!(ended.stderr.contains("SyntaxError") && ended.stderr.contains("main.ts:2:"), "{}", ended.stderr);
}

#[test]
fn what_decorators_cannot_do_is_refused_with_its_place() {
    let parameter = "const inject: any = () => {};\nclass A {\n  constructor(@inject a: string) {}\n}";
    let ended = run("main.ts", &[("main.ts", parameter)]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("main.ts:3:") && ended.stderr.contains("experimentalDecorators"),
        "{ended:?}"
    );
    let yields = "const d = (x) => x;\nfunction* f() {\n  return class { @d [yield 1]() {} };\n}";
    let ended = run("main.js", &[("main.js", yields)]);
    assert!(ended.stderr.contains("main.js:3:") && ended.stderr.contains("'yield'"), "{ended:?}");
    let awaits = "const d = (x) => x;\nconst C = @d class { @(await d) [await 'm']() { return 1 } };\nprint(new C().m(), C.name)";
    prints("main.mjs", awaits, "1 C");
}

#[test]
fn typescript_runs_where_there_is_no_file() {
    let source = "enum E { A = 1, B } const x: number = E.B; interface I { a: 1 } print(x as any, E[1])";
    let ended = run_to_end(&["-e", source]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "2 A\n", ""));
    let module = "import * as os from 'os'; type T = string; export const t: T = typeof os.platform; print(t, await 1)";
    for words in [&["-"][..], &[]] {
        let ended = run_with_input(words, module.as_bytes());
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "string 1\n", ""));
    }
    let ended = run_with_input(
        &["-"],
        b"let a: number = 1;\n\nfunction f(x: string) { throw new Error(x) }\nf('typed')\n",
    );
    assert!(ended.stderr.contains("<stdin>:3:") && ended.stderr.contains("<stdin>:4:"), "{}", ended.stderr);
    // What is neither is told as JavaScript's error; what is JavaScript stays what it is.
    let ended = run_to_end(&["-e", "let a = = 1"]);
    assert!(
        ended.stderr.contains("SyntaxError") && ended.stderr.contains("<cmdline>:1:"),
        "{}",
        ended.stderr
    );
    let ended = run_to_end(&["-e", "var a = 1, b = 2, c = 3; print(a < b > (c), this === globalThis)"]);
    assert_eq!(ended.stdout, "false true\n");
    let ended = run_to_end(&["-e", "const d = (v) => v; class A { @d m() { return 1 } } print(new A().m())"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("1\n", ""));
}

#[test]
fn the_prompt_takes_typescript() {
    let input = "let n: number = 41\nn + 1\ninterface A {\n  b: string\n}\n(n as any)\nenum E { X = 7 }\nE.X\nconst f = <T,>(x: T): T => x\nf('s') as string\n";
    let ended = run_with_input(&["repl"], input.as_bytes());
    let values: Vec<&str> = ended.stdout.lines().filter(|line| *line != "undefined").collect();
    assert_eq!((values, ended.stderr.as_str()), (vec!["42", "41", "7", "'s'"], ""), "{}", ended.stdout);
}

#[test]
fn default_exports_keep_their_names_and_accessors_are_inherited() {
    let lib = "const note = (v, c) => print(c.kind, c.name);
        export default @note class { static n = 1 }
        export @note class Foo { @note m() {} static accessor shared = 1 }
        @note export class Bar extends Foo {}";
    let main = "import A, { Foo, Bar } from './lib.js'; Bar.shared++;
        class P { hi() { return 1 } }
        class C extends P { @((v) => function () { return 10 + v.call(this) }) #p() { return super.hi() } q() { return this.#p() } }
        print(A.name, A.n, Foo.name, Bar.name, Foo.shared, new C().q(), Symbol.metadata.toString())";
    let ended = run("main.js", &[("main.js", main), ("lib.js", lib)]);
    let expected =
        "class default\nmethod m\nclass Foo\nclass Bar\ndefault 1 Foo Bar 2 11 Symbol(Symbol.metadata)\n";
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (expected, ""));
}

#[test]
fn import_with_require_gives_what_node_gives() {
    let main = "import one = require('./one.cjs');\nimport all = require('./all.js');\nimport type T = require('./none');\nimport unused = require('./none');
        export import again = require('./one.cjs');\nlet u: unused; let t: T; print(one(), again === one, all.a, all.default)";
    let files =
        [("one.cjs", "module.exports = () => 'one'"), ("all.js", "export const a = 1; export default 2")];
    let ended = run("main.ts", &[&files[..], &[("main.ts", main)]].concat());
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("one true 1 2\n", ""));
    let cts = "import one = require('./one.cjs'); const f: string = one(); export = { f };";
    let main = "import lib from './lib.cjs'; print(lib.f)";
    let ended = run("main.ts", &[&files[..], &[("main.ts", main), ("lib.cts", cts)]].concat());
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("one\n", ""));
    let cts = "const x: number = 1;\nimport { a } from './all.js'; export const b = a + x;";
    let ended = run("main.ts", &[&files[..], &[("main.ts", main), ("lib.cts", cts)]].concat());
    assert!(ended.stderr.contains("lib.cts:2:") && ended.stderr.contains(".mts"), "{}", ended.stderr);
}

#[test]
fn what_would_become_something_else_is_refused_with_its_place() {
    let ended = run("main.ts", &[("main.ts", "const x: number = 1;\nexport = x;")]);
    assert!(
        ended.stderr.contains("main.ts:2:1") && ended.stderr.contains("export default"),
        "{}",
        ended.stderr
    );
    let config = r#"{ "compilerOptions": { "useDefineForClassFields": false } }"#;
    let source = "const d = (v: any) => v;\nclass A { @d m() {} }\nclass B { @d x = 1 }";
    let ended = run("main.ts", &[("main.ts", source), ("tsconfig.json", config)]);
    assert!(ended.stderr.contains("main.ts:3:11") && ended.stderr.contains("useDefine"), "{}", ended.stderr);
}

#[test]
fn fields_are_defined_or_assigned_as_tsconfig_says() {
    let source = "class Base { set v(x: any) { print('setter', x) } }
        class F extends Base { declare d: string; v = 5; u: any; constructor(public p = 1, readonly q?: number) { super() } }
        print(Object.keys(new F()).join());";
    prints("main.ts", source, "p,q,v,u");
    let config = r#"{ "compilerOptions": { "useDefineForClassFields": false } }"#;
    let ended = run("main.ts", &[("main.ts", source), ("tsconfig.json", config)]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("setter 5\np,q\n", ""));
}

#[test]
fn accessors_beside_decorators_of_typescript_are_there() {
    let source = "const d: any = (t: any, k: string) => { print(k) };
        class A { accessor plain = 1; @d m() {} static accessor st = 2 } print(new A().plain, A.st);";
    let config = r#"{ "compilerOptions": { "experimentalDecorators": true } }"#;
    let ended = run("main.ts", &[("main.ts", source), ("tsconfig.json", config)]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("m\n1 2\n", ""));
}
