//! Values that flags take: sizes, durations, counts, ports, the number of workers.
//!
//! Owns: how each is written, both ways, so that a default in `--help` can be typed back. Must not
//! know: which flag it belongs to.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// Why a value was refused, and how to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// What it is not.
    pub why: &'static str,
    /// What is right.
    pub how: String,
}

impl ValueError {
    fn new(why: &'static str, how: impl Into<String>) -> ValueError {
        ValueError { why, how: how.into() }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}", self.why, self.how)
    }
}

impl std::error::Error for ValueError {}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// A number of bytes, written `4096`, `16K`, `1M` or `2G` (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refusal =
            || ValueError::new("not a size", "Write bytes as a whole number, or with a unit: 16K, 1M, 2G.");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => MIB,
            "g" | "gb" | "gib" => GIB,
            _ => return Err(refusal()),
        };
        let number: usize = digits.parse().map_err(|_| refusal())?;
        number.checked_mul(unit).filter(|bytes| *bytes > 0).map(Size).ok_or_else(refusal)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(GIB, "G"), (MIB, "M"), (KIB, "K")] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A span of time in milliseconds, written `250ms`, `10s`, `1.5s`, `2m`; a plain number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub u64);

/// The longest span: beyond a day a timeout is a typing mistake.
const SPAN_MS_MAX: f64 = 86_400_000.0;

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refusal = || {
            ValueError::new(
                "not a duration",
                "Write 250ms, 10s or 2m, from 1ms to 24 hours; a plain number is seconds.",
            )
        };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_ms = match &text[digits.len()..] {
            "ms" => 1.0,
            "" | "s" => 1_000.0,
            "m" | "min" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return Err(refusal()),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(refusal());
        }
        let number: f64 = digits.parse().map_err(|_| refusal())?;
        let ms = (number * unit_ms).round();
        if (1.0..=SPAN_MS_MAX).contains(&ms) { Ok(Span(ms as u64)) } else { Err(refusal()) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// How many workers: a number, or one for each core that the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each core.
    Auto,
    /// So many.
    Exactly(NonZeroUsize),
}

/// More workers than any machine has cores is a typing mistake.
const WORKERS_MAX: usize = 1024;

impl Workers {
    /// The number of threads; `Auto` respects CPU affinity and cgroup quotas.
    pub fn count(self) -> usize {
        match self {
            Workers::Auto => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            Workers::Exactly(count) => count.get(),
        }
    }
}

impl FromStr for Workers {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "auto" {
            return Ok(Workers::Auto);
        }
        match text.parse::<NonZeroUsize>() {
            Ok(count) if count.get() <= WORKERS_MAX => Ok(Workers::Exactly(count)),
            _ => Err(ValueError::new(
                "not a number of workers",
                format!("Write a whole number from 1 to {WORKERS_MAX}, or auto for one per core."),
            )),
        }
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workers::Auto => f.write_str("auto"),
            Workers::Exactly(count) => write!(f, "{count}"),
        }
    }
}

/// A TCP port.
pub fn port(text: &str) -> Result<u16, ValueError> {
    text.parse().map_err(|_| {
        ValueError::new(
            "not a port",
            "Ports are whole numbers from 0 to 65535; 0 lets the kernel choose one.",
        )
    })
}

/// A count of at least one.
pub fn count(text: &str) -> Result<usize, ValueError> {
    text.parse::<NonZeroUsize>()
        .map(NonZeroUsize::get)
        .map_err(|_| ValueError::new("not a count", "Write a whole number of at least 1."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_back() {
        for (text, bytes, back) in [
            ("1", 1, "1"),
            ("4096", 4096, "4K"),
            ("16K", 16 << 10, "16K"),
            ("16kib", 16 << 10, "16K"),
            ("1M", 1 << 20, "1M"),
            ("1536K", 1536 << 10, "1536K"),
            ("2G", 2 << 30, "2G"),
        ] {
            let size: Size = text.parse().expect(text);
            assert_eq!((size.0, size.to_string().as_str()), (bytes, back), "{text}");
        }
        for text in ["", "0", "K", "1T", "-1", "1.5M", "1 M", "99999999999999999999", "99999999999999G"] {
            let refusal = text.parse::<Size>().expect_err(text);
            assert!(refusal.how.contains("16K"), "{text}: {refusal}");
        }
    }

    #[test]
    fn spans_are_read_and_written_back() {
        for (text, ms, back) in [
            ("1ms", 1, "1ms"),
            ("250ms", 250, "250ms"),
            ("10", 10_000, "10s"),
            ("0.5", 500, "500ms"),
            ("1.5s", 1_500, "1500ms"),
            ("2m", 120_000, "120s"),
            ("24h", 86_400_000, "86400s"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!((span.0, span.to_string().as_str()), (ms, back), "{text}");
        }
        for text in ["", "0", "ms", "10x", "-1s", "1e3", "inf", "nan", "25h", "0.1ms", "1.2.3"] {
            let refusal = text.parse::<Span>().expect_err(text);
            assert!(refusal.how.contains("250ms"), "{text}: {refusal}");
        }
    }

    #[test]
    fn workers_are_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(Workers::Auto));
        assert!(Workers::Auto.count() >= 1);
        assert_eq!("4".parse::<Workers>().map(Workers::count), Ok(4));
        for text in ["0", "-1", "1025", "many", ""] {
            assert!(text.parse::<Workers>().is_err(), "{text}");
        }
    }

    #[test]
    fn ports_and_counts_keep_their_ranges() {
        assert_eq!((port("0"), port("65535")), (Ok(0), Ok(65535)));
        assert_eq!(count("1"), Ok(1));
        for text in ["65536", "-1", "http"] {
            assert!(port(text).is_err(), "{text}");
        }
        assert!(count("0").is_err());
    }
}
