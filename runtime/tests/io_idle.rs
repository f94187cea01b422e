//! An idle worker uses no CPU, whatever ran before; and its I/O does not wait for tokio.
//!
//! Owns: nothing. Must not know: how the backends work.

use std::time::Duration;

use crate::io_harness::{client, listen};
use runtime::io;

on_both!(an_idle_worker_sleeps);

fn cpu_us() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

async fn an_idle_worker_sleeps() {
    let (listener, addr) = listen();
    let _peer = client(addr);
    let stream = listener.accept().await.expect("accept");
    io::spawn(async move { stream.recv().await.map(drop) });
    // Tokio in all its forms, so that nothing of it lingers.
    io::with_tokio(tokio::time::sleep(Duration::from_millis(5))).await;
    tokio::task::spawn_local(async {}).await.expect("local");
    tokio::task::spawn_blocking(|| {}).await.expect("blocking");
    let deadline = io::Deadline::new();
    deadline.set(30_000);
    io::sleep(Duration::from_millis(20)).await;
    let before = cpu_us();
    io::sleep(Duration::from_millis(500)).await;
    let spent = cpu_us() - before;
    assert!(spent < 10_000, "{spent} us of CPU in half an idle second");
}
