//! What the process takes of the machine.
//!
//! Owns: reading it (proc(5)). Must not know: who asks.

use std::time::{Duration, SystemTime};

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessUse {
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Descriptors that are open.
    pub descriptors: u64,
    /// How many may be.
    pub descriptors_max: u64,
    /// CPU time so far, user and system.
    pub cpu: Duration,
    /// Threads.
    pub threads: u64,
}

impl ProcessUse {
    /// As it is now; what the system does not tell is 0.
    pub fn now() -> ProcessUse {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let status = read("status");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
        };
        let stat = read("stat");
        // The name in parentheses may have spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        ProcessUse {
            resident_bytes: number("VmRSS:") << 10,
            // The look itself has one open.
            descriptors: std::fs::read_dir("/proc/self/fd")
                .map_or(0, |all| all.count() as u64)
                .saturating_sub(1),
            descriptors_max: rustix::process::getrlimit(rustix::process::Resource::Nofile)
                .current
                .unwrap_or(0),
            cpu: Duration::from_millis((ticks(11) + ticks(12)) * 1_000 / per_second),
            threads: number("Threads:"),
        }
    }
}

/// Seconds since 1970, as Prometheus has them.
pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
