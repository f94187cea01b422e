//! Objects of the platform in structured clones (HTML, sections 2.7.1 and 2.7.2).
//!
//! Owns: what modules say of their classes: which can be serialised, which transferred, which
//! neither. Must not know: any class. The objects of classes written in JavaScript look like plain
//! ones from here: the scripts that made them are asked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rquickjs::{Ctx, Object, Result, Value, qjs};

use super::super::class::{self, Class};
use super::super::held::Held;
use super::super::state::State;
use super::super::value::to_string;
use crate::js::intrinsics;

/// The data of a serialisable object on its way to a copy, perhaps on another thread.
pub trait Serialized: Send + Sync {
    /// Bytes that it holds.
    fn bytes(&self) -> usize {
        0
    }

    /// The copy.
    ///
    /// # Errors
    /// Out of memory.
    fn revive<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>>;
}

type Serialize = Rc<dyn Fn(&Value<'_>) -> Option<Box<dyn Serialized>>>;

/// What is known, one set per engine.
#[derive(Default)]
struct Registry {
    native: RefCell<HashMap<u32, Serialize>>,
    /// The last one first: its classes may extend those of others.
    scripts: RefCell<Vec<Rc<Script>>>,
}

/// The functions of a script that defines classes.
struct Script {
    /// The name of a value's interface, if it is one of the script's objects.
    name: Held,
    /// Whether one of its objects can be transferred now; undefined for what never can.
    movable: Option<Held>,
    /// Transfers one: the object that stands for it from now on.
    transfer: Option<Held>,
}

/// Makes objects of class `T` serialisable.
pub fn serializable<T: Class>(ctx: &Ctx<'_>, serialize: fn(&T) -> Box<dyn Serialized>) {
    let registry = State::of(ctx).extension::<Registry>();
    let serialize: Serialize = Rc::new(move |value| class::get::<T>(value).map(serialize));
    registry.native.borrow_mut().insert(class::number::<T>(), serialize);
}

/// Has a script asked for its objects: by `platformName` and, if it has them, by `isTransferable`
/// and `transfer`.
///
/// # Errors
/// Out of memory.
pub fn script<'js>(ctx: &Ctx<'js>, exports: &Object<'js>) -> Result<()> {
    let function = |name| {
        let found: Value = exports.get(name)?;
        Ok::<_, rquickjs::Error>(found.is_function().then(|| Held::new(found)))
    };
    if let Some(name) = function("platformName")? {
        let script = Script { name, movable: function("isTransferable")?, transfer: function("transfer")? };
        State::of(ctx).extension::<Registry>().scripts.borrow_mut().insert(0, Rc::new(script));
    }
    Ok(())
}

/// The data of an object of engine class `id`, if that is serialisable.
pub(super) fn serialize(ctx: &Ctx<'_>, id: u32, value: &Value<'_>) -> Option<Box<dyn Serialized>> {
    let serialize = State::of(ctx).extension::<Registry>().native.borrow().get(&id).cloned();
    serialize.and_then(|serialize| serialize(value))
}

fn scripts(ctx: &Ctx<'_>) -> Vec<Rc<Script>> {
    State::of(ctx).extension::<Registry>().scripts.borrow().clone()
}

fn ask<'js>(ctx: &Ctx<'js>, function: &Held, value: &Value<'js>) -> Result<Value<'js>> {
    intrinsics::invoke(ctx, function, qjs::JS_UNDEFINED, std::slice::from_ref(value))
}

/// Who is asked what a seemingly plain object is.
pub(super) struct Interfaces {
    scripts: Vec<Rc<Script>>,
    /// The address of `Object.prototype`: what has it is as plain as a literal.
    literal: usize,
}

impl Interfaces {
    /// As they are now.
    pub(super) fn of(ctx: &Ctx<'_>) -> Interfaces {
        // SAFETY: the prototype is a new reference, given back by the Value.
        let literal = unsafe {
            let raw = ctx.as_raw().as_ptr();
            Value::from_raw(ctx.clone(), qjs::JS_GetClassProto(raw, intrinsics::class::OBJECT))
        };
        Interfaces { scripts: scripts(ctx), literal: super::address(&literal) }
    }

    /// The name of the interface that an object of the engine's class Object implements, if it is one
    /// of the platform's.
    pub(super) fn name(&self, value: &Value<'_>) -> Result<Option<String>> {
        if self.scripts.is_empty() {
            return Ok(None);
        }
        let prototype = value.as_object().and_then(Object::get_prototype);
        if prototype.is_none_or(|prototype| super::address(prototype.as_value()) == self.literal) {
            return Ok(None);
        }
        for script in &self.scripts {
            let name = ask(value.ctx(), &script.name, value)?;
            if name.is_string() {
                return to_string(&name).map(Some);
            }
        }
        Ok(None)
    }
}

/// Whether `value` can be transferred now; none for what never can.
pub(super) fn movable<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<bool>> {
    for script in scripts(ctx) {
        if let Some(movable) = &script.movable
            && let Some(now) = ask(ctx, movable, value)?.as_bool()
        {
            return Ok(Some(now));
        }
    }
    Ok(None)
}

/// Transfers `value`, which is [`movable`]: the object that stands for it from now on.
pub(super) fn transfer<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Value<'js>> {
    for script in scripts(ctx) {
        if let (Some(movable), Some(transfer)) = (&script.movable, &script.transfer)
            && let Some(now) = ask(ctx, movable, value)?.as_bool()
        {
            // What was moved before it in the list may have taken it along.
            return match now {
                true => ask(ctx, transfer, value),
                false => break,
            };
        }
    }
    Err(super::refused(ctx, "An object was transferred with another, and cannot be twice"))
}
