//! From the path of a request to the path of a file.
//!
//! Owns: decoding, once, and the paths that name no file whatever there is. Must not know: folders, files.

/// A path below a folder, decoded: no `.` or `..`, no empty segment, no NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// Segments with slashes between them; a slash at the end where the request has one; empty for the folder itself.
    pub bytes: Vec<u8>,
}

impl FilePath {
    /// What `path`, of a request's target without its query, names below `prefix` (empty, or `/a/b`); `None`: nothing.
    /// A path that ends with the prefix is the folder's, without a slash.
    ///
    /// Refused are: percent-encodings that are none; a slash, a backslash or NUL in a segment, encoded or not; segments
    /// of dots, and empty ones; without `dotfiles` names that begin with a dot, but `.well-known` as the first (RFC 8615).
    pub fn of(path: &[u8], prefix: &str, dotfiles: bool) -> Option<FilePath> {
        let rest = path.strip_prefix(prefix.as_bytes())?;
        if rest.is_empty() && !prefix.is_empty() {
            return Some(FilePath { bytes: Vec::new() });
        }
        let rest = rest.strip_prefix(b"/")?;
        let mut bytes = Vec::with_capacity(rest.len() + 16);
        let mut segments = rest.split(|b| *b == b'/').peekable();
        while let Some(segment) = segments.next() {
            let (start, is_last) = (bytes.len(), segments.peek().is_none());
            if segment.is_empty() && is_last {
                break;
            }
            decode(segment, &mut bytes)?;
            let name = &bytes[start..];
            let is_hidden = name.first() == Some(&b'.')
                && !dotfiles
                && !(start == 0 && prefix.is_empty() && name == b".well-known");
            if is_hidden || matches!(name, b"" | b"." | b"..") || name.len() > NAME_BYTES_MAX {
                return None;
            }
            if !is_last {
                bytes.push(b'/');
            }
        }
        if bytes.is_empty() {
            // The folder itself, with its slash.
            bytes.push(b'/');
        }
        Some(FilePath { bytes })
    }

    /// Whether it is a folder's: its last segment is empty.
    pub fn is_folder(&self) -> bool {
        self.bytes.last() == Some(&b'/')
    }

    /// As the file system has it: without a slash at the end, empty for the folder itself.
    pub fn relative(&self) -> &[u8] {
        self.bytes.strip_suffix(b"/").unwrap_or(&self.bytes)
    }
}

/// Bytes of a name that a file can have (NAME_MAX).
const NAME_BYTES_MAX: usize = 255;

/// Appends what `segment` stands for.
fn decode(segment: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    while let Some(byte) = segment.get(at) {
        let byte = if *byte == b'%' {
            at += 2;
            u8::try_from(digit(segment.get(at - 1))? * 16 + digit(segment.get(at))?).ok()?
        } else {
            *byte
        };
        if matches!(byte, 0 | b'/' | b'\\') {
            return None;
        }
        out.push(byte);
        at += 1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, prefix: &str) -> Option<String> {
        FilePath::of(path.as_bytes(), prefix, false)
            .map(|path| String::from_utf8_lossy(&path.bytes).into_owned())
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (path, expected) in [
            ("/", "/"),
            ("/a.txt", "a.txt"),
            ("/a/b", "a/b"),
            ("/a/b/", "a/b/"),
            ("/a%20b%C3%A9", "a b\u{e9}"),
            ("/%61", "a"),
            ("/a%2525", "a%25"),
            ("/%252e%252e/x", "%2e%2e/x"),
            ("/a..b/...c", "a..b/...c"),
            ("/.well-known/acme-challenge/x", ".well-known/acme-challenge/x"),
            ("/~a;b=c&d", "~a;b=c&d"),
        ] {
            let found = FilePath::of(path.as_bytes(), "", path.contains("..."));
            let found = found.map(|path| String::from_utf8_lossy(&path.bytes).into_owned());
            assert_eq!(found.as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_path() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/..",
            "/../a",
            "/a/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/%2E%2E/a",
            "/.%2e/a",
            "/%2e",
            "/a%2fb",
            "/a%2Fb",
            "/%2fa",
            "/..%2fa",
            "/a\\b",
            "/..\\a",
            "/a%5cb",
            "/%5c%5ca",
            "/a%00",
            "/a%00.txt",
            "/\0",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%2x",
            "/%%32%65",
            "/.git/config",
            "/.env",
            "/a/.hidden",
            "/%2egit/config",
            "/a/.well-known/x",
            "/.well-known/../a",
            "/...",
        ] {
            assert_eq!(of(path, ""), None, "{path:?}");
        }
        assert_eq!(of(&format!("/{}", "a".repeat(256)), ""), None);
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        for (path, expected) in [
            ("/s/a", Some("a")),
            ("/s/", Some("/")),
            ("/s", Some("")),
            ("/sa", None),
            ("/s/../a", None),
            ("/S/a", None),
            ("/a", None),
            ("/s/.well-known/a", None),
        ] {
            assert_eq!(of(path, "/s").as_deref(), expected, "{path}");
        }
    }
}
