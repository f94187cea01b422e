//! Native memory behind JavaScript objects, which the engine's heap limit does not see.
//!
//! Owns: its sum per engine and the bound on that, which is the heap's once more. Must not know:
//! whose memory it is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs::{Ctx, Error, Result};

use super::state::State;

/// What one native object owns outside of the engine's heap; given back when it is dropped.
#[derive(Default)]
pub struct Charge {
    bytes: Cell<usize>,
    sum: RefCell<Option<Rc<Cell<usize>>>>,
}

impl Charge {
    /// Sets what the object owns. Collects garbage before it refuses: hold no mutable borrow that a
    /// class's `trace` may meet.
    ///
    /// # Errors
    /// Out of memory, where all such objects together would own more than the heap may.
    pub fn set(&self, ctx: &Ctx<'_>, bytes: usize) -> Result<()> {
        self.set_of(State::of(ctx), bytes)
    }

    /// The same for who is not in a turn, but knows the engine's state.
    ///
    /// # Errors
    /// As above.
    pub fn set_of(&self, state: &State, bytes: usize) -> Result<()> {
        if !make_room(state, bytes.saturating_sub(self.bytes.get())) {
            return Err(Error::Allocation);
        }
        self.put(state, bytes);
        Ok(())
    }

    /// As [`set`](Self::set), from outside of JavaScript: collects no garbage. Whether there is room.
    pub fn try_set(&self, state: &State, bytes: usize) -> bool {
        let has_room = !is_full(state, bytes.saturating_sub(self.bytes.get()));
        if has_room {
            self.put(state, bytes);
        }
        has_room
    }

    fn put(&self, state: &State, bytes: usize) {
        let sum = &state.native_bytes;
        sum.set(sum.get() + bytes - self.bytes.replace(bytes));
        self.sum.borrow_mut().get_or_insert_with(|| sum.clone());
    }
}

/// Whether `more` bytes would be too many.
fn is_full(state: &State, more: usize) -> bool {
    let sum = state.native_bytes.get().saturating_add(more);
    // 0 is no limit to the engine.
    more > 0 && state.heap_bytes_max != 0 && sum > state.heap_bytes_max
}

/// Whether `more` bytes may be owned, if need be after a collection of garbage.
pub(super) fn make_room(state: &State, more: usize) -> bool {
    if is_full(state, more)
        && let Some(engine) = state.engine().upgrade()
    {
        engine.collect_within();
    }
    !is_full(state, more)
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(sum) = self.sum.get_mut() {
            sum.set(sum.get().saturating_sub(self.bytes.get()));
        }
    }
}
