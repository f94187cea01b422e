//! Exceptions, both ways: errors that native code throws, and what a script threw as Rust data.
//!
//! Owns: [`Thrown`], the throwing functions, code frames. Must not know: who logs or answers.

use std::fmt;

use rquickjs::{Ctx, Error, Exception, Object, Value, qjs};

use super::engine::State;

/// Throws a TypeError.
pub fn type_error(ctx: &Ctx<'_>, message: &str) -> Error {
    Exception::throw_type(ctx, message)
}

/// Throws a RangeError.
pub fn range_error(ctx: &Ctx<'_>, message: &str) -> Error {
    Exception::throw_range(ctx, message)
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
            let full = value.is_null() && State::of(value.ctx()).heap_is_full();
            let cause = if full { Cause::OutOfMemory } else { Cause::Exception };
            return Thrown { cause, text: primitive(value), stack: String::new() };
        };
        let name = property(object, "name").unwrap_or_else(|| "Error".into());
        let message = property(object, "message").unwrap_or_default();
        let stack = property(object, "stack").unwrap_or_default();
        let oom = name == "InternalError" && message == "out of memory";
        let text = match (value.is_error(), message.is_empty()) {
            (false, true) => primitive(value),
            (_, true) => name,
            _ => format!("{name}: {message}"),
        };
        let cause = if oom { Cause::OutOfMemory } else { Cause::Exception };
        Thrown { cause, text, stack: stack.trim_end().to_owned() }
    }

    /// Where the innermost frame with a file is: file, line, column.
    pub fn location(&self) -> Option<(String, usize, usize)> {
        self.stack.lines().find_map(|line| {
            let place = line.trim().trim_start_matches("at ").trim_end_matches(')');
            let place = place.rsplit_once('(').map_or(place, |(_, inside)| inside);
            let (rest, column) = place.rsplit_once(':')?;
            let (file, row) = rest.rsplit_once(':')?;
            Some((file.to_owned(), row.parse().ok()?, column.parse().ok()?))
        })
    }

    /// The source lines around [`Thrown::location`], the column marked.
    pub fn code_frame(&self) -> Option<String> {
        let (file, row, column) = self.location()?;
        let source = std::fs::read_to_string(&file).ok()?;
        let first = row.saturating_sub(3).max(1);
        let mut frame = format!("  {file}:{row}:{column}\n");
        for (number, line) in source.lines().enumerate().map(|(i, l)| (i + 1, l)) {
            if number < first || number > row + 1 {
                continue;
            }
            let mark = if number == row { '>' } else { ' ' };
            frame.push_str(&format!("{mark} {number:4} | {line}\n"));
            if number == row {
                let lead: String = line
                    .chars()
                    .take(column.saturating_sub(1))
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                frame.push_str(&format!("       | {lead}^\n"));
            }
        }
        Some(frame.trim_end().to_owned())
    }
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

fn property(object: &Object<'_>, name: &str) -> Option<String> {
    match object.get::<_, Value>(name) {
        Ok(value) if value.is_string() => super::value::to_string(&value).ok(),
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
    super::value::to_string(value).unwrap_or_else(|_| {
        value.ctx().catch();
        "an object that cannot be turned into a string".into()
    })
}
