//! Where a socket's two ends are (getpeername(2), getsockname(2)), and who is at the other end of a Unix socket.
//!
//! Owns: these system calls, and addresses as the kernel has them. Must not know: who asks.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use socket2::{SockAddr, SockRef};

use crate::address::{Address, Credentials, UnixAddress, UnixName};

/// The peer's address, while it is connected.
pub(super) fn peer(fd: BorrowedFd<'_>) -> Option<Address> {
    match name(&SockRef::from(&fd).peer_addr().ok()?)? {
        Ok(address) => Some(address),
        Err(name) => Some(Address::Unix(Arc::new(UnixAddress { name, credentials: credentials(fd) }))),
    }
}

/// Ours.
pub(super) fn local(fd: BorrowedFd<'_>) -> Option<Address> {
    let address = name(&SockRef::from(&fd).local_addr().ok()?)?;
    Some(address.unwrap_or_else(Address::unix))
}

/// An IP address, or the name of a Unix socket; `None` for other families.
fn name(addr: &SockAddr) -> Option<Result<Address, UnixName>> {
    if let Some(ip) = addr.as_socket() {
        return Some(Ok(ip.into()));
    }
    if !addr.is_unix() {
        return None;
    }
    Some(Err(match (addr.as_pathname(), addr.as_abstract_namespace()) {
        (Some(path), _) if !path.as_os_str().as_bytes().is_empty() => UnixName::Path(path.to_path_buf()),
        (_, Some(name)) => UnixName::Abstract(name.to_vec()),
        _ => UnixName::Unnamed,
    }))
}

/// Who connected the Unix socket `fd` (unix(7), SO_PEERCRED).
fn credentials(fd: BorrowedFd<'_>) -> Option<Credentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `found`, which is plain numbers.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut len,
        )
    };
    (result == 0).then_some(Credentials { pid: found.pid, uid: found.uid, gid: found.gid })
}

/// The address of a Unix socket named `name`, for bind(2) and connect(2).
///
/// # Errors
/// It is longer than 107 bytes.
pub fn unix_sock_addr(name: &UnixName) -> std::io::Result<SockAddr> {
    SockAddr::unix(std::ffi::OsStr::from_bytes(&name.sun_path()))
}
