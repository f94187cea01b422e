//! What a script writes to its standard error, as lines of the log.
//!
//! Owns: lines that are too long, bytes that must not stand in a log. Must not know: how often the log takes one, but
//! that it may not.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::log::{self, Kind};

/// Bytes of a line that the log gets.
const LINE_BYTES_MAX: usize = 1_000;
/// Bytes that are read at a time, and how often before others have their turn.
const READ_BYTES: usize = 4 << 10;
const READS_MAX: usize = 16;

/// The standard error of one script, to be read without waiting.
pub(super) struct ScriptLog {
    pipe: OwnedFd,
    lines: ScriptLines,
    /// Nothing more comes.
    is_over: bool,
}

/// What a script says, as lines of the log.
pub struct ScriptLines {
    name: String,
    request_id: String,
    /// The beginning of a line.
    begun: Vec<u8>,
    /// There is more of that line than the log gets.
    is_cut: bool,
}

impl ScriptLog {
    pub(super) fn new(pipe: OwnedFd, name: String, request_id: String) -> io::Result<ScriptLog> {
        rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::NONBLOCK)?;
        Ok(ScriptLog { pipe, lines: ScriptLines::of(name, request_id), is_over: false })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Its script and request, for lines about them.
    pub(super) fn subject(&self) -> (&str, &str) {
        self.lines.subject()
    }

    /// Writes what there is to the log; false at the end.
    pub(super) fn pass_on(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        let mut buffer = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(0) => {
                    self.finish();
                    self.is_over = true;
                    return false;
                }
                Ok(bytes) => self.lines.add(&buffer[..bytes]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// What is left of a line without an end.
    pub(super) fn finish(&mut self) {
        self.lines.finish();
    }
}

impl ScriptLines {
    /// Those of the script `name`, which answers the request of that identifier.
    pub fn of(name: String, request_id: String) -> ScriptLines {
        ScriptLines { name, request_id, begun: Vec::new(), is_cut: false }
    }

    /// The script and its request.
    pub fn subject(&self) -> (&str, &str) {
        (&self.name, &self.request_id)
    }

    /// Says something of the script in one piece, whose lines belong together.
    pub fn tell(&mut self, text: &str) {
        self.finish();
        if log::admits(Kind::Script) {
            let (script, request_id) = (&*self.name, &*self.request_id);
            let lines: Vec<String> = text.trim_end().split('\n').map(|line| shown(line.as_bytes())).collect();
            tracing::error!(script, request_id, "{}", lines.join("\n"));
        }
    }

    /// What is left of a line without an end.
    pub fn finish(&mut self) {
        if !self.begun.is_empty() {
            self.end_line();
        }
    }

    /// More of it.
    pub fn add(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_BYTES_MAX - self.begun.len();
            self.is_cut |= text.len() > room;
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.begun);
        let more = if std::mem::take(&mut self.is_cut) { "…" } else { "" };
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !line.is_empty() && log::admits(Kind::Script) {
            let (script, request_id) = (&*self.name, &*self.request_id);
            tracing::warn!(script, request_id, "{}{more}", shown(line));
        }
    }
}

/// Text whose control characters are escaped.
fn shown(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        match c {
            '\t' => text.push(c),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn control_characters_do_not_reach_the_log() {
        assert_eq!(shown(b"a\tb \x1b[31m\x07\xff"), "a\tb \\u{1b}[31m\\u{7}\u{fffd}");
    }
}
