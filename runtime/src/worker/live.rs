//! What pages that show the app are told in development: that there is something new, or that the app does not load.
//!
//! Owns: the number that grows with each of these, who waits for the next. Must not know: how a page hears of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// One worker's news for pages.
#[derive(Default)]
pub struct LivePages {
    version: Cell<u64>,
    /// Why the app that was read last cannot be served.
    failure: RefCell<Option<Arc<str>>>,
    waiting: RefCell<Vec<Waker>>,
}

impl LivePages {
    /// With nothing new since `version`.
    pub(super) fn new(version: u64) -> Rc<LivePages> {
        Rc::new(LivePages { version: Cell::new(version), ..LivePages::default() })
    }

    /// What pages that are served now show. Numbers of a server that was started later are greater.
    pub fn version(&self) -> u64 {
        self.version.get()
    }

    /// Why the app that was read last cannot be served, where it cannot.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.failure.borrow().clone()
    }

    /// There is something new.
    pub(super) fn tell(&self, version: u64, failure: Option<Arc<str>>) {
        self.version.set(version);
        self.failure.replace(failure);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// The version, once it is not `seen` any more.
    pub fn poll_version(&self, seen: u64, cx: &mut Context<'_>) -> Poll<u64> {
        if self.version.get() != seen {
            return Poll::Ready(self.version.get());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
