//! Paths of modules as texts: what relative ones start from, what is in a package.
//!
//! Owns: that no file system is asked. Must not know: specifiers, which files there are.

use std::path::{Component, Path, PathBuf};

/// What the path of a file in a package has.
pub(super) const MODULES: &str = "/node_modules/";

/// Whether the file belongs to an installed package.
pub(super) fn is_in_package(path: &str) -> bool {
    path.contains(MODULES)
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
pub(super) fn file(base: &str) -> PathBuf {
    match base.starts_with('<') {
        true => folder(base).join("source.js"),
        false => PathBuf::from(base),
    }
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
}
