//! What the kernel knows of a TCP connection (tcp(7), TCP_INFO).
//!
//! Owns: the system call, and which of its bytes mean what. Must not know: who asks.

use std::os::fd::{AsRawFd, BorrowedFd};

/// `tcpi_bytes_acked` of `struct tcp_info` (linux/tcp.h, since 4.1).
const ACKNOWLEDGED_AT: usize = 120;
/// States in which our FIN is acknowledged (net/tcp_states.h): FIN_WAIT2, TIME_WAIT, CLOSE.
const FIN_ACKNOWLEDGED: [u8; 3] = [5, 6, CLOSED];
/// TCP_CLOSE: after a reset, too.
const CLOSED: u8 = 7;

/// A connection as it is now.
pub(super) struct TcpInfo {
    state: u8,
    /// Bytes that the peer has acknowledged.
    pub(super) acknowledged: u64,
}

impl TcpInfo {
    /// Asks for it; `None` for what is no TCP.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Option<TcpInfo> {
        let mut info = [0u8; 256];
        let mut len = info.len() as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes to `info`.
        let result = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if result != 0 || (len as usize) < ACKNOWLEDGED_AT + 8 {
            return None;
        }
        let acknowledged = info[ACKNOWLEDGED_AT..ACKNOWLEDGED_AT + 8].try_into().ok()?;
        Some(TcpInfo { state: info[0], acknowledged: u64::from_ne_bytes(acknowledged) })
    }

    /// Whether the peer has all that was sent, and our FIN.
    pub(super) fn fin_is_acknowledged(&self) -> bool {
        FIN_ACKNOWLEDGED.contains(&self.state)
    }

    /// Whether the connection is no more: both sides have ended it, or one has reset it.
    pub(super) fn is_closed(&self) -> bool {
        self.state == CLOSED
    }
}
