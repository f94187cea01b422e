//! The tree's own rules: the ladder, header lines, sizes, forbidden words.
//!
//! Owns: the scan of every source file, and the proof that the scan finds what it looks for. Must
//! not know: what the code does. Rules come from STYLE.md and DESIGN.md of the project.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/scripts.rs"]
mod scripts;
#[path = "tidy/statics.rs"]
mod statics;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const HEADER_LINES_MAX: usize = 8;
const README_LINES_MAX: usize = 120;

/// The level whose rooms may name each other.
const TOP: u32 = 8;

/// The rooms of `runtime/src`, each with its level; a file names only lower levels and its own room.
const ROOMS: [(&str, u32); 41] = [
    ("repl", TOP),
    ("script", TOP),
    ("board", TOP),
    ("check", TOP),
    ("server", TOP),
    ("listeners", TOP),
    ("refused", TOP),
    ("serving", TOP),
    ("worker", TOP),
    ("shutdown", TOP),
    ("app", 7),
    ("cgi_engine", 7),
    ("modules", 6),
    ("acme", 6),
    ("upstream", 6),
    ("client", 5),
    ("cgi", 4),
    ("net", 4),
    ("bus", 3),
    ("files", 3),
    ("tls", 3),
    ("fence", 2),
    ("js", 2),
    ("io", 2),
    ("source", 1),
    ("accept_encoding", 1),
    ("access_log", 1),
    ("address", 1),
    ("causes", 1),
    ("config", 1),
    ("cron", 1),
    ("environment", 1),
    ("error", 1),
    ("fastcgi", 1),
    ("folders", 1),
    ("header_list", 1),
    ("log", 1),
    ("metrics", 1),
    ("permissions", 1),
    ("site", 1),
    ("websocket", 1),
];

/// What a folder never names: each absence is an invariant of the design.
const ABSENCES: [(&str, &[&str]); 12] = [
    ("runtime/src/bus/", &["rquickjs"]),
    ("runtime/src/cgi/", &["rquickjs", "http::"]),
    ("runtime/src/io/", &["rquickjs"]),
    ("runtime/src/js/", &["socket2::", "io_uring::", "tokio_uring::", "std::net", "TcpStream"]),
    ("runtime/src/client/", &["rquickjs"]),
    ("runtime/src/net/", &["rquickjs", "http::"]),
    ("runtime/src/tls/", &["rquickjs", "http::", "hyper"]),
    ("runtime/", &["handlers::", "httparse"]),
    ("handlers/src/", &["runtime::modules", "runtime::js", "rquickjs"]),
    ("handlers/", &["io_uring::", "tokio_uring::", "io::ring", "unsafe {"]),
    ("bench/", &["runtime::", "handlers::"]),
    ("src/", &["rquickjs::", "io_uring::", "tokio::", "unsafe {"]),
];

/// The one place that knows hyper, and what tests it: the crate `handlers` has a codec of its own.
const HYPER: (&str, &[&str]) = (
    "hyper::",
    &[
        "runtime/src/client/",
        "runtime/src/net/adapter.rs",
        "runtime/tests/client_",
        "handlers/tests/",
        "bench/",
    ],
);

/// The sources that are looked through for circles and names.
const SOURCES: &[&str] = &["runtime/src/", "handlers/src/", "src/"];

/// Circles of imports that are allowed: a folder, and which of its files and folders import each other. There is
/// none, and none may come.
const CIRCLES: &[(&str, &str)] = &[];

/// Folders with an order: each room imports only those that stand before it.
const ORDERS: &[(&str, &str)] = &[
    ("runtime/src/modules", "web qjs own types"),
    (
        "runtime/src/modules/web",
        "host clock report topics embed iterate date console webidl encoding structured_clone errors timers crypto url_pattern \
         abort events messaging broadcast performance locks navigator streams locale blob url websocket form_data fetch event_source",
    ),
    ("runtime/src/modules/qjs", "os std print"),
    ("runtime/src/modules/own", "events files shared site sockets websocket"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files with one of `extensions`, as path from the root and text.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folder") {
            let path: PathBuf = entry.expect("entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8 names");
            if path.is_dir() {
                if !["target", "node_modules"].contains(&name) && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)) {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                found.push((
                    path.strip_prefix(root()).expect("below").to_str().expect("UTF-8").to_string(),
                    text,
                ));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "the scan finds no {extensions:?}");
    found
}

/// The lines that are code: no comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Reports all violations at once: one run shows everything there is to mend.
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn level(room: &str) -> Option<u32> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, level)| *level)
}

/// The names that follow `prefix` in `line`: `crate::io::x` gives io, `crate::{io, js::y}` io and js.
fn names_after(prefix: &str, line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &line[at + prefix.len()..];
        let word =
            |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' => start = depth == 0 || start,
                ' ' => {}
                _ if start && depth == 0 => {
                    names.push(word(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// Joins `use` groups that span lines, so that a group is seen whole.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in code(text) {
        match all.last_mut() {
            Some((_, statement)) if open => statement.push_str(line.trim()),
            _ => all.push((number, line.to_string())),
        }
        let statement = all.last().map(|(_, text)| text.trim_start()).unwrap_or_default();
        let import = statement.starts_with("use ") || statement.starts_with("pub use ");
        open = import && !statement.ends_with(';');
    }
    all
}

/// The rooms that `path` of the crate `runtime` names and may not.
fn climbs(path: &str, text: &str) -> Vec<String> {
    let room = path.trim_start_matches("runtime/src/").split(['/', '.']).next().unwrap_or_default();
    let Some(own) = level(room) else { return Vec::new() };
    let depth = path.trim_start_matches("runtime/src/").trim_end_matches("/mod.rs").matches('/').count() + 1;
    let above = "super::".repeat(depth);
    let mut found = Vec::new();
    for (number, statement) in statements(text) {
        for prefix in ["crate::", above.as_str()] {
            for name in names_after(prefix, &statement) {
                let bad = level(&name)
                    .is_some_and(|other| other > own || (other == own && own < TOP && name != room));
                if bad && !(own == 1 && level(&name) == Some(1)) {
                    found.push(format!("{path}:{number}: {room} (level {own}) names {name}"));
                }
            }
        }
    }
    found
}

/// The sources of the three crates, without their tests.
fn sources() -> Vec<(String, String)> {
    let source = |path: &str| SOURCES.iter().any(|source| path.starts_with(source));
    files(&["rs"]).into_iter().filter(|(path, _)| source(path)).collect()
}

#[test]
fn no_folder_has_a_circle_of_imports() {
    let files = sources();
    let graphs = SOURCES.iter().flat_map(|source| imports::graphs(source, &files));
    let mut violations = Vec::new();
    let mut known: Vec<(&str, BTreeSet<&str>)> =
        CIRCLES.iter().map(|(folder, names)| (*folder, names.split(' ').collect())).collect();
    for (folder, graph) in graphs {
        for circle in imports::circles(&graph) {
            let names: BTreeSet<&str> = circle.iter().map(String::as_str).collect();
            match known.iter().position(|(place, known)| *place == folder && known.is_superset(&names)) {
                Some(at) if known[at].1 == names => drop(known.remove(at)),
                Some(at) => violations.push(format!("CIRCLES: {folder} has less: {:?}", known.remove(at).1)),
                None => violations.push(format!("{folder}: these import each other: {names:?}")),
            }
        }
    }
    violations
        .extend(known.iter().map(|(folder, names)| format!("CIRCLES: {folder} has no more: {names:?}")));
    none(&violations);
}

#[test]
fn a_planted_circle_is_found() {
    let file = |path: &str, text: &str| (format!("runtime/src/{path}"), text.to_owned());
    let graphs = imports::graphs(
        "runtime/src/",
        &[
            file("lib.rs", "mod a; mod b; mod c;"),
            file("a/mod.rs", "mod one;\nmod two;\nuse crate::{c, b::{self, X as Y}};"),
            file("a/one.rs", "use super::two::Two;"),
            file("a/two.rs", "fn f<'a>() { let _ = ('\\'', \"crate::a::one\"); super::one::g(); }"),
            file("b.rs", "// crate::c\nuse std::fmt;\npub fn f() { crate::c::f() }"),
            file("c.rs", "use super::{a::one,\n};\n#[cfg(test)]\nmod tests {\n    use crate::b; }"),
        ],
    );
    let circles = |folder| imports::circles(&graphs[folder]);
    let set = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(circles("runtime/src"), [set("a b c")]);
    assert_eq!(circles("runtime/src/a"), [set("one two")]);
    let straight = [file("x/mod.rs", "pub mod y; pub use y::Z;"), file("x/y.rs", "use super::W;")];
    assert!(imports::graphs("runtime/src/", &straight).is_empty(), "a folder and its parts are one");
}

#[test]
fn rooms_of_a_folder_keep_their_order() {
    let files = sources();
    let mut violations = Vec::new();
    let graphs = imports::graphs("runtime/src/", &files);
    for (folder, order) in ORDERS {
        let order: Vec<&str> = order.split_whitespace().collect();
        let place = |name: &str| order.iter().position(|known| *known == name);
        let entries = fs::read_dir(root().join(folder)).expect(folder);
        let names =
            entries.map(|entry| entry.expect("entry").file_name().to_str().expect("UTF-8").to_owned());
        let found: BTreeSet<String> = names
            .filter(|name| !name.contains('.') || name.ends_with(".rs") && name != "mod.rs")
            .map(|name| name.trim_end_matches(".rs").to_owned())
            .collect();
        let listed: BTreeSet<String> = order.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, listed, "ORDERS and {folder} have the same rooms");
        for (from, to) in graphs.get(*folder).into_iter().flatten() {
            for to in to.iter().filter(|to| place(to) > place(from)) {
                violations.push(format!("{folder}: {from} imports {to}, which is above it"));
            }
        }
    }
    none(&violations);
}

#[test]
fn the_ladder_is_told_once_and_as_it_is() {
    let text = fs::read_to_string(root().join("runtime/src/lib.rs")).expect("lib.rs");
    let mut told: Vec<(String, u32)> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let mut level = None;
        for (number, part) in line.split('`').enumerate() {
            match (number % 2, level) {
                (0, _) => level = part.trim_end().chars().last().and_then(|c| c.to_digit(10)).or(level),
                (_, Some(level)) => {
                    told.extend(part.split_whitespace().map(|room| (room.to_owned(), level)));
                }
                (_, None) => {}
            }
        }
    }
    let mut rooms: Vec<(String, u32)> =
        ROOMS.iter().map(|(room, level)| ((*room).to_owned(), *level)).collect();
    told.sort();
    rooms.sort();
    assert_eq!(told, rooms, "the ladder in lib.rs, and ROOMS");
    let entries = fs::read_dir(root().join("runtime/src")).expect("runtime/src");
    let names = entries.map(|entry| entry.expect("entry").file_name().to_str().expect("UTF-8").to_owned());
    let mut there: Vec<String> =
        names.filter(|name| name != "lib.rs").map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    there.sort();
    let listed: Vec<String> = rooms.into_iter().map(|(room, _)| room).collect();
    assert_eq!(there, listed, "what is in runtime/src, and ROOMS");
}

/// Whether `line` has `word` other than as the end of a longer path (`tokio::runtime::` is not ours).
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c == ':' || c == '_' || c.is_alphanumeric()))
}

#[test]
fn imports_go_downward_only() {
    let mut violations = Vec::new();
    for (path, text) in files(&["rs"]) {
        if path.starts_with("runtime/src/") {
            violations.extend(climbs(&path, &text));
        }
        for (folder, words) in ABSENCES.iter().filter(|(folder, _)| path.starts_with(folder)) {
            for (number, line) in code(&text) {
                for word in words.iter().filter(|word| names(line, word)) {
                    violations.push(format!("{path}:{number}: {folder} never names {word}"));
                }
            }
        }
    }
    none(&violations);
}

#[test]
fn hyper_has_its_rooms() {
    let (word, rooms) = HYPER;
    let mut violations = Vec::new();
    for (path, text) in files(&["rs"]) {
        if rooms.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        // Quotes: this file speaks of it.
        for (number, _) in code(&text).filter(|(_, line)| names(line, word) && !line.contains('"')) {
            violations.push(format!("{path}:{number}: {word} belongs to {}", rooms[0]));
        }
    }
    none(&violations);
}

#[test]
fn the_scan_sees_an_import_that_climbs() {
    for (path, text) in [
        ("runtime/src/io/ring.rs", "use crate::js::Engine;"),
        ("runtime/src/js/pump.rs", "use crate::{config::Config, io::Stream};"),
        ("runtime/src/js/pump.rs", "use crate::{\n    config::{A, B},\n    modules,\n};"),
        ("runtime/src/js/mod.rs", "use super::worker::Worker;"),
        ("runtime/src/js/classes/url.rs", "use super::super::super::modules::os;"),
        ("runtime/src/modules/os/mod.rs", "    crate::server::start();"),
        ("runtime/src/io/stream.rs", "use crate::client::Client;"),
        ("runtime/src/client/pool.rs", "use crate::modules;"),
        ("runtime/src/config.rs", "use crate::io::Stream;"),
    ] {
        assert_eq!(climbs(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("runtime/src/worker/mod.rs", "use crate::{io::Stream, js, serving::Slot};"),
        ("runtime/src/modules/os/mod.rs", "use crate::io::Stream; use crate::js::Engine;"),
        ("runtime/src/modules/fetch/mod.rs", "use crate::client::Client;"),
        ("runtime/src/client/tls/stream.rs", "use crate::io::Stream; use super::super::error::Error;"),
        ("runtime/src/io/ring.rs", "// crate::js is not named here\nuse super::Stream;"),
        ("runtime/src/io/uring/op.rs", "use crate::io::Stream; use other_crate::js::X;"),
        ("runtime/src/error.rs", "use crate::config::Config;"),
    ] {
        assert_eq!(climbs(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn every_rust_file_opens_with_its_header() {
    let mut violations = Vec::new();
    for (path, text) in files(&["rs"]) {
        let lines = text.lines().take_while(|line| line.starts_with("//!")).count();
        if !(1..=HEADER_LINES_MAX).contains(&lines) {
            violations.push(format!("{path}: {lines} header lines, 1 to {HEADER_LINES_MAX} are right"));
        }
    }
    none(&violations);
}

#[test]
fn every_script_opens_with_a_comment() {
    let mut violations = Vec::new();
    for (path, text) in files(&["js", "mjs", "ts"]) {
        if !text.starts_with("/*") {
            violations.push(format!("{path}: does not open with a block comment"));
        }
    }
    none(&violations);
}

#[test]
fn files_and_functions_keep_their_caps() {
    let mut violations = Vec::new();
    for (path, text) in files(&["rs", "js", "mjs", "ts", "py"]) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            violations.push(format!("{path}: {lines} lines, {FILE_LINES_MAX} is the cap"));
        }
        if path.ends_with(".rs") {
            violations.extend(long_functions(&path, &text));
        }
    }
    none(&violations);
}

/// Functions whose body is over the cap; rustfmt puts the closing brace below the `fn`.
fn long_functions(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start().split("fn ").next().unwrap_or_default();
        let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern", "\"C\""];
        if !line.contains("fn ") || !words.split_whitespace().all(|word| modifiers.contains(&word)) {
            continue;
        }
        // A trait's may have no body.
        if lines[at..].iter().find(|line| line.ends_with(['{', ';'])).is_some_and(|line| line.ends_with(';'))
        {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        if let Some(length) =
            lines[at..].iter().position(|line| *line == end).filter(|n| *n > FUNCTION_LINES_MAX)
        {
            found.push(format!(
                "{path}:{}: a function of {length} lines, {FUNCTION_LINES_MAX} is the cap",
                at + 1
            ));
        }
    }
    found
}

#[test]
fn the_scan_sees_a_long_function() {
    let body = "    work();\n".repeat(FUNCTION_LINES_MAX + 1);
    assert_eq!(long_functions("a.rs", &format!("pub async fn long() {{\n{body}}}\n")).len(), 1);
    assert_eq!(long_functions("a.rs", "fn short() {\n    work();\n}\n").len(), 0);
    let declared =
        format!("trait Work {{\n    fn work(\n        &self,\n    );\n}}\nfn work() {{\n{body}    }}\n");
    assert_eq!(long_functions("a.rs", &declared).len(), 0);
}

#[test]
fn nothing_unfinished_stays() {
    // Written apart, so that this file does not contain them.
    let words = [["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["FIX", "ME"], ["XX", "X"]]
        .map(|parts| parts.concat());
    let mut violations = Vec::new();
    for (path, text) in files(&["rs", "js", "mjs", "ts", "py", "toml"]) {
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                violations.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    none(&violations);
}

#[test]
fn unsafe_code_has_its_two_rooms_and_a_reason_each() {
    let mut violations = Vec::new();
    for (path, text) in files(&["rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        let allowed = ["runtime/src/io/", "runtime/src/js/"].iter().any(|room| path.starts_with(room));
        for (number, line) in code(&text) {
            let marks = ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"];
            // Quotes: this file speaks of it.
            if line.contains('"') || !marks.iter().any(|mark| line.contains(mark)) {
                continue;
            }
            if !allowed {
                violations.push(format!("{path}:{number}: unsafe code outside runtime/src/{{io,js}}"));
            }
            let block = line.contains("unsafe {") || line.contains("unsafe impl");
            let near = &lines[number.saturating_sub(9)..number];
            if block && !near.iter().any(|line| line.contains("SAFETY:")) {
                violations.push(format!("{path}:{number}: unsafe without a SAFETY line"));
            }
        }
    }
    none(&violations);
}

#[test]
fn crates_without_unsafe_forbid_it() {
    for path in ["src/main.rs", "handlers/src/lib.rs"] {
        let text = fs::read_to_string(root().join(path)).expect(path);
        assert!(text.contains("#![forbid(unsafe_code)]"), "{path}");
    }
}

#[test]
fn no_file_is_named_for_nothing() {
    let mut violations = Vec::new();
    for (path, _) in files(&["rs", "js", "ts"]) {
        if path.split(['/', '.']).any(|part| ["utils", "util", "common", "misc", "helpers"].contains(&part)) {
            violations.push(format!("{path}: the name tells nothing"));
        }
    }
    none(&violations);
}

#[test]
fn the_readme_is_short_and_its_files_exist() {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(text.lines().count() < README_LINES_MAX);
    for part in text.split(['`', ' ', '(', ')', '\n']) {
        let file = ["examples/", "bench/", "deploy/", "tests/", "runtime/", "handlers/", "src/"];
        if file.iter().any(|folder| part.starts_with(folder)) {
            assert!(root().join(part).exists(), "README.md names {part}, which is not there");
        }
    }
}
