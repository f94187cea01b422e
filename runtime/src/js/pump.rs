//! The job pump: the only place where jobs run.
//!
//! Owns: the order (all jobs, then unhandled rejections) and the cap per turn. Must not know: what
//! the jobs are. A job that overruns ends the turn; the jobs behind it run in a turn of their own,
//! with a budget of their own.

use std::cell::Cell;

use rquickjs::{Ctx, Value, qjs};

use super::rejections::RejectedPromise;
use super::state::{Health, State};
use super::thrown::{Cause, Thrown};

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
/// How often listeners may make new rejections in one turn.
const ROUNDS_MAX: usize = 8;

type Unhandled = for<'js> fn(&Ctx<'js>, Value<'js>, Value<'js>) -> bool;
type HandledLate = for<'js> fn(&Ctx<'js>, Value<'js>, Value<'js>);

/// Who hears of rejections before they are reported, with promise and reason; whether nothing is to be
/// reported. And who hears of those that are handled after their report.
#[derive(Default)]
pub struct Hearing(Cell<Option<(Unhandled, HandledLate)>>);

impl Hearing {
    /// From now on these two hear.
    pub fn set(&self, unhandled: Unhandled, handled_late: HandledLate) {
        self.0.set(Some((unhandled, handled_late)));
    }
}

type IsExcused = for<'js> fn(&Ctx<'js>, &Value<'js>) -> bool;

/// Which reasons are told to who hears of rejections, and not reported.
#[derive(Default)]
pub struct Excused(Cell<Option<IsExcused>>);

impl Excused {
    /// From now on those for which `is_excused` answers true.
    pub fn set(&self, is_excused: IsExcused) {
        self.0.set(Some(is_excused));
    }
}

/// Reports rejections that nothing handled by the end of the turn. Where jobs are left over from a
/// turn cut short, one of them may still handle some: they are kept.
pub fn rejections(ctx: &Ctx<'_>, state: &State) {
    if state.rejections.borrow().is_empty() {
        return;
    }
    let heard = state.extension::<Hearing>().0.get();
    let excused = state.extension::<Excused>().0.get();
    let mut reported = false;
    for round in 0..ROUNDS_MAX {
        // SAFETY: the context and its runtime are alive.
        let more = unsafe { qjs::JS_IsJobPending(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) };
        if state.rejections.borrow().is_empty() || more && state.health() == Health::Fine {
            break;
        }
        // In the last round nobody hears: whoever rejects a promise on hearing of one is reported.
        let heard = heard.filter(|_| round + 1 < ROUNDS_MAX && !state.interrupted());
        let (all, late) = state.rejections.borrow_mut().take();
        let mut due: Vec<&RejectedPromise> = all.iter().collect();
        if let Some((unhandled, handled_late)) = heard {
            late.iter().for_each(|(promise, reason)| handled_late(ctx, promise.get(ctx), reason.get(ctx)));
            due.retain(|(promise, reason)| !unhandled(ctx, promise.get(ctx), reason.get(ctx)));
        }
        if let Some(is_excused) = excused.filter(|_| !state.interrupted()) {
            due.retain(|(_, reason)| !is_excused(ctx, &reason.get(ctx)));
        }
        report(ctx, state, &due);
        reported |= !due.is_empty();
        if heard.is_none() {
            break;
        }
        let forgotten = state.rejections.borrow_mut().remember(all);
        // A finaliser may come back here.
        drop(forgotten);
        jobs(ctx, state);
    }
    let after = state.after_rejections.borrow().clone();
    if let Some(after) = after.filter(|_| reported) {
        after();
    }
}

fn report(ctx: &Ctx<'_>, state: &State, all: &[&RejectedPromise]) {
    let beyond = all.len().saturating_sub(REPORTS_PER_TURN);
    for (_, reason) in all.iter().take(REPORTS_PER_TURN) {
        let thrown = Thrown::from_value(&reason.get(ctx));
        state.note(&thrown);
        (state.report)(&thrown, "unhandled rejection");
    }
    all.iter().skip(REPORTS_PER_TURN).for_each(|(_, reason)| state.note_thrown(&reason.get(ctx)));
    if beyond > 0 {
        let text = format!("{beyond} more in the same turn");
        let thrown = Thrown { cause: Cause::Exception, text, stack: String::new() };
        (state.report)(&thrown, "unhandled rejection");
    }
}
