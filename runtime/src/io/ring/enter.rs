//! The io_uring instance itself: set-up, the one system call, and its two queues.
//!
//! Owns: the ring's descriptor and flags, the overflow of the submission queue. Must not know:
//! what a submission or a completion means.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::{EnterFlags, IoUring, squeue};

#[cfg(test)]
use super::super::fault;

/// `struct io_uring_getevents_arg` of the kernel's interface, io_uring_enter(2).
#[repr(C)]
#[derive(Default)]
struct GetEvents {
    sigmask: u64,
    sigmask_size: u32,
    reserved: u32,
    timeout: u64,
}

/// `struct io_uring_rsrc_update`, io_uring_register(2).
#[repr(C)]
struct ResourceUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

const IORING_REGISTER_RING_FDS: libc::c_uint = 20;
/// Below so many entries a ring is not worth having.
const ENTRIES_MIN: u32 = 64;

/// One completion: user data, result, flags.
pub(super) type Completion = (u64, i32, u32);

pub(crate) struct Queues {
    uring: RefCell<IoUring>,
    /// The descriptor that `enter` names, and the flag that says which kind it is.
    enter_fd: (i32, u32),
    /// Submissions that found the queue full; in order, and before any later one.
    overflow: RefCell<VecDeque<squeue::Entry>>,
    queued: Cell<u32>,
    has_bundles: bool,
}

/// Sets up a ring of `entries`, halved while the kernel lacks the memory (RLIMIT_MEMLOCK).
pub(crate) fn build(entries: u32) -> io::Result<IoUring> {
    let mut entries = entries.clamp(ENTRIES_MIN, 32_768);
    loop {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun().setup_taskrun_flag();
        builder.setup_clamp().setup_submit_all().setup_cqsize(entries.saturating_mul(4)).dontfork();
        match builder.build(entries) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && entries > ENTRIES_MIN => {
                entries = (entries / 2).max(ENTRIES_MIN);
            }
            built => return built,
        }
    }
}

impl Queues {
    pub(super) fn new(uring: IoUring) -> Self {
        let fd = uring.as_raw_fd();
        let mut update = ResourceUpdate { offset: u32::MAX, reserved: 0, data: fd as u64 };
        // SAFETY: one element of the layout that the opcode takes, alive across the call.
        let registered = unsafe {
            libc::syscall(libc::SYS_io_uring_register, fd, IORING_REGISTER_RING_FDS, &raw mut update, 1)
        };
        // A registered descriptor spares each call the look-up; without it all works the same.
        let enter_fd = match registered {
            1 => (update.offset as i32, EnterFlags::REGISTERED_RING.bits()),
            _ => (fd, 0),
        };
        let has_bundles = uring.params().is_feature_recvsend_bundle();
        let (uring, overflow, queued) = (RefCell::new(uring), RefCell::default(), Cell::new(0));
        Queues { uring, enter_fd, overflow, queued, has_bundles }
    }

    /// Whether one receive can fill several buffers (IORING_RECVSEND_BUNDLE, Linux 6.10).
    pub(super) fn has_bundles(&self) -> bool {
        self.has_bundles
    }

    /// Queues a submission; the next `enter` carries it. Never fails: what the queue cannot take
    /// waits in memory.
    ///
    /// # Safety
    /// What the entry points at must stay valid until its completion has been reaped.
    pub(super) unsafe fn push(&self, entry: squeue::Entry) {
        if !self.overflow.borrow().is_empty() {
            self.overflow.borrow_mut().push_back(entry);
            return;
        }
        // SAFETY: the caller keeps the pointers of `entry` valid.
        if unsafe { self.try_push(&entry) } {
            return;
        }
        let _ = self.enter(self.queued.get(), 0, None);
        // SAFETY: as above.
        if !unsafe { self.try_push(&entry) } {
            self.overflow.borrow_mut().push_back(entry);
        }
    }

    /// # Safety
    /// As [`Queues::push`].
    unsafe fn try_push(&self, entry: &squeue::Entry) -> bool {
        let mut uring = self.uring.borrow_mut();
        // SAFETY: the caller's promise.
        let pushed = unsafe { uring.submission().push(entry) }.is_ok();
        if pushed {
            self.queued.set(self.queued.get() + 1);
        }
        pushed
    }

    /// Submits what is queued and, with `wait`, sleeps until a completion, at most for its time.
    /// Without anything to do it makes no system call.
    pub(super) fn turn(&self, wait: Option<Option<Duration>>) -> io::Result<()> {
        #[cfg(test)]
        fault::take(fault::At::Turn)?;
        self.drain_overflow();
        let (pending_work, completed) = {
            let mut uring = self.uring.borrow_mut();
            let (_, submission, completion) = uring.split();
            (submission.taskrun() || submission.cq_overflow(), !completion.is_empty())
        };
        let queued = self.queued.get();
        let entered = match wait {
            Some(limit) if !completed => self.enter(queued, 1, limit),
            _ if queued > 0 || pending_work => self.enter(queued, 0, None),
            _ => return Ok(()),
        };
        match entered.as_ref().map_err(io::Error::raw_os_error) {
            Ok(_) | Err(Some(libc::EINTR | libc::ETIME | libc::EBUSY)) => Ok(()),
            Err(Some(libc::EAGAIN)) => {
                // The kernel has no memory for requests: give it a moment rather than spin.
                if !completed {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            }
            _ => entered.map(drop),
        }
    }

    /// Whether nothing waits to be submitted.
    pub(super) fn is_empty(&self) -> bool {
        self.queued.get() == 0 && self.overflow.borrow().is_empty()
    }

    /// Submits what is queued now, and runs the kernel's deferred work.
    pub(super) fn submit(&self) {
        self.drain_overflow();
        let _ = self.enter(self.queued.get(), 0, None);
    }

    fn drain_overflow(&self) {
        loop {
            let Some(entry) = self.overflow.borrow_mut().pop_front() else { return };
            // SAFETY: the promise that its `push` was given still holds.
            if unsafe { self.try_push(&entry) } {
                continue;
            }
            self.overflow.borrow_mut().push_front(entry);
            let before = self.queued.get();
            let _ = self.enter(before, 0, None);
            if self.queued.get() == before {
                return;
            }
        }
    }

    /// io_uring_enter(2), always with GETEVENTS: deferred task work runs in no other call.
    fn enter(&self, submit: u32, min_complete: u32, limit: Option<Duration>) -> io::Result<u32> {
        let (fd, fd_flag) = self.enter_fd;
        let mut flags = EnterFlags::GETEVENTS.bits() | fd_flag;
        let timeout = limit.map(|limit| libc::timespec {
            tv_sec: limit.as_secs().min(1 << 30) as _,
            tv_nsec: limit.subsec_nanos() as _,
        });
        let mut events = GetEvents::default();
        let (mut arg, mut size) = (std::ptr::null(), 0);
        if let Some(timeout) = &timeout {
            events.timeout = std::ptr::from_ref(timeout) as u64;
            flags |= EnterFlags::EXT_ARG.bits();
            (arg, size) = (&raw const events, size_of::<GetEvents>());
        }
        // SAFETY: `events` and `timeout` live across the call and have the kernel's layout
        // (`__kernel_timespec` is two 64-bit fields, as `timespec` is on 64-bit Linux).
        let submitted =
            unsafe { libc::syscall(libc::SYS_io_uring_enter, fd, submit, min_complete, flags, arg, size) };
        if submitted < 0 {
            return Err(io::Error::last_os_error());
        }
        self.queued.set(self.queued.get().saturating_sub(submitted as u32));
        Ok(submitted as u32)
    }

    /// Moves the completions that are there to `batch`.
    pub(super) fn reap(&self, batch: &mut Vec<Completion>) {
        let mut uring = self.uring.borrow_mut();
        batch.extend(uring.completion().map(|cqe| (cqe.user_data(), cqe.result(), cqe.flags())));
    }
}

const _: () = assert!(size_of::<libc::timespec>() == 16, "io_uring takes 64-bit timespecs");
