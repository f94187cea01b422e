//! Arguments and dictionary members as Web IDL converts them.
//!
//! Owns: numbers with [EnforceRange], buffers, names, usages, keys. Must not know: algorithms. All of
//! it may run JavaScript (getters, `valueOf`).

use std::sync::Arc;

use rquickjs::{Ctx, FromJs, Object, Result, Value};

use crate::js::{buffer_source, class, exception, reflect, value};
use crate::modules::web::iterate;

use super::key::{CryptoKey, KeyData, Usages};

/// A member, `None` where it is undefined.
///
/// # Errors
/// What its getter throws.
pub fn member<'js>(object: &Object<'js>, name: &str) -> Result<Option<Value<'js>>> {
    let value: Value = object.get(name)?;
    Ok((!value.is_undefined()).then_some(value))
}

/// A member that has to be there.
///
/// # Errors
/// TypeError without it; what its getter throws.
pub fn required<'js>(object: &Object<'js>, name: &str) -> Result<Value<'js>> {
    member(object, name)?.ok_or_else(|| {
        exception::type_error(object.ctx(), &format!("the algorithm's member '{name}' is missing"))
    })
}

/// `[EnforceRange]` integer from 0 to `max`.
///
/// # Errors
/// TypeError outside.
pub fn integer(value: &Value<'_>, max: u32) -> Result<u32> {
    let number = value::to_number(value)?.trunc();
    match number.is_finite() && (0.0..=f64::from(max)).contains(&number) {
        true => Ok(number as u32),
        false => Err(exception::type_error(value.ctx(), &format!("not an integer from 0 to {max}"))),
    }
}

/// Whether it is a BufferSource; its bytes are copied later, when the algorithm has been looked at.
///
/// # Errors
/// TypeError for anything else.
pub fn source<'js>(value: Value<'js>) -> Result<Value<'js>> {
    match buffer_source::bytes(&value)?.is_some() {
        true => Ok(value),
        false => Err(exception::type_error(value.ctx(), "not an ArrayBuffer or ArrayBufferView")),
    }
}

/// A copy of a BufferSource.
///
/// # Errors
/// TypeError for anything else.
pub fn buffer(value: &Value<'_>) -> Result<Vec<u8>> {
    match buffer_source::bytes(value)? {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(exception::type_error(value.ctx(), "not an ArrayBuffer or ArrayBufferView")),
    }
}

/// A copy of a BigInteger, a Uint8Array with a big-endian number.
///
/// # Errors
/// TypeError for anything else.
pub fn big_integer(value: &Value<'_>) -> Result<Vec<u8>> {
    match reflect::typed_array(value) {
        Some("Uint8Array") => buffer(value),
        _ => Err(exception::type_error(value.ctx(), "not a Uint8Array")),
    }
}

/// A CryptoKey.
///
/// # Errors
/// TypeError for anything else.
pub fn key(value: &Value<'_>) -> Result<Arc<KeyData>> {
    match class::get::<CryptoKey>(value) {
        Some(object) => Ok(object.key.clone()),
        None => Err(exception::type_error(value.ctx(), "not a CryptoKey")),
    }
}

/// A sequence of strings.
///
/// # Errors
/// TypeError for what is not iterable.
pub fn strings<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<String>> {
    let object = Object::from_js(ctx, value.clone()).ok();
    let method = object.as_ref().map(iterate::method).transpose()?.flatten();
    let (Some(object), Some(method)) = (object, method) else {
        return Err(exception::type_error(ctx, "not a sequence"));
    };
    let mut all = Vec::new();
    iterate::each(&object, method, |item| {
        all.push(value::to_string(&item)?);
        Ok(())
    })?;
    Ok(all)
}

/// `sequence<KeyUsage>`.
///
/// # Errors
/// TypeError for what is no usage.
pub fn usages<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Usages> {
    let mut all = Usages::NONE;
    for name in strings(ctx, value)? {
        let usage = Usages::named(&name)
            .ok_or_else(|| exception::type_error(ctx, &format!("'{name}' is not a key usage")))?;
        all = all.and(usage);
    }
    Ok(all)
}

/// The dictionary in `value`: none for undefined and null.
///
/// # Errors
/// TypeError for other primitives.
pub fn dictionary<'js>(value: &Value<'js>) -> Result<Option<Object<'js>>> {
    match value.is_object() {
        true => Object::from_js(value.ctx(), value.clone()).map(Some),
        false if value.is_undefined() || value.is_null() => Ok(None),
        false => Err(exception::type_error(value.ctx(), "neither a buffer nor a JsonWebKey")),
    }
}
