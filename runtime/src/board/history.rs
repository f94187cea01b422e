//! The last minutes of each worker, a point a second: what the dashboard draws.
//!
//! Owns: the thread that looks, what a point has. Must not know: how it is drawn.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Board, lock};
use crate::error::{Error, Result};
use crate::metrics::{BUCKETS, WorkerView, quantile_micros};

/// Points that are kept.
const POINTS_MAX: usize = 180;
/// The shares of requests of which a point has the times.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
const SECOND: Duration = Duration::from_secs(1);

/// A second of one worker, or of all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    /// The worker; `None`: all.
    pub(super) number: Option<usize>,
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Of the requests of this second, in microseconds: the median, 90 and 99 of a hundred.
    pub(super) quantiles: [u64; 3],
    pub(super) heap_bytes: u64,
    pub(super) connections: usize,
    /// Thousandths of the second that JavaScript took.
    pub(super) busy: u64,
}

/// What a worker had counted a second ago.
struct Before {
    ended: u64,
    failed: u64,
    turns_ns: u64,
    times: Vec<u64>,
}

impl Before {
    fn of(worker: &WorkerView) -> Before {
        let mut times = vec![0; BUCKETS];
        worker.lives.iter().for_each(|life| life.request_time.add_to(&mut times));
        let statuses = worker.lives.iter().flat_map(|life| life.statuses());
        Before {
            ended: worker.sum(|of| &of.ended),
            failed: statuses.filter(|(status, _)| *status >= 500).map(|(_, count)| count).sum(),
            turns_ns: worker.lives.iter().map(|life| life.turn_time.sum_ns()).sum(),
            times,
        }
    }
}

/// The last minutes.
#[derive(Default)]
pub(super) struct History {
    /// Each second has a number, from 1.
    pub(super) last: u64,
    pub(super) seconds: VecDeque<Vec<Point>>,
    before: HashMap<usize, Before>,
    looked: Option<Instant>,
}

impl History {
    fn look(&mut self, workers: &[WorkerView]) {
        let now = Instant::now();
        let passed = self.looked.replace(now).map_or(SECOND, |looked| now - looked).as_secs_f64().max(0.1);
        let (mut points, mut sum, mut sum_times) = (Vec::new(), Point::default(), vec![0; BUCKETS]);
        for worker in workers {
            let fresh = Before::of(worker);
            let mut point = Point {
                number: Some(worker.number),
                heap_bytes: worker.current().map_or(0, |of| of.heap_bytes.get()),
                connections: worker.connections,
                ..Point::default()
            };
            if let Some(old) = self.before.get(&worker.number) {
                let times: Vec<u64> =
                    fresh.times.iter().zip(&old.times).map(|(new, old)| new.saturating_sub(*old)).collect();
                let rate = |new: u64, old: u64| (new.saturating_sub(old) as f64 / passed).round() as u64;
                point.requests = rate(fresh.ended, old.ended);
                point.failed = rate(fresh.failed, old.failed);
                point.quantiles = QUANTILES.map(|share| quantile_micros(&times, share));
                point.busy = rate(fresh.turns_ns, old.turns_ns) / 1_000_000;
                sum_times.iter_mut().zip(times).for_each(|(sum, own)| *sum += own);
            }
            sum.requests += point.requests;
            sum.failed += point.failed;
            sum.heap_bytes += point.heap_bytes;
            sum.connections += point.connections;
            sum.busy += point.busy;
            points.push(point);
            self.before.insert(worker.number, fresh);
        }
        sum.quantiles = QUANTILES.map(|share| quantile_micros(&sum_times, share));
        points.insert(0, sum);
        self.last += 1;
        self.seconds.push_back(points);
        if self.seconds.len() > POINTS_MAX {
            self.seconds.pop_front();
        }
    }
}

/// Looks once a second for as long as `board` is there.
///
/// # Errors
/// There is no thread for it.
pub(super) fn record(board: &Arc<Board>) -> Result<()> {
    let board: Weak<Board> = Arc::downgrade(board);
    let run = move || {
        while let Some(board) = board.upgrade() {
            let workers = board.metrics().workers;
            lock(&board.history).look(&workers);
            drop(board);
            std::thread::sleep(SECOND);
        }
    };
    let thread = std::thread::Builder::new().name("admin-history".into()).spawn(run);
    thread.map(drop).map_err(|e| Error::system("cannot start a thread", e))
}
