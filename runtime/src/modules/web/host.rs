//! What an engine runs for: an app that is served, a script, a script's `os.Worker`, or one request as a CGI script.
//!
//! Owns: the role, the worker's generation, and the orderly end of the process or of a CGI script. Modules ask for the role where the same call
//! means something else in a server: `std.exit`, calls that would block, the standard streams. Must
//! not know: who sets it, what is to be done at the end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rquickjs::Ctx;
use rustix::thread::NanosleepRelativeResult;
use rustix::time::Timespec;

use crate::io::process::Children;
use crate::js::engine::State;

/// How often a CGI script that blocks its thread looks whether it may.
pub const LOOK: Duration = Duration::from_millis(20);

/// What an engine runs for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// A worker of the server: nothing may block it or end the process.
    #[default]
    App,
    /// A script or the interactive prompt: the process is its own.
    Script,
    /// A thread that a script started with `os.Worker`.
    Worker,
    /// One request of a server, as a CGI script: the thread and the standard streams are its own, the process is not.
    Cgi,
}

/// An engine's role.
#[derive(Default)]
pub struct Host(Cell<Role>);

impl Host {
    /// Whether `fd` is a standard stream that belongs to the process and not to this engine: a
    /// server's log would go to whoever gets the number next.
    pub fn is_foreign(ctx: &Ctx<'_>, fd: i32) -> bool {
        (0..3).contains(&fd) && !matches!(Host::role(ctx), Role::Script | Role::Cgi)
    }

    /// Says what the engine runs for. Where nobody is served, `Atomics.wait` may block.
    pub fn set(state: &State, role: Role) {
        state.extension::<Host>().0.set(role);
        if let Some(engine) = state.engine().upgrade() {
            engine.set_can_block(matches!(role, Role::Script | Role::Worker));
        }
    }

    /// What the engine runs for.
    pub fn of(state: &State) -> Role {
        state.extension::<Host>().0.get()
    }

    /// What the context's engine runs for.
    pub fn role(ctx: &Ctx<'_>) -> Role {
        State::of(ctx).extension::<Host>().0.get()
    }
}

/// The generation of the worker that an engine belongs to; 0 for one that no other takes the place of.
#[derive(Default)]
struct Generation(Cell<u64>);

/// Says that the engine belongs to the worker of that `generation`.
pub fn set_generation(state: &State, generation: u64) {
    state.extension::<Generation>().0.set(generation);
}

/// The generation of the engine's worker.
pub fn generation(state: &State) -> u64 {
    state.extension::<Generation>().0.get()
}

/// What is to be done before the process ends: files flushed, the terminal as it was.
#[derive(Default)]
struct AtExit(RefCell<Vec<Box<dyn FnOnce()>>>);

/// Has `f` run before the process ends, in [`exit`] or when a script has come to its end; what was
/// added last runs first. It may run inside of a turn and must not call JavaScript.
pub fn at_exit(state: &State, f: impl FnOnce() + 'static) {
    state.extension::<AtExit>().0.borrow_mut().push(Box::new(f));
}

/// Runs what [`at_exit`] has collected, once.
pub fn run_at_exit(state: &State) {
    let all = state.extension::<AtExit>();
    loop {
        let Some(last) = all.0.borrow_mut().pop() else { return };
        last();
    }
}

/// What a CGI script is held to, and how it wants to end.
#[derive(Default)]
pub struct CgiHold {
    /// When its time is over.
    until: Cell<Option<Instant>>,
    /// It has a working directory of its own.
    has_folder: Cell<bool>,
    /// Its status, once it has ended itself.
    status: Cell<Option<i32>>,
    /// The processes that it has started.
    children: Arc<Children>,
}

impl CgiHold {
    /// That of an engine.
    pub fn of(state: &State) -> Rc<CgiHold> {
        state.extension::<CgiHold>()
    }

    /// Its time is over then; `has_folder`: the working directory of its thread is not that of the process.
    pub fn set(&self, until: Instant, has_folder: bool) {
        self.until.set(Some(until));
        self.has_folder.set(has_folder);
    }

    /// The processes that it has started.
    pub fn children(&self) -> &Arc<Children> {
        &self.children
    }

    /// Whether the working directory is its own.
    pub fn has_folder(&self) -> bool {
        self.has_folder.get()
    }

    /// With what it has ended itself.
    pub fn status(&self) -> Option<i32> {
        self.status.get()
    }

    /// Whether its time is over, or nobody wants it any more.
    fn is_over(&self, state: &State) -> bool {
        state.halt().load(Ordering::Relaxed) || self.until.get().is_some_and(|until| Instant::now() >= until)
    }
}

/// Ends a CGI script with `status`: an error that it cannot catch, and no further turn.
pub fn end_cgi(ctx: &Ctx<'_>, status: i32) -> rquickjs::Error {
    let state = State::of(ctx);
    let hold = CgiHold::of(state);
    hold.status.set(hold.status.get().or(Some(status)));
    state.halt().store(true, Ordering::SeqCst);
    state.interrupt(ctx)
}

/// Looks whether a CGI script that blocks its thread may go on.
///
/// # Errors
/// It may not: an error that no script can catch.
pub fn look(ctx: &Ctx<'_>) -> rquickjs::Result<()> {
    let state = State::of(ctx);
    if !CgiHold::of(state).is_over(state) {
        return Ok(());
    }
    state.halt().store(true, Ordering::SeqCst);
    Err(state.interrupt(ctx))
}

/// Blocks the thread for `time`; a CGI script for no longer than its time lasts, or somebody wants it.
///
/// # Errors
/// It is over: an error that no script can catch. Inside: a signal came.
pub fn sleep(ctx: &Ctx<'_>, time: Duration) -> rquickjs::Result<std::io::Result<()>> {
    let state = State::of(ctx);
    let is_cgi = Host::of(state) == Role::Cgi;
    let mut left = time;
    loop {
        let step = if is_cgi { left.min(LOOK) } else { left };
        let spec = Timespec { tv_sec: step.as_secs().cast_signed(), tv_nsec: step.subsec_nanos().into() };
        match rustix::thread::nanosleep(&spec) {
            NanosleepRelativeResult::Ok => {}
            NanosleepRelativeResult::Interrupted(_) => {
                return Ok(Err(std::io::Error::from_raw_os_error(libc::EINTR)));
            }
            NanosleepRelativeResult::Err(errno) => return Ok(Err(errno.into())),
        }
        left = left.saturating_sub(step);
        if is_cgi {
            look(ctx)?;
        }
        if left.is_zero() {
            return Ok(Ok(()));
        }
    }
}

/// Ends the process now with `code`, from wherever it is called: JavaScript may be running. Nothing
/// but [`run_at_exit`] runs: the destructors of this thread would pull the engine from under it.
pub fn exit(state: &State, code: i32) -> ! {
    run_at_exit(state);
    signal_hook::low_level::exit(code)
}
