//! The character classes that RFC 9110 section 5.6 gives to all fields.
//!
//! Owns: byte tables. Must not know: any particular field.

pub(crate) use super::super::super::lists::{list_members, trim_ows};

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
}
