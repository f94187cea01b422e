//! Messages between the threads of one app, by topic: to this thread's subscribers at once, to each other thread
//! that has some through its mailbox.
//!
//! Owns: what is sent, who can be sent it, the bounds. Must not know: JavaScript, what subscribers do with a message.
//! Order: what one publisher publishes reaches each subscriber in that order, whatever the topics.

mod mailbox;
mod member;
mod table;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use self::mailbox::Mailbox;
pub use self::member::{Member, Subscriptions};

/// Bytes of a topic's name in UTF-8, for apps: it has one at least.
pub const TOPIC_BYTES_MAX: usize = 1_024;

/// What is published on topics: its bytes are there once, for all threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Binary(Arc<[u8]>),
}

impl Message {
    /// The bytes; those of a text in UTF-8.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }
}

/// What a bus carries. A clone is cheap: each thread gets one.
pub trait Cargo: Clone + Send + 'static {
    /// Bytes that it holds.
    fn len(&self) -> usize;

    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Cargo for Message {
    fn len(&self) -> usize {
        self.bytes().len()
    }
}

/// Who gets what is published on the topics that it subscribes to.
pub trait Subscriber<M: Cargo = Message> {
    /// Takes a message: on its own thread, perhaps in the middle of a turn of JavaScript, so it only puts it where it
    /// will be sent or heard from. It may end subscriptions, its own or those of others; it must not publish.
    fn deliver(&self, delivery: &Delivery<'_, M>);
}

/// One message on its way to the subscribers of one thread.
pub struct Delivery<'a, M: Cargo = Message> {
    topic: &'a str,
    message: &'a M,
    /// What kinds of subscribers have made of it, one value of each type.
    forms: RefCell<Vec<Rc<dyn Any>>>,
}

impl<'a, M: Cargo> Delivery<'a, M> {
    fn new(topic: &'a str, message: &'a M) -> Self {
        Delivery { topic, message, forms: RefCell::default() }
    }

    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The message.
    pub fn message(&self) -> &'a M {
        self.message
    }

    /// What a kind of subscriber makes of the message, a frame say: made for the first of this thread that asks, and the
    /// same for all others. `make` asks for no form itself.
    pub fn form<T: 'static>(&self, make: impl FnOnce(&M) -> T) -> Rc<T> {
        let mut forms = self.forms.borrow_mut();
        if let Some(form) = forms.iter().find_map(|form| form.clone().downcast::<T>().ok()) {
            return form;
        }
        let form = Rc::new(make(self.message));
        forms.push(form.clone());
        form
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Subscribers of the publisher's own thread that got it.
    pub here: usize,
    /// Other threads whose mailboxes it was put in.
    pub posted: usize,
    /// Other threads that do not get it: their mailboxes are full.
    pub dropped: usize,
}

/// A bound that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusFull {
    /// The subscriber has as many subscriptions as it may have.
    Subscriptions(usize),
    /// The app has as many topics with subscribers as it may have.
    Topics(usize),
}

impl fmt::Display for BusFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusFull::Subscriptions(n) => {
                write!(f, "{n} topics are subscribed to, there cannot be more (--subscriptions-max)")
            }
            BusFull::Topics(n) => {
                write!(f, "{n} topics have subscribers, there cannot be more (--topics-max)")
            }
        }
    }
}

/// The bounds of a bus.
#[derive(Clone, Copy, Debug)]
pub struct BusLimits {
    /// Bytes that wait in one mailbox.
    pub mailbox_bytes_max: usize,
    /// Topics of one subscriber.
    pub subscriptions_max: usize,
    /// Topics that have subscribers.
    pub topics_max: usize,
}

impl BusLimits {
    /// As the limits of an app say.
    pub fn of(limits: &crate::config::Limits) -> BusLimits {
        BusLimits {
            mailbox_bytes_max: limits.mailbox_bytes_max,
            subscriptions_max: limits.subscriptions_max,
            topics_max: limits.topics_max,
        }
    }
}

/// Parts of the table of topics, each with a lock of its own.
const SHARDS: usize = 16;

/// Which threads have subscribers of a topic.
type Shard<M> = RwLock<HashMap<Arc<str>, Vec<Arc<Mailbox<M>>>>>;

/// What the threads of one app share. Nothing is in it before the first subscribes.
pub struct Bus<M: Cargo = Message> {
    limits: OnceLock<BusLimits>,
    hasher: RandomState,
    shards: [Shard<M>; SHARDS],
    /// Topics in all shards.
    topics: AtomicUsize,
}

impl<M: Cargo> Default for Bus<M> {
    fn default() -> Self {
        Bus {
            limits: OnceLock::new(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Shard::default()),
            topics: AtomicUsize::new(0),
        }
    }
}

impl<M: Cargo> Bus<M> {
    /// Sets the bounds; those of [`Limits`](crate::config::Limits) as they are by default hold until then.
    pub fn set_limits(&self, limits: BusLimits) {
        let _ = self.limits.set(limits);
    }

    /// The bounds.
    pub fn limits(&self) -> BusLimits {
        *self.limits.get_or_init(|| BusLimits::of(&crate::config::Limits::default()))
    }

    fn shard(&self, topic: &str) -> &Shard<M> {
        &self.shards[self.hasher.hash_one(topic) as usize % SHARDS]
    }

    /// Gives a message to all mailboxes of subscribers but `own`; never waits for any of them.
    fn post(&self, topic: &str, message: &M, own: Option<&Arc<Mailbox<M>>>) -> Published {
        let mut published = Published::default();
        let shard = self.shard(topic).read().unwrap_or_else(PoisonError::into_inner);
        let Some((topic, mailboxes)) = shard.get_key_value(topic) else { return published };
        for mailbox in mailboxes.iter().filter(|other| own.is_none_or(|own| !Arc::ptr_eq(own, other))) {
            match mailbox.post(topic, message) {
                true => published.posted += 1,
                false => published.dropped += 1,
            }
        }
        published
    }

    /// Has `mailbox` get what is published on `topic`; the name as all threads share it.
    fn join(&self, topic: &str, mailbox: &Arc<Mailbox<M>>) -> Result<Arc<str>, BusFull> {
        let mut shard = self.shard(topic).write().unwrap_or_else(PoisonError::into_inner);
        if let Some((topic, mailboxes)) = shard.get_key_value(topic) {
            let topic = topic.clone();
            if !mailboxes.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
                shard.entry(topic.clone()).or_default().push(mailbox.clone());
            }
            return Ok(topic);
        }
        let topics_max = self.limits().topics_max;
        let more = |topics| (topics < topics_max).then_some(topics + 1);
        if self.topics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(BusFull::Topics(topics_max));
        }
        let topic: Arc<str> = topic.into();
        shard.insert(topic.clone(), vec![mailbox.clone()]);
        Ok(topic)
    }

    fn leave(&self, topic: &str, mailbox: &Arc<Mailbox<M>>) {
        let mut shard = self.shard(topic).write().unwrap_or_else(PoisonError::into_inner);
        let Some(mailboxes) = shard.get_mut(topic) else { return };
        mailboxes.retain(|known| !Arc::ptr_eq(known, mailbox));
        if mailboxes.is_empty() {
            shard.remove(topic);
            self.topics.fetch_sub(1, Ordering::Relaxed);
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit();
            }
        }
    }

    /// Takes the mailbox of the worker of this generation away: another worker has taken its place. What waits in it is
    /// dropped.
    pub fn give_up(&self, generation: u64) {
        self.drop_mailboxes(|mailbox| mailbox.generation() == generation);
    }

    fn drop_mailboxes(&self, is_gone: impl Fn(&Mailbox<M>) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = shard.len();
            shard.retain(|_, mailboxes| {
                mailboxes.retain(|mailbox| {
                    let gone = is_gone(mailbox);
                    if gone {
                        mailbox.close();
                    }
                    !gone
                });
                !mailboxes.is_empty()
            });
            self.topics.fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
    }

    /// Topics that have subscribers on any thread.
    pub fn topics(&self) -> usize {
        self.topics.load(Ordering::Relaxed)
    }
}
