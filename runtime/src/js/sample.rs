//! A sample of the stack in an interrupt, for a profile: which functions run.
//!
//! Owns: reading the stack without disturbing what runs, its form (folded). Must not know: when a sample is due, what
//! becomes of it.

use rquickjs::{Ctx, Object};

use super::frames::{ErrorFunctions, map_stack};
use super::held::{self, Held};
use super::state::State;
use super::value;

/// Frames of a sample.
const FRAMES_MAX: usize = 64;

/// Takes a sample in the turn that runs, where somebody wants one. The engine asks for interrupts after so many calls and
/// loops, so what is seen is what calls and loops.
pub(super) fn take_if_due(state: &State) {
    let Some(observed) = state.observed().filter(|observed| observed.wants_sample()) else { return };
    let Some(engine) = state.engine().upgrade() else { return };
    // SAFETY: the live context of the turn that asks, between two operations of the engine, where nothing is thrown.
    let ctx = unsafe { Ctx::from_raw(engine.context.as_raw()) };
    let stack = match stack(&ctx) {
        Ok(stack) => folded(&map_stack(&ctx, stack)),
        Err(_) => {
            // No memory for it. What runs goes on, with nothing thrown.
            drop(ctx.catch());
            String::new()
        }
    };
    observed.sampled(stack);
}

/// The frames that run now, as the engine writes them.
fn stack(ctx: &Ctx<'_>) -> rquickjs::Result<String> {
    let kept = State::of(ctx).extension::<ErrorFunctions>();
    let Some(capture) = kept.capture.get(ctx) else { return Ok(String::new()) };
    if kept.app_prepare.get(ctx).is_some_and(|own| own.is_function()) {
        // It would be called in the middle of what runs.
        return Ok("    at the app's Error.prepareStackTrace (native)\n".to_owned());
    }
    let frames = Object::new(ctx.clone())?;
    let before = kept.as_text.replace(true);
    let captured = held::call(ctx, &Held::new(capture), None, &[frames.as_value().clone()]);
    kept.as_text.set(before);
    captured?;
    value::to_string(&frames.get("stack")?)
}

/// A stack as profilers fold it: the outermost function first, semicolons between.
fn folded(stack: &str) -> String {
    let frames = stack.lines().filter_map(|line| line.trim_start().strip_prefix("at ")).take(FRAMES_MAX);
    let mut frames: Vec<String> = frames.map(frame).collect();
    frames.reverse();
    frames.join(";")
}

/// `name (file)`, without its line, which would cut a function in pieces; what has no name has its line.
fn frame(text: &str) -> String {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).replace(';', ":");
    let Some((name, place)) = text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) else {
        return format!("(module) {}", base(text.rsplitn(3, ':').last().unwrap_or(text)));
    };
    let mut parts = place.rsplitn(3, ':');
    let (_, line, file) = (parts.next(), parts.next(), parts.next());
    match (name, file) {
        (name, None) => format!("{} ({place})", name.replace(';', ":")),
        ("<anonymous>", Some(file)) => format!("(anonymous) {}:{}", base(file), line.unwrap_or_default()),
        (name, Some(file)) => format!("{} ({})", name.replace(';', ":"), base(file)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::js::builtins::Table;
    use crate::js::code::Code;
    use crate::js::engine::{Engine, EngineLimits, Pulse};
    use crate::metrics::WorkerMetrics;

    fn observed() -> (std::rc::Rc<Engine>, Arc<WorkerMetrics>) {
        let limits = EngineLimits {
            heap_bytes_max: 64 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(60),
        };
        let code = Arc::new(Code::new("/app.js".into()));
        let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}))
            .expect("an engine");
        let metrics = Arc::new(WorkerMetrics::default());
        engine.turn(|ctx| crate::js::stack::install(ctx).expect("it installs"));
        engine.state().observe(metrics.clone());
        (engine, metrics)
    }

    #[test]
    fn a_turn_is_measured_and_the_heap_is_what_the_engine_says() {
        let (engine, metrics) = observed();
        engine.turn(|ctx| ctx.eval::<(), _>("globalThis.kept = 'x'.repeat(3_000_000)").expect("it runs"));
        assert_eq!(metrics.turn_time.count(), 1);
        assert!(engine.state().last_turn() > Duration::ZERO);
        let (seen, told) = (metrics.heap_bytes.get() as usize, engine.heap_bytes());
        assert!(seen > 3_000_000 && seen.abs_diff(told) < 64 << 10, "{seen}, {told}");
        assert!(
            engine.turn(|ctx| ctx.eval::<i32, _>("'x'.repeat(30_000_000).length").is_ok()),
            "the limit is what it was"
        );
        assert!(engine.turn(|ctx| ctx.eval::<i32, _>("'x'.repeat(90_000_000).length").is_err()), "and holds");
    }

    #[test]
    fn a_profile_has_the_functions_that_take_the_time() {
        let (engine, metrics) = observed();
        let source = "function busy(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i; return sum }
             function outer() { for (let i = 0; i < 40; i++) busy(100_000) }
             outer()";
        engine.turn(|ctx| ctx.eval::<(), _>(source).expect("it runs"));
        metrics.profile.start();
        engine.turn(|ctx| ctx.eval::<(), _>(source).expect("it runs"));
        let stacks = metrics.profile.take();
        let busy: u64 = stacks
            .iter()
            .filter(|(stack, _)| stack.contains("outer (") && stack.contains(";busy ("))
            .map(|(_, us)| us)
            .sum();
        assert!(busy > 1_000, "{stacks:?}");
        engine.turn(|ctx| ctx.eval::<(), _>("busy(100_000)").expect("it runs"));
        assert!(metrics.profile.take().is_empty(), "nobody asks any more");
    }

    #[test]
    fn stacks_are_folded_from_the_outside_in() {
        let stack = "    at inner (/srv/a/app.js:3:5)\n    at <anonymous> (/srv/a/app.js:9:1)\n    at map (native)\n    at /srv/a/app.js:1:1\n";
        assert_eq!(folded(stack), "(module) app.js;map (native);(anonymous) app.js:9;inner (app.js)");
    }
}
