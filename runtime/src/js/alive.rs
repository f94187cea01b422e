//! What a script still waits for: as long as something holds on, it has not ended.
//!
//! Owns: the count, and the wake when it reaches zero. Must not know: what is waited for, or who asks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// An engine's count of pending things: operations, timers, handlers of descriptors, workers.
#[derive(Default)]
pub struct Alive {
    holds: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl Alive {
    /// One more thing is pending, until the guard is dropped.
    pub fn hold(self: &Rc<Self>) -> Hold {
        self.holds.set(self.holds.get() + 1);
        Hold(self.clone())
    }

    /// How many are pending.
    pub fn count(&self) -> usize {
        self.holds.get()
    }

    /// Ready once nothing is pending; for one task at a time.
    pub fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.count() == 0 {
            return Poll::Ready(());
        }
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Keeps a script from ending.
pub struct Hold(Rc<Alive>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.set(self.0.holds.get() - 1);
        if self.0.holds.get() == 0
            && let Some(waker) = self.0.waiting.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_only_when_the_last_hold_is_gone() {
        let alive = Rc::new(Alive::default());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(alive.poll_idle(cx).is_ready());
        let (one, two) = (alive.hold(), alive.hold());
        drop(one);
        assert!(alive.poll_idle(cx).is_pending());
        drop(two);
        assert!(alive.poll_idle(cx).is_ready());
    }
}
