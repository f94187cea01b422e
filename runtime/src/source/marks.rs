//! Where the engine says that a token is.
//!
//! Owns: its way of counting, which is exact for names only. Must not know: what the token belongs to.

use oxc::span::Span;

/// The place that the engine gives the token at byte `token`: what is no name has that of the last name or
/// blank before it (quickjs.c, next_token, `mark`). None where that is hard to tell.
pub(super) fn marked(source: &[u8], token: u32, literals: &[Span]) -> Option<u32> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    let mut end = token as usize;
    let first = *source.get(end)?;
    if is_name(first) && !first.is_ascii_digit() {
        return Some(token);
    }
    loop {
        let before = source.get(..end)?;
        match *before.last()? {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => return u32::try_from(end).ok(),
            b'/' if before.ends_with(b"*/") => return u32::try_from(end).ok(),
            b'"' | b'\'' => {
                end = literals.iter().rev().find(|literal| literal.end as usize == end)?.start as usize;
            }
            b'`' | b'/' | b'\\' => return None,
            byte if is_name(byte) => {
                let start = before.iter().rposition(|byte| !is_name(*byte)).map_or(0, |at| at + 1);
                match (before[start], start.checked_sub(1).map(|at| before[at])) {
                    // A number, or a private name.
                    (b'0'..=b'9', _) | (_, Some(b'#')) => end = start,
                    (_, Some(b'/' | b'\\' | 0x80..)) => return None,
                    _ => return u32::try_from(start).ok(),
                }
            }
            0x80.. => return None,
            _ => end -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_no_name_has_the_place_of_the_last_name_or_blank() {
        for (source, token, place) in [
            ("o.save()", 7, Some(2)),
            ("f(12)", 2, Some(0)),
            ("f( 12)", 3, Some(3)),
            ("f(/*a*/5)", 7, Some(7)),
            ("f(1)(2)", 5, Some(0)),
            ("a.#b(1)", 5, Some(0)),
            ("f(`a`)(2)", 7, None),
            ("f('a b',5)", 8, None),
        ] {
            assert_eq!(marked(source.as_bytes(), token, &[]), place, "{source}");
        }
    }
}
