//! Threads for what takes long: making RSA keys, stretching passwords, megabytes of data.
//!
//! Owns: the threads, started with the first such operation, and the bound on what waits for them.
//! Must not know: what is computed. A worker's task is woken by the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crossbeam_channel::{Sender, bounded};
use tokio::sync::oneshot;

use super::failure::{self, Outcome};

/// Most threads.
const THREADS_MAX: usize = 4;
/// Most operations that wait for a thread; one more is an OperationError.
const WAITING_MAX: usize = 1024;

type Work = Box<dyn FnOnce() + Send>;

static POOL: OnceLock<Option<Sender<Work>>> = OnceLock::new();

fn start() -> Option<Sender<Work>> {
    let (sender, work) = bounded::<Work>(WAITING_MAX);
    // A worker may be pinned to a core; these threads are not.
    let all = rustix::thread::sched_getaffinity(Some(rustix::process::getpid())).ok();
    let count = std::thread::available_parallelism().map_or(1, usize::from).clamp(2, THREADS_MAX);
    let mut running = 0;
    for number in 0..count {
        let work = work.clone();
        let run = move || {
            if let Some(all) = &all {
                let _ = rustix::thread::sched_setaffinity(None, all);
            }
            while let Ok(work) = work.recv() {
                work();
            }
        };
        running +=
            usize::from(std::thread::Builder::new().name(format!("crypto-{number}")).spawn(run).is_ok());
    }
    (running > 0).then_some(sender)
}

/// Runs `work` on one of the threads.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let (done, answer) = oneshot::channel();
    let work = move || {
        // Who gave up needs no answer any more.
        if !done.is_closed() {
            let result = catch_unwind(AssertUnwindSafe(work));
            let _ = done.send(result.unwrap_or(Err(failure::operation("the operation panicked"))));
        }
    };
    let pool = POOL.get_or_init(start).as_ref().ok_or(failure::operation("no thread can be had"))?;
    pool.try_send(Box::new(work)).map_err(|_| failure::operation("too many operations wait"))?;
    answer.await.unwrap_or(Err(failure::operation("the operation was lost")))
}
