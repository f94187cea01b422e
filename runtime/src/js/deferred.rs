//! Promises that Rust settles later, from outside of JavaScript.
//!
//! Owns: capabilities of operations in flight. Must not know: the operations.

use std::cell::RefCell;
use std::rc::Weak;

use rquickjs::{Ctx, Result, Value};
use slab::Slab;

use super::alive::Hold;
use super::engine::Engine;
use super::promise::{Capability, pending};
use super::state::State;

/// Capabilities of operations in flight, kept in the engine so that none outlives it.
#[derive(Default)]
struct InFlight(RefCell<Slab<Capability>>);

/// The Rust side of a promise that an operation settles later, from outside of JavaScript. A script
/// does not end while there is one.
pub struct Deferred {
    engine: Weak<Engine>,
    key: usize,
    pending: Option<Hold>,
}

/// A pending promise and its Rust side.
///
/// # Errors
/// Out of memory.
pub fn deferred<'js>(ctx: &Ctx<'js>) -> Result<(Value<'js>, Deferred)> {
    let (promise, capability) = pending(ctx)?;
    let state = State::of(ctx);
    let key = state.extension::<InFlight>().0.borrow_mut().insert(capability);
    Ok((promise, Deferred { engine: state.engine(), key, pending: Some(state.alive().hold()) }))
}

impl Deferred {
    /// The same, but scripts end without waiting for it.
    pub fn unheld(mut self) -> Deferred {
        self.pending = None;
        self
    }

    /// Settles the promise in a turn of its own; nothing happens if the engine is gone.
    pub fn settle(self, make: impl for<'js> FnOnce(&Ctx<'js>) -> Result<Value<'js>>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.turn(|ctx| self.settle_within(ctx, make(ctx)));
        }
    }

    /// Settles the promise inside the current turn.
    pub fn settle_within<'js>(&self, ctx: &Ctx<'js>, result: Result<Value<'js>>) {
        let capability = State::of(ctx).extension::<InFlight>().0.borrow_mut().try_remove(self.key);
        if let Some(capability) = capability {
            capability.settle(ctx, result);
        }
    }
}
