//! Prepared sources on disk, by content: a second start is as fast as that of plain JavaScript.
//!
//! Owns: the folder, the entries' form, its size. Must not know: what is prepared. Never bytecode: the
//! engine trusts that. An entry of another build, or one that is damaged, is none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};

use super::positions::Positions;
use super::prepare::{Exports, Format, Prepared, Refusal};

/// Bytes of all entries that are kept when the folder is swept.
const FOLDER_BYTES_MAX: u64 = 64 << 20;
/// A larger entry is not stored.
const ENTRY_BYTES_MAX: usize = 8 << 20;
/// Bytes stored by this process between two sweeps.
const SWEEP_BYTES: u64 = 16 << 20;
/// The first bytes of an entry; the number is that of this form.
const MARK: &[u8; 16] = b"jsserve source 1";

/// What an entry is found by: a digest of this build and of all that the result depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key([u8; SHA256_OUTPUT_LEN]);

impl Key {
    /// The key for what is made of `parts`.
    pub fn of(parts: &[&str]) -> Key {
        let mut context = Context::new(&SHA256);
        context.update(build().as_bytes());
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(context.finish().as_ref());
        Key(key)
    }

    fn name(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Names this very build: another one may transform otherwise.
fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let program = fs::metadata("/proc/self/exe").map(|m| (m.len(), m.mtime(), m.mtime_nsec(), m.ino()));
        format!("{} {program:?}", env!("CARGO_PKG_VERSION"))
    })
}

/// What the cache holds for `key`, else what `make` makes, which is stored then.
///
/// # Errors
/// Those of `make`.
pub fn get_or(key: &Key, make: impl FnOnce() -> Result<Prepared, Refusal>) -> Result<Prepared, Refusal> {
    let folder = match super::settings().no_cache {
        true => None,
        false => folder(),
    };
    get_or_in(folder, key, make)
}

fn get_or_in(
    folder: Option<&Path>,
    key: &Key,
    make: impl FnOnce() -> Result<Prepared, Refusal>,
) -> Result<Prepared, Refusal> {
    let Some(folder) = folder else { return make() };
    if let Some(known) = load(folder, key) {
        return Ok(known);
    }
    let made = make()?;
    // A disk that is full, a folder that went away: the next start does the work again.
    let _ = store(folder, key, &made);
    Ok(made)
}

/// The cache's folder (XDG Base Directory Specification): ours alone, or none.
fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOLDER.get_or_init(|| {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        make_folder(&base.join("jsserve"))
    });
    found.as_deref()
}

/// Makes the folder; none where others may write to it.
fn make_folder(folder: &Path) -> Option<PathBuf> {
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let found = fs::symlink_metadata(folder).ok()?;
    let ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    (found.is_dir() && ours).then(|| folder.to_owned())
}

/// The entry for `key`, if it is whole.
fn load(folder: &Path, key: &Key) -> Option<Prepared> {
    let file = File::open(folder.join(key.name())).ok()?;
    let mut bytes = Vec::new();
    file.take(ENTRY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(MARK)?;
    let (sum, body) = rest.split_at_checked(SHA256_OUTPUT_LEN)?;
    if sum != seal(key, body) {
        return None;
    }
    let mut reader = Reader(body);
    let commonjs = reader.number()? == 1;
    let positions = match reader.number()? {
        1 => Some(Positions::Tokens(reader.bytes()?.into())),
        2 => Some(Positions::Before(reader.number()?)),
        _ => None,
    };
    let (names, from) = (reader.list()?, reader.list()?);
    let format = if commonjs { Format::CommonJs(Exports { names, from }) } else { Format::Module };
    Some(Prepared { text: reader.0.to_vec(), format, positions })
}

/// A digest over all that an entry says, and what it is for.
fn seal(key: &Key, body: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut sum = [0; SHA256_OUTPUT_LEN];
    sum.copy_from_slice(digest(&SHA256, &[&key.0[..], body].concat()).as_ref());
    sum
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn list(&mut self) -> Option<Vec<String>> {
        let count = self.number()?;
        (0..count).map(|_| String::from_utf8(self.bytes()?.to_vec()).ok()).collect()
    }
}

fn body(prepared: &Prepared) -> Vec<u8> {
    let mut body = Vec::with_capacity(prepared.text.len() + 256);
    let number = |body: &mut Vec<u8>, n: usize| body.extend_from_slice(&(n as u32).to_le_bytes());
    let bytes = |body: &mut Vec<u8>, bytes: &[u8]| {
        number(body, bytes.len());
        body.extend_from_slice(bytes);
    };
    let none = Exports::default();
    let (commonjs, exports) = match &prepared.format {
        Format::Module => (0, &none),
        Format::CommonJs(exports) => (1, exports),
    };
    number(&mut body, commonjs);
    match &prepared.positions {
        None => number(&mut body, 0),
        Some(Positions::Tokens(tokens)) => {
            number(&mut body, 1);
            bytes(&mut body, tokens);
        }
        Some(Positions::Before(before)) => {
            number(&mut body, 2);
            number(&mut body, *before as usize);
        }
    }
    for list in [&exports.names, &exports.from] {
        number(&mut body, list.len());
        for text in list {
            bytes(&mut body, text.as_bytes());
        }
    }
    body.extend_from_slice(&prepared.text);
    body
}

/// Writes an entry beside the others and gives it its name when it is whole.
fn store(folder: &Path, key: &Key, prepared: &Prepared) -> std::io::Result<()> {
    static STORED: AtomicU64 = AtomicU64::new(0);
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let body = body(prepared);
    if body.len() > ENTRY_BYTES_MAX - MARK.len() - SHA256_OUTPUT_LEN {
        return Ok(());
    }
    let draft =
        folder.join(format!("draft-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(&[&MARK[..], &seal(key, &body), &body].concat())?;
            fs::rename(&draft, folder.join(key.name()))
        });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written?;
    let before = STORED.fetch_add(body.len() as u64, Ordering::Relaxed);
    if before == 0 || before / SWEEP_BYTES != (before + body.len() as u64) / SWEEP_BYTES {
        sweep(folder, FOLDER_BYTES_MAX);
    }
    Ok(())
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

    fn example() -> Prepared {
        let exports = Exports { names: vec!["a".into(), "\u{e9}-b".into()], from: vec!["./c".into()] };
        let positions = Some(Positions::of([[0, 0, 3, 1]].into_iter()));
        Prepared { text: b"exports.a = 1".to_vec(), format: Format::CommonJs(exports), positions }
    }

    #[test]
    fn what_was_made_once_is_not_made_again() {
        let scratch = Scratch::new("hit");
        let key = Key::of(&["x", "y"]);
        let made = get_or_in(Some(&scratch.0), &key, || Ok(example())).expect("made");
        let found = get_or_in(Some(&scratch.0), &key, || panic!("made again")).expect("found");
        assert_eq!((made, found), (example(), example()));
        let plain = Prepared { positions: Some(Positions::Before(7)), ..Prepared::default() };
        store(&scratch.0, &key, &plain).expect("stored");
        assert_eq!(load(&scratch.0, &key), Some(plain));
        let other = get_or_in(Some(&scratch.0), &Key::of(&["xy", ""]), || Ok(Prepared::default()));
        assert_eq!(other, Ok(Prepared::default()));
    }

    #[test]
    fn an_entry_that_was_changed_is_none() {
        let scratch = Scratch::new("damage");
        let (key, file) = (Key::of(&["x"]), scratch.0.join(Key::of(&["x"]).name()));
        store(&scratch.0, &key, &example()).expect("stored");
        let whole = fs::read(&file).expect("an entry");
        assert_eq!(fs::metadata(&file).expect("an entry").mode() & 0o777, 0o600);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, &damaged).expect("written");
            assert_eq!(load(&scratch.0, &key), None, "byte {at}");
            fs::write(&file, &whole[..at]).expect("written");
            assert_eq!(load(&scratch.0, &key), None, "{at} bytes");
        }
        // Another one's entry under this name.
        store(&scratch.0, &Key::of(&["y"]), &example()).expect("stored");
        fs::rename(scratch.0.join(Key::of(&["y"]).name()), &file).expect("renamed");
        assert_eq!(load(&scratch.0, &key), None);
        let mended = get_or_in(Some(&scratch.0), &key, || Ok(example()));
        assert_eq!((mended, load(&scratch.0, &key)), (Ok(example()), Some(example())));
    }

    #[test]
    fn the_oldest_entries_go_when_there_is_too_much() {
        let scratch = Scratch::new("sweep");
        let start = SystemTime::now();
        for age in 0..8u64 {
            let path = scratch.0.join(format!("entry{age}"));
            fs::write(&path, [0; 1000]).expect("written");
            let times = fs::FileTimes::new().set_modified(start - std::time::Duration::from_secs(age));
            File::options().write(true).open(&path).and_then(|file| file.set_times(times)).expect("aged");
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
