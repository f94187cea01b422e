//! The Body mixin (Fetch section 5.3): what Request and Response share.
//!
//! Owns: sources of bodies, their one-time use, `text json arrayBuffer bytes`. Must not know: who
//! sends or received it. (Streams as bodies come with the web platform issue.)

use std::cell::{Cell, RefCell};

use rquickjs::{Ctx, Result, Value};

use super::incoming::{IncomingBody, Progress};
use crate::js::class::{self, Class, Scope};
use crate::js::held::{Held, Tracer};
use crate::js::{exception, promise, value};
use crate::modules::url::search_params::SearchParams;

/// Where the bytes are.
pub enum Source {
    /// No body.
    Null,
    /// A string, encoded as UTF-8 only when it is sent or read as bytes.
    Text(Held),
    /// An ArrayBuffer that no script can reach: so the engine's heap limit counts the bytes.
    Bytes(Held),
    /// A request's body, perhaps still on its way.
    Incoming(IncomingBody),
}

/// A body and whether it has been used.
pub struct Body {
    source: RefCell<Source>,
    used: Cell<bool>,
}

/// What a body is read as.
#[derive(Clone, Copy)]
pub enum Form {
    /// A string.
    Text,
    /// What JSON.parse makes of it.
    Json,
    /// An ArrayBuffer.
    ArrayBuffer,
    /// A Uint8Array.
    Bytes,
}

impl Body {
    /// A body not yet used.
    pub fn new(source: Source) -> Self {
        Body { source: RefCell::new(source), used: Cell::new(false) }
    }

    /// Extracts a body from a BodyInit value (Fetch, "extract"), with the content type it implies.
    ///
    /// # Errors
    /// What the value's `toString` throws.
    pub fn extract<'js>(ctx: &Ctx<'js>, init: &Value<'js>) -> Result<(Body, Option<&'static str>)> {
        if init.is_null() || init.is_undefined() {
            return Ok((Body::new(Source::Null), None));
        }
        if init.is_string() {
            return Ok((Body::new(Source::Text(Held::new(init.clone()))), Some(TEXT)));
        }
        if let Some(bytes) = value::bytes(init)? {
            return Ok((Body::new(Source::Bytes(Held::new(bytes.to_array_buffer(ctx)?))), None));
        }
        if let Some(params) = class::get::<SearchParams>(init) {
            let text = value::string(ctx, &params.serialized())?;
            return Ok((Body::new(Source::Text(Held::new(text))), Some(FORM)));
        }
        let text = value::string(ctx, &value::to_string(init)?)?;
        Ok((Body::new(Source::Text(Held::new(text))), Some(TEXT)))
    }

    /// Whether there is a body.
    pub fn is_null(&self) -> bool {
        matches!(&*self.source.borrow(), Source::Null)
    }

    /// Whether it has been read or sent.
    pub fn is_used(&self) -> bool {
        self.used.get()
    }

    /// Marks it as used; false if it was already.
    pub fn take(&self) -> bool {
        self.is_null() || !self.used.replace(true)
    }

    /// A second body with the same bytes.
    ///
    /// # Errors
    /// TypeError if it is used.
    pub fn duplicate(&self, ctx: &Ctx<'_>) -> Result<Body> {
        if self.is_used() {
            return Err(exception::type_error(ctx, "Body is unusable: it has already been read"));
        }
        Ok(Body::new(match &*self.source.borrow() {
            Source::Null => Source::Null,
            Source::Text(text) => Source::Text(Held::new(text.get(ctx))),
            Source::Bytes(bytes) => Source::Bytes(Held::new(bytes.get(ctx))),
            Source::Incoming(body) => Source::Incoming(body.clone()),
        }))
    }

    /// Moves the body into a new holder and leaves this one used.
    ///
    /// # Errors
    /// TypeError if it is used.
    pub fn hand_over(&self, ctx: &Ctx<'_>) -> Result<Body> {
        let body = self.duplicate(ctx)?;
        self.take();
        Ok(body)
    }

    /// Lends the bytes to `f`; `None` while they are still on their way.
    ///
    /// # Errors
    /// Out of memory.
    pub fn with<R>(&self, ctx: &Ctx<'_>, f: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(Some(match &*self.source.borrow() {
            Source::Null => f(&[]),
            Source::Text(text) => value::with_str(&text.get(ctx), |s| f(s.as_bytes()))?,
            Source::Bytes(buffer) => match value::bytes(&buffer.get(ctx))? {
                Some(bytes) => bytes.with(f),
                None => f(&[]),
            },
            Source::Incoming(body) if body.progress() == Progress::Complete => body.with(f),
            Source::Incoming(_) => return Ok(None),
        }))
    }

    /// The incoming body behind it that has not ended yet.
    pub fn incoming(&self) -> Option<IncomingBody> {
        match &*self.source.borrow() {
            Source::Incoming(body) if body.progress() != Progress::Complete => Some(body.clone()),
            _ => None,
        }
    }

    /// Reads all of it: a promise of its `form` (Fetch, "consume body").
    ///
    /// # Errors
    /// TypeError if it is used.
    pub fn consume<'js>(&self, ctx: &Ctx<'js>, form: Form) -> Result<Value<'js>> {
        if !self.take() {
            return Err(exception::type_error(ctx, "Body is unusable: it has already been read"));
        }
        let Some(body) = self.incoming() else {
            let made = self.with(ctx, |bytes| convert(ctx, bytes, form))?;
            return promise::settled(ctx, Ok(made.unwrap_or_else(|| Ok(Value::new_undefined(ctx.clone())))?));
        };
        if let Progress::Failed(error) = body.progress() {
            return Err(exception::type_error(ctx, error.message()));
        }
        let (result, deferred) = promise::deferred(ctx)?;
        let ended = body.clone();
        body.want(move || {
            deferred.settle(|ctx| match ended.progress() {
                Progress::Failed(error) => Err(exception::type_error(ctx, error.message())),
                _ => ended.with(|bytes| convert(ctx, bytes, form)),
            });
        });
        Ok(result)
    }

    /// Reports what it holds to the cycle collector.
    pub fn trace(&self, tracer: &Tracer) {
        if let Source::Text(held) | Source::Bytes(held) = &*self.source.borrow() {
            tracer.mark(held);
        }
    }
}

/// An interface that includes the mixin.
pub trait Bodied: Class {
    /// Its body.
    fn body(&self) -> &Body;
}

/// `bodyUsed`.
///
/// # Errors
/// None.
pub fn used<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    Ok(Value::new_bool(s.ctx.clone(), owner.body().is_used()))
}

/// `text()`.
///
/// # Errors
/// TypeError if the body is used.
pub fn text<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    owner.body().consume(s.ctx, Form::Text)
}

/// `json()`.
///
/// # Errors
/// TypeError if the body is used.
pub fn json<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    owner.body().consume(s.ctx, Form::Json)
}

/// `arrayBuffer()`.
///
/// # Errors
/// TypeError if the body is used.
pub fn array_buffer<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    owner.body().consume(s.ctx, Form::ArrayBuffer)
}

/// `bytes()`.
///
/// # Errors
/// TypeError if the body is used.
pub fn bytes<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    owner.body().consume(s.ctx, Form::Bytes)
}

/// The content type of strings.
pub const TEXT: &str = "text/plain;charset=UTF-8";
/// The content type of URLSearchParams.
pub const FORM: &str = "application/x-www-form-urlencoded;charset=UTF-8";

fn convert<'js>(ctx: &Ctx<'js>, bytes: &[u8], form: Form) -> Result<Value<'js>> {
    // "UTF-8 decode" takes a byte order mark away and replaces what is no UTF-8.
    let text = || String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    match form {
        Form::Text => value::string(ctx, &text()),
        Form::Json => value::parse_json(ctx, &text(), "<body>"),
        Form::ArrayBuffer => value::array_buffer(ctx, bytes),
        Form::Bytes => value::uint8_array(ctx, bytes),
    }
}
