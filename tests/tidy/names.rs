//! How often each name of a type is given.
//!
//! Owns: the reading of definitions, the names that may stand in many files. Must not know: what they name.

use std::collections::{BTreeMap, BTreeSet};

use super::{none, sources};

/// Names of types that say enough wherever they stand.
const COMMON: &[&str] = &["Error", "Kind", "Options", "Result", "State"];

/// Names of types that stand in more than two files yet, and in how many. The list may only get shorter.
const REPEATED: &[(&str, usize)] = &[
    ("End", 3),
    ("Frame", 3),
    ("Global", 3),
    ("Globals", 4),
    ("Kept", 3),
    ("Memory", 3),
    ("Pair", 3),
    ("Sink", 3),
    ("Source", 3),
];

/// The name that a line defines a type by.
fn defined(line: &str) -> Option<&str> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| word.starts_with("pub") || *word == "in" || word.ends_with(')'));
    ["struct", "enum", "union", "trait", "type"].contains(&words.next()?).then_some(())?;
    let name = words.next()?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    Some(&name[..end]).filter(|name| name.starts_with(|c: char| c.is_uppercase()))
}

/// The files that define a type of each name; those inside of functions and traits do not count.
pub fn types(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files {
        for name in text.lines().filter(|line| !line.starts_with(' ')).filter_map(defined) {
            all.entry(name.to_owned()).or_default().insert(path.clone());
        }
    }
    all
}

#[test]
fn definitions_are_read() {
    for (line, name) in [
        ("pub(super) struct Room<T>(T);", Some("Room")),
        ("enum State {", Some("State")),
        ("pub type Result<T> = std::result::Result<T, Error>;", Some("Result")),
        ("pub(in crate::js) trait Class: Sized {", Some("Class")),
        ("fn struct_of() {", None),
        ("use super::Type;", None),
    ] {
        assert_eq!(defined(line), name, "{line}");
    }
}

#[test]
fn no_name_of_a_type_stands_in_more_than_two_files() {
    let all = types(&sources());
    let many: BTreeMap<&str, usize> = all
        .iter()
        .map(|(name, files)| (name.as_str(), files.len()))
        .filter(|(name, count)| *count > 2 && !COMMON.contains(name))
        .collect();
    let mut violations = Vec::new();
    for (name, count) in &many {
        let most = REPEATED.iter().find(|(known, _)| known == name).map_or(2, |(_, most)| *most);
        if *count > most {
            violations.push(format!("{name} stands in {count} files: {:?}", all[*name]));
        }
    }
    for (name, most) in REPEATED {
        let count = many.get(name).copied().unwrap_or(0);
        if count < *most {
            violations.push(format!("REPEATED: {name} stands in {count} files now: say so, or take it out"));
        }
    }
    none(&violations);
}
