//! What waits for the threads of `pool`, and who goes on next.
//!
//! Owns: the order: those that have run least go first, so that a short job never waits behind long ones;
//! among such as have run alike, one engine after another; the bound. Must not know: threads, locks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::failure::CryptoError;

/// Most jobs that wait. One more ends the one that has run for longest, or is refused where none has run.
pub const WAITING_MAX: usize = 1024;
/// Levels of time that jobs have run for: each twice the one before.
const LEVELS: usize = 16;
/// The time of the first level.
const FIRST_MS: u128 = 5;
/// One turn in so many is that of those that have run for longest: they go on under any load.
const LONGEST_EACH: u32 = 8;

/// Work in steps that reports its own result.
pub trait Work: Send {
    /// One step; whether it was the last.
    fn step(&mut self) -> bool;
    /// Ends it.
    fn fail(&mut self, failure: CryptoError);
}

/// One operation.
pub struct Job {
    /// What is to be done.
    pub work: Box<dyn Work>,
    /// Set when the engine that wants it is gone; which engine that is.
    pub gone: Arc<AtomicBool>,
    /// When it ends in any case.
    pub until: Option<Instant>,
    /// How long it has run.
    pub ran: Duration,
}

/// The jobs of one engine on one level.
struct Share {
    engine: Arc<AtomicBool>,
    jobs: VecDeque<Job>,
}

/// All jobs that wait.
#[derive(Default)]
pub struct Queue {
    levels: [VecDeque<Share>; LEVELS],
    waiting: usize,
    turns: u32,
}

fn level(ran: Duration) -> usize {
    let times = ran.as_millis() / FIRST_MS;
    ((u128::BITS - times.leading_zeros()) as usize).min(LEVELS - 1)
}

impl Queue {
    /// Adds a new job; the one that has to end for it, if the queue is full.
    pub fn add(&mut self, job: Job) -> Option<Job> {
        if self.waiting < WAITING_MAX {
            self.put(job);
            return None;
        }
        let longest = self.levels.iter().rposition(|level| !level.is_empty()).unwrap_or(0);
        if longest == 0 {
            return Some(job);
        }
        let shares = &mut self.levels[longest];
        let most = shares.iter().enumerate().max_by_key(|(_, share)| share.jobs.len())?.0;
        let ended = shares[most].jobs.pop_back();
        if shares[most].jobs.is_empty() {
            shares.remove(most);
        }
        self.waiting -= 1;
        self.put(job);
        ended
    }

    /// Puts a job (back) in its place.
    pub fn put(&mut self, job: Job) {
        let shares = &mut self.levels[level(job.ran)];
        self.waiting += 1;
        match shares.iter_mut().find(|share| Arc::ptr_eq(&share.engine, &job.gone)) {
            Some(share) => share.jobs.push_back(job),
            None => shares.push_back(Share { engine: job.gone.clone(), jobs: VecDeque::from([job]) }),
        }
    }

    /// The job that goes on next.
    pub fn take(&mut self) -> Option<Job> {
        self.turns = self.turns.wrapping_add(1);
        let filled = |level: &VecDeque<Share>| !level.is_empty();
        let at = match self.turns.is_multiple_of(LONGEST_EACH) {
            true => self.levels.iter().rposition(filled)?,
            false => self.levels.iter().position(filled)?,
        };
        let mut share = self.levels[at].pop_front()?;
        let job = share.jobs.pop_front()?;
        self.waiting -= 1;
        if !share.jobs.is_empty() {
            self.levels[at].push_back(share);
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Notes that it has ended.
    struct Noted(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Work for Noted {
        fn step(&mut self) -> bool {
            true
        }
        fn fail(&mut self, _: CryptoError) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    fn job(engine: &Arc<AtomicBool>, name: &'static str, ms: u64) -> Job {
        let work = Box::new(Noted(name, Arc::default()));
        Job { work, gone: engine.clone(), until: None, ran: Duration::from_millis(ms) }
    }

    fn order(queue: &mut Queue) -> Vec<(usize, u128)> {
        std::iter::from_fn(|| queue.take())
            .map(|job| (Arc::as_ptr(&job.gone) as usize, job.ran.as_millis()))
            .collect()
    }

    #[test]
    fn what_has_run_least_goes_first_and_engines_take_turns() {
        let (one, two) = (Arc::default(), Arc::default());
        let mut queue = Queue::default();
        for ms in [4000, 0, 1, 2] {
            queue.put(job(&one, "", ms));
        }
        queue.put(job(&two, "", 3));
        let (one, two) = (Arc::as_ptr(&one) as usize, Arc::as_ptr(&two) as usize);
        assert_eq!(order(&mut queue), [(one, 0), (two, 3), (one, 1), (one, 2), (one, 4000)]);
    }

    #[test]
    fn those_that_have_run_for_long_are_not_starved() {
        let engine = Arc::default();
        let mut queue = Queue::default();
        queue.put(job(&engine, "long", 60_000));
        let mut before = 0;
        loop {
            queue.put(job(&engine, "short", 0));
            if queue.take().unwrap().ran > Duration::ZERO {
                break;
            }
            before += 1;
        }
        assert!(before < LONGEST_EACH, "{before} went first");
    }

    #[test]
    fn one_job_too_many_ends_the_one_that_has_run_for_longest() {
        let engine = Arc::default();
        let mut queue = Queue::default();
        for ms in 0..WAITING_MAX as u64 {
            assert!(queue.add(job(&engine, "", ms)).is_none());
        }
        let ended = queue.add(job(&engine, "new", 0)).unwrap();
        assert!(ended.ran >= Duration::from_millis(500), "{:?}", ended.ran);
        // Where none has run, the new one is refused.
        let mut queue = Queue::default();
        for _ in 0..WAITING_MAX {
            assert!(queue.add(job(&engine, "", 0)).is_none());
        }
        assert_eq!(queue.add(job(&engine, "", 1)).unwrap().ran, Duration::from_millis(1));
    }
}
