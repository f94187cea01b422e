//! The app's `scheduled` at the times that lines of cron say: once for the whole process, whoever its workers are.
//!
//! Owns: what is due, what becomes of a due time while a run goes on or the clock jumps, which worker gets a run and who
//! gets it instead. Must not know: how a line is read, how a run goes.

use std::sync::Arc;
use std::time::SystemTime;

use super::Server;
use crate::app::methods::{Method, Methods};
use crate::app::scheduled::ScheduledEvent;
use crate::config::Config;
use crate::cron::CronLine;
use crate::error::{Error, ErrorKind, Result};
use crate::worker::{Control, RunStep, ScheduledRun};

/// A clock that is set back by less than this shows no time again that was due before; by more, it was wrong before.
const SET_BACK_SECONDS: i64 = 900;

/// When a line is due.
struct Times {
    line: CronLine,
    next: Option<i64>,
    /// The last look at the clock.
    looked: i64,
}

impl Times {
    /// From `now` on, in seconds of Unix time.
    fn from(line: CronLine, now: i64) -> Times {
        Times { next: line.after(now), line, looked: now }
    }

    /// The time that became due since the last look, at `now`: of several that have passed, in a suspend or by a jump of
    /// the clock, the last.
    fn due(&mut self, now: i64) -> Option<i64> {
        if now < self.looked - SET_BACK_SECONDS {
            self.next = self.line.after(now);
        }
        self.looked = now;
        let next = self.next.filter(|next| *next <= now)?;
        self.next = self.line.after(now);
        Some(self.line.until(now).map_or(next, |last| last.max(next)))
    }
}

/// A run, and who it was given to last, by its life.
struct GivenRun {
    run: Arc<ScheduledRun>,
    life: Option<u64>,
}

struct CronEntry {
    times: Times,
    given: Option<GivenRun>,
}

/// The lines of a server.
#[derive(Default)]
pub(super) struct Schedule {
    /// Where they are from.
    of: Option<Arc<Config>>,
    entries: Vec<CronEntry>,
    /// Another process looks at the clock.
    is_handed_over: bool,
}

impl Schedule {
    /// Takes up the lines of `config`, where it is another one: what is known of a line that stays goes on.
    fn follow(&mut self, config: &Arc<Config>, now: i64) {
        if self.of.as_ref().is_some_and(|known| Arc::ptr_eq(known, config)) {
            return;
        }
        let mut before = std::mem::take(&mut self.entries);
        let known = |line: &CronLine| match before.iter().position(|entry| entry.times.line == *line) {
            Some(at) => before.swap_remove(at),
            None => CronEntry { times: Times::from(line.clone(), now), given: None },
        };
        self.entries = config.crons.iter().map(known).collect();
        self.of = Some(config.clone());
    }
}

/// The clock, in seconds of Unix time.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Holds the lines of `config` against what its app has.
///
/// # Errors
/// There are lines, and no method that they call.
pub(crate) fn check(config: &Config, methods: Methods) -> Result<()> {
    let has = methods.has(Method::Scheduled);
    if has && config.crons.is_empty() && !config.dev {
        tracing::warn!(
            "{}: `scheduled` is never called: there is no line of cron (--cron, crons in jsserve.toml)",
            config.app.display()
        );
    }
    if has || config.crons.is_empty() {
        return Ok(());
    }
    let text =
        format!("{} has no `scheduled`, which cron {:?} calls", config.app.display(), config.crons[0].text());
    Err(Error::new(ErrorKind::App, text)
        .remedy("Its default export needs a method scheduled(event, env, ctx)."))
}

impl Server {
    /// Gives what is due to a worker, and what its worker cannot do to another one.
    pub(super) fn look_at_schedule(&mut self) {
        if self.config.crons.is_empty() && self.schedule.entries.is_empty() {
            return;
        }
        let (now, config) = (now(), self.config.clone());
        self.schedule.follow(&config, now);
        let mut entries = std::mem::take(&mut self.schedule.entries);
        for entry in &mut entries {
            self.look_at_run(&mut entry.given);
            if self.hand_over.is_done() && self.schedule.is_handed_over {
                continue;
            }
            let Some(due) = entry.times.due(now) else { continue };
            let cron = entry.times.line.text();
            if let Some(GivenRun { run, .. }) = &entry.given {
                let since = (now - run.event().time_ms / 1_000).max(0);
                tracing::warn!("scheduled {cron}: skipped, for the run before it goes on since {since} s");
                continue;
            }
            let event = ScheduledEvent { cron: cron.clone(), time_ms: due.saturating_mul(1_000) };
            let mut given = GivenRun { run: ScheduledRun::new(event), life: None };
            self.give(&mut given);
            entry.given = Some(given);
        }
        self.schedule.entries = entries;
        // What became due until another process took over was still this one's.
        self.schedule.is_handed_over = self.hand_over.is_done();
    }

    /// Forgets a run that is over, and gives one that has not begun to another worker where the one that has it will
    /// not come to it.
    fn look_at_run(&self, slot: &mut Option<GivenRun>) {
        let Some(given) = slot else { return };
        let is_lost = given.life.is_none_or(|life| !self.takes_runs(life));
        match given.run.step() {
            RunStep::Waiting if is_lost => self.give(given),
            RunStep::Taken if is_lost => {
                let cron = &given.run.event().cron;
                tracing::error!("scheduled {cron}: cut off, for its worker was replaced");
                *slot = None;
            }
            RunStep::Done => *slot = None,
            RunStep::Waiting | RunStep::Taken => {}
        }
    }

    fn takes_runs(&self, life: u64) -> bool {
        let mut able =
            self.workers.iter().filter(|it| it.listening && !it.ended && !it.replaced && !it.stuck);
        able.any(|worker| worker.life == life)
    }

    /// Tells a worker to do it, where there is one.
    fn give(&self, given: &mut GivenRun) {
        let able = self.workers.iter().find(|worker| self.takes_runs(worker.life));
        given.life = able.map(|worker| worker.life);
        if let Some(worker) = able {
            worker.tell(Control::Run(given.run.clone()));
        }
    }

    /// Says which runs a drain has not seen to their end; whether there are none.
    pub(super) fn end_schedule(&mut self) -> bool {
        let left = std::mem::take(&mut self.schedule.entries);
        let runs = left.iter().filter_map(|entry| entry.given.as_ref()).map(|given| &given.run);
        let left: Vec<_> = runs.filter(|run| run.step() != RunStep::Done).collect();
        for run in &left {
            tracing::error!("scheduled {}: cut off by the end of the server", run.event().cron);
        }
        left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(line: &str, now: i64) -> Times {
        Times::from(CronLine::parse(line).expect(line), now)
    }

    #[test]
    fn each_due_time_comes_once() {
        let mut times = times("*/5 * * * *", 10);
        let found: Vec<_> = (11..1_000).filter_map(|now| times.due(now).map(|due| (now, due))).collect();
        assert_eq!(found, [(300, 300), (600, 600), (900, 900)]);
    }

    #[test]
    fn of_the_times_that_pass_in_a_suspend_the_last_is_due_once() {
        let mut times = times("*/5 * * * *", 10);
        assert_eq!(times.due(3_700), Some(3_600));
        assert_eq!((3_701..3_900).find_map(|now| times.due(now)), None);
        assert_eq!(times.due(3_900), Some(3_900));
        // From 1970, as machines without a clock of their own begin, to today.
        assert_eq!(times.due(1_709_164_798), Some(1_709_164_500));
        assert_eq!(times.due(1_709_164_799), None);
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_shows_no_time_twice() {
        let mut times = times("*/5 * * * *", 10);
        assert_eq!(times.due(300), Some(300));
        assert_eq!((297..600).find_map(|now| times.due(now)), None);
        assert_eq!(times.due(600), Some(600));
    }

    #[test]
    fn a_clock_that_was_far_ahead_counts_for_nothing() {
        let mut times = times("*/5 * * * *", 1_000_000);
        assert_eq!(times.due(100_000), None);
        assert_eq!(times.due(100_200), Some(100_200));
    }
}
