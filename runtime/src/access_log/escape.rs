//! Texts of clients as they may stand in a log: nobody forges a line, or has a terminal do something.
//!
//! Owns: what is escaped, and how. Must not know: lines.

use std::io::Write as _;

/// As nginx does: quotes, backslashes, controls and what is not ASCII become `\xXX`.
pub(super) fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..=31 | 127..);
    // Most texts are plain from end to end.
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !is_plain(byte)) {
        out.extend_from_slice(&rest[..at]);
        let _ = write!(out, "\\x{:02X}", rest[at]); // to a Vec: it cannot fail
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// The content of a JSON string (RFC 8259 section 7). What is not UTF-8 is replaced.
pub(super) fn json(out: &mut Vec<u8>, text: &[u8]) {
    if text.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        return out.extend_from_slice(text);
    }
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if is_harmful(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// For a terminal: controls, and what turns the direction of a text around, are shown by their numbers.
pub(super) fn shown(out: &mut Vec<u8>, text: &[u8]) {
    for c in String::from_utf8_lossy(text).chars() {
        match is_harmful(c) {
            true => {
                let _ = write!(out, "{}", c.escape_default());
            }
            false => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Controls of both sets, line ends of Unicode, and marks of direction.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(f: fn(&mut Vec<u8>, &[u8]), text: &[u8]) -> String {
        let mut out = Vec::new();
        f(&mut out, text);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn no_text_ends_a_line_a_value_or_colours_a_terminal() {
        let text = b"a\"b\\c\r\n\x1b[31m\x7f\xc3\xa9\xff\xe2\x80\xae";
        assert_eq!(with(quoted, text), r"a\x22b\x5Cc\x0D\x0A\x1B[31m\x7F\xC3\xA9\xFF\xE2\x80\xAE");
        assert_eq!(with(json, text), "a\\\"b\\\\c\\u000d\\u000a\\u001b[31m\\u007fé\u{fffd}\\u202e");
        assert_eq!(with(shown, text), "a\"b\\c\\r\\n\\u{1b}[31m\\u{7f}é\u{fffd}\\u{202e}");
    }
}
