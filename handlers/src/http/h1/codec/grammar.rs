//! The character classes and list syntax that RFC 9110 section 5.6 gives to all fields.
//!
//! Owns: byte tables and the list splitter. Must not know: any particular field.

const fn table(extra: &[u8]) -> [bool; 256] {
    let mut t = [false; 256];
    let mut b = 0;
    while b < 256 {
        t[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let mut i = 0;
    while i < extra.len() {
        t[extra[i] as usize] = true;
        i += 1;
    }
    t
}

static TCHAR: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
static REG_NAME: [bool; 256] = table(b"-._~!$&'()*+,;=%");

/// `tchar` of RFC 9110 section 5.6.2.
#[inline]
pub(crate) fn is_tchar(b: u8) -> bool {
    TCHAR[b as usize]
}

/// A non-empty `token` of RFC 9110 section 5.6.2.
#[inline]
pub(crate) fn is_token(s: &[u8]) -> bool {
    !s.is_empty() && s.iter().all(|&b| is_tchar(b))
}

/// A byte of `field-value`: VCHAR, SP, HTAB and obs-text (RFC 9110 section 5.5).
#[inline]
pub(crate) fn is_value_byte(b: u8) -> bool {
    b == b'\t' || (b >= b' ' && b != 0x7f)
}

/// A byte of `reg-name`, the percent sign included (RFC 3986 section 3.2.2).
#[inline]
pub(crate) fn is_reg_name_byte(b: u8) -> bool {
    REG_NAME[b as usize]
}

/// The members of a comma-separated list, without the whitespace around them. Empty members come
/// out as empty slices; a recipient skips them (RFC 9110 section 5.6.1.2) unless it is strict.
pub(crate) fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim_ows)
}

/// Without leading and trailing SP and HTAB (OWS of RFC 9110 section 5.6.3; unlike `trim_ascii`,
/// no other whitespace).
pub(crate) fn trim_ows(mut s: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = s {
        s = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = s {
        s = rest;
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert!(is_token(b"GET") && is_token(b"!#$%&'*+-.^_`|~09azAZ"));
        for bad in [&b""[..], b"a b", b"a:", b"a\0", b"\x80", b"a/b", b"(", b"\"", b"{", b"\x7f"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn lists_are_split_and_trimmed() {
        let members: Vec<&[u8]> = list_members(b" a ,\tb,, c d").collect();
        assert_eq!(members, [&b"a"[..], b"b", b"", b"c d"]);
        assert_eq!(trim_ows(b"\x0b x "), b"\x0b x");
    }
}
