//! Signals that the process receives, as news for one task.
//!
//! Owns: the handler, which does no more than note the signal and wake the task, and the dispositions
//! before it. Must not know: what is done about a signal. The process has one owner at a time: what
//! a signal does is a matter of the whole process (signal(7)).

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use super::socket::Socket;

/// Numbers below are signals.
pub const SIGNALS_MAX: i32 = 64;

static CLAIMED: AtomicBool = AtomicBool::new(false);
/// Signals noted and not yet taken, a bit each.
static PENDING: AtomicU64 = AtomicU64::new(0);
/// The eventfd that wakes the task; -1 without an owner.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What it does by default (signal(7)).
    Default,
    /// Nothing.
    Ignore,
    /// It is noted.
    Note,
}

/// The owner of the process's signals. What it changed is undone when it is dropped.
pub struct Signals {
    wake: Socket,
    before: BTreeMap<i32, libc::sigaction>,
}

extern "C" fn note(signal: c_int) {
    // SAFETY: atomics, write(2) and this thread's errno: all safe in a signal handler.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        PENDING.fetch_or(1 << signal, Ordering::SeqCst);
        let one = 1_u64;
        libc::write(WAKE.load(Ordering::SeqCst), ptr::from_ref(&one).cast(), size_of::<u64>());
        *errno = saved;
    }
}

impl Signals {
    /// Takes the signals; for one owner at a time, inside of a worker.
    ///
    /// # Errors
    /// EBUSY where another has them, EMFILE.
    pub fn claim() -> io::Result<Signals> {
        if CLAIMED.swap(true, Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        // SAFETY: the new descriptor is owned here.
        let made = unsafe {
            match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(OwnedFd::from_raw_fd(fd)),
            }
        };
        match made {
            Ok(fd) => {
                PENDING.store(0, Ordering::SeqCst);
                WAKE.store(fd.as_raw_fd(), Ordering::SeqCst);
                Ok(Signals { wake: Socket::new(fd), before: BTreeMap::new() })
            }
            Err(error) => {
                CLAIMED.store(false, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    /// Says what `signal` does. System calls that it interrupts go on, but for sleeps.
    ///
    /// # Errors
    /// EINVAL for what is no signal, and for SIGKILL and SIGSTOP.
    pub fn set(&mut self, signal: i32, disposition: Disposition) -> io::Result<()> {
        if !(1..SIGNALS_MAX).contains(&signal) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: zeros are a valid sigaction (no flags, an empty mask); `note` is async-signal-safe,
        // and both structs are locals.
        let before = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            action.sa_flags = libc::SA_RESTART;
            action.sa_sigaction = match disposition {
                Disposition::Default => libc::SIG_DFL,
                Disposition::Ignore => libc::SIG_IGN,
                Disposition::Note => note as *const () as usize,
            };
            if libc::sigaction(signal, &raw const action, &raw mut before) != 0 {
                return Err(io::Error::last_os_error());
            }
            before
        };
        self.before.entry(signal).or_insert(before);
        if disposition != Disposition::Note {
            PENDING.fetch_and(!(1 << signal), Ordering::SeqCst);
        }
        Ok(())
    }

    /// What to wait on for news: readable until [`take`] is called; EBADF once the owner is gone.
    pub fn news(&self) -> Socket {
        self.wake.clone()
    }
}

/// Takes the signals noted since the last call from `news`, the lowest first.
pub fn take(news: &Socket) -> Vec<i32> {
    let drained = news.with_fd(|fd| {
        let mut count = [0; size_of::<u64>()];
        Ok(rustix::io::read(fd, &mut count)?)
    });
    // Closed: its signals, if any, are another's.
    if drained.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EBADF)) {
        return Vec::new();
    }
    let noted = PENDING.swap(0, Ordering::SeqCst);
    (1..SIGNALS_MAX).filter(|signal| noted >> signal & 1 == 1).collect()
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: puts back what sigaction(2) gave.
            unsafe { libc::sigaction(*signal, before, ptr::null_mut()) };
        }
        WAKE.store(-1, Ordering::SeqCst);
        // Fails only when it is closed already.
        let _ = self.wake.close();
        CLAIMED.store(false, Ordering::SeqCst);
    }
}
