//! The names that a CommonJS module exports, with those of the modules that it takes over.
//!
//! Owns: that walk, and its end. Must not know: how one text's names are found, how a module is run.

use std::collections::BTreeSet;

use super::prepare;
use super::prepared::{Exports, ModuleFormat};
use super::resolve::{self, By};
use super::sources::Sources;

/// How many modules are looked into for the names that one takes over.
const MODULES_MAX: usize = 256;

/// The names that the CommonJS module `name` exports, those of the modules that it takes over
/// included; `default` is not one of them.
pub fn names(sources: &Sources, name: &str, exports: &Exports) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = exports.names.iter().cloned().collect();
    let mut seen = BTreeSet::from([name.to_owned()]);
    let mut rest: Vec<(String, String)> = from(name, exports);
    while let Some((base, specifier)) = rest.pop() {
        let Ok(path) = resolve::resolve(sources, &base, &specifier, By::Require) else { continue };
        if seen.len() >= MODULES_MAX || !seen.insert(path.clone()) || path.ends_with(".json") {
            continue;
        }
        let Some(prepared) =
            std::fs::read(&path).ok().and_then(|source| prepare::prepare(sources, &path, source).ok())
        else {
            continue;
        };
        if let ModuleFormat::CommonJs(exports) = prepared.format {
            names.extend(exports.names.iter().cloned());
            rest.extend(from(&path, &exports));
        }
    }
    names.remove("default");
    names
}

fn from(base: &str, exports: &Exports) -> Vec<(String, String)> {
    exports.from.iter().map(|specifier| (base.to_owned(), specifier.clone())).collect()
}
