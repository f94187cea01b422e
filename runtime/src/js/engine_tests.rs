//! The engine's turns: budgets, a full heap, jobs without end, rejections, promises.
//!
//! Owns: small programs for each. Must not know: sockets, modules.

use super::super::builtins::Table;
use super::super::code::Code;
use super::super::observe::{self, Observer};
use super::super::{exception, promise, value};
use super::*;
use std::cell::RefCell;
use std::time::Duration;

use rquickjs::Value;

fn engine() -> (Rc<Engine>, Rc<RefCell<Vec<String>>>) {
    engine_with(16 << 20)
}

fn engine_with(heap_bytes_max: usize) -> (Rc<Engine>, Rc<RefCell<Vec<String>>>) {
    let limits =
        EngineLimits { heap_bytes_max, stack_bytes_max: 256 << 10, turn_cpu_max: Duration::from_millis(100) };
    let lines = Rc::new(RefCell::new(Vec::new()));
    let log = lines.clone();
    let report: Report = Box::new(move |thrown, place| log.borrow_mut().push(format!("{place}: {thrown}")));
    let engine =
        Engine::new(&limits, &Table::EMPTY, Arc::new(Code::new("/app.js".into())), Pulse::default(), report);
    (engine.expect("an engine"), lines)
}

fn run(engine: &Engine, source: &str) -> Result<String, Thrown> {
    engine.turn(|ctx| match ctx.eval::<Value, _>(source) {
        Ok(value) => value::to_string(&value).map_err(|_| Thrown::take(ctx)),
        Err(_) => {
            let thrown = Thrown::take(ctx);
            State::of(ctx).note(&thrown);
            Err(thrown)
        }
    })
}

#[test]
fn an_endless_loop_is_interrupted_and_the_context_lives_on() {
    let (engine, _) = engine();
    assert_eq!(run(&engine, "for (;;);").unwrap_err().cause, Cause::Interrupted);
    assert_eq!(run(&engine, "try { for (;;); } catch { 'caught' }").unwrap_err().cause, Cause::Interrupted);
    assert_eq!(run(&engine, "1 + 1").unwrap(), "2");
}

#[test]
fn cycles_are_collected_before_a_small_heap_is_full() {
    let source =
        "for (let n = 0; n < 50; n++) { const a = { bytes: new ArrayBuffer(64 << 10) }; a.self = a } 'done'";
    for heap_bytes_max in [1 << 20, 2 << 20] {
        let (engine, _) = engine_with(heap_bytes_max);
        assert_eq!(run(&engine, source).as_deref().ok(), Some("done"), "{heap_bytes_max}");
    }
}

#[test]
fn an_interrupt_cannot_be_caught_in_a_full_heap() {
    let (engine, _) = engine();
    let source = "(() => { const all = []; for (;;) { try { for (;;) all.push({}) } catch {} } })()";
    assert_eq!(run(&engine, source).unwrap_err().cause, Cause::Interrupted);
    assert_eq!(engine.state().health(), Health::Fine, "the heap is free again");
    let source = source.replace("const all", "globalThis.all");
    assert_eq!(run(&engine, &source).unwrap_err().cause, Cause::Interrupted);
    assert_eq!(engine.state().health(), Health::OutOfMemory, "the heap is left full");
}

#[test]
fn an_interrupt_is_told_from_an_error_as_a_reason_too() {
    let (engine, _) = engine();
    engine.turn(|ctx| {
        let promise: Value = ctx.eval("new Promise(() => { for (;;); })").unwrap();
        let Some(promise::State::Rejected(reason)) = promise::state(&promise) else { panic!("not rejected") };
        assert_eq!(Thrown::from_value(&reason).cause, Cause::Interrupted);
    });
}

#[test]
fn many_rejections_handled_late_cost_little_and_are_not_reported() {
    let (engine, lines) = engine();
    let source =
        "const all = []; for (let i = 0; i < 9000; i++) all.push(Promise.reject(i)); Promise.allSettled(all)";
    run(&engine, source).unwrap();
    assert!(lines.borrow().is_empty(), "{:?}", lines.borrow());
}

#[test]
fn unhandled_rejections_of_a_turn_are_reported_up_to_a_number() {
    let (engine, lines) = engine();
    run(&engine, "for (let i = 0; i < 1000; i++) Promise.reject(i)").unwrap();
    assert_eq!(lines.borrow().len(), 17);
    assert_eq!(lines.borrow()[16], "unhandled rejection: 984 more in the same turn");
}

#[test]
fn causes_are_part_of_the_report_and_long_messages_are_cut() {
    let (engine, lines) = engine();
    run(&engine, "Promise.reject(new Error('outer', { cause: new TypeError('inner', { cause: 7 }) }))")
        .unwrap();
    run(&engine, "Promise.reject(new Error('x'.repeat(1e6))); const e = new Error('loop'); e.cause = e; Promise.reject(e)")
        .unwrap();
    let lines = lines.borrow();
    assert!(lines[0].contains("Error: outer\n    at "), "{lines:?}");
    assert!(
        lines[0].contains("\nCaused by: TypeError: inner\n    at ") && lines[0].ends_with("Caused by: 7"),
        "{lines:?}"
    );
    assert!(lines[1].len() < 20_000 && lines[2].len() < 20_000, "{} {}", lines[1].len(), lines[2].len());
}

#[test]
fn endless_recursion_is_a_range_error() {
    let (engine, _) = engine();
    assert!(run(&engine, "(function f() { f() })()").unwrap_err().text.starts_with("RangeError"));
}

#[test]
fn a_full_heap_is_noted_and_collected() {
    let (engine, _) = engine();
    let thrown = run(&engine, "const a = []; for (;;) a.push('x'.repeat(1000) + a.length)").unwrap_err();
    assert_eq!(thrown.cause, Cause::OutOfMemory);
    assert_eq!(engine.state().health(), Health::OutOfMemory);
}

#[test]
fn an_endless_chain_of_jobs_makes_the_engine_a_runaway() {
    let (engine, _) = engine();
    // Now and then the interrupt handler is the first to see it, and ends the chain.
    for _ in 0..20 {
        run(&engine, "(function f() { Promise.resolve().then(f) })()").unwrap();
        if engine.state().health() == Health::Runaway {
            break;
        }
    }
    assert_eq!(engine.state().health(), Health::Runaway);
    assert!(engine.has_jobs());
}

#[test]
fn an_unhandled_rejection_is_reported_once_with_its_stack() {
    let (engine, lines) = engine();
    run(&engine, "Promise.reject(new TypeError('no')); const p = Promise.reject(1); p.catch(() => {})")
        .unwrap();
    let lines = lines.borrow();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("unhandled rejection: TypeError: no\n    at "), "{lines:?}");
}

struct Note(Rc<RefCell<Vec<String>>>);
impl Observer for Note {
    fn settled<'js>(&self, _ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        let (Ok(value) | Err(value)) = result;
        self.0.borrow_mut().push(value::to_string(&value).unwrap_or_default());
    }
    fn abandoned(&self) {
        self.0.borrow_mut().push("abandoned".into());
    }
}

#[test]
fn observers_hear_of_settled_and_of_abandoned_promises() {
    let (engine, _) = engine();
    let heard = Rc::new(RefCell::new(Vec::new()));
    for source in ["Promise.resolve(7)", "Promise.reject(8)", "new Promise(() => {})"] {
        engine.turn(|ctx| {
            let promise: Value = ctx.eval(source).unwrap();
            observe::observe(ctx, &promise, Box::new(Note(heard.clone()))).unwrap();
        });
    }
    let interrupted = "(async () => { await null; for (;;); })()";
    engine.turn(|ctx| {
        let promise: Value = ctx.eval(interrupted).unwrap();
        observe::observe(ctx, &promise, Box::new(Note(heard.clone()))).unwrap();
    });
    engine.collect();
    assert_eq!(*heard.borrow(), ["7", "8", "abandoned", "abandoned"]);
}

#[test]
fn a_promise_settles_from_rust() {
    let (engine, _) = engine();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let capability = engine.turn(|ctx| {
        let (promise, capability) = promise::pending(ctx).unwrap();
        observe::observe(ctx, &promise, Box::new(Note(heard.clone()))).unwrap();
        capability
    });
    engine.turn(|ctx| capability.settle(ctx, Err(exception::range_error(ctx, "late"))));
    assert_eq!(*heard.borrow(), ["RangeError: late"]);
}
