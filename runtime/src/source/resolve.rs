//! Module specifiers: what `import` and `require` name, as an absolute path.
//!
//! Owns: relative, absolute and file: specifiers, the order in which places are asked. Must not
//! know: how a module is read.

use std::path::{Component, Path, PathBuf};

use super::packages;
pub use super::packages::NOTHING;

/// How a module is asked for: it decides which conditions of a package hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `import`, or `import()`.
    Import,
    /// `require` of a CommonJS module.
    Require,
}

/// Resolves `specifier` against the file that imports it.
///
/// # Errors
/// One sentence that names what was imported, and by whom.
pub fn resolve(base: &str, specifier: &str, by: By) -> Result<String, String> {
    if specifier == packages::NOTHING {
        return Ok(specifier.to_owned());
    }
    let mapped = super::settings().import_map.as_ref().and_then(|map| map.resolve(base, specifier));
    let asked = mapped.as_deref().unwrap_or(specifier);
    if is_relative(asked)
        && packages::replaces(base)
        && let Ok(found) = packages::resolve(&file(base), asked, by)
    {
        return Ok(found);
    }
    let path = if asked.starts_with("file:") {
        let path = url::Url::parse(asked).ok().and_then(|url| url.to_file_path().ok());
        path.ok_or_else(|| format!("'{specifier}' (imported from {base}) names no file"))?
    } else if asked.starts_with('/') {
        PathBuf::from(asked)
    } else if is_relative(asked) {
        folder(base).join(asked)
    } else {
        return packages::resolve(&file(base), asked, by)
            .map_err(|error| not_a_package(base, specifier, error));
    };
    let path = normalise(&path);
    if path.is_file() {
        return Ok(path.to_string_lossy().into_owned());
    }
    if let Some(source) = typescript_of(&path) {
        return Ok(source.to_string_lossy().into_owned());
    }
    if by == By::Require || may_leave_out_extensions(base) {
        let full = path.to_string_lossy();
        if let Ok(found) = packages::resolve(&file(base), &full, by) {
            return Ok(found);
        }
    }
    Err(missing(base, specifier, &path))
}

/// Whether `specifier` starts from the file that imports it.
fn is_relative(specifier: &str) -> bool {
    specifier.starts_with("./") || specifier.starts_with("../") || specifier == "." || specifier == ".."
}

/// What bundlers and TypeScript resolve without an extension: packages are written for those, and so
/// is TypeScript with `moduleResolution` `bundler`.
fn may_leave_out_extensions(base: &str) -> bool {
    is_in_package(base) || [".ts", ".tsx", ".mts", ".cts", ".jsx"].iter().any(|e| base.ends_with(e))
}

/// Whether the file belongs to an installed package.
pub fn is_in_package(path: &str) -> bool {
    path.contains("/node_modules/")
}

/// TypeScript's habit: `./x.js` means the source x.ts where there is no x.js.
fn typescript_of(path: &Path) -> Option<PathBuf> {
    let sources: &[&str] = match path.extension()?.to_str()? {
        "js" => &["ts", "tsx", "jsx"],
        "jsx" => &["tsx"],
        "mjs" => &["mts"],
        "cjs" => &["cts"],
        _ => return None,
    };
    sources.iter().map(|extension| path.with_extension(extension)).find(|source| source.is_file())
}

/// The message for a file that is not there.
fn missing(base: &str, specifier: &str, path: &Path) -> String {
    if path.is_dir() {
        return format!("Cannot import the folder '{specifier}' (from {base}): name a file in it");
    }
    let mut message = format!("Cannot find module '{specifier}' imported from {base}");
    let extensions = ["js", "mjs", "ts", "tsx", "jsx", "json"];
    if let Some(better) = extensions.iter().map(|e| with_extension(path, e)).find(|p| p.is_file()) {
        let name = better.file_name().unwrap_or_default().to_string_lossy().into_owned();
        message.push_str(&format!(". Did you mean '{name}'? Specifiers carry the file's extension"));
    }
    message
}

/// The message for what is neither a file's name nor found in a package.
fn not_a_package(base: &str, specifier: &str, error: packages::Refusal) -> String {
    let place = format!("'{specifier}' imported from {base}");
    let name = packages::name(specifier);
    match error {
        packages::Refusal::Missing if specifier.starts_with("node:") || packages::is_node(specifier) => {
            format!(
                "Cannot find package {place}: it is a part of Node.js, which jsserve does not have; built-in \
             modules are listed in README.md"
            )
        }
        packages::Refusal::Missing if specifier.contains("://") => {
            format!("Cannot find module {place}: modules come from files, not from the network")
        }
        packages::Refusal::Missing if specifier.starts_with('#') => {
            format!("Cannot find module {place}: the nearest package.json has no such entry in \"imports\"")
        }
        packages::Refusal::Missing => {
            let mut message = format!("Cannot find package {place}: ");
            match packages::folder(&folder(base), name) {
                Some(found) => message.push_str(&format!("{} has no such file", found.display())),
                None => message.push_str(&format!(
                    "relative files begin with './', packages lie in node_modules (npm install {name}), \
                     built-in modules are listed in README.md"
                )),
            }
            message
        }
        packages::Refusal::Other(reason) => format!("Cannot resolve {place}: {reason}"),
    }
}

/// The folder that relative specifiers in `base` start from: the current one where `base` is no file
/// but, as `<cmdline>`, the name of another source.
pub fn folder(base: &str) -> PathBuf {
    match base.starts_with('<') {
        true => std::env::current_dir().unwrap_or_else(|_| "/".into()),
        false => Path::new(base).parent().unwrap_or(Path::new("/")).to_owned(),
    }
}

/// The file that `base` stands for.
fn file(base: &str) -> PathBuf {
    match base.starts_with('<') {
        true => folder(base).join("source.js"),
        false => PathBuf::from(base),
    }
}

fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Removes `.` and `..` without asking the file system, as URLs do.
pub(super) fn normalise(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_removed_as_in_urls() {
        assert_eq!(normalise(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
        assert_eq!(normalise(Path::new("/../a")), Path::new("/a"));
    }

    #[test]
    fn a_bare_name_says_who_imported_it() {
        let message = resolve("/app/main.js", "left-pad", By::Import).unwrap_err();
        assert!(message.contains("'left-pad'") && message.contains("/app/main.js"), "{message}");
        assert!(message.contains("npm install left-pad"), "{message}");
        let message = resolve("/app/main.js", "@a/b/c", By::Import).unwrap_err();
        assert!(message.contains("npm install @a/b)"), "{message}");
    }

    #[test]
    fn what_cannot_be_there_is_told_as_what_it_is() {
        for (specifier, part) in [
            ("node:fs", "a part of Node.js"),
            ("fs/promises", "a part of Node.js"),
            ("https://example.org/a.js", "not from the network"),
            ("#inner", "\"imports\""),
        ] {
            let message = resolve("/app/main.js", specifier, By::Import).unwrap_err();
            assert!(message.contains(part) && message.contains(specifier), "{message}");
        }
    }
}
