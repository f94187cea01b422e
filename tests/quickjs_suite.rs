//! QuickJS's own tests pass when run as `jsserve FILE`.
//!
//! Owns: finding them (the sources of quickjs-ng that the crate rquickjs-sys brings along lie in cargo's
//! registry, with their tests), the few files that are no programs of their own, what a file declares
//! to throw. Must not know: what the tests test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Parts of other tests, and a benchmark.
const NO_PROGRAMS: [&str; 10] = [
    "assert.js",
    "empty.js",
    "fixture_cyclic_import.js",
    "fixture_reexport_direct.js",
    "fixture_reexport_missing.js",
    "fixture_reexport_source.js",
    "fixture_string_exports.js",
    "fixture_throwing_module.js",
    "microbench.js",
    "test_worker_module.js",
];
/// What only the engine's test runner offers, not `qjs`: how a string is stored.
const RUNNERS_OWN: &str = "globalThis.qjs = { getStringKind: (s) => (s.length < 1024 ? 0 : 1) };";
/// Needs the module `qjs:bjson`, the engine's serialised bytecode, which is never read from outside here.
const NEEDS_BYTECODE: &str = "test_bjson.js";
/// Compares the engine's words of errors, which are ours here (`engine_edges::errors_name_what_failed`).
const COMPARES_WORDS: &str = "null_or_undefined.js";
/// An unhandled rejection on purpose: it exits 1, as `qjs` does, and must not crash.
const REJECTS: &str = "bug1661.js";

/// The folder `tests` of the engine's sources.
fn suite() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        // What other systems need was never downloaded.
        .args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let key = "\"manifest_path\":\"";
    let manifest = text.match_indices(key).find_map(|(at, _)| {
        let path = text[at + key.len()..].split('"').next()?;
        path.contains("/rquickjs-sys-").then(|| PathBuf::from(path))
    });
    manifest.expect("rquickjs-sys is a dependency").with_file_name("quickjs").join("tests")
}

/// The `type:` of a `negative:` block in the comment that opens some of the files.
fn declared_error(source: &str) -> Option<&str> {
    let header = source.split("---*/").next()?.split("/*---").nth(1)?;
    let negative = header.split("negative:").nth(1)?;
    negative.split("type:").nth(1)?.split_whitespace().next()
}

/// Runs one file; what is wrong with how it ended.
fn fault(file: &Path, io: &str, folder: &Path) -> Option<String> {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let source = String::from_utf8_lossy(&std::fs::read(file).expect("a test")).into_owned();
    let mut command = Command::new("timeout");
    command.args(["120", env!("CARGO_BIN_EXE_jsserve"), "--io", io]).current_dir(folder);
    if name == "test_builtin.js" {
        let prelude = folder.join("prelude.js");
        std::fs::write(&prelude, RUNNERS_OWN).expect("write the prelude");
        command.arg("-I").arg(prelude);
    }
    // Some start programs that read standard input: it stays open, and is silent, until the test has ended.
    let (input, _open) = std::io::pipe().expect("a pipe");
    let Output { status, stderr, stdout } = command.arg(file).stdin(input).output().expect("run jsserve");
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let wanted = match declared_error(&source) {
        Some(error) => status.code() == Some(1) && said.contains(error),
        None if name == REJECTS => status.code() == Some(1),
        None => status.success(),
    };
    (!wanted).then(|| format!("{name} ended with {status}:\n{said}"))
}

fn run_all(io: &str) {
    let suite = suite();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&suite)
        .unwrap_or_else(|error| panic!("{}: {error}", suite.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .filter(|path| {
            let left_out = [NEEDS_BYTECODE, COMPARES_WORDS].iter().any(|name| path.ends_with(name));
            !left_out && !NO_PROGRAMS.iter().any(|name| path.ends_with(name))
        })
        .collect();
    files.sort();
    assert!(files.len() > 50, "only {} tests in {}", files.len(), suite.display());
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut faults = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let folder = tempfolder(io, file);
            faults.extend(fault(file, io, &folder));
            let _ = std::fs::remove_dir_all(&folder);
        }
        faults
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), files.len(), faults.join("\n"));
}

/// Some of them write files into the folder that they run in.
fn tempfolder(io: &str, file: &Path) -> PathBuf {
    let name = format!("quickjs-{io}-{}", file.file_stem().and_then(|name| name.to_str()).expect("a name"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

both_backends! {
    fn quickjs_own_tests_pass(io) {
        run_all(io);
    }
}
