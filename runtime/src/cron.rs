//! Lines of cron: at which times something is due, in UTC.
//!
//! Owns: how a line is read, which of its fields is wrong, the time before and after another. Must not know: clocks, what
//! is done at those times.

use std::cmp::Ordering;
use std::sync::Arc;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};

/// The fields of a line, in their order; the first may be missing.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "day of the week"];
/// How many a line has at least.
const FIELDS_MIN: usize = FIELDS.len() - 1;

/// A line as crontab(5) has it: minute, hour, day of the month, month, day of the week (0 to 7, 0 and 7 are Sunday; or
/// SUN to SAT); with a field in front of them that one is the second. Of two restricted days one suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronLine {
    text: Arc<str>,
    pattern: Arc<croner::Cron>,
}

impl CronLine {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, and in which field.
    pub fn parse(text: &str) -> Result<CronLine, String> {
        let line = CronLine { text: text.trim().into(), pattern: Arc::new(pattern(text)?) };
        // The 30th of February.
        line.after(0).map(|_| line).ok_or_else(|| "there is no such day".to_owned())
    }

    /// The line as it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The first time after `seconds` (of Unix time).
    pub fn after(&self, seconds: i64) -> Option<i64> {
        self.pattern.find_next_occurrence(&UtcTime(seconds), false).ok().map(|time| time.0)
    }

    /// The last time at or before `seconds`.
    pub fn until(&self, seconds: i64) -> Option<i64> {
        self.pattern.find_previous_occurrence(&UtcTime(seconds), true).ok().map(|time| time.0)
    }
}

fn pattern(text: &str) -> Result<croner::Cron, String> {
    let parse = |text: &str| {
        CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(text)
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let is_name = fields.len() == 1 && fields[0].starts_with('@');
    if !is_name && !(FIELDS_MIN..=FIELDS.len()).contains(&fields.len()) {
        let there = match fields.len() {
            1 => "there is 1 field".to_owned(),
            number => format!("there are {number} fields"),
        };
        return Err(format!("{there}, not 5: minute, hour, day of the month, month, day of the week"));
    }
    parse(text).map_err(|error| {
        if is_name {
            return "there is no such name: @yearly, @monthly, @weekly, @daily, @hourly".to_owned();
        }
        let names = &FIELDS[FIELDS.len() - fields.len()..];
        // The field which is refused where all others are any.
        let wrong = fields.iter().zip(names).enumerate().find_map(|(at, (field, name))| {
            let others: Vec<&str> = (0..fields.len()).map(|i| if i == at { *field } else { "*" }).collect();
            parse(&others.join(" ")).err().map(|error| format!("{name} {field}: {}", words(&error)))
        });
        wrong.unwrap_or_else(|| words(&error))
    })
}

/// What the crate says, without its own headings.
fn words(error: &CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text)
        | CronError::IllegalCharacters(text)
        | CronError::ComponentError(text) => text.clone(),
        other => other.to_string(),
    };
    text.trim_end_matches('.').to_owned()
}

/// Seconds of Unix time as a date in UTC (the proleptic Gregorian calendar, without leap seconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UtcTime(i64);

const DAY_SECONDS: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;
/// From the first of March of the year 0 to the beginning of Unix time.
const EPOCH_DAYS: i64 = 719_468;

impl UtcTime {
    /// Of a civil date: years that begin in March end with the day that leap years add.
    fn of(civil: CivilDateTime) -> UtcTime {
        let (month, day) = (i64::from(civil.month()), i64::from(civil.day()));
        let year = i64::from(civil.year()) - i64::from(month <= 2);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = year.div_euclid(400) * ERA_DAYS + day_of_era - EPOCH_DAYS;
        let (hour, minute) = (i64::from(civil.hour()), i64::from(civil.minute()));
        UtcTime(days * DAY_SECONDS + hour * 3_600 + minute * 60 + i64::from(civil.second()))
    }
}

impl CronDateTime for UtcTime {
    fn to_civil(&self) -> CivilDateTime {
        let days = self.0.div_euclid(DAY_SECONDS) + EPOCH_DAYS;
        let day_of_era = days.rem_euclid(ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let (day, month) = (day_of_year - (153 * from_march + 2) / 5 + 1, (from_march + 2) % 12 + 1);
        let year = days.div_euclid(ERA_DAYS) * 400 + year_of_era + i64::from(month <= 2);
        let second = self.0.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let year = i32::try_from(year).unwrap_or(i32::MAX);
        let civil = CivilDateTime::from_ymd_hms_opt(
            year,
            month as u32,
            day as u32,
            hour as u32,
            minute as u32,
            second as u32,
        );
        civil.unwrap_or_else(|| UtcTime(0).to_civil())
    }

    fn civil_weekday(&self) -> Weekday {
        // Unix time began on a Thursday.
        Weekday::from_days_from_sunday((self.0.div_euclid(DAY_SECONDS) + 4).rem_euclid(7) as u32)
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<UtcTime>, CronError> {
        Ok(Resolution::Single(UtcTime::of(civil)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<UtcTime> {
        self.0.checked_add(seconds).map(UtcTime)
    }

    fn cmp_instant(&self, other: &UtcTime) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-28 23:59:58, a Wednesday.
    const BEFORE_LEAP_DAY: i64 = 1_709_164_798;

    #[test]
    fn dates_go_to_seconds_and_back() {
        for (seconds, date, weekday) in [
            (0, "1970-01-01T00:00:00", Weekday::Thursday),
            (BEFORE_LEAP_DAY, "2024-02-28T23:59:58", Weekday::Wednesday),
            (BEFORE_LEAP_DAY + 2, "2024-02-29T00:00:00", Weekday::Thursday),
            (951_868_799, "2000-02-29T23:59:59", Weekday::Tuesday),
            (951_868_800, "2000-03-01T00:00:00", Weekday::Wednesday),
            (4_107_542_400, "2100-03-01T00:00:00", Weekday::Monday),
            (-1, "1969-12-31T23:59:59", Weekday::Wednesday),
        ] {
            let time = UtcTime(seconds);
            assert_eq!((time.to_civil().to_string().as_str(), time.civil_weekday()), (date, weekday));
            assert_eq!(UtcTime::of(time.to_civil()), time, "{date}");
        }
    }

    #[test]
    fn a_line_is_due_as_crontab_5_says() {
        for (line, due) in [
            ("* * * * *", "2024-02-29T00:00:00"),
            ("*/5 * * * *", "2024-02-29T00:00:00"),
            ("7-20/6 3 * * *", "2024-02-29T03:07:00"),
            ("0 12 29 FEB *", "2024-02-29T12:00:00"),
            ("30 4 1,15 * *", "2024-03-01T04:30:00"),
            ("0 9 * * MON-FRI", "2024-02-29T09:00:00"),
            ("0 9 * * 7", "2024-03-03T09:00:00"),
            ("0 9 * * 0", "2024-03-03T09:00:00"),
            ("0 0 L * *", "2024-02-29T00:00:00"),
            ("0 0 * * 5L", "2024-03-29T00:00:00"),
            ("0 0 * * MON#2", "2024-03-11T00:00:00"),
            ("0 0 15W * *", "2024-03-15T00:00:00"),
            // Of two days that are both restricted one suffices.
            ("0 0 13 * FRI", "2024-03-01T00:00:00"),
            ("@daily", "2024-02-29T00:00:00"),
            ("@hourly", "2024-02-29T00:00:00"),
            // Six fields: the first is the second.
            ("59 * * * * *", "2024-02-28T23:59:59"),
            ("* * * * * *", "2024-02-28T23:59:59"),
        ] {
            let line = CronLine::parse(line).expect(line);
            let next = line.after(BEFORE_LEAP_DAY).expect("a time");
            assert_eq!(UtcTime(next).to_civil().to_string(), due, "{}", line.text());
            assert_eq!(line.until(next), Some(next), "{}", line.text());
        }
    }

    #[test]
    fn a_bad_line_says_which_field_is_wrong() {
        for (line, part) in [
            ("60 * * * *", "minute 60: "),
            ("* 24 * * *", "hour 24: "),
            ("* * 0 * *", "day of the month 0: "),
            ("* * * 13 *", "month 13: "),
            ("* * * * 8", "day of the week 8: "),
            ("* * * * MOON", "day of the week MOON: "),
            ("*/0 * * * *", "minute */0: "),
            ("5-1-2 * * * *", "minute 5-1-2: "),
            ("61 * * * * *", "second 61: "),
            ("* * * *", "there are 4 fields, not 5"),
            ("* * * * * * *", "there are 7 fields, not 5"),
            ("", "there are 0 fields, not 5"),
            ("every", "there is 1 field, not 5"),
            ("@often", "there is no such name"),
            ("0 0 30 2 *", "there is no such day"),
        ] {
            let error = CronLine::parse(line).expect_err(line);
            assert!(error.starts_with(part), "{line:?}: {error}");
        }
    }
}
