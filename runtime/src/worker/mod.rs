//! One worker: a pinned thread with its ring, its engine and its connections.
//!
//! Owns: the answer to control messages, the change to an app and settings that were read again, its own end. Must not
//! know: what is spoken, signals, other workers.

mod admission;
mod connection;
mod live;
mod observer;
mod once;
mod places;
mod protocol;
mod proxy;
mod reload;
mod scheduled;
mod state;

use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use crossbeam_channel::{Receiver, Sender};

pub use self::connection::{Connection, SendWatch, Stopped};
pub use self::live::LivePages;
pub use self::observer::{Observer, ObserverSeed};
pub use self::once::serve_one;
pub use self::places::NewPlace;
use self::places::Places;
pub use self::protocol::{DatagramProtocol, Protocol, Protocols};
use self::reload::Reloads;
pub use self::reload::Renewal;
pub use self::scheduled::{RunStep, ScheduledRun, run_scheduled};
pub use self::state::{Seat, SharedByWorkers, Worker};

pub use crate::net::{Ends, Transport};
pub use crate::tls::TlsInfo;

use self::places::NewService;
use crate::app::methods::{Method, Methods};
use crate::app::{App, Blueprint, Engines, Instance};
use crate::cgi::Scripts;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{self, Backend, IoOptions, JoinHandle, Notifier, Pulse};
use crate::listeners::OpenedSocket;
use crate::refused::RefusedRoutes;
use crate::serving::Serving;
use crate::tls::ServerTls;

/// Sent to a worker, with a ring of its [`Notifier`].
pub enum Control {
    /// Begin to listen: the server is complete.
    Listen,
    /// Serve these connections, as if the listener of that index had accepted them.
    Adopt(usize, Vec<OwnedFd>),
    /// Evaluate the app as it was read again; it serves nothing yet.
    Prepare(Box<Renewal>),
    /// Change to what was prepared, and listen there.
    Change(u64, Vec<NewPlace>),
    /// Let go of what was prepared.
    Forget(u64),
    /// Tell pages that this version is there, and why the app cannot be served, if it cannot.
    Pages(u64, Option<Arc<str>>),
    /// Another process serves clients from now on: have them come anew.
    Leave,
    /// Do this run of the app's `scheduled`, unless somebody else has.
    Run(Arc<ScheduledRun>),
    /// Stop accepting, finish what is in flight, end.
    Drain,
    /// End now.
    Stop,
}

/// Sent by a worker.
#[derive(Debug)]
pub enum Event {
    /// The worker of that life has loaded its app; it can listen.
    Ready(u64, Methods),
    /// It listens.
    Listening(u64),
    /// The worker of that life has evaluated that version of the app, or cannot.
    Prepared(u64, u64, Result<Methods>),
    /// It serves that version.
    Changed(u64, u64),
    /// It ended: in order, or for this reason.
    Ended(u64, Result<()>),
}

/// What a worker is made of.
pub struct Seed {
    /// What its events carry: a replacement has the number of the worker before it, not its life.
    pub life: u64,
    /// Its number, from 0.
    pub number: usize,
    /// The configuration.
    pub config: Arc<Config>,
    /// The compiled app.
    pub blueprint: Arc<Blueprint>,
    /// Its I/O backend.
    pub backend: Backend,
    /// The protocols.
    pub protocols: Protocols,
    /// Bound sockets, with what is spoken there; the worker listens once it is ready.
    pub listeners: Vec<OpenedSocket>,
    /// The server's side of TLS, for the listeners that speak it.
    pub tls: Option<Arc<ServerTls>>,
    /// Connections that it may have open.
    pub seats_max: usize,
    /// What shows that it turns.
    pub pulse: Pulse,
    /// What it serves now.
    pub serving: Arc<Serving>,
    /// Its engines, for the server.
    pub engines: Engines,
    /// Routes that are refused.
    pub refused: Arc<RefusedRoutes>,
    /// The scripts of all workers, where there are some.
    pub scripts: Option<Arc<Scripts>>,
    /// What it counts and logs, where somebody wants to know.
    pub observer: Option<ObserverSeed>,
    /// What pages show by now, where they are told of the next.
    pub pages: Option<u64>,
    /// Control messages.
    pub control: Receiver<Control>,
    /// Rung after each control message.
    pub bell: Notifier,
    /// Where it reports.
    pub events: Sender<Event>,
}

/// Runs a worker on this thread until it has drained or is stopped.
pub fn run(seed: Seed) {
    let (life, events) = (seed.life, seed.events.clone());
    let limits = &seed.config.limits;
    let options = IoOptions {
        ring_entries: limits.ring_entries,
        recv_buffer_bytes: limits.recv_buffer_bytes,
        ..IoOptions::default()
    };
    pin(seed.number);
    let outcome = catch_unwind(AssertUnwindSafe(|| io::run(seed.backend, &options, move || serve(seed))));
    let outcome = match outcome {
        Ok(outcome) => outcome.and_then(|inner| inner),
        Err(_) => Err(Error::new(ErrorKind::Internal, "a panic, reported above")),
    };
    // The receiver is gone only when the server is.
    let _ = events.send(Event::Ended(life, outcome));
}

/// Pins this thread to the core of its number among those that the process may use; failing that,
/// the kernel places it.
fn pin(number: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if let Some(core) = cores.get(number % cores.len().max(1)) {
        let mut one = CpuSet::new();
        one.set(*core);
        let _ = sched_setaffinity(None, &one);
    }
}

async fn serve(seed: Seed) -> Result<()> {
    let Seed {
        life,
        number,
        config,
        blueprint,
        protocols,
        listeners,
        tls,
        seats_max,
        pulse,
        serving,
        engines,
        refused,
        scripts,
        observer,
        pages,
        control,
        bell,
        events,
        ..
    } = seed;
    pulse.attach();
    let Some(app) = load_unless_stopped(App::load(blueprint, number, engines), &control, &bell).await else {
        return Ok(());
    };
    let app = app?;
    let methods = methods_of(&app.current(), &config, scripts.is_some());
    let challenges = tls.as_ref().and_then(|tls| tls.challenges().cloned());
    let observer = observer.map(|seed| Rc::new(Observer::new(seed)));
    let shared = SharedByWorkers { refused, challenges, scripts, observer, pages };
    let worker = Worker::new(number, config, app, serving, shared, seats_max);
    // The receiver of events is gone only when the server is.
    let _ = events.send(Event::Ready(life, methods));
    loop {
        match control.try_recv() {
            Ok(Control::Listen) => break,
            Ok(Control::Stop | Control::Drain) => return Ok(()),
            Ok(_) => {}
            Err(_) => bell.notified().await,
        }
    }
    let mut places = Places::default();
    let service = NewService { worker: worker.clone(), methods, protocols, tls };
    places.change(&service, wanted(methods, listeners).into_iter().map(NewPlace::Opened).collect())?;
    let _ = events.send(Event::Listening(life));
    let reloads = Reloads::new(life, events);
    follow(worker, &control, &bell, places, &reloads).await;
    Ok(())
}

/// Where the worker listens: an app that a clock calls listens nowhere.
fn wanted<L>(methods: Methods, bound: Vec<L>) -> Vec<L> {
    if methods.is_for_clocks_only() { Vec::new() } else { bound }
}

/// What the app has. Files, sites, scripts and other servers are HTTP, whatever that is.
fn methods_of(app: &Instance, config: &Config, has_scripts: bool) -> Methods {
    let methods = app.methods();
    let has_others = !config.files.folders.is_empty() || !config.proxies.is_empty();
    let is_http = has_scripts || has_others || config.site.is_some();
    // For `/__scheduled`.
    let is_tried_out = config.dev && methods.is_for_clocks_only();
    if is_http || is_tried_out { methods.with(Method::Fetch) } else { methods }
}

/// Loads the app; none when the worker is to end before it has.
async fn load_unless_stopped<T>(
    load: impl Future<Output = T>,
    control: &Receiver<Control>,
    bell: &Notifier,
) -> Option<T> {
    let mut load = std::pin::pin!(load);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(loaded) = load.as_mut().poll(cx) {
                return Poll::Ready(Some(loaded));
            }
            if bell.poll_notified(cx).is_pending() {
                return Poll::Pending;
            }
            if control.try_iter().any(|message| matches!(message, Control::Stop | Control::Drain)) {
                return Poll::Ready(None);
            }
        }
    })
    .await
}

/// Follows control messages until the worker has drained or is to stop.
async fn follow(
    mut worker: Rc<Worker>,
    control: &Receiver<Control>,
    bell: &Notifier,
    mut places: Places,
    reloads: &Reloads,
) {
    let mut drain: Option<JoinHandle<()>> = None;
    loop {
        for message in control.try_iter() {
            match message {
                Control::Stop => return stop(&worker).await,
                Control::Listen => {}
                Control::Run(run) => scheduled::start(&worker, run),
                Control::Adopt(index, sockets) => places.adopt(index, sockets),
                Control::Prepare(renewal) => reloads.prepare(&worker, renewal),
                Control::Change(version, new) if drain.is_none() => {
                    worker = reloads.change(version, new, &worker, &mut places);
                }
                Control::Change(..) => {}
                Control::Forget(version) => reloads.forget(version),
                Control::Pages(version, failure) => {
                    if let Some(live) = worker.live() {
                        live.tell(version, failure);
                    }
                }
                Control::Leave => {
                    worker.leave_all();
                    places.close();
                    worker.changed();
                }
                Control::Drain => {
                    worker.drain();
                    if drain.is_none() {
                        drain = Some(io::spawn(drained(worker.clone(), places.take_accepting())));
                    }
                }
            }
        }
        let has_drained = poll_fn(|cx| match drain.as_mut().map(|drain| Pin::new(drain).poll(cx)) {
            Some(Poll::Ready(_)) => Poll::Ready(true),
            _ => bell.poll_notified(cx).map(|()| false),
        });
        if has_drained.await {
            if worker.app.current().leave() {
                a_few_rounds().await;
            }
            return;
        }
    }
}

/// Has the app hear that its sockets are at their end.
async fn stop(worker: &Rc<Worker>) {
    worker.app.shut_down();
    a_few_rounds().await;
}

/// Lets the tasks have their turns before the end.
async fn a_few_rounds() {
    for _ in 0..3 {
        io::yield_now().await;
    }
}

/// Ends when nothing is left to do.
async fn drained(worker: Rc<Worker>, accepting: Vec<io::JoinHandle<()>>) {
    for loop_ in accepting {
        loop_.await;
    }
    worker.until(|w| w.connections() == 0).await;
    while worker.app.background() > 0 || !worker.app.scheduled.is_none() {
        io::sleep(std::time::Duration::from_millis(10)).await;
    }
}
