//! What the scripts of the stream classes call: promises, buffers, signals, encodings as the engine
//! has them, whatever an app made of the prototypes.
//!
//! Owns: the functions. Must not know: streams.

use std::ffi::CStr;

use rquickjs::{Ctx, Object, Result, Symbol, Value};

use crate::js::class::{Scope, Static};
use crate::js::function::{self, Functions};
use crate::js::held::Held;
use crate::js::{buffer, clone, exception, promise, value};
use crate::modules::web::{abort, encoding, messaging};

use super::compression;

/// The functions.
pub(super) struct Host;

impl Functions for Host {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"typeError", 1, |scope| Err(exception::type_error(scope.ctx, &value::to_string(&scope.arg(0))?))),
        (c"rangeError", 1, |scope| Err(exception::range_error(scope.ctx, &value::to_string(&scope.arg(0))?))),
        (c"newTypeError", 1, |scope| {
            let _ = exception::type_error(scope.ctx, &value::to_string(&scope.arg(0))?);
            Ok(scope.ctx.catch())
        }),
        (c"floor", 1, |scope| {
            Ok(Value::new_number(scope.ctx.clone(), scope.arg(0).as_number().unwrap_or(0.0).floor()))
        }),
        (c"call", 2, call),
        (c"resolved", 1, resolved),
        (c"rejected", 1, |scope| promise::settled(scope.ctx, Err(scope.arg(0)))),
        (c"deferred", 0, deferred),
        (c"then", 3, |scope| promise::then(scope.ctx, &scope.arg(0), &scope.arg(1), &scope.arg(2))),
        (c"handled", 1, |scope| {
            promise::mark_handled(&scope.arg(0));
            Ok(scope.undefined())
        }),
        (c"viewOf", 1, view_of),
        (c"makeView", 4, |scope| {
            let kind = scope.arg(0).as_int().unwrap_or(buffer::UINT8);
            buffer::make(kind, scope.arg(1), number(scope, 2), number(scope, 3))
        }),
        (c"transfer", 1, |scope| buffer::transfer(scope.ctx, &scope.arg(0))),
        (c"isDetached", 1, |scope| {
            Ok(Value::new_bool(scope.ctx.clone(), buffer::is_detached(scope.ctx, &scope.arg(0))?))
        }),
        (c"byteLengthOf", 1, |scope| {
            let len = value::bytes(&scope.arg(0))?.map_or(0, |bytes| bytes.len());
            Ok(Value::new_number(scope.ctx.clone(), len as f64))
        }),
        (c"newBuffer", 1, |scope| buffer::zeros(scope.ctx, number(scope, 0))),
        (c"slice", 3, |scope| buffer::slice(&scope.arg(0), index(scope, 1), index(scope, 2))),
        (c"cloneBytes", 1, |scope| {
            let bytes = value::bytes(&scope.arg(0))?.map(|bytes| bytes.to_vec());
            value::uint8_array(scope.ctx, &bytes.unwrap_or_default())
        }),
        (c"cloneChunk", 1, |scope| clone::structured_clone(scope.ctx, &scope.arg(0), &[])),
        (c"task", 1, |scope| {
            messaging::task(scope.ctx, scope.arg(0));
            Ok(scope.undefined())
        }),
        (c"copy", 5, |scope| {
            buffer::copy(&scope.arg(0), index(scope, 1), &scope.arg(2), index(scope, 3), index(scope, 4))?;
            Ok(scope.undefined())
        }),
        (c"newSignal", 0, |scope| abort::signal(scope.ctx)),
        (c"abortSignal", 2, |scope| {
            abort::abort_for(&scope.arg(0), scope.arg(1))?;
            Ok(scope.undefined())
        }),
        (c"isSignal", 1, |scope| Ok(Value::new_bool(scope.ctx.clone(), abort::is_signal(&scope.arg(0))?))),
        (c"isAborted", 1, |scope| {
            Ok(Value::new_bool(scope.ctx.clone(), abort::reason(&scope.arg(0))?.is_some()))
        }),
        (c"abortReason", 1, |scope| Ok(abort::reason(&scope.arg(0))?.unwrap_or_else(|| scope.undefined()))),
        (c"follow", 2, |scope| {
            abort::follow(&scope.arg(0), scope.arg(1))?;
            Ok(scope.undefined())
        }),
        (c"forget", 2, |scope| {
            abort::forget(&scope.arg(0), scope.arg(1))?;
            Ok(scope.undefined())
        }),
        (c"encode", 2, encode),
        (c"newDecoder", 3, |scope| {
            let flag = |i| scope.arg(i).as_bool() == Some(true);
            encoding::decoder(scope.ctx, &value::to_string(&scope.arg(0))?, flag(1), flag(2))
        }),
        (c"decode", 3, |scope| {
            encoding::decode(scope.ctx, &scope.arg(0), &scope.arg(1), scope.arg(2).as_bool() == Some(true))
        }),
        (c"decoderEncoding", 1, |scope| encoding::name(scope.ctx, &scope.arg(0))),
        (c"newCompressor", 1, compression::compressor),
        (c"newDecompressor", 1, compression::decompressor),
        (c"feedCoder", 3, compression::feed),
        (c"takeCoded", 1, compression::code),
    ];
}

/// Puts what is no function on `host`.
pub(super) fn constants<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    function::define(ctx, host, c"UINT8", Value::new_int(ctx.clone(), buffer::UINT8), false)?;
    function::define(ctx, host, c"iterator", Symbol::iterator(ctx.clone()).into_value(), false)?;
    function::define(ctx, host, c"asyncIterator", Symbol::async_iterator(ctx.clone()).into_value(), false)
}

fn number(scope: &Scope<'_, '_>, i: usize) -> f64 {
    scope.arg(i).as_number().unwrap_or(0.0)
}

fn index(scope: &Scope<'_, '_>, i: usize) -> usize {
    number(scope, i) as usize
}

/// Calls function 0 on receiver 1 with the arguments that follow, two at most.
fn call<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (function, this) = (Held::new(scope.arg(0)), Held::new(scope.arg(1)));
    let args = [scope.arg(2), scope.arg(3)];
    let count = scope.len().saturating_sub(2).min(args.len());
    promise::call(scope.ctx, &function, Some(&this), &args[..count])
}

/// "A promise resolved with" a value (Web IDL section 3.2.23): always a new promise, so that one that
/// follows another settles two jobs after it.
fn resolved<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let value = scope.arg(0);
    if !value.is_object() {
        return promise::settled(scope.ctx, Ok(value));
    }
    let (promise, capability) = promise::pending(scope.ctx)?;
    capability.settle(scope.ctx, Ok(value));
    Ok(promise)
}

fn deferred<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (promise, resolve, reject) = promise::parts(scope.ctx)?;
    let object = Object::new(scope.ctx.clone())?;
    object.set("promise", promise)?;
    object.set("resolve", resolve)?;
    object.set("reject", reject)?;
    Ok(object.into_value())
}

fn view_of<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let Some(view) = buffer::view(scope.ctx, &scope.arg(0))? else { return Ok(scope.undefined()) };
    let object = Object::new(scope.ctx.clone())?;
    object.set("kind", view.kind)?;
    object.set("elementSize", view.unit as f64)?;
    object.set("buffer", view.buffer)?;
    object.set("byteOffset", view.offset as f64)?;
    object.set("byteLength", view.len as f64)?;
    Ok(object.into_value())
}

/// The string's UTF-8; without a high surrogate at its end, unless it is the last of all. Undefined
/// for no bytes.
fn encode<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let text = scope.arg(0);
    let last = scope.arg(1).as_bool() == Some(true);
    value::with_str(&text, |text| {
        // Each lone surrogate has become U+FFFD; the one kept for the next chunk is the last.
        let kept = !last && value::ends_in_high_surrogate(&scope.arg(0));
        let text = if kept { text.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap_or(text) } else { text };
        match text.is_empty() {
            true => Ok(scope.undefined()),
            false => value::uint8_array(scope.ctx, text.as_bytes()),
        }
    })?
}
