//! `jsserve:shared`: maps that all workers of an app share, and what is published on topics, for JavaScript.
//!
//! Owns: opening maps by name, arguments and errors, the `update` loop. Must not know: how the store
//! keeps things. No lock is held while JavaScript runs. The interface is described in `shared.d.ts`.
#![forbid(unsafe_code)]

pub mod store;

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::{Arc, PoisonError, RwLock};

use rquickjs::module::{Declarations, Declared, Exports, ModuleDef};
use rquickjs::object::Property;
use rquickjs::{Ctx, Error, Module, Object, Result, Value};

use crate::js::class::{Class, Member, Scope, Static};
use crate::js::class_id;
use crate::js::engine::State;
use crate::js::{class, clone, exception, function, value};
use crate::modules::web::{iterate, topics};
use store::{Full, IncrError, Map, OnFull, Options, Stored};

/// Bytes of a key in UTF-8, and of a map's name.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Maps of one app.
pub const MAPS_MAX: usize = 1_000;
/// `bytesMax` of a map that is opened without.
pub const BYTES_MAX_DEFAULT: u64 = 64 << 20;
/// Times that `update` calls its function while others change the key.
pub const UPDATE_TRIES_MAX: usize = 1_000;
/// 2^53 - 1, the largest exact integer.
const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// The maps of one app, by name.
#[derive(Default)]
struct AppMaps(RwLock<HashMap<String, Arc<Map>>>);

/// Makes the native module.
///
/// # Errors
/// Out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<SharedModule, _>(ctx.clone(), name)
}

struct SharedModule;

impl ModuleDef for SharedModule {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("default")?;
        declarations.declare("map")?;
        declarations.declare("publish")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        class::register::<SharedMap>(ctx)?;
        let shared = Object::new(ctx.clone())?;
        function::install::<SharedModule>(ctx, &shared)?;
        for name in ["map", "publish"] {
            exports.export(name, shared.get::<_, Value>(name)?)?;
        }
        exports.export("default", shared)?;
        Ok(())
    }
}

impl function::Functions for SharedModule {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[(c"map", 1, open), (c"publish", 2, publish)];
}

/// `shared.map(name, options)`.
fn open<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let wish = Wish::read(ctx, &scope.arg(1))?;
    let name = key(ctx, &scope.arg(0), "the name of a shared map", str::to_owned)?;
    let maps = State::of(ctx).cluster().shared::<AppMaps>();
    let known = maps.0.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let map = match known {
        Some(map) => map,
        None => {
            let mut all = maps.0.write().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MAPS_MAX && !all.contains_key(&name) {
                let text = format!("There are {MAPS_MAX} shared maps, no more can be opened");
                return Err(coded(ctx, &text, "SharedMapsError", "ERR_SHARED_MAPS"));
            }
            all.entry(name.clone()).or_insert_with(|| Arc::new(Map::new(wish.options()))).clone()
        }
    };
    if !wish.agrees_with(map.options()) {
        let text = format!("The shared map '{name}' is open with other options: {:?}", map.options());
        return Err(exception::type_error(ctx, &text));
    }
    class::instance(ctx, SharedMap { name, map })
}

/// `shared.publish(topic, data)`: how many subscribers of this thread got it.
fn publish<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    scope.require(2, "publish")?;
    let message = topics::message(ctx, &scope.arg(1))?;
    let published = key(ctx, &scope.arg(0), "the topic", |topic| {
        topics::member(State::of(ctx)).publish(topic, &message)
    })?;
    Ok(number(ctx, published.here as f64))
}

/// The options that a caller gave.
struct Wish {
    bytes_max: Option<u64>,
    on_full: Option<OnFull>,
    ttl_ms: Option<u64>,
}

impl Wish {
    fn read<'js>(ctx: &Ctx<'js>, options: &Value<'js>) -> Result<Wish> {
        let Some(options) = object(ctx, options)? else {
            return Ok(Wish { bytes_max: None, on_full: None, ttl_ms: None });
        };
        let bytes_max: Value = options.get("bytesMax")?;
        let bytes_max = match bytes_max.as_number() {
            _ if bytes_max.is_undefined() => None,
            Some(n) if (1.0..=SAFE_INTEGER_MAX).contains(&n) && n.fract() == 0.0 => Some(n as u64),
            Some(_) => return Err(exception::range_error(ctx, "bytesMax is not a positive integer")),
            None => return Err(exception::type_error(ctx, "bytesMax is not a number")),
        };
        let on_full: Value = options.get("onFull")?;
        let on_full = match on_full.is_undefined() {
            true => None,
            false => match on_full.is_string().then(|| value::to_string(&on_full)).transpose()?.as_deref() {
                Some("error") => Some(OnFull::Error),
                Some("evict") => Some(OnFull::Evict),
                _ => return Err(exception::type_error(ctx, "onFull is neither \"error\" nor \"evict\"")),
            },
        };
        Ok(Wish { bytes_max, on_full, ttl_ms: ttl(ctx, &options)? })
    }

    fn options(&self) -> Options {
        Options {
            bytes_max: self.bytes_max.unwrap_or(BYTES_MAX_DEFAULT),
            on_full: self.on_full.unwrap_or(OnFull::Error),
            ttl_ms: self.ttl_ms,
        }
    }

    /// What is not given agrees with anything.
    fn agrees_with(&self, options: &Options) -> bool {
        self.bytes_max.is_none_or(|n| n == options.bytes_max)
            && self.on_full.is_none_or(|on_full| on_full == options.on_full)
            && (self.ttl_ms.is_none() || self.ttl_ms == options.ttl_ms)
    }
}

/// An argument that is an options object, or missing.
fn object<'js>(ctx: &Ctx<'js>, options: &Value<'js>) -> Result<Option<Object<'js>>> {
    match options.as_object() {
        Some(options) => Ok(Some(options.clone())),
        None if options.is_undefined() => Ok(None),
        None => Err(exception::type_error(ctx, "The options are not an object")),
    }
}

/// The `ttl` member: milliseconds, rounded up.
fn ttl(ctx: &Ctx<'_>, options: &Object<'_>) -> Result<Option<u64>> {
    let ttl: Value = options.get("ttl")?;
    match ttl.as_number() {
        _ if ttl.is_undefined() => Ok(None),
        Some(n) if n > 0.0 && n <= SAFE_INTEGER_MAX => Ok(Some(n.ceil() as u64)),
        Some(_) => Err(exception::range_error(ctx, "ttl is not a positive number of milliseconds")),
        None => Err(exception::type_error(ctx, "ttl is not a number")),
    }
}

/// Lends a key to `f`.
fn key<'js, R>(ctx: &Ctx<'js>, key: &Value<'js>, what: &str, f: impl FnOnce(&str) -> R) -> Result<R> {
    if !key.is_string() {
        return Err(exception::type_error(ctx, &format!("{what} is not a string")));
    }
    let done = value::with_str(key, |text| match text.len() {
        1..=KEY_BYTES_MAX => Some(f(text)),
        _ => None,
    })?;
    done.ok_or_else(|| {
        exception::range_error(ctx, &format!("{what} is empty or longer than {KEY_BYTES_MAX} bytes"))
    })
}

/// A RangeError with a name and a code of its own.
fn coded(ctx: &Ctx<'_>, message: &str, name: &str, code: &str) -> Error {
    let thrown = exception::range_error(ctx, message);
    let error = ctx.catch();
    if let Some(object) = error.as_object() {
        for (property, text) in [("name", name), ("code", code)] {
            if object.prop(property, Property::from(text).writable().configurable()).is_err() {
                return thrown;
            }
        }
    }
    ctx.throw(error)
}

/// A map as one worker sees it.
pub struct SharedMap {
    name: String,
    map: Arc<Map>,
}

impl SharedMap {
    fn key<'js, R>(&self, scope: &Scope<'_, 'js>, f: impl FnOnce(&str) -> R) -> Result<R> {
        key(scope.ctx, &scope.arg(0), "the key", f)
    }

    fn full(&self, ctx: &Ctx<'_>) -> Error {
        let text =
            format!("The shared map '{}' is full: bytesMax is {}", self.name, self.map.options().bytes_max);
        coded(ctx, &text, "SharedFullError", "ERR_SHARED_FULL")
    }

    fn store<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Stored> {
        if let Some(number) = value.as_number() {
            return Ok(Stored::Number(number));
        }
        let bytes_max = usize::try_from(self.map.options().bytes_max).unwrap_or(usize::MAX);
        match clone::encode(ctx, value, bytes_max)? {
            Some(bytes) => Ok(Stored::Bytes(bytes.into())),
            None => Err(self.full(ctx)),
        }
    }

    fn get<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        match self.key(scope, |key| self.map.get(key))? {
            Some(stored) => load(scope.ctx, &stored),
            None => Ok(scope.undefined()),
        }
    }

    fn set<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        let ttl = match object(ctx, &scope.arg(2))? {
            Some(options) => ttl(ctx, &options)?,
            None => None,
        };
        let stored = self.store(ctx, &scope.arg(1))?;
        match self.key(scope, |key| self.map.set(key, &stored, ttl))? {
            Ok(()) => Ok(scope.undefined()),
            Err(Full) => Err(self.full(ctx)),
        }
    }

    fn has<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let found = self.key(scope, |key| self.map.has(key))?;
        Ok(Value::new_bool(scope.ctx.clone(), found))
    }

    fn delete<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let found = self.key(scope, |key| self.map.delete(key))?;
        Ok(Value::new_bool(scope.ctx.clone(), found))
    }

    fn incr<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        let by = match scope.arg(1) {
            by if by.is_undefined() => 1.0,
            by => match by.as_number() {
                Some(by) if by.is_finite() => by,
                _ => return Err(exception::type_error(ctx, "incr adds finite numbers only")),
            },
        };
        match self.key(scope, |key| self.map.incr(key, by))? {
            Ok(sum) => Ok(number(ctx, sum)),
            Err(IncrError::Full) => Err(self.full(ctx)),
            Err(IncrError::NotNumber) => Err(exception::type_error(ctx, "The value is not a number")),
        }
    }

    fn update<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        let key = self.key(scope, str::to_owned)?;
        let Some(update) = scope.arg(1).into_function() else {
            return Err(exception::type_error(ctx, "update takes a function"));
        };
        for attempt in 0..UPDATE_TRIES_MAX {
            let (old, version) = match self.map.get_versioned(&key) {
                Some((stored, version)) => (load(ctx, &stored)?, Some(version)),
                None => (scope.undefined(), None),
            };
            let new: Value = update.call((old,))?;
            let stored = if new.is_undefined() { None } else { Some(self.store(ctx, &new)?) };
            match self.map.compare_set(&key, version, stored.as_ref()) {
                Ok(true) => return Ok(new),
                Ok(false) if attempt > 8 => std::thread::yield_now(),
                Ok(false) => {}
                Err(Full) => return Err(self.full(ctx)),
            }
        }
        let text = format!("update: other workers changed the key {UPDATE_TRIES_MAX} times meanwhile");
        Err(coded(ctx, &text, "SharedContentionError", "ERR_SHARED_CONTENTION"))
    }

    /// What the `prefix` of the options selects.
    fn select<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Vec<(Box<str>, Stored)>> {
        let prefix: Option<Value> = match object(scope.ctx, &scope.arg(0))? {
            Some(options) => Some(options.get("prefix")?),
            None => None,
        };
        match prefix.filter(|prefix| !prefix.is_undefined()) {
            None => Ok(self.map.entries("")),
            Some(prefix) if prefix.is_string() => value::with_str(&prefix, |text| self.map.entries(text)),
            Some(_) => Err(exception::type_error(scope.ctx, "prefix is not a string")),
        }
    }

    fn keys<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let found = self.select(scope)?;
        iterate::array(scope.ctx, found.iter().map(|(key, _)| value::string(scope.ctx, key)))
    }

    fn entries<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        let ctx = scope.ctx;
        let pair = |(key, stored): &(Box<str>, Stored)| {
            iterate::array(ctx, [value::string(ctx, key), load(ctx, stored)].into_iter())
        };
        iterate::array(ctx, self.select(scope)?.iter().map(pair))
    }

    fn size<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        Ok(number(scope.ctx, self.map.len() as f64))
    }

    fn clear<'js>(&self, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
        self.map.clear();
        Ok(scope.undefined())
    }
}

/// The JavaScript value of what is stored.
fn load<'js>(ctx: &Ctx<'js>, stored: &Stored) -> Result<Value<'js>> {
    match stored {
        Stored::Number(n) => Ok(number(ctx, *n)),
        Stored::Bytes(bytes) => clone::decode(ctx, bytes),
    }
}

fn number<'js>(ctx: &Ctx<'js>, n: f64) -> Value<'js> {
    // `new_number` makes 0 of -0.
    if n == 0.0 { Value::new_float(ctx.clone(), n) } else { Value::new_number(ctx.clone(), n) }
}

impl class_id::Of for class_id::SharedMap {
    type Class = SharedMap;
}

impl Class for SharedMap {
    type Id = class_id::SharedMap;
    const NAME: &'static CStr = c"SharedMap";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[
        Member::Method(c"get", 1, Self::get),
        Member::Method(c"set", 2, Self::set),
        Member::Method(c"has", 1, Self::has),
        Member::Method(c"delete", 1, Self::delete),
        Member::Method(c"incr", 1, Self::incr),
        Member::Method(c"update", 2, Self::update),
        Member::Method(c"keys", 0, Self::keys),
        Member::Method(c"entries", 0, Self::entries),
        Member::Get(c"size", Self::size),
        Member::Method(c"clear", 0, Self::clear),
    ];
}
