//! Sockets that the process was started with, from number 3 on (sd_listen_fds(3)).
//!
//! Owns: that they are taken over once, and go to no child. Must not know: who has handed them over, what is served there.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{SockRef, Type};

use super::peer;
use crate::address::Address;

/// The number of the first (sd-daemon.h, SD_LISTEN_FDS_START).
pub const FIRST: i32 = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// A socket that was handed over.
#[derive(Debug)]
pub struct HandedSocket {
    /// Its descriptor.
    pub socket: OwnedFd,
    /// Its number when the process began.
    pub number: i32,
    /// What who handed it over calls it.
    pub name: String,
    /// Where it is bound.
    pub address: Address,
    /// Whether it is one of streams; else of datagrams.
    pub is_stream: bool,
}

/// Takes over the first `count` descriptors; those that are no bound sockets are closed. `names` are theirs, in order. The
/// second call finds none.
pub fn take(count: usize, names: &[&str]) -> Vec<HandedSocket> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let numbers = (FIRST..).take(count);
    let all = numbers.enumerate().filter_map(|(index, number)| {
        let socket = descriptor(number)?;
        let kind = SockRef::from(&socket).r#type().ok()?;
        let address = peer::local(socket.as_fd())?;
        let name = names.get(index).copied().unwrap_or_default().to_owned();
        Some(HandedSocket { socket, number, name, address, is_stream: kind == Type::STREAM })
    });
    all.collect()
}

/// Takes over a descriptor that was handed over beside the sockets; `None`: there is none of that number.
pub fn descriptor(number: i32) -> Option<OwnedFd> {
    // SAFETY: fcntl(2) takes and gives numbers; one that is open was handed to this process for whoever takes it, and is
    // taken once: `take` by its first call, what stands beside the sockets by who reads its number from the environment.
    unsafe {
        if number < FIRST || libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) == -1 {
            return None;
        }
        Some(OwnedFd::from_raw_fd(number))
    }
}
