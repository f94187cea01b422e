//! What a file's name says: its type, and whether its contents can ever change under that name.
//!
//! Owns: Content-Type by name, the names that builds give to what does not change. Must not know: files.

use std::borrow::Cow;

/// The type of what has no known one.
const BYTES: &str = "application/octet-stream";

/// Content-Type of a file called `name`; texts are in UTF-8.
pub fn content_type(name: &[u8]) -> Cow<'static, str> {
    let extension = name.iter().rposition(|b| *b == b'.').map(|at| &name[at + 1..]);
    let extension = extension.and_then(|extension| std::str::from_utf8(extension).ok()).unwrap_or_default();
    // Newer than the crate's list, or without a registered type there.
    let kind = match extension.to_ascii_lowercase().as_str() {
        "js" | "mjs" => "text/javascript",
        "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "md" => "text/markdown",
        "jxl" => "image/jxl",
        "avif" => "image/avif",
        "wasm" => "application/wasm",
        _ => mime_guess::from_ext(extension).first_raw().unwrap_or(BYTES),
    };
    match kind.starts_with("text/") {
        true => Cow::Owned(format!("{kind}; charset=utf-8")),
        false => Cow::Borrowed(kind),
    }
}

/// Bytes of the shortest hash in a name that counts as one.
const HASH_BYTES_MIN: usize = 8;

/// Whether a build has put a hash of the contents into `name`: `app.3f2a9c1b.js`, `index-DkQ2x9Zf.css`,
/// `chunk-5UJKVZBQ.js`, `main.3f2a9c1b.js.map`. In doubt it has not: what is called immutable is never asked for again.
pub fn is_hashed(name: &[u8]) -> bool {
    // Before the first name of a kind that follows a hash there has to be a name.
    let mut parts = name.split(|b| matches!(b, b'.' | b'-')).peekable();
    let is_named = parts.next().is_some_and(|first| !first.is_empty());
    let mut found = false;
    while let Some(part) = parts.next() {
        // The last part is the extension.
        found |= parts.peek().is_some() && is_hash(part);
    }
    is_named && found
}

fn is_hash(part: &[u8]) -> bool {
    let count = |test: fn(&u8) -> bool| part.iter().filter(|b| test(b)).count();
    let digits = count(u8::is_ascii_digit);
    let hex = count(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits == 0 || digits == part.len() || part.len() < HASH_BYTES_MIN {
        // Words have no digits, and dates have nothing else.
        return false;
    }
    if hex == part.len() {
        return true;
    }
    // Base 32 or 64, 8 characters: as esbuild, Rollup and Vite write them.
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let is_word = part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    part.len() == HASH_BYTES_MIN && is_word && (upper >= 2 && lower >= 1 || upper + digits == part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_utf_8_and_what_is_unknown_is_bytes() {
        for (name, kind) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTML", "text/html; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.js.map", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.pdf", "application/pdf"),
            ("a.xml", "text/xml; charset=utf-8"),
            ("a.ico", "image/x-icon"),
            ("a.gz", "application/gzip"),
            ("a", BYTES),
            ("a.unknown", BYTES),
            (".", BYTES),
        ] {
            assert_eq!(content_type(name.as_bytes()), kind, "{name}");
        }
    }

    #[test]
    fn only_names_with_a_hash_are_immutable() {
        for name in [
            "app.3f2a9c1b.js",
            "app.3f2a9c1b5d.js",
            "main-3f2a9c1b.css",
            "index-DkQ2x9Zf.js",
            "index-B4x_tQ9a.js",
            "chunk-5UJKVZBQ.js",
            "a.min.3f2a9c1b.js.map",
            "app.d41d8cd98f00b204e9800998ecf8427e.css",
        ] {
            assert!(is_hashed(name.as_bytes()), "{name}");
        }
        for name in [
            "app.js",
            "jquery.3.7.1.min.js",
            "photo-20230101.jpg",
            "IMG-20230101-1.jpg",
            "bootstrap-datepicker.js",
            "report-Version2.pdf",
            "deadbeef.js",
            "3f2a9c1b.js",
            "app.3f2a9c1.js",
            "app.deadbeef.js",
            "app.3f2a9c1b",
            "notes-2023q4final.txt",
            ".3f2a9c1b.js",
        ] {
            assert!(!is_hashed(name.as_bytes()), "{name}");
        }
    }
}
