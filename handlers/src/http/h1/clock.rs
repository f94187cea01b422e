//! The wall clock of responses: the worker's Date line.
//!
//! Owns: this thread's [`DateCache`], brought up to date a few times a second. Must not know: who
//! writes it.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::codec::DateCache;

/// How old the clock may be.
const FRESH: Duration = Duration::from_millis(100);

struct Clock {
    read: Instant,
    date: DateCache,
}

thread_local! {
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// Lends the Date line as of now.
pub fn with_date<R>(f: impl FnOnce(&DateCache) -> R) -> R {
    let now = runtime::io::now();
    CLOCK.with_borrow_mut(|clock| {
        let clock = clock.get_or_insert_with(|| Clock { read: now, date: DateCache::new(unix_s()) });
        if now.saturating_duration_since(clock.read) >= FRESH {
            clock.read = now;
            clock.date.set(unix_s());
        }
        f(&clock.date)
    })
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
