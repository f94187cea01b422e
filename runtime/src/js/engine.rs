//! One engine: QuickJS runtime and context of a worker, with its limits.
//!
//! Owns: how an engine is made and ended, the turn (the only way into JavaScript). Must not know: sockets,
//! requests, the modules themselves, what it keeps between turns (`state.rs`).

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Context, Ctx, Runtime, qjs};

use super::builtins::Table;
use super::code::Code;
use super::loader::{AppLoader, AppResolver};
pub use super::state::{Engine, EngineLimits, Health, Pulse, Report, State};
use super::thrown::{Cause, Thrown};
use super::{block, pump, sample};

/// The heap at which garbage in cycles is first looked for: loading an app of some size makes none.
const GC_FIRST_BYTES: usize = 2 << 20;

/// Has turns that are over their budget interrupted.
fn watch(runtime: &Runtime, context: &Context, state: &Rc<State>) {
    let watched = state.clone();
    // SAFETY: a live context; the handler runs only as long as its runtime lives.
    let rt = unsafe { qjs::JS_GetRuntime(context.as_raw().as_ptr()) };
    runtime.set_interrupt_handler(Some(Box::new(move || {
        sample::take_if_due(&watched);
        watched.interrupts(rt)
    })));
}

impl Engine {
    /// A fresh engine with the globals of `table`; modules load from `code`.
    ///
    /// # Errors
    /// Out of memory, or a global that fails to set itself up.
    pub fn new(
        limits: &EngineLimits,
        table: &'static Table,
        code: Arc<Code>,
        pulse: Pulse,
        report: Report,
    ) -> Result<Rc<Engine>, Thrown> {
        let failed = |_| Thrown {
            cause: Cause::OutOfMemory,
            text: "cannot create a JavaScript context".into(),
            stack: String::new(),
        };
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(limits.heap_bytes_max);
        runtime.set_max_stack_size(limits.stack_bytes_max);
        // No limit of the heap is 0.
        runtime.set_gc_threshold(GC_FIRST_BYTES.min(limits.heap_bytes_max.wrapping_sub(1) / 4));
        let context = Context::full(&runtime).map_err(failed)?;
        let state = Rc::new(State::new(limits, table, code.clone(), pulse, report));
        // SAFETY: the context is ours; the pointer stays valid, `Engine` owns the Rc and drops it
        // after the context and the runtime.
        unsafe {
            let raw = context.as_raw().as_ptr();
            qjs::JS_SetContextOpaque(raw, Rc::as_ptr(&state).cast_mut().cast());
            block::install(qjs::JS_GetRuntime(raw), Rc::as_ptr(&state));
            state.reach.attach(qjs::JS_GetRuntime(raw));
        }
        watch(&runtime, &context, &state);
        let tracked = Rc::downgrade(&state);
        runtime.set_host_promise_rejection_tracker(Some(Box::new(move |_ctx, promise, reason, handled| {
            let Some(state) = tracked.upgrade() else { return };
            state.note_null(&reason, handled);
            // What is let go of is dropped outside of the borrow: a finaliser may come back here.
            let gone = match handled {
                true => state.rejections.borrow_mut().remove(&promise),
                false => state.rejections.borrow_mut().insert(promise, reason),
            };
            drop(gone);
        })));
        runtime.set_loader(AppResolver::new(table, code.clone()), AppLoader::new(table, code));
        let engine = Rc::new(Engine { state, context, runtime });
        engine.state.set_engine(&engine);
        engine.turn(|ctx| match table.globals.iter().try_for_each(|global| (global.install)(ctx)) {
            Ok(()) => Ok(()),
            Err(error) => Err(Thrown::of(ctx, &error)),
        })?;
        Ok(engine)
    }

    /// One turn: `f`, then all jobs, then the unhandled rejections. Never called from inside one.
    pub fn turn<R>(&self, f: impl for<'js> FnOnce(&Ctx<'js>) -> R) -> R {
        if self.state.lowers_limit() {
            self.runtime.set_memory_limit(self.state.heap_bytes_max);
        }
        let result = self.context.with(|ctx| {
            self.state.begin();
            let result = f(&ctx);
            pump::jobs(&ctx, &self.state);
            pump::rejections(&ctx, &self.state);
            self.state.end();
            result
        });
        if self.state.interrupted() || self.state.health() != Health::Fine {
            self.state.ask_attention();
        }
        result
    }

    /// Whether jobs are left over from a turn that ran out of budget.
    pub fn has_jobs(&self) -> bool {
        self.runtime.is_job_pending()
    }

    /// Bytes that the heap holds now; walks the heap, so not for a request's path.
    pub fn heap_bytes(&self) -> usize {
        usize::try_from(self.runtime.memory_usage().malloc_size).unwrap_or(0)
    }

    /// Whether `Atomics.wait` may block this thread; it throws where it may not, as at first.
    pub fn set_can_block(&self, can_block: bool) {
        let raw = self.context.as_raw().as_ptr();
        // SAFETY: sets one flag of a live runtime.
        unsafe { qjs::JS_SetCanBlock(qjs::JS_GetRuntime(raw), can_block) }
    }

    /// Collects cyclic garbage now.
    pub fn collect(&self) {
        self.runtime.run_gc();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.state.reach.detach();
        // Values held by native state go before the runtime that they point into.
        self.state.let_go();
        self.runtime.set_host_promise_rejection_tracker(None);
        self.runtime.set_interrupt_handler(None);
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
