//! A thread's part of the bus: its subscribers, and the task that gives them what others publish.
//!
//! Owns: the topics of this thread, its mailbox, made with the first subscription; the subscriptions of one subscriber.
//! Must not know: JavaScript.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::mailbox::Mailbox;
use super::table::{SubscriptionId, Topic};
use super::{Bus, BusFull, Cargo, Message, Published, Subscriber};
use crate::io::{self, budget};

/// A thread's part of the bus.
pub struct Member<M: Cargo = Message> {
    bus: Arc<Bus<M>>,
    generation: u64,
    topics: RefCell<HashMap<Arc<str>, Rc<Topic<M>>>>,
    mailbox: OnceCell<Arc<Mailbox<M>>>,
}

impl<M: Cargo> Member<M> {
    /// That of this thread, whose worker is of this generation; 0 for a thread that no other takes the place of.
    pub fn new(bus: Arc<Bus<M>>, generation: u64) -> Rc<Member<M>> {
        Rc::new(Member { bus, generation, topics: RefCell::default(), mailbox: OnceCell::new() })
    }

    /// Gives a message to the subscribers of this thread, and has it on its way to those of others.
    pub fn publish(&self, topic: &str, message: &M) -> Published {
        self.publish_except(topic, message, None)
    }

    fn publish_except(&self, topic: &str, message: &M, except: Option<SubscriptionId>) -> Published {
        let published = self.bus.post(topic, message, self.mailbox.get());
        Published { here: self.deliver(topic, message, except), ..published }
    }

    fn deliver(&self, topic: &str, message: &M, except: Option<SubscriptionId>) -> usize {
        let known = self.topics.borrow().get(topic).cloned();
        known.map_or(0, |topic| topic.deliver(message, except))
    }

    /// The mailbox; the first time, a task begins to empty it.
    fn mailbox(self: &Rc<Self>) -> &Arc<Mailbox<M>> {
        self.mailbox.get_or_init(|| {
            let bytes_max = self.bus.limits().mailbox_bytes_max;
            let mailbox = Arc::new(Mailbox::new(self.generation, bytes_max));
            drop(io::spawn(receive(Rc::downgrade(self), mailbox.clone())));
            mailbox
        })
    }

    /// The topic, with a subscriber to come.
    fn topic(self: &Rc<Self>, name: &str) -> Result<Rc<Topic<M>>, BusFull> {
        if let Some(known) = self.topics.borrow().get(name) {
            return Ok(known.clone());
        }
        let mailbox = self.mailbox();
        // Another thread has taken the place of this one: what is published elsewhere is for that.
        let name = if mailbox.is_closed() { name.into() } else { self.bus.join(name, mailbox)? };
        let topic = Rc::new(Topic::new(name.clone()));
        self.topics.borrow_mut().insert(name, topic.clone());
        Ok(topic)
    }

    fn remove(&self, topic: &Topic<M>, number: SubscriptionId) {
        if !topic.remove(number) {
            return;
        }
        let mut topics = self.topics.borrow_mut();
        topics.remove(&topic.name);
        if topics.len() < topics.capacity() / 4 {
            topics.shrink_to_fit();
        }
        drop(topics);
        if let Some(mailbox) = self.mailbox.get() {
            self.bus.leave(&topic.name, mailbox);
        }
    }
}

impl<M: Cargo> Drop for Member<M> {
    fn drop(&mut self) {
        let Some(mailbox) = self.mailbox.get() else { return };
        for topic in self.topics.borrow().keys() {
            self.bus.leave(topic, mailbox);
        }
        mailbox.close();
    }
}

/// Gives this thread's subscribers what others publish; other tasks have their turn in between.
async fn receive<M: Cargo>(member: Weak<Member<M>>, mailbox: Arc<Mailbox<M>>) {
    loop {
        poll_fn(|cx| budget::poll_left(cx)).await;
        let Some((topic, message)) = poll_fn(|cx| mailbox.poll_next(cx)).await else { return };
        let Some(member) = member.upgrade() else { return };
        budget::spend(message.len());
        member.deliver(&topic, &message, None);
    }
}

/// The subscriptions of one subscriber: they end with it.
pub struct Subscriptions<M: Cargo = Message> {
    member: Rc<Member<M>>,
    subscriber: Weak<dyn Subscriber<M>>,
    topics: RefCell<Subscribed<M>>,
}

/// Topics by name, with the number of the subscription to each.
type Subscribed<M> = HashMap<Arc<str>, (Rc<Topic<M>>, SubscriptionId)>;

impl<M: Cargo> Subscriptions<M> {
    /// None yet. The subscriber itself usually owns them.
    pub fn new(member: Rc<Member<M>>, subscriber: Weak<dyn Subscriber<M>>) -> Self {
        Subscriptions { member, subscriber, topics: RefCell::default() }
    }

    /// Subscribes to a topic; whether it did not before.
    ///
    /// # Errors
    /// It has as many subscriptions as it may have, or the app has as many topics.
    pub fn subscribe(&self, topic: &str) -> Result<bool, BusFull> {
        let mut topics = self.topics.borrow_mut();
        if topics.contains_key(topic) {
            return Ok(false);
        }
        let subscriptions_max = self.member.bus.limits().subscriptions_max;
        if topics.len() >= subscriptions_max {
            return Err(BusFull::Subscriptions(subscriptions_max));
        }
        let topic = self.member.topic(topic)?;
        let number = topic.add(self.subscriber.clone());
        topics.insert(topic.name.clone(), (topic, number));
        Ok(true)
    }

    /// Ends a subscription; whether there was one.
    pub fn unsubscribe(&self, topic: &str) -> bool {
        let gone = self.topics.borrow_mut().remove(topic);
        gone.is_some_and(|(topic, number)| {
            self.member.remove(&topic, number);
            true
        })
    }

    /// Ends all.
    pub fn clear(&self) {
        for (topic, number) in self.topics.take().into_values() {
            self.member.remove(&topic, number);
        }
    }

    /// Whether it subscribes to the topic.
    pub fn has(&self, topic: &str) -> bool {
        self.topics.borrow().contains_key(topic)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.topics.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.topics.borrow().is_empty()
    }

    /// The topics, in no order.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.topics.borrow().keys().cloned().collect()
    }

    /// Publishes to all subscribers of a topic, on all threads, but to this one.
    pub fn publish(&self, topic: &str, message: &M) -> Published {
        let number = self.topics.borrow().get(topic).map(|(_, number)| *number);
        self.member.publish_except(topic, message, number)
    }
}

impl<M: Cargo> Drop for Subscriptions<M> {
    fn drop(&mut self) {
        self.clear();
    }
}
