//! The clock by which turns are measured.
//!
//! Owns: nothing. Must not know: what a turn may take.

use std::time::Duration;

/// CPU time of this thread (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID).
pub(super) fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}
