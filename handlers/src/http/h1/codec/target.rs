//! The request target and its four forms (RFC 9112 section 3.2).
//!
//! Owns: which form belongs to which method, and where the authority and the path lie in it.
//! Must not know: fields, routing.

use super::Rejection;
use super::head::{Span, TargetForm};
use super::host::parse_authority;

/// Where the parts of a target lie, relative to its first byte.
pub(crate) struct Target {
    pub(crate) form: TargetForm,
    pub(crate) authority: Span,
    pub(crate) path: Span,
}

/// Takes a target apart. `target` has no control bytes and no spaces: the caller's tokenizer stops there.
///
/// Other bytes that RFC 3986 does not allow (`"<>\^{|}` and the backtick) pass: browsers send them in
/// queries, and the URL parser of the app escapes them.
pub(crate) fn parse_target(method: &[u8], target: &[u8]) -> Result<Target, Rejection> {
    // Without early exit, so that the compiler makes vector code of it.
    if target.iter().fold(false, |bad, &b| bad | (b >= 0x80) | (b == b'#')) {
        return Err(Rejection::bad("target: a fragment or a byte that is not ASCII"));
    }
    let whole = Span::new(0, target.len());
    if method == b"CONNECT" {
        // An origin server need not implement it (RFC 9110 section 9.3.6); 501 says that no resource
        // here does (section 15.6.2), where 405 would speak about this one only.
        return Err(match parse_authority(target) {
            Some(authority) if authority.has_port => Rejection::new(501, "CONNECT"),
            _ => Rejection::bad("target: CONNECT without an authority"),
        });
    }
    if target.first() == Some(&b'/') {
        return Ok(Target { form: TargetForm::Origin, authority: Span::default(), path: whole });
    }
    if target == b"*" {
        if method != b"OPTIONS" {
            return Err(Rejection::bad("target: asterisk without OPTIONS"));
        }
        return Ok(Target { form: TargetForm::Asterisk, authority: Span::default(), path: whole });
    }
    absolute(target)
}

/// absolute-form, for http and https only: this is no proxy.
fn absolute(target: &[u8]) -> Result<Target, Rejection> {
    let start = match target {
        [a, b, c, d, b':', b'/', b'/', ..] if [*a, *b, *c, *d].eq_ignore_ascii_case(b"http") => 7,
        [a, b, c, d, e, b':', b'/', b'/', ..] if [*a, *b, *c, *d, *e].eq_ignore_ascii_case(b"https") => 8,
        _ => return Err(Rejection::bad("target: no form of RFC 9112")),
    };
    let rest = &target[start..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    if parse_authority(&rest[..end]).is_none() {
        return Err(Rejection::bad("target: invalid authority"));
    }
    Ok(Target {
        form: TargetForm::Absolute,
        authority: Span::new(start, end),
        path: Span::new(start + end, rest.len() - end),
    })
}
