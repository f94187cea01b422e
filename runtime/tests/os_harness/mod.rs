//! Runs scripts that use `os`, on both I/O backends.
//!
//! Owns: the engine of a test inside of a worker, the socket helpers of scripts. Must not know: what
//! is tested.
#![allow(dead_code)] // each test binary uses its own part

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use runtime::io::Backend;
use runtime::js::observe::{self, Observer};
use runtime::js::thrown::{Cause, Thrown};
use runtime::js::{Ctx, Value};

use crate::driver::{self, Driver};
use crate::io_harness;

/// What scripts find beside the assertions of the driver.
const PRELUDE: &str = r#"
const text = (buffer, length) => String.fromCharCode(...new Uint8Array(buffer.buffer ?? buffer, 0, length));
const code = (promise) => promise.then((value) => { fail(`settled with ${value}`) }, (error) => error.code ?? error.name);
const bound = (type, addr) => {
  const fd = os.socket(addr.family ?? os.AF_INET, type);
  ok(fd >= 0, `socket: ${fd}`);
  equal(os.bind(fd, addr), 0, 'bind');
  return fd;
};
const listening = (addr = { addr: '127.0.0.1', port: 0 }) => {
  const fd = bound(os.SOCK_STREAM, addr);
  equal(os.listen(fd), 0, 'listen');
  return fd;
};
// Refuses connections: bound, so that nobody else gets its port, and not listening.
const refusing = () => bound(os.SOCK_STREAM, { addr: '127.0.0.1', port: 0 });
const connected = async (listener) => {
  const name = os.getsockname(listener);
  const client = os.socket(name.family, os.SOCK_STREAM);
  const [[server], done] = await Promise.all([os.accept(listener), os.connect(client, name)]);
  equal(done, 0, 'connect');
  return [client, server];
};
const pair = async () => {
  const listener = listening();
  const both = await connected(listener);
  os.close(listener);
  return both;
};
"#;

/// How a script ended.
pub type Outcome = Result<String, Thrown>;

#[derive(Default)]
struct Cell {
    outcome: RefCell<Option<Outcome>>,
    waker: RefCell<Option<Waker>>,
}

struct Ended(Rc<Cell>);

impl Ended {
    fn set(&self, outcome: Outcome) {
        *self.0.outcome.borrow_mut() = Some(outcome);
        if let Some(waker) = self.0.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Observer for Ended {
    fn settled<'js>(&self, _ctx: &Ctx<'js>, result: Result<Value<'js>, Value<'js>>) {
        self.set(match result {
            Ok(value) => Ok(runtime::js::value::to_string(&value).unwrap_or_default()),
            Err(reason) => Err(Thrown::from_value(&reason)),
        });
    }

    fn abandoned(&self) {
        let text = "the script can never end".to_owned();
        self.set(Err(Thrown { cause: Cause::Exception, text, stack: String::new() }));
    }
}

/// Runs the body of an async function in `driver`'s engine to its end; what it returns, as a string.
pub async fn run(driver: &Driver, body: &str) -> Outcome {
    let cell = Rc::new(Cell::default());
    let source = format!("(async () => {{ const os = await import('os');\n{PRELUDE}\n{body}\n}})()");
    let started = driver.engine.turn(|ctx| {
        let promise: Value = ctx.eval(source).map_err(|_| Thrown::take(ctx))?;
        let ended = Box::new(Ended(cell.clone()));
        observe::observe(ctx, &promise, ended).map_err(|_| Thrown::take(ctx))
    });
    started?;
    poll_fn(|cx| match cell.outcome.borrow_mut().take() {
        Some(outcome) => Poll::Ready(outcome),
        None => {
            *cell.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }
    })
    .await
}

/// Runs `body` in a fresh engine on both backends; fails with what it throws or leaves unhandled.
pub fn check(body: &'static str) {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let driver = driver::new();
            if let Err(thrown) = io_harness::within(Duration::from_secs(20), run(&driver, body)).await {
                panic!("{backend:?}: {thrown}");
            }
            driver.engine.collect();
            assert!(driver.reports.borrow().is_empty(), "{backend:?}: {:#?}", driver.reports.borrow());
        });
    }
}
