//! What blobs are made of: the constructors' arguments.
//!
//! Owns: their conversion (Web IDL) and "process blob parts" (File API, section 3.1.1). Must not
//! know: classes other than `Blob`.

use rquickjs::{Ctx, Object, Result, Value};

use super::Blob;
use crate::js::engine::State;
use crate::js::{buffer_source, class, exception, value};
use crate::modules::web::iterate;

/// One part, converted; buffers are read once all arguments are.
pub(super) enum Part<'js> {
    Text(String),
    Other(Value<'js>),
}

/// What the options say.
pub(super) struct Bag<'js> {
    pub(super) kind: String,
    pub(super) native_endings: bool,
    pub(super) options: Option<Object<'js>>,
}

/// Parts of one blob: a bound on what an endless iterable can make grow.
const PARTS_MAX: usize = 1_000_000;

/// `sequence<BlobPart>`.
pub(super) fn sequence<'js>(ctx: &Ctx<'js>, list: &Value<'js>, what: &str) -> Result<Vec<Part<'js>>> {
    let wrong = || exception::type_error(ctx, &format!("{what}: argument 1 is not iterable"));
    let list = list.as_object().ok_or_else(wrong)?;
    let method = iterate::method(list)?.ok_or_else(wrong)?;
    let (mut parts, mut text_bytes) = (Vec::new(), 0usize);
    let bytes_max = State::of(ctx).heap_bytes_max();
    iterate::each(list, method, |item| {
        let part = match buffer_source::bytes(&item)?.is_some() || class::get::<Blob>(&item).is_some() {
            true => Part::Other(item),
            false => Part::Text(value::to_string(&item)?),
        };
        if let Part::Text(text) = &part {
            text_bytes += text.len();
        }
        if parts.len() == PARTS_MAX || bytes_max != 0 && text_bytes > bytes_max {
            return Err(exception::range_error(ctx, &format!("{what}: too many parts")));
        }
        parts.push(part);
        Ok(())
    })?;
    Ok(parts)
}

/// `BlobPropertyBag`.
pub(super) fn bag<'js>(ctx: &Ctx<'js>, options: &Value<'js>, what: &str) -> Result<Bag<'js>> {
    let mut bag = Bag { kind: String::new(), native_endings: false, options: None };
    let Some(object) = options.as_object() else {
        return match options.is_undefined() || options.is_null() {
            true => Ok(bag),
            false => Err(exception::type_error(ctx, &format!("{what}: options must be an object"))),
        };
    };
    let endings: Value = object.get("endings")?;
    if !endings.is_undefined() {
        bag.native_endings = match value::to_string(&endings)?.as_str() {
            "native" => true,
            "transparent" => false,
            _ => {
                let text = format!("{what}: endings is neither \"transparent\" nor \"native\"");
                return Err(exception::type_error(ctx, &text));
            }
        };
    }
    let kind: Value = object.get("type")?;
    if !kind.is_undefined() {
        bag.kind = value::to_string(&kind)?;
    }
    bag.options = Some(object.clone());
    Ok(bag)
}

/// The bytes of all parts.
pub(super) fn joined<'js>(ctx: &Ctx<'js>, parts: &[Part<'js>], native_endings: bool) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let bytes_max = State::of(ctx).heap_bytes_max();
    for part in parts {
        match part {
            Part::Text(text) if native_endings => native(text.as_bytes(), &mut all),
            Part::Text(text) => all.extend_from_slice(text.as_bytes()),
            Part::Other(part) => match class::get::<Blob>(part) {
                Some(blob) => all.extend_from_slice(&blob.bytes),
                None => {
                    if let Some(bytes) = buffer_source::bytes(part)? {
                        bytes.with(|bytes| all.extend_from_slice(bytes));
                    }
                }
            },
        }
        if bytes_max != 0 && all.len() > bytes_max {
            return Err(rquickjs::Error::Allocation);
        }
    }
    Ok(all)
}

/// "Convert line endings to native": each CRLF, CR and LF becomes a LF here.
fn native(text: &[u8], all: &mut Vec<u8>) {
    let mut rest = text.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte == b'\r' {
            rest.next_if_eq(&b'\n');
        }
        all.push(if byte == b'\r' { b'\n' } else { byte });
    }
}
