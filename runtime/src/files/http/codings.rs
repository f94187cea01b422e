//! Which coding of a file a client gets (RFC 9110 section 12.5.3).
//!
//! Owns: Accept-Encoding, read into a weight for each coding that files have beside them. Must not know: which of them
//! are there.

/// A coding that a file may have beside it; the better come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// All of them.
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Its name in Content-Encoding.
    pub fn name(self) -> &'static str {
        ["br", "zstd", "gzip"][self as usize]
    }

    /// What the file's name ends in.
    pub fn suffix(self) -> &'static str {
        [".br", ".zst", ".gz"][self as usize]
    }
}

/// Accept-Encoding, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    named: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Accepted {
    /// Adds a field's value; several are one list (RFC 9110 section 5.3).
    pub fn add(&mut self, value: &[u8]) {
        for member in value.split(|b| *b == b',') {
            let (name, parameters) = match member.iter().position(|b| *b == b';') {
                Some(at) => (&member[..at], &member[at + 1..]),
                None => (member, &[][..]),
            };
            let name = name.trim_ascii();
            let place = match name {
                b"*" => &mut self.any,
                _ if name.eq_ignore_ascii_case(b"identity") => &mut self.identity,
                _ if name.eq_ignore_ascii_case(b"x-gzip") => &mut self.named[Coding::Gzip as usize],
                _ => {
                    let known = Coding::ALL.iter().find(|it| name.eq_ignore_ascii_case(it.name().as_bytes()));
                    match known {
                        Some(coding) => &mut self.named[*coding as usize],
                        None => continue,
                    }
                }
            };
            *place = Some(weight(parameters));
        }
    }

    /// The best of those that `has` says are there; `None`: the file as it is. What a client excludes that excludes
    /// all is the file as it is, too (section 12.4.1: the server may disregard the field).
    pub fn choose(&self, has: impl Fn(Coding) -> bool) -> Option<Coding> {
        let of = |coding: &Coding| self.named[*coding as usize].or(self.any).unwrap_or(0);
        let mut best: Option<(Coding, u16)> = None;
        for coding in Coding::ALL.iter().filter(|coding| has(**coding)) {
            if of(coding) > best.map_or(0, |best| best.1) {
                best = Some((*coding, of(coding)));
            }
        }
        // Only one who says so prefers the file as it is.
        best.filter(|(_, weight)| self.identity.is_none_or(|identity| identity <= *weight)).map(|best| best.0)
    }
}

/// `q=0.5` in thousandths (RFC 9110 section 12.4.2); one that is none says that the coding is not wanted.
fn weight(parameters: &[u8]) -> u16 {
    let Some(quality) = parameters.split(|b| *b == b';').map(<[u8]>::trim_ascii).find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(2)?;
        name.eq_ignore_ascii_case(b"q=").then_some(value.trim_ascii())
    }) else {
        return 1000;
    };
    let (whole, rest) = quality.split_first().unwrap_or((&b'x', &[]));
    let digits = match rest {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return 0,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return 0;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'0' => thousandths,
        b'1' if thousandths == 0 => 1000,
        _ => 0,
    }
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
            let mut accepted = Accepted::default();
            accepted.add(field.as_bytes());
            let chosen = accepted.choose(|coding| there.split(' ').any(|name| name == coding.name()));
            assert_eq!(chosen.map_or("", Coding::name), expected, "{field:?} of {there:?}");
        }
    }
}
