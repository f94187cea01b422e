//! Files of rules, line by line.
//!
//! Owns: that a file which is not there has none, comments. Must not know: rules.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Bytes of such a file; beyond: a start-up error.
const FILE_BYTES_MAX: usize = 4 << 20;

/// A file's name and its text.
pub(super) struct RuleFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// The file at `path`, where there is one.
///
/// # Errors
/// It cannot be read, is no text, or is too long.
pub(super) fn read(path: &Path) -> Result<Option<RuleFile>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::system(format!("cannot read {}", path.display()), error)),
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
    if bytes.len() > FILE_BYTES_MAX {
        return Err(super::wrong(path, 1, "the file is larger than 4 MiB", "Give it fewer rules."));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| super::wrong(path, 1, "the file is not UTF-8", "Save it as UTF-8."))?;
    Ok(Some(RuleFile { path: path.to_owned(), text }))
}

/// `line` without the comment at its end: what begins with `#` behind white space, or at the start.
pub(super) fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}
