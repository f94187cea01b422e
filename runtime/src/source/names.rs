//! Names of modules in the engine: the file's absolute path, or its URL where a query or a fragment makes
//! it a module of its own; before either what the file is read as, where its name says something else.
//!
//! Owns: the three forms, percent-encoding. Must not know: how a module is found or read.

use std::borrow::Cow;
use std::path::Path;

use url::Url;

/// What a file is as a module (the import attribute `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JavaScript.
    Script,
    /// JSON: its default export is the parsed value.
    Json,
    /// Any text: its default export is a string.
    Text,
    /// Any file: its default export is a Uint8Array over an immutable ArrayBuffer.
    Bytes,
}

/// What stands before the names of files that are read as something else than their name says.
const PREFIXES: [(&str, Kind); 3] = [("json:", Kind::Json), ("text:", Kind::Text), ("bytes:", Kind::Bytes)];

/// The name of the file at `path`; `rest` is the query and the fragment of its URL, with their marks.
pub fn file(path: &str, rest: &str) -> String {
    match rest.is_empty() {
        true => path.to_owned(),
        false => format!("{}{rest}", file_url(path)),
    }
}

/// `name`, read as `kind`: another module than the one without attributes, though that may be of the same kind
/// by its extension (HTML, section 8.1.3.5: the module map is keyed by URL and type).
pub fn typed(name: String, kind: Option<Kind>) -> String {
    let prefix = PREFIXES.iter().find(|(_, known)| Some(*known) == kind);
    prefix.map_or(name.clone(), |(prefix, _)| format!("{prefix}{name}"))
}

/// What the module `name` is.
pub fn kind(name: &str) -> Kind {
    let name = first_attempt(name);
    split(name).map_or_else(|| kind_by_path(name), |(kind, _)| kind)
}

/// The file of the module `name`; what is no file stays.
pub fn path(name: &str) -> Cow<'_, str> {
    let place = place(name);
    if !place.starts_with("file:") {
        return place.into();
    }
    let path = Url::parse(place).ok().and_then(|url| url.to_file_path().ok());
    path.and_then(|path| Some(path.to_str()?.to_owned())).map_or(place.into(), Cow::from)
}

/// The URL of the module `name`, which is a file.
pub fn url(name: &str) -> String {
    let place = place(name);
    if place.starts_with("file:") { place.to_owned() } else { file_url(place) }
}

/// What imports the file at `path`: specifiers are URLs, paths are not.
pub fn specifier(path: &str) -> Cow<'_, str> {
    let plain = !path.starts_with('/') || !is_encoded(path);
    if plain { path.into() } else { file_url(path).into() }
}

/// Whether `text` as a URL means something else than as a path.
pub(super) fn is_encoded(text: &str) -> bool {
    text.starts_with("//")
        || text.ends_with(' ')
        || text.bytes().any(|byte| matches!(byte, b'%' | b'?' | b'#' | b'\\') || byte < b' ')
}

/// `text` without percent-encoding; none where it hides a separator or a NUL.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let digits = tail.get(..2).filter(|two| *first == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match byte {
            Some(b'/' | b'\\' | 0) => return None,
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// What the name of a module begins with that is loaded again, behind which stands how often.
const ATTEMPT: &str = "attempt-";

/// `name` for another attempt to load that module, after `attempts` that failed.
pub fn attempt(name: &str, attempts: usize) -> String {
    format!("{ATTEMPT}{}:{}", attempts + 1, first_attempt(name))
}

/// `name` as it was at the first attempt.
pub fn first_attempt(name: &str) -> &str {
    let rest = name.strip_prefix(ATTEMPT).and_then(|rest| rest.split_once(':'));
    rest.map_or(name, |(_, name)| name)
}

/// What stands before a place, where something does.
fn split(name: &str) -> Option<(Kind, &str)> {
    PREFIXES.iter().find_map(|(prefix, kind)| {
        let place = name.strip_prefix(prefix)?;
        (place.starts_with('/') || place.starts_with("file:")).then_some((*kind, place))
    })
}

fn place(name: &str) -> &str {
    let name = first_attempt(name);
    split(name).map_or(name, |(_, place)| place)
}

/// What a file is where its importer does not say.
fn kind_by_path(name: &str) -> Kind {
    if path(name).ends_with(".json") { Kind::Json } else { Kind::Script }
}

fn file_url(path: &str) -> String {
    Url::from_file_path(Path::new(path)).map_or_else(|()| format!("file://{path}"), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_file_its_url_and_its_kind() {
        for (path_given, rest, kind_given, name, url_expected) in [
            ("/a/b c.js", "", None, "/a/b c.js", "file:///a/b%20c.js"),
            ("/a/b c.js", "?x=1#y", None, "file:///a/b%20c.js?x=1#y", "file:///a/b%20c.js?x=1#y"),
            ("/a/100%.js", "?", None, "file:///a/100%25.js?", "file:///a/100%25.js?"),
            ("/a/t.txt", "", Some(Kind::Text), "text:/a/t.txt", "file:///a/t.txt"),
            ("/a/t.txt", "?1", Some(Kind::Bytes), "bytes:file:///a/t.txt?1", "file:///a/t.txt?1"),
            ("/a/d.json", "", Some(Kind::Json), "json:/a/d.json", "file:///a/d.json"),
            ("/a/d", "", Some(Kind::Json), "json:/a/d", "file:///a/d"),
        ] {
            let made = typed(file(path_given, rest), kind_given);
            assert_eq!(made, name);
            assert_eq!((&*path(name), url(name).as_str()), (path_given, url_expected), "{name}");
            if kind_given.is_some() {
                assert_eq!(Some(kind(name)), kind_given, "{name}");
            }
            let again = attempt(&attempt(name, 1), 2);
            assert_eq!((first_attempt(&again), &*path(&again), kind(&again)), (name, path_given, kind(name)));
        }
        assert_eq!(kind("/a/d.json"), Kind::Json);
        assert_eq!(kind("file:///a/d.json?x"), Kind::Json);
        assert_eq!(kind("/a/d.js"), Kind::Script);
        assert_eq!(
            (specifier("/a/b.js"), specifier("/a#b.js")),
            ("/a/b.js".into(), "file:///a%23b.js".into())
        );
    }

    #[test]
    fn what_is_encoded_hides_no_separator() {
        assert_eq!(decoded("p/a%20b%C3%A9%.js").as_deref(), Some("p/a b\u{e9}%.js"));
        for text in ["p%2fa", "p%5Ca", "p%00", "%ff"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
