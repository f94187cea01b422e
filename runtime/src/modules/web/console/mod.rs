//! `console` (WHATWG Console standard), native: no start-up cost, and an app that patches
//! prototypes cannot break it.
//!
//! Owns: the functions, groups, counters, timers. Must not know: log formats of the server. One
//! call is one write, so lines of several workers never mix.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::time::Instant;

use rquickjs::atom::PredefinedAtom;
use rquickjs::object::Property;
use rquickjs::{Coerced, Ctx, FromJs, Object, Result, Value};

use crate::js::class::{Scope, Static};
use crate::js::engine::State;
use crate::js::exception;
use crate::js::function::{self, Functions};
use crate::js::{reflect, thrown, value};

mod attributes;
mod contents;
mod format;
mod inspect;
mod intrinsics;
mod layout;
mod output;
mod table;

pub use attributes::keep;
pub use format::format;
pub use inspect::{DEPTH, inspect};
pub use output::{Level, LineSink, Output};

/// Labels that counters and timers remember.
const LABELS_MAX: usize = 1000;
/// Columns that groups indent by at most.
const INDENT_MAX: usize = 200;

/// What a console remembers.
#[derive(Default)]
struct ConsoleMemory {
    indent: Cell<usize>,
    counts: RefCell<HashMap<String, u64>>,
    timers: RefCell<HashMap<String, Instant>>,
}

struct Console;

impl Functions for Console {
    const LIST: &'static [(&'static CStr, u8, Static)] = &[
        (c"log", 0, |scope| log(scope, Level::Info)),
        (c"info", 0, |scope| log(scope, Level::Info)),
        (c"debug", 0, |scope| log(scope, Level::Debug)),
        (c"dirxml", 0, |scope| log(scope, Level::Info)),
        (c"warn", 0, |scope| log(scope, Level::Warn)),
        (c"error", 0, |scope| log(scope, Level::Error)),
        (c"trace", 0, trace),
        (c"assert", 0, assert),
        (c"dir", 0, dir),
        (c"table", 0, print_table),
        (c"clear", 0, clear),
        (c"group", 0, group),
        (c"groupCollapsed", 0, group),
        (c"groupEnd", 0, group_end),
        (c"count", 0, count),
        (c"countReset", 0, count_reset),
        (c"time", 0, time),
        (c"timeLog", 0, |scope| time_log(scope, false)),
        (c"timeEnd", 0, |scope| time_log(scope, true)),
    ];
}

/// Installs `console`.
///
/// # Errors
/// Out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    intrinsics::capture(ctx)?;
    State::of(ctx).extension::<thrown::Describer>().set(inspect::describe);
    let console = Object::new_proto(ctx.clone(), Some(&Object::new(ctx.clone())?))?;
    function::install::<Console>(ctx, &console)?;
    console.prop(PredefinedAtom::SymbolToStringTag, Property::from("console").configurable())?;
    function::define(ctx, &ctx.globals(), c"console", console.into_value(), false)
}

fn print(ctx: &Ctx<'_>, stream: Level, text: &str) {
    let state = State::of(ctx);
    let indent = " ".repeat(state.extension::<ConsoleMemory>().indent.get());
    let mut lines = String::with_capacity(text.len() + indent.len() + 1);
    lines.push_str(&indent);
    match indent.is_empty() {
        true => lines.push_str(text),
        false => lines.push_str(&text.replace('\n', &format!("\n{indent}"))),
    }
    lines.push('\n');
    state.extension::<Output>().write(stream, &lines);
}

fn arguments<'js>(scope: &Scope<'_, 'js>, from: usize) -> Vec<Value<'js>> {
    (from..scope.len()).map(|index| scope.arg(index)).collect()
}

fn log<'js>(scope: &Scope<'_, 'js>, stream: Level) -> Result<Value<'js>> {
    print(scope.ctx, stream, &format(scope.ctx, &arguments(scope, 0))?);
    Ok(scope.undefined())
}

fn trace<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let text = format(scope.ctx, &arguments(scope, 0))?;
    let _ = exception::type_error(scope.ctx, "");
    let here = scope.ctx.catch();
    let kept = State::of(scope.ctx).extension::<intrinsics::Intrinsics>();
    let stack = here.as_object().and_then(|here| kept.stack(here)).unwrap_or_default();
    // The first frame is this function.
    let frames: Vec<&str> = stack.lines().filter(|line| !line.ends_with("trace (native)")).collect();
    let colon = if text.is_empty() { "" } else { ": " };
    print(scope.ctx, Level::Warn, format!("Trace{colon}{text}\n{}", frames.join("\n")).trim_end());
    Ok(scope.undefined())
}

fn assert<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if Coerced::<bool>::from_js(scope.ctx, scope.arg(0))?.0 {
        return Ok(scope.undefined());
    }
    let rest = arguments(scope, 1);
    let mut text = "Assertion failed".to_owned();
    if !rest.is_empty() {
        // A format string is one only in first place; there, the prefix goes in front of it.
        text += if rest[0].is_string() { ": " } else { " " };
        text += &format(scope.ctx, &rest)?;
    }
    print(scope.ctx, Level::Error, &text);
    Ok(scope.undefined())
}

fn dir<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let mut depth = DEPTH;
    let mut hidden = false;
    if let Some(options) = scope.arg(1).as_object() {
        match reflect::data(options, "depth") {
            Some(value) if value.is_null() => depth = usize::MAX,
            Some(value) => depth = value.as_number().map_or(DEPTH, |n| n.max(0.0) as usize),
            None => {}
        }
        hidden = reflect::data(options, "showHidden").and_then(|value| value.as_bool()).unwrap_or(false);
    }
    print(scope.ctx, Level::Info, &inspect(&scope.arg(0), depth, hidden));
    Ok(scope.undefined())
}

fn print_table<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let wanted = scope.arg(1).into_array().map(|names| {
        let names = names.iter::<Value>().filter_map(|name| value::to_string(&name.ok()?).ok());
        names.collect::<Vec<_>>()
    });
    match table::table(&scope.arg(0), wanted) {
        Some(text) => print(scope.ctx, Level::Info, &text),
        None => return log(scope, Level::Info),
    }
    Ok(scope.undefined())
}

/// `clear()`: ends all groups; what is written stays, as it may be a file, or other workers' too.
fn clear<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    State::of(scope.ctx).extension::<ConsoleMemory>().indent.set(0);
    Ok(scope.undefined())
}

fn group<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    if !scope.is_empty() {
        log(scope, Level::Info)?;
    }
    let memory = State::of(scope.ctx).extension::<ConsoleMemory>();
    memory.indent.set((memory.indent.get() + 2).min(INDENT_MAX));
    Ok(scope.undefined())
}

fn group_end<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let memory = State::of(scope.ctx).extension::<ConsoleMemory>();
    memory.indent.set(memory.indent.get().saturating_sub(2));
    Ok(scope.undefined())
}

/// The label that argument 0 is, `default` without one. Converting it runs the app's `toString`;
/// what that throws is the caller's.
fn label(scope: &Scope<'_, '_>) -> Result<String> {
    if scope.has(0) { value::to_string(&scope.arg(0)) } else { Ok("default".into()) }
}

fn count<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let label = label(scope)?;
    let memory = State::of(scope.ctx).extension::<ConsoleMemory>();
    let mut counts = memory.counts.borrow_mut();
    if counts.len() >= LABELS_MAX && !counts.contains_key(&label) {
        drop(counts);
        print(scope.ctx, Level::Warn, "console.count: more than 1,000 labels");
        return Ok(scope.undefined());
    }
    let count = counts.entry(label.clone()).or_default();
    *count += 1;
    let text = format!("{label}: {count}");
    drop(counts);
    print(scope.ctx, Level::Info, &text);
    Ok(scope.undefined())
}

fn count_reset<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let label = label(scope)?;
    let memory = State::of(scope.ctx).extension::<ConsoleMemory>();
    let known = memory.counts.borrow_mut().remove(&label).is_some();
    if !known {
        print(scope.ctx, Level::Warn, &format!("Count for '{label}' does not exist"));
    }
    Ok(scope.undefined())
}

fn time<'js>(scope: &Scope<'_, 'js>) -> Result<Value<'js>> {
    let label = label(scope)?;
    let memory = State::of(scope.ctx).extension::<ConsoleMemory>();
    let mut timers = memory.timers.borrow_mut();
    let complaint = match (timers.contains_key(&label), timers.len() >= LABELS_MAX) {
        (true, _) => format!("Label '{label}' already exists for console.time()"),
        (_, true) => "console.time: more than 1,000 labels".into(),
        _ => {
            timers.insert(label, Instant::now());
            return Ok(scope.undefined());
        }
    };
    drop(timers);
    print(scope.ctx, Level::Warn, &complaint);
    Ok(scope.undefined())
}

fn time_log<'js>(scope: &Scope<'_, 'js>, end: bool) -> Result<Value<'js>> {
    let label = label(scope)?;
    let memory = State::of(scope.ctx).extension::<ConsoleMemory>();
    let start = match end {
        true => memory.timers.borrow_mut().remove(&label),
        false => memory.timers.borrow().get(&label).copied(),
    };
    let Some(start) = start else {
        let name = if end { "timeEnd" } else { "timeLog" };
        print(scope.ctx, Level::Error, &format!("No such label '{label}' for console.{name}()"));
        return Ok(scope.undefined());
    };
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let mut text = match ms {
        _ if ms >= 60_000.0 => {
            format!("{label}: {}:{:06.3} (m:ss.mmm)", (ms / 60_000.0) as u64, ms % 60_000.0 / 1000.0)
        }
        _ if ms >= 1000.0 => format!("{label}: {:.3}s", ms / 1000.0),
        _ => format!("{label}: {ms:.3}ms"),
    };
    let rest = arguments(scope, 1);
    if !end && !rest.is_empty() {
        text = format!("{text} {}", format(scope.ctx, &rest)?);
    }
    print(scope.ctx, Level::Info, &text);
    Ok(scope.undefined())
}
