//! Import maps (HTML Standard, section 8.1.5.2): specifiers mapped before anything else.
//!
//! Owns: `imports` and `scopes` of one file. Must not know: packages, what a file holds.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::paths::{folder, normalise};

/// A parsed import map; addresses are absolute paths, or names of packages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ImportMap {
    imports: Imports,
    /// Longest prefix first.
    scopes: Vec<(String, Imports)>,
}

/// An address of `None` blocks the specifier.
type Imports = HashMap<String, Option<String>>;

impl ImportMap {
    /// Reads the map in the file `path`; its addresses start from the folder of the file.
    ///
    /// # Errors
    /// In words: a file that cannot be read, what is no import map.
    pub fn read(path: &Path) -> Result<ImportMap, String> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let full = std::fs::canonicalize(path).map_err(|error| wrong(error.to_string()))?;
        ImportMap::parse(&text, full.parent().unwrap_or(Path::new("/"))).map_err(wrong)
    }

    /// Parses a map whose addresses start from `folder`.
    ///
    /// # Errors
    /// In words: what is no import map.
    pub fn parse(text: &str, folder: &Path) -> Result<ImportMap, String> {
        let map: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let map = map.as_object().ok_or("an import map is an object")?;
        let imports = map.get("imports").map(|all| self::imports(all, folder)).transpose()?;
        let mut scopes = Vec::new();
        if let Some(all) = map.get("scopes") {
            let all = all.as_object().ok_or("\"scopes\" is an object")?;
            for (prefix, imports) in all {
                scopes.push((address(prefix, folder)?, self::imports(imports, folder)?));
            }
        }
        scopes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(ImportMap { imports: imports.unwrap_or_default(), scopes })
    }

    /// What `specifier` means in the file `base`, where the map says something about it.
    pub fn resolve(&self, base: &str, specifier: &str) -> Option<String> {
        let full = match specifier.starts_with("./") || specifier.starts_with("../") {
            true => normalise(&folder(base).join(specifier)).to_string_lossy().into_owned(),
            false => specifier.to_owned(),
        };
        let inside = |prefix: &str| base == prefix || prefix.ends_with('/') && base.starts_with(prefix);
        let scopes = self.scopes.iter().filter(|(prefix, _)| inside(prefix)).map(|(_, imports)| imports);
        scopes.chain([&self.imports]).find_map(|imports| look_up(imports, &full))
    }
}

/// The entry itself, else that of the longest prefix which ends in a slash.
fn look_up(imports: &Imports, specifier: &str) -> Option<String> {
    if let Some(address) = imports.get(specifier) {
        return address.clone();
    }
    let prefixes =
        imports.iter().filter(|(key, _)| key.ends_with('/') && specifier.starts_with(key.as_str()));
    let (key, address) = prefixes.max_by_key(|(key, _)| key.len())?;
    let address = address.as_ref()?;
    Some(format!("{address}{}", &specifier[key.len()..]))
}

fn imports(all: &Value, folder: &Path) -> Result<Imports, String> {
    let all = all.as_object().ok_or("\"imports\" is an object")?;
    let mut imports = Imports::new();
    for (key, value) in all {
        let to = match value {
            Value::Null => None,
            Value::String(to) => Some(address(to, folder)?),
            _ => return Err(format!("the address of \"{key}\" is a string")),
        };
        if key.ends_with('/') && to.as_ref().is_some_and(|to| !to.ends_with('/')) {
            return Err(format!("\"{key}\" ends in a slash, so its address does, too"));
        }
        imports.insert(address(key, folder)?, to);
    }
    Ok(imports)
}

/// An address or key with its relative path made absolute; other names stay.
fn address(text: &str, folder: &Path) -> Result<String, String> {
    if text.starts_with("http:") || text.starts_with("https:") {
        return Err(format!("\"{text}\": modules come from files, not from the network"));
    }
    if !text.starts_with("./") && !text.starts_with("../") {
        return Ok(text.to_owned());
    }
    let slash = if text.ends_with('/') { "/" } else { "" };
    Ok(format!("{}{slash}", normalise(&folder.join(text)).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Result<ImportMap, String> {
        ImportMap::parse(text, Path::new("/app"))
    }

    #[test]
    fn the_longest_match_holds_and_scopes_go_first() {
        let map = map(
            r#"{ "imports": { "a": "./lib/a.js", "a/": "./lib/a/", "a/b/": "./b/", "./old.js": "./new.js", "p": "q" },
                 "scopes": { "./test/": { "a": "./mock.js" }, "./test/deep/": { "a": "./deep.js" } } }"#,
        )
        .expect("a map");
        for (base, specifier, found) in [
            ("/app/main.js", "a", Some("/app/lib/a.js")),
            ("/app/main.js", "a/x.js", Some("/app/lib/a/x.js")),
            ("/app/main.js", "a/b/x.js", Some("/app/b/x.js")),
            ("/app/sub/main.js", "../old.js", Some("/app/new.js")),
            ("/app/main.js", "p", Some("q")),
            ("/app/main.js", "other", None),
            ("/app/test/x.js", "a", Some("/app/mock.js")),
            ("/app/test/deep/x.js", "a", Some("/app/deep.js")),
            ("/app/test/x.js", "p", Some("q")),
            ("/app/testing.js", "a", Some("/app/lib/a.js")),
        ] {
            assert_eq!(map.resolve(base, specifier).as_deref(), found, "{specifier} in {base}");
        }
    }

    #[test]
    fn what_is_no_import_map_is_told() {
        for (text, part) in [
            ("[]", "is an object"),
            ("{\"imports\": {\"a\": 1}}", "\"a\""),
            ("{\"imports\": {\"a/\": \"./b\"}}", "slash"),
            ("{\"imports\": {\"a\": \"https://x/\"}}", "network"),
            ("{", "line 1"),
        ] {
            let message = map(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
