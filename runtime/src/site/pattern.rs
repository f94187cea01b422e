//! The path that a file stands for: `blog/[id]`, `(shop)/cart/index`, `docs/[...rest]`.
//!
//! Owns: the forms of segments, after Next.js; `[[name]]` after Cloudflare Pages. Must not know: requests.

/// A segment of a route's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// `[name]`: any one segment.
    Param(String),
    /// `[...name]`: one or more; `[[...name]]` and `[[name]]`: none or more.
    Rest {
        /// What it is called.
        name: String,
        /// Whether there may be none.
        optional: bool,
    },
}

/// The segments of the source at `rel`, whose ending is taken off.
///
/// # Errors
/// In words, why it is no route.
pub(super) fn segments(rel: &str) -> Result<Vec<Segment>, String> {
    let mut all: Vec<Segment> = Vec::new();
    let mut parts = rel.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if is_last && part == "index" || !is_last && is_group(part) {
            continue;
        }
        if matches!(all.last(), Some(Segment::Rest { .. })) {
            return Err("nothing follows a segment that stands for the rest".into());
        }
        let segment = segment(part)?;
        if let Some(name) = segment.name()
            && all.iter().any(|known| known.name() == Some(name))
        {
            return Err(format!("two segments are called {name}"));
        }
        all.push(segment);
    }
    Ok(all)
}

/// `(name)`: a folder that is in no path.
fn is_group(part: &str) -> bool {
    part.len() > 2 && part.starts_with('(') && part.ends_with(')')
}

fn segment(part: &str) -> Result<Segment, String> {
    if !part.contains(['[', ']']) {
        return Ok(Segment::Literal(part.to_owned()));
    }
    let inside = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
    let inside = inside.ok_or_else(|| format!("{part}: a parameter is a whole segment, as in [id]"))?;
    let optional = inside.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
    let (inside, optional) = (optional.unwrap_or(inside), optional.is_some());
    let rest = inside.strip_prefix("...");
    let name = rest.unwrap_or(inside).to_owned();
    let is_name = |name: &str| {
        let mut chars = name.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
            && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-'))
    };
    if !is_name(&name) {
        return Err(format!("{part}: {name:?} is no name of a parameter"));
    }
    Ok(match rest.is_some() || optional {
        true => Segment::Rest { name, optional },
        false => Segment::Param(name),
    })
}

impl Segment {
    /// What it is called, where it has a name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Segment::Literal(_) => None,
            Segment::Param(name) | Segment::Rest { name, .. } => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_for_a_path() {
        let shown = |rel: &str| {
            segments(rel).map(|all| {
                let shown = all.iter().map(|segment| match segment {
                    Segment::Literal(text) => text.clone(),
                    Segment::Param(name) => format!(":{name}"),
                    Segment::Rest { name, optional: false } => format!("+{name}"),
                    Segment::Rest { name, optional: true } => format!("*{name}"),
                });
                shown.collect::<Vec<_>>().join("/")
            })
        };
        for (rel, expected) in [
            ("index", ""),
            ("about", "about"),
            ("blog/index", "blog"),
            ("index/index", "index"),
            ("blog/[id]", "blog/:id"),
            ("(shop)/cart", "cart"),
            ("(shop)/(inner)/index", ""),
            ("[org]/[repo]/[...path]", ":org/:repo/+path"),
            ("[[...path]]", "*path"),
            ("a/[[path]]", "a/*path"),
            ("data.json", "data.json"),
            ("()/x", "()/x"),
            ("(x)", "(x)"),
        ] {
            assert_eq!(shown(rel).as_deref(), Ok(expected), "{rel}");
        }
        for rel in ["[id].json", "a[1]", "[]", "[...]", "[...a]/b", "[a]/[a]", "[1a]", "[a b]", "[[a]"] {
            assert!(shown(rel).is_err(), "{rel}");
        }
    }
}
