//! The watch over a server's workers: which are stuck or have failed, and what takes their place.
//!
//! Owns: replacing, the hand-over of sockets, the count of stuck turns of a route. The engine has
//! built-ins that no interrupt reaches, and a kernel can fail a ring. Must not know: what a worker does.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::Shutdown;

use super::{Handle, KeptSocket, Server, WATCH};
use crate::error::Result;
use crate::io::{Backend, Pulse, memory};
use crate::listeners;
use crate::serving;
use crate::worker::Control;

/// Routes whose stuck turns are remembered.
const ROUTES_MAX: usize = 1_024;
/// For how long a stuck turn, or a failure of a worker, counts.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Failures of the workers of one number after which none takes their place.
const FAILURES_MAX: u32 = 8;

/// What the watch remembers: how often, and when last.
#[derive(Default)]
pub(super) struct Watched {
    /// Stuck turns by route.
    stuck: HashMap<String, (u32, Instant)>,
    /// Failures by the worker's number.
    failed: HashMap<usize, (u32, Instant)>,
    /// The most connections since memory was given back last, and when that was.
    connections_max: usize,
    trimmed: Option<Instant>,
    /// An engine that was replaced has gone since then.
    is_freed: bool,
}

/// So many connections leave memory behind that is worth giving back.
const CONNECTIONS_MANY: usize = 512;
/// Memory is given back no more often.
const TRIM_PAUSE: Duration = Duration::from_secs(2);

/// A look so long after the one before is a late one: the process was stopped (SIGSTOP), or had no core itself.
const LATE: Duration = WATCH.saturating_mul(4);

/// A worker's last beat, since when that is the last, and how long its thread had waited for a core by then.
pub(super) struct Seen {
    beat: Option<u64>,
    since: Instant,
    starved: Duration,
    /// The last look, and the time that passed before late ones: nobody knows what the worker could do in that.
    looked: Instant,
    unknown: Duration,
    memory_taken: bool,
}

impl Seen {
    pub(super) fn of(pulse: &Pulse) -> Seen {
        let beat = pulse.beat();
        // Asleep it waits for nothing.
        let starved = beat.map_or(Duration::ZERO, |_| pulse.starved());
        let now = Instant::now();
        Seen { beat, since: now, starved, looked: now, unknown: Duration::ZERO, memory_taken: false }
    }

    /// For how long it has been inside of one poll, without the time that others had its core, or that was nobody's.
    fn stands(&mut self, pulse: &Pulse) -> Duration {
        let now = Instant::now();
        let passed = now - std::mem::replace(&mut self.looked, now);
        if passed >= LATE {
            self.unknown += passed;
        }
        (now - self.since).saturating_sub(pulse.starved().saturating_sub(self.starved) + self.unknown)
    }
}

/// Counts one more, and forgets what is long ago.
fn count<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, (u32, Instant)>, key: K) -> u32 {
    let now = Instant::now();
    if counts.len() >= ROUTES_MAX {
        counts.retain(|_, (_, last)| now - *last < REMEMBERED);
    }
    if counts.len() >= ROUTES_MAX {
        counts.clear();
    }
    let (times, last) = counts.entry(key).or_insert((0, now));
    *times = if now - *last < REMEMBERED { *times + 1 } else { 1 };
    *last = now;
    *times
}

/// A worker that was found stuck.
pub(super) struct Stuck {
    pub(super) number: usize,
    /// What it serves.
    pub(super) serving: String,
    /// It has a replacement already.
    was_replaced: bool,
}

impl Server {
    /// Replaces workers that have been inside one poll for too long. Why the server is to end, if it is.
    pub(super) fn watch(&mut self) -> Option<String> {
        self.relieve();
        let limits = &self.config.limits;
        let (ms, threads_max) = (limits.stuck_ms_max, limits.stuck_threads_max);
        for stuck in self.find_stuck() {
            let Stuck { number, serving, was_replaced } = stuck;
            if was_replaced {
                continue;
            }
            tracing::error!(worker = number, "stuck for {ms} ms in {serving}: a new worker takes its place");
            self.count_stuck(&serving);
            self.try_replace(number, self.backend);
        }
        let threads = self.workers.iter().filter(|worker| worker.stuck).count();
        (threads >= threads_max).then(|| {
            let why = format!("{threads} threads are stuck (--stuck-threads-max)");
            tracing::error!("{why}: the server ends, to be started anew");
            why
        })
    }

    /// Gives memory back after an engine was replaced, and when few connections are left of many: on this
    /// thread, which serves nobody.
    pub(super) fn give_memory_back(&mut self) {
        let freed = self.workers.iter().filter(|worker| worker.engines.take_freed()).count() > 0;
        let connections = self.workers.iter().map(|worker| worker.serving.connections()).sum();
        let watched = &mut self.watched;
        watched.connections_max = watched.connections_max.max(connections);
        let few_of_many =
            watched.connections_max >= CONNECTIONS_MANY && connections <= watched.connections_max / 4;
        let pauses = watched.trimmed.is_some_and(|last| last.elapsed() < TRIM_PAUSE);
        watched.is_freed |= freed;
        if !pauses && (few_of_many || watched.is_freed) {
            watched.is_freed = false;
            watched.connections_max = connections;
            memory::trim();
            watched.trimmed = Some(Instant::now());
        }
    }

    /// Gives the connections that wait for a worker inside of one long poll to those that turn, as far as they
    /// have room: it may come to itself late, or never.
    fn relieve(&self) {
        let late = Duration::from_millis(self.config.limits.turn_cpu_ms_max) + WATCH;
        let serves = |worker: &&Handle| worker.listening && !worker.ended && !worker.replaced;
        let stands = |worker: &Handle| {
            worker.pulse.beat().is_some_and(|beat| worker.seen.beat == Some(beat))
                && worker.seen.since.elapsed() >= late
        };
        let mut free = self.workers.iter().filter(serves).filter(|worker| !stands(worker)).cycle();
        for worker in self.workers.iter().filter(serves).filter(|worker| stands(worker)) {
            self.listeners.pass_on(self.workers.len());
            for (place, socket) in worker.places.iter().zip(&worker.sockets) {
                // All workers accept from one that they share.
                let KeptSocket::Own(socket) = socket else { continue };
                let Some(other) = free.next() else { return };
                let Some(index) = other.index_of(*place) else { continue };
                let room = self.seats_max.saturating_sub(other.serving.connections());
                let taken = listeners::take_waiting(socket, room, || stands(worker));
                if !taken.is_empty() {
                    other.tell(Control::Adopt(index, taken));
                }
            }
        }
    }

    /// Those that have become stuck since the last look; their threads no longer get in the way of others.
    pub(super) fn find_stuck(&mut self) -> Vec<Stuck> {
        let limit = Duration::from_millis(self.config.limits.stuck_ms_max);
        // Later than its turn's own end, which is for all that an interrupt reaches.
        let overdue = Duration::from_millis(self.config.limits.turn_cpu_ms_max) + limit / 3;
        let mut found = Vec::new();
        // One that loads the app has limits of its own.
        for worker in self.workers.iter_mut().filter(|worker| worker.listening && !worker.ended) {
            let beat = worker.pulse.beat();
            if beat.is_none() || beat != worker.seen.beat {
                worker.seen = Seen::of(&worker.pulse);
                worker.stuck = false;
                continue;
            }
            let stands = worker.seen.stands(&worker.pulse);
            if stands >= overdue && !std::mem::replace(&mut worker.seen.memory_taken, true) {
                tracing::warn!(
                    worker = worker.number,
                    "in one call for {} ms in {}: its memory is taken, so that it ends",
                    stands.as_millis(),
                    worker.serving.read()
                );
                worker.engines.take_memory();
            }
            if !worker.stuck && stands >= limit {
                worker.stuck = true;
                let was_replaced = std::mem::replace(&mut worker.replaced, true);
                worker.pulse.lower_priority();
                found.push(Stuck { number: worker.number, serving: worker.serving.read(), was_replaced });
            }
        }
        found
    }

    /// Refuses a route whose turns get stuck again and again.
    fn count_stuck(&mut self, serving: &str) {
        let Some(route) = serving::route(serving) else { return };
        let limits = &self.config.limits;
        let times = count(&mut self.watched.stuck, route.to_owned());
        if times >= limits.stuck_turns_max {
            let span = Duration::from_millis(limits.refuse_ms);
            self.refused_routes.add(route, span);
            let ms = limits.refuse_ms;
            tracing::error!(
                "{route} is refused with 503 for {ms} ms: {times} turns of it got stuck (--stuck-turns-max)"
            );
        }
    }

    /// A worker ended by itself: in order, after it was replaced, or because its ring failed or of a panic.
    /// Then another one takes its place, and gets the connections that wait; the others go on.
    pub(super) fn ended(&mut self, life: u64, outcome: Result<()>) -> Result<()> {
        let Some(index) = self.workers.iter().position(|w| w.life == life) else { return Ok(()) };
        let worker = &mut self.workers[index];
        let number = worker.number;
        let Err(error) = outcome else {
            self.workers.remove(index);
            return self.unless_none(Ok(()));
        };
        let times = count(&mut self.watched.failed, number);
        let may = times <= FAILURES_MAX && !(worker.listening && worker.replaced);
        match may && worker.listening {
            // Its sockets wait for the replacement.
            true => (worker.ended, worker.replaced) = (true, true),
            false => drop(self.workers.remove(index)),
        }
        if !may {
            tracing::error!(worker = number, "the worker ended: {error}");
            self.watch_again(number);
            return self.unless_none(Err(error));
        }
        // A ring that fails twice is not worth a third try.
        let backend = if times > 1 { Backend::Epoll } else { self.backend };
        let on = if backend == self.backend { "" } else { ", on epoll" };
        tracing::error!(worker = number, "the worker ended: {error}: a new worker takes its place{on}");
        self.try_replace(number, backend);
        self.unless_none(Err(error))
    }

    /// `outcome`, if nobody is left to serve.
    fn unless_none(&self, outcome: Result<()>) -> Result<()> {
        if self.workers.iter().all(|worker| worker.ended) { outcome } else { Ok(()) }
    }

    fn try_replace(&mut self, number: usize, backend: Backend) {
        if let Err(error) = self.replace(number, backend) {
            tracing::error!(worker = number, "no replacement for the worker: {error}");
            self.watch_again(number);
        }
    }

    /// A stuck worker that still has its sockets was not replaced: the watch tries again.
    fn watch_again(&mut self, number: usize) {
        if self.workers.iter().any(|w| w.number == number && !w.listening) {
            return;
        }
        self.workers.retain(|w| w.number != number || !w.ended);
        for worker in self.workers.iter_mut().filter(|w| w.number == number && !w.sockets.is_empty()) {
            (worker.stuck, worker.replaced) = (false, false);
            worker.seen = Seen::of(&worker.pulse);
        }
    }

    fn replace(&mut self, number: usize, backend: Backend) -> Result<()> {
        let row = self.listeners.row(|place| self.datagrams_of(number, place))?;
        let handle = self.spawn(number, row, backend)?;
        self.workers.push(handle);
        Ok(())
    }

    /// A copy of the socket of datagrams that a worker has which is being replaced. A second one at its address would
    /// get some of the datagrams, and leave those that wait to nobody.
    fn datagrams_of(&self, number: usize, place: u64) -> Option<OwnedFd> {
        let old = self.workers.iter().find(|w| w.number == number && w.replaced && !w.sockets.is_empty());
        match old.and_then(|old| old.sockets.get(old.index_of(place)?))? {
            KeptSocket::Datagrams(socket) => socket.try_clone().ok(),
            _ => None,
        }
    }

    /// The replacement of a worker listens: it also gets the connections that wait for the old one, whose
    /// sockets close. The old worker ends when it comes to itself, if it has not.
    pub(super) fn hand_over(&mut self, life: u64) {
        let Some(fresh) = self.workers.iter().position(|w| w.life == life) else { return };
        self.workers[fresh].listening = true;
        let number = self.workers[fresh].number;
        let left = |w: &Handle| w.number == number && w.replaced && !w.sockets.is_empty();
        let Some(old) = self.workers.iter().position(left) else { return };
        let sockets = std::mem::take(&mut self.workers[old].sockets);
        let places = std::mem::take(&mut self.workers[old].places);
        for (place, socket) in places.into_iter().zip(sockets) {
            let KeptSocket::Own(socket) = socket else { continue };
            let Some(index) = self.workers[fresh].index_of(place) else { continue };
            let waiting = listeners::take_waiting(&socket, usize::MAX, || true);
            // An error means that it no longer listens.
            let _ = rustix::net::shutdown(&socket, Shutdown::Both);
            self.workers[fresh].tell(Control::Adopt(index, waiting));
        }
        self.listeners.wake_all(self.workers.len());
        self.workers[old].tell(Control::Drain);
        self.blueprint.give_up(self.workers[old].life);
        if self.workers[old].ended {
            self.workers.remove(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    use super::super::{ExitStatus, Server};
    use super::FAILURES_MAX;
    use crate::app::methods::Method;
    use crate::config::{Config, IoChoice, Limits, Listen, LogFormat, Scheme};
    use crate::error::Result;
    use crate::io;
    use crate::io::fault::{self, At};
    use crate::worker::{Connection, Protocol, Protocols};

    /// Answers each piece with the backend's name; `hold` with nothing.
    struct Answer;

    impl Protocol for Answer {
        fn serve(&self, connection: Connection) -> Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                while let Ok(chunk) = poll_fn(|cx| connection.poll_recv(cx)).await {
                    let (end, holds) = (chunk.is_empty(), &*chunk == b"hold");
                    drop(chunk);
                    if end {
                        break;
                    }
                    connection.set_busy(true);
                    let name = if holds { String::new() } else { format!("{:?}", io::backend()) };
                    connection.start_send(name.into_bytes());
                    if !holds {
                        connection.set_busy(false);
                    }
                }
                connection.close().await;
            })
        }
    }

    fn config(app: std::path::PathBuf) -> Config {
        Config {
            app,
            sources: Default::default(),
            args: Vec::new(),
            file: None,
            env: Vec::new(),
            listen: vec![Listen::new(Scheme::Tcp, SocketAddr::from(([127, 0, 0, 1], 0)))],
            tls: Vec::new(),
            self_signed: None,
            acme: None,
            site: None,
            proxies: Vec::new(),
            files: Default::default(),
            cgi: Default::default(),
            crons: Vec::new(),
            permissions: None,
            trusted_proxies: Default::default(),
            forwarded_fields: Default::default(),
            workers: 1,
            io: IoChoice::Auto,
            http2: true,
            dev: false,
            quiet: true,
            log: LogFormat::Text,
            answers: Default::default(),
            heap_from_cgroup: false,
            access_log: None,
            admin: None,
            reload: Default::default(),
            listens_by_default: false,
            account: None,
            limits: Limits::default(),
        }
    }

    /// The name of the backend that answers a new connection.
    fn answer(addr: SocketAddr) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"who")?;
        let mut bytes = [0; 64];
        let got = read(&mut stream, &mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..got]).into_owned())
    }

    /// One read; other tests of this process send signals, which end it early (signal(7)).
    fn read(stream: &mut TcpStream, bytes: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match stream.read(bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// A server of one worker on the ring, and its thread; none where io_uring is refused.
    fn served(name: &str) -> Option<(SocketAddr, JoinHandle<Result<ExitStatus>>)> {
        if io::probe(64).is_err() {
            eprintln!("SKIPPED: io_uring is refused here");
            return None;
        }
        let app = std::env::temp_dir().join(format!("jsserve-{name}-{}.mjs", std::process::id()));
        std::fs::write(&app, "export default { accept() {} }").expect("an app");
        let protocols = Protocols::default().with(Method::Accept, Answer);
        let server = Server::start(config(app.clone()), protocols).expect("a server");
        std::fs::remove_file(app).expect("remove");
        let addr = server.listeners.all().next().and_then(|it| it.address.ip()).expect("an address");
        let thread = std::thread::spawn(move || server.run());
        assert_eq!(answer(addr).expect("an answer"), "Some(Uring)");
        Some((addr, thread))
    }

    /// Failures are planned for threads by name, which workers of two servers share.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    #[test]
    fn a_worker_whose_ring_fails_is_replaced_and_on_epoll_the_second_time() {
        let _alone = ONE_AT_A_TIME.lock();
        let Some((addr, thread)) = served("ring") else { return };
        for (errno, times, wanted) in [(libc::EBADR, 1, "Some(Uring)"), (libc::ENOMEM, 100, "Some(Epoll)")] {
            let mut held = TcpStream::connect(addr).expect("connect");
            held.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
            held.write_all(b"hold").expect("send");
            // It is served by then.
            assert_eq!(answer(addr).expect("an answer"), "Some(Uring)");
            fault::plan(At::Turn, "worker-0", errno, times);
            // The next turn of the ring fails.
            let _ = held.write_all(b"hold");
            let ended = read(&mut held, &mut [0; 8]);
            let reset =
                ended.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
            assert!(reset, "what was in the middle ends with a reset: {ended:?}");
            let deadline = Instant::now() + Duration::from_secs(20);
            let mut last = answer(addr);
            while last.as_ref().ok().is_none_or(|name| name != wanted) {
                assert!(Instant::now() < deadline, "after errno {errno}: {last:?}");
                std::thread::sleep(Duration::from_millis(20));
                last = answer(addr);
            }
        }
        assert!(!thread.is_finished());
        fault::plan(At::Turn, "worker-0", 0, 0);
    }

    #[test]
    fn the_ninth_failure_of_a_worker_in_ten_minutes_is_its_last() {
        let _alone = ONE_AT_A_TIME.lock();
        let Some((addr, thread)) = served("failures") else { return };
        fault::plan(At::Start, "worker-0", libc::EMFILE, 100);
        fault::plan(At::Turn, "worker-0", libc::EBADR, 1);
        // One more turn of the ring.
        let _ = answer(addr);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !thread.is_finished() {
            assert!(Instant::now() < deadline, "a server without a worker goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = thread.join().expect("no panic");
        assert!(ended.is_err_and(|error| error.to_string().contains("start")), "the last worker's failure");
        assert_eq!(fault::count(At::Start, "worker-0"), FAILURES_MAX as usize);
        fault::plan(At::Start, "worker-0", 0, 0);
    }
}
