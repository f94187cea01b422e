//! What a server shows to who operates it: how its workers are, what they count, the access log.
//!
//! Owns: the counts of all workers, of those that are gone as well; whether the server is ready; profiles. Must not know:
//! HTTP, how a page looks, what a worker does.

mod history;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;

use self::history::History;
use crate::access_log::{AccessLog, WorkerLog};
use crate::address::Address;
use crate::config::{AdminOptions, Config, Listen, Scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Backend;
use crate::listeners::{HandedSockets, Listeners};
use crate::metrics::{MetricsView, WorkerMetrics, WorkerView};
use crate::serving::Serving;

/// Connections that wait to be accepted by the thread for operators.
const BACKLOG: i32 = 64;

/// What its socket is called when another process takes over.
const HANDED_AS: &str = "admin";

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// It loads the app.
    Starting,
    /// It serves.
    Serving,
    /// It does not turn.
    Stuck,
    /// Another one has its place.
    Leaving,
    /// Its thread has ended.
    Ended,
}

/// A worker that is there.
struct Seat {
    life: u64,
    number: usize,
    state: WorkerState,
    serving: Arc<Serving>,
    metrics: Arc<WorkerMetrics>,
}

/// All workers, and the counts of those that are gone.
#[derive(Default)]
struct Seats {
    all: Vec<Seat>,
    past: HashMap<usize, Arc<WorkerMetrics>>,
}

/// What there is to know once the server serves.
struct ServedAt {
    backend: String,
    addresses: Vec<String>,
}

/// Serves who operates the server, on threads of its own: a socket that listens, whether it is a Unix socket, and what there
/// is to show.
pub type AdminProtocol = fn(OwnedFd, bool, Arc<Board>) -> std::io::Result<()>;

/// Why there is no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileBusy;

/// What a server shows to who operates it.
pub struct Board {
    config: Arc<Config>,
    phase: AtomicU8,
    started: (Instant, SystemTime),
    served: OnceLock<ServedAt>,
    seats: Mutex<Seats>,
    replaced: AtomicU64,
    log: Option<Arc<AccessLog>>,
    history: Mutex<History>,
    profiling: Mutex<()>,
    /// Where operators come in, its URL, its socket once more. A file goes with it.
    admin: Mutex<Option<(Listeners, String, OwnedFd)>>,
}

impl Board {
    /// Opens the access log, and the listener for operators; none where the configuration has neither.
    ///
    /// # Errors
    /// The log's file cannot be opened, the address cannot be bound.
    pub fn open(
        config: &Arc<Config>,
        protocol: Option<AdminProtocol>,
        handed: &mut HandedSockets,
    ) -> Result<Option<Arc<Board>>> {
        if config.access_log.is_none() && config.admin.is_none() {
            return Ok(None);
        }
        let bytes_max = config.limits.access_log_bytes_max;
        let log =
            config.access_log.as_ref().map(|options| AccessLog::open(options, bytes_max)).transpose()?;
        let board = Arc::new(Board {
            config: config.clone(),
            phase: AtomicU8::new(STARTING),
            started: (Instant::now(), SystemTime::now()),
            served: OnceLock::new(),
            seats: Mutex::default(),
            replaced: AtomicU64::new(0),
            log,
            history: Mutex::default(),
            profiling: Mutex::default(),
            admin: Mutex::default(),
        });
        if let Some(options) = &config.admin {
            board.listen(options, protocol, handed)?;
            history::record(&board)?;
        }
        Ok(Some(board))
    }

    fn listen(
        self: &Arc<Self>,
        options: &AdminOptions,
        protocol: Option<AdminProtocol>,
        handed: &mut HandedSockets,
    ) -> Result<()> {
        let serve = protocol.ok_or_else(|| Error::new(ErrorKind::Internal, "no protocol for --admin"))?;
        let mut listen = Listen::new(Scheme::Http, options.address.clone());
        // The process before listens there.
        listen.handed = handed.is_handed_over(HANDED_AS).then(|| HANDED_AS.to_owned());
        let failed = |what: &str, error| Error::system(format!("--admin: {what}"), error);
        let (listen, account) = (vec![listen], None);
        let own = Config { listen, workers: 1, listens_by_default: false, account, ..(*self.config).clone() };
        let mut listeners = Listeners::default();
        let plan = listeners.plan(&own, Backend::Epoll, handed)?;
        listeners.change(plan);
        let Some(opened) = listeners.row(|_| None)?.pop() else { return Ok(()) };
        let (listen, socket) = (opened.listen, opened.socket);
        rustix::net::listen(socket.as_fd(), BACKLOG).map_err(|e| failed("listen", e.into()))?;
        let kept = socket.try_clone().map_err(|e| failed("its socket", e))?;
        let is_shared = opened.is_shared || listen.address.ip().is_none();
        serve(socket, is_shared, self.clone()).map_err(|e| failed("cannot be served", e))?;
        *lock(&self.admin) = Some((listeners, listen.url(), kept));
        Ok(())
    }

    /// The socket where operators come in, for a process that takes over, and its name.
    pub fn socket_to_hand_over(&self) -> Option<(OwnedFd, &'static str)> {
        let socket = lock(&self.admin).as_ref()?.2.try_clone().ok()?;
        Some((socket, HANDED_AS))
    }

    /// Another process listens there.
    pub fn gives_up(&self) {
        if let Some((listeners, ..)) = &mut *lock(&self.admin) {
            listeners.give_up();
        }
    }

    /// Where operators come in.
    pub fn admin_url(&self) -> Option<String> {
        lock(&self.admin).as_ref().map(|(_, url, _)| url.clone())
    }

    /// Whether who asks has to know a token.
    pub fn has_token(&self) -> bool {
        self.config.admin.as_ref().is_some_and(|admin| admin.token.is_some())
    }

    /// Whether who sends this value of Authorization knows the token: `Bearer TOKEN`, or `Basic` with the token for a password.
    pub fn admits(&self, authorization: &[u8]) -> bool {
        let Some(token) = self.config.admin.as_ref().and_then(|admin| admin.token.as_ref()) else {
            return true;
        };
        let Some((scheme, value)) =
            std::str::from_utf8(authorization).ok().and_then(|text| text.split_once(' '))
        else {
            return false;
        };
        let value = value.trim();
        let given = match scheme {
            _ if scheme.eq_ignore_ascii_case("bearer") => value.as_bytes().to_vec(),
            _ if scheme.eq_ignore_ascii_case("basic") => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
                decoded.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default().to_vec()
            }
            _ => return false,
        };
        // By digests: how long it takes tells nothing of the token.
        let digest = |bytes: &[u8]| ring::digest::digest(&ring::digest::SHA256, bytes);
        digest(&given).as_ref() == digest(token.as_bytes()).as_ref()
    }

    /// A worker is to start: what it counts and logs.
    pub fn join(
        &self,
        life: u64,
        number: usize,
        serving: Arc<Serving>,
    ) -> (Arc<WorkerMetrics>, Option<WorkerLog>) {
        let metrics = Arc::<WorkerMetrics>::default();
        let mut seats = lock(&self.seats);
        if seats.all.iter().any(|seat| seat.number == number) && self.phase.load(Ordering::Relaxed) == SERVING
        {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        seats.all.push(Seat {
            life,
            number,
            state: WorkerState::Starting,
            serving,
            metrics: metrics.clone(),
        });
        (metrics, self.log.as_ref().map(AccessLog::worker))
    }

    /// The server serves.
    pub fn serves(&self, backend: String, addresses: Vec<String>) {
        // Said once.
        let _ = self.served.set(ServedAt { backend, addresses });
        self.phase.store(SERVING, Ordering::Relaxed);
    }

    /// The server ends as soon as what is in flight is done.
    pub fn drains(&self) {
        self.phase.store(DRAINING, Ordering::Relaxed);
    }

    /// The server has ended: what was logged is written.
    pub fn end(&self) {
        if let Some(log) = &self.log {
            log.end();
        }
        *lock(&self.admin) = None;
    }

    /// How the workers are that there are. Who is not among them is gone, and counts no more.
    pub fn set_workers(&self, workers: impl Iterator<Item = (u64, WorkerState)>) {
        let states: HashMap<u64, WorkerState> = workers.collect();
        let mut seats = lock(&self.seats);
        let Seats { all, past } = &mut *seats;
        all.retain_mut(|seat| {
            if let Some(state) = states.get(&seat.life) {
                seat.state = *state;
                return true;
            }
            past.entry(seat.number).or_default().absorb(&seat.metrics);
            false
        });
    }

    /// Why the server is not ready to take requests, if it is not.
    pub fn not_ready(&self) -> Option<&'static str> {
        match self.phase.load(Ordering::Relaxed) {
            STARTING => Some("starting"),
            DRAINING => Some("draining"),
            _ if lock(&self.seats).all.iter().all(|seat| seat.state != WorkerState::Serving) => {
                Some("no worker serves")
            }
            _ => None,
        }
    }

    /// All that is counted.
    pub fn metrics(&self) -> MetricsView {
        let mut workers = BTreeMap::<usize, WorkerView>::new();
        let seats = lock(&self.seats);
        for seat in &seats.all {
            let number = seat.number;
            let past = seats.past.get(&number).cloned();
            let view = workers.entry(number).or_insert_with(|| WorkerView {
                number,
                lives: past.into_iter().collect(),
                connections: 0,
                is_up: false,
            });
            view.lives.push(seat.metrics.clone());
            view.connections += seat.serving.connections();
            view.is_up |= seat.state == WorkerState::Serving;
        }
        drop(seats);
        MetricsView {
            workers: workers.into_values().collect(),
            version: env!("CARGO_PKG_VERSION"),
            backend: self.served.get().map(|served| served.backend.clone()).unwrap_or_default(),
            started: self.started.1,
            heap_bytes_max: self.config.limits.heap_bytes_max,
            replaced: self.replaced.load(Ordering::Relaxed),
            lines_lost: self.log.as_ref().map(|log| log.lost()),
            is_ready: self.not_ready().is_none(),
        }
    }

    /// Samples the JavaScript of all workers for `time`: folded stacks, a line each, with microseconds.
    ///
    /// # Errors
    /// Somebody else does already.
    pub fn profile(&self, time: Duration) -> std::result::Result<String, ProfileBusy> {
        let _profiling = self.profiling.try_lock().map_err(|_| ProfileBusy)?;
        let all: Vec<Arc<WorkerMetrics>> =
            lock(&self.seats).all.iter().map(|seat| seat.metrics.clone()).collect();
        all.iter().for_each(|metrics| metrics.profile.start());
        std::thread::sleep(time);
        let mut sums = BTreeMap::<String, u64>::new();
        for (stack, micros) in all.iter().flat_map(|metrics| metrics.profile.take()) {
            *sums.entry(stack).or_default() += micros;
        }
        Ok(sums.iter().map(|(stack, micros)| format!("{stack} {micros}\n")).collect())
    }

    /// What the listener for operators is bound to: names of this machine may be asked for.
    pub fn admin_address(&self) -> Option<&Address> {
        self.config.admin.as_ref().map(|admin| &admin.address)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
