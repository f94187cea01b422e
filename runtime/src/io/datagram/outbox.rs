//! Datagrams on their way out: a bounded queue that sendmmsg(2) empties in batches.
//!
//! Owns: copies of the bytes, the order, the count of what is lost. Must not know: when to send, why more is queued.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::wire::{self, Control, NAME_BYTES, Name, Route};

/// Datagrams of one batch.
const BATCH: usize = 64;
/// A queue that has grown beyond so many bytes gives its memory back when it is empty.
const KEPT_BYTES: usize = 64 << 10;

/// Datagrams that were not sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lost {
    /// Those that the full queue did not take.
    pub dropped: u64,
    /// Those that the kernel refused.
    pub refused: u64,
    /// Why the last of these was: an errno of sendmmsg(2), and to whom.
    pub reason: Option<(i32, SocketAddr)>,
}

/// What a batch came to.
pub(super) enum Sent {
    /// Some went out, or were refused: there may be more.
    Some,
    /// The kernel takes no more for now.
    Full,
}

struct Queued {
    start: usize,
    length: usize,
    to: SocketAddr,
    from: Option<IpAddr>,
}

/// What sendmmsg(2) is given, at a fixed place: the headers point at the rest.
struct SendHeaders {
    headers: [libc::mmsghdr; BATCH],
    pieces: [libc::iovec; BATCH],
    names: [Name; BATCH],
    controls: [Control; BATCH],
}

#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    waiting: Vec<Queued>,
    /// How many of `waiting` are done.
    done: usize,
    /// Made with the first send.
    headers: Option<Box<SendHeaders>>,
    lost: Lost,
}

/// What a datagram of `length` bytes takes of the queue.
pub(super) fn cost(length: usize) -> usize {
    length + size_of::<Queued>()
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.done == self.waiting.len()
    }

    /// What is queued takes so many bytes.
    pub(super) fn cost(&self) -> usize {
        let Some(first) = self.waiting.get(self.done) else { return 0 };
        self.bytes.len() - first.start + (self.waiting.len() - self.done) * size_of::<Queued>()
    }

    pub(super) fn push(&mut self, bytes: &[u8], to: &Route) {
        let (start, length) = (self.bytes.len(), bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.waiting.push(Queued { start, length, to: to.peer, from: to.local });
    }

    /// Counts one that found no room.
    pub(super) fn drop_one(&mut self) {
        self.lost.dropped += 1;
    }

    pub(super) fn take_lost(&mut self) -> Option<Lost> {
        let lost = std::mem::take(&mut self.lost);
        (lost.dropped + lost.refused > 0).then_some(lost)
    }

    /// Forgets what is queued.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes.clear();
        self.done = 0;
        if self.bytes.capacity() > KEPT_BYTES {
            (self.bytes, self.waiting) = Default::default();
        }
    }

    /// One sendmmsg(2) of what is first in the queue.
    pub(super) fn send(&mut self, fd: BorrowedFd<'_>) -> Sent {
        let count = self.prepare();
        if count == 0 {
            return Sent::Some;
        }
        let Some(all) = &mut self.headers else { return Sent::Some };
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `prepare` has filled `count` headers, which point at bytes, names and controls that nobody
        // changes while `self` is borrowed; the kernel only reads them.
        let sent =
            unsafe { libc::sendmmsg(fd.as_raw_fd(), all.headers.as_mut_ptr(), count as _, flags as _) };
        match usize::try_from(sent) {
            Ok(sent) => self.done += sent,
            Err(_) => {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.compact();
                        return Sent::Full;
                    }
                    io::ErrorKind::Interrupted => {}
                    // The first was refused: its own affair, the others go on.
                    _ => {
                        let to = self.waiting[self.done].to;
                        self.lost.refused += 1;
                        self.lost.reason = Some((error.raw_os_error().unwrap_or(0), to));
                        self.done += 1;
                    }
                }
            }
        }
        if self.is_empty() {
            self.clear();
        }
        Sent::Some
    }

    /// Fills the headers for the next batch; how many.
    fn prepare(&mut self) -> usize {
        // SAFETY: all of it is integers and pointers, for which zeros are valid.
        let all = self.headers.get_or_insert_with(|| unsafe { Box::new(std::mem::zeroed()) });
        let all = &mut **all;
        let batch = self.waiting[self.done..].iter().take(BATCH);
        let count = batch.len();
        for (index, outgoing) in batch.enumerate() {
            let bytes = &self.bytes[outgoing.start..outgoing.start + outgoing.length];
            // sendmmsg(2) only reads what the pointer that it takes as mutable points at.
            all.pieces[index] =
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let name_bytes = wire::write_name(&outgoing.to, &mut all.names[index]);
            let control_bytes = match outgoing.from {
                Some(source) => wire::write_source(source, &mut all.controls[index]),
                None => 0,
            };
            let header = &mut all.headers[index].msg_hdr;
            header.msg_iov = &raw mut all.pieces[index];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut all.names[index]).cast();
            header.msg_namelen = name_bytes as _;
            header.msg_control = match control_bytes {
                0 => std::ptr::null_mut(),
                _ => (&raw mut all.controls[index]).cast(),
            };
            header.msg_controllen = control_bytes as _;
        }
        debug_assert!(NAME_BYTES >= size_of::<libc::sockaddr_in>());
        count
    }

    /// Moves what waits to the front, so that the queue does not grow while it never empties.
    fn compact(&mut self) {
        let Some(first) = self.waiting.get(self.done) else { return };
        let start = first.start;
        if start < self.bytes.len() / 2 {
            return;
        }
        self.bytes.drain(..start);
        self.waiting.drain(..self.done);
        self.done = 0;
        self.waiting.iter_mut().for_each(|outgoing| outgoing.start -= start);
    }
}
