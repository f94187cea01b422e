//! The job pump: the only place where jobs run.
//!
//! Owns: the order (all jobs, then unhandled rejections) and the cap per turn. Must not know: what
//! the jobs are. A job that overruns ends the turn; the jobs behind it run in a turn of their own,
//! with a budget of their own.

use rquickjs::{Ctx, qjs};

use super::engine::State;
use super::exception::Thrown;

/// Jobs between two looks at the clock: the interrupt handler does not see an endless chain of
/// short ones.
const JOBS_PER_LOOK: u32 = 256;

/// Runs jobs until none is left or the turn's budget is used up.
pub fn jobs(ctx: &Ctx<'_>, state: &State) {
    let mut count = 0;
    // SAFETY: the context and its runtime are alive and entered.
    unsafe {
        let rt = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        while !state.interrupted() && qjs::JS_IsJobPending(rt) {
            let mut ran = std::ptr::null_mut();
            if qjs::JS_ExecutePendingJob(rt, &mut ran) < 0 {
                let thrown = Thrown::take(ctx);
                state.note(&thrown);
                (state.report)(&thrown, "in a job");
            }
            count += 1;
            if count % JOBS_PER_LOOK == 0 && state.over_budget() {
                state.set_runaway();
            }
        }
    }
}

/// Reports rejections that nothing handled by the end of the turn.
pub fn rejections(ctx: &Ctx<'_>, state: &State) {
    if state.rejections.borrow().is_empty() {
        return;
    }
    for (_, reason) in state.rejections.take() {
        let thrown = Thrown::from_value(&reason.get(ctx));
        state.note(&thrown);
        (state.report)(&thrown, "unhandled rejection");
    }
}
