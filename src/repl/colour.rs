//! Colours of the prompt: what is typed, values, errors.
//!
//! Owns: which token has which colour, and whether there are any. Must not know: the terminal's
//! capabilities beyond TERM and NO_COLOR (no-color.org).

use runtime::repl::lexer::{KEYWORDS, Kind, Token, tokens};

const RESET: &str = "\x1b[0m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const MAGENTA: &str = "\x1b[35m";
const CYAN: &str = "\x1b[36m";
const GREY: &str = "\x1b[90m";

/// Whether colours are wanted.
pub fn wanted() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// JavaScript, or a value as the console shows it, in colours.
pub fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for token in tokens(text) {
        match colour(&token) {
            Some(colour) => out.extend([colour, token.text, RESET]),
            None => out.push_str(token.text),
        }
    }
    out
}

fn colour(token: &Token<'_>) -> Option<&'static str> {
    match token.kind {
        Kind::Text | Kind::Template => Some(GREEN),
        Kind::Number => Some(YELLOW),
        Kind::RegExp => Some(RED),
        Kind::Comment => Some(GREY),
        Kind::Word => match token.text {
            "true" | "false" | "NaN" | "Infinity" => Some(YELLOW),
            "undefined" | "null" => Some(GREY),
            "Function" | "Getter" | "Setter" | "Symbol" => Some(CYAN),
            word if KEYWORDS.contains(&word) => Some(MAGENTA),
            _ => None,
        },
        Kind::Space | Kind::Mark => None,
    }
}

/// An error: its first line stands out, its stack does not.
pub fn error(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) => format!("{RED}{first}{RESET}\n{GREY}{rest}{RESET}"),
        None => format!("{RED}{text}{RESET}"),
    }
}

/// A prompt.
pub fn prompt(text: &str) -> String {
    format!("{CYAN}{text}{RESET}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_add_nothing_else() {
        let text = "let x = { a: 'b', c: [1, /d/g] } // e";
        let painted = code(text);
        assert!(painted.starts_with("\x1b[35mlet\x1b[0m x = { a: \x1b[32m'b'\x1b[0m,"), "{painted}");
        let plain =
            painted.split('\x1b').map(|part| part.split_once('m').filter(|(code, _)| code.starts_with('[')));
        let plain: String = plain.map(|part| part.map_or("", |(_, text)| text)).collect();
        assert!(plain.contains("{ a: 'b', c: [1, /d/g] } // e"), "{plain}");
    }
}
