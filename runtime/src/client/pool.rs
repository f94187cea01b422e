//! The connections of one worker: who has one, which are idle, and when they go.
//!
//! Owns: idle HTTP/1.1 connections and the shared HTTP/2 connection of each origin, bounded in
//! number and time. Must not know: how connections are made, or what requests say.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use hyper::client::conn::{http1, http2};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Origin, Url};

use crate::io::{self, JoinHandle};
use crate::net::TransportWatch;

use super::ClientOptions;
use super::request::Outgoing;

/// The connections of a client.
pub(super) struct Pool {
    origins: RefCell<HashMap<Origin, Rc<OriginPool>>>,
    /// Connections that may still be opened.
    room: Arc<Semaphore>,
    /// How long a connection may idle.
    idle_ms_max: u64,
    /// Idle connections of one origin.
    idle_max: usize,
    /// A task takes idle connections out.
    reaping: Cell<bool>,
}

/// The connections of one origin.
pub(super) struct OriginPool {
    idle: RefCell<Vec<(Instant, Http1)>>,
    shared: RefCell<Option<(Instant, Http2)>>,
    /// Held while a connection is made of which nobody knows whether it can be shared.
    pub(super) making: Arc<Semaphore>,
    /// The server's last connection could not be shared.
    pub(super) is_single: Cell<bool>,
    idle_max: usize,
}

/// An HTTP/2 connection. It ends by itself with its last stream, once it has left the pool.
#[derive(Clone)]
pub(super) struct Http2 {
    pub(super) sender: http2::SendRequest<Outgoing>,
    pub(super) watch: Rc<TransportWatch>,
}

impl Http2 {
    fn is_open(&self) -> bool {
        !self.sender.is_closed() && self.watch.is_open()
    }
}

/// What a request that a proxy forwards needs, beside its URL in absolute form (RFC 9112 3.2.2).
pub(super) struct Forward {
    pub(super) authorization: Option<HeaderValue>,
}

/// An HTTP/1.1 connection: one exchange at a time.
pub(super) struct Http1 {
    pub(super) sender: http1::SendRequest<Outgoing>,
    watch: TransportWatch,
    /// Moves the bytes; ends with the connection.
    task: Option<JoinHandle<()>>,
    /// A proxy at the other end forwards requests.
    pub(super) forward: Option<Forward>,
}

impl Http1 {
    /// A connection whose bytes `task` moves, for as long as it is open.
    pub(super) fn new(
        sender: http1::SendRequest<Outgoing>,
        watch: TransportWatch,
        task: JoinHandle<()>,
        forward: Option<Forward>,
    ) -> Self {
        Http1 { sender, watch, task: Some(task), forward }
    }

    /// Closes it in good order, in the background: it is idle.
    fn leave(mut self) {
        drop(self.task.take());
    }
}

impl Drop for Http1 {
    /// Closes it at once, whatever it was doing.
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// A connection in use.
pub(super) enum Link {
    Http1(Http1),
    Http2(Http2),
}

impl Pool {
    pub(super) fn new(options: &ClientOptions) -> Rc<Self> {
        Rc::new(Pool {
            origins: RefCell::default(),
            room: Arc::new(Semaphore::new(options.connections_max)),
            idle_ms_max: options.idle_ms_max,
            idle_max: options.idle_per_origin_max,
            reaping: Cell::new(false),
        })
    }

    /// Room for one more connection, for as long as that lives; the oldest idle one makes way.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        if self.room.available_permits() == 0 {
            self.evict();
        }
        self.room.clone().acquire_owned().await.ok()
    }

    /// Whether all connections are in use.
    pub(super) fn is_full(&self) -> bool {
        self.room.available_permits() == 0 && self.idle() == 0
    }

    fn evict(&self) {
        let origins = self.origins.borrow();
        let oldest = |place: &Rc<OriginPool>| {
            let idle = place.idle.borrow().first().map(|(since, _)| *since);
            let shared = place.shared.borrow().as_ref().map(|(since, _)| *since);
            idle.into_iter().chain(shared).min()
        };
        let place =
            origins.values().filter_map(|place| Some((oldest(place)?, place))).min_by_key(|(at, _)| *at);
        let Some((_, place)) = place else { return };
        let mut idle = place.idle.borrow_mut();
        if idle.is_empty() {
            // Its streams, if it has any, go on.
            *place.shared.borrow_mut() = None;
        } else {
            drop(idle.remove(0));
        }
    }

    pub(super) fn place(&self, url: &Url) -> Rc<OriginPool> {
        let mut origins = self.origins.borrow_mut();
        let place = origins.entry(url.origin()).or_insert_with(|| {
            Rc::new(OriginPool {
                idle: RefCell::default(),
                shared: RefCell::default(),
                making: Arc::new(Semaphore::new(1)),
                is_single: Cell::new(false),
                idle_max: self.idle_max,
            })
        });
        place.clone()
    }

    /// Takes out what has idled for too long; says when to look again.
    fn reap(&self) -> Option<Instant> {
        let limit = Duration::from_millis(self.idle_ms_max);
        let now = Instant::now();
        let mut gone = Vec::new();
        let mut first = None::<Instant>;
        self.origins.borrow_mut().retain(|_, place| {
            let mut note = |since: Instant| {
                let at = since + limit;
                if at > now {
                    first = Some(first.map_or(at, |first| first.min(at)));
                }
                at > now
            };
            let mut idle = place.idle.borrow_mut();
            gone.extend(idle.extract_if(.., |(since, link)| link.sender.is_closed() || !note(*since)));
            let mut shared = place.shared.borrow_mut();
            if shared.as_ref().is_some_and(|(since, link)| !link.is_open() || !note(*since)) {
                *shared = None;
            }
            let used = !idle.is_empty() || shared.is_some();
            drop((idle, shared));
            used || Rc::strong_count(place) > 1
        });
        gone.into_iter().for_each(|(_, link)| link.leave());
        first
    }

    /// Looks after the idle connections for as long as there are any.
    fn watch(self: &Rc<Self>) {
        if self.reaping.replace(true) {
            return;
        }
        // The flag falls with the task, also when the worker ends before it.
        struct Reaping(Weak<Pool>);
        impl Drop for Reaping {
            fn drop(&mut self) {
                if let Some(pool) = self.0.upgrade() {
                    pool.reaping.set(false);
                }
            }
        }
        let reaping = Reaping(Rc::downgrade(self));
        let first = Instant::now() + Duration::from_millis(self.idle_ms_max);
        drop(io::spawn(async move {
            let mut next = Some(first);
            while let Some(at) = next {
                io::sleep_until(at).await;
                next = reaping.0.upgrade().and_then(|pool| pool.reap());
            }
        }));
    }

    /// Connections that idle now.
    pub(super) fn idle(&self) -> usize {
        let origins = self.origins.borrow();
        let count =
            |place: &Rc<OriginPool>| place.idle.borrow().len() + usize::from(place.shared.borrow().is_some());
        origins.values().map(count).sum()
    }
}

impl OriginPool {
    /// A connection that is open, as far as this side knows: the shared one, or the one that idled
    /// for the shortest time.
    pub(super) fn take(&self) -> Option<Link> {
        let mut shared = self.shared.borrow_mut();
        if let Some((since, link)) = shared.as_mut() {
            if link.is_open() {
                *since = Instant::now();
                return Some(Link::Http2(link.clone()));
            }
            *shared = None;
        }
        let mut idle = self.idle.borrow_mut();
        while let Some((_, link)) = idle.pop() {
            if link.sender.is_ready() && link.watch.is_open() {
                return Some(Link::Http1(link));
            }
        }
        None
    }
}

/// A connection in use by one exchange. Dropping it ends the exchange, and an HTTP/1.1 connection.
pub(super) struct Lease {
    pool: Rc<Pool>,
    place: Rc<OriginPool>,
    link: Link,
    /// No other exchange may have the connection.
    last: bool,
}

impl Lease {
    /// Of a connection that the pool gave.
    pub(super) fn new(pool: Rc<Pool>, place: Rc<OriginPool>, link: Link) -> Self {
        Lease { pool, place, link, last: false }
    }

    /// Of a new connection; one that can be shared is, from now on.
    pub(super) fn fresh(pool: Rc<Pool>, place: Rc<OriginPool>, link: Link) -> Self {
        if let Link::Http2(shared) = &link {
            *place.shared.borrow_mut() = Some((Instant::now(), shared.clone()));
            pool.watch();
        }
        Lease::new(pool, place, link)
    }

    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// An HTTP/1.1 connection ends with this exchange.
    pub(super) fn close_after(&mut self) {
        self.last = true;
    }

    /// The exchange is over in good order: the next one may have the connection.
    pub(super) fn release(self) {
        let Lease { pool, place, link: Link::Http1(mut link), last: false } = self else { return };
        if link.sender.is_ready() {
            put(&pool, &place, link);
        } else if !link.sender.is_closed() {
            // The server has answered before the request was sent to its end.
            drop(io::spawn(async move {
                if link.sender.ready().await.is_ok() {
                    put(&pool, &place, link);
                }
            }));
        }
    }
}

fn put(pool: &Rc<Pool>, place: &Rc<OriginPool>, link: Http1) {
    let mut idle = place.idle.borrow_mut();
    idle.retain(|(_, link)| !link.sender.is_closed());
    if idle.len() >= place.idle_max {
        idle.remove(0).1.leave();
    }
    idle.push((Instant::now(), link));
    drop(idle);
    pool.watch();
}
