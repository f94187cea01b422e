//! Rules for the JavaScript that is part of the program: headers, sizes, imports.
//!
//! Owns: those rules, and the proof that they find what they look for. Must not know: what the scripts do. How
//! they are written is for a formatter and the TypeScript compiler (`tests/embedded.rs`).

use std::collections::{BTreeMap, BTreeSet};

use super::{FUNCTION_LINES_MAX, ORDERS, files, imports, none};

const INTERNAL: &str = "jsserve:internal/";
/// The folders of embedded modules, each with what its modules' names begin with.
const FOLDERS: [(&str, &str); 3] =
    [("runtime/src/modules/web/", ""), ("runtime/src/modules/own/", ""), ("runtime/src/js/", "js/")];

/// The embedded modules: name behind [`INTERNAL`], path, text.
fn embedded() -> Vec<(String, String, String)> {
    let module = |(path, text): (String, String)| {
        let (folder, room) = FOLDERS.iter().find(|(folder, _)| path.starts_with(folder))?;
        let name = format!("{room}{}", path.strip_prefix(folder)?.strip_suffix(".js")?);
        Some((name, path, text))
    };
    files(&["js"]).into_iter().filter_map(module).collect()
}

/// The specifiers of a script's imports.
fn specifiers(text: &str) -> Vec<&str> {
    let statement =
        |line: &&str| ["import ", "export ", "} from "].iter().any(|start| line.starts_with(start));
    text.lines()
        .filter(|line| line.ends_with("';") && statement(line))
        .filter(|line| line.contains(" from '") || line.starts_with("import '"))
        .filter_map(|line| line.trim_end_matches("';").rsplit_once('\'').map(|(_, specifier)| specifier))
        .collect()
}

/// Functions over the cap: the formatter puts the closing brace below the line that opens one.
fn long_functions(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let no_function = ["if ", "else ", "} else", "for ", "while ", "switch ", "} catch", "try "];
        let opens = words.ends_with("=> {") || words.ends_with(") {");
        if !opens || no_function.iter().any(|start| words.starts_with(start)) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - words.len()));
        let length = lines[at..].iter().skip(1).position(|line| line.starts_with(&end)).map_or(0, |n| n + 1);
        if length > FUNCTION_LINES_MAX {
            found.push(format!(
                "{path}:{}: a function of {length} lines, {FUNCTION_LINES_MAX} is the cap",
                at + 1
            ));
        }
    }
    found
}

#[test]
fn embedded_functions_keep_their_cap() {
    let all = embedded();
    assert!(all.len() > 30, "only {} embedded modules found", all.len());
    none(&all.iter().flat_map(|(_, path, text)| long_functions(path, text)).collect::<Vec<_>>());
}

#[test]
fn embedded_modules_say_what_they_own_and_have_a_row() {
    let table = files(&["rs"]).into_iter().find(|(path, _)| path == "runtime/src/modules/mod.rs");
    let table = table.expect("the table of modules").1;
    let mut violations = Vec::new();
    for (name, path, text) in embedded() {
        let header = text.split("*/").next().unwrap_or_default();
        for part in ["Owns: ", "Must not know: "] {
            if !header.contains(part) {
                violations.push(format!("{path}: its first comment has no \"{part}\""));
            }
        }
        if !table.contains(&format!("\"{name}\"")) {
            violations.push(format!("{path}: {name} has no row in runtime/src/modules/mod.rs"));
        }
    }
    none(&violations);
}

/// One that imports another in a circle is read while the other is half read, and stays so when that fails.
#[test]
fn embedded_modules_import_each_other_in_no_circle_and_downward() {
    let order: Vec<&str> = ORDERS.iter().flat_map(|(_, order)| order.split_whitespace()).collect();
    let place = |name: &str| {
        let room = name.split('/').next().unwrap_or_default().to_owned();
        order.iter().position(|known| *known == room).unwrap_or_else(|| panic!("{room} stands in no order"))
    };
    let mut violations = Vec::new();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0;
    for (name, path, text) in embedded() {
        for specifier in specifiers(&text) {
            count += 1;
            let Some(other) = specifier.strip_prefix(INTERNAL) else {
                violations.push(format!("{path} imports {specifier}, which is not ours"));
                continue;
            };
            let is_own_room = name.split('/').next() == other.split('/').next();
            if !is_own_room && (name.starts_with("js/") || place(other) > place(&name)) {
                violations.push(format!("{path} imports {other}, which is above it"));
            }
            graph.entry(name.clone()).or_default().insert(other.to_owned());
        }
    }
    assert!(count > 100, "only {count} imports found");
    violations.extend(imports::circles(&graph).iter().map(|circle| format!("a circle: {circle:?}")));
    none(&violations);
}

#[test]
fn the_scan_of_scripts_sees_what_it_looks_for() {
    let body = "    work();\n".repeat(FUNCTION_LINES_MAX);
    for head in ["export const f = (a) => {", "  method(a) {", "function f() {", "  get size() {"] {
        let indent = " ".repeat(head.len() - head.trim_start().len());
        assert_eq!(long_functions("a.js", &format!("{head}\n{body}{indent}}}\n")).len(), 1, "{head}");
    }
    for head in ["export class A {", "if (a) {", "const a = {", "  static {"] {
        assert_eq!(long_functions("a.js", &format!("{head}\n{body}}}\n")).len(), 0, "{head}");
    }
    let text = "import 'a:b/c';\nimport { x } from 'd';\nimport {\n  y,\n} from 'e';\nexport * from 'f';\nconst s = 'g';\n";
    assert_eq!(specifiers(text), ["a:b/c", "d", "e", "f"]);
}
