//! One engine: QuickJS runtime and context of a worker, with its limits.
//!
//! Owns: the turn (the only way into JavaScript), the CPU budget, health, state that modules keep
//! per engine. Must not know: sockets, requests, the modules themselves.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rquickjs::{Context, Ctx, Runtime, Value, qjs};

use super::alive::Alive;
use super::builtins::Table;
use super::clock::thread_cpu;
use super::cluster::Cluster;
use super::exception::{Cause, Thrown};
use super::extensions::Extensions;
use super::loader::{AppLoader, AppResolver};
use super::pump::Rejections;
use super::reach::Reach;
use super::reuse::Resting;
use super::{block, compile, exception, pump};

/// Bounds of one engine.
#[derive(Clone, Debug)]
pub struct EngineLimits {
    /// Bytes of the JavaScript heap.
    pub heap_bytes_max: usize,
    /// Bytes of the JavaScript stack.
    pub stack_bytes_max: usize,
    /// CPU time of one turn.
    pub turn_cpu_max: Duration,
}

/// Whether an engine should go on taking work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It should.
    Fine,
    /// Its heap limit was reached.
    OutOfMemory,
    /// Its jobs make new jobs without end.
    Runaway,
}

/// Odd while JavaScript runs, and one more with each border crossed.
pub type Pulse = Arc<AtomicU64>;

/// Turns an unhandled rejection, or an exception in a job, into a log line.
pub type Report = Box<dyn Fn(&Thrown, &str)>;

/// Room above the heap limit for the error that ends a turn which is over its budget.
const INTERRUPT_BYTES: usize = 64 << 10;

/// The heap at which garbage in cycles is first looked for: loading an app of some size makes none.
const GC_FIRST_BYTES: usize = 2 << 20;

/// What native code reaches from a context.
pub struct State {
    engine: RefCell<Weak<Engine>>,
    /// What its modules come from.
    code: Arc<compile::Code>,
    /// The modules and globals that the engine was made with.
    pub(crate) table: &'static Table,
    pub(crate) turn_cpu_max: Cell<Duration>,
    pub(crate) turn_started: Cell<Option<Duration>>,
    interrupted: Cell<bool>,
    halt: Arc<AtomicBool>,
    pub(crate) reach: Arc<Reach>,
    /// Whether the turn before was interrupted.
    cut_before: Cell<bool>,
    pub(crate) heap_bytes_max: usize,
    pub(crate) stack_bytes_max: usize,
    /// Bytes of native data behind JavaScript objects.
    pub(crate) native_bytes: Rc<Cell<usize>>,
    /// Whether the heap limit stands a little higher, for an interrupt.
    lifted: Cell<bool>,
    health: Cell<Health>,
    pulse: Pulse,
    pub(crate) report: Report,
    alive: Rc<Alive>,
    pub(crate) rejections: RefCell<Rejections>,
    pub(super) resting: Resting,
    extensions: Extensions,
    attention: RefCell<Option<Rc<dyn Fn()>>>,
    pub(crate) after_rejections: RefCell<Option<Rc<dyn Fn()>>>,
}

impl State {
    /// The state of the engine that `ctx` belongs to.
    pub fn of<'a>(ctx: &'a Ctx<'_>) -> &'a State {
        // SAFETY: `Engine::new` stores the pointer in the context before anything can run; the Rc
        // behind it outlives the context.
        unsafe { &*qjs::JS_GetContextOpaque(ctx.as_raw().as_ptr()).cast::<State>() }
    }

    /// The state behind a context; none behind one that only parses.
    pub(super) fn find<'a>(ctx: &'a Ctx<'_>) -> Option<&'a State> {
        // SAFETY: as in `of`; a context that no engine made has a null pointer there.
        unsafe { qjs::JS_GetContextOpaque(ctx.as_raw().as_ptr()).cast::<State>().as_ref() }
    }

    /// What the engine's modules come from.
    pub fn code(&self) -> &Arc<compile::Code> {
        &self.code
    }

    /// What the engine shares with the others of its app.
    pub fn cluster(&self) -> &Arc<Cluster> {
        self.code.cluster()
    }

    /// The engine, to enter it later; empty once it is gone.
    pub fn engine(&self) -> Weak<Engine> {
        self.engine.borrow().clone()
    }

    /// The engine's one `T`, made when first asked for, dropped before the engine.
    pub fn extension<T: Default + 'static>(&self) -> Rc<T> {
        self.extensions.get()
    }

    /// The limit of the heap, in bytes: nothing larger is read for a script.
    pub fn heap_bytes_max(&self) -> usize {
        self.heap_bytes_max
    }

    /// What keeps a script of this engine from ending.
    pub fn alive(&self) -> &Rc<Alive> {
        &self.alive
    }

    /// The limits that the engine was made with; the turn's may have been cut since.
    pub fn limits(&self) -> EngineLimits {
        EngineLimits {
            heap_bytes_max: self.heap_bytes_max,
            stack_bytes_max: self.stack_bytes_max,
            turn_cpu_max: self.turn_cpu_max.get(),
        }
    }

    /// While another thread has it set, the engine's turns are interrupted as if their budget were
    /// used up. A wait of `Atomics.wait` is not.
    pub fn halt(&self) -> &Arc<AtomicBool> {
        &self.halt
    }

    /// A number that no other turn of this engine has.
    pub fn turn_number(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    /// Whether the current turn used up its budget.
    pub fn interrupted(&self) -> bool {
        self.interrupted.get()
    }

    /// Whether the current turn used up its budget, or runs what is left of one that did: an
    /// interrupt that became a promise's reason ends its function only when that job runs.
    pub fn cut_short(&self) -> bool {
        self.interrupted.get() || self.cut_before.get()
    }

    /// Whether the engine should go on taking work.
    pub fn health(&self) -> Health {
        self.health.get()
    }

    /// Whether less than a quarter of the heap is free.
    pub(crate) fn heap_is_full(&self) -> bool {
        let Some(engine) = self.engine().upgrade() else { return false };
        // Asking would give the memory back.
        if self.heap_bytes_max == 0 || self.reach.is_taken() {
            return self.reach.is_taken();
        }
        let limit = self.heap_bytes_max + if self.lifted.get() { INTERRUPT_BYTES } else { 0 };
        // SAFETY: a live runtime; the few bytes are given back at once, the limit is what it was.
        unsafe {
            let rt = qjs::JS_GetRuntime(engine.context.as_raw().as_ptr());
            qjs::JS_SetMemoryLimit(rt, (self.heap_bytes_max / 4 * 3) as _);
            let probe = qjs::js_malloc_rt(rt, 16);
            qjs::js_free_rt(rt, probe);
            qjs::JS_SetMemoryLimit(rt, limit as _);
            probe.is_null()
        }
    }

    /// Notes what an exception says about the engine's health.
    pub fn note(&self, thrown: &Thrown) {
        if thrown.cause == Cause::OutOfMemory {
            self.health.set(Health::OutOfMemory);
        }
    }

    /// Notes whether `reason` is what the engine throws at the heap limit.
    pub(crate) fn note_thrown(&self, reason: &Value<'_>) {
        if exception::is_out_of_memory(reason) || reason.is_null() && self.heap_is_full() {
            self.health.set(Health::OutOfMemory);
        }
    }

    /// Notes a rejection with the `null` that the engine throws at the heap limit. While it happens: later
    /// on the heap may be free again, and `null` tells nothing.
    fn note_null(&self, reason: &Value<'_>, handled: bool) {
        if !handled && reason.is_null() && self.heap_is_full() {
            self.health.set(Health::OutOfMemory);
        }
    }

    /// Has `f` called after the unhandled rejections of a turn were reported.
    pub fn set_after_rejections(&self, f: Rc<dyn Fn()>) {
        *self.after_rejections.borrow_mut() = Some(f);
    }

    /// Gives the turns of an ill engine less CPU time than those of a healthy one.
    pub fn ration(&self, health: Health) {
        if health != Health::Fine {
            self.turn_cpu_max.set(self.turn_cpu_max.get().min(Duration::from_millis(5)));
        }
    }

    pub(crate) fn set_runaway(&self) {
        self.interrupted.set(true);
        if self.health.get() == Health::Fine {
            self.health.set(Health::Runaway);
        }
    }

    fn begin(&self) {
        self.turn_started.set(None);
        self.cut_before.set(self.interrupted.replace(false));
        self.pulse.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.pulse.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the turn is over its budget. The clock starts at the first question, so that short
    /// turns read none.
    pub(crate) fn over_budget(&self) -> bool {
        if self.halt.load(Ordering::Relaxed) {
            return true;
        }
        let now = thread_cpu();
        match self.turn_started.get() {
            None => {
                self.turn_started.set(Some(now));
                false
            }
            Some(start) => now.saturating_sub(start) >= self.turn_cpu_max.get(),
        }
    }

    /// As [`State::over_budget`]; if so, the turn is interrupted, and there is room for the error that says so.
    fn interrupts(&self, rt: *mut qjs::JSRuntime) -> bool {
        let over = self.over_budget();
        if over {
            self.interrupted.set(true);
            // In a full heap there would be no room for the error that no script can catch: the
            // script would catch the `null` thrown in its place, and go on.
            // SAFETY: sets one number of the runtime that calls.
            unsafe { qjs::JS_SetMemoryLimit(rt, (self.heap_bytes_max + INTERRUPT_BYTES) as _) };
            self.lifted.set(true);
        }
        over
    }

    /// What native code that runs long asks now and then, as the engine does between its operations.
    ///
    /// # Errors
    /// The turn is over its budget: an error that no script can catch.
    pub(super) fn go_on(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let raw = ctx.as_raw().as_ptr();
        // SAFETY: a live context; the error is thrown, taken, marked, and thrown again, with one reference.
        unsafe {
            if !self.interrupts(qjs::JS_GetRuntime(raw)) {
                return Ok(());
            }
            qjs::JS_ThrowInternalError(raw, c"interrupted".as_ptr());
            let error = qjs::JS_GetException(raw);
            qjs::JS_SetUncatchableError(raw, error);
            qjs::JS_Throw(raw, error);
        }
        Err(rquickjs::Error::Exception)
    }
}

/// Has turns that are over their budget interrupted.
fn watch(runtime: &Runtime, context: &Context, state: &Rc<State>) {
    let watched = state.clone();
    // SAFETY: a live context; the handler runs only as long as its runtime lives.
    let rt = unsafe { qjs::JS_GetRuntime(context.as_raw().as_ptr()) };
    runtime.set_interrupt_handler(Some(Box::new(move || watched.interrupts(rt))));
}

/// Runtime and context, bound to the thread that made them.
pub struct Engine {
    context: Context,
    runtime: Runtime,
    // Last: contexts point at it until they are gone.
    state: Rc<State>,
}

impl Engine {
    /// A fresh engine with the globals of `table`; modules load from `code`.
    ///
    /// # Errors
    /// Out of memory, or a global that fails to set itself up.
    pub fn new(
        limits: &EngineLimits,
        table: &'static Table,
        code: Arc<compile::Code>,
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
        let state = Rc::new(State {
            engine: RefCell::new(Weak::new()),
            code: code.clone(),
            table,
            turn_cpu_max: Cell::new(limits.turn_cpu_max),
            turn_started: Cell::new(None),
            interrupted: Cell::new(false),
            halt: Arc::default(),
            reach: Arc::default(),
            cut_before: Cell::new(false),
            heap_bytes_max: limits.heap_bytes_max,
            stack_bytes_max: limits.stack_bytes_max,
            native_bytes: Rc::default(),
            lifted: Cell::new(false),
            health: Cell::new(Health::Fine),
            pulse,
            report,
            alive: Rc::default(),
            rejections: RefCell::default(),
            resting: Resting::default(),
            extensions: Extensions::default(),
            attention: RefCell::default(),
            after_rejections: RefCell::default(),
        });
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
        *engine.state.engine.borrow_mut() = Rc::downgrade(&engine);
        engine.turn(|ctx| match table.globals.iter().try_for_each(|global| (global.install)(ctx)) {
            Ok(()) => Ok(()),
            Err(error) => Err(Thrown::of(ctx, &error)),
        })?;
        Ok(engine)
    }

    /// One turn: `f`, then all jobs, then the unhandled rejections. Never called from inside one.
    pub fn turn<R>(&self, f: impl for<'js> FnOnce(&Ctx<'js>) -> R) -> R {
        if self.state.lifted.replace(false) | self.state.reach.give_back() {
            self.runtime.set_memory_limit(self.state.heap_bytes_max);
        }
        let result = self.context.with(|ctx| {
            self.state.begin();
            let result = f(&ctx);
            pump::jobs(&ctx, &self.state);
            pump::rejections(&ctx, &self.state);
            // A turn that fills the heap and is interrupted at it leaves no room for the next.
            if (self.state.lifted.get() || self.state.reach.is_taken()) && self.state.heap_is_full() {
                self.state.health.set(Health::OutOfMemory);
            }
            self.state.end();
            result
        });
        if self.state.interrupted.get() || self.state.health.get() != Health::Fine {
            let attention = self.state.attention.borrow().clone();
            if let Some(attention) = attention {
                attention();
            }
        }
        result
    }

    /// Has `attention` called after each turn that left the engine ill or with jobs to run.
    pub fn set_attention(&self, attention: Rc<dyn Fn()>) {
        *self.state.attention.borrow_mut() = Some(attention);
    }

    /// What native code reaches from a context.
    pub fn state(&self) -> &State {
        &self.state
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

    /// Makes an out-of-memory error the pending exception of the turn that calls.
    pub(super) fn throw_out_of_memory(&self) {
        // SAFETY: a live context, inside of a turn.
        unsafe { qjs::JS_ThrowOutOfMemory(self.context.as_raw().as_ptr()) };
    }

    /// Collects cyclic garbage inside of a turn, or outside; it may own native memory.
    pub fn collect_within(&self) {
        // SAFETY: a live runtime. `Runtime::run_gc` would want the lock that the turn holds.
        unsafe { qjs::JS_RunGC(qjs::JS_GetRuntime(self.context.as_raw().as_ptr())) };
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
        drop(self.state.attention.take());
        drop(self.state.after_rejections.take());
        self.state.extensions.clear();
        drop(self.state.rejections.take());
        self.state.resting.clear();
        self.runtime.set_host_promise_rejection_tracker(None);
        self.runtime.set_interrupt_handler(None);
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
