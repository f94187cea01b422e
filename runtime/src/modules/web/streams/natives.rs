//! What the modules of the stream classes call: buffers, signals, encodings as the engine has them, whatever an
//! app made of the prototypes.
//!
//! Owns: the functions. Must not know: streams.

use std::ffi::CStr;

use rquickjs::atom::PredefinedAtom;
use rquickjs::object::Property;
use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::class::{self, Scope, Static};
use crate::js::function::Functions;
use crate::js::natives::{Make, Natives};
use crate::js::{buffer, buffer_source, clone, value};
use crate::modules::web::{abort, encoding};

use super::{compression, fast};

/// `jsserve:internal/streams/natives`.
pub struct StreamFunctions;

impl Natives for StreamFunctions {
    const VALUES: &'static [(&'static CStr, Make)] =
        &[(c"UINT8", |ctx| Ok(Value::new_int(ctx.clone(), buffer::UINT8)))];

    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register::<compression::Native>(ctx)?;
        class::register::<fast::FastPath>(ctx)?;
        class::register::<fast::StreamIterator>(ctx)
    }
}

impl Functions for StreamFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"viewOf", 1, view_of),
        (c"makeView", 4, |scope| {
            let kind = scope.arg(0).as_int().unwrap_or(buffer::UINT8);
            buffer::make(kind, scope.arg(1), number(scope, 2), number(scope, 3))
        }),
        (c"transferBuffer", 1, |scope| buffer::transfer(scope.ctx, &scope.arg(0))),
        (c"isDetached", 1, |scope| {
            Ok(Value::new_bool(scope.ctx.clone(), buffer::is_detached(scope.ctx, &scope.arg(0))?))
        }),
        (c"byteLengthOf", 1, |scope| {
            let len = buffer_source::bytes(&scope.arg(0))?.map_or(0, |bytes| bytes.len());
            Ok(Value::new_number(scope.ctx.clone(), len as f64))
        }),
        (c"newBuffer", 1, |scope| buffer::zeros(scope.ctx, number(scope, 0))),
        (c"sliceBuffer", 3, |scope| buffer::slice(&scope.arg(0), index(scope, 1), index(scope, 2))),
        (c"cloneBytes", 1, |scope| {
            let bytes = buffer_source::bytes(&scope.arg(0))?.map(|bytes| bytes.to_vec());
            value::uint8_array(scope.ctx, &bytes.unwrap_or_default())
        }),
        (c"cloneChunk", 1, |scope| clone::structured_clone(scope.ctx, &scope.arg(0), &[])),
        (c"copyBytes", 5, |scope| {
            buffer::copy(&scope.arg(0), index(scope, 1), &scope.arg(2), index(scope, 3), index(scope, 4))?;
            Ok(scope.undefined())
        }),
        (c"newSignal", 0, |scope| abort::signal(scope.ctx)),
        (c"abortSignal", 2, |scope| {
            abort::abort_for(&scope.arg(0), scope.arg(1))?;
            Ok(scope.undefined())
        }),
        (c"isSignal", 1, |scope| Ok(Value::new_bool(scope.ctx.clone(), abort::is_signal(&scope.arg(0))?))),
        (c"isSignalAborted", 1, |scope| {
            Ok(Value::new_bool(scope.ctx.clone(), abort::reason(&scope.arg(0))?.is_some()))
        }),
        (c"reasonOf", 1, |scope| Ok(abort::reason(&scope.arg(0))?.unwrap_or_else(|| scope.undefined()))),
        (c"followSignal", 2, |scope| {
            abort::follow(&scope.arg(0), scope.arg(1))?;
            Ok(scope.undefined())
        }),
        (c"forgetSignal", 2, |scope| {
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
        (c"isIterableBy", 2, is_iterable_by),
        (c"asIterators", 3, fast::as_iterators),
        (c"newIterator", 2, fast::new_iterator),
        (c"endIterator", 1, fast::end_iterator),
        (c"fastRead", 2, fast::read),
        (c"fastWrite", 3, fast::write),
        (c"shutReads", 1, fast::shut_reads),
        (c"shutWrites", 1, fast::shut_writes),
    ];
}

fn number(scope: &Scope<'_, '_>, i: usize) -> f64 {
    scope.arg(i).as_number().unwrap_or(0.0)
}

fn index(scope: &Scope<'_, '_>, i: usize) -> usize {
    number(scope, i) as usize
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

/// Has objects of class 0 iterated asynchronously by their method named 1.
fn is_iterable_by<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let prototype: Object = Object::from_js(scope.ctx, scope.arg(0))?.get("prototype")?;
    let method: Value = prototype.get(&*value::to_string(&scope.arg(1))?)?;
    let property = Property::from(method).writable().configurable();
    prototype.prop(PredefinedAtom::SymbolAsyncIterator, property)?;
    Ok(scope.undefined())
}
