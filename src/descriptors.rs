//! What the process was started with: the numbers of the descriptors that are open.
//!
//! Owns: reading the list. Must not know: what is done with them. It is only right before anything
//! else of this program opens something.

use std::path::PathBuf;

/// Numbers of the descriptors that are open now (proc(5), /proc/pid/fd); the standard three where
/// there is no proc file system.
pub fn open() -> Vec<i32> {
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        names.collect::<Vec<i32>>()
    });
    match listed {
        // The list has the descriptor that it was read from, which is closed by now.
        Ok(all) => all.into_iter().filter(|fd| link(*fd).symlink_metadata().is_ok()).collect(),
        Err(_) => vec![0, 1, 2],
    }
}

fn link(fd: i32) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{fd}"))
}
