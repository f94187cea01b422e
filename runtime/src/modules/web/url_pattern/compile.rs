//! Patterns as the crate `urlpattern` reads them, their expressions as the engine runs them.
//!
//! Owns: the bridge between both. Must not know: the class. The standard's expressions are
//! ECMAScript's (flag `v`); those of the crate `regex`, the crate's default, have no lookaround and
//! other classes. So the crate only parses, canonicalises and writes expressions here.

use std::cell::RefCell;
use std::collections::HashMap;

use rquickjs::{Ctx, Result, Value};
use url::Url;
use urlpattern::component::Component;
use urlpattern::matcher::InnerMatcher;
use urlpattern::regexp::RegExp;
use urlpattern::{Error, RegexSyntax, UrlPattern, UrlPatternInit, UrlPatternOptions, quirks};

use crate::js::held::{Held, Tracer};
use crate::js::{exception, reg_exp, thrown, value};

/// Each round may raise a question that depends on the answers before it: there are two at most.
const ROUNDS_MAX: usize = 4;

/// What the crate wants to know while it parses: whether a protocol's expression matches a scheme.
/// It cannot reach the engine: so a question is noted, answered, and the parse done again.
#[derive(Default)]
struct Questions {
    open: Vec<(String, String)>,
    answers: HashMap<(String, String), bool>,
}

thread_local! {
    static QUESTIONS: RefCell<Questions> = RefCell::default();
}

/// An expression as the crate writes it.
struct Expression(String);

impl RegExp for Expression {
    fn syntax() -> RegexSyntax {
        RegexSyntax::EcmaScript
    }

    fn parse(pattern: &str, _flags: &str, _force: bool) -> std::result::Result<Self, ()> {
        Ok(Expression(pattern.to_owned()))
    }

    fn matches<'a>(&self, text: &'a str) -> Option<Vec<Option<&'a str>>> {
        QUESTIONS.with_borrow_mut(|questions| {
            let question = (self.0.clone(), text.to_owned());
            match questions.answers.get(&question) {
                Some(yes) => yes.then(Vec::new),
                None => {
                    questions.open.push(question);
                    None
                }
            }
        })
    }

    fn pattern_string(&self) -> &str {
        &self.0
    }
}

/// Runs `parse` until it has all the answers that it needs.
fn answering<T>(ctx: &Ctx<'_>, parse: impl Fn() -> std::result::Result<T, Error>) -> Result<T> {
    QUESTIONS.take();
    for _ in 0..ROUNDS_MAX {
        let parsed = parse();
        let open = QUESTIONS.with_borrow_mut(|questions| std::mem::take(&mut questions.open));
        if open.is_empty() {
            return parsed.map_err(|error| exception::type_error(ctx, &format!("URLPattern: {error}")));
        }
        for (source, text) in open {
            // What is no expression at all fails when its component is compiled.
            let yes = match reg_exp::compile(ctx, &source, "v") {
                Ok(expression) => reg_exp::exec(&expression, &text)?.is_some(),
                Err(_) => {
                    drop(ctx.catch());
                    false
                }
            };
            QUESTIONS.with_borrow_mut(|questions| questions.answers.insert((source, text), yes));
        }
    }
    Err(exception::type_error(ctx, "URLPattern: the protocol cannot be understood"))
}

/// The parts of a pattern string (URL Pattern, "parse a constructor string").
///
/// # Errors
/// TypeError for what is no pattern, or a relative one without a base.
pub(super) fn constructor_string(ctx: &Ctx<'_>, text: &str, base: Option<&str>) -> Result<UrlPatternInit> {
    let base = base.map(|base| base_url(ctx, base)).transpose()?;
    answering(ctx, || UrlPatternInit::parse_constructor_string::<Expression>(text, base.clone()))
}

/// A base URL.
///
/// # Errors
/// TypeError for what is none.
pub(super) fn base_url(ctx: &Ctx<'_>, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|_| exception::type_error(ctx, "URLPattern: the base is not an absolute URL"))
}

/// A component, ready to be matched.
pub(super) struct Compiled {
    /// The pattern, normalised.
    pub(super) pattern: String,
    names: Vec<String>,
    matcher: Matcher,
}

/// How a component matches: what is common needs no expression.
enum Matcher {
    Literal(String),
    /// Prefix, one group without any of these characters, suffix.
    Capture {
        prefix: String,
        suffix: String,
        filter: Option<char>,
        may_be_empty: bool,
    },
    Expression(Held),
}

impl Compiled {
    fn new(ctx: &Ctx<'_>, component: Component<Expression>, ignore_case: bool) -> Result<Compiled> {
        let Component { pattern_string, regexp, group_name_list, matcher, .. } = component;
        let everything = matcher.prefix.is_empty() && matcher.suffix.is_empty();
        let plain = !ignore_case || everything;
        let matcher = match matcher.inner {
            InnerMatcher::Literal { literal } if !ignore_case || literal.is_empty() => {
                Matcher::Literal(literal)
            }
            InnerMatcher::SingleCapture { filter, allow_empty } if plain => Matcher::Capture {
                prefix: matcher.prefix,
                suffix: matcher.suffix,
                filter,
                may_be_empty: allow_empty,
            },
            _ => {
                let source = regexp.map(|expression| expression.0).unwrap_or_default();
                let made = reg_exp::compile(ctx, &source, if ignore_case { "vi" } else { "v" });
                Matcher::Expression(Held::new(made.map_err(|_| {
                    let thrown = thrown::Thrown::take(ctx);
                    exception::type_error(ctx, &format!("URLPattern: {}", thrown.text))
                })?))
            }
        };
        Ok(Compiled { pattern: pattern_string, names: group_name_list, matcher })
    }

    /// The groups of a match: names and what they captured. None where `input` does not match.
    ///
    /// # Errors
    /// Out of memory; the end of the turn's CPU time.
    pub(super) fn exec<'js>(&self, ctx: &Ctx<'js>, input: &str) -> Result<Option<Vec<(&str, Value<'js>)>>> {
        let captured = match &self.matcher {
            Matcher::Literal(literal) => (input == literal).then(Vec::new),
            Matcher::Capture { prefix, suffix, filter, may_be_empty } => {
                let inner = input.strip_prefix(&**prefix).and_then(|rest| rest.strip_suffix(&**suffix));
                let fits = |inner: &&str| {
                    (*may_be_empty || !inner.is_empty()) && !filter.is_some_and(|c| inner.contains(c))
                };
                match inner.filter(fits) {
                    Some(inner) => Some(vec![value::string(ctx, inner)?]),
                    None => None,
                }
            }
            Matcher::Expression(expression) => reg_exp::exec(&expression.get(ctx), input)?,
        };
        Ok(captured.map(|captured| self.names.iter().map(String::as_str).zip(captured).collect()))
    }

    /// Whether `input` matches.
    ///
    /// # Errors
    /// As [`Compiled::exec`].
    pub(super) fn test(&self, ctx: &Ctx<'_>, input: &str) -> Result<bool> {
        match &self.matcher {
            Matcher::Capture { prefix, suffix, filter: None, may_be_empty: true }
                if prefix.is_empty() && suffix.is_empty() =>
            {
                Ok(true)
            }
            _ => Ok(self.exec(ctx, input)?.is_some()),
        }
    }

    pub(super) fn trace(&self, tracer: &Tracer) {
        if let Matcher::Expression(expression) = &self.matcher {
            tracer.mark(expression);
        }
    }
}

/// The eight components of a pattern, in the order of a URL's, and whether one has an expression of
/// the app's own.
///
/// # Errors
/// TypeError for what is no pattern.
pub(super) fn pattern(
    ctx: &Ctx<'_>,
    init: &UrlPatternInit,
    ignore_case: bool,
) -> Result<([Compiled; 8], bool)> {
    let options = UrlPatternOptions { regex_syntax: RegexSyntax::EcmaScript, ignore_case };
    let parsed: UrlPattern<Expression> =
        answering(ctx, || quirks::parse_pattern_as_lib(init.clone(), options.clone()))?;
    let own = parsed.has_regexp_groups();
    let exact = |component| Compiled::new(ctx, component, false);
    let loose = |component| Compiled::new(ctx, component, ignore_case);
    let components = [
        exact(parsed.protocol)?,
        exact(parsed.username)?,
        exact(parsed.password)?,
        exact(parsed.hostname)?,
        exact(parsed.port)?,
        loose(parsed.pathname)?,
        loose(parsed.search)?,
        loose(parsed.hash)?,
    ];
    Ok((components, own))
}
