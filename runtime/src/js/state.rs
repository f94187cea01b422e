//! What an engine keeps: limits, health, the CPU budget of its turn, what modules have in it.
//!
//! Owns: that state, and how native code gets from a context to it and to the engine. Must not know: how an engine
//! is made, how its turns go (`engine.rs`).

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rquickjs::{Context, Ctx, Runtime, Value, qjs};

use super::alive::Alive;
use super::builtins::Table;
use super::clock::thread_cpu;
use super::cluster::Cluster;
use super::code::Code;
use super::exception::{self, Cause, Thrown};
use super::extensions::Extensions;
use super::observed::Observed;
use super::reach::Reach;
use super::rejections::Rejections;
use super::reuse::Resting;
use crate::metrics::WorkerMetrics;

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

/// What native code reaches from a context.
pub struct State {
    engine: RefCell<Weak<Engine>>,
    /// What its modules come from.
    code: Arc<Code>,
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
    pub(super) rejections: RefCell<Rejections>,
    pub(super) resting: Resting,
    extensions: Extensions,
    attention: RefCell<Option<Rc<dyn Fn()>>>,
    pub(crate) after_rejections: RefCell<Option<Rc<dyn Fn()>>>,
    /// What is measured of its turns, where somebody wants to know.
    observed: OnceCell<Box<Observed>>,
}

impl State {
    /// That of an engine which is being made.
    pub(super) fn new(
        limits: &EngineLimits,
        table: &'static Table,
        code: Arc<Code>,
        pulse: Pulse,
        report: Report,
    ) -> State {
        State {
            engine: RefCell::new(Weak::new()),
            code,
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
            observed: OnceCell::new(),
        }
    }

    /// Tells it whose it is.
    pub(super) fn set_engine(&self, engine: &Rc<Engine>) {
        *self.engine.borrow_mut() = Rc::downgrade(engine);
    }

    /// Drops the values that it holds, before the runtime that they point into.
    pub(super) fn let_go(&self) {
        drop(self.attention.take());
        drop(self.after_rejections.take());
        self.extensions.clear();
        drop(self.rejections.take());
        self.resting.clear();
    }

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
    pub fn code(&self) -> &Arc<Code> {
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

    /// Has its turns measured from now on, for as long as it lives.
    pub fn observe(&self, metrics: Arc<WorkerMetrics>) {
        // Who has asked before is the same worker.
        let _ = self.observed.set(Box::new(Observed::new(metrics)));
    }

    /// What is measured of its turns.
    pub(super) fn observed(&self) -> Option<&Observed> {
        self.observed.get().map(|observed| &**observed)
    }

    /// The time of the last turn; none is known where they are not measured.
    pub fn last_turn(&self) -> Duration {
        self.observed.get().map_or(Duration::ZERO, |observed| observed.last_turn())
    }

    /// Bytes that the heap holds now, to some bytes: found by where allocations begin to fail, which walks nothing. 0 where
    /// it has no limit, or its memory was taken.
    pub(super) fn heap_bytes(&self) -> usize {
        let Some(engine) = self.engine().upgrade() else { return 0 };
        if self.heap_bytes_max == 0 || self.reach.is_taken() {
            return 0;
        }
        let limit = self.heap_bytes_max + if self.lifted.get() { INTERRUPT_BYTES } else { 0 };
        let (mut fails, mut fits) = (0, limit);
        // SAFETY: a live runtime; the few bytes are given back at once, the limit is what it was.
        unsafe {
            let rt = qjs::JS_GetRuntime(engine.context.as_raw().as_ptr());
            while fits - fails > 4096 {
                let middle = fails + (fits - fails) / 2;
                qjs::JS_SetMemoryLimit(rt, middle as _);
                let probe = qjs::js_malloc_rt(rt, 16);
                qjs::js_free_rt(rt, probe);
                if probe.is_null() { fails = middle } else { fits = middle }
            }
            qjs::JS_SetMemoryLimit(rt, limit as _);
        }
        fails
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
    pub(super) fn note_null(&self, reason: &Value<'_>, handled: bool) {
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

    /// Whether the heap limit is to be what it was again, before a turn begins.
    pub(super) fn lowers_limit(&self) -> bool {
        self.lifted.replace(false) | self.reach.give_back()
    }

    /// Calls who asked to be, after a turn that left the engine ill or with jobs to run.
    pub(super) fn ask_attention(&self) {
        let attention = self.attention.borrow().clone();
        if let Some(attention) = attention {
            attention();
        }
    }

    pub(super) fn begin(&self) {
        self.turn_started.set(None);
        self.cut_before.set(self.interrupted.replace(false));
        self.pulse.fetch_add(1, Ordering::Relaxed);
        if let Some(observed) = self.observed.get() {
            observed.begin();
        }
    }

    pub(super) fn end(&self) {
        // A turn that fills the heap and is interrupted at it leaves no room for the next.
        if (self.lifted.get() || self.reach.is_taken()) && self.heap_is_full() {
            self.health.set(Health::OutOfMemory);
        }
        self.pulse.fetch_add(1, Ordering::Relaxed);
        if let Some(observed) = self.observed.get() {
            observed.end(|| self.heap_bytes());
        }
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
    pub(super) fn interrupts(&self, rt: *mut qjs::JSRuntime) -> bool {
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
        // SAFETY: a live context.
        let is_over = unsafe { self.interrupts(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) };
        if is_over { Err(self.interrupt(ctx)) } else { Ok(()) }
    }

    /// Ends the turn as one that is over its budget: an error that no script can catch.
    pub fn interrupt(&self, ctx: &Ctx<'_>) -> rquickjs::Error {
        let raw = ctx.as_raw().as_ptr();
        self.interrupted.set(true);
        // SAFETY: a live context; the error is thrown, taken, marked, and thrown again, with one reference.
        unsafe {
            qjs::JS_ThrowInternalError(raw, c"interrupted".as_ptr());
            let error = qjs::JS_GetException(raw);
            qjs::JS_SetUncatchableError(raw, error);
            qjs::JS_Throw(raw, error);
        }
        rquickjs::Error::Exception
    }
}

/// Runtime and context, bound to the thread that made them.
pub struct Engine {
    pub(super) context: Context,
    pub(super) runtime: Runtime,
    // Last: contexts point at it until they are gone.
    pub(super) state: Rc<State>,
}

impl Engine {
    /// The time of the last turn: see [`State::last_turn`].
    pub fn last_turn(&self) -> Duration {
        self.state.last_turn()
    }

    /// What native code reaches from a context.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Has `attention` called after each turn that left the engine ill or with jobs to run.
    pub fn set_attention(&self, attention: Rc<dyn Fn()>) {
        *self.state.attention.borrow_mut() = Some(attention);
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
}
