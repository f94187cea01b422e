//! Names of hosts to addresses: literals, /etc/hosts, the Domain Name System.
//!
//! Owns: the order of these, the bound on questions in flight, the blocking form. The questions
//! are asked on one thread of their own: the worker's task is woken by the answer, whatever carries
//! its I/O, and a static binary needs no NSS. Must not know: JavaScript, sockets of workers.

mod hosts;
mod literal;
mod order;
mod thread;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

/// Questions that one resolver may have in flight; more are [`LookupError::Busy`].
pub const QUESTIONS_MAX: usize = 256;
/// Time of one question, over all servers, attempts and search domains.
pub const QUESTION_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of a name (RFC 1035 section 2.3.4, as text with a closing dot).
const NAME_BYTES_MAX: usize = 254;

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// All.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether `ip` is one of those.
    pub fn takes(self, ip: &IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        }
    }
}

/// Why a name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such name.
    NotFound,
    /// The name has no address of the family.
    NoData,
    /// No server has answered, or none that could: it may do later.
    TryAgain,
    /// More than [`QUESTIONS_MAX`] questions are in flight.
    Busy,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LookupError::NotFound => "name not known",
            LookupError::NoData => "no address of this family for the name",
            LookupError::TryAgain => "temporary failure in name resolution",
            LookupError::Busy => "too many names are being looked up",
        })
    }
}

impl std::error::Error for LookupError {}

impl From<LookupError> for io::Error {
    fn from(failure: LookupError) -> io::Error {
        let kind = match failure {
            LookupError::NotFound | LookupError::NoData => io::ErrorKind::NotFound,
            LookupError::TryAgain | LookupError::Busy => io::ErrorKind::WouldBlock,
        };
        io::Error::new(kind, failure)
    }
}

/// Where a resolver's knowledge comes from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Servers, search list, options (resolv.conf(5)); read again when it changes.
    pub resolv_conf: PathBuf,
    /// Static names (hosts(5)); read again when it changes.
    pub hosts: PathBuf,
    /// The port of the servers: 53, but in tests.
    pub port: u16,
}

impl Default for Config {
    fn default() -> Self {
        Config { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into(), port: 53 }
    }
}

/// A resolver and its thread, which starts with the first question and ends with the last clone.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<ResolverState>,
}

struct ResolverState {
    config: Config,
    hosts: Mutex<hosts::Cache>,
    thread: Mutex<Option<mpsc::UnboundedSender<Question>>>,
    in_flight: Arc<AtomicUsize>,
}

/// What the thread is asked.
struct Question {
    name: String,
    family: Family,
    answer: oneshot::Sender<Result<Vec<IpAddr>, LookupError>>,
    _counted: Counted,
}

/// One question of those in flight.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The resolver of the system's configuration, one for the process.
pub fn system() -> &'static Resolver {
    static SYSTEM: OnceLock<Resolver> = OnceLock::new();
    SYSTEM.get_or_init(|| Resolver::new(Config::default()))
}

/// The addresses of `host` by the system's configuration, best first (RFC 6724), with `port`. Never
/// blocks the worker.
///
/// # Errors
/// See [`LookupError`].
pub async fn lookup(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, LookupError> {
    system().lookup(host, port, family).await
}

/// The address that `host` spells, in any form that getaddrinfo(3) takes: with scopes, "127.1".
pub fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    literal::parse(host, port)
}

impl Resolver {
    /// A resolver of its own, with its own thread.
    pub fn new(config: Config) -> Resolver {
        let (hosts, thread, in_flight) = Default::default();
        Resolver { shared: Arc::new(ResolverState { config, hosts, thread, in_flight }) }
    }

    /// What needs no question: literals, names of the hosts file, localhost, impossible names.
    pub fn local(
        &self,
        host: &str,
        port: u16,
        family: Family,
    ) -> Option<Result<Vec<SocketAddr>, LookupError>> {
        let shape = |addr: &[SocketAddr]| match addr.iter().any(|addr| family.takes(&addr.ip())) {
            true => Ok(addr.iter().filter(|addr| family.takes(&addr.ip())).copied().collect()),
            false => Err(LookupError::NoData),
        };
        if let Some(addr) = literal::parse(host, port) {
            return Some(shape(&[addr]));
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let odd = |c: char| c.is_control() || c.is_whitespace() || "%:/[]".contains(c);
        if name.is_empty() || name.starts_with('.') || host.len() > NAME_BYTES_MAX || name.contains(odd) {
            return Some(Err(LookupError::NotFound));
        }
        let known = self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(&self.shared.config);
        let mut ips: Vec<IpAddr> = known.get(&name).iter().filter(|ip| family.takes(ip)).copied().collect();
        // RFC 6761 section 6.3: these are loopback, and are asked of no server.
        if ips.is_empty() && (name == "localhost" || name.ends_with(".localhost")) {
            let loopback: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            ips.extend(loopback.iter().filter(|ip| family.takes(ip)));
        }
        // Section 6.4: there is no such name.
        if ips.is_empty() && (name == "invalid" || name.ends_with(".invalid")) {
            return Some(Err(LookupError::NotFound));
        }
        (!ips.is_empty()).then(|| Ok(order::sorted(ips, port)))
    }

    /// As [`lookup`], by this resolver's configuration.
    ///
    /// # Errors
    /// See [`LookupError`].
    pub async fn lookup(
        &self,
        host: &str,
        port: u16,
        family: Family,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        if let Some(known) = self.local(host, port, family) {
            return known;
        }
        let ips = self.ask(host, family)?.await.unwrap_or(Err(LookupError::TryAgain))?;
        Ok(order::sorted(ips, port))
    }

    /// As [`Resolver::lookup`], blocking this thread: for scripts.
    ///
    /// # Errors
    /// See [`LookupError`].
    pub fn lookup_blocking(
        &self,
        host: &str,
        port: u16,
        family: Family,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        block_on(self.lookup(host, port, family)).unwrap_or(Err(LookupError::TryAgain))
    }

    fn ask(
        &self,
        host: &str,
        family: Family,
    ) -> Result<oneshot::Receiver<Result<Vec<IpAddr>, LookupError>>, LookupError> {
        let counted = Counted(self.shared.in_flight.clone());
        if self.shared.in_flight.fetch_add(1, Ordering::Relaxed) >= QUESTIONS_MAX {
            return Err(LookupError::Busy);
        }
        let (answer, receiver) = oneshot::channel();
        let question = Question { name: host.to_owned(), family, answer, _counted: counted };
        let mut thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match &*thread {
            Some(running) => running.send(question).map_err(|refused| refused.0),
            None => Err(question),
        };
        if let Err(question) = refused {
            let (questions, asked) = mpsc::unbounded_channel();
            thread::start(self.shared.config.clone(), asked).map_err(|_| LookupError::TryAgain)?;
            let _ = questions.send(question);
            *thread = Some(questions);
        }
        Ok(receiver)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `future` on this thread; `None` when it takes longer than a question may.
fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    let end = Instant::now() + QUESTION_TIME_MAX + Duration::from_secs(1);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = end.checked_duration_since(Instant::now())?;
        std::thread::park_timeout(left);
    }
}
