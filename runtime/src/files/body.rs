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
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::opened::OpenFile;
use crate::io::{budget, file};

/// Bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of a piece that a disk is waited for.
const COLD_PIECE_BYTES: usize = 256 << 10;
/// Bytes of a piece that only has to wait for room in the socket; what follows goes by [`FileBody::window`].
const SHORT_PIECE_BYTES: usize = 16 << 10;
/// Bytes of a window.
const WINDOW_BYTES: u64 = 1 << 20;
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
    file: OpenFile,
    parts: RefCell<VecDeque<BodyPart>>,
    /// Bytes in all.
    length: u64,
    /// Bytes of the file that are still to come.
    left: Cell<u64>,
    /// A read that waits for a disk.
    reading: RefCell<Option<PendingRead>>,
    piece_bytes: Cell<usize>,
    /// The bytes of the file up to here are in memory.
    resident_until: Cell<u64>,
    has_begun: Cell<bool>,
}

impl FileBody {
    /// Of `parts`, none of which is empty.
    pub fn new(file: OpenFile, parts: Vec<BodyPart>) -> FileBody {
        let bytes = |part: &BodyPart| match part {
            BodyPart::Bytes(bytes) => bytes.len() as u64,
            BodyPart::File(range) => range.end - range.start,
        };
        let left = parts.iter().filter(|part| matches!(part, BodyPart::File(_))).map(bytes).sum();
        FileBody {
            length: parts.iter().map(bytes).sum(),
            left: Cell::new(left),
            file,
            parts: RefCell::new(parts.into()),
            reading: RefCell::default(),
            piece_bytes: Cell::new(PIECE_BYTES),
            resident_until: Cell::new(0),
            has_begun: Cell::new(false),
        }
    }

    /// Its bytes in all.
    pub fn length(&self) -> u64 {
        self.length
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
        let file = self.file.fd.as_fd();
        let end = range.end.min(range.start + WINDOW_BYTES);
        if self.resident_until.get() < end {
            let look = range.end.min(range.start + LOOK_BYTES);
            if !file::is_resident(file, range.start, look - range.start)
                && (look == end || !file::is_resident(file, range.start, end - range.start))
            {
                return Ok(None);
            }
            self.resident_until.set(end);
        }
        let length = end - range.start;
        self.check(length)?;
        Ok(Some(FileWindow { file, offset: range.start, length: length as usize }))
    }

    /// `bytes` of the window have been sent.
    ///
    /// # Errors
    /// There were none: the file has become shorter.
    pub fn sent(&self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(changed());
        }
        self.piece_bytes.set(SHORT_PIECE_BYTES);
        self.advance(bytes as u64);
        Ok(())
    }

    fn advance(&self, bytes: u64) {
        let mut parts = self.parts.borrow_mut();
        if let Some(BodyPart::File(range)) = parts.front_mut() {
            range.start += bytes;
            if range.is_empty() {
                parts.pop_front();
            }
        }
        self.left.set(self.left.get().saturating_sub(bytes));
    }

    /// The next piece; `None` at the end.
    pub fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let front = self.parts.borrow().front().cloned();
        let range = match front {
            None => return Poll::Ready(None),
            Some(BodyPart::Bytes(bytes)) => {
                self.parts.borrow_mut().pop_front();
                budget::spend(bytes.len());
                return Poll::Ready(Some(Ok(bytes)));
            }
            Some(BodyPart::File(range)) => range,
        };
        let piece = match self.poll_read(&range, cx) {
            Poll::Ready(piece) => piece,
            Poll::Pending => return Poll::Pending,
        };
        let piece = piece.and_then(|piece| {
            if piece.is_empty() {
                return Err(changed());
            }
            self.check(piece.len() as u64)?;
            self.advance(piece.len() as u64);
            Ok(Bytes::from(piece))
        });
        if piece.is_err() {
            self.cancel();
        }
        Poll::Ready(Some(piece))
    }

    /// Reads from memory if it can, else by a wait.
    fn poll_read(&self, range: &Range<u64>, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut reading = self.reading.borrow_mut();
        if reading.is_none() {
            ready!(budget::poll_left(cx));
            let fits = |bytes: usize| (range.end - range.start).min(bytes as u64) as usize;
            let mut piece = Vec::new();
            let read =
                file::read_now(self.file.fd.as_fd(), &mut piece, fits(self.piece_bytes.get()), range.start);
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    budget::spend(piece.len());
                    return Poll::Ready(read.map(|_| piece));
                }
            }
            *reading = Some(Box::pin(file::read(self.file.fd.clone(), fits(COLD_PIECE_BYTES), range.start)));
        }
        let Some(read) = reading.as_mut() else { return Poll::Pending };
        let piece = ready!(read.as_mut().poll(cx));
        *reading = None;
        Poll::Ready(piece)
    }
}

fn changed() -> io::Error {
    io::Error::other("the file changed while it was sent")
}
