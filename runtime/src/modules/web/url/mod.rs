//! `URL` of the WHATWG URL standard.
//!
//! Owns: the class and its record, which its `searchParams` shares. Must not know: who asks, the rules of
//! parsing and of the setters.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Result, Value};

use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::held::{Slot, Tracer};
use crate::js::{exception, value};

mod parser;
mod record;
pub mod search_params;
mod set;

use super::blob::urls;
pub use parser::parse;
pub use record::UrlRecord;
use search_params::{Pair, SearchParams};

/// A URL record and the list of its query's pairs, once somebody asked for them.
pub struct Record {
    charge: Charge,
    url: RefCell<UrlRecord>,
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
    pub fn new(ctx: &Ctx<'_>, url: UrlRecord) -> Result<Url> {
        let record = Record { charge: Charge::default(), url: RefCell::new(url), list: RefCell::new(None) };
        record.account(ctx)?;
        Ok(Url { record: Rc::new(record), params: Slot::default() })
    }
}

impl Record {
    /// Counts the URL's bytes, and its list's.
    pub(super) fn account(&self, ctx: &Ctx<'_>) -> Result<()> {
        let list = self.list.borrow().as_ref().map_or(0, |list| search_params::bytes_of(list));
        self.charge.set(ctx, self.url.borrow().bytes() + list)
    }

    /// The query's pairs, parsed the first time.
    pub(super) fn with_list<R>(&self, f: impl FnOnce(&mut Vec<Pair>) -> R) -> R {
        let mut list = self.list.borrow_mut();
        f(list.get_or_insert_with(|| {
            let url = self.url.borrow();
            search_params::parse(url.query.as_deref().unwrap_or(""))
        }))
    }

    /// The update steps of a `URLSearchParams` (URL standard, section 6.2).
    pub(super) fn update(&self) {
        let query = self.with_list(|list| search_params::serialize(list));
        self.url.borrow_mut().query = (!query.is_empty()).then_some(query);
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
    ($url:ident => $part:expr) => {
        |this, scope| {
            let $url = this.record.url.borrow();
            value::string(scope.ctx, &$part)
        }
    };
}

/// A setter on a component: a value that does not fit changes nothing.
macro_rules! set {
    ($set:expr) => {
        |this, scope| {
            let text = value::to_string(&scope.arg(0))?;
            $set(&mut this.record.url.borrow_mut(), &text);
            this.record.account(scope.ctx)?;
            Ok(scope.undefined())
        }
    };
}

impl class_id::Of for class_id::Url {
    type Class = Url;
}

impl Class for Url {
    type Id = class_id::Url;
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
        Member::Static(c"parse", 1, parse_url),
        Member::Static(c"canParse", 1, can_parse),
        Member::Static(c"createObjectURL", 1, urls::create),
        Member::Static(c"revokeObjectURL", 1, urls::revoke),
        Member::GetSet(c"href", get!(url => url.href()), set_href),
        Member::Get(c"origin", get!(url => origin(&url))),
        Member::GetSet(c"protocol", get!(url => url.protocol()), set!(set::protocol)),
        Member::GetSet(c"username", get!(url => url.username), set!(set::username)),
        Member::GetSet(c"password", get!(url => url.password), set!(set::password)),
        Member::GetSet(c"host", get!(url => url.host()), set!(set::host)),
        Member::GetSet(c"hostname", get!(url => url.host.as_deref().unwrap_or("")), set!(set::hostname)),
        Member::GetSet(c"port", get!(url => url.port()), set!(set::port)),
        Member::GetSet(c"pathname", get!(url => url.path), set!(set::pathname)),
        Member::GetSet(c"search", get!(url => url.search()), set_search),
        Member::Get(c"searchParams", search_params),
        Member::GetSet(c"hash", get!(url => url.hash()), set!(set::hash)),
        Member::Method(c"toString", 0, get!(url => url.href())),
        Member::Method(c"toJSON", 0, get!(url => url.href())),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        scope.require(1, "URL")?;
        match from_arguments(scope)? {
            Ok(url) => Url::new(scope.ctx, url),
            Err(shown) => Err(invalid(scope.ctx, &shown)),
        }
    }

    fn trace(&self, tracer: &Tracer) {
        self.params.trace(tracer);
    }
}

/// The serialised origin (URL standard, section 4.7).
pub fn origin(url: &UrlRecord) -> String {
    match &*url.scheme {
        "blob" => match parse(&url.path, None) {
            Some(inner) if matches!(&*inner.scheme, "http" | "https") => origin(&inner),
            _ => "null".into(),
        },
        "ftp" | "http" | "https" | "ws" | "wss" => format!("{}://{}", url.scheme, url.host()),
        _ => "null".into(),
    }
}

/// The beginning of a text that is no URL, for a message.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

fn invalid(ctx: &Ctx<'_>, shown: &str) -> rquickjs::Error {
    exception::type_error(ctx, &format!("Invalid URL: '{shown}'"))
}

/// The URL that arguments 0 (URL) and 1 (base) stand for; [`shown`] of argument 0 if they do not parse.
fn from_arguments(scope: &Scope<'_, '_>) -> Result<std::result::Result<UrlRecord, String>> {
    let parsed = |text: &str, base: Option<&UrlRecord>| parse(text, base).ok_or_else(|| shown(text));
    if !scope.has(1) {
        return value::with_str(&scope.arg(0), |text| parsed(text, None));
    }
    let text = value::to_string(&scope.arg(0))?;
    let base = value::with_str(&scope.arg(1), |base| parse(base, None))?;
    Ok(match base {
        Some(base) => parsed(&text, Some(&base)),
        None => Err(shown(&text)),
    })
}

fn parse_url<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URL.parse")?;
    match from_arguments(scope)? {
        Ok(url) => class::instance(scope.ctx, Url::new(scope.ctx, url)?),
        Err(_) => Ok(Value::new_null(scope.ctx.clone())),
    }
}

fn can_parse<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URL.canParse")?;
    Ok(Value::new_bool(scope.ctx.clone(), from_arguments(scope)?.is_ok()))
}

fn set_href<'js>(this: &Url, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let text = value::to_string(&scope.arg(0))?;
    let Some(url) = parse(&text, None) else { return Err(invalid(scope.ctx, &shown(&text))) };
    *this.record.url.borrow_mut() = url;
    *this.record.list.borrow_mut() = None;
    this.record.account(scope.ctx)?;
    Ok(scope.undefined())
}

fn set_search<'js>(this: &Url, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let text = value::to_string(&scope.arg(0))?;
    set::search(&mut this.record.url.borrow_mut(), &text);
    *this.record.list.borrow_mut() = None;
    this.record.account(scope.ctx)?;
    Ok(scope.undefined())
}

fn search_params<'js>(this: &Url, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let make = || class::instance(scope.ctx, SearchParams::of(this.record.clone()));
    this.params.get_or(scope.ctx, make)
}
