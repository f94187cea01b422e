//! Iteration over pairs: what Web IDL (section 3.7.10) gives an interface declared
//! `iterable<K, V>`.
//!
//! Owns: the iterator class of each such interface, `entries keys values forEach`. Must not know:
//! any interface. The iterator is live: it asks its source again at every step.

use std::cell::Cell;
use std::ffi::CStr;

use rquickjs::atom::PredefinedAtom;
use rquickjs::object::Property;
use rquickjs::{Array, Coerced, Ctx, Object, Result, Value};

use crate::js::class::{self, Class, Member, Scope};
use crate::js::class_id;
use crate::js::held::{self, Held, Tracer};
use crate::js::{exception, reflect, value};

/// An interface whose objects are lists of pairs.
pub trait PairSource: Class {
    /// The id of its iterator's class.
    type IteratorId: class_id::Of<Class = PairIterator<Self>>;
    /// `@@toStringTag` of its iterators: the interface's name, then " Iterator".
    const ITERATOR_NAME: &'static CStr;

    /// Pair `index` of the list as it is now; in words, where a value is no string.
    fn pair(&self, index: usize) -> Option<(String, String)>;

    /// Pair `index` as values.
    ///
    /// # Errors
    /// Out of memory.
    fn item<'js>(&self, ctx: &Ctx<'js>, index: usize) -> Result<Option<[Value<'js>; 2]>> {
        match self.pair(index) {
            Some((key, text)) => Ok(Some([value::string(ctx, &key)?, value::string(ctx, &text)?])),
            None => Ok(None),
        }
    }
}

/// Pair `index` of an `S`, for its `Class::DISPLAY`.
pub fn shown<S: PairSource>(list: &Value<'_>, index: usize) -> Option<(String, String)> {
    class::get::<S>(list)?.pair(index)
}

/// What an iterator yields.
#[derive(Clone, Copy)]
enum Kind {
    Entries,
    Keys,
    Values,
}

/// An iterator over an `S`.
pub struct PairIterator<S: PairSource> {
    source: Held,
    kind: Kind,
    index: Cell<usize>,
    done: Cell<bool>,
    list: std::marker::PhantomData<fn() -> S>,
}

impl<S: PairSource> Class for PairIterator<S> {
    type Id = S::IteratorId;
    const NAME: &'static CStr = S::ITERATOR_NAME;
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[Member::Method(c"next", 0, next::<S>)];

    fn trace(&self, tracer: &Tracer) {
        tracer.mark(&self.source);
    }

    fn parent<'js>(ctx: &Ctx<'js>) -> Result<Option<Object<'js>>> {
        let iterator: Object = ctx.globals().get("Iterator")?;
        iterator.get("prototype")
    }
}

/// Registers the iterators of `S`; call it where `S` itself is registered.
///
/// # Errors
/// Out of memory.
pub fn register<S: PairSource>(ctx: &Ctx<'_>) -> Result<()> {
    class::register::<PairIterator<S>>(ctx)?;
    // An iterator prototype has no constructor of its own.
    let any = iterator::<S>(Value::new_undefined(ctx.clone()), Kind::Keys)?;
    match any.as_object().and_then(Object::get_prototype) {
        Some(prototype) => prototype.remove("constructor"),
        None => Ok(()),
    }
}

fn iterator<S: PairSource>(source: Value<'_>, kind: Kind) -> Result<Value<'_>> {
    let ctx = source.ctx().clone();
    let data = PairIterator::<S> {
        source: Held::new(source),
        kind,
        index: Cell::new(0),
        done: Cell::new(false),
        list: std::marker::PhantomData,
    };
    class::instance(&ctx, data)
}

/// `entries()`, also under `@@iterator`.
///
/// # Errors
/// Out of memory.
pub fn entries<'js, S: PairSource>(_list: &S, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    iterator::<S>(scope.this(), Kind::Entries)
}

/// `keys()`.
///
/// # Errors
/// Out of memory.
pub fn keys<'js, S: PairSource>(_list: &S, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    iterator::<S>(scope.this(), Kind::Keys)
}

/// `values()`.
///
/// # Errors
/// Out of memory.
pub fn values<'js, S: PairSource>(_list: &S, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    iterator::<S>(scope.this(), Kind::Values)
}

/// `forEach(callback, thisArg)`.
///
/// # Errors
/// TypeError for a callback that is none, and what the callback throws.
pub fn for_each<'js, S: PairSource>(list: &S, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    scope.require(1, "forEach")?;
    let callback = scope.arg(0);
    if !callback.is_function() {
        return Err(exception::type_error(scope.ctx, "forEach: argument 1 is not a function"));
    }
    let (callback, this) = (Held::new(callback), Held::new(scope.arg(1)));
    let mut index = 0;
    while let Some([key, value]) = list.item(scope.ctx, index)? {
        let args = [value, key, scope.this()];
        held::call(scope.ctx, &callback, Some(&this), &args)?;
        index += 1;
    }
    Ok(scope.undefined())
}

fn next<'js, S: PairSource>(it: &PairIterator<S>, scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let ctx = scope.ctx;
    let source = it.source.get(ctx);
    let list = class::get::<S>(&source).filter(|_| !it.done.get());
    let pair = list.map(|list| list.item(ctx, it.index.get())).transpose()?.flatten();
    let Some([key, value]) = pair else {
        // A list that grows after its iterator ended stays ended for it.
        it.done.set(true);
        return value::iterator_result(ctx, scope.undefined(), true);
    };
    it.index.set(it.index.get() + 1);
    let item = match it.kind {
        Kind::Keys => key,
        Kind::Values => value,
        Kind::Entries => array(ctx, [key, value].into_iter().map(Ok))?,
    };
    value::iterator_result(ctx, item, false)
}

/// An array of `items`; they are defined, not assigned, so that no patched prototype sees them.
///
/// # Errors
/// Out of memory, and what making an item throws.
pub fn array<'js>(ctx: &Ctx<'js>, items: impl Iterator<Item = Result<Value<'js>>>) -> Result<Value<'js>> {
    let array = Array::new(ctx.clone())?;
    for (index, item) in items.enumerate() {
        let item = Property::from(item?).writable().enumerable().configurable();
        array.as_object().prop(u32::try_from(index).unwrap_or(u32::MAX), item)?;
    }
    Ok(array.into_value())
}

/// The object's `@@iterator` method, if it has one.
///
/// # Errors
/// TypeError for one that is no function, and what its getter throws.
pub fn method<'js>(object: &Object<'js>) -> Result<Option<Value<'js>>> {
    let method: Value = object.get(PredefinedAtom::SymbolIterator)?;
    match method.is_function() {
        true => Ok(Some(method)),
        false if method.is_undefined() || method.is_null() => Ok(None),
        false => Err(exception::type_error(object.ctx(), "@@iterator is not a function")),
    }
}

/// Hands each item of `iterable` to `f`, as Web IDL makes a sequence (section 3.2.21.1).
///
/// # Errors
/// TypeError where the iterator protocol is broken; what the iterator or `f` throws.
pub fn each<'js>(
    iterable: &Object<'js>,
    method: Value<'js>,
    mut f: impl FnMut(Value<'js>) -> Result<()>,
) -> Result<()> {
    let ctx = iterable.ctx();
    let this = Held::new(iterable.clone().into_value());
    let iterator = held::call(ctx, &Held::new(method), Some(&this), &[])?;
    let broken = || exception::type_error(ctx, "an iterator must give objects");
    let next: Value = iterator.as_object().ok_or_else(broken)?.get("next")?;
    let (iterator, next) = (Held::new(iterator), Held::new(next));
    loop {
        let step = held::call(ctx, &next, Some(&iterator), &[])?;
        let step = step.as_object().ok_or_else(broken)?;
        if step.get::<_, Coerced<bool>>("done")?.0 {
            return Ok(());
        }
        f(step.get("value")?)?;
    }
}

/// Calls `f` with each pair of a `sequence<sequence<T>>` whose inner sequences are pairs.
///
/// # Errors
/// TypeError for an item that is no pair, and what iteration or `f` throws.
pub fn pairs<'js>(
    sequence: &Object<'js>,
    iterator: Value<'js>,
    what: &str,
    mut f: impl FnMut(&Value<'js>, &Value<'js>) -> Result<()>,
) -> Result<()> {
    let ctx = sequence.ctx();
    let wrong = || exception::type_error(ctx, &format!("{what}: each item must be a [name, value] pair"));
    each(sequence, iterator, |item| {
        let inner = item.as_object().ok_or_else(wrong)?;
        let iterator = method(inner)?.ok_or_else(wrong)?;
        let mut parts = Vec::with_capacity(2);
        each(inner, iterator, |part| {
            if parts.len() == 2 {
                return Err(wrong());
            }
            parts.push(part);
            Ok(())
        })?;
        match &parts[..] {
            [name, value] => f(name, value),
            _ => Err(wrong()),
        }
    })
}

/// Calls `f` with key and value of each member of a `record` (Web IDL section 3.2.21): its own
/// enumerable properties, each looked at only when it is its turn.
///
/// # Errors
/// What getters, proxy traps or `f` throw.
pub fn record<'js>(
    object: &Object<'js>,
    mut f: impl FnMut(&Value<'js>, &Value<'js>) -> Result<()>,
) -> Result<()> {
    for key in reflect::own_keys(object)? {
        if reflect::own(object, &key)?.is_some_and(|property| property.enumerable) {
            if key.is_symbol() {
                return Err(exception::type_error(object.ctx(), "a symbol cannot be the name of a member"));
            }
            f(&key, &object.get(key.clone())?)?;
        }
    }
    Ok(())
}
