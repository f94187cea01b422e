//! The Body mixin (Fetch section 5.3): the members that Request and Response share.
//!
//! Owns: `body`, `bodyUsed`, `text()` and the others. Must not know: where the bytes are (`body` does), how they
//! are collected (`consume` does).

use data_url::mime::Mime;
use rquickjs::{Result, Value};

use super::body::Body;
use super::consume::Form;
use super::content_type;
use crate::js::class::{Class, Scope};

/// An interface that includes the mixin.
pub trait Bodied: Class {
    /// Its body.
    fn body(&self) -> &Body;

    /// The combined value of its Content-Type fields.
    fn content_type(&self) -> Option<Vec<u8>>;

    /// The MIME type of its body ("get the MIME type").
    fn mime(&self) -> Option<Mime> {
        self.content_type().and_then(|field| content_type::extract(&field))
    }
}

/// `bodyUsed`.
///
/// # Errors
/// Out of memory.
pub fn used<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    Ok(Value::new_bool(s.ctx.clone(), owner.body().is_used(s.ctx)?))
}

/// `body`.
///
/// # Errors
/// Out of memory.
pub fn stream<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    owner.body().stream(s.ctx)
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

/// `blob()`.
///
/// # Errors
/// TypeError if the body is used.
pub fn blob<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let kind = owner.mime().map(|mime| mime.to_string()).unwrap_or_default();
    owner.body().consume(s.ctx, Form::Blob(kind))
}

/// `formData()`.
///
/// # Errors
/// TypeError if the body is used; the promise rejects with one if it is no form.
pub fn form_data<'js, T: Bodied>(owner: &T, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
    owner.body().consume(s.ctx, Form::FormData(owner.mime()))
}
