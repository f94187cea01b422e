//! All of a body at once ("consume body", Fetch section 5.3): `text()`, `json()`, `formData()` and the others.
//!
//! Owns: how the bytes are collected wherever they come from, and what becomes of them. Must not know:
//! who sends or received them. A form is read as its bytes arrive; all else once they are here.

use std::future::poll_fn;
use std::rc::Rc;

use data_url::mime::Mime;
use rquickjs::{Ctx, Result, Value};

use super::body::{Begun, Body, unusable};
use super::incoming::{Pieces, Progress};
use crate::io;
use crate::js::charge::Charge;
use crate::js::engine::{Engine, State};
use crate::js::{deferred, exception, promise, value};
use crate::modules::web::blob::Blob;
use crate::modules::web::form_data::{self, Reading};
use crate::modules::web::streams::bridge;
use crate::modules::web::streams::source::{self, ByteSource, Collect, Refused};

/// What a body is read as.
pub enum Form {
    /// A string.
    Text,
    /// What JSON.parse makes of it.
    Json,
    /// An ArrayBuffer.
    ArrayBuffer,
    /// A Uint8Array.
    Bytes,
    /// A Blob of this type.
    Blob(String),
    /// A FormData of a body of this type.
    FormData(Option<Mime>),
}

const TOO_LARGE: &str = "the body is larger than the JavaScript heap (--heap-max)";

impl Form {
    /// What collects a body for it.
    fn collect(self) -> Box<dyn Collect> {
        match self {
            Form::FormData(kind) => Box::new(Reading::new(kind.as_ref())),
            form => Box::new(Whole { bytes: Vec::new(), form }),
        }
    }
}

impl Body {
    /// Reads all of it: a promise of its `form` (Fetch, "consume body").
    ///
    /// # Errors
    /// TypeError if it is used.
    pub fn consume<'js>(&self, ctx: &Ctx<'js>, form: Form) -> Result<Value<'js>> {
        if let Some(reason) = self.failure(ctx) {
            return Err(ctx.throw(reason));
        }
        match self.begin(ctx)? {
            Begun::Unusable => return Err(unusable(ctx)),
            Begun::Own => {}
            Begun::Source(source) => return gather(ctx, source, form),
            Begun::Reader(reader) => return bridge::collect(reader, form.collect()),
        }
        if let (Form::FormData(_), Some(rope)) = (&form, self.rope()) {
            let mut reading = form.collect();
            let added = rope.pieces().try_for_each(|piece| reading.add(&piece));
            added.map_err(|refused| refused.throw(ctx))?;
            return promise::settled(ctx, Ok(reading.finish(ctx)?));
        }
        let Some(body) = self.incoming() else {
            let made = self.with(ctx, |bytes| convert(ctx, bytes, &form))?;
            return promise::settled(ctx, Ok(made.unwrap_or_else(|| Ok(Value::new_undefined(ctx.clone())))?));
        };
        if let Progress::Failed(error) = body.progress() {
            return Err(exception::type_error(ctx, error.message()));
        }
        if matches!(form, Form::FormData(_)) {
            return gather(ctx, Rc::new(Pieces::of(body)), form);
        }
        let (result, deferred) = deferred::deferred(ctx)?;
        let ended = body.clone();
        body.want(move || {
            deferred.settle(|ctx| match ended.progress() {
                Progress::Failed(error) => Err(exception::type_error(ctx, error.message())),
                _ => ended.with(|bytes| convert(ctx, bytes, &form)),
            });
        });
        Ok(result)
    }
}

/// Reads all of a native source: a promise of its `form`.
fn gather<'js>(ctx: &Ctx<'js>, source: Rc<dyn ByteSource>, form: Form) -> Result<Value<'js>> {
    if let Some(bytes) = source.whole() {
        return promise::settled(ctx, Ok(convert(ctx, &bytes, &form)?));
    }
    let (engine, charge, mut collect) = (State::of(ctx).engine(), Charge::default(), form.collect());
    let (result, deferred) = deferred::deferred(ctx)?;
    io::spawn(async move {
        let refused = loop {
            let added = match poll_fn(|cx| source.poll_bytes(cx)).await {
                Some(Ok(bytes)) => collect.add(&bytes),
                Some(Err(message)) => {
                    return deferred.settle(|ctx| Err(source::failed(ctx, &*source, &message)));
                }
                None => break None,
            };
            let fits = |engine: Rc<Engine>| charge.set_of(engine.state(), collect.owned_bytes()).is_ok();
            if added.is_err() || !engine.upgrade().is_some_and(fits) {
                source.cancel();
                break Some(added.err().unwrap_or_else(|| Refused::Type(TOO_LARGE.into())));
            }
        };
        deferred.settle(|ctx| {
            // What is made of the bytes has charges of its own.
            charge.set(ctx, 0)?;
            match refused {
                Some(refused) => Err(refused.throw(ctx)),
                None => collect.finish(ctx),
            }
        });
    });
    Ok(result)
}

/// All bytes of a body, until they become its form.
struct Whole {
    bytes: Vec<u8>,
    form: Form,
}

impl Collect for Whole {
    fn add(&mut self, bytes: &[u8]) -> std::result::Result<(), Refused> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn owned_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn finish<'js>(self: Box<Self>, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        match self.form {
            Form::Blob(kind) => Blob::make(ctx, self.bytes, &kind),
            form => convert(ctx, &self.bytes, &form),
        }
    }
}

fn convert<'js>(ctx: &Ctx<'js>, bytes: &[u8], form: &Form) -> Result<Value<'js>> {
    // "UTF-8 decode" takes a byte order mark away and replaces what is no UTF-8.
    let text = || String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    match form {
        Form::Text => value::string(ctx, &text()),
        Form::Json => value::parse_json(ctx, &text(), "<body>"),
        Form::ArrayBuffer => value::array_buffer(ctx, bytes),
        Form::Bytes => value::uint8_array(ctx, bytes),
        Form::Blob(kind) => Blob::make(ctx, bytes.to_vec(), kind),
        Form::FormData(kind) => form_data::parse(ctx, kind.as_ref(), bytes),
    }
}
