//! Where the prompt's history is kept.
//!
//! Owns: the file's place and its permissions. Must not know: what is in it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// `$XDG_STATE_HOME/jsserve_history`, else `~/.jsserve_history`; none where neither is set.
pub fn path() -> Option<PathBuf> {
    place(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
}

fn place(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |folder: OsString| Some(PathBuf::from(folder)).filter(|folder| folder.is_absolute());
    match state.and_then(absolute) {
        Some(state) => Some(state.join("jsserve_history")),
        None => Some(home.and_then(absolute)?.join(".jsserve_history")),
    }
}

/// Makes the file, for its owner's eyes only: lines may hold secrets.
///
/// # Errors
/// The folder or the file cannot be made.
pub fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_comes_before_home() {
        let at = |state: Option<&str>, home: Option<&str>| place(state.map(Into::into), home.map(Into::into));
        assert_eq!(at(Some("/s"), Some("/h")), Some("/s/jsserve_history".into()));
        assert_eq!(at(Some("relative"), Some("/h")), Some("/h/.jsserve_history".into()));
        assert_eq!((at(None, Some("/h")), at(None, None)), (Some("/h/.jsserve_history".into()), None));
    }
}
