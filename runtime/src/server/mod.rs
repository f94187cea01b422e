//! The server: opens listeners, starts workers, waits for signals, drains.
//!
//! Owns: the order of start and end. Its watch over the workers and the reading of its app anew are in files of their
//! own. Must not know: what a worker does.

mod certificate;
mod changes;
mod hand_over;
mod notify;
mod reload;
mod schedule;
mod schemes;
mod watch;

pub(crate) use schedule::check as check_schedule;

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, unbounded};

use crate::app::methods::Methods;
use crate::app::{Blueprint, Engines};
use crate::board::{Board, WorkerState};
use crate::cgi::Scripts;
use crate::config::{Config, IoChoice, Listen, NATIVE_STACK_BYTES, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::fence;
use crate::io::{self, Backend, Notifier, Pulse, process};
use crate::listeners::{self, HandedSockets, Listeners, OpenedSocket};
use crate::log;
use crate::refused::RefusedRoutes;
use crate::serving::Serving;
use crate::shutdown::{self, Signal};
use crate::worker::{self, Control, Event, ObserverSeed, Protocols, Seed};
use certificate::Certificates;
use hand_over::{HandOver, HandedOver};
use notify::ServiceManager;
use reload::Reloads;
pub use reload::{ReloadNews, ReloadSource};
use schemes::{bind, settle_schemes};

/// How often the watch looks at the workers.
const WATCH: Duration = Duration::from_millis(250);
/// How often it looks at the files of certificates.
const LOOK: Duration = Duration::from_secs(1);

struct Handle {
    life: u64,
    number: usize,
    control: Sender<Control>,
    bell: Notifier,
    pulse: Pulse,
    serving: Arc<Serving>,
    engines: Engines,
    /// Its last beat.
    seen: watch::Seen,
    listening: bool,
    /// What it serves, of those that were read.
    version: u64,
    /// It was told to change behind the others.
    is_catching_up: bool,
    /// It is inside of one poll for too long.
    stuck: bool,
    /// Another one takes its place, or has.
    replaced: bool,
    /// Its thread serves no more. Kept for as long as its sockets have not gone to its replacement.
    ended: bool,
    sockets: Vec<KeptSocket>,
    /// The numbers of the places that these are of.
    places: Vec<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    fn tell(&self, message: Control) {
        // A worker that has ended needs no message.
        let _ = self.control.send(message);
        self.bell.notify();
    }

    /// How the worker calls the place of that number.
    fn index_of(&self, place: u64) -> Option<usize> {
        self.places.iter().position(|id| *id == place)
    }
}

/// The server's copy of a worker's listening socket, for who takes its place.
enum KeptSocket {
    /// Only that worker accepts from it.
    Own(OwnedFd),
    /// Of datagrams, or one that there is no other of: who takes the worker's place goes on with it, and with what has come
    /// to it.
    Datagrams(OwnedFd),
    /// All workers accept from it: it goes on.
    Shared,
}

impl KeptSocket {
    fn of(OpenedSocket { listen, socket, is_shared, goes_on }: &OpenedSocket) -> KeptSocket {
        let copy = if *is_shared { None } else { socket.try_clone().ok() };
        match copy {
            Some(copy) if listen.scheme == Scheme::Udp || *goes_on => KeptSocket::Datagrams(copy),
            Some(copy) => KeptSocket::Own(copy),
            // Without descriptors there is none, either.
            None => KeptSocket::Shared,
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// All that was in flight was finished.
    Clean,
    /// Something had to be cut.
    Cut,
}

/// A running server.
pub struct Server {
    config: Arc<Config>,
    blueprint: Arc<Blueprint>,
    protocols: Protocols,
    backend: Backend,
    refused: Option<String>,
    listeners: Listeners,
    certificates: Certificates,
    /// When it last looked at their files.
    looked: Instant,
    workers: Vec<Handle>,
    events: (Sender<Event>, Receiver<Event>),
    signals: Receiver<Signal>,
    /// Connections that one worker may have open.
    seats_max: usize,
    /// Workers started so far.
    lives: u64,
    refused_routes: Arc<RefusedRoutes>,
    /// The scripts of all workers, where there are some; and those of settings before.
    scripts: Option<Arc<Scripts>>,
    /// What operators are shown, where somebody looks.
    board: Option<Arc<Board>>,
    scripts_before: Vec<Arc<Scripts>>,
    /// The soft limit of descriptors that this process was started with.
    descriptors_max: Option<u64>,
    reloads: Reloads,
    hand_over: HandOver,
    handed_over: HandedOver,
    manager: ServiceManager,
    /// Of all workers, counted where they accept from one socket.
    connections: Option<Arc<AtomicUsize>>,
    watched: watch::Watched,
    schedule: schedule::Schedule,
}

impl Server {
    /// Opens the listeners, compiles the app, starts the workers; all are ready when it returns.
    ///
    /// # Errors
    /// A port in use, a broken app, a refused backend: each with its remedy.
    pub fn start(config: Config, protocols: Protocols) -> Result<Server> {
        let config = Arc::new(config);
        let signals = shutdown::signals()?;
        let descriptors_max = shutdown::descriptor_limit();
        let scripts = Scripts::of(&config, descriptors_max);
        let mut handed = HandedSockets::of_process();
        let board = Board::open(&config, protocols.admin(), &mut handed)?;
        let seats = config.limits.connections_max.unwrap_or(shutdown::raise_descriptor_limit());
        let seats_max = seats.div_ceil(config.workers).max(1);
        let (backend, refused) = io::choose(config.io, config.limits.ring_entries)?;
        let handed_over = HandedOver::of_process();
        let certificates = Certificates::read(&config, handed_over.tickets.clone())?;
        certificate::check_authorities(&config)?;
        let (listeners, rows, mut not_bound) = bind(&config, backend, handed)?;
        become_account(&config)?;
        let blueprint = Arc::new(Blueprint::compile(config.clone())?);
        fence::enclose_server(&config, listeners.all());
        let shares = rows.iter().flatten().any(|opened| opened.is_shared);
        let connections = shares.then(Arc::<AtomicUsize>::default);
        let mut server = Server {
            blueprint,
            protocols,
            backend,
            refused,
            listeners,
            certificates,
            looked: Instant::now(),
            workers: Vec::new(),
            events: unbounded(),
            signals,
            seats_max,
            lives: 0,
            refused_routes: Arc::default(),
            scripts,
            board,
            scripts_before: Vec::new(),
            descriptors_max,
            reloads: Reloads::default(),
            hand_over: HandOver::default(),
            handed_over,
            manager: ServiceManager::of_process(),
            connections,
            watched: watch::Watched::default(),
            schedule: schedule::Schedule::default(),
            config,
        };
        let mut opened = server.open(rows, &mut not_bound);
        if let Err(error) = &opened
            && let Some(refused) = server.ring_refused(error)
        {
            server.stop();
            server.workers.clear();
            server.events = unbounded();
            (server.backend, server.refused) = (Backend::Epoll, Some(refused));
            opened = server.listeners.set_backend(Backend::Epoll).and_then(|()| {
                let again = (0..server.config.workers).map(|_| server.listeners.row(|_| None));
                again.collect::<Result<_>>().and_then(|rows| server.open(rows, &mut not_bound))
            });
        }
        let opened = opened.and_then(|()| server.certificates.order(&server.config.listen));
        match opened {
            Ok(()) => {
                server.show_start();
                Ok(server)
            }
            Err(error) => {
                server.stop();
                Err(error)
            }
        }
    }

    /// Tells the board that the server serves.
    fn show_start(&self) {
        if let Some(board) = &self.board {
            board.serves(self.backend_line(), self.addresses());
        }
        self.show();
    }

    /// Why workers on the ring could not be set up, where epoll may take its place: one ring passed
    /// its trial, one for each worker was too much.
    fn ring_refused(&self, error: &Error) -> Option<String> {
        let errno = error.io().and_then(std::io::Error::raw_os_error)?;
        let may = self.backend == Backend::Uring && self.config.io == IoChoice::Auto;
        (may && matches!(errno, libc::ENOMEM | libc::EMFILE | libc::ENFILE))
            .then(|| io::refusal(errno).to_string())
    }

    fn spawn(&mut self, number: usize, row: listeners::Row, backend: Backend) -> Result<Handle> {
        self.lives += 1;
        let life = self.lives;
        let (control, orders) = unbounded();
        let (bell, pulse) = (Notifier::new(), Pulse::default());
        let serving = Arc::new(Serving::among(self.connections.clone()));
        let observer = self.board.as_ref().map(|board| board.join(life, number, serving.clone()));
        let observer = observer.map(|(metrics, log)| ObserverSeed { metrics, log });
        let engines = Engines::of(life).observed(observer.as_ref().map(|observer| observer.metrics.clone()));
        let sockets = row.iter().map(KeptSocket::of).collect();
        let places = self.listeners.places().iter().map(|place| place.id).collect();
        let seed = Seed {
            life,
            number,
            config: self.config.clone(),
            blueprint: self.blueprint.clone(),
            backend,
            protocols: self.protocols.clone(),
            listeners: row,
            tls: self.certificates.tls.clone(),
            seats_max: self.seats_max,
            pulse: pulse.clone(),
            serving: serving.clone(),
            engines: engines.clone(),
            refused: self.refused_routes.clone(),
            scripts: self.scripts.clone(),
            observer,
            pages: self.config.has_live_pages().then(|| self.reloads.pages()),
            control: orders,
            bell: bell.clone(),
            events: self.events.0.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .stack_size(NATIVE_STACK_BYTES + self.config.limits.stack_bytes_max)
            .spawn(move || worker::run(seed))
            .map_err(|e| Error::system("cannot start a thread", e))?;
        Ok(Handle {
            life,
            number,
            control,
            bell,
            engines,
            seen: watch::Seen::of(&pulse),
            pulse,
            serving,
            listening: false,
            version: self.reloads.version(),
            is_catching_up: false,
            stuck: false,
            replaced: false,
            ended: false,
            sockets,
            places,
            thread: Some(thread),
        })
    }

    /// Waits for as many events that `wanted` takes as there are workers.
    fn wait_for_all(&self, mut wanted: impl FnMut(Event) -> bool) -> Result<()> {
        let mut left = self.workers.len();
        while left > 0 {
            select! {
                recv(self.events.1) -> event => match event {
                    Ok(Event::Ended(_, Err(error))) => return Err(error),
                    Ok(Event::Ended(_, Ok(()))) | Err(_) => {
                        return Err(Error::new(ErrorKind::Internal, "a worker ended before it was ready"));
                    }
                    Ok(event) => left -= usize::from(wanted(event)),
                },
                recv(self.signals) -> signal => if matches!(signal, Ok(Signal::End(_)) | Err(_)) {
                    return Err(Error::new(ErrorKind::System, "stopped by a signal before it was ready"));
                }
            }
        }
        Ok(())
    }

    /// Starts the workers, and has them listen once all have loaded the app.
    /// `not_bound`: why nothing is listened on, which only an app may have that a clock calls.
    fn open(&mut self, rows: Vec<listeners::Row>, not_bound: &mut Option<Error>) -> Result<()> {
        for (number, row) in rows.into_iter().enumerate() {
            let handle = self.spawn(number, row, self.backend)?;
            self.workers.push(handle);
        }
        let mut methods = Methods::default();
        self.wait_for_all(|event| match event {
            Event::Ready(_, can) => {
                methods = can;
                true
            }
            _ => false,
        })?;
        schedule::check(&self.config, methods)?;
        if let Some(error) = not_bound.take_if(|_| !methods.is_for_clocks_only()) {
            return Err(error);
        }
        if methods.is_for_clocks_only() {
            // A listener that was not asked for.
            self.listeners.retain(|listen| listen.scheme != Scheme::Auto);
            self.workers.iter_mut().for_each(|worker| worker.sockets = vec![KeptSocket::Shared]);
        }
        settle_schemes(&self.config, self.listeners.all_mut(), methods)?;
        self.workers.iter().for_each(|worker| worker.tell(Control::Listen));
        self.wait_for_all(|event| matches!(event, Event::Listening(_)))?;
        self.workers.iter_mut().for_each(|worker| worker.listening = true);
        Ok(())
    }

    /// Ends what is left of the workers: no listener may outlive the server. A stuck one is left to
    /// the end of the process.
    fn stop(&mut self) {
        for worker in &mut self.workers {
            worker.tell(Control::Stop);
            if worker.stuck {
                continue;
            }
            if let Some(thread) = worker.thread.take_if(|thread| ends_soon(thread)) {
                // A panic in it was reported when it happened.
                let _ = thread.join();
            }
        }
    }

    /// The addresses listened on, `scheme://host:port` or `unix:path` each.
    pub fn addresses(&self) -> Vec<String> {
        let mut all: Vec<String> = self.listeners.all().map(Listen::url).collect();
        // Several sockets of one address were handed over.
        all.dedup();
        all
    }

    /// The backend's name, and why it is not io_uring.
    pub fn backend_line(&self) -> String {
        match (self.backend, &self.refused) {
            (Backend::Uring, _) => "uring".into(),
            (Backend::Epoll, Some(why)) => format!("epoll (io_uring refused: {why})"),
            (Backend::Epoll, None) => "epoll".into(),
        }
    }

    /// Has `source` read app and settings again: at SIGHUP, and where the configuration says so whenever a file of them
    /// changes.
    pub fn reload_from(&mut self, source: Arc<dyn ReloadSource>) {
        self.reloads.set_source(source);
        self.watch_files();
    }

    /// Serves until a signal, or until too many threads are stuck; then drains.
    ///
    /// # Errors
    /// Every worker has failed.
    pub fn run(mut self) -> Result<ExitStatus> {
        if !self.handed_over.ready() {
            self.manager.ready(&self.addresses().join(" "));
        }
        loop {
            select! {
                recv(self.signals) -> signal => match signal {
                    Ok(Signal::Reload) => {
                        self.manager.reloading();
                        self.reload("SIGHUP");
                    }
                    Ok(Signal::HandOver) => self.begin_hand_over(),
                    Ok(Signal::End(signal)) => return Ok(self.drain(&signal)),
                    Err(_) => {}
                },
                recv(self.events.1) -> event => if let Ok(event) = event {
                    self.hear(event)?;
                },
                recv(self.reloads.read()) -> read => if let Ok(read) = read {
                    self.has_read(read);
                },
                recv(self.reloads.changes()) -> change => if let Ok(change) = change {
                    self.files_changed(change);
                },
                recv(self.hand_over.started()) -> started => if let Ok(started) = started {
                    self.has_started(started);
                },
                default(WATCH) => {}
            }
            if self.has_left() {
                return Ok(self.drain(&"another process serves"));
            }
            let serves =
                || self.workers.iter().any(|worker| worker.listening && !worker.ended && !worker.stuck);
            self.manager.feed(serves);
            self.give_memory_back();
            self.look_at_certificates();
            self.look_at_reload();
            self.look_at_schedule();
            if let Some(why) = self.watch() {
                self.drain(&why);
                return Ok(ExitStatus::Cut);
            }
            self.show();
            log::flush();
        }
    }

    /// Tells the board how the workers are.
    fn show(&self) {
        let Some(board) = &self.board else { return };
        board.set_workers(self.workers.iter().map(|worker| {
            let state = match worker {
                Handle { ended: true, .. } => WorkerState::Ended,
                Handle { stuck: true, .. } => WorkerState::Stuck,
                Handle { listening: false, .. } => WorkerState::Starting,
                Handle { replaced: true, .. } => WorkerState::Leaving,
                _ => WorkerState::Serving,
            };
            (worker.life, state)
        }));
    }

    /// The URL of the listener for who operates the server, where there is one.
    pub fn admin_url(&self) -> Option<String> {
        self.board.as_ref()?.admin_url()
    }

    /// Hears what a worker says.
    fn hear(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Ended(life, outcome) => return self.ended(life, outcome),
            Event::Ready(life, _) => self.listen(life),
            Event::Listening(life) => self.hand_over(life),
            Event::Prepared(life, version, outcome) => self.prepared(life, version, outcome),
            Event::Changed(life, version) => self.has_changed(life, version),
        }
        Ok(())
    }

    /// Takes up certificates whose files have changed.
    fn look_at_certificates(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.certificates.look();
        self.looked = Instant::now();
    }

    /// A replacement has loaded the app.
    fn listen(&self, life: u64) {
        self.workers.iter().filter(|w| w.life == life).for_each(|w| w.tell(Control::Listen));
    }

    /// Ends all workers. Stuck ones are not waited for: they serve nothing any more.
    fn drain(mut self, why: &dyn Display) -> ExitStatus {
        let limit = Duration::from_millis(self.config.limits.drain_ms_max);
        tracing::info!("{why}: draining for at most {} ms", limit.as_millis());
        if !self.hand_over.is_done() {
            self.manager.tell("STOPPING=1");
        }
        let deadline = crossbeam_channel::after(limit);
        let scripts_until = Instant::now() + limit;
        if let Some(board) = &self.board {
            board.drains();
        }
        self.listeners.close();
        for worker in &mut self.workers {
            // Ours are copies: a listener closes when the last one is gone.
            worker.sockets.clear();
            worker.tell(Control::Drain);
        }
        let mut clean = true;
        while self.workers.iter().any(|worker| !worker.ended && !worker.stuck) {
            select! {
                recv(self.events.1) -> event => {
                    if let Ok(Event::Ended(life, outcome)) = event
                        && let Some(worker) = self.workers.iter_mut().find(|w| w.life == life)
                    {
                        worker.ended = true;
                        if let Err(error) = outcome {
                            tracing::error!(worker = worker.number, "{error}");
                            clean = false;
                        }
                    }
                }
                recv(self.signals) -> signal => {
                    if let Ok(Signal::End(signal)) = signal {
                        shutdown::at_once(signal);
                    }
                }
                recv(deadline) -> _ => {
                    let busy = self.workers.iter().filter(|worker| !worker.ended && !worker.stuck).count();
                    let ms = limit.as_millis();
                    tracing::error!("drain: {busy} workers still busy after {ms} ms; closing what is left");
                    clean = false;
                    break;
                }
                default(WATCH) => {}
            }
            for worker in self.find_stuck() {
                tracing::error!(worker = worker.number, "stuck in {}: not waited for", worker.serving);
            }
        }
        clean &= self.end_schedule();
        self.stop();
        for scripts in self.scripts_before.iter().chain(&self.scripts) {
            clean &= scripts.end(scripts_until);
        }
        if let Some(board) = &self.board {
            board.end();
        }
        log::flush();
        if clean { ExitStatus::Clean } else { ExitStatus::Cut }
    }
}

/// Has the process be who it is to be, now that it has its sockets and keys.
fn become_account(config: &Config) -> Result<()> {
    let Some((uid, gid)) = config.account else { return Ok(()) };
    use rustix::process::{getegid, geteuid};
    // A process whose place this one takes has done it before.
    if !geteuid().is_root() && (geteuid().as_raw(), getegid().as_raw()) == (uid, gid) {
        return Ok(());
    }
    process::become_user(uid, gid).map_err(|error| {
        Error::of_flag("user", format!("cannot become user {uid} of group {gid}: {error}"))
            .remedy("Only root can: start jsserve as root, or leave --user and --group out.")
    })
}

/// Waits a moment for a thread's end; whether it came.
fn ends_soon(thread: &JoinHandle<()>) -> bool {
    let deadline = Instant::now() + Duration::from_millis(500);
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    thread.is_finished()
}
