//! Module specifiers: what `import` names, as an absolute path or a built-in's name.
//!
//! Owns: relative, absolute and file: specifiers. Must not know: how a module is read.

use std::path::{Component, Path, PathBuf};

/// Resolves `specifier` against the file that imports it.
///
/// # Errors
/// One sentence that names what was imported, and by whom.
pub fn resolve(base: &str, specifier: &str) -> Result<String, String> {
    let path = if specifier.starts_with("file:") {
        let path = url::Url::parse(specifier).ok().and_then(|url| url.to_file_path().ok());
        path.ok_or_else(|| format!("'{specifier}' (imported from {base}) names no file"))?
    } else if specifier.starts_with('/') {
        PathBuf::from(specifier)
    } else if specifier.starts_with("./")
        || specifier.starts_with("../")
        || specifier == "."
        || specifier == ".."
    {
        folder(base).join(specifier)
    } else {
        return Err(format!(
            "Cannot find package '{specifier}' imported from {base}: relative files begin with './', \
             built-in modules are listed in README.md"
        ));
    };
    let path = normalise(&path);
    if path.is_file() {
        return Ok(path.to_string_lossy().into_owned());
    }
    let mut message = format!("Cannot find module '{specifier}' imported from {base}");
    if path.is_dir() {
        message = format!("Cannot import the folder '{specifier}' (from {base}): name a file in it");
    } else if let Some(better) =
        ["js", "mjs", "json"].iter().map(|e| with_extension(&path, e)).find(|p| p.is_file())
    {
        let name = better.file_name().unwrap_or_default().to_string_lossy().into_owned();
        message.push_str(&format!(". Did you mean '{name}'? Specifiers carry the file's extension"));
    }
    Err(message)
}

/// The folder that relative specifiers in `base` start from: the current one where `base` is no file
/// but, as `<cmdline>`, the name of another source.
pub fn folder(base: &str) -> PathBuf {
    match base.starts_with('<') {
        true => std::env::current_dir().unwrap_or_else(|_| "/".into()),
        false => Path::new(base).parent().unwrap_or(Path::new("/")).to_owned(),
    }
}

fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Removes `.` and `..` without asking the file system, as URLs do.
fn normalise(path: &Path) -> PathBuf {
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
        let message = resolve("/app/main.js", "left-pad").unwrap_err();
        assert!(message.contains("'left-pad'") && message.contains("/app/main.js"), "{message}");
    }
}
