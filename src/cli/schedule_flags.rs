//! The flags of what a clock calls, as typed, and what they come to.
//!
//! Owns: their names, help and defaults. Must not know: how a line of cron is read, who is called.

use runtime::config::Limits;
use runtime::cron::CronLine;
use runtime::error::{Error, Result};

use super::values::Span;

/// What a clock calls.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Schedules")]
pub struct ScheduleFlags {
    /// Call the app's `scheduled` at these times, in UTC: minute, hour, day of the month, month, day of the week
    /// ("*/5 * * * *"); may be repeated
    #[arg(long, value_name = "LINE")]
    pub cron: Vec<String>,

    /// A run of `scheduled`, what it gives to `waitUntil` included; beyond: it is no longer waited for
    #[arg(long, value_name = "TIME", default_value_t = Span(Limits::default().scheduled_ms_max))]
    pub scheduled_timeout: Span,
}

impl ScheduleFlags {
    /// The lines, each once.
    ///
    /// # Errors
    /// `Usage`: one that cannot be read, with the field that is wrong.
    pub fn lines(&self) -> Result<Vec<CronLine>> {
        let mut lines: Vec<CronLine> = Vec::new();
        for text in &self.cron {
            let line = CronLine::parse(text).map_err(|why| {
                Error::of_flag("cron", format!("{text:?}: {why}"))
                    .remedy("A line is as in crontab(5), in UTC: \"*/5 * * * *\" is every five minutes.")
            })?;
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    /// `limits` with what the flags say.
    pub fn limit(&self, limits: Limits) -> Limits {
        Limits { scheduled_ms_max: self.scheduled_timeout.0, ..limits }
    }
}
