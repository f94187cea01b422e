//! The thread that starts a worker's scripts, sees them end, and ends them.
//!
//! Owns: each process from its start until nobody of its group is left: its time, SIGTERM and SIGKILL, its status, its
//! standard error. A worker that is stuck, or gone, changes nothing about that. Must not know: HTTP, the worker's loop.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};
use rustix::thread::{sched_getaffinity, sched_setaffinity};
use tokio::sync::oneshot;

use super::script_log::ScriptLog;
use super::scripts::{ScriptSlot, Scripts};
use crate::io::process::{self, SpawnOptions};
use crate::log::{self, Kind};

/// How a script ended.
#[derive(Debug)]
pub enum ScriptEnd {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It did not start.
    NotStarted(io::Error),
    /// It ran for longer than it may, and is ended now.
    TimedOut,
    /// A turn of its JavaScript has used more CPU time than it may.
    CpuUsed,
    /// Its JavaScript has filled its heap.
    HeapFull,
}

/// What the thread is told.
pub(super) enum Order {
    /// Start a script.
    Start(Box<Start>),
    /// Nobody wants the script of that number any more.
    End(u64),
}

/// A script to be started.
pub(super) struct Start {
    pub(super) number: u64,
    pub(super) program: SpawnOptions,
    /// What it writes to its standard error.
    pub(super) errors: OwnedFd,
    /// Its file and its request, for the log.
    pub(super) name: String,
    pub(super) request_id: String,
    /// When it has to be over.
    pub(super) until: Instant,
    pub(super) slot: ScriptSlot,
    pub(super) told: oneshot::Sender<ScriptEnd>,
}

/// The way to the thread, which ends when all of them are gone, with all of its scripts.
#[derive(Clone)]
pub(super) struct Supervisor(Arc<OrderSender>);

struct OrderSender {
    orders: Option<Sender<Order>>,
    bell: Arc<OwnedFd>,
}

impl Supervisor {
    /// Starts the thread.
    pub(super) fn start(
        scripts: Arc<Scripts>,
        worker: usize,
        run_ms: u64,
        kill_ms: u64,
    ) -> io::Result<Supervisor> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&events, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        let (sender, orders) = unbounded();
        let thread = Thread {
            scripts,
            worker,
            run_ms,
            kill: Duration::from_millis(kill_ms),
            orders,
            bell: bell.clone(),
            events,
            running: HashMap::new(),
            is_closed: false,
        };
        std::thread::Builder::new().name(format!("scripts-{worker}")).spawn(move || thread.run())?;
        Ok(Supervisor(Arc::new(OrderSender { orders: Some(sender), bell })))
    }

    /// Tells it `order`.
    pub(super) fn send(&self, order: Order) {
        if let Some(orders) = &self.0.orders {
            // It goes only after us.
            let _ = orders.send(order);
            ring(&self.0.bell);
        }
    }
}

impl Drop for OrderSender {
    fn drop(&mut self) {
        self.orders = None;
        ring(&self.bell);
    }
}

fn ring(bell: &OwnedFd) {
    // It cannot fail but where it is rung already, 2^64 times.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// The bell among the events; a script has its number twice, and one more for its standard error.
const BELL: u64 = u64::MAX;
/// How soon is looked whether somebody of a group is left whose leader has ended, and for each leader where the kernel has
/// no descriptors of processes (before Linux 5.3); each time later, up to the second.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_MAX: Duration = Duration::from_millis(500);

/// Where a script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScriptStage {
    /// It may run until then.
    Running(Instant),
    /// SIGTERM is sent; SIGKILL follows then.
    Ending(Instant),
    /// SIGKILL is sent.
    Killed,
}

/// A script's processes: all of the group that its first one leads.
struct Running {
    leader: i32,
    pidfd: Option<OwnedFd>,
    /// The leader has ended, and its status is known.
    is_reaped: bool,
    stage: ScriptStage,
    /// When is looked for what no event tells of, and how long after that again.
    look: (Instant, Duration),
    errors: ScriptLog,
    told: Option<oneshot::Sender<ScriptEnd>>,
    _slot: ScriptSlot,
}

impl Running {
    fn signal(&self, signal: i32) -> io::Result<()> {
        process::signal_group(self.pidfd.as_ref().map(AsFd::as_fd), self.leader, signal)
    }

    /// Asks all of the group to end.
    fn end(&mut self, kill: Duration) {
        if let ScriptStage::Running(_) = self.stage {
            self.stage = ScriptStage::Ending(Instant::now() + kill);
            // Who has ended meanwhile is seen to have.
            let _ = self.signal(libc::SIGTERM);
        }
    }

    /// When there is something to do that no event tells of.
    fn next(&self) -> Option<Instant> {
        let at = match self.stage {
            ScriptStage::Running(at) | ScriptStage::Ending(at) => Some(at),
            ScriptStage::Killed => None,
        };
        let look = (self.is_reaped || self.pidfd.is_none()).then_some(self.look.0);
        match (at, look) {
            (Some(at), Some(look)) => Some(at.min(look)),
            (at, look) => at.or(look),
        }
    }
}

struct Thread {
    scripts: Arc<Scripts>,
    worker: usize,
    run_ms: u64,
    kill: Duration,
    orders: Receiver<Order>,
    bell: Arc<OwnedFd>,
    events: OwnedFd,
    running: HashMap<u64, Running>,
    /// Nobody gives orders any more.
    is_closed: bool,
}

impl Thread {
    fn run(mut self) {
        // The worker that has started us is pinned to a core; scripts run where the process may.
        if let Ok(all) = sched_getaffinity(Some(getpid())) {
            let _ = sched_setaffinity(None, &all);
        }
        let mut events = Vec::with_capacity(64);
        while !(self.is_closed && self.running.is_empty()) {
            events.clear();
            let now = Instant::now();
            let next = self.running.values().filter_map(Running::next).min();
            let wait = next.map(|at| at.saturating_duration_since(now) + Duration::from_millis(1));
            let wait = wait.and_then(|wait| rustix::time::Timespec::try_from(wait).ok());
            let _ = epoll::wait(&self.events, rustix::buffer::spare_capacity(&mut events), wait.as_ref());
            for event in &events {
                let epoll::Event { data, .. } = *event;
                match data.u64() {
                    BELL => self.take_orders(),
                    number if number % 2 == 1 => self.pass_errors_on(number / 2),
                    number => self.reap(number / 2),
                }
            }
            self.look();
        }
    }

    fn take_orders(&mut self) {
        let mut count = [0; size_of::<u64>()];
        let _ = rustix::io::read(&self.bell, &mut count);
        loop {
            match self.orders.try_recv() {
                Ok(Order::Start(start)) => self.start(*start),
                Ok(Order::End(number)) => {
                    if let Some(script) = self.running.get_mut(&number) {
                        script.end(self.kill);
                    }
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.is_closed = true;
                    let kill = self.kill;
                    self.running.values_mut().for_each(|script| script.end(kill));
                    return;
                }
            }
        }
    }

    fn start(&mut self, start: Start) {
        let Start { number, program, errors, name, request_id, until, slot, told } = start;
        // Who has left while others were started wants no script.
        if told.is_closed() {
            return;
        }
        let started = ScriptLog::new(errors, name, request_id).and_then(|errors| {
            let leader = process::start(program)?;
            self.scripts.groups().insert(leader);
            Ok((errors, leader))
        });
        let (errors, leader) = match started {
            Ok(started) => started,
            Err(error) => {
                let _ = told.send(ScriptEnd::NotStarted(error));
                return;
            }
        };
        let pidfd = Pid::from_raw(leader).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let watch = |fd: std::os::fd::BorrowedFd<'_>, number| {
            epoll::add(&self.events, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN).is_ok()
        };
        let pidfd = pidfd.filter(|pidfd| watch(pidfd.as_fd(), number * 2));
        watch(errors.fd(), number * 2 + 1);
        let (stage, told) = (ScriptStage::Running(until), Some(told));
        let look = (Instant::now() + LOOK, LOOK);
        let script = Running { leader, pidfd, is_reaped: false, stage, look, errors, told, _slot: slot };
        self.running.insert(number, script);
    }

    fn pass_errors_on(&mut self, number: u64) {
        if let Some(script) = self.running.get_mut(&number)
            && !script.errors.pass_on()
        {
            let _ = epoll::delete(&self.events, script.errors.fd());
        }
    }

    /// Takes the status of a leader that has ended. Nobody of its group outlives it for long: who is to go on makes a
    /// session of its own.
    fn reap(&mut self, number: u64) {
        let Some(script) = self.running.get_mut(&number).filter(|script| !script.is_reaped) else { return };
        let mut groups = self.scripts.groups();
        let end = match process::wait(script.leader, libc::WNOHANG) {
            Ok((0, _)) => return,
            Ok((_, status)) if libc::WIFSIGNALED(status) => ScriptEnd::Killed(libc::WTERMSIG(status)),
            Ok((_, status)) if libc::WIFEXITED(status) => ScriptEnd::Exited(libc::WEXITSTATUS(status)),
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            // Somebody else of this process has waited for it (os.waitpid(-1)).
            Err(_) => ScriptEnd::Exited(0),
        };
        script.is_reaped = true;
        script.look = (Instant::now() + LOOK, LOOK);
        if let Some(pidfd) = &script.pidfd {
            let _ = epoll::delete(&self.events, pidfd);
        }
        script.errors.pass_on();
        script.errors.finish();
        if let Some(told) = script.told.take() {
            // The answer may be out already.
            let _ = told.send(end);
        }
        match script.signal(0) {
            Ok(()) => {
                drop(groups);
                script.end(self.kill);
            }
            Err(_) => {
                self.scripts.has_ended(&mut groups, script.leader);
                drop(groups);
                self.running.remove(&number);
            }
        }
    }

    /// Looks at the time of each script, and at what no event tells of.
    fn look(&mut self) {
        let now = Instant::now();
        let mut gone = Vec::new();
        let mut unseen = Vec::new();
        for (number, script) in &mut self.running {
            match script.stage {
                ScriptStage::Running(until) if now >= until => {
                    time_out(script, self.worker, self.run_ms);
                    script.end(self.kill);
                }
                ScriptStage::Ending(at) if now >= at => {
                    kill(script, self.worker, self.kill);
                }
                _ => {}
            }
            if now < script.look.0 {
                continue;
            }
            let pause = script.look.1;
            script.look = (now + pause, (pause * 2).min(LOOK_MAX));
            if !script.is_reaped {
                unseen.push(*number);
                continue;
            }
            // What of the group has become ours (init of a container) is to be waited for.
            while matches!(process::wait(-script.leader, libc::WNOHANG), Ok((1.., _))) {}
            // Nobody outlives SIGKILL, and who has ended needs no place, though init may take its time to wait for it.
            if script.stage == ScriptStage::Killed || script.signal(0).is_err() || !has_living(script.leader)
            {
                gone.push((*number, script.leader));
            }
        }
        for (number, leader) in gone {
            self.scripts.has_ended(&mut self.scripts.groups(), leader);
            self.running.remove(&number);
        }
        unseen.into_iter().for_each(|number| self.reap(number));
    }
}

/// Says that a script has run for as long as it may: to who waits for it, else to the log.
fn time_out(script: &mut Running, worker: usize, run_ms: u64) {
    let Some(told) = script.told.take() else { return };
    if told.send(ScriptEnd::TimedOut).is_ok() {
        return;
    }
    let (name, request_id) = script.errors.subject();
    if let Some(more) = log::admits_limit(Kind::CgiRun) {
        tracing::warn!(
            worker,
            request_id,
            "{name}: it ran for {run_ms} ms, beyond its answer (--cgi-timeout){more}"
        );
    }
}

fn kill(script: &mut Running, worker: usize, kill: Duration) {
    script.stage = ScriptStage::Killed;
    let is_left = !script.is_reaped || has_living(script.leader);
    if !is_left || script.signal(libc::SIGKILL).is_err() {
        return;
    }
    let (name, request_id) = script.errors.subject();
    if let Some(more) = log::admits_limit(Kind::CgiKill) {
        let ms = kill.as_millis();
        tracing::warn!(
            worker,
            request_id,
            "{name}: it did not end within {ms} ms of SIGTERM (--cgi-kill-timeout): killed{more}"
        );
    }
}

/// Whether anybody of the group has not ended: who has, and is not waited for, is of it still (proc(5), stat).
fn has_living(group: i32) -> bool {
    let Ok(all) = std::fs::read_dir("/proc") else { return true };
    all.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()).any(|stat| {
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let is_living = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
        is_living && fields.nth(1) == Some(&*group.to_string())
    })
}
