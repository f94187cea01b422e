//! What the tasks of a worker share, and the seats of its connections.
//!
//! Owns: [`Worker`], who is counted, who is woken when a drain begins or a seat becomes free; what of it is new when its
//! settings are read again, and what goes on. Must not know: how a connection is accepted or served.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::live::LivePages;
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
    pub observer: Option<Rc<Observer>>,
    /// The version that pages show by now, where they are told of the next.
    pub pages: Option<u64>,
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
    pub cgi: Option<Rc<Cgi>>,
    /// Those of them that are JavaScript.
    pub cgi_engines: CgiEngines,
    /// What it counts and logs, where somebody wants to know.
    pub observer: Option<Rc<Observer>>,
    /// What goes on.
    common: Rc<Common>,
    /// Its connections are to go: their settings are old.
    leaving: Cell<bool>,
    /// What it serves is at its end, though the worker is not.
    stopped: Cell<bool>,
}

/// What a worker has whatever its settings are.
struct Common {
    draining: Cell<bool>,
    seats_max: usize,
    seats: RefCell<Slab<Option<Waker>>>,
    waiting: RefCell<Vec<Waker>>,
    /// Who waits for a drain, and for nothing else.
    drained: RefCell<Vec<Waker>>,
    live: Option<Rc<LivePages>>,
    /// Another process has taken over.
    leaving: Cell<bool>,
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
        let common = Rc::new(Common {
            draining: Cell::new(false),
            seats_max,
            seats: RefCell::default(),
            waiting: RefCell::default(),
            drained: RefCell::default(),
            live: shared.pages.map(LivePages::new),
            leaving: Cell::new(false),
        });
        Worker::of(number, config, app, serving, shared, common, None)
    }

    fn of(
        number: usize,
        config: Arc<Config>,
        app: Rc<App>,
        serving: Arc<Serving>,
        shared: SharedByWorkers,
        common: Rc<Common>,
        cgi: Option<Rc<Cgi>>,
    ) -> Rc<Worker> {
        let SharedByWorkers { refused, challenges, scripts, observer, .. } = shared;
        let limits = &config.limits;
        let (files_max, bytes_max) = (limits.static_files_max, limits.static_bytes_max);
        files::configure(CacheLimits { files_max, bytes_max });
        let cgi_of = |scripts| Rc::new(Cgi::new(&config, scripts, number));
        Rc::new(Worker {
            site: Site::of(&config.files),
            proxies: Proxies::of(&config, number),
            directory: config.site.as_ref().map(|site| Directory::new(site, &config.files)),
            cgi_engines: CgiEngines::new(&config, number),
            observer,
            cgi: cgi.or_else(|| scripts.map(cgi_of)),
            number,
            config,
            app,
            serving,
            refused,
            challenges,
            coders_bytes: Cell::new(0),
            common,
            leaving: Cell::new(false),
            stopped: Cell::new(false),
        })
    }

    /// The worker with other settings: for connections that come from now on. App, seats and drain are the same. Scripts
    /// that are none but its own go on.
    pub(super) fn renewed(&self, config: Arc<Config>, shared: SharedByWorkers) -> Rc<Worker> {
        let (app, serving, common) = (self.app.clone(), self.serving.clone(), self.common.clone());
        let is_same = config.cgi == self.config.cgi && config.limits == self.config.limits;
        let keeps = |cgi: &&Rc<Cgi>| is_same && shared.scripts.as_ref().is_some_and(|it| cgi.is_of(it));
        let cgi = self.cgi.as_ref().filter(keeps).cloned();
        Worker::of(self.number, config, app, serving, shared, common, cgi)
    }

    /// The same worker for one task that may be told to end before the others.
    pub(super) fn with_own_end(self: &Rc<Self>) -> Rc<Worker> {
        let (refused, challenges) = (self.refused.clone(), self.challenges.clone());
        let observer = self.observer.clone();
        let shared = SharedByWorkers { refused, challenges, observer, ..SharedByWorkers::default() };
        self.renewed(self.config.clone(), shared)
    }

    /// What pages are told, in development.
    pub fn live(&self) -> Option<&Rc<LivePages>> {
        self.common.live.as_ref()
    }

    /// Whether it ends as soon as what is in flight is done.
    pub fn is_draining(&self) -> bool {
        self.common.draining.get() || self.stopped.get()
    }

    /// Whether a connection that has had its answer is to end: it drains, or another one serves the client from now on.
    /// One that waits for a request is not closed for that, as the request may be on its way.
    pub fn is_leaving(&self) -> bool {
        self.leaving.get() || self.common.leaving.get() || self.is_draining()
    }

    /// Whether another process has taken over.
    pub(super) fn has_left(&self) -> bool {
        self.common.leaving.get()
    }

    /// Has clients come anew: answers say that their connection ends.
    pub(super) fn leave(&self) {
        self.leaving.set(true);
        self.wake_seated();
    }

    /// The same for all connections, whatever their settings: another process serves.
    pub(super) fn leave_all(&self) {
        self.common.leaving.set(true);
        self.wake_seated();
        self.changed();
    }

    /// Ends what it serves.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.common.drained.take().into_iter().for_each(Waker::wake);
    }

    /// Ready once it is; the task is woken when it begins to be.
    pub fn poll_draining(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_draining() {
            return Poll::Ready(());
        }
        keep(&self.common.drained, cx);
        Poll::Pending
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.common.seats.borrow().len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.connections() >= self.common.seats_max
    }

    /// Wakes every connection and whoever waits for one to leave.
    pub(super) fn drain(&self) {
        self.common.draining.set(true);
        self.wake_seated();
        self.common.drained.take().into_iter().for_each(Waker::wake);
        self.changed();
    }

    fn wake_seated(&self) {
        let mut seats = self.common.seats.borrow_mut();
        let seated: Vec<Waker> = seats.iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        drop(seats);
        seated.into_iter().for_each(Waker::wake);
    }

    /// Keeps the waker of who has the seat `key`: a drain wakes it.
    pub(super) fn keep_waker(&self, key: usize, cx: &Context<'_>) {
        if let Some(waker) = self.common.seats.borrow_mut().get_mut(key)
            && !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Has who waits for a seat look again.
    pub(super) fn changed(&self) {
        self.common.waiting.take().into_iter().for_each(Waker::wake);
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
        keep(&self.common.waiting, cx);
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
        let key = worker.common.seats.borrow_mut().insert(None);
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
            let mut seats = self.worker.common.seats.borrow_mut();
            let gone = seats.try_remove(self.key);
            io::memory::shrink(&mut seats);
            gone
        };
        drop(gone);
        self.worker.serving.set_connections(self.worker.connections());
        self.worker.changed();
    }
}
