//! What the interfaces written in JavaScript have in common (Web IDL): exceptions, promises, callbacks, and what
//! an interface has that a class body has not.
//!
//! Owns: the native functions, `webidl.js` and `list.js` beside them. Must not know: any interface. What they do
//! survives an app that patches prototypes.

pub mod answer;

use std::ffi::CStr;

use rquickjs::object::Property;
use rquickjs::{Ctx, Error, FromJs, Object, Result, Symbol, Value};

use crate::js::class::{self, Scope, Static};
use crate::js::clone::platform;
use crate::js::function::Functions;
use crate::js::held::{self, Held};
use crate::js::natives::{Make, Natives};
use crate::js::{exception, job, promise, reflect, value};

use super::{console, iterate};

/// `jsserve:internal/webidl/natives`.
pub struct WebIdlFunctions;

impl Functions for WebIdlFunctions {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"typeError", 1, |scope| thrown(scope, exception::type_error)),
        (c"rangeError", 1, |scope| thrown(scope, exception::range_error)),
        (c"newTypeError", 1, |scope| {
            let _ = exception::type_error(scope.ctx, &value::to_string(&scope.arg(0))?);
            Ok(scope.ctx.catch())
        }),
        (c"domException", 2, |scope| Err(dom_exception(scope)?)),
        (c"newDomException", 2, |scope| {
            let _ = dom_exception(scope)?;
            Ok(scope.ctx.catch())
        }),
        (c"call", 2, call),
        (c"resolved", 1, resolved),
        (c"rejected", 1, |scope| promise::settled(scope.ctx, Err(scope.arg(0)))),
        (c"deferred", 0, deferred),
        (c"then", 3, |scope| promise::then(scope.ctx, &scope.arg(0), &scope.arg(1), &scope.arg(2))),
        (c"handled", 1, |scope| {
            promise::mark_handled(&scope.arg(0));
            Ok(scope.undefined())
        }),
        (c"newAnswer", 0, answer::new),
        (c"promised", 1, answer::promised),
        (c"promiseOf", 1, answer::promise_of),
        (c"fulfil", 2, answer::fulfil),
        (c"fail", 2, answer::fail),
        (c"job", 3, |scope| {
            let all = [scope.arg(0), scope.arg(1), scope.arg(2), scope.arg(3)];
            job::enqueue(scope.ctx, all.get(..scope.len()).unwrap_or(&all))?;
            Ok(scope.undefined())
        }),
        (c"floor", 1, |scope| {
            Ok(Value::new_number(scope.ctx.clone(), scope.arg(0).as_number().unwrap_or(0.0).floor()))
        }),
        // A USVString: lone surrogates are replaced.
        (c"wellFormed", 1, |scope| value::string(scope.ctx, &value::to_string(&scope.arg(0))?)),
        (c"isIterable", 1, |scope| {
            let list = scope.arg(0);
            let method = list.as_object().map(iterate::method).transpose()?.flatten();
            Ok(Value::new_bool(scope.ctx.clone(), method.is_some()))
        }),
        (c"array", 1, |scope| array(scope.ctx, &scope.arg(0))),
        (c"frozenArray", 1, |scope| {
            let array = array(scope.ctx, &scope.arg(0))?;
            reflect::freeze(&array)?;
            Ok(array)
        }),
        (c"asInterface", 2, as_interface),
        (c"constants", 2, constants),
        (c"asPlatformObjects", 1, |scope| {
            platform::script(scope.ctx, &Object::from_js(scope.ctx, scope.arg(0))?)?;
            Ok(scope.undefined())
        }),
    ];
}

impl Natives for WebIdlFunctions {
    fn prepare(ctx: &Ctx<'_>) -> Result<()> {
        class::register::<answer::AnswerSlot>(ctx)
    }

    const VALUES: &'static [(&'static CStr, Make)] = &[
        (c"iteratorSymbol", |ctx| Ok(Symbol::iterator(ctx.clone()).into_value())),
        (c"asyncIteratorSymbol", |ctx| Ok(Symbol::async_iterator(ctx.clone()).into_value())),
    ];
}

fn thrown<'js>(scope: &Scope<'_, 'js>, throw: fn(&Ctx<'_>, &str) -> Error) -> Result<Value<'js>> {
    Err(throw(scope.ctx, &value::to_string(&scope.arg(0))?))
}

/// The DOMException named 0 with message 1, thrown.
fn dom_exception(scope: &Scope<'_, '_>) -> Result<Error> {
    let (name, message) = (value::to_string(&scope.arg(0))?, value::to_string(&scope.arg(1))?);
    Ok(exception::dom_exception(scope.ctx, &name, &message))
}

/// Calls function 0 on receiver 1 with the arguments that follow.
fn call<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (function, this) = (Held::new(scope.arg(0)), Held::new(scope.arg(1)));
    let few = [scope.arg(2), scope.arg(3)];
    let count = scope.len().saturating_sub(2);
    if let Some(few) = few.get(..count) {
        return held::call(scope.ctx, &function, Some(&this), few);
    }
    let many: Vec<Value> = (2..scope.len()).map(|i| scope.arg(i)).collect();
    held::call(scope.ctx, &function, Some(&this), &many)
}

/// "A promise resolved with" a value (Web IDL section 3.2.23): always a new promise, so that one that
/// follows another settles two jobs after it.
fn resolved<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let value = scope.arg(0);
    if !value.is_object() {
        return promise::settled(scope.ctx, Ok(value));
    }
    let (promise, capability) = promise::pending(scope.ctx)?;
    capability.settle(scope.ctx, Ok(value));
    Ok(promise)
}

/// A new promise with its resolving functions.
fn deferred<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let (promise, resolve, reject) = promise::parts(scope.ctx)?;
    let object = Object::new(scope.ctx.clone())?;
    object.set("promise", promise)?;
    object.set("resolve", resolve)?;
    object.set("reject", reject)?;
    Ok(object.into_value())
}

/// The items of a list of `list.js`.
///
/// # Errors
/// Out of memory.
pub fn listed<'js>(list: &Value<'js>) -> Result<Vec<Value<'js>>> {
    let Some(list) = list.as_object() else { return Ok(Vec::new()) };
    (0..list.get::<_, u32>("n")?).map(|index| list.get(index)).collect()
}

fn array<'js>(ctx: &Ctx<'js>, list: &Value<'js>) -> Result<Value<'js>> {
    iterate::array(ctx, listed(list)?.into_iter().map(Ok))
}

/// Makes class 0 the interface named 1, whose attributes that follow people see of its objects.
fn as_interface<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let class = Object::from_js(scope.ctx, scope.arg(0))?;
    reflect::as_interface(scope.ctx, &class, &value::to_string(&scope.arg(1))?)?;
    let shown: Result<Vec<String>> = (2..scope.len()).map(|i| value::to_string(&scope.arg(i))).collect();
    console::keep(scope.ctx, &class, &shown?)?;
    Ok(scope.undefined())
}

/// Gives interface 0 the constants of object 1 (Web IDL, section 3.7.5).
fn constants<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let class = Object::from_js(scope.ctx, scope.arg(0))?;
    let constants = Object::from_js(scope.ctx, scope.arg(1))?;
    for target in [&class, &class.get("prototype")?] {
        for name in reflect::own_names(&constants) {
            let constant: Value = constants.get(&*name)?;
            target.prop(&*name, Property::from(constant).enumerable())?;
        }
    }
    Ok(scope.undefined())
}
