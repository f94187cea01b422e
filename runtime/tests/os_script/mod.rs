//! Runs scripts that use `os` on files and processes, on both I/O backends, each in a folder of its own.
//!
//! Owns: the engine as a script has it, the scratch folder. Must not know: what is tested.
#![allow(dead_code)] // each test binary uses its own part

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use runtime::io::Backend;
use runtime::modules::qjs::os::table::Descriptors;
use runtime::modules::web::host::{Host, Role};

use crate::driver;
use crate::io_harness;
use crate::os_harness;

/// What scripts find beside the assertions.
const PRELUDE: &str = r#"
const bytes = (string) => Uint8Array.from(string, (c) => c.charCodeAt(0));
const put = (path, string) => {
  const fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644);
  ok(fd >= 0, `open ${path}: ${fd}`);
  equal(os.write(fd, bytes(string).buffer, 0, string.length), string.length, 'write');
  equal(os.close(fd), 0, 'close');
};
const all = (fd) => {
  const buffer = new ArrayBuffer(4096);
  let string = '';
  for (;;) {
    const count = os.read(fd, buffer, 0, 4096);
    ok(count >= 0, `read: ${count}`);
    if (count === 0) return string;
    string += text(buffer, count);
  }
};
const content = (path) => { const fd = os.open(path, os.O_RDONLY), string = all(fd); os.close(fd); return string };
const output = (args, options) => {
  const [read, write] = os.pipe();
  const status = os.exec(args, { stdout: write, ...options });
  os.close(write);
  const string = all(read);
  os.close(read);
  return [string, status];
};
"#;

/// A folder that is gone when it is dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A fresh one.
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("jsserve-os-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::fs::canonicalize(std::env::temp_dir()).expect("a folder").join(name);
        std::fs::create_dir(&path).expect("a fresh folder");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs `body` as a script in a fresh engine, on both backends; `dir` is its scratch folder.
pub fn check(body: &'static str) {
    check_as(Role::Script, body);
}

/// As [`check`], for an engine that runs for `role`.
pub fn check_as(role: Role, body: &'static str) {
    for backend in [Backend::Uring, Backend::Epoll] {
        io_harness::worker(backend, move || async move {
            let scratch = Scratch::new();
            let driver = driver::new();
            Host::set(driver.engine.state(), role);
            if role != Role::App {
                driver.engine.turn(|ctx| {
                    for fd in 0..3 {
                        Descriptors::of(ctx).inherit(fd).expect("a standard stream");
                    }
                });
            }
            let body = format!("const dir = {:?};\n{PRELUDE}\n{body}", scratch.0);
            let done = io_harness::within(Duration::from_secs(20), os_harness::run(&driver, &body)).await;
            if let Err(thrown) = done {
                panic!("{backend:?}: {thrown}");
            }
            driver.engine.collect();
            assert!(driver.reports.borrow().is_empty(), "{backend:?}: {:#?}", driver.reports.borrow());
        });
    }
}
