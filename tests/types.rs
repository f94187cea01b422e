//! `jsserve types`, by the TypeScript compiler: the examples pass, wrong calls do not, and what is
//! declared is what is there.
//!
//! Owns: projects for the compiler in a temporary folder. Must not know: the declarations.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{self, App, Connection, Server, WebSocketClient};

/// What `.ci/run` installs.
const TYPESCRIPT: &str = "7.0.2";

/// The compiler: the one in `target/typescript`, or the system's.
fn compiler(test: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let own = target.join("typescript/node_modules/.bin/tsc");
    let found = [own, "tsc".into()].into_iter().find(|tsc| {
        let mut version = Command::new(tsc);
        version
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|it| it.success())
    });
    if found.is_none() {
        let remedy = format!("npm install --prefix target/typescript typescript@{TYPESCRIPT}");
        support::skip(test, &format!("no TypeScript compiler; {remedy}"));
    }
    found
}

/// What `jsserve types` prints.
fn declarations() -> String {
    let ended = support::server::run_to_end(&["types"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout
}

/// What the compiler says of `files` (globs may be among them) beside the declarations.
fn compile(tsc: &Path, options: &str, files: &[&str], own: &[(&str, &str)]) -> Result<(), String> {
    let declarations = declarations();
    let include: Vec<String> =
        files.iter().copied().chain(own.iter().map(|(name, _)| *name)).map(quoted).collect();
    let config = format!(
        r#"{{ "compilerOptions": {{ "types": [], "target": "es2024", "module": "esnext", "moduleResolution": "bundler",
            "allowJs": true, "checkJs": true, "noEmit": true, "strict": true, {options} }},
            "include": ["jsserve.d.ts", {}] }}"#,
        include.join(", ")
    );
    let mut all = vec![("jsserve.d.ts", declarations.as_str()), ("tsconfig.json", config.as_str())];
    all.extend(own);
    let project = App::with_files("tsconfig.json", &all);
    let output = Command::new(tsc).arg("--project").arg(project.path()).output().expect("run tsc");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stdout).into_owned()),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn check(tsc: &Path, options: &str, files: &[&str], own: &[(&str, &str)]) {
    compile(tsc, options, files, own).unwrap_or_else(|errors| panic!("\n{errors}"));
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/**/*.js");
const CALLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/types/calls.ts");
const STRICTLY: &str = r#""lib": ["es2024"]"#;

#[test]
fn every_module_and_an_app_are_declared() {
    let text = declarations();
    assert!(text.starts_with("/*\n * jsserve.d.ts: "), "{text}");
    for name in [
        "os",
        "qjs:os",
        "sockets",
        "cloudflare:sockets",
        "std",
        "qjs:std",
        "jsserve:events",
        "jsserve:files",
        "jsserve:shared",
        "jsserve:websocket",
    ] {
        assert_eq!(text.matches(&format!("\ndeclare module \"{name}\" {{\n")).count(), 1, "{name}");
    }
    assert!(text.contains("\ndeclare namespace JSServe {\n") && text.ends_with("}\n"));
}

#[test]
fn the_examples_pass() {
    let Some(tsc) = compiler("the types of the examples") else { return };
    check(&tsc, STRICTLY, &[EXAMPLES], &[]);
    // The check does look at them.
    let wrong = [("wrong.js", r#"import * as os from "os"; os.listen("8080");"#)];
    let errors = compile(&tsc, STRICTLY, &[EXAMPLES], &wrong).expect_err("an error");
    assert!(errors.contains("wrong.js(1,") && errors.contains("TS2345"), "{errors}");
    assert_eq!(errors.matches("error TS").count(), 1, "{errors}");
}

#[test]
fn wrong_calls_are_errors_and_right_ones_are_not() {
    let Some(tsc) = compiler("the types of calls") else { return };
    check(&tsc, STRICTLY, &[CALLS], &[]);
    check(&tsc, r#""lib": ["esnext"]"#, &[CALLS], &[]);
}

#[test]
fn beside_the_dom_library_apps_and_modules_keep_their_types() {
    let Some(tsc) = compiler("the types beside the dom library") else { return };
    check(&tsc, r#""lib": ["es2024", "dom", "dom.iterable"], "skipLibCheck": true"#, &[EXAMPLES], &[]);
}

#[test]
fn what_is_declared_is_what_is_there() {
    let Some(tsc) = compiler("the completeness of the types") else { return };
    let reflect = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/types/reflect.js");
    let ended = support::server::run_to_end(&[reflect]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let mut source = ended.stdout;
    assert!(source.matches("export const check").count() > 30, "{source}");
    source += &context();
    source += &connection();
    source += &web_socket();
    check(&tsc, r#""lib": ["esnext"]"#, &[], &[("there.ts", &source)]);
    // A name too many, a name too few: both are seen.
    let sample = r#"Same<Names<typeof shared>, "default" | "map" | "publish">"#;
    assert!(source.contains(sample), "{source}");
    for (altered, part) in [
        (
            r#"Same<Names<typeof shared>, "default" | "map" | "publish" | "more">"#,
            r#"thereButNotDeclared: "more""#,
        ),
        (r#"Same<Names<typeof shared>, "default" | "publish">"#, r#"declaredButMissing: "map""#),
    ] {
        let wrong = source.replace(sample, altered);
        let errors =
            compile(&tsc, r#""lib": ["esnext"]"#, &[], &[("there.ts", &wrong)]).expect_err("an error");
        assert!(errors.contains(part), "{errors}");
    }
}

/// The same for what the hooks of `tcp` get to see.
fn connection() -> String {
    let app = app!(
        "export default { tcp: { open: (conn) => conn.end(Object.getOwnPropertyNames(Object.getPrototypeOf(conn)).filter(
           (name) => name !== 'constructor').map((name) => JSON.stringify(name)).join(' | ')) } };"
    );
    let server = Server::spawn(&["--workers", "1"], app.path());
    let names = String::from_utf8(Connection::open(server.addr()).read_to_end()).expect("UTF-8");
    format!("export const conn: Same<Names<JSServe.TcpConnection>, {names}> = true;\n")
}

/// The same for what the hooks of `websocket` get to see.
fn web_socket() -> String {
    let app = app!(
        "export default { fetch: (request, env, ctx) => ctx.upgrade(request), websocket: { open: (ws) => ws.send(
           Object.getOwnPropertyNames(Object.getPrototypeOf(ws)).filter((name) => name !== 'constructor').map(
           (name) => JSON.stringify(name)).join(' | ')) } };"
    );
    let server = Server::spawn(&["--workers", "1"], app.path());
    let names = WebSocketClient::open(&server, "/").next_text();
    format!("export const ws: Same<Names<JSServe.ServerWebSocket>, {names}> = true;\n")
}

/// The same for what only a served app gets to see: `ctx`.
fn context() -> String {
    let app = app!(fetch "return Response.json(Object.getOwnPropertyNames(Object.getPrototypeOf(ctx)))");
    let server = Server::spawn(&["--workers", "1"], app.path());
    let names = Connection::open(server.addr()).get("/");
    let names = names.text().trim_matches(['[', ']']).replace(r#""constructor","#, "").replace(',', " | ");
    format!("export const ctx: Same<Names<ExecutionContext>, {names}> = true;\n")
}
