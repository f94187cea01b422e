//! Where a thread gets what others publish.
//!
//! Owns: the order, the bound on what waits, the one wake-up for all that has come meanwhile. Must not know: topics,
//! subscribers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Cargo;
use crate::io::Notifier;
use crate::log;

/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 64;

/// A message, and the topic that it was published on.
pub(super) type Letter<M> = (Arc<str>, M);

/// A thread's mailbox. It has no descriptor: the bell wakes the thread's loop.
pub(super) struct Mailbox<M> {
    sender: Sender<Letter<M>>,
    receiver: Receiver<Letter<M>>,
    /// Bytes that wait.
    waiting: AtomicUsize,
    bytes_max: usize,
    closed: AtomicBool,
    bell: Notifier,
    generation: u64,
}

impl<M: Cargo> Mailbox<M> {
    /// That of a thread of this generation, for so many bytes.
    pub(super) fn new(generation: u64, bytes_max: usize) -> Self {
        let (sender, receiver) = unbounded();
        Mailbox {
            sender,
            receiver,
            waiting: AtomicUsize::new(0),
            bytes_max,
            closed: AtomicBool::new(false),
            bell: Notifier::new(),
            generation,
        }
    }

    /// Whose it is; 0 is nobody's whose place another takes.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts a message in, unless it is full; whether it did. A message that is larger than all there may be goes into an
    /// empty one.
    pub(super) fn post(&self, topic: &Arc<str>, message: &M) -> bool {
        let cost = MESSAGE_BYTES + message.len();
        let fits = |waiting: usize| {
            (waiting == 0 || waiting.saturating_add(cost) <= self.bytes_max)
                .then(|| waiting.saturating_add(cost))
        };
        // Counted first: the receiver never takes off what has not been added.
        if self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            if log::admits(log::Kind::Mailbox) {
                tracing::warn!(
                    "a thread does not take its messages: one on {topic:?} is dropped for it (--mailbox-max)"
                );
            }
            return false;
        }
        // Both ends are here: it is not disconnected.
        let _ = self.sender.send((topic.clone(), message.clone()));
        self.bell.notify();
        if self.is_closed() {
            self.clear();
        }
        true
    }

    /// Whether nobody takes anything out any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nobody takes anything out any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.clear();
        // Lets go of the waker, which would keep the thread's descriptors open, and ends who waits.
        self.bell.notify();
    }

    fn clear(&self) {
        while self.take().is_some() {}
    }

    fn take(&self) -> Option<Letter<M>> {
        let letter = self.receiver.try_recv().ok()?;
        self.waiting.fetch_sub(MESSAGE_BYTES + letter.1.len(), Ordering::Relaxed);
        Some(letter)
    }

    /// The next message; `None` once it is closed.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Letter<M>>> {
        loop {
            if self.is_closed() {
                return Poll::Ready(None);
            }
            if let Some(letter) = self.take() {
                return Poll::Ready(Some(letter));
            }
            if self.bell.poll_notified(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
