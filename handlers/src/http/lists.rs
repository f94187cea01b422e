//! The list syntax that RFC 9110 section 5.6.1 gives to all fields.
//!
//! Owns: the list splitter. Must not know: any particular field, versions of HTTP.

/// The members of a comma-separated list, without the whitespace around them. Empty members come
/// out as empty slices; a recipient skips them (RFC 9110 section 5.6.1.2) unless it is strict.
pub fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim_ows)
}

/// Without leading and trailing SP and HTAB (OWS of RFC 9110 section 5.6.3; unlike `trim_ascii`,
/// no other whitespace).
pub fn trim_ows(mut s: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = s {
        s = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = s {
        s = rest;
    }
    s
}

/// Whether `name` is a member of the list, compared without case.
pub fn has_member(value: &[u8], name: &[u8]) -> bool {
    list_members(value).any(|member| member.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_and_trimmed() {
        let members: Vec<&[u8]> = list_members(b" a ,\tb,, c d").collect();
        assert_eq!(members, [&b"a"[..], b"b", b"", b"c d"]);
        assert_eq!(trim_ows(b"\x0b x "), b"\x0b x");
    }
}
