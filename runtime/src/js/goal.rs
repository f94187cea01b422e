//! What a source text is, told before any of it runs: a classic script or a module (the goal
//! symbols of ECMA-262 section 16), and what the module exports.
//!
//! Owns: compiling for either goal. Must not know: where sources come from, what they are run for.

use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Module, Result, Runtime, Value, qjs};

use super::isolated::{ParserIntrinsics, SourceNames};
use super::state::State;
use super::thrown::Thrown;
use super::{code, exception, value};
use crate::config::{Goal, NATIVE_STACK_BYTES, SCRIPT_STACK_BYTES};
use crate::source::Sources;
use crate::source::prepare::{ModuleFormat, Prepared};

/// A compiled program that has not run yet.
pub enum CompiledProgram<'js> {
    /// A classic script, and whether it may wait: its value is the promise of its end then.
    Script(Value<'js>, bool),
    /// A module, linked to all that it imports.
    Module(Module<'js, Declared>),
}

impl<'js> CompiledProgram<'js> {
    /// Compiles `source`, called `name` in stack traces, for `goal`. Without one a script is what
    /// compiles as a script, all else is a module: `import`, `export`, `import.meta` and most uses of
    /// `await` outside of functions are syntax errors in scripts. `module` declares it as a module.
    ///
    /// # Errors
    /// SyntaxError: of the two goals' errors the one that is further down in the source, for the other
    /// goal is the wrong one. For a module also what its imports throw.
    pub fn compile(
        ctx: &Ctx<'js>,
        source: &[u8],
        name: &str,
        goal: Option<Goal>,
        module: impl FnOnce() -> Result<Module<'js, Declared>>,
    ) -> Result<CompiledProgram<'js>> {
        if let Some(state) = State::find(ctx) {
            state.code().note_text(name, source);
        }
        match goal {
            Some(Goal::Script) => {
                let (script, waits) = script(ctx, source, name)?;
                return Ok(CompiledProgram::Script(script, waits));
            }
            Some(Goal::Module) => return Ok(CompiledProgram::Module(module()?)),
            None => {}
        }
        if let Ok((script, waits)) = script(ctx, source, name) {
            return Ok(CompiledProgram::Script(script, waits));
        }
        let as_script = ctx.catch();
        let error = match module() {
            Ok(module) => return Ok(CompiledProgram::Module(module)),
            Err(error) => error,
        };
        exception::raise(ctx, &error);
        let as_module = ctx.catch();
        let place = |error: &Value<'_>| {
            let thrown = Thrown::from_value(error);
            let here = thrown.text.starts_with("SyntaxError");
            let (file, line, column) = thrown.location().unwrap_or_default();
            if here && file == name { (line, column) } else { (usize::MAX, 0) }
        };
        let script_went_further = place(&as_script) >= place(&as_module);
        Err(ctx.throw(if script_went_further { as_script } else { as_module }))
    }

    /// Runs it up to its first `await`; the promise of its end, where it may wait. A promise that is only
    /// the value of a script's last expression is like all others that nobody waits for.
    ///
    /// # Errors
    /// What a classic script throws. A module rejects its promise.
    pub fn start(self, ctx: &Ctx<'js>) -> Result<Option<Value<'js>>> {
        let (script, waits) = match self {
            CompiledProgram::Module(module) => return Ok(Some(module.eval()?.1.into_value())),
            CompiledProgram::Script(script, waits) => (script, waits),
        };
        // SAFETY: a compiled script; the engine takes over the reference made here.
        let value = unsafe {
            let raw = ctx.as_raw().as_ptr();
            let code = qjs::JS_DupValue(raw, script.as_raw());
            value::fresh(ctx, qjs::JS_EvalFunction(raw, code))?
        };
        Ok(waits.then_some(value))
    }
}

/// Compiles a classic script. `await` may stand outside of functions where that leaves it a script
/// (`await (f())`): then its value is a promise.
fn script<'js>(ctx: &Ctx<'js>, source: &[u8], name: &str) -> Result<(Value<'js>, bool)> {
    let _hidden = SourceNames::of(source, false).hide_keys(ctx)?;
    let source = [source, b"\0"].concat();
    let name = name.replace('\0', "") + "\0";
    let compile = |flags: u32| {
        let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY | flags;
        let length = (source.len() - 1) as _;
        // SAFETY: the engine wants a NUL behind the source's last byte and at the name's end.
        unsafe {
            let raw = ctx.as_raw().as_ptr();
            let code = qjs::JS_Eval(raw, source.as_ptr().cast(), length, name.as_ptr().cast(), flags as i32);
            value::fresh(ctx, code)
        }
    };
    let plain = compile(0)?;
    if !contains(&source, b"await") {
        return Ok((plain, false));
    }
    Ok(compile(qjs::JS_EVAL_FLAG_ASYNC).map_or_else(
        |_| {
            drop(ctx.catch());
            (plain, false)
        },
        |waiting| (waiting, true),
    ))
}

/// Whether a program is an app: it has a default export, which for CommonJS is what `module.exports` becomes
/// where that looks like an app.
pub fn is_app(sources: &Sources, program: &Prepared) -> bool {
    match &program.format {
        ModuleFormat::Module => exports(sources, &program.text, "default"),
        ModuleFormat::CommonJs(exports) => exports.serves,
    }
}

/// Stack for a source that is too short for the cache.
const SHORT_STACK_BYTES: usize = 512 << 10;

/// Whether `source` is a module that exports something as `name`, `export { x as name } from` and its
/// like included. A source that does not compile exports nothing.
pub fn exports(sources: &Sources, source: &[u8], name: &str) -> bool {
    if !contains(source, b"export") || !contains(source, name.as_bytes()) {
        return false;
    }
    let Some(key) = code::key("exports", name, source) else {
        return parsed_exports(source, name, SHORT_STACK_BYTES).unwrap_or(false);
    };
    if let Some(known) = sources.cache().load(&key) {
        return known == [1];
    }
    // It may nest as deep as a script may: with the stack that scripts have, whoever asks.
    let exports = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(NATIVE_STACK_BYTES + SCRIPT_STACK_BYTES);
        let parsed = thread.spawn_scoped(scope, || parsed_exports(source, name, SCRIPT_STACK_BYTES));
        match parsed.map(|thread| thread.join()) {
            Ok(Ok(exports)) => exports,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // No memory for it.
            Err(_) => parsed_exports(source, name, SHORT_STACK_BYTES),
        }
    });
    if let Some(exports) = exports {
        sources.cache().store(&key, &[u8::from(exports)]);
    }
    exports.unwrap_or(false)
}

/// None where there is no memory to find out.
fn parsed_exports(source: &[u8], name: &str, stack_bytes: usize) -> Option<bool> {
    let runtime = Runtime::new().ok()?;
    runtime.set_max_stack_size(stack_bytes);
    let context = Context::custom::<ParserIntrinsics>(&runtime).ok()?;
    Some(context.with(|ctx| {
        // The parser refuses a second export of that name, before any import is looked at.
        let second = format!("\n;let jsserve_second; export {{ jsserve_second as {name} }};");
        let declared = Module::declare(ctx.clone(), "source", [source, second.as_bytes()].concat());
        let message = match declared {
            Ok(_) => return false,
            Err(_) => ctx.catch().into_exception().and_then(|error| error.message()),
        };
        message.is_some_and(|text| text == format!("duplicate exported name '{name}'"))
    }))
}

fn contains(source: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(source, word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_export_is_found_in_all_its_forms() {
        let sources = Sources::default();
        for source in [
            "export default {}",
            "#!/usr/bin/env jsserve\nexport default function () {}",
            "const app = {}; export { app as default }",
            "import './nowhere.js'; export { default } from './nowhere.js'",
            "export { x as default } from './nowhere.js'",
            "export * as default from './nowhere.js'",
            "export { x as 'default' } from './nowhere.js'",
            "const re = /a'b/u; await 1; export default class {} // end",
        ] {
            assert!(exports(&sources, source.as_bytes(), "default"), "{source}");
        }
        for source in [
            "",
            "print(1)",
            "export const x = 1; switch (x) { default: }",
            "// export default {}\nimport './nowhere.js'",
            "const text = 'export default {}'; export { text }",
            "import x, { default as y } from './nowhere.js'; export { x }",
            "export * from './nowhere.js' // default",
            "export default {",
            "with (a) { export default }",
        ] {
            assert!(!exports(&sources, source.as_bytes(), "default"), "{source}");
        }
    }

    #[test]
    fn a_deep_source_is_told_as_scripts_would_read_it_whoever_asks() {
        let deep = |n| format!("const a = {}{}; export default a", "[".repeat(n), "]".repeat(n));
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let asked = small.spawn(move || {
            [1500, 1_000_000].map(|n| exports(&Sources::default(), deep(n).as_bytes(), "default"))
        });
        assert_eq!(asked.expect("a thread").join().expect("no overflow"), [true, false]);
    }

    fn goal(source: &str) -> std::result::Result<&'static str, String> {
        let runtime = Runtime::new().expect("a runtime");
        let context = Context::full(&runtime).expect("a context");
        context.with(|ctx| {
            let module = || Module::declare(ctx.clone(), "a.js", source);
            let compiled = CompiledProgram::compile(&ctx, source.as_bytes(), "a.js", None, module);
            match compiled {
                Ok(CompiledProgram::Script(..)) => Ok("script"),
                Ok(CompiledProgram::Module(_)) => Ok("module"),
                Err(_) => Err(Thrown::take(&ctx).stack),
            }
        })
    }

    #[test]
    fn what_compiles_as_a_script_is_one_and_the_rest_are_modules() {
        for source in ["", "var x = 010; with (x) {}", "await (0)", "import('./a.js')", "let async = await\n"]
        {
            assert_eq!(goal(source), Ok("script"), "{source}");
        }
        for source in ["export {}", "import.meta.url", "await 0", "for await (const x of []);"] {
            assert_eq!(goal(source), Ok("module"), "{source}");
        }
    }

    #[test]
    fn the_error_of_the_goal_that_goes_further_is_told() {
        for (source, place) in [
            ("export {}\nlet x = 1 +;", "a.js:2:"),
            ("with (a) {}\n\nlet x = 1 +;", "a.js:3:"),
            ("1 +;", "a.js:1:"),
        ] {
            let stack = goal(source).expect_err(source);
            assert!(stack.contains(place), "{source}: {stack}");
        }
    }
}
