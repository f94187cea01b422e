//! The arguments of a console call as one text (Console standard, sections 2.1 to 2.3).
//!
//! Owns: format specifiers. Must not know: where the text goes. What a specifier converts runs the app's
//! `toString`, as the standard has it; nothing else does.

use rquickjs::{Ctx, Result, Value};

use super::inspect::{DEPTH, inspect, primitive};
use crate::js::value;

/// What `console.log(...args)` prints, without the line's end.
///
/// # Errors
/// What the app's own conversions throw.
pub fn format<'js>(ctx: &Ctx<'js>, args: &[Value<'js>]) -> Result<String> {
    let mut out = String::new();
    let mut rest = args;
    if let Some((first, others)) = args.split_first()
        && first.is_string()
        && !others.is_empty()
    {
        let text = value::to_string(first).unwrap_or_default();
        let used = specifiers(ctx, &text, others, &mut out)?;
        rest = &others[used..];
        if !rest.is_empty() {
            out.push(' ');
        }
    }
    for (index, arg) in rest.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(&plain(arg));
    }
    Ok(out)
}

/// A value as an argument of its own: strings as they are.
fn plain(value: &Value<'_>) -> String {
    match value.is_string() {
        true => value::to_string(value).unwrap_or_default(),
        false => inspect(value, DEPTH, false),
    }
}

/// Replaces the specifiers of `text`; how many arguments they took.
fn specifiers<'js>(ctx: &Ctx<'js>, text: &str, args: &[Value<'js>], out: &mut String) -> Result<usize> {
    let mut used = 0;
    let mut rest = text;
    while let Some(place) = rest.find('%') {
        out.push_str(&rest[..place]);
        let tail = &rest[place + 1..];
        let kind = tail.chars().next();
        if kind == Some('%') {
            out.push('%');
            rest = &tail[1..];
            continue;
        }
        match (kind, args.get(used)) {
            (Some(kind @ ('s' | 'd' | 'i' | 'f' | 'j' | 'o' | 'O' | 'c')), Some(arg)) => {
                out.push_str(&one(ctx, kind, arg)?);
                used += 1;
                rest = &tail[1..];
            }
            _ => {
                out.push('%');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    Ok(used)
}

fn one<'js>(ctx: &Ctx<'js>, kind: char, arg: &Value<'js>) -> Result<String> {
    Ok(match kind {
        // String(value), which symbols take, too.
        's' if arg.is_symbol() => primitive(arg),
        's' => value::to_string(arg)?,
        'd' | 'i' | 'f' => number(ctx, kind, arg)?,
        'j' => json(ctx, arg),
        'o' => inspect(arg, 4, true),
        'O' => inspect(arg, DEPTH, false),
        _ => String::new(),
    })
}

/// parseInt(value, 10), or parseFloat(value).
fn number<'js>(ctx: &Ctx<'js>, kind: char, arg: &Value<'js>) -> Result<String> {
    if arg.is_symbol() {
        return Ok("NaN".into());
    }
    let number = leading_number(&value::to_string(arg)?, kind == 'f');
    Ok(primitive(&Value::new_number(ctx.clone(), number)))
}

/// What parseInt (or, with `fraction`, parseFloat) makes of decimal digits at the front.
fn leading_number(text: &str, fraction: bool) -> f64 {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let end = |text: &str| {
        let mut point = !fraction;
        let sign = text.starts_with(['-', '+']);
        let digits = text.char_indices().skip(usize::from(sign)).find(|(_, c)| match c {
            '0'..='9' => false,
            '.' if !point => {
                point = true;
                false
            }
            _ => true,
        });
        digits.map_or(text.len(), |(at, _)| at)
    };
    let mantissa = end(text);
    let mut whole = mantissa;
    if fraction && text[mantissa..].starts_with(['e', 'E']) {
        let exponent = &text[mantissa + 1..];
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let digits = exponent[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            whole = mantissa + 1 + sign + digits;
        }
    }
    let parse = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    if fraction && text.trim_start_matches(['-', '+']).starts_with("Infinity") {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    parse(&text[..whole])
}

fn json<'js>(ctx: &Ctx<'js>, arg: &Value<'js>) -> String {
    match ctx.json_stringify(arg.clone()) {
        Ok(Some(text)) => text.to_string().unwrap_or_default(),
        Ok(None) => "undefined".into(),
        Err(_) => {
            drop(ctx.catch());
            "[Circular]".into()
        }
    }
}
