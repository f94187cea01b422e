//! `_redirects`: from a path to another, in the form of Netlify and Cloudflare Pages.
//!
//! Owns: the grammar of a line, which rule a request meets, the place that it leads to. Must not know: files, how an
//! answer is sent.

use std::path::Path;

use super::lines::{RuleFile, without_comment};
use super::template::{PathPattern, fill, is_name};
use super::wrong;
use crate::error::{Error, Result};

/// Statuses that a rule may have.
const STATUSES: [u16; 7] = [200, 301, 302, 303, 307, 308, 404];
/// That of a rule which says none.
const USUAL: u16 = 301;
const FORM: &str = "Write FROM TO [STATUS], as in: /old/* /new/:splat 302";

/// All rules, in their order: the first that fits counts.
#[derive(Debug, Default)]
pub struct Redirects {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    from: PathPattern,
    /// Parameters that the query has, and no others: names, and what their values are or are called.
    query: Vec<(String, QueryValue)>,
    to: String,
    status: u16,
    /// It counts where there is a file, too.
    is_forced: bool,
}

#[derive(Debug)]
enum QueryValue {
    Exactly(String),
    Placeholder(String),
}

/// Where a request is led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The client is sent to this URL, or path.
    Moved(String),
    /// What this path and query has is the answer.
    Rewritten(String),
    /// This page is the answer, which says that there is nothing.
    Missing(String),
    /// What the server of this URL answers is the answer.
    Proxied(String),
}

/// What a rule says for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The status of the answer.
    pub status: u16,
    /// Where it leads.
    pub to: Destination,
}

impl Redirects {
    /// The rules of a file; none where there is none.
    ///
    /// # Errors
    /// `Usage`: a line that is no rule, more than `rules_max`.
    pub(super) fn parse(file: Option<&RuleFile>, rules_max: usize) -> Result<Redirects> {
        let mut rules = Vec::new();
        let Some(RuleFile { path, text }) = file else { return Ok(Redirects::default()) };
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let words: Vec<&str> = without_comment(line).split_whitespace().collect();
            if words.is_empty() {
                continue;
            }
            if rules.len() == rules_max {
                let text = format!("more than {rules_max} rules (--site-rules-max)");
                return Err(wrong(path, number, &text, "Allow more: --site-rules-max 20000"));
            }
            rules.push(rule(path, number, &words)?);
        }
        Ok(Redirects { rules })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the first rule that fits says for a path and a query, as they were sent; of forced ones alone where
    /// `is_forced`. A rule that leads to where the client is already does not fit.
    pub fn find(&self, path: &str, query: Option<&str>, is_forced: bool) -> Option<Redirect> {
        let rules = self.rules.iter().filter(|rule| !is_forced || rule.is_forced);
        rules.filter_map(|rule| rule.apply(path, query)).next()
    }

    /// The URLs that rules send requests on to.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.status == 200 && is_url(&rule.to)).map(|rule| rule.to.as_str())
    }
}

impl Rule {
    fn apply(&self, path: &str, query: Option<&str>) -> Option<Redirect> {
        let mut caught = self.from.matches(path)?;
        if !self.query.is_empty() {
            let given: Vec<(&str, &str)> = pairs(query.unwrap_or_default()).collect();
            if given.len() != self.query.len() {
                return None;
            }
            for (name, wanted) in &self.query {
                let (_, value) = given.iter().find(|(known, _)| known == name)?;
                match wanted {
                    QueryValue::Exactly(text) if text == value => {}
                    QueryValue::Exactly(_) => return None,
                    QueryValue::Placeholder(name) => caught.push((name, value)),
                }
            }
        }
        let mut to = fill(&self.to, &caught);
        let is_elsewhere = is_url(&self.to);
        if !is_elsewhere {
            // A browser reads two of them as the start of a host, and a backslash as a slash.
            let rest = to.trim_start_matches(['/', '\\']).len();
            to.replace_range(..to.len() - rest, "/");
        }
        if let Some(query) = query.filter(|query| !query.is_empty() && self.query.is_empty())
            && !to.contains('?')
        {
            let at = to.find('#').unwrap_or(to.len());
            to.insert_str(at, &format!("?{query}"));
        }
        let here = |to: &str| to.split(['?', '#']).next() == Some(path);
        let to = match self.status {
            200 if is_elsewhere => Destination::Proxied(to),
            200 if here(&to) => return None,
            200 => Destination::Rewritten(to),
            404 => Destination::Missing(to),
            _ if here(&to) && !is_elsewhere => return None,
            _ => Destination::Moved(to),
        };
        Some(Redirect { status: self.status, to })
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
}

/// The rule of a line with these words.
fn rule(path: &Path, line: usize, words: &[&str]) -> Result<Rule> {
    let no = |message: &str| wrong(path, line, message, FORM);
    let from = words[0];
    if is_url(from) {
        return Err(no("a rule for another host is not supported: FROM is a path"));
    }
    let from = PathPattern::parse(from).map_err(|why| no(&format!("{from}: {why}")))?;
    let at = words.iter().skip(1).position(|word| word.starts_with('/') || is_url(word));
    let Some(at) = at.map(|at| at + 1) else {
        return Err(no("there is no TO: a path that begins with /, or a URL with http:// or https://"));
    };
    let query = words[1..at].iter().map(|word| query_word(word)).collect::<Option<Vec<_>>>();
    let query = query.ok_or_else(|| no("between FROM and TO stand parameters of the query, NAME=VALUE"))?;
    let to = words[at];
    if !to.bytes().all(|b| (b'!'..=b'~').contains(&b)) {
        return Err(no(&format!("{to}: not a URL: percent-encode what is not ASCII")));
    }
    let (mut status, mut is_forced) = (USUAL, false);
    for (place, word) in words[at + 1..].iter().enumerate() {
        let number = word.strip_suffix('!').unwrap_or(word);
        if place == 0 && number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() {
            is_forced = number.len() < word.len();
            status = number.parse().ok().filter(|status| STATUSES.contains(status)).ok_or_else(|| {
                let all = STATUSES.map(|status| status.to_string()).join(", ");
                no(&format!("{word}: not a status of a redirect ({all})"))
            })?;
            continue;
        }
        return Err(condition(path, line, word));
    }
    if status == 200 && is_url(to) && !is_fixed_host(to) {
        return Err(no("the host of a URL that requests are sent on to is written out"));
    }
    if status == 404 && is_url(to) {
        return Err(no("the page of a 404 is a file of the site"));
    }
    Ok(Rule { from, query, to: to.to_owned(), status, is_forced })
}

/// Whether a URL's host and port are what they are, whatever a pattern catches.
fn is_fixed_host(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_host =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    is_host
        && (host.starts_with('[') || !host.contains(':'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn query_word(word: &str) -> Option<(String, QueryValue)> {
    let (name, value) = word.split_once('=')?;
    let value = match value.strip_prefix(':').filter(|name| is_name(name)) {
        Some(name) => QueryValue::Placeholder(name.to_owned()),
        None => QueryValue::Exactly(value.to_owned()),
    };
    Some((name.to_owned(), value))
}

/// Why a word behind the status is refused.
fn condition(path: &Path, line: usize, word: &str) -> Error {
    let name = word.split('=').next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "country" | "language" | "role" | "cookie" if word.contains('=') => wrong(
            path,
            line,
            &format!("{word}: conditions by country, language, role or cookie are not supported"),
            "Write a route, or _middleware.js, that looks at the request.",
        ),
        _ => wrong(path, line, &format!("{word}: not a part of a rule"), FORM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Redirects> {
        let file = RuleFile { path: "site/_redirects".into(), text: text.to_owned() };
        Redirects::parse(Some(&file), 100)
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = "# comment\n/home / # inline\n/old/* /new/:splat 302\n/blog/:y/:m /posts?y=:y&m=:m 307\n\
            /find id=:id kind=x /things/:id 301\n/app/* /index.html 200\n/api/* https://api.test/v1/:splat 200\n\
            /gone /gone.html 404\n/forced /elsewhere 301!\n/self/* /self/:splat\n/out https://a.test:8443/x#y 303\n\
            /any/* /:splat\n/about/ /about\n/* /all";
        let rules = parse(rules).expect("rules");
        for (target, expected) in [
            ("/home", "301 Moved /"),
            ("/home?a=b", "301 Moved /?a=b"),
            ("/old/a/b%20c", "302 Moved /new/a/b%20c"),
            ("/old", "302 Moved /new/"),
            ("/blog/2024/05?x", "307 Moved /posts?y=2024&m=05"),
            ("/find?id=7&kind=x", "301 Moved /things/7"),
            ("/find?kind=x&id=7", "301 Moved /things/7"),
            ("/find?id=7&kind=y", "301 Moved /all?id=7&kind=y"),
            ("/app/deep/er", "200 Rewritten /index.html"),
            ("/api/a?b=c", "200 Proxied https://api.test/v1/a?b=c"),
            ("/gone", "404 Missing /gone.html"),
            ("/self/x", "301 Moved /all"),
            ("/out?q", "303 Moved https://a.test:8443/x?q#y"),
            ("/any//evil.test", "301 Moved /evil.test"),
            ("/any/%5Cevil.test", "301 Moved /%5Cevil.test"),
            ("/any/\\evil.test", "301 Moved /evil.test"),
            ("/about", "301 Moved /all"),
            ("/about/", "301 Moved /about"),
            ("/all", ""),
        ] {
            let (path, query) = target.split_once('?').map_or((target, None), |(path, q)| (path, Some(q)));
            let found = rules.find(path, query, false).map(|found| match found.to {
                Destination::Moved(to) => format!("{} Moved {to}", found.status),
                Destination::Rewritten(to) => format!("{} Rewritten {to}", found.status),
                Destination::Missing(to) => format!("{} Missing {to}", found.status),
                Destination::Proxied(to) => format!("{} Proxied {to}", found.status),
            });
            assert_eq!(found.unwrap_or_default(), expected, "{target}");
        }
        assert!(rules.find("/home", None, true).is_none());
        assert!(rules.find("/forced", None, true).is_some());
    }

    #[test]
    fn a_line_that_is_no_rule_is_told_with_its_place() {
        for (text, expected) in [
            ("/a", ":1: there is no TO"),
            ("\n\n/a b", ":3: there is no TO"),
            ("a /b", ":1: a: a path begins with /"),
            ("/a /b 299", ":1: 299: not a status of a redirect"),
            ("/a /b 301 Country=us", ":1: Country=us: conditions by country"),
            ("/a /b Language=de", ":1: Language=de: conditions by country"),
            ("/a /b 301 x", ":1: x: not a part of a rule"),
            ("/a x /b", ":1: between FROM and TO"),
            ("/*/* /b", ":1: /*/*: a path has at most one *"),
            ("https://a.test/a /b", ":1: a rule for another host"),
            ("/a/:h https://:h.test/ 200", ":1: the host of a URL"),
            ("/a/:h https://a.test:h/ 200", ":1: the host of a URL"),
            ("/a https://b.test 404", ":1: the page of a 404"),
            ("/a /\u{fc}", ":1: /\u{fc}: not a URL"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("site/_redirects{expected}")), "{text}: {error}");
        }
        let many = "/a /b\n".repeat(101);
        assert!(parse(&many).expect_err("too many").to_string().contains(":101: more than 100 rules"));
    }
}
