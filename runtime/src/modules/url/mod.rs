//! `URL` of the WHATWG URL standard, on the `url` crate.
//!
//! Owns: the class and its record, which its `searchParams` shares. Must not know: who asks.
//! Parsing, serialising and the setters' rules are the crate's (`url::quirks`).

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};
use url::quirks;

use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::display::Display;
use crate::js::held::{Slot, Tracer};
use crate::js::{exception, value};

pub mod search_params;

use super::blob::urls;
use search_params::{Pair, SearchParams};

/// A URL record and the list of its query's pairs, once somebody asked for them.
pub struct Record {
    charge: Charge,
    url: RefCell<url::Url>,
    list: RefCell<Option<Vec<Pair>>>,
}

/// A `URL` object.
pub struct Url {
    record: Rc<Record>,
    params: Slot,
}

impl Url {
    /// A URL object's data for `url`.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(ctx: &Ctx<'_>, url: url::Url) -> Result<Url> {
        let record = Record { charge: Charge::default(), url: RefCell::new(url), list: RefCell::new(None) };
        record.account(ctx)?;
        Ok(Url { record: Rc::new(record), params: Slot::default() })
    }

    /// The serialised URL, lent.
    pub fn with_href<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        f(self.record.url.borrow().as_str())
    }
}

impl Record {
    /// Counts the URL's bytes, and its list's.
    pub(super) fn account(&self, ctx: &Ctx<'_>) -> Result<()> {
        let list = self.list.borrow().as_ref().map_or(0, |list| search_params::bytes_of(list));
        self.charge.set(ctx, self.url.borrow().as_str().len() + list)
    }

    /// The query's pairs, parsed the first time.
    pub(super) fn with_list<R>(&self, f: impl FnOnce(&mut Vec<Pair>) -> R) -> R {
        let mut list = self.list.borrow_mut();
        f(list.get_or_insert_with(|| {
            let url = self.url.borrow();
            search_params::parse(url.query().unwrap_or(""))
        }))
    }

    /// The update steps of a `URLSearchParams` (URL standard, section 6.2).
    pub(super) fn update(&self) {
        let query = self.with_list(|list| search_params::serialize(list));
        self.url.borrow_mut().set_query((!query.is_empty()).then_some(&query));
    }
}

/// Registers `URL` and `URLSearchParams`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<Url>(ctx)?;
    class::register::<SearchParams>(ctx)?;
    super::iterate::register::<SearchParams>(ctx)
}

/// A getter on a string component.
macro_rules! get {
    ($part:expr) => {
        |this, scope| value::string(scope.ctx, $part(&this.record.url.borrow()).as_ref())
    };
}

/// A setter on a component: a value that does not fit changes nothing.
macro_rules! set {
    ($part:expr) => {
        |this, scope| {
            let text = value::to_string(&scope.arg(0))?;
            let _ = $part(&mut this.record.url.borrow_mut(), &text);
            this.record.account(scope.ctx)?;
            Ok(scope.undefined())
        }
    };
}

impl Class for Url {
    const ID: u32 = 110;
    const NAME: &'static CStr = c"URL";
    const LENGTH: u8 = 1;
    const DISPLAY: Option<Display> = Some(Display::Attributes(
        &[
            "href",
            "origin",
            "protocol",
            "username",
            "password",
            "host",
            "hostname",
            "port",
            "pathname",
            "search",
            "searchParams",
            "hash",
        ],
        class::attribute::<Self>,
    ));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Static(c"parse", 1, parse),
        Member::Static(c"canParse", 1, can_parse),
        Member::Static(c"createObjectURL", 1, urls::create),
        Member::Static(c"revokeObjectURL", 1, urls::revoke),
        Member::GetSet(c"href", get!(quirks::href), set_href),
        Member::Get(c"origin", get!(origin)),
        Member::GetSet(c"protocol", get!(quirks::protocol), set!(quirks::set_protocol)),
        Member::GetSet(c"username", get!(quirks::username), set!(quirks::set_username)),
        Member::GetSet(c"password", get!(quirks::password), set!(quirks::set_password)),
        Member::GetSet(c"host", get!(quirks::host), set!(quirks::set_host)),
        Member::GetSet(c"hostname", get!(quirks::hostname), set!(quirks::set_hostname)),
        Member::GetSet(c"port", get!(quirks::port), set!(quirks::set_port)),
        Member::GetSet(c"pathname", get!(quirks::pathname), set!(set_pathname)),
        Member::GetSet(c"search", get!(quirks::search), set_search),
        Member::Get(c"searchParams", search_params),
        Member::GetSet(c"hash", get!(quirks::hash), set!(quirks::set_hash)),
        Member::Method(c"toString", 0, get!(quirks::href)),
        Member::Method(c"toJSON", 0, get!(quirks::href)),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        scope.require(1, "URL")?;
        match from_arguments(scope)? {
            Some(url) => Url::new(scope.ctx, url),
            None => Err(invalid(scope.ctx, &value::to_string(&scope.arg(0))?)),
        }
    }

    fn trace(&self, tracer: &Tracer) {
        self.params.trace(tracer);
    }
}

fn invalid(ctx: &Ctx<'_>, text: &str) -> rquickjs::Error {
    let shown: String = text.chars().take(200).collect();
    exception::type_error(ctx, &format!("Invalid URL: '{shown}'"))
}

/// The URL that arguments 0 (URL) and 1 (base) stand for; none if they do not parse.
fn from_arguments(scope: &Scope<'_, '_>) -> Result<Option<url::Url>> {
    if !scope.has(1) {
        return value::with_str(&scope.arg(0), |text| url::Url::parse(text).ok().map(with_carets));
    }
    let text = value::to_string(&scope.arg(0))?;
    let base = value::with_str(&scope.arg(1), |base| url::Url::parse(base).ok())?;
    Ok(base.and_then(|base| base.join(&fewer_slashes(&base, text)).ok()).map(with_carets))
}

/// Beside a special scheme, more than two slashes at the front are as good as two ("special authority
/// ignore slashes state"); the crate refuses them where there is a base.
fn fewer_slashes(base: &url::Url, text: String) -> String {
    let is_web = matches!(base.scheme(), "http" | "https" | "ws" | "wss" | "ftp");
    let trimmed = text.trim_start_matches(|c| c <= ' ');
    let rest = trimmed.trim_start_matches(['/', '\\']);
    match is_web && trimmed.len() - rest.len() > 2 {
        true => format!("//{rest}"),
        false => text,
    }
}

/// The crate's origin, but a blob's URL has one only of http: and https: (URL standard, section 4.7).
fn origin(url: &url::Url) -> String {
    if url.scheme() != "blob" {
        return quirks::origin(url);
    }
    let inner = url::Url::parse(url.path()).ok().filter(|inner| matches!(inner.scheme(), "http" | "https"));
    inner.map_or_else(|| "null".into(), |inner| quirks::origin(&inner))
}

/// The path percent-encode set has U+005E since 2024; the crate's has not.
fn with_carets(mut url: url::Url) -> url::Url {
    let is_plain = url.has_host() || !url.path().starts_with("//");
    if url.path().contains('^') && !url.cannot_be_a_base() && is_plain {
        let path = url.path().replace('^', "%5E");
        url.set_path(&path);
    }
    url
}

fn parse<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URL.parse")?;
    match from_arguments(scope)? {
        Some(url) => class::instance(scope.ctx, Url::new(scope.ctx, url)?),
        None => Ok(Value::new_null(scope.ctx.clone())),
    }
}

fn can_parse<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URL.canParse")?;
    Ok(Value::new_bool(scope.ctx.clone(), from_arguments(scope)?.is_some()))
}

fn set_href<'js>(this: &Url, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let text = value::to_string(&scope.arg(0))?;
    let Ok(url) = url::Url::parse(&text) else { return Err(invalid(scope.ctx, &text)) };
    *this.record.url.borrow_mut() = with_carets(url);
    *this.record.list.borrow_mut() = None;
    this.record.account(scope.ctx)?;
    Ok(scope.undefined())
}

/// The crate's setter, but a path that begins with two slashes never becomes a host: the serialiser
/// puts `/.` before it (URL standard, section 4.5).
fn set_pathname(url: &mut url::Url, path: &str) {
    let encoded = if url.cannot_be_a_base() { path.to_owned() } else { path.replace('^', "%5E") };
    quirks::set_pathname(url, &encoded);
    let after_scheme = &url.as_str()[url.scheme().len() + 1..];
    if !url.has_host() && url.path().starts_with("//") && !after_scheme.starts_with("/.") {
        let guarded = format!("{}:/.{}", url.scheme(), &url[url::Position::BeforePath..]);
        if let Ok(guarded) = url::Url::parse(&guarded) {
            *url = guarded;
        }
    }
}

fn set_search<'js>(this: &Url, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let text = value::to_string(&scope.arg(0))?;
    quirks::set_search(&mut this.record.url.borrow_mut(), &text);
    *this.record.list.borrow_mut() = None;
    this.record.account(scope.ctx)?;
    Ok(scope.undefined())
}

fn search_params<'js>(this: &Url, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let make = || class::instance(scope.ctx, SearchParams::of(this.record.clone()));
    this.params.get_or(scope.ctx, make)
}
