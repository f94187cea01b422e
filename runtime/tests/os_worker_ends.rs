//! How Workers end: by themselves, with the engine that started them; what they leave behind.
//!
//! Owns: the count of threads and descriptors, so it is one test after the other in one process of
//! its own. Must not know: how messages travel.

mod driver;
mod io_harness;
mod os_harness;
mod os_workers;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use io_harness::{descriptors, within};
use os_workers::{Files, eventually, source};
use runtime::io::Backend;

/// Threads are counted: the tests of this file take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `test` on both backends, alone.
fn alone<M: Future<Output = ()> + 'static>(test: fn() -> M) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, test);
    }
    drop(turn);
}

/// Threads of Workers that exist now.
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("proc");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "os.Worker").count()
}

/// Pages of memory in use (proc_pid_statm(5)).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("proc");
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number")
}

const SPIN: (&str, &str) =
    ("spin.js", "import * as os from 'os'; os.Worker.parent.postMessage('up'); for (;;);");
const LISTEN: (&str, &str) = (
    "listen.js",
    "import * as os from 'os'; os.Worker.parent.onmessage = () => {}; os.Worker.parent.postMessage('up');",
);
const ONCE: (&str, &str) = (
    "once.js",
    "import * as os from 'os';
     os.Worker.parent.onmessage = ({ data }) => {
       new Uint8Array(data)[0] = 1;
       os.Worker.parent.postMessage(data);
       os.Worker.parent.onmessage = null;
     };",
);

/// Runs `body` with a script engine; the engine is still there afterwards.
async fn script(files: &Files, body: &str) -> driver::Driver {
    let driver = os_workers::script();
    let done = within(Duration::from_secs(25), os_harness::run(&driver, &source(files, body))).await;
    if let Err(thrown) = done {
        panic!("{thrown}");
    }
    driver
}

#[test]
fn workers_that_came_and_went_leave_nothing() {
    alone(|| async {
        let files = Files::new(&[ONCE]);
        let driver = script(&files, "").await;
        let round = "
            for (let i = 0; i < 10; i++) {
              const all = Array.from({ length: 4 }, () => worker('once.js'));
              const shared = new SharedArrayBuffer(1 << 20);
              for (const w of all) w.postMessage(shared);
              await Promise.all(all.map(next));
              equal(new Uint8Array(shared)[0], 1);
            }";
        let round = source(&files, round);
        let mut before = (0, 0);
        for lap in 0..4 {
            os_harness::run(&driver, &round).await.unwrap_or_else(|thrown| panic!("{thrown}"));
            os_workers::idle(&driver).await;
            eventually("no thread is left", || workers() == 0).await;
            driver.engine.collect();
            match lap {
                0 => before = (descriptors(), resident()),
                _ => eventually("no descriptor is left", || descriptors() <= before.0).await,
            }
        }
        let grown = resident().saturating_sub(before.1);
        assert!(grown < 4096, "120 Workers later there are {grown} pages more");
    });
}

#[test]
fn an_engine_takes_its_workers_with_it() {
    alone(|| async {
        let files = Files::new(&[SPIN, LISTEN]);
        let body = "const all = [worker('spin.js'), worker('listen.js'), worker('spin.js')];
                    globalThis.all = all;
                    equal((await Promise.all(all.map(next))).join(), 'up,up,up');";
        let driver = script(&files, body).await;
        assert_eq!(workers(), 3);
        drop(driver);
        eventually("no thread is left", || workers() == 0).await;
    });
}

#[test]
fn a_worker_takes_the_workers_that_it_started_with_it() {
    alone(|| async {
        let files = Files::new(&[
            SPIN,
            (
                "outer.js",
                "import * as os from 'os';
                 const inner = new os.Worker('./spin.js');
                 inner.onmessage = ({ data }) => { os.Worker.parent.postMessage(data); inner.onmessage = null };",
            ),
        ]);
        let driver = script(&files, "equal(await next(worker('outer.js')), 'up');").await;
        eventually("no thread is left", || workers() == 0).await;
        os_workers::idle(&driver).await;
    });
}

#[test]
fn a_worker_that_nobody_can_write_to_any_more_ends() {
    alone(|| async {
        let files = Files::new(&[LISTEN]);
        let body = "const w = worker('listen.js'); equal(await next(w), 'up'); deaf(w); inboxes.clear();";
        let driver = script(&files, body).await;
        driver.engine.collect();
        eventually("no thread is left", || workers() == 0).await;
    });
}

#[test]
fn there_are_at_most_256_at_a_time() {
    alone(|| async {
        let files = Files::new(&[LISTEN]);
        let body = "
            globalThis.all = [];
            const error = throws(() => { for (;;) all.push(worker('listen.js')) }, 'RangeError', '256 Workers');
            equal(all.length, 256);";
        drop(script(&files, body).await);
        eventually("no thread is left", || workers() == 0).await;
    });
}
