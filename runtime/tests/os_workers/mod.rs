//! Runs scripts that start Workers, whose modules are files of the test.
//!
//! Owns: the files of one test, the engine. Must not know: what is tested.
#![allow(dead_code)] // each test binary uses its own part

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use runtime::io::{self, Backend};
use runtime::modules::web::host::{Host, Role};

use crate::driver::{self, Driver};
use crate::{io_harness, os_harness};

/// What scripts find beside the assertions: `worker(name)` starts the file of that name, `next(w)` is
/// the next message of it.
const PRELUDE: &str = r#"
const worker = (name) => new os.Worker(`${folder}/${name}`);
const inboxes = new Map();
const next = (w) => {
  if (!inboxes.has(w)) {
    const inbox = { messages: [], waiting: [] };
    inboxes.set(w, inbox);
    w.onmessage = ({ data }) => inbox.waiting.length ? inbox.waiting.shift()(data) : inbox.messages.push(data);
  }
  const inbox = inboxes.get(w);
  return inbox.messages.length ? inbox.messages.shift() : new Promise((resolve) => inbox.waiting.push(resolve));
};
const deaf = (...all) => all.forEach((w) => { w.onmessage = null });
"#;

/// Files in a folder of their own, which goes away with it.
pub struct Files(PathBuf);

impl Files {
    /// Writes them.
    pub fn new(files: &[(&str, &str)]) -> Files {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("worker-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, source) in files {
            std::fs::write(folder.join(name), source).expect("a file");
        }
        Files(folder)
    }

    /// The folder's path.
    pub fn folder(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An engine as a script has it.
pub fn script() -> Driver {
    let driver = driver::new();
    Host::set(driver.engine.state(), Role::Script);
    driver
}

/// The body of a script over `files`.
pub fn source(files: &Files, body: &str) -> String {
    format!("const folder = {:?};\n{PRELUDE}\n{body}", files.folder())
}

/// Runs `body` in a script with `files` on both backends: fails with what it throws, and unless the
/// script is over when it ends.
pub fn check(files: &[(&str, &str)], body: &str) {
    for backend in [Backend::Uring, Backend::Epoll] {
        let files = Files::new(files);
        let source = source(&files, body);
        io_harness::worker(backend, move || async move {
            let driver = script();
            let limit = Duration::from_secs(25);
            if let Err(thrown) = io_harness::within(limit, os_harness::run(&driver, &source)).await {
                panic!("{backend:?}: {thrown}");
            }
            idle(&driver).await;
            assert!(driver.reports.borrow().is_empty(), "{backend:?}: {:#?}", driver.reports.borrow());
            drop(files);
        });
    }
}

/// Waits until nothing keeps the script from ending.
pub async fn idle(driver: &Driver) {
    let alive = driver.engine.state().alive().clone();
    io_harness::within(Duration::from_secs(10), std::future::poll_fn(|cx| alive.poll_idle(cx))).await;
}

/// Waits until `done` says so twice in a row: /proc leaves out threads, now and then, while others end.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        let mut times = 0;
        while times < 2 {
            io::sleep(Duration::from_millis(2)).await;
            times = if done() { times + 1 } else { 0 };
        }
    };
    let (mut wait, mut limit) = (std::pin::pin!(wait), std::pin::pin!(io::sleep(Duration::from_secs(10))));
    std::future::poll_fn(|cx| {
        let is_done = wait.as_mut().poll(cx).is_ready();
        assert!(is_done || limit.as_mut().poll(cx).is_pending(), "after ten seconds not yet: {what}");
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
