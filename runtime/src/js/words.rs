//! The engine's errors in words that name what failed: "not a function" becomes "o.save is not a function".
//!
//! Owns: which messages are meant, the new ones. Must not know: how the expression is found, who shows an
//! error. A message is put right once, when the error is made, or when it is first looked at from here; what is
//! in doubt stays.

use std::cell::RefCell;
use std::collections::HashMap;

use rquickjs::object::Property;
use rquickjs::{Ctx, Object, Value};

use super::state::State;
use super::{frames, reflect, value};
use crate::source::subject::{self, Act, How, Subject};

/// Places that are remembered, with what is said of them.
const PLACES_MAX: usize = 512;

/// What was found out about places: the message, and the frame that it was thrown in.
#[derive(Default)]
struct Places(RefCell<HashMap<(String, String), Option<String>>>);

impl Places {
    fn known(&self, message: &str, frame: &str, find: impl FnOnce() -> Option<String>) -> Option<String> {
        let key = (message.to_owned(), frame.to_owned());
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        // A client may have its part in a message: looking for more and more places must come to an end.
        if self.0.borrow().len() >= PLACES_MAX {
            return None;
        }
        let found = find();
        self.0.borrow_mut().insert(key, found.clone());
        found
    }
}

/// The longest file that is read for an error that is being made: a parser's milliseconds are waited for then.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Puts the message of `error` right, if it is one of those meant. Runs no JavaScript.
pub fn improve(error: &Object<'_>) {
    if !error.as_value().is_error() {
        return;
    }
    let Some(message) = text(error, "message") else { return };
    let Some(act) = Meant::of(&message) else { return };
    let Some(frames) = frames::raw(error) else { return };
    let Some(frame) = frames.lines().next().map(str::trim) else { return };
    put_right(error, &message, &act, frame);
}

/// As [`improve`], of an error that is being made; `frame` gives the innermost one.
pub(super) fn improve_new(error: &Object<'_>, frame: impl FnOnce() -> Option<String>) {
    let Some(message) = text(error, "message") else { return };
    let Some(act) = Meant::of(&message) else { return };
    // One that is thrown again has the frames of another place.
    if !frames::is_new(error) {
        return;
    }
    let Some(frame) = frame() else { return };
    let Some((file, ..)) = place(&frame) else { return };
    // Without a file it is short.
    if std::fs::metadata(file).is_ok_and(|about| about.len() > FILE_BYTES_MAX) {
        return;
    }
    put_right(error, &message, &act, &frame);
}

fn put_right(error: &Object<'_>, message: &str, act: &Meant<'_>, frame: &str) {
    let ctx = error.ctx();
    let Some(state) = State::find(ctx) else { return };
    let places = state.extension::<Places>();
    let better = places.known(message, frame, || explained(ctx, act, frame));
    let Some(better) = better else { return };
    let done = value::string(ctx, &better)
        .and_then(|better| error.prop("message", Property::from(better).writable().configurable()));
    if done.is_err() {
        // It is frozen, or there is no memory.
        drop(ctx.catch());
    }
}

fn text(object: &Object<'_>, name: &str) -> Option<String> {
    let key = value::string(object.ctx(), name).ok()?;
    match reflect::own(object, &key).ok()??.slot {
        reflect::Slot::Data(found) if found.is_string() => value::to_string(&found).ok(),
        _ => None,
    }
}

/// A message of the engine, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Meant<'a> {
    act: Act<'a>,
    /// `undefined` or `null`, where the message says it.
    empty: &'a str,
}

impl<'a> Meant<'a> {
    fn of(message: &'a str) -> Option<Meant<'a>> {
        let plain = |act| Some(Meant { act, empty: "" });
        match message {
            "not a function" => return plain(Act::Call),
            "not a constructor" => return plain(Act::Construct),
            "value is not iterable" => return plain(Act::Iterate),
            "Cannot convert undefined or null to object" => return plain(Act::Destructure),
            _ => {}
        }
        let (verb, rest) = message.split_once(" property '")?;
        let (name, empty) =
            rest.rsplit_once("' of ").filter(|(_, of)| matches!(*of, "undefined" | "null"))?;
        match (verb, name) {
            ("cannot read", "Symbol.iterator") => Some(Meant { act: Act::Iterate, empty }),
            ("cannot read", _) => Some(Meant { act: Act::Read(name), empty }),
            ("cannot set", _) => Some(Meant { act: Act::Write(name), empty }),
            _ => None,
        }
    }

    fn said(&self, about: &Subject) -> Option<String> {
        let Meant { act, empty } = self;
        let named = about.text.as_ref();
        Some(match act {
            Act::Call if about.how == How::Awaited => format!("{} is not async iterable", named?),
            Act::Call if about.how == How::Constructed => format!("{} is not a constructor", named?),
            Act::Call => format!("{} is not a function", named?),
            Act::Construct => format!("{} is not a constructor", named?),
            Act::Iterate if empty.is_empty() => format!("{} is not iterable", named?),
            Act::Iterate => format!("{} is not iterable: it is {empty}", named?),
            Act::Read(name) => {
                let why = named
                    .filter(|named| *named != *empty)
                    .map(|named| format!(": {named} is {empty}"))
                    .unwrap_or_default();
                format!("Cannot read properties of {empty} (reading '{name}'){why}")
            }
            Act::Write(name) => {
                let why = named
                    .filter(|named| *named != *empty)
                    .map(|named| format!(": {named} is {empty}"))
                    .unwrap_or_default();
                format!("Cannot set properties of {empty} (setting '{name}'){why}")
            }
            Act::Loop => return None,
            Act::Destructure => match &about.property {
                Some(property) => {
                    let from = named.map_or("what was passed", |named| named);
                    format!("Cannot destructure property '{property}' of {from}: it is undefined or null")
                }
                None => format!("Cannot destructure {}: it is undefined or null", named?),
            },
        })
    }
}

/// The stack of an interrupt, with its first frame in the loop that was interrupted: the engine names the
/// last thing before it that has a place.
pub(super) fn at_its_loop(ctx: &Ctx<'_>, frames: &str) -> Option<String> {
    let (first, rest) = frames.split_once('\n').unwrap_or((frames, ""));
    let real = State::of(ctx).extension::<Places>().known("", first, || loop_frame(ctx, first))?;
    Some(format!("{real}\n{rest}"))
}

fn loop_frame(ctx: &Ctx<'_>, frame: &str) -> Option<String> {
    let (name, line, column) = place(frame.trim())?;
    let text = State::of(ctx).code().text(name)?;
    let at = subject::loop_behind(&text, offset(&text, line, column)?)? as usize;
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let real = format!("{name}:{}:{}", before.matches('\n').count() + 1, at - start + 1);
    Some(frame.replacen(&format!("{name}:{line}:{column}"), &real, 1))
}

/// The message for what went wrong in the innermost frame.
fn explained(ctx: &Ctx<'_>, meant: &Meant<'_>, frame: &str) -> Option<String> {
    let (name, line, column) = place(frame)?;
    let code = State::of(ctx).code();
    let text = code.text(name)?;
    let at = offset(&text, line, column)?;
    let is_function = |path: &[&str]| is_function(ctx, path).unwrap_or(false);
    let found = subject::find(&text, at, meant.act, &is_function);
    let mut said = found.iter().map(|about| meant.said(about)).collect::<Option<Vec<_>>>()?;
    said.dedup();
    let texts = found.iter().filter_map(|about| about.text.as_deref());
    if code.positions().has(name) && !texts.into_iter().all(|text| is_in_file(name, text)) {
        return None;
    }
    match &said[..] {
        [one] => Some(one.clone()),
        // Two calls that the engine gives one place.
        [first, second] if meant.act == Act::Call => {
            let first = first.strip_suffix(" is not a function")?;
            Some(format!("{first} or {second}"))
        }
        _ => None,
    }
}

/// File, line and column of a frame, `at name (file:line:column)` or `at file:line:column`.
fn place(frame: &str) -> Option<(&str, usize, usize)> {
    let frame = frame.strip_prefix("at ")?;
    let inside = match frame.strip_suffix(')') {
        Some(named) => named.split_once(" (")?.1,
        None => frame,
    };
    let (rest, column) = inside.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

/// The byte at a line and a column, both from 1, the column in bytes. In the first line the engine's columns
/// are one less for all but names (quickjs.c, js_parse_init).
fn offset(text: &str, line: usize, column: usize) -> Option<u32> {
    let bytes = text.as_bytes();
    let is_name = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || b"_$".contains(b));
    let begins = |at: usize| is_name(at) && !at.checked_sub(1).is_some_and(is_name);
    let first = column.checked_sub(1)?;
    let at = match line.checked_sub(2) {
        None if begins(first) => first,
        None => column,
        Some(before) => text.match_indices('\n').nth(before)?.0 + column,
    };
    u32::try_from(at).ok().filter(|at| (*at as usize) < text.len())
}

/// Whether the global at `path` is a function now, by data properties alone.
fn is_function(ctx: &Ctx<'_>, path: &[&str]) -> Option<bool> {
    let mut at: Value<'_> = ctx.globals().into_value();
    for name in path {
        at = reflect::data(at.as_object()?, name)?;
    }
    Some(at.is_function())
}

/// Whether each name of `text` stands in the file: the code that runs may have others.
fn is_in_file(file: &str, text: &str) -> bool {
    let Ok(source) = std::fs::read_to_string(file) else { return false };
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .filter(|word| !word.is_empty())
        .all(|word| source.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_messages_are_taken_apart() {
        assert_eq!(place("at f (/a b/c (1).js:2:10)"), Some(("/a b/c (1).js", 2, 10)));
        assert_eq!(place("at f (/a/c.js:2:10)"), Some(("/a/c.js", 2, 10)));
        assert_eq!(place("at /a/c.js:2:10"), Some(("/a/c.js", 2, 10)));
        assert_eq!(place("at map (native)"), None);
        assert_eq!(Meant::of("it is not a function"), None);
        let read = Meant { act: Act::Read("a' of 'b"), empty: "null" };
        assert_eq!(Meant::of("cannot read property 'a' of 'b' of null"), Some(read));
        assert_eq!(offset("ab\ncd\n", 1, 1), Some(0));
        assert_eq!(offset("a.b()\ncd\n", 1, 2), Some(2));
        assert_eq!(offset("a(b)\ncd\n", 1, 3), Some(2));
        assert_eq!(offset("ab\ncd\n", 2, 2), Some(4));
        assert_eq!(offset("ab\ncd\n", 4, 1), None);
    }
}
