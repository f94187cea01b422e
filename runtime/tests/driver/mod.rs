//! Runs JavaScript with assertions in an engine that has the real globals.
//!
//! Owns: the engine of a test, the assertion functions. Must not know: what is tested.
#![allow(dead_code)]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use runtime::io::{self, Backend, IoOptions};
use runtime::js::builtins::Table;
use runtime::js::cluster::Cluster;
use runtime::js::code::Code;
use runtime::js::engine::{Engine, EngineLimits, Pulse};
use runtime::js::observe::{self, Observer};
use runtime::js::thrown::Thrown;
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
async function rejects(promise, name, part) {
  let error
  try { await promise } catch (e) { error = e }
  if (error === undefined) fail(`nothing thrown, wanted ${name}`)
  return throws(() => { throw error }, name, part)
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
    with_code(table, Code::new("/app.js".into()))
}

/// An engine with the real table, of the app that `cluster` is of.
pub fn within(cluster: Arc<Cluster>) -> Driver {
    with_code(&runtime::modules::TABLE, Code::within(cluster, "/app.js".into()))
}

fn with_code(table: &'static Table, code: Code) -> Driver {
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
    let engine = Engine::new(&limits, table, Arc::new(code), Pulse::default(), report).expect("an engine");
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

type Ended = Rc<RefCell<(Option<Result<(), String>>, Option<Waker>)>>;

/// Hears how the promise of an asynchronous test ends.
struct End(Ended);

impl End {
    fn set(&self, result: Result<(), String>) {
        let waker = {
            let mut ended = self.0.borrow_mut();
            ended.0 = Some(result);
            ended.1.take()
        };
        waker.iter().for_each(Waker::wake_by_ref);
    }
}

impl Observer for End {
    fn settled<'js>(&self, _ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        self.set(result.map(drop).map_err(|reason| Thrown::from_value(&reason).to_string()));
    }
    fn abandoned(&self) {
        self.set(Err("the test's promise can never settle".into()));
    }
}

impl Driver {
    /// Runs the body of an async function to its end; fails with what it throws.
    pub async fn run_async(&self, body: &str) {
        let ended = Ended::default();
        let end = Box::new(End(ended.clone()));
        self.engine.turn(|ctx| {
            let source = format!("(async () => {{ {body} }})()");
            let promise = ctx.eval::<Value, _>(source);
            let promise = promise.unwrap_or_else(|_| panic!("{}", Thrown::take(ctx)));
            observe::observe(ctx, &promise, end).expect("memory");
        });
        let result = poll_fn(|cx| {
            let mut ended = ended.borrow_mut();
            match ended.0.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    ended.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        result.await.unwrap_or_else(|thrown| panic!("{thrown}"));
    }
}

/// Runs `test` on a worker, where timers run; fails if it takes 20 seconds.
pub fn on_worker<F: Future<Output = ()> + 'static>(test: impl FnOnce() -> F) {
    let test = || {
        let (mut test, mut limit) = (Box::pin(test()), Box::pin(io::sleep(Duration::from_secs(20))));
        poll_fn(move |cx| match test.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => limit.as_mut().poll(cx).map(|()| panic!("the test takes too long")),
        })
    };
    io::run(Backend::Epoll, &IoOptions::default(), test).expect("the worker ends well");
}

/// Runs the body of an async function in a fresh engine on a worker; nothing may be reported.
pub fn check_async(body: &'static str) {
    on_worker(move || async move {
        let driver = new();
        driver.run_async(body).await;
        driver.engine.collect();
        assert!(driver.reports.borrow().is_empty(), "{:#?}", driver.reports.borrow());
    });
}
