//! `indexOf`, `lastIndexOf` and `includes` of strings: the engine compares a needle at each place anew, which for one of
//! 64 KiB in a text of 128 KiB takes seconds.
//!
//! Owns: the order of the conversions (ECMA-262 sections 22.1.3.8 to 22.1.3.10). Must not know: how a needle is found.

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Ctx, Result, Value, qjs};

use super::super::callable::Invocation;
use super::super::value::to_number;
use super::text::Search;
use super::{Decision, Peek, argument, carefully, is_object, is_string, length, to_string, well_known};

pub(super) const INDEX_OF: usize = 0;
pub(super) const LAST_INDEX_OF: usize = 1;
pub(super) const INCLUDES: usize = 2;

/// Needles below are the engine's: each place costs it no more than so many units.
pub(super) const NEEDLE_MIN: usize = 32;

pub(super) fn run(call: &Invocation<'_>) -> qjs::JSValue {
    match call.arguments.first() {
        Some(needle) if is_string(*needle) && length(call.ctx, *needle) < NEEDLE_MIN => call.forward(),
        Some(needle) if is_string(*needle) || is_object(*needle) => carefully(call, |ctx| look(ctx, call)),
        _ => call.forward(),
    }
}

/// Whether a receiver is one that no method of strings takes.
pub(super) fn has_none(call: &Invocation<'_>) -> bool {
    // SAFETY: reads the tag of a live value.
    let this = unsafe { qjs::JS_VALUE_GET_TAG(call.this) };
    this == qjs::JS_TAG_UNDEFINED || this == qjs::JS_TAG_NULL
}

/// Whether an argument has, or may have, a way of its own to be looked for, under one of these symbols.
pub(super) fn is_special(argument: &Value<'_>, symbols: &[PredefinedAtom]) -> bool {
    let Some(object) = argument.as_object() else { return false };
    // SAFETY: asks a live value for its kind.
    let is_expression = unsafe { qjs::JS_IsRegExp(argument.as_raw()) };
    is_expression || symbols.iter().any(|symbol| !matches!(well_known(object, *symbol), Peek::Nothing))
}

fn look<'js>(ctx: &Ctx<'js>, call: &Invocation<'_>) -> Result<Decision<'js>> {
    let given = argument(ctx, call, Some(0));
    // The others look at no symbol.
    let special = call.which() == INCLUDES && is_special(&given, &[PredefinedAtom::SymbolMatch]);
    if special || has_none(call) {
        return Ok(Decision::Forward);
    }
    let text = to_string(ctx, &argument(ctx, call, None))?;
    let needle = to_string(ctx, &given)?;
    let search = Search::new(ctx, &text, &needle);
    let position = argument(ctx, call, Some(1));
    if search.needle_length < NEEDLE_MIN || search.is_short() {
        return Ok(Decision::ForwardWith(text.clone(), vec![needle.clone(), position]));
    }
    let length = search.haystack_length as f64;
    let position = match position.is_undefined() {
        true => f64::NAN,
        false => to_number(&position)?,
    };
    let found = match call.which() {
        LAST_INDEX_OF if position.is_nan() => search.last(search.haystack_length)?,
        LAST_INDEX_OF => search.last(position.clamp(0.0, length) as usize)?,
        _ => search.first(position.max(0.0).min(length) as usize)?,
    };
    Ok(Decision::Value(match call.which() {
        INCLUDES => Value::new_bool(ctx.clone(), found.is_some()),
        _ => Value::new_number(ctx.clone(), found.map_or(-1.0, |found| found as f64)),
    }))
}
