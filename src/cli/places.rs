//! Places in a file of settings, for messages.
//!
//! Owns: from byte offsets to `FILE:LINE:COLUMN`, the words for kinds of values. Must not know: what is wrong.

use std::path::{Path, PathBuf};

use runtime::error::{Error, ErrorKind};
use toml::de::DeValue;

/// A file's name and its text.
#[derive(Debug)]
pub struct SettingsText {
    path: PathBuf,
    text: String,
}

impl SettingsText {
    /// The text of the file at `path`.
    pub fn new(path: PathBuf, text: String) -> SettingsText {
        SettingsText { path, text }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it has.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The usage error `message` of what stands at byte `offset`.
    pub fn error(&self, offset: usize, message: &str, remedy: impl Into<String>) -> Error {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let text = format!("{}:{line}:{column}: {message}", self.path.display());
        Error::new(ErrorKind::Usage, text).remedy(remedy)
    }
}

/// A value's kind in a sentence.
pub fn article(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(_) | DeValue::Array(_) => format!("an {}", value.type_str()),
        _ => format!("a {}", value.type_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_1() {
        let source = SettingsText::new("a.toml".into(), "ä = 1\nbö = 2".into());
        for (offset, place) in [(0, "1:1"), (2, "1:2"), (7, "2:1"), (10, "2:3"), (99, "2:7")] {
            let error = source.error(offset, "wrong", "Right.").to_string();
            assert_eq!(error, format!("a.toml:{place}: wrong\n  Right."));
        }
    }
}
