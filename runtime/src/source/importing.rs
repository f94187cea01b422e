//! Where a file imports something: the place that an error of an import points at.
//!
//! Owns: finding a specifier, or a name that is imported from there, in a text. Must not know: what the
//! specifier means. It looks at the text alone, only when an error is told: a place may be missed.

/// Where `text` imports `specifier`: line and column of its literal, from 1, in bytes.
pub fn place(text: &str, specifier: &str) -> Option<(u32, u32)> {
    find(text, specifier).map(|at| line_and_column(text, at))
}

/// Where `text` imports `name` from `specifier`; the specifier's place where the name does not stand there.
pub fn place_of_name(text: &str, specifier: &str, name: &str) -> Option<(u32, u32)> {
    let literal = find(text, specifier)?;
    let before = &text[..literal];
    let clause = ["import", "export"].iter().filter_map(|word| before.rfind(word)).max().unwrap_or(literal);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let found = before[clause..]
        .match_indices(name)
        .map(|(at, _)| clause + at)
        .find(|at| !before[..*at].ends_with(is_name) && !before[at + name.len()..].starts_with(is_name));
    Some(line_and_column(text, found.unwrap_or(literal)))
}

/// Byte offset of the quote that begins the specifier's literal.
fn find(text: &str, specifier: &str) -> Option<usize> {
    if specifier.is_empty() {
        return None;
    }
    text.match_indices(specifier).find_map(|(at, _)| {
        let before = &text[..at];
        let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\'' | '`'))?;
        let literal = at - 1;
        let lead = before[..literal].trim_end();
        let call = lead.strip_suffix('(').map(str::trim_end);
        let imports = match call {
            Some(call) => ["import", "require", "resolve"].iter().any(|word| call.ends_with(word)),
            None => ["from", "import"].iter().any(|word| lead.ends_with(word)),
        };
        let line = &text[before.rfind('\n').map_or(0, |end| end + 1)..at];
        let comment = ["//", "*", "/*"].iter().any(|mark| line.trim_start().starts_with(mark));
        (text[at + specifier.len()..].starts_with(quote) && imports && !comment).then_some(literal)
    })
}

fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    (text[..at].matches('\n').count() as u32 + 1, (at - start) as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_importing_literal_is_found_and_no_other() {
        let text = "// import './a.js'\nconst s = './a.js';\nimport { x,\n  y } from \"./a.js\";\nawait import('./b.js')";
        assert_eq!(place(text, "./a.js"), Some((4, 12)));
        assert_eq!(place(text, "./b.js"), Some((5, 14)));
        assert_eq!(place(text, "./c.js"), None);
        assert_eq!(place_of_name(text, "./a.js", "y"), Some((4, 3)));
        assert_eq!(place_of_name(text, "./a.js", "z"), Some((4, 12)));
    }
}
