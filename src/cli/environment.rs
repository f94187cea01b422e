//! What an app sees as `env`: from `--env`, `--env-file` and the table `[env]` of a file of settings.
//!
//! Owns: which of several values of a name counts: what is set later. Must not know: how the app gets
//! it. Nothing of the process's environment is passed on that is not named.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use runtime::error::{Error, ErrorKind, Result};

use super::dotenv;

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// This text.
    Text(String),
    /// The variable of this name in the process's environment.
    Inherited,
}

/// The variables of an app, in the order of their names' first mention.
#[derive(Debug, Default)]
pub struct Variables {
    pairs: Vec<(String, String)>,
    files: Vec<PathBuf>,
}

impl Variables {
    /// All of them, each name once.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.pairs
    }

    /// The files that some of them are from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    fn set(&mut self, name: String, value: String) {
        match self.pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.pairs.push((name, value)),
        }
    }

    /// Sets a variable as `setting` says.
    ///
    /// # Errors
    /// `Usage` for a name that cannot be one, and for a variable that the process does not have.
    pub fn add(&mut self, name: &str, setting: Setting) -> Result<()> {
        self.add_of("env", name, setting)
    }

    fn add_of(&mut self, flag: &str, name: &str, setting: Setting) -> Result<()> {
        if name.is_empty() || name.contains(['=', '\0']) {
            let text = format!("--{flag} {name:?}: not a name of a variable");
            let remedy = format!("Write --{flag} NAME or --{flag} NAME=value.");
            return Err(Error::new(ErrorKind::Usage, text).remedy(remedy));
        }
        let value = match setting {
            Setting::Text(text) => text,
            Setting::Inherited => std::env::var(name).map_err(|error| {
                let why = match error {
                    std::env::VarError::NotPresent => "the environment has no such variable",
                    std::env::VarError::NotUnicode(_) => "its value is not UTF-8",
                };
                Error::of_flag(flag, format!("{name}: {why}"))
                    .remedy(format!("Set it where jsserve is started, or here: --{flag} {name}=value"))
            })?,
        };
        self.set(name.to_owned(), value);
        Ok(())
    }

    /// Sets what a word of `--env` says: NAME or NAME=value.
    ///
    /// # Errors
    /// Those of [`Variables::add`], and a word that is not UTF-8.
    pub fn add_word(&mut self, word: &OsStr) -> Result<()> {
        self.add_word_of("env", word)
    }

    /// The same for another flag.
    ///
    /// # Errors
    /// The same.
    pub fn add_word_of(&mut self, flag: &str, word: &OsStr) -> Result<()> {
        let Some(word) = word.to_str() else {
            return Err(Error::of_flag(flag, format!("{word:?}: it is not UTF-8"))
                .remedy("JavaScript strings cannot hold it."));
        };
        match word.split_once('=') {
            Some((name, value)) => self.add_of(flag, name, Setting::Text(value.to_owned())),
            None => self.add_of(flag, word, Setting::Inherited),
        }
    }

    /// Sets all variables of a file.
    ///
    /// # Errors
    /// `Usage` when it cannot be read or is not UTF-8.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::of_flag("env-file", format!("{}: it cannot be read ({error})", path.display()))
                .remedy("It is a text of lines NAME=VALUE in UTF-8.")
        })?;
        self.files.push(path.to_owned());
        for (name, value) in dotenv::parse(&text) {
            self.set(name, value);
        }
        Ok(())
    }

    /// Sets all that flags say: files first, then single variables.
    ///
    /// # Errors
    /// Those of the two.
    pub fn add_flags(&mut self, files: &[OsString], words: &[OsString]) -> Result<()> {
        files.iter().try_for_each(|file| self.add_file(Path::new(file)))?;
        words.iter().try_for_each(|word| self.add_word(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_later_counts_and_keeps_its_place() {
        let mut variables = Variables::default();
        for word in ["A=1", "B=", "A=2=3", "CARGO_MANIFEST_DIR"] {
            variables.add_word(OsStr::new(word)).expect(word);
        }
        let expected = [("A", "2=3"), ("B", ""), ("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))];
        assert_eq!(variables.into_pairs(), expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn what_is_not_there_or_no_name_is_refused() {
        for (word, part) in
            [("JSSERVE_NO_SUCH", "no such variable"), ("", "not a name"), ("=x", "not a name")]
        {
            let error = Variables::default().add_word(OsStr::new(word)).expect_err(word);
            assert!(error.to_string().contains(part) && error.to_string().contains("--env"), "{error}");
        }
        let error = Variables::default().add_file(Path::new("/nowhere/.env")).expect_err("no file");
        assert!(error.to_string().starts_with("--env-file /nowhere/.env: it cannot be read"), "{error}");
    }
}
