//! The store behind `jsserve:shared`, without JavaScript: atomicity, bounds, expiry, the account.
//!
//! Owns: its maps. Must not know: engines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use runtime::modules::own::shared::store::{Clock, Full, IncrError, Map, OnFull, Options, Stored, cost};

fn map(bytes_max: u64, on_full: OnFull) -> Map {
    Map::new(Options { bytes_max, on_full, ttl_ms: None })
}

fn manual(bytes_max: u64, on_full: OnFull, ttl_ms: Option<u64>) -> Map {
    Map::with_clock(Options { bytes_max, on_full, ttl_ms }, Clock::Manual(AtomicU64::new(0)))
}

fn advance(map: &Map, ms: u64) {
    if let Clock::Manual(now) = map.clock() {
        now.fetch_add(ms, Relaxed);
    }
}

fn bytes(len: usize) -> Stored {
    Stored::Bytes(vec![7; len].into())
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }
}

#[test]
fn eight_threads_count_exactly() {
    let map = map(1 << 20, OnFull::Error);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for i in 0..20_000 {
                    map.incr("all", 1.0).expect("a number");
                    map.incr(if i % 2 == 0 { "even" } else { "odd" }, 0.5).expect("a number");
                }
            });
        }
    });
    assert_eq!(map.get("all"), Some(Stored::Number(160_000.0)));
    assert_eq!(map.get("even"), Some(Stored::Number(40_000.0)));
    assert_eq!(map.len(), 3);
    assert_eq!(map.bytes(), map.recount());
}

#[test]
fn incr_refuses_other_values_and_keeps_the_expiry() {
    let map = manual(1 << 20, OnFull::Error, Some(100));
    map.set("text", &bytes(3), None).expect("room");
    assert_eq!(map.incr("text", 1.0), Err(IncrError::NotNumber));
    assert_eq!(map.incr("n", 2.0), Ok(2.0));
    advance(&map, 99);
    assert_eq!(map.incr("n", -3.0), Ok(-1.0));
    advance(&map, 1);
    assert_eq!(map.incr("n", 1.0), Ok(1.0));
    advance(&map, 99);
    assert!(map.has("n"));
}

#[test]
fn versions_see_a_key_that_went_and_came_back() {
    let map = map(1 << 20, OnFull::Error);
    assert_eq!(map.compare_set("k", None, Some(&bytes(1))), Ok(true));
    let (_, version) = map.get_versioned("k").expect("a value");
    assert!(map.delete("k"));
    map.set("k", &bytes(1), None).expect("room");
    assert_eq!(map.compare_set("k", Some(version), None), Ok(false));
    assert_eq!(map.compare_set("k", None, None), Ok(false));
    let (_, version) = map.get_versioned("k").expect("a value");
    assert_eq!(map.compare_set("k", Some(version), None), Ok(true));
    assert!(!map.has("k") && !map.delete("k"));
    assert_eq!(map.bytes(), 0);
}

#[test]
fn a_full_map_refuses_and_stays_as_it_was() {
    let entry = cost("key 00", &bytes(100));
    let map = map(entry * 10, OnFull::Error);
    for i in 0..10 {
        map.set(&format!("key {i:02}"), &bytes(100), None).expect("room");
    }
    assert_eq!(map.set("key 10", &bytes(100), None), Err(Full));
    assert_eq!(map.incr("n", 1.0), Err(IncrError::Full));
    assert_eq!(map.set("key 00", &bytes(200), None), Err(Full));
    assert_eq!(map.get("key 00"), Some(bytes(100)));
    assert_eq!((map.len(), map.bytes()), (10, entry * 10));
    map.set("key 00", &bytes(50), None).expect("less than before");
    assert!(map.delete("key 01"));
    map.set("key 10", &bytes(100), None).expect("room again");
    assert_eq!(map.set("large", &bytes(100_000), None), Err(Full));
    assert_eq!(map.bytes(), map.recount());
    map.clear();
    assert_eq!((map.len(), map.bytes()), (0, 0));
}

#[test]
fn eviction_keeps_what_is_used_and_what_cannot_fit_evicts_nothing() {
    let entry = cost("hot 0", &bytes(100));
    let map = manual(entry * 200, OnFull::Evict, None);
    for i in 0..5 {
        map.set(&format!("hot {i}"), &bytes(100), None).expect("room");
    }
    for i in 0..5_000 {
        advance(&map, 10);
        for hot in 0..5 {
            map.get(&format!("hot {hot}"));
        }
        map.set(&format!("{i}"), &bytes(100), None).expect("evicts");
        assert!(map.bytes() <= entry * 200);
    }
    let hot = (0..5).filter(|i| map.has(&format!("hot {i}"))).count();
    assert_eq!(hot, 5);
    assert!(map.has("4999") && !map.has("0"));
    assert_eq!(map.len(), 200);
    assert_eq!(map.set("large", &bytes(1 << 20), None), Err(Full));
    assert_eq!(map.len(), 200);
    map.set("half", &bytes(entry as usize * 100), None).expect("evicts many");
    assert!(map.has("half") && map.bytes() <= entry * 200);
    assert_eq!(map.bytes(), map.recount());
}

#[test]
fn expired_entries_are_invisible_and_never_block() {
    let entry = cost("0000", &bytes(100));
    let map = manual(entry * 100, OnFull::Error, None);
    for i in 0..100 {
        map.set(&format!("{i:04}"), &bytes(100), Some(if i < 50 { 10 } else { 1_000 })).expect("room");
    }
    assert_eq!(map.set("more", &bytes(100), None), Err(Full));
    advance(&map, 9);
    assert!(map.has("0000"));
    advance(&map, 1);
    assert!(!map.has("0000") && map.get("0001").is_none() && !map.delete("0002"));
    assert_eq!(map.entries("").len(), 50);
    assert_eq!(map.len(), 50);
    assert_eq!(map.bytes(), entry * 50);
    for i in 0..50 {
        map.set(&format!("new {i}"), &bytes(100), Some(5)).expect("expired memory is room");
    }
    assert_eq!(map.set("more", &bytes(100), None), Err(Full));
    advance(&map, 5);
    map.set("large", &bytes(entry as usize * 40), None).expect("the room of many that expired");
    // A key set again without a lifetime stays.
    map.set("0099", &bytes(100), None).expect("room");
    advance(&map, 10_000);
    assert!(map.has("0099") && !map.has("0098"));
    assert_eq!(map.len(), 2);
    assert_eq!(map.bytes(), map.recount());
}

#[test]
fn prefixes_select_keys() {
    let map = map(1 << 20, OnFull::Error);
    for key in ["user:1", "user:2", "note:1", "use"] {
        map.incr(key, 1.0).expect("room");
    }
    let mut keys: Vec<_> = map.entries("user:").into_iter().map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["user:1".into(), "user:2".into()] as [Box<str>; 2]);
    assert_eq!(map.entries("").len(), 4);
}

/// Random operations on 4 threads while a fifth watches the bound.
fn storm(on_full: OnFull) {
    let bytes_max = 100_000;
    let options = Options { bytes_max, on_full, ttl_ms: None };
    let map = Arc::new(Map::with_clock(options, Clock::Manual(AtomicU64::new(0))));
    let done = AtomicBool::new(false);
    let looks = AtomicU64::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|seed| {
                let map = map.clone();
                scope.spawn(move || {
                    let mut random = Random(seed);
                    let (mut stored, mut refused) = (0, 0);
                    for _ in 0..40_000 {
                        let key = format!("key {}", random.below(600));
                        let value = bytes(random.below(900) as usize);
                        let ttl = (random.below(3) == 0).then(|| random.below(20) + 1);
                        match random.below(12) {
                            0 => drop(map.delete(&key)),
                            1 => drop(map.incr(&key, 1.0)),
                            2 => drop(map.entries("key 1")),
                            3 => advance(&map, 1),
                            4 if random.below(500) == 0 => map.clear(),
                            5 => {
                                let version = map.get_versioned(&key).map(|(_, version)| version);
                                let new = (random.below(2) == 0).then_some(&value);
                                let _ = map.compare_set(&key, version, new);
                            }
                            6 => drop(map.get(&key)),
                            _ => match map.set(&key, &value, ttl) {
                                Ok(()) => stored += 1,
                                Err(Full) => refused += 1,
                            },
                        }
                    }
                    (stored, refused)
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Relaxed) {
                assert!(map.bytes() <= bytes_max);
                assert!(map.len() <= 700);
                looks.fetch_add(1, Relaxed);
            }
        });
        let counts: Vec<(u32, u32)> = workers.into_iter().map(|w| w.join().expect("no panic")).collect();
        done.store(true, Relaxed);
        let refused: u32 = counts.iter().map(|(_, refused)| refused).sum();
        assert!(counts.iter().all(|(stored, _)| *stored > 1_000));
        assert_eq!(refused > 0, on_full == OnFull::Error, "{counts:?}");
    });
    assert!(looks.load(Relaxed) > 0);
    assert_eq!(map.bytes(), map.recount());
    advance(&map, 1_000);
    map.len();
    assert_eq!(map.bytes(), map.recount());
    map.clear();
    assert_eq!(map.bytes(), 0);
}

#[test]
fn the_account_never_drifts_when_full_is_an_error() {
    storm(OnFull::Error);
}

#[test]
fn the_account_never_drifts_under_eviction() {
    storm(OnFull::Evict);
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4_096
}

#[test]
fn the_account_covers_real_memory() {
    for len in [None, Some(10), Some(1_000)] {
        let map = map(1 << 40, OnFull::Error);
        let before = resident_bytes();
        for i in 0..100_000 {
            let value = len.map_or(Stored::Number(1.0), bytes);
            map.set(&format!("some key of a usual length {i}"), &value, None).expect("room");
        }
        let real = resident_bytes().saturating_sub(before);
        let counted = map.bytes();
        assert!(real < counted * 13 / 10, "{len:?}: {real} resident, {counted} counted");
    }
}
