//! Which coding of a file a client gets (RFC 9110 section 12.5.3).
//!
//! Owns: which codings files have beside them, and which of them is better. Must not know: which of them are there.

use crate::accept_encoding::AcceptEncoding;

/// A coding that a file may have beside it; the better come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiblingCoding {
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
}

impl SiblingCoding {
    /// All of them.
    pub const ALL: [SiblingCoding; 3] = [SiblingCoding::Brotli, SiblingCoding::Zstd, SiblingCoding::Gzip];

    /// Its name in Content-Encoding.
    pub fn name(self) -> &'static str {
        ["br", "zstd", "gzip"][self as usize]
    }

    /// What the file's name ends in.
    pub fn suffix(self) -> &'static str {
        [".br", ".zst", ".gz"][self as usize]
    }
}

/// The coding that a client which says `accepted` (Accept-Encoding) gets, of those that `has` says are there; `None`: the
/// file as it is. What a client excludes that excludes all is the file as it is, too (section 12.4.1: the server may
/// disregard the field).
pub fn choose(accepted: &[u8], has: impl Fn(SiblingCoding) -> bool) -> Option<SiblingCoding> {
    let accepted = AcceptEncoding::of(|add| add(b"accept-encoding", accepted));
    let there: Vec<SiblingCoding> = SiblingCoding::ALL.into_iter().filter(|coding| has(*coding)).collect();
    accepted.best(&there, |coding| coding.name()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9110 sections 12.4.2 and 12.5.3.
    #[test]
    fn the_heaviest_coding_that_is_there_wins() {
        for (field, there, expected) in [
            ("", "br zstd gzip", ""),
            ("gzip", "br zstd gzip", "gzip"),
            ("gzip, deflate, br, zstd", "br zstd gzip", "br"),
            ("gzip, deflate, br, zstd", "zstd gzip", "zstd"),
            ("br;q=0.5, gzip;q=0.9", "br gzip", "gzip"),
            ("br;q=0.5, gzip; Q=0.501", "br gzip", "gzip"),
            ("br;q=0, *", "br zstd gzip", "zstd"),
            ("*;q=0.1", "gzip", "gzip"),
            ("gzip;q=0", "gzip", ""),
            ("gzip;q=0.000", "gzip", ""),
            ("gzip;q=1.1", "gzip", ""),
            ("gzip;q=0.1234", "gzip", ""),
            ("gzip;q=x", "gzip", ""),
            ("GZIP", "gzip", "gzip"),
            ("x-gzip", "gzip", "gzip"),
            ("identity;q=0, gzip;q=0", "gzip", ""),
            ("identity, gzip;q=0.5", "gzip", ""),
            ("identity;q=0.5, gzip", "gzip", "gzip"),
            ("gzip;q=0.5", "gzip", "gzip"),
            ("deflate", "gzip", ""),
            (",, gzip ,", "gzip", "gzip"),
        ] {
            let chosen =
                choose(field.as_bytes(), |coding| there.split(' ').any(|name| name == coding.name()));
            assert_eq!(chosen.map_or("", SiblingCoding::name), expected, "{field:?} of {there:?}");
        }
    }
}
