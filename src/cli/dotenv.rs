//! Files of lines NAME=VALUE, as Node's `--env-file` reads them (its documentation, "dotenv").
//!
//! Owns: comments, quotes, values of several lines. Must not know: where the text is from, what the
//! variables are for.

/// The variables of a text, in its order; one that is set twice is there twice. A line without `=` is
/// none, as in Node.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\r\n", "\n");
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let (line, next) = split_line(rest);
        if line.trim_start().starts_with('#') || !line.contains('=') {
            rest = next;
            continue;
        }
        // The value may be longer than the line.
        let (name, after) = rest.split_once('=').unwrap_or_default();
        let (value, next) = value(after);
        let name = name.trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start);
        if !name.is_empty() {
            variables.push((name.to_owned(), value));
        }
        rest = next;
    }
    variables
}

/// A line and what comes after its end.
fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// The value at the start of `text`, and the lines after it. Nothing in it is expanded but `\n` between
/// double quotes.
fn value(text: &str) -> (String, &str) {
    let blank = |c: char| c.is_whitespace() && c != '\n';
    let text = text.trim_start_matches(blank);
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    if let Some(quote) = quote
        && let Some((inside, after)) = text[1..].split_once(quote)
    {
        let inside = if quote == '"' { inside.replace("\\n", "\n") } else { inside.to_owned() };
        return (inside, split_line(after).1);
    }
    let (line, next) = split_line(text);
    let line = line.split_once('#').map_or(line, |(value, _)| value);
    (line.trim().to_owned(), next)
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Each text with what Node 20 makes of it.
    #[test]
    fn lines_are_read_as_node_reads_them() {
        for (text, expected) in [
            ("A=1\n B = two words   # comment\n", &[("A", "1"), ("B", "two words")][..]),
            ("export C=3\r\n\n# D=4\n  # E=5\nF=", &[("C", "3"), ("F", "")]),
            (
                "A=\"x # y\" # z\nB='\\n $A'\nC=\"one\\ntwo\"",
                &[("A", "x # y"), ("B", "\\n $A"), ("C", "one\ntwo")],
            ),
            ("A=\"one\r\ntwo\n\nthree\" rest\nB=1", &[("A", "one\ntwo\n\nthree"), ("B", "1")]),
            ("A=`it's \"so\"`\nB=it's", &[("A", "it's \"so\""), ("B", "it's")]),
            ("A='unclosed # x\nB=1", &[("A", "'unclosed"), ("B", "1")]),
            ("A=a#b\nB=a=b\nC=$A ${B}", &[("A", "a"), ("B", "a=b"), ("C", "$A ${B}")]),
            ("nothing\nA=1\n=2\nA=3", &[("A", "1"), ("A", "3")]),
            ("A=\"\"\nB='' x\nx.y-z=\t1 \t\nä=ö", &[("A", ""), ("B", ""), ("x.y-z", "1"), ("ä", "ö")]),
            ("\u{feff}A=1", &[("A", "1")]),
            ("", &[]),
        ] {
            let found = parse(text);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
