//! A bell that other threads ring and a worker's task waits for.
//!
//! Owns: one flag and one waker. The wake itself goes through the executor's inbox, which ends the
//! worker's sleep. Must not know: what the news is; that travels in a channel beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Wakes one task of one worker from any thread; several notifications before the task looks
/// count as one. Only the latest waiting task is woken.
#[derive(Clone, Default)]
pub struct Notifier {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    notified: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Notifier {
    /// One that nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings; never blocks for longer than the waiter needs to store its waker.
    pub fn notify(&self) {
        self.state.notified.store(true, Ordering::SeqCst);
        let waker = self.state.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready when it has been rung since the last time this was ready.
    pub fn poll_notified(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state.notified.swap(false, Ordering::SeqCst) {
            return Poll::Ready(());
        }
        *self.state.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // Rung between the two lines above: the ringer may have found no waker.
        if self.state.notified.swap(false, Ordering::SeqCst) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Waits until it is rung.
    pub async fn notified(&self) {
        std::future::poll_fn(|cx| self.poll_notified(cx)).await
    }
}
