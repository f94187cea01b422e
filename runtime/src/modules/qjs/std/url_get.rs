//! `urlGet`: a download that blocks.
//!
//! Owns: its options and answers, as QuickJS has them: it runs `curl -s -i`, so redirects are not
//! followed, and nothing is decoded. Must not know: how a request is made.

use std::ffi::CStr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use rquickjs::{Error, Exception, Object, Result, Value};
use url::Url;

use super::load::option;
use crate::client::{self, ClientOptions, ErrorKind, Fetched, Redirect, Request, blocking};
use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::function::Functions;
use crate::js::{convert, permit, value};
use crate::modules::web::host::{Host, Role};
use crate::permissions::Permissions;

/// The call.
pub struct UrlGetCalls;

impl Functions for UrlGetCalls {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"urlGet", 1, url_get)];
}

/// `urlGet(url, {binary, full})`: the body, or `null` unless the status is 200 to 299; with `full`,
/// `{response, responseHeaders, status}`, where `response` is `null` when there was no answer.
fn url_get<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if Host::role(scope.ctx) == Role::App {
        let text = "std.urlGet would block the worker that serves: use fetch";
        return Err(Exception::throw_message(scope.ctx, text));
    }
    let text = value::to_string(&scope.arg(0))?;
    let (binary, full) = (option(scope, "binary")?, option(scope, "full")?);
    let permissions = State::of(scope.ctx).cluster().permissions().cloned();
    if let (Some(permissions), Ok(url)) = (&permissions, url(&text)) {
        client::permit(permissions, &url).map_err(|refused| permit::refuse(scope.ctx, &refused))?;
    }
    let fetched = match fetch(&text, permissions, State::of(scope.ctx).heap_bytes_max()) {
        Err(Failed::TooLarge) => return Err(Error::Allocation),
        Err(Failed::NoAnswer) => None,
        Ok(fetched) if full || fetched.status.is_success() => Some(fetched),
        Ok(_) => None,
    };
    let response = match &fetched {
        None => Value::new_null(scope.ctx.clone()),
        Some(fetched) if binary => value::array_buffer(scope.ctx, &fetched.body)?,
        Some(fetched) => convert::text(scope.ctx, &fetched.body)?,
    };
    if !full {
        return Ok(response);
    }
    let object = Object::new(scope.ctx.clone())?;
    object.set("response", response)?;
    if let Some(fetched) = fetched {
        object.set("responseHeaders", convert::text(scope.ctx, &lines(&fetched.headers))?)?;
        object.set("status", fetched.status.as_u16())?;
    }
    Ok(object.into_value())
}

enum Failed {
    /// No such URL, no such server, no HTTP.
    NoAnswer,
    /// More than the heap holds.
    TooLarge,
}

/// The URL that is meant, as curl does it: what names no protocol is HTTP.
fn url(text: &str) -> std::result::Result<Url, Failed> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Url::parse(&text).map_err(|_| Failed::NoAnswer)
}

fn fetch(
    text: &str,
    permissions: Option<Arc<Permissions>>,
    bytes_max: usize,
) -> std::result::Result<Fetched, Failed> {
    let url = url(text)?;
    let request = move || Request {
        redirect: Redirect::Manual,
        decode: false,
        permissions,
        ..Request::new(Method::GET, url)
    };
    blocking(ClientOptions::default(), bytes_max, request).map_err(|error| match error.kind() {
        ErrorKind::TooLarge => Failed::TooLarge,
        _ => Failed::NoAnswer,
    })
}

/// The headers, each in a line that ends in CRLF.
fn lines(headers: &HeaderMap) -> Vec<u8> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat()
    };
    headers.iter().flat_map(line).collect()
}
