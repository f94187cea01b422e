//! JavaScript's tokens as a prompt needs them: to colour text, to find its statements.
//!
//! Owns: where each token begins, ends, and what it is. Must not know: grammar. Any text has tokens;
//! an unfinished one ends with the text. Whether a slash divides is told by what stands before it.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword, a private name too.
    Word,
    /// A number.
    Number,
    /// A string in quotes.
    Text,
    /// A template, with all that it embeds.
    Template,
    /// A regular expression with its flags.
    RegExp,
    /// A comment.
    Comment,
    /// White space.
    Space,
    /// One character of anything else.
    Mark,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
}

impl Token<'_> {
    /// Where it ends, in bytes.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether the grammar sees it.
    pub fn counts(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment)
    }
}

/// Words that cannot be names where a statement begins, for completion and colour.
pub const KEYWORDS: [&str; 46] = [
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "from",
    "function",
    "get",
    "if",
    "import",
    "in",
    "instanceof",
    "let",
    "new",
    "null",
    "of",
    "return",
    "set",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "as",
];

/// Words behind which a value follows, so that a slash begins a regular expression.
const BEFORE_VALUE: [&str; 15] = [
    "await",
    "case",
    "delete",
    "do",
    "else",
    "extends",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];

/// The tokens of `text`, which together are all of it.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all: Vec<Token<'_>> = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let before = all.iter().rev().find(|token| token.counts()).copied();
        let (kind, length) = first(&text[start..], start == 0, before);
        all.push(Token { kind, text: &text[start..start + length], start });
        start += length;
    }
    all
}

fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

/// Whether a name may have the character.
pub fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn first(text: &str, at_start: bool, before: Option<Token<'_>>) -> (Kind, usize) {
    let mut characters = text.chars();
    let (c, next) = (characters.next().unwrap_or(' '), characters.next());
    match (c, next) {
        _ if c.is_whitespace() => (Kind::Space, run(text, char::is_whitespace)),
        ('/', Some('/')) => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        ('#', Some('!')) if at_start => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        ('/', Some('*')) => (Kind::Comment, text[2..].find("*/").map_or(text.len(), |at| at + 4)),
        ('"' | '\'', _) => (Kind::Text, quoted(text, c)),
        ('`', _) => (Kind::Template, template(text)),
        ('/', _) if value_follows(before) => (Kind::RegExp, regexp(text)),
        ('.', Some(digit)) if digit.is_ascii_digit() => (Kind::Number, number(text)),
        _ if c.is_ascii_digit() => (Kind::Number, number(text)),
        _ if in_name(c) || (c == '#' && next.is_some_and(in_name)) => {
            (Kind::Word, c.len_utf8() + run(&text[c.len_utf8()..], in_name))
        }
        _ => (Kind::Mark, c.len_utf8()),
    }
}

fn value_follows(before: Option<Token<'_>>) -> bool {
    match before {
        None => true,
        Some(token) => match token.kind {
            Kind::Mark => ![")", "]", "}"].contains(&token.text),
            Kind::Word => BEFORE_VALUE.contains(&token.text),
            _ => false,
        },
    }
}

fn number(text: &str) -> usize {
    let mut last = ' ';
    let sign = |c, last: char| (c == '+' || c == '-') && matches!(last, 'e' | 'E') && !text.starts_with("0x");
    for (at, c) in text.char_indices() {
        if !(in_name(c) || c == '.' || sign(c, last)) {
            return at;
        }
        last = c;
    }
    text.len()
}

/// A string ends with its line, unless a backslash stands before that.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return at,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn regexp(text: &str) -> usize {
    let (mut escaped, mut class) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '/' if !class => return at + 1 + run(&text[at + 1..], in_name),
            _ => {}
        }
    }
    text.len()
}

fn template(text: &str) -> usize {
    let mut at = 1;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '`' => return at + 1,
            '\\' => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            '$' if text[at..].starts_with("${") => at += 2 + embedded(&text[at + 2..]),
            _ => at += c.len_utf8(),
        }
    }
    text.len()
}

/// Up to and with the brace that closes what a template embeds.
fn embedded(text: &str) -> usize {
    let (mut start, mut depth) = (0, 0);
    let mut before = None;
    while start < text.len() {
        let (kind, length) = first(&text[start..], false, before);
        let token = Token { kind, text: &text[start..start + length], start };
        start += length;
        match token.text {
            "{" => depth += 1,
            "}" if depth == 0 => return start,
            "}" => depth -= 1,
            _ => {}
        }
        before = if token.counts() { Some(token) } else { before };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let all = tokens(text);
        assert_eq!(all.iter().map(|token| token.text).collect::<String>(), text);
        let seen = all.iter().filter(|token| token.kind != Kind::Space);
        seen.map(|token| format!("{:?}:{}", token.kind, token.text)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tokens_are_told_apart() {
        for (text, wanted) in [
            ("let a1 = .5e-3;", "Word:let Word:a1 Mark:= Number:.5e-3 Mark:;"),
            ("a / b / c", "Word:a Mark:/ Word:b Mark:/ Word:c"),
            (
                "x = /[/]\\/\"/gu.test('/')",
                "Word:x Mark:= RegExp:/[/]\\/\"/gu Mark:. Word:test Mark:( Text:'/' Mark:)",
            ),
            ("return /a/", "Word:return RegExp:/a/"),
            ("`a${`}${'}'}` + {}}b` c", "Template:`a${`}${'}'}` + {}}b` Word:c"),
            ("1 /* 2 */ // 3\n4", "Number:1 Comment:/* 2 */ Comment:// 3 Number:4"),
            ("'a\\'b' \"c", "Text:'a\\'b' Text:\"c"),
            ("#!/bin/x\n#p", "Comment:#!/bin/x Word:#p"),
            ("é€ 0xe+1", "Word:é Mark:€ Number:0xe Mark:+ Number:1"),
            ("`a${b", "Template:`a${b"),
            ("`\\", "Template:`\\"),
        ] {
            assert_eq!(shown(text), wanted);
        }
    }
}
