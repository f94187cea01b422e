//! `TextDecoder` of the WHATWG Encoding standard, section 7.2, on `encoding_rs`.
//!
//! Owns: the class and the state of a stream between two calls. Must not know: where bytes come
//! from.

use std::cell::RefCell;
use std::ffi::CStr;

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, UTF_8};
use rquickjs::{Coerced, Ctx, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::{buffer_source, exception, value};

/// Room for what a decoder may put out at the end of its input.
const SLACK_BYTES: usize = 64;

/// A `TextDecoder` object.
pub struct TextDecoder {
    encoding: &'static Encoding,
    fatal: bool,
    ignore_bom: bool,
    /// The decoder of a stream that has begun and not ended ("do not flush" is set).
    stream: RefCell<Option<Decoder>>,
}

impl class_id::Of for class_id::TextDecoder {
    type Class = TextDecoder;
}

impl Class for TextDecoder {
    type Id = class_id::TextDecoder;
    const NAME: &'static CStr = c"TextDecoder";
    const DISPLAY: Option<Display> =
        Some(Display::Attributes(&["encoding", "fatal", "ignoreBOM"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"encoding", |this, scope| {
            value::string(scope.ctx, &this.encoding.name().to_ascii_lowercase())
        }),
        Member::Get(c"fatal", |this, scope| Ok(Value::new_bool(scope.ctx.clone(), this.fatal))),
        Member::Get(c"ignoreBOM", |this, scope| Ok(Value::new_bool(scope.ctx.clone(), this.ignore_bom))),
        Member::Method(c"decode", 0, decode_method),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let label = if scope.has(0) { value::to_string(&scope.arg(0))? } else { "utf-8".into() };
        let options = dictionary(scope, 1)?;
        TextDecoder::new(scope.ctx, &label, flag(&options, "fatal")?, flag(&options, "ignoreBOM")?)
    }
}

/// A decoder object, as `new TextDecoder(label, {fatal, ignoreBOM})` makes it.
///
/// # Errors
/// RangeError for a label that is not known.
pub fn decoder<'js>(ctx: &Ctx<'js>, label: &str, fatal: bool, ignore_bom: bool) -> Result<Value<'js>> {
    class::instance(ctx, TextDecoder::new(ctx, label, fatal, ignore_bom)?)
}

/// The next piece of a stream of bytes as text; the end of it where `bytes` is undefined.
///
/// # Errors
/// TypeError for what is no BufferSource, and for bytes that a fatal decoder does not take.
pub fn decode<'js>(
    ctx: &Ctx<'js>,
    decoder: &Value<'js>,
    bytes: &Value<'js>,
    more: bool,
) -> Result<Value<'js>> {
    let not = |what: &str| exception::type_error(ctx, what);
    let this = class::get::<TextDecoder>(decoder).ok_or_else(|| not("no decoder"))?;
    let open = this.stream.borrow_mut().take();
    if bytes.is_undefined() && !more {
        return this.run(ctx, open, b"", false);
    }
    match source(bytes)? {
        Some(bytes) => bytes.with(|bytes| this.run(ctx, open, bytes, more)),
        None => Err(not("chunks are ArrayBuffers or views of one")),
    }
}

/// The name of a decoder's encoding, in lower case.
///
/// # Errors
/// Out of memory.
pub fn name<'js>(ctx: &Ctx<'js>, decoder: &Value<'js>) -> Result<Value<'js>> {
    let name = class::get::<TextDecoder>(decoder).map_or("", |this| this.encoding.name());
    value::string(ctx, &name.to_ascii_lowercase())
}

/// Argument `i` as a Web IDL dictionary: an object, or nothing at all.
fn dictionary<'js>(scope: &Scope<'_, 'js>, i: usize) -> Result<Option<Object<'js>>> {
    let value = scope.arg(i);
    match value.as_object() {
        Some(object) => Ok(Some(object.clone())),
        None if value.is_undefined() || value.is_null() => Ok(None),
        None => Err(exception::type_error(scope.ctx, "TextDecoder: options must be an object")),
    }
}

fn flag(options: &Option<Object<'_>>, name: &str) -> Result<bool> {
    match options {
        Some(options) => Ok(options.get::<_, Coerced<bool>>(name)?.0),
        None => Ok(false),
    }
}

/// The bytes of an AllowSharedBufferSource (Web IDL section 3.2.25).
fn source<'a>(value: &'a Value<'_>) -> Result<Option<buffer_source::Bytes<'a>>> {
    Ok(buffer_source::bytes(value)?.or_else(|| buffer_source::shared_bytes(value)))
}

fn decode_method<'js>(this: &TextDecoder, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let input = scope.arg(0);
    if scope.has(0) && source(&input)?.is_none() {
        return Err(exception::type_error(scope.ctx, "decode: argument 1 is not a BufferSource"));
    }
    let more = flag(&dictionary(scope, 1)?, "stream")?;
    let open = this.stream.borrow_mut().take();
    // The options' getters may have detached or resized the buffer.
    let bytes = if scope.has(0) { source(&input)? } else { None };
    let lend = |bytes: &[u8]| this.run(scope.ctx, open, bytes, more);
    match bytes {
        Some(bytes) => bytes.with(lend),
        None => lend(b""),
    }
}

impl TextDecoder {
    fn new(ctx: &Ctx<'_>, label: &str, fatal: bool, ignore_bom: bool) -> Result<Self> {
        let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) else {
            let shown: String = label.chars().take(60).collect();
            let text = format!("TextDecoder: the encoding label '{shown}' is not known");
            return Err(exception::range_error(ctx, &text));
        };
        Ok(TextDecoder { encoding, fatal, ignore_bom, stream: RefCell::default() })
    }

    fn run<'js>(
        &self,
        ctx: &Ctx<'js>,
        open: Option<Decoder>,
        bytes: &[u8],
        more: bool,
    ) -> Result<Value<'js>> {
        if open.is_none() && !more && self.encoding == UTF_8 {
            let bytes = match self.ignore_bom {
                true => bytes,
                false => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            };
            if let Ok(text) = std::str::from_utf8(bytes) {
                return value::string(ctx, text);
            }
        }
        let mut decoder = open.unwrap_or_else(|| match self.ignore_bom {
            true => self.encoding.new_decoder_without_bom_handling(),
            false => self.encoding.new_decoder_with_bom_removal(),
        });
        let text = match self.fatal {
            false => lenient(ctx, &mut decoder, bytes, !more),
            true => strict(&mut decoder, bytes, !more).ok_or_else(|| {
                let text = format!("The data is not valid {}", self.encoding.name());
                exception::type_error(ctx, &text)
            }),
        };
        if more {
            *self.stream.borrow_mut() = Some(decoder);
        }
        value::string(ctx, &text?)
    }
}

/// The text grows with what comes out: bytes may become three times as many in the worst case, but seldom do.
fn lenient(ctx: &Ctx<'_>, decoder: &mut Decoder, bytes: &[u8], last: bool) -> Result<String> {
    let bytes_max = State::of(ctx).heap_bytes_max();
    let mut text = String::with_capacity(bytes.len() + SLACK_BYTES);
    let mut rest = bytes;
    loop {
        let (result, read, _) = decoder.decode_to_string(rest, &mut text, last);
        rest = &rest[read..];
        match result {
            CoderResult::InputEmpty => return Ok(text),
            // The string could not be made.
            CoderResult::OutputFull if bytes_max != 0 && text.len() > bytes_max => {
                return Err(rquickjs::Error::Allocation);
            }
            CoderResult::OutputFull => text.reserve(rest.len() + SLACK_BYTES),
        }
    }
}

fn strict(decoder: &mut Decoder, bytes: &[u8], last: bool) -> Option<String> {
    let mut text = String::with_capacity(bytes.len() + SLACK_BYTES);
    let mut rest = bytes;
    loop {
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, last);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => return Some(text),
            DecoderResult::OutputFull => text.reserve(rest.len() + SLACK_BYTES),
            DecoderResult::Malformed(..) => return None,
        }
    }
}
