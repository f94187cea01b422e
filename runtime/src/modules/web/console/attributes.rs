//! Attributes that objects of classes written in JavaScript show, read without asking their prototypes,
//! which an app may have patched.
//!
//! Owns: the getters, kept when a class's script is loaded. Must not know: any class, how entries become
//! text.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::{Ctx, Object, Result, Value};

use crate::js::engine::State;
use crate::js::held::{self, Held};
use crate::js::reflect::{self, Property, Slot};
use crate::js::value;

/// A class written in JavaScript.
struct Scripted {
    /// Identity of its prototype, which is held so that no other object gets it.
    prototype: (usize, Held),
    getters: Vec<(Rc<str>, Held)>,
}

#[derive(Default)]
struct ScriptedClasses(RefCell<Vec<Rc<Scripted>>>);

/// Keeps the getters of the attributes `names` of `class`, which its objects show besides those of the class's
/// parent: before an app can patch them.
///
/// # Errors
/// Out of memory.
pub fn keep<'js>(ctx: &Ctx<'js>, class: &Object<'js>, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let prototype: Object = class.get("prototype")?;
    let mut getters = Vec::new();
    for name in names {
        if let Some(Property { slot: Slot::Accessor(getter, _), .. }) =
            reflect::own(&prototype, &value::string(ctx, name)?)?
        {
            getters.push((name.as_str().into(), Held::new(getter)));
        }
    }
    let prototype = prototype.into_value();
    let prototype = (reflect::identity(&prototype), Held::new(prototype));
    State::of(ctx)
        .extension::<ScriptedClasses>()
        .0
        .borrow_mut()
        .push(Rc::new(Scripted { prototype, getters }));
    Ok(())
}

/// Names and values of the attributes that `object` shows: those of its class's parent first. A getter that
/// throws, because the object only has the prototype, is passed over.
pub(super) fn of<'js>(object: &Object<'js>) -> Vec<(Rc<str>, Value<'js>)> {
    let this = Held::new(object.clone().into_value());
    let classes = classes(object);
    let getters = classes.iter().rev().flat_map(|class| &class.getters);
    let read =
        |(name, getter): &(Rc<str>, Held)| (name.clone(), held::call(object.ctx(), getter, Some(&this), &[]));
    fine(object.ctx(), getters.map(read))
}

/// The attributes that could be read.
pub(super) fn fine<'js, N>(
    ctx: &Ctx<'js>,
    all: impl Iterator<Item = (N, Result<Value<'js>>)>,
) -> Vec<(N, Value<'js>)> {
    let read = |(name, value)| match value {
        Ok(value) => Some((name, value)),
        Err(_) => {
            drop(ctx.catch());
            None
        }
    };
    all.filter_map(read).collect()
}

/// Whether `key` is the accessor that every event has of its own.
pub(super) fn is_trusted<'js>(object: &Object<'js>, key: &Value<'js>) -> bool {
    key.is_string()
        && value::with_str(key, |key| key == "isTrusted").unwrap_or(false)
        && !classes(object).is_empty()
}

/// The classes written in JavaScript whose prototypes `object` has, the nearest first.
fn classes(object: &Object<'_>) -> Vec<Rc<Scripted>> {
    const CHAIN_MAX: usize = 100;
    let kept = State::of(object.ctx()).extension::<ScriptedClasses>();
    let kept = kept.0.borrow();
    let mut found = Vec::new();
    let mut at = if kept.is_empty() { None } else { object.get_prototype() };
    for _ in 0..CHAIN_MAX {
        let Some(here) = at.filter(|here| reflect::proxy_target(here.as_value()).is_none()) else { break };
        let identity = reflect::identity(here.as_value());
        found.extend(kept.iter().find(|class| class.prototype.0 == identity).cloned());
        at = here.get_prototype();
    }
    found
}
