//! How a map finds room: expired entries first, then those that were not used for long.
//!
//! Owns: sampling, sweeping, eviction. Must not know: what is written.
#![forbid(unsafe_code)]

use std::hash::BuildHasher;
use std::sync::atomic::Ordering::Relaxed;

use super::{EVICTION_SAMPLES, EXPIRY_SAMPLES, Full, Map, NEVER, OnFull, SHARDS, Shard, Table};

impl Map {
    /// Removes `key` if it is expired, and what a few random buckets hold that is.
    pub(super) fn drop_expired(&self, shard: &Shard, table: &mut Table, hash: u64, key: &str) {
        let from = shard.expires_from.load(Relaxed);
        if from == NEVER || from > self.clock.now() {
            return;
        }
        if table.entries.find(hash, |entry| *entry.key == *key).is_some_and(|entry| self.expired(entry)) {
            self.remove(table, hash, key);
        }
        for _ in 0..EXPIRY_SAMPLES {
            let index = self.random() % table.entries.num_buckets().max(1);
            if let Ok(place) = table.entries.get_bucket_entry(index)
                && self.expired(place.get())
            {
                self.release(&place.remove().0);
            }
        }
    }

    /// Removes every expired entry of a shard.
    pub(super) fn sweep(&self, shard: &Shard) {
        let (now, mut from) = (self.clock.now(), NEVER);
        let mut table = shard.write();
        table.entries.retain(|entry| {
            let keep = entry.expires > now;
            if keep {
                from = from.min(entry.expires);
            } else {
                self.release(entry);
            }
            keep
        });
        let len = table.entries.len();
        if table.entries.capacity() > 64 && len * 4 < table.entries.capacity() {
            table.entries.shrink_to(len * 2, |entry| self.hasher.hash_one(&*entry.key));
        }
        shard.expires_from.store(from, Relaxed);
    }

    /// Frees `needed` bytes: first of what is expired, then by eviction if the map evicts.
    pub(super) fn make_room(&self, needed: u64) -> Result<(), Full> {
        let fits = || self.bytes().saturating_add(needed) <= self.options.bytes_max;
        if needed > self.options.bytes_max {
            return Err(Full);
        }
        let now = self.clock.now();
        for shard in &self.shards {
            if shard.expires_from.load(Relaxed) <= now {
                self.sweep(shard);
                if fits() {
                    return Ok(());
                }
            }
        }
        if self.options.on_full == OnFull::Error {
            return if fits() { Ok(()) } else { Err(Full) };
        }
        while !fits() {
            if !self.evict() {
                break;
            }
        }
        Ok(())
    }

    /// Removes the least recently used of a sample; false if there is nothing to remove.
    pub(super) fn evict(&self) -> bool {
        let now = self.stamp();
        let mut oldest: Option<(i32, &Shard, u64, u64)> = None;
        for _ in 0..EVICTION_SAMPLES {
            let Some((age, shard, hash, version)) = self.sample(now) else { return false };
            if oldest.is_none_or(|(best, ..)| age > best) {
                oldest = Some((age, shard, hash, version));
            }
        }
        if let Some((_, shard, hash, version)) = oldest {
            let mut table = shard.write();
            if let Ok(found) = table.entries.find_entry(hash, |entry| entry.version == version) {
                self.release(&found.remove().0);
            }
        }
        true
    }

    /// A random entry: how long it was not used, and what finds it again.
    pub(super) fn sample(&self, now: u32) -> Option<(i32, &Shard, u64, u64)> {
        let first = self.random();
        for shard in (0..SHARDS).map(|i| &self.shards[(first + i) % SHARDS]) {
            let table = shard.read();
            let entries = &table.entries;
            if entries.is_empty() {
                continue;
            }
            let buckets = entries.num_buckets();
            let random = (0..32).find_map(|_| entries.get_bucket(self.random() % buckets));
            let entry = random.or_else(|| entries.iter().next())?;
            // What was used after `now` was read has no age.
            let age = (now.wrapping_sub(entry.used.load(Relaxed)) as i32).max(0);
            return Some((age, shard, self.hasher.hash_one(&*entry.key), entry.version));
        }
        None
    }

    /// Not for secrets: spreads a counter (splitmix64).
    pub(super) fn random(&self) -> usize {
        let mut n = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed) as u64;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((n ^ (n >> 31)) >> 1) as usize
    }
}
