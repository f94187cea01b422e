//! Classic scripts from source text, in the global scope.
//!
//! Owns: the raw evaluation and its flags. Must not know: who evaluates, or where the source is from.

use rquickjs::{Ctx, Result, Value, qjs};

/// How a script is evaluated; by default as `<script>` has it: sloppy, synchronous.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// As if it began with `"use strict"`.
    pub strict: bool,
    /// Allows top-level `await`: the result is a promise of `{ value }`.
    pub r#async: bool,
    /// Leaves the callers' frames out of the stacks of errors.
    pub backtrace_barrier: bool,
}

/// Evaluates `source` as a classic script called `name` in stack traces; the value of its last
/// expression. A `#!` line at its start is skipped. No jobs run before it returns.
///
/// # Errors
/// SyntaxError, and what the script throws.
pub fn script<'js>(ctx: &Ctx<'js>, source: &[u8], name: &str, options: Options) -> Result<Value<'js>> {
    let mut flags = qjs::JS_EVAL_TYPE_GLOBAL;
    for (on, flag) in [
        (options.strict, qjs::JS_EVAL_FLAG_STRICT),
        (options.r#async, qjs::JS_EVAL_FLAG_ASYNC),
        (options.backtrace_barrier, qjs::JS_EVAL_FLAG_BACKTRACE_BARRIER),
    ] {
        flags |= if on { flag } else { 0 };
    }
    let source = [source, b"\0"].concat();
    let name = name.replace('\0', "") + "\0";
    // SAFETY: the engine wants a NUL behind the source's last byte and at the name's end; both are
    // there. Bytes that are no UTF-8 are the engine's to decode: it replaces or refuses them.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let (length, flags) = ((source.len() - 1) as _, flags as i32);
        super::value::fresh(
            ctx,
            qjs::JS_Eval(raw, source.as_ptr().cast(), length, name.as_ptr().cast(), flags),
        )
    }
}

/// Whether `source` can be evaluated as a classic script with top-level `await`; nothing runs.
///
/// # Errors
/// SyntaxError.
pub fn check(ctx: &Ctx<'_>, source: &str, name: &str) -> Result<()> {
    let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_ASYNC | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
    let source = [source.as_bytes(), b"\0"].concat();
    let name = name.replace('\0', "") + "\0";
    // SAFETY: as in `script`; what is compiled is dropped.
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let (length, flags) = ((source.len() - 1) as _, flags as i32);
        let code = qjs::JS_Eval(raw, source.as_ptr().cast(), length, name.as_ptr().cast(), flags);
        super::value::fresh(ctx, code).map(drop)
    }
}

/// Lets the pending exception be caught even if it is the one of an interrupted turn: what a prompt
/// does after each line.
pub fn make_catchable(ctx: &Ctx<'_>) {
    // SAFETY: clears a mark of the pending exception.
    unsafe { qjs::JS_ResetUncatchableError(ctx.as_raw().as_ptr()) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::js::builtins::Table;
    use crate::js::code::Code;
    use crate::js::engine::{Engine, EngineLimits, Pulse};
    use crate::js::promise;
    use crate::js::thrown::Thrown;

    fn engine() -> Rc<Engine> {
        let limits = EngineLimits {
            heap_bytes_max: 16 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(10),
        };
        let code = Arc::new(Code::new("/app.js".into()));
        Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {})).expect("an engine")
    }

    fn run(engine: &Engine, source: &str, options: Options) -> std::result::Result<String, Thrown> {
        engine.turn(|ctx| {
            let value = script(ctx, source.as_bytes(), "<test>", options);
            value.and_then(|value| crate::js::value::to_string(&value)).map_err(|_| Thrown::take(ctx))
        })
    }

    #[test]
    fn declarations_are_global_and_the_last_expression_is_the_value() {
        let engine = engine();
        assert_eq!(
            run(&engine, "#!/bin/jsserve\nvar a = 1; let b = 2; a + b", Options::default()).unwrap(),
            "3"
        );
        assert_eq!(
            run(&engine, "`${globalThis.a} ${b} ${typeof this}`", Options::default()).unwrap(),
            "1 2 object"
        );
        let strict = Options { strict: true, ..Options::default() };
        assert_eq!(run(&engine, "undeclared = 1", Options::default()).unwrap(), "1");
        assert!(run(&engine, "undeclared2 = 1", strict).unwrap_err().text.starts_with("ReferenceError"));
        assert!(run(&engine, "let let", Options::default()).unwrap_err().text.starts_with("SyntaxError"));
    }

    #[test]
    fn an_async_script_awaits_and_gives_a_promise_of_its_value() {
        let engine = engine();
        let waits = Options { r#async: true, ..Options::default() };
        let source = "globalThis.p = 0; const x = await 20; x + 1";
        let promise = engine.turn(|ctx| {
            let value = script(ctx, source.as_bytes(), "<test>", waits).unwrap();
            let Some(promise::State::Pending) = promise::state(&value) else { panic!("not pending") };
            crate::js::Held::new(value)
        });
        let result = engine.turn(|ctx| {
            let Some(promise::State::Fulfilled(value)) = promise::state(&promise.get(ctx)) else {
                panic!("not fulfilled")
            };
            value.as_object().unwrap().get::<_, i32>("value").unwrap()
        });
        assert_eq!(result, 21);
        drop(promise);
    }

    #[test]
    fn bytes_that_are_no_utf8_and_a_nul_in_the_source_do_no_harm() {
        let engine = engine();
        engine.turn(|ctx| {
            for source in [&b"'\xff\xc3'"[..], b"\xed\xa0\x80", b"1\0 + 1", b"", b"\xf0\x9f"] {
                if script(ctx, source, "a\0b", Options::default()).is_err() {
                    ctx.catch();
                }
            }
        });
    }
}
