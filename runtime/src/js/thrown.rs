//! What a script threw, read as Rust data: its text, its stack with the places of the sources, why it ended.
//!
//! Owns: the reading, who describes values for people. Must not know: who logs or answers.

use std::cell::Cell;

use rquickjs::{Ctx, Error, Object, Value, qjs};

pub use super::exception::{Cause, Thrown};
use super::state::{Health, State};
use super::{exception, frames, hints, reflect, value, words};

/// Who describes values for people: the console, once there is one.
#[derive(Default)]
pub struct Describer(Cell<Option<Describe>>);

type Describe = for<'js> fn(&Value<'js>) -> String;

impl Describer {
    /// From now on `describe` does.
    pub fn set(&self, describe: Describe) {
        self.0.set(Some(describe));
    }
}

impl Thrown {
    /// Describes what `error` stands for: the pending exception, or what becomes one.
    pub fn of(ctx: &Ctx<'_>, error: &Error) -> Thrown {
        exception::raise(ctx, error);
        Thrown::take(ctx)
    }

    /// Takes the context's pending exception.
    pub fn take(ctx: &Ctx<'_>) -> Thrown {
        // SAFETY: a live context; the exception's reference becomes the Value's.
        let (value, uncatchable) = unsafe {
            let raw = qjs::JS_GetException(ctx.as_raw().as_ptr());
            (Value::from_raw(ctx.clone(), raw), qjs::JS_IsUncatchableError(raw))
        };
        let mut thrown = Thrown::from_value(&value);
        if uncatchable {
            thrown.cause = Cause::Interrupted;
        }
        thrown
    }

    /// Describes `value`, which was thrown or is the reason of a rejection.
    pub fn from_value(value: &Value<'_>) -> Thrown {
        let Some(object) = value.as_object() else {
            // Out of memory while making the out-of-memory error throws null.
            let state = State::find(value.ctx()).filter(|_| value.is_null());
            let full = state.filter(|it| it.health() == Health::OutOfMemory || it.heap_is_full());
            let (cause, text) = match full {
                Some(state) => (Cause::OutOfMemory, out_of_memory(state)),
                // Quoted, an empty one is seen.
                None if value.is_string() && !primitive(value).trim().is_empty() => {
                    (Cause::Exception, cut(primitive(value)))
                }
                None => (Cause::Exception, cut(described(value).unwrap_or_else(|| primitive(value)))),
            };
            return Thrown { cause, text, stack: String::new() };
        };
        words::improve(object);
        let name = property(object, "name").unwrap_or_else(|| "Error".into());
        let message = property(object, "message").unwrap_or_default();
        let mut stack = stack_of(object);
        let oom = exception::is_out_of_memory(value);
        let text = match (value.is_error(), message.is_empty()) {
            _ if oom => format!("{name}: {}", out_of_memory(State::of(value.ctx()))),
            (false, true) => primitive(value),
            (_, true) => name,
            _ => format!("{name}: {message}"),
        };
        let cause = match () {
            () if oom => Cause::OutOfMemory,
            // An interrupt in a promise's executor ends up as its reason.
            () if value.is_uncatchable_error() => Cause::Interrupted,
            () => Cause::Exception,
        };
        let (mut text, described) = match cause {
            Cause::Exception => (text, described(value)),
            _ => (text, None),
        };
        match described {
            Some(all) => (text, stack) = parts(value, text, all),
            None if value.is_error() => causes(object, &mut stack),
            None => {}
        }
        if stack.is_empty()
            && let Some(place) = importing_place(value.ctx(), &text)
        {
            stack = place;
        }
        let mut stack = cut(stack);
        if let Some(hint) = hints::of(&text) {
            stack.push_str(&format!("{}hint: {hint}", if stack.is_empty() { "" } else { "\n" }));
        }
        Thrown { cause, text: cut(text), stack }
    }
}

/// What the heap limit is, and which option sets it.
fn out_of_memory(state: &State) -> String {
    let bytes = state.heap_bytes_max();
    let (unit, name) = if bytes >> 20 << 20 == bytes { (1 << 20, "MiB") } else { (1, "bytes") };
    format!(
        "out of memory: the JavaScript heap has reached its limit of {} {name} (--heap-max)",
        bytes / unit
    )
}

/// A stack of one line, the place of the import that an error of linking is about; `text` is the error.
fn importing_place(ctx: &Ctx<'_>, text: &str) -> Option<String> {
    let message = text.strip_prefix("SyntaxError: ")?;
    if !message.contains("export '") || !message.contains("in module '") && !message.ends_with("is ambiguous")
    {
        return None;
    }
    let mut quoted = message.split('\'').skip(1).step_by(2);
    let (name, module) = (quoted.next()?, quoted.next()?);
    State::of(ctx).code().known().importer(module, name)
}

/// Bytes that are kept of a message, and of a stack.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// How many causes are followed.
const CAUSES_MAX: usize = 4;

/// `text`, shortened to what a log can bear.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// `value` as the console shows it, where there is one.
fn described(value: &Value<'_>) -> Option<String> {
    let describe = State::find(value.ctx())?.extension::<Describer>().0.get()?;
    Some(describe(value))
}

/// What `all` says of an error, which is `text` in short: its name and message, and what follows.
fn parts(value: &Value<'_>, text: String, all: String) -> (String, String) {
    let dom_exception = reflect::class_name(value) == "DOMException";
    if !value.is_error() && !dom_exception {
        return (all, String::new());
    }
    if let Some(rest) = all.strip_prefix(&*text) {
        return (text, rest.trim_start_matches('\n').to_owned());
    }
    // Without a stack it stands in brackets.
    let bare = all.strip_prefix('[').and_then(|all| all.strip_prefix(&*text)?.strip_prefix(']'));
    if let Some(rest) = bare {
        return (text, rest.trim_start().to_owned());
    }
    // Its class says more than its name.
    let end = all.find("\n    at ").or_else(|| all.find('\n')).unwrap_or(all.len());
    let (head, rest) = all.split_at(end);
    let head = if dom_exception { text } else { head.to_owned() };
    (head, rest.trim_start_matches('\n').to_owned())
}

/// Adds an error's `cause`, and the causes of that, to its stack.
fn causes(error: &Object<'_>, stack: &mut String) {
    let mut error = error.clone();
    for _ in 0..CAUSES_MAX {
        let Some(cause) = reflect::data(&error, "cause").filter(|cause| !cause.is_undefined()) else {
            return;
        };
        let mut described = primitive(&cause);
        let next = cause.into_object();
        let frames = next.as_ref().map(stack_of).unwrap_or_default();
        if !frames.is_empty() {
            described.push('\n');
            described.push_str(&frames);
        }
        stack.push_str(&format!("{}Caused by: {}", if stack.is_empty() { "" } else { "\n" }, cut(described)));
        match next {
            Some(next) => error = next,
            None => return,
        }
    }
}

/// The stack with the places of the sources.
fn stack_of(object: &Object<'_>) -> String {
    if object.as_value().is_uncatchable_error()
        && let Some(stack) = frames::raw(object).and_then(|frames| words::at_its_loop(object.ctx(), &frames))
    {
        return frames::map_stack(object.ctx(), stack).trim_end().to_owned();
    }
    let stack = property(object, "stack").unwrap_or_default().trim_end().to_owned();
    if frames::is_raw(object) { frames::map_stack(object.ctx(), stack) } else { stack }
}

fn property(object: &Object<'_>, name: &str) -> Option<String> {
    match object.get::<_, Value>(name) {
        Ok(value) if value.is_string() => value::to_string(&value).ok(),
        Ok(_) => None,
        Err(_) => {
            object.ctx().catch();
            None
        }
    }
}

fn primitive(value: &Value<'_>) -> String {
    if value.is_symbol() {
        return "Symbol()".into();
    }
    value::to_string(value).unwrap_or_else(|_| {
        value.ctx().catch();
        "an object that cannot be turned into a string".into()
    })
}
