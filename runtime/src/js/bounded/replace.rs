//! `replace`, `replaceAll` and `split` of strings by a long string, which the engine looks for at each place anew.
//!
//! Owns: what is put in the place of a match (ECMA-262 section 22.1.3.19.1, GetSubstitution, without captures). Must
//! not know: how a needle is found.

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Array, Ctx, Result, Value, qjs};

use super::super::callable::Invocation;
use super::super::value::fresh;
use super::search::{NEEDLE_MIN, has_none, is_special};
use super::text::{self, Search};
use super::{Decision, Original, argument, call, carefully, is_object, is_string, length, to_string};

pub(super) const SPLIT: usize = 0;
pub(super) const REPLACE: usize = 1;
pub(super) const REPLACE_ALL: usize = 2;

pub(super) fn run(call: &Invocation<'_>) -> qjs::JSValue {
    match call.arguments.first() {
        Some(needle) if is_string(*needle) && length(call.ctx, *needle) < NEEDLE_MIN => call.forward(),
        // SAFETY: asks a live value for its kind.
        Some(needle) if unsafe { qjs::JS_IsRegExp(*needle) } => call.forward(),
        Some(needle) if is_string(*needle) || is_object(*needle) => {
            carefully(call, |ctx| match call.which() {
                SPLIT => split(ctx, call),
                _ => replace(ctx, call),
            })
        }
        _ => call.forward(),
    }
}

fn split<'js>(ctx: &Ctx<'js>, call: &Invocation<'_>) -> Result<Decision<'js>> {
    let (separator, limit) = (argument(ctx, call, Some(0)), argument(ctx, call, Some(1)));
    if has_none(call) || is_special(&separator, &[PredefinedAtom::SymbolSplit]) {
        return Ok(Decision::Forward);
    }
    let text = to_string(ctx, &argument(ctx, call, None))?;
    let most = match limit.is_undefined() {
        true => u32::MAX,
        false => to_uint32(&limit)?,
    };
    let separator = to_string(ctx, &separator)?;
    let search = Search::new(ctx, &text, &separator);
    if search.needle_length < NEEDLE_MIN || search.is_short() || most == 0 {
        let most = Value::new_number(ctx.clone(), f64::from(most));
        return Ok(Decision::ForwardWith(text.clone(), vec![separator.clone(), most]));
    }
    let all = Array::new(ctx.clone())?;
    let mut from = 0;
    while let Some(at) = search.first(from)? {
        all.set(all.len(), search.slice(from, at)?)?;
        if all.len() as u64 >= u64::from(most) {
            return Ok(Decision::Value(all.into_value()));
        }
        from = at + search.needle_length;
    }
    all.set(all.len(), search.slice(from, search.haystack_length)?)?;
    Ok(Decision::Value(all.into_value()))
}

fn to_uint32(value: &Value<'_>) -> Result<u32> {
    let mut number = 0;
    // SAFETY: a live value; the result goes to a local. ToUint32 has the bits of ToInt32.
    let done = unsafe { qjs::JS_ToInt32(value.ctx().as_raw().as_ptr(), &mut number, value.as_raw()) };
    if done < 0 { Err(rquickjs::Error::Exception) } else { Ok(number as u32) }
}

fn replace<'js>(ctx: &Ctx<'js>, call: &Invocation<'_>) -> Result<Decision<'js>> {
    let (needle, by) = (argument(ctx, call, Some(0)), argument(ctx, call, Some(1)));
    let symbols = [PredefinedAtom::SymbolMatch, PredefinedAtom::SymbolReplace];
    if has_none(call) || is_special(&needle, &symbols) {
        return Ok(Decision::Forward);
    }
    let text = to_string(ctx, &argument(ctx, call, None))?;
    let needle = to_string(ctx, &needle)?;
    let search = Search::new(ctx, &text, &needle);
    if search.needle_length < NEEDLE_MIN || search.is_short() {
        return Ok(Decision::ForwardWith(text.clone(), vec![needle.clone(), by]));
    }
    let with = match by.is_function() {
        true => With::Function(by),
        false => With::Template(template(ctx, &to_string(ctx, &by)?)?),
    };
    let (mut pieces, mut from) = (Vec::new(), 0);
    while let Some(at) = search.first(from)? {
        pieces.push(search.slice(from, at)?);
        with.put(ctx, &search, [&text, &needle], at, &mut pieces)?;
        from = at + search.needle_length;
        if call.which() == REPLACE {
            break;
        }
    }
    if from == 0 {
        return Ok(Decision::Value(text.clone()));
    }
    pieces.push(search.slice(from, search.haystack_length)?);
    joined(ctx, &pieces).map(Decision::Value)
}

/// What is put in the place of a match.
enum With<'js> {
    Function(Value<'js>),
    Template(Vec<TemplatePart<'js>>),
}

/// A part of what is put there.
enum TemplatePart<'js> {
    Literal(Value<'js>),
    Match,
    Before,
    Behind,
}

impl<'js> With<'js> {
    fn put(
        &self,
        ctx: &Ctx<'js>,
        search: &Search<'_, 'js>,
        [text, needle]: [&Value<'js>; 2],
        at: usize,
        pieces: &mut Vec<Value<'js>>,
    ) -> Result<()> {
        match self {
            With::Function(function) => {
                let place = Value::new_number(ctx.clone(), at as f64);
                let mut arguments = [needle.as_raw(), place.as_raw(), text.as_raw()];
                // SAFETY: function and arguments are alive for the call.
                let by = unsafe {
                    let raw = ctx.as_raw().as_ptr();
                    let none = qjs::JS_UNDEFINED;
                    fresh(ctx, qjs::JS_Call(raw, function.as_raw(), none, 3, arguments.as_mut_ptr()))?
                };
                pieces.push(to_string(ctx, &by)?);
            }
            With::Template(parts) => {
                for part in parts {
                    pieces.push(match part {
                        TemplatePart::Literal(text) => text.clone(),
                        TemplatePart::Match => needle.clone(),
                        TemplatePart::Before => search.slice(0, at)?,
                        TemplatePart::Behind => {
                            search.slice(at + search.needle_length, search.haystack_length)?
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

/// `by`, taken apart at its `$$`, `$&`, `` $` `` and `$'`; there are no captures to which others could refer.
fn template<'js>(ctx: &Ctx<'js>, by: &Value<'js>) -> Result<Vec<TemplatePart<'js>>> {
    let mut units = Vec::new();
    text::parts(by, |plain, lone| {
        units.extend(plain.encode_utf16());
        units.extend_from_slice(lone);
    })?;
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while at + 1 < units.len() {
        let part = match (units[at], u8::try_from(units[at + 1]).unwrap_or(0)) {
            (0x24, b'$') => None,
            (0x24, b'&') => Some(TemplatePart::Match),
            (0x24, b'`') => Some(TemplatePart::Before),
            (0x24, b'\'') => Some(TemplatePart::Behind),
            _ => {
                at += 1;
                continue;
            }
        };
        // Of `$$` the first one stays.
        let end = if part.is_some() { at } else { at + 1 };
        parts.push(TemplatePart::Literal(text::slice(ctx, by, from, end)?));
        parts.extend(part);
        at += 2;
        from = at;
    }
    parts.push(TemplatePart::Literal(text::slice(ctx, by, from, units.len())?));
    Ok(parts)
}

fn joined<'js>(ctx: &Ctx<'js>, pieces: &[Value<'js>]) -> Result<Value<'js>> {
    let Some((first, rest)) = pieces.split_first() else {
        return to_string(ctx, &Value::new_undefined(ctx.clone()));
    };
    let rest: Vec<_> = rest.iter().map(|piece| piece.as_raw()).collect();
    call(ctx, Original::Concat, first, &rest)
}
