//! The text that the engine runs for a file, found again when an error wants to be explained.
//!
//! Owns: a fingerprint of each such text; how it is made again. Must not know: the engine, errors. Nothing
//! is said of a file that is no longer what it was when it was compiled.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::RwLock;

pub use super::commonjs::COMMONJS_BEFORE;
use super::prepare::{self, ModuleFormat};
use super::sources::Sources;

/// The longest file that is read again: a parser's time for it is what the first error at a place costs.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The longest text without a file that is kept.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// What is known of one such text.
#[derive(Clone)]
struct RunningText {
    fingerprint: u64,
    /// For what is no file.
    text: Option<String>,
}

fn fingerprint(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    hasher.finish()
}

/// The text of a CommonJS module as the engine runs it: an expression whose value is its function.
pub fn commonjs(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    // A line for the system's loader is a comment here.
    let text = text.strip_prefix("#!").map_or(text.clone(), |rest| format!("//{rest}").into());
    format!("{COMMONJS_BEFORE}{text}\n}})")
}

/// The texts of one program, by the names of their files.
#[derive(Default)]
pub struct RunningTexts(RwLock<HashMap<String, RunningText>>);

impl RunningTexts {
    /// Remembers that the engine runs `text` for the file `name`, or for what is called so.
    pub fn remember(&self, name: &str, text: &[u8]) {
        let kept = (!name.starts_with('/') && text.len() <= TEXT_BYTES_MAX)
            .then(|| String::from_utf8_lossy(text).into_owned());
        if let Ok(mut known) = self.0.write() {
            known.insert(name.to_owned(), RunningText { fingerprint: fingerprint(text), text: kept });
        }
    }

    /// The text that runs for `name`.
    pub fn text(&self, sources: &Sources, name: &str) -> Option<String> {
        let known = self.0.read().ok()?.get(name).cloned()?;
        if known.text.is_some() {
            return known.text;
        }
        let about = std::fs::metadata(name).ok()?;
        if !about.is_file() || about.len() > FILE_BYTES_MAX {
            return None;
        }
        let file = std::fs::read(name).ok()?;
        let is_it = |text: &[u8]| fingerprint(text) == known.fingerprint;
        let plain = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file);
        for text in [&file[..], plain] {
            if is_it(text) {
                return String::from_utf8(text.to_vec()).ok();
            }
        }
        let prepared = prepare::prepare(sources, name, plain.to_vec()).ok()?;
        let text = match prepared.format {
            ModuleFormat::Module => String::from_utf8(prepared.text).ok()?,
            ModuleFormat::CommonJs(_) => commonjs(&prepared.text),
        };
        is_it(text.as_bytes()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_since_it_was_compiled_is_not_explained() {
        let file = std::env::temp_dir().join(format!("jsserve-running-{}.js", std::process::id()));
        let name = file.to_str().expect("a name in UTF-8");
        std::fs::write(&file, "a.b()").expect("a file");
        let (texts, sources) = (RunningTexts::default(), Sources::default());
        assert_eq!(texts.text(&sources, name), None, "never compiled");
        texts.remember(name, b"a.b()");
        assert_eq!(texts.text(&sources, name).as_deref(), Some("a.b()"));
        std::fs::write(&file, "c.d()").expect("a file");
        assert_eq!(texts.text(&sources, name), None);
        std::fs::remove_file(&file).expect("it is there");
    }
}
