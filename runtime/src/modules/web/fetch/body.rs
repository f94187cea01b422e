//! Bodies (Fetch section 2.2.4): where their bytes are, and who has begun to use them.
//!
//! Owns: sources of bodies, their one-time use, their stream. Must not know: who sends or received it, what
//! becomes of the bytes (`consume` does). A stream is made only for a script that asks for one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Ctx, Result, Value};

use super::content_type::ContentType;
use super::incoming::{IncomingBody, Pieces, Progress};
use crate::js::class;
use crate::js::held::{Held, Slot, Tracer};
use crate::js::{buffer_source, exception, value};
use crate::modules::web::blob::Blob;
use crate::modules::web::blob::rope::Rope;
use crate::modules::web::form_data::{self, FormData};
use crate::modules::web::streams::bridge::{self, Seized};
use crate::modules::web::streams::source::{ByteSource, Memory};
use crate::modules::web::url::search_params::SearchParams;

/// Where the bytes are.
pub enum Source {
    /// No body.
    Null,
    /// A string, encoded as UTF-8 only when it is sent or read as bytes.
    Text(Held),
    /// An ArrayBuffer that no script can reach: so the engine's heap limit counts the bytes.
    Bytes(Held),
    /// The bytes of a blob, or of a form and its files; they are shared.
    Rope(Rope),
    /// A request's body, perhaps still on its way.
    Incoming(IncomingBody),
    /// Bytes from native code, which enter JavaScript only if a script reads them.
    Native(Rc<dyn ByteSource>),
    /// What the body's stream gives.
    Stream,
}

/// A body and whether it has been used.
pub struct Body {
    source: RefCell<Source>,
    used: Cell<bool>,
    /// Its ReadableStream, once there is one.
    stream: Slot,
}

/// Where the bytes of a body are that somebody has begun to use.
pub enum Begun<'js> {
    /// Nowhere: it was used before.
    Unusable,
    /// In the body itself.
    Own,
    /// In a native source.
    Source(Rc<dyn ByteSource>),
    /// In a stream, by this reader.
    Reader(Value<'js>),
}

impl Body {
    /// A body not yet used.
    pub fn new(source: Source) -> Self {
        Body { source: RefCell::new(source), used: Cell::new(false), stream: Slot::default() }
    }

    /// The body that a ReadableStream gives.
    fn of_stream(stream: Value<'_>) -> Self {
        let body = Body::new(Source::Stream);
        body.stream.set(Some(stream));
        body
    }

    /// Extracts a body from a BodyInit value (Fetch, "extract"), with the content type it implies.
    ///
    /// # Errors
    /// What the value's `toString` throws; out of memory.
    pub fn extract<'js>(ctx: &Ctx<'js>, init: &Value<'js>) -> Result<(Body, Option<ContentType>)> {
        if init.is_null() || init.is_undefined() {
            return Ok((Body::new(Source::Null), None));
        }
        if init.is_string() {
            return Ok((Body::new(Source::Text(Held::new(init.clone()))), Some(TEXT.into())));
        }
        if let Some(bytes) = buffer_source::bytes(init)? {
            return Ok((Body::new(Source::Bytes(Held::new(bytes.to_array_buffer(ctx)?))), None));
        }
        if let Some(params) = class::get::<SearchParams>(init) {
            let text = value::string(ctx, &params.serialized())?;
            return Ok((Body::new(Source::Text(Held::new(text))), Some(FORM.into())));
        }
        if let Some(blob) = class::get::<Blob>(init) {
            let kind = (!blob.kind().is_empty()).then(|| blob.kind().to_owned().into());
            return Ok((Body::new(Source::Rope(Rope::new([blob.same()]))), kind));
        }
        if let Some(form) = class::get::<FormData>(init) {
            let (rope, kind) = form_data::serialise(ctx, form)?;
            return Ok((Body::new(Source::Rope(rope)), Some(kind.into())));
        }
        if bridge::is_stream(init)? {
            return match bridge::is_usable(init)? {
                true => Ok((Body::of_stream(init.clone()), None)),
                false => {
                    Err(exception::type_error(ctx, "the stream of a body is locked or has been read from"))
                }
            };
        }
        if is_chunk_iterable(init)? {
            return Ok((Body::of_stream(bridge::of_iterable(init)?), None));
        }
        let text = value::string(ctx, &value::to_string(init)?)?;
        Ok((Body::new(Source::Text(Held::new(text))), Some(TEXT.into())))
    }

    /// Whether there is a body.
    pub fn is_null(&self) -> bool {
        matches!(&*self.source.borrow(), Source::Null)
    }

    /// Whether its bytes come from a stream of the app's, whose length nobody knows.
    pub fn is_stream(&self) -> bool {
        matches!(&*self.source.borrow(), Source::Stream)
    }

    /// Whether it has been read or sent, in part at least.
    ///
    /// # Errors
    /// Out of memory.
    pub fn is_used(&self, ctx: &Ctx<'_>) -> Result<bool> {
        match self.stream.get(ctx) {
            Some(stream) if !self.used.get() => bridge::is_disturbed(&stream),
            _ => Ok(self.used.get()),
        }
    }

    fn is_usable(&self, ctx: &Ctx<'_>) -> Result<bool> {
        match self.stream.get(ctx) {
            Some(stream) if !self.used.get() => bridge::is_usable(&stream),
            _ => Ok(!self.used.get()),
        }
    }

    /// Marks it as used, and says where its bytes are.
    ///
    /// # Errors
    /// Out of memory.
    pub fn begin<'js>(&self, ctx: &Ctx<'js>) -> Result<Begun<'js>> {
        if self.is_null() {
            return Ok(Begun::Own);
        }
        if self.used.get() {
            return Ok(Begun::Unusable);
        }
        let Some(stream) = self.stream.get(ctx) else {
            self.used.set(true);
            return Ok(self.take_native().map_or(Begun::Own, Begun::Source));
        };
        let seized = bridge::seize(&stream)?;
        let begun = match seized {
            Seized::Unusable => return Ok(Begun::Unusable),
            Seized::Source(_) if !self.is_stream() => Begun::Own,
            Seized::Source(source) => Begun::Source(source),
            Seized::Reader(reader) => Begun::Reader(reader),
        };
        self.used.set(true);
        Ok(begun)
    }

    /// `body`: its stream, made now unless there is one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn stream<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        if self.is_null() {
            return Ok(Value::new_null(ctx.clone()));
        }
        self.stream.get_or(ctx, || {
            if self.used.get() {
                return bridge::spent(ctx);
            }
            let native: Option<Rc<dyn ByteSource>> = match &*self.source.borrow() {
                Source::Incoming(body) => Some(Rc::new(Pieces::of(body.clone()))),
                Source::Rope(rope) => Some(rope.source()),
                _ => None,
            };
            let source = match self.take_native().or(native) {
                Some(source) => source,
                None => Memory::source(self.with(ctx, <[u8]>::to_vec)?.unwrap_or_default()),
            };
            bridge::of_source(ctx, source)
        })
    }

    /// The native source, where it is one: from now on the body is that of a stream.
    fn take_native(&self) -> Option<Rc<dyn ByteSource>> {
        let mut source = self.source.borrow_mut();
        let Source::Native(native) = &*source else { return None };
        let native = native.clone();
        *source = Source::Stream;
        Some(native)
    }

    /// A second body with the same bytes ("clone a body").
    ///
    /// # Errors
    /// TypeError if it is used, or its stream is locked.
    pub fn duplicate(&self, ctx: &Ctx<'_>) -> Result<Body> {
        self.check_usable(ctx)?;
        if matches!(&*self.source.borrow(), Source::Native(_)) {
            // Two readers of one source: the stream's business.
            self.stream(ctx)?;
        }
        if let Some(stream) = self.stream.get(ctx) {
            if self.is_stream() {
                let (one, two) = bridge::fork(&stream)?;
                self.stream.set(Some(one));
                return Ok(Body::of_stream(two));
            }
            bridge::seize(&stream)?;
            self.stream.set(None);
        }
        Ok(Body::new(match &*self.source.borrow() {
            Source::Null | Source::Stream | Source::Native(_) => Source::Null,
            Source::Text(text) => Source::Text(Held::new(text.get(ctx))),
            Source::Bytes(bytes) => Source::Bytes(Held::new(bytes.get(ctx))),
            Source::Rope(rope) => Source::Rope(rope.clone()),
            Source::Incoming(body) => Source::Incoming(body.duplicate()),
        }))
    }

    /// Moves the body into a new holder and leaves this one used ("create a proxy").
    ///
    /// # Errors
    /// TypeError if it is used, or its stream is locked.
    pub fn hand_over(&self, ctx: &Ctx<'_>) -> Result<Body> {
        self.check_usable(ctx)?;
        if self.is_null() {
            return Ok(Body::new(Source::Null));
        }
        if let Some(stream) = self.stream.get(ctx) {
            if self.is_stream() {
                let body = Body::of_stream(bridge::proxy(&stream)?);
                self.used.set(true);
                return Ok(body);
            }
            bridge::seize(&stream)?;
        }
        self.used.set(true);
        if let Some(native) = self.take_native() {
            return Ok(Body::new(Source::Native(native)));
        }
        Ok(Body::new(match &*self.source.borrow() {
            Source::Null | Source::Stream | Source::Native(_) => Source::Null,
            Source::Text(text) => Source::Text(Held::new(text.get(ctx))),
            Source::Bytes(bytes) => Source::Bytes(Held::new(bytes.get(ctx))),
            Source::Rope(rope) => Source::Rope(rope.clone()),
            Source::Incoming(body) => Source::Incoming(body.clone()),
        }))
    }

    /// Throws where it is used, or its stream locked.
    ///
    /// # Errors
    /// That TypeError.
    pub fn check_usable(&self, ctx: &Ctx<'_>) -> Result<()> {
        match self.is_usable(ctx)? {
            true => Ok(()),
            false => Err(unusable(ctx)),
        }
    }

    /// Lends the bytes to `f`; `None` while they are still on their way.
    ///
    /// # Errors
    /// Out of memory.
    pub fn with<R>(&self, ctx: &Ctx<'_>, f: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(Some(match &*self.source.borrow() {
            Source::Null => f(&[]),
            Source::Stream | Source::Native(_) => return Ok(None),
            Source::Text(text) => value::with_str(&text.get(ctx), |s| f(s.as_bytes()))?,
            Source::Bytes(buffer) => match buffer_source::bytes(&buffer.get(ctx))? {
                Some(bytes) => bytes.with(f),
                None => f(&[]),
            },
            Source::Rope(rope) => f(&rope.joined()),
            Source::Incoming(body) if body.progress() == Progress::Complete => body.with(f),
            Source::Incoming(_) => return Ok(None),
        }))
    }

    /// Its bytes, where they are those of a blob or of a form.
    pub fn rope(&self) -> Option<Rope> {
        match &*self.source.borrow() {
            Source::Rope(rope) => Some(rope.clone()),
            _ => None,
        }
    }

    /// What its native source has failed with.
    pub(super) fn failure<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        match &*self.source.borrow() {
            Source::Native(source) => source.failure(ctx),
            _ => None,
        }
    }

    /// The incoming body behind it that has not ended yet.
    pub fn incoming(&self) -> Option<IncomingBody> {
        match &*self.source.borrow() {
            Source::Incoming(body) if body.progress() != Progress::Complete => Some(body.clone()),
            _ => None,
        }
    }

    /// Reports what it holds to the cycle collector.
    pub fn trace(&self, tracer: &Tracer) {
        if let Source::Text(held) | Source::Bytes(held) = &*self.source.borrow() {
            tracer.mark(held);
        }
        self.stream.trace(tracer);
    }
}

pub(super) fn unusable(ctx: &Ctx<'_>) -> rquickjs::Error {
    exception::type_error(ctx, "Body is unusable: it has already been read, or its stream is locked")
}

/// Whether `value` is what bodies are made of beyond the standard: an asynchronous iterable, or an
/// iterator such as a generator. Other iterables, such as arrays, are strings to the standard.
fn is_chunk_iterable(value: &Value<'_>) -> Result<bool> {
    let Some(object) = value.as_object() else { return Ok(false) };
    let is_function = |atom: PredefinedAtom| object.get::<_, Value>(atom).map(|method| method.is_function());
    Ok(is_function(PredefinedAtom::SymbolAsyncIterator)?
        || is_function(PredefinedAtom::SymbolIterator)? && is_function(PredefinedAtom::Next)?)
}

/// The content type of strings.
pub const TEXT: &str = "text/plain;charset=UTF-8";
/// The content type of URLSearchParams.
pub const FORM: &str = "application/x-www-form-urlencoded;charset=UTF-8";
