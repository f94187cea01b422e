//! A batch of received datagrams: slots that recvmmsg(2) fills.
//!
//! Owns: the memory of the slots. It is reserved at once and takes room only where datagrams have come to lie: small
//! ones fill one page each of as many slots as a batch has had. Must not know: when to receive.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use super::wire::{self, Control, NAME_BYTES, Name, Route};

/// Datagrams of one batch.
pub(super) const SLOT_COUNT: usize = 64;
/// Bytes of a slot: UDP's own length has 16 bits.
const SLOT_BYTES: usize = 64 << 10;

/// What recvmmsg(2) is given and gives back, at a fixed place: the headers point at the rest.
struct ReceiveHeaders {
    headers: [libc::mmsghdr; SLOT_COUNT],
    slots: [libc::iovec; SLOT_COUNT],
    names: [Name; SLOT_COUNT],
    controls: [Control; SLOT_COUNT],
}

pub(super) struct Slots {
    base: NonNull<u8>,
    headers: Box<ReceiveHeaders>,
    /// How many datagrams came with the last batch, and how many of them were taken.
    received: usize,
    taken: usize,
}

impl Slots {
    pub(super) fn new() -> io::Result<Self> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let length = SLOT_COUNT * SLOT_BYTES;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: that mapping. Huge pages would be resident for the first byte of each slot; where there are none
        // the call fails, and nothing is lost.
        unsafe { libc::madvise(base.as_ptr().cast(), length, libc::MADV_NOHUGEPAGE) };
        // SAFETY: all of it is integers and pointers, for which zeros are valid.
        let mut headers: Box<ReceiveHeaders> = unsafe { Box::new(std::mem::zeroed()) };
        let all = &mut *headers;
        for index in 0..SLOT_COUNT {
            // SAFETY: inside of the mapping.
            let slot = unsafe { base.as_ptr().add(index * SLOT_BYTES) };
            all.slots[index] = libc::iovec { iov_base: slot.cast(), iov_len: SLOT_BYTES };
            let header = &mut all.headers[index].msg_hdr;
            header.msg_iov = &raw mut all.slots[index];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut all.names[index]).cast();
            header.msg_control = (&raw mut all.controls[index]).cast();
        }
        // All are as after a full batch: each is given its lengths before its first use.
        Ok(Slots { base, headers, received: SLOT_COUNT, taken: SLOT_COUNT })
    }

    /// Whether nothing of the last batch is left.
    pub(super) fn is_taken(&self) -> bool {
        self.taken == self.received
    }

    /// The next batch, in place of the last one: how many datagrams came.
    pub(super) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        for header in &mut self.headers.headers[..self.received] {
            header.msg_hdr.msg_namelen = NAME_BYTES as _;
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        (self.received, self.taken) = (0, 0);
        let (headers, none) = (self.headers.headers.as_mut_ptr(), std::ptr::null_mut());
        // SAFETY: the headers point at slots, names and controls of the lengths that they say, which nobody else
        // refers to while `self` is borrowed.
        let got = unsafe {
            libc::recvmmsg(fd.as_raw_fd(), headers, SLOT_COUNT as _, libc::MSG_DONTWAIT as _, none)
        };
        self.received = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// The next datagram of the batch, with its sender.
    pub(super) fn next(&mut self) -> Option<(&[u8], Route)> {
        while self.taken < self.received {
            let index = self.taken;
            self.taken += 1;
            let (all, header) = (&*self.headers, &self.headers.headers[index]);
            let Some(peer) = wire::read_name(&all.names[index]) else { continue };
            let local = match header.msg_hdr.msg_controllen {
                0 => None,
                length => wire::read_destination(&all.controls[index], length),
            };
            let length = (header.msg_len as usize).min(SLOT_BYTES);
            // SAFETY: recvmmsg(2) has filled as many bytes of the slot, and it fills none again as long as `self`
            // is borrowed.
            let bytes =
                unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(index * SLOT_BYTES), length) };
            return Some((bytes, Route { peer, local }));
        }
        None
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; the kernel works on it inside of `receive` only.
        unsafe { libc::munmap(self.base.as_ptr().cast(), SLOT_COUNT * SLOT_BYTES) };
    }
}
