//! A body that is a file, or ranges of one: given in pieces no larger than asked for, or as a place in the file for who
//! can send that.
//!
//! Owns: how far it has come, that it ends in an error where the file is no longer what its head said. Must not know:
//! HTTP, connections.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::cache::{CachedFile, GOOD_FOR};
use super::entry::{Resident, Variant};
use super::http::codings::SiblingCoding;
use super::opened::OpenFile;
use crate::io::{budget, file, now};

/// Bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of a piece that a disk is waited for.
const COLD_PIECE_BYTES: usize = 256 << 10;
/// Bytes of a piece that only has to wait for room in the socket, at most: what follows goes by [`FileBody::window`],
/// in whole pages.
const SHORT_PIECE_BYTES: usize = 4 << 10;
/// Bytes of a window: half a millisecond of the worker's time.
const WINDOW_BYTES: u64 = 2 << 20;
/// For so many bytes is asked at a time whether they are in memory.
const LOOK_BYTES: u64 = 8 << 20;
/// Files of more bytes are looked at before the first of them goes out, too.
const LARGE_BYTES: u64 = 1 << 20;

/// What a body is made of.
#[derive(Clone, Debug)]
pub enum BodyPart {
    /// These bytes.
    Bytes(Bytes),
    /// These of the file.
    File(Range<u64>),
}

/// A place in an open file.
pub struct FileWindow<'a> {
    /// The file.
    pub file: BorrowedFd<'a>,
    /// From here on.
    pub offset: u64,
    /// So many bytes, at least one.
    pub length: usize,
}

type PendingRead = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>>>>;

/// The body. One reader at a time.
pub struct FileBody {
    /// What it is of, in which coding.
    kept: Rc<CachedFile>,
    coding: Option<SiblingCoding>,
    file: OpenFile,
    parts: RefCell<VecDeque<BodyPart>>,
    /// Bytes in all.
    length: u64,
    /// Bytes of the file that are still to come.
    left: Cell<u64>,
    /// A read that waits for a disk.
    reading: RefCell<Option<PendingRead>>,
    /// The next piece has to wait for room in the socket.
    waits_for_room: Cell<bool>,
    /// The bytes of the file up to here are in memory.
    resident_until: Cell<u64>,
    /// Of those up to here some are not: they go in pieces.
    cold_until: Cell<u64>,
    /// For so many is asked at a time.
    look_bytes: Cell<u64>,
    has_begun: Cell<bool>,
}

impl FileBody {
    /// Of `parts`, none of which is empty, of the `file` that `kept` has open for `coding`.
    pub fn new(
        kept: Rc<CachedFile>,
        coding: Option<SiblingCoding>,
        file: OpenFile,
        parts: Vec<BodyPart>,
    ) -> FileBody {
        let bytes = |part: &BodyPart| match part {
            BodyPart::Bytes(bytes) => bytes.len() as u64,
            BodyPart::File(range) => range.end - range.start,
        };
        let left = parts.iter().filter(|part| matches!(part, BodyPart::File(_))).map(bytes).sum();
        FileBody {
            length: parts.iter().map(bytes).sum(),
            left: Cell::new(left),
            kept,
            coding,
            file,
            parts: RefCell::new(parts.into()),
            reading: RefCell::default(),
            waits_for_room: Cell::new(false),
            resident_until: Cell::new(0),
            cold_until: Cell::new(0),
            look_bytes: Cell::new(LOOK_BYTES),
            has_begun: Cell::new(false),
        }
    }

    /// Its bytes in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.parts.borrow().is_empty()
    }

    /// Nobody wants what is left.
    pub fn cancel(&self) {
        self.parts.take();
        self.reading.take();
    }

    /// Whether the file is what it was, asked before the first of its bytes, where there are many, and before the last.
    fn check(&self, next: u64) -> io::Result<()> {
        let is_first = !self.has_begun.replace(true) && self.left.get() > LARGE_BYTES;
        if (is_first || next >= self.left.get()) && !self.file.is_same() {
            return Err(changed());
        }
        Ok(())
    }

    /// The next bytes as a place in the file; `None`: they come by [`poll_piece`](Self::poll_piece), because they are
    /// none of the file's, or not in memory.
    ///
    /// # Errors
    /// The file has changed.
    pub fn window(&self) -> io::Result<Option<FileWindow<'_>>> {
        let range = match self.parts.borrow().front() {
            Some(BodyPart::File(range)) if self.reading.borrow().is_none() => range.clone(),
            _ => return Ok(None),
        };
        let end = range.end.min(range.start + WINDOW_BYTES);
        if range.start < self.cold_until.get() {
            return Ok(None);
        }
        if self.resident_until.get() < end {
            let Some(until) = self.resident(&range, end) else {
                self.cold_until.set(end);
                return Ok(None);
            };
            self.resident_until.set(until);
        }
        let length = end - range.start;
        self.check(length)?;
        Ok(Some(FileWindow { file: self.file.fd.as_fd(), offset: range.start, length: length as usize }))
    }

    /// Up to where, `end` or beyond, the bytes from the start of `range` on are in memory, or were when somebody asked
    /// lately; `None`: not all of them are.
    fn resident(&self, range: &Range<u64>, end: u64) -> Option<u64> {
        let variant: &Variant = self.kept.entry.variant(self.coding);
        let (start, file) = (range.start, self.file.fd.as_fd());
        let known = variant.resident.get().filter(|it| now().saturating_duration_since(it.at) < GOOD_FOR);
        let known = known.filter(|Resident { range: (from, until), .. }| (*from..=*until).contains(&start));
        if let Some(Resident { range: (_, until), .. }) = known
            && end <= until
        {
            return Some(until);
        }
        let is_there = |until: &u64| file::is_resident(file, start, until - start);
        let far = Some(range.end.min(start + self.look_bytes.get())).filter(is_there);
        if far.is_none() {
            // Nor will it be soon: the kernel reads ahead of us, and not so far.
            self.look_bytes.set(WINDOW_BYTES);
        }
        let until = far.or_else(|| Some(end).filter(is_there))?;
        let (from, at) = known.map_or((start, now()), |it| (it.range.0, it.at));
        variant.resident.set(Some(Resident { range: (from, until), at }));
        Some(until)
    }

    /// `bytes` of the window have been sent.
    ///
    /// # Errors
    /// There were none: the file has become shorter.
    pub fn sent(&self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(changed());
        }
        self.waits_for_room.set(true);
        self.advance(bytes as u64);
        Ok(())
    }

    fn advance(&self, bytes: u64) {
        let mut parts = self.parts.borrow_mut();
        if let Some(BodyPart::File(range)) = parts.front_mut() {
            range.start += bytes;
            if range.is_empty() {
                parts.pop_front();
                // The next may be anywhere.
                self.resident_until.set(0);
                self.cold_until.set(0);
            }
        }
        self.left.set(self.left.get().saturating_sub(bytes));
    }

    /// The next piece; `None` at the end.
    pub fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut piece = Vec::new();
        self.poll_into(cx, &mut piece).map(|next| next.map(|added| added.map(|_| piece.into())))
    }

    /// Appends the next piece to `out`: how many bytes that is; `None` at the end.
    pub fn poll_into(&self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Option<io::Result<usize>>> {
        let front = self.parts.borrow().front().cloned();
        let range = match front {
            None => return Poll::Ready(None),
            Some(BodyPart::Bytes(bytes)) => {
                self.parts.borrow_mut().pop_front();
                budget::spend(bytes.len());
                out.extend_from_slice(&bytes);
                return Poll::Ready(Some(Ok(bytes.len())));
            }
            Some(BodyPart::File(range)) => range,
        };
        let before = out.len();
        let read = ready!(self.poll_read(&range, cx, out)).and_then(|()| {
            let bytes = (out.len() - before) as u64;
            if bytes == 0 {
                return Err(changed());
            }
            self.check(bytes)?;
            self.advance(bytes);
            Ok(out.len() - before)
        });
        if read.is_err() {
            // What came of a file that is another one is nothing to be sent.
            out.truncate(before);
            self.cancel();
        }
        Poll::Ready(Some(read))
    }

    /// Reads from memory if it can, else by a wait.
    fn poll_read(&self, range: &Range<u64>, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<io::Result<()>> {
        let mut reading = self.reading.borrow_mut();
        if reading.is_none() {
            ready!(budget::poll_left(cx));
            let fits = |bytes: usize| (range.end - range.start).min(bytes as u64) as usize;
            let is_short = self.waits_for_room.get() && range.start >= self.cold_until.get();
            let bytes = match is_short {
                true => SHORT_PIECE_BYTES - range.start as usize % SHORT_PIECE_BYTES,
                false => PIECE_BYTES,
            };
            let read = file::read_now(self.file.fd.as_fd(), out, fits(bytes), range.start);
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    budget::spend(*read.as_ref().unwrap_or(&0));
                    return Poll::Ready(read.map(drop));
                }
            }
            *reading = Some(Box::pin(file::read(self.file.fd.clone(), fits(COLD_PIECE_BYTES), range.start)));
        }
        let Some(read) = reading.as_mut() else { return Poll::Pending };
        let piece = ready!(read.as_mut().poll(cx));
        *reading = None;
        Poll::Ready(piece.map(|piece| out.extend_from_slice(&piece)))
    }
}

fn changed() -> io::Error {
    io::Error::other("the file changed while it was sent")
}
