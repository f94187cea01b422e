//! What the server adds to answers: content codings, fields.
//!
//! Owns: what can be chosen. Must not know: flags, how an answer is made.

/// A content coding (RFC 9110 section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// As Content-Encoding has it.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// The least and the highest level, and the one that is right for answers that are made while a client waits.
    pub fn levels(self) -> (u32, u32, u32) {
        match self {
            Coding::Zstd => (1, 19, 3),
            Coding::Brotli => (0, 11, 4),
            Coding::Gzip => (1, 9, 6),
        }
    }
}

/// A coding and how hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodingLevel {
    /// The coding.
    pub coding: Coding,
    /// Its own level.
    pub level: u32,
}

/// Which content types are meant: all of a type, those with a suffix, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypePattern {
    /// `text/*`: what its value and a slash begin.
    Within(String),
    /// `*+json`: what a plus sign and its value end.
    Suffix(String),
    /// The type of that name.
    Exactly(String),
}

impl TypePattern {
    /// Whether `kind`, a type without parameters, is meant.
    pub fn matches(&self, kind: &str) -> bool {
        let is = |part: Option<&str>, name: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(name));
        match self {
            TypePattern::Within(name) => is(kind.split_once('/').map(|(before, _)| before), name),
            TypePattern::Suffix(name) => is(kind.rsplit_once('+').map(|(_, after)| after), name),
            TypePattern::Exactly(name) => is(Some(kind), name),
        }
    }
}

/// How the app's answers are compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// By which codings, the best one first; none: they are not.
    pub codings: Vec<CodingLevel>,
    /// Answers of which types.
    pub types: Vec<TypePattern>,
}

/// What the server adds to answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerOptions {
    /// A coding.
    pub compression: Compression,
    /// Strict-Transport-Security, over TLS (RFC 6797); its value.
    pub hsts: Option<String>,
    /// X-Request-Id.
    pub request_id: bool,
}

impl AnswerOptions {
    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.compression.codings.is_empty() && self.hsts.is_none() && !self.request_id
    }
}
