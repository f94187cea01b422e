//! Reads of regular files that never keep a worker waiting for a disk.
//!
//! Owns: the try that answers from memory or not at all, the wait on the ring (tokio-uring) or in a thread, how many
//! threads of a worker may wait at a time. Must not know: which files, what for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::executor::with_tokio;
use super::worker::ring;

/// Threads of one worker that wait for disks at a time; further calls wait for one of them.
const THREADS_MAX: usize = 4;
/// cachestat(2), Linux 6.5: one number on all architectures.
const SYS_CACHESTAT: libc::c_long = 451;

thread_local! {
    static THREADS: Rc<Semaphore> = Rc::new(Semaphore::new(THREADS_MAX));
}

/// `struct cachestat_range`.
#[repr(C)]
struct CacheRange {
    offset: u64,
    length: u64,
}

/// `struct cachestat`.
#[repr(C)]
#[derive(Default)]
struct CacheStat {
    cached: u64,
    others: [u64; 4],
}

/// Appends what of `length` bytes from `offset` on is in memory; fewer, where the rest is not.
///
/// # Errors
/// `WouldBlock` where a disk would have to be waited for, or the file system cannot tell (preadv2(2), RWF_NOWAIT).
pub fn read_now(file: BorrowedFd<'_>, buffer: &mut Vec<u8>, length: usize, offset: u64) -> io::Result<usize> {
    buffer.reserve(length);
    let spare = &mut buffer.spare_capacity_mut()[..length];
    let iov = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: length };
    // SAFETY: the kernel writes at most `length` bytes to spare capacity that we borrow exclusively.
    let got =
        unsafe { libc::preadv2(file.as_raw_fd(), &raw const iov, 1, offset.cast_signed(), libc::RWF_NOWAIT) };
    let Ok(got) = usize::try_from(got) else {
        let error = io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM | libc::EINTR) => {
                io::ErrorKind::WouldBlock.into()
            }
            _ => error,
        });
    };
    // SAFETY: the call has initialised `got` bytes behind the vector's length.
    unsafe { buffer.set_len(buffer.len() + got) };
    Ok(got)
}

/// Whether all of `length` bytes from `offset` on, which the file has, are in memory; false where the kernel does not
/// say.
pub fn is_resident(file: BorrowedFd<'_>, offset: u64, length: u64) -> bool {
    let page = rustix::param::page_size() as u64;
    let range = CacheRange { offset, length };
    let mut found = CacheStat::default();
    // SAFETY: both structures have the kernel's layout and live across the call.
    let result =
        unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut found, 0) };
    let pages = (offset + length).div_ceil(page) - offset / page;
    result == 0 && found.cached >= pages
}

/// At most `length` bytes from `offset` on; none at the end of the file. May wait for a disk: not on this thread.
///
/// # Errors
/// pread(2).
pub async fn read(file: Arc<OwnedFd>, length: usize, offset: u64) -> io::Result<Vec<u8>> {
    if ring().is_none() {
        return blocking(move || {
            let mut buffer = Vec::with_capacity(length);
            rustix::io::pread(&*file, rustix::buffer::spare_capacity(&mut buffer), offset)?;
            Ok(buffer)
        })
        .await?;
    }
    let file = tokio_uring::fs::File::from_std(std::fs::File::from(file.try_clone()?));
    let (result, buffer) = with_tokio(file.read_at(Vec::with_capacity(length), offset)).await;
    result.map(|_| buffer)
}

/// Runs `work`, which may wait for a disk, in a thread.
///
/// # Errors
/// There is none to be had, or `work` panicked.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let threads = THREADS.with(Rc::clone);
    let _thread = threads.acquire().await.map_err(io::Error::other)?;
    with_tokio(tokio::task::spawn_blocking(work)).await.map_err(io::Error::other)
}
