//! The scripts of all workers: how many run, who waits for a place, and their end with the server's.
//!
//! Owns: the places and their queue, the process groups that are alive. Must not know: who starts them, or watches them.

use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::io::process;

/// Scripts that run at the same time, for each core, where nothing else is said.
const SCRIPTS_PER_CORE: usize = 64;
/// How long is waited for what SIGKILL has ended.
const KILLED: Duration = Duration::from_millis(500);

/// A place among the scripts that run; free again when dropped.
pub struct ScriptSlot {
    _permit: OwnedSemaphorePermit,
}

/// The scripts of all workers.
pub struct Scripts {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_max: usize,
    /// The soft limit of descriptors that this process was started with, and its scripts have.
    descriptors_max: Option<u64>,
    kill: Duration,
    /// The leaders of the process groups that are alive; a number that is in it is no other group's.
    groups: Mutex<HashSet<i32>>,
    changed: Condvar,
}

/// One of those who wait.
struct QueuedRequest(Arc<Scripts>);

impl Drop for QueuedRequest {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Scripts {
    /// Those of the configuration, where there are some; `descriptors_max` is the limit that each has, that which this
    /// process was started with.
    pub fn of(config: &Config, descriptors_max: Option<u64>) -> Option<Arc<Scripts>> {
        let limits = &config.limits;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let scripts_max = limits.cgi_scripts_max.unwrap_or_else(|| SCRIPTS_PER_CORE * cores());
        (!config.cgi.folders.is_empty()).then(|| {
            Arc::new(Scripts {
                places: Arc::new(Semaphore::new(scripts_max.min(Semaphore::MAX_PERMITS))),
                waiting: AtomicUsize::new(0),
                queue_max: limits.cgi_queue_max,
                descriptors_max,
                kill: Duration::from_millis(limits.cgi_kill_ms),
                groups: Mutex::default(),
                changed: Condvar::new(),
            })
        })
    }

    pub(super) fn descriptors_max(&self) -> Option<u64> {
        self.descriptors_max
    }

    /// A place, which is waited for in the order of the calls; `None`: too many wait.
    pub(super) fn slot(self: &Arc<Self>) -> Option<impl Future<Output = Option<ScriptSlot>> + use<>> {
        let at_once = self.places.clone().try_acquire_owned().ok();
        let waiting = match at_once {
            Some(_) => None,
            None if self.waiting.fetch_add(1, Ordering::Relaxed) < self.queue_max => {
                Some(QueuedRequest(self.clone()))
            }
            None => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return None;
            }
        };
        let places = self.places.clone();
        Some(async move {
            let _waiting = waiting;
            match at_once {
                Some(permit) => Some(ScriptSlot { _permit: permit }),
                None => places.acquire_owned().await.ok().map(|permit| ScriptSlot { _permit: permit }),
            }
        })
    }

    /// The groups that are alive. Whoever reaps a leader holds this meanwhile.
    pub(super) fn groups(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_ended(&self, groups: &mut HashSet<i32>, leader: i32) {
        groups.remove(&leader);
        self.changed.notify_all();
    }

    /// Waits for all scripts until `deadline`, then ends those that are left. Whether none was.
    pub fn end(&self, deadline: Instant) -> bool {
        if self.await_none(deadline) {
            return true;
        }
        for (signal, time) in [(libc::SIGTERM, self.kill), (libc::SIGKILL, KILLED)] {
            let groups = self.groups();
            tracing::warn!("{} scripts are still running: sending them signal {signal}", groups.len());
            for leader in groups.iter() {
                // Who has ended meanwhile gets none.
                let _ = process::kill(-leader, signal);
            }
            drop(groups);
            if self.await_none(Instant::now() + time) {
                break;
            }
        }
        false
    }

    fn await_none(&self, deadline: Instant) -> bool {
        let mut groups = self.groups();
        while !groups.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            groups = self.changed.wait_timeout(groups, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
