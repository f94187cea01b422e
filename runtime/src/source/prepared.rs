//! What becomes of a source: JavaScript that the engine can compile, or why there is none.
//!
//! Owns: the types alone. Must not know: how it is made.

use std::fmt;

use super::positions::Positions;

/// What a source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModuleFormat {
    /// An ECMAScript module, or a classic script.
    #[default]
    Module,
    /// A CommonJS module.
    CommonJs(Exports),
}

/// What a CommonJS module exports, as far as its text tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exports {
    /// Names that it sets.
    pub names: Vec<String>,
    /// Modules whose names it takes over.
    pub from: Vec<String>,
    /// Whether what it exports looks like an app: an object with a handler, or one that is made by `new`.
    pub serves: bool,
}

/// A source that the engine can compile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// JavaScript.
    pub text: Vec<u8>,
    /// What it is.
    pub format: ModuleFormat,
    /// Its places in the file, where they differ.
    pub positions: Option<Positions>,
}

impl Prepared {
    /// Whether it is not the file's text.
    pub fn is_transformed(&self) -> bool {
        self.positions.is_some()
    }
}

/// A source that is none: why, and where in the file, from 1; 0 where there is no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// One sentence.
    pub message: String,
    /// Line.
    pub line: u32,
    /// Column in bytes.
    pub column: u32,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
