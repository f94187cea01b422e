//! What objects of native classes show to people who look at them, on the console or at the prompt.
//!
//! Owns: what each class says of itself, by the class's number. Must not know: any class, how text is
//! laid out. Nothing of it asks a prototype, which an app may have patched.

use std::cell::RefCell;

use rquickjs::{Ctx, Result, Value, qjs};

use super::state::State;

/// Reads an attribute of an object by its name; none for what is no attribute.
pub type Read = for<'a, 'js> fn(&'a Value<'js>, &str) -> Option<Result<Value<'js>>>;

/// What an object of a class shows besides its own properties.
pub enum Display {
    /// These attributes, and what reads one: `class::attribute::<T>`.
    Attributes(&'static [&'static str], Read),
    /// A list of two strings each: what stands between them, and what gives those at an index.
    Pairs(&'static str, fn(&Value<'_>, usize) -> Option<(String, String)>),
    /// A list of named values: how many there are, and what gives the one at an index.
    Entries(fn(&Value<'_>) -> usize, for<'js> fn(&Value<'js>, usize) -> Option<[Value<'js>; 2]>),
}

/// What the classes of an engine show.
#[derive(Default)]
struct Displays(RefCell<Vec<(u32, &'static Display)>>);

/// Notes what objects of the engine's class `id` show.
pub(super) fn register(ctx: &Ctx<'_>, id: u32, display: &'static Display) {
    State::of(ctx).extension::<Displays>().0.borrow_mut().push((id, display));
}

/// What the class of `value` shows, if it says so.
pub fn of(value: &Value<'_>) -> Option<&'static Display> {
    // SAFETY: reads the class of a live value; of a primitive it is 0, which no class of ours has.
    let id = unsafe { qjs::JS_GetClassID(value.as_raw()) };
    let displays = State::of(value.ctx()).extension::<Displays>();
    let displays = displays.0.borrow();
    displays.iter().find(|(known, _)| *known == id).map(|(_, display)| *display)
}
