//! How often each name of a type is given.
//!
//! Owns: the reading of definitions, the names that may stand in many files. Must not know: what they name.

use std::collections::{BTreeMap, BTreeSet};

use super::{none, sources};

/// Names of types that say enough wherever they stand.
const COMMON: &[&str] = &["Error", "Kind", "Options", "Result", "State"];

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
    let violations: Vec<String> = types(&sources())
        .into_iter()
        .filter(|(name, files)| files.len() > 2 && !COMMON.contains(&name.as_str()))
        .map(|(name, files)| format!("{name} stands in {} files: {files:?}", files.len()))
        .collect();
    none(&violations);
}
