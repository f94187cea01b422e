//! A Request as the client sends it (Fetch section 4.6, "HTTP-network-or-cache fetch", as far as it
//! means something without a browser).
//!
//! Owns: the headers that are added, kept back, or checked; how the body is sent. Must not know: what
//! comes of it. Framing is the client's own: no header of a script reaches it.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{self, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rquickjs::{Ctx, Result};
use url::Url;

use super::Call;
use super::errors::{FAILED, Failure};
use super::rooted::Rooted;
use super::upload::{From, Upload};
use crate::client::{self, Redirect, RequestBody};
use crate::js::engine::State;
use crate::js::exception::{self, type_error};
use crate::modules::web::fetch::body::Begun;
use crate::modules::web::fetch::incoming::Pieces;
use crate::modules::web::fetch::mixin::Bodied;
use crate::modules::web::fetch::request::Request;
use crate::modules::web::fetch::settings::Settings;
use crate::modules::web::streams::bridge::StreamReader;

/// What the client sends for `request`, whose body is used from now on.
///
/// # Errors
/// TypeError for what HTTP cannot carry.
pub(super) fn of(ctx: &Ctx<'_>, request: &Request, url: Url, call: &Rc<Call>) -> Result<client::Request> {
    let failed = |what: String| Failure::new(what, None).throw(ctx, FAILED);
    let method = Method::from_bytes(request.method().as_bytes());
    let method = method.map_err(|_| failed(format!("{:?} is no method", request.method())))?;
    let settings = request.settings();
    let mut headers = headers(request).map_err(failed)?;
    let length = headers.remove(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    headers.entry(header::ACCEPT_LANGUAGE).or_insert(HeaderValue::from_static("*"));
    add_cache(&mut headers, &settings);
    if let Some(referrer) = settings.referrer_for(&url).and_then(|url| HeaderValue::try_from(url).ok()) {
        headers.insert(header::REFERER, referrer);
    }
    let redirect = match settings.redirect {
        "error" => Redirect::Error,
        // Browsers show an opaque response; what a server is to do with it is to look at it.
        "manual" => Redirect::Manual,
        _ => Redirect::Follow,
    };
    let same_origin = settings.mode == "same-origin";
    let body = body(ctx, request, length, call)?;
    let (target, bare) = (None, false);
    let permissions = State::of(ctx).cluster().permissions().cloned();
    Ok(client::Request {
        method,
        url,
        headers,
        body,
        redirect,
        decode: true,
        guarded: true,
        same_origin,
        target,
        bare,
        permissions,
    })
}

/// The request's headers. Names are not forbidden as they are in a browser, as in Node, Deno and Bun:
/// there is no user whom they could betray. What frames the message is the client's (see
/// [`client::Request`]), and Host is the URL's, as in Node, Deno and workerd: a served request that is
/// passed on has the name by which this server was called.
fn headers(request: &Request) -> std::result::Result<HeaderMap, String> {
    let shared = request.shared_headers();
    let list = shared.list();
    let of_decoded = list.of_decoded();
    let list = of_decoded.as_ref().unwrap_or(&list);
    let mut headers = HeaderMap::with_capacity(list.len() + 2);
    for (name, value) in list.iter() {
        let shown = || String::from_utf8_lossy(name).into_owned();
        let known = HeaderName::from_bytes(name).map_err(|_| format!("{:?} is no header name", shown()))?;
        let value = HeaderValue::from_bytes(value);
        let value = value.map_err(|_| format!("the value of header {:?} has control characters", shown()))?;
        // One line a name, as its values are seen by scripts; cookies have a list of their own kind.
        match headers.entry(known) {
            Entry::Vacant(first) => drop(first.insert(value)),
            Entry::Occupied(mut more) => {
                let comma: &[u8] = if *more.key() == header::COOKIE { b"; " } else { b", " };
                let joined = [more.get().as_bytes(), comma, value.as_bytes()].concat();
                let joined = HeaderValue::from_bytes(&joined).map_err(|error| error.to_string())?;
                more.insert(joined);
            }
        }
    }
    headers.remove(header::HOST);
    Ok(headers)
}

/// What the cache mode asks of caches on the way; there is none here.
fn add_cache(headers: &mut HeaderMap, settings: &Settings) {
    let mut default = |name: HeaderName, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    match settings.cache {
        "no-cache" => default(header::CACHE_CONTROL, "max-age=0"),
        "no-store" | "reload" => {
            default(header::PRAGMA, "no-cache");
            default(header::CACHE_CONTROL, "no-cache");
        }
        _ => {}
    }
}

/// The body, which is begun; `length` is what the headers announce.
fn body(ctx: &Ctx<'_>, request: &Request, length: Option<u64>, call: &Rc<Call>) -> Result<RequestBody> {
    let body = request.body();
    let upload = |from, bytes| {
        let upload = Upload::new(from, call.aborted.clone(), State::of(ctx).alive().hold());
        RequestBody::Stream { source: Box::pin(upload), bytes }
    };
    Ok(match body.begin(ctx)? {
        Begun::Unusable => return Err(type_error(ctx, "the request's body is already used, or locked")),
        Begun::Own if body.is_null() => RequestBody::Empty,
        Begun::Own => match (body.rope(), body.incoming()) {
            (Some(rope), _) => RequestBody::Bytes(rope.pieces().collect()),
            (None, Some(incoming)) => upload(From::Native(Rc::new(Pieces::of(incoming))), length),
            (None, None) => {
                body.with(ctx, Bytes::copy_from_slice)?.map_or(RequestBody::Empty, RequestBody::of)
            }
        },
        Begun::Source(source) => match source.whole() {
            Some(bytes) => RequestBody::of(bytes),
            None => {
                source.begin();
                upload(From::Native(source), length)
            }
        },
        Begun::Reader(reader) => {
            *call.reader.borrow_mut() = Some(Rooted::new(reader.clone()));
            let Some(engine) = State::of(ctx).engine().upgrade() else {
                return Err(exception::internal_error(ctx, "the engine is gone"));
            };
            // A length that came with a served request need not be that of what the app makes of it.
            let length = length.filter(|_| !request.shared_headers().is_served());
            upload(From::Stream(StreamReader::new(engine, reader)?), length)
        }
    })
}
