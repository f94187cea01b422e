//! Runs a test of the I/O layer on both backends.
//!
//! Owns: the worker around a test, and its listener. Must not know: what is tested.
#![allow(dead_code)] // each test binary uses its own part

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use runtime::io::{self, Backend, IoOptions, Listener};

/// Defines each test twice, as `uring::name` and `epoll::name`.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod uring {
            $(#[test] fn $name() { $crate::io_harness::worker(runtime::io::Backend::Uring, super::$name); })+
        }
        mod epoll {
            $(#[test] fn $name() { $crate::io_harness::worker(runtime::io::Backend::Epoll, super::$name); })+
        }
    };
}

/// Whether `backend` works here; says so when it does not.
pub fn available(backend: Backend) -> bool {
    if backend == Backend::Epoll {
        return true;
    }
    match io::probe(64) {
        Ok(()) => true,
        Err(refused) => {
            eprintln!("SKIPPED: io_uring is refused here: {refused}");
            false
        }
    }
}

/// Runs `test` in a worker with default sizes, for at most 30 seconds.
pub fn worker<M>(backend: Backend, test: impl FnOnce() -> M)
where
    M: Future<Output = ()> + 'static,
{
    worker_with(backend, IoOptions::default(), test);
}

/// As [`worker`], with `options`.
pub fn worker_with<M>(backend: Backend, options: IoOptions, test: impl FnOnce() -> M)
where
    M: Future<Output = ()> + 'static,
{
    if !available(backend) {
        return;
    }
    io::run(backend, &options, || within(Duration::from_secs(30), test())).expect("the worker ends well");
}

/// `future`, which must end within `limit`.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let (mut future, mut sleep) = (std::pin::pin!(future), std::pin::pin!(io::sleep(limit)));
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(cx) {
            return std::task::Poll::Ready(output);
        }
        assert!(sleep.as_mut().poll(cx).is_pending(), "not done after {limit:?}");
        std::task::Poll::Pending
    })
    .await
}

/// A listener on a port of its own.
pub fn listen() -> (Listener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = socket.local_addr().expect("address");
    (Listener::new(socket).expect("listener"), addr)
}

/// A blocking client whose reads end within ten seconds.
pub fn client(addr: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(addr).expect("connect");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    client
}

/// Waits, without blocking the worker, for a thread's result.
pub async fn join<T: Send + 'static>(thread: std::thread::JoinHandle<T>) -> T {
    while !thread.is_finished() {
        io::sleep(Duration::from_millis(2)).await;
    }
    thread.join().expect("the thread does not panic")
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

/// Whether this process runs one test only: else it starts one that runs the test `name` and nothing beside it,
/// which must pass. For tests that count descriptors, or set what is the whole process's.
pub fn in_own_process(name: &str) -> bool {
    const ALONE: &str = "JSSERVE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("path");
    let args = ["--exact", name, "--nocapture", "--test-threads=1"];
    let output = std::process::Command::new(this).args(args).env(ALONE, "1").output().expect("run");
    let text = String::from_utf8_lossy(&output.stderr);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("1 passed"), "{name}: {out}{text}");
    false
}
