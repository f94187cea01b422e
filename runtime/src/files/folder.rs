//! A folder whose files are served: what there is under a path.
//!
//! Owns: index files, folders without a slash, listings, and who looks: this thread where nothing has to be waited for,
//! else another. Must not know: requests beyond their path.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::{self, CachedFile};
use super::entry::{self, AllFacts, FileEntry, Rules};
use super::http::listing::{self, ITEMS_MAX, Item};
use super::opened::{Kind, OpenError, OpenFile, Root};
use super::path::FilePath;
use crate::io::{file, now};

/// For so long a folder is the one that was opened.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// What there is under a path.
pub enum Found {
    /// A file.
    File(Rc<CachedFile>),
    /// A folder, which is to be asked for with a slash.
    Redirect,
    /// The page that lists a folder.
    Page(String),
    /// Nothing that is served.
    Missing,
}

/// The outcome of a look.
pub enum Look {
    /// This.
    Ready(Found),
    /// A disk is waited for, in another thread.
    Later(Pin<Box<dyn Future<Output = io::Result<Found>>>>),
    /// The machine is at a limit, or fails.
    Failed(io::Error),
}

impl Look {
    /// What it comes to.
    ///
    /// # Errors
    /// The machine is at a limit, or fails.
    pub async fn found(self) -> io::Result<Found> {
        match self {
            Look::Ready(found) => Ok(found),
            Look::Later(found) => found.await,
            Look::Failed(error) => Err(error),
        }
    }
}

/// A folder, or the whole machine for paths that the app names itself.
pub struct Folder {
    path: Option<PathBuf>,
    root: RefCell<Option<Arc<Root>>>,
    checked: Cell<Option<Instant>>,
    rules: Arc<Rules>,
    rules_number: u64,
}

/// What was found, before it is kept.
enum Located {
    /// What is known already.
    Same,
    FileEntry(Box<FileEntry>),
    Redirect,
    Page(String),
}

impl Folder {
    /// The folder at `path`; `None`: files are named by the app. It is opened when it is first needed.
    pub fn new(path: Option<PathBuf>, rules: Rules) -> Folder {
        let mut hasher = DefaultHasher::new();
        rules.hash(&mut hasher);
        let root = path.is_none().then(|| Arc::new(Root::ANYWHERE));
        let (root, checked) = (RefCell::new(root), Cell::new(None));
        Folder { path, root, checked, rules: Arc::new(rules), rules_number: hasher.finish() }
    }

    /// How its files are served.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The folder as it is now: another may have taken its place, as deployments do.
    fn root(&self) -> io::Result<Arc<Root>> {
        let mut root = self.root.borrow_mut();
        let Some(path) = &self.path else {
            return root.clone().ok_or_else(|| io::ErrorKind::NotFound.into());
        };
        let is_good = self.checked.get().is_some_and(|at| now().saturating_duration_since(at) < GOOD_FOR);
        match &*root {
            Some(root) if is_good || root.is_at(path) => {
                if !is_good {
                    self.checked.set(Some(now()));
                }
                Ok(root.clone())
            }
            _ => {
                self.checked.set(Some(now()));
                *root = None;
                Ok(root.insert(Arc::new(Root::open(path)?)).clone())
            }
        }
    }

    /// What there is under `path`; `shown` is the path of the request, decoded, for a listing.
    pub fn look(&self, path: FilePath, shown: &[u8]) -> Look {
        let root = match self.root() {
            Ok(root) => root,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::Ready(Found::Missing),
            Err(error) => return Look::Failed(error),
        };
        let mut key = Vec::with_capacity(24 + path.bytes.len());
        for number in [root.place().0, root.place().1, self.rules_number] {
            key.extend_from_slice(&number.to_ne_bytes());
        }
        key.extend_from_slice(&path.bytes);
        let kept = cache::get(&key);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh()) {
            return Look::Ready(Found::File(kept.clone()));
        }
        let known = kept.as_ref().and_then(|kept| kept.entry.facts());
        let search = FileSearch { root, path, rules: self.rules.clone(), known, shown: shown.to_vec() };
        match search.locate(true) {
            Err(OpenError::WouldBlock) => Look::Later(Box::pin(async move {
                let located = file::blocking(move || search.locate(false)).await?;
                settle(&key, kept, located)
            })),
            located => match settle(&key, kept, located) {
                Ok(found) => Look::Ready(found),
                Err(error) => Look::Failed(error),
            },
        }
    }
}

fn settle(
    key: &[u8],
    kept: Option<Rc<CachedFile>>,
    located: Result<Located, OpenError>,
) -> io::Result<Found> {
    Ok(match (located, kept) {
        (Ok(Located::Same), Some(kept)) => {
            kept.refresh();
            Found::File(kept)
        }
        (Ok(Located::FileEntry(entry)), _) => Found::File(cache::put(key, *entry)),
        (Ok(Located::Redirect), _) => Found::Redirect,
        (Ok(Located::Page(page)), _) => Found::Page(page),
        (Ok(Located::Same) | Err(OpenError::Missing), kept) => {
            if kept.is_some() {
                cache::forget(key);
            }
            Found::Missing
        }
        (Err(OpenError::WouldBlock), _) => return Err(io::ErrorKind::WouldBlock.into()),
        (Err(OpenError::Failed(error)), _) => return Err(error),
    })
}

/// One look, for whichever thread.
struct FileSearch {
    root: Arc<Root>,
    path: FilePath,
    rules: Arc<Rules>,
    /// What is known of the file, and whether that is still so is the question.
    known: Option<AllFacts>,
    shown: Vec<u8>,
}

impl FileSearch {
    fn locate(&self, at_once: bool) -> Result<Located, OpenError> {
        let (relative, open) = (self.path.relative(), |path: &[u8]| self.root.open_file(path, at_once));
        if !self.path.is_folder() {
            let found = open(relative)?;
            if found.kind == Kind::File {
                return self.entry(found, relative, at_once);
            }
            // Only where there is something behind it.
            let is_served = self.rules.listing || self.index(at_once)?.is_some();
            return if is_served { Ok(Located::Redirect) } else { Err(OpenError::Missing) };
        }
        if let Some((file, path)) = self.index(at_once)? {
            return self.entry(file, &path, at_once);
        }
        if !self.rules.listing {
            return Err(OpenError::Missing);
        }
        if at_once {
            return Err(OpenError::WouldBlock);
        }
        let folder = open(relative)?;
        match folder.kind {
            Kind::Folder => self.list(&folder).map(Located::Page),
            Kind::File => Err(OpenError::Missing),
        }
    }

    /// The first of the index files that is there.
    fn index(&self, at_once: bool) -> Result<Option<(OpenFile, Vec<u8>)>, OpenError> {
        for name in &self.rules.index {
            let mut path = self.path.relative().to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            match self.root.open_file(&path, at_once) {
                Ok(file) if file.kind == Kind::File => return Ok(Some((file, path))),
                Ok(_) | Err(OpenError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn entry(&self, file: OpenFile, path: &[u8], at_once: bool) -> Result<Located, OpenError> {
        let opened = entry::open(&self.root, file, path, &self.rules, at_once)?;
        if self.known.is_some_and(|known| known == entry::facts(&opened)) {
            return Ok(Located::Same);
        }
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        Ok(Located::FileEntry(Box::new(FileEntry::new(opened, name, &self.rules, at_once)?)))
    }

    fn list(&self, folder: &OpenFile) -> Result<String, OpenError> {
        use rustix::fs::{AtFlags, Dir, FileType, statat};
        let (mut items, mut has_more) = (Vec::new(), false);
        for entry in Dir::read_from(folder.fd.as_fd())? {
            let entry = entry?;
            let name = entry.file_name();
            let bytes = name.to_bytes();
            let is_hidden = bytes.first() == Some(&b'.') && !self.rules.dotfiles;
            // No request can name one with a backslash.
            if matches!(bytes, b"." | b"..") || is_hidden || bytes.contains(&b'\\') {
                continue;
            }
            if items.len() == ITEMS_MAX {
                has_more = true;
                break;
            }
            let Ok(mut stat) = statat(folder.fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                // What it leads to, if that is inside.
                let path = [&*self.folder_path(), bytes].concat();
                let Ok(found) = self.root.open_file(&path, false) else { continue };
                let Ok(target) = rustix::fs::fstat(found.fd.as_fd()) else { continue };
                stat = target;
            }
            let is_folder = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => true,
                FileType::RegularFile => false,
                // Nothing else is served.
                _ => continue,
            };
            items.push(Item {
                name: bytes.to_vec(),
                is_folder,
                size: u64::try_from(stat.st_size).unwrap_or_default(),
                modified_s: u64::try_from(stat.st_mtime).unwrap_or_default(),
            });
        }
        Ok(listing::page(&self.shown, items, has_more))
    }

    fn folder_path(&self) -> Vec<u8> {
        match self.path.relative() {
            b"" => Vec::new(),
            path => [path, b"/"].concat(),
        }
    }
}

/// Whether there is a folder at `path`.
///
/// # Errors
/// There is none.
pub fn check(path: &Path) -> io::Result<()> {
    Root::open(path).map(drop)
}
