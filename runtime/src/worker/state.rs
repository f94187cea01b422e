//! What the tasks of a worker share, and the seats of its connections.
//!
//! Owns: [`Worker`], who is counted, who is woken when a drain begins or a seat becomes free. Must not know:
//! how a connection is accepted or served.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::observer::Observer;
use crate::app::App;
use crate::cgi::{Cgi, Scripts};
use crate::cgi_engine::CgiEngines;
use crate::config::Config;
use crate::files::{self, CacheLimits, Directory, Site};
use crate::io;
use crate::refused::RefusedRoutes;
use crate::serving::Serving;
use crate::tls::Challenges;
use crate::upstream::Proxies;

/// What a worker shares with the others.
#[derive(Default)]
pub struct SharedByWorkers {
    /// Routes that are refused for now.
    pub refused: Arc<RefusedRoutes>,
    /// Challenges of an ACME server, where certificates come from one.
    pub challenges: Option<Arc<Challenges>>,
    /// The scripts of all workers, where there are some.
    pub scripts: Option<Arc<Scripts>>,
    /// What this one counts and logs, where somebody wants to know.
    pub observer: Option<Observer>,
}

/// What the tasks of a worker share.
pub struct Worker {
    /// Its number, from 0.
    pub number: usize,
    /// The configuration.
    pub config: Arc<Config>,
    /// The app.
    pub app: Rc<App>,
    /// What it serves now, for the watch.
    pub serving: Arc<Serving>,
    /// Routes that are refused for now.
    pub refused: Arc<RefusedRoutes>,
    /// Challenges of an ACME server that are answered before the app is asked, where certificates come from one.
    pub challenges: Option<Arc<Challenges>>,
    /// Bytes of memory that what compresses answers in pieces owns now.
    pub coders_bytes: Cell<usize>,
    /// The files that it serves.
    pub site: Option<Site>,
    /// The files of the folder that it serves as a site.
    pub directory: Option<Directory>,
    /// The servers that answer for it.
    pub proxies: Option<Proxies>,
    /// The programs that answer for it.
    pub cgi: Option<Cgi>,
    /// Those of them that are JavaScript.
    pub cgi_engines: CgiEngines,
    /// What it counts and logs, where somebody wants to know.
    pub observer: Option<Box<Observer>>,
    draining: Cell<bool>,
    seats_max: usize,
    seats: RefCell<Slab<Option<Waker>>>,
    waiting: RefCell<Vec<Waker>>,
    /// Who waits for a drain, and for nothing else.
    drained: RefCell<Vec<Waker>>,
}

impl Worker {
    /// The worker of that number, with the app loaded in it and `seats_max` connections at most.
    pub fn new(
        number: usize,
        config: Arc<Config>,
        app: Rc<App>,
        serving: Arc<Serving>,
        shared: SharedByWorkers,
        seats_max: usize,
    ) -> Rc<Worker> {
        let SharedByWorkers { refused, challenges, scripts, observer } = shared;
        let limits = &config.limits;
        let (files_max, bytes_max) = (limits.static_files_max, limits.static_bytes_max);
        files::configure(CacheLimits { files_max, bytes_max });
        Rc::new(Worker {
            site: Site::of(&config.files),
            proxies: Proxies::of(&config, number),
            directory: config.site.as_ref().map(|site| Directory::new(site, &config.files)),
            cgi: scripts.map(|scripts| Cgi::new(&config, scripts, number)),
            cgi_engines: CgiEngines::new(&config, number),
            observer: observer.map(Box::new),
            number,
            config,
            app,
            serving,
            refused,
            challenges,
            coders_bytes: Cell::new(0),
            draining: Cell::new(false),
            seats_max,
            seats: RefCell::default(),
            waiting: RefCell::default(),
            drained: RefCell::default(),
        })
    }

    /// Whether it ends as soon as what is in flight is done.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Ready once it is; the task is woken when it begins to be.
    pub fn poll_draining(&self, cx: &Context<'_>) -> Poll<()> {
        if self.draining.get() {
            return Poll::Ready(());
        }
        keep(&self.drained, cx);
        Poll::Pending
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.seats.borrow().len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.connections() >= self.seats_max
    }

    /// Wakes every connection and whoever waits for one to leave.
    pub(super) fn drain(&self) {
        self.draining.set(true);
        let seated: Vec<Waker> = self.seats.borrow_mut().iter_mut().filter_map(|(_, w)| w.take()).collect();
        seated.into_iter().chain(self.drained.take()).for_each(Waker::wake);
        self.changed();
    }

    /// Keeps the waker of who has the seat `key`: a drain wakes it.
    pub(super) fn keep_waker(&self, key: usize, cx: &Context<'_>) {
        if let Some(waker) = self.seats.borrow_mut().get_mut(key)
            && !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
    }

    fn changed(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Ready once `condition` holds; asked again whenever a seat is left or a drain begins.
    pub(super) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        poll_fn(|cx| match condition(self) {
            true => Poll::Ready(()),
            false => self.wait(cx),
        })
        .await;
    }

    pub(super) fn wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        keep(&self.waiting, cx);
        Poll::Pending
    }
}

/// Adds the task to those that wait.
fn keep(waiting: &RefCell<Vec<Waker>>, cx: &Context<'_>) {
    let mut waiting = waiting.borrow_mut();
    if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
        waiting.push(cx.waker().clone());
    }
}

/// A connection's place in its worker: counted, and woken by a drain. Free again when dropped.
pub struct Seat {
    worker: Rc<Worker>,
    key: usize,
}

impl Seat {
    pub(super) fn take(worker: &Rc<Worker>) -> Seat {
        let key = worker.seats.borrow_mut().insert(None);
        if let Some(observer) = &worker.observer {
            observer.metrics.accepted.add(1);
        }
        worker.serving.set_connections(worker.connections());
        Seat { worker: worker.clone(), key }
    }

    /// The name of the place, by which a drain finds who has it.
    pub(super) fn key(&self) -> usize {
        self.key
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let gone = {
            let mut seats = self.worker.seats.borrow_mut();
            let gone = seats.try_remove(self.key);
            io::memory::shrink(&mut seats);
            gone
        };
        drop(gone);
        self.worker.serving.set_connections(self.worker.connections());
        self.worker.changed();
    }
}
