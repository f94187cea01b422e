//! The files that a worker keeps open or in memory: the most recently used, for a second without a look.
//!
//! Owns: how many, how many bytes, what goes first. Must not know: how an entry is made, requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::entry::FileEntry;
use crate::io::now;

/// For so long an entry is good without a look at the file.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(1);

/// What a worker may keep.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Files, open or in memory.
    pub files_max: usize,
    /// Bytes of files in memory.
    pub bytes_max: usize,
}

thread_local! {
    static CACHE: RefCell<FileCache> = RefCell::new(FileCache::new(CacheLimits { files_max: 1024, bytes_max: 32 << 20 }));
}

/// An entry, and when it was last compared with its files.
pub struct CachedFile {
    /// The entry.
    pub entry: FileEntry,
    checked: Cell<Instant>,
}

impl CachedFile {
    /// Whether it may be served without a look.
    pub fn is_fresh(&self) -> bool {
        now().saturating_duration_since(self.checked.get()) < GOOD_FOR
    }

    /// Its files are what they were.
    pub fn refresh(&self) {
        self.checked.set(now());
    }
}

/// The entries of a thread, by folder, rules and path.
pub struct FileCache {
    entries: LruCache<Box<[u8]>, Rc<CachedFile>>,
    files: usize,
    bytes: usize,
    limits: CacheLimits,
}

/// Sets what this thread may keep.
pub fn configure(limits: CacheLimits) {
    CACHE.with_borrow_mut(|cache| {
        cache.limits = limits;
        cache.shrink();
    });
}

/// The entry under `key`, fresh or not.
pub fn get(key: &[u8]) -> Option<Rc<CachedFile>> {
    CACHE.with_borrow_mut(|cache| cache.entries.get(key).cloned())
}

/// Keeps `entry` under `key`, as far as the limits allow.
pub fn put(key: &[u8], entry: FileEntry) -> Rc<CachedFile> {
    let kept = Rc::new(CachedFile { entry, checked: Cell::new(now()) });
    CACHE.with_borrow_mut(|cache| cache.put(key, kept.clone()));
    kept
}

/// The file under `key` is gone.
pub fn forget(key: &[u8]) {
    CACHE.with_borrow_mut(|cache| {
        if let Some(old) = cache.entries.pop(key) {
            cache.count_out(&old);
        }
    });
}

impl FileCache {
    fn new(limits: CacheLimits) -> FileCache {
        FileCache { entries: LruCache::unbounded(), files: 0, bytes: 0, limits }
    }

    fn put(&mut self, key: &[u8], kept: Rc<CachedFile>) {
        self.files += kept.entry.open_files();
        self.bytes += kept.entry.kept_bytes();
        if let Some(old) = self.entries.put(key.into(), kept) {
            self.count_out(&old);
        }
        self.shrink();
    }

    fn count_out(&mut self, gone: &CachedFile) {
        self.files -= gone.entry.open_files();
        self.bytes -= gone.entry.kept_bytes();
    }

    fn shrink(&mut self) {
        while self.files > self.limits.files_max || self.bytes > self.limits.bytes_max {
            let Some((_, gone)) = self.entries.pop_lru() else { return };
            self.count_out(&gone);
        }
    }
}
