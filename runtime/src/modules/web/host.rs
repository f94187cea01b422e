//! What an engine runs for: an app that is served, a script, or a script's `os.Worker`.
//!
//! Owns: the role, the worker's generation, and the orderly end of the process. Modules ask for the role where the same call
//! means something else in a server: `std.exit`, calls that would block, the standard streams. Must
//! not know: who sets it, what is to be done at the end.

use std::cell::{Cell, RefCell};

use rquickjs::Ctx;

use crate::js::engine::State;

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
}

/// An engine's role.
#[derive(Default)]
pub struct Host(Cell<Role>);

impl Host {
    /// Whether `fd` is a standard stream that belongs to the process and not to this engine: a
    /// server's log would go to whoever gets the number next.
    pub fn is_foreign(ctx: &Ctx<'_>, fd: i32) -> bool {
        (0..3).contains(&fd) && Host::role(ctx) != Role::Script
    }

    /// Says what the engine runs for. Where nobody is served, `Atomics.wait` may block.
    pub fn set(state: &State, role: Role) {
        state.extension::<Host>().0.set(role);
        if let Some(engine) = state.engine().upgrade() {
            engine.set_can_block(role != Role::App);
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

/// Ends the process now with `code`, from wherever it is called: JavaScript may be running. Nothing
/// but [`run_at_exit`] runs: the destructors of this thread would pull the engine from under it.
pub fn exit(state: &State, code: i32) -> ! {
    run_at_exit(state);
    signal_hook::low_level::exit(code)
}
