//! Threads for what takes long: making RSA keys, stretching passwords, megabytes of data.
//!
//! Owns: the threads, started with the first such operation; the bounds on what waits for them. Must not
//! know: what is computed, JavaScript. Who goes on next is the matter of `queue`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::failure::{self, CryptoError, Outcome};
use super::queue::{Job, Queue, Work};
use super::steps::Steps;
use crate::js::engine::State;

/// Most threads.
const THREADS_MAX: usize = 4;
/// Nice value (nice(1)) of the threads: where a worker wants the same core, it gets three quarters of it.
const NICENESS: i32 = 5;
/// How long a job runs before the queue is asked who goes on.
const SLICE: Duration = Duration::from_millis(5);

const TOO_MANY: CryptoError = failure::operation("too many operations wait: 1024 of all workers together");
const TOO_LATE: CryptoError =
    failure::operation("the operation was not done in the time that a request may take (--request-timeout)");

struct Pool {
    queue: Mutex<Queue>,
    waits: Condvar,
}

/// `None` where no thread can be had.
static POOL: OnceLock<Option<&'static Pool>> = OnceLock::new();

/// What the operations of one engine have in common.
#[derive(Default)]
pub struct Bounds {
    /// How long an operation may take; without end where it is zero.
    time_max: Cell<Duration>,
    gone: Gone,
}

/// Set when the engine is gone: its operations end then.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has the operations of an engine end with an OperationError after `time_max`, counted from the call: who
/// asked for them has had an answer by then. Zero is no bound, as it is at first.
pub fn set_time_max(state: &State, time_max: Duration) {
    state.extension::<Bounds>().time_max.set(time_max);
}

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) -> ! {
        loop {
            let mut queue = self.queue();
            let mut job = loop {
                match queue.take() {
                    Some(job) => break job,
                    None => queue = self.waits.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            if run(&mut job) {
                continue;
            }
            self.queue().put(job);
        }
    }
}

/// One slice; whether the job has ended.
fn run(job: &mut Job) -> bool {
    let began = Instant::now();
    if job.until.is_some_and(|until| until <= began) {
        job.work.fail(TOO_LATE);
        return true;
    }
    loop {
        if job.gone.load(Ordering::Relaxed) || job.work.step() {
            return true;
        }
        let taken = began.elapsed();
        if taken >= SLICE {
            job.ran += taken;
            return false;
        }
    }
}

fn start() -> Option<&'static Pool> {
    let pool: &Pool = Box::leak(Box::new(Pool { queue: Mutex::default(), waits: Condvar::new() }));
    // A worker may be pinned to a core; these threads are not.
    let all = rustix::thread::sched_getaffinity(Some(rustix::process::getpid())).ok();
    let count = std::thread::available_parallelism().map_or(1, usize::from).clamp(2, THREADS_MAX);
    let mut running = 0;
    for number in 0..count {
        let run = move || {
            if let Some(all) = &all {
                let _ = rustix::thread::sched_setaffinity(None, all);
            }
            // Of this thread (setpriority(2)). Without the right to it nothing is lost but the order.
            let _ = rustix::process::setpriority_process(None, NICENESS);
            pool.work();
        };
        running +=
            usize::from(std::thread::Builder::new().name(format!("crypto-{number}")).spawn(run).is_ok());
    }
    (running > 0).then_some(pool)
}

struct Task<T> {
    steps: Steps<T>,
    done: Option<oneshot::Sender<Outcome<T>>>,
}

impl<T: Send + 'static> Work for Task<T> {
    fn step(&mut self) -> bool {
        // Who gave up needs no answer any more.
        if self.done.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return true;
        }
        let result = catch_unwind(AssertUnwindSafe(&mut self.steps));
        let result = result.unwrap_or(Some(Err(failure::operation("the operation panicked"))));
        let ended = result.is_some();
        if let Some(result) = result
            && let Some(done) = self.done.take()
        {
            let _ = done.send(result);
        }
        ended
    }

    fn fail(&mut self, failure: CryptoError) {
        if let Some(done) = self.done.take() {
            let _ = done.send(Err(failure));
        }
    }
}

/// Runs `steps` on the threads; ready with what comes of them. They end early where the engine ends, where
/// the future is dropped, and after the engine's time.
pub fn run_steps<T: Send + 'static>(
    state: &State,
    steps: Steps<T>,
) -> impl Future<Output = Outcome<T>> + use<T> {
    let bounds: Rc<Bounds> = state.extension();
    let (done, answer) = oneshot::channel();
    let time_max = bounds.time_max.get();
    let job = Job {
        work: Box::new(Task { steps, done: Some(done) }),
        gone: bounds.gone.0.clone(),
        until: (!time_max.is_zero()).then(|| Instant::now() + time_max),
        ran: Duration::ZERO,
    };
    let pool = *POOL.get_or_init(start);
    if let Some(pool) = pool {
        let refused = pool.queue().add(job);
        pool.waits.notify_one();
        if let Some(mut job) = refused {
            job.work.fail(TOO_MANY);
        }
    }
    async move {
        match pool {
            Some(_) => answer.await.unwrap_or(Err(failure::operation("the operation was lost"))),
            None => Err(failure::operation("no thread can be had")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::WAITING_MAX;
    use super::*;
    use crate::js::builtins::Table;
    use crate::js::code::Code;
    use crate::js::engine::{Engine, EngineLimits, Pulse};
    use std::sync::atomic::AtomicU32;
    use std::task::{Context, Poll, Waker};

    fn endless(until: Option<Instant>) -> (Job, Arc<AtomicU32>, oneshot::Receiver<Outcome<()>>) {
        let (done, answer) = oneshot::channel();
        let steps = Arc::new(AtomicU32::new(0));
        let count = steps.clone();
        let step = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            None
        });
        let work = Box::new(Task { steps: step, done: Some(done) });
        (Job { work, gone: Arc::default(), until, ran: Duration::ZERO }, steps, answer)
    }

    #[test]
    fn a_job_without_an_end_gives_way_after_its_slice() {
        let (mut job, steps, _answer) = endless(None);
        assert!(!run(&mut job));
        assert!(job.ran >= SLICE && steps.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn a_job_ends_with_its_engine_and_with_who_waits_for_it() {
        let (mut job, steps, _answer) = endless(None);
        job.gone.store(true, Ordering::Relaxed);
        assert!(run(&mut job));
        let (mut other, more, answer) = endless(None);
        drop(answer);
        assert!(run(&mut other));
        assert_eq!((steps.load(Ordering::Relaxed), more.load(Ordering::Relaxed)), (0, 0));
        let gone = Gone::default();
        let flag = gone.0.clone();
        drop(gone);
        assert!(flag.load(Ordering::Relaxed));
    }

    #[test]
    fn a_job_ends_at_its_time() {
        let (mut job, _, mut answer) = endless(Some(Instant::now()));
        assert!(run(&mut job));
        assert_eq!(answer.try_recv().unwrap().unwrap_err().name, "OperationError");
    }

    #[test]
    fn an_operation_beyond_1024_that_wait_is_refused_in_words() {
        let limits = EngineLimits {
            heap_bytes_max: 64 << 20,
            stack_bytes_max: 256 << 10,
            turn_cpu_max: Duration::from_secs(60),
        };
        let code = Arc::new(Code::new("/app.js".into()));
        let engine = Engine::new(&limits, &Table::EMPTY, code, Pulse::default(), Box::new(|_, _| {}));
        let engine = engine.expect("an engine");
        let mut all: Vec<_> = (0..WAITING_MAX + THREADS_MAX + 1)
            .map(|_| Box::pin(run_steps::<()>(engine.state(), Box::new(|| None))))
            .collect();
        let mut cx = Context::from_waker(Waker::noop());
        let refused: Vec<CryptoError> = all
            .iter_mut()
            .filter_map(|operation| match operation.as_mut().poll(&mut cx) {
                Poll::Ready(Err(failure)) => Some(failure),
                _ => None,
            })
            .collect();
        assert!((1..=THREADS_MAX + 1).contains(&refused.len()), "{}", refused.len());
        assert!(refused.iter().all(|failure| format!("{failure:?}") == format!("{TOO_MANY:?}")));
    }
}
