//! Failures of a worker's I/O on purpose, for the unit tests of this crate.
//!
//! Owns: what is to fail, how often, on which thread. Must not know: what becomes of it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The start of a worker, on either backend.
    Start,
    /// A turn of the ring.
    Turn,
}

struct Plan {
    at: At,
    thread: String,
    errno: i32,
    left: usize,
    taken: usize,
}

static PLANS: Mutex<Vec<Plan>> = Mutex::new(Vec::new());

fn plans() -> MutexGuard<'static, Vec<Plan>> {
    PLANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has `at` fail the next `times` times with `errno` on the thread called `thread`, and nothing else of what was
/// planned for it.
pub(crate) fn plan(at: At, thread: &str, errno: i32, times: usize) {
    let mut plans = plans();
    plans.retain(|plan| plan.at != at || plan.thread != thread);
    plans.push(Plan { at, thread: thread.to_owned(), errno, left: times, taken: 0 });
}

/// How often `at` has failed so on `thread`.
pub(crate) fn count(at: At, thread: &str) -> usize {
    plans().iter().filter(|plan| plan.at == at && plan.thread == thread).map(|plan| plan.taken).sum()
}

/// Fails where that is planned.
pub(super) fn take(at: At) -> io::Result<()> {
    let mut plans = plans();
    let here = std::thread::current();
    let found = plans.iter_mut().find(|plan| plan.at == at && here.name() == Some(&plan.thread));
    match found.filter(|plan| plan.left > 0) {
        Some(plan) => {
            plan.left -= 1;
            plan.taken += 1;
            Err(io::Error::from_raw_os_error(plan.errno))
        }
        None => Ok(()),
    }
}
