//! A folder whose files are served, and its files, opened so that no path leads out of it.
//!
//! Owns: openat2(2) beneath the folder, the walk in its place, what a file is that was opened. Must not know: HTTP,
//! which files are kept.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2, readlink};
use rustix::io::Errno;

/// What a file is, as fstat(2) tells. Two that are equal have the same contents: whoever writes to a file changes
/// `changed`, which no program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Device and number there.
    pub place: (u64, u64),
    /// Bytes.
    pub size: u64,
    /// When its contents changed: seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
    /// When anything of it changed.
    pub changed: (i64, i64),
}

/// What an open descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// An open file or folder.
#[derive(Clone, Debug)]
pub struct OpenFile {
    /// Its descriptor.
    pub fd: Arc<OwnedFd>,
    /// What it was when it was opened.
    pub facts: Facts,
    /// Which of the two.
    pub kind: Kind,
}

/// Why nothing was opened.
#[derive(Debug)]
pub enum OpenError {
    /// There is nothing that may be served: no such path, no right to it, no file, or outside of the folder.
    Missing,
    /// A disk may have to be waited for.
    WouldBlock,
    /// The machine is at a limit, or fails.
    Failed(io::Error),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> OpenError {
        match errno {
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::NAMETOOLONG
            | Errno::ACCESS
            | Errno::PERM
            | Errno::LOOP
            | Errno::NXIO
            | Errno::NODEV
            | Errno::INVAL => OpenError::Missing,
            Errno::AGAIN => OpenError::WouldBlock,
            errno => OpenError::Failed(errno.into()),
        }
    }
}

/// What [`Facts`] an open descriptor has.
///
/// # Errors
/// `Missing` for what is neither a file nor a folder.
pub fn facts(fd: BorrowedFd<'_>) -> Result<(Facts, Kind), OpenError> {
    let stat = fstat(fd)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => return Err(OpenError::Missing),
    };
    let facts = Facts {
        place: (stat.st_dev, stat.st_ino),
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
        changed: (stat.st_ctime, stat.st_ctime_nsec as i64),
    };
    Ok((facts, kind))
}

/// How files are opened: one that is a pipe or a device does not keep anybody waiting before it is refused.
const READING: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// How often an open is tried that a rename came in between of.
const TRIES_MAX: u32 = 32;

/// How they are found without being opened.
const NAMING: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// A descriptor with the flags that were asked for, or one that only names its file.
enum Opened {
    Open(OwnedFd),
    Found(OwnedFd),
}

/// Where files are looked for.
#[derive(Debug)]
pub struct Root {
    /// The folder; `None`: paths are the app's own, from the working folder on.
    folder: Option<OwnedFd>,
    place: (u64, u64),
}

impl Root {
    /// For paths that the app names: nothing is outside.
    pub const ANYWHERE: Root = Root { folder: None, place: (0, 0) };

    /// The folder at `path`.
    ///
    /// # Errors
    /// It is not there, or no folder.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(path, flags, Mode::empty())?;
        let stat = fstat(&folder)?;
        Ok(Root { folder: Some(folder), place: (stat.st_dev, stat.st_ino) })
    }

    /// Whether the folder at `path` is still this one.
    pub fn is_at(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.place)
    }

    /// Its device and number there.
    pub fn place(&self) -> (u64, u64) {
        self.place
    }

    /// Opens the file or folder at `path` below it; an empty one is the folder itself. Symbolic links are followed as
    /// long as they stay inside. With `at_once` never waits for a disk.
    ///
    /// # Errors
    /// Why there is none; `WouldBlock` with `at_once` only.
    pub fn open_file(&self, path: &[u8], at_once: bool) -> Result<OpenFile, OpenError> {
        OpenFile::of(match self.open_beneath(path, READING, at_once)? {
            Opened::Open(fd) => fd,
            Opened::Found(found) => open(descriptor_path(found.as_fd()), READING, Mode::empty())?,
        })
    }

    /// What there is at `path` below it, and its mode (inode(7)); found by the same rules, but not opened: who may only
    /// execute a file finds it as well.
    ///
    /// # Errors
    /// Why there is nothing; `WouldBlock` with `at_once` only.
    pub fn look(&self, path: &[u8], at_once: bool) -> Result<(Kind, u32), OpenError> {
        let (Opened::Open(fd) | Opened::Found(fd)) = self.open_beneath(path, NAMING, at_once)?;
        let (_, kind) = facts(fd.as_fd())?;
        Ok((kind, fstat(&fd)?.st_mode))
    }

    fn open_beneath(&self, path: &[u8], flags: OFlags, at_once: bool) -> Result<Opened, OpenError> {
        let path = OsStr::from_bytes(if path.is_empty() { b"." } else { path });
        let mut resolve = ResolveFlags::NO_MAGICLINKS;
        let folder = match &self.folder {
            Some(folder) => {
                resolve |= ResolveFlags::BENEATH;
                folder.as_fd()
            }
            None => CWD,
        };
        if at_once {
            resolve |= ResolveFlags::CACHED;
        }
        let mut tries = 0;
        let opened = loop {
            tries += 1;
            match openat2(folder, path, flags, Mode::empty(), resolve) {
                // Something on the way was renamed meanwhile (openat2(2)), or a signal came.
                Err(Errno::AGAIN | Errno::INTR) if !at_once && tries < TRIES_MAX => {}
                opened => break opened,
            }
        };
        match opened {
            Ok(fd) => Ok(Opened::Open(fd)),
            // EXDEV: a link with an absolute path, which may lead inside all the same. The others: a kernel, or what
            // stands between us and it, that does not know the call, or not this flag.
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::INVAL) if at_once => {
                Err(OpenError::WouldBlock)
            }
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::INVAL) => self.find_by_walk(path, flags),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The same without openat2(2): what a path leads to is found first, without opening it, and opened only if the
    /// kernel's own name for it is inside.
    fn find_by_walk(&self, path: &OsStr, flags: OFlags) -> Result<Opened, OpenError> {
        let Some(folder) = &self.folder else {
            return Ok(Opened::Open(openat(CWD, path, flags, Mode::empty())?));
        };
        let found = openat(folder, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        facts(found.as_fd())?;
        let mut inside = name_of(folder.as_fd())?.into_os_string().into_vec();
        if inside.last() != Some(&b'/') {
            inside.push(b'/');
        }
        let name = name_of(found.as_fd())?;
        let is_root = fstat(&found).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.place);
        if !is_root && !name.as_os_str().as_bytes().starts_with(&inside) {
            return Err(OpenError::Missing);
        }
        Ok(Opened::Found(found))
    }
}

/// The kernel's name for what is open.
fn name_of(fd: BorrowedFd<'_>) -> Result<PathBuf, OpenError> {
    let name = readlink(descriptor_path(fd), Vec::new())?;
    Ok(OsString::from_vec(name.into_bytes()).into())
}

fn descriptor_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

impl OpenFile {
    fn of(fd: OwnedFd) -> Result<OpenFile, OpenError> {
        let (facts, kind) = facts(fd.as_fd())?;
        // Reads that may wait are for threads and the ring, which are to wait.
        rustix::fs::fcntl_setfl(&fd, OFlags::empty())?;
        Ok(OpenFile { fd: Arc::new(fd), facts, kind })
    }

    /// Whether its contents are those that it was opened with.
    pub fn is_same(&self) -> bool {
        // A name that goes, or a new mode, changes nothing of them.
        let contents = |facts: &Facts| (facts.size, facts.modified);
        facts(self.fd.as_fd()).is_ok_and(|(now, _)| contents(&now) == contents(&self.facts))
    }
}
