//! Folders of this user's that jsserve keeps things in, and files there that nobody else may read.
//!
//! Owns: where they are (XDG Base Directory Specification), their modes, files that are whole or not there. Must not
//! know: what is kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What can be made anew: `$XDG_CACHE_HOME/jsserve`, else `~/.cache/jsserve`. None without a home.
pub fn cache() -> Option<PathBuf> {
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("jsserve"))
}

/// What is kept: `$STATE_DIRECTORY`, which systemd sets for a service (systemd.exec(5)), the first of several; else
/// `$XDG_STATE_HOME/jsserve`, else `~/.local/state/jsserve`. None without a home.
pub fn state() -> Option<PathBuf> {
    let given = std::env::var_os("STATE_DIRECTORY");
    let first = given.as_ref().and_then(|all| all.to_str()?.split(':').next());
    if let Some(folder) = first.map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Some(folder);
    }
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(base.join("jsserve"))
}

fn absolute(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Makes the folder and those above it, for this user alone.
///
/// # Errors
/// It cannot be made, or others may write to it: PermissionDenied.
pub fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::metadata(folder)?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may write to it"));
    }
    Ok(())
}

/// Writes a file with the mode `mode`; whoever reads `path` meanwhile has the old file or the new one, whole.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    // One for the whole process: drafts have its number in their names.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("draft-{}-{number}", std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, path)
        });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}
