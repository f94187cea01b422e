//! Close codes (RFC 6455 section 7.4) and the body of a Close frame.
//!
//! Owns: which codes may be sent, how code and reason are written. Must not know: who closes.

/// The purpose is fulfilled.
pub const NORMAL: u16 = 1000;
/// An endpoint goes away: a server ends, a page is left.
pub const GOING_AWAY: u16 = 1001;
/// The rules of the protocol are broken.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A Close frame said no code. Never sent.
pub const NO_STATUS: u16 = 1005;
/// The connection ended without a Close frame. Never sent.
pub const ABNORMAL: u16 = 1006;
/// A message is not what its type says: text that is not UTF-8.
pub const INVALID_DATA: u16 = 1007;
/// A message is too large.
pub const TOO_LARGE: u16 = 1009;
/// The endpoint failed.
pub const INTERNAL_ERROR: u16 = 1011;
/// The service restarts.
pub const RESTART: u16 = 1012;
/// Try again later: the endpoint has too much to do.
pub const TRY_LATER: u16 = 1013;

/// Bytes of a reason: what a control frame has room for beside the code.
pub const REASON_BYTES_MAX: usize = 123;

/// Whether a Close frame may say `code` (RFC 6455 section 7.4; the registry of IANA for 1012 to 1014).
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// `reason`, cut at the end of a character where it is too long.
pub fn fitting(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// The code and the reason that the body of a Close frame says; 1005 where it says none.
///
/// # Errors
/// The code that the connection fails with (RFC 6455 sections 5.5.1 and 7.4.1, 8.1).
pub fn parse(body: &[u8]) -> Result<(u16, &str), u16> {
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return if body.is_empty() { Ok((NO_STATUS, "")) } else { Err(PROTOCOL_ERROR) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(PROTOCOL_ERROR);
    }
    std::str::from_utf8(reason).map(|reason| (code, reason)).map_err(|_| INVALID_DATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6455 sections 5.5.1 and 7.4; Autobahn's group 7.
    #[test]
    fn section_7_4_codes_that_a_close_frame_may_say() {
        for code in
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
        {
            assert_eq!(parse(&u16::to_be_bytes(code)), Ok((code, "")), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert_eq!(parse(&u16::to_be_bytes(code)), Err(PROTOCOL_ERROR), "{code}");
        }
    }

    #[test]
    fn section_5_5_1_a_body_is_nothing_or_a_code_and_a_reason_in_utf_8() {
        assert_eq!(parse(b""), Ok((NO_STATUS, "")));
        assert_eq!(parse(b"\x03"), Err(PROTOCOL_ERROR));
        assert_eq!(parse(b"\x03\xe8bye"), Ok((1000, "bye")));
        assert_eq!(parse(b"\x03\xe8\xff"), Err(INVALID_DATA));
        let long = "é".repeat(100);
        assert_eq!(fitting(&long).len(), 122);
        assert_eq!(fitting("short"), "short");
    }
}
