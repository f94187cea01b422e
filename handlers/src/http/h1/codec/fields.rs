//! The fields that decide how a request is framed and how its connection goes on.
//!
//! Owns: the rules for Host, Content-Length, Transfer-Encoding, Connection, Expect, TE and Upgrade.
//! Must not know: how field lines are tokenized.

use super::Rejection;
use super::grammar::{is_token, list_members};
use super::head::{BodyFraming, HeadParts, Span, TargetForm, Version};
use super::host::parse_authority;

/// What the field lines said so far.
#[derive(Default)]
pub(crate) struct FramingFields {
    host: Option<(Span, bool)>,
    content_length: Option<u64>,
    codings: Option<Codings>,
    close: bool,
    keep_alive: bool,
    upgrade_named: bool,
    upgrade: Option<Span>,
    trailers: bool,
    expect_continue: bool,
    expect_other: bool,
}

/// The members of all Transfer-Encoding lines.
#[derive(Default)]
struct Codings {
    chunked: u32,
    chunked_is_last: bool,
    unknown: bool,
    malformed: bool,
}

impl FramingFields {
    /// Looks at one field line; `span` is where the value lies.
    #[inline]
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8], span: Span) -> Result<(), Rejection> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => return self.host(value, span),
            14 if name.eq_ignore_ascii_case(b"content-length") => return self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection(value),
            6 if name.eq_ignore_ascii_case(b"expect") => self.expect(value),
            2 if name.eq_ignore_ascii_case(b"te") => {
                self.trailers |= list_members(value).any(|member| member.eq_ignore_ascii_case(b"trailers"));
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = self.upgrade.or(Some(span)),
            _ => {}
        }
        Ok(())
    }

    fn host(&mut self, value: &[u8], span: Span) -> Result<(), Rejection> {
        if self.host.is_some() {
            return Err(Rejection::bad("Host: more than one"));
        }
        if !value.is_empty() && parse_authority(value).is_none() {
            return Err(Rejection::bad("Host: invalid"));
        }
        self.host = Some((span, value.is_empty()));
        Ok(())
    }

    /// One line with one plain number. RFC 9110 section 8.6 lets a recipient accept repeated
    /// identical values; nobody sends them in good faith, and other readers take the first or last.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Rejection> {
        if self.content_length.is_some() {
            return Err(Rejection::bad("Content-Length: more than one"));
        }
        self.content_length =
            Some(parse_content_length(value).ok_or(Rejection::bad("Content-Length: no number"))?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        let codings = self.codings.get_or_insert_default();
        for member in list_members(value) {
            codings.chunked_is_last = member.eq_ignore_ascii_case(b"chunked");
            let name = member.split(|&b| b == b';').next().unwrap_or_default();
            if codings.chunked_is_last {
                codings.chunked += 1;
            } else if name.eq_ignore_ascii_case(b"chunked") || !is_token(name.trim_ascii_end()) {
                // chunked has no parameters (RFC 9112 section 7.1), and an empty member is a way to
                // hide the last coding from a lenient reader.
                codings.malformed = true;
            } else {
                codings.unknown = true;
            }
        }
    }

    fn connection(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for member in list_members(value) {
            self.close |= member.eq_ignore_ascii_case(b"close");
            self.keep_alive |= member.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_named |= member.eq_ignore_ascii_case(b"upgrade");
        }
    }

    fn expect(&mut self, value: &[u8]) {
        for member in list_members(value).filter(|member| !member.is_empty()) {
            if member.eq_ignore_ascii_case(b"100-continue") {
                self.expect_continue = true;
            } else {
                self.expect_other = true;
            }
        }
    }

    /// Holds the rules that need the whole head, and writes the outcome to `parts`, whose version,
    /// form and authority are set.
    pub(crate) fn finish(self, parts: &mut HeadParts) -> Result<(), Rejection> {
        let is_11 = parts.version == Version::Http11;
        let absolute = parts.form == TargetForm::Absolute;
        match self.host {
            None if is_11 => return Err(Rejection::bad("Host: missing")),
            // RFC 9112 section 3.2: an empty value is for a target URI without an authority. An http URI has
            // one (RFC 9110 section 4.2.1); only of `*`, which names no resource, there is none to tell.
            Some((_, true)) if parts.form != TargetForm::Asterisk => {
                return Err(Rejection::bad("Host: empty"));
            }
            // Section 3.2.2: the target's authority wins.
            Some((span, _)) if !absolute => parts.authority = span,
            _ => {}
        }
        parts.framing = self.framing(is_11)?;
        parts.keep_alive = !self.close && (is_11 || self.keep_alive);
        if is_11 {
            if self.expect_other {
                return Err(Rejection::new(417, "Expect: unknown expectation"));
            }
            // Without content there is nothing to continue with (RFC 9110 section 10.1.1).
            parts.expect_continue =
                self.expect_continue && !matches!(parts.framing, BodyFraming::None | BodyFraming::Length(0));
            parts.takes_trailers = self.trailers;
            parts.upgrade = self.upgrade.filter(|_| self.upgrade_named);
        }
        Ok(())
    }

    fn framing(&self, is_11: bool) -> Result<BodyFraming, Rejection> {
        let Some(codings) = &self.codings else {
            return Ok(self.content_length.map_or(BodyFraming::None, BodyFraming::Length));
        };
        if !is_11 {
            return Err(Rejection::bad("Transfer-Encoding: in HTTP/1.0"));
        }
        if self.content_length.is_some() {
            return Err(Rejection::bad("Transfer-Encoding: with Content-Length"));
        }
        if codings.malformed || codings.chunked != 1 || !codings.chunked_is_last {
            return Err(Rejection::bad("Transfer-Encoding: not ending in one chunked"));
        }
        if codings.unknown {
            // The body's end is known, its coding is not (RFC 9112 section 6.1).
            return Err(Rejection::new(501, "Transfer-Encoding: unknown coding"));
        }
        Ok(BodyFraming::Chunked)
    }
}

/// `1*DIGIT` that fits 64 bits (RFC 9110 section 8.6): no sign, no whitespace, no list.
pub(in crate::http) fn parse_content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |sum, &b| {
        if !b.is_ascii_digit() {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(b - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::parse_content_length;

    #[test]
    fn content_length_is_digits_within_64_bits() {
        assert_eq!(parse_content_length(b"0"), Some(0));
        assert_eq!(parse_content_length(b"007"), Some(7));
        assert_eq!(parse_content_length(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "+1",
            "-1",
            "1 ",
            " 1",
            "1,1",
            "0x1",
            "1.0",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            assert_eq!(parse_content_length(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
