//! `_headers`: fields of the answers with files, in the form of Netlify and Cloudflare Pages.
//!
//! Owns: the grammar, which rules a path meets and what they come to together. Must not know: answers.

use super::lines::{RuleFile, without_comment};
use super::template::{PathPattern, fill};
use super::wrong;
use crate::error::Result;
use crate::header_list::{HeaderList, is_name, is_value};

const FORM: &str = "Write a path, and below it, indented, Name: value, or ! Name to take one away.";
/// Fields that speak of the message itself, or of the connection: the server says what they are.
const OWN: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "basic-auth",
];

/// All rules, in their order.
#[derive(Debug, Default)]
pub struct HeaderRules {
    rules: Vec<HeaderRule>,
}

#[derive(Debug)]
struct HeaderRule {
    path: PathPattern,
    changes: Vec<FieldChange>,
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChange {
    /// It has this value; one that is said twice has both, with a comma.
    Set(String, String),
    /// It is taken away.
    Remove(String),
}

impl HeaderRules {
    /// The rules of a file; none where there is none.
    ///
    /// # Errors
    /// `Usage`: a line that is none of a rule, more than `rules_max`.
    pub(super) fn parse(file: Option<&RuleFile>, rules_max: usize) -> Result<HeaderRules> {
        let mut rules: Vec<HeaderRule> = Vec::new();
        let Some(RuleFile { path, text }) = file else { return Ok(HeaderRules::default()) };
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let no = |message: &str| wrong(path, number, message, FORM);
            let is_inside = line.starts_with([' ', '\t']);
            // A # may be part of a value.
            let line = if is_inside { line.trim() } else { without_comment(line).trim() };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if !is_inside {
                if line.starts_with("https://") || line.starts_with("http://") {
                    return Err(no("rules for another host are not supported: the line is a path"));
                }
                if rules.len() == rules_max {
                    let text = format!("more than {rules_max} rules (--site-rules-max)");
                    return Err(wrong(path, number, &text, "Allow more: --site-rules-max 20000"));
                }
                let pattern = PathPattern::parse(line).map_err(|why| no(&format!("{line}: {why}")))?;
                rules.push(HeaderRule { path: pattern, changes: Vec::new() });
                continue;
            }
            let Some(rule) = rules.last_mut() else {
                return Err(no("a field stands below the path that it is for"));
            };
            rule.changes.push(change(line).map_err(|why| no(&why))?);
        }
        Ok(HeaderRules { rules })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What all rules that fit a path, as it was sent and without its query, come to.
    pub fn find(&self, path: &str) -> Vec<FieldChange> {
        let mut all: Vec<FieldChange> = Vec::new();
        for rule in &self.rules {
            let Some(caught) = rule.path.matches(path) else { continue };
            for change in &rule.changes {
                match change {
                    FieldChange::Remove(name) => {
                        all.retain(|known| !known.name().eq_ignore_ascii_case(name));
                        all.push(change.clone());
                    }
                    FieldChange::Set(name, value) => {
                        let value = fill(value, &caught);
                        let same = all.iter_mut().find_map(|known| match known {
                            FieldChange::Set(other, text) if other.eq_ignore_ascii_case(name) => Some(text),
                            _ => None,
                        });
                        match same.filter(|_| !name.eq_ignore_ascii_case("set-cookie")) {
                            Some(text) => text.push_str(&format!(", {value}")),
                            None => all.push(FieldChange::Set(name.clone(), value)),
                        }
                    }
                }
            }
        }
        all
    }
}

impl FieldChange {
    fn name(&self) -> &str {
        match self {
            FieldChange::Set(name, _) | FieldChange::Remove(name) => name,
        }
    }

    /// Makes `changes` in `list`.
    pub fn apply(changes: &[FieldChange], list: &mut HeaderList) {
        for change in changes {
            if !change.name().eq_ignore_ascii_case("set-cookie") || matches!(change, FieldChange::Remove(_)) {
                list.delete(change.name().as_bytes());
            }
            if let FieldChange::Set(name, value) = change {
                list.append(name.as_bytes(), value.as_bytes());
            }
        }
    }
}

fn change(line: &str) -> std::result::Result<FieldChange, String> {
    let known = |name: &str| match OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        true if name.eq_ignore_ascii_case("basic-auth") => {
            Err("Basic-Auth is not supported: it would show the passwords. Write _middleware.js".to_owned())
        }
        true => Err(format!("{name} is the server's own to say")),
        false if !is_name(name.as_bytes()) => Err(format!("{name:?} is no name of a field")),
        false => Ok(()),
    };
    if let Some(name) = line.strip_prefix('!') {
        let name = name.trim();
        known(name)?;
        return Ok(FieldChange::Remove(name.to_owned()));
    }
    let (name, value) = line.split_once(':').ok_or_else(|| format!("{line:?} has no colon"))?;
    let (name, value) = (name.trim(), value.trim());
    known(name)?;
    if !is_value(value.as_bytes()) || value.is_empty() {
        return Err(format!("{name} has no value"));
    }
    Ok(FieldChange::Set(name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<HeaderRules> {
        let file = RuleFile { path: "site/_headers".into(), text: text.to_owned() };
        HeaderRules::parse(Some(&file), 100)
    }

    #[test]
    fn all_rules_that_fit_count_together() {
        let rules = parse(
            "# all\n/*\n  X-Frame-Options: DENY\n  X-A: 1\n\n/a/*\n\tX-A: 2 # kept\n  ! X-Frame-Options\n  Link: </:splat>; rel=x\n\
             /u/:name\n  X-Name: :name\n  Set-Cookie: a=1\n  Set-Cookie: b=2\n/none\n",
        )
        .expect("rules");
        let shown = |path: &str| {
            let mut list = HeaderList::default();
            list.append(b"x-frame-options", b"ours");
            FieldChange::apply(&rules.find(path), &mut list);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            list.iter().map(|(n, v)| format!("{}={}", text(n), text(v))).collect::<Vec<_>>().join("|")
        };
        assert_eq!(shown("/"), "X-Frame-Options=DENY|X-A=1");
        assert_eq!(shown("/a/b"), "X-A=1, 2 # kept|Link=</b>; rel=x");
        assert_eq!(shown("/u/%41"), "X-Frame-Options=DENY|X-A=1|X-Name=%41|Set-Cookie=a=1|Set-Cookie=b=2");
    }

    #[test]
    fn a_line_that_is_none_is_told_with_its_place() {
        for (text, expected) in [
            ("  X: 1", ":1: a field stands below the path"),
            ("/a\n  X", ":2: \"X\" has no colon"),
            ("/a\n  X Y: 1", ":2: \"X Y\" is no name of a field"),
            ("/a\n  Content-Length: 1", ":2: Content-Length is the server's own"),
            ("/a\n  Basic-Auth: u:p", ":2: Basic-Auth is not supported"),
            ("/a\n  X:", ":2: X has no value"),
            ("a\n", ":1: a: a path begins with /"),
            ("https://a.test/*\n", ":1: rules for another host"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("site/_headers{expected}")), "{text}: {error}");
        }
    }
}
