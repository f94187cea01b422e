//! The operations of [`Socket`]: accept, connect, recv, send, with and without addresses.
//!
//! Owns: the system calls. Buffers go in by value and come back with the result. Must not know:
//! how waiting is done.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use socket2::{SockAddr, SockRef};

use super::modes::set_nonblocking;
use super::socket::{READ, Socket, WRITE, poll_now, shut_for_reading};
use super::timer::sleep;

fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Runs `call` with O_NONBLOCK set, for calls that have no flag for it.
fn without_blocking<T>(fd: BorrowedFd<'_>, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if rustix::fs::fcntl_getfl(fd)?.contains(rustix::fs::OFlags::NONBLOCK) {
        return call();
    }
    set_nonblocking(fd, true)?;
    let result = call();
    set_nonblocking(fd, false)?;
    result
}

impl Socket {
    /// Receives into `buffer[..]`, at most its length, with `flags` of recv(2). Operations of one
    /// direction are served in call order.
    pub fn recv(
        &self,
        mut buffer: Vec<u8>,
        flags: i32,
    ) -> impl Future<Output = (io::Result<usize>, Vec<u8>)> + use<> {
        let turn = self.queue(READ);
        async move {
            let flags = flags | libc::MSG_DONTWAIT;
            let result = turn
                .run(|fd| {
                    let (data, len) = (buffer.as_mut_ptr(), buffer.len());
                    // SAFETY: the kernel writes at most `len` bytes to the vector, which is ours alone.
                    let now = || count(unsafe { libc::recv(fd.as_raw_fd(), data.cast(), len, flags) });
                    or_end(fd, now(), now, 0)
                })
                .await;
            (result, buffer)
        }
    }

    /// Sends bytes of `buffer` with `flags` of send(2); the result may be less than its length.
    /// A reset peer is EPIPE, never a signal.
    pub fn send(
        &self,
        buffer: Vec<u8>,
        flags: i32,
    ) -> impl Future<Output = (io::Result<usize>, Vec<u8>)> + use<> {
        let flags = flags | libc::MSG_NOSIGNAL;
        let turn = self.queue(WRITE);
        async move {
            let flags = flags | libc::MSG_DONTWAIT;
            let result = turn
                .run(|fd| {
                    // SAFETY: the kernel reads `len` bytes of the vector.
                    count(unsafe { libc::send(fd.as_raw_fd(), buffer.as_ptr().cast(), buffer.len(), flags) })
                })
                .await;
            (result, buffer)
        }
    }

    /// As [`recv`](Self::recv), with the sender's address.
    pub fn recvfrom(
        &self,
        mut buffer: Vec<u8>,
        flags: i32,
    ) -> impl Future<Output = (io::Result<(usize, SockAddr)>, Vec<u8>)> + use<> {
        let flags = flags | libc::MSG_DONTWAIT;
        let turn = self.queue(READ);
        async move {
            let result = turn
                .run(|fd| {
                    let mut now = || recvfrom_now(fd, &mut buffer, flags);
                    or_end(fd, now(), now, (0, nobody()))
                })
                .await;
            (result, buffer)
        }
    }

    /// As [`send`](Self::send), to `addr`.
    pub fn sendto(
        &self,
        buffer: Vec<u8>,
        flags: i32,
        addr: SockAddr,
    ) -> impl Future<Output = (io::Result<usize>, Vec<u8>)> + use<> {
        let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let turn = self.queue(WRITE);
        async move {
            let result = turn
                .run(|fd| {
                    let (data, len) = (buffer.as_ptr().cast(), buffer.len());
                    // SAFETY: the kernel reads `len` bytes of the vector and `addr.len()` of the address.
                    count(unsafe {
                        libc::sendto(fd.as_raw_fd(), data, len, flags, addr.as_ptr().cast(), addr.len())
                    })
                })
                .await;
            (result, buffer)
        }
    }

    /// The next connection, non-blocking and close-on-exec, and its peer. Several pending accepts
    /// get one connection each, in call order; dropping the future loses none.
    pub fn accept(&self) -> impl Future<Output = io::Result<(OwnedFd, SockAddr)>> + use<> {
        self.queue(READ).run(|fd| without_blocking(fd, || accept_now(fd)))
    }

    /// Connects to `addr`. Fails as connect(2) does: ECONNREFUSED, EISCONN, EALREADY, ...
    pub fn connect(&self, addr: SockAddr) -> impl Future<Output = io::Result<()>> + use<> {
        let socket = self.clone();
        let mut started = false;
        async move {
            loop {
                let attempt = socket.queue(WRITE).run(|fd| {
                    if started {
                        return match SockRef::from(&fd).take_error()? {
                            Some(error) => Err(error),
                            None if SockRef::from(&fd).peer_addr().is_ok() => Ok(()),
                            // Hung up: somebody else has read the error (SO_ERROR clears it).
                            None if poll_now(fd.as_raw_fd(), 0) => {
                                Err(io::Error::from_raw_os_error(libc::ECONNABORTED))
                            }
                            None => Err(io::ErrorKind::WouldBlock.into()),
                        };
                    }
                    started = true;
                    without_blocking(fd, || connect_now(fd, &addr))
                });
                match attempt.await {
                    // AF_UNIX: the listener's backlog is full, and no poll says when it is not.
                    Err(error) if error.raw_os_error() == Some(libc::EXFULL) => {
                        started = false;
                        sleep(Duration::from_millis(5)).await;
                    }
                    result => return result,
                }
            }
        }
    }
}

/// `first`, or what a blocking call says where a non-blocking one says EAGAIN for ever: `end`, on a
/// datagram socket that is shut down for reading, which poll(2) calls readable.
pub(super) fn or_end<T>(
    fd: BorrowedFd<'_>,
    first: io::Result<T>,
    again: impl FnOnce() -> io::Result<T>,
    end: T,
) -> io::Result<T> {
    let waits = |result: &io::Result<T>| matches!(result, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
    if !waits(&first) || !shut_for_reading(fd.as_raw_fd()) {
        return first;
    }
    // What came between the two calls is behind no end.
    let second = again();
    if waits(&second) { Ok(end) } else { second }
}

/// An address of no family.
fn nobody() -> SockAddr {
    // SAFETY: the storage is zeroed, which is AF_UNSPEC; its first two bytes are the family.
    unsafe { SockAddr::new(std::mem::zeroed(), 2) }
}

fn recvfrom_now(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>, flags: i32) -> io::Result<(usize, SockAddr)> {
    let (data, len) = (buffer.as_mut_ptr(), buffer.len());
    let mut got = 0;
    // SAFETY: `storage` and `length` are what recvfrom(2) fills; it writes at most `len` bytes of data.
    let ((), addr) = unsafe {
        SockAddr::try_init(|storage, length| {
            got = count(libc::recvfrom(fd.as_raw_fd(), data.cast(), len, flags, storage.cast(), length))?;
            Ok(())
        })
    }?;
    Ok((got, addr))
}

fn accept_now(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, SockAddr)> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: `storage` and `length` are what accept4(2) fills; the new descriptor is nobody else's.
    unsafe {
        SockAddr::try_init(|storage, length| {
            match libc::accept4(fd.as_raw_fd(), storage.cast(), length, flags) {
                accepted @ 0.. => Ok(OwnedFd::from_raw_fd(accepted)),
                _ => Err(io::Error::last_os_error()),
            }
        })
    }
}

fn connect_now(fd: BorrowedFd<'_>, addr: &SockAddr) -> io::Result<()> {
    // SAFETY: the address is `addr.len()` bytes long.
    if unsafe { libc::connect(fd.as_raw_fd(), addr.as_ptr().cast(), addr.len()) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINPROGRESS | libc::EINTR) => Err(io::ErrorKind::WouldBlock.into()),
        Some(libc::EAGAIN) if addr.is_unix() => Err(io::Error::from_raw_os_error(libc::EXFULL)),
        _ => Err(error),
    }
}
