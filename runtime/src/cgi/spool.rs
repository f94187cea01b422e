//! A place for a body that is too long for memory: a file without a name, gone when it is closed.
//!
//! Owns: where it is made. Must not know: what is written to it.

use std::env;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use rustix::fs::{Mode, OFlags, open};

/// A file of this process's alone, in the folder for temporary files (TMPDIR, /tmp). May wait for a disk.
///
/// # Errors
/// There is no such folder, or no room in it.
pub fn spool_file() -> io::Result<File> {
    let folder = env::temp_dir();
    let (flags, mode) = (OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    if let Ok(fd) = open(&folder, flags | OFlags::TMPFILE, mode) {
        return Ok(fd.into());
    }
    // A file system without such files: one whose name is gone at once.
    let path = folder.join(format!("jsserve-{:016x}", RandomState::new().build_hasher().finish()));
    let fd = open(&path, flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)?;
    std::fs::remove_file(&path)?;
    Ok(fd.into())
}
