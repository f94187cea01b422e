//! JavaScript values for code that may outlive their engine: tasks, bodies on their way.
//!
//! Owns: the values, one list per engine; they go with it. Must not know: what they are for.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use rquickjs::{Ctx, Value};
use slab::Slab;

use crate::js::engine::State;
use crate::js::held::Held;

/// The values of one engine.
#[derive(Default)]
struct Roots(RefCell<Slab<Held>>);

/// A reference to a value that a task can keep: once the engine is gone, it refers to nothing.
pub(super) struct Rooted {
    roots: Weak<Roots>,
    key: usize,
}

impl Rooted {
    /// Keeps `value` for as long as this and the engine live.
    pub(super) fn new(value: Value<'_>) -> Self {
        let roots = State::of(value.ctx()).extension::<Roots>();
        let key = roots.0.borrow_mut().insert(Held::new(value));
        Rooted { roots: Rc::downgrade(&roots), key }
    }

    /// The value, in a context of its engine.
    pub(super) fn get<'js>(&self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        let roots = self.roots.upgrade()?;
        let roots = roots.0.borrow();
        roots.get(self.key).map(|held| held.get(ctx))
    }
}

impl Drop for Rooted {
    fn drop(&mut self) {
        if let Some(roots) = self.roots.upgrade() {
            // Let go of outside of the borrow: a finaliser may come back here.
            let held = roots.0.borrow_mut().try_remove(self.key);
            drop(held);
        }
    }
}
