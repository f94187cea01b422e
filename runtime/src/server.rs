//! The server: opens listeners, starts workers, waits for signals, drains.
//!
//! Owns: the order of start and end, the watch over stuck workers. Must not know: what a worker
//! does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, unbounded};

use crate::app::Blueprint;
use crate::app::methods::{self, Methods};
use crate::config::{Config, IoChoice, NATIVE_STACK_BYTES, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::handler::Protocols;
use crate::io::{self, Backend, Notifier};
use crate::js::engine::Pulse;
use crate::listeners;
use crate::serving::Serving;
use crate::shutdown::{self, Signal};
use crate::worker::{self, Control, Event, Seed};

/// How often the watch looks at the workers.
const WATCH: Duration = Duration::from_millis(250);
struct Handle {
    life: u64,
    number: usize,
    control: Sender<Control>,
    bell: Notifier,
    pulse: Pulse,
    serving: Arc<Serving>,
    seen: (u64, Instant),
    listening: bool,
    stuck: bool,
    sockets: Vec<rustix::fd::OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    fn tell(&self, message: Control) {
        // A worker that has ended needs no message.
        let _ = self.control.send(message);
        self.bell.notify();
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
    addresses: Vec<(Scheme, SocketAddr)>,
    workers: Vec<Handle>,
    events: (Sender<Event>, Receiver<Event>),
    signals: Receiver<Signal>,
    /// Connections that one worker may have open.
    seats_max: usize,
    /// Workers started so far.
    lives: u64,
}

impl Server {
    /// Opens the listeners, compiles the app, starts the workers; all are ready when it returns.
    ///
    /// # Errors
    /// A port in use, a broken app, a refused backend: each with its remedy.
    pub fn start(config: Config, protocols: Protocols) -> Result<Server> {
        let config = Arc::new(config);
        let signals = shutdown::signals()?;
        let seats = config.limits.connections_max.unwrap_or(shutdown::raise_descriptor_limit());
        let seats_max = seats.div_ceil(config.workers).max(1);
        let (backend, refused) = io::choose(config.io, config.limits.ring_entries)?;
        let (rows, addresses) = listeners::bind(&config.listen, config.workers)?;
        let blueprint = Arc::new(Blueprint::compile(config.clone())?);
        let schemes = config.listen.iter().map(|listen| listen.scheme);
        let mut server = Server {
            blueprint,
            protocols,
            backend,
            refused,
            addresses: schemes.zip(addresses).collect(),
            workers: Vec::new(),
            events: unbounded(),
            signals,
            seats_max,
            lives: 0,
            config,
        };
        let mut opened = server.open(rows);
        if let Err(error) = &opened
            && let Some(refused) = server.ring_refused(error)
        {
            server.stop();
            server.workers.clear();
            server.events = unbounded();
            (server.backend, server.refused) = (Backend::Epoll, Some(refused));
            let again = (0..server.config.workers).map(|_| listeners::bind_again(&server.addresses));
            opened = again.collect::<Result<_>>().and_then(|rows| server.open(rows));
        }
        match opened {
            Ok(()) => Ok(server),
            Err(error) => {
                server.stop();
                Err(error)
            }
        }
    }

    /// Why workers on the ring could not be set up, where epoll may take its place: one ring passed
    /// its trial, one for each worker was too much.
    fn ring_refused(&self, error: &Error) -> Option<String> {
        let errno = error.io().and_then(std::io::Error::raw_os_error)?;
        let may = self.backend == Backend::Uring && self.config.io == IoChoice::Auto;
        (may && matches!(errno, libc::ENOMEM | libc::EMFILE | libc::ENFILE))
            .then(|| io::refusal(errno).to_string())
    }

    fn spawn(&mut self, number: usize, row: listeners::Row) -> Result<Handle> {
        self.lives += 1;
        let life = self.lives;
        let (control, orders) = unbounded();
        let (bell, pulse, serving) = (Notifier::new(), Pulse::default(), Arc::<Serving>::default());
        let sockets = row.iter().filter_map(|(_, s)| s.try_clone().ok()).map(Into::into).collect();
        let seed = Seed {
            life,
            number,
            config: self.config.clone(),
            blueprint: self.blueprint.clone(),
            backend: self.backend,
            protocols: self.protocols.clone(),
            listeners: row,
            seats_max: self.seats_max,
            pulse: pulse.clone(),
            serving: serving.clone(),
            control: orders,
            bell: bell.clone(),
            events: self.events.0.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .stack_size(NATIVE_STACK_BYTES + self.config.limits.stack_bytes_max)
            .spawn(move || worker::run(seed))
            .map_err(|e| Error::system("cannot start a thread", e))?;
        let seen = (0, Instant::now());
        Ok(Handle {
            life,
            number,
            control,
            bell,
            pulse,
            serving,
            seen,
            listening: false,
            stuck: false,
            sockets,
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
                recv(self.signals) -> _ => {
                    return Err(Error::new(ErrorKind::System, "stopped by a signal before it was ready"));
                }
            }
        }
        Ok(())
    }

    /// Starts the workers, and has them listen once all have loaded the app.
    fn open(&mut self, rows: Vec<listeners::Row>) -> Result<()> {
        for (number, row) in rows.into_iter().enumerate() {
            let handle = self.spawn(number, row)?;
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
        self.settle_schemes(methods)?;
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
            if let Some(thread) = worker.thread.take_if(|thread| ends_soon(thread)) {
                // A panic in it was reported when it happened.
                let _ = thread.join();
            }
        }
    }

    /// Names what each listener speaks, and refuses one that the app has no handler for.
    fn settle_schemes(&mut self, methods: Methods) -> Result<()> {
        for (scheme, addr) in &mut self.addresses {
            if *scheme == Scheme::Auto {
                *scheme = methods.scheme();
            }
            if methods.serving(*scheme).is_none() {
                let (name, method) = (scheme_name(*scheme), methods::wanted(*scheme));
                let text = format!("{} has no handler for {name}://{addr}", self.config.app.display());
                return Err(Error::new(ErrorKind::App, text)
                    .remedy(format!("Its default export needs a method {method}.")));
            }
        }
        Ok(())
    }

    /// The addresses listened on, `scheme://host:port` each.
    pub fn addresses(&self) -> Vec<String> {
        self.addresses.iter().map(|(scheme, addr)| format!("{}://{addr}", scheme_name(*scheme))).collect()
    }

    /// The backend's name, and why it is not io_uring.
    pub fn backend_line(&self) -> String {
        match (self.backend, &self.refused) {
            (Backend::Uring, _) => "uring".into(),
            (Backend::Epoll, Some(why)) => format!("epoll (io_uring refused: {why})"),
            (Backend::Epoll, None) => "epoll".into(),
        }
    }

    /// Serves until a signal, then drains.
    ///
    /// # Errors
    /// Every worker has failed.
    pub fn run(mut self) -> Result<ExitStatus> {
        loop {
            select! {
                recv(self.signals) -> signal => {
                    if let Ok(signal) = signal {
                        return Ok(self.drain(signal));
                    }
                }
                recv(self.events.1) -> event => {
                    match event {
                        Ok(Event::Ended(life, outcome)) => self.ended(life, outcome)?,
                        Ok(Event::Ready(life, _)) => self.listen(life),
                        Ok(Event::Listening(life)) => self.hand_over(life),
                        Err(_) => {}
                    }
                }
                default(WATCH) => {}
            }
            self.watch();
        }
    }

    /// A replacement has loaded the app.
    fn listen(&self, life: u64) {
        self.workers.iter().filter(|w| w.life == life).for_each(|w| w.tell(Control::Listen));
    }

    /// A worker ended by itself: its sockets are closed; the others go on.
    fn ended(&mut self, life: u64, outcome: Result<()>) -> Result<()> {
        let Some(index) = self.workers.iter().position(|w| w.life == life) else { return Ok(()) };
        let number = self.workers.remove(index).number;
        self.watch_again(number);
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if self.workers.is_empty() => Err(error),
            Err(error) => {
                tracing::error!(worker = number, "the worker ended: {error}");
                Ok(())
            }
        }
    }

    /// Replaces workers that have been inside one turn for too long: the engine has built-ins that
    /// no interrupt reaches.
    fn watch(&mut self) {
        let limit = Duration::from_millis(self.config.limits.stuck_ms_max);
        let now = Instant::now();
        let mut replace = Vec::new();
        // One that loads the app has limits of its own.
        for worker in self.workers.iter_mut().filter(|w| w.listening && !w.stuck) {
            let beat = worker.pulse.load(Ordering::Relaxed);
            if beat != worker.seen.0 || beat % 2 == 0 {
                worker.seen = (beat, now);
            } else if now - worker.seen.1 >= limit {
                worker.stuck = true;
                let what = worker.serving.read();
                let ms = limit.as_millis();
                tracing::error!(
                    worker = worker.number,
                    "stuck for {ms} ms in {what}: a new worker takes its place"
                );
                replace.push(worker.number);
            }
        }
        for number in replace {
            if let Err(error) = self.replace(number) {
                tracing::error!(worker = number, "no replacement for the stuck worker: {error}");
                self.watch_again(number);
            }
        }
    }

    /// A stuck worker that still has its sockets was not replaced: the watch tries again.
    fn watch_again(&mut self, number: usize) {
        if self.workers.iter().any(|w| w.number == number && !w.listening) {
            return;
        }
        for worker in self.workers.iter_mut().filter(|w| w.number == number && !w.sockets.is_empty()) {
            worker.stuck = false;
            worker.seen.1 = Instant::now();
        }
    }

    fn replace(&mut self, number: usize) -> Result<()> {
        let row = listeners::bind_again(&self.addresses)?;
        let handle = self.spawn(number, row)?;
        self.workers.push(handle);
        Ok(())
    }

    /// The replacement of a stuck worker listens: it also gets the connections that wait for the old
    /// one, whose sockets close. The old worker ends when it comes to itself.
    fn hand_over(&mut self, life: u64) {
        let Some(fresh) = self.workers.iter().position(|w| w.life == life) else { return };
        self.workers[fresh].listening = true;
        let number = self.workers[fresh].number;
        let left = |w: &Handle| w.number == number && w.stuck && !w.sockets.is_empty();
        let Some(old) = self.workers.iter().position(left) else { return };
        for (index, socket) in std::mem::take(&mut self.workers[old].sockets).into_iter().enumerate() {
            let waiting = listeners::take_waiting(&socket);
            // An error means that it no longer listens.
            let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
            self.workers[fresh].tell(Control::Adopt(index, waiting));
        }
        self.workers[old].tell(Control::Drain);
        self.blueprint.give_up(&self.workers[old].pulse);
    }

    /// Ends all workers.
    fn drain(mut self, signal: Signal) -> ExitStatus {
        let limit = Duration::from_millis(self.config.limits.drain_ms_max);
        tracing::info!("{signal}: draining for at most {} ms", limit.as_millis());
        let deadline = crossbeam_channel::after(limit);
        for worker in &mut self.workers {
            // Ours are copies: a listener closes when the last one is gone.
            worker.sockets.clear();
            worker.tell(Control::Drain);
        }
        let mut clean = true;
        let mut left = self.workers.len();
        while left > 0 {
            select! {
                recv(self.events.1) -> event => {
                    if let Ok(Event::Ended(life, outcome)) = event {
                        left -= 1;
                        if let Err(error) = outcome {
                            let number = self.workers.iter().find(|w| w.life == life).map(|w| w.number);
                            tracing::error!(worker = number, "{error}");
                            clean = false;
                        }
                    }
                }
                recv(self.signals) -> signal => {
                    if let Ok(signal) = signal {
                        shutdown::at_once(signal);
                    }
                }
                recv(deadline) -> _ => {
                    tracing::error!("drain: {left} workers still busy after {} ms; closing what is left", limit.as_millis());
                    clean = false;
                    for worker in &self.workers {
                        worker.tell(Control::Stop);
                    }
                    break;
                }
            }
        }
        self.stop();
        if clean { ExitStatus::Clean } else { ExitStatus::Cut }
    }
}

/// The scheme of a listener's address, as it is shown.
fn scheme_name(scheme: Scheme) -> &'static str {
    if scheme == Scheme::Tcp { "tcp" } else { "http" }
}

/// Waits a moment for a thread's end; whether it came.
fn ends_soon(thread: &JoinHandle<()>) -> bool {
    let deadline = Instant::now() + Duration::from_millis(500);
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    thread.is_finished()
}
