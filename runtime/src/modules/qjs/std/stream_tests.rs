//! The stream's rules against a device in memory.
//!
//! Owns: that device. Must not know: files.

use std::cell::{Cell, RefCell};

use super::*;

/// A file in memory, or a pipe.
#[derive(Default)]
struct Memory {
    bytes: RefCell<Vec<u8>>,
    at: Cell<usize>,
    pipe: bool,
    terminal: bool,
    full: Cell<bool>,
    calls: Cell<usize>,
}

fn called(memory: &Memory) {
    memory.calls.set(memory.calls.get() + 1);
}

impl Device for Memory {
    fn read(&self, target: &mut [u8]) -> io::Result<usize> {
        called(self);
        let bytes = self.bytes.borrow();
        let rest = bytes.get(self.at.get()..).unwrap_or_default();
        let count = rest.len().min(target.len());
        target[..count].copy_from_slice(&rest[..count]);
        self.at.set(self.at.get() + count);
        Ok(count)
    }

    fn write(&self, from: &[u8]) -> io::Result<usize> {
        called(self);
        if self.full.get() {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        // Short writes: the stream goes on.
        let count = from.len().min(5_000);
        let mut bytes = self.bytes.borrow_mut();
        let end = self.at.get() + count;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[self.at.get()..end].copy_from_slice(&from[..count]);
        self.at.set(end);
        Ok(count)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        if self.pipe {
            return Err(io::Error::from_raw_os_error(libc::ESPIPE));
        }
        let at = match to {
            SeekFrom::Start(at) => at as i64,
            SeekFrom::Current(by) => self.at.get() as i64 + by,
            SeekFrom::End(by) => self.bytes.borrow().len() as i64 + by,
        };
        self.at.set(usize::try_from(at).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?);
        Ok(at as u64)
    }

    fn is_interactive(&self) -> bool {
        self.terminal
    }
}

const BOTH: Access = Access { read: true, write: true, append: false };

fn holding(text: &str) -> Memory {
    Memory { bytes: RefCell::new(text.as_bytes().to_vec()), ..Memory::default() }
}

fn text(memory: &Memory) -> String {
    String::from_utf8_lossy(&memory.bytes.borrow()).into_owned()
}

#[test]
fn reading_and_writing_switch_at_the_position_that_the_reader_sees() {
    let (memory, mut stream) = (holding("one\ntwo\nthree\n"), Stream::new(BOTH));
    assert_eq!(stream.line(&memory, 100).unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(stream.write(&memory, b"TWO"), 3);
    assert_eq!(stream.tell(&memory).unwrap(), 7);
    assert_eq!(stream.line(&memory, 100).unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(stream.tell(&memory).unwrap(), 8);
    assert_eq!(text(&memory), "one\nTWO\nthree\n");
}

#[test]
fn full_buffering_writes_when_full_and_line_buffering_at_line_ends() {
    let (memory, mut stream) = (Memory::default(), Stream::new(BOTH));
    stream.write(&memory, b"a\nb");
    assert_eq!((text(&memory).as_str(), memory.calls.get()), ("", 0));
    stream.write(&memory, &[b'x'; BUFFER_BYTES]);
    assert_eq!(memory.bytes.borrow().len(), BUFFER_BYTES + 3);
    let (terminal, mut stream) = (Memory { terminal: true, ..Memory::default() }, Stream::new(BOTH));
    stream.write(&terminal, b"a\nb");
    assert_eq!(text(&terminal), "a\n");
    stream.write(&terminal, b"c\n");
    assert_eq!(text(&terminal), "a\nbc\n");
    let (memory, mut stream) = (Memory::default(), Stream::unbuffered(BOTH));
    stream.write(&memory, b"b");
    assert_eq!(text(&memory), "b");
}

#[test]
fn the_end_stays_until_it_is_cleared_or_left() {
    let (memory, mut stream) = (holding("a"), Stream::new(BOTH));
    assert_eq!((stream.get(&memory), stream.eof()), (Some(b'a'), false));
    assert_eq!((stream.get(&memory), stream.eof()), (None, true));
    memory.bytes.borrow_mut().push(b'b');
    assert_eq!(stream.get(&memory), None);
    stream.clear();
    assert_eq!(stream.get(&memory), Some(b'b'));
    assert_eq!(stream.get(&memory), None);
    stream.seek(&memory, SeekFrom::Start(0)).unwrap();
    assert_eq!((stream.eof(), stream.get(&memory)), (false, Some(b'a')));
}

#[test]
fn what_a_stream_may_not_do_is_an_error_of_it() {
    let memory = holding("abc");
    let mut reader = Stream::new(Access { read: true, ..Access::default() });
    assert_eq!((reader.write(&memory, b"x"), reader.error(), reader.last_errno()), (0, true, libc::EBADF));
    let mut writer = Stream::new(Access { write: true, ..Access::default() });
    assert_eq!((writer.get(&memory), writer.error(), writer.eof()), (None, true, false));
    writer.clear();
    assert!(!writer.error());
}

#[test]
fn a_full_disk_is_told_once_and_loses_what_was_buffered() {
    let (memory, mut stream) = (Memory::default(), Stream::new(BOTH));
    memory.full.set(true);
    assert_eq!(stream.write(&memory, b"abc"), 3);
    assert_eq!(stream.flush(&memory).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert!(stream.error());
    memory.full.set(false);
    stream.flush(&memory).unwrap();
    assert_eq!(text(&memory), "");
    memory.full.set(true);
    assert_eq!(stream.write(&memory, &[0; 3 * BUFFER_BYTES]), 0);
}

#[test]
fn what_is_read_ahead_of_a_pipe_is_kept() {
    let (memory, mut stream) = (Memory { pipe: true, ..holding("abcd") }, Stream::new(BOTH));
    assert_eq!(stream.get(&memory), Some(b'a'));
    stream.flush(&memory).unwrap();
    assert_eq!(stream.seek(&memory, SeekFrom::Current(1)).unwrap_err().raw_os_error(), Some(libc::ESPIPE));
    assert_eq!(stream.get(&memory), Some(b'b'));
    assert!(stream.tell(&memory).is_err());
}

#[test]
fn seeks_relative_to_the_reader_ignore_what_is_read_ahead() {
    let (memory, mut stream) = (holding("0123456789"), Stream::new(BOTH));
    stream.get(&memory);
    stream.seek(&memory, SeekFrom::Current(2)).unwrap();
    assert_eq!(stream.get(&memory), Some(b'3'));
    stream.seek(&memory, SeekFrom::End(-1)).unwrap();
    assert_eq!(stream.get(&memory), Some(b'9'));
    assert!(stream.seek(&memory, SeekFrom::Current(-100)).is_err());
}

#[test]
fn large_reads_go_past_the_buffer_and_limits_are_kept() {
    let (memory, mut stream) = (holding(&"z".repeat(10 * BUFFER_BYTES)), Stream::new(BOTH));
    assert_eq!(stream.get(&memory), Some(b'z'));
    let mut target = vec![0; 9 * BUFFER_BYTES];
    assert_eq!(stream.read(&memory, &mut target), target.len());
    assert_eq!(memory.calls.get(), 2);
    assert_eq!(stream.read_to_end(&memory, 10, 100).unwrap().len(), 10);
    assert!(stream.read_to_end(&memory, u64::MAX, 100).is_err());
    stream.seek(&memory, SeekFrom::Start(0)).unwrap();
    assert!(stream.line(&memory, 100).is_err());
}
