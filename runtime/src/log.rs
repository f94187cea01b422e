//! Log lines that clients, or the errors of handlers, can cause: so many a second of each kind; what
//! goes beyond is counted.
//!
//! Owns: the kinds, their budgets and counts (one each for the whole process, for it has one log), the line that
//! says how many were left out. Must not know: what the lines say.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lines of one kind in a second; a limit that refuses requests has one.
const LINES_MAX: u32 = 10;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A handler failed its request.
    Failed,
    /// A response broke off after its head.
    Broken,
    /// An error that no request takes: an unhandled rejection, `reportError`, `ctx.waitUntil`.
    Reported,
    /// A handler of raw TCP failed its connection.
    Raw,
    /// A handler failed its datagram, or the socket did.
    Datagram,
    /// The kernel sent a datagram to nobody.
    DatagramRefused,
    /// An `os.Worker` of an app failed.
    Worker,
    /// No connection can be accepted.
    Accept,
    /// A JavaScript context is replaced.
    Replaced,
    /// A client went away, or what a handler passed on broke off.
    Gone,
    /// A connection to another server failed.
    Upstream,
    /// A task panicked.
    Panic,
    /// A connection without a header of the PROXY protocol, or of somebody who may not send one.
    Proxy,
    /// A TLS handshake came to nothing.
    Handshake,
    /// `--mailbox-max`
    Mailbox,
    /// What a CGI script writes to its standard error.
    Script,
    /// `--header-max`
    HeaderBytes,
    /// `--header-fields-max`
    HeaderFields,
    /// `--target-max`
    TargetBytes,
    /// `--body-max`
    BodyBytes,
    /// `--header-timeout`
    HeaderTime,
    /// `--body-timeout`
    BodyTime,
    /// `--request-timeout`
    RequestTime,
    /// `--idle-timeout`, of a response
    StreamTime,
    /// `--event-queue`
    EventQueue,
    /// `--datagrams-max`
    Datagrams,
    /// `--datagram-queue`
    DatagramQueue,
    /// `--http2-resets-max`, `--http2-control-frames-max`
    Http2Flood,
    /// `--write-buffer-max`
    WriteBuffer,
    /// `--websocket-message-max`
    WebSocketMessage,
    /// `--websocket-queue-max`
    WebSocketQueue,
    /// `--cgi-queue-max`, and `--cgi-scripts-max` for as long as `--cgi-head-timeout`
    CgiQueue,
    /// `--cgi-head-timeout`
    CgiHead,
    /// `--cgi-timeout`
    CgiRun,
    /// `--cgi-stall-timeout`
    CgiStall,
    /// `--cgi-kill-timeout`
    CgiKill,
    /// `--cpu-max`
    Cpu,
    /// `--heap-max`
    Heap,
}

impl Kind {
    const COUNT: usize = Kind::Heap as usize + 1;

    /// In the line that says how many were left out; none where each line says it itself.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Kind::Failed => "failed requests",
            Kind::Broken => "broken responses",
            Kind::Reported => "reported errors",
            Kind::Raw => "failed connections",
            Kind::Datagram => "failed datagrams",
            Kind::DatagramRefused => "datagrams that could not be sent",
            Kind::Worker => "failed Workers",
            Kind::Accept => "accept",
            Kind::Replaced => "replaced contexts",
            Kind::Gone => "clients gone",
            Kind::Upstream => "connections to other servers",
            Kind::Panic => "panics",
            Kind::Proxy => "refused connections",
            Kind::Handshake => "failed TLS handshakes",
            Kind::Mailbox => "dropped messages",
            Kind::Script => "lines of CGI scripts",
            _ => return None,
        })
    }

    /// As metrics have it: for a limit its flag, without the dashes.
    fn label(self) -> &'static str {
        match self {
            Kind::HeaderBytes => "header-max",
            Kind::HeaderFields => "header-fields-max",
            Kind::TargetBytes => "target-max",
            Kind::BodyBytes => "body-max",
            Kind::HeaderTime => "header-timeout",
            Kind::BodyTime => "body-timeout",
            Kind::RequestTime => "request-timeout",
            Kind::StreamTime => "idle-timeout",
            Kind::EventQueue => "event-queue",
            Kind::Datagrams => "datagrams-max",
            Kind::DatagramQueue => "datagram-queue",
            Kind::Http2Flood => "http2-resets-max",
            Kind::WriteBuffer => "write-buffer-max",
            Kind::WebSocketMessage => "websocket-message-max",
            Kind::WebSocketQueue => "websocket-queue-max",
            Kind::CgiQueue => "cgi-queue-max",
            Kind::CgiHead => "cgi-head-timeout",
            Kind::CgiRun => "cgi-timeout",
            Kind::CgiStall => "cgi-stall-timeout",
            Kind::CgiKill => "cgi-kill-timeout",
            Kind::Cpu => "cpu-max",
            Kind::Heap => "heap-max",
            named => named.name().unwrap_or_default(),
        }
    }

    fn lines_max(self) -> u32 {
        if self.name().is_some() { LINES_MAX } else { 1 }
    }
}

/// The kinds that have a line of their own for what was left out.
const TOLD: [Kind; 16] = [
    Kind::Failed,
    Kind::Broken,
    Kind::Reported,
    Kind::Raw,
    Kind::Datagram,
    Kind::DatagramRefused,
    Kind::Worker,
    Kind::Accept,
    Kind::Replaced,
    Kind::Gone,
    Kind::Upstream,
    Kind::Panic,
    Kind::Proxy,
    Kind::Handshake,
    Kind::Mailbox,
    Kind::Script,
];

/// The kinds that each line tells of itself: limits.
const LIMITS: [Kind; Kind::COUNT - TOLD.len()] = [
    Kind::HeaderBytes,
    Kind::HeaderFields,
    Kind::TargetBytes,
    Kind::BodyBytes,
    Kind::HeaderTime,
    Kind::BodyTime,
    Kind::RequestTime,
    Kind::StreamTime,
    Kind::EventQueue,
    Kind::Datagrams,
    Kind::DatagramQueue,
    Kind::Http2Flood,
    Kind::WriteBuffer,
    Kind::WebSocketMessage,
    Kind::WebSocketQueue,
    Kind::CgiQueue,
    Kind::CgiHead,
    Kind::CgiRun,
    Kind::CgiStall,
    Kind::CgiKill,
    Kind::Cpu,
    Kind::Heap,
];

/// How often lines of one kind were asked for since the process began.
#[derive(Clone, Copy, Debug)]
pub struct LineCount {
    /// The kind; of a limit its flag, without the dashes.
    pub label: &'static str,
    /// Whether it is a limit.
    pub is_limit: bool,
    /// How often.
    pub times: u64,
    /// How many of the lines were left out.
    pub left_out: u64,
}

/// Lines asked for, and those left out.
struct Total(AtomicU64, AtomicU64);

static TOTALS: [Total; Kind::COUNT] = [const { Total(AtomicU64::new(0), AtomicU64::new(0)) }; Kind::COUNT];

/// The counts of all kinds.
pub fn counts() -> impl Iterator<Item = LineCount> {
    let all = LIMITS.into_iter().map(|kind| (kind, true)).chain(TOLD.into_iter().map(|kind| (kind, false)));
    all.map(|(kind, is_limit)| {
        let Total(times, left_out) = &TOTALS[kind as usize];
        let (times, left_out) = (times.load(Ordering::Relaxed), left_out.load(Ordering::Relaxed));
        LineCount { label: kind.label(), is_limit, times, left_out }
    })
}

/// One more line of `kind`: whether it may be written, and how many were left out before it.
fn ask(kind: Kind) -> (bool, u32) {
    let asked = BUDGETS[kind as usize].ask(second(), kind.lines_max());
    let Total(times, left_out) = &TOTALS[kind as usize];
    times.fetch_add(1, Ordering::Relaxed);
    left_out.fetch_add(u64::from(!asked.0), Ordering::Relaxed);
    asked
}

/// A second, in the upper half, and the lines asked for in it.
struct Budget(AtomicU64);

static BUDGETS: [Budget; Kind::COUNT] = [const { Budget(AtomicU64::new(0)) }; Kind::COUNT];

impl Budget {
    /// One more line in `second`: whether it may be written, and how many of an earlier second were
    /// left out and are not told yet.
    fn ask(&self, second: u32, lines_max: u32) -> (bool, u32) {
        let next = |state: u64| {
            let (then, count) = split(state);
            Some(join(second, if then == second { count.saturating_add(1) } else { 1 }))
        };
        let before =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|same| same);
        match split(before) {
            (then, count) if then == second => (count < lines_max, 0),
            (_, count) => (true, count.saturating_sub(lines_max)),
        }
    }

    /// What was left out before `second` and is told now.
    fn take(&self, second: u32, lines_max: u32) -> u32 {
        let state = self.0.load(Ordering::Relaxed);
        let (then, count) = split(state);
        if then == second || count <= lines_max {
            return 0;
        }
        let told = self.0.compare_exchange(state, join(then, 0), Ordering::Relaxed, Ordering::Relaxed);
        told.map_or(0, |_| count - lines_max)
    }
}

fn split(state: u64) -> (u32, u32) {
    ((state >> 32) as u32, state as u32)
}

fn join(second: u32, count: u32) -> u64 {
    u64::from(second) << 32 | u64::from(count)
}

/// Seconds since the first line, from 1.
fn second() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs() as u32 + 1
}

/// Whether one more line of `kind` may be written now.
pub fn admits(kind: Kind) -> bool {
    let (admitted, left_out) = ask(kind);
    tell(kind, left_out);
    admitted
}

/// The same for a refusal by a limit: what the line ends in, nothing or how many were left out before it.
pub fn admits_limit(kind: Kind) -> Option<String> {
    let (admitted, left_out) = ask(kind);
    admitted.then(|| match left_out {
        0 => String::new(),
        _ => format!(" ({left_out} more since the last such line)"),
    })
}

/// Tells what was left out in seconds that are over. To be called now and then: nothing else does while
/// no further line comes.
pub fn flush() {
    let now = second();
    for kind in TOLD {
        tell(kind, BUDGETS[kind as usize].take(now, kind.lines_max()));
    }
}

fn tell(kind: Kind, left_out: u32) {
    let Some(name) = kind.name().filter(|_| left_out > 0) else { return };
    match kind {
        Kind::Gone | Kind::Upstream => {
            tracing::debug!("… and {left_out} more like this in the last second: {name}")
        }
        Kind::Replaced => tracing::warn!("… and {left_out} more like this in the last second: {name}"),
        _ => tracing::error!("… and {left_out} more like this in the last second: {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_tells_the_rest() {
        let budget = Budget(AtomicU64::new(0));
        let asked: Vec<(bool, u32)> = (0..13).map(|_| budget.ask(1, 10)).collect();
        assert!(asked[..10].iter().all(|one| *one == (true, 0)), "{asked:?}");
        assert!(asked[10..].iter().all(|one| *one == (false, 0)), "{asked:?}");
        assert_eq!(budget.ask(4, 10), (true, 3));
        assert_eq!(budget.ask(5, 10), (true, 0), "told once");
    }

    #[test]
    fn what_is_left_out_is_told_without_a_further_line() {
        let budget = Budget(AtomicU64::new(0));
        for _ in 0..322 {
            budget.ask(7, 10);
        }
        assert_eq!(budget.take(7, 10), 0, "the second is not over");
        assert_eq!((budget.take(8, 10), budget.take(8, 10), budget.ask(9, 10)), (312, 0, (true, 0)));
    }

    #[test]
    fn a_limit_has_one_line_that_counts_those_before() {
        let of = |count| {
            let budget = Budget(AtomicU64::new(0));
            for _ in 0..count {
                let _ = budget.ask(1, 1);
            }
            budget.ask(2, 1)
        };
        assert_eq!((of(1), of(5)), ((true, 0), (true, 4)));
    }

    #[test]
    fn every_kind_is_counted_under_a_label_of_its_own() {
        let labels: std::collections::HashSet<&str> = counts().map(|count| count.label).collect();
        assert_eq!(labels.len(), Kind::COUNT);
        assert!(!labels.contains(""));
    }

    #[test]
    fn every_kind_is_either_told_or_tells() {
        assert_eq!(TOLD.len() + (Kind::HeaderBytes as usize..Kind::COUNT).len(), Kind::COUNT);
        assert!(TOLD.iter().all(|kind| kind.name().is_some()));
        assert!(Kind::Heap.name().is_none() && Kind::HeaderBytes.name().is_none());
    }
}
