//! `jsserve check APP`: the app is loaded as for serving, reported, and not served.
//!
//! Owns: exit codes and the report. Must not know: what loading does.

use crate::support::App;
use crate::support::server::{Ended, run_to_end};

fn check(flags: &[&str], main: &str, files: &[(&str, &str)]) -> Ended {
    let app = App::with_files(main, files);
    run_to_end(&[flags, &["--no-cache", "check", app.path().to_str().expect("path")]].concat())
}

#[test]
fn an_app_that_loads_is_reported() {
    let files = [
        (
            "app.ts",
            "import { text } from './lib.ts'; export default { fetch: (): Response => new Response(text), accept() {} }",
        ),
        ("lib.ts", "export const text: string = await 'x'"),
    ];
    let ended = check(&[], "app.ts", &files);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("app.ts: fetch and accept, modules=2, loaded in "), "{}", ended.stdout);
    assert_eq!(check(&["-q"], "app.ts", &files).stdout, "");
}

#[test]
fn what_would_keep_it_from_being_served_ends_with_1() {
    for (source, part) in [
        ("import 'left-pad'; export default { fetch() {} }", "Cannot find package 'left-pad'"),
        ("export default { fetch() {} }; nowhere()", "nowhere is not defined"),
        ("export default { fetch( }", "SyntaxError"),
        ("export default { get() {} }", "has no handler"),
    ] {
        let ended = check(&[], "app.js", &[("app.js", source)]);
        assert!(ended.code == Some(1) && ended.stderr.contains(part), "{source}: {ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_script_is_not_run_by_it() {
    let ended = check(&[], "script.js", &[("script.js", "print('ran')")]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("no default export"), "{}", ended.stderr);
}
