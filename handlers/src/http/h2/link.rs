//! What the streams of a connection and its session say to each other.
//!
//! Owns: how many exchanges there are, that the client of one of them takes nothing. Must not know: frames.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use super::tunnel::Tunnels;

/// Between a session and its streams.
#[derive(Default)]
pub struct StreamLink {
    streams: Cell<usize>,
    stalled: Cell<bool>,
    session: RefCell<Option<Waker>>,
    tunnels: Tunnels,
}

impl StreamLink {
    /// Exchanges that have not ended.
    pub fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Whether the client took nothing of an answer for as long as it may.
    pub fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// It did.
    pub fn set_stalled(&self) {
        self.stalled.set(true);
        self.wake();
    }

    /// Streams that carry another protocol, or events that have no end.
    pub fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    /// The session's task is woken when its last exchange ends.
    pub fn keep_waker(&self, cx: &Context<'_>) {
        let mut session = self.session.borrow_mut();
        if !session.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *session = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.session.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// An exchange, from its request to its end.
pub struct StreamSeat(Rc<StreamLink>);

impl StreamSeat {
    /// One more.
    pub fn take(link: &Rc<StreamLink>) -> StreamSeat {
        link.streams.set(link.streams.get() + 1);
        StreamSeat(link.clone())
    }

    /// The session.
    pub fn link(&self) -> &StreamLink {
        &self.0
    }
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        let left = self.0.streams.get() - 1;
        self.0.streams.set(left);
        if left == 0 {
            self.0.wake();
        }
    }
}
