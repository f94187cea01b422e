//! Who wakes a session while it runs.
//!
//! Owns: that what a session has yet to look at wakes it no second time: `h2`, and the last exchange to end, wake it for
//! what they do inside of its own poll. Must not know: what that is.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// It is not being polled: who wakes it wakes its task.
const RESTS: u8 = 0;
/// It is, and will look at everything before it rests.
const RUNS: u8 = 1;
/// It was woken since it last looked.
const AGAIN: u8 = 2;

/// The polls of one session.
pub struct Turn {
    shared: Arc<Shared>,
    waker: Waker,
}

struct Shared {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Turn {
    /// Of a session that rests.
    pub fn new() -> Turn {
        let shared = Shared { state: AtomicU8::new(RESTS), task: Mutex::new(Waker::noop().clone()) };
        let shared = Arc::new(shared);
        Turn { waker: Waker::from(shared.clone()), shared }
    }

    /// The session's task polls it: what wakes it from now on.
    pub fn begin(&self, cx: &Context<'_>) -> Waker {
        let mut task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.will_wake(cx.waker()) {
            task.clone_from(cx.waker());
        }
        self.shared.state.store(RUNS, Ordering::SeqCst);
        self.waker.clone()
    }

    /// It looks at everything from here on: what woke it before needs no other poll.
    pub fn looks(&self) {
        self.shared.state.store(RUNS, Ordering::SeqCst);
    }

    /// It rests; whether it was woken since it last looked.
    pub fn end(&self) -> bool {
        self.shared.state.swap(RESTS, Ordering::SeqCst) == AGAIN
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self.state.compare_exchange(RUNS, AGAIN, Ordering::SeqCst, Ordering::SeqCst);
        if noted == Err(RESTS) {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(AtomicU8);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_session_is_woken_while_it_rests_and_told_of_what_came_after_its_last_look() {
        let count = Arc::new(Count(AtomicU8::new(0)));
        let task = Waker::from(count.clone());
        let turn = Turn::new();
        let waker = turn.begin(&Context::from_waker(&task));
        waker.wake_by_ref();
        turn.looks();
        assert!(!turn.end(), "it has looked since");
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        turn.begin(&Context::from_waker(&task)).wake_by_ref();
        assert!(turn.end(), "it has not");
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "its own poll wakes nothing");
    }
}
