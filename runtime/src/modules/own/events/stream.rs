//! One stream of events, from the app to its client.
//!
//! Owns: what waits to be sent and its bound, keep-alive, how the stream ends, the topics that it follows. Must not know:
//! JavaScript's arguments, how a response is sent.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::format::Event;
use super::history::{Follower, History, Notice};
use crate::bus::{BusFull, Delivery, Member, Message, Subscriber, Subscriptions};
use crate::io::{Deadline, budget};
use crate::js::deferred::Deferred;
use crate::js::engine::{Engine, State};
use crate::js::value;
use crate::log;
use crate::modules::web::messaging;
use crate::modules::web::streams::source::ByteSource;

/// What is sent where nothing else is.
const KEEP_ALIVE: &[u8] = b":\n\n";
/// Events that wait are sent together, up to so many bytes.
const TOGETHER_BYTES: usize = 64 << 10;

/// What is said of a client that is too slow.
const SLOW: &str = "the client of an EventStream does not take its events as fast as they come: the stream is cut (--event-queue)";

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The app closed it.
    Closed,
    /// The client is gone, or nobody wants the body.
    Client,
    /// The client does not take its events as fast as they come.
    Slow,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Why::Closed => "closed",
            Why::Client => "client",
            Why::Slow => "slow",
        }
    }
}

/// A stream of events.
pub(super) struct EventSource {
    engine: Weak<Engine>,
    queue: RefCell<VecDeque<Bytes>>,
    /// Bytes in the queue.
    waiting: Cell<usize>,
    bytes_max: usize,
    /// The app sends nothing more.
    ends: Cell<bool>,
    over: Cell<Option<Why>>,
    /// Its client is to see that the stream did not come to its end.
    breaks: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// With its milliseconds.
    keep_alive: Option<(Deadline, u64)>,
    closed: RefCell<Vec<Deferred>>,
    topics: OnceCell<Subscriptions>,
    /// The type of the events that a topic's messages become.
    names: RefCell<HashMap<Arc<str>, Option<Rc<str>>>>,
    notices: OnceCell<Subscriptions<Notice>>,
    followers: RefCell<HashMap<Arc<str>, Rc<Follower>>>,
}

impl EventSource {
    /// One with nothing in it, of at most `bytes_max` bytes that wait, and a comment after so many milliseconds of silence.
    pub(super) fn new(state: &State, bytes_max: usize, keep_alive_ms: Option<u64>) -> Rc<EventSource> {
        Rc::new(EventSource {
            engine: state.engine(),
            queue: RefCell::default(),
            waiting: Cell::new(0),
            bytes_max,
            ends: Cell::new(false),
            over: Cell::new(None),
            breaks: Cell::new(false),
            waker: RefCell::default(),
            keep_alive: keep_alive_ms.map(|ms| (Deadline::new(), ms)),
            closed: RefCell::default(),
            topics: OnceCell::new(),
            names: RefCell::default(),
            notices: OnceCell::new(),
            followers: RefCell::default(),
        })
    }

    /// Whether more can be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.ends.get() && self.over.get().is_none()
    }

    /// Bytes that wait for the client.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Adds bytes to what waits; whether the stream is still open. One that has too much waiting is over.
    pub(super) fn push(&self, bytes: Bytes) -> bool {
        if !self.is_open() {
            return false;
        }
        let waiting = self.waiting.get();
        if waiting > 0 && waiting + bytes.len() > self.bytes_max {
            self.breaks.set(true);
            if let Some(more) = log::admits_limit(log::Kind::EventQueue) {
                tracing::warn!("{SLOW}{more}");
            }
            self.finish(Why::Slow);
            return false;
        }
        self.waiting.set(waiting + bytes.len());
        self.queue.borrow_mut().push_back(bytes);
        self.wake();
        true
    }

    fn wake(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nothing more is sent: what waits still is, and then the end.
    pub(super) fn end(&self) {
        if self.is_open() {
            self.ends.set(true);
            self.leave_topics();
            self.wake();
        }
    }

    fn leave_topics(&self) {
        if let Some(topics) = self.topics.get() {
            topics.clear();
        }
        if let Some(notices) = self.notices.get() {
            notices.clear();
        }
    }

    fn finish(&self, why: Why) {
        if self.over.get().is_some() {
            return;
        }
        self.over.set(Some(why));
        self.queue.take();
        self.waiting.set(0);
        self.leave_topics();
        self.wake();
        if let Some((deadline, _)) = &self.keep_alive {
            deadline.clear();
        }
        let (waits, engine) = (self.closed.take(), self.engine.upgrade());
        if let Some(engine) = engine.filter(|_| !waits.is_empty()) {
            // In the middle of a turn, perhaps.
            messaging::later(engine.state(), move |ctx| {
                waits.iter().for_each(|closed| closed.settle_within(ctx, value::string(ctx, why.name())));
            });
        }
    }

    /// Has `closed` settled when the stream is over.
    pub(super) fn on_closed(&self, closed: Deferred) -> Option<&'static str> {
        let over = self.over.get().map(Why::name);
        if over.is_none() {
            self.closed.borrow_mut().push(closed);
        }
        over
    }

    /// Follows a topic: each message is an event of that type. Whether it did not before.
    ///
    /// # Errors
    /// A limit of the bus.
    pub(super) fn follow(
        self: &Rc<Self>,
        member: Rc<Member>,
        topic: &str,
        event: Option<Rc<str>>,
    ) -> Result<bool, BusFull> {
        if !self.is_open() {
            return Ok(false);
        }
        let topics = self.topics.get_or_init(|| {
            let me: Rc<dyn Subscriber> = self.clone();
            Subscriptions::new(member, Rc::downgrade(&me))
        });
        let new = topics.subscribe(topic)?;
        if new {
            self.names.borrow_mut().insert(topic.into(), event);
        }
        Ok(new)
    }

    /// Follows a history from behind the event `after` on, from now on where there is none. Whether it did not before.
    ///
    /// # Errors
    /// A limit of the bus.
    pub(super) fn follow_history(
        self: &Rc<Self>,
        member: Rc<Member<Notice>>,
        history: &Arc<History>,
        after: &str,
    ) -> Result<bool, BusFull> {
        if !self.is_open() {
            return Ok(false);
        }
        let notices = self.notices.get_or_init(|| {
            let me: Rc<dyn Subscriber<Notice>> = self.clone();
            Subscriptions::new(member, Rc::downgrade(&me))
        });
        // First this, then what is there: so nothing is missed in between.
        if !notices.subscribe(history.name())? {
            return Ok(false);
        }
        let follower = Rc::new(Follower::new(history.clone(), after));
        self.followers.borrow_mut().insert(history.name().into(), follower.clone());
        self.catch_up(&follower);
        Ok(true)
    }

    /// Whether it follows another history: of two, nobody could tell whose event a client names as its last.
    pub(super) fn follows_other(&self, name: &str) -> bool {
        self.followers.borrow().keys().any(|known| **known != *name)
    }

    fn catch_up(&self, follower: &Follower) {
        for bytes in follower.take() {
            if !self.push(bytes) {
                return;
            }
        }
    }

    /// Follows a topic no longer; whether it did.
    pub(super) fn leave(&self, topic: &str) -> bool {
        self.names.borrow_mut().remove(topic);
        self.topics.get().is_some_and(|topics| topics.unsubscribe(topic))
    }

    /// Follows a history no longer; whether it did.
    pub(super) fn leave_history(&self, name: &str) -> bool {
        self.followers.borrow_mut().remove(name);
        self.notices.get().is_some_and(|notices| notices.unsubscribe(name))
    }
}

/// Events that a message has become, by their types: of most topics there is one.
struct Forms(RefCell<Vec<(Option<Rc<str>>, Bytes)>>);

impl Subscriber for EventSource {
    fn deliver(&self, delivery: &Delivery<'_>) {
        let event = self.names.borrow().get(delivery.topic()).cloned().flatten();
        let forms = delivery.form(|_| Forms(RefCell::default()));
        let mut forms = forms.0.borrow_mut();
        let known = forms.iter().find(|(name, _)| *name == event).map(|(_, bytes)| bytes.clone());
        let bytes = known.unwrap_or_else(|| {
            let data = match delivery.message() {
                Message::Text(text) => text.as_ref().into(),
                Message::Binary(bytes) => String::from_utf8_lossy(bytes),
            };
            let made = Event { event: event.as_deref(), data: Some(&data), ..Event::default() }.bytes();
            let made = Bytes::from(made);
            forms.push((event, made.clone()));
            made
        });
        drop(forms);
        self.push(bytes);
    }
}

impl Subscriber<Notice> for EventSource {
    fn deliver(&self, delivery: &Delivery<'_, Notice>) {
        let follower = self.followers.borrow().get(delivery.topic()).cloned();
        if let Some(follower) = follower {
            self.catch_up(&follower);
        }
    }
}

impl ByteSource for EventSource {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        if self.over.get().is_some() {
            return Poll::Ready(self.breaks.replace(false).then(|| Err(SLOW.to_owned())));
        }
        let mut queue = self.queue.borrow_mut();
        if let Some(first) = queue.pop_front() {
            let next = match queue.is_empty() {
                true => first,
                false => {
                    let mut all = BytesMut::from(&first[..]);
                    while queue.front().is_some_and(|next| all.len() + next.len() <= TOGETHER_BYTES) {
                        queue.pop_front().iter().for_each(|next| all.extend_from_slice(next));
                    }
                    all.freeze()
                }
            };
            self.waiting.set(self.waiting.get() - next.len());
            if let Some((deadline, ms)) = &self.keep_alive {
                deadline.set(*ms);
            }
            budget::spend(next.len());
            return Poll::Ready(Some(Ok(next)));
        }
        drop(queue);
        if self.ends.get() {
            self.finish(Why::Closed);
            return Poll::Ready(None);
        }
        if let Some((deadline, ms)) = &self.keep_alive {
            if !deadline.is_set() && !deadline.expired() {
                deadline.set(*ms);
            }
            if deadline.poll_expired(cx).is_ready() {
                deadline.set(*ms);
                return Poll::Ready(Some(Ok(Bytes::from_static(KEEP_ALIVE))));
            }
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn cancel(&self) {
        self.finish(Why::Client);
    }

    fn keeps_alive(&self) -> bool {
        self.keep_alive.is_some()
    }
}
