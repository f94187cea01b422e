//! What the service manager is told of the server (sd_notify(3)), and the watchdog that it has.
//!
//! Owns: the datagrams, when the watchdog is fed. Must not know: what the states are made of.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The service manager, where there is one that listens.
#[derive(Default)]
pub(super) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// Without a sign of life for so long it ends the service.
    watchdog: Option<Duration>,
    fed: Option<Instant>,
}

impl ServiceManager {
    /// That of this process (NOTIFY_SOCKET, WATCHDOG_USEC).
    pub(super) fn of_process() -> ServiceManager {
        let variable = |name| std::env::var(name).ok();
        let socket = variable("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect_addr(&address.ok()?).ok()?;
            // One that does not read must not hold us up.
            socket.set_nonblocking(true).ok()?;
            Some(socket)
        });
        // Of a process before this one, whose place this one takes, the number is another.
        let by_pid = variable("WATCHDOG_PID").and_then(|pid| pid.parse().ok());
        let is_ours = by_pid.is_none_or(|pid: u32| pid == std::process::id());
        let usec =
            variable("WATCHDOG_USEC").and_then(|usec| usec.parse().ok()).filter(|usec| *usec > 0 && is_ours);
        ServiceManager { socket, watchdog: usec.map(Duration::from_micros), fed: None }
    }

    /// Tells it of a state.
    pub(super) fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // Nobody may be there any more.
            let _ = socket.send(state.as_bytes());
        }
    }

    /// The server reads its settings again, or hands over; [`ready`](Self::ready) follows.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// The server serves.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// Feeds the watchdog, twice in its time, if the server `serves`.
    pub(super) fn feed(&mut self, serves: impl FnOnce() -> bool) {
        let Some(watchdog) = self.watchdog else { return };
        if self.fed.is_none_or(|fed| fed.elapsed() >= watchdog / 2) && serves() {
            self.tell("WATCHDOG=1");
            self.fed = Some(Instant::now());
        }
    }
}
