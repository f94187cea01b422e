//! `--allow-read` and its kin: what is not named is refused, by a message that names the flag.
//!
//! Owns: an app, and a script, that try everything. Must not know: which wall holds, ours or the kernel's.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::server::run_to_end;
use crate::support::{self, App, Connection, Server};

/// What is tried, each under the flag that its refusal names: `{ read: [...], write: [...], ... }`. `base` is the
/// folder of which `base/data` is granted; the app's own is `base/app`.
const ATTEMPTS: &str = r#"
import * as os from "os";
import * as std from "std";
import { connect } from "sockets";
import { serveDir, serveFile } from "jsserve:files";
export const attempts = (base, pid) => {
  const data = `${base}/data`;
  const request = new Request("http://localhost/x");
  const socket = (kind, family) => os.socket(family ?? os.AF_INET, kind ?? os.SOCK_STREAM);
  const bytes = new Uint8Array(4);
  return {
    read: [
      () => os.open("/etc/passwd"),
      () => os.open("/etc/passwd", os.O_RDWR),
      () => std.open("/etc/passwd", "r"),
      () => std.open("/etc/passwd", "r+"),
      () => std.loadFile("/etc/passwd"),
      () => std.loadFile("/etc/nothing-is-here"),
      () => std.loadScript("/etc/passwd"),
      () => os.readdir("/"),
      () => os.stat("/etc/passwd"),
      () => os.lstat("/etc/passwd"),
      () => os.realpath("/etc"),
      () => os.readlink("/proc/self/exe"),
      () => os.getcwd(),
      () => os.chdir("/"),
      () => std.loadFile(`${base}/secret.txt`),
      () => std.loadFile(`${data}/../secret.txt`),
      () => std.loadFile(`${data}/out/secret.txt`),
      () => std.loadFile(`${data}/secret-link`),
      () => os.readdir(`${data}/out`),
      () => os.stat(`${data}/secret-link`),
      () => os.rename(`${base}/secret.txt`, `${data}/stolen`),
      () => std.loadFile("/proc/self/environ"),
      () => std.loadFile(`/proc/${pid}/maps`),
      () => std.loadFile("/proc/self/root/etc/passwd"),
      () => std.loadFile(`/proc/self/cwd/secret.txt`),
      () => os.open("/proc/self/fd/0"),
      () => os.open("/proc/self/mem", os.O_RDWR),
      () => import(`${base}/outside.js`),
      () => import(`${base}/secret.json`, { with: { type: "json" } }),
      () => import(`${base}/secret.txt`, { with: { type: "text" } }),
      () => import("./own.json", { with: { type: "json" } }),
      () => serveFile(request, `${base}/secret.txt`),
      () => serveDir(request, { root: base }),
      () => os.connect(socket(os.SOCK_STREAM, os.AF_UNIX), { family: os.AF_UNIX, path: `${base}/s.sock` }),
      () => os.bind(socket(os.SOCK_STREAM, os.AF_UNIX), { family: os.AF_UNIX, path: `${base}/t.sock` }),
      () => os.symlink(`${base}/secret.txt`, `${data}/link`),
    ],
    write: [
      () => os.open(`${base}/new`, os.O_CREAT | os.O_WRONLY),
      () => os.open(`${data}/dangling`, os.O_CREAT | os.O_WRONLY),
      () => os.open(`${data}/out/new`, os.O_CREAT | os.O_WRONLY),
      () => os.open(`${data}/file.txt/../../new`, os.O_CREAT | os.O_WRONLY),
      () => std.open(`${base}/new`, "w"),
      () => std.open(`${base}/new`, "a"),
      () => std.writeFile(`${base}/new`, "x"),
      () => std.writeFile(`${data}/dangling`, "x"),
      () => os.mkdir(`${base}/new`),
      () => os.mkdir(`${data}/../new`),
      () => os.remove(`${base}/secret.txt`),
      () => os.rename(`${data}/file.txt`, `${base}/moved`),
      () => os.utimes(`${base}/secret.txt`, 0, 0),
      () => os.utimes(`${data}/secret-link`, 0, 0),
      () => os.mkdtemp(`${base}/t`),
      () => os.mkstemp(`${base}/t`),
      () => std.tmpfile(),
    ],
    net: [
      () => fetch("http://192.0.2.1/"),
      () => fetch("https://example.com/"),
      () => fetch("http://localhost:1/"),
      () => new WebSocket("ws://192.0.2.1/"),
      () => new EventSource("http://192.0.2.1/"),
      () => connect("192.0.2.1:80"),
      () => connect({ hostname: "example.com", port: 443 }, { secureTransport: "on" }),
      () => os.connect(socket(), { addr: "192.0.2.1", port: 80 }),
      () => os.connect(socket(os.SOCK_STREAM, os.AF_INET6), { addr: "::1", port: 80 }),
      () => os.bind(socket(), { addr: "0.0.0.0", port: 0 }),
      () => os.listen(socket()),
      () => os.sendto(socket(os.SOCK_DGRAM), bytes, 4, { addr: "192.0.2.1", port: 53 }),
      () => os.connect(socket(os.SOCK_STREAM, os.AF_UNIX), { family: os.AF_UNIX, path: "\0abstract" }),
      () => os.socket(os.AF_INET, 3),
      () => os.getaddrinfoAsync("example.com"),
      () => os.getaddrinfo("example.com"),
    ],
    run: [
      () => os.exec(["true"], { block: false }),
      () => os.exec(["anything"], { file: "/bin/sh", block: false }),
      () => os.exec([`${data}/file.txt`], { block: false, usePath: false }),
      () => std.popen("true", "r"),
      () => os.kill(pid, 0),
    ],
    env: [
      () => std.getenv("HOME"),
      () => std.setenv("HOME", "/"),
      () => std.unsetenv("HOME"),
      () => std.getenviron(),
    ],
  };
};
/** What does not end as it should. */
export const wrong = async (base, pid) => {
  const all = Object.entries(attempts(base, pid)).flatMap(([kind, tries]) => tries.map((attempt) => [kind, attempt]));
  const found = [];
  for (const [kind, attempt] of all) {
    let text = "it was done";
    try { await attempt(); } catch (error) { text = `${error.name}: ${error.message}`; }
    const is = text.startsWith(`NotCapable: Requires ${kind} access`) && text.endsWith(`, run again with the --allow-${kind} flag`);
    if (!is) found.push(`${attempt}: ${text}`);
  }
  return { tried: all.length, found };
};
/** The same for what is granted. */
export const granted = async (base, name) => {
  const data = `${base}/data`;
  const found = [];
  const is = async (attempt, wanted) => {
    let value;
    try { value = JSON.stringify(await attempt()); } catch (error) { value = `${error.name}: ${error.message}`; }
    if (value !== JSON.stringify(wanted)) found.push(`${attempt}: ${value}`);
  };
  await is(() => std.loadFile(`${data}/file.txt`), "granted\n");
  await is(() => std.loadFile(`${data}/own-link`), "granted\n");
  await is(() => std.loadFile(`${data}/nothing`), null);
  await is(() => std.writeFile(`${data}/${name}`, "1"), undefined);
  await is(() => std.open(`${data}/${name}`, "r").getline(), "1");
  await is(() => { const fd = os.open(`${data}/${name}`, os.O_RDONLY); os.close(fd); return fd > 2; }, true);
  await is(() => os.rename(`${data}/${name}`, `${data}/${name}.moved`), 0);
  await is(() => os.remove(`${data}/${name}.moved`), 0);
  await is(() => [os.mkdir(`${data}/${name}.d`), os.remove(`${data}/${name}.d`)], [0, 0]);
  await is(() => os.readdir(data)[1], 0);
  await is(() => os.bind(os.socket(os.AF_INET, os.SOCK_STREAM), { addr: "127.0.0.1", port: 0 }), 0);
  await is(() => std.getenv("NAMED") ?? null, globalThis.named ?? null);
  await is(async () => (await import("./own.js")).default, "own");
  await is(async () => (await import("package")).default, { name: "package" });
  return found;
};
"#;

const SERVED: &str = r#"
import "../static.js"; // Outside of the app's folder, and named statically.
import { wrong, granted } from "./attempts.js";
import * as os from "os";
globalThis.named = "value";
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [base, own] = ["base", "own"].map((name) => url.searchParams.get(name));
    switch (url.pathname) {
      case "/refused": return Response.json(await wrong(base, os.getpid()));
      case "/granted": return Response.json(await granted(base, `new-${os.getpid()}`));
      case "/hello": return new Response("hello");
      case "/elsewhere": return Response.redirect("http://192.0.2.1/", 302);
      case "/follow": return fetch(`${own}/hello`).then((answer) => answer.text()).then((text) => new Response(text));
      case "/follow-away":
        try { await fetch(`${own}/elsewhere`); } catch (error) { return new Response(`${error}; ${error.cause ?? ""}`); }
        return new Response("it was done");
      case "/worker": new os.Worker("../outside.js"); return new Response("started");
    }
  },
};"#;

/// The folder `base`: the app in `base/app`, what is granted in `base/data`, what is not beside them.
fn base(main: &str) -> (App, std::path::PathBuf) {
    let app = App::with_files(
        "app/main.js",
        &[
            ("app/main.js", main),
            ("app/attempts.js", ATTEMPTS),
            ("app/own.js", "export default \"own\";"),
            ("app/own.json", "{}"),
            ("app/node_modules/package/package.json", r#"{ "name": "package", "main": "index.js" }"#),
            ("app/node_modules/package/index.js", "module.exports = require('./other');"),
            ("app/node_modules/package/other.js", "module.exports = { name: 'package' };"),
            ("static.js", "globalThis.isLinked = true;"),
            ("outside.js", "export default 1;"),
            ("secret.txt", "secret\n"),
            ("secret.json", "{}"),
            ("data/file.txt", "granted\n"),
        ],
    );
    let base = app.path().parent().and_then(Path::parent).expect("a folder").to_owned();
    let base = std::fs::canonicalize(base).expect("a path");
    for (target, name) in [
        ("..", "out"),
        ("../secret.txt", "secret-link"),
        ("../nowhere/x", "dangling"),
        ("file.txt", "own-link"),
    ] {
        symlink(target, base.join("data").join(name)).expect("a link");
    }
    (app, base)
}

fn flags(base: &Path) -> [String; 3] {
    let data = base.join("data");
    let data = data.display();
    [format!("--allow-read={data}"), format!("--allow-write={data}"), "--allow-net=127.0.0.1".into()]
}

both_backends! {
    fn what_is_not_granted_to_an_app_is_refused_and_what_is_works(io) {
        let (app, base) = base(SERVED);
        let flags = flags(&base);
        let flags = [&["--io", io, "--workers", "1", "--env", "NAMED=value"], &flags.each_ref().map(String::as_str)[..]].concat();
        let server = Server::spawn(&flags, app.path());
        let mut client = Connection::open(server.addr());
        let refused = client.get(&format!("/refused?base={}", base.display()));
        assert_eq!(refused.text(), r#"{"tried":78,"found":[]}"#);
        assert_eq!(client.get(&format!("/granted?base={}", base.display())).text(), "[]");
        assert_eq!(client.get(&format!("/follow?own=http://{}", server.addr())).text(), "hello");
        let away = client.get(&format!("/follow-away?own=http://{}", server.addr()));
        assert!(away.text().contains("Requires net access to \"192.0.2.1:80\", run again with the --allow-net flag"), "{}", away.text());
        client.get("/worker");
        server.await_log("Worker ../outside.js: NotCapable: Requires read access to ");
    }
}

both_backends! {
    fn a_script_is_held_to_its_flags_as_well(io) {
        let main = r#"
import "../static.js";
import { wrong, granted } from "./attempts.js";
import * as os from "os";
const base = scriptArgs[1];
console.log(JSON.stringify([globalThis.isLinked, await wrong(base, os.getpid()), await granted(base, "new")]));"#;
        let (app, base) = base(main);
        let flags = flags(&base);
        let script = app.path().to_str().expect("UTF-8");
        let given = [&["--io", io], &flags.each_ref().map(String::as_str)[..], &["--allow-env=NAMED", script, base.to_str().expect("UTF-8")]].concat();
        let ended = run_to_end(&given);
        // A blocking script runs `exec` and `getaddrinfo` otherwise; both are refused before.
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("[true,{\"tried\":78,\"found\":[]},[]]\n", ""));
    }
}

#[test]
fn a_program_is_granted_by_its_place_and_a_text_has_no_files_of_its_own() {
    let run = |flags: &[&str], text: &str| {
        let ended = run_to_end(&[flags, &["--std", "-e", text]].concat());
        (ended.stdout.trim_end().to_owned(), ended.stderr)
    };
    let text = "const all = [['true'], ['/bin/sh', '-c', 'exit 3'], ['false']]; \
                print(all.map((args) => { try { return os.exec(args) } catch (e) { return e.name } }))";
    assert_eq!(run(&["--allow-run=true,sh"], text).0, "0,3,NotCapable");
    assert_eq!(run(&["--allow-run"], text).0, "0,3,1");
    assert_eq!(run(&["--allow-env=A*,B"], "std.setenv('AB', '1'); print(std.getenv('AB'))").0, "1");
    let (_, error) = run(&["--allow-env=A"], "std.loadFile('/etc/passwd')");
    assert!(
        error.starts_with(
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag\n"
        ),
        "{error}"
    );
    let variables = "os.exec(['true'], { env: { LD_PRELOAD: '/x' } })";
    assert!(run(&["--allow-run=true"], variables).1.contains("Requires run access, run again with"));
    assert_eq!(run(&[], "print(typeof std.getenv('PATH'))").0, "string", "without flags all is as before");
}

#[test]
fn permissions_stand_in_the_file_of_settings() {
    let app = App::with_files(
        "app.js",
        &[
            (
                "app.js",
                "import * as std from 'std'; const read = (file) => { try { return std.loadFile(file) } catch (e) { return e.message } };\
             \nconst here = import.meta.dirname; export default { fetch: () => new Response([read(`${here}/data/x`), read(`${here}/app.js`)].join('|')) }",
            ),
            ("data/x", "x"),
            ("jsserve.toml", "allow-read = [\"data\"]\nallow-env = true"),
        ],
    );
    let server = Server::spawn(&["--workers", "1"], app.path());
    let text = Connection::open(server.addr()).get("/").text().to_owned();
    assert!(text.starts_with("x|Requires read access to "), "{text}");
}

/// The lines of source that development mode shows are of the file that an error's stack names: nobody asks whether the
/// app may read it.
#[test]
fn the_kernel_holds_where_nobody_asks() {
    let main = r#"export default { fetch() {
  const error = new Error("forged");
  error.stack = `    at f (${import.meta.dirname}/../secret.txt:1:1)\n`;
  throw error;
} };"#;
    let app = App::with_files("app/main.js", &[("app/main.js", main), ("secret.txt", "a secret line\n")]);
    for (flags, is_shown) in [(&["--dev"][..], true), (&["--dev", "--allow-env=A"], false)] {
        let server = Server::spawn(&[&["--workers", "1"], flags].concat(), app.path());
        let answer = Connection::open(server.addr()).get("/").text().to_owned();
        if server.log().contains("permissions are held by jsserve alone") {
            return support::skip("the_kernel_holds_where_nobody_asks", "no Landlock");
        }
        assert!(
            answer.contains("forged") && answer.contains("a secret line") == is_shown,
            "{flags:?}: {answer}"
        );
    }
}
