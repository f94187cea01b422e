//! Files that are read anew when they have changed.
//!
//! Owns: how they looked when last seen, how often their reading has failed since. Must not know: what is in them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::CertificateFiles;

/// Readings that may fail before it is told of: a pair of files is written one after the other.
const FAILURES: u32 = 2;

/// What shows that a file is another: device, inode, size, and the times of its content and of its name.
type Mark = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// The state of a watch.
pub(super) struct FileWatch {
    marks: Vec<Mark>,
    /// What was seen is not read yet, or could not be.
    is_new: bool,
    failures: u32,
}

impl FileWatch {
    /// Of files as they are now, which are read next.
    pub(super) fn new(files: &[CertificateFiles]) -> FileWatch {
        FileWatch { marks: marks(files), is_new: false, failures: 0 }
    }

    /// Whether they are to be read: they have changed since the last look, or could not be read a moment ago.
    pub(super) fn look(&mut self, files: &[CertificateFiles]) -> bool {
        let marks = marks(files);
        if marks != self.marks {
            self.marks = marks;
            self.is_new = true;
            self.failures = 0;
        }
        self.is_new
    }

    /// Whether they have changed since the last look.
    pub(super) fn has_changed(&self, files: &[CertificateFiles]) -> bool {
        marks(files) != self.marks
    }

    /// They are read.
    pub(super) fn settle(&mut self) {
        self.is_new = false;
    }

    /// They could not be read: whether that is to be told, for they have been so for a while. Then they are left alone
    /// until they change.
    pub(super) fn fails(&mut self) -> bool {
        self.failures += 1;
        self.is_new = self.failures <= FAILURES;
        !self.is_new
    }
}

fn marks(files: &[CertificateFiles]) -> Vec<Mark> {
    files
        .iter()
        .flat_map(|files| {
            let more = [files.ocsp.as_deref(), files.client_ca.as_deref()];
            [Some(&*files.certificate), Some(&*files.key)].into_iter().chain(more)
        })
        .map(|path| path.and_then(mark))
        .collect()
}

fn mark(path: &Path) -> Mark {
    let of = |at: Metadata| {
        (at.dev(), at.ino(), at.size(), at.mtime(), at.mtime_nsec(), at.ctime(), at.ctime_nsec())
    };
    std::fs::metadata(path).ok().map(of)
}
