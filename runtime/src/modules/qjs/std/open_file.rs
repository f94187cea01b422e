//! An open FILE: a stream over a descriptor of the engine's table, and the child behind it, if any.
//!
//! Owns: the stream and the child; closes both. Must not know: JavaScript objects. Its number is that
//! of the table: once it is closed there, the FILE meets EBADF, never another file.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, SeekFrom};
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

use super::stream::{Device, Stream};
use crate::io::errno;
use crate::io::process::Children;
use crate::modules::qjs::os::pending::Descriptor;
use crate::modules::qjs::os::table::Descriptors;

/// Repeats `call` after signals, and after waiting where a descriptor that does not block has nothing.
fn waiting<T>(
    entry: &Descriptor,
    flags: PollFlags,
    mut call: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> io::Result<T> {
    entry.socket.with_fd(|fd| {
        loop {
            match call(fd) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, flags)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                result => return Ok(result?),
            }
        }
    })
}

impl Device for Descriptor {
    fn read(&self, target: &mut [u8]) -> io::Result<usize> {
        waiting(self, PollFlags::IN, |fd| rustix::io::read(fd, &mut *target))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        waiting(self, PollFlags::OUT, |fd| rustix::io::write(fd, bytes))
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(offset) => rustix::fs::SeekFrom::Start(offset),
            SeekFrom::Current(offset) => rustix::fs::SeekFrom::Current(offset),
            SeekFrom::End(offset) => rustix::fs::SeekFrom::End(offset),
        };
        self.socket.with_fd(|fd| Ok(rustix::fs::seek(fd, to)?))
    }

    fn is_interactive(&self) -> bool {
        self.socket.with_fd(|fd| Ok(fd.is_terminal())).unwrap_or(false)
    }
}

/// The process behind a FILE, and who ends it where its script does not wait for it.
pub type ShellChild = (Child, Option<Arc<Children>>);

/// An open FILE.
pub struct OpenFile {
    /// Its buffers.
    pub stream: RefCell<Stream>,
    /// Its descriptor.
    pub entry: Rc<Descriptor>,
    /// The descriptor's number.
    pub number: i32,
    descriptors: Weak<Descriptors>,
    child: RefCell<Option<ShellChild>>,
    closed: Cell<bool>,
}

impl OpenFile {
    /// A FILE on descriptor `number` of the table, which is `entry`.
    pub fn new(
        stream: Stream,
        descriptors: &Rc<Descriptors>,
        (number, entry): (i32, Rc<Descriptor>),
        child: Option<ShellChild>,
    ) -> OpenFile {
        OpenFile {
            stream: RefCell::new(stream),
            entry,
            number,
            descriptors: Rc::downgrade(descriptors),
            child: RefCell::new(child),
            closed: Cell::new(false),
        }
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// Those of the descriptor.
    pub fn flush(&self) -> io::Result<()> {
        match self.stream.try_borrow_mut() {
            Ok(mut stream) => stream.flush(&*self.entry),
            Err(_) => Ok(()),
        }
    }

    fn close_descriptor(&self) -> io::Result<()> {
        self.closed.set(true);
        match self.descriptors.upgrade() {
            Some(table) if table.get(self.number).is_ok_and(|entry| Rc::ptr_eq(&entry, &self.entry)) => {
                table.close(self.number)
            }
            _ => self.entry.socket.close(),
        }
    }

    /// fclose(3), or pclose(3): 0, the child's wait status (waitpid(2)), or `-errno`.
    pub fn close(&self) -> i32 {
        let flushed = self.flush();
        let closed = self.close_descriptor();
        if let Some((mut child, children)) = self.child.take() {
            let waited = child.wait();
            children.iter().for_each(|children| children.forget(child.id().cast_signed()));
            return match waited {
                Ok(status) => status.into_raw(),
                Err(error) => -errno::number(&error),
            };
        }
        flushed.and(closed).map_or_else(|error| -errno::number(&error), |()| 0)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.closed.get() {
            return;
        }
        // As in C, what fails here is nobody's to hear.
        drop(self.flush());
        // Standard streams stay open for the rest of the process: only `close` closes them.
        if self.number > 2 {
            drop(self.close_descriptor());
        }
        if let Some((mut child, None)) = self.child.take()
            && !matches!(child.try_wait(), Ok(Some(_)))
        {
            // The garbage collector does not wait for a child; a thread does, so that no zombie stays.
            drop(thread::Builder::new().name("reaper".into()).spawn(move || child.wait()));
        }
    }
}
