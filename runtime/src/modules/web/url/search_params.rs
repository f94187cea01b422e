//! `URLSearchParams` of the WHATWG URL standard, section 6.
//!
//! Owns: the list of pairs, alone or shared with the URL it belongs to, and its
//! `application/x-www-form-urlencoded` forms. Must not know: requests, bodies.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;

use rquickjs::{Ctx, Object, Result, Value};

use super::Record;
use crate::js::charge::Charge;
use crate::js::class::{Class, Member, Scope};
use crate::js::class_id;
use crate::js::display::Display;
use crate::js::{exception, value};
use crate::modules::web::iterate::{self, PairSource};

/// A name and a value.
pub type Pair = (String, String);

/// Pairs of one list: a bound on what an endless iterable can make grow.
const PAIRS_MAX: usize = 1_000_000;
/// Bytes of one list's names and values, which the engine's heap limit does not see.
const BYTES_MAX: usize = 64 << 20;

enum Store {
    Own(RefCell<Vec<Pair>>, Charge),
    Of(Rc<Record>),
}

/// A `URLSearchParams` object.
pub struct SearchParams(Store);

impl SearchParams {
    /// One with a list of its own.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(ctx: &Ctx<'_>, list: Vec<Pair>) -> Result<SearchParams> {
        let charge = Charge::default();
        charge.set(ctx, bytes_of(&list))?;
        Ok(SearchParams(Store::Own(RefCell::new(list), charge)))
    }

    /// The one that is a URL's `searchParams`.
    pub(super) fn of(record: Rc<Record>) -> SearchParams {
        SearchParams(Store::Of(record))
    }

    /// Lends the list.
    pub fn with<R>(&self, f: impl FnOnce(&[Pair]) -> R) -> R {
        match &self.0 {
            Store::Own(list, _) => f(&list.borrow()),
            Store::Of(record) => record.with_list(|list| f(list)),
        }
    }

    /// The list as a form body or query.
    pub fn serialized(&self) -> String {
        self.with(serialize)
    }

    /// Counts `bytes` for a list of its own, and a URL's as they are.
    fn account(&self, ctx: &Ctx<'_>, bytes: usize) -> Result<()> {
        match &self.0 {
            Store::Own(_, charge) => charge.set(ctx, bytes),
            Store::Of(record) => record.account(ctx),
        }
    }

    fn update(&self, f: impl FnOnce(&mut Vec<Pair>)) {
        match &self.0 {
            Store::Own(list, _) => f(&mut list.borrow_mut()),
            Store::Of(record) => {
                record.with_list(f);
                record.update();
            }
        }
    }
}

/// The pairs of a query or a form body.
pub fn parse(text: &str) -> Vec<Pair> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A query or a form body of pairs.
pub fn serialize(list: &[Pair]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(list).finish()
}

impl class_id::Of for class_id::SearchParamsIterator {
    type Class = iterate::PairIterator<SearchParams>;
}

impl PairSource for SearchParams {
    type IteratorId = class_id::SearchParamsIterator;
    const ITERATOR_NAME: &'static CStr = c"URLSearchParams Iterator";

    fn pair(&self, index: usize) -> Option<Pair> {
        self.with(|list| list.get(index).cloned())
    }
}

impl class_id::Of for class_id::SearchParams {
    type Class = SearchParams;
}

impl Class for SearchParams {
    type Id = class_id::SearchParams;
    const NAME: &'static CStr = c"URLSearchParams";
    const DISPLAY: Option<Display> = Some(Display::Pairs(" => ", iterate::shown::<Self>));
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Get(c"size", |this, scope| {
            Ok(Value::new_number(scope.ctx.clone(), this.with(<[Pair]>::len) as f64))
        }),
        Member::Method(c"append", 2, append),
        Member::Method(c"delete", 1, delete),
        Member::Method(c"get", 1, get),
        Member::Method(c"getAll", 1, get_all),
        Member::Method(c"has", 1, has),
        Member::Method(c"set", 2, set),
        Member::Method(c"sort", 0, sort),
        Member::Method(c"toString", 0, |this, scope| value::string(scope.ctx, &this.serialized())),
        Member::Method(c"entries", 0, iterate::entries::<Self>),
        Member::Method(c"forEach", 1, iterate::for_each::<Self>),
        Member::Method(c"keys", 0, iterate::keys::<Self>),
        Member::Method(c"values", 0, iterate::values::<Self>),
        Member::IteratorIs(c"entries"),
    ];

    fn construct(scope: &Scope<'_, '_>) -> Result<Self> {
        if !scope.has(0) {
            return SearchParams::new(scope.ctx, Vec::new());
        }
        let init = scope.arg(0);
        let list = match init.as_object() {
            None => value::with_str(&init, |text| parse(text.strip_prefix('?').unwrap_or(text)))?,
            Some(object) => match iterate::method(object)? {
                Some(iterator) => from_sequence(object, iterator)?,
                None => from_record(object)?,
            },
        };
        SearchParams::new(scope.ctx, list)
    }
}

/// Bytes of all names and values, and of the pairs themselves.
pub(super) fn bytes_of(list: &[Pair]) -> usize {
    list.iter().map(|pair| pair.0.len() + pair.1.len() + size_of::<Pair>()).sum()
}

/// Whether a list of `pairs` and then `bytes` may have one pair more.
fn room(ctx: &Ctx<'_>, pairs: usize, bytes: usize) -> Result<()> {
    match pairs < PAIRS_MAX && bytes <= BYTES_MAX {
        true => Ok(()),
        false => Err(exception::range_error(ctx, "URLSearchParams: more than 1,000,000 pairs or 64 MiB")),
    }
}

/// `sequence<sequence<USVString>>` whose inner sequences are pairs.
fn from_sequence<'js>(object: &Object<'js>, iterator: Value<'js>) -> Result<Vec<Pair>> {
    let ctx = object.ctx();
    let mut list = Vec::new();
    let mut bytes = 0;
    iterate::pairs(object, iterator, "URLSearchParams", |name, value| {
        let pair = (value::to_string(name)?, value::to_string(value)?);
        bytes += pair.0.len() + pair.1.len();
        room(ctx, list.len(), bytes)?;
        list.push(pair);
        Ok(())
    })?;
    Ok(list)
}

/// `record<USVString, USVString>` (Web IDL section 3.2.21).
fn from_record(object: &Object<'_>) -> Result<Vec<Pair>> {
    let ctx = object.ctx();
    let mut list: Vec<Pair> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut bytes = 0;
    iterate::record(object, |name, text| {
        let (name, text) = (value::to_string(name)?, value::to_string(text)?);
        bytes += name.len() + text.len();
        room(ctx, list.len(), bytes)?;
        // Two keys may become one when lone surrogates are replaced: the later value wins.
        match places.get(&name) {
            Some(place) => list[*place].1 = text,
            None => {
                places.insert(name.clone(), list.len());
                list.push((name, text));
            }
        }
        Ok(())
    })?;
    Ok(list)
}

fn append<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "URLSearchParams.append")?;
    let pair = (value::to_string(&scope.arg(0))?, value::to_string(&scope.arg(1))?);
    // Summed up now and then: what comes in between at most doubles the list.
    let more = pair.0.len() + pair.1.len();
    let look = |list: &[Pair]| more > 1 << 16 || list.len() < 16 || list.len().is_power_of_two();
    let held = this.with(|list| if look(list) { bytes_of(list) } else { 0 });
    room(scope.ctx, this.with(<[Pair]>::len), held + more)?;
    let due = this.with(look);
    this.update(|list| list.push(pair));
    if due {
        this.account(scope.ctx, held + more)?;
    }
    Ok(scope.undefined())
}

/// Arguments 0 and, where given, 1: what `delete` and `has` look for.
fn wanted(scope: &Scope<'_, '_>, what: &str) -> Result<(String, Option<String>)> {
    scope.require(1, what)?;
    let name = value::to_string(&scope.arg(0))?;
    let value = if scope.has(1) { Some(value::to_string(&scope.arg(1))?) } else { None };
    Ok((name, value))
}

fn matches(pair: &Pair, (name, value): &(String, Option<String>)) -> bool {
    pair.0 == *name && value.as_ref().is_none_or(|value| pair.1 == *value)
}

fn delete<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let wanted = wanted(scope, "URLSearchParams.delete")?;
    this.update(|list| list.retain(|pair| !matches(pair, &wanted)));
    Ok(scope.undefined())
}

fn has<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let wanted = wanted(scope, "URLSearchParams.has")?;
    let found = this.with(|list| list.iter().any(|pair| matches(pair, &wanted)));
    Ok(Value::new_bool(scope.ctx.clone(), found))
}

fn get<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URLSearchParams.get")?;
    let name = value::to_string(&scope.arg(0))?;
    this.with(|list| match list.iter().find(|pair| pair.0 == name) {
        Some((_, text)) => value::string(scope.ctx, text),
        None => Ok(Value::new_null(scope.ctx.clone())),
    })
}

fn get_all<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "URLSearchParams.getAll")?;
    let name = value::to_string(&scope.arg(0))?;
    let found = this.with(|list| {
        let values = list.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.clone());
        values.collect::<Vec<_>>()
    });
    iterate::array(scope.ctx, found.iter().map(|text| value::string(scope.ctx, text)))
}

fn set<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(2, "URLSearchParams.set")?;
    let name = value::to_string(&scope.arg(0))?;
    let mut text = Some(value::to_string(&scope.arg(1))?);
    this.update(|list| {
        list.retain_mut(|pair| {
            if pair.0 != name {
                return true;
            }
            match text.take() {
                Some(text) => pair.1 = text,
                None => return false,
            }
            true
        });
        if let Some(text) = text {
            list.push((name, text));
        }
    });
    this.account(scope.ctx, this.with(bytes_of))?;
    Ok(scope.undefined())
}

fn sort<'js>(this: &SearchParams, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    this.update(|list| list.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16())));
    Ok(scope.undefined())
}
