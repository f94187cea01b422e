//! The memory that the kernel lets this process have: the limit of its control group, if there is one.
//!
//! Owns: finding it (cgroups(7): version 2's memory.max and version 1's memory.limit_in_bytes, of the group
//! and of those around it). Must not know: what follows from it.

use std::fs;
use std::path::{Path, PathBuf};

/// Limits from here on are none: version 1 writes the largest number of pages for that.
const UNLIMITED: u64 = 1 << 60;

/// The limit in bytes.
pub fn memory_bytes_max() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit(&groups, Path::new("/sys/fs/cgroup"))
}

/// The least limit of the groups that `/proc/self/cgroup` names, below `root`.
fn limit(groups: &str, root: &Path) -> Option<u64> {
    groups.lines().filter_map(|line| limit_of_line(line, root)).min()
}

/// `0::/path`, or `4:memory:/path` in version 1.
fn limit_of_line(line: &str, root: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, file): (PathBuf, &str) = match (number, controllers) {
        ("0", "") => (root.to_owned(), "memory.max"),
        (_, names) if names.split(',').any(|name| name == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // In a container the path may be the host's: then the root is the container's own group.
    let folders = Path::new(path.trim_start_matches('/')).ancestors().map(|folder| root.join(folder));
    folders.filter_map(|folder| number_in(&folder.join(file))).min()
}

fn number_in(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree like that of `/sys/fs/cgroup`, from file names and texts.
    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("jsserve-cgroup-{name}-{}", std::process::id()));
        for (file, text) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        }
        root
    }

    #[test]
    fn the_least_limit_of_the_group_and_those_around_it_counts() {
        let files = [
            ("a/b/memory.max", "max\n"),
            ("a/memory.max", "201326592\n"),
            ("a/b/c/memory.max", "999999999\n"),
        ];
        let root = tree("two", &files);
        assert_eq!(limit("0::/a/b/c\n", &root), Some(201_326_592));
        assert_eq!(limit("0::/\n", &root), None);
        fs::write(root.join("memory.max"), "5000\n").expect("a file");
        assert_eq!(limit("0::/not/here\n", &root), Some(5000), "the container's own group");
        fs::remove_dir_all(root).expect("remove");
    }

    #[test]
    fn version_1_has_a_controller_of_its_own() {
        let files = [
            ("memory/a/memory.limit_in_bytes", "1048576\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let root = tree("one", &files);
        let groups = "5:cpu,cpuacct:/a\n4:memory:/a\n1:name=systemd:/x\n0::/x\n";
        assert_eq!(limit(groups, &root), Some(1_048_576));
        assert_eq!(limit("4:memory:/\n", &root), None, "the largest number of pages is no limit");
        fs::remove_dir_all(root).expect("remove");
    }
}
