//! Range requests (RFC 9110 section 14).
//!
//! Owns: which bytes a Range field asks for, how many ranges are served. Must not know: what sends them.

use std::ops::Range;

/// Ranges of one request that are served; a field with more is ignored (section 14.2).
pub const RANGES_MAX: usize = 16;

/// What a Range field comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedRanges {
    /// All: there is no range, or none that counts.
    All,
    /// These, never empty; 206.
    Some(Vec<Range<u64>>),
    /// No byte that it asks for is there: 416.
    Nothing,
}

/// The bytes of `length` that the value of a Range field asks for. Ranges that overlap or touch become one
/// (section 15.3.7.2); the order stays.
pub fn wanted(field: &[u8], length: u64) -> WantedRanges {
    let Some((unit, set)) = field.iter().position(|b| *b == b'=').map(|at| (&field[..at], &field[at + 1..]))
    else {
        return WantedRanges::All;
    };
    if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") {
        return WantedRanges::All;
    }
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut specs = 0;
    for spec in set.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        specs += 1;
        if specs > RANGES_MAX {
            return WantedRanges::All;
        }
        match one(spec, length) {
            Some(range) if range.is_empty() => {}
            Some(range) => ranges.push(range),
            // One that is no range spoils the field (section 14.2: it may be ignored).
            None => return WantedRanges::All,
        }
    }
    match (specs, ranges.len()) {
        (0, _) => WantedRanges::All,
        // The suffix of nothing is all of it, and no range can name it.
        (_, 0) if length == 0 && set.trim_ascii().starts_with(b"-") => WantedRanges::All,
        (_, 0) => WantedRanges::Nothing,
        _ => WantedRanges::Some(coalesced(ranges)),
    }
}

/// `first-last`, `first-` or `-suffix` (section 14.1.2); empty where it is not there.
fn one(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let at = spec.iter().position(|b| *b == b'-')?;
    let (first, last) = (&spec[..at], &spec[at + 1..]);
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(length.saturating_sub(suffix)..length);
    }
    let first = number(first)?;
    let end = match last {
        [] => length,
        _ => {
            let last = number(last)?;
            if last < first {
                return None;
            }
            last.saturating_add(1).min(length)
        }
    };
    Some(first.min(end)..end)
}

/// Digits only; beyond all files where there are too many.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n: u64, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

fn coalesced(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for mut range in ranges {
        let mut place = all.len();
        // One that has grown may touch those that it did not touch before.
        while let Some(at) = all.iter().position(|it| it.start <= range.end && range.start <= it.end) {
            let known = all.remove(at);
            range = known.start.min(range.start)..known.end.max(range.end);
            place = place.min(at);
        }
        all.insert(place.min(all.len()), range);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(ranges: &[(u64, u64)]) -> WantedRanges {
        WantedRanges::Some(ranges.iter().map(|(first, last)| *first..last + 1).collect())
    }

    // RFC 9110 sections 14.1.1, 14.1.2 and 14.2, with its own examples.
    #[test]
    fn a_range_is_what_the_rfc_says() {
        for (field, expected) in [
            ("bytes=0-499", some(&[(0, 499)])),
            ("bytes=500-999", some(&[(500, 999)])),
            ("bytes=-500", some(&[(9500, 9999)])),
            ("bytes=9500-", some(&[(9500, 9999)])),
            ("bytes=0-0,-1", some(&[(0, 0), (9999, 9999)])),
            ("bytes= 0-0 ,\t-1 ,", some(&[(0, 0), (9999, 9999)])),
            ("BYTES=0-0", some(&[(0, 0)])),
            ("bytes=0-99999", some(&[(0, 9999)])),
            ("bytes=0-99999999999999999999999999", some(&[(0, 9999)])),
            ("bytes=-99999999999999999999999999", some(&[(0, 9999)])),
            ("bytes=0-", some(&[(0, 9999)])),
            ("bytes=10000-", WantedRanges::Nothing),
            ("bytes=99999999999999999999999999-", WantedRanges::Nothing),
            ("bytes=10000-,20000-30000", WantedRanges::Nothing),
            ("bytes=-0", WantedRanges::Nothing),
            ("bytes=10000-,5-5", some(&[(5, 5)])),
            ("bytes=5-4", WantedRanges::All),
            ("bytes=0-0,5-4", WantedRanges::All),
            ("bytes=", WantedRanges::All),
            ("bytes", WantedRanges::All),
            ("bytes=a-b", WantedRanges::All),
            ("bytes=1", WantedRanges::All),
            ("bytes=-", WantedRanges::All),
            ("bytes=+1-2", WantedRanges::All),
            ("bytes=0x1-2", WantedRanges::All),
            ("items=0-1", WantedRanges::All),
            ("", WantedRanges::All),
        ] {
            assert_eq!(wanted(field.as_bytes(), 10_000), expected, "{field}");
        }
        assert_eq!(wanted(b"bytes=0-", 0), WantedRanges::Nothing);
        assert_eq!(wanted(b"bytes=-5", 0), WantedRanges::All);
    }

    // Section 15.3.7.2: they may become one; section 17.15: many small ones are no way to keep a server busy.
    #[test]
    fn ranges_that_overlap_become_one_and_too_many_are_ignored() {
        for (field, expected) in [
            ("bytes=0-9,5-14", some(&[(0, 14)])),
            ("bytes=0-9,10-19", some(&[(0, 19)])),
            ("bytes=20-29,0-9", some(&[(20, 29), (0, 9)])),
            ("bytes=20-29,0-9,5-24", some(&[(0, 29)])),
            ("bytes=0-9,20-29,40-49,9-20,29-40", some(&[(0, 49)])),
            ("bytes=0-0,0-0,0-0", some(&[(0, 0)])),
        ] {
            assert_eq!(wanted(field.as_bytes(), 10_000), expected, "{field}");
        }
        let many = |count: usize| {
            let all: Vec<String> = (0..count).map(|n| format!("{}-{}", n * 10, n * 10)).collect();
            format!("bytes={}", all.join(","))
        };
        let WantedRanges::Some(ranges) = wanted(many(RANGES_MAX).as_bytes(), 10_000) else {
            panic!("ranges")
        };
        assert_eq!(ranges.len(), RANGES_MAX);
        assert_eq!(wanted(many(RANGES_MAX + 1).as_bytes(), 10_000), WantedRanges::All);
    }
}
