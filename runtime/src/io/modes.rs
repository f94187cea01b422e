//! How a descriptor behaves: whether its calls wait, and what its close sends.
//!
//! Owns: O_NONBLOCK, SO_LINGER. Must not know: who owns the descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::SockRef;

/// Sets or clears O_NONBLOCK.
pub(super) fn set_nonblocking(fd: impl AsFd, nonblocking: bool) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    let wanted =
        if nonblocking { flags | rustix::fs::OFlags::NONBLOCK } else { flags - rustix::fs::OFlags::NONBLOCK };
    if wanted != flags {
        rustix::fs::fcntl_setfl(&fd, wanted)?;
    }
    Ok(())
}

/// Has the close of `fd` send a reset instead of a FIN (SO_LINGER with zero time). It fails for sockets that
/// know no linger, and where there was a reset already: then the close is an ordinary one.
pub(super) fn set_linger_zero(fd: BorrowedFd<'_>) {
    let _ = SockRef::from(&fd).set_linger(Some(Duration::ZERO));
}
