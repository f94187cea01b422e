//! What an engine runs for: an app that is served, a script, or a script's `os.Worker`.
//!
//! Owns: the role. Modules ask it where the same call means something else in a server: `std.exit`,
//! calls that would block, the standard streams. Must not know: who sets it.

use std::cell::Cell;

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
    /// Says what the engine runs for. Where nobody is served, `Atomics.wait` may block.
    pub fn set(state: &State, role: Role) {
        state.extension::<Host>().0.set(role);
        if let Some(engine) = state.engine().upgrade() {
            engine.set_can_block(role != Role::App);
        }
    }

    /// What the context's engine runs for.
    pub fn role(ctx: &Ctx<'_>) -> Role {
        State::of(ctx).extension::<Host>().0.get()
    }
}
