//! The Headers class (Fetch section 5.1).
//!
//! Owns: the JavaScript face of a [`HeaderList`], guards. Must not know: requests and responses.

use std::cell::{Cell, Ref, RefCell};
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Ctx, Object, Result, Value};

use super::header_list::{self, HeaderList};
use crate::js::charge::Charge;
use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::engine::State;
use crate::js::exception::{range_error, type_error};
use crate::js::held::Slot;
use crate::js::{reflect, value};
use crate::modules::web::iterate::{self, PairSource};

/// Fields of one list: a bound on memory that the engine's heap limit does not see.
const FIELDS_MAX: usize = 10_000;
/// Bytes of one list's names and values.
const BYTES_MAX: usize = 1 << 20;

/// A list that a Headers object, and the Request or Response it belongs to, share.
#[derive(Clone, Default)]
pub struct SharedHeaders(Rc<Inner>);

#[derive(Default)]
struct Inner {
    list: RefCell<HeaderList>,
    immutable: Cell<bool>,
    /// It is a served request's, or was copied from one and has kept its Content-Length.
    served: Cell<bool>,
    sorted: RefCell<Option<Vec<(String, String)>>>,
    charge: Charge,
}

impl SharedHeaders {
    /// Shares `list`; an immutable one throws on every change.
    pub fn new(list: HeaderList, immutable: bool) -> Self {
        let shared = SharedHeaders::default();
        *shared.0.list.borrow_mut() = list;
        shared.0.immutable.set(immutable);
        shared
    }

    /// The list of a served request: immutable.
    pub fn served(list: HeaderList) -> Self {
        let shared = SharedHeaders::new(list, true);
        shared.0.served.set(true);
        shared
    }

    /// Whether its Content-Length is that of a request which this server has received, and not what the
    /// app wants to send.
    pub fn is_served(&self) -> bool {
        self.0.served.get()
    }

    /// A copy of its own, with the same guard.
    pub fn copy(&self) -> Self {
        self.copy_with(self.0.immutable.get())
    }

    /// A copy of its own that can be changed.
    pub fn copy_open(&self) -> Self {
        self.copy_with(false)
    }

    fn copy_with(&self, immutable: bool) -> Self {
        let shared = SharedHeaders::new(self.list().clone(), immutable);
        shared.0.served.set(self.is_served());
        shared
    }

    /// The list.
    pub fn list(&self) -> Ref<'_, HeaderList> {
        self.0.list.borrow()
    }

    /// Changes the list, by which it grows by `more` bytes at most.
    fn change(&self, ctx: &Ctx<'_>, more: usize, f: impl FnOnce(&mut HeaderList)) -> Result<()> {
        if self.0.immutable.get() {
            return Err(type_error(ctx, "Headers are immutable"));
        }
        let (fields, bytes) = (self.list().len(), self.list().bytes() + more);
        if more > 0 && (fields >= FIELDS_MAX || bytes > BYTES_MAX) {
            return Err(range_error(ctx, "Headers: more than 10,000 fields or 1 MiB"));
        }
        self.0.charge.set(ctx, bytes)?;
        f(&mut self.0.list.borrow_mut());
        self.0.sorted.replace(None);
        Ok(())
    }

    /// Adds a field after the checks that Headers.append makes.
    ///
    /// # Errors
    /// TypeError for what is no name or no value.
    pub fn append(&self, ctx: &Ctx<'_>, name: &Value<'_>, field: &Value<'_>) -> Result<()> {
        let (name, field) = (checked_name(ctx, name)?, checked_value(ctx, field)?);
        self.change(ctx, name.len() + field.len(), |list| list.append(&name, &field))
    }

    /// Adds a field that needs no check unless one of that name is there.
    pub fn append_default(&self, name: &str, field: &str) {
        let mut list = self.0.list.borrow_mut();
        if !list.has(name.as_bytes()) {
            list.append(name.as_bytes(), field.as_bytes());
        }
    }

    /// Fills an empty list from a HeadersInit (Fetch, "fill").
    ///
    /// # Errors
    /// TypeError for what is no HeadersInit, and what its getters throw.
    pub fn fill<'js>(&self, ctx: &Ctx<'js>, init: &Value<'js>) -> Result<()> {
        if init.is_undefined() {
            return Ok(());
        }
        let Some(object) = init.as_object() else {
            return Err(type_error(ctx, "Headers: the init is neither a sequence nor a record"));
        };
        let iterator = iterate::method(object)?;
        // Short for what its own iteration would give, which an app can replace.
        if let Some(other) = class::get::<Headers>(init)
            && iterator.as_ref().is_some_and(|iterator| is_own(ctx, iterator))
        {
            self.0.charge.set(ctx, other.0.list().bytes())?;
            *self.0.list.borrow_mut() = other.0.list().clone();
            self.0.served.set(other.0.is_served());
            return Ok(());
        }
        if let Some(iterator) = iterator {
            return iterate::pairs(object, iterator, "Headers", |name, field| self.append(ctx, name, field));
        }
        iterate::record(object, |name, field| self.append(ctx, name, field))
    }
}

/// `Headers.prototype[Symbol.iterator]` as it was before an app could replace it.
#[derive(Default)]
struct OwnIterator(Slot);

/// Keeps the iterator of the class; call it where that is registered.
///
/// # Errors
/// Out of memory.
pub(super) fn keep_iterator(ctx: &Ctx<'_>) -> Result<()> {
    let class: Object = ctx.globals().get("Headers")?;
    let own: Value = class.get::<_, Object>("prototype")?.get(PredefinedAtom::SymbolIterator)?;
    State::of(ctx).extension::<OwnIterator>().0.set(Some(own));
    Ok(())
}

fn is_own<'js>(ctx: &Ctx<'js>, iterator: &Value<'js>) -> bool {
    let own = State::of(ctx).extension::<OwnIterator>().0.get(ctx);
    own.is_some_and(|own| reflect::identity(&own) == reflect::identity(iterator))
}

/// A name, checked.
fn checked_name(ctx: &Ctx<'_>, name: &Value<'_>) -> Result<Vec<u8>> {
    value::with_str(name, |text| match header_list::is_name(text.as_bytes()) {
        true => Ok(text.as_bytes().to_vec()),
        false => Err(type_error(ctx, &format!("Invalid header name: {text:?}"))),
    })?
}

/// A value, normalised and checked; its characters are bytes (Web IDL's ByteString).
fn checked_value(ctx: &Ctx<'_>, field: &Value<'_>) -> Result<Vec<u8>> {
    value::with_str(field, |text| {
        let bytes: Option<Vec<u8>> = match text.is_ascii() {
            true => Some(text.as_bytes().to_vec()),
            false => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
        };
        let Some(bytes) = bytes else {
            return Err(type_error(ctx, "Invalid header value: a character is beyond U+00FF"));
        };
        let bytes = header_list::normalise(&bytes);
        match header_list::is_value(bytes) {
            true => Ok(bytes.to_vec()),
            false => Err(type_error(ctx, "Invalid header value: NUL, CR and LF cannot be in one")),
        }
    })?
}

/// The class.
pub struct Headers(pub SharedHeaders);

impl Headers {
    fn append<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(2, "Headers.append")?;
        self.0.append(s.ctx, &s.arg(0), &s.arg(1))?;
        Ok(s.undefined())
    }

    fn set<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(2, "Headers.set")?;
        let (name, field) = (checked_name(s.ctx, &s.arg(0))?, checked_value(s.ctx, &s.arg(1))?);
        self.0.change(s.ctx, name.len() + field.len(), |list| list.set(&name, &field))?;
        if name.eq_ignore_ascii_case(b"content-length") {
            self.0.0.served.set(false);
        }
        Ok(s.undefined())
    }

    fn delete<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "Headers.delete")?;
        let name = checked_name(s.ctx, &s.arg(0))?;
        self.0.change(s.ctx, 0, |list| list.delete(&name))?;
        Ok(s.undefined())
    }

    fn get<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "Headers.get")?;
        let name = checked_name(s.ctx, &s.arg(0))?;
        match self.0.list().get(&name) {
            Some(field) => value::byte_string(s.ctx, &field),
            None => Ok(Value::new_null(s.ctx.clone())),
        }
    }

    fn has<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        s.require(1, "Headers.has")?;
        let name = checked_name(s.ctx, &s.arg(0))?;
        Ok(Value::new_bool(s.ctx.clone(), self.0.list().has(&name)))
    }

    fn get_set_cookie<'js>(&self, s: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let list = self.0.list();
        let cookies = list.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
        iterate::array(s.ctx, cookies.map(|(_, cookie)| value::byte_string(s.ctx, cookie)))
    }
}

impl class_id::Of for class_id::HeadersIterator {
    type Class = iterate::PairIterator<Headers>;
}

impl PairSource for Headers {
    type IteratorId = class_id::HeadersIterator;
    const ITERATOR_NAME: &'static CStr = c"Headers Iterator";

    fn pair(&self, index: usize) -> Option<(String, String)> {
        let shared = &self.0.0;
        let latin1 = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect::<String>();
        let mut sorted = shared.sorted.borrow_mut();
        let all = sorted.get_or_insert_with(|| {
            let list = shared.list.borrow().sorted();
            list.into_iter().map(|(name, field)| (latin1(name), latin1(field))).collect()
        });
        all.get(index).cloned()
    }
}

impl class_id::Of for class_id::Headers {
    type Class = Headers;
}

impl Class for Headers {
    type Id = class_id::Headers;
    const NAME: &'static CStr = c"Headers";
    const DISPLAY: Option<Display> = Some(Display::Pairs(": ", iterate::shown::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"append", 2, Headers::append),
        Member::Method(c"delete", 1, Headers::delete),
        Member::Method(c"get", 1, Headers::get),
        Member::Method(c"getSetCookie", 0, Headers::get_set_cookie),
        Member::Method(c"has", 1, Headers::has),
        Member::Method(c"set", 2, Headers::set),
        Member::Method(c"forEach", 1, iterate::for_each::<Self>),
        Member::Method(c"entries", 0, iterate::entries::<Self>),
        Member::Method(c"keys", 0, iterate::keys::<Self>),
        Member::Method(c"values", 0, iterate::values::<Self>),
        Member::IteratorIs(c"entries"),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        let shared = SharedHeaders::default();
        shared.fill(scope.ctx, &scope.arg(0))?;
        Ok(Headers(shared))
    }
}

/// The member `name` of an init dictionary, `undefined` where either is missing.
///
/// # Errors
/// What a getter throws.
pub fn member<'js>(init: Option<&Object<'js>>, ctx: &Ctx<'js>, name: &str) -> Result<Value<'js>> {
    match init {
        Some(object) => object.get(name),
        None => Ok(Value::new_undefined(ctx.clone())),
    }
}

/// An init dictionary: an object, or nothing.
///
/// # Errors
/// TypeError for anything else.
pub fn dictionary<'js>(ctx: &Ctx<'js>, init: &Value<'js>, what: &str) -> Result<Option<Object<'js>>> {
    if init.is_undefined() || init.is_null() {
        return Ok(None);
    }
    match init.as_object() {
        Some(object) => Ok(Some(object.clone())),
        None => Err(type_error(ctx, &format!("{what}: the init is not an object"))),
    }
}
