//! Which content codings a client takes: the field Accept-Encoding (RFC 9110 section 12.5.3).
//!
//! Owns: its form. Must not know: what is coded, which codings a server has.

/// The highest weight, in thousandths.
pub const WEIGHT_MAX: u16 = 1000;

/// The lines of the field as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptEncoding(Vec<u8>);

impl AcceptEncoding {
    /// Takes the lines of the field from those that `fields` gives, in order.
    pub fn of(fields: impl FnOnce(&mut dyn FnMut(&[u8], &[u8]))) -> AcceptEncoding {
        let mut all = Vec::new();
        fields(&mut |name, value| {
            if name.eq_ignore_ascii_case(b"accept-encoding") {
                if !all.is_empty() {
                    all.push(b',');
                }
                all.extend_from_slice(value);
            }
        });
        AcceptEncoding(all)
    }

    /// The weight of a coding in thousandths, 0 where it is not acceptable. A client that says nothing may take
    /// anything, but few who say nothing do.
    pub fn weight(&self, coding: &str) -> u16 {
        self.named(coding).or_else(|| self.named("*")).unwrap_or(0)
    }

    /// The weight of a body without a coding, where the client gives it one.
    pub fn weight_of_identity(&self) -> Option<u16> {
        self.named("identity")
    }

    /// Whether a body without a coding is not acceptable.
    pub fn refuses_identity(&self) -> bool {
        self.named("identity").or_else(|| self.named("*").filter(|weight| *weight == 0)) == Some(0)
    }

    /// The coding of `ours` that is liked best; of several that are liked as much, the first. None where the client
    /// takes none, or likes a body without one better.
    pub fn best<'a, C>(&self, ours: &'a [C], name: impl Fn(&C) -> &str) -> Option<&'a C> {
        let mut best: Option<(u16, &C)> = None;
        for coding in ours {
            let weight = self.weight(name(coding));
            if weight > best.map_or(0, |(known, _)| known) {
                best = Some((weight, coding));
            }
        }
        let (weight, coding) = best?;
        (weight >= self.weight_of_identity().unwrap_or(0)).then_some(coding)
    }

    /// What the field says of exactly this name; `x-gzip` is gzip (section 8.4.1.3).
    fn named(&self, name: &str) -> Option<u16> {
        self.0.split(|byte| *byte == b',').find_map(|item| {
            let mut parts = item.splitn(2, |byte| *byte == b';');
            let known = parts.next().unwrap_or_default().trim_ascii();
            let is = known.eq_ignore_ascii_case(name.as_bytes())
                || (name == "gzip" && known.eq_ignore_ascii_case(b"x-gzip"));
            is.then(|| parts.next().map_or(WEIGHT_MAX, weight))
        })
    }
}

/// `q=0.5` in thousandths; what is no weight (section 12.4.2) is 0, for it may have been meant as a refusal.
fn weight(text: &[u8]) -> u16 {
    let text = text.trim_ascii();
    let Some(value) = text.strip_prefix(b"q=").or_else(|| text.strip_prefix(b"Q=")) else { return 0 };
    let (whole, digits) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return 0,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let thousandths = (0..3).fold(0, |sum, at| {
        let digit = digits.get(at).map_or(0, |digit| u16::from(digit - b'0'));
        sum * 10 + digit
    });
    match (whole, thousandths) {
        (b'0', thousandths) => thousandths,
        (b'1', 0) => WEIGHT_MAX,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> AcceptEncoding {
        AcceptEncoding::of(|f| {
            f(b"Host", b"gzip");
            lines.iter().for_each(|line| f(b"Accept-encoding", line.as_bytes()));
        })
    }

    #[test]
    fn a_weight_is_what_section_12_4_2_lets_it_be() {
        for (text, expected) in [
            ("gzip", 1000),
            ("GZIP; q=1", 1000),
            ("gzip;q=1.000", 1000),
            ("gzip ; Q=0.5", 500),
            ("gzip;q=0.05", 50),
            ("gzip;q=0.001", 1),
            ("gzip;q=0.", 0),
            ("gzip;q=0", 0),
            ("gzip;q=1.001", 0),
            ("gzip;q=2", 0),
            ("gzip;q=0.1234", 0),
            ("gzip;q=-1", 0),
            ("gzip;q=x", 0),
            ("gzip;level=1", 0),
            ("x-gzip", 1000),
            ("gzipped", 0),
            ("", 0),
        ] {
            assert_eq!(read(&[text]).weight("gzip"), expected, "{text:?}");
        }
    }

    #[test]
    fn the_best_is_what_the_client_likes_most_and_then_what_we_do() {
        let ours = ["zstd", "br", "gzip"];
        for (lines, expected, refuses) in [
            (&["gzip, deflate, br, zstd"][..], Some("zstd"), false),
            (&["gzip, br"], Some("br"), false),
            (&["gzip", "br;q=0.5"], Some("gzip"), false),
            (&["*"], Some("zstd"), false),
            (&["zstd;q=0, *;q=0.5"], Some("br"), false),
            (&["gzip;q=0.5, identity"], None, false),
            (&["gzip;q=0.5, identity;q=0.5"], Some("gzip"), false),
            (&["deflate"], None, false),
            (&["identity;q=0"], None, true),
            (&["gzip, identity;q=0"], Some("gzip"), true),
            (&["gzip, *;q=0"], Some("gzip"), true),
            (&["identity, *;q=0"], None, false),
            (&[""], None, false),
            (&[], None, false),
            (&[",,;q=,"], None, false),
        ] {
            let accepted = read(lines);
            assert_eq!(accepted.best(&ours, |name| name), expected.as_ref(), "{lines:?}");
            assert_eq!(accepted.refuses_identity(), refuses, "{lines:?}");
        }
    }
}
