//! Patterns of paths in rules, `/news/*` and `/blog/:year/:slug`, and texts that what they catch is put into.
//!
//! Owns: splats and placeholders, as Netlify and Cloudflare Pages have them. Must not know: rules.

use super::names;

/// What a pattern has caught, as it stood in the path: names and texts.
pub(super) type Caught<'a> = Vec<(&'a str, &'a str)>;

/// A pattern of paths.
#[derive(Debug)]
pub(super) struct PathPattern {
    parts: Vec<PatternPart>,
}

#[derive(Debug)]
enum PatternPart {
    /// A segment, decoded.
    Literal(String),
    /// `:name`.
    Placeholder(String),
    /// `*`, at the end: all that is left.
    Splat,
    /// A segment that begins with this and ends with that, with anything in between, slashes included.
    Around(String, String),
}

impl PathPattern {
    /// Reads one.
    ///
    /// # Errors
    /// In words, why it is none.
    pub(super) fn parse(text: &str) -> Result<PathPattern, String> {
        let path = text.strip_prefix('/').ok_or("a path begins with /")?;
        if path.contains(['?', '#']) {
            return Err("a path has neither a query nor a fragment".into());
        }
        if path.matches('*').count() > 1 {
            return Err("a path has at most one *".into());
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts: Vec<PatternPart> = Vec::new();
        let mut segments = path.split('/').peekable();
        while let Some(segment) = segments.next().filter(|_| !path.is_empty()) {
            let is_last = segments.peek().is_none();
            let part = match segment {
                "" => return Err("a path has no empty segment".into()),
                "*" if is_last => PatternPart::Splat,
                _ if segment.contains('*') && is_last => {
                    let (before, after) = segment.split_once('*').unwrap_or((segment, ""));
                    PatternPart::Around(before.to_owned(), after.to_owned())
                }
                _ if segment.contains('*') => {
                    return Err("* stands at the end of a path, or in its last segment".into());
                }
                _ => match segment.strip_prefix(':') {
                    Some(name) if is_name(name) => PatternPart::Placeholder(name.to_owned()),
                    Some(_) => return Err(format!("{segment} is no placeholder: a letter begins its name")),
                    None => {
                        PatternPart::Literal(names::decoded(segment).ok_or("a percent-encoding is none")?)
                    }
                },
            };
            if let PatternPart::Placeholder(name) = &part
                && parts.iter().any(|known| matches!(known, PatternPart::Placeholder(other) if other == name))
            {
                return Err(format!(":{name} stands twice in the path"));
            }
            parts.push(part);
        }
        Ok(PathPattern { parts })
    }

    /// What it catches of `path`, as it was sent and without its query; none where it does not fit. A slash at the end of
    /// either makes no difference, but is part of what a splat catches.
    pub(super) fn matches<'a>(&'a self, path: &'a str) -> Option<Caught<'a>> {
        let mut rest = path.strip_prefix('/')?;
        let mut caught = Vec::new();
        for part in &self.parts {
            match part {
                PatternPart::Splat => {
                    caught.push(("splat", rest));
                    return Some(caught);
                }
                PatternPart::Around(before, after) => {
                    let inside = rest.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    caught.push(("splat", inside));
                    return Some(caught);
                }
                PatternPart::Literal(text) => {
                    let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
                    if names::decoded(segment)? != *text {
                        return None;
                    }
                    rest = after;
                }
                PatternPart::Placeholder(name) => {
                    let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
                    if segment.is_empty() {
                        return None;
                    }
                    caught.push((name, segment));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(caught)
    }
}

/// Whether it can be what a placeholder is called.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `text` with what was caught in the place of `:name`. A name that nothing was caught for stays: it may be a port, or
/// the time of day.
pub(super) fn fill(text: &str, caught: &Caught<'_>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        match caught.iter().find(|(name, _)| *name == &after[..end]) {
            Some((_, value)) => filled.push_str(value),
            None => {
                filled.push(':');
                filled.push_str(&after[..end]);
            }
        }
        rest = &after[end..];
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_catch_segments_and_the_rest() {
        for (pattern, path, expected) in [
            ("/", "/", Some("")),
            ("/", "/a", None),
            ("/a", "/a", Some("")),
            ("/a", "/a/", Some("")),
            ("/a/", "/a", Some("")),
            ("/a", "/ab", None),
            ("/a", "/A", None),
            ("/a b", "/a%20b", Some("")),
            ("/%61", "/a", Some("")),
            ("/news/*", "/news/a/b", Some("splat=a/b")),
            ("/news/*", "/news/", Some("splat=")),
            ("/news/*", "/news", Some("splat=")),
            ("/news/*", "/newsx", None),
            ("/*", "/", Some("splat=")),
            ("/*", "//evil.test", Some("splat=/evil.test")),
            ("/:a/:b", "/x/y%2Fz", Some("a=x b=y%2Fz")),
            ("/:a/:b", "/x/", None),
            ("/:a/:b", "/x/y/z", None),
            ("/:a", "//", None),
            ("/img/*.png", "/img/a/b.png", Some("splat=a/b")),
            ("/img/*.png", "/img/a.jpg", None),
            ("/a-*", "/a-b", Some("splat=b")),
        ] {
            let pattern_of = PathPattern::parse(pattern).expect(pattern);
            let caught = pattern_of.matches(path).map(|caught| {
                caught.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(caught.as_deref(), expected, "{pattern} {path}");
        }
        for wrong in ["a", "/*/*", "/*/a", "/a//b", "/:1", "/:", "/:a/:a", "/a?b", "/a#b", "/%zz", ""] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_caught_is_put_where_its_name_stands() {
        let caught = vec![("splat", "a/b"), ("id", "7")];
        for (text, expected) in [
            ("/x/:splat", "/x/a/b"),
            ("https://h:8080/:id?x=:id#:id", "https://h:8080/7?x=7#7"),
            ("/:idx/:id.html", "/:idx/7.html"),
            (":", ":"),
        ] {
            assert_eq!(fill(text, &caught), expected);
        }
    }
}
