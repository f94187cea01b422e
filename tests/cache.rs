//! The cache in the user's folder: what a second start takes from it, and what it never takes.
//!
//! Owns: apps and scripts in a temporary folder, each with a cache of its own. Must not know: the form
//! of an entry.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::server::{Ended, end_of};
use crate::support::{App, Connection, Server};

/// A comment that makes a source worth an entry.
fn filler() -> String {
    format!("// {}\n", "-".repeat(2000))
}

/// Runs `file` with a cache in `cache`.
fn run_cached(file: &Path, cache: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.arg(file).env("XDG_CACHE_HOME", cache).stdin(Stdio::null());
    end_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run jsserve"))
}

/// Each entry's name and inode: one that is stored again is another file.
fn state(cache: &Path) -> BTreeSet<(PathBuf, u64)> {
    let inode = |path: &PathBuf| std::fs::metadata(path).map_or(0, |found| found.ino());
    entries(cache).into_iter().map(|path| (path.clone(), inode(&path))).collect()
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let folder =
        std::fs::read_dir(cache.join("jsserve")).map(|all| all.flatten().map(|e| e.path()).collect());
    folder.unwrap_or_default()
}

#[test]
fn a_second_start_takes_what_the_first_made_unless_it_was_damaged() {
    let app = App::with_files(
        "main.ts",
        &[("main.ts", "type A = 1;\n\nconst a: string = 'x';\nprint(a);\nnull!.b")],
    );
    let cache = app.path().with_file_name("cache");
    let first = run_cached(app.path(), &cache);
    assert_eq!(first.stdout, "x\n");
    assert!(first.stderr.contains("main.ts:5:"), "{}", first.stderr);
    let made = entries(&cache);
    assert_eq!(made.len(), 1);
    let before = state(&cache);
    let second = run_cached(app.path(), &cache);
    assert_eq!((second.stdout, second.stderr), (first.stdout.clone(), first.stderr.clone()));
    assert_eq!(state(&cache), before);
    // A changed byte: made anew, never run.
    let mut bytes = std::fs::read(&made[0]).expect("an entry");
    let at = bytes.windows(3).rposition(|part| part == b"\"x\"").expect("the string") + 1;
    bytes[at] = b'y';
    std::fs::write(&made[0], &bytes).expect("written");
    assert_eq!(run_cached(app.path(), &cache).stdout, first.stdout);
    assert_ne!(std::fs::read(&made[0]).expect("an entry"), bytes);
    // Another source is another entry.
    std::fs::write(app.path(), "print('z' as string)").expect("written");
    assert_eq!(run_cached(app.path(), &cache).stdout, "z\n");
    assert_eq!(entries(&cache).len(), 2);
}

#[test]
fn a_short_plain_source_leaves_no_cache_and_no_cache_means_none() {
    let app = App::with_files("main.js", &[("main.js", "print(1)"), ("main.ts", "print(2 as number)")]);
    let cache = app.path().with_file_name("cache");
    assert_eq!(run_cached(app.path(), &cache).stdout, "1\n");
    assert!(!cache.exists());
    let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
    command.arg("--no-cache").arg(app.path().with_file_name("main.ts")).env("XDG_CACHE_HOME", &cache);
    let output = command.stdin(Stdio::null()).output().expect("run jsserve");
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), cache.exists()), ("2\n", false));
}

/// A module with all that bytecode has to keep: places, texts of functions, a top-level await, meta.
const LIBRARY: &str = "export const where = import.meta.filename;
export function shown(a, b = 1) { /* as it is */ return a + b }
export const later = await Promise.resolve('later');
export class Thing { #secret = 'kept'; get secret() { return this.#secret } }
export function fail() {
  throw new Error('here');
}
";

const MAIN: &str = "import { where, shown, later, Thing, fail } from './library.js';
import cjs, { named } from './old.cjs';
print(where, shown, later, new Thing().secret, cjs.text, named, cjs.shown);
try { fail() } catch (error) { print(error.stack) }
try { cjs.fail() } catch (error) { print(error.stack) }
";

const OLD: &str = "exports.text = __filename;
exports.named = 'named';
exports.shown = function (x) { return x };
exports.fail = () => { null.x };
";

#[test]
fn bytecode_of_an_earlier_start_is_used_and_shows_the_same() {
    let (library, old) = (filler() + LIBRARY, filler() + OLD);
    let files = [("main.js", MAIN), ("library.js", &library), ("old.cjs", &old)];
    let app = App::with_files("main.js", &files);
    let cache = app.path().with_file_name("cache");
    let first = run_cached(app.path(), &cache);
    assert!(first.stdout.contains("library.js:7:"), "{}{}", first.stdout, first.stderr);
    assert!(first.stdout.contains("/* as it is */"), "{}", first.stdout);
    assert!(first.stdout.contains("old.cjs:5:"), "{}", first.stdout);
    // The module, what the CommonJS one exports, its body.
    let before = state(&cache);
    assert_eq!(before.len(), 3, "{before:?}");
    let second = run_cached(app.path(), &cache);
    assert_eq!((second.stdout, second.stderr), (first.stdout, first.stderr));
    assert_eq!(state(&cache), before);
}

#[test]
fn the_same_source_elsewhere_is_another_module() {
    let library = filler() + "export default import.meta.filename;";
    let files = [
        ("main.js", "import a from './a.js'; import b from './b.js'; print(a, b)"),
        ("a.js", library.as_str()),
        ("b.js", library.as_str()),
    ];
    let app = App::with_files("main.js", &files);
    let cache = app.path().with_file_name("cache");
    for _ in 0..2 {
        let ended = run_cached(app.path(), &cache);
        let names = ["a.js", "b.js"].map(|name| app.path().with_file_name(name).display().to_string());
        assert_eq!(ended.stdout.trim_end(), names.join(" "), "{}", ended.stderr);
        assert_eq!(entries(&cache).len(), 2);
    }
}

#[test]
fn damaged_bytecode_is_never_run() {
    let library = filler() + LIBRARY;
    let files = [("main.js", "import { later } from './library.js'; print(later)"), ("library.js", &library)];
    let app = App::with_files("main.js", &files);
    let cache = app.path().with_file_name("cache");
    assert_eq!(run_cached(app.path(), &cache).stdout, "later\n");
    let entry = entries(&cache).pop().expect("an entry");
    let whole = std::fs::read(&entry).expect("an entry");
    for at in (0..whole.len()).step_by(whole.len() / 12) {
        let mut bytes = whole.clone();
        bytes[at] = !bytes[at];
        std::fs::write(&entry, &bytes).expect("written");
        let ended = run_cached(app.path(), &cache);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("later\n", ""), "byte {at}");
        assert_eq!(std::fs::read(&entry).expect("an entry"), whole, "byte {at}");
    }
}

#[test]
fn a_served_app_starts_from_the_cache() {
    let source =
        filler() + "export default { fetch() { return new Response(String(LIMIT)) } };\nconst LIMIT = 7;";
    let app = App::with_files("main.js", &[("main.js", &source)]);
    let cache = app.path().with_file_name("cache");
    let spawn = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jsserve"));
        command.env("XDG_CACHE_HOME", &cache);
        Server::spawn_with(command, &["--workers", "2"], app.path())
    };
    let mut states = Vec::new();
    for _ in 0..2 {
        let server = spawn();
        assert_eq!(Connection::open(server.addr()).get("/").text(), "7");
        states.push(state(&cache));
    }
    // That it exports a default, and its bytecode.
    assert_eq!((states[0].len(), &states[0]), (2, &states[1]));
    // An app that changed is the new one at once.
    std::fs::write(app.path(), source.replace("= 7", "= 8")).expect("written");
    let server = spawn();
    assert_eq!(Connection::open(server.addr()).get("/").text(), "8");
}
