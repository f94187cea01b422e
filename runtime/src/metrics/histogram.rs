//! How long things took: counts in buckets that are a hundredth to a tenth of their value wide (log-linear).
//!
//! Owns: the buckets, each with two leading digits, so that round numbers of seconds are borders. Must not know: what is
//! measured.

use std::time::Duration;

use super::counter::Counter;

/// Buckets: one for each microsecond up to 99, then 90 for each further power of ten, up to 99 seconds.
pub const BUCKETS: usize = DIRECT + 90 * DECADES;
const DIRECT: usize = 100;
const DECADES: usize = 6;

/// Times that one thread records.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[Counter]>,
    sum_ns: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: (0..BUCKETS).map(|_| Counter::default()).collect(), sum_ns: Counter::default() }
    }
}

/// The bucket of a time: that whose upper border it does not exceed.
fn bucket(ns: u64) -> usize {
    let mut value = ns.div_ceil(1_000);
    let mut base = 0;
    while value >= DIRECT as u64 {
        value = value.div_ceil(10);
        base += 90;
    }
    (base + value as usize).min(BUCKETS - 1)
}

/// The upper border of a bucket, in microseconds.
fn border(index: usize) -> u64 {
    match index.checked_sub(DIRECT) {
        None => index as u64,
        Some(above) => (10 + above as u64 % 90) * 10_u64.pow(above as u32 / 90 + 1),
    }
}

impl Histogram {
    /// Counts a time.
    pub fn record(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(ns)].add(1);
        self.sum_ns.add(ns);
    }

    /// The sum of all times, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns.get()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// Adds the counts of all buckets to `counts`, which has [`BUCKETS`].
    pub fn add_to(&self, counts: &mut [u64]) {
        counts.iter_mut().zip(&self.buckets).for_each(|(count, own)| *count += own.get());
    }

    /// Adds what another one has counted.
    pub fn absorb(&self, other: &Histogram) {
        self.buckets.iter().zip(&other.buckets).for_each(|(own, others)| own.add(others.get()));
        self.sum_ns.add(other.sum_ns.get());
    }
}

/// How many of `counts` are of at most `micros`, which is a border.
pub(super) fn at_most(counts: &[u64], micros: u64) -> u64 {
    counts.iter().enumerate().take_while(|(index, _)| border(*index) <= micros).map(|(_, count)| count).sum()
}

/// The time that a share of `counts` does not exceed, in microseconds; 0 where there are none.
pub fn quantile_micros(counts: &[u64], share: f64) -> u64 {
    let all: u64 = counts.iter().sum();
    let wanted = ((all as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    for (index, count) in counts.iter().enumerate() {
        seen += count;
        if seen >= wanted {
            return border(index);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_whose_border_it_does_not_exceed() {
        for ns in [
            0,
            1,
            999,
            1_000,
            1_001,
            99_000,
            99_001,
            100_000,
            100_001,
            123_456,
            999_999,
            5_000_000,
            98_999_999_999,
        ] {
            let index = bucket(ns);
            assert!(border(index) * 1_000 >= ns, "{ns}: {index}");
            assert!(index == 0 || border(index - 1) * 1_000 < ns, "{ns}: {index}");
            assert!(border(index) as f64 * 1_000.0 <= ns as f64 * 1.1 + 1_000.0, "{ns}: {}", border(index));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert!((1..BUCKETS).all(|index| border(index) > border(index - 1)));
    }

    #[test]
    fn round_numbers_are_borders() {
        for micros in [10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 250_000, 1_000_000, 30_000_000] {
            assert!((0..BUCKETS).any(|index| border(index) == micros), "{micros}");
        }
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let histogram = Histogram::default();
        (1..=1_000).for_each(|ms| histogram.record(Duration::from_millis(ms)));
        let mut counts = vec![0; BUCKETS];
        histogram.add_to(&mut counts);
        assert_eq!(quantile_micros(&counts, 0.5), 500_000);
        assert_eq!(quantile_micros(&counts, 0.99), 990_000);
        assert_eq!((at_most(&counts, 250_000), at_most(&counts, 10_000_000)), (250, 1_000));
        assert_eq!(quantile_micros(&vec![0; BUCKETS], 0.5), 0);
    }
}
