//! Conditional requests (RFC 9110 section 13).
//!
//! Owns: entity tags and their two comparisons, dates, the order in which conditions count. Must not know: files.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::asked::{FileRequest, Method};

/// What there is: a representation's validators.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// ETag as it is sent, quotes and a `W/` included; `None`: it has none.
    pub etag: Option<&'a str>,
    /// Last-Modified in seconds since 1970.
    pub modified_s: Option<u64>,
    /// The time now, in seconds since 1970.
    pub now_s: u64,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The method is carried out; Range counts where `with_range` is true.
    Perform {
        /// If-Range is not there, or holds.
        with_range: bool,
    },
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the conditions in their order (section 13.2.2).
pub fn evaluate(asked: &FileRequest, method: Method, validators: &Validators<'_>) -> Verdict {
    if let Some(list) = &asked.if_match {
        if !matches(list, validators.etag, is_strongly_same) {
            return Verdict::Failed;
        }
    } else if let Some(since) = asked.if_unmodified_since.as_deref().and_then(date)
        && validators.modified_s.is_some_and(|modified| modified > since)
    {
        return Verdict::Failed;
    }
    if let Some(list) = &asked.if_none_match {
        if matches(list, validators.etag, is_weakly_same) {
            return if method.is_read() { Verdict::NotModified } else { Verdict::Failed };
        }
    } else if method.is_read()
        && let Some(since) = asked.if_modified_since.as_deref().and_then(date)
        && validators.modified_s.is_some_and(|modified| modified <= since)
    {
        return Verdict::NotModified;
    }
    let with_range = method == Method::Get
        && asked.if_range.as_deref().is_none_or(|condition| if_range_holds(condition, validators));
    Verdict::Perform { with_range }
}

/// Section 13.1.5: a strong validator, and exactly this one.
fn if_range_holds(condition: &[u8], validators: &Validators<'_>) -> bool {
    if condition.starts_with(b"\"") || condition.starts_with(b"W/") {
        return validators.etag.is_some_and(|etag| is_strongly_same(condition, etag.as_bytes()));
    }
    // A date is a strong validator once the file cannot have changed in the same second (section 8.8.2.2).
    let is_strong = |modified: &u64| *modified < validators.now_s;
    date(condition).is_some() && date(condition) == validators.modified_s.filter(is_strong)
}

fn is_strongly_same(a: &[u8], b: &[u8]) -> bool {
    !a.starts_with(b"W/") && a == b
}

fn is_weakly_same(a: &[u8], b: &[u8]) -> bool {
    a.strip_prefix(b"W/").unwrap_or(a) == b.strip_prefix(b"W/").unwrap_or(b)
}

/// Whether `*` or one of the tags of `list` is `etag`'s (sections 13.1.1, 13.1.2). Commas may stand inside of tags.
fn matches(list: &[u8], etag: Option<&str>, is_same: fn(&[u8], &[u8]) -> bool) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        let Some(first) = rest.first() else { return false };
        if *first == b',' {
            rest = &rest[1..];
            continue;
        }
        let weak = if rest.starts_with(b"W/") { 2 } else { 0 };
        let opaque = &rest[weak..];
        let end = match opaque.strip_prefix(b"\"").and_then(|tag| tag.iter().position(|b| *b == b'"')) {
            Some(end) => weak + end + 2,
            // No tag: what comes next is after the comma.
            None => rest.iter().position(|b| *b == b',').unwrap_or(rest.len()),
        };
        if is_same(&rest[..end], etag.as_bytes()) {
            return true;
        }
        rest = &rest[end..];
    }
}

/// A date of any of the three forms (section 5.6.7), in seconds since 1970.
fn date(text: &[u8]) -> Option<u64> {
    let time = httpdate::parse_http_date(std::str::from_utf8(text).ok()?.trim()).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// A date in the form that servers send.
pub fn date_text(unix_s: u64) -> String {
    // The last second of 9999: years have four digits.
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_s.min(253_402_300_799)))
}

/// The time now, in seconds since 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"a,b\"";
    const MODIFIED: u64 = 784_111_777;
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const OBSOLETE: &str = "Sunday, 06-Nov-94 08:49:37 GMT";

    fn verdict(method: &str, fields: &[(&str, &str)]) -> Verdict {
        let mut asked = FileRequest::default();
        fields.iter().for_each(|(name, value)| asked.add(name.as_bytes(), value.as_bytes()));
        let validators = Validators { etag: Some(TAG), modified_s: Some(MODIFIED), now_s: MODIFIED + 60 };
        evaluate(&asked, Method::of(method.as_bytes()), &validators)
    }

    const ALL: Verdict = Verdict::Perform { with_range: false };
    const RANGE: Verdict = Verdict::Perform { with_range: true };

    // RFC 9110 section 13.1.1: strong comparison; `*` is true where there is a representation.
    #[test]
    fn if_match_compares_strongly() {
        for (value, expected) in [
            ("*", RANGE),
            (TAG, RANGE),
            ("\"x\", \"a,b\"", RANGE),
            ("W/\"a,b\"", Verdict::Failed),
            ("\"a\", \"b\"", Verdict::Failed),
            ("a,b", Verdict::Failed),
            ("\"a,b", Verdict::Failed),
            ("", Verdict::Failed),
        ] {
            assert_eq!(verdict("GET", &[("If-Match", value)]), expected, "{value:?}");
        }
    }

    // Section 13.1.2: weak comparison; 304 for GET and HEAD, 412 for the others.
    #[test]
    fn if_none_match_compares_weakly() {
        for (value, expected) in [
            ("*", Verdict::NotModified),
            (TAG, Verdict::NotModified),
            ("W/\"a,b\"", Verdict::NotModified),
            ("\"x\",\"a,b\"", Verdict::NotModified),
            ("x, ,\"a,b\"", Verdict::NotModified),
            ("\"x\"", RANGE),
            ("a,b", RANGE),
        ] {
            assert_eq!(verdict("GET", &[("If-None-Match", value)]), expected, "{value:?}");
        }
        assert_eq!(verdict("HEAD", &[("If-None-Match", TAG)]), Verdict::NotModified);
        assert_eq!(verdict("PUT", &[("If-None-Match", "*")]), Verdict::Failed);
        assert_eq!(
            verdict("GET", &[("If-None-Match", "\"x\""), ("If-None-Match", TAG)]),
            Verdict::NotModified
        );
    }

    // Sections 13.1.3 and 13.1.4: dates that are none are as if they were not there.
    #[test]
    fn dates_count_to_the_second() {
        for (name, value, expected) in [
            ("If-Modified-Since", AT, Verdict::NotModified),
            ("If-Modified-Since", OBSOLETE, Verdict::NotModified),
            ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", Verdict::NotModified),
            ("If-Modified-Since", BEFORE, RANGE),
            ("If-Modified-Since", "yesterday", RANGE),
            ("If-Unmodified-Since", AT, RANGE),
            ("If-Unmodified-Since", BEFORE, Verdict::Failed),
            ("If-Unmodified-Since", "yesterday", RANGE),
        ] {
            assert_eq!(verdict("GET", &[(name, value)]), expected, "{name}: {value}");
        }
        assert_eq!(verdict("POST", &[("If-Modified-Since", AT)]), ALL);
    }

    // Section 13.2.2: tags come before dates, If-Match before If-None-Match.
    #[test]
    fn conditions_have_an_order() {
        for (fields, expected) in [
            ([("If-Match", TAG), ("If-Unmodified-Since", BEFORE)], RANGE),
            ([("If-None-Match", "\"x\""), ("If-Modified-Since", AT)], RANGE),
            ([("If-None-Match", TAG), ("If-Modified-Since", BEFORE)], Verdict::NotModified),
            ([("If-Match", "\"x\""), ("If-None-Match", TAG)], Verdict::Failed),
            ([("If-Match", TAG), ("If-None-Match", TAG)], Verdict::NotModified),
            ([("If-Unmodified-Since", BEFORE), ("If-None-Match", TAG)], Verdict::Failed),
        ] {
            assert_eq!(verdict("GET", &fields), expected, "{fields:?}");
        }
    }

    // Section 13.1.5: strong validators only, and Range counts for GET only (section 14.2).
    #[test]
    fn if_range_takes_strong_validators_only() {
        for (value, expected) in [
            (TAG, RANGE),
            ("W/\"a,b\"", ALL),
            ("\"x\"", ALL),
            (AT, RANGE),
            (OBSOLETE, RANGE),
            (BEFORE, ALL),
            ("Sun, 06 Nov 1994 08:49:38 GMT", ALL),
            ("x", ALL),
        ] {
            assert_eq!(verdict("GET", &[("If-Range", value)]), expected, "{value:?}");
        }
        assert_eq!(verdict("HEAD", &[]), ALL);
        let mut asked = FileRequest::default();
        asked.add(b"If-Range", AT.as_bytes());
        let fresh = Validators { etag: None, modified_s: Some(MODIFIED), now_s: MODIFIED };
        assert_eq!(evaluate(&asked, Method::Get, &fresh), ALL, "it may change within this second");
        let mut asked = FileRequest::default();
        asked.add(b"If-Range", b"W/\"w\"");
        let weak = Validators { etag: Some("W/\"w\""), ..fresh };
        assert_eq!(evaluate(&asked, Method::Get, &weak), ALL);
    }
}
