//! Runs JavaScript with assertions in an engine that has the real globals.
//!
//! Owns: the engine of a test, the assertion functions. Must not know: what is tested.
#![allow(dead_code)]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use runtime::js::compile::Code;
use runtime::js::engine::{Engine, EngineLimits, Pulse};
use runtime::js::exception::Thrown;
use runtime::js::loader::Table;
use runtime::js::{Ctx, Value};

/// What the scripts assert with.
const PRELUDE: &str = r#"
function fail(text) { throw new Error(text) }
function ok(value, text) { if (!value) fail(text ?? 'expected a true value') }
function equal(got, wanted, text) {
  if (!Object.is(got, wanted)) fail(`${text ?? ''} got ${String(got)}, wanted ${String(wanted)}`)
}
function same(got, wanted, text) { equal(JSON.stringify(got), JSON.stringify(wanted), text) }
function throws(f, name, part) {
  let error
  try { f() } catch (e) { error = e }
  if (error === undefined) fail(`nothing thrown, wanted ${name} by ${f}`)
  equal(error.name, name, `${f}: ${error.message}:`)
  if (part !== undefined) ok(error.message.includes(part), `${f}: ${error.message} lacks ${part}`)
  return error
}
"#;

/// An engine and what it reported.
pub struct Driver {
    /// The engine.
    pub engine: Rc<Engine>,
    /// Reported exceptions: where, then what.
    pub reports: Rc<RefCell<Vec<String>>>,
}

/// An engine with `table` and the assertions.
pub fn with_table(table: &'static Table) -> Driver {
    let limits = EngineLimits {
        heap_bytes_max: 64 << 20,
        stack_bytes_max: 256 << 10,
        turn_cpu_max: Duration::from_secs(60),
    };
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = reports.clone();
    let report = Box::new(move |thrown: &Thrown, place: &str| {
        log.borrow_mut().push(format!("{place}: {thrown}"));
    });
    let code = Arc::new(Code::new("/app.js".into()));
    let engine = Engine::new(&limits, table, code, Pulse::default(), report).expect("an engine");
    let driver = Driver { engine, reports };
    driver.run(PRELUDE);
    driver
}

/// An engine with the real table.
pub fn new() -> Driver {
    with_table(&runtime::modules::TABLE)
}

/// Runs `source` in a fresh engine, and fails with what it throws or leaves unhandled.
pub fn check(source: &str) {
    let driver = new();
    driver.run(source);
    driver.engine.collect();
    assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
}

impl Driver {
    /// Runs `source` in one turn; fails with what it throws.
    pub fn run(&self, source: &str) {
        let result = self.engine.turn(|ctx| match ctx.eval::<Value, _>(source) {
            Ok(_) => Ok(()),
            Err(_) => Err(Thrown::take(ctx)),
        });
        if let Err(thrown) = result {
            panic!("{thrown}");
        }
    }

    /// The string that `source` evaluates to.
    pub fn text(&self, source: &str) -> String {
        let result = self.engine.turn(|ctx: &Ctx<'_>| {
            let value = ctx.eval::<Value, _>(source).and_then(|v| runtime::js::value::to_string(&v));
            value.map_err(|_| Thrown::take(ctx))
        });
        result.unwrap_or_else(|thrown| panic!("{thrown}"))
    }

    /// Runs `source` often and says by how many bytes the heap grew after the first quarter.
    pub fn growth(&self, rounds: u32, source: &str) -> usize {
        let quarter = format!("for (let i = 0; i < {}; i++) {{ {source} }}", rounds / 4);
        self.run(&quarter);
        self.engine.collect();
        let base = self.engine.heap_bytes();
        for _ in 0..3 {
            self.run(&quarter);
        }
        self.engine.collect();
        self.engine.heap_bytes().saturating_sub(base)
    }
}
