//! The buffer of a FILE, by the rules of C's stdio (stdio(3), setvbuf(3)).
//!
//! Owns: the switch between reading and writing, line and full buffering, the marks for end of file
//! and errors. Must not know: JavaScript, what is behind a [`Device`].

use std::io::{self, SeekFrom};

/// Bytes that are buffered in each direction; what is larger goes past the buffer.
pub const BUFFER_BYTES: usize = 4_096;

/// What a stream reads and writes; the calls block.
pub trait Device {
    /// read(2).
    ///
    /// # Errors
    /// Those of the call.
    fn read(&self, target: &mut [u8]) -> io::Result<usize>;
    /// write(2).
    ///
    /// # Errors
    /// Those of the call.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// lseek(2); the new position.
    ///
    /// # Errors
    /// Those of the call; ESPIPE for pipes and sockets.
    fn seek(&self, to: SeekFrom) -> io::Result<u64>;
    /// Whether what is written should be there at the end of each line.
    fn is_interactive(&self) -> bool;
}

/// What a stream may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
    /// All writes go to the end.
    pub append: bool,
}

/// When written bytes leave the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffering {
    /// Not looked at yet.
    Unknown,
    Full,
    Line,
    None,
}

/// More was read than the caller can hold.
#[derive(Debug)]
pub struct TooLong;

/// One stream's buffers.
pub struct Stream {
    access: Access,
    buffering: Buffering,
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
    eof: bool,
    error: bool,
    last_errno: i32,
}

impl Stream {
    /// A stream that is buffered by what its device is.
    pub const fn new(access: Access) -> Stream {
        Stream::with(access, Buffering::Unknown)
    }

    /// A stream whose writes go straight to its device, as those to standard error do.
    pub const fn unbuffered(access: Access) -> Stream {
        Stream::with(access, Buffering::None)
    }

    const fn with(access: Access, buffering: Buffering) -> Stream {
        Stream {
            access,
            buffering,
            input: Vec::new(),
            at: 0,
            output: Vec::new(),
            eof: false,
            error: false,
            last_errno: 0,
        }
    }

    /// Whether the end was met.
    pub fn eof(&self) -> bool {
        self.eof
    }

    /// Whether a call failed.
    pub fn error(&self) -> bool {
        self.error
    }

    /// The number of the error that failed last; 0 when none did since [`Stream::clear`].
    pub fn last_errno(&self) -> i32 {
        self.last_errno
    }

    /// Forgets the end and the error.
    pub fn clear(&mut self) {
        (self.eof, self.error, self.last_errno) = (false, false, 0);
    }

    /// Bytes read ahead.
    pub fn unread(&self) -> usize {
        self.input.len() - self.at
    }

    /// Whether written bytes wait in the buffer.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether written lines leave at their end.
    pub fn by_line(&self) -> bool {
        self.buffering == Buffering::Line
    }

    fn fail(&mut self, error: &io::Error) {
        self.error = true;
        self.last_errno = error.raw_os_error().unwrap_or(libc::EIO);
    }

    /// Whether it may be read now; what was written is on its way then.
    fn begin_read(&mut self, device: &dyn Device) -> bool {
        if !self.access.read {
            self.fail(&io::Error::from_raw_os_error(libc::EBADF));
            return false;
        }
        self.output.is_empty() || self.flush(device).is_ok()
    }

    fn fill(&mut self, device: &dyn Device) -> bool {
        if self.unread() > 0 {
            return true;
        }
        if !self.begin_read(device) || self.eof {
            return false;
        }
        self.input.resize(BUFFER_BYTES, 0);
        self.at = 0;
        let count = device.read(&mut self.input);
        self.input.truncate(*count.as_ref().unwrap_or(&0));
        self.noted(count) > 0
    }

    fn noted(&mut self, count: io::Result<usize>) -> usize {
        match count {
            Ok(0) => self.eof = true,
            Ok(count) => return count,
            Err(error) => self.fail(&error),
        }
        0
    }

    /// fread(3): the bytes read, fewer only at the end or after an error.
    pub fn read(&mut self, device: &dyn Device, target: &mut [u8]) -> usize {
        let mut done = 0;
        while done < target.len() {
            let rest = &mut target[done..];
            if self.unread() == 0 && rest.len() >= BUFFER_BYTES {
                if !self.begin_read(device) || self.eof {
                    break;
                }
                let count = device.read(rest);
                match self.noted(count) {
                    0 => break,
                    count => done += count,
                }
                continue;
            }
            if !self.fill(device) {
                break;
            }
            let count = self.unread().min(rest.len());
            rest[..count].copy_from_slice(&self.input[self.at..self.at + count]);
            self.at += count;
            done += count;
        }
        done
    }

    /// fgetc(3).
    pub fn get(&mut self, device: &dyn Device) -> Option<u8> {
        if !self.fill(device) {
            return None;
        }
        self.at += 1;
        self.input.get(self.at - 1).copied()
    }

    /// Reads to the end, but no more than `count` bytes.
    ///
    /// # Errors
    /// When that is more than `bytes_max`; they are read all the same.
    pub fn read_to_end(
        &mut self,
        device: &dyn Device,
        count: u64,
        bytes_max: usize,
    ) -> Result<Vec<u8>, TooLong> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut all = Vec::new();
        while all.len() < count && self.fill(device) {
            let part = self.unread().min(count - all.len());
            all.extend_from_slice(&self.input[self.at..self.at + part]);
            self.at += part;
            if all.len() > bytes_max {
                return Err(TooLong);
            }
        }
        Ok(all)
    }

    /// The next line without its newline; none at the end.
    ///
    /// # Errors
    /// When it is longer than `bytes_max`.
    pub fn line(&mut self, device: &dyn Device, bytes_max: usize) -> Result<Option<Vec<u8>>, TooLong> {
        let mut line = Vec::new();
        while self.fill(device) {
            let unread = &self.input[self.at..];
            if let Some(end) = memchr::memchr(b'\n', unread) {
                line.extend_from_slice(&unread[..end]);
                self.at += end + 1;
                return Ok(Some(line));
            }
            line.extend_from_slice(unread);
            self.at = self.input.len();
            if line.len() > bytes_max {
                return Err(TooLong);
            }
        }
        Ok((!line.is_empty()).then_some(line))
    }

    /// fwrite(3): the bytes taken, fewer only after an error.
    pub fn write(&mut self, device: &dyn Device, bytes: &[u8]) -> usize {
        if !self.access.write {
            self.fail(&io::Error::from_raw_os_error(libc::EBADF));
            return 0;
        }
        self.give_back_input(device);
        if self.buffering == Buffering::Unknown {
            let interactive = device.is_interactive();
            self.buffering = if interactive { Buffering::Line } else { Buffering::Full };
        }
        let room = BUFFER_BYTES.saturating_sub(self.output.len());
        let line_end = memchr::memrchr(b'\n', bytes).map(|end| end + 1);
        let now = match self.buffering {
            Buffering::None => bytes.len(),
            Buffering::Line if line_end.is_some() => line_end.unwrap_or_default(),
            _ if bytes.len() > room => bytes.len(),
            _ => 0,
        };
        let (head, tail) = bytes.split_at(now);
        if !head.is_empty() {
            if self.flush(device).is_err() {
                return 0;
            }
            if let Err((count, error)) = write_all(device, head) {
                self.fail(&error);
                return count;
            }
        }
        self.output.extend_from_slice(tail);
        bytes.len()
    }

    /// fflush(3): writes what is buffered, gives back what was read ahead.
    ///
    /// # Errors
    /// Those of the device; what could not be written is gone then.
    pub fn flush(&mut self, device: &dyn Device) -> io::Result<()> {
        self.give_back_input(device);
        if self.output.is_empty() {
            return Ok(());
        }
        let output = std::mem::take(&mut self.output);
        let written = write_all(device, &output).map_err(|(_, error)| error);
        self.output = output;
        self.output.clear();
        if let Err(error) = &written {
            self.fail(error);
        }
        written
    }

    /// Puts the device where the reader is. What came from a pipe cannot go back: it stays.
    fn give_back_input(&mut self, device: &dyn Device) {
        let ahead = self.unread() as i64;
        if ahead > 0 && device.seek(SeekFrom::Current(-ahead)).is_err() {
            return;
        }
        self.input.clear();
        self.at = 0;
    }

    /// fseeko(3).
    ///
    /// # Errors
    /// Those of the device.
    pub fn seek(&mut self, device: &dyn Device, to: SeekFrom) -> io::Result<()> {
        self.flush(device)?;
        let to = match to {
            // Only where `flush` could not give it back, which fails again here.
            SeekFrom::Current(offset) => SeekFrom::Current(offset.saturating_sub(self.unread() as i64)),
            other => other,
        };
        device.seek(to)?;
        self.input.clear();
        (self.at, self.eof) = (0, false);
        Ok(())
    }

    /// ftello(3).
    ///
    /// # Errors
    /// Those of the device.
    pub fn tell(&mut self, device: &dyn Device) -> io::Result<i64> {
        if self.access.append {
            self.flush(device)?;
        }
        let position = device.seek(SeekFrom::Current(0))? as i64;
        Ok(position - self.unread() as i64 + self.output.len() as i64)
    }
}

fn write_all(device: &dyn Device, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match device.write(&bytes[done..]) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(error) => return Err((done, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
