//! What the interactive prompt does with lines: whether one is complete, what it evaluates to, what
//! could stand at the cursor.
//!
//! Owns: the evaluation of one line at a time, `_`. Must not know: terminals, keys, colours. What is
//! typed is a classic script with top-level `await`, in the global scope.

mod complete;
pub mod lexer;
mod source;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use rquickjs::{Ctx, Value};

use crate::io::Notifier;
use crate::js::engine::{Engine, State};
use crate::js::eval::{self, Options};
use crate::js::observe::{self, Observer, Outcome};
use crate::js::thrown::{Cause, Thrown};
use crate::js::{Held, function};
use crate::modules::qjs::std::standard;
use crate::modules::web::console::{DEPTH, inspect};
use crate::source::prepare;

/// What stack traces call the lines.
const NAME: &str = "<repl>";

/// What a line came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its value, as `console.log` shows it.
    Value(String),
    /// What it threw, with its stack.
    Error(String),
    /// It was interrupted.
    Interrupted,
    /// Its `await` waits for what nothing refers to any more.
    Never,
}

/// A prompt over an engine.
pub struct Session {
    engine: Rc<Engine>,
    /// Rung by whoever interrupts a line, after [`crate::js::engine::State::halt`] is set.
    interrupt: Notifier,
}

/// The last value, which `_` is unless the user has it for something else.
#[derive(Default)]
struct Last {
    known: RefCell<Option<Held>>,
    taken: Cell<bool>,
}

impl Last {
    fn set<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>) {
        let now = ctx.globals().get::<_, Value>("_").unwrap_or_else(|_| {
            ctx.catch();
            Value::new_undefined(ctx.clone())
        });
        let ours = match &*self.known.borrow() {
            Some(known) => known.is(&now),
            None => now.is_undefined(),
        };
        if !ours || self.taken.get() {
            self.taken.set(true);
            return;
        }
        if function::define(ctx, &ctx.globals(), c"_", value.clone(), false).is_err() {
            ctx.catch();
            return;
        }
        let old = self.known.borrow_mut().replace(Held::new(value.clone()));
        drop(old);
    }
}

struct Shown {
    answer: Rc<Outcome<Answer>>,
}

impl Observer for Shown {
    fn settled<'js>(&self, ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        self.answer.set(match result {
            Ok(result) => {
                // An async script's value comes in an object, so that a promise stays one.
                let inner = result.as_object().and_then(|object| object.get::<_, Value>("value").ok());
                let value = inner.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
                if !value.is_undefined() {
                    State::of(ctx).extension::<Last>().set(ctx, &value);
                }
                Answer::Value(inspect(&value, DEPTH, false))
            }
            Err(reason) => failed(&reason, Thrown::from_value(&reason)),
        });
    }

    fn abandoned(&self) {
        self.answer.set(Answer::Never);
    }
}

fn failed(reason: &Value<'_>, thrown: Thrown) -> Answer {
    match thrown.cause {
        Cause::Interrupted => Answer::Interrupted,
        _ if reason.is_error() => Answer::Error(thrown.to_string()),
        _ => Answer::Error(inspect(reason, DEPTH, false)),
    }
}

impl Session {
    /// A prompt; `interrupt` is rung behind each interrupt.
    pub fn new(engine: Rc<Engine>, interrupt: Notifier) -> Session {
        Session { engine, interrupt }
    }

    /// Whether `text` goes on in the next line.
    pub fn is_open(&self, text: &str) -> bool {
        self.engine.turn(|ctx| {
            let script = source::as_script(text);
            if source::as_object(text).is_some_and(|object| compiles(ctx, &object)) {
                return false;
            }
            if eval::check(ctx, &script, NAME).is_ok() {
                return false;
            }
            let thrown = Thrown::take(ctx);
            let (_, line, column) = thrown.location().unwrap_or_default();
            if !thrown.text.starts_with("SyntaxError") {
                return false;
            }
            source::is_open(&script, &thrown.text, line, column)
                // What is no JavaScript may be TypeScript that goes on: its error is at the text's end then.
                || !thrown.text.contains("missing initializer")
                    && prepare::typed(NAME, text).is_err_and(|error| error.line > 0 && is_end(text, error.line, error.column))
        })
    }

    /// Where the word at the end of `text` begins, and what it can become.
    pub fn complete(&self, text: &str) -> (usize, Vec<String>) {
        self.engine.turn(|ctx| {
            let found = complete::complete(ctx, text);
            drop(ctx.catch());
            found
        })
    }

    /// Evaluates `text`, and waits for what it awaits.
    pub async fn evaluate(&self, text: &str) -> Answer {
        let halt = self.engine.state().halt().clone();
        halt.store(false, Ordering::SeqCst);
        let answer: Rc<Outcome<Answer>> = Rc::default();
        self.engine.turn(|ctx| {
            let shown = Shown { answer: answer.clone() };
            let options = Options { r#async: true, ..Options::default() };
            let started = eval::script(ctx, prepared(ctx, text).as_bytes(), NAME, options)
                .and_then(|promise| observe::observe(ctx, &promise, Box::new(shown)));
            if started.is_err() {
                let thrown = Thrown::take(ctx);
                answer.set(match thrown.cause {
                    Cause::Interrupted => Answer::Interrupted,
                    _ => Answer::Error(thrown.to_string()),
                });
            }
        });
        let result = poll_fn(|cx| {
            if self.interrupt.poll_notified(cx).is_ready() && halt.load(Ordering::SeqCst) {
                return Poll::Ready(Answer::Interrupted);
            }
            answer.poll(cx)
        });
        let result = result.await;
        halt.store(false, Ordering::SeqCst);
        standard::flush_all(self.engine.state());
        result
    }

    /// The engine.
    pub fn engine(&self) -> &Rc<Engine> {
        &self.engine
    }
}

/// Whether nothing but blanks stands behind a place, from 1 and in bytes, of `text`.
fn is_end(text: &str, line: u32, column: u32) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    let Some((first, rest)) = lines.get(line as usize - 1..).and_then(<[&str]>::split_first) else {
        return true;
    };
    let first = first.get(column as usize - 1..).unwrap_or_default();
    std::iter::once(&first).chain(rest).all(|line| line.trim().is_empty())
}

fn compiles(ctx: &Ctx<'_>, text: &str) -> bool {
    let fine = eval::check(ctx, text, NAME).is_ok();
    if !fine {
        drop(ctx.catch());
    }
    fine
}

/// `text` as it is to be evaluated. What compiles in no other form stays as it is, so that the error
/// is about what was typed.
fn prepared(ctx: &Ctx<'_>, text: &str) -> String {
    let forms = source::as_object(text).into_iter().chain([source::as_script(text)]);
    let found = forms.into_iter().find(|form| compiles(ctx, form));
    found.or_else(|| as_typescript(ctx, text)).unwrap_or_else(|| text.to_owned())
}

/// TypeScript as the engine takes it.
fn as_typescript(ctx: &Ctx<'_>, text: &str) -> Option<String> {
    let prepared = prepare::typed(NAME, text).ok()?;
    let script = source::as_script(std::str::from_utf8(&prepared.text).ok()?);
    compiles(ctx, &script).then_some(script)
}
