//! How the parts of a value become lines.
//!
//! Owns: line lengths, columns of arrays, quoting. Must not know: JavaScript values.

/// Longest line that a value is put on.
const LINE_CHARS_MAX: usize = 80;
/// Nested levels that may share one line.
const LEVELS_PER_LINE: usize = 3;

/// A value's pieces.
pub(super) struct Pieces<'a> {
    /// What stands before the brace, such as a function or an error's stack.
    pub base: &'a str,
    /// With its prefix: `Foo {`.
    pub open: &'a str,
    pub close: &'a str,
    /// Whether the entries are elements, which go into columns.
    pub elements: bool,
    /// How many levels are nested in it.
    pub levels: usize,
    /// Columns that the lines are indented by.
    pub indent: usize,
}

/// Puts the entries between the braces: on one line if they fit, else one a line.
pub(super) fn join(mut entries: Vec<String>, extra: bool, pieces: &Pieces<'_>) -> String {
    let Pieces { base, open, close, indent, .. } = *pieces;
    let lead = if base.is_empty() { String::new() } else { format!("{base} ") };
    let count = entries.len();
    if pieces.elements && count > 6 {
        entries = columns(entries, extra, indent);
    }
    if pieces.levels <= LEVELS_PER_LINE && entries.len() == count {
        let start = count + indent + open.chars().count() + base.chars().count() + 10;
        let total: usize = entries.iter().map(|entry| entry.chars().count() + 1).sum();
        let fits = total + start <= LINE_CHARS_MAX && !entries.iter().any(|entry| entry.contains('\n'));
        if fits && !base.contains('\n') {
            return format!("{lead}{open} {} {close}", entries.join(", "));
        }
    }
    let line = format!("\n{}", " ".repeat(indent));
    format!("{lead}{open}{line}  {}{line}{close}", entries.join(&format!(",{line}  ")))
}

/// Puts short elements into aligned columns, about two and a half times as wide as high; `extra`
/// says that the last entry counts what is left out.
fn columns(entries: Vec<String>, extra: bool, indent: usize) -> Vec<String> {
    let shown = entries.len() - usize::from(extra);
    let widths: Vec<usize> = entries[..shown].iter().map(|entry| entry.chars().count() + 2).collect();
    let total: usize = widths.iter().sum();
    let widest = widths.iter().copied().max().unwrap_or(0);
    let roomy = total as f64 / widest as f64 > 5.0 || widest <= 8;
    if widest * 3 + indent >= LINE_CHARS_MAX || !roomy || entries.iter().any(|entry| entry.contains('\n')) {
        return entries;
    }
    let bias = (widest as f64 - total as f64 / entries.len() as f64).sqrt();
    let biased = (widest as f64 - 3.0 - bias).max(1.0);
    let by_shape = ((2.5 * biased * shown as f64).sqrt() / biased).round() as usize;
    let by_line = (LINE_CHARS_MAX - indent) / widest;
    let per_row = by_shape.min(by_line).min(12).min(15);
    if per_row <= 1 {
        return entries;
    }
    let tallest = |column: usize| widths.iter().skip(column).step_by(per_row).copied().max().unwrap_or(0);
    let column_widths: Vec<usize> = (0..per_row).map(tallest).collect();
    let numbers = entries[..shown].iter().all(|entry| {
        entry.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'e' | b'+' | b'n'))
    });
    let mut rows: Vec<String> = Vec::new();
    for (number, row) in entries[..shown].chunks(per_row).enumerate() {
        let mut line = String::new();
        for (column, entry) in row.iter().enumerate() {
            let last = column + 1 == row.len();
            let fill = column_widths[column] - widths[number * per_row + column];
            let text = if last { entry.clone() } else { format!("{entry}, ") };
            match (numbers, last) {
                (true, _) => line.push_str(&format!("{}{text}", " ".repeat(fill))),
                (false, false) => line.push_str(&format!("{text}{}", " ".repeat(fill))),
                (false, true) => line.push_str(&text),
            }
        }
        rows.push(line);
    }
    rows.extend(entries[shown..].iter().cloned());
    rows
}

/// A string as a literal, in the quotes that it does not contain.
pub(super) fn quote(text: &str) -> String {
    let mark = match (text.contains('\''), text.contains('"'), text.contains('`') || text.contains("${")) {
        (false, ..) => '\'',
        (_, false, _) => '"',
        (_, _, false) => '`',
        _ => '\'',
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            c if c == mark => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(mark);
    out
}

/// A property's key: bare where it is an identifier.
pub(super) fn key(text: &str) -> String {
    let identifier = !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
    if identifier { text.to_owned() } else { quote(text) }
}
