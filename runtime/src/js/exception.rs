//! Errors that native code throws, and the data of what a script threw.
//!
//! Owns: the throwing functions, [`Thrown`], code frames. Must not know: how an error is read (`thrown.rs`), who
//! logs or answers.

use std::fmt;

use rquickjs::{Ctx, Error, Exception, Value, qjs};

use super::hints;
use crate::source::names;

/// Throws a TypeError.
pub fn type_error(ctx: &Ctx<'_>, message: &str) -> Error {
    let thrown = Exception::throw_type(ctx, message);
    whole(ctx, thrown, message)
}

/// The engine cuts the messages of its own errors at 255 bytes (quickjs.c, JS_ThrowError): puts the
/// whole one there.
fn whole(ctx: &Ctx<'_>, thrown: Error, message: &str) -> Error {
    if message.len() <= ENGINE_BYTES_MAX {
        return thrown;
    }
    let error = ctx.catch();
    if let Some(object) = error.as_object() {
        let text = super::value::string(ctx, message).map(rquickjs::object::Property::from);
        if text.and_then(|text| object.prop("message", text.writable().configurable())).is_err() {
            ctx.catch();
        }
    }
    ctx.throw(error)
}

/// Throws a RangeError.
pub fn range_error(ctx: &Ctx<'_>, message: &str) -> Error {
    Exception::throw_range(ctx, message)
}

/// Throws a SyntaxError for a place in a source: file, line and column, where the line is not 0.
pub fn syntax_error(ctx: &Ctx<'_>, message: &str, place: (&str, u32, u32)) -> Error {
    placed(ctx, whole(ctx, Exception::throw_syntax(ctx, message), message), place)
}

/// Throws a TypeError for a place in a source, as [`syntax_error`] does.
pub fn placed_type_error(ctx: &Ctx<'_>, message: &str, place: (&str, u32, u32)) -> Error {
    placed(ctx, type_error(ctx, message), place)
}

/// Gives the pending error a stack that is this one place.
fn placed(ctx: &Ctx<'_>, thrown: Error, place: (&str, u32, u32)) -> Error {
    let (file, line, column) = place;
    if line == 0 {
        return thrown;
    }
    let error = ctx.catch();
    if let Some(object) = error.as_object() {
        let stack = rquickjs::object::Property::from(format!("    at {file}:{line}:{column}\n"));
        if object.prop("stack", stack.writable().configurable()).is_err() {
            ctx.catch();
        }
    }
    ctx.throw(error)
}

/// Throws an InternalError.
pub fn internal_error(ctx: &Ctx<'_>, message: &str) -> Error {
    Exception::throw_internal(ctx, message)
}

/// Throws a DOMException called `name` (Web IDL section 2.8.1).
pub fn dom_exception(ctx: &Ctx<'_>, name: &str, message: &str) -> Error {
    let name = name.replace('\0', "") + "\0";
    let message = message.replace('\0', "") + "\0";
    // SAFETY: both strings end in NUL, the format takes exactly one string.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        qjs::JS_ThrowDOMException(raw, name.as_ptr().cast(), c"%s".as_ptr(), message.as_ptr());
    }
    Error::Exception
}

/// Makes `error` the context's pending exception.
pub fn raise(ctx: &Ctx<'_>, error: &Error) {
    match error {
        Error::Exception => {}
        // SAFETY: a live context.
        Error::Allocation => unsafe {
            qjs::JS_ThrowOutOfMemory(ctx.as_raw().as_ptr());
        },
        other => {
            Exception::throw_type(ctx, &other.to_string());
        }
    }
}

/// Why a call ended without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The script threw.
    Exception,
    /// The turn's CPU budget was used up.
    Interrupted,
    /// The heap limit was reached.
    OutOfMemory,
}

/// What a script threw.
#[derive(Clone, Debug)]
pub struct Thrown {
    /// Why.
    pub cause: Cause,
    /// `Name: message`, or the value as a string.
    pub text: String,
    /// The stack, one indented line a frame; empty where there is none.
    pub stack: String,
}

impl Thrown {
    /// What to write instead, where it is a global of another runtime that was missed; the last line of the stack.
    pub fn hint(&self) -> Option<&'static str> {
        hints::of(&self.text)
    }

    /// Where the innermost frame with a file is: file, line, column.
    pub fn location(&self) -> Option<(String, usize, usize)> {
        places(&self.stack).next().map(|(file, row, column)| (file.to_owned(), row, column))
    }

    /// The source lines around its innermost place in a file, the column marked.
    pub fn code_frame(&self) -> Option<String> {
        code_frame(&self.stack)
    }
}

/// The places of a stack: file, line, column.
fn places(stack: &str) -> impl Iterator<Item = (&str, usize, usize)> {
    stack.lines().filter_map(|line| {
        // Behind the last frame, what else there is to say of an error begins.
        let place = line.trim().trim_end_matches(" {").trim_start_matches("at ").trim_end_matches(')');
        let place = place.rsplit_once('(').map_or(place, |(_, inside)| inside);
        let (rest, column) = place.rsplit_once(':')?;
        let (file, row) = rest.rsplit_once(':')?;
        Some((file, row.parse().ok()?, column.parse().ok()?))
    })
}

/// The source lines around the innermost place of `stack` that is in a file, the column marked.
pub fn code_frame(stack: &str) -> Option<String> {
    places(stack).take(PLACES_MAX).find_map(|(file, row, column)| frame(file, row, column))
}

fn frame(file: &str, row: usize, column: usize) -> Option<String> {
    // A stack is the script's to write: nothing but a file of a source's size is read.
    let path = names::path(file);
    let known = std::fs::metadata(&*path).ok()?;
    if !known.is_file() || known.len() > SOURCE_BYTES_MAX {
        return None;
    }
    let source = String::from_utf8_lossy(&std::fs::read(&*path).ok()?).into_owned();
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
    let first = row.saturating_sub(3).max(1);
    let mut frame = format!("  {file}:{row}:{column}\n");
    for (number, line) in source.lines().enumerate().map(|(i, l)| (i + 1, l)) {
        if number < first || number > row + 1 {
            continue;
        }
        let mark = if number == row { '>' } else { ' ' };
        let (line, before) = window(line, column);
        frame.push_str(&format!("{mark} {number:4} | {line}\n"));
        if number == row {
            let blank = |c| if c == '\t' { '\t' } else { ' ' };
            let lead: String = line.chars().take(before).map(blank).collect();
            frame.push_str(&format!("       | {lead}^\n"));
        }
    }
    Some(frame.trim_end().to_owned())
}

/// Whether `value` is the engine's error at the heap limit; runs no JavaScript.
pub(super) fn is_out_of_memory(value: &Value<'_>) -> bool {
    let Some(object) = value.as_object().filter(|_| value.is_error()) else { return false };
    let is = |name: &str, text: &str| {
        super::reflect::data(object, name).is_some_and(|found| {
            found.is_string() && super::value::with_str(&found, |found| found == text).unwrap_or(false)
        })
    };
    is("message", "out of memory") && is("name", "InternalError")
}

/// The longest message that the engine takes as it is.
const ENGINE_BYTES_MAX: usize = 255;
/// Characters that a code frame shows of a line.
const LINE_CHARS_MAX: usize = 120;
/// The longest source that a code frame is made of.
const SOURCE_BYTES_MAX: u64 = 16 << 20;
/// Places of a stack that are looked at.
const PLACES_MAX: usize = 16;
/// What is shown of a line around `column` (the engine counts bytes, from 1), and how many of its
/// characters stand before that.
fn window(line: &str, column: usize) -> (String, usize) {
    let before = line.char_indices().take_while(|(at, _)| at + 1 < column).count();
    let length = line.chars().count();
    if length <= LINE_CHARS_MAX {
        return (line.to_owned(), before.min(length));
    }
    let first = before.saturating_sub(LINE_CHARS_MAX / 2).min(length - LINE_CHARS_MAX);
    let lead = if first > 0 { "..." } else { "" };
    let tail = if first + LINE_CHARS_MAX < length { "..." } else { "" };
    let shown: String = line.chars().skip(first).take(LINE_CHARS_MAX).collect();
    (format!("{lead}{shown}{tail}"), before.saturating_sub(first).min(LINE_CHARS_MAX) + lead.len())
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if !self.stack.is_empty() {
            write!(f, "\n{}", self.stack)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_frame_shows_the_part_of_a_long_line_around_its_column() {
        let short = window("let x = 1 +;", 12);
        assert_eq!(window("\té+;", 5), ("\té+;".to_owned(), 3));
        assert_eq!(short, ("let x = 1 +;".to_owned(), 11));
        let line = "a".repeat(5000) + "\u{e9}!" + &"b".repeat(5000);
        let (shown, before) = window(&line, 5003);
        assert_eq!(shown.chars().nth(before), Some('!'));
        assert!(
            shown.chars().count() <= LINE_CHARS_MAX + 6
                && shown.starts_with("...a")
                && shown.ends_with("b...")
        );
        let (shown, before) = window(&line, 9999);
        assert_eq!((shown.chars().nth(before), shown.ends_with('b')), (Some('b'), true));
        assert_eq!(window(&line, 99_999).1, LINE_CHARS_MAX + 3);
    }
}
