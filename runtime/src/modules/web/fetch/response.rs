//! The Response class (Fetch section 5.5).
//!
//! Owns: what a handler answers with. Must not know: the wire.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use super::body::{Body, Source};
use super::content_type::ContentType;
use super::header_list::HeaderList;
use super::headers::{Headers, SharedHeaders, dictionary, member};
use super::mixin::{self, Bodied};
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::exception::{range_error, type_error};
use crate::js::held::{Held, Slot, Tracer};
use crate::js::{json, value};
use crate::modules::web::streams::source::ByteSource;
use crate::modules::web::url::parse;
use crate::modules::web::websocket;

/// The class. Its headers are made only when something besides the body's content type is set or
/// the script looks at them.
pub struct Response {
    pub(crate) status: u16,
    pub(crate) reason: Option<Box<str>>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: OnceCell<SharedHeaders>,
    pub(crate) body: Body,
    error: bool,
    /// Where it comes from, if `fetch` made it.
    fetched: Option<Box<Fetched>>,
    headers_object: Slot,
    /// What answers a request that becomes a WebSocket.
    web_socket: Slot,
}

/// What only a response from elsewhere has.
#[derive(Clone)]
struct Fetched {
    url: Box<str>,
    redirected: bool,
}

impl Response {
    fn new(status: u16, body: Body) -> Self {
        Response {
            status,
            reason: None,
            content_type: None,
            headers: OnceCell::new(),
            body,
            error: false,
            fetched: None,
            headers_object: Slot::default(),
            web_socket: Slot::default(),
        }
    }

    /// A response without a body; `web_socket` makes a WebSocket of its request.
    pub fn bare(status: u16, headers: HeaderList, web_socket: Option<Value<'_>>) -> Self {
        let response = Response::new(status, Body::new(Source::Null));
        let _ = response.headers.set(SharedHeaders::new(headers, false));
        response.web_socket.set(web_socket);
        response
    }

    /// What makes a WebSocket of its request.
    pub fn web_socket<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        self.web_socket.get(ctx)
    }

    /// One that native code answers with; scripts may change its headers.
    pub(crate) fn made(status: u16, headers: HeaderList, body: Body) -> Self {
        let response = Response::new(status, body);
        let _ = response.headers.set(SharedHeaders::new(headers, false));
        response
    }

    /// What is behind `url`.
    pub(super) fn fetched(
        status: u16,
        reason: String,
        headers: HeaderList,
        body: Body,
        mut url: url::Url,
        redirected: bool,
    ) -> Self {
        url.set_fragment(None);
        let mut response = Response::new(status, body);
        response.reason = (!reason.is_empty()).then(|| reason.into_boxed_str());
        let _ = response.headers.set(SharedHeaders::new(headers, true));
        response.fetched = Some(Box::new(Fetched { url: String::from(url).into_boxed_str(), redirected }));
        response
    }

    /// A response with these fields whose body is what `source` has.
    pub fn native(headers: SharedHeaders, source: Rc<dyn ByteSource>) -> Self {
        let response = Response::new(200, Body::new(Source::Native(source)));
        let _ = response.headers.set(headers);
        response
    }

    /// Whether it is a network error (`Response.error()`).
    pub fn is_error(&self) -> bool {
        self.error
    }

    pub(super) fn shared_headers(&self) -> &SharedHeaders {
        self.headers.get_or_init(|| {
            let shared = SharedHeaders::new(Default::default(), self.error);
            if let Some(content_type) = self.content_type {
                shared.append_default("content-type", content_type);
            }
            shared
        })
    }

    /// `new Response(body, init)` for a body already extracted (Fetch, "initialize a response").
    fn initialise<'js>(
        ctx: &Ctx<'js>,
        body: Body,
        content_type: Option<ContentType>,
        init: &Value<'js>,
    ) -> Result<Self> {
        let mut response = Response::new(200, body);
        if !init.is_undefined() {
            response.set(ctx, init)?;
        }
        match content_type {
            None => {}
            Some(Cow::Borrowed(known)) if response.headers.get().is_none() => {
                response.content_type = Some(known);
            }
            Some(kind) => response.shared_headers().append_default("content-type", &kind),
        }
        Ok(response)
    }

    /// Takes over what a ResponseInit says.
    fn set<'js>(&mut self, ctx: &Ctx<'js>, init: &Value<'js>) -> Result<()> {
        let init = dictionary(ctx, init, "Response")?;
        let status = member(init.as_ref(), ctx, "status")?;
        let web_socket = member(init.as_ref(), ctx, "webSocket")?;
        if !web_socket.is_undefined() && !web_socket.is_null() {
            self.set_web_socket(ctx, &status, web_socket)?;
        } else if !status.is_undefined() {
            self.status = checked_status(ctx, &status, 200..=599)?;
        }
        let reason = member(init.as_ref(), ctx, "statusText")?;
        if !reason.is_undefined() {
            self.reason = Some(checked_reason(ctx, &reason)?);
        }
        let headers = member(init.as_ref(), ctx, "headers")?;
        if !headers.is_undefined() {
            let shared = SharedHeaders::default();
            shared.fill(ctx, &headers)?;
            let _ = self.headers.set(shared);
        }
        if !self.body.is_null() && matches!(self.status, 204 | 205 | 304) {
            return Err(type_error(ctx, &format!("Response with status {} cannot have a body", self.status)));
        }
        Ok(())
    }

    /// Takes over the `webSocket` of a ResponseInit, which Workers have.
    fn set_web_socket<'js>(&mut self, ctx: &Ctx<'js>, status: &Value<'js>, socket: Value<'js>) -> Result<()> {
        if !websocket::is_answer(ctx, &socket)? {
            return Err(type_error(
                ctx,
                "webSocket is not an end of a WebSocketPair that waits for an answer",
            ));
        }
        if value::to_number(status)? != 101.0 {
            return Err(range_error(ctx, "A Response with a webSocket has the status 101"));
        }
        if !self.body.is_null() {
            return Err(type_error(ctx, "A Response with a webSocket has no body"));
        }
        self.status = 101;
        self.web_socket.set(Some(socket));
        Ok(())
    }

    fn get_web_socket<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(self.web_socket.get(s.ctx).unwrap_or_else(|| Value::new_null(s.ctx.clone())))
    }

    fn json_static<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "Response.json")?;
        let Some(text) = json::text(&s.arg(0))? else {
            return Err(type_error(s.ctx, "Response.json: the value has no JSON form"));
        };
        let body = Body::new(Source::Text(Held::new(text)));
        class::instance(s.ctx, Response::initialise(s.ctx, body, Some("application/json".into()), &s.arg(1))?)
    }

    fn redirect<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "Response.redirect")?;
        let target = value::to_string(&s.arg(0))?;
        let url = parse(&target, None).ok_or_else(|| {
            let text = format!(
                "Response.redirect: {target:?} is not an absolute URL; make it one with new URL(path, request.url)"
            );
            type_error(s.ctx, &text)
        })?;
        let status = match s.has(1) {
            true => checked_status(s.ctx, &s.arg(1), 301..=308)?,
            false => 302,
        };
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(range_error(s.ctx, &format!("Response.redirect: {status} is not a redirect status")));
        }
        let mut list = HeaderList::default();
        list.append(b"location", url.href().as_bytes());
        let response = Response::new(status, Body::new(Source::Null));
        let _ = response.headers.set(SharedHeaders::new(list, true));
        class::instance(s.ctx, response)
    }

    fn error_static<'js>(s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let mut response = Response::new(0, Body::new(Source::Null));
        response.error = true;
        class::instance(s.ctx, response)
    }

    fn get_headers<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.headers_object.get_or(s.ctx, || class::instance(s.ctx, Headers(self.shared_headers().clone())))
    }

    fn get_status<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_int(s.ctx.clone(), self.status.into()))
    }

    fn get_ok<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(Value::new_bool(s.ctx.clone(), (200..=299).contains(&self.status)))
    }

    fn get_status_text<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, self.reason.as_deref().unwrap_or_default())
    }

    fn get_type<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(
            s.ctx,
            match &self.fetched {
                _ if self.error => "error",
                // No response is of another origin than a server's own code.
                Some(_) => "basic",
                None => "default",
            },
        )
    }

    fn get_url<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, self.fetched.as_ref().map_or("", |fetched| &fetched.url))
    }

    fn get_redirected<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let redirected = self.fetched.as_ref().is_some_and(|fetched| fetched.redirected);
        Ok(Value::new_bool(s.ctx.clone(), redirected))
    }

    fn clone_response<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let mut copy = Response::new(self.status, self.body.duplicate(s.ctx)?);
        copy.reason.clone_from(&self.reason);
        copy.error = self.error;
        copy.web_socket.set(self.web_socket.get(s.ctx));
        copy.content_type = self.content_type;
        copy.fetched.clone_from(&self.fetched);
        if let Some(headers) = self.headers.get() {
            let _ = copy.headers.set(headers.copy());
        }
        class::instance(s.ctx, copy)
    }
}

fn checked_status(ctx: &Ctx<'_>, status: &Value<'_>, range: std::ops::RangeInclusive<u16>) -> Result<u16> {
    let number = value::to_number(status)?;
    // "unsigned short" (Web IDL section 3.2.4.9): the whole part, modulo 2^16; what is not finite is 0.
    let whole = if number.is_finite() { number.trunc().rem_euclid(65_536.0) as u16 } else { 0 };
    if range.contains(&whole) {
        return Ok(whole);
    }
    let text = format!("The status {number} is outside of {} to {}", range.start(), range.end());
    Err(range_error(ctx, &text))
}

/// A reason phrase: tabs, spaces, visible characters and obs-text (RFC 9112 section 4).
fn checked_reason(ctx: &Ctx<'_>, reason: &Value<'_>) -> Result<Box<str>> {
    let text = value::to_string(reason)?;
    let allowed = |c: char| c == '\t' || (' '..='~').contains(&c) || ('\u{80}'..='\u{ff}').contains(&c);
    match text.chars().all(allowed) {
        true => Ok(text.into_boxed_str()),
        false => Err(type_error(ctx, "statusText is no reason phrase: control or wide characters")),
    }
}

impl Bodied for Response {
    fn body(&self) -> &Body {
        &self.body
    }

    fn content_type(&self) -> Option<Vec<u8>> {
        match (self.headers.get(), self.content_type) {
            (Some(headers), _) => headers.list().get(b"content-type"),
            (None, known) => known.map(|kind| kind.as_bytes().to_vec()),
        }
    }
}

impl class_id::Of for class_id::Response {
    type Class = Response;
}

impl Class for Response {
    type Id = class_id::Response;
    const NAME: &'static CStr = c"Response";
    const DISPLAY: Option<Display> = Some(Display::Attributes(
        &["status", "statusText", "headers", "bodyUsed", "url"],
        class::attribute::<Self>,
    ));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Static(c"error", 0, Response::error_static),
        Member::Static(c"json", 1, Response::json_static),
        Member::Static(c"redirect", 1, Response::redirect),
        Member::Get(c"type", Response::get_type),
        Member::Get(c"url", Response::get_url),
        Member::Get(c"redirected", Response::get_redirected),
        Member::Get(c"status", Response::get_status),
        Member::Get(c"ok", Response::get_ok),
        Member::Get(c"statusText", Response::get_status_text),
        Member::Get(c"headers", Response::get_headers),
        Member::Get(c"webSocket", Response::get_web_socket),
        Member::Get(c"body", mixin::stream::<Self>),
        Member::Get(c"bodyUsed", mixin::used::<Self>),
        Member::Async(c"arrayBuffer", 0, mixin::array_buffer::<Self>),
        Member::Async(c"blob", 0, mixin::blob::<Self>),
        Member::Async(c"bytes", 0, mixin::bytes::<Self>),
        Member::Async(c"formData", 0, mixin::form_data::<Self>),
        Member::Async(c"json", 0, mixin::json::<Self>),
        Member::Async(c"text", 0, mixin::text::<Self>),
        Member::Method(c"clone", 0, Response::clone_response),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let (body, content_type) = Body::extract(scope.ctx, &scope.arg(0))?;
        Response::initialise(scope.ctx, body, content_type, &scope.arg(1))
    }

    fn trace(&self, tracer: &Tracer) {
        self.body.trace(tracer);
        self.headers_object.trace(tracer);
        self.web_socket.trace(tracer);
    }
}
