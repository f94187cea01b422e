//! A map that all workers share: bytes by key, atomic per key, bounded, outside the JavaScript heaps.
//!
//! Owns: shards, versions, expiry, eviction, the account of bytes. Must not know: JavaScript, how
//! values are encoded. Its shards are `hashbrown` tables behind a lock each rather than a `DashMap`:
//! eviction samples buckets at random and expiry is known per shard, which DashMap has no safe API for.
#![forbid(unsafe_code)]

mod room;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

/// What an entry costs besides its key and its value, in bytes: its place in a table that is on
/// average two thirds full, and the two allocations.
pub const ENTRY_BYTES: u64 = 144;
/// Locks of one map.
const SHARDS: usize = 64;
/// Entries compared to find one to evict.
const EVICTION_SAMPLES: usize = 8;
/// Buckets looked at for expired entries by each write.
const EXPIRY_SAMPLES: usize = 4;
/// Times that a write makes room and finds it taken by others.
const ROOM_TRIES_MAX: usize = 1_000;
const NEVER: u64 = u64::MAX;

/// What happens when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The write fails.
    Error,
    /// Entries that were not used for long go (approximately: the oldest of a sample).
    Evict,
}

/// How a map was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of all entries together, as [`cost`] counts them.
    pub bytes_max: u64,
    /// What happens when they are reached.
    pub on_full: OnFull,
    /// Lifetime of entries that are not given one, in ms.
    pub ttl_ms: Option<u64>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// A number, which `incr` can add to.
    Number(f64),
    /// A structured clone.
    Bytes(Arc<[u8]>),
}

/// There is no room for a write, or none can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Why `incr` did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncrError {
    /// No room.
    Full,
    /// The value is not a number.
    NotNumber,
}

impl From<Full> for IncrError {
    fn from(_: Full) -> Self {
        IncrError::Full
    }
}

/// Where time comes from: milliseconds of an arbitrary epoch.
#[derive(Debug)]
pub enum Clock {
    /// The machine's monotonic clock.
    Monotonic(Instant),
    /// Set by hand.
    Manual(AtomicU64),
}

impl Clock {
    fn now(&self) -> u64 {
        match self {
            Clock::Monotonic(start) => start.elapsed().as_millis() as u64,
            Clock::Manual(now) => now.load(Relaxed),
        }
    }
}

struct MapEntry {
    key: Box<str>,
    value: Stored,
    version: u64,
    expires: u64,
    used: AtomicU32,
}

#[derive(Default)]
struct Table {
    entries: HashTable<MapEntry>,
    /// The version of its latest write: grows for ever, so no version comes twice to a key.
    version: u64,
}

/// Aligned to cache lines so that neighbours do not share one.
#[repr(align(128))]
struct Shard {
    table: RwLock<Table>,
    /// No entry expires before.
    expires_from: AtomicU64,
}

impl Shard {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a write does to the entry it was shown.
enum Change {
    Keep,
    Remove,
    /// A new value; `None` keeps the expiry.
    Put(Stored, Option<u64>),
}

/// One shared map.
pub struct Map {
    options: Options,
    clock: Clock,
    hasher: RandomState,
    shards: Box<[Shard]>,
    bytes: AtomicU64,
    random: AtomicUsize,
}

/// The bytes that an entry counts for.
pub fn cost(key: &str, value: &Stored) -> u64 {
    let value = match value {
        Stored::Number(_) => 0,
        Stored::Bytes(bytes) => 16 + bytes.len(),
    };
    ENTRY_BYTES + (key.len().next_multiple_of(16) + value.next_multiple_of(16)) as u64
}

impl Map {
    /// An empty map.
    pub fn new(options: Options) -> Self {
        Map::with_clock(options, Clock::Monotonic(Instant::now()))
    }

    /// An empty map with a clock of its own.
    pub fn with_clock(options: Options, clock: Clock) -> Self {
        let shard = || Shard { table: RwLock::default(), expires_from: AtomicU64::new(NEVER) };
        Map {
            options,
            clock,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            bytes: AtomicU64::new(0),
            random: AtomicUsize::new(0),
        }
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The clock given to [`Map::with_clock`].
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Bytes that the entries count for now; never more than `bytes_max`.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn shard(&self, hash: u64) -> &Shard {
        // The tables use the low bits for the bucket and the top seven for the tag.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    fn expired(&self, entry: &MapEntry) -> bool {
        entry.expires != NEVER && entry.expires <= self.clock.now()
    }

    fn stamp(&self) -> u32 {
        match self.options.on_full {
            OnFull::Error => 0,
            OnFull::Evict => self.clock.now() as u32,
        }
    }

    fn look<R>(&self, key: &str, f: impl FnOnce(&MapEntry) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash);
        let table = shard.read();
        let entry = table.entries.find(hash, |entry| *entry.key == *key)?;
        if self.expired(entry) {
            drop(table);
            let mut table = shard.write();
            if table.entries.find(hash, |entry| *entry.key == *key).is_some_and(|e| self.expired(e)) {
                self.remove(&mut table, hash, key);
            }
            return None;
        }
        if self.options.on_full == OnFull::Evict {
            entry.used.store(self.stamp(), Relaxed);
        }
        Some(f(entry))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Stored> {
        self.look(key, |entry| entry.value.clone())
    }

    /// The value of `key` and its version, for [`Map::compare_set`].
    pub fn get_versioned(&self, key: &str) -> Option<(Stored, u64)> {
        self.look(key, |entry| (entry.value.clone(), entry.version))
    }

    /// Whether `key` has a value.
    pub fn has(&self, key: &str) -> bool {
        self.look(key, |_| ()).is_some()
    }

    /// Sets `key`; it lives for `ttl_ms`, or for as long as the map's options say.
    ///
    /// # Errors
    /// No room.
    pub fn set(&self, key: &str, value: &Stored, ttl_ms: Option<u64>) -> Result<(), Full> {
        let expires = self.expiry(ttl_ms);
        self.change(key, |_| Ok((Change::Put(value.clone(), Some(expires)), ())))
    }

    /// Removes `key`; whether it was there.
    pub fn delete(&self, key: &str) -> bool {
        if self.is_vacant() {
            return false;
        }
        let removed: Result<bool, Full> = self.change(key, |entry| Ok((Change::Remove, entry.is_some())));
        removed.unwrap_or(false)
    }

    /// Adds `by` to the number at `key` (0 if it is not there) and returns the sum; keeps the expiry.
    ///
    /// # Errors
    /// The value is not a number; no room for a new entry.
    pub fn incr(&self, key: &str, by: f64) -> Result<f64, IncrError> {
        self.change(key, |entry| {
            let (old, expires) = match entry.map(|entry| &entry.value) {
                None => (0.0, Some(self.expiry(None))),
                Some(Stored::Number(old)) => (*old, None),
                Some(Stored::Bytes(_)) => return Err(IncrError::NotNumber),
            };
            let new = old + by;
            Ok((Change::Put(Stored::Number(new), expires), new))
        })
    }

    /// Sets `key` to `new` (`None` removes it) if its version is still `version` (`None`: not there);
    /// whether it did. Keeps the expiry of what was there.
    ///
    /// # Errors
    /// No room.
    pub fn compare_set(&self, key: &str, version: Option<u64>, new: Option<&Stored>) -> Result<bool, Full> {
        self.change(key, |entry| {
            if entry.map(|entry| entry.version) != version {
                return Ok((Change::Keep, false));
            }
            let expires = if entry.is_none() { Some(self.expiry(None)) } else { None };
            Ok((new.map_or(Change::Remove, |new| Change::Put(new.clone(), expires)), true))
        })
    }

    /// Removes every entry.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut table = shard.write();
            let freed: u64 = table.entries.iter().map(|entry| cost(&entry.key, &entry.value)).sum();
            table.entries = HashTable::new();
            self.bytes.fetch_sub(freed, Relaxed);
            shard.expires_from.store(NEVER, Relaxed);
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        if self.is_vacant() {
            return 0;
        }
        let now = self.clock.now();
        let count = |shard: &Shard| {
            if shard.expires_from.load(Relaxed) <= now {
                self.sweep(shard);
            }
            shard.read().entries.len()
        };
        self.shards.iter().map(count).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries whose keys begin with `prefix`, in no order; shard by shard, not at one moment.
    pub fn entries(&self, prefix: &str) -> Vec<(Box<str>, Stored)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let table = shard.read();
            let found = table.entries.iter().filter(|e| e.key.starts_with(prefix) && !self.expired(e));
            all.extend(found.map(|entry| (entry.key.clone(), entry.value.clone())));
        }
        all
    }

    /// The bytes of all entries, counted again: equals [`Map::bytes`] while nothing writes.
    pub fn recount(&self) -> u64 {
        let count = |shard: &Shard| -> u64 {
            shard.read().entries.iter().map(|entry| cost(&entry.key, &entry.value)).sum()
        };
        self.shards.iter().map(count).sum()
    }

    /// Whether nothing is there, not even what is expired: seen without a lock.
    fn is_vacant(&self) -> bool {
        self.bytes() == 0
    }

    fn expiry(&self, ttl_ms: Option<u64>) -> u64 {
        let ttl = ttl_ms.or(self.options.ttl_ms);
        ttl.map_or(NEVER, |ttl| self.clock.now().saturating_add(ttl))
    }

    /// The one write: shows `decide` the live entry under the shard's lock and does what it says.
    /// `decide` is asked again after room had to be made.
    fn change<R, E: From<Full>>(
        &self,
        key: &str,
        mut decide: impl FnMut(Option<&MapEntry>) -> Result<(Change, R), E>,
    ) -> Result<R, E> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash);
        for _ in 0..ROOM_TRIES_MAX {
            let needed = {
                let mut guard = shard.write();
                let table = &mut *guard;
                self.drop_expired(shard, table, hash, key);
                let old = table.entries.find(hash, |entry| *entry.key == *key);
                let (change, result) = decide(old)?;
                let before = old.map_or(0, |entry| cost(key, &entry.value));
                match change {
                    Change::Keep => return Ok(result),
                    Change::Remove => {
                        self.remove(table, hash, key);
                        return Ok(result);
                    }
                    Change::Put(value, expires) => {
                        let after = cost(key, &value);
                        if after <= before || self.reserve(after - before) {
                            self.bytes.fetch_sub(before.saturating_sub(after), Relaxed);
                            self.put(shard, table, hash, key, value, expires);
                            return Ok(result);
                        }
                        after - before
                    }
                }
            };
            self.make_room(needed)?;
        }
        Err(Full.into())
    }

    fn put(
        &self,
        shard: &Shard,
        table: &mut Table,
        hash: u64,
        key: &str,
        value: Stored,
        expires: Option<u64>,
    ) {
        table.version += 1;
        let (version, used) = (table.version, self.stamp());
        let rehash = |entry: &MapEntry| self.hasher.hash_one(&*entry.key);
        match table.entries.entry(hash, |entry| *entry.key == *key, rehash) {
            Place::Occupied(mut place) => {
                let entry = place.get_mut();
                (entry.value, entry.version) = (value, version);
                entry.expires = expires.unwrap_or(entry.expires);
                *entry.used.get_mut() = used;
            }
            Place::Vacant(place) => {
                let expires = expires.unwrap_or(NEVER);
                place.insert(MapEntry { key: key.into(), value, version, expires, used: used.into() });
            }
        }
        // Under the lock, so that no sweep forgets it.
        if let Some(expires) = expires {
            shard.expires_from.fetch_min(expires, Relaxed);
        }
    }

    fn remove(&self, table: &mut Table, hash: u64, key: &str) {
        if let Ok(found) = table.entries.find_entry(hash, |entry| *entry.key == *key) {
            self.release(&found.remove().0);
        }
    }

    fn release(&self, entry: &MapEntry) {
        self.bytes.fetch_sub(cost(&entry.key, &entry.value), Relaxed);
    }

    /// Takes `n` bytes of the bound, if they are left.
    fn reserve(&self, n: u64) -> bool {
        let take = |bytes: u64| bytes.checked_add(n).filter(|sum| *sum <= self.options.bytes_max);
        self.bytes.fetch_update(Relaxed, Relaxed, take).is_ok()
    }
}
