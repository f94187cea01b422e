//! Where console text goes: to the embedder's log, else to standard output and standard error in one
//! write(2) a call.
//!
//! Owns: the writing, and its replacement by an embedder or a test. Must not know: formatting. A
//! stream that is closed loses the text, nothing else.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How a call ranks (Console standard section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// debug
    Debug,
    /// log, info, dir, table, count, time, group
    Info,
    /// warn, trace, and what the console has to say of its own use
    Warn,
    /// error, assert
    Error,
}

/// Takes the text of one call, line end included.
pub type LineSink = Rc<dyn Fn(Level, &str)>;

/// An engine's sink; the process's own streams where none is set.
#[derive(Default)]
pub struct Output(RefCell<Option<LineSink>>);

impl Output {
    /// Sends everything to `sink` from now on.
    pub fn redirect(&self, sink: LineSink) {
        *self.0.borrow_mut() = Some(sink);
    }

    pub(super) fn write(&self, level: Level, text: &str) {
        let sink = self.0.borrow().clone();
        match (sink, level) {
            (Some(sink), _) => sink(level, text),
            (None, Level::Debug | Level::Info) => write_all(std::io::stdout().as_fd(), text.as_bytes()),
            (None, Level::Warn | Level::Error) => write_all(std::io::stderr().as_fd(), text.as_bytes()),
        }
    }
}

/// Writes all of `bytes`, in one write(2) unless the kernel takes less. A reader that takes nothing
/// for a second loses the rest: a worker does not hang on its log.
fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return,
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let second = Timespec { tv_sec: 1, tv_nsec: 0 };
                let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
                match poll(&mut fds, Some(&second)) {
                    Ok(0) => return,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return,
                }
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_closed_pipe_loses_the_text_and_nothing_else() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        write_all(writer.as_fd(), b"lost\n");
    }

    #[test]
    fn a_full_pipe_that_does_not_block_is_waited_for() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("fionbio");
        let text = vec![b'x'; 300_000];
        let wanted = text.len();
        let read = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all.len())
        });
        write_all(writer.as_fd(), &text);
        drop(writer);
        assert_eq!(read.join().expect("the reader").expect("bytes"), wanted);
    }
}
