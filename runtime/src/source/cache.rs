//! What was made of a source, on disk, by content: a second start does none of that work again.
//!
//! Owns: the folder, its size, what makes an entry trusted. Must not know: what entries hold. An entry of
//! another build, of another user, or one that is damaged, is none: the engine trusts the bytecode that it
//! is given, and whoever may write here can run code as this user anyway.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use crate::folders;

/// Bytes of all entries that are kept when the folder is swept.
const FOLDER_BYTES_MAX: u64 = 64 << 20;
/// A larger entry is not stored.
const ENTRY_BYTES_MAX: usize = 8 << 20;
/// Bytes stored for one app between two sweeps.
const SWEEP_BYTES: u64 = 16 << 20;
/// The first bytes of an entry; the number is that of this form.
const MARK: &[u8; 16] = b"jsserve cached 2";

/// What an entry is found by: a digest of this build and of all that the result depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey([u8; SHA256_OUTPUT_LEN]);

impl CacheKey {
    /// The key for what is made of `parts`.
    pub fn of(parts: &[&[u8]]) -> CacheKey {
        let mut context = Context::new(&SHA256);
        context.update(build().unwrap_or_default().as_bytes());
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(context.finish().as_ref());
        CacheKey(key)
    }

    fn name(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Names this very build: another one may transform otherwise, and its bytecode may be another. None where the
/// program's file cannot be seen (no /proc): then nothing is cached.
fn build() -> Option<&'static str> {
    static BUILD: OnceLock<Option<String>> = OnceLock::new();
    let known = BUILD.get_or_init(|| {
        let file = fs::metadata("/proc/self/exe").ok()?;
        let file = (file.len(), file.mtime(), file.mtime_nsec(), file.dev(), file.ino());
        Some(format!("{} {file:?}", env!("CARGO_PKG_VERSION")))
    });
    known.as_deref()
}

/// The cache as one app uses it.
#[derive(Default)]
pub struct Cache {
    /// Nothing is read from the folder nor written there.
    is_off: bool,
    /// Looked for when it is first asked for.
    folder: OnceLock<Option<PathBuf>>,
    /// Bytes that were stored.
    stored: AtomicU64,
}

impl Cache {
    /// A cache that is not used at all where `is_off`.
    pub fn new(is_off: bool) -> Cache {
        Cache { is_off, ..Cache::default() }
    }

    /// What was stored for `key`.
    pub fn load(&self, key: &CacheKey) -> Option<Vec<u8>> {
        load_from(self.folder()?, key)
    }

    /// Stores `body` for `key`. Where that does not work (a disk that is full, a folder that went away), the
    /// next start does the work again.
    pub fn store(&self, key: &CacheKey, body: &[u8]) {
        if let Some(folder) = self.folder() {
            let _ = self.store_in(folder, key, body);
        }
    }

    /// The cache's folder (XDG Base Directory Specification): ours alone, or none.
    fn folder(&self) -> Option<&Path> {
        if self.is_off || build().is_none() {
            return None;
        }
        let found = self.folder.get_or_init(|| make_folder(&folders::cache()?));
        found.as_deref()
    }

    /// Writes an entry beside the others and gives it its name when it is whole.
    fn store_in(&self, folder: &Path, key: &CacheKey, body: &[u8]) -> std::io::Result<()> {
        // One for all caches of the process: drafts have its number in their names.
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        if body.len() > ENTRY_BYTES_MAX - MARK.len() - SHA256_OUTPUT_LEN {
            return Ok(());
        }
        let draft = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = folder.join(format!("draft-{}-{draft}", std::process::id()));
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
                file.write_all(&[&MARK[..], &seal(key, body), body].concat())?;
                fs::rename(&draft, folder.join(key.name()))
            });
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written?;
        let before = self.stored.fetch_add(body.len() as u64, Ordering::Relaxed);
        if before == 0 || before / SWEEP_BYTES != (before + body.len() as u64) / SWEEP_BYTES {
            sweep(folder, FOLDER_BYTES_MAX);
        }
        Ok(())
    }
}

/// Makes the folder; none where others may write to it.
fn make_folder(folder: &Path) -> Option<PathBuf> {
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let found = fs::symlink_metadata(folder).ok()?;
    (found.is_dir() && is_ours(&found)).then(|| folder.to_owned())
}

/// Whether none but this user may write to it.
fn is_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}

/// The entry for `key`, if it is whole.
fn load_from(folder: &Path, key: &CacheKey) -> Option<Vec<u8>> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(folder.join(key.name())).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || !is_ours(&found) {
        return None;
    }
    let mut bytes = Vec::with_capacity(found.len().min(ENTRY_BYTES_MAX as u64) as usize + 1);
    file.take(ENTRY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    let (sum, body) = bytes.strip_prefix(MARK)?.split_at_checked(SHA256_OUTPUT_LEN)?;
    if sum != seal(key, body) {
        return None;
    }
    bytes.drain(..MARK.len() + SHA256_OUTPUT_LEN);
    Some(bytes)
}

/// A digest over all that an entry says, and what it is for.
fn seal(key: &CacheKey, body: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut sum = [0; SHA256_OUTPUT_LEN];
    let mut context = Context::new(&SHA256);
    context.update(&key.0);
    context.update(body);
    sum.copy_from_slice(context.finish().as_ref());
    sum
}

/// Removes the oldest entries until half of `bytes_max` is free, where it is exceeded; and drafts that
/// a process left behind.
fn sweep(folder: &Path, bytes_max: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut all: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let found = entry.metadata().ok().filter(|found| found.is_file())?;
            Some((found.modified().ok()?, found.len(), entry.path()))
        })
        .collect();
    let mut bytes: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
    if bytes <= bytes_max {
        return;
    }
    all.sort();
    for (_, size, path) in all {
        if bytes <= bytes_max / 2 {
            return;
        }
        if fs::remove_file(path).is_ok() {
            bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test's own, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("jsserve-cache-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Scratch(make_folder(&path).expect("a folder of our own"))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_was_stored_is_found_by_its_key_alone() {
        let scratch = Scratch::new("hit");
        let key = CacheKey::of(&[b"x", b"y"]);
        assert_eq!(load_from(&scratch.0, &key), None);
        Cache::default().store_in(&scratch.0, &key, b"made").expect("stored");
        assert_eq!(load_from(&scratch.0, &key).as_deref(), Some(&b"made"[..]));
        assert_eq!(load_from(&scratch.0, &CacheKey::of(&[b"xy", b""])), None);
        Cache::default().store_in(&scratch.0, &key, b"").expect("stored again");
        assert_eq!(load_from(&scratch.0, &key), Some(Vec::new()));
        Cache::default()
            .store_in(&scratch.0, &key, &vec![0; ENTRY_BYTES_MAX])
            .expect("not stored, being too large");
        assert_eq!(load_from(&scratch.0, &key), Some(Vec::new()));
    }

    #[test]
    fn an_entry_that_was_changed_is_none() {
        let scratch = Scratch::new("damage");
        let (key, file) = (CacheKey::of(&[b"x"]), scratch.0.join(CacheKey::of(&[b"x"]).name()));
        Cache::default().store_in(&scratch.0, &key, b"an example").expect("stored");
        let whole = fs::read(&file).expect("an entry");
        assert_eq!(fs::metadata(&file).expect("an entry").mode() & 0o777, 0o600);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, &damaged).expect("written");
            assert_eq!(load_from(&scratch.0, &key), None, "byte {at}");
            fs::write(&file, &whole[..at]).expect("written");
            assert_eq!(load_from(&scratch.0, &key), None, "{at} bytes");
        }
        // Another one's entry under this name.
        let other = CacheKey::of(&[b"y"]);
        Cache::default().store_in(&scratch.0, &other, b"an example").expect("stored");
        fs::rename(scratch.0.join(other.name()), &file).expect("renamed");
        assert_eq!(load_from(&scratch.0, &key), None);
        Cache::default().store_in(&scratch.0, &key, b"an example").expect("mended");
        assert_eq!(load_from(&scratch.0, &key).as_deref(), Some(&b"an example"[..]));
    }

    #[test]
    fn an_entry_that_others_may_write_to_is_none() {
        let scratch = Scratch::new("entry");
        let (key, other) = (CacheKey::of(&[b"x"]), CacheKey::of(&[b"y"]));
        let file = scratch.0.join(key.name());
        Cache::default().store_in(&scratch.0, &key, b"an example").expect("stored");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o620)).expect("opened");
        assert_eq!(load_from(&scratch.0, &key), None);
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("closed");
        assert!(load_from(&scratch.0, &key).is_some());
        let elsewhere = scratch.0.join("elsewhere");
        fs::rename(&file, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &file).expect("linked");
        assert_eq!(load_from(&scratch.0, &key), None);
        fs::create_dir(scratch.0.join(other.name())).expect("made");
        assert_eq!(load_from(&scratch.0, &other), None);
    }

    #[test]
    fn the_oldest_entries_go_when_there_is_too_much() {
        let scratch = Scratch::new("sweep");
        let start = SystemTime::now();
        for age in 0..8u64 {
            let path = scratch.0.join(format!("entry{age}"));
            fs::write(&path, [0; 1000]).expect("written");
            let times = fs::FileTimes::new().set_modified(start - std::time::Duration::from_secs(age));
            fs::File::options().write(true).open(&path).and_then(|file| file.set_times(times)).expect("aged");
        }
        sweep(&scratch.0, 8000);
        assert!(scratch.0.join("entry7").exists());
        sweep(&scratch.0, 6000);
        let left: Vec<u64> = (0..8).filter(|age| scratch.0.join(format!("entry{age}")).exists()).collect();
        assert_eq!(left, [0, 1, 2]);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let scratch = Scratch::new("shared");
        let open = scratch.0.join("open");
        DirBuilder::new().create(&open).expect("made");
        fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("opened");
        assert_eq!(make_folder(&open), None);
        std::os::unix::fs::symlink(&scratch.0, scratch.0.join("link")).expect("linked");
        assert_eq!(make_folder(&scratch.0.join("link")), None);
        let made = make_folder(&scratch.0.join("a/b")).expect("made");
        assert_eq!(fs::metadata(made).expect("there").mode() & 0o777, 0o700);
    }
}
