//! The authority of a request: `host[:port]` of the Host field and of absolute targets.
//!
//! Owns: its syntax. Must not know: where the bytes come from.

use super::grammar::is_reg_name_byte;
use std::net::Ipv6Addr;

/// What a valid authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Whether digits follow the colon.
    pub(crate) has_port: bool,
}

/// Checks `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2) with a host that is
/// not empty: an http URI without one is invalid (RFC 9110 section 4.2.1). User information is
/// refused (section 4.2.4), and so are IPvFuture literals: no version was ever assigned.
pub(crate) fn parse_authority(value: &[u8]) -> Option<Authority> {
    let after_host = match value {
        [b'[', rest @ ..] => {
            let close = rest.iter().position(|&b| b == b']')?;
            // `Ipv6Addr` knows no zone identifiers, which RFC 9110 does not allow either.
            std::str::from_utf8(&rest[..close]).ok()?.parse::<Ipv6Addr>().ok()?;
            &rest[close + 1..]
        }
        _ => {
            let end = value.iter().position(|&b| !is_reg_name_byte(b)).unwrap_or(value.len());
            let host = &value[..end];
            if host.is_empty() || (host.contains(&b'%') && !percent_encoding_is_valid(host)) {
                return None;
            }
            &value[end..]
        }
    };
    match after_host {
        [] => Some(Authority { has_port: false }),
        [b':', port @ ..] if port_is_valid(port) => Some(Authority { has_port: !port.is_empty() }),
        _ => None,
    }
}

/// Whether `value` is a host with or without a port.
pub fn is_authority(value: &[u8]) -> bool {
    parse_authority(value).is_some()
}

/// `port = *DIGIT`, and it fits 16 bits.
fn port_is_valid(port: &[u8]) -> bool {
    let mut value: u32 = 0;
    for &b in port {
        if !b.is_ascii_digit() {
            return false;
        }
        value = value * 10 + u32::from(b - b'0');
        if value > 0xffff {
            return false;
        }
    }
    true
}

fn percent_encoding_is_valid(host: &[u8]) -> bool {
    let mut rest = host;
    while let Some(at) = rest.iter().position(|&b| b == b'%') {
        match &rest[at + 1..] {
            [a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest = tail,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_authorities() {
        for ok in [
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:65535",
            "127.0.0.1:80",
            "[::1]",
            "[::ffff:1.2.3.4]:8080",
            "a_b",
            "%41.example",
            "xn--bcher-kva.example",
            "a,b;c=d",
            "999.1.1.1",
        ] {
            assert!(parse_authority(ok.as_bytes()).is_some(), "{ok}");
        }
        assert!(parse_authority(b"h:1").unwrap().has_port);
        assert!(!parse_authority(b"h:").unwrap().has_port);
    }

    #[test]
    fn invalid_authorities() {
        for bad in [
            "",
            ":80",
            "a b",
            "user@host",
            "u:p@host",
            "a:b",
            "a:65536",
            "a:99999999999",
            "a:1:2",
            "[::1",
            "::1",
            "[::1]x",
            "[1.2.3.4]",
            "[v1.a]",
            "[fe80::1%25eth0]",
            "[]",
            "%4",
            "%zz",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a<b",
            "b\u{fc}cher",
            "a,b c",
            "\"a\"",
            "a:+1",
            "a: 1",
        ] {
            assert!(parse_authority(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
