//! What is typed at the prompt as a script that the engine can evaluate.
//!
//! Owns: declarations that may be made anew (`let`, `const`, `class` at top level become `var`),
//! `import` statements (they become `await import()`), object literals; whether a text is complete.
//! Must not know: engines.

use super::lexer::{Kind, Token, tokens};

/// `text` with its top-level declarations and imports as a script may have them, line by line where
/// they were.
pub(super) fn as_script(text: &str) -> String {
    let all: Vec<Token<'_>> = tokens(text).into_iter().filter(Token::counts).collect();
    let mut out = String::with_capacity(text.len() + 16);
    let (mut depth, mut copied, mut at) = (0usize, 0, 0);
    while let Some(token) = all.get(at) {
        let begins = depth == 0 && begins_statement(text, &all, at);
        let (replaced, next) = match token.text {
            _ if !begins || token.kind != Kind::Word => (None, at + 1),
            "let" | "const" if declares(&all, at) => {
                (Some(format!("{:1$}", "var", token.text.len())), at + 1)
            }
            "class" => class(&all, at).map_or((None, at + 1), |(text, next)| (Some(text), next)),
            "import" => import(text, &all, at).map_or((None, at + 1), |(text, next)| (Some(text), next)),
            _ => (None, at + 1),
        };
        match replaced {
            Some(replaced) => {
                out.push_str(&text[copied..token.start]);
                out.push_str(&replaced);
                copied = all[next - 1].end();
            }
            None => match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        at = next;
    }
    out.push_str(&text[copied..]);
    out
}

/// Whether a statement may begin with token `at`: at the start, behind `;` or `}`, on a new line.
fn begins_statement(text: &str, all: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| all.get(at)) else { return true };
    matches!(before.text, ";" | "}") || text[before.end()..all[at].start].contains('\n')
}

fn declares(all: &[Token<'_>], at: usize) -> bool {
    all.get(at + 1).is_some_and(|next| {
        next.kind == Kind::Word && !["in", "of", "instanceof", "let"].contains(&next.text)
            || matches!(next.text, "{" | "[")
    })
}

/// `class A {}` as `var A = class A {};`, up to its last brace.
fn class(all: &[Token<'_>], at: usize) -> Option<(String, usize)> {
    let name = all.get(at + 1).filter(|name| name.kind == Kind::Word && name.text != "extends")?;
    let (mut depth, mut body) = (0usize, false);
    let mut text = format!("var {} = ", name.text);
    let mut line_end = all[at].start;
    for (index, token) in all.iter().enumerate().skip(at) {
        // What stands between is white space and comments; a space does.
        text.push_str(if token.start > line_end { " " } else { "" });
        text.push_str(token.text);
        line_end = token.end();
        match token.text {
            "{" if depth == 0 => (body, depth) = (true, 1),
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if body && depth == 0 {
            return Some((text + ";", index + 1));
        }
    }
    None
}

/// An `import` statement as a dynamic import, up to its specifier and attributes.
fn import(text: &str, all: &[Token<'_>], at: usize) -> Option<(String, usize)> {
    let next = all.get(at + 1)?;
    let module = all.iter().enumerate().skip(at + 1).find(|(_, token)| token.kind == Kind::Text)?;
    let (index, specifier) = module;
    if matches!(next.text, "(" | ".") {
        return None;
    }
    let (mut end, mut options) = (index + 1, String::new());
    if all.get(end).is_some_and(|with| with.text == "with") && all.get(end + 1)?.text == "{" {
        let close = all.iter().skip(end).position(|token| token.text == "}")? + end;
        options = format!(", {{ with: {} }}", &text[all[end + 1].start..all[close].end()]);
        end = close + 1;
    }
    let call = format!("await import({}{options})", specifier.text);
    if index == at + 1 {
        return Some((call, end));
    }
    if all[index - 1].text != "from" {
        return None;
    }
    let bindings = bindings(&all[at + 1..index - 1])?;
    Some((bindings.replace("@", &call), end))
}

/// What stands between `import` and `from`, as declarations with `@` for the namespace.
fn bindings(clause: &[Token<'_>]) -> Option<String> {
    let texts: Vec<&str> = clause.iter().map(|token| token.text).collect();
    let (default, rest) = match texts.as_slice() {
        [name] if clause[0].kind == Kind::Word => return Some(format!("var {{ default: {name} }} = @")),
        [name, ",", rest @ ..] if clause[0].kind == Kind::Word => (Some(*name), rest),
        rest => (None, rest),
    };
    if let ["*", "as", name] = rest {
        let default = default.map(|default| format!(", {default} = {name}.default")).unwrap_or_default();
        return Some(format!("var {name} = @{default}"));
    }
    let [first, inner @ .., last] = rest else { return None };
    if (*first, *last) != ("{", "}") {
        return None;
    }
    let mut parts: Vec<String> = default.map(|name| format!("default: {name}")).into_iter().collect();
    for part in inner.split(|text| *text == ",").filter(|part| !part.is_empty()) {
        parts.push(match part {
            [name] => (*name).to_owned(),
            [name, "as", other] => format!("{name}: {other}"),
            _ => return None,
        });
    }
    Some(format!("var {{ {} }} = @", parts.join(", ")))
}

/// An object literal where the grammar has a block: in parentheses.
pub(super) fn as_object(text: &str) -> Option<String> {
    let trimmed = text.trim();
    (trimmed.starts_with('{') && trimmed.ends_with('}')).then(|| format!("({trimmed})"))
}

/// Whether the SyntaxError `message` at `line` and `column` (bytes, from 1) of `text` says no more
/// than that the text goes on.
pub(super) fn is_open(text: &str, message: &str, line: usize, column: usize) -> bool {
    if message.contains("end of comment") {
        return true;
    }
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (before + column.saturating_sub(1)).min(text.len());
    let Some(rest) = text.get(at..) else { return false };
    if message.contains("end of string") {
        return !rest.starts_with(['"', '\'']) || text.ends_with('\\');
    }
    let missing = message.contains("missing initializer");
    !missing && tokens(rest).iter().all(|token| !token.counts())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_become_ones_that_can_be_repeated() {
        for (text, wanted) in [
            ("let a = 1; const {b} = c, d = 2", "var a = 1; var   {b} = c, d = 2"),
            ("{ let a = 1 }", "{ let a = 1 }"),
            (
                "for (let i = 0;;) break; f(() => { const x = 1 })",
                "for (let i = 0;;) break; f(() => { const x = 1 })",
            ),
            ("let\nlet x", "let\nvar x"),
            ("a.let = 1; let = 2; x = `let y`", "a.let = 1; let = 2; x = `let y`"),
            ("function f() {} let x", "function f() {} var x"),
            (
                "class A extends f({}) { m() { return {} } } 1",
                "var A = class A extends f({}) { m() { return {} } }; 1",
            ),
            ("class {", "class {"),
            ("x = class A {}", "x = class A {}"),
        ] {
            assert_eq!(as_script(text), wanted);
        }
    }

    #[test]
    fn imports_become_dynamic() {
        for (text, wanted) in [
            ("import 'a'", "await import('a')"),
            ("import * as os from \"os\"; 1", "var os = await import(\"os\"); 1"),
            ("import d from './x.js'", "var { default: d } = await import('./x.js')"),
            ("import { a, b as c, } from 'x'", "var { a, b: c } = await import('x')"),
            ("import d, { a } from 'x'", "var { default: d, a } = await import('x')"),
            ("import d, * as n from 'x'", "var n = await import('x'), d = n.default"),
            ("import {} from 'x'", "var {  } = await import('x')"),
            (
                "import d from './x.json' with { type: 'json' };",
                "var { default: d } = await import('./x.json', { with: { type: 'json' } });",
            ),
            ("import('x'); import.meta", "import('x'); import.meta"),
            ("import a b from 'x'", "import a b from 'x'"),
        ] {
            assert_eq!(as_script(text), wanted);
        }
    }

    #[test]
    fn an_error_at_the_end_asks_for_more() {
        for (text, message, line, column, open) in [
            ("f(", "unexpected token in expression: ''", 1, 3, true),
            ("{\n  a,\n", "unexpected token in expression: ''", 3, 1, true),
            ("f( // more", "unexpected token", 1, 4, true),
            ("f(;", "unexpected token in expression: ';'", 1, 3, false),
            ("'abc", "unexpected end of string", 1, 1, false),
            ("x = `abc", "unexpected end of string", 1, 5, true),
            ("`a${1} b", "unexpected end of string", 1, 6, true),
            ("'abc\\", "unexpected end of string", 1, 1, true),
            ("/* abc", "unexpected end of comment", 1, 1, true),
            ("const x", "missing initializer for variable", 1, 8, false),
        ] {
            assert_eq!(is_open(text, message, line, column), open, "{text}");
        }
    }
}
