//! A run of the app's `scheduled` in a worker.
//!
//! Owns: that a run is taken by one worker only, the time that it may take, what is logged of it; that a drain waits for
//! it. Must not know: when one is due.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::Worker;
use crate::app::scheduled::{ScheduledEvent, scheduled};
use crate::io;

/// A run that is due, as the server and the workers that it may be given to have it.
#[derive(Debug)]
pub struct ScheduledRun {
    event: ScheduledEvent,
    step: AtomicU8,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStep {
    /// No worker has begun it.
    Waiting = 0,
    /// One has.
    Taken = 1,
    /// It is over, or its worker is.
    Done = 2,
}

impl ScheduledRun {
    /// One that waits for a worker.
    pub fn new(event: ScheduledEvent) -> Arc<ScheduledRun> {
        Arc::new(ScheduledRun { event, step: AtomicU8::new(RunStep::Waiting as u8) })
    }

    /// What it is for.
    pub fn event(&self) -> &ScheduledEvent {
        &self.event
    }

    /// How far it is.
    pub fn step(&self) -> RunStep {
        match self.step.load(Ordering::Acquire) {
            0 => RunStep::Waiting,
            1 => RunStep::Taken,
            _ => RunStep::Done,
        }
    }

    /// Whether it waited until now: who hears so is the one who does it.
    fn take(&self) -> bool {
        let (from, to) = (RunStep::Waiting as u8, RunStep::Taken as u8);
        self.step.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Of a worker that does it: at the end of this, whatever the reason, it is over.
struct Taken(Arc<ScheduledRun>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.step.store(RunStep::Done as u8, Ordering::Release);
    }
}

/// Does `run` in a task of its own, unless another worker has taken it.
pub(super) fn start(worker: &Rc<Worker>, run: Arc<ScheduledRun>) {
    if !run.take() {
        return;
    }
    let (worker, taken) = (worker.clone(), Taken(run));
    io::spawn(async move {
        // What went wrong is in the log.
        let _ = run_scheduled(&worker, &taken.0.event).await;
        drop(taken);
    });
}

/// Calls the app's `scheduled` and waits for its end, for as long as it may take.
///
/// # Errors
/// Why it failed, in a line, which is logged with the stack.
pub async fn run_scheduled(worker: &Rc<Worker>, event: &ScheduledEvent) -> Result<(), String> {
    let _counted = worker.app.scheduled.count();
    let app = worker.app.current();
    worker.serving.note(b"scheduled", event.cron.as_bytes());
    let ms = worker.config.limits.scheduled_ms_max;
    let mut call = std::pin::pin!(scheduled(&app, event, worker.number));
    let mut deadline = std::pin::pin!(io::sleep(Duration::from_millis(ms)));
    let ended = poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => deadline.as_mut().poll(cx).map(|()| None),
    });
    let (text, stack) = match ended.await {
        Some(Ok(())) => return Ok(()),
        Some(Err(thrown)) => (thrown.text, thrown.stack),
        None => (format!("no end within {ms} ms (--scheduled-timeout)"), String::new()),
    };
    let newline = if stack.is_empty() { "" } else { "\n" };
    tracing::error!(worker = worker.number, "scheduled {}: {text}{newline}{stack}", event.cron);
    Err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_by_one_worker_whoever_it_was_given_to() {
        let run = ScheduledRun::new(ScheduledEvent { cron: "* * * * *".into(), time_ms: 0 });
        assert_eq!(run.step(), RunStep::Waiting);
        assert!(run.take() && !run.take());
        assert_eq!(run.step(), RunStep::Taken);
        drop(Taken(run.clone()));
        assert!(run.step() == RunStep::Done && !run.take());
    }
}
