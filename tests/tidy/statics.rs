//! Which state belongs to the process, or to a thread of it, and not to an app.
//!
//! Owns: the list of such statics, each with its reason, and the scan that finds them. Must not know: what they
//! hold. Two apps in one process see each other's state through none of these.

use super::{code, none, sources};

/// Statics that may change: a file, their names there, why they are no app's.
const STATICS: &[(&str, &str, &str)] = &[
    ("handlers/src/http/h1/clock.rs", "CLOCK", "the date in words, made once a second by each thread"),
    ("handlers/src/http/in_memory.rs", "NUMBER", "its tests' files, each with a name of its own"),
    ("runtime/src/client/mod.rs", "CLIENT", "a thread's idle connections to other servers"),
    (
        "runtime/src/files/cache.rs",
        "CACHE",
        "a thread's files, found by their folder's own place on the machine",
    ),
    ("runtime/src/io/activation.rs", "TAKEN", "sockets are handed to the process, once"),
    ("runtime/src/io/budget.rs", "LEFT GAVE_WAY", "the thread's loop"),
    ("runtime/src/io/deadline.rs", "SWEEPER", "the thread's loop"),
    ("runtime/src/io/dns/mod.rs", "SYSTEM", "the machine's name servers"),
    ("runtime/src/io/ends.rs", "HUB", "the thread's loop"),
    (
        "runtime/src/io/executor.rs",
        "OWNER SHARED QUEUE LIVE ROOT ASLEEP TOKIO_PASSES TOKIO_WAITS",
        "the thread's loop",
    ),
    ("runtime/src/io/fault.rs", "PLANS", "its tests' threads, by name"),
    ("runtime/src/io/file.rs", "THREADS", "how many threads wait for the thread's loop"),
    ("runtime/src/io/pool.rs", "LARGE POOL", "a thread's buffers, empty"),
    ("runtime/src/io/pulse.rs", "PULSE", "the thread's loop"),
    ("runtime/src/io/ring/mod.rs", "BATCH", "the thread's loop"),
    ("runtime/src/io/signals.rs", "CLAIMED PENDING WAKE", "signals come to the process"),
    ("runtime/src/io/terminal.rs", "BEFORE AT_EXIT", "the process's terminal, put back at its end"),
    ("runtime/src/io/timer.rs", "NOW TIMERS", "the thread's loop"),
    ("runtime/src/io/worker.rs", "RING", "the thread's loop"),
    (
        "runtime/src/js/class.rs",
        "CONSTRUCTORS",
        "addresses of a thread's engine; a wrong one costs a look-up",
    ),
    ("runtime/src/js/internal.rs", "BYTECODE", "modules of this program, compiled once"),
    ("runtime/src/log.rs", "BUDGETS START TOTALS", "the process has one log"),
    (
        "runtime/src/modules/qjs/std/standard.rs",
        "STREAMS",
        "standard input, output and error are the process's",
    ),
    ("runtime/src/modules/web/crypto/pool.rs", "POOL leak", "threads as many as the machine has cores"),
    (
        "runtime/src/modules/web/url_pattern/compile.rs",
        "QUESTIONS",
        "for the time of one call that takes no argument",
    ),
    ("runtime/src/folders.rs", "DRAFTS", "file names that no other thread has"),
    ("runtime/src/net/channel.rs", "SCRATCH", "a thread's buffer, between two uses of it"),
    (
        "runtime/src/source/cache.rs",
        "BUILD DRAFTS",
        "which build this is; file names that no other thread has",
    ),
    ("runtime/src/tls/mod.rs", "ROOTS", "the machine's certificates"),
    ("runtime/src/tls/names.rs", "CHOSEN", "between a call of rustls's and what it has led to"),
    ("src/main.rs", "ALLOCATOR", "the process's memory"),
    ("src/logging.rs", "JSON", "the process has one log"),
];

/// Names in the type of a static that cannot change.
const FIXED: &[&str] = &[
    "bool", "char", "str", "static", "CStr", "u8", "u16", "u32", "u64", "usize", "i32", "i64",
    // Names and functions, no cell.
    "Table",
];

/// The names of the statics that may change, those of threads included, and `leak` for what is never given back.
fn changing(text: &str) -> Vec<String> {
    let without_tests = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub(crate) mod "]
        .iter()
        .fold(text, |text, tests| text.split(tests).next().unwrap_or_default());
    let lines: Vec<&str> = code(without_tests).map(|(_, line)| line.trim()).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.contains("Box::leak(") || line.contains(".leak()") {
            found.push("leak".to_owned());
        }
        let Some((before, rest)) = line.split_once("static ") else { continue };
        let is_definition =
            matches!(before.trim(), "" | "pub") || before.starts_with("pub(") && before.ends_with(") ");
        if !is_definition {
            continue;
        }
        let rest = [&[rest], &lines[at + 1..]].concat().join(" ");
        let Some((name, rest)) = rest.split_once(':') else { continue };
        let is_mut = name.starts_with("mut ");
        let kind = rest.split(['=', ';']).next().unwrap_or_default().to_owned();
        // `[T; N]` is one type.
        let kind =
            if kind.contains('[') { rest.split('=').next().unwrap_or_default().to_owned() } else { kind };
        let words = kind.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        let is_fixed = |word: &str| {
            FIXED.contains(&word) || !word.chars().any(char::is_lowercase) || word.parse::<usize>().is_ok()
        };
        let is_cell = words.into_iter().any(|word| !is_fixed(word));
        if is_mut || is_cell {
            found.push(name.trim_start_matches("mut ").trim().to_owned());
        }
    }
    found
}

#[test]
fn no_state_of_an_app_is_the_processs() {
    let mut violations = Vec::new();
    let mut listed: Vec<(&str, &str)> =
        STATICS.iter().flat_map(|(file, names, _)| names.split(' ').map(|name| (*file, name))).collect();
    for (path, text) in sources().iter().filter(|(path, _)| !path.ends_with("_tests.rs")) {
        for name in changing(text) {
            match listed.iter().position(|known| *known == (path.as_str(), name.as_str())) {
                Some(at) => drop(listed.remove(at)),
                None => violations.push(format!(
                    "{path}: the static {name}: keep it in a value of the app (js/cluster.rs), or say in STATICS why \
                     it is no app's"
                )),
            }
        }
    }
    violations.extend(listed.iter().map(|(path, name)| format!("STATICS: {path} has no {name}")));
    none(&violations);
}

#[test]
fn a_planted_static_is_found() {
    for (text, names) in [
        ("static ON: AtomicBool = AtomicBool::new(false);", "ON"),
        (
            "pub(crate) static ALL: LazyLock<\n    RwLock<Vec<u8>>,\n> = LazyLock::new(RwLock::default);",
            "ALL",
        ),
        ("fn f() {\n    static ONCE: OnceLock<bool> = OnceLock::new();\n}", "ONCE"),
        (
            "thread_local! {\n    /// Why.\n    static A: Cell<u8> = const { Cell::new(0) };\n    pub static B: [Cell<u8>; 4] = [];\n}",
            "A B",
        ),
        ("static mut COUNT: usize = 0;", "COUNT"),
        ("static OWN: Settings = NONE;", "OWN"),
        ("let kept: &'static Settings = Box::leak(Box::new(it));", "leak"),
        (
            "static NAMES: [&[&str]; 2] = [];\nstatic WIDTHS: [u8; WIDTH] = WIDE;\npub static TABLE: Table = Table {};",
            "",
        ),
        (
            "// static A: AtomicBool\nfn f(a: &'static Cell<u8>) {}\nconst A: &'static str = \"static A: Cell\";",
            "",
        ),
        ("fn f() {}\n#[cfg(test)]\nmod tests {\n    static A: AtomicBool = AtomicBool::new(false);\n}", ""),
    ] {
        assert_eq!(changing(text).join(" "), names, "{text}");
    }
}
