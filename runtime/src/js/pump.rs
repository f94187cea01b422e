//! The job pump: the only place where jobs run.
//!
//! Owns: the order (all jobs, then unhandled rejections) and the cap per turn. Must not know: what
//! the jobs are. A job that overruns ends the turn; the jobs behind it run in a turn of their own,
//! with a budget of their own.

use std::collections::{BTreeMap, HashMap};

use rquickjs::{Ctx, Value, qjs};

use super::engine::{Health, State};
use super::exception::{Cause, Thrown};
use super::held::Held;
use super::reflect;

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

/// Reports of one turn: the rejections beyond are only counted.
const REPORTS_PER_TURN: usize = 16;

/// Promises rejected in this turn that nothing handles yet, in order. They are kept alive, so a
/// pointer stands for one promise.
#[derive(Default)]
pub(crate) struct Rejections {
    next: u64,
    order: BTreeMap<u64, (Held, Held)>,
    places: HashMap<usize, u64>,
}

impl Rejections {
    pub(crate) fn insert(&mut self, promise: Value<'_>, reason: Value<'_>) -> Option<(Held, Held)> {
        self.next += 1;
        self.places.insert(reflect::identity(&promise), self.next);
        self.order.insert(self.next, (Held::new(promise), Held::new(reason)))
    }

    pub(crate) fn remove(&mut self, promise: &Value<'_>) -> Option<(Held, Held)> {
        let place = self.places.remove(&reflect::identity(promise))?;
        self.order.remove(&place)
    }
}

/// Reports rejections that nothing handled by the end of the turn. Where jobs are left over from a
/// turn cut short, one of them may still handle some: they are kept.
pub fn rejections(ctx: &Ctx<'_>, state: &State) {
    if state.rejections.borrow().order.is_empty() {
        return;
    }
    // SAFETY: the context and its runtime are alive.
    let more = unsafe { qjs::JS_IsJobPending(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) };
    if more && state.health() == Health::Fine {
        return;
    }
    let all = state.rejections.take().order;
    let beyond = all.len().saturating_sub(REPORTS_PER_TURN);
    for (_, reason) in all.values().take(REPORTS_PER_TURN) {
        let thrown = Thrown::from_value(&reason.get(ctx));
        state.note(&thrown);
        (state.report)(&thrown, "unhandled rejection");
    }
    if beyond > 0 {
        let text = format!("{beyond} more in the same turn");
        let thrown = Thrown { cause: Cause::Exception, text, stack: String::new() };
        (state.report)(&thrown, "unhandled rejection");
    }
    let after = state.after_rejections.borrow().clone();
    if let Some(after) = after {
        after();
    }
}
