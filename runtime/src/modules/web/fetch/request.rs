//! The Request class (Fetch section 5.4), for requests that came in and for those a script makes.
//!
//! Owns: the lazy view of an incoming head. Must not know: the wire.

use std::cell::{Cell, OnceCell};
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use super::body::{Body, Source};
use super::header_list::{self, HeaderList};
use super::headers::{Headers, SharedHeaders, dictionary, member};
use super::incoming::{Head, IncomingBody};
use super::mixin::{self, Bodied};
use super::settings::Settings;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::exception::type_error;
use crate::js::held::{Slot, Tracer};
use crate::js::value;
use crate::modules::web::abort;
use crate::modules::web::url::parse;

enum Line {
    /// As some protocol parsed it, and the scheme of its URL.
    Incoming(Rc<dyn Head>, &'static str),
    Made {
        method: Box<str>,
        url: Box<str>,
    },
}

/// The class. An incoming request copies nothing until the script asks for it.
pub struct Request {
    line: Line,
    headers: OnceCell<SharedHeaders>,
    body: Body,
    headers_object: Slot,
    signal: Slot,
    /// The client is gone.
    left: Cell<bool>,
    /// `None`: all at their defaults.
    settings: Option<Box<Settings>>,
}

impl Request {
    /// An incoming request. GET and HEAD have no body (Fetch, section 5.4; Deno and Bun serve them so): where a
    /// client sends one, `new Request(request)` would throw.
    pub fn incoming(head: Rc<dyn Head>, scheme: &'static str, body: Option<IncomingBody>) -> Self {
        let body = body.filter(|_| !matches!(head.method(), "GET" | "HEAD"));
        Request {
            line: Line::Incoming(head, scheme),
            headers: OnceCell::new(),
            body: Body::new(body.map_or(Source::Null, Source::Incoming)),
            headers_object: Slot::default(),
            signal: Slot::default(),
            left: Cell::new(false),
            settings: None,
        }
    }

    /// The client is gone: the signal aborts.
    ///
    /// # Errors
    /// Out of memory; what listeners throw is reported.
    pub fn abandon(&self, ctx: &Ctx<'_>) -> Result<()> {
        match self.signal.get(ctx) {
            Some(signal) if !self.left.replace(true) => abort::abort(ctx, &signal, None),
            _ => {
                self.left.set(true);
                Ok(())
            }
        }
    }

    /// Shows a setting as a string.
    fn setting<'js>(&self, s: &Scope<'_, 'js>, pick: impl Fn(&Settings) -> &str) -> Result<Value<'js>> {
        match &self.settings {
            Some(settings) => value::string(s.ctx, pick(settings)),
            None => value::string(s.ctx, pick(&Settings::default())),
        }
    }

    /// Path and query, of an incoming request as they were sent.
    pub(crate) fn target(&self) -> String {
        match &self.line {
            Line::Incoming(head, _) => head.path_and_query().to_owned(),
            Line::Made { url, .. } => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let path = rest.find('/').map_or("/", |at| &rest[at..]);
                path.split('#').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// Gives `f` names and values of its headers.
    pub(crate) fn for_each_field(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        match (&self.line, self.headers.get()) {
            (Line::Incoming(head, _), None) => head.fields(f),
            _ => self.shared_headers().list().iter().for_each(|(name, value)| f(name, value)),
        }
    }

    pub(crate) fn method(&self) -> &str {
        match &self.line {
            Line::Incoming(head, _) => head.method(),
            Line::Made { method, .. } => method,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        match &self.line {
            Line::Incoming(head, scheme) => incoming_url(scheme, &**head),
            Line::Made { url, .. } => url.to_string(),
        }
    }

    /// Its header fields.
    pub fn shared_headers(&self) -> &SharedHeaders {
        self.headers.get_or_init(|| {
            let mut list = HeaderList::default();
            if let Line::Incoming(head, _) = &self.line {
                head.fields(&mut |name, field| list.append(name, field));
            }
            match &self.line {
                Line::Incoming(..) => SharedHeaders::served(list),
                Line::Made { .. } => SharedHeaders::new(list, true),
            }
        })
    }

    /// The head of a request that came in.
    pub fn incoming_head(&self) -> Option<&Rc<dyn Head>> {
        match &self.line {
            Line::Incoming(head, _) => Some(head),
            Line::Made { .. } => None,
        }
    }

    /// Its settings, defaults where none were set.
    pub(super) fn settings(&self) -> Settings {
        self.settings.as_deref().cloned().unwrap_or_default()
    }

    /// Its signal, if there is one that can abort.
    pub(super) fn signal<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        self.signal.get(ctx)
    }

    fn get_method<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, self.method())
    }

    fn get_url<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        value::string(s.ctx, &self.url())
    }

    fn get_headers<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.headers_object.get_or(s.ctx, || class::instance(s.ctx, Headers(self.shared_headers().clone())))
    }

    fn get_signal<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.own_signal(s.ctx)
    }

    fn own_signal<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        self.signal.get_or(ctx, || {
            let signal = abort::signal(ctx)?;
            if self.left.get() {
                abort::abort(ctx, &signal, None)?;
            }
            Ok(signal)
        })
    }

    /// A request like this one; a clone has the same guard on its headers, too.
    fn duplicate(&self, ctx: &Ctx<'_>, body: Body, clone: bool) -> Result<Request> {
        let line = match &self.line {
            Line::Incoming(head, scheme) => Line::Incoming(head.clone(), scheme),
            Line::Made { method, url } => Line::Made { method: method.clone(), url: url.clone() },
        };
        let headers = match clone {
            true => self.shared_headers().copy(),
            false => self.shared_headers().copy_open(),
        };
        let signal = Slot::default();
        let own = match &self.line {
            Line::Incoming(..) => Some(self.own_signal(ctx)?),
            Line::Made { .. } => self.signal.get(ctx),
        };
        if let Some(own) = own {
            signal.set(Some(abort::dependent(&own)?));
        }
        let headers = OnceCell::from(headers);
        let settings = self.settings.clone();
        let (headers_object, left) = (Slot::default(), Cell::new(false));
        Ok(Request { line, headers, body, headers_object, signal, left, settings })
    }

    fn clone_request<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        class::instance(s.ctx, self.duplicate(s.ctx, self.body.duplicate(s.ctx)?, true)?)
    }

    fn constant<'js>(s: &Scope<'_, 'js>, text: &str) -> Result<Value<'js>> {
        value::string(s.ctx, text)
    }
}

/// The URL of an incoming request, serialised as the URL standard does. Most targets are in that
/// form already; only the others pay for a parse.
fn incoming_url(scheme: &str, head: &dyn Head) -> String {
    let (authority, path) = (head.authority(), head.path_and_query());
    let authority = if authority.is_empty() { "localhost" } else { authority };
    let path = if path == "*" { "/*" } else { path };
    let mut url = String::with_capacity(scheme.len() + 4 + authority.len() + path.len());
    url.push_str(scheme);
    url.push_str("://");
    url.push_str(authority);
    if !path.starts_with('/') {
        url.push('/');
    }
    url.push_str(path);
    match is_serialised_authority(authority) && is_serialised_path(path) {
        true => url,
        false => parse(&url, None).map_or(url, |parsed| parsed.href()),
    }
}

/// Whether the URL parser would leave a path and query as they are: nothing to encode, no segment of
/// dots.
fn is_serialised_path(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|b| {
        let dots = b == b'.' && before == b'/';
        before = b;
        !dots && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'\'' | b'%')
    })
}

/// Whether the URL parser would leave `host[:port]` as it is. False for all that it has to look at
/// closely: upper case, numbers (but this machine's own), brackets, ports in need of a change.
fn is_serialised_authority(authority: &str) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, "1"));
    if port.is_empty() || port.starts_with('0') || matches!(port, "80" | "443") {
        return false;
    }
    let name = host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    // A last label that begins with a letter is no number; xn-- labels are checked by the parser.
    let last = host.rsplit('.').next().unwrap_or_default();
    host == "127.0.0.1"
        || (name && last.starts_with(|c: char| c.is_ascii_lowercase()) && !host.contains("xn--"))
}

/// The method as Fetch normalises it.
///
/// # Errors
/// TypeError for what is no token, and for CONNECT, TRACE and TRACK.
fn checked_method(ctx: &Ctx<'_>, method: &Value<'_>) -> Result<Box<str>> {
    let text = value::to_string(method)?;
    let upper = text.to_ascii_uppercase();
    if !header_list::is_name(text.as_bytes()) || matches!(upper.as_str(), "CONNECT" | "TRACE" | "TRACK") {
        return Err(type_error(ctx, &format!("Request: {text:?} is not a method that can be used")));
    }
    let known = matches!(upper.as_str(), "DELETE" | "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT");
    Ok(if known { upper } else { text }.into_boxed_str())
}

fn checked_url(ctx: &Ctx<'_>, input: &Value<'_>) -> Result<Box<str>> {
    let text = value::to_string(input)?;
    let url = parse(&text, None)
        .ok_or_else(|| type_error(ctx, &format!("Request: {text:?} is not an absolute URL")))?;
    if url.has_credentials() {
        return Err(type_error(ctx, "Request: the URL carries credentials"));
    }
    Ok(url.href().into_boxed_str())
}

impl Bodied for Request {
    fn body(&self) -> &Body {
        &self.body
    }

    fn content_type(&self) -> Option<Vec<u8>> {
        self.shared_headers().list().get(b"content-type")
    }
}

impl class_id::Of for class_id::Request {
    type Class = Request;
}

impl Class for Request {
    type Id = class_id::Request;
    const NAME: &'static CStr = c"Request";
    const LENGTH: u8 = 1;
    const DISPLAY: Option<Display> =
        Some(Display::Attributes(&["method", "url", "headers", "bodyUsed"], class::attribute::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"method", Request::get_method),
        Member::Get(c"url", Request::get_url),
        Member::Get(c"headers", Request::get_headers),
        Member::Get(c"destination", |_, s| Request::constant(s, "")),
        Member::Get(c"referrer", |r, s| r.setting(s, |it| &it.referrer)),
        Member::Get(c"referrerPolicy", |r, s| r.setting(s, |it| it.referrer_policy)),
        Member::Get(c"mode", |r, s| r.setting(s, |it| it.mode)),
        Member::Get(c"credentials", |r, s| r.setting(s, |it| it.credentials)),
        Member::Get(c"cache", |r, s| r.setting(s, |it| it.cache)),
        Member::Get(c"redirect", |r, s| r.setting(s, |it| it.redirect)),
        Member::Get(c"integrity", |r, s| r.setting(s, |it| &it.integrity)),
        Member::Get(c"keepalive", |r, s| {
            Ok(Value::new_bool(s.ctx.clone(), r.settings.as_ref().is_some_and(|it| it.keepalive)))
        }),
        Member::Get(c"signal", Request::get_signal),
        Member::Get(c"duplex", |_, s| Request::constant(s, "half")),
        Member::Get(c"body", mixin::stream::<Self>),
        Member::Get(c"bodyUsed", mixin::used::<Self>),
        Member::Async(c"arrayBuffer", 0, mixin::array_buffer::<Self>),
        Member::Async(c"blob", 0, mixin::blob::<Self>),
        Member::Async(c"bytes", 0, mixin::bytes::<Self>),
        Member::Async(c"formData", 0, mixin::form_data::<Self>),
        Member::Async(c"json", 0, mixin::json::<Self>),
        Member::Async(c"text", 0, mixin::text::<Self>),
        Member::Method(c"clone", 0, Request::clone_request),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        scope.require(1, "Request")?;
        let ctx = scope.ctx;
        let (input, init) = (scope.arg(0), scope.arg(1));
        let init = dictionary(ctx, &init, "Request")?;
        let given = member(init.as_ref(), ctx, "body")?;
        let replaced = !given.is_undefined() && !given.is_null();
        let from = class::get::<Request>(&input);
        let mut request = match from {
            Some(from) => {
                if !replaced {
                    from.body.check_usable(ctx)?;
                }
                from.duplicate(ctx, Body::new(Source::Null), false)?
            }
            None => Request {
                line: Line::Made { method: "GET".into(), url: checked_url(ctx, &input)? },
                headers: OnceCell::from(SharedHeaders::default()),
                body: Body::new(Source::Null),
                headers_object: Slot::default(),
                signal: Slot::default(),
                left: Cell::new(false),
                settings: None,
            },
        };
        if let Some(init) = &init {
            request.settings = Settings::update(request.settings.as_deref(), init)?;
        }
        let headers = member(init.as_ref(), ctx, "headers")?;
        let method = member(init.as_ref(), ctx, "method")?;
        if !method.is_undefined() {
            let url = request.url().into_boxed_str();
            request.line = Line::Made { method: checked_method(ctx, &method)?, url };
        }
        if !headers.is_undefined() {
            let shared = SharedHeaders::default();
            shared.fill(ctx, &headers)?;
            request.headers = OnceCell::from(shared);
        }
        let duplex = member(init.as_ref(), ctx, "duplex")?;
        let signal = member(init.as_ref(), ctx, "signal")?;
        if signal.is_null() {
            request.signal.set(None);
        } else if !signal.is_undefined() {
            if !abort::is_signal(&signal)? {
                return Err(type_error(ctx, "Request: signal is not an AbortSignal"));
            }
            request.signal.set(Some(abort::dependent(&signal)?));
        }
        let has_body = replaced || from.is_some_and(|from| !from.body.is_null());
        if has_body && matches!(request.method(), "GET" | "HEAD") {
            return Err(type_error(ctx, "Request: GET and HEAD requests cannot have a body"));
        }
        if replaced {
            let (body, content_type) = Body::extract(ctx, &given)?;
            if body.is_stream() && duplex.is_undefined() {
                return Err(type_error(ctx, "Request: a stream as the body needs duplex: 'half'"));
            }
            request.body = body;
            if let Some(content_type) = content_type {
                request.shared_headers().append_default("content-type", &content_type);
            }
        } else if let Some(from) = from {
            // Only a request that came to be takes the body of the one that it is made from.
            request.body = from.body.hand_over(ctx)?;
        }
        Ok(request)
    }

    fn trace(&self, tracer: &Tracer) {
        self.body.trace(tracer);
        self.headers_object.trace(tracer);
        self.signal.trace(tracer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Line2(&'static str, &'static str);
    impl Head for Line2 {
        fn method(&self) -> &str {
            "GET"
        }
        fn authority(&self) -> &str {
            self.0
        }
        fn path_and_query(&self) -> &str {
            self.1
        }
        fn fields(&self, _f: &mut dyn FnMut(&[u8], &[u8])) {}
    }

    #[test]
    fn the_short_cut_agrees_with_the_url_standard() {
        for authority in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "localhost:8080",
            "Example.COM",
            "a.b:80",
            "a.b:0080",
            "a.b:443",
            "a:",
            "[::1]:80",
            "1.2",
            "0xa",
            "0x7f.1:90",
            "a.0b",
            "a..b",
            "a.b.",
            "a-b.c-d",
            "",
        ] {
            for path in [
                "/",
                "/a/b?c=d&e",
                "/a/../b",
                "/./",
                "/%7e?x='y'",
                "/a\\b",
                "",
                "?q",
                "/{x}",
                "/.well-known/x",
            ] {
                for scheme in ["http", "https"] {
                    let got = incoming_url(scheme, &Line2(authority, path));
                    let host = if authority.is_empty() { "localhost" } else { authority };
                    let slash = if path.starts_with('/') { "" } else { "/" };
                    let full = format!("{scheme}://{host}{slash}{path}");
                    assert_eq!(got, parse(&full, None).unwrap().href(), "{scheme} {authority} {path}");
                }
            }
        }
    }
}
