//! The frames that the engine keeps inside of an error, and their text with the places of the sources.
//!
//! Owns: the engine's own functions for them, taken before an app can; [`Trace`]. Must not know: what an app reads
//! as a stack (`stack.rs`), where the places come from.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::fmt::Write;

use rquickjs::{Ctx, Object, Result, Value};

use super::class::{self, Class, Member};
use super::class_id;
use super::held::{self, Held, Slot, Tracer};
use super::state::State;
use super::{reflect, value};

/// The engine's own functions, and ours that is called by the same name.
#[derive(Default)]
pub(super) struct ErrorFunctions {
    pub(super) getter: Slot,
    pub(super) setter: Slot,
    pub(super) to_string: Slot,
    pub(super) capture: Slot,
    pub(super) ours: Slot,
    /// Has the engine call a function with the frames of each new error.
    pub(super) set_prepare: Slot,
    /// Ours, which it calls unless an app has one.
    pub(super) prepare: Slot,
    /// The app's `Error.prepareStackTrace`.
    pub(super) app_prepare: Slot,
    /// `TypeError.prototype`: the errors whose words are looked at have it.
    pub(super) type_error: Slot,
    /// The methods of a CallSite, in the order of `SITE`.
    pub(super) site: RefCell<Vec<Held>>,
    /// Whether a stack is made of text now, for an object that scripts watch.
    pub(super) as_text: Cell<bool>,
}

/// What a frame is asked.
pub(super) const SITE: [&str; 6] =
    ["getFunction", "getFunctionName", "isNative", "getFileName", "getLineNumber", "getColumnNumber"];

/// What the engine keeps inside of an error: its frames, until somebody reads their text. To write it for errors of
/// which nobody does would take longer than all else of them.
pub struct Trace {
    pub(super) sites: Slot,
    pub(super) text: RefCell<Option<String>>,
}

impl class_id::Of for class_id::Trace {
    type Class = Trace;
}

impl Class for Trace {
    type Id = class_id::Trace;
    const NAME: &'static CStr = c"Trace";
    const GLOBAL: bool = false;
    const MEMBERS: &'static [Member<Self>] = &[];

    fn trace(&self, tracer: &Tracer) {
        self.sites.trace(tracer);
    }
}

impl Trace {
    fn text(&self, ctx: &Ctx<'_>) -> Result<String> {
        if let Some(text) = &*self.text.borrow() {
            return Ok(text.clone());
        }
        let text = written(&self.sites.get(ctx).unwrap_or_else(|| Value::new_null(ctx.clone())))?;
        *self.text.borrow_mut() = Some(text.clone());
        // They hold functions, and what those close over.
        self.sites.set(None);
        Ok(text)
    }
}

/// What `SITE[index]` of a frame gives.
pub(super) fn ask<'js>(site: &Value<'js>, index: usize) -> Result<Value<'js>> {
    let ctx = site.ctx();
    let kept = State::of(ctx).extension::<ErrorFunctions>();
    match kept.site.borrow().get(index) {
        Some(method) => held::call(ctx, method, Some(&Held::new(site.clone())), &[]),
        None => Ok(Value::new_null(ctx.clone())),
    }
}

/// Frames as the engine writes them.
pub(super) fn written(sites: &Value<'_>) -> Result<String> {
    let mut text = String::new();
    if let Some(sites) = sites.as_array() {
        for index in 0..sites.len() {
            write_site(&sites.get::<Value>(index)?, &mut text)?;
        }
    }
    Ok(text)
}

fn write_site(site: &Value<'_>, text: &mut String) -> Result<()> {
    let ctx = site.ctx();
    let kept = State::of(ctx).extension::<ErrorFunctions>();
    let ask = |index: usize| match kept.site.borrow().get(index) {
        Some(method) => held::call(ctx, method, Some(&Held::new(site.clone())), &[]),
        None => Ok(Value::new_null(ctx.clone())),
    };
    let [function, name, native, file, line, column] = [ask(0)?, ask(1)?, ask(2)?, ask(3)?, ask(4)?, ask(5)?];
    let or = |value: &Value<'_>, other: &str| match value.is_string() {
        true => value::to_string(value),
        false => Ok(other.to_owned()),
    };
    let mut place = or(&file, "<null>")?;
    if let (Some(line), Some(column)) = (line.as_int(), column.as_int()) {
        let _ = write!(place, ":{line}:{column}");
    }
    let _ = match (function.is_null(), native.as_bool()) {
        // Where a text cannot be parsed.
        (true, _) => writeln!(text, "    at {place}"),
        (_, Some(true)) => writeln!(text, "    at {} (native)", or(&name, "<anonymous>")?),
        _ => writeln!(text, "    at {} ({place})", or(&name, "<anonymous>")?),
    };
    Ok(())
}

/// A stack, one frame a line, with the places of the sources.
pub fn map_stack(ctx: &Ctx<'_>, stack: String) -> String {
    match State::find(ctx) {
        Some(state) => state.code().positions().map_stack(stack),
        None => stack,
    }
}

/// A stack as the engine writes it, with the places of the sources; what is no string stays.
///
/// # Errors
/// Out of memory.
pub fn mapped(stack: Value<'_>) -> Result<Value<'_>> {
    match unmapped(&stack)? {
        Some(text) => value::string(stack.ctx(), &map_stack(stack.ctx(), text)),
        None => Ok(stack),
    }
}

/// The text of a stack, of what the engine keeps or a string, with the places of what runs.
///
/// # Errors
/// Out of memory.
pub fn unmapped(stack: &Value<'_>) -> Result<Option<String>> {
    match class::get::<Trace>(stack) {
        Some(trace) => trace.text(stack.ctx()).map(Some),
        None if stack.is_string() => value::to_string(stack).map(Some),
        None => Ok(None),
    }
}

/// The stack that the engine keeps inside of an error, with the places of what runs.
pub(super) fn raw(error: &Object<'_>) -> Option<String> {
    let ctx = error.ctx();
    let kept = State::of(ctx).extension::<ErrorFunctions>().getter.get(ctx);
    let stack = match kept {
        Some(getter) => held::call(ctx, &Held::new(getter), Some(&Held::new(error.as_value().clone())), &[]),
        None => error.get("stack"),
    };
    match stack.and_then(|stack| unmapped(&stack)) {
        Ok(text) => text,
        Err(_) => {
            drop(ctx.catch());
            None
        }
    }
}

/// Whether the engine keeps nothing inside of `error` yet: it is being made.
pub(super) fn is_new(error: &Object<'_>) -> bool {
    let ctx = error.ctx();
    let Some(getter) = State::of(ctx).extension::<ErrorFunctions>().getter.get(ctx) else { return false };
    let stack = held::call(ctx, &Held::new(getter), Some(&Held::new(error.as_value().clone())), &[]);
    stack.is_ok_and(|stack| stack.is_undefined())
}

/// Whether `object` has a `stack` of its own as the engine has written it: DOMExceptions do.
pub fn is_raw(object: &Object<'_>) -> bool {
    reflect::class_name(object.as_value()) == "DOMException"
}
