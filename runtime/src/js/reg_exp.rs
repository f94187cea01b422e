//! Regular expressions of the engine, for native code: ECMAScript's, whatever an app made of `RegExp`.
//!
//! Owns: making and running one. Must not know: what is looked for.

use rquickjs::{Ctx, Result, Value};

use super::intrinsics;
use super::value;

/// `new RegExp(source, flags)`; the flags are neither `g` nor `y`.
///
/// # Errors
/// SyntaxError for what is none.
pub fn compile<'js>(ctx: &Ctx<'js>, source: &str, flags: &str) -> Result<Value<'js>> {
    let source = match flags.contains('v') {
        true => value::string(ctx, &spelled_out(source))?,
        false => value::string(ctx, source)?,
    };
    intrinsics::construct(ctx, intrinsics::REG_EXP, &[source, value::string(ctx, flags)?])
}

/// The engine (quickjs-ng 0.16) applies a rule of classes to all of an expression with the flag `v`:
/// it refuses `-`, `/` and punctuators in pairs, such as `&&`. Outside of classes they are written as
/// escapes here, which mean the same.
fn spelled_out(source: &str) -> String {
    let (mut out, mut depth, mut last) = (String::with_capacity(source.len()), 0usize, '\0');
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        let pair = c == last && "&!#%,:;<=>@`~".contains(c);
        last = c;
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
                last = '\0';
                continue;
            }
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '(' if depth == 0 && chars.peek() == Some(&'?') => {
                // The head of a group: `(?:`, `(?<name>`, `(?i-s:`.
                out.push(c);
                while let Some(head) =
                    chars.next_if(|head| "?-".contains(*head) || head.is_ascii_alphabetic())
                {
                    out.push(head);
                }
                continue;
            }
            _ if depth == 0 && (pair || c == '-' || c == '/') => {
                out.push_str(&format!("\\x{:02x}", c as u32));
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// What the groups of the first match in `text` captured, `undefined` for those that took no part;
/// none where nothing matches.
///
/// # Errors
/// Out of memory; the end of the turn's CPU time.
pub fn exec<'js>(expression: &Value<'js>, text: &str) -> Result<Option<Vec<Value<'js>>>> {
    let ctx = expression.ctx();
    let found = intrinsics::call(ctx, intrinsics::REG_EXP_EXEC, expression, &[value::string(ctx, text)?])?;
    let Some(found) = found.as_array() else { return Ok(None) };
    (1..found.len()).map(|index| found.get(index)).collect::<Result<Vec<_>>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_refuses_is_written_as_an_escape() {
        for (source, expected) in [
            ("a-b/c", r"a\x2db\x2fc"),
            (r"\/\-[a-z--[/]]-", r"\/\-[a-z--[/]]\x2d"),
            ("&&(?i-s:x)(?<a>b)(?::)", r"&\x26(?i-s:x)(?<a>b)(?:\x3a)"),
            ("(?!!)(?<==)", r"(?!\x21)(?<=\x3d)"),
            ("", ""),
            ("\\", "\\"),
        ] {
            assert_eq!(spelled_out(source), expected, "{source}");
        }
    }
}
