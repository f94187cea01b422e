//! Completion: what can stand where the cursor is.
//!
//! Owns: finding the expression before the cursor, its properties. Must not know: keys, screens. Only
//! names and dots are followed, so nothing is called but getters.

use rquickjs::{Ctx, Object, Value};

use super::lexer::{KEYWORDS, Kind, Token, in_name, tokens};
use crate::js::reflect;

/// Names that are offered at most.
const NAMES_MAX: usize = 2_000;
/// Prototypes that are followed.
const PROTOTYPES_MAX: usize = 16;

/// Where the word before the end of `text` begins, and what it can become.
pub(super) fn complete(ctx: &Ctx<'_>, text: &str) -> (usize, Vec<String>) {
    let all = tokens(text);
    let inside =
        |token: &Token<'_>| matches!(token.kind, Kind::Text | Kind::Template | Kind::Comment | Kind::RegExp);
    let (word, before) = match all.as_slice() {
        [before @ .., word] if word.kind == Kind::Word => (word.text, before),
        [.., last] if inside(last) => return (text.len(), Vec::new()),
        all => ("", all),
    };
    let start = text.len() - word.len();
    let path: Vec<&Token<'_>> = before.iter().rev().filter(|token| token.counts()).collect();
    let dotted = path.first().is_some_and(|token| token.text == ".");
    let mut names = match dotted {
        true => base(ctx, &path[1..]).map(|base| properties(&base)).unwrap_or_default(),
        false if word.is_empty() => Vec::new(),
        false => {
            let mut names = properties(&ctx.globals());
            names.extend(KEYWORDS.map(str::to_owned));
            names
        }
    };
    names.retain(|name| name.starts_with(word));
    names.sort_unstable();
    names.dedup();
    names.truncate(NAMES_MAX);
    (start, names)
}

/// The object whose property is asked for: what stands before the dot, backwards.
fn base<'js>(ctx: &Ctx<'js>, path: &[&Token<'_>]) -> Option<Object<'js>> {
    let globals = ctx.globals();
    let (first, rest) = path.split_first()?;
    let optional = rest.len().min(1);
    let value = match (first.kind, first.text) {
        // a?.b
        (Kind::Mark, "?") => return base(ctx, &path[optional..]),
        (Kind::Word, "this" | "globalThis") => globals.clone().into_value(),
        (Kind::Word, name) => {
            let of = match rest.first() {
                Some(dot) if dot.text == "." => base(ctx, &rest[1..])?,
                _ => globals.clone(),
            };
            of.get::<_, Value>(name).ok()?
        }
        (kind, text) => {
            let class = match (kind, text) {
                (Kind::Text | Kind::Template, _) => "String",
                (Kind::RegExp, _) => "RegExp",
                (Kind::Number, _) => "Number",
                (_, "]") if !indexed(path) => "Array",
                _ => return None,
            };
            return globals.get::<_, Object>(class).ok()?.get::<_, Object>("prototype").ok();
        }
    };
    let class = match value {
        _ if value.is_object() => return value.into_object(),
        _ if value.is_string() => "String",
        _ if value.is_number() => "Number",
        _ if value.is_bool() => "Boolean",
        _ if value.is_symbol() => "Symbol",
        _ if value.type_name() == "bigint" => "BigInt",
        _ => return None,
    };
    globals.get::<_, Object>(class).ok()?.get::<_, Object>("prototype").ok()
}

/// Whether the bracket that `path` begins with closes an index and no array.
fn indexed(path: &[&Token<'_>]) -> bool {
    let mut depth = 0usize;
    for (at, token) in path.iter().enumerate() {
        match token.text {
            "]" | ")" | "}" => depth += 1,
            "[" | "(" | "{" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let before = path.get(at + 1);
            return before.is_some_and(|token| {
                token.kind == Kind::Word && !KEYWORDS.contains(&token.text) || matches!(token.text, ")" | "]")
            });
        }
    }
    true
}

/// The names of an object and of its prototypes that can stand behind a dot.
fn properties(object: &Object<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = Some(object.clone());
    for _ in 0..PROTOTYPES_MAX {
        let Some(object) = next else { break };
        names.extend(reflect::own_names(&object).into_iter().filter(|name| is_name(name)));
        next = object.get_prototype();
    }
    names
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(in_name)
}
