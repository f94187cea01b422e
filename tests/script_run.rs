//! A script runs as with `qjs`: what it is given, how it is parsed, what it prints.
//!
//! Owns: arguments, sources (file, `-e`, standard input), goals, globals. Must not know: when a
//! script ends (`script_end.rs`).

use crate::support::App;
use crate::support::server::{Ended, run_to_end, run_with_input};

/// Runs `source` as the file `name` with words before and after it.
fn run_file(name: &str, source: &str, before: &[&str], after: &[&str]) -> Ended {
    let file = App::with_files(name, &[(name, source)]);
    let path = file.path().to_str().expect("path");
    run_to_end(&[before, &[path], after].concat())
}

fn run(source: &str) -> Ended {
    run_file("script.js", source, &[], &[])
}

/// It ended well, said nothing on standard error and printed `expected`.
#[track_caller]
fn prints(ended: &Ended, expected: &str) {
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn arguments_are_all_words_behind_the_file_as_they_stand() {
    let source = "print(JSON.stringify(scriptArgs.slice(1)), scriptArgs[0].endsWith('/script.js'))";
    let words = ["--port", "1", "-x", "--", "--help", "", "ö"];
    let expected = r#"["--port","1","-x","--","--help","","ö"] true"#;
    prints(&run_file("script.js", source, &["-q"], &words), &format!("{expected}\n"));
    prints(&run_to_end(&["-e", "print(scriptArgs)", "a", "-b", "--", "c"]), "a,-b,--,c\n");
    prints(&run_to_end(&["--std", "-e", "-1 + print(scriptArgs.length)"]), "0\n");
    let source = "print(argv0 === execArgv[0], execArgv.slice(1, 3), execArgv.length)";
    prints(&run_file("script.js", source, &["--io", "auto"], &["x"]), "true --io,auto 5\n");
}

#[test]
fn print_joins_strings_by_spaces_and_keeps_the_order_of_all_output() {
    prints(
        &run("print(); print('a', 1, null, undefined, [1, 2], {}); print('')"),
        "\na 1 null undefined 1,2 [object Object]\n\n",
    );
    prints(&run("print('\\u00e9 \\ud83d\\ude00 a\\0b')"), "\u{e9} \u{1f600} a\0b\n");
    let source = "print('a', Symbol('s'), { toString() { throw 1 } }, Object.create(null))";
    prints(&run(source), "a <exception> [object Object] [object Object]\n");
    let source = "import * as std from 'std';
        std.out.puts('1 '); print('2'); std.out.puts('3 '); console.log('4', { a: 1 }); std.out.puts('5')";
    prints(&run(source), "1 2\n3 4 { a: 1 }\n5");
    let ended = run("console.log('out'); console.error('err'); console.warn('warn')");
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\nwarn\n"));
}

#[test]
fn a_classic_script_is_sloppy_and_its_variables_are_globals() {
    let source = "#!/usr/bin/env jsserve\nvar x = 010; undeclared = 1; with ({ y: 2 }) { var z = y }
        print(x, globalThis.x, undeclared, globalThis.z, this === globalThis)";
    prints(&run(source), "8 8 1 2 true\n");
    prints(&run("print(typeof await (Promise.resolve(1)), globalThis.a); var a"), "number undefined\n");
}

#[test]
fn what_has_imports_exports_or_awaits_is_a_module() {
    let tail = "; var x = 1; print(typeof this, typeof globalThis.x)";
    for source in ["export {}", "import 'os'", "await 0", "import.meta.url"] {
        prints(&run(&format!("#!/bin/sh\n{source}{tail}")), "undefined undefined\n");
        prints(&run_to_end(&["-e", &format!("{source}{tail}")]), "undefined undefined\n");
    }
    prints(&run_file("script.mjs", tail, &[], &[]), "undefined undefined\n");
    prints(&run_file("script.js", tail, &["-m"], &[]), "undefined undefined\n");
    prints(&run_file("script.mjs", &tail[1..], &["--script"], &[]), "object number\n");
    let source = "// export default {}\nconst text = 'export default {}'; print('a script')";
    prints(&run(source), "a script\n");
    let ended = run_file("script.js", "export default {}", &["--script"], &[]);
    assert!(ended.code == Some(1) && ended.stderr.starts_with("SyntaxError: "), "{ended:?}");
}

#[test]
fn modules_import_what_apps_import_and_know_that_they_are_main() {
    let main = "import { name, main } from './lib/a.js'; import data from './data.json';
        import * as os from 'os'; import * as os2 from 'qjs:os'; import * as std from 'std';
        import * as shared from 'jsserve:shared';
        const { later } = await import('./lib/later.mjs');
        print(name, main, data.x, os.recv === os2.recv, typeof std.open, typeof shared, later, import.meta.main,
          import.meta.filename.endsWith('/main.js'), import.meta.url.startsWith('file:///'))";
    let files = [("main.js", main), ("data.json", r#"{ "x": 7 }"#), ("lib_later.mjs", "")];
    let app = App::with_files("main.js", &files);
    let lib = app.path().with_file_name("lib");
    std::fs::create_dir(&lib).expect("folder");
    std::fs::write(
        lib.join("a.js"),
        "import './later.mjs'; export const name = 'a', main = import.meta.main",
    )
    .expect("module");
    std::fs::write(lib.join("later.mjs"), "export const later = 'later'").expect("module");
    let ended = run_to_end(&[app.path()]);
    prints(&ended, "a false 7 true function object later true true true\n");
}

#[test]
fn a_module_that_imports_the_main_module_gets_that_very_one() {
    let files = [
        ("main.js", "import './other.js'; export const x = {}; globalThis.check?.()"),
        ("other.js", "import * as main from './main.js'; globalThis.check = () => print(typeof main.x)"),
    ];
    let app = App::with_files("main.js", &files);
    prints(&run_to_end(&[app.path()]), "object\n");
}

#[test]
fn the_program_may_come_from_standard_input_or_the_command_line() {
    let source = b"#!/x\nprint('in', scriptArgs, import.meta.url.endsWith('/%3Cstdin%3E'))";
    prints(&run_with_input(&["-", "a", "--b"], source), "in -,a,--b true\n");
    prints(&run_with_input(&[] as &[&str], b"var x = 1; print(globalThis.x)"), "1\n");
    prints(&run_to_end(&[] as &[&str]), "");
    let ended = run_with_input(&["-"], b"\n  1 +;");
    assert!(ended.code == Some(1) && ended.stderr.contains("<stdin>:2:"), "{ended:?}");
    let ended = run_to_end(&["-e", "nothing()"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("<cmdline>:1:"), "{ended:?}");
}

#[test]
fn a_script_reads_standard_input() {
    let source = "import * as std from 'std';
        let n = 0, line; while ((line = std.in.getline()) !== null) n += line.length; print(n)";
    let file = App::new(source);
    prints(&run_with_input(&[file.path()], &b"12345\n".repeat(20_000)), "100000\n");
}

#[test]
fn std_and_included_files_stand_before_the_program() {
    let lib = App::with_files("lib.js", &[("lib.js", "var inLib = typeof std; print('lib')")]);
    let module = App::with_files("m.mjs", &[("m.mjs", "globalThis.fromModule = await 5; print('module')")]);
    let [lib, module] = [&lib, &module].map(|file| file.path().to_str().expect("path"));
    let words = [
        "--std",
        "-I",
        lib,
        "--include",
        module,
        "-e",
        "print(inLib, fromModule, typeof os.open, typeof std.open)",
    ];
    let ended = run_to_end(&words);
    assert!(ended.stdout.starts_with("lib\nmodule\nobject 5 "), "{ended:?}");
    prints(&run_to_end(&["-e", "print(typeof std, typeof os)"]), "undefined undefined\n");
    let ended = run_to_end(&["-I", "/nowhere.js", "-e", "print('never')"]);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("/nowhere.js") && ended.stdout.is_empty(),
        "{ended:?}"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (source, parts) in [
        ("let x = 1;\nlet y = x +;\n", &["SyntaxError: ", "script.js:2:12", "> ", "let y = x +;"][..]),
        ("export {};\nlet y = 1 +;\n", &["SyntaxError: ", "script.js:2:"]),
        (
            "function f() { throw new TypeError('thrown') }\n\nf()",
            &["TypeError: thrown\n    at f (", "script.js:1:", "script.js:3:"],
        ),
        ("import './nowhere.js'", &["TypeError: Cannot find module './nowhere.js'", "script.js"]),
        ("import { nothing } from 'os'", &["SyntaxError: ", "nothing"]),
        ("throw 'a string'", &["a string"]),
        ("await null; throw new Error('outer', { cause: 'inner' })", &["Error: outer", "[cause]: 'inner'"]),
    ] {
        let ended = run(source);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{part:?} is missing in: {}", ended.stderr);
        }
        for word in ["panicked", "internal error", "jsserve:"] {
            assert!(!ended.stderr.contains(word), "{}", ended.stderr);
        }
    }
    let ended = run_to_end(&["/nowhere/script.js"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("jsserve: /nowhere/script.js: no such file\n  "), "{ended:?}");
}

#[test]
fn a_script_that_looks_meant_to_be_served_is_told_that_it_is_not() {
    let ended = run_file("script.js", "print('runs')", &["--port", "1", "--workers", "2"], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "runs\n"));
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(
        ended.stderr.starts_with("jsserve: nothing is served: ")
            && ended.stderr.contains("--port, --workers"),
        "{ended:?}"
    );
    let ended = run("export function fetch() {}");
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("export default { fetch }"), "{ended:?}");
}

#[test]
fn the_heap_has_no_limit_unless_it_is_given_and_the_stack_is_deep() {
    let source =
        "const all = []; for (let i = 0; i < 400; i++) all.push(new Uint8Array(1 << 20)); print(all.length)";
    prints(&run(source), "400\n");
    let ended = run_file("script.js", source, &["--heap-max", "64M"], &[]);
    assert!(ended.code == Some(1) && ended.stderr.contains("out of memory"), "{ended:?}");
    let deep = "function f(n) { return n ? 1 + f(n - 1) : 0 }; print(f(4000)); try { f(1e9) } catch (e) { print(e.name) }";
    prints(&run(deep), "4000\nRangeError\n");
    let deep = "function f(n) { return n ? 1 + f(n - 1) : 0 }; print(f(30_000))";
    prints(&run_file("script.js", deep, &["--stack-max", "64M"], &[]), "30000\n");
}
