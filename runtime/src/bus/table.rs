//! Who subscribes to one topic on one thread.
//!
//! Owns: the order of subscriptions, changes in the middle of a delivery. Must not know: other topics, other threads.

use std::cell::{Cell, RefCell};
use std::rc::Weak;
use std::sync::Arc;

use super::{Cargo, Delivery, Subscriber};

/// The number of a subscription among those of its topic: later ones have larger numbers.
pub(super) type SubscriptionId = u64;

struct Subscription<M: Cargo> {
    number: SubscriptionId,
    /// `None` once it has ended.
    subscriber: Option<Weak<dyn Subscriber<M>>>,
}

/// The subscribers of a topic, the first first.
pub(super) struct Topic<M: Cargo> {
    pub(super) name: Arc<str>,
    entries: RefCell<Vec<Subscription<M>>>,
    next: Cell<SubscriptionId>,
    /// Entries that have not ended.
    live: Cell<usize>,
    /// Deliveries that are under way: the entries keep their places.
    under_way: Cell<usize>,
}

impl<M: Cargo> Topic<M> {
    pub(super) fn new(name: Arc<str>) -> Self {
        Topic {
            name,
            entries: RefCell::default(),
            next: Cell::new(0),
            live: Cell::new(0),
            under_way: Cell::new(0),
        }
    }

    pub(super) fn add(&self, subscriber: Weak<dyn Subscriber<M>>) -> SubscriptionId {
        let number = self.next.get();
        self.next.set(number + 1);
        self.entries.borrow_mut().push(Subscription { number, subscriber: Some(subscriber) });
        self.live.set(self.live.get() + 1);
        number
    }

    /// Ends a subscription; whether no other is left.
    pub(super) fn remove(&self, number: SubscriptionId) -> bool {
        let gone = {
            let mut entries = self.entries.borrow_mut();
            let found = entries.binary_search_by_key(&number, |entry| entry.number);
            found.ok().and_then(|at| entries[at].subscriber.take())
        };
        if gone.is_some() {
            self.live.set(self.live.get() - 1);
            self.compact();
        }
        self.live.get() == 0
    }

    /// Closes the gaps, once they are many.
    fn compact(&self) {
        let mut entries = self.entries.borrow_mut();
        if self.under_way.get() == 0 && entries.len() > 2 * self.live.get() {
            entries.retain(|entry| entry.subscriber.is_some());
            if entries.len() < entries.capacity() / 4 {
                entries.shrink_to_fit();
            }
        }
    }

    /// Gives a message to all who subscribe now, but to the subscription `except`; how many got it.
    pub(super) fn deliver(&self, message: &M, except: Option<SubscriptionId>) -> usize {
        let delivery = Delivery::new(&self.name, message);
        let end = self.entries.borrow().len();
        let mut got = 0;
        self.under_way.set(self.under_way.get() + 1);
        for at in 0..end {
            // Not borrowed while it is delivered: what that does may end subscriptions.
            let subscriber = match &self.entries.borrow()[at] {
                entry if Some(entry.number) == except => None,
                entry => entry.subscriber.as_ref().and_then(Weak::upgrade),
            };
            if let Some(subscriber) = subscriber {
                subscriber.deliver(&delivery);
                got += 1;
            }
        }
        self.under_way.set(self.under_way.get() - 1);
        self.compact();
        got
    }
}
