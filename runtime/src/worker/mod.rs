//! One worker: a pinned thread with its ring, its engine and its connections.
//!
//! Owns: the accept loops, a task for each connection and each socket of datagrams, the answer to control messages, its
//! own end. Must not know: what is spoken, signals, other workers.

mod admission;
mod connection;
mod observer;
mod once;
mod protocol;
mod proxy;
mod state;

use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use crossbeam_channel::{Receiver, Sender};

use self::admission::Admission;
pub use self::connection::{Connection, SendWatch, Stopped};
pub use self::observer::{Observer, ObserverSeed};
pub use self::once::serve_one;
pub use self::protocol::{DatagramProtocol, Protocol, Protocols};
pub use self::state::{Seat, SharedByWorkers, Worker};

pub use crate::net::{Ends, Transport};
pub use crate::tls::TlsInfo;

use crate::address::Address;
use crate::app::methods::{Method, Methods};
use crate::app::{App, Blueprint, Engines};
use crate::cgi::Scripts;
use crate::config::{Config, HttpsPort, Listen, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{self, Backend, DatagramSocket, IoOptions, JoinHandle, Listener, Notifier, Pulse, Stream};
use crate::log;
use crate::refused::RefusedRoutes;
use crate::serving::Serving;
use crate::tls::{ServerTls, TlsAcceptor};

/// Sent to a worker, with a ring of its [`Notifier`].
#[derive(Debug)]
pub enum Control {
    /// Begin to listen: the server is complete.
    Listen,
    /// Serve these connections, as if the listener of that index had accepted them.
    Adopt(usize, Vec<OwnedFd>),
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
    pub listeners: Vec<(Listen, OwnedFd)>,
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
    let methods = methods_of(&app, &config, scripts.is_some());
    let challenges = tls.as_ref().and_then(|tls| tls.challenges().cloned());
    let observer = observer.map(Observer::new);
    let shared = SharedByWorkers { refused, challenges, scripts, observer };
    let worker = Worker::new(number, config, app, serving, shared, seats_max);
    // The receiver of events is gone only when the server is.
    let _ = events.send(Event::Ready(life, methods));
    loop {
        match control.try_recv() {
            Ok(Control::Listen) => break,
            Ok(Control::Stop | Control::Drain) => return Ok(()),
            Ok(Control::Adopt(..)) => {}
            Err(_) => bell.notified().await,
        }
    }
    let mut accepting = Vec::new();
    let mut admissions = Vec::new();
    let https_port = port_for_https(&listeners);
    for (listen, socket) in listeners {
        if listen.scheme == Scheme::Udp {
            accepting.push(take_datagrams(&worker, socket, &protocols)?);
            admissions.push(None);
            continue;
        }
        let protocol = match listen.https_port {
            Some(port) => redirect_for(port, https_port, &protocols)?,
            None => protocol_for(listen.scheme, methods, &protocols)?,
        };
        socket2::SockRef::from(&socket).listen(BACKLOG).map_err(|e| Error::system("listen", e))?;
        let listener = match listen.address {
            Address::Ip(_) => Listener::new(socket),
            Address::Unix(_) => Listener::shared(socket),
        };
        let listener = listener.map_err(|e| Error::system("listener", e))?;
        let tls = tls.as_ref().filter(|_| listen.tls);
        let tls =
            tls.map(|tls| TlsAcceptor::new(tls.clone(), protocol.tls_protocols(), &worker.config.limits));
        let admission = Admission::new(protocol, &listen, tls);
        admissions.push(Some(admission.clone()));
        accepting.push(io::spawn(accept(worker.clone(), listener, admission)));
    }
    let _ = events.send(Event::Listening(life));
    follow(&worker, &control, &bell, accepting, &admissions).await;
    Ok(())
}

/// What the app has. Files, sites, scripts and other servers are HTTP, whatever that is.
fn methods_of(app: &App, config: &Config, has_scripts: bool) -> Methods {
    let methods = app.current().methods();
    let has_others = !config.files.folders.is_empty() || !config.proxies.is_empty();
    let is_http = has_scripts || has_others || config.site.is_some();
    if is_http { methods.with(Method::Fetch) } else { methods }
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
    worker: &Rc<Worker>,
    control: &Receiver<Control>,
    bell: &Notifier,
    accepting: Vec<JoinHandle<()>>,
    admissions: &[Option<Rc<Admission>>],
) {
    let mut accepting = Some(accepting);
    let mut drain: Option<JoinHandle<()>> = None;
    loop {
        for message in control.try_iter() {
            match message {
                Control::Stop => return stop(worker).await,
                Control::Listen => {}
                Control::Adopt(index, sockets) => {
                    let Some(admission) = &admissions[index] else { continue };
                    for stream in sockets.into_iter().filter_map(|socket| Stream::new(socket).ok()) {
                        seat(worker, stream, admission);
                    }
                }
                Control::Drain => {
                    worker.drain();
                    if let Some(accepting) = accepting.take() {
                        drain = Some(io::spawn(drained(worker.clone(), accepting)));
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
    worker.app.current().shut_down();
    a_few_rounds().await;
}

/// Lets the tasks have their turns before the end.
async fn a_few_rounds() {
    for _ in 0..3 {
        io::yield_now().await;
    }
}

/// Completed connections that wait for `accept`: as many as Linux takes by default (listen(2), somaxconn). Beyond
/// that a client's SYN is dropped, and comes again after seconds; a worker may be stuck for as long.
const BACKLOG: i32 = 4096;

/// How long a worker that is ahead of the others leaves connections to them.
const LEFT_TO_OTHERS: std::time::Duration = std::time::Duration::from_millis(5);

/// What speaks on listeners of `scheme`.
///
/// # Errors
/// Nothing does: the server has refused such an app before.
fn protocol_for(scheme: Scheme, methods: Methods, protocols: &Protocols) -> Result<Arc<dyn Protocol>> {
    let found = methods.serving(scheme).and_then(|method| protocols.on(scheme, method));
    found.cloned().ok_or_else(|| Error::new(ErrorKind::Internal, "a listener without a protocol"))
}

/// The port of the first listener for HTTPS.
fn port_for_https(listeners: &[(Listen, OwnedFd)]) -> Option<u16> {
    let is = |listen: &&Listen| listen.tls && matches!(listen.scheme, Scheme::Auto | Scheme::Http);
    listeners.iter().map(|(listen, _)| listen).filter(is).find_map(|listen| Some(listen.address.ip()?.port()))
}

/// What sends clients to HTTPS.
///
/// # Errors
/// There is no listener for it: such flags have been refused before.
fn redirect_for(
    port: HttpsPort,
    of_listener: Option<u16>,
    protocols: &Protocols,
) -> Result<Arc<dyn Protocol>> {
    let port = match port {
        HttpsPort::Given(port) => Some(port),
        HttpsPort::OfListener => of_listener,
    };
    let found = port.and_then(|port| protocols.https_redirect(port));
    found.ok_or_else(|| Error::new(ErrorKind::Internal, "a listener without a protocol"))
}

/// Gives a socket of datagrams its task, which ends with a drain.
fn take_datagrams(worker: &Rc<Worker>, socket: OwnedFd, protocols: &Protocols) -> Result<JoinHandle<()>> {
    let protocol = protocols.datagrams();
    let protocol = protocol.ok_or_else(|| Error::new(ErrorKind::Internal, "no protocol for datagrams"))?;
    let socket = DatagramSocket::new(socket, worker.config.limits.datagram_queue_bytes_max);
    let socket = socket.map_err(|e| Error::system("a socket of datagrams", e))?;
    Ok(io::spawn(protocol.serve(socket, worker.clone())))
}

/// Accepts until a drain; a full worker accepts no more until a seat is free.
async fn accept(worker: Rc<Worker>, listener: Listener, admission: Rc<Admission>) {
    while !worker.is_draining() {
        if worker.is_full() {
            listener.pause();
            worker.until(|w| !w.is_full() || w.is_draining()).await;
            listener.resume();
            continue;
        }
        if listener.wakes_all() && worker.serving.is_ahead(worker.config.workers) {
            // The others were woken as well: who is awake already would get them all.
            io::sleep(LEFT_TO_OTHERS).await;
        }
        let mut next = std::pin::pin!(listener.accept());
        let accepted = poll_fn(|cx| match worker.is_draining() {
            true => Poll::Ready(None),
            false => match next.as_mut().poll(cx) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => worker.wait(cx).map(|()| None),
            },
        });
        match accepted.await {
            Some(Ok(stream)) => seat(&worker, stream, &admission),
            // listen(2), accept(2): it no longer listens. A replacement of this worker has taken over,
            // and the order to drain is on its way.
            Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidInput => {
                worker.until(Worker::is_draining).await;
            }
            Some(Err(error)) => {
                if log::admits(log::Kind::Accept) {
                    tracing::error!(worker = worker.number, "accept: {error}");
                }
                io::sleep(std::time::Duration::from_millis(100)).await;
            }
            None => {}
        }
    }
    for stream in listener.close().await {
        seat(&worker, stream, &admission);
    }
}

/// Gives a connection its task.
fn seat(worker: &Rc<Worker>, stream: Stream, admission: &Rc<Admission>) {
    let seat = Seat::take(worker);
    let (worker, key) = (worker.clone(), seat.key());
    let mut serving = admission.serve(stream, worker.clone(), seat);
    io::spawn(poll_fn(move |cx| {
        let poll = serving.as_mut().poll(cx);
        if poll.is_pending() {
            worker.keep_waker(key, cx);
        }
        poll
    }));
}

/// Ends when nothing is left to do.
async fn drained(worker: Rc<Worker>, accepting: Vec<io::JoinHandle<()>>) {
    for loop_ in accepting {
        loop_.await;
    }
    worker.until(|w| w.connections() == 0).await;
    let app = worker.app.current();
    while app.background() > 0 {
        io::sleep(std::time::Duration::from_millis(10)).await;
    }
}
