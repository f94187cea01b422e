//! Whether this kernel lets us use io_uring, found out by doing it.
//!
//! Owns: the trial set-up, and the words for each way it is refused. Must not know: what is done
//! about it.

use std::fmt;
use std::io;

use super::IoOptions;
use super::ring::{build, trial};

/// Why io_uring is refused, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the kernel or its administrator does not allow, as the end of a sentence.
    pub cause: String,
    /// What mends it, as a full sentence.
    pub remedy: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refused { cause: cause.into(), remedy: remedy.into() }
    }

    fn from_error(error: &io::Error, disabled: Option<u8>) -> Self {
        let too_old = "Linux 6.1 or newer has what is needed.";
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) if disabled.is_some_and(|value| value > 0) => Refused::new(
                format!("sysctl kernel.io_uring_disabled is {}", disabled.unwrap_or(0)),
                "An administrator can allow it: sysctl kernel.io_uring_disabled=0.",
            ),
            Some(libc::EPERM | libc::EACCES) => Refused::new(
                "a seccomp filter or security policy refuses io_uring (EPERM), as Docker's default profile does",
                "In Docker: --security-opt seccomp=PROFILE.json with the io_uring calls allowed, or seccomp=unconfined.",
            ),
            Some(libc::ENOSYS) => Refused::new(
                "this kernel has no io_uring (ENOSYS): it is too old, built without it, or gVisor",
                too_old,
            ),
            Some(libc::ENOMEM) => Refused::new(
                "there is not enough memory that may be locked (ENOMEM, RLIMIT_MEMLOCK)",
                "Raise it: ulimit -l, LimitMEMLOCK= of systemd, --ulimit memlock= of Docker.",
            ),
            Some(libc::EMFILE | libc::ENFILE) => {
                Refused::new("there are no file descriptors left", "Raise the limit: ulimit -n.")
            }
            Some(libc::EINVAL) => Refused::new(
                "this kernel's io_uring lacks multishot receive or provided buffer rings (EINVAL)",
                too_old,
            ),
            _ => Refused::new(format!("io_uring failed its trial: {error}"), "Use --io epoll."),
        }
    }
}

/// What the errno of a worker's set-up means.
pub fn refusal(errno: i32) -> Refused {
    Refused::from_error(&io::Error::from_raw_os_error(errno), None)
}

/// Sets up a ring of `entries` with all that the worker's ring uses, receives through it once, and
/// closes it.
pub fn probe(entries: u32) -> Result<(), Refused> {
    let options = IoOptions { ring_entries: entries, recv_buffer_bytes: 8192, ..IoOptions::default() };
    let tried = build(options.ring_entries).and_then(|uring| trial(uring, options.recv_buffer_bytes));
    tried.map_err(|error| {
        let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        Refused::from_error(&error, disabled.and_then(|value| value.trim().parse().ok()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_cause_and_its_remedy() {
        let refused = |errno, disabled| Refused::from_error(&io::Error::from_raw_os_error(errno), disabled);
        assert!(refused(libc::EPERM, None).remedy.contains("--security-opt seccomp="));
        assert!(refused(libc::EPERM, Some(0)).cause.contains("seccomp"));
        assert!(refused(libc::EPERM, Some(2)).remedy.contains("kernel.io_uring_disabled=0"));
        assert!(refused(libc::ENOSYS, None).cause.contains("gVisor"));
        assert!(refused(libc::ENOMEM, None).cause.contains("RLIMIT_MEMLOCK"));
        assert!(refused(libc::EINVAL, None).remedy.contains("6.1"));
    }
}
