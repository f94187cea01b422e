//! Module specifiers: what `import` and `require` name, as a module's name. For `import` a specifier is a
//! URL (HTML, section 8.1.5.2), for `require` a path.
//!
//! Owns: relative, absolute and file: specifiers, the order in which places are asked. Must not
//! know: how a module is read.

use std::path::{Path, PathBuf};

use url::{Position, Url};

pub use super::packages::{By, NOTHING};
use super::paths::{file, folder, is_in_package, normalise};
use super::sources::Sources;
use super::{names, packages};

/// Resolves `specifier` against the module that imports it.
///
/// # Errors
/// One sentence that names what was imported, and by whom.
pub fn resolve(sources: &Sources, base: &str, specifier: &str, by: By) -> Result<String, String> {
    if specifier == packages::NOTHING {
        return Ok(specifier.to_owned());
    }
    let base = &*names::path(base);
    let mapped = sources.mapped(base, specifier);
    let asked = mapped.as_deref().unwrap_or(specifier);
    if is_relative(asked)
        && sources.packages().replaces(base)
        && let Ok(found) = sources.packages().resolve(&file(base), asked, by)
    {
        return Ok(found);
    }
    let (path, rest) = match place(base, asked, by, mapped.is_some())? {
        Some(place) => place,
        None => {
            let found = sources.packages().resolve(&file(base), asked, by);
            return found.map_err(|error| not_a_package(base, specifier, error));
        }
    };
    let path = normalise(&path);
    let found = if path.is_file() { Some(path.clone()) } else { typescript_of(&path) };
    if let Some(found) = found {
        return Ok(names::file(&found.to_string_lossy(), &rest));
    }
    if by == By::Require || may_leave_out_extensions(base) {
        let full = path.to_string_lossy();
        if let Ok(found) = sources.packages().resolve(&file(base), &full, by) {
            return Ok(names::file(&found, &rest));
        }
    }
    Err(missing(base, specifier, &path))
}

/// The path that `asked` names, and the query and fragment of its URL; none for a package.
fn place(base: &str, asked: &str, by: By, mapped: bool) -> Result<Option<(PathBuf, String)>, String> {
    let is_path = asked.starts_with('/') || is_relative(asked);
    // An import map's addresses are absolute paths, made so without encoding them.
    let as_it_is = mapped && asked.starts_with('/') && Path::new(asked).is_file();
    if asked.starts_with("file:") || is_path && by == By::Import && names::is_encoded(asked) && !as_it_is {
        return from_url(base, asked).map(Some);
    }
    Ok(match is_path {
        true if asked.starts_with('/') => Some((PathBuf::from(asked), String::new())),
        true => Some((folder(base).join(asked), String::new())),
        false => None,
    })
}

/// The path, and what is behind it in the URL.
fn from_url(base: &str, asked: &str) -> Result<(PathBuf, String), String> {
    let wrong = |what: &str| format!("'{asked}' (imported from {base}) {what}");
    let url = Url::from_file_path(file(base)).ok().and_then(|base| base.join(asked).ok());
    let Some(url) = url.filter(|url| url.scheme() == "file") else { return Err(wrong("names no file")) };
    let path = url.path().to_ascii_lowercase();
    if ["%2f", "%5c", "%00"].iter().any(|hidden| path.contains(hidden)) {
        return Err(wrong("has an encoded '/', '\\' or NUL in its path"));
    }
    let path = url.to_file_path().ok().filter(|path| path.to_str().is_some());
    let path = path.ok_or_else(|| wrong("names no file"))?;
    Ok((path, url[Position::AfterPath..].to_owned()))
}

/// What `import.meta.resolve` says of `specifier` in the module `base`: a URL, of a file that may not be
/// there (HTML, section 8.1.3.6; a package has to be there, as Node.js has it).
///
/// # Errors
/// One sentence: no package of that name, no URL.
pub fn resolve_url(sources: &Sources, base: &str, specifier: &str) -> Result<String, String> {
    let file_is_there = resolve(sources, base, specifier, By::Import);
    let error = match file_is_there {
        Ok(found) => return Ok(names::url(&found)),
        Err(error) => error,
    };
    let path = &*names::path(base);
    let mapped = sources.mapped(path, specifier);
    let asked = mapped.as_deref().unwrap_or(specifier);
    let is_path = asked.starts_with('/') || is_relative(asked);
    let url = match is_path {
        true => Url::from_file_path(file(path)).ok().and_then(|base| base.join(asked).ok()),
        false => Url::parse(asked).ok().filter(|url| url.scheme() != "node"),
    };
    url.map(String::from).ok_or(error)
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
fn not_a_package(base: &str, specifier: &str, error: packages::PackageError) -> String {
    let place = format!("'{specifier}' imported from {base}");
    let name = packages::name(specifier);
    match error {
        packages::PackageError::Missing if specifier.starts_with("node:") || packages::is_node(specifier) => {
            let module = specifier.strip_prefix("node:").unwrap_or(specifier);
            let instead = instead_of_node(module);
            format!(
                "Cannot find module {place}: node:{module} is not there yet, nor are others of Node.js; {instead}"
            )
        }
        packages::PackageError::Missing if is_url(specifier) => {
            format!("Cannot find module {place}: modules come from files, not from the network")
        }
        // No package is called so.
        packages::PackageError::Missing if specifier.contains(':') => {
            format!(
                "Cannot find module {place}: no built-in module has that name; \
                 there are os, std, sockets and jsserve:shared"
            )
        }
        packages::PackageError::Missing if specifier.starts_with('#') => {
            format!("Cannot find module {place}: the nearest package.json has no such entry in \"imports\"")
        }
        packages::PackageError::Missing => {
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
        packages::PackageError::Other(reason) => format!("Cannot resolve {place}: {reason}"),
    }
}

/// Whether `specifier` has a scheme, as a URL.
fn is_url(specifier: &str) -> bool {
    specifier.contains("://") || ["data:", "blob:"].iter().any(|scheme| specifier.starts_with(scheme))
}

/// What there is in the place of a module of Node.js.
fn instead_of_node(module: &str) -> &'static str {
    match module.split('/').next().unwrap_or_default() {
        "fs" | "readline" | "tty" => "files are in the built-in modules 'std' and 'os'",
        "os" | "process" | "child_process" | "path" => {
            "the built-in modules 'os' and 'std' have what scripts need"
        }
        "http" | "https" | "http2" => {
            "fetch() is the client; export default { fetch(request) {} } is a server"
        }
        "net" | "tls" | "dgram" | "dns" => "sockets are in the built-in modules 'os' and 'sockets'",
        "crypto" => "the global object crypto has Web Crypto",
        "buffer" | "string_decoder" => "Uint8Array, TextEncoder and TextDecoder are global",
        "events" => "EventTarget and CustomEvent are global",
        "stream" | "zlib" => "ReadableStream, CompressionStream and their like are global",
        "url" | "querystring" | "punycode" => "URL and URLSearchParams are global",
        "timers" | "perf_hooks" => "setTimeout, setInterval and performance are global",
        "worker_threads" | "cluster" => "the module 'os' has Worker; a server has a worker on each core",
        _ => "what is built in is listed in README.md",
    }
}

fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specifier_is_a_url_and_a_required_name_is_a_path() {
        let sources = Sources::default();
        let folder = std::env::temp_dir().join(format!("jsserve-resolve-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let folder = folder.to_string_lossy().into_owned();
        for name in ["a b.js", "a.js", "c%20d.js", "q?x.js"] {
            std::fs::write(format!("{folder}/{name}"), "").expect("a file");
        }
        let base = format!("{folder}/main.js");
        for (specifier, found) in [
            ("./a%20b.js", Some(format!("{folder}/a b.js"))),
            ("./a b.js", Some(format!("{folder}/a b.js"))),
            ("./a.js?x=1#y", Some(format!("file://{folder}/a.js?x=1#y"))),
            ("./a.js#", Some(format!("file://{folder}/a.js#"))),
            ("./b/..\\a.js", Some(format!("{folder}/a.js"))),
            ("./c%20d.js", None),
            ("./c%2520d.js", Some(format!("{folder}/c%20d.js"))),
            ("./q%3Fx.js", Some(format!("{folder}/q?x.js"))),
            ("./..%2Fa.js", None),
            ("./a.js%00", None),
        ] {
            assert_eq!(resolve(&sources, &base, specifier, By::Import).ok(), found, "{specifier}");
            let url = format!("file://{folder}/{}", specifier.trim_start_matches("./"));
            assert_eq!(resolve(&sources, "/elsewhere.js", &url, By::Import).ok(), found, "{url}");
        }
        let as_base = format!("file://{folder}/a.js?x=1");
        assert_eq!(resolve(&sources, &as_base, "./a.js", By::Import), Ok(format!("{folder}/a.js")));
        assert_eq!(resolve(&sources, &base, "./q?x.js", By::Require), Ok(format!("{folder}/q?x.js")));
        assert!(resolve(&sources, &base, "./a%20b.js", By::Require).is_err());
        for (specifier, url) in [
            ("./a b.js?1", format!("file://{folder}/a%20b.js?1")),
            ("./not there.js", format!("file://{folder}/not%20there.js")),
            ("https://example.org/x", "https://example.org/x".into()),
        ] {
            assert_eq!(resolve_url(&sources, &base, specifier), Ok(url));
        }
        assert!(
            resolve_url(&sources, &base, "no-such-package").is_err()
                && resolve_url(&sources, &base, "node:fs").is_err()
        );
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_bare_name_says_who_imported_it() {
        let sources = Sources::default();
        let message = resolve(&sources, "/app/main.js", "left-pad", By::Import).unwrap_err();
        assert!(message.contains("'left-pad'") && message.contains("/app/main.js"), "{message}");
        assert!(message.contains("npm install left-pad"), "{message}");
        let message = resolve(&sources, "/app/main.js", "@a/b/c", By::Import).unwrap_err();
        assert!(message.contains("npm install @a/b)"), "{message}");
    }

    #[test]
    fn what_cannot_be_there_is_told_as_what_it_is() {
        let sources = Sources::default();
        for (specifier, part) in [
            ("node:fs", "node:fs is not there yet"),
            ("fs/promises", "not there yet"),
            ("data:text/javascript,1", "not from the network"),
            ("https://example.org/a.js", "not from the network"),
            ("jsserve:nope", "no built-in module has that name"),
            ("bun:test", "no built-in module has that name"),
            ("#inner", "\"imports\""),
        ] {
            let message = resolve(&sources, "/app/main.js", specifier, By::Import).unwrap_err();
            assert!(message.contains(part) && message.contains(specifier), "{message}");
        }
    }
}
