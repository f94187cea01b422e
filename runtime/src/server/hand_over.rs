//! The hand-over of the listeners to a new process of the program, as it is on disk now (SIGUSR2).
//!
//! Owns: starting it with our sockets and secrets, waiting until it serves, and our own leave then: clients come anew with
//! their next request. Must not know: how a worker drains.

use std::ffi::{CString, OsString};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{KeptSocket, Server};
use crate::error::{Error, ErrorKind, Result};
use crate::io::activation::{self, FIRST};
use crate::io::process::{self, SpawnOptions};
use crate::listeners::HAND_OVER;
use crate::tls::TicketSecrets;
use crate::worker::Control;

/// What the new process says when it serves.
const READY: &[u8] = b"ready";
/// More than it may take to load the app.
const START_MORE: Duration = Duration::from_secs(30);
/// For so long, at most, connections without a request are left to their clients.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// Variables of the service manager that are for one process.
const FOR_ONE: [&str; 5] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", HAND_OVER];

/// What the process before handed to this one, beside its sockets.
#[derive(Default)]
pub(super) struct HandedOver {
    pub(super) tickets: Option<Arc<TicketSecrets>>,
    ready: Option<PipeWriter>,
}

impl HandedOver {
    /// What was handed to this process.
    pub(super) fn of_process() -> HandedOver {
        let numbers = std::env::var(HAND_OVER).ok();
        let numbers = numbers.as_deref().and_then(|numbers| numbers.split_once(':'));
        let Some((ready, tickets)) = numbers else { return HandedOver::default() };
        let descriptor = |number: &str| activation::descriptor(number.parse().ok()?);
        let tickets = descriptor(tickets).and_then(|pipe| {
            let mut bytes = Vec::new();
            PipeReader::from(pipe).read_to_end(&mut bytes).ok()?;
            TicketSecrets::import(&bytes)
        });
        HandedOver { tickets, ready: descriptor(ready).map(PipeWriter::from) }
    }

    /// Tells the process before that this one serves; whether there is one, which tells the service manager.
    pub(super) fn ready(&mut self) -> bool {
        let Some(mut pipe) = self.ready.take() else { return false };
        // It may have given up.
        let _ = pipe.write_all(READY);
        true
    }
}

/// The hand-over of a server.
pub(super) struct HandOver {
    /// The program's file, as it was called when this process began.
    program: Option<PathBuf>,
    started: (Sender<Result<i32>>, Receiver<Result<i32>>),
    is_starting: bool,
    /// Another process serves; until when this one waits for clients to leave.
    leaves: Option<Instant>,
}

impl Default for HandOver {
    fn default() -> Self {
        // The link has another text once the file is replaced.
        let program = std::env::current_exe().ok();
        HandOver { program, started: unbounded(), is_starting: false, leaves: None }
    }
}

impl HandOver {
    /// Processes that were started.
    pub(super) fn started(&self) -> &Receiver<Result<i32>> {
        &self.started.1
    }

    /// Another process serves.
    pub(super) fn is_done(&self) -> bool {
        self.leaves.is_some()
    }
}

impl Server {
    /// Starts a process that is to take the place of this one.
    pub(super) fn begin_hand_over(&mut self) {
        if self.hand_over.is_starting || self.hand_over.is_done() {
            tracing::warn!("SIGUSR2: a hand-over is under way");
            return;
        }
        let Some(program) = self.hand_over.program.clone() else {
            tracing::error!("hand-over failed: the program's file is not known (/proc/self/exe)");
            return;
        };
        tracing::info!("SIGUSR2: {} is started to take over", program.display());
        let (sockets, names) = self.sockets_to_hand_over();
        let tickets = self.certificates.tls.as_ref().map(|tls| tls.tickets().export()).unwrap_or_default();
        let limit = Duration::from_millis(self.config.limits.start_ms_max) + START_MORE;
        let sender = self.hand_over.started.0.clone();
        let start = move || {
            // The receiver is gone only when the server is.
            let _ = sender.send(start(program, sockets, &names, &tickets, limit));
        };
        match std::thread::Builder::new().name("hand-over".into()).spawn(start) {
            Ok(_) => self.hand_over.is_starting = true,
            Err(error) => tracing::error!("hand-over failed: {error}"),
        }
    }

    /// All that workers listen on, with the names of these.
    fn sockets_to_hand_over(&self) -> (Vec<OwnedFd>, Vec<String>) {
        let (mut sockets, mut names) = (Vec::new(), Vec::new());
        for place in self.listeners.places() {
            let mut add = |socket: Option<OwnedFd>| {
                names.extend(socket.iter().map(|_| place.name().to_owned()));
                sockets.extend(socket);
            };
            if let Some(shared) = place.shared() {
                add(Some(shared));
                continue;
            }
            for worker in &self.workers {
                let Some(index) = worker.index_of(place.id) else { continue };
                let kept = worker.sockets.get(index);
                if let Some(KeptSocket::Own(socket) | KeptSocket::Datagrams(socket)) = kept {
                    add(socket.try_clone().ok());
                }
            }
        }
        if let Some((socket, name)) = self.board.as_ref().and_then(|board| board.socket_to_hand_over()) {
            sockets.push(socket);
            names.push(name.to_owned());
        }
        (sockets, names)
    }

    /// The process serves, or could not be started.
    pub(super) fn has_started(&mut self, outcome: Result<i32>) {
        self.hand_over.is_starting = false;
        let pid = match outcome {
            Ok(pid) => pid,
            Err(error) => {
                tracing::error!("hand-over failed: {error}\n  This process goes on.");
                return;
            }
        };
        tracing::info!("process {pid} has taken over; this one ends with what is in flight");
        self.manager.tell(&format!("MAINPID={pid}\nREADY=1"));
        self.listeners.give_up();
        if let Some(board) = &self.board {
            board.gives_up();
        }
        for worker in &mut self.workers {
            worker.sockets.clear();
            worker.places.clear();
            worker.tell(Control::Leave);
        }
        let drain = Duration::from_millis(self.config.limits.drain_ms_max);
        self.hand_over.leaves = Some(Instant::now() + LEAVE_MAX.min(drain / 2));
    }

    /// Whether all clients have left for the other process, or have had their time for it.
    pub(super) fn has_left(&self) -> bool {
        let connections = || self.workers.iter().map(|worker| worker.serving.connections()).sum::<usize>();
        self.hand_over.leaves.is_some_and(|until| Instant::now() >= until || connections() == 0)
    }
}

/// Starts `program` with this process's arguments, and waits until it serves: its process id.
fn start(
    program: PathBuf,
    sockets: Vec<OwnedFd>,
    names: &[String],
    tickets: &[u8],
    limit: Duration,
) -> Result<i32> {
    let failed = |what: &str| {
        let what = format!("{}: {what}", program.display());
        move |error| Error::system(what, error)
    };
    let (mut reader, ready) = std::io::pipe().map_err(failed("a pipe"))?;
    let (secrets, mut writer) = std::io::pipe().map_err(failed("a pipe"))?;
    // A pipe holds more than that.
    writer.write_all(tickets).map_err(failed("a pipe"))?;
    drop(writer);
    let count = sockets.len();
    let own = [OwnedFd::from(ready), OwnedFd::from(secrets)];
    // Above the numbers that they get.
    let above = FIRST + count as i32 + 2;
    let lifted = sockets.iter().chain(&own).map(|fd| rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), above));
    let inherited = lifted.collect::<rustix::io::Result<Vec<OwnedFd>>>();
    let inherited = inherited.map_err(|errno| failed("its sockets")(errno.into()))?;
    drop((sockets, own));
    let mut environment: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| FOR_ONE.iter().all(|known| name != known)).collect();
    for (name, value) in [
        ("LISTEN_FDS", count.to_string()),
        ("LISTEN_FDNAMES", names.join(":")),
        (HAND_OVER, format!("{}:{}", FIRST + count as i32, FIRST + count as i32 + 1)),
    ] {
        environment.push((name.into(), value.into()));
    }
    let c_string = |text: OsString| CString::new(text.into_vec()).unwrap_or_default();
    let pair = |(name, value): (OsString, OsString)| c_string([name, value].join("=".as_ref()));
    let pid = process::start(SpawnOptions {
        files: vec![c_string(program.clone().into_os_string())],
        arguments: std::env::args_os().map(c_string).collect(),
        environment: environment.into_iter().map(pair).collect(),
        inherited,
        ..SpawnOptions::default()
    })
    .map_err(failed("it cannot be started"))?;
    match await_ready(&mut reader, limit) {
        Ok(()) => Ok(pid),
        Err(why) => {
            let _ = process::kill(pid, libc::SIGKILL);
            let ended =
                process::wait_for(pid).map_or_else(|_| String::new(), |code| format!(" (status {code})"));
            Err(Error::new(ErrorKind::System, format!("{}: {why}{ended}", program.display()))
                .remedy("What it says of that stands above."))
        }
    }
}

fn await_ready(reader: &mut PipeReader, limit: Duration) -> std::result::Result<(), &'static str> {
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: 0 };
    let mut polled = [PollFd::new(reader, PollFlags::IN)];
    match poll(&mut polled, Some(&limit)) {
        Ok(0) => return Err("it does not serve in time (--start-timeout)"),
        Ok(_) => {}
        Err(_) => return Err("it cannot be waited for"),
    }
    let mut said = Vec::new();
    match reader.take(READY.len() as u64).read_to_end(&mut said) {
        Ok(_) if said == READY => Ok(()),
        _ => Err("it ended before it served"),
    }
}
