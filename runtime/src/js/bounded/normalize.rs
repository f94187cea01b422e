//! `normalize` and `localeCompare` of strings: the engine sorts combining marks one by one, in a time that grows with the
//! square of their number.
//!
//! Owns: long texts in Normalization Form C (Unicode Standard Annex #15), which the engine has little to do for. Must
//! not know: the other forms.

use icu_normalizer::ComposingNormalizerBorrowed;
use rquickjs::{Ctx, Result, Value, qjs};

use super::super::callable::Invocation;
use super::super::state::State;
use super::super::value::fresh;
use super::search::has_none;
use super::{Decision, argument, carefully, is_object, is_string, length, text, to_string};

pub(super) const NORMALIZE: usize = 0;
pub(super) const LOCALE_COMPARE: usize = 1;

/// Units of a text that the engine normalizes in a millisecond, whatever they are.
const SHORT: usize = 1 << 10;

pub(super) fn run(call: &Invocation<'_>) -> qjs::JSValue {
    let is_short = |raw| is_string(raw) && length(call.ctx, raw) <= SHORT;
    let other = call.arguments.first().copied().filter(|_| call.which() == LOCALE_COMPARE);
    let takes_long = |raw| !is_short(raw) && (is_string(raw) || is_object(raw));
    match takes_long(call.this) || other.is_some_and(takes_long) {
        true => carefully(call, |ctx| normalized(ctx, call)),
        false => call.forward(),
    }
}

/// A text and its composed form are equivalent: all other forms of the two are the same.
fn normalized<'js>(ctx: &Ctx<'js>, call: &Invocation<'_>) -> Result<Decision<'js>> {
    if has_none(call) {
        return Ok(Decision::Forward);
    }
    let text = to_string(ctx, &argument(ctx, call, None))?;
    if call.which() == NORMALIZE {
        return Ok(Decision::ForwardWith(composed(ctx, text)?, vec![argument(ctx, call, Some(0))]));
    }
    let other = to_string(ctx, &argument(ctx, call, Some(0)))?;
    Ok(Decision::ForwardWith(composed(ctx, text)?, vec![composed(ctx, other)?]))
}

fn composed<'js>(ctx: &Ctx<'js>, text: Value<'js>) -> Result<Value<'js>> {
    if length(ctx.as_raw().as_ptr(), text.as_raw()) <= SHORT {
        return Ok(text);
    }
    let normalizer = ComposingNormalizerBorrowed::new_nfc();
    let mut units: Vec<u16> = Vec::new();
    text::parts(&text, |plain, lone| {
        let mut pair = [0; 2];
        for c in normalizer.normalize_iter(plain.chars()) {
            units.extend_from_slice(c.encode_utf16(&mut pair));
        }
        // Half of a pair has no part in any composition.
        units.extend_from_slice(lone);
    })?;
    State::of(ctx).go_on(ctx)?;
    // SAFETY: the pointer and the length are those of the units, which the engine copies.
    unsafe { fresh(ctx, qjs::JS_NewStringUTF16(ctx.as_raw().as_ptr(), units.as_ptr(), units.len() as _)) }
}
