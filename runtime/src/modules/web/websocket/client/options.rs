//! What the constructor of `WebSocket` asks a server for: sub-protocols, and fields of the request.
//!
//! Owns: the second argument, as Web IDL and the WebSockets Standard take it, and as an object of options besides. Must not
//! know: the URL, connections.

use http::{HeaderMap, HeaderName, HeaderValue};
use rquickjs::{Ctx, Object, Result, Value};

use crate::header_list;
use crate::js::{exception, value};
use crate::modules::web::iterate;

/// What is asked for.
#[derive(Default)]
pub(super) struct OpeningOptions {
    /// The sub-protocols that are offered, the best first.
    pub(super) protocols: Vec<String>,
    /// Fields of the request.
    pub(super) headers: HeaderMap,
}

impl OpeningOptions {
    /// Of a string, a sequence of strings, or `{ protocols, headers }`.
    ///
    /// # Errors
    /// TypeError for fields that cannot be sent; what the app's code throws on the way.
    pub(super) fn of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<OpeningOptions> {
        let mut asked = OpeningOptions::default();
        match value.as_object() {
            Some(options) if iterate::method(options)?.is_none() => {
                asked.add_headers(ctx, &options.get("headers")?)?;
                asked.add_protocols(&options.get("protocols")?)?;
            }
            _ => asked.add_protocols(value)?,
        }
        Ok(asked)
    }

    fn add_protocols(&mut self, value: &Value<'_>) -> Result<()> {
        if value.is_undefined() {
            return Ok(());
        }
        let mut add = |name: &Value<'_>| {
            self.protocols.push(value::to_string(name)?);
            Ok(())
        };
        if let Some(object) = value.as_object()
            && let Some(method) = iterate::method(object)?
        {
            return iterate::each(object, method, |item| add(&item));
        }
        add(value)
    }

    fn add_headers<'js>(&mut self, ctx: &Ctx<'js>, init: &Value<'js>) -> Result<()> {
        if init.is_undefined() {
            return Ok(());
        }
        let wrong = || exception::type_error(ctx, "WebSocket: headers is neither a sequence nor a record");
        let object: &Object<'js> = init.as_object().ok_or_else(wrong)?;
        match iterate::method(object)? {
            Some(method) => {
                iterate::pairs(object, method, "headers", |name, field| self.add(ctx, name, field))
            }
            None => iterate::record(object, |name, field| self.add(ctx, name, field)),
        }
    }

    /// Adds a field; those of the handshake are the client's own.
    fn add(&mut self, ctx: &Ctx<'_>, name: &Value<'_>, field: &Value<'_>) -> Result<()> {
        let (name, field) = (value::to_string(name)?, value::to_string(field)?);
        let known = HeaderName::from_bytes(name.as_bytes());
        let known =
            known.map_err(|_| exception::type_error(ctx, &format!("Invalid header name: {name:?}")))?;
        let bytes: Option<Vec<u8>> = field.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let bytes = bytes.and_then(|bytes| HeaderValue::from_bytes(header_list::normalise(&bytes)).ok());
        let field =
            bytes.ok_or_else(|| exception::type_error(ctx, &format!("Invalid header value: {field:?}")))?;
        if !known.as_str().starts_with("sec-websocket-") {
            self.headers.append(known, field);
        }
        Ok(())
    }

    /// What is wrong with the sub-protocols, if something is: each is a token, once (RFC 6455 section 4.1). Those that
    /// differ in case only are the same, as in browsers.
    pub(super) fn wrong_protocol(&self) -> Option<&str> {
        let known =
            |at: usize, name: &str| self.protocols[..at].iter().any(|one| one.eq_ignore_ascii_case(name));
        let mut all = self.protocols.iter().enumerate();
        let wrong = all.find(|(at, name)| !header_list::is_name(name.as_bytes()) || known(*at, name));
        wrong.map(|(_, name)| name.as_str())
    }
}
