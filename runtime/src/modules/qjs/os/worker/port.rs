//! What two engines on different threads send each other: a line each way.
//!
//! Owns: the order, the bound on what waits, the news that the other side is gone. Must not know:
//! JavaScript. What is packed is shared by nobody while it waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use crate::io::Notifier;
use crate::js::clone::Packed;

/// Bytes that wait on one line at most.
pub(super) const QUEUE_BYTES_MAX: usize = 128 << 20;
/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 128;

/// What both sides of a line know.
#[derive(Default)]
struct Line {
    /// Bytes that wait.
    waiting: AtomicUsize,
    bell: Notifier,
}

/// The side that sends.
pub(super) struct Outbox {
    /// Empty only while it is dropped.
    sender: Option<Sender<Packed>>,
    line: Arc<Line>,
}

/// The side that receives.
pub(super) struct Inbox {
    receiver: Receiver<Packed>,
    line: Arc<Line>,
}

/// One end of the pair: what an engine sends by, and what it receives from.
pub(super) struct PortEnd {
    pub(super) outbox: Outbox,
    pub(super) inbox: Inbox,
}

/// Two ends, connected.
pub(super) fn pair() -> (PortEnd, PortEnd) {
    let (there, here) = (line(), line());
    (PortEnd { outbox: there.0, inbox: here.1 }, PortEnd { outbox: here.0, inbox: there.1 })
}

fn line() -> (Outbox, Inbox) {
    let (sender, receiver) = unbounded();
    let line = Arc::new(Line::default());
    (Outbox { sender: Some(sender), line: line.clone() }, Inbox { receiver, line })
}

fn cost(message: &Packed) -> usize {
    message.len() + MESSAGE_BYTES
}

impl Outbox {
    /// Bytes that a message may have now; `None` where not even an empty one may wait.
    pub(super) fn room(&self) -> Option<usize> {
        QUEUE_BYTES_MAX.checked_sub(self.line.waiting.load(Ordering::Relaxed) + MESSAGE_BYTES)
    }

    /// Sends a message that there is room for. It goes nowhere when the other side is gone.
    pub(super) fn post(&self, message: Packed) {
        let Some(sender) = &self.sender else { return };
        let cost = cost(&message);
        // Counted first: the receiver never takes off what has not been added.
        self.line.waiting.fetch_add(cost, Ordering::Relaxed);
        match sender.send(message) {
            Ok(()) => self.line.bell.notify(),
            Err(_) => drop(self.line.waiting.fetch_sub(cost, Ordering::Relaxed)),
        }
    }
}

impl Drop for Outbox {
    /// The receiver hears of it behind all that was sent.
    fn drop(&mut self) {
        drop(self.sender.take());
        self.line.bell.notify();
    }
}

impl Drop for Inbox {
    /// The bell lets go of the waker, which would keep this thread's descriptors open for as long as
    /// the other side has its end.
    fn drop(&mut self) {
        self.line.bell.notify();
    }
}

impl Inbox {
    /// The next message; `None` when none can come any more.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Packed>> {
        loop {
            match self.receiver.try_recv() {
                Ok(message) => {
                    self.line.waiting.fetch_sub(cost(&message), Ordering::Relaxed);
                    return Poll::Ready(Some(message));
                }
                Err(TryRecvError::Disconnected) => return Poll::Ready(None),
                Err(TryRecvError::Empty) => {
                    if self.line.bell.poll_notified(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Wakes who waits for the next message, to look at something else.
    pub(super) fn rouse(&self) {
        self.line.bell.notify();
    }
}
